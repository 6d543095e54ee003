//! The kernel's programs: loads them by the ladder, reads their maps.
//!
//! - *Takes*: the kernel.
//! - *Gives*: `Reading`s, and how the probes stand.
//! - *Never*: pods, the store, quantiles.

// The kernel-facing room: the one that maps memory and makes system calls of its own.
#![allow(unsafe_code)]

mod account;
pub mod btf;
pub mod ladder;
pub mod load;
mod logger;
pub mod mapped;
pub mod object;
mod privilege;
pub mod program_info;
mod read;
mod release;
pub mod topology;

use std::time::Instant;

use crate::{
    model::{EntityId, Reading},
    status::{LedgerRow, ProbeStatus},
};

/// Bounds of the kernel side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Entities that have numbers of their own; the rest is folded into `other`.
    pub slots: u32,
    /// Only this rung of each ladder, for tests and comparisons: `exact`, `exact-fork`, `short`.
    pub rung: Option<String>,
    /// Level of the kernel programs' own log: 0 off, 1 error ... 5 trace.
    pub log: u8,
}

impl Default for Config {
    fn default() -> Config {
        Config { slots: 1024, rung: None, log: 0 }
    }
}

/// Why the kernel side does not work at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No BTF: field offsets cannot be known.
    #[error("the kernel has no type information: {0}")]
    NoBtf(String),
    /// bpf() is not allowed.
    #[error(
        "cannot load eBPF programs: operation not permitted. run as root, or give the binary CAP_BPF and CAP_PERFMON \
         (setcap cap_bpf,cap_perfmon+ep FILE)"
    )]
    NotPermitted,
    /// Anything else.
    #[error("cannot load eBPF programs: {0}")]
    Other(String),
}

/// The loaded programs and their maps.
#[derive(Debug)]
pub struct Kernel {
    loaded: load::Loaded,
    /// Runs, time and losses as of the last reading.
    last: read::Last,
}

impl Kernel {
    /// The source of its readings.
    pub const SOURCE: &str = "kernel";

    /// Loads and attaches what the config does not switch off.
    ///
    /// # Errors
    /// When nothing can be loaded at all; a single probe that cannot is a state, see [`Kernel::probes`].
    pub fn load(config: &Config, off: &[String]) -> Result<Kernel, LoadError> {
        let loaded = load::load(config, off)?;
        give_memory_back();
        Ok(Kernel { loaded, last: read::Last::new(Instant::now()) })
    }

    /// Puts the calling thread's capabilities down, and so those of every thread that it starts later: what is attached
    /// stays, and reading takes none. A kernel that asks for them at every bpf() call gets them back.
    ///
    /// # Errors
    /// When capabilities cannot be read or set.
    pub fn put_down_privilege(&mut self) -> std::io::Result<()> {
        let effective = privilege::Effective::now()?;
        effective.put_down()?;
        if let Err(error) = self.try_bpf() {
            tracing::warn!(%error, "this kernel refuses bpf() without capabilities (before 5.19): they stay");
            effective.take_up()?;
        }
        Ok(())
    }

    /// Bills what runs now, then reads every map.
    pub fn read(&mut self) -> Reading {
        self.flush();
        if let Some(logger) = &mut self.loaded.logger {
            logger.flush();
        }
        self.read_maps()
    }

    /// How the probes stand.
    #[must_use]
    pub fn probes(&self) -> Vec<ProbeStatus> {
        self.probe_status()
    }

    /// Whether a program measures CPU time, so that files need not.
    #[must_use]
    pub fn measures_cpu_time(&self) -> bool {
        self.loaded.sched.rung.is_some()
    }

    /// The ledger of each program.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerRow> {
        self.ledger_rows()
    }

    /// Memory of all maps, bytes, as the kernel charges it.
    #[must_use]
    pub fn maps_bytes(&self) -> u64 {
        self.map_memory()
    }

    /// Gives back the slots of cgroups that are gone, so that others can claim them. Gives those who have none now: who
    /// claims one again counts from 0.
    pub fn release(&mut self, gone: &[EntityId]) -> Vec<EntityId> {
        self.release_slots(gone)
    }
}

/// Puts the calling thread's capabilities down where no program was loaded.
///
/// # Errors
/// When capabilities cannot be read or set.
pub fn put_down_privilege() -> std::io::Result<()> {
    privilege::Effective::now()?.put_down()
}

/// Type information took tens of megabytes for a moment; the allocator keeps them unless asked.
fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no conditions; it walks the allocator's own free lists, under its locks.
    unsafe {
        libc::malloc_trim(0);
    }
}
