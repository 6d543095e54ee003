//! `bench`: what the agent costs, beside what it may cost.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::{build, repo, setup};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `-o json`, `--only NAME`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Builds in release and measures; fails when a target is missed.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure()?;
    build::agent(true, &[])?;
    let mut command = repo::cargo();
    command.args(["bench", "--quiet", "--package", "rajut-tests", "--bench", "bench", "--"]).args(&args.args);
    let status = command.status().context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
