//! The bucket rule as the kernel runs it, beside edges made of exact integers.

use std::cmp::Ordering;

use aya::{
    TestRun as _,
    programs::{RawTracePoint, RawTracePointRunOptions},
};
use rajut::kernel::{Config, load};

/// Values that are tried beside 0 and the edges.
const VALUES: u32 = 1_000_000;
/// Upper edges of the slots but the last, as eighths of an octave: 2^(k/8) seconds.
const FIRST: i32 = -160;
const LAST: i32 = 94;

/// A natural number of 32-bit digits, lowest first, without zeros at the top.
#[derive(Clone, PartialEq, Eq)]
struct Natural(Vec<u32>);

impl Natural {
    fn of(value: u64) -> Natural {
        Natural(vec![value as u32, (value >> 32) as u32]).trimmed()
    }

    fn trimmed(mut self) -> Natural {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    fn times(&self, other: &Natural) -> Natural {
        let mut digits = vec![0u32; self.0.len() + other.0.len()];
        for (i, a) in self.0.iter().enumerate() {
            let mut carry = 0u64;
            for (j, b) in other.0.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(digits[i + j]) + carry;
                digits[i + j] = sum as u32;
                carry = sum >> 32;
            }
            digits[i + other.0.len()] = carry as u32;
        }
        Natural(digits).trimmed()
    }

    fn power(&self, exponent: u32) -> Natural {
        (0..exponent).fold(Natural::of(1), |power, _| power.times(self))
    }

    fn compare(&self, other: &Natural) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// The greatest whole nanosecond that is not above 2^(k/8) seconds: n^8 <= 10^72 2^k.
fn edge(k: i32) -> u64 {
    let two = |exponent: i32| Natural::of(2).power(exponent.max(0).unsigned_abs());
    let right = Natural::of(10).power(72).times(&two(k));
    let (mut low, mut high) = (0u64, 1u64 << 50);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let left = Natural::of(middle).power(8).times(&two(-k));
        if left.compare(&right) == Ordering::Greater { high = middle } else { low = middle }
    }
    low
}

/// A generator of the kind splitmix64: the same values each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Log-uniform over 1..2^64: an octave, and a place in it.
    fn duration(&mut self) -> u64 {
        let top = self.next() % 64;
        1 << top | self.next() & ((1 << top) - 1)
    }
}

#[test]
fn the_kernels_buckets_are_exact() {
    let _root = super::root();
    let edges: Vec<u64> = (FIRST..=LAST).map(edge).collect();
    assert_eq!((edges[0], edges[160], edges[240]), (953, 1_000_000_000, 1_024_000_000_000));

    let mut loaded = load::load(&Config::default(), &["sched".into()]).unwrap();
    let program: &mut RawTracePoint = load::program(&mut loaded.object, "histogram_slot").unwrap();
    program.load().unwrap();
    let mut seen = [0u32; 256];
    let mut check = |ns: u64| {
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = ns;
        let slot = program.test_run(options).unwrap().return_value as usize;
        assert_eq!(slot, edges.partition_point(|edge| *edge < ns), "{ns} ns");
        seen[slot] += 1;
    };
    check(0);
    check(u64::MAX);
    for edge in &edges {
        (edge - 1..=edge + 1).for_each(&mut check);
    }
    let mut random = Random(1);
    for _ in 0..VALUES {
        check(random.duration());
    }
    println!(
        "{} values, {} in the zero bucket, {} over the last; every slot was hit {} times at least",
        seen.iter().sum::<u32>(),
        seen[0],
        seen[255],
        seen.iter().min().unwrap()
    );
    assert!(seen.iter().all(|count| *count > 0));
}
