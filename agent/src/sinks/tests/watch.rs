//! `WatchService`: order, resumption, loss, silence, bounds.

use std::{sync::Arc, time::Duration};

use pb::watch_response::Event;
use rajut_proto::v1::{self as pb, watch_service_server::WatchService};
use tokio::time::Instant;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::{Rig, entity, gone};
use crate::{model::Entity, probes::sched, sinks::watch::Watches};

type Messages = ReceiverStream<Result<pb::WatchResponse, Status>>;

async fn open(watches: &Watches, request: pb::WatchRequest) -> Messages {
    watches.watch(Request::new(request)).await.unwrap().into_inner()
}

async fn resume(watches: &Watches, resume_token: &str) -> Messages {
    open(watches, pb::WatchRequest { resume_token: resume_token.into(), ..Default::default() }).await
}

async fn next(messages: &mut Messages) -> (String, Event) {
    let message = messages.next().await.expect("the stream goes on").expect("a message");
    (message.resume_token, message.event.expect("an event"))
}

async fn snapshot(messages: &mut Messages) -> pb::Snapshot {
    match next(messages).await.1 {
        Event::Snapshot(snapshot) => snapshot,
        other => panic!("a snapshot, not {other:?}"),
    }
}

async fn delta(messages: &mut Messages) -> (String, pb::Delta) {
    match next(messages).await {
        (token, Event::Delta(delta)) => (token, delta),
        other => panic!("a delta, not {other:?}"),
    }
}

async fn lost(messages: &mut Messages) -> (String, u64) {
    match next(messages).await.1 {
        Event::Lost(lost) => (lost.source, lost.count),
        other => panic!("lost, not {other:?}"),
    }
}

fn ids(entities: &[pb::Entity]) -> Vec<(u64, u32)> {
    entities.iter().map(|e| (e.id, e.version)).collect()
}

fn rows(delta: &pb::Delta) -> Vec<u64> {
    delta.rows.iter().map(|row| row.entity).collect()
}

/// CPU seconds of the first row: tells windows apart.
fn mark(delta: &pb::Delta) -> f64 {
    let value = delta.rows[0].values.iter().find(|v| v.metric == sched::TIME).expect("cpu time");
    match &value.value {
        Some(pb::value::Value::Counter(counter)) => counter.increase,
        other => panic!("a counter, not {other:?}"),
    }
}

fn rig(fine: u64) -> (Rig, Arc<Entity>) {
    let rig = Rig::new(fine);
    let a = entity(10, 1, "a");
    rig.second(&[(&a, 1)], &[&a]);
    (rig, a)
}

#[tokio::test(start_paused = true)]
async fn snapshot_first_then_windows_with_the_records_they_need() {
    let (rig, a) = rig(300);
    let dead = entity(20, 1, "dead");
    rig.second(&[(&dead, 1)], &[&gone(&dead)]);
    let watches = rig.watches();
    let mut messages = open(&watches, pb::WatchRequest::default()).await;
    let first = snapshot(&mut messages).await;
    assert_eq!(first.node, "n1");
    assert_eq!(ids(&first.entities), [(10, 1)], "the living only");
    assert_eq!(first.metrics.len(), crate::probes::metrics().count());

    rig.second(&[(&a, 2)], &[]);
    let (_, d) = delta(&mut messages).await;
    assert_eq!((ids(&d.entities), rows(&d), mark(&d)), (vec![], vec![10], 2.0));
    assert!(d.complete && d.rows[0].labels.is_empty());

    let b = entity(30, 1, "b");
    rig.second(&[(&a, 3), (&b, 3)], &[&b]);
    let (_, d) = delta(&mut messages).await;
    assert_eq!((ids(&d.entities), rows(&d)), (vec![(30, 1)], vec![10, 30]));

    // A rename re-sends one record, once.
    let renamed = entity(10, 2, "a-renamed");
    rig.second(&[(&renamed, 4)], &[&renamed]);
    assert_eq!(ids(&delta(&mut messages).await.1.entities), [(10, 2)]);
    rig.second(&[(&renamed, 5)], &[&renamed]);
    assert_eq!(ids(&delta(&mut messages).await.1.entities), []);

    rig.second(&[(&renamed, 6)], &[&gone(&b)]);
    let (_, d) = delta(&mut messages).await;
    assert!(d.entities[0].gone_at.is_some());
    drop(messages);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_heartbeats() {
    let (rig, a) = rig(300);
    let mut messages = open(&rig.watches(), pb::WatchRequest::default()).await;
    snapshot(&mut messages).await;
    let begin = Instant::now();
    for beat in 1..=3 {
        let (token, event) = next(&mut messages).await;
        assert!(matches!(event, Event::Heartbeat(_)), "{event:?}");
        assert_eq!(token, "w1.i-1.1");
        assert_eq!(begin.elapsed().as_secs(), beat * 5, "by the paused clock");
    }
    // A window begins the silence anew.
    tokio::time::advance(Duration::from_secs(3)).await;
    rig.second(&[(&a, 1)], &[]);
    delta(&mut messages).await;
    assert!(matches!(next(&mut messages).await.1, Event::Heartbeat(_)));
    assert_eq!(begin.elapsed().as_secs(), 15 + 3 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_token_goes_on_where_it_was_left() {
    let (rig, a) = rig(300);
    let watches = rig.watches();
    let mut messages = open(&watches, pb::WatchRequest::default()).await;
    snapshot(&mut messages).await;
    rig.second(&[(&a, 2)], &[]);
    let (token, _) = delta(&mut messages).await;
    drop(messages);

    let b = entity(30, 1, "b");
    rig.second(&[(&a, 3), (&b, 1)], &[&b]);
    rig.second(&[(&a, 4)], &[&gone(&b)]);
    let mut messages = resume(&watches, &token).await;
    assert_eq!(ids(&snapshot(&mut messages).await.entities), [(10, 1)]);
    let (_, d) = delta(&mut messages).await;
    assert_eq!(mark(&d), 3.0);
    assert_eq!(ids(&d.entities), [(30, 1)], "dead by now, but the window has its values");
    let (last, d) = delta(&mut messages).await;
    assert_eq!((mark(&d), ids(&d.entities)), (4.0, vec![]));

    // Resumed at the head: nothing comes again.
    let mut messages = resume(&watches, &last).await;
    snapshot(&mut messages).await;
    rig.second(&[(&a, 5)], &[]);
    assert_eq!(mark(&delta(&mut messages).await.1), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_too_old_is_told_what_it_missed() {
    let (rig, a) = rig(10);
    for n in 2..=40 {
        rig.second(&[(&a, n)], &[]);
    }
    let mut messages = resume(&rig.watches(), "w1.i-1.1").await;
    snapshot(&mut messages).await;
    let (source, missed) = lost(&mut messages).await;
    assert_eq!(source, "history");
    // The first window after the gap, then each to the newest: missed and sent are all there were.
    for n in missed + 2..=40 {
        assert_eq!(mark(&delta(&mut messages).await.1), n as f64);
    }
    assert!(missed > 0 && missed < 39, "{missed}");
    assert!(matches!(next(&mut messages).await.1, Event::Heartbeat(_)));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_run_begins_at_the_head() {
    let (rig, a) = rig(300);
    let mut messages = resume(&rig.watches(), "w1.another-run.77").await;
    snapshot(&mut messages).await;
    assert_eq!(lost(&mut messages).await, ("history".into(), 0));
    rig.second(&[(&a, 9)], &[]);
    let (token, d) = delta(&mut messages).await;
    assert_eq!((mark(&d), token.as_str()), (9.0, "w1.i-1.2"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_skips_ahead_and_is_told() {
    let (rig, a) = rig(10);
    let mut messages = open(&rig.watches(), pb::WatchRequest::default()).await;
    snapshot(&mut messages).await;
    let renamed = entity(10, 2, "renamed");
    rig.second(&[(&renamed, 2)], &[&renamed]);
    for n in 3..=60 {
        rig.second(&[(&renamed, n)], &[]);
    }
    drop(a);
    let (mut missed, mut sent, mut named) = (0, 0, Vec::new());
    while missed + sent < 59 {
        match next(&mut messages).await.1 {
            Event::Lost(lost) => {
                assert_eq!(lost.source, "stream");
                missed += lost.count;
            }
            Event::Delta(delta) => {
                sent += 1;
                assert_eq!(mark(&delta), (1 + missed + sent) as f64, "in order");
                named.extend(ids(&delta.entities));
            }
            other => panic!("a window or a loss, not {other:?}"),
        }
    }
    assert!(missed > 0);
    assert_eq!(named, [(10, 2)], "the record that changed in a lost window comes with the next");
    let row = rig.counts.ledger().into_iter().find(|row| row.source == "grpc.watch").unwrap();
    assert_eq!((row.applied, row.dropped.get("stream")), (sent, Some(&missed)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_carries_what_was_asked_for() {
    let (rig, a) = rig(300);
    let request = pb::WatchRequest {
        metrics: vec![sched::TIME.into()],
        r#where: vec![pb::Matcher { key: "pod".into(), value: "a".into() }],
        ..Default::default()
    };
    let b = entity(30, 1, "b");
    rig.second(&[(&a, 1), (&b, 1)], &[&b]);
    let mut messages = open(&rig.watches(), request).await;
    let first = snapshot(&mut messages).await;
    assert_eq!((ids(&first.entities), first.metrics.len()), (vec![(10, 1)], 1));
    rig.second(&[(&a, 2), (&b, 2)], &[]);
    let (_, d) = delta(&mut messages).await;
    assert_eq!((rows(&d), d.rows[0].values.len()), (vec![10], 1));
    // It leaves what was asked for: told once, then silent; and the other one comes in.
    let (away, came) = (entity(10, 2, "z"), entity(30, 2, "a"));
    rig.second(&[(&away, 3), (&came, 3)], &[&away, &came]);
    let (_, d) = delta(&mut messages).await;
    assert_eq!((ids(&d.entities), rows(&d)), (vec![(10, 2), (30, 2)], vec![30]));
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_refused_at_once() {
    let (rig, _) = rig(300);
    let watches = rig.watches();
    let request = |metrics: &[&str], token: &str| pb::WatchRequest {
        metrics: metrics.iter().map(|m| (*m).to_owned()).collect(),
        resume_token: token.into(),
        ..Default::default()
    };
    for (request, says) in [
        (request(&[], "garbage"), "resume_token: it is none"),
        (request(&[], "w1.i-1.99"), "resume_token: it is ahead"),
        (request(&["rajut.cpu.tim"], ""), "did you mean `rajut.cpu.time`?"),
    ] {
        let status = watches.watch(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(says), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_a_place_comes_free() {
    let (mut rig, _) = rig(300);
    rig.config.streams = 1;
    let watches = rig.watches();
    let first = open(&watches, pb::WatchRequest::default()).await;
    let status = watches.watch(Request::new(pb::WatchRequest::default())).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().and_then(|r| r.retry_delay).is_some());
    drop(first);
    while watches.watch(Request::new(pb::WatchRequest::default())).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_agent_ends_the_stream() {
    let (rig, _) = rig(300);
    let mut messages = open(&rig.watches(), pb::WatchRequest::default()).await;
    snapshot(&mut messages).await;
    rig.stop.send_replace(true);
    let status = messages.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(messages.next().await.is_none());
}
