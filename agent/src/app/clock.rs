//! The one clock: durations on BOOTTIME, which never steps and counts suspend, read as UTC through an anchor.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::model::Utc;

/// A difference to the wall clock up to which the anchor follows it gently; beyond, it jumps forward.
const STEP: Duration = Duration::from_secs(1);
/// How much the anchor moves in one tick at most.
const SLEW: i64 = 1_000_000;

/// UTC that never goes back.
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

    /// Follows the wall clock: a little at a time, so that windows keep their length; a large step forward at once (the
    /// window that it falls into is a long one); a step back only by the same little, since windows never overlap.
    pub fn follow(&mut self, wall: Utc) {
        let ahead = wall.0 - self.now().0;
        if ahead > STEP.as_nanos() as i64 {
            tracing::warn!(seconds = ahead / 1_000_000_000, "the wall clock was set forward");
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
    fn it_follows_the_wall_and_never_goes_back() {
        let mut clock = Clock::new();
        let start = clock.now();
        clock.follow(start + Duration::from_secs(3600));
        assert!(clock.now() >= start + Duration::from_secs(3600));
        let forward = clock.now();
        clock.follow(start);
        assert!(clock.now().0 > forward.0 - SLEW - 1, "an hour back moves it by a millisecond");
    }
}
