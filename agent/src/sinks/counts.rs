//! What the sinks were asked for and what they gave: atomics that end in the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::status::LedgerRow;

/// Counts of one server; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Counts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    connections: Tally<1>,
    queries: Tally<4>,
    watch: Tally<3>,
}

impl Counts {
    /// One row for each way out: `grpc.connections`, `grpc.queries`, `grpc.watch` (windows, summed over streams). What is
    /// still under way is in none.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        let Inner { connections, queries, watch } = &*self.0;
        vec![
            connections.row("grpc.connections", ["too_many"]),
            queries.row("grpc.queries", ["too_many", "late", "failed", "closed"]),
            watch.row("grpc.watch", ["history", "stream", "closed"]),
        ]
    }

    pub(super) fn connection(&self, accepted: bool) {
        let tally = &self.0.connections;
        if accepted { &tally.applied } else { &tally.dropped[0] }.fetch_add(1, Relaxed);
    }

    /// A query came in.
    pub(super) fn query(&self) -> Offered<'_, 4> {
        self.0.queries.offered(QueryLoss::Closed as usize)
    }

    /// A stream took a window from the history.
    pub(super) fn window(&self) -> Offered<'_, 3> {
        self.0.watch.offered(Loss::Closed as usize)
    }

    /// A stream found that windows are not kept any more.
    pub(super) fn windows_lost(&self, cause: Loss, count: u64) {
        self.0.watch.dropped[cause as usize].fetch_add(count, Relaxed);
    }
}

/// Why a query got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryLoss {
    /// The line was full, or the room for answers.
    TooMany,
    /// It took too long.
    Late,
    /// The agent's own fault.
    Failed,
    /// The client went away.
    Closed,
}

/// Why a stream did not send a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The resume token was too old.
    History,
    /// The client read too slowly.
    Stream,
    /// The client, or the agent, went away with the window under way.
    Closed,
}

impl Loss {
    /// Its name on the wire and in the ledger.
    pub(super) fn name(self) -> &'static str {
        match self {
            Loss::History => "history",
            Loss::Stream => "stream",
            Loss::Closed => "closed",
        }
    }
}

/// Things that were offered; each was applied, or dropped for one of N reasons.
#[derive(Debug)]
struct Tally<const N: usize> {
    applied: AtomicU64,
    dropped: [AtomicU64; N],
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Tally<N> {
        Tally { applied: AtomicU64::new(0), dropped: [const { AtomicU64::new(0) }; N] }
    }
}

impl<const N: usize> Tally<N> {
    fn row(&self, source: &str, reasons: [&str; N]) -> LedgerRow {
        let applied = self.applied.load(Relaxed);
        let dropped: BTreeMap<String, u64> = reasons
            .iter()
            .zip(&self.dropped)
            .map(|(reason, count)| ((*reason).to_owned(), count.load(Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let attempted = dropped.values().fold(applied, |sum, count| sum.wrapping_add(*count));
        LedgerRow { source: source.to_owned(), attempted, applied, dropped, ..LedgerRow::default() }
    }

    fn offered(&self, otherwise: usize) -> Offered<'_, N> {
        Offered { tally: self, fate: Fate::Dropped(otherwise) }
    }
}

/// One thing under way. Dropping it counts it, so that none is forgotten when its future is not polled to the end.
#[derive(Debug)]
pub(super) struct Offered<'a, const N: usize> {
    tally: &'a Tally<N>,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    Applied,
    Dropped(usize),
}

impl<const N: usize> Offered<'_, N> {
    /// It was given.
    pub(super) fn applied(mut self) {
        self.fate = Fate::Applied;
    }
}

impl Offered<'_, 4> {
    /// It was not.
    pub(super) fn dropped(mut self, reason: QueryLoss) {
        self.fate = Fate::Dropped(reason as usize);
    }
}

impl<const N: usize> Drop for Offered<'_, N> {
    fn drop(&mut self) {
        let count = match self.fate {
            Fate::Applied => Some(&self.tally.applied),
            Fate::Dropped(reason) => self.tally.dropped.get(reason),
        };
        if let Some(count) = count {
            count.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_closes() {
        let counts = Counts::default();
        counts.connection(true);
        counts.connection(false);
        counts.query().applied();
        for loss in [QueryLoss::TooMany, QueryLoss::Late, QueryLoss::Failed, QueryLoss::Closed] {
            counts.query().dropped(loss);
        }
        drop(counts.query());
        counts.window().applied();
        drop(counts.window());
        counts.windows_lost(Loss::History, 7);
        counts.windows_lost(Loss::Stream, 2);
        let rows = counts.ledger();
        assert!(rows.iter().all(|row| row.residual() == 0 && row.applied == 1));
        let dropped: Vec<Vec<(&str, u64)>> =
            rows.iter().map(|row| row.dropped.iter().map(|(k, v)| (k.as_str(), *v)).collect()).collect();
        assert_eq!(
            dropped,
            [
                vec![("too_many", 1)],
                vec![("closed", 2), ("failed", 1), ("late", 1), ("too_many", 1)],
                vec![("closed", 1), (Loss::History.name(), 7), (Loss::Stream.name(), 2)],
            ]
        );
    }
}
