//! The way to an agent: its unix socket, or TCP.

use std::{io, path::Path, time::Duration};

use rajut_proto::v1::{query_service_client::QueryServiceClient, watch_service_client::WatchServiceClient};
use tokio::net::UnixStream;
use tonic::transport::Channel;

use super::error::CliError;
use crate::{
    client::{self, ConnectError},
    harmless::harmless,
};

pub(crate) use crate::client::Address as Target;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    client: client::Client,
    target: Target,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there, or when that is not permitted.
    pub(crate) async fn connect(target: &Target) -> Result<Client, CliError> {
        match client::Client::connect(target).await {
            Ok(client) => Ok(Client { client, target: target.clone() }),
            Err(error) => Err(explain(&error)),
        }
    }

    /// The questions.
    pub(crate) fn query(&self) -> QueryServiceClient<Channel> {
        self.client.query.clone()
    }

    /// The streams.
    pub(crate) fn watch(&self) -> WatchServiceClient<Channel> {
        self.client.watch.clone()
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

/// What happened, and what to do.
fn explain(error: &ConnectError) -> CliError {
    let what = error.to_string();
    let what = harmless(&what);
    match error {
        ConnectError::NoAgent(Target::Socket(_)) => {
            CliError::Unreachable(format!("{what}. start one with `rajut agent`, or name it with --address"))
        }
        ConnectError::NoAgent(Target::Tcp(_)) => {
            CliError::Unreachable(format!("{what}. start one there with `rajut agent --listen`"))
        }
        ConnectError::NotPermitted(_) => {
            CliError::Permission(format!("{what}. run as root, or join the group of that socket"))
        }
        ConnectError::BadAddress(_) => CliError::Usage(format!("{what}, e.g. 127.0.0.1:9161")),
        ConnectError::TimedOut(_) | ConnectError::Unreachable { .. } => {
            CliError::Unreachable(what.into_owned())
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
        let (code, line) = line(Target::Tcp(format!("127.0.0.1:{port}"))).await;
        assert_eq!(code, 4);
        assert_eq!(
            line,
            format!("rajut: no agent at 127.0.0.1:{port}. start one there with `rajut agent --listen`")
        );
    }

    #[tokio::test]
    async fn a_target_that_is_no_address_is_a_usage_error() {
        assert_eq!(
            line(Target::Tcp("a b".into())).await,
            (2, "rajut: `a b` is no address: HOST:PORT is needed, e.g. 127.0.0.1:9161".into())
        );
    }
}
