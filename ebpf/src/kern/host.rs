//! What is known only once the agent runs: asked out of the hot path, so a map serves.

use aya_ebpf::{macros::map, maps::Array};

use crate::abi::host::{ATTACHED, OWN_PROCESS};

#[map]
static HOST: Array<u64> = Array::with_max_entries(2, 0);

/// The agent's own process, as the kernel numbers it.
#[inline(always)]
#[must_use]
pub fn own_process() -> u32 {
    HOST.get(OWN_PROCESS).map_or(0, |tgid| *tgid as u32)
}

/// When the hooks were about to be attached, CLOCK_MONOTONIC, ns.
#[inline(always)]
#[must_use]
pub fn attached() -> u64 {
    HOST.get(ATTACHED).map_or(0, |at| *at)
}
