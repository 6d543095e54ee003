//! The sinks as a whole. Fixtures first; the rest is by subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod query;
mod serve;
mod unread;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use tokio::sync::watch as cell;

use super::{Config, View, counts::Counts, desk::Desk, query::Queries, unsent::Unsent, watch::Watches};
use crate::{
    model::{Entity, EntityId, Label, Labels, Sample, Utc, Values, Window},
    probes::{Column, sched},
    status::{Bill, ProbeState, ProbeStatus, Status, StatusCell},
    store::{self, Store},
};

/// The second at which the history of a rig begins.
pub(super) const BEGIN: i64 = 1_700_000_000;
const SECOND: i64 = 1_000_000_000;

/// A state with one probe that works.
pub(super) fn status() -> Status {
    Status {
        node: "n1".into(),
        boot_id: "b-1".into(),
        instance: "i-1".into(),
        version: "0.0.0",
        started_at: UNIX_EPOCH + Duration::from_secs(5),
        probes: vec![ProbeStatus {
            name: sched::PROBE.name,
            state: ProbeState::On,
            programs: true,
            rung: "tp_btf sched_switch (exact)".into(),
            reason: String::new(),
            runs: 42,
            ns_per_run: Some(80.0),
            cpu_share: None,
        }],
        ledger: Vec::new(),
        bill: Bill { cpu_share: 0.01, rss: 1 << 20, maps_bytes: 4096 },
    }
}

/// An entity's record as of the begin.
pub(super) fn entity(id: u64, version: u32, pod: &str) -> Arc<Entity> {
    let labels =
        Labels::default().with(Label::Node, "n1").with(Label::Namespace, "shop").with(Label::Pod, pod);
    Arc::new(Entity { id: EntityId(id), version, valid_from: Utc(BEGIN * SECOND), gone_at: None, labels })
}

/// The same, gone.
pub(super) fn gone(entity: &Entity) -> Arc<Entity> {
    Arc::new(Entity { gone_at: Some(Utc((BEGIN + 1) * SECOND)), ..entity.clone() })
}

/// So many seconds of CPU time, and half of that each of both kinds of waiting.
pub(super) fn busy(seconds: u64) -> Values {
    let raw = seconds * 1_000_000_000;
    let column = |metric, value| Column::of(metric, value).expect("a column of the registry");
    let mut counters = vec![
        (column(sched::TIME, None), raw),
        (column(sched::WAIT, Some("contention")), raw / 2),
        (column(sched::WAIT, Some("quota")), raw / 2),
    ];
    counters.sort_unstable();
    Values { counters, ..Values::default() }
}

/// A store with what stands around it.
pub(super) struct Rig {
    pub(super) config: Config,
    pub(super) view: View,
    pub(super) counts: Counts,
    pub(super) stop: cell::Sender<bool>,
    head: cell::Sender<u64>,
}

impl Rig {
    /// An empty store that keeps so many seconds as they came.
    pub(super) fn new(fine: u64) -> Rig {
        let store = Store::new(store::Config { fine: Duration::from_secs(fine), ..store::Config::default() });
        let (head, seen) = cell::channel(0);
        let view = View { store, status: StatusCell::new(status()), head: seen };
        Rig { config: Config::default(), view, counts: Counts::default(), stop: cell::channel(false).0, head }
    }

    /// Adds the next second.
    pub(super) fn second(&self, rows: &[(&Arc<Entity>, u64)], changed: &[&Arc<Entity>]) {
        let start = Utc((BEGIN + i64::try_from(self.view.store.head()).unwrap()) * SECOND);
        let mut rows: Vec<_> = rows.iter().map(|(who, seconds)| (Arc::clone(who), busy(*seconds))).collect();
        rows.sort_by_key(|(who, _)| who.id);
        self.view.store.append(Sample {
            window: Window { start, end: start + Duration::from_secs(1) },
            rows,
            changed: changed.iter().map(|record| Arc::clone(record)).collect(),
            gaps: Vec::new(),
        });
        self.head.send_replace(self.view.store.head());
    }

    fn desk(&self) -> Desk {
        Desk::new(self.config.queries_running, self.config.queries, self.counts.clone())
    }

    /// The query service, without a network.
    pub(super) fn queries(&self) -> Queries {
        Queries::new(self.view.clone(), self.desk(), Unsent::new(self.config.answers))
    }

    /// The watch service, without a network.
    pub(super) fn watches(&self) -> Watches {
        let shutdown = self.stop.subscribe();
        Watches::new(&self.config, self.view.clone(), self.desk(), self.counts.clone(), shutdown)
    }
}
