//! What the memory controller's files and `*.pressure` say.

use super::Version;

/// A level of memory in `memory.stat` and the usage file, with everything below the cgroup, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Usage,
    /// Page cache that has long not been used.
    Inactive,
    Anon,
    /// Page cache with shared memory.
    File,
    Shmem,
    Kernel,
    Sock,
}

pub(super) const LEVELS: usize = 7;

/// The lines of a `memory.stat` that matter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) levels: [Option<u64>; LEVELS],
    pub(super) faults: Option<u64>,
    pub(super) refaults: Option<u64>,
}

impl Stat {
    /// v1 says each thing twice: for the cgroup alone, and in total.
    pub(super) fn of(version: Version, text: &str) -> Stat {
        let mut stat = Stat::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let key = match version {
                Version::V1 => key.strip_prefix("total_"),
                Version::V2 => Some(key),
            };
            let (Some(key), Ok(value)) = (key, value.trim().parse::<u64>()) else { continue };
            let level = match (key, version) {
                ("inactive_file", _) => Level::Inactive,
                ("anon", Version::V2) | ("rss", Version::V1) => Level::Anon,
                ("file", Version::V2) | ("cache", Version::V1) => Level::File,
                ("shmem", _) => Level::Shmem,
                ("kernel", Version::V2) => Level::Kernel,
                ("sock", Version::V2) => Level::Sock,
                ("pgmajfault", _) => {
                    stat.faults = Some(value);
                    continue;
                }
                // Before 5.9 one number, after it one for each type.
                ("workingset_refault" | "workingset_refault_anon" | "workingset_refault_file", _) => {
                    stat.refaults = Some(stat.refaults.unwrap_or(0).saturating_add(value));
                    continue;
                }
                _ => continue,
            };
            if let Some(place) = stat.levels.get_mut(level as usize) {
                *place = Some(value);
            }
        }
        stat
    }
}

/// The values of the attribute `event`, in its order.
pub(super) const EVENTS: [&str; 4] = ["high", "max", "oom", "oom_kill"];

/// Adds what an events file says: lines with a word and a number, or the bare number of v1's `memory.failcnt`.
pub(super) fn events(text: &str, events: &mut [Option<u64>; EVENTS.len()]) {
    for line in text.lines() {
        let (event, value) = line.split_once(' ').unwrap_or(("max", line));
        let place = EVENTS.iter().position(|known| *known == event).and_then(|at| events.get_mut(at));
        if let (Some(place), Ok(value)) = (place, value.trim().parse::<u64>()) {
            *place = Some(value);
        }
    }
}

/// Above this a limit is none: v1 writes the greatest page count there is.
const UNLIMITED: u64 = 1 << 60;

/// A limit in bytes; `None` for none.
pub(super) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

/// `some` and `full` of a pressure file, nanoseconds.
pub(super) fn stalls(text: &str) -> [Option<u64>; 2] {
    ["some ", "full "].map(|kind| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let micros: u64 = line.split(' ').find_map(|word| word.strip_prefix("total="))?.parse().ok()?;
        Some(micros.saturating_mul(1_000))
    })
}
