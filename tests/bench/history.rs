//! What full rings cost: memory, and a query over gRPC. The clock is ours, so an hour passes at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rajut::{
    client::{Address, Client},
    model::{Entity, EntityId, Gauge, Histogram, Label, Labels, Sample, Utc, Values, Window},
    probes::{Column, Kind, columns},
    sinks::{self, View},
    status::{Bill, Status, StatusCell},
    store::{Config, Range, Selection, Store},
};
use rajut_proto::v1::{QueryRequest, TimeRange};

use crate::Row;

const PODS: u64 = 200;
/// Windows of one second: what the rings hold, and five minutes more, so that the first ones have been folded.
const SECONDS: i64 = 3600 + 600;

/// Memory of full rings, and the 99th percentile of a query.
pub(crate) fn rows() -> Vec<Row> {
    let before = resident();
    let store = full();
    let rings = resident() - before;
    let packed = store.bytes() as f64 / 1048576.0;
    let select = select(&store);
    let times = query(store);
    let quantile = |percent: usize| times[times.len() * percent / 100] * 1e3;
    vec![
        Row::beside(
            "store.full",
            rings / 1048576.0,
            "MiB",
            "growth of resident memory as 200 pods with every column fill 5 min of 1 s and 1 h of 10 s",
        ),
        Row::beside("store.bytes", packed, "MiB", "what of it are the windows themselves"),
        Row::beside(
            "store.select",
            select,
            "ns/row",
            "run-queue latency of 200 pods by pod, last minute: CPU time for each of its 12,000 stored rows",
        ),
        Row::at_most(
            "query.p99",
            quantile(99),
            "ms",
            5.0,
            "run-queue latency of 200 pods, last minute, gRPC on a unix socket, 500 calls",
        ),
        Row::beside("query.p50", quantile(50), "ms", "the same calls: what it takes when nothing else runs"),
    ]
}

fn full() -> Store {
    let store = Store::new(Config::default());
    let pods: Vec<Arc<Entity>> = (0..PODS)
        .map(|pod| {
            let labels = Labels::default()
                .with(Label::Node, "bench")
                .with(Label::Namespace, "shop")
                .with(Label::Pod, format!("pod-{pod}"))
                .with(Label::Container, "app");
            let id = EntityId(1000 + pod);
            Arc::new(Entity { id, version: 1, valid_from: Utc(0), gone_at: None, labels })
        })
        .collect();
    let start = Utc::now().0 / 1_000_000_000 - SECONDS;
    let mut noise = 1u64;
    for second in 0..SECONDS {
        let at = |second: i64| Utc((start + second) * 1_000_000_000);
        let rows = pods.iter().map(|pod| (Arc::clone(pod), values(&mut noise))).collect();
        let changed = if second == 0 { pods.clone() } else { Vec::new() };
        let window = Window { start: at(second), end: at(second + 1) };
        store.append(Sample { window, rows, changed, gaps: Vec::new() });
    }
    store
}

/// Numbers of a busy pod: a histogram with 25 buckets in use.
fn values(noise: &mut u64) -> Values {
    let mut next = || {
        *noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *noise >> 40
    };
    let mut values = Values::default();
    for (position, info) in columns().iter().enumerate() {
        let column = Column(u16::try_from(position).unwrap());
        match info.metric.kind {
            // Faults, limits and stalls are rare.
            Kind::Counter if !info.probe.has_programs() && next() % 8 > 0 => {
                values.counters.push((column, 0))
            }
            Kind::Counter => values.counters.push((column, next())),
            // Pages, up to 256 MiB.
            Kind::Gauge => values.gauges.push((column, Gauge::new(next() >> 8 << 12))),
            Kind::Histogram => {
                let slots: Vec<_> = (0..25).map(|step| (40 + step * 3, next() % 100 + 1)).collect();
                values.histograms.push((column, Histogram::new(slots, next())));
            }
        }
    }
    values
}

/// The same question as in [`query`], of the store alone.
fn select(store: &Store) -> f64 {
    const SELECTS: u64 = 100;
    let last = Duration::from_secs(60);
    let latency = Column::of(rajut::probes::sched::LATENCY, None).unwrap();
    let selection = Selection {
        range: Range::Last(last),
        columns: vec![latency],
        by: vec![Label::Pod],
        filter: Vec::new(),
    };
    let began = thread_time();
    for _ in 0..SELECTS {
        assert_eq!(store.select(&selection).unwrap().rows.len() as u64, PODS);
    }
    (thread_time() - began).as_nanos() as f64 / (SELECTS * last.as_secs() * PODS) as f64
}

/// CPU time of this thread: other load on the machine is not in it.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// How long each call took, seconds, rising.
fn query(store: Store) -> Vec<f64> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("bench.sock");
    runtime.block_on(async {
        let (_head, head) = tokio::sync::watch::channel(store.head());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let status = StatusCell::new(Status {
            node: "bench".into(),
            boot_id: String::new(),
            instance: "bench".into(),
            version: "",
            started_at: std::time::SystemTime::now(),
            probes: Vec::new(),
            ledger: Vec::new(),
            bill: Bill::default(),
        });
        let config = sinks::Config { socket: socket.clone(), ..sinks::Config::default() };
        let listener = sinks::bind(&config).await.unwrap();
        let server = tokio::spawn(listener.serve(View { store, status, head }, stopped));
        let mut client = Client::connect(&Address::Socket(socket)).await.unwrap().query;
        let request = QueryRequest {
            metric: rajut::probes::sched::LATENCY.to_owned(),
            range: Some(TimeRange {
                last: Some(Duration::from_secs(60).try_into().unwrap()),
                ..TimeRange::default()
            }),
            by: vec!["pod".to_owned()],
            ..QueryRequest::default()
        };
        let mut times = Vec::new();
        for _ in 0..500 {
            let began = Instant::now();
            let answer = client.query(request.clone()).await.unwrap().into_inner();
            times.push(began.elapsed().as_secs_f64());
            assert_eq!(answer.rows.len() as u64, PODS);
        }
        stop.send_replace(true);
        server.await.unwrap().unwrap();
        times.sort_by(f64::total_cmp);
        times
    })
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}
