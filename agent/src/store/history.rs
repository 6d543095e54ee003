//! The two rings: windows as they were collected, then longer ones, and which of them answer for a stretch of time.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc, time::Duration};

use super::{Config, Range, SelectError, names::Names, pack::Packed};
use crate::model::{Entity, EntityId, Gap, Sample, Utc, Values, Window};

/// The reason of a stretch of which nothing is stored.
pub(super) const NOT_STORED: &str = "not_stored";
/// The reason when the wall clock was set back: windows that would be told twice were dropped, so many.
pub(super) const CLOCK: &str = "clock";

/// Everything behind the store's lock.
#[derive(Debug)]
pub(super) struct History {
    config: Config,
    /// By rising time, never overlapping.
    fine: VecDeque<Arc<Packed>>,
    /// The same; each is a sum of fine windows.
    coarse: VecDeque<Arc<Packed>>,
    /// The sum that is still growing. The fine windows in it are all kept.
    open: Option<Open>,
    pub(super) names: Names,
    pub(super) head: u64,
}

/// A coarse window in the making.
#[derive(Debug)]
struct Open {
    /// The step of the clock that it stands for.
    step: Utc,
    window: Window,
    gaps: Vec<Gap>,
    rows: BTreeMap<EntityId, Values>,
}

/// What answers for a stretch of time.
#[derive(Debug)]
pub(super) struct Plan {
    /// By rising time, never overlapping.
    pub(super) windows: Vec<Arc<Packed>>,
    /// From the first window's start to the last one's end.
    pub(super) bounds: Window,
    /// 2 if coarse windows are among them, else 3.
    pub(super) scale: i32,
    /// Stretches that were asked for and are not stored.
    pub(super) missing: Vec<Gap>,
}

impl History {
    pub(super) fn new(config: Config) -> History {
        let names = Names::new(config.entities);
        History { config, fine: VecDeque::new(), coarse: VecDeque::new(), open: None, names, head: 0 }
    }

    /// Memory of all windows, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.fine.iter().chain(&self.coarse).map(|packed| packed.bytes()).sum()
    }

    pub(super) fn append(&mut self, sample: Sample) {
        let Sample { mut window, rows, mut changed, mut gaps } = sample;
        if let Some(newest) = self.fine.back().map(|packed| packed.window).filter(|w| window.start < w.end) {
            if window.end > newest.end {
                window.start = newest.end;
            } else {
                let count = self.cut(window.start);
                gaps.push(Gap { window, reason: CLOCK, count });
            }
        }
        let of_rows = rows.iter().map(|(entity, _)| (entity, 1));
        for (entity, rows) in of_rows.chain(changed.clone().iter().map(|entity| (entity, 0))) {
            changed.extend(self.names.note(entity, window.end, rows));
        }
        let rows: Vec<(EntityId, Values)> =
            rows.into_iter().map(|(entity, values)| (entity.id, values)).collect();
        self.grow(window, &gaps, rows.iter().cloned());
        self.head += 1;
        let rows = rows.iter().map(|(id, values)| (*id, values));
        self.fine.push_back(Arc::new(Packed::new(self.head, window, gaps, changed, rows, false)));
        self.drop_old(window.end);
    }

    /// Adds a fine window to the coarse one that its start falls into.
    fn grow(&mut self, window: Window, gaps: &[Gap], rows: impl Iterator<Item = (EntityId, Values)>) {
        let step = window.start.floor(self.config.coarse_window.max(Duration::from_nanos(1)));
        if let Some(open) = self.open.take_if(|open| open.step != step) {
            self.close(open);
        }
        let open =
            self.open.get_or_insert_with(|| Open { step, window, gaps: Vec::new(), rows: BTreeMap::new() });
        // A late window may reach beyond its step: the coarse one then does, too.
        open.window.end = window.end;
        add_gaps(&mut open.gaps, gaps);
        for (id, mut values) in rows {
            for (_, histogram) in &mut values.histograms {
                *histogram = histogram.halved();
            }
            open.rows.entry(id).or_default().then(&values);
        }
    }

    fn close(&mut self, open: Open) {
        let Open { window, gaps, rows, .. } = open;
        let rows = rows.iter().map(|(id, values)| (*id, values));
        self.coarse.push_back(Arc::new(Packed::new(0, window, gaps, Vec::new(), rows, true)));
        let start = self.start().unwrap_or(window.start);
        self.names.expire(start);
    }

    /// Fine windows leave when they are old and told by a closed coarse window.
    fn drop_old(&mut self, now: Utc) {
        let told = self.coarse.back().map_or(Utc(i64::MIN), |packed| packed.window.end);
        let fine = now - self.config.fine;
        while self.fine.front().is_some_and(|old| old.window.end <= fine && old.window.end <= told) {
            self.fine.pop_front();
        }
        let coarse = now - self.config.coarse;
        while self.coarse.front().is_some_and(|old| old.window.end <= coarse) {
            self.coarse.pop_front();
        }
    }

    /// The clock was set back to this instant: what is stored after it is dropped, and how many windows that were.
    fn cut(&mut self, at: Utc) -> u64 {
        let mut dropped = 0;
        while self.fine.back().is_some_and(|newest| newest.window.end > at) {
            self.fine.pop_back();
            dropped += 1;
        }
        while self.coarse.back().is_some_and(|newest| newest.window.end > at) {
            self.coarse.pop_back();
        }
        self.open = None;
        let told = self.coarse.back().map_or(Utc(i64::MIN), |packed| packed.window.end);
        let untold: Vec<_> = self.fine.iter().filter(|packed| packed.window.start >= told).cloned().collect();
        for packed in untold {
            self.grow(packed.window, &packed.gaps, packed.rows(&[]));
        }
        dropped
    }

    /// Where history begins.
    fn start(&self) -> Option<Utc> {
        [self.coarse.front(), self.fine.front()].into_iter().flatten().map(|packed| packed.window.start).min()
    }

    /// Which windows answer.
    pub(super) fn plan(&self, range: Range) -> Result<Plan, SelectError> {
        let none = SelectError::NotStored { held: Duration::ZERO, newest: Utc(0) };
        let (Some(start), Some(newest)) = (self.start(), self.fine.back().map(|packed| packed.window)) else {
            return Err(none);
        };
        let asked = match range {
            // What lies before the beginning of history did not happen yet: it is not missing.
            Range::Last(last) => Window { start: start.max(newest.end - last), end: newest.end },
            Range::Between(start, end) => Window { start, end },
        };
        if asked.end <= asked.start {
            return Err(SelectError::EmptyRange);
        }

        let fine_from = self.fine.front().map_or(newest.start, |packed| packed.window.start);
        let old = self.coarse.iter().filter(|p| p.window.start < fine_from && p.window.overlaps(asked));
        let mut windows: Vec<Arc<Packed>> = old.cloned().collect();
        let scale = if windows.is_empty() { 3 } else { 2 };
        let told = windows.last().map_or(Utc(i64::MIN), |packed| packed.window.end);
        let young = self.fine.iter().filter(|p| p.window.start >= told && p.window.overlaps(asked));
        windows.extend(young.cloned());

        let (Some(first), Some(last)) = (windows.first(), windows.last()) else {
            return Err(SelectError::NotStored { held: newest.end.since(start), newest: newest.end });
        };
        let bounds = Window { start: first.window.start, end: last.window.end };
        let mut missing = Vec::new();
        let mut miss = |start: Utc, end: Utc| {
            if start < end {
                missing.push(Gap { window: Window { start, end }, reason: NOT_STORED, count: 0 });
            }
        };
        let mut told = asked.start;
        for window in windows.iter().map(|packed| packed.window) {
            miss(told, window.start);
            told = window.end;
        }
        // The window that is being collected now is not missing yet.
        if asked.end > newest.end + newest.duration() || told < newest.end {
            miss(told, asked.end);
        }
        Ok(Plan { windows, bounds, scale, missing })
    }

    /// At most `limit` fine windows after a sequence number.
    pub(super) fn after(&self, seq: u64, limit: usize) -> Vec<Arc<Packed>> {
        let first = self.fine.partition_point(|packed| packed.seq <= seq);
        self.fine.iter().skip(first).take(limit).cloned().collect()
    }

    /// The record under which rows without one are found.
    pub(super) fn other(&self) -> Arc<Entity> {
        let names = self.names.snapshot();
        let node = || names.values().find_map(|entity| entity.labels.get(crate::model::Label::Node));
        match names.get(&EntityId::OTHER) {
            Some(other) => Arc::clone(other),
            None => Arc::new(super::names::other(node(), Utc(0))),
        }
    }
}

/// Adds gaps to a list by time; those that touch and have the same reason become one.
pub(super) fn add_gaps(list: &mut Vec<Gap>, gaps: &[Gap]) {
    for gap in gaps {
        let touching = list.iter_mut().rev().take(GAP_REASONS).find(|last| {
            last.reason == gap.reason
                && last.window.end >= gap.window.start
                && last.window.start <= gap.window.end
        });
        match touching {
            Some(last) => {
                last.window.start = last.window.start.min(gap.window.start);
                last.window.end = last.window.end.max(gap.window.end);
                last.count = last.count.saturating_add(gap.count);
            }
            None => list.push(gap.clone()),
        }
    }
}

/// How far back a gap's earlier part is looked for: more than there are reasons in one window.
const GAP_REASONS: usize = 32;
