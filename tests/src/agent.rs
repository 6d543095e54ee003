//! An agent in a process of its own, and the client commands that ask it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::wait_for;

/// A `rajut` command that sees nothing of this machine's settings.
///
/// # Errors
/// When it was not built.
pub fn rajut() -> Result<Command> {
    let mut command = Command::new(crate::binary("rajut")?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RAJUT_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    Ok(command)
}

/// A running agent; ends when this is dropped.
#[derive(Debug)]
pub struct Agent {
    /// Where it serves.
    pub socket: PathBuf,
    child: Child,
    dir: TempDir,
}

impl Agent {
    /// Starts one with a socket of its own; returns when that accepts.
    ///
    /// # Errors
    /// When it ends instead; the error carries what it said.
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Result<Agent> {
        let mut command = rajut()?;
        command.arg("agent").args(args);
        Agent::start_as(command)
    }

    /// The same of a command that is all but the socket and the output.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub fn start_as(mut command: Command) -> Result<Agent> {
        let dir = tempfile::tempdir()?;
        let socket = dir.path().join("rajut.sock");
        let child = spawn(&mut command, &dir, &socket)?;
        let mut agent = Agent { socket, child, dir };
        agent.serves()?;
        Ok(agent)
    }

    /// Starts another one at the same socket, after this one has ended.
    ///
    /// # Errors
    /// As [`Agent::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = rajut()?;
        self.child = spawn(command.arg("agent"), &self.dir, &self.socket)?;
        self.serves()
    }

    fn serves(&mut self) -> Result<()> {
        let ready = wait_for("the agent serves", Duration::from_secs(60), || {
            if UnixStream::connect(&self.socket).is_ok() {
                return Some(true);
            }
            // It is also an answer that it has ended.
            self.child.try_wait().ok().flatten().map(|_| false)
        });
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the agent ended: {}", self.log()),
            Err(error) => Err(error.context(self.log())),
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Runs a client command against it.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = rajut()?;
        command.args(args).arg("--socket").arg(&self.socket);
        command.output().with_context(|| format!("cannot run rajut {}", args.join(" ")))
    }

    /// The JSON that a client command prints.
    ///
    /// # Errors
    /// When it fails or prints something else.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        let output = self.run(&[args, &["-o", "json"]].concat())?;
        if !output.status.success() {
            bail!("rajut {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("rajut {} printed no JSON", args.join(" ")))
    }

    /// One metric from one instant up to another; waits until the window that holds the other is closed.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn query(&self, metric: &str, from: OffsetDateTime, to: OffsetDateTime) -> Result<Value> {
        let (from, until) = (from.format(&Rfc3339)?, to.format(&Rfc3339)?);
        let mut last = None;
        let done = wait_for("a window closes", Duration::from_secs(30), || {
            let answer = self.json(&["query", metric, "--from", &from, "--to", &until]);
            let end = answer.as_ref().ok().and_then(|answer| instant(&answer["end"]));
            if end.is_some_and(|end| end >= to) {
                return answer.ok();
            }
            last = Some(answer);
            None
        });
        done.with_context(|| format!("last answer: {last:?}"))
    }

    /// Asks it to end, waits, and gives its exit code; `None` when a signal ended it.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let status =
            wait_for("the agent ends", Duration::from_secs(10), || self.child.try_wait().ok().flatten())?;
        Ok(status.code())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("an agent has a pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Kills it as the OOM killer would.
    ///
    /// # Errors
    /// When it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) && self.stop().is_err() {
            let _ = self.kill();
        }
    }
}

fn spawn(command: &mut Command, dir: &TempDir, socket: &Path) -> Result<Child> {
    let log = fs::File::create(dir.path().join("log"))?;
    command.arg("--socket").arg(socket).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start the agent")
}

/// A time in an answer.
#[must_use]
pub fn instant(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}
