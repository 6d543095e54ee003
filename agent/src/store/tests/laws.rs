//! What holds for any windows: sums are kept, at any grouping and either scale.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

prop_compose! {
    /// Windows of one to three seconds, mostly one, and rows of a few entities.
    fn any_windows()(parts in prop::collection::vec(
        (prop_oneof![9 => Just(1i64), 1 => 2i64..15], prop::collection::vec((1u64..6, 0u64..1000, 0u8..=255), 0..6)), 1..150,
    )) -> Vec<Sample> {
        let mut end = 1_000;
        parts.into_iter().map(|(length, parts)| {
            let start = end;
            end += length;
            let mut rows: BTreeMap<u64, Values> = BTreeMap::new();
            for (id, count, slot) in parts {
                let histogram = Histogram::new([(slot, count)], count * 3);
                let counters = vec![(TICKS, count), (Column(id as u16 + 3), 1)];
                let gauges = vec![(LEVEL, Gauge::new(count))];
                rows.entry(id).or_default().merge(&Values { counters, histograms: vec![(WAITS, histogram)], gauges });
            }
            let named = |id: u64| entity(id, &[(Label::Pod, ["p", "q"][id as usize % 2]), (Label::Node, "n")]);
            let rows = rows.into_iter().map(|(id, values)| (named(id), values)).collect();
            Sample { window: window(start, end), rows, changed: vec![], gaps: vec![] }
        }).collect()
    }
}

fn total<'a>(values: impl IntoIterator<Item = &'a Values>) -> Values {
    values.into_iter().fold(Values::default(), |mut sum, values| {
        sum.merge(values);
        sum
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any grouping of any range adds up to the rows that were appended, at either scale.
    #[test]
    fn sums_are_kept(samples in any_windows(), last in 1u64..200, by in prop::sample::subsequence(Label::ALL.to_vec(), 0..4)) {
        let store = Store::new(Config { coarse: Duration::MAX, ..small() });
        samples.iter().for_each(|sample| store.append(sample.clone()));
        let range = Range::Last(Duration::from_secs(last));
        let series = store.select(&Selection { by, ..select(range) }).unwrap();
        let inside = |sample: &&Sample| sample.window.start >= series.window.start && sample.window.end <= series.window.end;
        let mut expected = total(samples.iter().filter(inside).flat_map(|s| s.rows.iter().map(|(_, v)| v)));
        if series.scale == 2 {
            expected.histograms.iter_mut().for_each(|(_, h)| *h = h.halved());
        }
        let mut found = total(series.rows.iter().map(|row| &row.values));
        // Levels are no sums over time.
        (expected.gauges, found.gauges) = (Vec::new(), Vec::new());
        prop_assert_eq!(found, expected);
        prop_assert!(series.complete);
    }

    /// What was folded into coarse windows is what the fine ones said.
    #[test]
    fn coarse_equals_fine(samples in any_windows()) {
        let fine = Store::new(Config { fine: Duration::MAX, ..small() });
        let coarse = Store::new(Config { fine: Duration::ZERO, coarse: Duration::MAX, ..small() });
        for sample in &samples {
            fine.append(sample.clone());
            coarse.append(sample.clone());
        }
        let all = |store: &Store| store.select(&select(Range::Last(Duration::MAX))).unwrap();
        let (mut fine, coarse) = (all(&fine), all(&coarse));
        prop_assert_eq!(fine.window, coarse.window);
        if coarse.scale == 2 {
            fine.rows.iter_mut().flat_map(|r| &mut r.values.histograms).for_each(|(_, h)| *h = h.halved());
        }
        prop_assert_eq!(fine.rows.len(), coarse.rows.len());
        for (fine, coarse) in fine.rows.iter().zip(&coarse.rows) {
            prop_assert_eq!((&fine.labels, fine.entity, &fine.values), (&coarse.labels, coarse.entity, &coarse.values));
        }
    }
}
