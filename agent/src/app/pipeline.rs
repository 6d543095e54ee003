//! The data's way, once for each tick.

use std::{cmp::Ordering, time::Duration};

use crate::{
    aggregate::Aggregate,
    cgroups::Hierarchies,
    files::Files,
    kernel::{Kernel, LoadError},
    model::{Gap, Reading, Utc, Window},
    pods::Pods,
    store::Store,
};

/// A reading that is taken later than this part of a window blurs the edge between two: both are marked.
const LATE_PART: u32 = 10;

/// Where readings come from.
#[derive(Debug)]
pub struct Sources {
    /// The kernel side, or why there is none.
    pub kernel: Result<Kernel, LoadError>,
    /// Those that are files.
    pub files: Files,
}

impl Sources {
    fn read(&mut self) -> Vec<Reading> {
        let kernel = self.kernel.as_mut().ok().map(Kernel::read);
        kernel.into_iter().chain(self.files.read()).collect()
    }
}

/// The stages, and where the last window ended.
#[derive(Debug)]
pub struct Pipeline {
    /// Where readings come from.
    pub sources: Sources,
    aggregate: Aggregate,
    pods: Pods,
    store: Store,
    /// The length that a window should have.
    length: Duration,
    last: Utc,
    /// Whether the last reading was taken so late that it took something from the next window.
    was_late: bool,
    /// What it did so far.
    pub totals: Totals,
}

/// What the pipeline did so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Windows that were stored.
    pub windows: u64,
    /// Of those, longer than they should be.
    pub late: u64,
    /// Rows that were stored.
    pub rows: u64,
    /// Of those, under `other`, for want of room.
    pub folded: u64,
    /// Losses that the windows declare, events.
    pub lost: u64,
}

impl Pipeline {
    /// Takes the first reading, which is where everything counts from.
    #[must_use]
    pub fn new(
        mut sources: Sources,
        node: &str,
        hierarchies: Option<&Hierarchies>,
        store: Store,
        window: Duration,
        now: Utc,
    ) -> Pipeline {
        let mut aggregate = Aggregate::default();
        aggregate.fold(Window { start: now, end: now }, sources.read());
        Pipeline {
            sources,
            aggregate,
            pods: Pods::new(node, hierarchies),
            store,
            length: window,
            last: now,
            was_late: false,
            totals: Totals::default(),
        }
    }

    /// Closes the window that ends at `end`; the clock has come to `now` meanwhile.
    pub fn tick(&mut self, end: Utc, now: Utc) {
        let start = match end.cmp(&self.last) {
            Ordering::Greater => self.last,
            // The clock was moved back a little since the alarm was set: not yet.
            Ordering::Equal => return,
            // It was set back: the window is as long as it should be, and takes the place of a stored one.
            Ordering::Less => end - self.length,
        };
        let window = Window { start, end };
        let readings = self.sources.read();
        let mut delta = self.aggregate.fold(window, readings);
        let is_late = now.since(end) > self.length / LATE_PART;
        if is_late || self.was_late || window.duration() > self.length + self.length / 2 {
            delta.gaps.push(Gap { window, reason: Gap::LATE, count: 0 });
            self.totals.late += 1;
        }
        self.was_late = is_late;
        let sample = self.pods.attribute(delta);
        let gone = self.pods.take_gone();
        if let Ok(kernel) = &mut self.sources.kernel {
            self.aggregate.forget(Kernel::SOURCE, &kernel.release(&gone));
        }
        self.totals.windows += 1;
        self.totals.rows += sample.rows.len() as u64;
        self.totals.lost += sample.gaps.iter().map(|gap| gap.count).sum::<u64>();
        self.store.append(sample);
        self.totals.folded = self.store.folded();
        self.last = end;
    }
}
