//! The command line.
//!
//! - *Takes*: answers over gRPC.
//! - *Gives*: screens.
//! - *Never*: the kernel, the store.

mod agent;
mod args;
mod bars;
mod connect;
mod doctor;
mod error;
mod json;
mod metrics;
mod out;
mod query;
mod signals;
mod status;
mod table;
mod text;
mod top;
mod units;
mod usage;
mod watch;
mod when;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    time::SystemTime,
};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use crate::config::Config;

use self::{
    args::{Cli, Command},
    connect::Client,
    error::{CliError, exit},
    out::Out,
};

/// Runs a command line, its first word the program's name, and gives the exit code: 0 done, 1 partly (doctor), 2 usage
/// or config, 3 no permission, 4 unreachable, 5 nothing works.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    match parse(words).map_err(usage::explain) {
        Ok((cli, matches)) => match execute(&cli, &matches) {
            Ok(code) => code,
            Err(error) => {
                if let Some(line) = error.line() {
                    // Nobody is left to tell where standard error is closed.
                    let _ = writeln!(io::stderr(), "{line}");
                }
                error.code()
            }
        },
        Err(code) => code,
    }
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<(Cli, ArgMatches), clap::Error> {
    let matches = Cli::command().try_get_matches_from(words)?;
    Ok((Cli::from_arg_matches(&matches)?, matches))
}

fn execute(cli: &Cli, matches: &ArgMatches) -> Result<u8, CliError> {
    // One thread: the agent gives up its capabilities before it starts others, and clients wait for answers anyway.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(command(cli, matches));
    // What still sleeps (a key reader, a query) is not waited for.
    runtime.shutdown_background();
    done
}

async fn command(cli: &Cli, matches: &ArgMatches) -> Result<u8, CliError> {
    let out = Out::detect(cli.color);
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let stdout = &mut io::BufWriter::new(io::stdout());
    match &cli.command {
        Command::Agent(args) => agent::run(args, out).await?,
        Command::Top(args) => {
            let (target, named) = args.at.target(matches)?;
            top::run(args, target, named, out).await?;
        }
        Command::Query(args) => {
            let client = Client::connect(&args.at.target(matches)?.0).await?;
            let answer = query::ask(&client, query::request(args, SystemTime::now())).await?;
            query::print(&answer, args.output, out, stdout)?;
        }
        Command::Watch(args) => watch::run(args, &args.at.target(matches)?.0, out).await?,
        Command::Status(args) => {
            let client = Client::connect(&args.at.target(matches)?.0).await?;
            status::print(&status::get(&client).await?, args.output, out, stdout)?;
        }
        Command::Metrics(args) => {
            let client = Client::connect(&args.at.target(matches)?.0).await?;
            metrics::print(&metrics::list(&client).await?, args.output, out, stdout)?;
        }
        Command::Doctor(args) => {
            let config = Config::load(None)?;
            let report = crate::doctor::examine(&config.kernel, &config.off);
            let code = doctor::print(&report, args.output, out, stdout)?;
            stdout.flush()?;
            return Ok(code);
        }
        Command::Completions { shell } => usage::completions(*shell, stdout)?,
        Command::Man { command } => usage::manual(command.as_deref(), stdout)?,
    }
    stdout.flush()?;
    Ok(exit::DONE)
}
