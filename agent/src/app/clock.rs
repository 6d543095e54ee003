//! The one clock: durations on BOOTTIME, which never steps and counts suspend, read as UTC through an anchor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::model::Utc;

/// A difference to the wall clock up to which the anchor follows it gently; beyond, the clock was set.
const STEP: Duration = Duration::from_secs(1);
/// How much the anchor moves in one tick at most.
const SLEW: i64 = 1_000_000;

/// UTC, gently kept at the wall clock.
#[derive(Debug)]
pub struct Clock {
    /// UTC less BOOTTIME, ns.
    anchor: i64,
}

impl Clock {
    /// Anchored to the wall clock as it stands.
    #[must_use]
    pub fn new() -> Clock {
        Clock { anchor: Utc::now().0 - boottime() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Utc {
        Utc(boottime() + self.anchor)
    }

    /// Follows the wall clock: a little at a time, so that windows keep their length; where it was set, at once. Forward
    /// makes one long window; back makes windows that take the place of stored ones.
    pub fn follow(&mut self, wall: Utc) {
        let ahead = wall.0 - self.now().0;
        if ahead.abs() > STEP.as_nanos() as i64 {
            tracing::warn!(seconds = ahead / 1_000_000_000, "the wall clock was set");
            self.anchor += ahead;
        } else {
            self.anchor += ahead.clamp(-SLEW, SLEW);
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::new()
    }
}

fn boottime() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_wall_gently_and_where_it_was_set_at_once() {
        let hour = Duration::from_secs(3600);
        let mut clock = Clock::new();
        let start = clock.now();
        clock.follow(start + hour);
        assert!(clock.now() >= start + hour);
        clock.follow(start);
        assert!(clock.now() < start + hour / 2);
        let before = clock.anchor;
        clock.follow(clock.now() + Duration::from_millis(300));
        assert_eq!(clock.anchor - before, SLEW);
    }
}
