//! `build`: the agent, with its kernel programs inside.

use anyhow::Result;

use crate::{repo, setup};

/// How to build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Optimized, as it is shipped
    #[arg(long)]
    release: bool,
}

/// Builds.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    agent(args.release, &[])
}

/// Builds the agent, and other binaries of the workspace beside it.
pub(crate) fn agent(release: bool, others: &[(&str, &str)]) -> Result<()> {
    let mut command = repo::cargo();
    command.args(["build", "--package", "rajut", "--bin", "rajut"]);
    for (package, bin) in others {
        command.args(["--package", package, "--bin", bin]);
    }
    if release {
        command.arg("--release");
    }
    repo::must(&mut command)
}
