//! A histogram in user space: sparse, mergeable, and quantiles by Prometheus' rule for native histograms.

use rajut_ebpf::abi::histogram::{FIRST_INDEX, INDICES, OVERFLOW, SCALE, ZERO_THRESHOLD, index_of_slot};

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
        for (slot, count) in slots {
            histogram.add(slot, count);
        }
        histogram
    }

    /// Adds to one slot.
    pub fn add(&mut self, slot: u8, count: u64) {
        if count == 0 {
            return;
        }
        match self.slots.binary_search_by_key(&slot, |(s, _)| *s) {
            Ok(at) => self.slots[at].1 += count,
            Err(at) => self.slots.insert(at, (slot, count)),
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
        self.slots.iter().map(|(_, count)| count).sum()
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
        for (slot, count) in &other.slots {
            self.add(*slot, *count);
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
                Some((last, sum)) if *last == index => *sum += count,
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

    /// The quantile `q` in seconds by Prometheus' rule: exponential inside a bucket, linear in the zero bucket. `None`
    /// when empty, or when q is not in 0..=1.
    #[must_use]
    pub fn quantile(&self, q: f64, scale: i32) -> Option<f64> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = q * count as f64;
        let zero = self.zero_count() as f64;
        let buckets = self.buckets(scale);
        if rank <= zero && zero > 0.0 {
            return Some(ZERO_THRESHOLD * (rank / zero));
        }
        let mut below = zero;
        let base = f64::powi(2.0, -scale);
        for (at, (index, bucket)) in buckets.iter().enumerate() {
            let bucket = *bucket as f64;
            if below + bucket >= rank || at + 1 == buckets.len() {
                let fraction = (rank - below) / bucket;
                // 2^(index/2^s) to 2^((index+1)/2^s): interpolate the exponent.
                return Some(f64::exp2((f64::from(*index) + fraction) * base));
            }
            below += bucket;
        }
        None
    }
}
