//! What a whole agent costs beside 200 pods: a process of its own, built in release.

use std::{fs, time::Duration};

use rajut_tests::{agent::Agent, wait_for};

use crate::{
    Row,
    load::{Cgroups, Sleeper},
};

/// Windows over which the cost of a collection is averaged.
const WINDOWS: u32 = 20;

/// Collection, start-up, maps, memory.
pub(crate) fn rows() -> Vec<Row> {
    let cgroups = Cgroups::new(200);
    let _sleepers: Vec<_> =
        cgroups.dirs.iter().map(|dir| Sleeper::start(dir, Duration::from_millis(57))).collect();

    let agent = Agent::start::<&str>([]).unwrap();
    let started = cpu(&agent);
    let status = agent.json(&["status"]).unwrap();
    let maps = status["self"]["maps_bytes"].as_f64().unwrap();

    // All pods have been seen; then a stretch in which nobody asks anything.
    wait_for("every pod is seen", Duration::from_secs(30), || {
        let answer = agent.json(&["query", "rajut.cpu.time", "--last", "2s"]).ok()?;
        let seen = answer["rows"]
            .as_array()?
            .iter()
            .filter(|row| row["labels"]["cgroup"].as_str().is_some_and(|path| path.contains("rajut-bench")));
        (seen.count() >= 200).then_some(())
    })
    .unwrap();
    let resident = rss(&agent);
    let before = cpu(&agent);
    std::thread::sleep(Duration::from_secs(u64::from(WINDOWS)));
    let each = (cpu(&agent) - before) / f64::from(WINDOWS);

    let records = status["ledger"].as_array().unwrap().iter().filter(|row| row["source"] == "ring").count();
    vec![
        Row::at_most(
            "agent.start_up",
            started * 1e3,
            "ms CPU",
            250.0,
            "CPU time of the process when its socket accepts",
        ),
        Row::at_most(
            "agent.collection",
            each * 1e3,
            "ms CPU",
            2.0,
            "CPU time of the process by window of 1 s, 200 active pods, over 20 windows without a query",
        ),
        Row::at_most(
            "agent.maps",
            maps / 1048576.0,
            "MiB",
            16.0,
            "memlock of every map, 2 CPUs, default bounds",
        ),
        Row::at_most(
            "agent.rss.empty",
            resident / 1048576.0,
            "MiB",
            25.0,
            "resident memory as 200 pods were just seen",
        ),
        Row::at_most(
            "agent.records",
            records as f64,
            "per event",
            0.0,
            "ring buffers that carry events to user space: there is none",
        ),
    ]
}

/// CPU time of all threads, seconds.
fn cpu(agent: &Agent) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let ns = tasks.filter_map(|task| {
        let schedstat = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<f64>().ok()
    });
    ns.sum::<f64>() / 1e9
}

fn rss(agent: &Agent) -> f64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", agent.pid())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}
