//! Waiting for a quota, beside the cgroup's own throttled time.

use std::{
    thread,
    time::{Duration, Instant},
};

use rajut_tests::{
    load::{Kind, Load},
    oracle,
    pod::FakePod,
};
use time::OffsetDateTime;

use super::measure::{Comparison, LATENCY, TIME, WAIT, agent, at_rest, complete, seconds, value};

/// How long they work.
const WORK: Duration = Duration::from_secs(4);

/// A pod, its load, what it waited for, and what the kernel says.
struct Bound {
    name: &'static str,
    pod: FakePod,
    load: Load,
}

impl Bound {
    fn new(name: &'static str, kind: &Kind, quota: Option<u32>, cpu: Option<usize>) -> Bound {
        let pod = FakePod::new().unwrap();
        if let Some(percent) = quota {
            pod.set_quota(percent).unwrap();
        }
        let load = Load::start_idle(kind, &pod).unwrap();
        if let Some(cpu) = cpu {
            load.pin(cpu).unwrap();
        }
        Bound { name, pod, load }
    }
}

/// Seconds of a pod: what the kernel throttled it, what its threads waited in all, and the parts that were reported.
struct Seen {
    throttled: f64,
    waited: f64,
    quota: f64,
    contention: f64,
}

/// Lets them work for some seconds beside an agent.
fn work(bounds: &mut [Bound]) -> Vec<Seen> {
    work_while(bounds, |_| thread::sleep(WORK))
}

/// Lets them work beside an agent while something is done to them.
fn work_while(bounds: &mut [Bound], meanwhile: impl Fn(&[Bound])) -> Vec<Seen> {
    let agent = agent(&[]);
    let before: Vec<_> = bounds
        .iter()
        .map(|bound| (at_rest(bound.load.pid), oracle::throttled_ns(&bound.pod).unwrap()))
        .collect();
    let began = OffsetDateTime::now_utc();
    bounds.iter_mut().for_each(|bound| bound.load.go().unwrap());
    meanwhile(bounds);
    for bound in bounds.iter_mut() {
        bound.load.stop().unwrap();
    }
    let truth: Vec<_> = bounds.iter().map(|bound| at_rest(bound.load.pid)).collect();
    let throttled: Vec<_> = bounds.iter().map(|bound| oracle::throttled_ns(&bound.pod).unwrap()).collect();
    let ended = OffsetDateTime::now_utc();
    let waits = complete(&agent, WAIT, began, ended);
    let (latency, time) = (complete(&agent, LATENCY, began, ended), complete(&agent, TIME, began, ended));
    let mut comparison = Comparison::default();
    let mut seen = Vec::new();
    for (n, Bound { name, pod, .. }) in bounds.iter().enumerate() {
        let truth = truth[n].since(&before[n].0);
        comparison.usage(name, &truth, &latency, &time, pod);
        let part = |cause| value(&waits, pod, "increase", Some(cause));
        seen.push(Seen {
            throttled: seconds(throttled[n] - before[n].1),
            waited: seconds(truth.run_delay_ns),
            quota: part("quota"),
            contention: part("contention"),
        });
        let Seen { throttled, waited, quota, contention } = &seen[n];
        println!(
            "{name:<14} throttled {throttled:.6} s, waited {waited:.6} s = quota {quota:.6} + contention {contention:.6}"
        );
    }
    comparison.end();
    seen
}

#[test]
fn one_thread_waits_as_long_as_its_group_is_throttled() {
    let _root = super::root();
    let mut bounds = [Bound::new("alone", &Kind::Hogs(1), Some(20), Some(1))];
    let seen = work(&mut bounds);
    let mut comparison = Comparison::default();
    comparison.check("alone", "quota, s", seen[0].throttled, seen[0].quota, 0.03, 0.0);
    comparison.end();
}

#[test]
fn waiting_for_others_is_told_from_waiting_for_the_quota() {
    let _root = super::root();
    let mut bounds = [
        Bound::new("bound", &Kind::Hogs(1), Some(20), Some(1)),
        Bound::new("free-a", &Kind::Hogs(1), None, Some(1)),
        Bound::new("free-b", &Kind::Hogs(1), None, Some(1)),
    ];
    let seen = work(&mut bounds);
    let mut comparison = Comparison::default();
    comparison.check("bound", "quota, s", seen[0].throttled, seen[0].quota, 0.03, 0.0);
    comparison.end();
    for (bound, seen) in bounds.iter().zip(&seen).skip(1) {
        assert_eq!(seen.quota, 0.0, "{} has no quota to wait for", bound.name);
        assert!(seen.contention > 0.5, "{} waited for others", bound.name);
    }
}

/// The group's throttled time counts each CPU once, however many of its threads are held back there; so the threads'
/// waits are not its equal. What holds: a quota's part is never more than the wait, both parts are the wait, and all
/// threads together wait at most as long as the group was held back, times the threads.
#[test]
fn many_threads_under_one_quota() {
    const SPINNERS: u32 = 8;
    const SLEEPERS: u32 = 20;
    let _root = super::root();
    for (name, kind, threads, percent) in [
        ("spinners", Kind::Hogs(SPINNERS), SPINNERS, 50),
        ("sleepers", Kind::Sleepers(SLEEPERS), SLEEPERS, 2),
    ] {
        let seen = work(&mut [Bound::new(name, &kind, Some(percent), None)]);
        let Seen { throttled, waited, quota, contention } = seen[0];
        assert!(throttled > 0.5 && quota > 0.0, "{name}: the quota was felt");
        let (all, most) = (quota + contention, throttled * f64::from(threads));
        assert!(
            (all - waited).abs() <= (waited * 0.01).max(0.002),
            "{name}: {all} s of {waited} s have a cause"
        );
        assert!(quota <= waited * 1.005, "{name}: {quota} s of {waited} s for the quota");
        assert!(quota <= most * 1.03, "{name}: {quota} s for the quota, {most} s at most");
    }
}

/// With threads that go from queue to queue while these are throttled, and neighbours on all of them.
#[test]
fn every_wait_of_threads_that_are_moved_has_a_cause() {
    let _root = super::root();
    let mut bounds = [
        Bound::new("bound", &Kind::Movers(3), Some(40), None),
        Bound::new("free", &Kind::Movers(3), None, None),
    ];
    let seen = work(&mut bounds);
    let Seen { throttled, waited, quota, contention } = seen[0];
    assert!((quota + contention - waited).abs() <= (waited * 0.01).max(0.002), "every wait has a cause");
    assert!(quota > 0.3 * throttled && quota <= throttled * 4.0 * 1.03, "{quota} s, throttled {throttled} s");
    assert_eq!(seen[1].quota, 0.0, "the free one has no quota to wait for");
}

/// A thread that is moved to another CPU while it is throttled. Nobody competes with it, so all that it waits, it waits
/// for the quota; the agent knows the part before the first move. A busy neighbour takes from that: three times to try.
#[test]
fn what_was_waited_on_another_cpu_is_the_quotas_too() {
    let _root = super::root();
    let shares = (0..3).map(|_| {
        let mut bounds = [Bound::new("moved", &Kind::Hogs(1), Some(20), Some(0))];
        let seen = work_while(&mut bounds, |bounds| {
            let began = Instant::now();
            for cpu in [1, 0].into_iter().cycle().take_while(|_| began.elapsed() < WORK) {
                bounds[0].load.pin(cpu).unwrap();
                thread::sleep(Duration::from_millis(7));
            }
        });
        println!("moved          quota is {:.4} of what was waited", seen[0].quota / seen[0].waited);
        seen[0].quota / seen[0].waited
    });
    let seen: Vec<f64> = shares.take_while(|share| *share <= 0.5).collect();
    assert!(seen.len() < 3, "{seen:?}");
}
