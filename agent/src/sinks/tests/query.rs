//! `QueryService` over a filled store.

use rajut_proto::v1::{self as pb, query_service_server::QueryService};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{BEGIN, Rig, entity, gone};
use crate::{model::EntityId, probes::sched};

/// Three pods, ten seconds; pod `c` goes after the first.
fn filled() -> Rig {
    let rig = Rig::new(300);
    let (a, b, c) = (entity(10, 1, "a"), entity(20, 1, "b"), entity(30, 1, "c"));
    rig.second(&[(&a, 1), (&b, 2), (&c, 7)], &[&a, &b, &c]);
    rig.second(&[(&a, 1), (&b, 2)], &[&gone(&c)]);
    for _ in 2..10 {
        rig.second(&[(&a, 1), (&b, 2)], &[]);
    }
    rig
}

fn seconds(start: i64, end: i64) -> Option<pb::TimeRange> {
    let at = |s| Some(prost_types::Timestamp { seconds: BEGIN + s, nanos: 0 });
    Some(pb::TimeRange { start: at(start), end: at(end), last: None })
}

fn increase(row: &pb::Row, metric: &str) -> f64 {
    let value = row.values.iter().find(|v| v.metric == metric).expect("the metric");
    match &value.value {
        Some(pb::value::Value::Counter(counter)) => counter.increase,
        other => panic!("a counter, not {other:?}"),
    }
}

fn pod(row: &pb::Row) -> &str {
    row.labels.get("pod").map_or("", String::as_str)
}

#[tokio::test]
async fn entities_come_in_pages_by_rising_id() {
    let rig = filled();
    let queries = rig.queries();
    let mut got = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListEntitiesRequest { page_size: 2, page_token };
        let page = queries.list_entities(Request::new(request)).await.unwrap().into_inner();
        got.push(page.entities.iter().map(|e| e.id).collect::<Vec<_>>());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(got, [vec![10, 20], vec![30]], "living and remembered");

    let request = pb::ListEntitiesRequest { page_size: 3, page_token: String::new() };
    let page = queries.list_entities(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(page.next_page_token, "", "a full last page is the last");
    assert!(page.entities[2].gone_at.is_some());

    let request = pb::ListEntitiesRequest { page_size: 2, page_token: "nonsense".into() };
    let status = queries.list_entities(Request::new(request)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "page_token: it is none that an agent gave out")
    );
}

#[tokio::test]
async fn metrics_are_the_registry() {
    let answer = Rig::new(300).queries().list_metrics(Request::new(pb::ListMetricsRequest {})).await;
    let metrics = answer.unwrap().into_inner().metrics;
    assert_eq!(metrics.len(), crate::probes::metrics().count());
    assert_eq!(metrics[0].probe, "sched");
}

#[tokio::test]
async fn status_is_answered_without_the_desk() {
    let mut rig = Rig::new(300);
    rig.config.queries = 0;
    let queries = rig.queries();
    let status = queries.get_status(Request::new(pb::GetStatusRequest {})).await.unwrap().into_inner();
    assert_eq!(status.node, "n1");
    let busy = queries.list_metrics(Request::new(pb::ListMetricsRequest {})).await.unwrap_err();
    assert_eq!(busy.code(), Code::ResourceExhausted);
    assert!(busy.get_details_retry_info().is_some());
}

#[tokio::test]
async fn a_summary_ranks_by_cpu_time_and_waiting() {
    let queries = filled().queries();
    let ask = async |limit, by: &[&str]| {
        let request = pb::SummarizeRequest {
            range: seconds(0, 10),
            limit,
            by: by.iter().map(|b| (*b).to_owned()).collect(),
            ..Default::default()
        };
        queries.summarize(Request::new(request)).await.unwrap().into_inner()
    };
    let all = ask(0, &[]).await;
    assert!(all.complete);
    let got: Vec<_> = all.rows.iter().map(|r| (pod(r), r.entity, increase(r, sched::TIME))).collect();
    assert_eq!(got, [("b", 20, 20.0), ("a", 10, 10.0), ("c", 30, 7.0)]);

    let cut = ask(1, &[]).await;
    assert_eq!(cut.rows.len(), 2);
    assert_eq!(
        cut.rows[1].labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(),
        [("cgroup", "other")]
    );
    assert_eq!(increase(&cut.rows[1], sched::TIME), 17.0);

    let folded = ask(0, &["namespace"]).await;
    assert_eq!(folded.rows.len(), 1);
    assert_eq!((folded.rows[0].entity, increase(&folded.rows[0], sched::TIME)), (0, 37.0));
}

#[tokio::test]
async fn a_query_groups_filters_and_keeps_its_range() {
    let queries = filled().queries();
    let ask = async |range, by: &[&str], filter: &[(&str, &str)]| {
        let matcher = |(k, v): &(&str, &str)| pb::Matcher { key: (*k).into(), value: (*v).into() };
        let request = pb::QueryRequest {
            metric: sched::WAIT.into(),
            range,
            by: by.iter().map(|b| (*b).to_owned()).collect(),
            r#where: filter.iter().map(matcher).collect(),
            ..Default::default()
        };
        queries.query(Request::new(request)).await
    };
    let answer = ask(seconds(2, 4), &["pod"], &[]).await.unwrap().into_inner();
    let got: Vec<_> = answer.rows.iter().map(|r| (pod(r), increase(r, sched::WAIT))).collect();
    assert_eq!(got, [("a", 2.0), ("b", 4.0)]);
    assert_eq!(answer.window.unwrap().start.unwrap().seconds, BEGIN + 2);

    let answer = ask(seconds(0, 10), &["cause"], &[("pod", "c")]).await.unwrap().into_inner();
    let got: Vec<_> = answer.rows.iter().map(|r| increase(r, sched::WAIT)).collect();
    assert_eq!(got, [3.5, 3.5], "a pod that is gone is remembered");

    let answer = ask(seconds(0, 10), &[], &[("pod", "nobody")]).await.unwrap().into_inner();
    assert!(answer.rows.is_empty());

    // Without a range: the last minute, as far as there is one.
    let answer = ask(None, &["cause"], &[("cause", "quota")]).await.unwrap().into_inner();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(increase(&answer.rows[0], sched::WAIT), 10.0 * 1.5 + 3.5);

    // Without an end: up to the newest window, and complete.
    let open = pb::TimeRange { end: None, ..seconds(8, 0).unwrap() };
    let answer = ask(Some(open), &["pod"], &[("pod", "a")]).await.unwrap().into_inner();
    assert!(answer.complete);
    assert_eq!(increase(&answer.rows[0], sched::WAIT), 2.0);
}

#[tokio::test]
async fn every_wrong_question_has_its_code() {
    let queries = filled().queries();
    let base = pb::QueryRequest { metric: sched::TIME.into(), range: seconds(0, 5), ..Default::default() };
    let by = |word: &str| vec![word.to_owned()];
    for (request, code, says) in [
        (
            pb::QueryRequest { metric: "rajut.cpu.tim".into(), ..base.clone() },
            Code::InvalidArgument,
            "`rajut.cpu.time`",
        ),
        (pb::QueryRequest { by: by("pods"), ..base.clone() }, Code::InvalidArgument, "`pod`"),
        (pb::QueryRequest { quantiles: vec![f64::NAN], ..base.clone() }, Code::InvalidArgument, "NaN"),
        (pb::QueryRequest { range: seconds(5, 5), ..base.clone() }, Code::InvalidArgument, "empty"),
        (
            pb::QueryRequest { range: seconds(-900_000, -800_000), ..base.clone() },
            Code::OutOfRange,
            "nothing is stored",
        ),
        (
            pb::QueryRequest { range: seconds(900_000, 900_001), ..base.clone() },
            Code::OutOfRange,
            "nothing is stored",
        ),
    ] {
        let status = queries.query(Request::new(request)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(says), "{status}");
    }
    let empty = Rig::new(300).queries().query(Request::new(base)).await.unwrap_err();
    assert!(matches!(empty.code(), Code::OutOfRange | Code::InvalidArgument), "{empty}");
}

#[tokio::test]
async fn reserved_ids_page_like_others() {
    let rig = Rig::new(300);
    let kernel = entity(EntityId::KERNEL.0, 1, "k");
    rig.second(&[(&kernel, 1)], &[&kernel]);
    let request = pb::ListEntitiesRequest { page_size: 1, page_token: String::new() };
    let page = rig.queries().list_entities(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((page.entities[0].id, page.next_page_token.as_str()), (u64::MAX, ""));
}
