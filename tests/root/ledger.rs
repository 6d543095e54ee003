//! The ledger: nothing is left over, and the kernel counts the same runs.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load},
    oracle,
    pod::FakePod,
    programs::{self, Statistics},
    wait_for,
};
use serde_json::Value;
use time::OffsetDateTime;

use super::measure::{LATENCY, SWITCHES, agent, at_rest, complete, settled, value};

/// Switches that are wanted, those that are enough, and how long it may take.
const WANTED: u64 = 10_000_000;
const ENOUGH: u64 = 5_000_000;
const LIMIT: Duration = Duration::from_secs(45);

/// Every row closes.
#[track_caller]
fn closes(status: &Value) {
    for row in status["ledger"].as_array().unwrap() {
        assert_eq!(row["residual"], 0, "{row}");
    }
}

fn attempted(status: &Value, source: &str) -> u64 {
    let rows = status["ledger"].as_array().unwrap();
    rows.iter().find(|row| row["source"] == source).and_then(|row| row["attempted"].as_u64()).unwrap()
}

/// The kernel's count of runs of the agent's programs, by the ledger's names.
fn runs(agent: &Agent) -> BTreeMap<&'static str, u64> {
    let held = programs::held_by(agent.pid()).unwrap();
    [("sched_switch", "sched_switch_ex"), ("sched_flush", "sched_flush")]
        .into_iter()
        .map(|(source, name)| (source, held.iter().find(|program| program.name == name).unwrap().runs))
        .collect()
}

/// The status changes once in each window. What it then says lies between the kernel's counts before the last look
/// that saw the old one, and after the first that saw the new one: no run is uncounted, none is counted twice.
fn compare_with_the_kernel(agent: &Agent) {
    let look = || (runs(agent), agent.json(&["status"]).unwrap());
    let mut last = look();
    let (before, status) = wait_for("a new status", Duration::from_secs(20), || {
        let next = look();
        let changed = attempted(&next.1, "sched_flush") != attempted(&last.1, "sched_flush");
        let before = std::mem::replace(&mut last, next).0;
        changed.then(|| (before, last.1.clone()))
    })
    .unwrap();
    let after = runs(agent);
    closes(&status);
    for (source, before) in before {
        let (after, attempted) = (after[source], attempted(&status, source));
        println!("{source:<14} {before} <= {attempted} attempted <= {after} by the kernel");
        assert!((before..=after).contains(&attempted), "{source}: {before} <= {attempted} <= {after}");
    }
}

#[test]
fn nothing_is_left_over_after_ten_million_switches() {
    let _root = super::root();
    // Before the agent: the kernel counts from the programs' first run.
    let _counted = Statistics::on().unwrap();
    let agent = agent(&[]);
    compare_with_the_kernel(&agent);

    // Each pair on one CPU: every throw is a switch.
    let cpus = thread::available_parallelism().unwrap().get();
    let pods: Vec<FakePod> = (0..cpus).map(|_| FakePod::new().unwrap()).collect();
    let mut loads: Vec<Load> = Vec::new();
    let mut before = Vec::new();
    for (cpu, pod) in pods.iter().enumerate() {
        let load = Load::start_idle(&Kind::Rallies(2), pod).unwrap();
        load.pin(cpu).unwrap();
        before.push(at_rest(load.pid));
        loads.push(load);
    }
    // How they came about is in a window of its own.
    settled(&agent);
    let began = OffsetDateTime::now_utc();
    loads.iter_mut().for_each(|load| load.go().unwrap());
    let started = Instant::now();
    let made = |loads: &[Load]| -> u64 {
        loads
            .iter()
            .zip(&before)
            .map(|(load, before)| oracle::process(load.pid).unwrap().since(before).timeslices)
            .sum()
    };
    while started.elapsed() < LIMIT && made(&loads) < WANTED {
        thread::sleep(Duration::from_millis(100));
    }
    loads.iter_mut().for_each(|load| _ = load.stop().unwrap());
    let took = started.elapsed().as_secs_f64();
    let truth: Vec<_> =
        loads.iter().zip(&before).map(|(load, before)| at_rest(load.pid).since(before)).collect();
    let made: u64 = truth.iter().map(|usage| usage.timeslices).sum();
    println!("{made} switches in {took:.1} s, {:.0} ns each and CPU", took * 1e9 * cpus as f64 / made as f64);
    assert!(made >= ENOUGH, "too slow a machine: {made} switches");
    let ended = OffsetDateTime::now_utc();

    let (latency, switches) =
        (complete(&agent, LATENCY, began, ended), complete(&agent, SWITCHES, began, ended));
    for (pod, truth) in pods.iter().zip(&truth) {
        // Threads that lived and rested at both readings: not one is missing.
        assert_eq!(value(&latency, pod, "count", None) as u64, truth.timeslices, "waits");
        // `main` has left the CPU to read the other's word, at the edges of the stretch.
        let left = truth.voluntary + truth.involuntary;
        assert!((value(&switches, pod, "increase", None) as u64).abs_diff(left) <= 2, "switches");
    }
    compare_with_the_kernel(&agent);
    drop(loads);
    settled(&agent);
    compare_with_the_kernel(&agent);
}
