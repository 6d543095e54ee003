//! Connections: a bounded number of them, and none that says nothing.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Sleep, sleep},
};
use tonic::transport::server::Connected;

use super::{counts::Counts, desk::places};

/// How long a client may take to send its HTTP/2 preface. Keepalive only begins after it.
const PREFACE_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of the preface.
const PREFACE: usize = 24;
/// Pause after a failed accept: out of descriptors stays so for a while.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts on both listeners until nobody takes the connections any more. Beyond `limit` at once they are closed again,
/// which a client notices, unlike a wait in the backlog.
pub(super) async fn accept(
    unix: UnixListener,
    tcp: Option<TcpListener>,
    limit: usize,
    counts: Counts,
    out: mpsc::Sender<io::Result<Connection>>,
) {
    let places = places(limit);
    loop {
        let accepted = tokio::select! {
            accepted = accept_unix(&unix) => accepted,
            accepted = accept_tcp(tcp.as_ref()) => accepted,
            () = out.closed() => return,
        };
        let io = match accepted {
            Ok(io) => io,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned().ok();
        counts.connection(place.is_some());
        let Some(place) = place else {
            tracing::debug!(limit, "too many connections, one is closed");
            continue;
        };
        let connection = Connection {
            io,
            preface: Some(Preface { missing: PREFACE, until: Box::pin(sleep(PREFACE_WITHIN)) }),
            _place: place,
        };
        if out.send(Ok(connection)).await.is_err() {
            return;
        }
    }
}

async fn accept_unix(listener: &UnixListener) -> io::Result<Box<dyn Io>> {
    let (stream, _) = listener.accept().await?;
    Ok(Box::new(stream))
}

async fn accept_tcp(listener: Option<&TcpListener>) -> io::Result<Box<dyn Io>> {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// An accepted connection; it gives up its place when it is dropped.
pub(super) struct Connection {
    io: Box<dyn Io>,
    preface: Option<Preface>,
    _place: OwnedSemaphorePermit,
}

/// What must still come, and until when.
struct Preface {
    missing: usize,
    until: Pin<Box<Sleep>>,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if let Some(preface) = &mut self.preface {
            preface.missing = preface.missing.saturating_sub(buf.filled().len() - before);
            if preface.missing == 0 {
                self.preface = None;
            } else if read.is_pending() && preface.until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
