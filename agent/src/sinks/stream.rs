//! One stream: snapshot, then each window, heartbeats in silence, and what was lost.
//!
//! The history is its buffer: it takes one window at a time, when the client has room for it. A client that reads too
//! slowly finds itself where the history begins, and is told how much it missed; the agent holds nothing for it.

use std::time::Duration;

use rajut_proto::v1 as pb;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tonic::Status;

use super::{
    View,
    counts::{Counts, Loss},
    desk::Desk,
    refusal::Refusal,
    roll::{Roll, Step},
    token::ResumeToken,
    wire::{answer, ask::Wish},
};
use crate::{model::Utc, status::StatusCell};

use pb::watch_response::Event;

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// After the newest window.
    New {
        /// Its number.
        head: u64,
    },
    /// After the last window that an earlier stream of this run sent.
    Resumed {
        /// Its number.
        seq: u64,
    },
    /// After the newest window, although the client had seen others: those of an earlier run.
    Stranger {
        /// Its number.
        head: u64,
    },
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    status: StatusCell,
    instance: String,
    /// At the desk while a step is worked off.
    roll: Option<Roll>,
    desk: Desk,
    counts: Counts,
    head: watch::Receiver<u64>,
    shutdown: watch::Receiver<bool>,
    heartbeat: Duration,
    quiet_until: Instant,
    out: mpsc::Sender<Result<pb::WatchResponse, Status>>,
    /// The last window that the client has got or lost.
    seq: u64,
}

/// Why a stream ended.
enum End {
    /// Nobody listens any more.
    ClientGone,
    /// The client is told.
    Told(Status),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> End {
        End::Told(refusal.into())
    }
}

impl Stream {
    /// A stream into `out`.
    pub(super) fn new(
        view: &View,
        wish: Wish,
        desk: Desk,
        counts: Counts,
        shutdown: watch::Receiver<bool>,
        heartbeat: Duration,
        out: mpsc::Sender<Result<pb::WatchResponse, Status>>,
    ) -> Stream {
        Stream {
            status: view.status.clone(),
            instance: view.status.get().instance.clone(),
            roll: Some(Roll::new(view.store.clone(), wish)),
            desk,
            counts,
            head: view.head.clone(),
            shutdown,
            heartbeat,
            quiet_until: Instant::now() + heartbeat,
            out,
            seq: 0,
        }
    }

    /// Runs until the client goes away or the agent ends.
    pub(super) async fn run(mut self, begin: Begin) {
        let out = self.out.clone();
        let mut shutdown = self.shutdown.clone();
        let end = tokio::select! {
            end = self.tell(begin) => end,
            // Also when nobody can say so any more.
            _ = shutdown.wait_for(|stop| *stop) => End::Told(Status::unavailable("the agent is shutting down")),
        };
        if let End::Told(status) = end {
            // A full channel means a client that does not read: it learns by the end of the stream.
            let _ = out.try_send(Err(status));
        }
    }

    async fn tell(&mut self, begin: Begin) -> End {
        let Err(end) = self.tell_all(begin).await;
        end
    }

    async fn tell_all(&mut self, begin: Begin) -> Result<std::convert::Infallible, End> {
        let (seq, mut cause) = match begin {
            Begin::New { head } | Begin::Stranger { head } => (head, Loss::Stream),
            Begin::Resumed { seq } => (seq, Loss::History),
        };
        self.seq = seq;
        self.snapshot().await?;
        if let Begin::Stranger { .. } = begin {
            self.lost(Loss::History, 0).await?;
        }
        loop {
            // Seen before it is looked up: a window that arrives between the two wakes us again.
            self.head.borrow_and_update();
            while self.window(cause).await? {
                cause = Loss::Stream;
            }
            cause = Loss::Stream;
            self.wait().await?;
        }
    }

    async fn snapshot(&mut self) -> Result<(), End> {
        let status = self.status.get();
        let snapshot = self
            .at_desk(move |roll| {
                let living = roll.living();
                answer::snapshot(&living, roll.wish(), &status)
            })
            .await?;
        self.send(Event::Snapshot(snapshot)).await
    }

    /// Sends the next window, and before it what was lost; `false` when there is none.
    async fn window(&mut self, cause: Loss) -> Result<bool, End> {
        let seq = self.seq;
        let (missed, next) = self
            .at_desk(move |roll| {
                let Step { missed, window, records } = roll.step(seq);
                let delta = window.map(|stored| (stored.seq, answer::delta(&stored, &records, roll.wish())));
                (missed, delta)
            })
            .await?;
        let counts = self.counts.clone();
        let tally = next.is_some().then(|| counts.window());
        if missed > 0 {
            let before_next = next.as_ref().map(|(next, _)| next.saturating_sub(1));
            self.seq = before_next.unwrap_or(seq.saturating_add(missed));
            counts.windows_lost(cause, missed);
            self.lost(cause, missed).await?;
        }
        let Some((seq, delta)) = next else { return Ok(missed > 0) };
        self.seq = seq;
        self.send(Event::Delta(delta)).await?;
        if let Some(tally) = tally {
            tally.applied();
        }
        Ok(true)
    }

    async fn lost(&mut self, cause: Loss, count: u64) -> Result<(), End> {
        self.send(Event::Lost(pb::Lost { source: cause.name().to_owned(), count })).await
    }

    /// Waits for a window; heartbeats meanwhile.
    async fn wait(&mut self) -> Result<(), End> {
        loop {
            tokio::select! {
                changed = self.head.changed() => {
                    return changed.map_err(|_| End::Told(Status::unavailable("the agent is shutting down")));
                }
                () = self.out.closed() => return Err(End::ClientGone),
                () = sleep_until(self.quiet_until) => {
                    self.send(Event::Heartbeat(answer::heartbeat(Utc::now()))).await?;
                }
            }
        }
    }

    async fn at_desk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Roll) -> T + Send + 'static,
    ) -> Result<T, End> {
        let Some(mut roll) = self.roll.take() else {
            return Err(Refusal::Internal("the stream lost its state").into());
        };
        let (roll, done) = self
            .desk
            .step(move || {
                let done = work(&mut roll);
                (roll, done)
            })
            .await?;
        self.roll = Some(roll);
        Ok(done)
    }

    async fn send(&mut self, event: Event) -> Result<(), End> {
        let token = ResumeToken { instance: self.instance.clone(), seq: self.seq };
        let message = pb::WatchResponse { resume_token: token.to_string(), event: Some(event) };
        self.out.send(Ok(message)).await.map_err(|_| End::ClientGone)?;
        self.quiet_until = Instant::now() + self.heartbeat;
        Ok(())
    }
}
