//! The mount table, and walks over a tree that stands in for cgroupfs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:1 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /no/such\\040place/unified rw,relatime - cgroup2 cgroup2 rw
a broken line
42 31 0:39 / /cut/off rw - cgroup2";

#[test]
fn the_mount_table() {
    let mount = |at: &str, v2, controllers: &[&str]| Mount {
        at: PathBuf::from(at),
        v2,
        controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
    };
    assert_eq!(
        mounts(HYBRID.as_bytes()),
        [
            mount("/sys/fs/cgroup/cpu,cpuacct", false, &["rw", "cpu", "cpuacct"]),
            mount("/sys/fs/cgroup/systemd", false, &["rw", "name=systemd"]),
            mount("/no/such place/unified", true, &["rw"]),
        ]
    );
    for (escaped, plain) in
        [("a\\040b", "a b"), ("a\\134", "a\\"), ("a\\", "a\\"), ("\\9zz", "\\9zz"), ("", "")]
    {
        assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes(), "{escaped}");
    }
}

#[test]
fn hierarchies() {
    let tree = tempfile::tempdir().unwrap();
    let at = |name: &str| tree.path().join(name);
    let mount = |name: &str, v2, controllers: &[&str]| Mount {
        at: at(name),
        v2,
        controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
    };
    for (name, controllers) in
        [("pure", "cpuset cpu io memory\n"), ("bare", "hugetlb\n"), ("cpuset-only", "cpuset\n")]
    {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("cgroup.controllers"), controllers).unwrap();
    }
    let v1 = mount("v1-cpu", false, &["rw", "cpu"]);
    let other = mount("v1-set", false, &["rw", "cpuset", "cpuacct"]);
    let held = mount("v1-memory", false, &["rw", "memory"]);
    let (pure, bare, set) =
        (mount("pure", true, &[]), mount("bare", true, &[]), mount("cpuset-only", true, &[]));
    let (own, own_v1) = (mount("own-subtree", true, &[]), mount("own-v1", false, &["rw", "cpu"]));
    let is_whole = |at: &Path| !text(at).contains("own-");
    for (mounts, identity, cpu, memory) in [
        (vec![&pure], "pure", Some("pure"), Some("pure")),
        (vec![&other, &v1, &bare], "bare", Some("v1-cpu"), None),
        (vec![&held, &v1, &bare], "bare", Some("v1-cpu"), Some("v1-memory")),
        (vec![&pure, &v1, &held], "pure", Some("pure"), Some("pure")),
        (vec![&other, &set], "cpuset-only", None, None),
        // A container's own cgroup beside the host's tree.
        (vec![&own, &pure], "pure", Some("pure"), Some("pure")),
        (vec![&own_v1, &bare], "bare", None, None),
        (vec![&own_v1, &bare, &v1], "bare", Some("v1-cpu"), None),
    ] {
        let mounts: Vec<Mount> = mounts.into_iter().cloned().collect();
        let found = Hierarchies::of_mounts(&mounts, is_whole).unwrap();
        assert_eq!(found, Hierarchies { identity: at(identity), cpu: cpu.map(at), memory: memory.map(at) });
    }
    assert!(matches!(Hierarchies::of_mounts(&[v1], is_whole), Err(CgroupError::NoV2)));
    assert!(matches!(Hierarchies::of_mounts(&[own], is_whole), Err(CgroupError::Namespaced)));
}

#[test]
fn a_walk_finds_every_directory_once_with_its_id_and_its_parent_before_it() {
    let tree = tempfile::tempdir().unwrap();
    let wanted = ["", "a", "a/b", "a/b/c", "a/d", "e"];
    for path in wanted {
        fs::create_dir_all(tree.path().join(path)).unwrap();
        fs::write(tree.path().join(path).join("cpu.stat"), "").unwrap();
    }
    let found = walk(tree.path(), Bounds::default());
    assert_eq!(found.skipped, 0);
    for (at, dir) in found.dirs.iter().enumerate() {
        assert_eq!(dir.id, fs::metadata(tree.path().join(&dir.path)).unwrap().ino());
        match dir.parent {
            None => assert_eq!((at, text(&dir.path).as_str()), (0, "")),
            Some(parent) => {
                assert!(parent < at);
                assert_eq!(Some(found.dirs[parent].path.as_path()), dir.path.parent());
            }
        }
    }
    let mut paths: Vec<String> = found.dirs.iter().map(|dir| text(&dir.path)).collect();
    paths.sort();
    assert_eq!(paths, wanted);
}

#[test]
fn a_walk_keeps_to_its_bounds_and_says_so() {
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir_all(tree.path().join("a/b/c")).unwrap();
    fs::create_dir_all(tree.path().join("d")).unwrap();
    for (depth, dirs, found, complete) in
        [(3, 5, 5, true), (2, 9, 4, false), (1, 9, 3, false), (9, 2, 2, false), (0, 9, 1, false)]
    {
        let walk = walk(tree.path(), Bounds { depth, dirs });
        assert_eq!((walk.dirs.len(), walk.skipped == 0), (found, complete), "depth {depth}, dirs {dirs}");
        for dir in &walk.dirs {
            let real = fs::read_dir(tree.path().join(&dir.path)).unwrap().count();
            let listed = walk.dirs.iter().filter(|child| child.path.parent() == Some(&dir.path)).count();
            assert_eq!(dir.whole, real == listed, "{} with depth {depth}, dirs {dirs}", text(&dir.path));
        }
    }
    assert_eq!(walk(&tree.path().join("gone"), Bounds::default()), Walk { dirs: Vec::new(), skipped: 1 });
}

#[test]
fn descendants_of_a_root() {
    for (stat, expected) in [
        ("nr_descendants 12\nnr_dying_descendants 3\n", Some(12)),
        ("nr_dying_descendants 3\n", None),
        ("nr_descendants many\n", None),
        ("", None),
    ] {
        assert_eq!(descendants(stat.as_bytes()), expected, "{stat:?}");
    }
}

#[test]
fn nobody_hides_another_branch() {
    let tree = tempfile::tempdir().unwrap();
    let make = |path: String| fs::create_dir_all(tree.path().join(path)).unwrap();
    // Two crowds, so that one comes before the pods in whatever order the file system lists them.
    for crowd in ["crowd-a", "crowd-z"] {
        (0..200).for_each(|n| make(format!("{crowd}/user/broad-{n}/x")));
        make(format!("{crowd}/user{}", "/deep".repeat(40)));
    }
    (0..20).for_each(|n| make(format!("pods/burstable/pod-{n}/container")));
    let walk = walk(tree.path(), Bounds { depth: 24, dirs: 150 });
    let of = |branch: &str| walk.dirs.iter().filter(|dir| dir.path.starts_with(branch)).count();
    assert_eq!((walk.dirs.len(), of("pods")), (150, 2 + 40));
    assert!(walk.dirs.iter().filter(|dir| dir.path.starts_with("pods")).all(|dir| dir.whole));
    assert!(walk.skipped > 0);
}
