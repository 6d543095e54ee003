//! Bounded history: one-second windows, then ten-second ones, and what a query may ask of them.
//!
//! - *Takes*: `Sample`s.
//! - *Gives*: `Series`: values merged over any stored stretch of time and any grouping.
//! - *Never*: async, the wire, the kernel; anything unbounded.

use std::{sync::Arc, time::Duration};

use crate::{
    model::{Entity, EntityId, Gap, Label, Labels, Sample, Utc, Values, Window},
    probes::Column,
};

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How far back windows are kept as they were collected.
    pub fine: Duration,
    /// The length of the windows that follow.
    pub coarse_window: Duration,
    /// How far back those are kept.
    pub coarse: Duration,
    /// Entities that are remembered, living and gone.
    pub entities: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            fine: Duration::from_secs(300),
            coarse_window: Duration::from_secs(10),
            coarse: Duration::from_secs(3600),
            entities: 4096,
        }
    }
}

/// Which stretch of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Up to the newest window.
    Last(Duration),
    /// From the first instant to the second, snapped outward to stored windows.
    Between(Utc, Utc),
}

/// A question to the store.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Which stretch of the past.
    pub range: Range,
    /// Which columns; empty: all.
    pub columns: Vec<Column>,
    /// Labels to fold rows by; empty: one row for each entity.
    pub by: Vec<Label>,
    /// Exact values that labels must have.
    pub filter: Vec<(Label, String)>,
}

/// An answer of the store.
#[derive(Debug, Clone)]
pub struct Series {
    /// The real bounds.
    pub window: Window,
    /// Whether nothing is known to be missing and the whole range was stored.
    pub complete: bool,
    /// What is missing or unusual.
    pub gaps: Vec<Gap>,
    /// Scale of the histograms: 3, or 2 where old windows are part of the answer.
    pub scale: i32,
    /// The rows, by labels.
    pub rows: Vec<SeriesRow>,
}

/// Values of one entity or group.
#[derive(Debug, Clone)]
pub struct SeriesRow {
    /// Labels that hold for the whole row.
    pub labels: Labels,
    /// Who, where the row is of one entity.
    pub entity: Option<EntityId>,
    /// Increments over the window.
    pub values: Values,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The end is not after the start.
    #[error("the range is empty: its end is not after its start")]
    EmptyRange,
    /// Nothing of the range is stored.
    #[error("nothing is stored for that time: history holds {} s, newest window ends at {}", .held.as_secs(), .newest.0 / 1_000_000_000)]
    NotStored {
        /// How far back history goes.
        held: Duration,
        /// Where the newest window ends.
        newest: Utc,
    },
}

/// One stored window, unpacked.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Rising by one from window to window.
    pub seq: u64,
    /// When.
    pub window: Window,
    /// What is missing or unusual.
    pub gaps: Vec<Gap>,
    /// Increments by entity, rising.
    pub rows: Vec<(EntityId, Values)>,
    /// Records that changed with this window.
    pub changed: Vec<Arc<Entity>>,
}

/// Windows after a place in the sequence.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// Windows that were asked for and are no longer kept as they were collected.
    pub missed: u64,
    /// The windows, oldest first.
    pub windows: Vec<Stored>,
}

/// The history; a cheap handle.
#[derive(Debug, Clone)]
pub struct Store {}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(_config: Config) -> Store {
        Store {}
    }

    /// Adds a window.
    pub fn append(&self, _sample: Sample) {}

    /// Answers a question.
    ///
    /// # Errors
    /// When the range is empty or nothing of it is stored.
    pub fn select(&self, _selection: &Selection) -> Result<Series, SelectError> {
        Err(SelectError::EmptyRange)
    }

    /// Everyone remembered, by rising id.
    #[must_use]
    pub fn entities(&self) -> Vec<Arc<Entity>> {
        Vec::new()
    }

    /// The sequence number of the newest window; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        0
    }

    /// At most `limit` windows after the one with this number.
    #[must_use]
    pub fn after(&self, _seq: u64, _limit: usize) -> Tail {
        Tail::default()
    }
}
