//! `run`: builds as it is shipped and shows this machine's pods; with `--demo`, makes some that are worth looking at.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};
use rajut_tests::{
    load::{Kind, Load},
    pod::{FakePod, PodId},
};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{build, repo, setup};

/// What to show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Make three pods that do something: one out of CPU quota, one that writes, one that connects
    #[arg(long)]
    demo: bool,
    /// What `rajut top` is given
    #[arg(last = true)]
    top: Vec<OsString>,
}

/// The demo's pods have the same ids each time, so that what a killed demo left is found and removed.
const FAMILY: u32 = 0xde30;
/// Threads of the pod that is out of quota, and its quota in hundredths of a CPU: it waits most of the time.
const HOGS: u32 = 3;
const QUOTA: u32 = 60;
/// Connections a second of the pod that connects.
const CONNECTIONS: u32 = 512;

/// Runs until the person quits; gives the exit code of `rajut top`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !repo::is_root() {
        bail!(
            "not root: eBPF programs take root. build as yourself (`cargo xtask build --release`), then `sudo target/release/rajut top`"
        );
    }
    setup::ensure()?;
    build::agent(true, &[])?;
    let target = repo::target_dir()?;
    if args.demo {
        // In the profile of this program: the rig looks for it beside itself.
        repo::must(repo::cargo().args([
            "build",
            "--quiet",
            "--package",
            "rajut-tests",
            "--bin",
            "rajut-load",
        ]))?;
    }

    // From here on a signal ends the screen, and what was made for it is removed.
    let mut signals = Signals::new([SIGCHLD, SIGHUP, SIGINT, SIGTERM]).context("cannot catch signals")?;
    let _demo = if args.demo { Some(Demo::start(&target.join("demo"))?) } else { None };
    show(&target.join("release/rajut"), &args.top, &mut signals)
}

/// Runs `rajut top` to its end and passes every request to end on to it.
fn show(rajut: &Path, args: &[OsString], signals: &mut Signals) -> Result<ExitCode> {
    if signals.pending().any(|signal| signal != SIGCHLD) {
        return Ok(ExitCode::FAILURE);
    }
    let mut top = Command::new(rajut).arg("top").args(args).spawn().context("cannot start rajut top")?;
    let pid = i32::try_from(top.id()).ok().and_then(Pid::from_raw);
    for signal in signals.forever() {
        if let Some(status) = top.try_wait()? {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        // A terminal sends its SIGINT to both of us; a second one does no harm.
        if let Some(pid) = pid.filter(|_| signal != SIGCHLD) {
            kill_process(pid, Signal::TERM)?;
        }
    }
    bail!("the signals ended before rajut top")
}

/// Three pods and what runs in them. Fields are dropped in order: loads, then pods, then the lock.
struct Demo {
    _loads: Vec<Load>,
    _pods: Vec<FakePod>,
    _scratch: Scratch,
}

impl Demo {
    fn start(dir: &Path) -> Result<Demo> {
        let scratch = Scratch::take(dir)?;
        let cast = [
            ("checkout", "api", Kind::Hogs(HOGS)),
            ("postgres-0", "postgres", Kind::Disk(dir.to_owned())),
            ("redis-0", "redis", Kind::Tcp(CONNECTIONS)),
        ];
        let mut demo = Demo { _loads: Vec::new(), _pods: Vec::new(), _scratch: scratch };
        for (number, (name, container, kind)) in (0..).zip(cast) {
            let pod = FakePod::with_id(PodId::fixed(FAMILY, number)).context("cannot make a demo pod")?;
            pod.set_names("shop", name, container)?;
            if matches!(kind, Kind::Hogs(_))
                && let Err(error) = pod.set_quota(QUOTA)
            {
                eprintln!("xtask: shop/{name} has no CPU quota: {error:#}");
            }
            // Kept before its load starts: should that fail, the pod is removed.
            demo._pods.push(pod);
            demo._loads.push(Load::start(&kind, demo._pods.last())?);
        }
        Ok(demo)
    }
}

/// The demo's folder, for one demo at a time.
struct Scratch {
    dir: PathBuf,
    _lock: File,
}

impl Scratch {
    fn take(dir: &Path) -> Result<Scratch> {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let lock = File::create(dir.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("another demo is running");
        }
        Ok(Scratch { dir: dir.to_owned(), _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
