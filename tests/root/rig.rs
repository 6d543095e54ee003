//! The rig itself: if its oracles do not agree with each other, nothing can be said about the agent.

use std::{fs, path::Path, time::Duration};

use rajut_tests::{
    load::{Kind, Load},
    oracle,
    pod::{self, FakePod, PodId},
    wait_for,
};

/// Two numbers for one thing.
#[track_caller]
fn agree(what: &str, one: u64, other: u64, share: f64) {
    let apart = one.abs_diff(other) as f64 / one.max(other).max(1) as f64;
    assert!(apart <= share, "{what}: {one} and {other} are {:.2} % apart", apart * 100.0);
}

#[test]
fn the_oracles_agree() {
    let _root = super::root();
    let pod = FakePod::new().unwrap();
    let mut load = Load::start(&Kind::Hogs(3), Some(&pod)).unwrap();
    wait_for("a second of work", Duration::from_secs(30), || {
        (oracle::process(load.pid).unwrap().cpu_ns > 1_000_000_000).then_some(())
    })
    .unwrap();
    let account = load.stop().unwrap().total();
    let kernel = oracle::process(load.pid).unwrap().since(&load.before);
    agree("cpu time by thread and by process", account.cpu_ns, kernel.cpu_ns, 0.01);
    agree("cpu time by process and by cgroup", kernel.cpu_ns, oracle::cpu_ns(&pod).unwrap(), 0.01);
    agree("run delay", account.run_delay_ns, kernel.run_delay_ns, 0.01);
}

#[test]
fn a_quota_throttles() {
    let _root = super::root();
    let pod = FakePod::new().unwrap();
    pod.set_quota(20).unwrap();
    let load = Load::start(&Kind::Hogs(1), Some(&pod)).unwrap();
    wait_for("throttling", Duration::from_secs(30), || {
        (oracle::throttled_ns(&pod).unwrap() > 300_000_000).then_some(())
    })
    .unwrap();
    drop(load);
}

#[test]
fn a_pod_leaves_nothing_behind() {
    let _root = super::root();
    let pod = FakePod::new().unwrap();
    pod.set_names("shop", "redis-0", "redis").unwrap();
    let id = pod.id().clone();
    let link = format!("/var/log/containers/redis-0_shop_redis-{}.log", id.container);
    let logs = format!("/var/log/pods/shop_redis-0_{}/redis/0.log", id.uid);
    assert_eq!(fs::read_link(&link).unwrap(), Path::new(&logs));
    let dirs: Vec<_> = pod.dirs().map(Path::to_path_buf).collect();
    let mut load = Load::start(&Kind::Sleepers(2), Some(&pod)).unwrap();
    assert!(load.is_running());
    // With a load still in it.
    drop(pod);
    assert!(!load.is_running());
    for path in dirs.iter().map(|dir| dir.as_path()).chain([Path::new(&link), Path::new(&logs)]) {
        assert!(fs::symlink_metadata(path).is_err(), "{} is still there", path.display());
    }
}

#[test]
fn leftovers_of_a_killed_run_are_removed() {
    let _root = super::root();
    let id = PodId::fixed(u32::MAX, 7);
    let killed = FakePod::with_id(id.clone()).unwrap();
    killed.set_names("shop", "left-over", "api").unwrap();
    let dir = killed.unified_dir().to_path_buf();
    // What a killed process does not do.
    let _killed = std::mem::ManuallyDrop::new(killed);
    assert!(dir.exists());
    pod::remove(&id).unwrap();
    assert!(!dir.exists());
    assert!(!Path::new(&format!("/var/log/pods/shop_left-over_{}", id.uid)).exists());
    // None is there any more.
    pod::remove(&id).unwrap();
}
