//! Screens from hand-made answers, as text: compared line by line with what they are meant to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod once_tests;

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use prost_types::Timestamp;
use rajut_proto::v1::{
    Bill, Bucket, Counter, Distribution, Gap, Gauge, GetStatusResponse, Histogram, ProbeStatus, Quantile,
    Row, Value, Window, value::Value as Number,
};
use ratatui::{Terminal, backend::TestBackend};

use super::{
    app::Next,
    detail::Slice,
    rows::{Sort, selector},
    screen::draw,
    *,
};
use crate::probes::{memory, sched};

fn counter(metric: &str, attribute: Option<(&str, &str)>, rate: f64) -> Value {
    Value {
        metric: metric.into(),
        attributes: attribute.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        value: Some(Number::Counter(Counter { increase: rate * 10.0, rate })),
    }
}

/// CPU, waits (count, p50, p99), contention, quota, switches.
type Numbers = (f64, (u64, f64, f64), f64, f64, f64);

fn row(entity: u64, labels: &[(&str, &str)], numbers: Option<Numbers>) -> Row {
    let values = numbers.map(|(cpu, (count, p50, p99), contention, quota, switches)| {
        let quantiles = [(0.5, p50), (0.9, p99), (0.99, p99)];
        let quantiles = quantiles.map(|(quantile, value)| Quantile { quantile, value }).to_vec();
        vec![
            Value {
                metric: sched::LATENCY.into(),
                attributes: BTreeMap::new(),
                value: Some(Number::Distribution(Distribution {
                    count,
                    sum: 1.0,
                    quantiles,
                    histogram: None,
                })),
            },
            counter(sched::WAIT, Some(("cause", "contention")), contention),
            counter(sched::WAIT, Some(("cause", "quota")), quota),
            counter(sched::TIME, None, cpu),
            counter(sched::SWITCHES, Some(("type", "voluntary")), switches * 0.75),
            counter(sched::SWITCHES, Some(("type", "involuntary")), switches * 0.25),
        ]
    });
    let labels = labels.iter().chain(&[("node", "worker-3")]);
    Row {
        labels: labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        entity,
        values: values.unwrap_or_else(|| vec![counter(sched::TIME, None, 0.0)]),
    }
}

/// The row with so much memory in use, of so much, and so often held back.
fn hold(mut row: Row, used: f64, limit: Option<f64>, held_back: f64) -> Row {
    let levels = [(memory::USAGE, Some(used)), (memory::LIMIT, limit)];
    let levels = levels.into_iter().filter_map(|(metric, value)| {
        let value = value?;
        Some(Value {
            metric: metric.into(),
            attributes: BTreeMap::new(),
            value: Some(Number::Gauge(Gauge { value, min: value, max: value })),
        })
    });
    row.values.extend(levels);
    row.values.push(counter(memory::EVENTS, Some(("event", "max")), held_back / 10.0));
    row.values.push(counter(memory::EVENTS, Some(("event", "oom")), 1.0));
    row
}

fn pod<'a>(namespace: &'a str, pod: &'a str, container: &'a str) -> [(&'a str, &'a str); 3] {
    [("namespace", namespace), ("pod", pod), ("container", container)]
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: 1_767_225_600 + seconds, nanos: 0 })
}

fn summary() -> SummarizeResponse {
    SummarizeResponse {
        node: "worker-3".into(),
        window: Some(Window { start: at(0), end: at(10) }),
        complete: true,
        gaps: Vec::new(),
        rows: vec![
            row(7, &[("unit", "sshd.service")], None),
            hold(
                row(
                    3,
                    &pod("shop", "postgres-0", "postgres"),
                    Some((0.33, (900, 4e-6, 120e-6), 0.0, 0.0, 90.0)),
                ),
                1.95e9,
                Some(2e9),
                35.0,
            ),
            hold(
                row(
                    4,
                    &pod("batch", "etl-28190", "job"),
                    Some((2.0, (5000, 0.2e-3, 45.3e-3), 0.04, 0.624, 512.4)),
                ),
                8e8,
                None,
                0.0,
            ),
            hold(
                row(
                    2,
                    &pod("shop", "checkout-7d9f9c", "api"),
                    Some((1.42, (12_345, 1.2e-3, 38.1e-3), 0.31, 0.0, 12_345.0)),
                ),
                4.12e8,
                Some(5.12e8),
                0.0,
            ),
            row(
                5,
                &pod("shop", "recommendations-canary-5b9c7d4f6d-x2x9q", "server"),
                Some((0.06, (400, 0.3e-3, 12.0e-3), 0.02, 0.0, 40.0)),
            ),
            row(6, &pod("evil", "x\u{1b}[2J\u{202e}y", "z"), Some((0.0, (0, 0.0, 0.0), 0.0, 0.0, 0.0))),
        ],
    }
}

fn status() -> GetStatusResponse {
    GetStatusResponse {
        probes: vec![ProbeStatus {
            name: "sched".into(),
            state: ProbeState::On.into(),
            ..ProbeStatus::default()
        }],
        self_: Some(Bill { cpu_share: 0.0031, rss: 22_000_000, maps_bytes: 0 }),
        ..GetStatusResponse::default()
    }
}

fn app() -> App {
    let mut app = App::new(None, &[], &[], false);
    app.answer(&app.question(), summary());
    app.status = Some(status());
    app
}

fn press(app: &mut App, keys: &str) -> Vec<Next> {
    let key = |c| match c {
        '\n' => KeyCode::Enter,
        '\u{1b}' => KeyCode::Esc,
        '\u{8}' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    };
    keys.chars().map(|c| app.key(KeyEvent::new(key(c), KeyModifiers::NONE))).collect()
}

fn screen(app: &App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, Look { color: false })).unwrap();
    let buffer = terminal.backend().buffer();
    let cells = buffer.content().chunks(usize::from(width));
    let lines =
        cells.map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// A golden screen; the keys' line is the last.
fn check(width: u16, height: u16, app: &App, expected: &str) {
    let shown = screen(app, width, height);
    assert_eq!(shown, expected.trim_matches('\n'), "{width} columns:\n{shown}");
}

#[test]
fn eighty_columns() {
    check(
        80,
        9,
        &app(),
        "
worker-3 · 5 pods · last 10 s · complete       rajut: 0.31 % of a core · 22.0 MB
  POD                           CPU  WAIT p99    WAIT/s  WHAT HURTS
▸ batch/etl-28190·job          2.00   45.3 ms     4.0 %  CPU quota: 62 %
  shop/checkout-7d9f9c·api     1.42   38.1 ms    31.0 %  waits for CPU: 31 %
  shop/postgres-0·postgres     0.33  120.0 µs     0.0 %  memory at limit
  shop/recomme…x2x9q·server    0.06   12.0 ms     2.0 %  1 % waits over 12.0 ms
  evil/x\\u{1b}…J\\u{202e}y·z    0.00    0.0 µs     0.0 %  ·
  sshd.service                 0.00         ·         ·  ·
 ↑↓ move  ↵ open  / filter  s sort (worst)  g group (container)  ? help  q quit
",
    );
}

#[test]
fn a_hundred_and_twenty_columns() {
    check(
        120,
        9,
        &app(),
        "
worker-3 · 5 pods · last 10 s · complete                               rajut: 0.31 % of a core · 22.0 MB · 1 of 1 probes
  POD                                         CPU  WAIT p99    WAIT/s     QUOTA  MEMORY          WHAT HURTS
▸ batch/etl-28190·job                        2.00   45.3 ms     4.0 %    62.4 %   800M           CPU quota: 62 %
  shop/checkout-7d9f9c·api                   1.42   38.1 ms    31.0 %     0.0 %   412M ▆▆▆▆▆▆▁▁  waits for CPU: 31 %
  shop/postgres-0·postgres                   0.33  120.0 µs     0.0 %     0.0 %   1.9G ▆▆▆▆▆▆▆▆  memory at limit
  shop/recommendation…7d4f6d-x2x9q·server    0.06   12.0 ms     2.0 %     0.0 %      ·           1 % waits over 12.0 ms
  evil/x\\u{1b}[2J\\u{202e}y·z                 0.00    0.0 µs     0.0 %     0.0 %      ·           ·
  sshd.service                               0.00         ·         ·         ·      ·           ·
 ↑↓ move  ↵ open  / filter  s sort (worst)  g group (container)  w window (10 s)  p pause  ? help  q quit
",
    );
}

#[test]
fn two_hundred_columns() {
    let right = " ".repeat(111);
    check(
        200,
        9,
        &app(),
        &format!(
            "
worker-3 · 5 pods · last 10 s · complete{right}rajut: 0.31 % of a core · 22.0 MB · 1 of 1 probes
  POD                                                          CPU  WAIT p50  WAIT p99    WAIT/s     QUOTA  SWITCH/s  MEMORY          WHAT HURTS
▸ batch/etl-28190·job                                         2.00  200.0 µs   45.3 ms     4.0 %    62.4 %     512.4   800M           held back by its CPU quota: 62 % of wall time
  shop/checkout-7d9f9c·api                                    1.42    1.2 ms   38.1 ms    31.0 %     0.0 %     12.3k   412M ▆▆▆▆▆▆▁▁  waits for CPU: 31 % of wall time
  shop/postgres-0·postgres                                    0.33    4.0 µs  120.0 µs     0.0 %     0.0 %      90.0   1.9G ▆▆▆▆▆▆▆▆  memory at limit: held back 35 times at 2.0G
  shop/recommendations-canary-5b9c7d4f6d-x2x9q·server         0.06  300.0 µs   12.0 ms     2.0 %     0.0 %      40.0      ·           1 in 100 waits for CPU is over 12.0 ms
  evil/x\\u{{1b}}[2J\\u{{202e}}y·z                                  0.00    0.0 µs    0.0 µs     0.0 %     0.0 %       0.0      ·           ·
  sshd.service                                                0.00         ·         ·         ·         ·         ·      ·           ·
 ↑↓ move  ↵ open  / filter  s sort (worst)  g group (container)  w window (10 s)  p pause  ? help  q quit
"
        ),
    );
}

#[test]
fn one_row_opened() {
    let mut app = app();
    press(&mut app, "\n");
    let detail = app.detail.as_mut().unwrap();
    detail.histogram = Some(Histogram {
        scale: 3,
        zero_threshold: f64::exp2(-20.0),
        zero_count: 400,
        buckets: vec![Bucket { index: -80, count: 800 }, Bucket { index: -40, count: 10 }],
    });
    let slice =
        |i: i64| Slice { cpu: (i > 40).then_some(i as f64 / 30.0), wait: Some(0.04), quota: Some(0.0) };
    detail.remember((0..60).map(|i| (1000 + i, slice(i))));
    check(
        80,
        23,
        &app,
        "
worker-3 · 5 pods · last 10 s · complete       rajut: 0.31 % of a core · 22.0 MB
batch/etl-28190·job
  held back by its CPU quota: 62 % of wall time

  CPU         2.00  ·······················▆▆▆▆▇▇▇▇▇▇▇▇▇▇█████  max 1.97
  WAIT/s     4.0 %  ██████████████████████████████████████████  max 4.0 %
  QUOTA     62.4 %  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  max 0.0 %
                    3 min ago                              now

  waits for a CPU, last 10 s: 5000  p50 200.0 µs  p99 45.3 ms
      ≤ 1.0 µs       400  ████████████████████████
      ≤ 1.4 ms       800  ████████████████████████████████████████████████
      ≤ 2.0 ms         0
      ≤ 2.8 ms         0
      ≤ 3.9 ms         0
      ≤ 5.5 ms         0
      ≤ 7.8 ms         0
     ≤ 11.0 ms         0
     ≤ 15.6 ms         0
     ≤ 22.1 ms         0
     ≤ 31.2 ms         0
     ≤ 44.2 ms        10  ▋
 esc back  w window (10 s)  p pause  ? help  q quit
",
    );
    // Where there is room, labels and values stand beside the histogram.
    let wide = screen(&app, 200, 23);
    assert!(wide.contains("cause=contention  400.0 ms  0.040 s/s"), "{wide}");
    app.answer(&app.question(), SummarizeResponse { rows: Vec::new(), ..summary() });
    assert!(screen(&app, 80, 23).contains("gone: nothing in this time"));
    press(&mut app, "\u{1b}");
    assert!(app.detail.is_none());
}

#[test]
fn tiny_terminals_do_no_harm() {
    let mut app = app();
    for keys in ["", "\n", "?"] {
        press(&mut app, keys);
        for width in [1, 2, 5, 10, 20, 39] {
            for height in [1, 2, 3, 5] {
                screen(&app, width, height);
            }
        }
    }
}

#[test]
fn what_is_missing_stands_in_the_header() {
    let mut app = app();
    let mut summary = summary();
    summary.complete = false;
    summary.gaps = vec![Gap { window: summary.window, reason: "slots_full".into(), count: 4 }];
    app.answer(&app.question(), summary);
    let header = screen(&app, 120, 3).lines().next().unwrap().to_owned();
    assert!(
        header.starts_with("worker-3 · 5 pods · last 10 s · incomplete: 0.02 % lost (slots_full: 4)"),
        "{header}"
    );
    let line = super::screen::header(&app, 120, Look { color: true });
    assert!(line.spans.iter().any(|s| s.content.starts_with("incomplete") && s.style.fg == Some(ratatui::style::Color::Yellow)));
    app.summary = None;
    app.notice = Some("no agent".into());
    assert!(screen(&app, 80, 3).starts_with("no agent"));
}

#[test]
fn keys_move_sort_filter_and_ask() {
    let mut app = app();
    let names = |app: &App| app.rows().iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    press(&mut app, "jj");
    assert_eq!(app.selected, 2);
    // The chosen row stays chosen when others come before it.
    let mut more = summary();
    more.rows.push(row(9, &pod("a", "worse", "c"), Some((1.0, (900, 1e-3, 0.2), 3.0, 0.0, 1.0))));
    app.answer(&app.question(), more);
    assert_eq!(app.rows()[app.selected].name, "shop/postgres-0·postgres");
    press(&mut app, "jjjjjjjjjjj");
    assert_eq!(app.selected, 6, "the last");

    press(&mut app, "/SHOP");
    assert_eq!(names(&app).len(), 3);
    press(&mut app, "x");
    assert!(screen(&app, 80, 5).contains("nothing matches the filter"));
    press(&mut app, "\u{8}\n");
    assert_eq!((app.rows().len(), app.typing), (3, false));
    press(&mut app, "s");
    assert_eq!((app.sort, app.selected), (Sort::Cpu, 0));
    press(&mut app, "\u{1b}");
    assert_eq!(names(&app)[0], "batch/etl-28190·job");
    let ends = [Sort::P99, Sort::Wait, Sort::Quota, Sort::Switches, Sort::Memory, Sort::Name, Sort::Worst];
    for expected in ends {
        press(&mut app, "s");
        assert_eq!(app.sort, expected);
    }

    assert_eq!(press(&mut app, "w"), [Next::Ask]);
    assert_eq!(app.question().range.unwrap().last.unwrap().seconds, 60);
    assert_eq!(press(&mut app, "g"), [Next::Ask]);
    assert_eq!(app.question().by, ["namespace", "pod", "unit", "cgroup"]);
    assert_eq!(press(&mut app, "ggg"), [Next::Ask; 3]);
    assert_eq!(app.question().by, ["node"]);
    assert_eq!(press(&mut app, "pp"), [Next::Draw, Next::Ask]);
    assert_eq!(press(&mut app, "??"), [Next::Draw, Next::Draw]);
    assert_eq!(press(&mut app, "q"), [Next::Quit]);
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    press(&mut app, "/");
    assert_eq!(app.key(ctrl_c), Next::Quit);
}

#[test]
fn an_answer_to_an_old_question_is_dropped_and_so_is_one_while_paused() {
    let mut app = app();
    let old = app.question();
    press(&mut app, "w");
    app.answer(&old, SummarizeResponse { rows: Vec::new(), ..summary() });
    assert_eq!(app.rows().len(), 6);
    press(&mut app, "p");
    app.answer(&app.question(), SummarizeResponse { rows: Vec::new(), ..summary() });
    assert_eq!(app.rows().len(), 6);
}

#[test]
fn history_is_asked_newest_first_and_only_once() {
    let mut detail = detail::Detail::new(TopRow::new(&row(3, &pod("shop", "a", "b"), None)));
    let window = summary().window;
    let asked = detail.missing(window.as_ref());
    let newest = window.as_ref().and_then(|w| w.end).unwrap().seconds / 5;
    assert_eq!(asked.len(), 15);
    assert_eq!((asked[0].0, asked[14].0), (newest, newest - 14));
    let range = asked[0].1.range.unwrap();
    assert_eq!((range.start, range.end), (at(5), at(10)));
    assert_eq!(selector(&row(3, &pod("shop", "a", "b"), None).labels).len(), 3, "the node is not asked for");
    for _ in 0..4 {
        let asked: Vec<i64> = detail.missing(window.as_ref()).into_iter().map(|(at, _)| at).collect();
        detail.remember(asked.into_iter().map(|at| (at, Slice::default())));
    }
    assert_eq!(detail.missing(window.as_ref()).len(), 0);
    assert_eq!(detail.slices().len(), 60);
}

#[test]
fn sparklines_tell_zero_from_not_measured() {
    assert_eq!(detail_screen::spark(&[None, Some(0.0), Some(0.001), Some(0.5), Some(1.0)]), "·▁▂▅█");
    assert_eq!(detail_screen::spark(&[Some(0.0), Some(0.0)]), "▁▁");
}
