//! A histogram in user space: sparse, mergeable, and quantiles by Prometheus' rule for native histograms.

#[cfg(test)]
mod tests;

use rajut_ebpf::abi::histogram::{FIRST_INDEX, INDICES, OVERFLOW, SCALE, ZERO_THRESHOLD, index_of_slot};

use super::rising;

/// Slots and their counts, and the exact sum. The count is the sum of the slots, so that the two cannot disagree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// (slot, count) by rising slot, no zero counts.
    slots: Vec<(u8, u64)>,
    /// Sum of the values: nanoseconds or bytes.
    pub sum: u64,
}

impl Histogram {
    /// From (slot, count) pairs in any order; zero counts are left out and repeated slots are added.
    #[must_use]
    pub fn new(slots: impl IntoIterator<Item = (u8, u64)>, sum: u64) -> Histogram {
        let mut histogram = Histogram { slots: Vec::new(), sum };
        let mut at = 0;
        for (slot, count) in slots {
            histogram.add_after(&mut at, slot, count);
        }
        histogram
    }

    /// Adds to one slot. `at` is the place after the slot before it, at first 0: see [`rising`].
    pub(crate) fn add_after(&mut self, at: &mut usize, slot: u8, count: u64) {
        if count != 0 {
            let sum = rising(&mut self.slots, at, slot);
            *sum = sum.saturating_add(count);
        }
    }

    /// (slot, count) by rising slot, no zero counts.
    #[must_use]
    pub fn slots(&self) -> &[(u8, u64)] {
        &self.slots
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.slots.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Whether it holds no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds another histogram of the same layout: exact, in any order.
    pub fn merge(&mut self, other: &Histogram) {
        self.sum = self.sum.wrapping_add(other.sum);
        if self.slots.is_empty() {
            self.slots.clone_from(&other.slots);
            return;
        }
        let mut at = 0;
        for (slot, count) in &other.slots {
            self.add_after(&mut at, *slot, *count);
        }
    }

    /// The same values at scale 2: two buckets become one, nothing is lost but resolution. A slot keeps its number's
    /// meaning by standing for the upper bucket of its pair.
    #[must_use]
    pub fn halved(&self) -> Histogram {
        Histogram::new(
            self.slots.iter().map(|(slot, count)| match index_of_slot(usize::from(*slot)) {
                // Pairs are (even, odd) indices; the odd one is the upper. FIRST_INDEX is even.
                Some(index) => (*slot + u8::from(index.rem_euclid(2) == 0), *count),
                None => (*slot, *count),
            }),
            self.sum,
        )
    }

    /// (index, count) of the buckets at a scale of at most 3, without the zero bucket; overflow is in the top bucket.
    #[must_use]
    pub fn buckets(&self, scale: i32) -> Vec<(i32, u64)> {
        let shift = (SCALE - scale).max(0);
        let mut buckets: Vec<(i32, u64)> = Vec::new();
        for (slot, count) in &self.slots {
            let index = match usize::from(*slot) {
                0 => continue,
                OVERFLOW => FIRST_INDEX + INDICES as i32 - 1,
                slot => slot as i32 - 1 + FIRST_INDEX,
            } >> shift;
            match buckets.last_mut() {
                Some((last, sum)) if *last == index => *sum = sum.saturating_add(*count),
                _ => buckets.push((index, *count)),
            }
        }
        buckets
    }

    /// How many values are in the zero bucket.
    #[must_use]
    pub fn zero_count(&self) -> u64 {
        self.slots.first().filter(|(slot, _)| *slot == 0).map_or(0, |(_, count)| *count)
    }

    /// How many values were above the last bucket.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.slots.last().filter(|(slot, _)| usize::from(*slot) == OVERFLOW).map_or(0, |(_, count)| *count)
    }

    /// The quantile `q` in seconds by Prometheus' rule for native histograms (`histogram_quantile`): exponential inside
    /// a bucket, linear in the zero bucket; from the low end for q < 0.5 and from the high end otherwise, which decides
    /// between the two buckets beside a rank that falls exactly between them. `None` when empty, or when q is not in
    /// 0..=1.
    ///
    /// One deviation: Prometheus takes a histogram whose every value is in the zero bucket to reach below zero, and
    /// answers with a negative time. Here the zero bucket begins at 0.
    #[must_use]
    pub fn quantile(&self, q: f64, scale: i32) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let zero = self.zero_count();
        let mut buckets: Vec<(Option<i32>, f64)> = Vec::with_capacity(self.slots.len());
        if zero > 0 {
            buckets.push((None, zero as f64));
        }
        buckets.extend(self.buckets(scale).into_iter().map(|(index, count)| (Some(index), count as f64)));

        let from_low = q < 0.5;
        let rank = if from_low { q } else { 1.0 - q } * count as f64;
        let mut passed = 0.0;
        let mut found = None;
        for at in 0..buckets.len() {
            let bucket = if from_low { buckets.get(at) } else { buckets.get(buckets.len() - 1 - at) };
            let Some((index, bucket)) = bucket else { break };
            // Rounding may leave the last rank unreached: then it is in the last bucket's far end.
            let into = ((rank - passed) / bucket).min(1.0);
            found = Some((*index, if from_low { into } else { 1.0 - into }));
            passed += bucket;
            if passed >= rank {
                break;
            }
        }
        found.map(|(index, fraction)| match index {
            None => ZERO_THRESHOLD * fraction,
            // 2^(index/2^s) to 2^((index+1)/2^s): interpolate the exponent.
            Some(index) => f64::exp2((f64::from(index) + fraction) * f64::powi(2.0, -scale.min(SCALE))),
        })
    }
}
