//! Memory, beside the files of the memory controller.

use std::{thread, time::Duration};

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load},
    oracle,
    pod::FakePod,
    wait_for,
};
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::measure::{Comparison, agent, complete, rows, seconds, settled, sum, value, window_end};

const USAGE: &str = "container.memory.usage";
const WORKING_SET: &str = "container.memory.working_set";
const LIMIT: &str = "rajut.memory.limit";
const BY_TYPE: &str = "rajut.memory.usage_by_type";
const MAJOR_FAULTS: &str = "rajut.memory.major_faults";
const EVENTS: &str = "rajut.memory.events";
const CPU_STALL: &str = "rajut.cpu.stall.time";

const MIB: u64 = 1024 * 1024;

/// Where a file has page cache, and is read from a disk: `/tmp` may be memory itself.
fn on_disk() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What the kernel takes in advance for each CPU, 64 pages, comes and goes: bytes.
fn moves() -> u64 {
    let cpus = thread::available_parallelism().map_or(2, std::num::NonZero::get);
    cpus as u64 * MIB / 4
}

/// A window in which what the pod holds did not move by more than the kernel's own counting does, and what it held.
fn still(pod: &FakePod) -> (OffsetDateTime, oracle::Memory) {
    wait_for("memory at rest", Duration::from_secs(30), || {
        let before = oracle::memory(pod).unwrap();
        let began = window_end();
        thread::sleep(Duration::from_millis(1100));
        let after = oracle::memory(pod).unwrap();
        (before.usage.abs_diff(after.usage) <= moves()).then_some((began, after))
    })
    .unwrap()
}

/// What a pod's rows have in the window after this instant.
fn level(agent: &Agent, metric: &str, pod: &FakePod, began: OffsetDateTime, kind: Option<&str>) -> f64 {
    let answer = complete(agent, metric, began, began + Duration::from_secs(1));
    value(&answer, pod, "value", kind)
}

#[test]
fn what_a_pod_holds_is_what_its_files_say() {
    let _root = super::root();
    let dir = on_disk();
    let agent = agent(&[]);
    let pod = FakePod::new().unwrap();
    pod.set_memory_limit(256 * MIB).unwrap();
    let load = Load::start(&Kind::Memory(dir.path().into(), 64, 32), Some(&pod)).unwrap();
    wait_for("96 MiB", Duration::from_secs(30), || {
        let held = oracle::memory(&pod).unwrap();
        (held.anon >= 64 * MIB && held.file >= 32 * MIB).then_some(())
    })
    .unwrap();
    let (began, held) = still(&pod);
    println!("{held:?}");
    let mut comparison = Comparison::default();
    let slack = moves() as f64;
    for (what, metric, kind, truth) in [
        ("usage, bytes", USAGE, None, held.usage),
        ("working set, bytes", WORKING_SET, None, held.usage - held.inactive_file),
        ("anon, bytes", BY_TYPE, Some("anon"), held.anon),
        ("file, bytes", BY_TYPE, Some("file"), held.file),
        ("limit, bytes", LIMIT, None, 256 * MIB),
    ] {
        let reported = level(&agent, metric, &pod, began, kind);
        comparison.check(
            "holder",
            what,
            truth as f64,
            reported,
            0.0,
            if metric == LIMIT { 0.0 } else { slack },
        );
    }
    comparison.end();

    // By pod, it is one row with the same: what the pod's own cgroup holds is next to nothing.
    let answer = agent.json(&["query", USAGE, "--by", "pod", "--last", "3s"]).unwrap();
    let own = rows(&answer).iter().find(|row| row["labels"]["pod"] == *pod.id().uid).unwrap();
    assert!((own["value"].as_f64().unwrap() - held.usage as f64).abs() <= slack, "{own}");
    assert!(own["min"].as_f64() <= own["value"].as_f64() && own["value"].as_f64() <= own["max"].as_f64());

    // And when it is over, there is no row any more: neither the last level nor 0.
    let id = pod.id().clone();
    drop((load, pod));
    settled(&agent);
    settled(&agent);
    let began = window_end();
    let answer = complete(&agent, USAGE, began, began + Duration::from_secs(1));
    let is_its = |row: &&Value| row["labels"]["pod"] == *id.uid;
    assert_eq!(rows(&answer).iter().find(is_its), None);
    assert!(!rows(&answer).is_empty(), "others are there");
}

#[test]
fn major_faults_are_those_of_the_kernel() {
    let _root = super::root();
    let dir = on_disk();
    let agent = agent(&[]);
    let pod = FakePod::new().unwrap();
    let mut load = Load::start_idle(&Kind::Faults(dir.path().into(), 50), &pod).unwrap();
    settled(&agent);
    let (began, before) = (OffsetDateTime::now_utc(), oracle::memory(&pod).unwrap());
    load.go().unwrap();
    thread::sleep(Duration::from_secs(2));
    let touched = load.stop().unwrap().operations("faulter");
    // The kernel adds its statistics up every other second, or when somebody reads.
    thread::sleep(Duration::from_millis(2500));
    let faults = oracle::memory(&pod).unwrap().major_faults - before.major_faults;
    settled(&agent);
    let answer = complete(&agent, MAJOR_FAULTS, began, OffsetDateTime::now_utc());
    println!("pages touched {touched}");
    assert!(faults > 100 && touched > 100, "the load made major faults");
    let mut comparison = Comparison::default();
    comparison.check(
        "faulter",
        "major faults",
        faults as f64,
        value(&answer, &pod, "increase", None),
        0.0,
        0.0,
    );
    comparison.end();
}

#[test]
fn a_kill_is_counted_once_and_where_it_happened() {
    let _root = super::root();
    let dir = on_disk();
    let agent = agent(&[]);
    let (pod, beside) = (FakePod::new().unwrap(), FakePod::new().unwrap());
    pod.set_memory_limit(32 * MIB).unwrap();
    beside.set_memory_limit(32 * MIB).unwrap();
    settled(&agent);
    let began = OffsetDateTime::now_utc();
    let calm = Load::start(&Kind::Sleepers(2), Some(&beside)).unwrap();
    let mut load = Load::start_idle(&Kind::Memory(dir.path().into(), 64, 0), &pod).unwrap();
    load.go().unwrap();
    wait_for("the kill", Duration::from_secs(30), || (!load.is_running()).then_some(())).unwrap();
    let killed = oracle::memory(&pod).unwrap().killed;
    settled(&agent);
    settled(&agent);
    let answer = complete(&agent, EVENTS, began, OffsetDateTime::now_utc());
    let mut comparison = Comparison::default();
    comparison.check(
        "victim",
        "kills",
        killed as f64,
        value(&answer, &pod, "increase", Some("oom_kill")),
        0.0,
        0.0,
    );
    comparison.end();
    assert_eq!(killed, 1);
    assert_eq!(value(&answer, &beside, "increase", Some("oom_kill")), 0.0);
    assert_eq!(sum(rows(&answer).iter(), "increase", Some("oom_kill")), 1.0, "counted on one level only");
    assert!(value(&answer, &pod, "increase", Some("max")) > 0.0, "the limit was hit before");
    drop(calm);
}

#[test]
fn stalls_are_those_of_the_pressure_files() {
    let _root = super::root();
    let agent = agent(&[]);
    let pod = FakePod::new().unwrap();
    settled(&agent);
    let began = OffsetDateTime::now_utc();
    let mut load = Load::start(&Kind::Hogs(4), Some(&pod)).unwrap();
    thread::sleep(Duration::from_secs(3));
    load.stop().unwrap();
    // Each pod's turn comes once in ten windows.
    (0..11).for_each(|_| _ = window_end());
    let truth = seconds(oracle::cpu_stall_ns(&pod).unwrap());
    settled(&agent);
    let answer = complete(&agent, CPU_STALL, began, OffsetDateTime::now_utc());
    let mut comparison = Comparison::default();
    assert!(truth > 0.5, "four threads on fewer CPUs: {truth} s");
    comparison.check(
        "hogs",
        "cpu stall, s",
        truth,
        value(&answer, &pod, "increase", Some("some")),
        0.01,
        0.0,
    );
    comparison.end();
}
