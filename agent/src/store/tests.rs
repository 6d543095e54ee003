//! Windows in, answers out. In most of these a counter grows by one each millisecond, so that an answer must equal the
//! length of its window: a stretch that is missing or counted twice shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod laws;

use std::collections::HashMap;

use super::*;
use crate::model::{Gauge, Histogram};

const TICKS: Column = Column(1);
const WAITS: Column = Column(0);
const LEVEL: Column = Column(2);

fn at(second: i64) -> Utc {
    Utc(second * 1_000_000_000)
}

fn window(start: i64, end: i64) -> Window {
    Window { start: at(start), end: at(end) }
}

fn entity(id: u64, labels: &[(Label, &str)]) -> Arc<Entity> {
    let labels = labels.iter().fold(Labels::default(), |all, (label, name)| all.with(*label, *name));
    Arc::new(Entity { id: EntityId(id), version: 1, valid_from: at(0), gone_at: None, labels })
}

fn gone(entity: &Entity, second: i64) -> Arc<Entity> {
    Arc::new(Entity { version: entity.version + 1, gone_at: Some(at(second)), ..entity.clone() })
}

fn ticks(window: Window) -> Values {
    let count = window.duration().as_millis() as u64;
    let histogram = Histogram::new([(17, count), (18, 1), (0, 2)], count);
    Values { counters: vec![(TICKS, count)], histograms: vec![(WAITS, histogram)], ..Values::default() }
}

fn sample(window: Window, who: &[&Arc<Entity>]) -> Sample {
    let rows = who.iter().map(|entity| (Arc::clone(entity), ticks(window))).collect();
    Sample { window, rows, changed: Vec::new(), gaps: Vec::new() }
}

fn select(range: Range) -> Selection {
    Selection { range, columns: Vec::new(), by: Vec::new(), filter: Vec::new() }
}

fn millis(series: &Series) -> u64 {
    series.rows.iter().map(|row| row.values.counter(TICKS).unwrap()).sum()
}

fn small() -> Config {
    Config {
        fine: Duration::from_secs(30),
        coarse_window: Duration::from_secs(10),
        coarse: Duration::from_secs(120),
        entities: 100,
    }
}

/// A store with windows of one second from 0 to `seconds`, of one entity.
fn filled(config: Config, seconds: i64) -> Store {
    let store = Store::new(config);
    let one = entity(7, &[(Label::Unit, "a.service")]);
    (0..seconds).for_each(|second| store.append(sample(window(second, second + 1), &[&one])));
    store
}

#[test]
fn ranges_snap_outward_and_say_what_is_missing() {
    // Fine from 70 (30 s, and what its coarse window has not told yet), coarse from 0 in steps of ten.
    let store = filled(small(), 105);
    let half = |second: i64| Utc(second * 1_000_000_000 + 500_000_000);
    let last = |seconds| Range::Last(Duration::from_secs(seconds));
    for (range, bounds, scale, missing) in [
        (last(10), window(95, 105), 3, None),
        (Range::Last(Duration::from_millis(1)), window(104, 105), 3, None),
        (last(60), window(40, 105), 2, None),
        (last(104), window(0, 105), 2, None),
        (last(9999), window(0, 105), 2, None),
        (Range::Between(at(80), at(90)), window(80, 90), 3, None),
        (Range::Between(half(80), half(90)), window(80, 91), 3, None),
        (Range::Between(half(31), at(40)), window(30, 40), 2, None),
        (Range::Between(half(31), half(40)), window(30, 50), 2, None),
        (Range::Between(half(61), half(99)), window(60, 100), 2, None),
        (Range::Between(at(100), half(105)), window(100, 105), 3, None),
        (Range::Between(at(100), at(107)), window(100, 105), 3, Some(window(105, 107))),
        (Range::Between(at(-5), at(20)), window(0, 20), 2, Some(window(-5, 0))),
    ] {
        let series = store.select(&select(range)).unwrap();
        assert_eq!((series.window, series.scale), (bounds, scale), "{range:?}");
        assert_eq!(u128::from(millis(&series)), bounds.duration().as_millis(), "{range:?}");
        assert_eq!(series.gaps.first().map(|gap| gap.window), missing, "{range:?}");
        assert_eq!(series.complete, missing.is_none(), "{range:?}");
    }
    let not_stored = SelectError::NotStored { held: Duration::from_secs(105), newest: at(105) };
    for (range, error) in [
        (Range::Between(at(3), at(3)), SelectError::EmptyRange),
        (Range::Between(at(4), at(3)), SelectError::EmptyRange),
        (last(0), SelectError::EmptyRange),
        (Range::Between(at(-9), at(0)), not_stored.clone()),
        (Range::Between(at(105), at(120)), not_stored),
    ] {
        assert_eq!(store.select(&select(range)).unwrap_err(), error, "{range:?}");
    }
    let empty = Store::new(small()).select(&select(last(1))).unwrap_err();
    assert_eq!(empty, SelectError::NotStored { held: Duration::ZERO, newest: Utc(0) });
}

#[test]
fn a_hole_is_missing() {
    let one = entity(7, &[]);
    let store = Store::new(small());
    for second in [0, 1, 4, 5] {
        store.append(sample(window(second, second + 1), &[&one]));
    }
    for (range, complete) in [
        (Range::Last(Duration::from_secs(6)), false),
        (Range::Last(Duration::from_secs(2)), true),
        (Range::Between(at(0), at(2)), true),
        (Range::Between(at(0), at(3)), false),
    ] {
        assert_eq!(store.select(&select(range)).unwrap().complete, complete, "{range:?}");
    }
}

#[test]
fn gaps_travel_with_their_windows_at_both_scales() {
    let store = Store::new(small());
    let one = entity(7, &[]);
    for second in 0..60 {
        let window = window(second, second + 1);
        let mut sample = sample(window, &[&one]);
        let gap = |reason| Gap { window, reason, count: 2 };
        sample.gaps.extend((second == 3 || second == 4).then(|| gap("misses")));
        sample.gaps.extend((second == 55).then(|| gap(Gap::LATE)));
        store.append(sample);
    }
    let all = store.select(&select(Range::Last(Duration::from_secs(60)))).unwrap();
    let gap = |start, end, reason, count| Gap { window: window(start, end), reason, count };
    assert_eq!(all.gaps, [gap(3, 5, "misses", 4), gap(55, 56, Gap::LATE, 2)]);
    assert!(!all.complete);
    assert!(
        store.select(&select(Range::Last(Duration::from_secs(20)))).unwrap().complete,
        "late loses nothing"
    );
}

#[test]
fn a_late_window_may_reach_over_coarse_ones() {
    let one = entity(7, &[]);
    let store = Store::new(small());
    let edges = [0, 1, 8, 27, 28, 29, 30, 31, 55, 56, 70, 90, 91];
    for pair in edges.windows(2) {
        store.append(sample(window(pair[0], pair[1]), &[&one]));
    }
    for start in 0..90 {
        for end in start + 1..=91 {
            let series = store.select(&select(Range::Between(at(start), at(end)))).unwrap();
            assert!(series.window.start <= at(start) && series.window.end >= at(end));
            assert_eq!(u128::from(millis(&series)), series.window.duration().as_millis(), "{start}..{end}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_tells_no_stretch_twice() {
    let one = entity(7, &[]);
    let store = filled(small(), 105);
    // A little: the window begins where the last one ended.
    store.append(sample(window(104, 106), &[&one]));
    let tail = store.after(105, 9).windows;
    assert_eq!(tail[0].window, window(105, 106));
    // A lot: what lies after is dropped, and said to be.
    store.append(sample(window(85, 86), &[&one]));
    let newest = store.select(&select(Range::Last(Duration::from_secs(1)))).unwrap();
    assert_eq!((newest.window, newest.complete), (window(85, 86), false));
    assert_eq!(newest.gaps, [Gap { window: window(85, 86), reason: "clock", count: 21 }]);
    for second in 86..130 {
        store.append(sample(window(second, second + 1), &[&one]));
    }
    let all = store.select(&select(Range::Last(Duration::from_secs(999)))).unwrap();
    assert_eq!((all.window, millis(&all)), (window(10, 130), 120_000));
    // Everything before the beginning of history.
    store.append(sample(window(-5, -4), &[&one]));
    let all = store.select(&select(Range::Last(Duration::from_secs(999)))).unwrap();
    assert_eq!((all.window, millis(&all)), (window(-5, -4), 1_000));
}

#[test]
fn groups_and_filters() {
    let store = Store::new(small());
    let pod = |id, ns: &str, pod: &str, c: &str| {
        entity(id, &[(Label::Namespace, ns), (Label::Pod, pod), (Label::Container, c)])
    };
    let all = [
        pod(1, "shop", "a", "x"),
        pod(2, "shop", "a", "y"),
        pod(3, "shop", "b", "x"),
        pod(4, "batch", "a", "x"),
    ];
    let unit = entity(5, &[(Label::Unit, "u.service")]);
    store.append(sample(window(0, 1), &[&all[0], &all[1], &all[2], &all[3], &unit]));
    for (by, filter, expected) in [
        (vec![Label::Namespace], vec![], vec![("", 1), ("batch", 1), ("shop", 3)]),
        (
            vec![Label::Namespace, Label::Pod],
            vec![],
            vec![("", 1), ("batch a", 1), ("shop a", 2), ("shop b", 1)],
        ),
        (vec![Label::Container], vec![(Label::Namespace, "shop")], vec![("x", 2), ("y", 1)]),
        (vec![Label::Unit], vec![(Label::Unit, "u.service")], vec![("u.service", 1)]),
        (vec![Label::Pod], vec![(Label::Namespace, "shop"), (Label::Pod, "c")], vec![]),
    ] {
        let filter = filter.into_iter().map(|(label, value): (_, &str)| (label, value.to_owned())).collect();
        let range = Range::Last(Duration::from_secs(1));
        let series =
            store.select(&Selection { range, columns: vec![TICKS], by: by.clone(), filter }).unwrap();
        let rows: Vec<(String, u64)> = series
            .rows
            .iter()
            .map(|row| {
                assert_eq!(row.entity, None);
                assert!(row.values.histograms.is_empty(), "a column that was not asked for");
                let labels: Vec<&str> = row.labels.iter().map(|(_, value)| value).collect();
                (labels.join(" "), row.values.counter(TICKS).unwrap() / 1000)
            })
            .collect();
        let expected: Vec<(String, u64)> = expected.into_iter().map(|(l, n)| (l.to_owned(), n)).collect();
        assert_eq!(rows, expected, "by {by:?}");
    }
    let none = Selection { columns: vec![Column(99)], ..select(Range::Last(Duration::from_secs(1))) };
    assert!(store.select(&none).unwrap().rows.is_empty());
}

#[test]
fn the_newest_record_names_every_window() {
    let store = Store::new(small());
    let old = entity(1, &[(Label::Pod, "uid")]);
    let new =
        Arc::new(Entity { version: 2, labels: Labels::default().with(Label::Pod, "name"), ..(*old).clone() });
    for (second, record) in [(0, &old), (1, &new), (2, &old)] {
        store.append(sample(window(second, second + 1), &[record]));
    }
    let series = store.select(&select(Range::Last(Duration::from_secs(3)))).unwrap();
    assert_eq!((series.rows.len(), millis(&series)), (1, 3_000));
    assert_eq!(series.rows[0].labels.get(Label::Pod), Some("name"));
    assert_eq!(store.entities(), [new]);
}

#[test]
fn who_finds_no_room_is_counted_under_other() {
    let store = Store::new(Config { entities: 3, ..small() });
    let node = [(Label::Node, "n")];
    let [a, b, c, d, e] = [1, 2, 3, 4, 5].map(|id| entity(id, &node));
    let ids = |store: &Store| store.entities().iter().map(|entity| entity.id.0).collect::<Vec<_>>();
    store.append(sample(window(0, 1), &[&a, &b, &c]));
    let mut second = sample(window(1, 2), &[&b, &c]);
    second.changed = vec![gone(&a, 2), gone(&c, 1)];
    store.append(second);
    assert_eq!((ids(&store), store.folded()), (vec![1, 2, 3], 0), "the gone are remembered");
    // One comes: the one who was gone first leaves. Then another; then none is gone.
    store.append(sample(window(2, 3), &[&b, &d]));
    assert_eq!((ids(&store), store.folded()), (vec![1, 2, 4, EntityId::OTHER.0], 2), "two of c");
    assert_eq!(store.after(2, 1).windows[0].changed[0].id, EntityId::OTHER, "watchers learn the name");
    store.append(sample(window(3, 4), &[&b, &d, &e]));
    assert_eq!(ids(&store), [2, 4, 5, EntityId::OTHER.0]);
    store.append(sample(window(4, 5), &[&a, &b, &d, &e]));
    assert_eq!(ids(&store), [2, 4, 5, EntityId::OTHER.0], "the living do not drive each other out");
    assert_eq!(store.folded(), 4, "two of c, one of a, and a again");

    let series = store.select(&select(Range::Last(Duration::from_secs(5)))).unwrap();
    let rows: HashMap<u64, u64> =
        series.rows.iter().map(|r| (r.entity.unwrap().0, r.values.counter(TICKS).unwrap())).collect();
    let expected = [(2, 5000), (4, 3000), (5, 2000), (EntityId::OTHER.0, 4000)];
    assert_eq!(rows, HashMap::from(expected), "a second of a, two of c, and a again");
    let other = &series.rows.last().unwrap().labels;
    assert_eq!((other.get(Label::Cgroup), other.get(Label::Node)), (Some("other"), Some("n")));
    let tail: u64 = store
        .after(0, 9)
        .windows
        .iter()
        .flat_map(|w| w.rows.iter().map(|(_, v)| v.counter(TICKS).unwrap()))
        .sum();
    assert_eq!(tail, millis(&series));
}

#[test]
fn the_gone_are_forgotten_with_their_last_window() {
    let store = filled(small(), 20);
    let mut last = sample(window(20, 21), &[]);
    last.changed = vec![gone(&store.entities()[0], 21)];
    store.append(last);
    let other = entity(8, &[]);
    for second in 21..300 {
        store.append(sample(window(second, second + 1), &[&other]));
        let from = store.select(&select(Range::Last(Duration::MAX))).unwrap();
        if from.rows.iter().any(|row| row.entity == Some(EntityId(7))) {
            assert!(store.entities().iter().any(|entity| entity.id == EntityId(7)));
        }
    }
    assert_eq!(store.entities().iter().map(|entity| entity.id.0).collect::<Vec<_>>(), [8]);
}

#[test]
fn a_watcher_follows_and_learns_what_it_missed() {
    let store = filled(small(), 105);
    let seqs = |tail: &Tail| tail.windows.iter().map(|window| window.seq).collect::<Vec<_>>();
    assert_eq!(store.head(), 105);
    let first = store.after(0, 2);
    let start = first.windows[0].window.start.0 / 1_000_000_000;
    assert_eq!((seqs(&first), first.missed as i64), (vec![start as u64 + 1, start as u64 + 2], start));
    let next = store.after(103, 9);
    assert_eq!((seqs(&next), next.missed), (vec![104, 105], 0));
    assert_eq!(next.windows[1].rows, [(EntityId(7), ticks(window(104, 105)))]);
    for seq in [105, 999] {
        let end = store.after(seq, 9);
        assert_eq!((end.windows.len(), end.missed), (0, 0));
    }
}

#[test]
fn a_reader_sees_whole_windows_while_they_are_appended() {
    let store = Store::new(small());
    let [a, b] = [1, 2].map(|id| entity(id, &[(Label::Unit, "u")]));
    let append = |second| store.append(sample(window(second, second + 1), &[&a, &b]));
    append(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..1_000).for_each(append));
        let mut newest = Utc(0);
        while !writer.is_finished() {
            let series = store.select(&select(Range::Last(Duration::from_secs(50)))).unwrap();
            let length = series.window.duration().as_millis() as u64;
            for row in &series.rows {
                assert_eq!(row.values.counter(TICKS), Some(length));
                assert_eq!(row.values.histogram(WAITS).unwrap().sum, length);
            }
            assert!(series.rows.len() == 2 && series.window.end >= newest);
            newest = series.window.end;
        }
    });
    assert_eq!(store.head(), 1_000);
}

#[test]
fn two_hundred_entities_for_an_hour_stay_within_their_memory() {
    let store = Store::new(Config::default());
    let who: Vec<_> = (0..200).map(|n| entity(1_000 + 17 * n, &[(Label::Node, "n")])).collect();
    let append = |start: i64, end: i64| {
        let seconds = (end - start) as u64;
        let rows = who.iter().enumerate().map(|(n, entity)| {
            // A busy container: half a core, 25 buckets in use, a few hundred switches a second.
            let slots = (0..25u64).map(|slot| (60 + slot as u8, (1 + (slot * 7 + n as u64) % 60) * seconds));
            let waits = Histogram::new(slots, 31_000_000 * seconds);
            let counters =
                (1..7).map(|c| (Column(c), (500_000_000 + 1_000_003 * n as u64) * seconds)).collect();
            (Arc::clone(entity), Values { counters, histograms: vec![(WAITS, waits)], ..Values::default() })
        });
        store.append(Sample {
            window: window(start, end),
            rows: rows.collect(),
            changed: vec![],
            gaps: vec![],
        });
    };
    // Windows of ten seconds fill the old ring as well, and ten times as fast.
    (0..370).for_each(|n| append(n * 10, n * 10 + 10));
    (3_700..4_010).for_each(|n| append(n, n + 1));
    let held =
        store.select(&Selection { columns: vec![TICKS], ..select(Range::Last(Duration::MAX)) }).unwrap();
    assert!(held.window.duration() >= Duration::from_secs(3_600));
    let bytes = store.bytes();
    assert!((6_000_000..11_500_000).contains(&bytes), "{bytes} bytes");
}

/// Levels of two containers of a pod: over time the latest and the extremes, over containers the sum, and nothing of one
/// that was gone by the end.
#[test]
fn levels_are_added_over_entities_and_not_over_time() {
    let pod = |id, container| entity(id, &[(Label::Pod, "a"), (Label::Container, container)]);
    let (api, proxy) = (pod(1, "api"), pod(2, "proxy"));
    let level = |entity: &Arc<Entity>, level| {
        (Arc::clone(entity), Values { gauges: vec![(LEVEL, Gauge::new(level))], ..Values::default() })
    };
    for config in [small(), Config { fine: Duration::ZERO, ..small() }] {
        let store = Store::new(config);
        for (second, levels) in [(0, [30, 5]), (1, [10, 20]), (2, [20, 10])] {
            let rows = vec![level(&api, levels[0]), level(&proxy, levels[1])];
            store.append(Sample { window: window(second, second + 1), rows, changed: vec![], gaps: vec![] });
        }
        let find = |by: Vec<Label>, container: &str| {
            let range = Range::Last(Duration::from_secs(60));
            let series = store.select(&Selection { by, columns: vec![LEVEL], ..select(range) }).unwrap();
            let row = |row: &&SeriesRow| row.labels.get(Label::Container).unwrap_or_default() == container;
            series.rows.iter().find(row).and_then(|row| row.values.gauge(LEVEL))
        };
        assert_eq!(find(vec![], "api"), Some(Gauge { last: 20, min: 10, max: 30 }));
        assert_eq!(find(vec![Label::Pod], ""), Some(Gauge { last: 30, min: 30, max: 35 }));
        // The proxy is gone; its row still tells what it had last.
        let rows = vec![level(&api, 21)];
        store.append(Sample { window: window(3, 4), rows, changed: vec![], gaps: vec![] });
        assert_eq!(find(vec![Label::Pod], ""), Some(Gauge { last: 21, min: 21, max: 35 }));
        assert_eq!(find(vec![], "proxy"), Some(Gauge { last: 10, min: 5, max: 20 }));
    }
}
