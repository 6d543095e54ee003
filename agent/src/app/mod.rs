//! Builds the stages, owns the tick and the shutdown.
//!
//! ```text
//! readings = sources.read()             cumulative, by cgroup
//! delta    = aggregate.fold(readings)   what happened since the last tick
//! sample   = pods.attribute(delta)      whose it was
//! store.append(sample)                  the ways out wake up on this
//! ```
//!
//! That is [`Pipeline::tick`]; here is when it happens.

mod clock;
mod pipeline;
mod report;

use std::{env, fs, path::PathBuf};

use tokio::{sync::watch, task::JoinHandle};

use self::{
    clock::Clock,
    pipeline::{Pipeline, Sources},
    report::Reporter,
};
use crate::{
    cgroups::Hierarchies,
    config::Config,
    files::{self, Files},
    kernel::{self, Kernel, LoadError},
    model::Utc,
    pods,
    sinks::{self, ServeError, View},
    status::StatusCell,
    store::Store,
};

/// Why the agent did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// Neither the kernel nor files give anything.
    #[error("{0}")]
    Nothing(LoadError),
    /// A task of the agent ended in a panic: a bug.
    #[error("the agent's own task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// The stages up to the store, loaded and attached, before any other thread exists.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    pipeline: Pipeline,
    reporter: Reporter,
    clock: Clock,
    store: Store,
}

impl Prepared {
    /// Loads the kernel side, or falls back to files where it cannot.
    ///
    /// # Errors
    /// When neither gives anything.
    pub fn new(config: Config) -> Result<Prepared, AppError> {
        files::raise_descriptor_limit();
        let kernel = Kernel::load(&config.kernel, &config.off);
        let hierarchies = Hierarchies::find();
        let usage = !kernel.as_ref().is_ok_and(Kernel::measures_cpu_time);
        let files = Files::new(hierarchies.as_ref(), &config.off, usage, pods::limits_from);
        let hierarchies = match &hierarchies {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "no cgroup can be named");
                None
            }
        };
        let kernel = match (kernel, files.is_empty()) {
            // Somebody who may not load programs wants to know; a kernel that cannot carry them is measured as it is.
            (Err(error @ LoadError::NotPermitted), _) | (Err(error), true) => {
                return Err(AppError::Nothing(error));
            }
            (Err(error), false) => {
                tracing::warn!(%error, "measuring from files alone");
                Err(error)
            }
            (loaded, _) => loaded,
        };
        let node = config.node.clone().unwrap_or_else(node_name);
        let reporter = Reporter::new(node.clone(), config.off.clone(), kernel.as_ref().ok());
        let store = Store::new(config.store.clone());
        let clock = Clock::new();
        let now = clock.now();
        let sources = Sources { kernel, files };
        let pipeline = Pipeline::new(sources, &node, hierarchies, store.clone(), config.window.0, now);
        Ok(Prepared { config, pipeline, reporter, clock, store })
    }

    /// Serves. Returns when the socket accepts.
    ///
    /// # Errors
    /// When an address cannot be bound.
    pub async fn start(mut self) -> Result<Agent, AppError> {
        let listener = sinks::bind(&self.config.sinks).await?;
        let socket = listener.socket().to_owned();
        self.reporter.with_counts(listener.counts());
        // After the socket, whose group may have to be set, and before any other thread.
        let put_down = match &mut self.pipeline.sources.kernel {
            Ok(kernel) => kernel.put_down_privilege(),
            Err(_) => kernel::put_down_privilege(),
        };
        if let Err(error) = put_down {
            tracing::warn!(%error, "cannot put capabilities down");
        }
        let status = StatusCell::new(self.reporter.report(&self.pipeline));
        let (shutdown, stopped) = watch::channel(false);
        let (head, newest) = watch::channel(0);
        let view = View { store: self.store.clone(), status: status.clone(), head: newest };
        let mut ticking = tokio::spawn(self.run(status, head, stopped.clone()));
        let task = tokio::spawn(async move {
            let ended = tokio::select! {
                served = listener.serve(view, stopped) => served.map_err(AppError::from),
                ticked = &mut ticking => return ticked?,
            };
            // Serving ended, by request or not: the clock ends with it, and what is attached goes with the pipeline.
            ticking.abort();
            let _ = ticking.await;
            ended
        });
        Ok(Agent { socket, shutdown, task })
    }

    /// The clock: a tick at each whole window of UTC.
    ///
    /// # Errors
    /// When a tick panicked: a bug, and no reason to answer from a history that has ended.
    async fn run(
        mut self,
        status: StatusCell,
        head: watch::Sender<u64>,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), AppError> {
        let window = self.config.window.0;
        loop {
            let now = self.clock.now();
            let next = now.floor(window) + window;
            tokio::select! {
                () = tokio::time::sleep(next.since(now)) => {}
                _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            }
            self.clock.follow(Utc::now());
            // Files and maps are read here: off the threads that answer.
            let ticked = tokio::task::spawn_blocking(move || {
                let now = self.clock.now();
                self.pipeline.tick(now.floor(window), now);
                let state = self.reporter.report(&self.pipeline);
                (self, state)
            });
            let state;
            (self, state) = ticked.await?;
            status.set(state);
            head.send_replace(self.store.head());
        }
    }
}

/// A running agent in this process.
#[derive(Debug)]
pub struct Agent {
    /// Where it serves.
    pub socket: PathBuf,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<Result<(), AppError>>,
}

impl Agent {
    /// [`Prepared::new`] and [`Prepared::start`] in one, inside a runtime: loading blocks the calling thread, so that
    /// the capabilities that it takes belong to no other.
    ///
    /// # Errors
    /// As those.
    pub async fn start(config: Config) -> Result<Agent, AppError> {
        Prepared::new(config)?.start().await
    }

    /// Runs until `stop` was called or serving failed.
    ///
    /// # Errors
    /// When serving failed.
    pub async fn wait(&mut self) -> Result<(), AppError> {
        (&mut self.task).await?
    }

    /// Asks it to end; `wait` returns when it has.
    pub fn stop(&self) {
        self.shutdown.send_replace(true);
    }
}

/// The Kubernetes node name (downward API), else the host name.
fn node_name() -> String {
    env::var("NODE_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| {
        fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
    })
}
