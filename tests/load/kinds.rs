//! What a load can do, one function a kind.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rajut_tests::{load::Kind, sys};

use crate::crew::{Crew, Muster};

/// Turns a second of the sleepers.
const SLEEPS: u32 = 1000;
/// Turns a second of the real-time thread, and how long each takes the CPU.
const BURSTS: u32 = 100;
const BURST: Duration = Duration::from_millis(1);
/// Writes a second, the size of each, and the size at which the file begins anew: it fills no disk.
const WRITES: u32 = 200;
const WRITE: usize = 64 * 1024;
const FILE: u64 = 64 * 1024 * 1024;

/// Starts a load's threads.
pub(crate) fn start(kind: &Kind) -> Result<Crew> {
    let mut muster = Muster::default();
    match kind {
        Kind::Hogs(threads) => hogs(&mut muster, *threads),
        Kind::Switchers(threads, rate) => switchers(&mut muster, *threads, *rate)?,
        Kind::Sleepers(threads) => sleepers(&mut muster, *threads),
        Kind::Fifo => fifo(&mut muster),
        Kind::Disk(dir) => disk(&mut muster, dir)?,
        Kind::Tcp(rate) => tcp(&mut muster, *rate)?,
    }
    muster.start()
}

fn hogs(muster: &mut Muster, threads: u32) {
    for _ in 0..threads {
        muster.add("hog", |task| {
            while task.goes_on() {
                task.operations += 1;
                (0..1000_u64).for_each(|i| _ = black_box(i));
            }
            Ok(())
        });
    }
}

fn switchers(muster: &mut Muster, threads: u32, rate: u32) -> Result<()> {
    for _ in 0..threads / 2 {
        let (mut ball, mut throw) = io::pipe().context("cannot make a pipe")?;
        let (mut back, mut throw_back) = io::pipe().context("cannot make a pipe")?;
        muster.add("ping", move |task| {
            while task.wait_turn(rate) {
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
    let scratch = Scratch(dir.join("rajut-load"));
    let mut file =
        File::create(&scratch.0).with_context(|| format!("cannot write {}", scratch.0.display()))?;
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
