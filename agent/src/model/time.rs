//! Instants and windows on the wall clock, in nanoseconds since 1970 UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Utc(pub i64);

impl Utc {
    /// Now, by the system's wall clock.
    #[must_use]
    pub fn now() -> Utc {
        SystemTime::now().into()
    }

    /// This instant cut down to a multiple of `step`.
    #[must_use]
    pub fn floor(self, step: Duration) -> Utc {
        Utc(self.0 - self.0.rem_euclid(nanos(step)))
    }

    /// This instant raised to a multiple of `step`.
    #[must_use]
    pub fn ceil(self, step: Duration) -> Utc {
        let floor = self.floor(step);
        if floor == self { self } else { floor + step }
    }

    /// Time since an earlier instant; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Utc) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Utc {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Utc(nanos(after)),
            Err(before) => Utc(-nanos(before.duration())),
        }
    }
}

impl std::ops::Add<Duration> for Utc {
    type Output = Utc;

    fn add(self, duration: Duration) -> Utc {
        Utc(self.0.saturating_add(nanos(duration)))
    }
}

impl std::ops::Sub<Duration> for Utc {
    type Output = Utc;

    fn sub(self, duration: Duration) -> Utc {
        Utc(self.0.saturating_sub(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A stretch of time, half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Window {
    /// First instant in it.
    pub start: Utc,
    /// First instant after it.
    pub end: Utc,
}

impl Window {
    /// Its length.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether they share an instant.
    #[must_use]
    pub fn overlaps(self, other: Window) -> bool {
        self.start < other.end && other.start < self.end
    }
}
