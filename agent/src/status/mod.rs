//! What works, what was lost, what the agent costs: one snapshot of it.
//!
//! - *Takes*: counts from every room.
//! - *Gives*: a snapshot.
//! - *Never*: another room's types, I/O.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

/// The agent's state.
#[derive(Debug, Clone)]
pub struct Status {
    /// Node name.
    pub node: String,
    /// The kernel's boot id.
    pub boot_id: String,
    /// This run of the agent.
    pub instance: String,
    /// Version of the agent.
    pub version: &'static str,
    /// When it started.
    pub started_at: SystemTime,
    /// How its probes stand, in registry order.
    pub probes: Vec<ProbeStatus>,
    /// The loss ledger.
    pub ledger: Vec<LedgerRow>,
    /// What it costs.
    pub bill: Bill,
}

/// How a probe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeState {
    /// It measures.
    On,
    /// Switched off in the config.
    Off,
    /// This host lacks what it needs.
    Unsupported,
    /// It should work and does not.
    Broken,
}

/// One probe on this host.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeStatus {
    /// Its name in the registry.
    pub name: &'static str,
    /// How it stands.
    pub state: ProbeState,
    /// Whether programs in the kernel stand behind it; else it has only its files.
    pub programs: bool,
    /// The rung of the ladder that holds; empty when none does.
    pub rung: String,
    /// Why the better rungs, or all, do not hold; empty when the best does.
    pub reason: String,
    /// How often its programs ran.
    pub runs: u64,
    /// What one run costs, sampled by the program itself; `None` until sampled.
    pub ns_per_run: Option<f64>,
    /// Its share of one CPU over the last window; `None` until sampled.
    pub cpu_share: Option<f64>,
}

/// One line of the loss ledger: `offered = attempted + misses`, `attempted = applied + dropped + residual`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LedgerRow {
    /// Program or stage.
    pub source: String,
    /// Events that the kernel did not hand to the program.
    pub misses: u64,
    /// Events that reached the program or stage.
    pub attempted: u64,
    /// Events that are in the numbers.
    pub applied: u64,
    /// The part of applied that went into `other`.
    pub folded: u64,
    /// Events that are not in the numbers, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Details that are not in the numbers although their event is (a histogram's block was missing), by reason.
    pub details_dropped: BTreeMap<String, u64>,
}

impl LedgerRow {
    /// Events that happened.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.attempted + self.misses
    }

    /// What does not add up: 0, or there is a bug.
    #[must_use]
    pub fn residual(&self) -> i64 {
        let known = self.dropped.values().fold(self.applied, |sum, count| sum.wrapping_add(*count));
        self.attempted.wrapping_sub(known) as i64
    }
}

/// What the agent itself costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bill {
    /// Share of one CPU over the last window: the process and its kernel programs.
    pub cpu_share: f64,
    /// Resident memory of the process, bytes.
    pub rss: u64,
    /// Memory of all its maps, bytes.
    pub maps_bytes: u64,
}

/// The latest snapshot; cheap to clone. Readers hold the lock for one reference count.
#[derive(Debug, Clone)]
pub struct StatusCell(Arc<RwLock<Arc<Status>>>);

impl StatusCell {
    /// A cell with a first snapshot.
    #[must_use]
    pub fn new(status: Status) -> StatusCell {
        StatusCell(Arc::new(RwLock::new(Arc::new(status))))
    }

    /// The latest snapshot.
    #[must_use]
    pub fn get(&self) -> Arc<Status> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the snapshot.
    pub fn set(&self, status: Status) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }
}
