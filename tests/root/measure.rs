//! What the tests have in common: a stretch of time that the agent saw from end to end, and truth beside report.

use std::{fs, thread, time::Duration};

use rajut_tests::{agent::Agent, load::Usage, oracle, pod::FakePod, wait_for};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use time::OffsetDateTime;

pub(crate) const LATENCY: &str = "rajut.cpu.run_queue.latency";
pub(crate) const WAIT: &str = "rajut.cpu.run_queue.time";
pub(crate) const TIME: &str = "rajut.cpu.time";
pub(crate) const SWITCHES: &str = "rajut.cpu.context_switches";
pub(crate) const THROTTLED: &str = "rajut.cpu.throttled.time";

/// An agent that has closed its first window: whatever begins now is complete.
pub(crate) fn agent(args: &[&str]) -> Agent {
    let agent = Agent::start(args).unwrap();
    settled(&agent);
    agent
}

/// Waits until the agent has closed a window that ends after now.
pub(crate) fn settled(agent: &Agent) {
    let now = OffsetDateTime::now_utc();
    agent.query(TIME, now - Duration::from_secs(1), now).unwrap();
}

/// A metric over a stretch in which nothing was lost.
#[track_caller]
pub(crate) fn complete(agent: &Agent, metric: &str, from: OffsetDateTime, to: OffsetDateTime) -> Value {
    let answer = agent.query(metric, from, to).unwrap();
    assert_eq!(answer["complete"], true, "{metric} is incomplete: {}", answer["gaps"]);
    answer
}

/// The rows of an answer.
pub(crate) fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().map_or(&[], Vec::as_slice)
}

/// The value that a pod's rows have in an answer, summed over attributes; attribute values can be picked.
pub(crate) fn value(answer: &Value, pod: &FakePod, field: &str, attribute: Option<&str>) -> f64 {
    let of_pod = rows(answer).iter().filter(|row| row["labels"]["pod"] == *pod.id().uid);
    sum(of_pod, field, attribute)
}

/// A field summed over rows.
pub(crate) fn sum<'a>(rows: impl Iterator<Item = &'a Value>, field: &str, attribute: Option<&str>) -> f64 {
    let wanted = |row: &&Value| {
        let attributes = row["attributes"].as_object().unwrap();
        attribute.is_none_or(|wanted| attributes.values().any(|value| value == wanted))
    };
    // Not `sum`: of nothing, that is -0.
    rows.filter(wanted).fold(0.0, |sum, row| sum + row[field].as_f64().unwrap())
}

pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// Pairs of truth and report; those that are too far apart fail the test together, at its end.
#[derive(Default)]
pub(crate) struct Comparison {
    wrong: Vec<String>,
}

impl Comparison {
    /// What is reported may be away from the truth by `share` of it, or by `slack` where that is more: an edge of the
    /// measured time has room for that much.
    pub(crate) fn check(&mut self, who: &str, what: &str, truth: f64, reported: f64, share: f64, slack: f64) {
        let ratio = if truth == 0.0 { 1.0 } else { reported / truth };
        let line = format!("{who:<14} {what:<22} true {truth:>16.6}  reported {reported:>16.6}  {ratio:.4}");
        println!("{line}");
        if (reported - truth).abs() > (truth * share).max(slack) {
            self.wrong.push(line);
        }
    }

    /// Within a hundredth, or a slack as narrow as an edge is: 2 ms, 10 events.
    pub(crate) fn usage(&mut self, who: &str, truth: &Usage, latency: &Value, time: &Value, pod: &FakePod) {
        let delay = seconds(truth.run_delay_ns);
        self.check(
            who,
            "cpu time, s",
            seconds(truth.cpu_ns),
            value(time, pod, "increase", None),
            0.01,
            0.002,
        );
        self.check(who, "waited, s", delay, value(latency, pod, "sum", None), 0.01, 0.002);
        self.check(who, "waits", truth.timeslices as f64, value(latency, pod, "count", None), 0.01, 10.0);
    }

    #[track_caller]
    pub(crate) fn end(self) {
        assert!(self.wrong.is_empty(), "too far apart:\n{}", self.wrong.join("\n"));
    }
}

/// What the threads of an idle load have used so far, once they all sleep: two readings that say the same.
pub(crate) fn at_rest(pid: u32) -> Usage {
    let mut last = None;
    wait_for("rest", Duration::from_secs(20), || {
        thread::sleep(Duration::from_millis(40));
        let now = oracle::process(pid).unwrap();
        let same = last == Some(now);
        last = Some(now);
        same.then_some(now)
    })
    .unwrap()
}

/// Keeps this thread, and what it starts, off all CPUs but the first until this is dropped.
pub(crate) struct Confined(CpuSet);

impl Confined {
    pub(crate) fn to_first_cpu() -> Confined {
        let before = sched_getaffinity(None).unwrap();
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first).unwrap();
        Confined(before)
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// A value of a file of the kernel's until this is dropped.
pub(crate) struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    pub(crate) fn to(path: &'static str, value: &str) -> Setting {
        let before = fs::read_to_string(path).unwrap();
        fs::write(path, value).unwrap();
        Setting { path, before }
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = fs::write(self.path, self.before.trim());
    }
}

/// Sleeps until a whole second of UTC, which is where windows end.
pub(crate) fn window_end() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    let end = now.replace_nanosecond(0).unwrap() + Duration::from_secs(1);
    thread::sleep((end - now).unsigned_abs());
    end
}
