//! Bounded history: one-second windows, then ten-second ones, and what a query may ask of them.
//!
//! - *Takes*: `Sample`s.
//! - *Gives*: `Series`: values merged over any stored stretch of time and any grouping.
//! - *Never*: async, the wire, the kernel; anything unbounded.

mod groups;
mod history;
mod names;
mod pack;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use self::{
    groups::Groups,
    history::{History, add_gaps},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    model::{Entity, EntityId, Gap, Label, Labels, Sample, Utc, Values, Window, rising},
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
    /// Increments over the window, and its levels. A group's levels are those of its members in the same stored window,
    /// added; whoever had none in the last one is not in the latest level.
    pub values: Values,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The end is not after the start.
    #[error("the range is empty: its end is not after its start")]
    EmptyRange,
    /// Nothing of the range is stored.
    #[error("nothing is stored for that time: {}", history(*.held, *.newest))]
    NotStored {
        /// How far back history goes.
        held: Duration,
        /// Where the newest window ends.
        newest: Utc,
    },
}

/// What there is instead, for people.
fn history(held: Duration, newest: Utc) -> String {
    if newest == Utc::default() {
        return "no window is over yet".to_owned();
    }
    let end = OffsetDateTime::from_unix_timestamp(newest.0.div_euclid(1_000_000_000)).ok();
    let end = end.and_then(|end| end.format(&Rfc3339).ok()).unwrap_or_else(|| newest.0.to_string());
    format!("history holds {} s, newest window ends at {end}", held.as_secs())
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
    /// Increments and levels by entity, rising.
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
///
/// One writer appends once a second, a few readers ask. Both hold the lock only to move references: an answer is made
/// from a snapshot of packed windows after the lock is released, so that the longest query does not hold up the tick.
/// A std lock, since nobody waits for anything while holding it; a reader that panicked leaves nothing half done, and
/// the poison is ignored.
#[derive(Debug, Clone)]
pub struct Store(Arc<RwLock<History>>);

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(config: Config) -> Store {
        Store(Arc::new(RwLock::new(History::new(config))))
    }

    /// Adds a window. One that begins before the newest one's end is cut to begin there; one that also ends before it
    /// means that the clock was set back, and what is stored after its start is dropped, with a gap that says so.
    pub fn append(&self, sample: Sample) {
        self.write().append(sample);
    }

    /// Answers a question. Fine windows are used as far as they reach, coarse ones before that, and no stretch is
    /// counted twice. `complete` is false where something was lost, and where [`Range::Between`] asks for time that is
    /// not stored: before history, in a hole, or in the future beyond the window that is being collected.
    /// [`Range::Last`] asks for what there is.
    ///
    /// # Errors
    /// When the range is empty or nothing of it is stored.
    pub fn select(&self, selection: &Selection) -> Result<Series, SelectError> {
        let (plan, names, other) = {
            let history = self.read();
            (history.plan(selection.range)?, history.names.snapshot(), history.other())
        };
        let mut gaps = plan.missing;
        let mut groups = Groups::new(selection, &names, &other);
        for packed in &plan.windows {
            add_gaps(&mut gaps, &packed.gaps);
            groups.add(packed);
        }
        gaps.sort_by_key(|gap| gap.window);
        let mut rows = groups.rows();
        if plan.scale < 3 {
            // Fine windows beside coarse ones: both to the coarser scale.
            let histograms = rows.iter_mut().flat_map(|row| &mut row.values.histograms);
            histograms.for_each(|(_, histogram)| *histogram = histogram.halved());
        }
        Ok(Series {
            window: plan.bounds,
            complete: !gaps.iter().any(Gap::loses),
            gaps,
            scale: plan.scale,
            rows,
        })
    }

    /// Everyone remembered, by rising id.
    #[must_use]
    pub fn entities(&self) -> Vec<Arc<Entity>> {
        let names = self.read().names.snapshot();
        names.values().cloned().collect()
    }

    /// The sequence number of the newest window; 0 before the first.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.read().head
    }

    /// At most `limit` windows after the one with this number. Each row's entity is in [`Store::entities`].
    #[must_use]
    pub fn after(&self, seq: u64, limit: usize) -> Tail {
        let (packed, names) = {
            let history = self.read();
            (history.after(seq, limit), history.names.snapshot())
        };
        let last = packed.last().map_or(seq, |packed| packed.seq);
        let windows: Vec<Stored> = packed
            .iter()
            .map(|packed| {
                let (mut rows, mut at) = (Vec::new(), 0);
                let mut stored = packed.rows(&[]);
                while let Some(id) = stored.entity() {
                    let id = if names.contains_key(&id) { id } else { EntityId::OTHER };
                    stored.add_to(Some(rising(&mut rows, &mut at, id)));
                }
                Stored {
                    seq: packed.seq,
                    window: packed.window,
                    gaps: packed.gaps.clone(),
                    rows,
                    changed: packed.changed.clone(),
                }
            })
            .collect();
        Tail { missed: last.saturating_sub(seq).saturating_sub(windows.len() as u64), windows }
    }

    /// Memory of all windows, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.read().bytes()
    }

    /// Rows that are found under `other` for want of room: of entities that were not remembered, or had to leave for
    /// others, all that they had until then.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.read().names.folded()
    }

    fn read(&self) -> RwLockReadGuard<'_, History> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, History> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
