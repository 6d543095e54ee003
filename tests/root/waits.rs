//! Waiting for a CPU while threads are moved between CPUs, beside schedstat.

use std::{thread, time::Duration};

use rajut_tests::{
    load::{Kind, Load, Usage},
    pod::FakePod,
};
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, TIME, agent, at_rest, complete, value};

/// How long it works.
const WORK: Duration = Duration::from_secs(6);

/// Six hogs that are moved every few milliseconds, and 500 threads that switch; all alive from before the agent's first
/// reading until after its last.
fn loads() -> Vec<(&'static str, FakePod, Load)> {
    let kinds = [
        ("moved-a", Kind::Movers(3)),
        ("moved-b", Kind::Movers(3)),
        ("switching-a", Kind::Switchers(250, 10)),
        ("switching-b", Kind::Switchers(250, 10)),
    ];
    kinds
        .into_iter()
        .map(|(name, kind)| {
            let pod = FakePod::new().unwrap();
            let load = Load::start_idle(&kind, &pod).unwrap();
            (name, pod, load)
        })
        .collect()
}

/// What each load used while it worked, and when that was.
fn work(loads: &mut [(&'static str, FakePod, Load)]) -> (Vec<Usage>, OffsetDateTime, OffsetDateTime) {
    let before: Vec<Usage> = loads.iter().map(|(_, _, load)| at_rest(load.pid)).collect();
    let began = OffsetDateTime::now_utc();
    loads.iter_mut().for_each(|(_, _, load)| load.go().unwrap());
    thread::sleep(WORK);
    for (_, _, load) in loads.iter_mut() {
        load.stop().unwrap();
    }
    let after = loads.iter().zip(&before).map(|((_, _, load), before)| at_rest(load.pid).since(before));
    (after.collect(), began, OffsetDateTime::now_utc())
}

#[test]
fn waits_of_threads_that_are_moved_are_exact() {
    let _root = super::root();
    let mut loads = loads();
    // They are there before it: it begins with a baseline of threads that have counted.
    let agent = agent(&[]);
    let (truth, began, ended) = work(&mut loads);
    let latency = complete(&agent, LATENCY, began, ended);
    let time = complete(&agent, TIME, began, ended);
    let mut comparison = Comparison::default();
    for ((name, pod, _), truth) in loads.iter().zip(&truth) {
        comparison.usage(name, truth, &latency, &time, pod);
    }
    comparison.end();
}

#[test]
fn the_short_form_never_says_more_than_was_waited() {
    let _root = super::root();
    let mut loads = loads();
    let agent = agent(&["--rung", "short"]);
    let (truth, began, ended) = work(&mut loads);
    let latency = complete(&agent, LATENCY, began, ended);
    let (mut waited, mut reported) = (0.0, 0.0);
    for ((name, pod, _), truth) in loads.iter().zip(&truth) {
        let (true_s, short_s) = (truth.run_delay_ns as f64 / 1e9, value(&latency, pod, "sum", None));
        println!("{name:<14} waited, s  true {true_s:.6}  short {short_s:.6}  {:.4}", short_s / true_s);
        waited += true_s;
        reported += short_s;
    }
    let ratio = reported / waited;
    println!("short form: {ratio:.4} of what was waited");
    assert!(ratio <= 1.005, "more than was waited: {ratio:.4}");
    assert!(ratio > 0.2, "next to nothing of what was waited: {ratio:.4}");
}
