//! Requests to questions and answers to messages, by example.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rajut_proto::v1 as pb;

use super::{
    answer,
    ask::{self, Detail},
};
use crate::{
    model::{Entity, EntityId, Gap, Gauge, Histogram, Label, Labels, Utc, Values, Window},
    probes::{Column, memory, sched},
    sinks::{refusal::Refusal, tests::status},
    status::{LedgerRow, ProbeState},
    store::{Range, Series, SeriesRow, Stored},
};

const SECOND: i64 = 1_000_000_000;

fn matcher(key: &str, value: &str) -> pb::Matcher {
    pb::Matcher { key: key.into(), value: value.into() }
}

fn column(metric: &str, value: Option<&str>) -> Column {
    Column::of(metric, value).expect("a column of the registry")
}

fn asked(metric: &str, by: &[&str], filter: &[(&str, &str)]) -> pb::QueryRequest {
    pb::QueryRequest {
        metric: metric.into(),
        by: by.iter().map(|b| (*b).to_owned()).collect(),
        r#where: filter.iter().map(|(k, v)| matcher(k, v)).collect(),
        ..Default::default()
    }
}

fn question(request: &pb::QueryRequest) -> Result<ask::Question, Refusal> {
    ask::question(request, Some(Utc(100 * SECOND)), Utc(105 * SECOND))
}

#[test]
fn what_is_wrong_is_named_and_what_was_meant_is_guessed() {
    let check = |request: pb::QueryRequest, expected: &str| {
        let line = question(&request).map(|_| ()).expect_err(expected).to_string();
        assert_eq!(line, expected);
    };
    check(
        asked("rajut.cpu.tme", &[], &[]),
        "metric: unknown metric `rajut.cpu.tme` (did you mean `rajut.cpu.time`?)",
    );
    check(asked("", &[], &[]), "metric: unknown metric ``");
    check(asked("a\u{1b}[2J\n", &[], &[]), "metric: unknown metric `a\u{fffd}[2J\u{fffd}`");
    check(asked(&"m".repeat(1 << 20), &[], &[]), &format!("metric: unknown metric `{}…`", "m".repeat(64)));
    check(
        asked(sched::WAIT, &["pod", "caus"], &[]),
        "by[1]: unknown label or attribute `caus` (did you mean `cause`?)",
    );
    // A metric has its own attributes, not another's.
    check(asked(sched::TIME, &["cause"], &[]), "by[0]: unknown label `cause`");
    check(
        asked(sched::WAIT, &[], &[("pod", "a"), ("nmespace", "b")]),
        "where[1].key: unknown label or attribute `nmespace` (did you mean `namespace`?)",
    );
    check(
        asked(sched::WAIT, &[], &[("cause", "quta")]),
        "where[0].value: `cause` is never `quta` (did you mean `quota`?)",
    );
    check(
        asked(sched::WAIT, &[], &[("cause", "quota"), ("cause", "contention")]),
        "where: an attribute cannot have two values at once",
    );
    let many = vec![("pod", "a"); 65];
    check(asked(sched::TIME, &[], &many), "where: 65 conditions, at most 64 are allowed");

    for (quantiles, expected) in [
        (vec![0.5, f64::NAN], "quantiles[1]: NaN is not between 0 and 1"),
        (vec![-0.1], "quantiles[0]: -0.1 is not between 0 and 1"),
        (vec![1.5], "quantiles[0]: 1.5 is not between 0 and 1"),
        (vec![f64::INFINITY], "quantiles[0]: inf is not between 0 and 1"),
        (vec![0.5; 33], "quantiles: 33 quantiles, at most 32 are allowed"),
    ] {
        check(pb::QueryRequest { quantiles, ..asked(sched::LATENCY, &[], &[]) }, expected);
    }
}

#[test]
fn ranges() {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let last = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let range = |start, end, last| {
        let range = Some(pb::TimeRange { start, end, last });
        let request = pb::QueryRequest { range, ..asked(sched::TIME, &[], &[]) };
        question(&request).map(|q| q.selection.range).map_err(|e| e.to_string())
    };
    let between = |start, end| Ok(Range::Between(Utc(start * SECOND), Utc(end * SECOND)));
    assert_eq!(range(None, None, None), Ok(Range::Last(Duration::from_secs(60))));
    assert_eq!(range(None, None, last(5)), Ok(Range::Last(Duration::from_secs(5))));
    assert_eq!(range(at(10), at(20), None), between(10, 20));
    // Without an end: up to the newest window, or to now when it asks for what is newer.
    assert_eq!(range(at(10), None, None), between(10, 100));
    assert_eq!(range(at(103), None, None), between(103, 105));

    let nothing = "range.last: it must be longer than nothing";
    assert_eq!(range(None, None, last(0)).unwrap_err(), nothing);
    assert_eq!(range(None, None, last(-1)).unwrap_err(), nothing);
    let empty = "range: it is empty: its end is not after its start";
    assert_eq!(range(at(20), at(20), None).unwrap_err(), empty);
    assert_eq!(range(at(20), at(10), None).unwrap_err(), empty);
    assert_eq!(range(at(106), None, None).unwrap_err(), empty);
    assert_eq!(range(None, at(10), None).unwrap_err(), "range.start: `end` needs a `start`");
    let both = "range: give `last`, or `start` and `end`, not both";
    assert_eq!(range(at(1), None, last(5)).unwrap_err(), both);
    assert_eq!(range(None, at(1), last(5)).unwrap_err(), both);
    let no_instant = |field: &str| format!("{field}: it is no instant between the years 1678 and 2262");
    assert_eq!(range(at(i64::MAX), None, None).unwrap_err(), no_instant("range.start"));
    assert_eq!(range(at(1), at(i64::MIN), None).unwrap_err(), no_instant("range.end"));
    let nanos = Some(prost_types::Timestamp { seconds: 1, nanos: -1 });
    assert_eq!(range(nanos, None, None).unwrap_err(), no_instant("range.start"));
}

#[test]
fn grouping_says_what_the_store_folds_and_what_is_split() {
    let (quota, contention) = (column(sched::WAIT, Some("quota")), column(sched::WAIT, Some("contention")));
    let check =
        |by: &[&str], filter: &[(&str, &str)], labels: &[Label], split, fold_all, columns: &[Column]| {
            let q = question(&asked(sched::WAIT, by, filter)).unwrap();
            let got = (&q.selection.by[..], q.split, q.fold_all, &q.selection.columns[..]);
            assert_eq!(got, (labels, split, fold_all, columns), "{by:?} {filter:?}");
        };
    check(&[], &[], &[], true, false, &[contention, quota]);
    check(&["pod"], &[], &[Label::Pod], false, false, &[contention, quota]);
    check(&["pod", "cause", "pod"], &[], &[Label::Pod], true, false, &[contention, quota]);
    check(&["cause"], &[], &[Label::Node], true, true, &[contention, quota]);
    check(&["pod"], &[("cause", "quota")], &[Label::Pod], false, false, &[quota]);
    let filter =
        question(&asked(sched::WAIT, &[], &[("pod", "a"), ("cause", "quota")])).unwrap().selection.filter;
    assert_eq!(filter, [(Label::Pod, "a".to_owned())]);
}

#[test]
fn a_summary_and_a_stream_know_labels_only() {
    let summary = pb::SummarizeRequest { by: vec!["cause".into()], ..Default::default() };
    let error = ask::summary(&summary, None, Utc(0)).unwrap_err();
    assert_eq!(error.to_string(), "by[0]: unknown label `cause`");
    let summary = pb::SummarizeRequest { r#where: vec![matcher("pd", "a")], ..Default::default() };
    let error = ask::summary(&summary, None, Utc(0)).unwrap_err();
    assert_eq!(error.to_string(), "where[0].key: unknown label `pd` (did you mean `pod`?)");

    let watch =
        pb::WatchRequest { metrics: vec![sched::TIME.into(), "cpu.tim".into()], ..Default::default() };
    assert!(ask::wish(&watch).unwrap_err().to_string().starts_with("metrics[1]: unknown metric `cpu.tim`"));
    let watch = pb::WatchRequest { r#where: vec![matcher("cause", "quota")], ..Default::default() };
    assert_eq!(ask::wish(&watch).unwrap_err().to_string(), "where[0].key: unknown label `cause`");
    let watch =
        pb::WatchRequest { metrics: vec![sched::TIME.into(), sched::TIME.into()], ..Default::default() };
    assert_eq!(ask::wish(&watch).unwrap().metrics, [sched::TIME]);
}

#[test]
fn pages_have_bounds() {
    for (asked, size) in [(0, 500), (1, 1), (5000, 5000), (5001, 5000), (u32::MAX, 5000)] {
        assert_eq!(ask::page_size(asked), size, "{asked}");
    }
}

// ---- answers ----

fn entity() -> Arc<Entity> {
    Arc::new(Entity {
        id: EntityId::KERNEL,
        version: 3,
        valid_from: Utc(-1),
        gone_at: Some(Utc(SECOND + 5)),
        labels: Labels::default().with(Label::Namespace, "shop").with(Label::Pod, "api-0"),
    })
}

fn values(time: u64, contention: u64, quota: u64) -> Values {
    let mut counters = vec![
        (column(sched::TIME, None), time),
        (column(sched::WAIT, Some("contention")), contention),
        (column(sched::WAIT, Some("quota")), quota),
    ];
    counters.sort_unstable();
    let latency = Histogram::new([(0, 1), (100, 3)], 4_000);
    Values { counters, histograms: vec![(column(sched::LATENCY, None), latency)], ..Values::default() }
}

fn row(pod: &str, entity: u64, values: Values) -> SeriesRow {
    SeriesRow { labels: Labels::default().with(Label::Pod, pod), entity: Some(EntityId(entity)), values }
}

fn series(rows: Vec<SeriesRow>) -> Series {
    let window = Window { start: Utc(10 * SECOND), end: Utc(12 * SECOND) };
    let gaps = vec![Gap { window, reason: "misses", count: 3 }];
    Series { window, complete: false, gaps, scale: 3, rows }
}

fn counter(value: &pb::Value) -> (f64, f64) {
    match &value.value {
        Some(pb::value::Value::Counter(c)) => (c.increase, c.rate),
        other => panic!("a counter, not {other:?}"),
    }
}

/// (labels' values, attributes' values, increase) of each row.
fn flat(rows: &[pb::Row]) -> Vec<(String, String, f64)> {
    let join = |map: &BTreeMap<String, String>| map.values().cloned().collect::<Vec<_>>().join(",");
    rows.iter()
        .map(|row| {
            let value = row.values.first().expect("one value");
            assert_eq!(row.values.len(), 1);
            (join(&row.labels), join(&value.attributes), counter(value).0)
        })
        .collect()
}

#[test]
fn counters_split_or_add_by_attribute() {
    let rows = || {
        series(vec![
            row("a", 7, values(0, 2_000_000_000, 500_000_000)),
            row("b", 8, values(0, SECOND as u64, 0)),
        ])
    };
    let check = |by: &[&str], filter: &[(&str, &str)], rows: Series, expected: &[(&str, &str, f64)]| {
        let question = question(&asked(sched::WAIT, by, filter)).unwrap();
        let answer = answer::query(&question, rows, &status());
        let expected: Vec<_> =
            expected.iter().map(|(l, a, v)| ((*l).to_owned(), (*a).to_owned(), *v)).collect();
        assert_eq!(flat(&answer.rows), expected, "{by:?} {filter:?}");
    };
    let each = [("a", "contention", 2.0), ("a", "quota", 0.5), ("b", "contention", 1.0), ("b", "quota", 0.0)];
    check(&[], &[], rows(), &each);
    check(&["pod", "cause"], &[], rows(), &each);
    check(&["pod"], &[], rows(), &[("a", "", 2.5), ("b", "", 1.0)]);
    check(&["pod"], &[("cause", "quota")], rows(), &[("a", "", 0.5), ("b", "", 0.0)]);
    check(&["cause"], &[], rows(), &[("", "contention", 3.0), ("", "quota", 0.5)]);
    check(&["cause"], &[], series(Vec::new()), &[]);
    // What was not measured is no zero.
    check(&["pod"], &[], series(vec![row("c", 9, Values::default())]), &[]);
}

#[test]
fn levels_add_by_attribute_and_keep_their_bounds() {
    let level = |kind, last, max| (column(memory::BY_TYPE, Some(kind)), Gauge { last, min: 1, max });
    let gauges = vec![level("anon", 10, 30), level("file", 5, 5)];
    let rows = || series(vec![row("a", 7, Values { gauges: gauges.clone(), ..Values::default() })]);
    let check = |by: &[&str], expected: &[(&str, [f64; 3])]| {
        let answer = answer::query(&question(&asked(memory::BY_TYPE, by, &[])).unwrap(), rows(), &status());
        let of = |row: &pb::Row| match &row.values[0].value {
            Some(pb::value::Value::Gauge(gauge)) => [gauge.value, gauge.min, gauge.max],
            other => panic!("a gauge, not {other:?}"),
        };
        let kind = |row: &pb::Row| row.values[0].attributes.values().cloned().collect::<String>();
        let found: Vec<_> = answer.rows.iter().map(|row| (kind(row), of(row))).collect();
        let expected: Vec<_> = expected.iter().map(|(kind, levels)| ((*kind).to_owned(), *levels)).collect();
        assert_eq!(found, expected, "{by:?}");
        assert_eq!(answer.metric.unwrap().kind(), pb::MetricKind::Gauge);
    };
    let each = [("anon", [10.0, 1.0, 30.0]), ("file", [5.0, 1.0, 5.0])];
    check(&[], &each);
    check(&["type"], &each);
    check(&["pod"], &[("", [15.0, 2.0, 35.0])]);
}

#[test]
fn an_answer_says_when_what_and_how_complete() {
    let question = question(&asked(sched::TIME, &[], &[])).unwrap();
    let answer =
        answer::query(&question, series(vec![row("a", 7, values(3 * SECOND as u64, 0, 0))]), &status());
    assert!(!answer.complete);
    assert_eq!(answer.gaps[0].reason, "misses");
    assert_eq!(answer.gaps[0].count, 3);
    let window = answer.window.unwrap();
    assert_eq!((window.start.unwrap().seconds, window.end.unwrap().seconds), (10, 12));
    assert_eq!(answer.rows[0].entity, 7);
    assert_eq!(counter(&answer.rows[0].values[0]), (3.0, 1.5));
    let metric = answer.metric.unwrap();
    assert_eq!((metric.unit.as_str(), metric.kind()), ("s", pb::MetricKind::Counter));
}

fn distribution(value: &pb::Value) -> &pb::Distribution {
    match &value.value {
        Some(pb::value::Value::Distribution(d)) => d,
        other => panic!("a distribution, not {other:?}"),
    }
}

#[test]
fn distributions_carry_quantiles_and_where_asked_buckets() {
    let request = pb::QueryRequest { quantiles: vec![0.0, 1.0], ..asked(sched::LATENCY, &["pod"], &[]) };
    let made = |histogram: bool, values: Values| {
        let question = question(&pb::QueryRequest { histogram, ..request.clone() }).unwrap();
        answer::query(&question, series(vec![row("a", 7, values)]), &status()).rows.remove(0).values.remove(0)
    };
    let value = made(true, values(0, 0, 0));
    let got = distribution(&value);
    assert_eq!((got.count, got.sum), (4, 4e-6));
    let quantiles: Vec<_> = got.quantiles.iter().map(|q| q.quantile).collect();
    assert_eq!(quantiles, [0.0, 1.0]);
    let histogram = got.histogram.as_ref().unwrap();
    assert_eq!((histogram.scale, histogram.zero_count), (3, 1));
    assert_eq!(histogram.buckets, [pb::Bucket { index: -61, count: 3 }]);
    // The greatest value's bucket ends where the formula in the proto file says.
    let edge = f64::exp2(f64::from(-61 + 1) / 8.0);
    assert!((got.quantiles[1].value - edge).abs() < edge * 1e-9);

    assert!(distribution(&made(false, values(0, 0, 0))).histogram.is_none());
    let mut empty = values(0, 0, 0);
    empty.histograms[0].1 = Histogram::default();
    let value = made(false, empty);
    assert_eq!((distribution(&value).count, distribution(&value).quantiles.len()), (0, 0));
}

#[test]
fn a_summary_ranks_and_folds_the_rest() {
    let detail = Detail { quantiles: vec![0.5], histogram: false };
    let rows = || {
        let other = Labels::default().with(Label::Cgroup, "other");
        vec![
            row("idle", 1, values(1, 0, 0)),
            row("busy", 2, values(50, 0, 0)),
            SeriesRow { labels: other, entity: Some(EntityId::OTHER), values: values(1000, 0, 0) },
            row("waits", 3, values(0, 40, 60)),
            row("half", 4, values(10, 0, 10)),
        ]
    };
    let check = |limit, expected: &[(&str, u64, f64)]| {
        let answer = answer::summary(series(rows()), limit, &detail, &status());
        let time = |row: &pb::Row| {
            let value = row.values.iter().find(|v| v.metric == sched::TIME).expect("cpu time");
            (counter(value).0 * 1e9).round()
        };
        let got: Vec<_> = answer
            .rows
            .iter()
            .map(|r| (r.labels.values().next().map_or("", String::as_str), r.entity, time(r)))
            .collect();
        assert_eq!(got, expected, "{limit:?}");
        // Whatever is folded, the total stays.
        assert_eq!(answer.rows.iter().map(time).sum::<f64>(), 1061.0);
    };
    let other = EntityId::OTHER.0;
    let all =
        [("waits", 3, 0.0), ("busy", 2, 50.0), ("half", 4, 10.0), ("idle", 1, 1.0), ("other", other, 1000.0)];
    check(None, &all);
    check(Some(4), &all);
    check(Some(2), &[("waits", 3, 0.0), ("busy", 2, 50.0), ("other", 0, 1011.0)]);

    let answer = answer::summary(series(rows()), Some(1), &detail, &status());
    let folded = answer.rows.last().unwrap();
    let latency = folded.values.iter().find(|v| v.metric == sched::LATENCY).unwrap();
    assert_eq!(distribution(latency).count, 16);
    let names: Vec<_> = folded.values.iter().map(|v| v.metric.as_str()).collect();
    assert_eq!(names, [sched::LATENCY, sched::WAIT, sched::WAIT, sched::TIME], "registry order");
    assert_eq!(answer.node, "n1");
}

#[test]
fn the_source_is_the_rung_that_holds() {
    let source = |name: &str, state: ProbeState, programs: bool| {
        let mut status = status();
        status.probes[0].state = state;
        status.probes[0].programs = programs;
        let all = answer::descriptors(&status, |_| true);
        all.into_iter().find(|m| m.name == name).unwrap().source
    };
    for (name, programs, expected) in [
        (sched::TIME, true, "tp_btf sched_switch (exact)"),
        (sched::TIME, false, "cpu.stat"),
        (sched::WAIT, true, "tp_btf sched_switch (exact)"),
        (sched::WAIT, false, ""),
        (sched::THROTTLED, true, "cpu.stat"),
        (sched::THROTTLED, false, "cpu.stat"),
    ] {
        assert_eq!(source(name, ProbeState::On, programs), expected, "{name}, programs: {programs}");
        for state in [ProbeState::Off, ProbeState::Unsupported, ProbeState::Broken] {
            assert_eq!(source(name, state, programs), "", "{name}, {state:?}");
        }
    }
    let mut unknown = status();
    unknown.probes.clear();
    let all = answer::descriptors(&unknown, |name| name == sched::WAIT);
    assert_eq!((all.len(), all[0].source.as_str()), (1, ""));
    assert_eq!(all[0].attributes[0].values, ["contention", "quota"]);
    assert_eq!(all[0].labels.len(), Label::ALL.len());
}

#[test]
fn a_delta_carries_what_is_wanted() {
    let window = Window { start: Utc(0), end: Utc(SECOND) };
    let late = Gap { window, reason: Gap::LATE, count: 0 };
    let rows = vec![(EntityId(1), values(1, 2, 3)), (EntityId(2), values(4, 5, 6))];
    let stored = Stored { seq: 9, window, gaps: vec![late.clone()], rows, changed: Vec::new() };
    let request = pb::WatchRequest { metrics: vec![sched::WAIT.into()], ..Default::default() };
    let wish = ask::wish(&request).unwrap();
    let delta = answer::delta(&stored, &[entity()], &wish);
    assert!(delta.complete, "a late window has lost nothing");
    assert_eq!((delta.rows.len(), delta.entities.len()), (2, 1));
    assert_eq!((delta.rows[0].entity, delta.rows[0].labels.len(), delta.rows[0].values.len()), (1, 0, 2));

    let lossy = Stored { gaps: vec![late, Gap { window, reason: "misses", count: 1 }], ..stored };
    assert!(!answer::delta(&lossy, &[], &wish).complete);
}

#[test]
fn entities_and_status_keep_every_field() {
    let entity = answer::entity(&entity());
    assert_eq!((entity.id, entity.version), (u64::MAX, 3));
    // Before 1970 the fraction still counts forward.
    assert_eq!(entity.valid_from, Some(prost_types::Timestamp { seconds: -1, nanos: 999_999_999 }));
    assert_eq!(entity.gone_at, Some(prost_types::Timestamp { seconds: 1, nanos: 5 }));
    assert_eq!(
        entity.labels.into_iter().collect::<Vec<_>>(),
        [("namespace".to_owned(), "shop".to_owned()), ("pod".to_owned(), "api-0".to_owned())]
    );

    let mut state = status();
    let count = |n| BTreeMap::from([("slots_full".to_owned(), n)]);
    state.ledger = vec![LedgerRow {
        source: "sched".into(),
        misses: 1,
        attempted: 10,
        applied: 7,
        folded: 2,
        dropped: count(2),
        details_dropped: count(4),
    }];
    let got = answer::status(&state);
    let row = &got.ledger[0];
    assert_eq!((row.offered, row.attempted, row.applied, row.folded, row.residual), (11, 10, 7, 2, 1));
    assert_eq!((row.dropped.clone(), row.details_dropped.clone()), (count(2), count(4)));
    let probe = &got.probes[0];
    assert_eq!((probe.name.as_str(), probe.state(), probe.runs), ("sched", pb::ProbeState::On, 42));
    assert_eq!((probe.ns_per_run, probe.cpu_share), (Some(80.0), None));
    assert_eq!(got.self_.unwrap().rss, 1 << 20);
    assert_eq!((got.node.as_str(), got.instance.as_str(), got.boot_id.as_str()), ("n1", "i-1", "b-1"));
}
