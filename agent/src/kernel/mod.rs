//! The kernel's programs: loads them by the ladder, reads their maps.
//!
//! - *Takes*: the kernel.
//! - *Gives*: `Reading`s, and how the probes stand.
//! - *Never*: pods, the store, quantiles.

use crate::{
    model::{EntityId, Reading},
    status::{LedgerRow, ProbeStatus},
};

/// Bounds of the kernel side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Entities that have numbers of their own; the rest is folded into `other`.
    pub slots: u32,
    /// Histogram blocks in the pool.
    pub blocks: u32,
    /// Only this rung of each ladder, for tests and comparisons: `exact`, `short`.
    pub rung: Option<String>,
    /// Level of the kernel programs' own log: 0 off, 1 error ... 5 trace.
    pub log: u8,
}

impl Default for Config {
    fn default() -> Config {
        Config { slots: 1024, blocks: 4096, rung: None, log: 0 }
    }
}

/// Why the kernel side does not work at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No BTF: field offsets cannot be known.
    #[error("the kernel has no BTF (/sys/kernel/btf/vmlinux): {0}")]
    NoBtf(String),
    /// bpf() is not allowed.
    #[error("not permitted to load eBPF programs: {0}")]
    NotPermitted(String),
    /// Anything else.
    #[error("cannot load eBPF programs: {0}")]
    Other(String),
}

/// The loaded programs and their maps.
#[derive(Debug)]
pub struct Kernel {}

impl Kernel {
    /// Loads and attaches what the config does not switch off.
    ///
    /// # Errors
    /// When nothing can be loaded at all; a single probe that cannot is a state, see [`Kernel::probes`].
    pub fn load(_config: &Config, _off: &[String]) -> Result<Kernel, LoadError> {
        Err(LoadError::Other("not built".into()))
    }

    /// Reads every map.
    pub fn read(&mut self) -> Reading {
        Reading { source: "kernel", rows: Vec::new(), lost: Vec::new() }
    }

    /// How the probes stand.
    #[must_use]
    pub fn probes(&self) -> Vec<ProbeStatus> {
        Vec::new()
    }

    /// The ledger of each program.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        Vec::new()
    }

    /// Memory of all maps, bytes.
    #[must_use]
    pub fn maps_bytes(&self) -> u64 {
        0
    }

    /// Gives back the slots of cgroups that are gone.
    pub fn release(&mut self, _gone: &[EntityId]) {}
}
