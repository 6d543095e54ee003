//! The rig of the end-to-end tests: fake pods, loads in them, an agent beside them, and oracles that know the truth.
//!
//! - *Takes*: a machine; with root, its cgroups.
//! - *Gives*: pods that are gone when they are dropped, and numbers that do not come from the agent.
//! - *Never*: the agent's own code.
//!
//! The binaries are built before: `cargo xtask test` does it; by hand, `cargo build -p rajut -p rajut-tests`.

pub mod agent;
pub mod confine;
pub mod load;
pub mod oracle;
pub mod pod;
pub mod programs;
pub mod sys;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// A binary of this workspace, beside the one that runs.
///
/// # Errors
/// When it was not built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running binary")?;
    // target/debug/xtask, or target/debug/deps/root-0123 for a test.
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: cargo build -p rajut -p rajut-tests"))
}

/// Asks again and again until there is an answer: for what tells nobody when it happens.
///
/// # Errors
/// When `limit` has passed; `what` says what did not happen.
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if began.elapsed() > limit {
            bail!("{what}: did not happen in {} s", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The text of a file, without the white space at its ends.
fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Writes a value into a file of the kernel's.
fn write(path: &Path, value: &str) -> Result<()> {
    std::fs::write(path, value).with_context(|| format!("cannot write `{value}` into {}", path.display()))
}
