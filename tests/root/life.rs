//! Processes that are over before anyone could look at them.

use std::{process::Command, time::Duration};

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load},
    oracle,
    pod::FakePod,
    wait_for,
};
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, TIME, agent, at_rest, complete, seconds, settled, value};

#[test]
fn short_lives_are_billed_in_full() {
    short_lives("exact");
}

/// Where storage is made at birth, as kernels before 6.4 need it.
#[test]
fn short_lives_are_billed_in_full_from_birth() {
    short_lives("exact-fork");
}

fn short_lives(rung: &str) {
    const LIVES: u32 = 500;
    let _root = super::root();
    let agent = agent(&["--rung", rung]);
    let pod = FakePod::new().unwrap();
    let mut load = Load::start_idle(&Kind::Births(LIVES), &pod).unwrap();
    let (before, cgroup) = (at_rest(load.pid).since(&load.before), oracle::cpu_ns(&pod).unwrap());
    // How the load came about is in a window of its own.
    settled(&agent);
    let began = OffsetDateTime::now_utc();
    load.go().unwrap();
    let account = load.stop().unwrap();
    let truth = account.total().since(&before);
    let cgroup = oracle::cpu_ns(&pod).unwrap() - cgroup;
    let ended = OffsetDateTime::now_utc();
    assert_eq!(account.operations("mother"), u64::from(LIVES));

    let (latency, time) = (complete(&agent, LATENCY, began, ended), complete(&agent, TIME, began, ended));
    let reported = value(&time, &pod, "increase", None);
    let mut comparison = Comparison::default();
    comparison.check("births", "cpu time, s (cgroup)", seconds(cgroup), reported, 0.01, 0.0);
    comparison.usage("births", &truth, &latency, &time, &pod);
    comparison.end();
}

/// Threads that lived for a while before the agent, which sees them from a PID namespace of its own: an iterator does not
/// show them there.
#[test]
fn what_was_before_the_agent_is_not_billed() {
    let _root = super::root();
    let pod = FakePod::new().unwrap();
    let mut load = Load::start(&Kind::Hogs(2), Some(&pod)).unwrap();
    wait_for("two seconds of work", Duration::from_secs(30), || {
        (oracle::cpu_ns(&pod).unwrap() > 2_000_000_000).then_some(())
    })
    .unwrap();

    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(rajut_tests::binary("rajut").unwrap()).arg("agent");
    let before = oracle::cpu_ns(&pod).unwrap();
    let agent = Agent::start_as(command).unwrap();
    let began = OffsetDateTime::now_utc();
    settled(&agent);
    settled(&agent);
    load.stop().unwrap();
    let truth = seconds(oracle::cpu_ns(&pod).unwrap() - before);
    settled(&agent);
    let reported = value(
        &agent.query(TIME, began - Duration::from_secs(30), OffsetDateTime::now_utc()).unwrap(),
        &pod,
        "increase",
        None,
    );
    println!("{reported:.3} s reported of {truth:.3} s since the agent was started, after 2 s without it");
    assert!(reported > 0.5 && reported <= truth * 1.01);
}
