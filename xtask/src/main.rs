//! The habits of this repository: `cargo xtask VERB`, one file a verb.

mod bench;
mod build;
mod repo;
mod run;
mod setup;
mod test;
mod tidy;
#[allow(dead_code, reason = "the agent's build script uses the rest")]
#[path = "../../toolchain.rs"]
mod toolchain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The habits of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Find the eBPF toolchain, or install it
    Setup,
    /// Build the agent with its kernel programs
    Build(build::Args),
    /// Build, then show this machine's pods: `rajut top`
    Run(run::Args),
    /// Check everything: formatting, lints, layout, tests; with root, against the kernel too
    Test,
    /// Measure what the agent costs, beside what it may cost; needs root
    Bench(bench::Args),
    /// Check that every room uses only what the table of rooms allows
    Tidy,
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Verb::Build(args) => build::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::Run(args) => run::run(&args),
        Verb::Test => test::run(),
        Verb::Bench(args) => bench::run(&args),
        Verb::Tidy => tidy::run().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        // One line: what, then each cause.
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
