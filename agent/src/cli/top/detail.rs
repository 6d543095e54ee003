//! One opened row: the last minutes of it, and the shape of its waits.

use std::collections::BTreeMap;

use rajut_proto::v1::{Histogram, Matcher, QueryRequest, SummarizeRequest, TimeRange, Window};

use super::rows::{TopRow, selector};
use crate::{
    cli::{query::matchers, when},
    probes::sched,
};

/// Length of a slice of history, seconds.
pub(crate) const SLICE: i64 = 5;
/// Slices that are shown: five minutes, as long as one-second windows are kept.
pub(crate) const SLICES: i64 = 60;
/// Slices that one round asks for: the screen fills from the newest in a few rounds instead of waiting for all.
const ROUND: usize = 15;

/// The numbers of one slice; `None` where nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Slice {
    /// CPUs in use.
    pub(crate) cpu: Option<f64>,
    /// Share of waiting for others.
    pub(crate) wait: Option<f64>,
    /// Share of waiting for quota.
    pub(crate) quota: Option<f64>,
}

/// An opened row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detail {
    /// Harmless name.
    pub(crate) name: String,
    /// Labels that pick it out.
    pub(crate) selector: Vec<(String, String)>,
    /// Its latest numbers; `None` when it is gone from the window.
    pub(crate) row: Option<TopRow>,
    /// The shape of its waits.
    pub(crate) histogram: Option<Histogram>,
    /// Slices by their end, seconds since 1970 over [`SLICE`].
    history: BTreeMap<i64, Slice>,
}

impl Detail {
    /// Opens a row.
    pub(crate) fn new(row: TopRow) -> Detail {
        Detail {
            name: row.name.clone(),
            selector: selector(&row.raw.labels),
            row: Some(row),
            ..Detail::default()
        }
    }

    /// What to ask for the shape.
    pub(crate) fn question(&self, last: std::time::Duration) -> QueryRequest {
        QueryRequest {
            metric: sched::LATENCY.to_owned(),
            range: Some(when::last(last)),
            by: self.by(),
            r#where: self.matchers(),
            quantiles: vec![0.5],
            histogram: true,
        }
    }

    /// Slices to ask for, newest first: those up to `window`'s end that are not there yet.
    pub(crate) fn missing(&self, window: Option<&Window>) -> Vec<(i64, SummarizeRequest)> {
        let Some(end) = window.and_then(|w| w.end.as_ref()) else { return Vec::new() };
        let newest = end.seconds.div_euclid(SLICE);
        (newest.saturating_sub(SLICES - 1)..=newest)
            .rev()
            .filter(|at| !self.history.contains_key(at))
            .take(ROUND)
            .map(|at| (at, self.slice(at)))
            .collect()
    }

    fn slice(&self, at: i64) -> SummarizeRequest {
        let instant = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        SummarizeRequest {
            range: Some(TimeRange { start: instant((at - 1) * SLICE), end: instant(at * SLICE), last: None }),
            by: self.by(),
            r#where: self.matchers(),
            quantiles: vec![0.5],
            limit: 0,
        }
    }

    /// Takes slices; those that are too old leave.
    pub(crate) fn remember(&mut self, slices: impl IntoIterator<Item = (i64, Slice)>) {
        self.history.extend(slices);
        let newest = self.history.keys().next_back().copied().unwrap_or(0);
        self.history.retain(|at, _| *at > newest - SLICES);
    }

    /// The slices of the last minutes, oldest first, one for each place.
    pub(crate) fn slices(&self) -> Vec<Slice> {
        let newest = self.history.keys().next_back().copied().unwrap_or(0);
        (newest - SLICES + 1..=newest).map(|at| self.history.get(&at).copied().unwrap_or_default()).collect()
    }

    /// Folding by the same labels makes one row of containers that came one after the other under one name.
    fn by(&self) -> Vec<String> {
        if self.selector.is_empty() {
            return vec!["node".to_owned()];
        }
        self.selector.iter().map(|(key, _)| key.clone()).collect()
    }

    fn matchers(&self) -> Vec<Matcher> {
        matchers(&self.selector)
    }
}

impl From<&TopRow> for Slice {
    fn from(row: &TopRow) -> Slice {
        Slice { cpu: row.cpu, wait: row.wait, quota: row.quota }
    }
}
