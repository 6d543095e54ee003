//! Processes that are over before anyone could look at them.

use rajut_tests::{
    load::{Kind, Load},
    oracle,
    pod::FakePod,
};
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, TIME, agent, at_rest, complete, seconds, settled, value};

#[test]
fn short_lives_are_billed_in_full() {
    const LIVES: u32 = 500;
    let _root = super::root();
    let agent = agent(&[]);
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
