//! One cgroup's cpu.stat files, and what they said so far.

use std::{io, path::PathBuf};

use super::{
    super::{
        PATIENCE,
        count::{Counter, Growth, Now, Own},
        source::{Source, Text},
    },
    Columns,
};
use crate::model::Values;

/// What a cgroup did since it was first seen.
#[derive(Debug)]
pub(super) struct Group {
    /// `cpu.stat` of the cpu controller, then of the identity hierarchy where that is another file and is wanted.
    sources: Vec<Source>,
    /// Whether it appeared under our eyes: then its counts began at 0, else they begin where they are.
    born: bool,
    /// `throttled_usec`, ns.
    throttled: Counter,
    /// Whether a quota was ever in force.
    quota: bool,
    /// `usage_usec` with everything below it, ns: of this reading, and its own part.
    now: Now,
    usage: Own,
    /// For how many readings in a row it could not be read.
    failing: u32,
    /// A file that was there is not there any more: the cgroup may be gone.
    pub(super) ended: bool,
    /// Whether all its children were known until now; of one that was born, trivially.
    pub(super) whole: bool,
}

impl Group {
    pub(super) fn new(paths: Vec<PathBuf>, born: bool) -> Group {
        Group {
            sources: paths.into_iter().map(Source::new).collect(),
            born,
            throttled: Counter::default(),
            quota: false,
            now: Now::Absent,
            usage: Own::new(born),
            failing: 0,
            ended: false,
            whole: born,
        }
    }

    /// How many descriptors it keeps.
    pub(super) fn kept(&self) -> usize {
        self.sources.iter().filter(|source| source.is_kept()).count()
    }

    /// Reads its files; `room` is how many more descriptors may be kept.
    ///
    /// # Errors
    /// When a file is there and cannot be read; the next reading makes up for it.
    pub(super) fn read(&mut self, room: &mut usize) -> io::Result<()> {
        let mut stat = Stat::default();
        let mut result = Ok(());
        self.ended = false;
        for source in &mut self.sources {
            let was_there = source.is_there();
            // In the largest kernels it has some 400 bytes.
            match source.read::<1024>(room) {
                Ok(Some(text)) => stat.take(&text),
                Ok(None) => self.ended |= was_there,
                Err(error) => result = Err(error),
            }
        }
        if let Some(now) = stat.throttled {
            self.quota |= stat.periods > 0;
            self.throttled.grow(now, self.born);
        }
        self.failing = if result.is_err() { self.failing.saturating_add(1) } else { 0 };
        self.now = match stat.usage {
            Some(now) => Now::Is(now),
            None if result.is_err() && self.failing <= PATIENCE => Now::Failed,
            None => Now::Absent,
        };
        result
    }

    /// Takes its own part of the usage, and gives what it and everything below grew by.
    pub(super) fn settle(&mut self, children: Growth) -> Growth {
        self.usage.settle(self.now, children)
    }

    /// What it did since it was first seen; a column that says nothing is left out.
    pub(super) fn values(&self, columns: Columns) -> Values {
        let told = self.usage.told();
        let usage = columns.usage.filter(|_| told > 0).map(|column| (column, told));
        let throttled = columns.throttled.filter(|_| self.quota).map(|column| (column, self.throttled.sum()));
        let mut counters: Vec<_> = [usage, throttled].into_iter().flatten().collect();
        counters.sort_unstable();
        Values { counters, ..Values::default() }
    }
}

/// The lines of a cpu.stat that matter, as nanoseconds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stat {
    usage: Option<u64>,
    throttled: Option<u64>,
    periods: u64,
}

impl Stat {
    /// Adds what a text says; what it does not say stays. v2 counts in microseconds, v1 in nanoseconds.
    fn take<const N: usize>(&mut self, text: &Text<N>) {
        for (key, value) in text.as_str().lines().filter_map(|line| line.split_once(' ')) {
            let Ok(value) = value.trim().parse::<u64>() else { continue };
            match key {
                "usage_usec" => self.usage = Some(value.saturating_mul(1_000)),
                "throttled_usec" => self.throttled = Some(value.saturating_mul(1_000)),
                "throttled_time" => self.throttled = Some(value),
                "nr_periods" => self.periods = value,
                _ => {}
            }
        }
    }
}
