//! One cgroup's cpu.stat files, and what they said so far.

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf};

use super::Columns;
use crate::model::Values;

/// Readings in a row that may fail before a cgroup counts as its parent's, so that the parents go on.
const PATIENCE: u32 = 10;

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
    /// `usage_usec` with everything below, ns: of this reading, and the highest so far.
    now: Usage,
    usage: Option<u64>,
    /// Whether usage that was never read began at 0.
    fresh: bool,
    /// What its children grew by since its own part was last taken, ns.
    below: i128,
    /// For how many readings in a row it could not be read.
    failing: u32,
    /// Its own part of that, ns. A parent is read a moment before its children: it may run back for a while.
    own: i128,
    /// The highest that its own part has been: what is told never runs back.
    told: u64,
    /// A file that was there is not there any more: the cgroup may be gone.
    pub(super) ended: bool,
    /// Whether all its children were known until now; of one that was born, trivially.
    pub(super) whole: bool,
}

/// What a reading says about the usage.
#[derive(Debug, Clone, Copy)]
enum Usage {
    /// So much, ns.
    Is(u64),
    /// There is no such file: what the cgroup does meanwhile counts as its parent's.
    Absent,
    /// It could not be read this time.
    Failed,
}

/// What a cgroup and everything below it did since it was last settled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    /// ns.
    pub(super) sum: i128,
    /// Somewhere in it a file could not be read: what was done there is not in the sum yet.
    pub(super) waits: bool,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    file: Option<File>,
    /// Whether it was there when last looked for.
    there: bool,
}

/// A cumulative value as a sum of what it grew by while it was watched.
#[derive(Debug, Default)]
struct Counter {
    last: Option<u64>,
    sum: u64,
}

impl Counter {
    fn grow(&mut self, now: u64, born: bool) {
        let before = self.last.unwrap_or(if born { 0 } else { now });
        // Smaller than before: made anew.
        self.sum = self.sum.saturating_add(now.checked_sub(before).unwrap_or(now));
        self.last = Some(now);
    }
}

impl Group {
    pub(super) fn new(paths: Vec<PathBuf>, born: bool) -> Group {
        Group {
            sources: paths.into_iter().map(|path| Source { path, file: None, there: false }).collect(),
            born,
            throttled: Counter::default(),
            quota: false,
            now: Usage::Absent,
            usage: None,
            fresh: born,
            below: 0,
            failing: 0,
            own: 0,
            told: 0,
            ended: false,
            whole: born,
        }
    }

    /// How many descriptors it keeps.
    pub(super) fn kept(&self) -> usize {
        self.sources.iter().filter(|source| source.file.is_some()).count()
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
            let was_there = source.there;
            match source.read(room) {
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
            Some(now) => Usage::Is(now),
            None if result.is_err() && self.failing <= PATIENCE => Usage::Failed,
            None => Usage::Absent,
        };
        result
    }

    /// Takes its own part of the usage, and gives what it and everything below grew by. While something below could not
    /// be read, its own part stands still: else it would contain what the child tells of itself later.
    pub(super) fn settle(&mut self, children: Growth) -> Growth {
        self.below += children.sum;
        match self.now {
            Usage::Absent => {
                (self.usage, self.fresh) = (None, false);
                Growth { sum: std::mem::take(&mut self.below), ..children }
            }
            Usage::Is(now) if !children.waits => Growth { sum: self.take(now), waits: false },
            Usage::Is(_) | Usage::Failed => Growth { sum: 0, waits: true },
        }
    }

    fn take(&mut self, now: u64) -> i128 {
        let below = std::mem::take(&mut self.below);
        let before = self.usage.or(self.fresh.then_some(0));
        self.usage = Some(now.max(before.unwrap_or(0)));
        // A group whose count begins now cannot tell its children's part from its own.
        let Some(before) = before else { return below };
        let grown = i128::from(now.saturating_sub(before));
        self.own += grown - below;
        self.told = self.told.max(u64::try_from(self.own).unwrap_or(0));
        grown
    }

    /// What it did since it was first seen; a column that says nothing is left out.
    pub(super) fn values(&self, columns: Columns) -> Values {
        let usage = columns.usage.filter(|_| self.told > 0).map(|column| (column, self.told));
        let throttled = columns.throttled.filter(|_| self.quota).map(|column| (column, self.throttled.sum));
        let mut counters: Vec<_> = [usage, throttled].into_iter().flatten().collect();
        counters.sort_unstable();
        Values { counters, ..Values::default() }
    }
}

impl Source {
    /// The file's text; `None` if there is no such file, or no such cgroup any more.
    fn read(&mut self, room: &mut usize) -> io::Result<Option<Text>> {
        let text = match &self.file {
            Some(file) => Text::of(file),
            None => File::open(&self.path).and_then(|file| {
                let text = Text::of(&file)?;
                if *room > 0 {
                    *room -= 1;
                    self.file = Some(file);
                }
                Ok(text)
            }),
        };
        match text {
            Ok(text) => {
                self.there = true;
                Ok(Some(text))
            }
            Err(error) => {
                *room += usize::from(self.file.take().is_some());
                if is_absent(&error) {
                    self.there = false;
                    return Ok(None);
                }
                Err(error)
            }
        }
    }
}

/// Whether there is nothing to be read, now and next time. A file of a removed cgroup that is still open gives ENODEV; a
/// directory that its owner closed to us is his affair and spoils no window.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || error.raw_os_error() == Some(libc::ENODEV)
}

/// What is read of a cpu.stat: in the largest kernels it has some 400 bytes.
struct Text {
    bytes: [u8; 1024],
    length: usize,
}

impl Text {
    fn of(file: &File) -> io::Result<Text> {
        let mut bytes = [0; 1024];
        let length = file.read_at(&mut bytes, 0)?;
        Ok(Text { bytes, length })
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
    fn take(&mut self, text: &Text) {
        let text =
            text.bytes.get(..text.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("");
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_closes_his_directory_spoils_nothing() {
        for (errno, absent) in [
            (libc::ENOENT, true),
            (libc::ENODEV, true),
            (libc::EACCES, true),
            (libc::EMFILE, false),
            (libc::EIO, false),
            (libc::ENOMEM, false),
        ] {
            assert_eq!(is_absent(&io::Error::from_raw_os_error(errno)), absent, "{errno}");
        }
    }
}
