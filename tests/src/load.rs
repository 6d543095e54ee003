//! A load in a pod: a `rajut-load` process, the words it is spoken to with, and its own accounting.

use std::{
    fmt::Display,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rustix::{
    process::Pid,
    thread::{CpuSet, sched_setaffinity},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::pod::FakePod;

/// What a thread has used, by its own account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// On a CPU, nanoseconds.
    pub cpu_ns: u64,
    /// Ready and waiting for one, nanoseconds.
    pub run_delay_ns: u64,
    /// Times that it was given one.
    pub timeslices: u64,
    /// Times that it left one to wait for something.
    pub voluntary: u64,
    /// Times that it was made to leave one.
    pub involuntary: u64,
}

impl Usage {
    /// Adds another thread's.
    pub fn add(&mut self, other: &Usage) {
        let Usage { cpu_ns, run_delay_ns, timeslices, voluntary, involuntary } = *other;
        self.cpu_ns += cpu_ns;
        self.run_delay_ns += run_delay_ns;
        self.timeslices += timeslices;
        self.voluntary += voluntary;
        self.involuntary += involuntary;
    }

    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            run_delay_ns: self.run_delay_ns.saturating_sub(earlier.run_delay_ns),
            timeslices: self.timeslices.saturating_sub(earlier.timeslices),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

/// The first line that a load prints: its threads run, in their cgroup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// Its process.
    pub pid: u32,
    /// What the process had used before it entered its cgroup; belongs to another one.
    pub before: Usage,
}

/// One thread's account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thread {
    /// What it did: `main`, `hog`, `ping`, `pong`, ...
    pub role: String,
    /// What it used.
    pub usage: Usage,
    /// What it got done: rounds, writes, connections.
    pub operations: u64,
}

/// The line that a load prints when it was told to stop: its threads are idle, and still there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Every thread, `main` first.
    pub threads: Vec<Thread>,
}

impl Account {
    /// All threads together.
    #[must_use]
    pub fn total(&self) -> Usage {
        let mut total = Usage::default();
        self.threads.iter().for_each(|thread| total.add(&thread.usage));
        total
    }

    /// What the threads of a role got done.
    #[must_use]
    pub fn operations(&self, role: &str) -> u64 {
        self.threads.iter().filter(|thread| thread.role == role).map(|thread| thread.operations).sum()
    }
}

/// What a load does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// So many threads that never leave the CPU by themselves.
    Hogs(u32),
    /// So many threads in pairs that wake each other through pipes, so many rounds a second each pair.
    Switchers(u32, u32),
    /// So many threads that sleep a millisecond again and again.
    Sleepers(u32),
    /// A real-time thread that takes the CPU for a millisecond in ten.
    Fifo,
    /// Writes into a file in this folder, each followed by fsync.
    Disk(PathBuf),
    /// So many TCP connections a second over loopback, one request each.
    Tcp(u32),
    /// So many threads that never leave the CPU by themselves, and are moved from CPU to CPU every few milliseconds.
    Movers(u32),
    /// A real-time thread that never leaves the CPU.
    FifoHog,
    /// So many pairs of threads that wake each other through pipes as fast as they can.
    Rallies(u32),
    /// Holds so many MiB of memory of its own, and so many MiB of page cache of a file in this folder.
    Memory(PathBuf, u32, u32),
    /// Has so many pages of a file in this folder read from the disk by page faults, again and again; each is an operation.
    Faults(PathBuf, u32),
    /// So many processes, one after the other, each with two milliseconds of work in five of life. All are born before
    /// the load stops; what they used is in the account of their mother.
    Births(u32),
}

impl Kind {
    fn args(&self) -> Vec<String> {
        let path = |dir: &PathBuf| dir.display().to_string();
        let words: Vec<&dyn Display> = match self {
            Kind::Hogs(threads) => vec![&"hogs", threads],
            Kind::Switchers(threads, rate) => vec![&"switchers", threads, rate],
            Kind::Sleepers(threads) => vec![&"sleepers", threads],
            Kind::Fifo => vec![&"fifo"],
            Kind::Disk(dir) => return vec!["disk".into(), path(dir)],
            Kind::Memory(dir, anon, file) => {
                return vec!["memory".into(), path(dir), anon.to_string(), file.to_string()];
            }
            Kind::Faults(dir, pages) => return vec!["faults".into(), path(dir), pages.to_string()],
            Kind::Tcp(rate) => vec![&"tcp", rate],
            Kind::Movers(threads) => vec![&"movers", threads],
            Kind::FifoHog => vec![&"fifo-hog"],
            Kind::Rallies(pairs) => vec![&"rallies", pairs],
            Kind::Births(processes) => vec![&"births", processes],
        };
        words.into_iter().map(ToString::to_string).collect()
    }
}

/// A running load; it ends when this is dropped, and also when the process that holds this is killed.
#[derive(Debug)]
pub struct Load {
    /// Its process.
    pub pid: u32,
    /// What the process had used before it entered its cgroup.
    pub before: Usage,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Load {
    /// Starts one in a pod, or where we are; returns when its threads run.
    ///
    /// # Errors
    /// When it cannot be started or says so itself.
    pub fn start(kind: &Kind, pod: Option<&FakePod>) -> Result<Load> {
        Load::begin(kind, pod.into_iter().flat_map(FakePod::dirs), false)
    }

    /// Starts one in a pod whose threads are there, and idle until [`Load::go`].
    ///
    /// # Errors
    /// As [`Load::start`].
    pub fn start_idle(kind: &Kind, pod: &FakePod) -> Result<Load> {
        Load::begin(kind, pod.dirs(), true)
    }

    /// Starts one in these cgroups, and else where we are.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub fn start_in(kind: &Kind, dirs: &[&Path]) -> Result<Load> {
        Load::begin(kind, dirs.iter().copied(), false)
    }

    fn begin<'a>(kind: &Kind, dirs: impl Iterator<Item = &'a Path>, idle: bool) -> Result<Load> {
        let mut command = Command::new(crate::binary("rajut-load")?);
        for dir in dirs {
            command.arg("--cgroup").arg(dir);
        }
        command.args(idle.then_some("--idle"));
        let mut child = command
            .args(kind.args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start rajut-load")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("a child without stdout")?);
        let mut load = Load { pid: child.id(), before: Usage::default(), child, input, output };
        let ready: Ready = load.line().with_context(|| format!("the load {kind:?} did not start"))?;
        load.before = ready.before;
        Ok(load)
    }

    /// Tells threads that were started idle to begin.
    ///
    /// # Errors
    /// When it is gone.
    pub fn go(&mut self) -> Result<()> {
        let input = self.input.as_mut().context("the load was stopped before")?;
        input.write_all(b"go\n").context("the load is gone")
    }

    /// Binds every thread that it has to one CPU.
    ///
    /// # Errors
    /// When it is gone, or there is no such CPU.
    pub fn pin(&self, cpu: usize) -> Result<()> {
        let mut cpus = CpuSet::new();
        cpus.set(cpu);
        for entry in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let thread = entry?.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
            sched_setaffinity(thread, &cpus).with_context(|| format!("cannot bind to CPU {cpu}"))?;
        }
        Ok(())
    }

    /// Tells it to stop, and gives its account. The process and its threads stay, idle, until this is dropped, so that
    /// the kernel can still be asked about them.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stop(&mut self) -> Result<Account> {
        let input = self.input.as_mut().context("the load was stopped before")?;
        input.write_all(b"stop\n").context("the load is gone")?;
        self.line()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("rajut-load ended: {}", self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("rajut-load said `{}`", line.trim()))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The end of its input is its sign to go; should it not see it, it is killed with its pod.
        drop(self.input.take());
        let gone = crate::wait_for("end of a load", std::time::Duration::from_secs(5), || {
            (!self.is_running()).then_some(())
        });
        if gone.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
