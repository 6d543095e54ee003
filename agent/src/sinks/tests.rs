//! The sinks as a whole. Fixtures first; the rest is by subject.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, UNIX_EPOCH};

use crate::{
    probes::sched,
    status::{Bill, ProbeState, ProbeStatus, Status},
};

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
