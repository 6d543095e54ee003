//! The bucket rule against exact integers.

use std::iter::repeat_n;

use proptest::prelude::*;

use super::*;

/// A product as 64-bit digits, highest first, behind how many there are: such pairs compare as the numbers do.
fn product(factors: impl IntoIterator<Item = u64>) -> (usize, Vec<u64>) {
    let mut digits = vec![1u64];
    for factor in factors {
        let mut carry = 0u64;
        for digit in &mut digits {
            let sum = u128::from(*digit) * u128::from(factor) + u128::from(carry);
            (*digit, carry) = (sum as u64, (sum >> 64) as u64);
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits.reverse();
    (digits.len(), digits)
}

/// `ns * 10^-9 <= 2^(edge/8)`, both sides to the eighth power and cleared of fractions.
fn at_most(ns: u64, edge: i32) -> bool {
    let twos = |n: i32| repeat_n(2, usize::try_from(n).unwrap_or(0));
    ns == 0 || product(repeat_n(ns, 8).chain(twos(-edge))) <= product(repeat_n(10, 72).chain(twos(edge)))
}

/// Whether the slot is the one whose bounds hold the value, by exact integers.
fn holds(slot: usize, ns: u64) -> bool {
    let upper = slot as i32 + FIRST_INDEX;
    (slot == OVERFLOW || at_most(ns, upper)) && (slot == 0 || !at_most(ns, upper - 1))
}

/// The greatest nanosecond that is not above the upper edge of a slot.
fn edge_of(slot: usize) -> u64 {
    let (mut low, mut high) = (0u64, 1u64 << 43);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if at_most(middle, slot as i32 + FIRST_INDEX) { low = middle } else { high = middle }
    }
    low
}

#[test]
fn every_edge_is_exact() {
    for slot in 0..OVERFLOW {
        let edge = edge_of(slot);
        assert_eq!(slot_of_ns(edge), slot, "upper edge of slot {slot}: {edge} ns");
        assert_eq!(slot_of_ns(edge + 1), slot + 1, "above slot {slot}: {edge} + 1 ns");
        assert!(holds(slot_of_ns(edge - 1), edge - 1), "below the edge of slot {slot}");
    }
}

#[test]
fn known_values() {
    for (ns, slot) in [
        (0, 0),
        (1, 0),
        (953, 0),
        (954, 1),
        (1_000, 1),
        (1_000_000, 81),
        (1_000_000_000, 160),
        (1_000_000_001, 161),
        (10_000_000_000, 187),
        (u64::MAX, OVERFLOW),
    ] {
        assert_eq!(slot_of_ns(ns), slot, "{ns} ns");
    }
    assert_eq!(index_of_slot(0), None);
    assert_eq!(index_of_slot(1), Some(FIRST_INDEX));
    assert_eq!(index_of_slot(254), Some(93));
    assert_eq!(index_of_slot(OVERFLOW), None);
}

#[test]
fn values_of_every_size_are_exact() {
    // A fixed walk through all magnitudes: splitmix64 for the bits, a shift for the size.
    let mut state = 0u64;
    for round in 0..200_000u32 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let ns = (bits ^ (bits >> 31)) >> (round % 64);
        assert!(holds(slot_of_ns(ns), ns), "{ns} ns is not in slot {}", slot_of_ns(ns));
    }
}

proptest! {
    #[test]
    fn floor_log2_is_the_highest_bit(value in any::<u64>(), shift in 0u32..64) {
        let value = value >> shift;
        prop_assert_eq!(floor_log2(value), value.checked_ilog2().unwrap_or(0));
    }
}
