//! The threads of a load: they run until told, give their account, and stay.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rajut_tests::load::{Thread, Usage};

/// What a thread of a crew works with.
pub(crate) struct Task {
    stop: Arc<AtomicBool>,
    next: Instant,
    /// What it got done.
    pub(crate) operations: u64,
    /// What processes that it started have used.
    pub(crate) children: Usage,
}

impl Task {
    /// Whether it is to go on.
    pub(crate) fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Waits for its next turn, so many a second; turns that were missed are not made up for, so that the rate stays
    /// bounded on a machine that is too slow for it.
    pub(crate) fn wait_turn(&mut self, rate: u32) -> bool {
        let now = Instant::now();
        self.next = (self.next + Duration::from_secs(1) / rate.max(1)).max(now);
        thread::sleep(self.next - now);
        self.goes_on()
    }
}

/// What a thread does.
type Work = Box<dyn FnOnce(&mut Task) -> Result<()> + Send>;

/// Threads that are to be started together.
#[derive(Default)]
pub(crate) struct Muster(Vec<(&'static str, Work)>);

impl Muster {
    /// Adds one.
    pub(crate) fn add(
        &mut self,
        role: &'static str,
        work: impl FnOnce(&mut Task) -> Result<()> + Send + 'static,
    ) {
        self.0.push((role, Box::new(work)));
    }

    /// Starts them all; they wait for [`Crew::go`].
    pub(crate) fn start(self) -> Result<Crew> {
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Arc::new(Barrier::new(self.0.len() + 1));
        let (send, accounts) = mpsc::sync_channel(self.0.len());
        let size = self.0.len();
        for (number, (role, work)) in self.0.into_iter().enumerate() {
            let (begin, send) = (Arc::clone(&begin), send.clone());
            let task = Task {
                stop: Arc::clone(&stop),
                next: Instant::now(),
                operations: 0,
                children: Usage::default(),
            };
            thread::Builder::new()
                .name(role.to_owned())
                // Hundreds of threads that do next to nothing.
                .stack_size(128 * 1024)
                .spawn(move || member(number, role, task, work, &begin, &send))
                .context("cannot start a thread")?;
        }
        Ok(Crew { begin, stop, accounts, size })
    }
}

fn member(
    number: usize,
    role: &'static str,
    mut task: Task,
    work: Work,
    begin: &Barrier,
    send: &SyncSender<(usize, Thread)>,
) {
    begin.wait();
    if let Err(error) = work(&mut task) {
        // A load that does less than it says would make the tests lie.
        eprintln!("rajut-load: {role}: {error:#}");
        std::process::exit(1);
    }
    let mut usage = crate::own_usage().unwrap_or_default();
    usage.add(&task.children);
    let _ = send.send((number, Thread { role: role.to_owned(), usage, operations: task.operations }));
    loop {
        thread::park();
    }
}

/// Threads that run, or wait to.
pub(crate) struct Crew {
    begin: Arc<Barrier>,
    stop: Arc<AtomicBool>,
    accounts: Receiver<(usize, Thread)>,
    size: usize,
}

impl Crew {
    /// Has them begin; returns when all run. Once.
    pub(crate) fn go(&self) {
        self.begin.wait();
    }

    /// Tells them to stop; their accounts, in the order in which they were mustered.
    pub(crate) fn stop(self) -> Vec<Thread> {
        self.stop.store(true, Ordering::Relaxed);
        let mut accounts: Vec<(usize, Thread)> = self.accounts.iter().take(self.size).collect();
        accounts.sort_by_key(|(number, _)| *number);
        accounts.into_iter().map(|(_, account)| account).collect()
    }
}
