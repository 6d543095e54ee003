//! `sched`: what the agent says about pods that compete for the CPU, beside what the kernel says about their threads.

use std::time::Duration;

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load, Usage},
    oracle,
    pod::FakePod,
};
use serde_json::Value;
use time::OffsetDateTime;

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

/// The value that a pod's rows have in an answer, summed over attributes; attribute values can be picked.
fn value(answer: &Value, pod: &FakePod, field: &str, attribute: Option<&str>) -> f64 {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter()
        .filter(|row| row["labels"]["pod"] == *pod.id().uid)
        .filter(|row| {
            let attributes = row["attributes"].as_object().unwrap();
            attribute.is_none_or(|wanted| attributes.values().any(|value| value == wanted))
        })
        .map(|row| row[field].as_f64().unwrap())
        .sum()
}

/// One line of the comparison: what is reported may be away from the truth by a hundredth, or by `slack` where that
/// is more: an edge of the measured time has room for that much.
fn compare(pod: &str, what: &str, truth: f64, reported: f64, slack: f64) -> Option<String> {
    let ratio = if truth == 0.0 { 1.0 } else { reported / truth };
    let line = format!("{pod:<10} {what:<22} true {truth:>14.6}  reported {reported:>14.6}  {ratio:.4}");
    println!("{line}");
    ((reported - truth).abs() > (truth * 0.01).max(slack)).then_some(line)
}

#[test]
fn four_pods_agree_with_the_kernel() {
    let _root = super::root();
    let agent = Agent::start::<&str>([]).unwrap();
    // What began before the agent's first window cannot be complete.
    let served = OffsetDateTime::now_utc();
    agent.query("rajut.cpu.time", served - Duration::from_secs(1), served).unwrap();
    let began = OffsetDateTime::now_utc();

    let mut cases = [
        Case::start("hogs-a", &Kind::Hogs(2), None),
        Case::start("hogs-b", &Kind::Hogs(1), None),
        Case::start("throttled", &Kind::Hogs(2), Some(20)),
        Case::start("switchers", &Kind::Switchers(200, 20), None),
    ];
    // Five of the agent's own windows; they are the event that is waited for.
    agent.query("rajut.cpu.time", began, OffsetDateTime::now_utc() + Duration::from_secs(5)).unwrap();
    for case in &mut cases {
        case.load.stop().unwrap();
    }
    // All threads are idle and still there: nothing moves between the two readings.
    for case in &mut cases {
        case.truth = oracle::process(case.load.pid).unwrap().since(&case.load.before);
        case.throttled_ns = oracle::throttled_ns(&case.pod).unwrap();
    }
    let ended = OffsetDateTime::now_utc();

    let ask = |metric| agent.query(metric, began, ended).unwrap();
    let time = ask("rajut.cpu.time");
    let latency = ask("rajut.cpu.run_queue.latency");
    let waiting = ask("rajut.cpu.run_queue.time");
    let switches = ask("rajut.cpu.context_switches");
    let throttled = ask("rajut.cpu.throttled.time");
    for answer in [&time, &latency, &waiting, &switches, &throttled] {
        assert_eq!(answer["complete"], true, "{} is incomplete: {}", answer["metric"], answer["gaps"]);
    }

    let seconds = |ns: u64| ns as f64 / 1e9;
    let mut wrong = Vec::new();
    for Case { name, pod, truth, throttled_ns, .. } in &cases {
        let mut check =
            |what, truth, reported, slack| wrong.extend(compare(name, what, truth, reported, slack));
        check("cpu time, s", seconds(truth.cpu_ns), value(&time, pod, "increase", None), 0.002);
        let delay = seconds(truth.run_delay_ns);
        check("run-queue latency, s", delay, value(&latency, pod, "sum", None), 0.002);
        check("run-queue time, s", delay, value(&waiting, pod, "increase", None), 0.002);
        check("waits", truth.timeslices as f64, value(&latency, pod, "count", None), 10.0);
        let kinds = [("voluntary", truth.voluntary), ("involuntary", truth.involuntary)];
        for (kind, count) in kinds {
            check(kind, count as f64, value(&switches, pod, "increase", Some(kind)), 10.0);
        }
        check("throttled, s", seconds(*throttled_ns), value(&throttled, pod, "increase", None), 0.002);
    }
    assert!(wrong.is_empty(), "more than 1 % apart:\n{}", wrong.join("\n"));

    // Told apart: only the pod with a quota has waited for one.
    for Case { name, pod, .. } in &cases {
        let quota = value(&waiting, pod, "increase", Some("quota"));
        assert_eq!(quota > 0.1, *name == "throttled", "{name} waited {quota} s for quota");
    }
}
