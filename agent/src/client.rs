//! The client's side of gRPC: reaches an agent by socket or address, and says plainly why it cannot.

use std::{error::Error as _, fmt, io, path::PathBuf, time::Duration};

use hyper_util::rt::TokioIo;
use rajut_proto::v1::{query_service_client::QueryServiceClient, watch_service_client::WatchServiceClient};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long an agent may take to accept.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A silent stream's connection is asked whether it lives this often, and has this long to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));
/// The largest answer, bytes; agents send no larger one.
const MAX_ANSWER: usize = 32 << 20;

/// Where an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket.
    Socket(PathBuf),
    /// `HOST:PORT`.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(path) => path.display().fmt(f),
            Address::Tcp(address) => f.write_str(address),
        }
    }
}

/// Why an agent cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("no agent at {0}")]
    NoAgent(Address),
    /// The socket is there, but not for this user.
    #[error("not permitted to connect to {0}")]
    NotPermitted(Address),
    /// The text is no address.
    #[error("`{0}` is no address: HOST:PORT is needed")]
    BadAddress(String),
    /// It did not accept in time.
    #[error("no answer from {0} within {within} s", within = CONNECT_WITHIN.as_secs())]
    TimedOut(Address),
    /// Anything else.
    #[error("cannot reach {address}: {source}")]
    Unreachable {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
}

/// A connection to an agent; cheap to clone. It is made anew by itself when it breaks.
#[derive(Debug, Clone)]
pub struct Client {
    /// Asks.
    pub query: QueryServiceClient<Channel>,
    /// Listens.
    pub watch: WatchServiceClient<Channel>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Says why it cannot.
    pub async fn connect(address: &Address) -> Result<Client, ConnectError> {
        let channel = channel(address).await?;
        Ok(Client {
            query: QueryServiceClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER),
            watch: WatchServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER),
        })
    }
}

/// Connects, for services of other packages: health, reflection.
///
/// # Errors
/// Says why it cannot.
pub async fn channel(address: &Address) -> Result<Channel, ConnectError> {
    let channel = match address {
        Address::Socket(path) => {
            let path = path.clone();
            // The URI only fills the `:authority` of the requests.
            endpoint(Uri::from_static("http://localhost"))
                .connect_with_connector(tower::service_fn(move |_| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                }))
                .await
        }
        Address::Tcp(text) => endpoint(uri(text)?).connect().await,
    };
    channel.map_err(|error| explain(address, &error))
}

fn endpoint(uri: Uri) -> Endpoint {
    Endpoint::from(uri)
        .connect_timeout(CONNECT_WITHIN)
        .http2_keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .keep_alive_while_idle(false)
}

/// `HOST:PORT` and nothing else: a scheme or a path would be dropped silently.
fn uri(text: &str) -> Result<Uri, ConnectError> {
    let bad = || ConnectError::BadAddress(text.to_owned());
    let authority: tonic::codegen::http::uri::Authority = text.parse().map_err(|_| bad())?;
    if authority.port_u16().is_none() || authority.host().is_empty() || text.contains('@') {
        return Err(bad());
    }
    let built = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    built.map_err(|_| bad())
}

/// The transport's error says only "transport error": the reason is at the end of its chain.
fn explain(address: &Address, error: &tonic::transport::Error) -> ConnectError {
    let mut cause = error.source();
    let mut last = error.to_string();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return classify(address.clone(), io::Error::new(error.kind(), error.to_string()));
        }
        last = error.to_string();
        cause = error.source();
    }
    classify(address.clone(), io::Error::other(last))
}

fn classify(address: Address, source: io::Error) -> ConnectError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ConnectError::NoAgent(address),
        io::ErrorKind::PermissionDenied => ConnectError::NotPermitted(address),
        io::ErrorKind::TimedOut => ConnectError::TimedOut(address),
        _ => ConnectError::Unreachable { address, source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    async fn refused(address: Address) -> ConnectError {
        match Client::connect(&address).await {
            Err(error) => error,
            Ok(_) => panic!("{address} should not be reached"),
        }
    }

    #[tokio::test]
    async fn says_plainly_why_it_cannot() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Address::Socket(dir.path().join("none.sock"));
        assert!(matches!(refused(missing).await, ConnectError::NoAgent(_)));

        let stale = dir.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        assert!(matches!(refused(Address::Socket(stale.clone())).await, ConnectError::NoAgent(_)));

        let file = stale.join("below-a-socket");
        assert!(matches!(refused(Address::Socket(file)).await, ConnectError::Unreachable { .. }));

        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = refused(Address::Tcp(format!("127.0.0.1:{port}"))).await;
        assert!(matches!(error, ConnectError::NoAgent(_)), "{error}");

        for text in ["", "localhost", "http://localhost:1", "a b:1", "host:99999", "u@host:1", "host:1/path"]
        {
            let error = refused(Address::Tcp(text.to_owned())).await;
            assert!(matches!(error, ConnectError::BadAddress(_)), "{text}: {error}");
        }
    }

    #[test]
    fn errors_read_as_one_line() {
        let address = Address::Socket("/run/rajut/rajut.sock".into());
        assert_eq!(ConnectError::NoAgent(address).to_string(), "no agent at /run/rajut/rajut.sock");
        let tcp = classify(Address::Tcp("n:1".into()), io::ErrorKind::PermissionDenied.into());
        assert_eq!(tcp.to_string(), "not permitted to connect to n:1");
    }
}
