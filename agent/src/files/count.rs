//! Cumulative values of files as sums of what they grew by while they were watched; for those that count a cgroup with
//! everything below it, its own part.

/// A cumulative value that is the cgroup's own.
#[derive(Debug, Default)]
pub(super) struct Counter {
    last: Option<u64>,
    sum: u64,
}

impl Counter {
    /// Takes a reading; `born`: the cgroup appeared under our eyes, so that its first reading counts from 0.
    pub(super) fn grow(&mut self, now: u64, born: bool) {
        let before = self.last.unwrap_or(if born { 0 } else { now });
        // Smaller than before: made anew.
        self.sum = self.sum.saturating_add(now.checked_sub(before).unwrap_or(now));
        self.last = Some(now);
    }

    /// What it grew by while it was watched.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// The same, where it was ever read.
    pub(super) fn measured(&self) -> Option<u64> {
        self.last.map(|_| self.sum)
    }
}

/// What a reading says about a value that counts a cgroup with everything below it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Now {
    /// So much.
    Is(u64),
    /// There is no such file: what the cgroup does meanwhile counts as its parent's.
    Absent,
    /// It could not be read this time.
    Failed,
}

/// What a cgroup and everything below it did since it was last settled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    pub(super) sum: i128,
    /// Somewhere in it a file could not be read: what was done there is not in the sum yet.
    pub(super) waits: bool,
}

impl Growth {
    /// Adds another child's.
    pub(super) fn add(&mut self, other: Growth) {
        self.sum += other.sum;
        self.waits |= other.waits;
    }
}

/// A cgroup's own part of such a value.
#[derive(Debug)]
pub(super) struct Own {
    /// The highest so far, with everything below.
    last: Option<u64>,
    /// Whether a value that was never read began at 0.
    fresh: bool,
    /// What its children grew by since its own part was last taken.
    below: i128,
    /// Its own part. A parent is read a moment before its children: it may run back for a while.
    own: i128,
    /// The highest that its own part has been: what is told never runs back.
    told: u64,
}

impl Own {
    /// `born`: the cgroup appeared under our eyes.
    pub(super) fn new(born: bool) -> Own {
        Own { last: None, fresh: born, below: 0, own: 0, told: 0 }
    }

    /// Takes its own part, and gives what it and everything below grew by. While something below could not be read, its
    /// own part stands still: else it would contain what the child tells of itself later.
    pub(super) fn settle(&mut self, now: Now, children: Growth) -> Growth {
        self.below += children.sum;
        match now {
            Now::Absent => {
                (self.last, self.fresh) = (None, false);
                Growth { sum: std::mem::take(&mut self.below), ..children }
            }
            Now::Is(now) if !children.waits => Growth { sum: self.take(now), waits: false },
            Now::Is(_) | Now::Failed => Growth { sum: 0, waits: true },
        }
    }

    fn take(&mut self, now: u64) -> i128 {
        let below = std::mem::take(&mut self.below);
        let before = self.last.or(self.fresh.then_some(0));
        self.last = Some(now.max(before.unwrap_or(0)));
        // A group whose count begins now cannot tell its children's part from its own.
        let Some(before) = before else { return below };
        let grown = i128::from(now.saturating_sub(before));
        self.own += grown - below;
        self.told = self.told.max(u64::try_from(self.own).unwrap_or(0));
        grown
    }

    /// What it did itself while it was watched.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// The same, where it is read.
    pub(super) fn measured(&self) -> Option<u64> {
        self.last.map(|_| self.told)
    }
}
