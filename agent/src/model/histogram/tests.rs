//! The histogram's laws, and its quantiles against Prometheus' algorithm written down a second time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use rajut_ebpf::abi::histogram::slot_of_ns;

use super::*;

/// Prometheus' `HistogramQuantile` for a native histogram with positive buckets only, line by line: explicit bucket
/// bounds, a forward or a reverse iterator, interpolation between the logarithms of the bounds.
fn prometheus(q: f64, schema: i32, zero_count: u64, positive: &[(i32, u64)]) -> f64 {
    let base = 2f64.powf(2f64.powi(-schema));
    let mut all: Vec<(f64, f64, f64)> = vec![(-ZERO_THRESHOLD, ZERO_THRESHOLD, zero_count as f64)];
    all.extend(positive.iter().map(|(i, c)| (base.powi(*i), base.powi(*i + 1), *c as f64)));
    let total: f64 = all.iter().map(|(_, _, c)| c).sum();
    let mut rank;
    if q < 0.5 {
        rank = q * total;
    } else {
        all.reverse();
        rank = (1.0 - q) * total;
    }
    let mut count = 0.0;
    let mut bucket = (0.0, 0.0, 0.0);
    for b in all {
        bucket = b;
        if bucket.2 == 0.0 {
            continue;
        }
        count += bucket.2;
        if count >= rank {
            break;
        }
    }
    if bucket.0 < 0.0 {
        bucket.0 = 0.0;
    }
    if count < rank {
        return bucket.1;
    }
    if q < 0.5 {
        rank -= count - bucket.2;
    } else {
        rank = count - rank;
    }
    let fraction = rank / bucket.2;
    if bucket.0 <= 0.0 {
        return bucket.0 + (bucket.1 - bucket.0) * fraction;
    }
    let (low, high) = (bucket.0.log2(), bucket.1.log2());
    (low + (high - low) * fraction).exp2()
}

fn of_values(values: &[u64]) -> Histogram {
    Histogram::new(values.iter().map(|v| (slot_of_ns(*v) as u8, 1)), values.iter().sum())
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    (prop::collection::vec((any::<u8>(), 0u64..1 << 40), 0..40), any::<u64>())
        .prop_map(|(slots, sum)| Histogram::new(slots, sum))
}

/// Times from a few nanoseconds to two hours, every decade as likely as the next.
fn any_time() -> impl Strategy<Value = u64> {
    (0.0f64..43.0).prop_map(|log| log.exp2() as u64)
}

proptest! {
    #[test]
    fn merge_is_addition_in_any_order(a in any_histogram(), b in any_histogram(), c in any_histogram()) {
        let sum_of = |parts: [&Histogram; 3]| {
            let mut sum = Histogram::default();
            parts.into_iter().for_each(|part| sum.merge(part));
            sum
        };
        let abc = sum_of([&a, &b, &c]);
        prop_assert_eq!(&abc, &sum_of([&c, &a, &b]));
        let mut nested = b.clone();
        nested.merge(&c);
        let mut right = a.clone();
        right.merge(&nested);
        prop_assert_eq!(&abc, &right);
        for slot in 0..=255u8 {
            let in_slot = |h: &Histogram| h.slots().iter().find(|(s, _)| *s == slot).map_or(0, |(_, c)| *c);
            prop_assert_eq!(in_slot(&abc), in_slot(&a) + in_slot(&b) + in_slot(&c));
        }
        prop_assert_eq!(abc.sum, a.sum.wrapping_add(b.sum).wrapping_add(c.sum));
        prop_assert!(abc.slots().is_sorted_by(|x, y| x.0 < y.0) && abc.slots().iter().all(|(_, c)| *c > 0));
    }

    #[test]
    fn halving_loses_nothing_but_resolution(a in any_histogram(), b in any_histogram()) {
        let half = a.halved();
        prop_assert_eq!((half.count(), half.sum), (a.count(), a.sum));
        prop_assert_eq!((half.zero_count(), half.overflow()), (a.zero_count(), a.overflow()));
        prop_assert_eq!(half.buckets(2), a.buckets(2));
        prop_assert_eq!(half.halved(), half.clone());
        let (mut late, mut early) = (a.clone(), half);
        late.merge(&b);
        early.merge(&b.halved());
        prop_assert_eq!(late.halved(), early);
    }

    #[test]
    fn quantiles_are_those_of_prometheus(h in any_histogram(), q in 0.0f64..=1.0, scale in 0i32..=3) {
        match h.quantile(q, scale) {
            None => prop_assert!(h.is_empty()),
            Some(value) => {
                let expected = prometheus(q, scale, h.zero_count(), &h.buckets(scale));
                prop_assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{value} != {expected}");
            }
        }
    }

    #[test]
    fn the_true_sample_is_in_the_same_bucket(
        mut values in prop::collection::vec(any_time(), 1..300), q in 0.0f64..=1.0, scale in 2i32..=3,
    ) {
        values.sort_unstable();
        let histogram = of_values(&values);
        let answer = histogram.quantile(q, scale).unwrap();
        let rank = q * values.len() as f64;
        // Where the rank falls between two samples, or within rounding of it, either is the true one.
        let sample = |rank: f64| values[(rank.ceil() as usize).clamp(1, values.len()) - 1];
        let shift = 3 - scale;
        let ok = [sample(rank - 1e-6), sample(rank + 1e-6)].into_iter().any(|sample| {
            let slot = slot_of_ns(sample);
            let (low, high) = match slot {
                0 => (0.0, ZERO_THRESHOLD),
                slot => {
                    let index = f64::from((slot.min(INDICES) as i32 - 1 + FIRST_INDEX) >> shift);
                    let per_octave = f64::from(1 << scale);
                    ((index / per_octave).exp2(), ((index + 1.0) / per_octave).exp2())
                }
            };
            answer >= low * (1.0 - 1e-9) && answer <= high * (1.0 + 1e-9)
        });
        prop_assert!(ok, "q {q} of {values:?} is {answer}");
    }
}

#[test]
fn the_edges_of_quantiles() {
    let top = 2f64.powf(11.75);
    for (slots, q, expected) in [
        (vec![], 0.5, None),
        (vec![(0, 4)], 0.0, Some(0.0)),
        (vec![(0, 4)], 0.25, Some(ZERO_THRESHOLD / 4.0)),
        (vec![(0, 4)], 1.0, Some(ZERO_THRESHOLD)),
        // Between two samples far apart: the low end of the upper bucket, as Prometheus walks down from the top.
        (vec![(161, 1), (177, 1)], 0.5, Some(4.0)),
        (vec![(161, 1), (177, 1)], 0.49999, Some(2f64.powf(0.99998 / 8.0))),
        // Overflow counts in the top bucket, and its upper bound is as far as it goes.
        (vec![(255, 3)], 1.0, Some(top)),
        (vec![(254, 1), (255, 1)], 0.5, Some(2f64.powf(11.625 + 0.0625))),
        (vec![(161, 1)], -0.1, None),
        (vec![(161, 1)], 1.1, None),
        (vec![(161, 1)], f64::NAN, None),
    ] {
        let answer = Histogram::new(slots.clone(), 0).quantile(q, 3);
        let same = match (answer, expected) {
            (Some(answer), Some(expected)) => (answer - expected).abs() <= 1e-12,
            (answer, expected) => answer == expected,
        };
        assert!(same, "quantile {q} of {slots:?}: {answer:?}, expected {expected:?}");
    }
}

#[test]
fn overflow_is_counted_apart_and_exported_in_the_top_bucket() {
    let h = Histogram::new([(0, 1), (254, 2), (255, 3)], 0);
    assert_eq!((h.count(), h.zero_count(), h.overflow()), (6, 1, 3));
    assert_eq!(h.buckets(3), [(93, 5)]);
    assert_eq!(h.buckets(2), [(46, 5)]);
}
