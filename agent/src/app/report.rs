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
        let of_kernel = match kernel {
            Ok(kernel) => kernel.probes(),
            Err(error) => without_kernel(error, &self.off),
        };
        let probes = together(&of_kernel, &pipeline.sources.files.probes());
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

/// How the probes stand whose programs could not be loaded.
fn without_kernel(error: &LoadError, off: &[String]) -> Vec<ProbeStatus> {
    probes::REGISTRY
        .iter()
        .filter(|probe| probe.has_programs())
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

/// Each probe once, in registry order. Files are the lowest rung of one with programs: they give some of it where no
/// program does, and the reason why none does stays.
fn together(of_kernel: &[ProbeStatus], of_files: &[ProbeStatus]) -> Vec<ProbeStatus> {
    let find = |all: &[ProbeStatus], name| all.iter().find(|status| status.name == name).cloned();
    let one = |probe: &&probes::Probe| match (find(of_kernel, probe.name), find(of_files, probe.name)) {
        (Some(mut status), Some(low))
            if status.state == ProbeState::Unsupported && low.state == ProbeState::On =>
        {
            (status.state, status.rung) = (low.state, low.rung);
            Some(status)
        }
        (Some(status), _) | (None, Some(status)) => Some(status),
        (None, None) => None,
    };
    probes::REGISTRY.iter().filter_map(one).collect()
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
        cgroups::CgroupError,
        files::Files,
        model::{Delta, EntityId, Utc, Values, Window},
        pods::Pods,
        probes::Column,
        store::{Config, Store},
    };

    fn none(off: &[String]) -> Files {
        Files::new(Err(&CgroupError::NoV2), off, true, |_| None)
    }

    #[test]
    fn files_are_the_lowest_rung_and_all_that_some_probes_have() {
        let of_kernel = without_kernel(&LoadError::NoBtf("none".into()), &[]);
        let shown = |of_files: &[ProbeStatus]| -> Vec<_> {
            let all = together(&of_kernel, of_files).into_iter();
            all.map(|status| (status.name, status.state, status.rung, status.reason)).collect()
        };
        let [no_types, no_cgroups] =
            [LoadError::NoBtf("none".into()).to_string(), CgroupError::NoV2.to_string()];
        let files = none(&[]).probes();
        let sched = ("sched", ProbeState::Unsupported, String::new(), no_types.clone());
        assert_eq!(
            shown(&files),
            [sched.clone(), ("memory", ProbeState::Unsupported, String::new(), no_cgroups)]
        );
        let off = none(&["memory".into()]).probes();
        assert_eq!(shown(&off), [sched, ("memory", ProbeState::Off, String::new(), String::new())]);
        let low = ProbeStatus { state: ProbeState::On, rung: "a file".into(), ..of_kernel[0].clone() };
        assert_eq!(shown(&[low]), [("sched", ProbeState::On, "a file".into(), no_types)]);
    }

    #[test]
    fn rows_without_a_name_are_in_the_ledger() {
        let store = Store::new(Config { entities: 1, ..Config::default() });
        let sources = Sources { kernel: Err(LoadError::NoBtf("none".into())), files: none(&[]) };
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
