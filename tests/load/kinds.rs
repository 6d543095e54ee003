//! What a load can do, one function a kind.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rajut_tests::{load::Kind, oracle, sys};
use rustix::{
    process::{Pid, WaitId, WaitIdOptions, waitid},
    thread::{CpuSet, gettid, sched_setaffinity},
};

use crate::crew::{Muster, Task};

/// Turns a second of the sleepers.
const SLEEPS: u32 = 1000;
/// Turns a second of the real-time thread, and how long each takes the CPU.
const BURSTS: u32 = 100;
const BURST: Duration = Duration::from_millis(1);
/// Moves a second.
const MOVES: u32 = 300;
/// The command line of a child, how long it works, and how long it lives.
pub(crate) const CHILD: &str = "child";
const WORK: Duration = Duration::from_millis(2);
const LIFE: Duration = Duration::from_millis(5);
/// Writes a second, the size of each, and the size at which the file begins anew: it fills no disk.
const WRITES: u32 = 200;
const WRITE: usize = 64 * 1024;
const FILE: u64 = 64 * 1024 * 1024;
/// A MiB, and rounds of page faults a second.
const MIB: usize = 1024 * 1024;
const ROUNDS: u32 = 10;

/// A load's threads.
pub(crate) fn muster(kind: &Kind) -> Result<Muster> {
    let mut muster = Muster::default();
    match kind {
        Kind::Hogs(threads) => hogs(&mut muster, *threads),
        Kind::Switchers(threads, rate) => switchers(&mut muster, *threads, *rate)?,
        Kind::Sleepers(threads) => sleepers(&mut muster, *threads),
        Kind::Fifo => fifo(&mut muster),
        Kind::Disk(dir) => disk(&mut muster, dir)?,
        Kind::Tcp(rate) => tcp(&mut muster, *rate)?,
        Kind::Movers(threads) => movers(&mut muster, *threads),
        Kind::FifoHog => fifo_hog(&mut muster),
        Kind::Rallies(pairs) => rallies(&mut muster, *pairs)?,
        Kind::Memory(dir, anon, file) => memory(&mut muster, dir, *anon, *file)?,
        Kind::Faults(dir, pages) => faults(&mut muster, dir, *pages)?,
        Kind::Births(processes) => births(&mut muster, *processes),
    }
    Ok(muster)
}

fn hogs(muster: &mut Muster, threads: u32) {
    for _ in 0..threads {
        muster.add("hog", |task| {
            spin(task);
            Ok(())
        });
    }
}

fn spin(task: &mut Task) {
    while task.goes_on() {
        task.operations += 1;
        (0..1000_u64).for_each(|i| _ = black_box(i));
    }
}

/// Each is moved half as often as the one before, so that the CPUs are never evenly loaded for long.
fn movers(muster: &mut Muster, threads: u32) {
    let moved = Arc::new(Mutex::new(Vec::new()));
    for number in 0..threads {
        let moved = Arc::clone(&moved);
        muster.add("moved", move |task| {
            moved.lock().unwrap_or_else(PoisonError::into_inner).push((number, gettid()));
            spin(task);
            Ok(())
        });
    }
    muster.add("mover", move |task| {
        let cpus = std::thread::available_parallelism()?.get() as u64;
        while task.wait_turn(MOVES) {
            for (number, thread) in moved.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let mut cpu = CpuSet::new();
                cpu.set(((task.operations >> number.min(&32)) % cpus) as usize);
                sched_setaffinity(Some(*thread), &cpu).context("cannot move a thread")?;
            }
            task.operations += 1;
        }
        Ok(())
    });
}

fn fifo_hog(muster: &mut Muster) {
    muster.add("fifo-hog", |task| {
        sys::become_fifo().context("cannot become a real-time thread")?;
        spin(task);
        Ok(())
    });
}

fn rallies(muster: &mut Muster, pairs: u32) -> Result<()> {
    play(muster, pairs, |task| task.goes_on())
}

fn switchers(muster: &mut Muster, threads: u32, rate: u32) -> Result<()> {
    play(muster, threads / 2, move |task| task.wait_turn(rate))
}

/// Pairs of threads that hand a byte to and fro, as long as and whenever the first of them goes on.
fn play(
    muster: &mut Muster,
    pairs: u32,
    goes_on: impl Fn(&mut Task) -> bool + Copy + Send + 'static,
) -> Result<()> {
    for _ in 0..pairs {
        let (mut ball, mut throw) = io::pipe().context("cannot make a pipe")?;
        let (mut back, mut throw_back) = io::pipe().context("cannot make a pipe")?;
        muster.add("ping", move |task| {
            while goes_on(task) {
                throw.write_all(&[1])?;
                back.read_exact(&mut [0])?;
                task.operations += 1;
            }
            // Its pipe ends here, and with it the other one's game.
            Ok(())
        });
        muster.add("pong", move |task| {
            while ball.read(&mut [0])? > 0 {
                throw_back.write_all(&[1])?;
                task.operations += 1;
            }
            Ok(())
        });
    }
    Ok(())
}

fn births(muster: &mut Muster, processes: u32) {
    muster.add("mother", move |task| {
        let own = std::env::current_exe()?;
        for _ in 0..processes {
            let mut child = Command::new(&own).arg(CHILD).spawn().context("cannot start a child")?;
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a child has a pid")?;
            // Over, and not yet gone: the kernel still tells what it used.
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
            task.children.add(&oracle::thread(format!("/proc/{}", child.id()).as_ref())?);
            child.wait()?;
            task.operations += 1;
        }
        Ok(())
    });
}

/// What a child of the births does.
pub(crate) fn child() {
    while sys::thread_cpu_time() < WORK {
        black_box(());
    }
    std::thread::sleep(LIFE - WORK);
}

fn sleepers(muster: &mut Muster, threads: u32) {
    for _ in 0..threads {
        muster.add("sleeper", |task| {
            while task.wait_turn(SLEEPS) {
                task.operations += 1;
            }
            Ok(())
        });
    }
}

fn fifo(muster: &mut Muster) {
    muster.add("fifo", |task| {
        sys::become_fifo().context("cannot become a real-time thread")?;
        while task.wait_turn(BURSTS) {
            let began = Instant::now();
            while began.elapsed() < BURST {
                black_box(());
            }
            task.operations += 1;
        }
        Ok(())
    });
}

/// A file that is gone when its writer is; one that was killed leaves it, and the next one takes it over.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn disk(muster: &mut Muster, dir: &Path) -> Result<()> {
    let (scratch, mut file) = scratch(dir)?;
    muster.add("writer", move |task| {
        let scratch = scratch;
        let block = vec![b'r'; WRITE];
        while task.wait_turn(WRITES) {
            if file.stream_position()? >= FILE {
                file.seek(SeekFrom::Start(0))?;
            }
            file.write_all(&block).with_context(|| format!("cannot write {}", scratch.0.display()))?;
            file.sync_data()?;
            task.operations += 1;
        }
        Ok(())
    });
    Ok(())
}

/// Both are touched by the thread, once it may begin: a cgroup is billed where a page is touched first.
fn memory(muster: &mut Muster, dir: &Path, anon: u32, file: u32) -> Result<()> {
    let (scratch, mut cache) = scratch(dir)?;
    muster.add("holder", move |task| {
        let _scratch = scratch;
        // Not zeros, which a kernel may have only one page of.
        let held = vec![b'r'; MIB * anon as usize];
        (0..file).try_for_each(|_| cache.write_all(&vec![b'r'; MIB]))?;
        cache.sync_data()?;
        task.operations += 1;
        while task.wait_turn(SLEEPS) {
            black_box(&held);
        }
        Ok(())
    });
    Ok(())
}

fn faults(muster: &mut Muster, dir: &Path, pages: u32) -> Result<()> {
    let (scratch, mut file) = scratch(dir)?;
    (0..pages).try_for_each(|_| file.write_all(&[b'r'; sys::PAGE]))?;
    file.sync_data()?;
    let mapped = sys::Mapped::new(file, pages as usize * sys::PAGE)?;
    muster.add("faulter", move |task| {
        let _scratch = scratch;
        while task.wait_turn(ROUNDS) {
            mapped.evict()?;
            (0..pages as usize).for_each(|page| _ = black_box(mapped.byte(page * sys::PAGE)));
            task.operations += u64::from(pages);
        }
        Ok(())
    });
    Ok(())
}

fn scratch(dir: &Path) -> Result<(Scratch, File)> {
    let scratch = Scratch(dir.join("rajut-load"));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&scratch.0);
    let file = file.with_context(|| format!("cannot write {}", scratch.0.display()))?;
    Ok((scratch, file))
}

fn tcp(muster: &mut Muster, rate: u32) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    let address = listener.local_addr()?;
    muster.add("server", move |task| {
        loop {
            let (mut peer, _) = listener.accept()?;
            let mut request = [0];
            peer.read_exact(&mut request)?;
            peer.write_all(b"+PONG\r\n")?;
            if request == *b"q" {
                return Ok(());
            }
            task.operations += 1;
        }
    });
    muster.add("client", move |task| {
        while task.wait_turn(rate) {
            ask(&mut TcpStream::connect(address)?, b'p')?;
            task.operations += 1;
        }
        // The server waits in accept: only a connection tells it.
        ask(&mut TcpStream::connect(address)?, b'q')
    });
    Ok(())
}

fn ask(peer: &mut TcpStream, request: u8) -> Result<()> {
    peer.write_all(&[request])?;
    peer.read_to_end(&mut Vec::new())?;
    Ok(())
}
