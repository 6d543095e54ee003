//! `WatchService`: lets in a bounded number of streams; each is a task of its own, see `stream`.

use std::{sync::Arc, time::Duration};

use rajut_proto::v1::{self as pb, watch_service_server::WatchService};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{
    Config, View,
    counts::Counts,
    desk::{Desk, places},
    refusal::Refusal,
    stream::{Begin, Stream},
    token::ResumeToken,
    wire::ask,
};

/// Messages that wait for a client beside what its connection buffers. Few: the history is the buffer.
const WAITING: usize = 4;

/// Heartbeats do not come faster, whatever the config says: they would be all that the agent does.
const FASTEST: Duration = Duration::from_millis(100);

/// The service.
#[derive(Debug)]
pub(super) struct Watches {
    view: View,
    desk: Desk,
    counts: Counts,
    shutdown: watch::Receiver<bool>,
    heartbeat: Duration,
    places: Arc<Semaphore>,
    limit: usize,
}

impl Watches {
    /// Streams out of `view` until `shutdown` is true.
    pub(super) fn new(
        config: &Config,
        view: View,
        desk: Desk,
        counts: Counts,
        shutdown: watch::Receiver<bool>,
    ) -> Watches {
        let limit = config.streams;
        let heartbeat = config.heartbeat.max(FASTEST);
        Watches { view, desk, counts, shutdown, heartbeat, places: places(limit), limit }
    }

    /// Where a stream begins.
    fn begin(&self, token: &str) -> Result<Begin, Refusal> {
        let head = self.view.store.head();
        if token.is_empty() {
            return Ok(Begin::New { head });
        }
        let token = ResumeToken::parse(token)?;
        if token.instance != self.view.status.get().instance {
            return Ok(Begin::Stranger { head });
        }
        if token.seq > head {
            return Err(Refusal::invalid("resume_token", "it is ahead of this agent's newest window"));
        }
        Ok(Begin::Resumed { seq: token.seq })
    }
}

#[tonic::async_trait]
impl WatchService for Watches {
    type WatchStream = ReceiverStream<Result<pb::WatchResponse, Status>>;

    async fn watch(&self, request: Request<pb::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let wish = ask::wish(&request)?;
        let begin = self.begin(&request.resume_token)?;
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::Busy { what: "streams", limit: self.limit })?;
        let (out, messages) = mpsc::channel(WAITING);
        let stream = Stream::new(
            &self.view,
            wish,
            self.desk.clone(),
            self.counts.clone(),
            self.shutdown.clone(),
            self.heartbeat,
            out,
        );
        tokio::spawn(async move {
            stream.run(begin).await;
            drop(place);
        });
        Ok(Response::new(ReceiverStream::new(messages)))
    }
}
