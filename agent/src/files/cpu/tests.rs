//! Trees of directories stand in for cgroupfs: one as the v2 mount, one as a v1 cpu controller's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt};

use tempfile::TempDir;

use super::{super::tree::SWEEP, *};
use crate::{
    cgroups::{Bounds, walk},
    model::Lost,
};

struct Tree(TempDir);

impl Tree {
    fn new() -> Tree {
        Tree(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    fn set(&self, group: &str, stat: &str) {
        fs::create_dir_all(self.root().join(group)).unwrap();
        fs::write(self.root().join(group).join("cpu.stat"), stat).unwrap();
    }

    /// usage_usec of each, with everything below it.
    fn use_up(&self, groups: &[(&str, u64)]) {
        groups.iter().for_each(|(group, usec)| self.set(group, &format!("usage_usec {usec}\nuser_usec 1\n")));
    }

    fn remove(&self, group: &str) {
        fs::remove_dir_all(self.root().join(group)).unwrap();
    }
}

/// A reading as (path in the identity tree, throttled ns, usage ns).
fn read(stat: &mut CpuStat, identity: &Tree) -> Parts {
    let (parts, lost) = read_with_losses(stat, identity);
    assert_eq!(lost, []);
    parts
}

type Parts = BTreeMap<String, (Option<u64>, Option<u64>)>;

fn read_with_losses(stat: &mut CpuStat, identity: &Tree) -> (Parts, Vec<Lost>) {
    let paths: BTreeMap<u64, String> = walk(&identity.root(), Bounds::default())
        .dirs
        .into_iter()
        .map(|dir| (dir.id, crate::cgroups::text(&dir.path)))
        .collect();
    let reading = stat.read();
    assert_eq!(reading.source, "cpu.stat");
    let column = |name| Column::of(name, None).unwrap();
    let rows = reading
        .rows
        .iter()
        .map(|(id, values)| {
            assert!(values.counters.is_sorted());
            let value = (values.counter(column(sched::THROTTLED)), values.counter(column(sched::TIME)));
            (paths.get(&id.0).cloned().unwrap_or_default(), value)
        })
        .collect();
    (rows, reading.lost)
}

fn usage(rows: &[(&str, u64)]) -> Parts {
    rows.iter().map(|(path, usec)| ((*path).to_owned(), (None, Some(usec * 1000)))).collect()
}

fn throttled(rows: &[(&str, u64)]) -> Parts {
    rows.iter().map(|(path, ns)| ((*path).to_owned(), (Some(*ns), None))).collect()
}

#[test]
fn each_cgroup_has_its_own_part_of_the_usage() {
    let v2 = Tree::new();
    v2.use_up(&[("", 1_000), ("a", 600), ("a/x", 400), ("a/y", 100)]);
    let mut stat = CpuStat::new(&Hierarchies { identity: v2.root(), cpu: None, memory: None }, true);
    assert_eq!(read(&mut stat, &v2), usage(&[]), "what was before is not counted");
    v2.use_up(&[("", 2_000), ("a", 1_400), ("a/x", 900), ("a/y", 350)]);
    assert_eq!(read(&mut stat, &v2), usage(&[("", 200), ("a", 50), ("a/x", 500), ("a/y", 250)]));
    // Born since: counts from 0, and not in its parent's part.
    v2.use_up(&[("", 2_100), ("a", 1_500), ("a/x/new", 70), ("a/x", 1_000)]);
    let parts = [("", 200), ("a", 50), ("a/x", 530), ("a/x/new", 70), ("a/y", 250)];
    assert_eq!(read(&mut stat, &v2), usage(&parts));
    // Gone: what it did last stays with its parent, what it did before stays its own.
    v2.remove("a/y");
    v2.use_up(&[("", 2_140), ("a", 1_540)]);
    let parts = [("", 200), ("a", 90), ("a/x", 530), ("a/x/new", 70)];
    assert_eq!(read(&mut stat, &v2), usage(&parts));
}

#[test]
fn a_part_never_runs_back_and_makes_up_for_it_later() {
    let v2 = Tree::new();
    v2.use_up(&[("a", 0), ("a/x", 0)]);
    let mut stat = CpuStat::new(&Hierarchies { identity: v2.root(), cpu: None, memory: None }, true);
    read(&mut stat, &v2);
    for (all, child, own) in [(100, 50, 50), (110, 70, 50), (200, 100, 100), (90, 100, 100), (300, 100, 200)]
    {
        v2.use_up(&[("a", all), ("a/x", child)]);
        assert_eq!(read(&mut stat, &v2), usage(&[("a", own), ("a/x", child)]), "{all} with {child} below");
    }
}

#[test]
fn throttling_is_told_where_a_quota_was_in_force() {
    let v2 = Tree::new();
    v2.set("free", "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n");
    v2.set("bound", "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 77\n");
    v2.set("bare", "usage_usec 5\n");
    v2.set("broken", "nr_periods 9\nthrottled_usec\nthrottled_usec many\n\u{0}\n");
    let mut stat =
        CpuStat::new(&Hierarchies { identity: v2.root(), cpu: Some(v2.root()), memory: None }, false);
    assert_eq!(read(&mut stat, &v2), throttled(&[("bound", 0)]));
    v2.set("bound", "nr_periods 10\nthrottled_usec 80\n");
    v2.set("free", "nr_periods 2\nthrottled_usec 4\n");
    v2.set("bound/born", "nr_periods 1\nthrottled_usec 6\n");
    assert_eq!(read(&mut stat, &v2), throttled(&[("bound", 3_000), ("bound/born", 6_000), ("free", 4_000)]));
}

#[test]
fn a_v1_controller_is_told_under_the_ids_of_v2() {
    let (v2, v1) = (Tree::new(), Tree::new());
    v2.use_up(&[("", 0), ("a", 0), ("b", 0)]);
    v1.set("a", "nr_periods 1\nnr_throttled 1\nthrottled_time 1000\n");
    v1.set("only-here", "nr_periods 1\nthrottled_time 5\n");
    let hierarchies = Hierarchies { identity: v2.root(), cpu: Some(v1.root()), memory: None };
    let (mut stat, mut both) = (CpuStat::new(&hierarchies, false), CpuStat::new(&hierarchies, true));
    assert_eq!(read(&mut stat, &v2), throttled(&[("a", 0)]));
    read(&mut both, &v2);
    // A file in v1 comes later than its cgroup in v2; a v1 cgroup is made anew.
    v1.set("b", "nr_periods 1\nthrottled_time 7\n");
    v1.set("a", "nr_periods 1\nthrottled_time 40\n");
    v2.use_up(&[("", 3), ("a", 3)]);
    let told = read(&mut stat, &v2);
    assert_eq!((told["a"], told.len()), ((Some(40), None), 2));
    assert_eq!(read(&mut both, &v2)["a"], (Some(40), Some(3_000)));
}

#[test]
fn more_files_than_descriptors_are_read_all_the_same() {
    let v2 = Tree::new();
    let groups: Vec<String> = (0..70).map(|n| format!("g{n}")).collect();
    let each = |periods| {
        groups.iter().for_each(|g| v2.set(g, &format!("nr_periods {periods}\nthrottled_usec {periods}\n")))
    };
    each(1);
    let mut stat =
        CpuStat::new(&Hierarchies { identity: v2.root(), cpu: Some(v2.root()), memory: None }, false);
    stat.keep = 50;
    read(&mut stat, &v2);
    assert_eq!(stat.groups.values().map(Group::kept).sum::<usize>(), 50);
    each(3);
    let rows = read(&mut stat, &v2);
    assert_eq!(rows.len(), groups.len());
    assert!(rows.values().all(|value| *value == (Some(2_000), None)));
}

#[test]
fn the_tree_is_walked_when_its_count_changes_and_not_before() {
    let v2 = Tree::new();
    let count = |n: u32| fs::write(v2.root().join("cgroup.stat"), format!("nr_descendants {n}\n")).unwrap();
    count(1);
    v2.set("a", "nr_periods 1\nthrottled_usec 1\n");
    let mut stat =
        CpuStat::new(&Hierarchies { identity: v2.root(), cpu: Some(v2.root()), memory: None }, false);
    assert_eq!(read(&mut stat, &v2).len(), 1);
    v2.set("b", "nr_periods 1\nthrottled_usec 1\n");
    assert_eq!(read(&mut stat, &v2).len(), 1, "nothing says that there is a new one");
    count(2);
    assert_eq!(read(&mut stat, &v2).len(), 2);
    v2.set("c", "nr_periods 1\nthrottled_usec 1\n");
    let found = (0..=SWEEP).any(|_| read(&mut stat, &v2).len() == 3);
    assert!(found, "a walk in every {SWEEP} readings all the same");
}

#[test]
fn what_cannot_be_read_is_lost_and_said() {
    let v2 = Tree::new();
    v2.set("a", "nr_periods 1\nthrottled_usec 1\n");
    fs::create_dir_all(v2.root().join("b/cpu.stat")).unwrap();
    let id = fs::metadata(v2.root().join("a")).unwrap().ino();
    let mut stat =
        CpuStat::new(&Hierarchies { identity: v2.root(), cpu: Some(v2.root()), memory: None }, false);
    let reading = stat.read();
    assert_eq!(reading.rows.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [id]);
    assert_eq!(reading.lost, [Lost { reason: "files_unreadable", count: 1 }]);
    let mut nowhere =
        CpuStat::new(&Hierarchies { identity: v2.root().join("none"), cpu: None, memory: None }, true);
    assert_eq!(nowhere.read().lost, [Lost { reason: "cgroups_unreadable", count: 1 }]);
}

#[test]
fn who_makes_cgroups_beyond_the_bounds_spoils_nothing_for_the_others() {
    let v2 = Tree::new();
    let deep = format!("user{}", "/deep".repeat(40));
    v2.use_up(&[("", 0), ("user", 0), (&deep, 0), ("pods", 0)]);
    let mut stat = CpuStat::new(&Hierarchies { identity: v2.root(), cpu: None, memory: None }, true);
    read(&mut stat, &v2);
    assert!(stat.skipped > 0);
    // No loss is declared, see `read`; a new pod counts from its beginning; the depths count as the one above them.
    v2.use_up(&[("", 900), ("user", 400), (&deep, 300), ("pods", 500), ("pods/new", 500)]);
    assert_eq!(read(&mut stat, &v2), usage(&[("user", 400), ("pods/new", 500)]));
}

/// While a file cannot be read, those above it stand still; then each has its own part, and nothing is counted twice.
#[test]
fn a_file_that_fails_for_a_while_is_not_told_by_its_parents() {
    let v2 = Tree::new();
    let file = v2.root().join("a/x/cpu.stat");
    let break_it = || {
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    };
    let all =
        |n: u64| [("", 1_000 * n), ("a", 600 * n), ("a/x", 300 * n), ("a/y", 200 * n), ("a/x/leaf", 100 * n)];
    let parts = |n: u64| {
        usage(&[("", 400 * n), ("a", 100 * n), ("a/x", 200 * n), ("a/y", 200 * n), ("a/x/leaf", 100 * n)])
    };
    let others = |n: u64| [("", 1_000 * n), ("a", 600 * n), ("a/y", 200 * n), ("a/x/leaf", 100 * n)];
    let mut stat = CpuStat::new(&Hierarchies { identity: v2.root(), cpu: None, memory: None }, true);
    // Opened for each reading, so that the test can put something else there.
    stat.keep = 0;
    v2.use_up(&all(1));
    read(&mut stat, &v2);
    v2.use_up(&all(2));
    assert_eq!(read(&mut stat, &v2), parts(1));
    break_it();
    for n in 3..6 {
        v2.use_up(&others(n));
        let (told, lost) = read_with_losses(&mut stat, &v2);
        let expected =
            [("", 400), ("a", 100), ("a/x", 200), ("a/y", 200 * (n - 1)), ("a/x/leaf", 100 * (n - 1))];
        assert_eq!(told, usage(&expected));
        assert_eq!(lost, [Lost { reason: "files_unreadable", count: 1 }]);
    }
    fs::remove_dir(&file).unwrap();
    v2.use_up(&all(6));
    assert_eq!(read(&mut stat, &v2), parts(5));

    // For good: then it is its parent's, which goes on, and is not told again when it is back.
    break_it();
    for n in 7..30 {
        v2.use_up(&others(n));
        read_with_losses(&mut stat, &v2);
    }
    fs::remove_dir(&file).unwrap();
    v2.use_up(&all(30));
    let (told, _) = read_with_losses(&mut stat, &v2);
    let sum: u64 = told.values().filter_map(|(_, usage)| *usage).sum();
    assert_eq!((told["a/x"].1, sum), (Some(1_000_000), 29_000_000));
    v2.use_up(&all(31));
    let (told, lost) = read_with_losses(&mut stat, &v2);
    let sum: u64 = told.values().filter_map(|(_, usage)| *usage).sum();
    assert_eq!((told["a/x"].1, sum, lost), (Some(1_200_000), 30_000_000, vec![]));
}
