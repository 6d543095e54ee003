//! Whose it was: pods that come and go under the same paths, and more of them than there are slots.

use std::{collections::BTreeMap, time::Duration};

use rajut_tests::{
    agent::Agent,
    load::{Kind, Load},
    oracle,
    pod::{FakePod, PodId},
    wait_for,
};
use serde_json::Value;
use time::OffsetDateTime;

use super::measure::{Comparison, TIME, agent, complete, rows, seconds, settled, sum};

/// What a pod did in its life.
struct Life {
    uid: String,
    name: String,
    cpu_s: f64,
    /// Whether it outlived a window, so that it must have a name.
    seen: bool,
}

/// Works in a pod for a moment; returns when nothing is left in it.
fn moment(pod: &FakePod) -> f64 {
    let load = Load::start(&Kind::Hogs(1), Some(pod)).unwrap();
    worked(pod);
    drop(load);
    seconds(oracle::cpu_ns(pod).unwrap())
}

fn worked(pod: &FakePod) {
    wait_for("20 ms of work", Duration::from_secs(30), || {
        (oracle::cpu_ns(pod).unwrap() > 20_000_000).then_some(())
    })
    .unwrap();
}

/// The row of an entity; the only one.
#[track_caller]
fn row(answer: &Value, entity: u64) -> &Value {
    let id = entity.to_string();
    let mut own = rows(answer).iter().filter(|row| row["entity"] == *id);
    let row = own.next().unwrap_or_else(|| panic!("no row for {id}: {answer}"));
    assert!(own.next().is_none(), "two rows for {id}");
    row
}

fn folded(agent: &Agent) -> u64 {
    let status = agent.json(&["status"]).unwrap();
    status["ledger"].as_array().unwrap().iter().map(|row| row["folded"].as_u64().unwrap()).sum()
}

#[test]
fn a_hundred_pods_under_four_paths_are_a_hundred_pods() {
    const PODS: usize = 100;
    let _root = super::root();
    let agent = agent(&[]);
    // A path has a pod's uid in it, and a uid has one name for ever.
    let paths: [PodId; 4] = std::array::from_fn(|_| PodId::unique());
    let began = OffsetDateTime::now_utc();
    let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
    for number in 0..PODS {
        let name = format!("web-{}", number % paths.len());
        let pod = FakePod::with_id(paths[number % paths.len()].clone()).unwrap();
        pod.set_names("shop", &name, "api").unwrap();
        let entity = pod.entity().unwrap();
        let cpu_s = moment(&pod);
        let seen = number % 25 == 0;
        if seen {
            settled(&agent);
        }
        let before = lives.insert(entity, Life { uid: pod.id().uid.clone(), name, cpu_s, seen });
        assert!(before.is_none(), "the kernel gave {entity} twice");
    }
    let ended = OffsetDateTime::now_utc();
    complete(&agent, TIME, began, ended);
    // And some windows later, when the last of them was found gone.
    settled(&agent);
    settled(&agent);
    let answer = complete(&agent, TIME, began, ended);

    let mut comparison = Comparison::default();
    let (mut named, mut all, mut reported_all) = (0, 0.0, 0.0);
    for (entity, life) in &lives {
        let row = row(&answer, *entity);
        let reported = row["increase"].as_f64().unwrap();
        match row["labels"]["pod"].as_str() {
            Some(pod) if pod == life.name => {
                let labels = (&row["labels"]["namespace"], &row["labels"]["container"]);
                assert_eq!(labels, (&"shop".into(), &"api".into()), "{row}");
                named += 1;
            }
            // Seen by its path, and over before its names were read; or not seen at all.
            Some(uid) => assert!(uid == life.uid && !life.seen, "{} is called {row}", life.name),
            None => assert!(!life.seen, "{} lived long enough for a name: {row}", life.name),
        }
        all += life.cpu_s;
        reported_all += reported;
        if (reported - life.cpu_s).abs() > (life.cpu_s * 0.01).max(0.004) {
            comparison.check(&life.name, "cpu time, s", life.cpu_s, reported, 0.01, 0.004);
        }
    }
    println!("{named} of {PODS} pods have their name, the others were over before a window was");
    comparison.check("all", "cpu time, s", all, reported_all, 0.01, 0.0);
    comparison.end();
    // Nobody else goes by these names.
    for row in rows(&answer).iter().filter(|row| row["labels"]["namespace"] == "shop") {
        let entity: u64 = row["entity"].as_str().unwrap().parse().unwrap();
        assert!(lives.contains_key(&entity), "{row}");
    }
}

/// An agent with room for what is there already, the fixed three, the host, and twelve pods.
fn narrow() -> Agent {
    let slots = oracle::cgroups().unwrap() + 16;
    agent(&["--slots", &slots.to_string()])
}

#[test]
fn slots_of_pods_that_are_gone_are_given_back() {
    let _root = super::root();
    let agent = narrow();
    let began = OffsetDateTime::now_utc();
    let mut lives = BTreeMap::new();
    for _ in 0..4 {
        let pods: Vec<FakePod> = (0..10).map(|_| FakePod::new().unwrap()).collect();
        for pod in &pods {
            lives.insert(pod.entity().unwrap(), moment(pod));
        }
        // They have been seen, and named.
        settled(&agent);
        drop(pods);
        // More than three windows.
        (0..4).for_each(|_| settled(&agent));
        println!("{} pods so far, folded {}", lives.len(), folded(&agent));
    }
    let answer = complete(&agent, TIME, began, OffsetDateTime::now_utc());
    assert_eq!(folded(&agent), 0);
    for (entity, cpu_s) in lives {
        let reported = row(&answer, entity)["increase"].as_f64().unwrap();
        assert!((reported - cpu_s).abs() <= 0.004, "{entity}: {reported} s, not {cpu_s}");
    }
}

#[test]
fn pods_without_a_slot_are_in_other_and_no_time_is_lost() {
    const PODS: usize = 40;
    let _root = super::root();
    let agent = narrow();
    let began = OffsetDateTime::now_utc();
    let pods: Vec<FakePod> = (0..PODS).map(|_| FakePod::new().unwrap()).collect();
    let mut loads: Vec<Load> =
        pods.iter().map(|pod| Load::start(&Kind::Hogs(1), Some(pod)).unwrap()).collect();
    pods.iter().for_each(worked);
    settled(&agent);
    settled(&agent);
    loads.iter_mut().for_each(|load| _ = load.stop().unwrap());
    let truth: f64 = pods.iter().map(|pod| seconds(oracle::cpu_ns(pod).unwrap())).sum();
    let answer = complete(&agent, TIME, began, OffsetDateTime::now_utc());

    let (other, own): (Vec<&Value>, Vec<&Value>) = rows(&answer)
        .iter()
        .filter(|row| row["labels"]["cgroup"] == "other" || !row["labels"]["pod"].is_null())
        .partition(|row| row["labels"]["cgroup"] == "other");
    let (other_s, own_s) =
        (sum(other.iter().copied(), "increase", None), sum(own.iter().copied(), "increase", None));
    println!(
        "{} pods have rows of their own with {own_s:.3} s; other has {other_s:.3} s; folded {}",
        own.len(),
        folded(&agent)
    );
    assert!(other.len() == 1 && other_s > 0.0 && own.len() < PODS);
    assert!(folded(&agent) > 0);
    let mut comparison = Comparison::default();
    comparison.check("pods and other", "cpu time, s", truth, own_s + other_s, 0.01, 0.0);
    comparison.end();
}
