//! A histogram as bars: buckets folded until they fit.

use rajut_proto::v1::Histogram;

use super::{
    text::pad,
    units::{self, count},
};

/// One bar: values up to `upper` and above the bar before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// Upper bound in the metric's unit.
    pub(crate) upper: f64,
    /// How many values.
    pub(crate) count: u64,
}

/// At most this many bars in a table; an octave or less each for 1 µs to 4 s.
const BARS: usize = 24;
/// Eighths of a cell.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The histogram in at most `most` bars of equal ratio, without empty ones at the ends. The zero bucket, if it holds
/// anything, is the first.
pub(crate) fn fold(histogram: &Histogram, most: usize) -> Vec<Bar> {
    let zero = Bar { upper: histogram.zero_threshold, count: histogram.zero_count };
    let zero = (zero.count > 0).then_some(zero);
    let room = most.saturating_sub(usize::from(zero.is_some())).max(1);
    let full: Vec<(i32, u64)> = histogram
        .buckets
        .iter()
        .filter(|bucket| bucket.count > 0)
        .map(|bucket| (bucket.index, bucket.count))
        .collect();
    let (Some(first), Some(last)) = (full.iter().map(|b| b.0).min(), full.iter().map(|b| b.0).max()) else {
        return zero.into_iter().collect();
    };
    // Halving the resolution keeps every bound a bucket's bound. After 32 halvings every index is 0 or -1.
    let bars_at = |shift: u32| (i64::from(last) >> shift) - (i64::from(first) >> shift) + 1;
    let shift = (0..32).find(|shift| bars_at(*shift) <= room as i64).unwrap_or(32);
    let (first, last) = (i64::from(first) >> shift, i64::from(last) >> shift);
    let scale = f64::from(histogram.scale) - f64::from(shift);
    let bars = (first..=last).take(room.max(2)).map(|index| Bar {
        upper: f64::exp2((index + 1) as f64 * f64::exp2(-scale)),
        count: full
            .iter()
            .filter(|(bucket, _)| i64::from(*bucket) >> shift == index)
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(*count)),
    });
    zero.into_iter().chain(bars).collect()
}

/// A bar of `share` (0 to 1) of `width` cells, in eighths; something is always visible unless the share is 0.
pub(crate) fn bar(share: f64, width: usize) -> String {
    let eighths =
        ((share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize).max(usize::from(share > 0.0));
    let mut text = "█".repeat(eighths / 8);
    text.extend((eighths % 8).checked_sub(1).and_then(|rest| EIGHTHS.get(rest)));
    text
}

/// The histogram as lines: upper bound, count, bar.
pub(crate) fn lines(histogram: &Histogram, unit: &str, width: usize) -> Vec<String> {
    let bars = fold(histogram, BARS);
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let room = width.saturating_sub(32).clamp(10, 80);
    bars.iter()
        .map(|it| {
            let upper = pad(&format!("≤ {}", units::value(unit, it.upper)), 14, true);
            let count = pad(&count(it.count), 9, true);
            format!("{upper}  {count}  {}", bar(it.count as f64 / most as f64, room)).trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rajut_proto::v1::Bucket;

    use super::*;

    fn histogram(zero_count: u64, buckets: &[(i32, u64)]) -> Histogram {
        Histogram {
            scale: 3,
            zero_threshold: f64::exp2(-20.0),
            zero_count,
            buckets: buckets.iter().map(|(index, count)| Bucket { index: *index, count: *count }).collect(),
        }
    }

    #[test]
    fn bars_keep_every_value_and_fit() {
        for (zero, buckets) in [
            (0, &[][..]),
            (5, &[]),
            (5, &[(-80, 1)]),
            (0, &[(-160, 1), (93, 2)]),
            (1, &[(-80, 3), (-79, 4), (-10, 1)]),
            (1, &[(-159, 1), (i32::MAX, 1)]),
        ] {
            let histogram = histogram(zero, buckets);
            let bars = fold(&histogram, 24);
            let total: u64 = zero + buckets.iter().map(|(_, count)| count).sum::<u64>();
            assert_eq!(bars.iter().map(|bar| bar.count).sum::<u64>(), total, "{buckets:?}");
            assert!(bars.len() <= 24, "{buckets:?}: {}", bars.len());
            assert!(bars.is_sorted_by(|a, b| a.upper <= b.upper), "{buckets:?}");
        }
    }

    #[test]
    fn bounds_are_those_of_the_buckets() {
        // Scale 3, index -80: up to 2^(-79/8) s.
        assert_eq!(fold(&histogram(0, &[(-80, 1)]), 24), [Bar { upper: f64::exp2(-79.0 / 8.0), count: 1 }]);
        // Two octaves in two bars: scale 0, up to 2^-9 and 2^-8.
        let bars = fold(&histogram(0, &[(-80, 1), (-65, 2)]), 2);
        assert_eq!(
            bars,
            [Bar { upper: f64::exp2(-9.0), count: 1 }, Bar { upper: f64::exp2(-8.0), count: 2 }]
        );
    }

    #[test]
    fn lines_show_bound_count_and_share() {
        assert_eq!(
            lines(&histogram(4, &[(-80, 8)]), "s", 42),
            ["      ≤ 1.0 µs          4  █████", "      ≤ 1.1 ms          8  ██████████"]
        );
        assert_eq!(bar(0.0, 10), "");
        assert_eq!(bar(1e-9, 10), "▏");
    }
}
