//! The agent stopped, and killed.

use std::{thread, time::Duration};

use rajut_tests::{
    agent::{Agent, instant},
    load::{Kind, Load},
    pod::FakePod,
    programs, wait_for,
};
use rustix::process::Signal;
use serde_json::Value;
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, SWITCHES, TIME, agent, at_rest, complete, rows, settled, value};

#[test]
fn an_agent_that_was_stopped_has_one_long_window_and_lost_nothing() {
    const STOPPED: Duration = Duration::from_secs(10);
    let _root = super::root();
    let agent = agent(&[]);
    let pods = [FakePod::new().unwrap(), FakePod::new().unwrap()];
    let kinds = [Kind::Hogs(3), Kind::Switchers(50, 50)];
    let mut loads: Vec<Load> =
        kinds.iter().zip(&pods).map(|(kind, pod)| Load::start_idle(kind, pod).unwrap()).collect();
    let before: Vec<_> = loads.iter().map(|load| at_rest(load.pid)).collect();
    // How they came about is in a window of its own.
    settled(&agent);
    let began = OffsetDateTime::now_utc();
    loads.iter_mut().for_each(|load| load.go().unwrap());
    settled(&agent);
    agent.signal(Signal::STOP).unwrap();
    thread::sleep(STOPPED);
    agent.signal(Signal::CONT).unwrap();
    settled(&agent);
    loads.iter_mut().for_each(|load| _ = load.stop().unwrap());
    let truth: Vec<_> =
        loads.iter().zip(&before).map(|(load, before)| at_rest(load.pid).since(before)).collect();
    let ended = OffsetDateTime::now_utc();

    // Asserts that nothing is lost.
    let [latency, time, switches] =
        [LATENCY, TIME, SWITCHES].map(|metric| complete(&agent, metric, began, ended));
    let gaps = latency["gaps"].as_array().unwrap();
    println!("gaps: {gaps:?}");
    let late: Vec<Duration> = gaps
        .iter()
        .filter(|gap| gap["reason"] == "late")
        .map(|gap| (instant(&gap["end"]).unwrap() - instant(&gap["start"]).unwrap()).unsigned_abs())
        .collect();
    // A slow machine may add a late window of its own, but not one like this.
    let long = late.iter().filter(|length| **length >= STOPPED - Duration::from_secs(1)).count();
    assert_eq!((long, late.len(), gaps.len()), (1, late.len(), late.len()), "{late:?}");

    let mut comparison = Comparison::default();
    for ((name, pod), truth) in ["hogs", "switchers"].into_iter().zip(&pods).zip(&truth) {
        comparison.usage(name, truth, &latency, &time, pod);
        for (kind, count) in [("voluntary", truth.voluntary), ("involuntary", truth.involuntary)] {
            let reported = value(&switches, pod, "increase", Some(kind));
            comparison.check(name, kind, count as f64, reported, 0.01, 10.0);
        }
    }
    comparison.end();
}

#[test]
fn a_killed_agent_leaves_nothing_and_the_next_begins_anew() {
    let _root = super::root();
    let mut agent = agent(&[]);
    let pod = FakePod::new().unwrap();
    let load = Load::start(&Kind::Hogs(1), Some(&pod)).unwrap();
    settled(&agent);
    let held = programs::held_by(agent.pid()).unwrap();
    println!("programs: {:?}", held.iter().map(|program| &program.name).collect::<Vec<_>>());
    assert!(held.iter().any(|program| program.name == "sched_switch_ex"), "{held:?}");
    let first = agent.json(&["status"]).unwrap();

    agent.kill().unwrap();
    // The kernel frees programs some time after the last descriptor is closed.
    wait_for("every program is gone", Duration::from_secs(10), || {
        held.iter().all(|program| programs::find(program.id).unwrap().is_none()).then_some(())
    })
    .unwrap();
    assert!(agent.socket.exists(), "a killed agent cannot take its socket away");
    // No answer, and said so.
    let output = agent.run(&["status"]).unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");

    let restarted = OffsetDateTime::now_utc();
    agent.start_again().unwrap();
    settled(&agent);
    let second = agent.json(&["status"]).unwrap();
    assert_ne!(first["instance"], second["instance"]);
    assert_eq!(first["boot_id"], second["boot_id"]);
    let started = |status: &Value| instant(&status["started_at"]).unwrap();
    assert!(started(&second) >= restarted && started(&first) < restarted, "{first} {second}");
    begins_anew(&agent, &pod, &first, restarted);
    drop(load);
}

/// The hog's time from before is not in the new agent's numbers, and the time without an agent is missing in-band.
fn begins_anew(agent: &Agent, pod: &FakePod, first: &Value, restarted: OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    let answer = agent.query(TIME, restarted - Duration::from_secs(5), now).unwrap();
    assert_eq!(answer["complete"], false, "the seconds before are missing: {}", answer["gaps"]);
    let (reported, most) = (value(&answer, pod, "increase", None), (now - restarted).as_seconds_f64() + 1.0);
    println!("hog: {reported:.3} s since the restart {most:.3} s ago; gaps {}", answer["gaps"]);
    assert!(reported > 0.1 && reported <= most, "{reported} s in {most} s");
    assert!(!rows(&answer).is_empty());
    let runs = |status: &Value| status["probes"][0]["runs"].as_u64().unwrap();
    let again = agent.json(&["status"]).unwrap();
    println!("runs: {} of the first, {} of the second", runs(first), runs(&again));
}
