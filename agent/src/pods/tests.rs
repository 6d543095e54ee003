//! A tree of directories stands in for cgroupfs; ids are its inode numbers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{
    model::{Gap, Window},
    probes::Column,
};

const UID: &str = "5d7e9c1a-0b2f-4c3d-8e4f-a5b6c7d8e9f0";

/// A node: its cgroups, its logs, and the stage.
struct Node {
    cgroups: TempDir,
    logs: TempDir,
    pods: Pods,
    second: i64,
}

impl Node {
    fn new() -> Node {
        let (cgroups, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let hierarchies = Hierarchies { identity: cgroups.path().to_owned(), cpu: None, memory: None };
        let pods = Pods::new("node-1", Some(&hierarchies)).with_logs(logs.path());
        Node { cgroups, logs, pods, second: 0 }
    }

    fn make(&self, path: &str) -> EntityId {
        fs::create_dir_all(self.cgroups.path().join(path)).unwrap();
        self.id(path)
    }

    fn id(&self, path: &str) -> EntityId {
        EntityId(fs::metadata(self.cgroups.path().join(path)).unwrap().ino())
    }

    fn remove(&self, path: &str) {
        fs::remove_dir(self.cgroups.path().join(path)).unwrap();
    }

    fn log(&self, path: &str) {
        fs::create_dir_all(self.logs.path().join(path)).unwrap();
    }

    /// One window in which each of these counted 1.
    fn window(&mut self, ids: &[EntityId]) -> Sample {
        self.counted(&ids.iter().map(|id| (*id, 1)).collect::<Vec<_>>())
    }

    /// One window in which each of these counted so much.
    fn counted(&mut self, counts: &[(EntityId, u64)]) -> Sample {
        let mut rows: Vec<_> = counts
            .iter()
            .map(|(id, count)| (*id, Values { counters: vec![(Column(1), *count)], ..Values::default() }))
            .collect();
        rows.sort_by_key(|(id, _)| *id);
        self.second += 1;
        let at = |second: i64| Utc(second * 1_000_000_000);
        let window = Window { start: at(self.second - 1), end: at(self.second) };
        self.pods.attribute(Delta { window, rows, gaps: Vec::new() })
    }
}

/// A sample's rows as text: labels without the node, and the counter.
fn rows(sample: &Sample) -> Vec<(String, u64)> {
    sample.rows.iter().map(|(e, v)| (name(e), v.counter(Column(1)).unwrap())).collect()
}

fn name(entity: &Entity) -> String {
    assert_eq!(entity.labels.get(Label::Node), Some("node-1"));
    let labels = entity.labels.iter().filter(|(label, _)| *label != Label::Node);
    labels.map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(" ")
}

fn changed(sample: &Sample) -> Vec<(String, u32, bool)> {
    sample.changed.iter().map(|e| (name(e), e.version, e.gone_at.is_some())).collect()
}

fn container(digit: char) -> String {
    digit.to_string().repeat(64)
}

#[test]
fn leaves_fold_into_their_container_unit_or_pod() {
    let mut node = Node::new();
    let pod = format!("kubepods/pod{UID}");
    let scope = format!("{pod}/{}", container('a'));
    let leaves = [
        node.make(&format!("{scope}/x/y")),
        node.id(&scope),
        node.make(&format!("{pod}/odd")),
        node.make("system.slice/a.service/deeper"),
        node.make("plain/cgroup"),
        node.id(""),
        EntityId::HOST,
        EntityId::KERNEL,
        EntityId::RAJUT,
        EntityId::OTHER,
    ];
    let sample = node.window(&leaves);
    let mut names = rows(&sample);
    names.sort();
    let expected = [
        ("cgroup=/plain/cgroup".into(), 1),
        ("cgroup=host".into(), 1),
        ("cgroup=host".into(), 1),
        ("cgroup=kernel".into(), 1),
        ("cgroup=other".into(), 1),
        ("cgroup=rajut".into(), 1),
        (format!("pod={UID}"), 1),
        (format!("pod={UID} container=aaaaaaaaaaaa"), 2),
        ("unit=a.service".into(), 1),
    ];
    assert_eq!(names, expected);
    assert!(sample.rows.is_sorted_by_key(|(entity, _)| entity.id));
    let owner = sample.rows.iter().find(|(e, _)| e.labels.get(Label::Container).is_some()).unwrap();
    assert_eq!(owner.0.id, node.id(&scope), "the row has the id of the container's own cgroup");
    // Records travel once, and only of those that have numbers.
    assert_eq!(sample.changed.len(), sample.rows.len());
    assert!(sample.changed.iter().all(|e| e.version == 1 && e.valid_from == sample.window.end));
    assert_eq!(node.window(&leaves).changed, []);
}

#[test]
fn a_name_that_is_learned_later_is_a_new_version() {
    let mut node = Node::new();
    let scope = format!("kubepods/pod{UID}/{}", container('a'));
    let id = node.make(&scope);
    assert_eq!(changed(&node.window(&[id])), [(format!("pod={UID} container=aaaaaaaaaaaa"), 1, false)]);
    node.log(&format!("pods/shop_checkout-7d9_{UID}/api"));
    let named = |container: &str| format!("namespace=shop pod=checkout-7d9 container={container}");
    assert_eq!(changed(&node.window(&[id])), [(named("api"), 2, false)], "one container, one name");
    // A second container: which is which only its link tells.
    let sidecar = node.make(&format!("kubepods/pod{UID}/{}", container('b')));
    node.log(&format!("pods/shop_checkout-7d9_{UID}/mesh"));
    let mut found = changed(&node.window(&[id, sidecar]));
    found.sort();
    assert_eq!(found, [(named("aaaaaaaaaaaa"), 3, false), (named("bbbbbbbbbbbb"), 3, false)]);
    node.log(&format!("containers/checkout-7d9_shop_mesh-{}.log", container('b')));
    assert_eq!(changed(&node.window(&[id, sidecar])), [(named("mesh"), 4, false)]);
    node.log(&format!("containers/checkout-7d9_shop_api-{}.log", container('a')));
    assert_eq!(changed(&node.window(&[id, sidecar])), [(named("api"), 5, false)]);
    assert_eq!(changed(&node.window(&[id, sidecar])), []);
}

#[test]
fn a_name_is_still_looked_for_after_long() {
    let mut node = Node::new();
    let id = node.make(&format!("kubepods/pod{UID}/{}", container('a')));
    for _ in 0..3 * SWEEP {
        node.window(&[id]);
    }
    node.log(&format!("pods/shop_checkout_{UID}/api"));
    let learned = (0..=SWEEP).position(|_| !node.window(&[id]).changed.is_empty());
    assert!(learned.is_some());
}

#[test]
fn a_gone_cgroup_keeps_its_name_and_gives_its_slot_back_after_two_windows() {
    let mut node = Node::new();
    let id = node.make("system.slice/a.service");
    let leaf = node.make("system.slice/a.service/leaf");
    node.window(&[leaf]);
    node.remove("system.slice/a.service/leaf");
    node.remove("system.slice/a.service");
    let mut windows = 0;
    let found = loop {
        windows += 1;
        let sample = node.window(&[leaf]);
        assert_eq!(rows(&sample), [("unit=a.service".into(), 1)], "its last numbers are still its own");
        if !sample.changed.is_empty() {
            break sample;
        }
        assert_eq!(node.pods.take_gone(), []);
    };
    assert!(u64::from(windows) <= SWEEP);
    assert_eq!(changed(&found), [("unit=a.service".into(), 1 + windows, true)]);
    assert_eq!(found.changed[0].gone_at, Some(found.window.end));
    assert_eq!(node.pods.take_gone(), []);
    node.window(&[leaf]);
    assert_eq!(node.pods.take_gone(), []);
    assert_eq!(node.window(&[leaf]).rows[0].0.gone_at, Some(found.window.end));
    let mut gone = vec![id, leaf];
    gone.sort_unstable();
    assert_eq!(node.pods.take_gone(), gone);
    assert_eq!(node.pods.take_gone(), [], "each once");
    for _ in 0..4 * SWEEP {
        let rows = rows(&node.window(&[leaf]));
        assert_eq!(rows, [("unit=a.service".into(), 1)], "as long as there are numbers of it");
    }
    for _ in 0..4 * SWEEP {
        node.window(&[]);
    }
    assert!(node.pods.entities.is_empty() && !node.pods.cgroups.knows(id), "memory is bounded");
}

#[test]
fn the_kernels_count_tells_at_once_that_one_is_gone() {
    let mut node = Node::new();
    let count = |node: &Node, number: u32| {
        fs::write(node.cgroups.path().join("cgroup.stat"), format!("nr_descendants {number}\n")).unwrap();
    };
    let id = node.make("system.slice/a.service");
    count(&node, 2);
    node.window(&[id]);
    node.remove("system.slice/a.service");
    count(&node, 1);
    assert_eq!(changed(&node.window(&[])), [("unit=a.service".into(), 2, true)]);
    node.window(&[]);
    assert_eq!(node.pods.take_gone(), []);
    node.window(&[]);
    assert_eq!(node.pods.take_gone(), [id], "two windows later");
}

#[test]
fn one_that_was_gone_before_it_could_be_looked_at() {
    let mut node = Node::new();
    let id = EntityId(u64::MAX / 2);
    let sample = node.window(&[id]);
    assert_eq!(changed(&sample), [(format!("cgroup=(gone) id {}", id.0), 1, true)]);
    assert_eq!(changed(&node.window(&[id])), []);
    node.window(&[]);
    assert_eq!(node.pods.take_gone(), [id]);
}

#[test]
fn one_that_was_taken_for_gone_comes_back() {
    let mut node = Node::new();
    let id = node.make("a");
    let aside = node.logs.path().join("aside");
    fs::rename(node.cgroups.path().join("a"), &aside).unwrap();
    assert_eq!(changed(&node.window(&[id])), [(format!("cgroup=(gone) id {}", id.0), 1, true)]);
    fs::rename(&aside, node.cgroups.path().join("a")).unwrap();
    let back = (0..SWEEP).map(|_| node.window(&[id])).find(|sample| !sample.changed.is_empty()).unwrap();
    assert_eq!(changed(&back), [("cgroup=/a".into(), 1 + SWEEP as u32, false)]);
    node.window(&[id]);
    node.window(&[id]);
    assert_eq!(node.pods.take_gone(), []);
}

/// The tree has a corner where nobody gets, or there is none: short-lived cgroups are never seen in it.
#[test]
fn who_is_never_found_holds_its_slot_until_it_is_silent() {
    for has_tree in [true, false] {
        let mut node = Node::new();
        node.make(&"deep/".repeat(40));
        if !has_tree {
            node.pods = Pods::new("node-1", None).with_logs(node.logs.path());
        }
        // As the kernel does: who has a slot is told of, with zeros, until it is given back.
        let mut held: BTreeSet<EntityId> = BTreeSet::new();
        let mut most = 0;
        for n in 0..200 {
            let busy = EntityId(u64::MAX / 2 + n);
            held.insert(busy);
            let counts: Vec<_> = held.iter().map(|id| (*id, u64::from(*id == busy))).collect();
            node.counted(&counts);
            most = most.max(held.len());
            for id in node.pods.take_gone() {
                assert!(held.remove(&id), "each once");
            }
        }
        assert!(most as u64 <= SILENCE + GRACE + 2, "{most} slots were held");
        assert!(node.pods.entities.len() as u64 <= most as u64 + 3 * SWEEP, "memory is bounded");
    }
}

#[test]
fn one_that_was_given_up_is_back_when_it_does_something() {
    let mut node = Node::new();
    node.pods = Pods::new("node-1", None).with_logs(node.logs.path());
    let id = EntityId(77);
    let mut version = 0;
    for asleep in [SILENCE, SILENCE + GRACE, 5 * SILENCE] {
        let awake = node.counted(&[(id, 1)]);
        let [(entity, _)] = &awake.rows[..] else { panic!("one row") };
        assert_eq!((name(entity).as_str(), entity.gone_at), ("cgroup=id 77", None));
        assert!(awake.changed.contains(entity) && entity.version > version, "who looks on is told");
        let mut slot = Some(id);
        let mut told = Vec::new();
        for window in 1..=asleep {
            let zeros: Vec<_> = slot.iter().map(|id| (*id, 0)).collect();
            told.extend(
                node.counted(&zeros).changed.iter().map(|e| (window, e.gone_at.is_some(), e.version)),
            );
            if node.pods.take_gone() == [id] {
                assert_eq!((slot.take(), window), (Some(id), SILENCE + GRACE));
            }
        }
        let [(SILENCE, true, later)] = told[..] else { panic!("{told:?}") };
        assert!(later > entity.version);
        version = later;
    }
}

#[test]
fn without_a_tree_ids_are_names_and_gaps_pass_through() {
    let mut pods = Pods::new("node-1", None).with_logs(Path::new("/nowhere"));
    let window = Window { start: Utc(0), end: Utc(1) };
    let gaps = vec![Gap { window, reason: "misses", count: 3 }];
    let row = Values { counters: vec![(Column(1), 5)], ..Values::default() };
    let sample = pods.attribute(Delta { window, rows: vec![(EntityId(77), row)], gaps: gaps.clone() });
    assert_eq!((rows(&sample), sample.gaps), (vec![("cgroup=id 77".into(), 5)], gaps));
    assert_eq!(sample.changed[0].gone_at, None);
}
