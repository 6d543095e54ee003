//! The histogram: one bucket rule for the kernel, the store, Prometheus and OTLP.
//!
//! Base-2 exponential at scale 3, buckets upper-inclusive: index `i` holds (2^(i/8), 2^((i+1)/8)] seconds. This is
//! OpenTelemetry's ExponentialHistogram at scale 3 and Prometheus' native histogram of schema 3. Integers only, and
//! free of `leading_zeros`, whose result the kernel's verifier cannot bound.

/// Slots of a histogram: the zero bucket, [`INDICES`] buckets, overflow.
pub const SLOTS: usize = 256;
/// Buckets for each octave are 2^SCALE.
pub const SCALE: i32 = 3;
/// Bucket index of slot 1; slot `s` has index `s - 1 + FIRST_INDEX`.
pub const FIRST_INDEX: i32 = -160;
/// How many slots have an index: 1..=INDICES.
pub const INDICES: usize = SLOTS - 2;
/// The slot of values above the last bucket, 2^11.75 s.
pub const OVERFLOW: usize = SLOTS - 1;
/// Values up to this many seconds are in slot 0: 2^-20 s, 953 ns.
pub const ZERO_THRESHOLD: f64 = 1.0 / (1 << 20) as f64;

/// How many thresholds a value's mantissa exceeds is its place in the octave. The k-th is the mantissa of
/// 10^9 * 2^(k/8), the bucket edge in nanoseconds, rounded down: a mantissa greater than it lies above the edge.
const THRESHOLDS: [u64; 8] = [
    0x81ff_a7a9_549c_a6e3,
    0x8dc3_b896_0164_a7d9,
    0x9a98_6705_4d51_2391,
    0xa896_5f74_bf06_5071,
    0xb7d8_8a12_d0dd_9ea0,
    0xc87c_3e7d_03cd_bec3,
    0xdaa1_7c2c_d195_55db,
    0xee6b_2800_0000_0000,
];

/// The slot of a duration in nanoseconds.
#[inline(always)]
#[must_use]
pub fn slot_of_ns(ns: u64) -> usize {
    let exponent = floor_log2(ns);
    let mantissa = (ns | u64::from(ns == 0)) << ((63 - exponent) & 63);
    // Three levels of a search tree; written out, since a loop over the table costs the verifier its bounds.
    let t = &THRESHOLDS;
    let place = if mantissa > t[4] {
        if mantissa > t[6] { 7 + (mantissa > t[7]) as u32 } else { 5 + (mantissa > t[5]) as u32 }
    } else if mantissa > t[2] {
        3 + (mantissa > t[3]) as u32
    } else if mantissa > t[1] {
        2
    } else {
        (mantissa > t[0]) as u32
    };
    // index = exponent * 8 + place - 240, slot = index + 161: below slot 1 is the zero bucket.
    let raised = exponent * 8 + place;
    let slot = raised.saturating_sub(79);
    if slot > OVERFLOW as u32 { OVERFLOW } else { slot as usize }
}

/// Position of the highest set bit; 0 for 0. A branch-free tree of bits, which the verifier can bound.
#[inline(always)]
#[must_use]
pub fn floor_log2(value: u64) -> u32 {
    let mut v = value;
    let mut log = 0;
    let mut bit = ((v > 0xffff_ffff) as u32) << 5;
    v >>= bit;
    log |= bit;
    bit = ((v > 0xffff) as u32) << 4;
    v >>= bit;
    log |= bit;
    bit = ((v > 0xff) as u32) << 3;
    v >>= bit;
    log |= bit;
    bit = ((v > 0xf) as u32) << 2;
    v >>= bit;
    log |= bit;
    bit = ((v > 3) as u32) << 1;
    v >>= bit;
    log |= bit;
    log | (v > 1) as u32
}

/// The bucket index of a slot, or `None` for the zero bucket and overflow.
#[must_use]
pub fn index_of_slot(slot: usize) -> Option<i32> {
    (1..=INDICES).contains(&slot).then(|| slot as i32 - 1 + FIRST_INDEX)
}

#[cfg(test)]
mod tests;
