//! The ways out: gRPC query, watch, health and reflection.
//!
//! - *Takes*: `Series` and status.
//! - *Gives*: bytes.
//! - *Never*: the kernel, pods, aggregate's state.

mod accept;
mod counts;
mod desk;
mod query;
mod refusal;
mod roll;
mod server;
mod socket;
mod stream;
mod token;
mod unsent;
mod watch;
mod wire;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::sync::watch as cell;

pub use counts::Counts;
pub use server::{Listener, bind};

use crate::{status::StatusCell, store::Store};

/// Where and how much to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The unix socket.
    pub socket: PathBuf,
    /// TCP beside it.
    pub listen: Option<SocketAddr>,
    /// Allow TCP beyond loopback without mTLS.
    pub insecure: bool,
    /// Streams at once.
    pub streams: usize,
    /// Silence after which a stream gets a heartbeat.
    pub heartbeat: Duration,
    /// Connections at once; more are closed again.
    pub connections: usize,
    /// Queries at once, the waiting included; more are refused.
    pub queries: usize,
    /// Queries that are worked off at the same time, each on a thread of its own.
    pub queries_running: usize,
    /// Bytes of answers that are made and not sent yet, since their clients do not read; beyond, queries are refused. At
    /// least one answer of the largest size must fit.
    pub answers: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            socket: PathBuf::from("/run/rajut/rajut.sock"),
            listen: None,
            insecure: false,
            streams: 32,
            heartbeat: Duration::from_secs(5),
            connections: 64,
            queries: 64,
            queries_running: 2,
            answers: 2 * query::MAX_ANSWER,
        }
    }
}

/// What the sinks look at.
#[derive(Debug, Clone)]
pub struct View {
    /// The history.
    pub store: Store,
    /// The state.
    pub status: StatusCell,
    /// The sequence number of the newest window; changes with each.
    pub head: cell::Receiver<u64>,
}

/// Why serving ended or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The socket or address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Socket path or address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// Another agent serves there.
    #[error("another agent already serves on {0}")]
    InUse(PathBuf),
    /// TCP beyond loopback needs mTLS, or `--insecure`.
    #[error("refusing to serve {0} without encryption: use a loopback address, or say --insecure")]
    Insecure(SocketAddr),
    /// gRPC ended.
    #[error("gRPC server failed: {0}")]
    Grpc(#[from] tonic::transport::Error),
    /// The descriptors of this build cannot be offered by reflection.
    #[error("gRPC reflection cannot be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Binds and serves until `shutdown` is true.
///
/// # Errors
/// When an address cannot be bound or the server fails.
pub async fn serve(config: &Config, view: View, shutdown: cell::Receiver<bool>) -> Result<(), ServeError> {
    bind(config).await?.serve(view, shutdown).await
}
