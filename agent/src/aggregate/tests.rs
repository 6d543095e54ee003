//! What the increments of a few readings are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Gauge, Lost, Utc},
    probes::Column,
};

const A: EntityId = EntityId(10);
const B: EntityId = EntityId(20);

type Row = (EntityId, Values);

/// What it shows, the readings, and the rows of the last window.
type Case<'a> = (&'a str, &'a [&'a [Row]], &'a [Row]);

fn window(second: i64) -> Window {
    Window { start: Utc(second * 1_000_000_000), end: Utc((second + 1) * 1_000_000_000) }
}

fn values(counter: u64, slots: &[(u8, u64)], sum: u64) -> Values {
    Values {
        counters: vec![(Column(1), counter)],
        histograms: vec![(Column(0), Histogram::new(slots.iter().copied(), sum))],
        ..Values::default()
    }
}

fn reading(source: &'static str, rows: &[Row]) -> Reading {
    Reading { source, rows: rows.to_vec(), lost: Vec::new() }
}

/// Folds readings of one source, one per window, and gives the rows of the last.
fn last_of(readings: &[&[Row]]) -> Vec<Row> {
    let mut aggregate = Aggregate::default();
    let mut rows = Vec::new();
    for (second, reading_rows) in readings.iter().enumerate() {
        rows = aggregate.fold(window(second as i64), vec![reading("kernel", reading_rows)]).rows;
    }
    rows
}

#[test]
fn increments() {
    let five = values(5, &[(7, 2)], 100);
    let nine = values(9, &[(7, 3), (8, 1)], 170);
    let grown = values(4, &[(7, 1), (8, 1)], 70);
    let cases: &[Case<'_>] = &[
        ("the first reading is a baseline", &[&[(A, five.clone())]], &[]),
        ("growth", &[&[(A, five.clone())], &[(A, nine.clone())]], &[(A, grown)]),
        (
            "no growth is a row of zeros",
            &[&[(A, five.clone())], &[(A, five.clone())]],
            &[(A, values(0, &[], 0))],
        ),
        ("born after the baseline: from 0", &[&[], &[(A, five.clone())]], &[(A, five.clone())]),
        (
            "a smaller value is the increment",
            &[&[(A, nine.clone())], &[(A, five.clone())]],
            &[(A, five.clone())],
        ),
        (
            "a slot that is gone resets the whole histogram",
            &[&[(A, values(1, &[(7, 1), (9, 1)], 10))], &[(A, values(1, &[(7, 5)], 50))]],
            &[(A, values(0, &[(7, 5)], 50))],
        ),
        (
            "a last slot that is gone does too",
            &[&[(A, values(1, &[(7, 1), (9, 1)], 10))], &[(A, values(1, &[(7, 5), (8, 1)], 50))]],
            &[(A, values(0, &[(7, 5), (8, 1)], 50))],
        ),
        (
            "a smaller sum does too",
            &[&[(A, values(1, &[(7, 1)], 10))], &[(A, values(1, &[(7, 2)], 9))]],
            &[(A, values(0, &[(7, 2)], 9))],
        ),
        (
            "a word of 32 bits that wrapped goes on",
            &[
                &[(A, values(1, &[(7, u64::from(u32::MAX) - 4), (9, u64::from(u32::MAX))], 10))],
                &[(A, values(2, &[(7, 6)], 50))],
            ],
            &[(A, values(1, &[(7, 11), (9, 1)], 40))],
        ),
        (
            "a column that appears counts from 0",
            &[&[(A, Values::default())], &[(A, five.clone())]],
            &[(A, five.clone())],
        ),
        ("absent is forgotten", &[&[(A, five.clone())], &[], &[(A, five.clone())]], &[(A, five.clone())]),
        (
            "rows rise by id",
            &[&[], &[(B, five.clone()), (A, nine.clone())]],
            &[(A, nine.clone()), (B, five.clone())],
        ),
    ];
    for (what, readings, expected) in cases {
        assert_eq!(last_of(readings), *expected, "{what}");
    }
}

#[test]
fn sources_have_baselines_of_their_own_and_share_rows() {
    let mut aggregate = Aggregate::default();
    let kernel = |n| reading("kernel", &[(A, values(n, &[(7, n)], n))]);
    let file = |n| {
        let row = Values { counters: vec![(Column(0), n), (Column(1), 1)], ..Values::default() };
        reading("cpu.stat", &[(A, row), (B, Values::default())])
    };
    assert_eq!(aggregate.fold(window(0), vec![kernel(3)]).rows, []);
    assert_eq!(aggregate.fold(window(1), vec![kernel(5), file(100)]).rows, [(A, values(2, &[(7, 2)], 2))]);
    let mut both = values(1, &[(7, 1)], 1);
    both.counters = vec![(Column(0), 11), (Column(1), 1)];
    assert_eq!(
        aggregate.fold(window(2), vec![kernel(6), file(111)]).rows,
        [(A, both), (B, Values::default())]
    );
    // A source that was not read keeps its state: the next increment spans both windows.
    assert_eq!(aggregate.fold(window(3), vec![]).rows, []);
    assert_eq!(aggregate.fold(window(4), vec![kernel(9)]).rows, [(A, values(3, &[(7, 3)], 3))]);
}

#[test]
fn who_gave_its_slot_back_counts_from_0_with_that_source() {
    let mut aggregate = Aggregate::default();
    let both = |kernel, file| {
        vec![
            reading("kernel", &[(A, values(kernel, &[], 0))]),
            reading("cpu.stat", &[(A, values(file, &[], 0))]),
        ]
    };
    aggregate.fold(window(0), both(3, 100));
    aggregate.forget("kernel", &[A, B]);
    aggregate.forget("nobody", &[A]);
    // More than before all the same: nothing in the reading shows that it began anew.
    assert_eq!(aggregate.fold(window(1), both(5, 101)).rows, [(A, values(5 + 1, &[], 0))]);
}

#[test]
fn losses_become_gaps_of_the_window() {
    let lost = |reason, count| Lost { reason, count };
    let with = |source, lost| Reading { source, rows: Vec::new(), lost };
    let delta = Aggregate::default().fold(
        window(7),
        vec![
            with("kernel", vec![lost("slots_full", 2), lost("misses", 0)]),
            with("cpu.stat", vec![lost("slots_full", 3), lost("files", 1)]),
        ],
    );
    let gap = |reason, count| Gap { window: window(7), reason, count };
    assert_eq!(delta.gaps, [gap("files", 1), gap("slots_full", 5)]);
}

proptest! {
    /// Whatever grows, increments after the baseline add up to the growth.
    #[test]
    fn increments_add_up(steps in prop::collection::vec((0u64..1000, prop::collection::vec((0u8..9, 0u64..9), 0..5)), 2..20)) {
        let mut aggregate = Aggregate::default();
        let (mut now, mut seen, mut first) = (values(0, &[], 0), Values::default(), None);
        for (second, (count, slots)) in steps.iter().enumerate() {
            now.merge(&values(*count, slots, *count));
            first.get_or_insert_with(|| now.clone());
            for (_, row) in aggregate.fold(window(second as i64), vec![reading("kernel", &[(A, now.clone())])]).rows {
                seen.merge(&row);
            }
        }
        seen.merge(&first.unwrap());
        prop_assert_eq!(seen, now);
    }
}

#[test]
fn a_level_is_passed_through_from_the_first_reading_on() {
    let level = |counter, level| {
        let values = Values { gauges: vec![(Column(2), Gauge::new(level))], ..values(counter, &[], 0) };
        vec![(A, values)]
    };
    let only =
        |level| vec![(A, Values { gauges: vec![(Column(2), Gauge::new(level))], ..Values::default() })];
    let mut aggregate = Aggregate::default();
    let mut fold =
        |second, source, rows: &[Row]| aggregate.fold(window(second), vec![reading(source, rows)]).rows;
    assert_eq!(fold(0, "memory", &level(70, 5)), only(5));
    assert_eq!(fold(1, "memory", &level(72, 3)), level(2, 3));
    // Not measured: not there.
    assert_eq!(fold(2, "memory", &[(A, values(72, &[], 0))]), [(A, values(0, &[], 0))]);
}
