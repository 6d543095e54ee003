//! Loads of the benchmark: threads that hand a byte to and fro.

use std::{
    io::{Read as _, Write as _, pipe},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use rustix::thread::{CpuSet, sched_setaffinity};

/// Binds the calling thread to a CPU.
pub(crate) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).unwrap();
}

/// A pair of threads on one CPU; ends when it is dropped.
pub(crate) struct Pair {
    rounds: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pair {
    /// Rounds as fast as they go.
    pub(crate) fn start(cpu: usize) -> Pair {
        let (rounds, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (mut ball, mut throw) = pipe().unwrap();
        let (mut back, mut throw_back) = pipe().unwrap();
        let pong = std::thread::spawn(move || {
            pin(cpu);
            while ball.read(&mut [0]).unwrap() > 0 {
                throw_back.write_all(&[1]).unwrap();
            }
        });
        let (counted, stopped) = (Arc::clone(&rounds), Arc::clone(&stop));
        let ping = std::thread::spawn(move || {
            pin(cpu);
            while !stopped.load(Relaxed) {
                throw.write_all(&[1]).unwrap();
                back.read_exact(&mut [0]).unwrap();
                counted.fetch_add(1, Relaxed);
            }
        });
        Pair { rounds, stop, threads: vec![ping, pong] }
    }

    /// Rounds so far.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Relaxed)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// A thread that sleeps most of the time, in a cgroup of its own: one of many pods. Ends when it is dropped.
pub(crate) struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sleeper {
    /// Wakes every `pause`, in a threaded cgroup.
    pub(crate) fn start(cgroup: &Path, pause: Duration) -> Sleeper {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let threads = cgroup.join("cgroup.threads");
        let thread = std::thread::spawn(move || {
            std::fs::write(threads, "0").unwrap();
            while !stopped.load(Relaxed) {
                std::thread::sleep(pause);
            }
        });
        Sleeper { stop, thread: Some(thread) }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Threaded cgroups below one of our own; removed when it is dropped.
pub(crate) struct Cgroups {
    root: std::path::PathBuf,
    /// The cgroups.
    pub(crate) dirs: Vec<std::path::PathBuf>,
}

impl Cgroups {
    /// Makes `count` of them, for the threads of this process, which moves into their parent.
    pub(crate) fn new(count: usize) -> Cgroups {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let unified = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).unwrap();
        let root =
            Path::new(unified.split(' ').nth(1).unwrap()).join(format!("rajut-bench-{}", std::process::id()));
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("cgroup.procs"), "0").unwrap();
        let mut dirs = Vec::new();
        for number in 0..count {
            let dir = root.join(format!("pod-{number}"));
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("cgroup.type"), "threaded").unwrap();
            dirs.push(dir);
        }
        Cgroups { root, dirs }
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        std::fs::write(self.root.parent().unwrap().join("cgroup.procs"), "0").unwrap();
        for dir in self.dirs.iter().chain([&self.root]) {
            // A thread that has just ended leaves its cgroup a moment later.
            while let Err(error) = std::fs::remove_dir(dir) {
                assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy, "{}: {error}", dir.display());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
