//! Signals that are files: the same `Reading` from cgroup and /proc files.
//!
//! - *Takes*: the cgroup file system.
//! - *Gives*: `Reading`s, and how the probes stand that rest on files.
//! - *Never*: names, the store, quantiles.

mod count;
mod cpu;
mod memory;
mod source;
mod tree;

use rustix::process::{Resource, getrlimit, setrlimit};

pub use self::{
    cpu::CpuStat,
    memory::{LimitsFrom, Memory},
};
use crate::{
    cgroups::{CgroupError, Hierarchies},
    model::{Lost, Reading},
    probes,
    status::{ProbeState, ProbeStatus},
};

/// Descriptors that each source keeps, at most: the kernel has a page of memory for each. Beyond that a file is opened for
/// each reading, which costs some times the time.
const KEPT: u64 = 2048;
/// Descriptors that are for others.
const RESERVED: u64 = 256;

/// How many descriptors a source keeps: two share what this process may have.
fn keep() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((limit.saturating_sub(RESERVED) / 2).min(KEPT)).unwrap_or(0)
}

/// Allows this process as many descriptors as it may allow itself: what a shell gives, 1,024, is meant for those who use
/// select(2).
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(2 * KEPT + RESERVED);
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of descriptors stays");
        }
    }
}

/// Readings in a row that may fail before a cgroup counts as its parent's, so that the parents go on.
const PATIENCE: u32 = 10;

/// Every source that is a file.
#[derive(Debug)]
pub struct Files {
    cpu: Option<CpuStat>,
    /// Or why there is none; no reason where it is switched off.
    memory: Result<Memory, Option<String>>,
}

impl Files {
    /// The sources that the config does not switch off, as far as there are hierarchies for them. `usage`: also give
    /// on-CPU time, for hosts where no kernel program measures it.
    #[must_use]
    pub fn new(
        hierarchies: Result<&Hierarchies, &CgroupError>,
        off: &[String],
        usage: bool,
        limits_from: LimitsFrom,
    ) -> Files {
        let is_on = |probe: &probes::Probe| !off.iter().any(|name| name == probe.name);
        let memory = match hierarchies {
            _ if !is_on(&probes::memory::PROBE) => Err(None),
            Err(error) => Err(Some(error.to_string())),
            Ok(found) => Memory::new(found, limits_from).ok_or_else(|| {
                Some(
                    "no cgroup hierarchy has the memory controller (boot with cgroup_enable=memory)"
                        .to_owned(),
                )
            }),
        };
        let cpu = hierarchies.ok().filter(|_| is_on(&probes::sched::PROBE));
        Files { cpu: cpu.map(|found| CpuStat::new(found, usage)), memory }
    }

    /// Whether there is no source at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu.is_none() && self.memory.is_err()
    }

    /// Reads them all.
    pub fn read(&mut self) -> Vec<Reading> {
        let cpu = self.cpu.as_mut().map(CpuStat::read);
        let memory = self.memory.as_mut().ok().map(Memory::read);
        cpu.into_iter().chain(memory).collect()
    }

    /// How the probes stand on files alone: where programs stand behind one, this is its lowest rung.
    #[must_use]
    pub fn probes(&self) -> Vec<ProbeStatus> {
        let status = |probe: &'static probes::Probe, state, rung: &str, reason: &str| ProbeStatus {
            name: probe.name,
            state,
            programs: false,
            rung: rung.to_owned(),
            reason: reason.to_owned(),
            runs: 0,
            ns_per_run: None,
            cpu_share: None,
        };
        let sched =
            self.cpu.as_ref().map(|_| status(&probes::sched::PROBE, ProbeState::On, CpuStat::RUNG, ""));
        let memory = &probes::memory::PROBE;
        let memory = match &self.memory {
            Ok(read) => status(memory, ProbeState::On, read.rung(), ""),
            Err(None) => status(memory, ProbeState::Off, "", ""),
            Err(Some(reason)) => status(memory, ProbeState::Unsupported, "", reason),
        };
        sched.into_iter().chain([memory]).collect()
    }
}

/// What a source's reading lacks: files that could not be read, and the whole tree.
fn lost(unreadable: u64, nowhere: bool) -> Vec<Lost> {
    [("files_unreadable", unreadable), ("cgroups_unreadable", u64::from(nowhere))]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| Lost { reason, count })
        .collect()
}
