//! The way to an agent: its unix socket, or TCP.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rajut_proto::v1::{query_service_client::QueryServiceClient, watch_service_client::WatchServiceClient};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::error::CliError;
use crate::harmless::harmless;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// The largest answer that is read: a summary of some thousand entities with all values.
const LARGEST: usize = 64 << 20;

/// Where an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// On this host.
    Socket(PathBuf),
    /// `HOST:PORT`.
    Address(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Socket(path) => f.write_str(&harmless(&path.to_string_lossy())),
            Target::Address(address) => f.write_str(&harmless(address)),
        }
    }
}

/// A connection, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    channel: Channel,
    /// Where it goes.
    pub(crate) target: Target,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or when that is not permitted.
    pub(crate) async fn connect(target: &Target) -> Result<Client, CliError> {
        let channel = match target {
            Target::Socket(path) => {
                let path = path.clone();
                // The URI is only a form: the connector ignores it.
                let endpoint = Endpoint::from_static("http://rajut.invalid").connect_timeout(CONNECT);
                let connector = tower::service_fn(move |_| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                endpoint.connect_with_connector(connector).await
            }
            Target::Address(address) => {
                let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| {
                    CliError::Usage(format!("`{target}` is no address: write it as HOST:PORT"))
                })?;
                endpoint.connect_timeout(CONNECT).connect().await
            }
        };
        let channel = channel.map_err(|error| unreachable(target, io_kind(&error)))?;
        Ok(Client { channel, target: target.clone() })
    }

    /// The questions.
    pub(crate) fn query(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    /// The streams.
    pub(crate) fn watch(&self) -> WatchServiceClient<Channel> {
        WatchServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST)
    }

    /// A request with a deadline.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(ANSWER);
        request
    }

    /// An agent's refusal as an error of ours.
    pub(crate) fn refused(&self, status: &tonic::Status) -> CliError {
        CliError::of_status(status, &self.target)
    }
}

/// Whether somebody seems to listen on this socket. A socket that may not be opened counts as one.
pub(crate) async fn listens(path: &Path) -> bool {
    match UnixStream::connect(path).await {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused),
    }
}

/// The I/O error at the root, where there is one.
fn io_kind(error: &tonic::transport::Error) -> Option<io::ErrorKind> {
    let mut error: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = error {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        error = current.source();
    }
    None
}

fn unreachable(target: &Target, kind: Option<io::ErrorKind>) -> CliError {
    match (target, kind) {
        (Target::Socket(_), Some(io::ErrorKind::PermissionDenied)) => CliError::Permission(format!(
            "not permitted to open {target}. run as root, or join the group of that socket"
        )),
        (Target::Socket(_), Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)) => {
            CliError::Unreachable(format!(
                "no agent at {target}. start one with `rajut agent`, or name it with --address"
            ))
        }
        (Target::Address(_), Some(io::ErrorKind::ConnectionRefused)) => CliError::Unreachable(format!(
            "no agent at {target}: connection refused. start one there with `rajut agent --listen {target}`"
        )),
        (_, Some(kind)) => CliError::Unreachable(format!("cannot reach an agent at {target}: {kind}")),
        (_, None) => {
            CliError::Unreachable(format!("cannot reach an agent at {target}: no answer, or no rajut agent"))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    async fn line(target: Target) -> (u8, String) {
        let error = Client::connect(&target).await.unwrap_err();
        (error.code(), error.line().unwrap())
    }

    #[tokio::test]
    async fn a_missing_agent_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rajut.sock");
        let expected = format!(
            "rajut: no agent at {}. start one with `rajut agent`, or name it with --address",
            socket.display()
        );
        assert_eq!(line(Target::Socket(socket.clone())).await, (4, expected.clone()));
        assert!(!listens(&socket).await);
        // A socket that nobody holds any more.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(line(Target::Socket(socket.clone())).await, (4, expected));
        assert!(!listens(&socket).await);
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (code, line) = line(Target::Address(format!("127.0.0.1:{port}"))).await;
        assert_eq!(code, 4);
        assert!(line.contains("connection refused"), "{line}");
    }

    #[tokio::test]
    async fn a_target_that_is_no_address_is_a_usage_error() {
        assert_eq!(
            line(Target::Address("a b".into())).await,
            (2, "rajut: `a b` is no address: write it as HOST:PORT".into())
        );
    }
}
