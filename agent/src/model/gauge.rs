//! A level: what it was last, and how low and how high it was.

/// A level in a window.
///
/// Over time, `last` is of the later window, `min` and `max` are the extremes. Over entities all three are added: the
/// sum of levels that were read at one instant is a level too, but the least and the greatest of a longer window are
/// then bounds, since not everyone was lowest or highest at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge {
    /// The latest.
    pub last: u64,
    /// The least.
    pub min: u64,
    /// The greatest.
    pub max: u64,
}

impl Default for Gauge {
    /// Nothing was measured yet: the place where a first value goes. It is never reported.
    fn default() -> Gauge {
        Gauge { last: 0, min: u64::MAX, max: 0 }
    }
}

impl Gauge {
    /// One reading.
    #[must_use]
    pub fn new(value: u64) -> Gauge {
        Gauge { last: value, min: value, max: value }
    }

    /// Takes in a later window of the same.
    pub fn then(&mut self, later: Gauge) {
        *self = Gauge { last: later.last, min: self.min.min(later.min), max: self.max.max(later.max) };
    }

    /// Adds another's level in the same window.
    pub fn add(&mut self, other: Gauge) {
        let nothing = self.min > self.max;
        *self = if nothing {
            other
        } else {
            Gauge {
                last: self.last.saturating_add(other.last),
                min: self.min.saturating_add(other.min),
                max: self.max.saturating_add(other.max),
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_windows_replace_and_others_add() {
        let mut gauge = Gauge::default();
        for value in [5, 2, 9, 4] {
            gauge.then(Gauge::new(value));
        }
        assert_eq!(gauge, Gauge { last: 4, min: 2, max: 9 });
        let mut sum = Gauge::default();
        sum.add(gauge);
        assert_eq!(sum, gauge);
        sum.add(Gauge::new(10));
        assert_eq!(sum, Gauge { last: 14, min: 12, max: 19 });
        sum.add(Gauge::new(u64::MAX));
        assert_eq!(sum, Gauge::new(u64::MAX));
    }
}
