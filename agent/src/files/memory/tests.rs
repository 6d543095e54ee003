//! Trees of directories stand in for cgroupfs: one as the v2 mount, one as a v1 memory controller's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs};

use tempfile::TempDir;

use super::*;
use crate::{
    cgroups::{Bounds, text, walk},
    model::{Lost, Values},
    probes::{Column, memory},
};

struct Tree(TempDir);

impl Tree {
    fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn set(&self, group: &str, file: &str, text: &str) {
        fs::create_dir_all(self.root().join(group)).unwrap();
        fs::write(self.root().join(group).join(file), text).unwrap();
    }

    /// A v2 cgroup with so much in use, of which so much is old page cache.
    fn hold(&self, group: &str, usage: u64, inactive: u64) {
        self.set(group, "memory.current", &format!("{usage}\n"));
        self.set(
            group,
            "memory.stat",
            &format!("anon 7\nfile {inactive}\nshmem 1\ninactive_file {inactive}\n"),
        );
    }
}

/// Containers begin with a `c`; their pod is around them, and what is in them is theirs.
fn limits_from(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_str()?;
    name.starts_with('c').then(|| path.components().count() - 1)
}

fn v2(tree: &Tree) -> Memory {
    let hierarchies = Hierarchies { identity: tree.root(), cpu: None, memory: Some(tree.root()) };
    Memory::new(&hierarchies, limits_from).unwrap()
}

/// A reading by path in the identity tree.
fn read_with_losses(memory: &mut Memory) -> (BTreeMap<String, Values>, Vec<Lost>) {
    let walk = walk(&memory.identity, Bounds::default());
    let paths: BTreeMap<u64, String> = walk.dirs.into_iter().map(|dir| (dir.id, text(&dir.path))).collect();
    let reading = memory.read();
    assert_eq!(reading.source, "memory");
    for (_, values) in &reading.rows {
        assert!(values.counters.is_sorted_by_key(|(column, _)| *column));
        assert!(values.gauges.is_sorted_by_key(|(column, _)| *column));
    }
    let rows = reading.rows.into_iter();
    (rows.map(|(id, values)| (paths.get(&id.0).cloned().unwrap_or_default(), values)).collect(), reading.lost)
}

fn read(memory: &mut Memory) -> BTreeMap<String, Values> {
    let (rows, lost) = read_with_losses(memory);
    assert_eq!(lost, []);
    rows
}

fn level(rows: &BTreeMap<String, Values>, path: &str, metric: &str, value: Option<&str>) -> Option<u64> {
    let gauge = rows.get(path)?.gauge(Column::of(metric, value).unwrap())?;
    assert_eq!((gauge.last, gauge.last), (gauge.min, gauge.max), "one reading");
    Some(gauge.last)
}

fn count(rows: &BTreeMap<String, Values>, path: &str, metric: &str, value: Option<&str>) -> Option<u64> {
    rows.get(path)?.counter(Column::of(metric, value).unwrap())
}

#[test]
fn each_cgroup_has_its_own_part_and_they_add_up() {
    let tree = Tree::new();
    // A v2 root has no memory.current.
    tree.set("", "memory.stat", "anon 1000\n");
    for (group, usage, inactive) in [("p", 100, 30), ("p/c1", 60, 20), ("p/c1/in", 25, 12), ("p/c2", 30, 4)] {
        tree.hold(group, usage, inactive);
    }
    let mut memory = v2(&tree);
    assert_eq!(memory.rung(), "cgroup v2 files");
    let rows = read(&mut memory);
    let of = |path: &str| [memory::USAGE, memory::WORKING_SET].map(|metric| level(&rows, path, metric, None));
    assert_eq!(of("p"), [Some(10), Some(4)]);
    assert_eq!(of("p/c1"), [Some(35), Some(27)]);
    assert_eq!(of("p/c1/in"), [Some(25), Some(13)]);
    assert_eq!(of("p/c2"), [Some(30), Some(26)]);
    assert_eq!(of(""), [None, None], "not told is not 0");
    let kind = |path: &str, kind| level(&rows, path, memory::BY_TYPE, Some(kind));
    assert_eq!(
        ["anon", "file", "shmem", "kernel"].map(|word| kind("p/c2", word)),
        [Some(7), Some(3), Some(1), None]
    );
    assert_eq!(kind("", "anon"), Some(993));
    // What children took between the two readings of files: no part is less than nothing.
    tree.hold("p/c2", 50, 4);
    assert_eq!(level(&read(&mut memory), "p", memory::USAGE, None), Some(0));
    fs::remove_dir_all(tree.root().join("p/c1")).unwrap();
    let rows = read(&mut memory);
    assert!(!rows.contains_key("p/c1"));
    assert_eq!(level(&rows, "p", memory::USAGE, None), Some(50));
}

#[test]
fn a_limit_is_the_containers_or_its_pods() {
    let tree = Tree::new();
    for (group, limit) in [
        ("p", "1000"),
        ("p/c-own", "400"),
        ("p/c-pods", "max"),
        ("p/c-above", "4000"),
        ("p/c-own/in", "100"),
        ("q", "max"),
        ("q/c", "max"),
    ] {
        tree.hold(group, 1, 0);
        tree.set(group, "memory.max", &format!("{limit}\n"));
    }
    tree.hold("c-around/c-inner", 1, 0);
    tree.set("c-around", "memory.max", "70\n");
    let mut memory = v2(&tree);
    let limits = |rows: &BTreeMap<String, Values>| -> BTreeMap<String, u64> {
        let of = |path: &String| Some((path.clone(), level(rows, path, memory::LIMIT, None)?));
        rows.keys().filter_map(of).collect()
    };
    let expected = |limits: &[(&str, u64)]| -> BTreeMap<String, u64> {
        limits.iter().map(|(path, limit)| ((*path).to_owned(), *limit)).collect()
    };
    let all = [("p/c-own", 400), ("p/c-pods", 1000), ("p/c-above", 1000), ("c-around/c-inner", 70)];
    assert_eq!(limits(&read(&mut memory)), expected(&all));
    // Read in one of ten readings, and repeated in the others.
    tree.set("p/c-own", "memory.max", "500\n");
    let seen: Vec<u64> = (0..SLOW).map(|_| limits(&read(&mut memory))["p/c-own"]).collect();
    assert!(seen.is_sorted() && seen.iter().all(|limit| [400, 500].contains(limit)), "{seen:?}");
    assert_eq!(limits(&read(&mut memory))["p/c-own"], 500);
}

#[test]
fn counters_are_own_parts_since_they_were_seen() {
    let tree = Tree::new();
    let faults = |group: &str, faults: u64| {
        let text =
            format!("pgmajfault {faults}\nworkingset_refault_anon 2\nworkingset_refault_file {faults}\n");
        tree.set(group, "memory.stat", &text);
    };
    let events = |group: &str, max: u64, killed: u64| {
        tree.set(
            group,
            "memory.events.local",
            &format!("low 9\nhigh 0\nmax {max}\noom 0\noom_kill {killed}\n"),
        );
    };
    [("p", 100), ("p/c", 60)].into_iter().for_each(|(group, n)| faults(group, n));
    [("p", 5), ("p/c", 7)].into_iter().for_each(|(group, n)| events(group, n, 1));
    let mut memory = v2(&tree);
    let rows = read(&mut memory);
    assert_eq!(count(&rows, "p/c", memory::MAJOR_FAULTS, None), Some(0), "what was before is not counted");
    assert_eq!(count(&rows, "p/c", memory::EVENTS, Some("max")), Some(0));
    [("p", 130), ("p/c", 80), ("p/new", 4)].into_iter().for_each(|(group, n)| faults(group, n));
    [("p", 5), ("p/c", 9), ("p/new", 3)].into_iter().for_each(|(group, n)| events(group, n, 2));
    let rows = read(&mut memory);
    let of = |path: &str| {
        [
            count(&rows, path, memory::MAJOR_FAULTS, None),
            count(&rows, path, memory::REFAULTS, None),
            count(&rows, path, memory::EVENTS, Some("max")),
            count(&rows, path, memory::EVENTS, Some("oom_kill")),
            count(&rows, path, memory::EVENTS, Some("high")),
        ]
        .map(|value| value.unwrap())
    };
    assert_eq!(of("p"), [6, 4, 0, 1, 0]);
    assert_eq!(of("p/c"), [20, 20, 2, 1, 0]);
    assert_eq!(of("p/new"), [4, 6, 3, 2, 0], "born since: from 0");
}

#[test]
fn pressure_is_read_slowly_and_of_leaves() {
    let tree = Tree::new();
    let stall = |group: &str, micros: u64| {
        let line = |kind, micros| format!("{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={micros}\n");
        let text = line("some", micros) + &line("full", micros / 2);
        tree.set(group, "memory.pressure", &text);
    };
    ["p", "p/c"].into_iter().for_each(|group| stall(group, 1_000));
    let mut memory = v2(&tree);
    let of = |rows: &BTreeMap<String, Values>, path: &str| {
        ["some", "full"].map(|kind| count(rows, path, memory::STALL, Some(kind)))
    };
    let rows = read(&mut memory);
    assert_eq!((of(&rows, "p/c"), of(&rows, "p")), ([Some(0), Some(0)], [None, None]));
    assert_eq!(count(&rows, "p/c", memory::IO_STALL, Some("some")), None, "no file, no number");
    ["p", "p/c"].into_iter().for_each(|group| stall(group, 1_500));
    let seen: Vec<_> = (0..SLOW).map(|_| of(&read(&mut memory), "p/c")[0].unwrap()).collect();
    assert!(seen.is_sorted() && seen.iter().all(|told| [0, 500_000].contains(told)), "{seen:?}");
    assert_eq!(of(&read(&mut memory), "p/c"), [Some(500_000), Some(250_000)]);
    // Not a leaf any more.
    stall("p/c/in", 10);
    let rows = (0..=SLOW).map(|_| read(&mut memory)).last().unwrap();
    assert_eq!((of(&rows, "p/c/in"), of(&rows, "p/c")), ([Some(10_000), Some(5_000)], [None, None]));
}

#[test]
fn a_v1_controller_is_told_under_the_ids_of_v2() {
    let (identity, v1) = (Tree::new(), Tree::new());
    fs::create_dir_all(identity.root().join("p/c")).unwrap();
    identity.set("p/c", "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
    let stat = "cache 1\nrss 2\npgmajfault 3\nhierarchical_memory_limit 9223372036854771712\ntotal_cache 50\n\
                total_rss 30\ntotal_shmem 8\ntotal_pgmajfault 40\ntotal_inactive_file 15\n";
    for group in ["p", "p/c"] {
        v1.set(group, "memory.usage_in_bytes", "90\n");
        v1.set(group, "memory.stat", stat);
        v1.set(group, "memory.limit_in_bytes", "9223372036854771712\n");
        v1.set(group, "memory.failcnt", "3\n");
        v1.set(group, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    }
    let hierarchies = Hierarchies { identity: identity.root(), cpu: None, memory: Some(v1.root()) };
    let mut memory = Memory::new(&hierarchies, limits_from).unwrap();
    assert_eq!(memory.rung(), "cgroup v1 files");
    let rows = read(&mut memory);
    let levels = [(memory::USAGE, None), (memory::WORKING_SET, None), (memory::LIMIT, None)];
    assert_eq!(levels.map(|(metric, value)| level(&rows, "p/c", metric, value)), [Some(90), Some(75), None]);
    let kinds = ["anon", "file", "shmem", "kernel", "sock"];
    let kinds = kinds.map(|kind| level(&rows, "p/c", memory::BY_TYPE, Some(kind)));
    assert_eq!(kinds, [Some(30), Some(42), Some(8), None, None]);
    assert_eq!(count(&rows, "p/c", memory::CPU_STALL, Some("some")), Some(0));
    v1.set("p/c", "memory.failcnt", "10\n");
    v1.set("p/c", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    v1.set("p/c", "memory.limit_in_bytes", "4096\n");
    let rows = (0..SLOW).map(|_| read(&mut memory)).last().unwrap();
    let events = ["high", "max", "oom", "oom_kill"];
    let events = events.map(|event| count(&rows, "p/c", memory::EVENTS, Some(event)));
    assert_eq!(events, [None, Some(7), None, Some(1)]);
    assert_eq!(level(&rows, "p/c", memory::LIMIT, None), Some(4096));
    // Where the controller came late, its files are found all the same.
    fs::create_dir_all(identity.root().join("late")).unwrap();
    (0..=SLOW).for_each(|_| assert_eq!(level(&read(&mut memory), "late", memory::USAGE, None), None));
    v1.set("late", "memory.usage_in_bytes", "5\n");
    let rows = (0..SLOW).map(|_| read(&mut memory)).last().unwrap();
    assert_eq!(level(&rows, "late", memory::USAGE, None), Some(5));
    let nowhere = Hierarchies { memory: None, ..hierarchies };
    assert!(Memory::new(&nowhere, limits_from).is_none());
}

/// While a file cannot be read, those above it say nothing, rather than count what is below as their own.
#[test]
fn what_cannot_be_read_is_lost_and_said() {
    let tree = Tree::new();
    tree.hold("p", 100, 0);
    tree.hold("p/c", 60, 0);
    let mut memory = v2(&tree);
    memory.keep = 0;
    read(&mut memory);
    let file = tree.root().join("p/c/memory.stat");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for _ in 0..=super::super::PATIENCE {
        let (rows, lost) = read_with_losses(&mut memory);
        assert_eq!(lost, [Lost { reason: "files_unreadable", count: 1 }]);
        assert_eq!(level(&rows, "p/c", memory::USAGE, None), None);
        if memory.readings <= 1 + u64::from(super::super::PATIENCE) {
            assert_eq!(level(&rows, "p", memory::USAGE, None), None);
        } else {
            // For good: then it is its parent's.
            assert_eq!(level(&rows, "p", memory::USAGE, None), Some(100));
        }
    }
    fs::remove_dir(&file).unwrap();
    tree.hold("p/c", 60, 0);
    assert_eq!(level(&read(&mut memory), "p", memory::USAGE, None), Some(40));
}

#[test]
fn descriptors_are_bounded() {
    let tree = Tree::new();
    let groups = 40;
    (0..groups).for_each(|n| tree.hold(&format!("g{n}"), 5, 0));
    let mut memory = v2(&tree);
    memory.keep = 50;
    read(&mut memory);
    assert_eq!(memory.groups.values().map(Held::kept).sum::<usize>(), 50);
    assert_eq!(read(&mut memory).len(), groups);
}
