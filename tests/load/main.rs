//! `rajut-load`: what a fake pod does, with an account of its own.
//!
//! `rajut-load [--cgroup DIR]... [--idle] KIND`, where KIND is one of `hogs N`, `switchers N RATE`, `sleepers N`, `fifo`,
//! `disk DIR`, `tcp RATE`, `movers N`, `fifo-hog`, `rallies N`, `births N`,
//! `memory DIR MIB MIB`, `faults DIR N`.
//!
//! It enters the cgroups before its first thread begins, prints a line when all threads run, and works until its input
//! says `stop` or ends; with `--idle`, the threads only begin when its input says `go`. Then each thread takes its own account and stays, idle, so that the kernel can still be asked
//! about it; the account is printed. At the end of its input it is gone.

mod crew;
mod kinds;

use std::{
    fs,
    io::{BufRead as _, Read as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use rajut_tests::{
    load::{Account, Kind, Ready, Thread, Usage},
    oracle, sys,
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rajut-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    if std::env::args().nth(1).as_deref() == Some(kinds::CHILD) {
        kinds::child();
        return Ok(());
    }
    let Arguments { cgroups, idle, kind } = parse(std::env::args().skip(1))?;
    for dir in &cgroups {
        fs::write(dir.join("cgroup.procs"), "0")
            .with_context(|| format!("cannot enter {}", dir.display()))?;
    }
    let before = own_usage()?;
    let crew = kinds::muster(&kind)?.start()?;
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    let ready = Ready { pid: std::process::id(), before };
    if idle {
        say(&ready)?;
        input.read_line(&mut line)?;
        crew.go();
    } else {
        crew.go();
        say(&ready)?;
    }

    // Any line, and the end of input too, is the sign to stop.
    input.read_line(&mut line)?;
    let mut threads = crew.stop();
    threads.insert(0, Thread { role: "main".into(), usage: own_usage()?.since(&before), operations: 0 });
    say(&Account { threads })?;
    // The crew's threads stay until the process goes.
    input.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// What the calling thread has used so far.
fn own_usage() -> Result<Usage> {
    let (voluntary, involuntary) = sys::thread_switches();
    let kernel = oracle::thread("/proc/thread-self".as_ref())?;
    let cpu_ns = u64::try_from(sys::thread_cpu_time().as_nanos()).unwrap_or(u64::MAX);
    Ok(Usage { cpu_ns, voluntary, involuntary, ..kernel })
}

fn say(what: &impl serde::Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    // Nobody listens any more when the test was killed: nothing left to say either.
    let _ = out.write_all(&line).and_then(|()| out.flush());
    Ok(())
}

struct Arguments {
    cgroups: Vec<PathBuf>,
    idle: bool,
    kind: Kind,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Arguments> {
    let (mut cgroups, mut idle) = (Vec::new(), false);
    let kind = loop {
        match args.next().context("say what to do, e.g. hogs 2")?.as_str() {
            "--cgroup" => cgroups.push(args.next().context("--cgroup needs a folder")?.into()),
            "--idle" => idle = true,
            kind => break kind.to_owned(),
        }
    };
    let dir = match kind.as_str() {
        "disk" | "memory" | "faults" => args.next().with_context(|| format!("{kind} needs a folder"))?.into(),
        _ => PathBuf::new(),
    };
    let mut number = |what: &str| -> Result<u32> {
        let text = args.next().with_context(|| format!("{kind} needs {what}"))?;
        text.parse().with_context(|| format!("{what} is no number: `{text}`"))
    };
    let kind = match kind.as_str() {
        "hogs" => Kind::Hogs(number("a number of threads")?),
        "switchers" => Kind::Switchers(number("a number of threads")?, number("rounds a second")?),
        "sleepers" => Kind::Sleepers(number("a number of threads")?),
        "fifo" => Kind::Fifo,
        "disk" => Kind::Disk(dir),
        "memory" => Kind::Memory(dir, number("MiB of its own")?, number("MiB of a file")?),
        "faults" => Kind::Faults(dir, number("a number of pages")?),
        "tcp" => Kind::Tcp(number("connections a second")?),
        "movers" => Kind::Movers(number("a number of threads")?),
        "fifo-hog" => Kind::FifoHog,
        "rallies" => Kind::Rallies(number("a number of pairs")?),
        "births" => Kind::Births(number("a number of processes")?),
        other => bail!("unknown load `{other}`"),
    };
    if let Some(extra) = args.next() {
        bail!("unexpected `{extra}`");
    }
    Ok(Arguments { cgroups, idle, kind })
}
