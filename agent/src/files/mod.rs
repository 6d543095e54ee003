//! Signals that are files: the same `Reading` from cgroup and /proc files.
//!
//! - *Takes*: the cgroup file system.
//! - *Gives*: `Reading`s.
//! - *Never*: names, the store, quantiles.

use crate::{cgroups::Hierarchies, model::Reading};

/// Reads cpu.stat of every cgroup, with kept descriptors.
#[derive(Debug)]
pub struct CpuStat {}

impl CpuStat {
    /// `usage`: also give on-CPU time, for hosts where no kernel program measures it.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies, usage: bool) -> CpuStat {
        let _ = (hierarchies, usage);
        CpuStat {}
    }

    /// Reads them all.
    pub fn read(&mut self) -> Reading {
        Reading { source: "cpu.stat", rows: Vec::new(), lost: Vec::new() }
    }
}
