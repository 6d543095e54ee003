//! Clients that ask and do not read.

use hyper_util::rt::TokioIo;
use pb::watch_response::Event;
use prost::Message as _;
use rajut_proto::v1::{self as pb, query_service_server::QueryService as _};
use tokio::net::UnixStream;
use tonic::{Code, Request, codegen::http, transport::Endpoint};
use tower::ServiceExt as _;

use super::{Rig, entity, serve::Served};

#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_and_room_comes_free() {
    let mut rig = Rig::new(300);
    let many: Vec<_> = (0..200).map(|n| entity(100 + n, 1, "p")).collect();
    rig.second(&[], &many.iter().collect::<Vec<_>>());
    let ask = || Request::new(pb::ListEntitiesRequest::default());
    let answer = rig.queries().list_entities(ask()).await.unwrap().into_inner();
    rig.config.answers = 3 * answer.encoded_len();
    let served = Served::start(rig).await;

    // Takes the headers, and of each answer's body a byte.
    let socket = served.socket();
    let stingy = Endpoint::from_static("http://localhost")
        .initial_stream_window_size(1)
        .connect_with_connector(tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        }))
        .await
        .unwrap();
    let mut unread = Vec::new();
    for _ in 0..3 {
        let request = http::Request::post("http://localhost/rajut.v1.QueryService/ListEntities")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(tonic::body::Body::new("\0\0\0\0\0".to_owned()))
            .unwrap();
        let answer = stingy.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.headers().get("grpc-status"), None, "a body comes");
        unread.push(answer);
    }
    let mut client = served.client().await;
    for _ in 0..10 {
        let status = client.query.list_entities(ask()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        served.answers().await;
    }
    let ledger = served.rig.counts.ledger();
    let row = ledger.iter().find(|row| row.source == "grpc.queries").unwrap();
    assert_eq!((row.applied, row.dropped.get("too_many")), (3, Some(&10)));

    // A client that gives up one answer gives back its room.
    unread.pop();
    // More answers than there is room for, one by one: whoever reads does not keep it.
    for _ in 0..10 {
        while client.query.list_entities(ask()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    drop((unread, stingy));
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_it_only_windows() {
    let served = Served::start(Rig::new(10)).await;
    let mut client = served.client().await;
    let many: Vec<_> = (0..200).map(|n| entity(100 + n, 1, "p")).collect();
    let changed: Vec<_> = many.iter().collect();
    served.rig.second(&[], &changed);
    let mut stream =
        client.watch.watch(Request::new(pb::WatchRequest::default())).await.unwrap().into_inner();
    let rows: Vec<_> = many.iter().map(|who| (who, 1)).collect();
    // Until the buffers between the two are full, and the history has moved on past the stream.
    let row = || {
        let ledger = served.rig.counts.ledger();
        ledger.into_iter().find(|row| row.source == "grpc.watch").unwrap()
    };
    let mut appended = 0;
    let stuck = async {
        let mut before = u64::MAX;
        while before != row().applied {
            before = row().applied;
            for _ in 0..20 {
                served.rig.second(&rows, &[]);
                appended += 1;
                tokio::task::yield_now().await;
            }
        }
    };
    stuck.await;
    served.answers().await;

    // Now it reads: what it gets and what it is told it lost are all there was.
    let (mut sent, mut missed) = (0, 0);
    while sent + missed < appended {
        match stream.message().await.unwrap().unwrap().event.unwrap() {
            Event::Delta(_) => sent += 1,
            Event::Lost(lost) => {
                assert_eq!(lost.source, "stream");
                missed += lost.count;
            }
            Event::Snapshot(_) | Event::Heartbeat(_) => {}
        }
    }
    assert_eq!(sent + missed, appended);
    assert!(missed > 0);
    served.stop().await;
}
