//! The gRPC server: what it listens on, what it offers, and its bounds.

use std::{net::SocketAddr, path::Path, time::Duration};

use rajut_proto::v1::{query_service_server::QueryServiceServer, watch_service_server::WatchServiceServer};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tower::util::MapResponseLayer;

use super::{
    Config, Counts, ServeError, View, accept,
    desk::Desk,
    query::{MAX_ANSWER, Queries},
    socket::{self, SocketFile},
    unsent::{self, Unsent},
    watch::Watches,
};

/// The largest request, bytes.
const MAX_REQUEST: usize = 1 << 20;
/// The largest set of request headers, bytes.
const MAX_HEADERS: u32 = 16 << 10;
/// Calls and streams of one connection at once.
const CALLS: u32 = 64;
/// How long a request may take to arrive and a unary answer to be made. The desk gives up before, with a better word.
const DEADLINE: Duration = Duration::from_secs(12);
/// A silent connection is asked whether it lives this often, and has this long to say so.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// How long clients have to take leave when the agent ends.
const GRACE: Duration = Duration::from_secs(2);

/// Bound and accepting: a client's connection waits in the backlog until [`Listener::serve`] runs.
#[derive(Debug)]
pub struct Listener {
    config: Config,
    unix: UnixListener,
    file: SocketFile,
    tcp: Option<TcpListener>,
    counts: Counts,
}

/// Binds what the config says.
///
/// # Errors
/// When an address cannot be bound, is in use, or may not be served without encryption.
pub async fn bind(config: &Config) -> Result<Listener, ServeError> {
    // TCP first: when it fails, no socket file was there for a moment.
    let tcp = match config.listen {
        Some(address) => Some(bind_tcp(address, config.insecure).await?),
        None => None,
    };
    let (unix, file) = socket::bind(&config.socket).await?;
    Ok(Listener { config: config.clone(), unix, file, tcp, counts: Counts::default() })
}

async fn bind_tcp(address: SocketAddr, insecure: bool) -> Result<TcpListener, ServeError> {
    if !address.ip().to_canonical().is_loopback() {
        if !insecure {
            return Err(ServeError::Insecure(address));
        }
        tracing::warn!(%address, "serving without encryption or authentication: anyone who reaches it can read it");
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ServeError::Bind { address: address.to_string(), source })
}

impl Listener {
    /// The unix socket's path.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.file.path()
    }

    /// The TCP address, where there is one; with the real port if 0 was asked for.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|tcp| tcp.local_addr().ok())
    }

    /// What was served and what was not, for the ledger.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Serves until `shutdown` is true or its sender is gone, then takes leave of the clients and removes the socket.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn serve(self, view: View, shutdown: watch::Receiver<bool>) -> Result<(), ServeError> {
        let Listener { config, unix, file, tcp, counts } = self;
        let desk = Desk::new(config.queries_running, config.queries, counts.clone());
        let queries =
            QueryServiceServer::new(Queries::new(view.clone(), desk.clone(), Unsent::new(config.answers)))
                .max_decoding_message_size(MAX_REQUEST)
                .max_encoding_message_size(MAX_ANSWER);
        let watches = Watches::new(&config, view, desk, counts.clone(), shutdown.clone());
        let watches = WatchServiceServer::new(watches)
            .max_decoding_message_size(MAX_REQUEST)
            .max_encoding_message_size(MAX_ANSWER);

        let (health, health_service) = tonic_health::server::health_reporter();
        health.set_serving::<QueryServiceServer<Queries>>().await;
        health.set_serving::<WatchServiceServer<Watches>>().await;
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(rajut_proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };

        let router = Server::builder()
            .timeout(DEADLINE)
            .max_concurrent_streams(CALLS)
            .http2_max_header_list_size(MAX_HEADERS)
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .layer(MapResponseLayer::new(unsent::hold))
            .add_service(queries)
            .add_service(watches)
            .add_service(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);

        let (connections, incoming) = mpsc::channel(1);
        let accepting = tokio::spawn(accept::accept(unix, tcp, config.connections, counts, connections));
        let serving =
            router.serve_with_incoming_shutdown(ReceiverStream::new(incoming), stopped(shutdown.clone()));
        let late = async {
            stopped(shutdown).await;
            tokio::time::sleep(GRACE).await;
        };
        let served = tokio::select! {
            served = serving => served,
            () = late => {
                tracing::debug!("clients that did not take leave in time are cut off");
                Ok(())
            }
        };
        accepting.abort();
        drop(file);
        Ok(served?)
    }
}

async fn stopped(mut shutdown: watch::Receiver<bool>) {
    // An error: nobody is left who could say stop.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
