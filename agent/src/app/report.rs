//! The agent's own state, put together for `status` after each tick.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use procfs::process::Process;
use rustix::time::{ClockId, clock_gettime};

use super::pipeline::{Pipeline, Totals};
use crate::{
    kernel::{Kernel, LoadError},
    probes,
    sinks::Counts,
    status::{Bill, LedgerRow, ProbeState, ProbeStatus, Status},
};

/// What does not change while the agent runs.
#[derive(Debug)]
pub struct Reporter {
    node: String,
    boot_id: String,
    instance: String,
    started_at: SystemTime,
    off: Vec<String>,
    maps_bytes: u64,
    counts: Option<Counts>,
    cpu: Duration,
    at: std::time::Instant,
}

impl Reporter {
    /// For the agent of this process.
    #[must_use]
    pub fn new(node: String, off: Vec<String>, kernel: Option<&Kernel>) -> Reporter {
        Reporter {
            node,
            boot_id: random("boot_id"),
            instance: random("uuid"),
            started_at: SystemTime::now(),
            off,
            maps_bytes: kernel.map_or(0, Kernel::maps_bytes),
            counts: None,
            cpu: process_cpu(),
            at: std::time::Instant::now(),
        }
    }

    /// From now on with what the sinks count.
    pub fn with_counts(&mut self, counts: Counts) {
        self.counts = Some(counts);
    }

    /// The state as it stands.
    pub fn report(&mut self, pipeline: &Pipeline) -> Status {
        let kernel = &pipeline.sources.kernel;
        let mut probes = match kernel {
            Ok(kernel) => kernel.probes(),
            Err(error) => without_kernel(error, &self.off),
        };
        if pipeline.sources.files.is_some() {
            probes.iter_mut().for_each(stand_on_files);
        }
        let mut ledger = kernel.as_ref().map_or_else(|_| Vec::new(), Kernel::ledger);
        ledger.push(of_store(pipeline.totals));
        ledger.extend(self.counts.iter().flat_map(Counts::ledger));

        let cpu = process_cpu();
        let elapsed = self.at.elapsed().as_secs_f64();
        let own = if elapsed > 0.0 { cpu.saturating_sub(self.cpu).as_secs_f64() / elapsed } else { 0.0 };
        self.cpu = cpu;
        self.at = std::time::Instant::now();
        let programs: f64 = probes.iter().filter_map(|probe| probe.cpu_share).sum();
        Status {
            node: self.node.clone(),
            boot_id: self.boot_id.clone(),
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            probes,
            ledger,
            bill: Bill { cpu_share: own + programs, rss: resident(), maps_bytes: self.maps_bytes },
        }
    }
}

/// The store takes every row; of those who find no room it keeps the numbers and forgets the name.
fn of_store(totals: Totals) -> LedgerRow {
    LedgerRow {
        source: "store".to_owned(),
        attempted: totals.rows,
        applied: totals.rows,
        folded: totals.folded,
        ..LedgerRow::default()
    }
}

/// How the probes stand where no kernel program could be loaded.
fn without_kernel(error: &LoadError, off: &[String]) -> Vec<ProbeStatus> {
    probes::REGISTRY
        .iter()
        .map(|probe| {
            let is_off = off.iter().any(|name| name == probe.name);
            ProbeStatus {
                name: probe.name,
                state: if is_off { ProbeState::Off } else { ProbeState::Unsupported },
                programs: false,
                rung: String::new(),
                reason: if is_off { String::new() } else { error.to_string() },
                runs: 0,
                ns_per_run: None,
                cpu_share: None,
            }
        })
        .collect()
}

/// The lowest rung: files give some of it where no program does.
fn stand_on_files(probe: &mut ProbeStatus) {
    if probe.state == ProbeState::Unsupported && probe.name == probes::sched::PROBE.name {
        probe.state = ProbeState::On;
        probe.rung = "cpu.stat (CPU time and throttling only)".to_owned();
    }
}

/// CPU time of this process, kernel and user.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn resident() -> u64 {
    let pages = Process::myself().and_then(|own| own.statm()).map_or(0, |statm| statm.resident);
    pages * procfs::page_size()
}

fn random(file: &str) -> String {
    let path = format!("/proc/sys/kernel/random/{file}");
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::{super::pipeline::Sources, *};
    use crate::{
        model::{Delta, EntityId, Utc, Values, Window},
        pods::Pods,
        probes::Column,
        store::{Config, Store},
    };

    #[test]
    fn rows_without_a_name_are_in_the_ledger() {
        let store = Store::new(Config { entities: 1, ..Config::default() });
        let sources = Sources { kernel: Err(LoadError::NoBtf("none".into())), files: None };
        let mut pipeline = Pipeline::new(sources, "n", None, store.clone(), Duration::from_secs(1), Utc(0));
        let values = Values { counters: vec![(Column(0), 1)], ..Values::default() };
        let rows = [10, 11, 12].map(|id| (EntityId(id), values.clone())).to_vec();
        let window = Window { start: Utc(0), end: Utc(1) };
        store.append(Pods::new("n", None).attribute(Delta { window, rows, gaps: vec![] }));
        pipeline.tick(Utc(2), Utc(2));
        let status = Reporter::new("n".into(), vec![], None).report(&pipeline);
        let row = status.ledger.iter().find(|row| row.source == "store").unwrap();
        assert_eq!((row.folded, row.residual()), (2, 0));
    }
}
