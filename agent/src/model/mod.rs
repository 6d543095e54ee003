//! The nouns on the pipeline's arrows: `Reading`, `Delta`, `Sample`, and what they are made of.
//!
//! - *Takes*: nothing.
//! - *Gives*: plain types and their arithmetic.
//! - *Never*: I/O, a clock, async.

mod gauge;
mod histogram;
mod labels;
mod rising;
mod time;

use std::sync::Arc;

pub use gauge::Gauge;
pub use histogram::Histogram;
pub use labels::{Label, Labels};
pub(crate) use rising::rising;
pub use time::{Utc, Window};

use crate::probes::Column;

/// Who a measurement belongs to: the cgroup's id in its hierarchy, which the kernel never reuses, or one of the
/// reserved ids below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u64);

impl EntityId {
    /// The root cgroup's own threads: `host`.
    pub const HOST: EntityId = EntityId(1);
    /// Kernel threads, wherever they are: `kernel`.
    pub const KERNEL: EntityId = EntityId(u64::MAX);
    /// The agent's own threads: `rajut`.
    pub const RAJUT: EntityId = EntityId(u64::MAX - 1);
    /// What has no slot of its own any more: `other`.
    pub const OTHER: EntityId = EntityId(u64::MAX - 2);
}

/// The numbers of one entity: counters and histograms are cumulative in a [`Reading`], increments everywhere after;
/// gauges are levels all the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// Counters by rising column; a column that was not measured is absent.
    pub counters: Vec<(Column, u64)>,
    /// Histograms by rising column.
    pub histograms: Vec<(Column, Histogram)>,
    /// Gauges by rising column; one that was not measured is absent, never 0.
    pub gauges: Vec<(Column, Gauge)>,
}

impl Values {
    /// A counter's value, where it was measured.
    #[must_use]
    pub fn counter(&self, column: Column) -> Option<u64> {
        self.counters.iter().find(|(c, _)| *c == column).map(|(_, v)| *v)
    }

    /// A histogram, where it was measured.
    #[must_use]
    pub fn histogram(&self, column: Column) -> Option<&Histogram> {
        self.histograms.iter().find(|(c, _)| *c == column).map(|(_, h)| h)
    }

    /// A gauge, where it was measured.
    #[must_use]
    pub fn gauge(&self, column: Column) -> Option<Gauge> {
        self.gauges.iter().find(|(c, _)| *c == column).map(|(_, g)| *g)
    }

    /// Adds another entity's numbers of the same time, column by column; see [`Gauge`].
    pub fn merge(&mut self, other: &Values) {
        self.increase(other);
        let mut at = 0;
        for (column, gauge) in &other.gauges {
            rising(&mut self.gauges, &mut at, *column).add(*gauge);
        }
    }

    /// Takes in the same entity's numbers of a later window, column by column; see [`Gauge`].
    pub fn then(&mut self, later: &Values) {
        self.increase(later);
        let mut at = 0;
        for (column, gauge) in &later.gauges {
            rising(&mut self.gauges, &mut at, *column).then(*gauge);
        }
    }

    /// Increments add up in the same way over time and over entities.
    fn increase(&mut self, other: &Values) {
        let mut at = 0;
        for (column, value) in &other.counters {
            let sum = rising(&mut self.counters, &mut at, *column);
            *sum = sum.wrapping_add(*value);
        }
        at = 0;
        for (column, histogram) in &other.histograms {
            rising(&mut self.histograms, &mut at, *column).merge(histogram);
        }
    }

    /// Whether nothing happened: every increment is zero or absent. A level is no event.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.counters.iter().all(|(_, v)| *v == 0) && self.histograms.iter().all(|(_, h)| h.is_empty())
    }
}

/// Cumulative values as one source gave them at one instant.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Which source: values are subtracted from the same source's reading before.
    pub source: &'static str,
    /// By entity; each at most once.
    pub rows: Vec<(EntityId, Values)>,
    /// What the source lost since its reading before.
    pub lost: Vec<Lost>,
}

/// Events or details that are not in the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The ledger's word for it.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// What happened in one window, by cgroup.
#[derive(Debug, Clone)]
pub struct Delta {
    /// When.
    pub window: Window,
    /// Increments and levels by entity, rising; an entity with nothing but zeros is there if it was measured.
    pub rows: Vec<(EntityId, Values)>,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

/// What happened in one window, and whose it was.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub window: Window,
    /// Increments and levels by entity, rising.
    pub rows: Vec<(Arc<Entity>, Values)>,
    /// Entities whose record is new, renamed or gone since the sample before.
    pub changed: Vec<Arc<Entity>>,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

/// An entity's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Who.
    pub id: EntityId,
    /// Grows with each change of the record: a new name, or its end.
    pub version: u32,
    /// When this version became known.
    pub valid_from: Utc,
    /// When the cgroup was found gone.
    pub gone_at: Option<Utc>,
    /// Its names.
    pub labels: Labels,
}

/// A stretch of time about which something is missing or unusual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// When.
    pub window: Window,
    /// The ledger's word: `late`, `misses`, `slots_full`, ...
    pub reason: &'static str,
    /// How many events; 0 for `late`, which loses nothing but resolution.
    pub count: u64,
}

impl Gap {
    /// The reason of a window that is longer than it should be: nothing is lost but resolution.
    pub const LATE: &'static str = "late";

    /// Whether numbers are missing: a window with only late gaps is complete.
    #[must_use]
    pub fn loses(&self) -> bool {
        self.reason != Self::LATE
    }
}
