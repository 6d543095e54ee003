//! `sched`: what the agent says about pods that compete for the CPU, beside what the kernel says about their threads.

use std::time::Duration;

use rajut_tests::{
    load::{Kind, Load, Usage},
    oracle,
    pod::FakePod,
};
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, SWITCHES, THROTTLED, TIME, WAIT, agent, complete, seconds, value};

/// A pod, its load, and what is true about it.
struct Case {
    name: &'static str,
    pod: FakePod,
    load: Load,
    truth: Usage,
    throttled_ns: u64,
}

impl Case {
    fn start(name: &'static str, kind: &Kind, quota: Option<u32>) -> Case {
        let pod = FakePod::new().unwrap();
        if let Some(percent) = quota {
            pod.set_quota(percent).unwrap();
        }
        let load = Load::start(kind, Some(&pod)).unwrap();
        Case { name, pod, load, truth: Usage::default(), throttled_ns: 0 }
    }
}

#[test]
fn four_pods_agree_with_the_kernel() {
    let _root = super::root();
    let agent = agent(&[]);
    let began = OffsetDateTime::now_utc();

    let mut cases = [
        Case::start("hogs-a", &Kind::Hogs(2), None),
        Case::start("hogs-b", &Kind::Hogs(1), None),
        Case::start("throttled", &Kind::Hogs(2), Some(20)),
        Case::start("switchers", &Kind::Switchers(200, 20), None),
    ];
    // Five of the agent's own windows; they are the event that is waited for.
    agent.query(TIME, began, OffsetDateTime::now_utc() + Duration::from_secs(5)).unwrap();
    for case in &mut cases {
        case.load.stop().unwrap();
    }
    // All threads are idle and still there: nothing moves between the two readings.
    for case in &mut cases {
        case.truth = oracle::process(case.load.pid).unwrap().since(&case.load.before);
        case.throttled_ns = oracle::throttled_ns(&case.pod).unwrap();
    }
    let ended = OffsetDateTime::now_utc();

    let ask = |metric| complete(&agent, metric, began, ended);
    let [time, latency, waiting, switches, throttled] = [TIME, LATENCY, WAIT, SWITCHES, THROTTLED].map(ask);

    let mut comparison = Comparison::default();
    for Case { name, pod, truth, throttled_ns, .. } in &cases {
        comparison.usage(name, truth, &latency, &time, pod);
        let mut check =
            |what, truth, reported, slack| comparison.check(name, what, truth, reported, 0.01, slack);
        let delay = seconds(truth.run_delay_ns);
        check("run-queue time, s", delay, value(&waiting, pod, "increase", None), 0.002);
        let kinds = [("voluntary", truth.voluntary), ("involuntary", truth.involuntary)];
        for (kind, count) in kinds {
            check(kind, count as f64, value(&switches, pod, "increase", Some(kind)), 10.0);
        }
        check("throttled, s", seconds(*throttled_ns), value(&throttled, pod, "increase", None), 0.002);
    }
    comparison.end();

    // Told apart: only the pod with a quota has waited for one.
    for Case { name, pod, .. } in &cases {
        let quota = value(&waiting, pod, "increase", Some("quota"));
        assert_eq!(quota > 0.1, *name == "throttled", "{name} waited {quota} s for quota");
    }
}
