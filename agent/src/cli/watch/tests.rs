//! Messages of a stream, as printed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use prost_types::Timestamp;
use rajut_proto::v1::{Counter, Gap, Heartbeat, Snapshot, Value, Window, value::Value as Number};

use super::*;
use crate::probes::sched;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: 1_767_225_600 + seconds, nanos: 0 })
}

fn entity(id: u64, version: u32, pod: &str) -> Entity {
    let labels =
        BTreeMap::from([("namespace".to_owned(), "shop".to_owned()), ("pod".to_owned(), pod.to_owned())]);
    Entity { id, version, labels, ..Entity::default() }
}

fn row(entity: u64) -> Row {
    let rate = Counter { increase: 0.5, rate: 0.5 };
    Row {
        entity,
        values: vec![Value {
            metric: sched::TIME.into(),
            attributes: BTreeMap::new(),
            value: Some(Number::Counter(rate)),
        }],
        ..Row::default()
    }
}

fn delta(rows: &[u64], entities: Vec<Entity>) -> Delta {
    Delta {
        window: Some(Window { start: at(0), end: at(1) }),
        complete: true,
        gaps: Vec::new(),
        entities,
        rows: rows.iter().map(|id| row(*id)).collect(),
    }
}

struct Run {
    printer: Printer,
    text: Vec<u8>,
}

impl Run {
    fn new(format: PlainFormat, count: Option<u64>) -> Run {
        let units = BTreeMap::from([(sched::TIME.to_owned(), "s".to_owned())]);
        let out = Out { terminal: false, color: false, width: None };
        let mut run = Run { printer: Printer::new(format, out, units, count), text: Vec::new() };
        run.event(Event::Snapshot(Snapshot { entities: vec![entity(1, 1, "a")], ..Snapshot::default() }));
        run
    }

    fn event(&mut self, event: Event) -> bool {
        self.printer.event(Some(event), &mut self.text).unwrap()
    }

    fn take(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.text)).unwrap()
    }
}

#[test]
fn one_line_for_each_entity_and_window() {
    let mut run = Run::new(PlainFormat::Table, None);
    run.event(Event::Delta(delta(&[1], Vec::new())));
    let pad = " ".repeat(34);
    let expected = format!(
        "UTC       WHO{}     CPU  WAIT p50  WAIT p99    WAIT/s     QUOTA  SWITCH/s  MEMORY\n\
         00:00:01  shop/a{pad}    0.50         ·         ·         ·         ·         ·      ·\n",
        " ".repeat(37)
    );
    assert_eq!(run.take(), expected);
    run.event(Event::Heartbeat(Heartbeat::default()));
    assert_eq!(run.take(), "");
    // What is missing is said before the numbers it is missing from; the title is not repeated.
    let gap = Gap { window: None, reason: "misses".into(), count: 3 };
    run.event(Event::Delta(Delta { complete: false, gaps: vec![gap], ..delta(&[1], Vec::new()) }));
    assert!(run.take().starts_with("00:00:01  incomplete: misses: 3\n00:00:01  shop/a"));
    run.event(Event::Lost(Lost { source: "history".into(), count: 12 }));
    assert_eq!(run.take(), "12 windows are missing (history)\n");
    run.event(Event::Lost(Lost { source: "token".into(), count: 0 }));
    assert_eq!(run.take(), "some windows are missing (token)\n");
}

#[test]
fn names_come_late_change_and_go() {
    let mut run = Run::new(PlainFormat::Json, None);
    let pods = |run: &mut Run| -> Vec<String> {
        let text = run.take();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["labels"]["pod"].as_str().unwrap_or("?").to_owned()).collect()
    };
    run.event(Event::Delta(delta(&[1, 2], vec![entity(2, 1, "b")])));
    assert_eq!(pods(&mut run), ["a", "b"]);
    run.event(Event::Delta(delta(&[1, 2], vec![entity(2, 3, "renamed"), entity(1, 0, "stale")])));
    assert_eq!(pods(&mut run), ["a", "renamed"]);
    // Its last window still has its name.
    let gone = Entity { gone_at: at(1), ..entity(2, 4, "renamed") };
    run.event(Event::Delta(delta(&[2], vec![gone])));
    assert_eq!(pods(&mut run), ["renamed"]);
    run.event(Event::Delta(delta(&[2], Vec::new())));
    assert_eq!(pods(&mut run), ["?"]);
}

#[test]
fn json_lines() {
    let mut run = Run::new(PlainFormat::Json, None);
    run.event(Event::Delta(delta(&[1], Vec::new())));
    let line: serde_json::Value = serde_json::from_str(run.take().trim_end()).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01Z", "complete": true, "gaps": [],
            "labels": {"namespace": "shop", "pod": "a"}, "entity": "1",
            "metrics": [{"name": sched::TIME, "attributes": {}, "kind": "counter", "unit": "s",
                "increase": 0.5, "rate": 0.5}]
        })
    );
    run.event(Event::Lost(Lost { source: "history".into(), count: 2 }));
    assert_eq!(run.take(), "{\"lost\":{\"source\":\"history\",\"count\":2}}\n");
}

#[test]
fn enough_windows_end_it() {
    let mut run = Run::new(PlainFormat::Table, Some(2));
    assert!(!run.event(Event::Delta(delta(&[1], Vec::new()))));
    assert!(!run.event(Event::Heartbeat(Heartbeat::default())));
    assert!(run.event(Event::Delta(delta(&[1], Vec::new()))));
}
