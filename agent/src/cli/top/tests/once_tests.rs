//! What hurts, in words; and everything printed once.

use super::*;

#[test]
fn what_hurts_is_said_in_words() {
    let hurt = |numbers| TopRow::new(&row(1, &[], Some(numbers))).hurt().map(|hurt| (hurt.long, hurt.bad));
    for (numbers, expected) in [
        ((1.0, (500, 1e-3, 5e-3), 0.049, 0.0, 1.0), None),
        ((1.0, (500, 1e-3, 5e-3), 0.05, 0.0, 1.0), Some(("waits for CPU: 5 % of wall time", false))),
        ((1.0, (500, 1e-3, 5e-3), 2.5, 0.0, 1.0), Some(("waits for CPU: 250 % of wall time", true))),
        ((1.0, (500, 1e-3, 5e-3), 0.3, 0.02, 1.0), Some(("waits for CPU: 30 % of wall time", true))),
        (
            (1.0, (500, 1e-3, 5e-3), 0.01, 0.02, 1.0),
            Some(("held back by its CPU quota: 2 % of wall time", false)),
        ),
        ((1.0, (500, 1e-3, 0.05), 0.0, 0.0, 1.0), Some(("1 in 100 waits for CPU is over 50.0 ms", false))),
        // Too few to speak of one in a hundred.
        ((1.0, (99, 1e-3, 0.05), 0.0, 0.0, 1.0), None),
    ] {
        assert_eq!(hurt(numbers), expected.map(|(text, bad)| (text.to_owned(), bad)), "{numbers:?}");
    }
}

#[test]
fn memory_hurts_at_its_limit_and_only_where_that_held_it_back() {
    let calm = Some((0.5, (500, 1e-3, 0.05), 0.0, 0.0, 1.0));
    let hurt = |used, limit, held_back| {
        TopRow::new(&hold(row(1, &[], calm), used, limit, held_back)).hurt().map(|hurt| hurt.short)
    };
    for (used, limit, held_back, at_limit) in [
        (96e6, Some(100e6), 7.0, true),
        (95e6, Some(100e6), 1.0, true),
        (94e6, Some(100e6), 7.0, false),
        (96e6, Some(100e6), 0.0, false),
        (96e6, None, 7.0, false),
        (96e6, Some(0.0), 7.0, false),
    ] {
        let told = hurt(used, limit, held_back).unwrap();
        assert_eq!(told == "memory at limit", at_limit, "{used} of {limit:?}, {held_back}: {told}");
    }
    // Waiting half of the time is worse; and both outrank use.
    let waits = row(1, &[], Some((0.5, (500, 1e-3, 0.05), 0.5, 0.0, 1.0)));
    let waits = TopRow::new(&hold(waits, 96e6, Some(100e6), 7.0));
    assert_eq!(waits.hurt().unwrap().short, "waits for CPU: 50 %");
    let full = TopRow::new(&hold(row(2, &[], calm), 96e6, Some(100e6), 7.0));
    let busy = TopRow::new(&row(3, &[], Some((9.0, (500, 1e-3, 0.05), 0.0, 0.0, 1.0))));
    let mut rows = [busy, full, waits];
    Sort::Worst.apply(&mut rows);
    assert_eq!(rows.map(|row| row.raw.entity), [1, 2, 3]);
}

#[test]
fn throttling_from_a_file_stands_in_for_the_quota() {
    let mut row = row(1, &[("unit", "a.service")], None);
    row.values.push(counter(sched::THROTTLED, None, 0.5));
    let top = TopRow::new(&row);
    assert_eq!((top.quota, top.wait, top.p99), (Some(0.5), None, None));
    assert_eq!(top.hurt().unwrap().short, "CPU quota: 50 %");
}

fn once(format: Format, out: Out) -> String {
    let app = app();
    let units = BTreeMap::from([(sched::TIME.to_owned(), "s".to_owned())]);
    let mut text = Vec::new();
    once::print(&app, &summary(), &units, format, out, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn once_as_a_table() {
    let pipe = Out { terminal: false, color: false, width: None };
    let expected = "
worker-3 · 5 pods · 10 s · complete · rajut: 0.31 % of a core · 22.0 MB · 1 of 1 probes
POD                                                   CPU  WAIT p50  WAIT p99  WAIT/s   QUOTA  SWITCH/s  MEMORY          WHAT HURTS
batch/etl-28190·job                                  2.00  200.0 µs   45.3 ms   4.0 %  62.4 %     512.4   800M           held back by its CPU quota: 62 % of wall time
shop/checkout-7d9f9c·api                             1.42    1.2 ms   38.1 ms  31.0 %   0.0 %     12.3k   412M ▆▆▆▆▆▆▁▁  waits for CPU: 31 % of wall time
shop/postgres-0·postgres                             0.33    4.0 µs  120.0 µs   0.0 %   0.0 %      90.0   1.9G ▆▆▆▆▆▆▆▆  memory at limit: held back 35 times at 2.0G
shop/recommendations-canary-5b9c7d4f6d-x2x9q·server  0.06  300.0 µs   12.0 ms   2.0 %   0.0 %      40.0      ·           1 in 100 waits for CPU is over 12.0 ms
evil/x\\u{1b}[2J\\u{202e}y·z                           0.00    0.0 µs    0.0 µs   0.0 %   0.0 %       0.0      ·           ·
sshd.service                                         0.00         ·         ·       ·       ·         ·      ·           ·
";
    assert_eq!(once(Format::Table, pipe), expected.trim_start());
    let narrow = once(Format::Table, Out { width: Some(80), ..pipe });
    for line in narrow.lines().skip(1) {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
    }
}

#[test]
fn once_as_json_has_the_documented_shape() {
    let pipe = Out { terminal: false, color: false, width: None };
    let text = once(Format::Json, pipe);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["node"], "worker-3");
    assert_eq!(
        (&json["start"], &json["end"]),
        (&"2026-01-01T00:00:00Z".into(), &"2026-01-01T00:00:10Z".into())
    );
    assert_eq!((&json["complete"], &json["gaps"]), (&true.into(), &serde_json::json!([])));
    let row = &json["rows"][0];
    assert_eq!(row["entity"], "4");
    assert_eq!(
        row["labels"],
        serde_json::json!({"node": "worker-3", "namespace": "batch", "pod": "etl-28190", "container": "job"})
    );
    assert_eq!(
        row["metrics"][0],
        serde_json::json!({
            "name": sched::LATENCY, "attributes": {}, "kind": "histogram", "unit": "", "count": 5000, "sum": 1.0,
            "quantiles": {"0.5": 0.2e-3, "0.9": 45.3e-3, "0.99": 45.3e-3}
        })
    );
    assert_eq!(
        row["metrics"][3],
        serde_json::json!({
            "name": sched::TIME, "attributes": {}, "kind": "counter", "unit": "s", "increase": 20.0, "rate": 2.0
        })
    );
}

#[test]
fn once_as_csv() {
    let text = once(Format::Csv, Out { terminal: false, color: false, width: None });
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "start,end,entity,node,namespace,pod,container,workload,unit,cgroup,cpu_cores,wait_p50_s,wait_p99_s,wait_share,quota_share,switches_per_s,memory_bytes,memory_limit_bytes"
    );
    assert_eq!(
        lines.next().unwrap(),
        "2026-01-01T00:00:00Z,2026-01-01T00:00:10Z,4,worker-3,batch,etl-28190,job,,,,2,0.0002,0.0453,0.04,0.624,512.4,800000000,"
    );
    assert!(lines.last().unwrap().ends_with(",sshd.service,,0,,,,,,,"));
}
