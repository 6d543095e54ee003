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
    queries: Tally<2>,
    watch: Tally<3>,
}

/// Things that were offered; each was applied or dropped for one of N reasons, or is still under way.
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
}

impl Counts {
    /// One row for each way out: `grpc.connections`, `grpc.queries`, `grpc.watch` (windows, summed over streams). What is
    /// still under way is in none.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        let Inner { connections, queries, watch } = &*self.0;
        vec![
            connections.row("grpc.connections", ["too_many"]),
            queries.row("grpc.queries", ["too_many", "failed"]),
            watch.row("grpc.watch", ["history", "stream", "closed"]),
        ]
    }

    pub(super) fn connection(&self, accepted: bool) {
        let tally = &self.0.connections;
        if accepted { &tally.applied } else { &tally.dropped[0] }.fetch_add(1, Relaxed);
    }

    pub(super) fn query_answered(&self) {
        self.0.queries.applied.fetch_add(1, Relaxed);
    }

    pub(super) fn query_dropped(&self, busy: bool) {
        self.0.queries.dropped[usize::from(!busy)].fetch_add(1, Relaxed);
    }

    pub(super) fn window_sent(&self) {
        self.0.watch.applied.fetch_add(1, Relaxed);
    }

    pub(super) fn windows_lost(&self, cause: Loss, count: u64) {
        self.0.watch.dropped[cause as usize].fetch_add(count, Relaxed);
    }
}

/// Why a stream did not send a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The resume token was too old.
    History,
    /// The client read too slowly.
    Stream,
    /// The client went away with the window under way.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_closes() {
        let counts = Counts::default();
        counts.connection(true);
        counts.connection(false);
        counts.query_answered();
        counts.query_dropped(true);
        counts.query_dropped(false);
        counts.window_sent();
        counts.windows_lost(Loss::History, 7);
        counts.windows_lost(Loss::Stream, 2);
        counts.windows_lost(Loss::Closed, 1);
        let rows = counts.ledger();
        assert!(rows.iter().all(|row| row.residual() == 0 && row.applied == 1));
        let dropped: Vec<_> = rows.iter().map(|row| row.dropped.values().sum::<u64>()).collect();
        assert_eq!(dropped, [1, 2, 10]);
        assert_eq!(rows[2].dropped.get(Loss::Stream.name()), Some(&2));
    }
}
