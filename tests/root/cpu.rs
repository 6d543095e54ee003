//! CPU time of threads that never leave the CPU, beside their own clocks, over a window that ends while they run.

use std::{fs, time::Duration};

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load},
    oracle,
    pod::FakePod,
    sys::process_cpu_time,
};

use time::OffsetDateTime;

use super::measure::{Comparison, Confined, Setting, TIME, agent, complete, rows, sum, value, window_end};

/// Windows that are measured.
const WINDOWS: u32 = 4;
/// A scheduler tick, which is as exact as the moment of reading is, at the slowest that kernels are built with.
const TICK: f64 = 0.01;

struct Runner {
    name: &'static str,
    pod: FakePod,
    load: Load,
}

/// A thread that is alone on the last CPU: everything that the test starts is kept off it.
fn fair(cpu: usize) -> Runner {
    let pod = FakePod::new().unwrap();
    let load = Load::start(&Kind::Hogs(1), Some(&pod)).unwrap();
    load.pin(cpu).unwrap();
    Runner { name: "fair", pod, load }
}

/// In the v2 cgroup only: a v1 cpu cgroup has no real-time budget.
fn fifo(cpu: usize) -> Runner {
    let pod = FakePod::new().unwrap();
    let load = Load::start_in(&Kind::FifoHog, &[pod.unified_dir()]).unwrap();
    load.pin(cpu).unwrap();
    Runner { name: "fifo", pod, load }
}

fn measure(agent: &Agent, runners: &[Runner]) {
    let read = || -> Vec<_> {
        runners
            .iter()
            .map(|runner| {
                let clock = process_cpu_time(runner.load.pid).unwrap().as_secs_f64();
                (clock, oracle::process(runner.load.pid).unwrap())
            })
            .collect()
    };
    let began = window_end();
    let before = read();
    let mut ended = began;
    while ended - began < Duration::from_secs(u64::from(WINDOWS)) {
        ended = window_end();
    }
    let after = read();
    let answer = complete(agent, TIME, began, ended);
    let mut comparison = Comparison::default();
    for (n, Runner { name, pod, .. }) in runners.iter().enumerate() {
        let truth = after[n].0 - before[n].0;
        let used = after[n].1.since(&before[n].1);
        println!("{name:<14} left the CPU {} times in {WINDOWS} s", used.voluntary + used.involuntary);
        assert!(truth > 0.2, "{name} ran");
        comparison.check(
            name,
            "cpu time, s",
            truth,
            value(&answer, pod, "increase", None),
            0.01,
            truth * 0.01 + TICK,
        );
    }
    comparison.end();
}

#[test]
fn a_thread_that_never_leaves_the_cpu_is_billed_as_it_runs() {
    let _root = super::root();
    let _confined = Confined::to_first_cpu();
    // Else the kernel takes the CPU from a real-time thread now and then.
    let _unbounded = Setting::to("/proc/sys/kernel/sched_rt_runtime_us", "-1");
    let last = last_cpu();
    let agent = agent(&[]);
    measure(&agent, &[fair(last)]);
    measure(&agent, &[fifo(last)]);
    // On two CPUs, the fair one shares its own with the test.
    measure(&agent, &[fifo(last), fair(0)]);
}

#[test]
fn the_agent_bills_itself() {
    let _root = super::root();
    let agent = agent(&[]);
    let read = || process_cpu_time(agent.pid()).unwrap().as_secs_f64();
    let began = window_end();
    let before = read();
    // Questions, so that there is something to bill.
    while OffsetDateTime::now_utc() - began < Duration::from_secs(3) {
        agent.json(&["query", TIME]).unwrap();
    }
    let ended = window_end();
    let truth = read() - before;
    let answer = complete(&agent, TIME, began, ended);
    let own = rows(&answer).iter().filter(|row| row["labels"]["cgroup"] == "rajut");
    let mut comparison = Comparison::default();
    // The window's own end is the agent's work: that of one window more or less.
    comparison.check("rajut", "cpu time, s", truth, sum(own, "increase", None), 0.03, TICK);
    comparison.end();
}

fn last_cpu() -> usize {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    online.trim().rsplit(['-', ',']).next().unwrap().parse().unwrap()
}
