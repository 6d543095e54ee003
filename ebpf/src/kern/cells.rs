//! Cells: where numbers are added up.

use aya_ebpf::{macros::map, maps::Array};

use super::{
    atomic,
    constants::{shared, slots},
};
use crate::abi::{
    cell::Cell,
    histogram::{SLOTS, slot_of_ns},
};

/// BPF_F_MMAPABLE.
pub const MMAPABLE: u32 = 1 << 10;

#[map]
static CELLS: Array<Cell> = Array::with_max_entries(1, MMAPABLE);

/// CPU -> shard, where several CPUs share one.
#[map]
static SHARDS: Array<u32> = Array::with_max_entries(1, 0);

/// The cell of a slot for a CPU.
#[inline(always)]
#[must_use]
pub fn cell(cpu: u32, slot: u32) -> Option<*mut Cell> {
    let shard = if shared() == 0 { cpu } else { *SHARDS.get(cpu)? };
    CELLS.get_ptr_mut(shard * slots() + slot)
}

/// Adds to a word of a cell.
///
/// # Safety
/// `word` is in a map's element, and nobody else writes it unless the shard is shared.
#[inline(always)]
pub unsafe fn add(word: *mut u64, value: u64) {
    // SAFETY: as above; where the shard is shared, every writer comes this way.
    unsafe {
        if shared() == 0 {
            *word += value;
        } else {
            atomic::add_u64(word, value);
        }
    }
}

/// Adds `count` waits of `ns` each to the cell's histogram.
///
/// # Safety
/// `cell` is an element of the map, on this CPU with interrupts off.
#[inline(always)]
pub unsafe fn observe(cell: *mut Cell, ns: u64, count: u32) {
    // SAFETY: as above; the mask tells the verifier what is true anyway.
    unsafe {
        let word = (&raw mut (*cell).waits).cast::<u32>().add(slot_of_ns(ns) & (SLOTS - 1));
        if shared() == 0 {
            *word += count;
        } else {
            atomic::add_u32(word, count);
        }
    }
}
