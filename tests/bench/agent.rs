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

    let alone = measure(&["--off", "memory"]);
    let all = measure(&[]);
    vec![
        Row::at_most(
            "agent.start_up",
            all.start_up * 1e3,
            "ms CPU",
            250.0,
            "CPU time of the process when its socket accepts",
        ),
        Row::at_most(
            "agent.collection.sched",
            alone.collection * 1e3,
            "ms CPU",
            2.0,
            "CPU time of the process by window of 1 s, 200 active cgroups, over 20 windows without a query; sched alone",
        ),
        Row::at_most(
            "agent.collection",
            all.collection * 1e3,
            "ms CPU",
            4.0,
            "the same with every probe; on a host with the memory controller on v1, memory is PSI alone here",
        ),
        Row::at_most(
            "agent.maps",
            all.maps / 1048576.0,
            "MiB",
            16.0,
            "memlock of every map, 2 CPUs, default bounds",
        ),
        Row::at_most(
            "agent.rss.empty",
            all.resident / 1048576.0,
            "MiB",
            25.0,
            "resident memory as 200 cgroups were just seen",
        ),
    ]
}

/// What one agent costs.
struct Cost {
    start_up: f64,
    collection: f64,
    maps: f64,
    resident: f64,
}

fn measure(args: &[&str]) -> Cost {
    let agent = Agent::start(args).unwrap();
    let start_up = cpu(&agent);
    let status = agent.json(&["status"]).unwrap();
    // All cgroups have been seen; then a stretch in which nobody asks anything.
    wait_for("every cgroup is seen", Duration::from_secs(30), || {
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
    Cost {
        start_up,
        collection: (cpu(&agent) - before) / f64::from(WINDOWS),
        maps: status["self"]["maps_bytes"].as_f64().unwrap(),
        resident,
    }
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
