//! The desk where store queries are worked off: away from the async workers, a few at once, a bounded line before it.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    counts::{Counts, QueryLoss},
    refusal::Refusal,
};

/// How long a query may take, the wait in line included.
const DEADLINE: Duration = Duration::from_secs(10);

/// So many places, or as many as can be counted.
pub(super) fn places(limit: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)))
}

/// How much work is let in, and how much of it runs at once.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    line: Arc<Semaphore>,
    running: Arc<Semaphore>,
    limit: usize,
    counts: Counts,
}

impl Desk {
    /// At most `running` at work and `limit` of them in all, the waiting included.
    pub(super) fn new(running: usize, limit: usize, counts: Counts) -> Desk {
        Desk { line: places(limit), running: places(running.max(1)), limit, counts }
    }

    /// Works off a query, or refuses it when the line is full. A caller that stops waiting gives up its place only when
    /// the work is done: a blocking thread cannot be called back.
    ///
    /// # Errors
    /// [`Refusal::Busy`], [`Refusal::Late`], or what the work says.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let tally = self.counts.query();
        let Ok(place) = Arc::clone(&self.line).try_acquire_owned() else {
            tally.dropped(QueryLoss::TooMany);
            return Err(Refusal::Busy { what: "queries", limit: self.limit });
        };
        let answer = match tokio::time::timeout(DEADLINE, self.run(Some(place), work)).await {
            Ok(answer) => answer.and_then(|answer| answer),
            Err(_) => Err(Refusal::Late { within: DEADLINE }),
        };
        match &answer {
            Err(Refusal::Late { .. }) => tally.dropped(QueryLoss::Late),
            Err(Refusal::Busy { .. }) => tally.dropped(QueryLoss::TooMany),
            Err(Refusal::Internal(_)) => tally.dropped(QueryLoss::Failed),
            // A question that is wrong was answered too.
            _ => tally.applied(),
        }
        answer
    }

    /// Works off a stream's step. Streams are bounded elsewhere, and each has one step at a time: they wait their turn.
    ///
    /// # Errors
    /// When the work panicked.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.run(None, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Option<OwnedSemaphorePermit>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = Arc::clone(&self.running).acquire_owned().await;
        let turn = turn.map_err(|_| Refusal::Internal("the desk is closed"))?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| Refusal::Internal("the query failed"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_line_refuses_and_a_free_one_serves() {
        let counts = Counts::default();
        let desk = Desk::new(1, 2, counts.clone());
        let (open, gate) = mpsc::sync_channel::<()>(1);
        let (begun, at_work) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let desk = desk.clone();
            async move {
                desk.query(move || {
                    begun.send(()).unwrap();
                    gate.recv().unwrap();
                    Ok(1)
                })
                .await
            }
        });
        at_work.await.unwrap();
        let mut second = std::pin::pin!(desk.query(|| Ok(2)));
        // One poll puts it in line.
        assert!(poll_once(second.as_mut()).await.is_none());
        let busy = Refusal::Busy { what: "queries", limit: 2 };
        assert_eq!(desk.query(|| Ok(3)).await, Err(busy));
        open.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(second.await, Ok(2));
        assert_eq!(desk.query(|| Ok(4)).await, Ok(4));
        let row = counts.ledger().into_iter().find(|row| row.source == "grpc.queries").unwrap();
        assert_eq!((row.applied, row.dropped.get("too_many")), (3, Some(&1)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_query_that_takes_too_long_is_given_up_and_one_that_is_not_awaited_is_counted() {
        let counts = Counts::default();
        let desk = Desk::new(1, 2, counts.clone());
        // The only place at work is taken, so that no blocking work holds the paused clock.
        let held = Arc::clone(&desk.running).acquire_owned().await.unwrap();
        assert_eq!(desk.query(|| Ok(1)).await, Err(Refusal::Late { within: DEADLINE }));
        {
            let mut forgotten = std::pin::pin!(desk.query(|| Ok(2)));
            assert!(poll_once(forgotten.as_mut()).await.is_none());
        }
        drop(held);
        assert_eq!(desk.query(|| Ok(3)).await, Ok(3));
        let row = counts.ledger().into_iter().find(|row| row.source == "grpc.queries").unwrap();
        assert_eq!(
            (row.applied, row.dropped.get("late"), row.dropped.get("closed")),
            (1, Some(&1), Some(&1))
        );
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_frees_the_place() {
        let desk = Desk::new(1, 1, Counts::default());
        let answer: Result<(), Refusal> = desk.query(|| panic!("test")).await;
        assert!(matches!(answer, Err(Refusal::Internal(_))));
        assert_eq!(desk.query(|| Ok(1)).await, Ok(1));
    }

    /// Polls once.
    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(match future.as_mut().poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
