//! `rajut top`: every pod, worst first, and what hurts.

mod app;
mod ask;
mod columns;
mod detail;
mod detail_screen;
mod live;
mod local;
mod once;
mod rows;
mod screen;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use rajut_proto::v1::{ProbeState, SummarizeRequest, SummarizeResponse};

pub(crate) use columns::Column;
pub(crate) use rows::TopRow;

use self::{app::App, local::Local, screen::Look};
use super::{
    args::{Format, TopArgs},
    connect::{Client, Target, listens},
    error::CliError,
    metrics,
    out::Out,
    status, units, when,
};

/// How long an agent that has just been started measures before the table is printed.
const FRESH: Duration = Duration::from_secs(5);

/// Runs it. `named`: somebody said which agent.
///
/// # Errors
/// When no agent can be reached or started, or the answer cannot be shown.
pub(crate) async fn run(args: &TopArgs, target: Target, named: bool, out: Out) -> Result<(), CliError> {
    let local = match &target {
        Target::Socket(path) if !named && !listens(path).await => {
            say(&format!("no agent at {target}: measuring from here"));
            Some(Local::start().await?)
        }
        _ => None,
    };
    let target = local.as_ref().map_or(target, Local::target);
    let client = Client::connect(&target).await?;
    let app = App::new(args.last, &args.by, &args.filter, local.is_some());
    let once = args.once || args.measure.is_some() || args.output != Format::Table || !out.terminal;
    let result = if once {
        self::print_once(args, &client, app, out).await
    } else {
        live::run(&client, app, Look { color: out.color }).await
    };
    if let Some(local) = local {
        local.stop().await?;
    }
    result
}

async fn print_once(args: &TopArgs, client: &Client, mut app: App, out: Out) -> Result<(), CliError> {
    let measure = args.measure.or_else(|| (app.local && args.last.is_none()).then_some(FRESH));
    let mut question = app.question();
    if let Some(measure) = measure {
        question.range = Some(when::last(measure));
        progress(&format!("measuring {} …", units::span(measure)));
        tokio::time::sleep(measure).await;
    }
    let summary = whole(client, &question, measure.filter(|_| app.local)).await?;
    app.status = status::get(client).await.ok();
    if app.local {
        warn_of_probes(&app);
    }
    let units = match args.output {
        Format::Json => metrics::units(&metrics::list(client).await?),
        Format::Table | Format::Csv => Default::default(),
    };
    let mut to = io::BufWriter::new(io::stdout().lock());
    once::print(&app, &summary, &units, args.output, out, &mut to)?;
    Ok(to.flush()?)
}

/// The summary; of a fresh agent, once it holds as much as was measured: loading took a part of that time.
async fn whole(
    client: &Client,
    question: &SummarizeRequest,
    least: Option<Duration>,
) -> Result<SummarizeResponse, CliError> {
    let summary = ask::summarize_soon(client, question).await?;
    let short = least.unwrap_or_default().saturating_sub(when::length(summary.window.as_ref()));
    if short.is_zero() {
        return Ok(summary);
    }
    tokio::time::sleep(short.min(FRESH)).await;
    ask::summarize(client, question.clone()).await
}

/// Says why nothing is measured, where nothing is: an empty table would leave that open.
fn warn_of_probes(app: &App) {
    let Some(status) = &app.status else { return };
    for probe in status
        .probes
        .iter()
        .filter(|probe| matches!(probe.state(), ProbeState::Unsupported | ProbeState::Broken))
    {
        let (name, reason) =
            (crate::harmless::harmless(&probe.name), crate::harmless::harmless(&probe.reason));
        say(&format!("{name} does not work here: {reason}. `rajut doctor` says what to do"));
    }
}

/// A line on standard error that is no error.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "rajut: {line}");
}

/// A line on standard error for somebody who waits.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        say(line);
    }
}
