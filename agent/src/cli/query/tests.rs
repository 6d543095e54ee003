//! The question as sent, and answers as printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, UNIX_EPOCH};

use prost_types::Timestamp;
use rajut_proto::v1::{
    Bucket, Counter, Distribution, Gap, Gauge, Histogram, MetricDescriptor, MetricKind, Quantile, Value,
    Window,
};

use super::*;
use crate::cli::{args::AgentAt, when::When};

const PLAIN: Out = Out { terminal: false, color: false, width: None };

fn args() -> QueryArgs {
    QueryArgs {
        metric: "m".into(),
        at: AgentAt::default(),
        by: Vec::new(),
        filter: Vec::new(),
        quantile: Vec::new(),
        last: None,
        from: None,
        to: None,
        histogram: false,
        output: Format::Table,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds: 1_767_225_600 + seconds, nanos: 0 }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn answer(name: &str, kind: MetricKind, values: Vec<(BTreeMap<String, String>, Value)>) -> QueryResponse {
    QueryResponse {
        metric: Some(MetricDescriptor {
            name: name.into(),
            unit: "s".into(),
            kind: kind.into(),
            ..MetricDescriptor::default()
        }),
        window: Some(Window { start: Some(at(0)), end: Some(at(60)) }),
        complete: true,
        gaps: Vec::new(),
        rows: values
            .into_iter()
            .map(|(labels, value)| Row { labels, entity: 0, values: vec![value] })
            .collect(),
    }
}

fn counters() -> QueryResponse {
    let value = |cause: &str, increase: f64| Value {
        metric: "rajut.cpu.run_queue.time".into(),
        attributes: labels(&[("cause", cause)]),
        value: Some(Number::Counter(Counter { increase, rate: increase / 60.0 })),
    };
    let pod = labels(&[("namespace", "shop"), ("pod", "redis-0")]);
    answer(
        "rajut.cpu.run_queue.time",
        MetricKind::Counter,
        vec![(pod.clone(), value("contention", 18.6)), (pod, value("quota", 0.0))],
    )
}

fn histograms() -> QueryResponse {
    let value = Value {
        metric: "rajut.cpu.run_queue.latency".into(),
        attributes: BTreeMap::new(),
        value: Some(Number::Distribution(Distribution {
            count: 12,
            sum: 0.5,
            quantiles: vec![
                Quantile { quantile: 0.5, value: 0.001 },
                Quantile { quantile: 0.999, value: 0.038 },
            ],
            histogram: Some(Histogram {
                scale: 3,
                zero_threshold: f64::exp2(-20.0),
                zero_count: 4,
                buckets: vec![Bucket { index: -80, count: 8 }],
            }),
        })),
    };
    answer(
        "rajut.cpu.run_queue.latency",
        MetricKind::Histogram,
        vec![(labels(&[("namespace", "shop")]), value)],
    )
}

fn show(answer: &QueryResponse, format: Format) -> String {
    let mut text = Vec::new();
    print(answer, format, PLAIN, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_question_carries_what_was_typed() {
    let now = UNIX_EPOCH + Duration::from_secs(1000);
    let defaults = request(&args(), now);
    assert_eq!((defaults.range, defaults.quantiles), (None, vec![0.5, 0.9, 0.99]));

    let last = request(&QueryArgs { last: Some(Duration::from_secs(60)), ..args() }, now).range.unwrap();
    assert_eq!(last.last.unwrap().seconds, 60);

    let between = QueryArgs {
        from: Some(When::Ago(Duration::from_secs(300))),
        to: Some(When::Ago(Duration::ZERO)),
        filter: vec![("pod".into(), "a".into())],
        ..args()
    };
    let question = request(&between, now);
    let range = question.range.unwrap();
    assert_eq!((range.start.unwrap().seconds, range.end.unwrap().seconds), (700, 1000));
    assert_eq!(question.r#where, [Matcher { key: "pod".into(), value: "a".into() }]);
}

#[test]
fn counters_as_a_table() {
    let expected = "\
rajut.cpu.run_queue.time · 00:00:00 to 00:01:00 UTC · complete
WHO           CAUSE       INCREASE       RATE
shop/redis-0  contention    18.6 s  0.310 s/s
shop/redis-0  quota         0.0 µs  0.000 s/s
";
    assert_eq!(show(&counters(), Format::Table), expected);
}

#[test]
fn histograms_as_a_table_with_bars() {
    let expected = format!(
        "\
rajut.cpu.run_queue.latency · 00:00:00 to 00:01:00 UTC · complete
WHO   COUNT       SUM     P50    P99.9
shop     12  500.0 ms  1.0 ms  38.0 ms

shop
      ≤ 1.0 µs          4  {}
      ≤ 1.1 ms          8  {}
",
        "█".repeat(24),
        "█".repeat(48)
    );
    assert_eq!(show(&histograms(), Format::Table), expected);
}

#[test]
fn json_has_the_documented_shape() {
    let mut counters = counters();
    counters.complete = false;
    counters.gaps = vec![Gap {
        window: Some(Window { start: Some(at(1)), end: Some(at(2)) }),
        reason: "slots_full".into(),
        count: 3,
    }];
    let json: serde_json::Value = serde_json::from_str(&show(&counters, Format::Json)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "metric": "rajut.cpu.run_queue.time", "unit": "s", "kind": "counter",
            "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z", "complete": false,
            "gaps": [{"start": "2026-01-01T00:00:01Z", "end": "2026-01-01T00:00:02Z", "reason": "slots_full", "count": 3}],
            "rows": [
                {"labels": {"namespace": "shop", "pod": "redis-0"}, "attributes": {"cause": "contention"},
                 "increase": 18.6, "rate": 0.31},
                {"labels": {"namespace": "shop", "pod": "redis-0"}, "attributes": {"cause": "quota"},
                 "increase": 0.0, "rate": 0.0},
            ]
        })
    );
    let json: serde_json::Value = serde_json::from_str(&show(&histograms(), Format::Json)).unwrap();
    assert_eq!(
        json["rows"][0],
        serde_json::json!({
            "labels": {"namespace": "shop"}, "attributes": {}, "count": 12, "sum": 0.5,
            "quantiles": {"0.5": 0.001, "0.999": 0.038},
            "scale": 3, "zero_threshold": f64::exp2(-20.0), "zero_count": 4, "buckets": [[-80, 8]]
        })
    );
}

#[test]
fn csv_has_a_column_for_each_label_attribute_and_field() {
    let expected = "\
start,end,node,namespace,pod,container,workload,unit,cgroup,cause,increase,rate
2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,,shop,redis-0,,,,,contention,18.6,0.31
2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,,shop,redis-0,,,,,quota,0,0
";
    assert_eq!(show(&counters(), Format::Csv), expected);
    assert!(
        show(&histograms(), Format::Csv).starts_with(
            "start,end,node,namespace,pod,container,workload,unit,cgroup,count,sum,q0.5,q0.999\n"
        )
    );
}

#[test]
fn what_is_missing_is_told_in_words() {
    let gap = |reason: &str, count| Gap { window: None, reason: reason.into(), count };
    for (complete, gaps, expected) in [
        (true, vec![], "complete"),
        (true, vec![gap("late", 0)], "complete, some windows late"),
        (false, vec![], "incomplete: history does not hold all of it"),
        (false, vec![gap("late", 0)], "incomplete: history does not hold all of it"),
        (
            false,
            vec![gap("slots_full", 2), gap("slots_full", 3), gap("misses", 1)],
            "incomplete: misses: 1, slots_full: 5",
        ),
    ] {
        assert_eq!(completeness(complete, &gaps, None).1, expected);
    }
    let (_, share) = completeness(false, &[gap("slots_full", 2)], Some(9998));
    assert_eq!(share, "incomplete: 0.02 % lost (slots_full: 2)");
}

#[test]
fn gauges_in_each_format() {
    let value = Value {
        metric: "m".into(),
        attributes: BTreeMap::new(),
        value: Some(Number::Gauge(Gauge { value: 0.25, min: 0.0, max: 1.5 })),
    };
    let unmeasured = Value { metric: "m".into(), ..Value::default() };
    let shop = labels(&[("namespace", "shop")]);
    let answer = answer("m", MetricKind::Gauge, vec![(shop.clone(), value), (shop, unmeasured)]);
    let expected = "\
m · 00:00:00 to 00:01:00 UTC · complete
WHO       LAST   LEAST  GREATEST
shop  250.0 ms  0.0 µs     1.5 s
shop         ·       ·         ·
";
    assert_eq!(show(&answer, Format::Table), expected);
    assert!(
        show(&answer, Format::Csv)
            .ends_with(",,shop,,,,,,0.25,0,1.5\n2026-01-01T00:00:00Z,2026-01-01T00:01:00Z,,shop,,,,,,,,\n")
    );
    let json: serde_json::Value = serde_json::from_str(&show(&answer, Format::Json)).unwrap();
    assert_eq!(json["kind"], "gauge");
    assert_eq!(
        json["rows"][0],
        serde_json::json!({"labels": {"namespace": "shop"}, "attributes": {}, "value": 0.25, "min": 0.0, "max": 1.5})
    );
}
