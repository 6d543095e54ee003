//! Cells and histogram blocks: where numbers are added up.

use aya_ebpf::{
    macros::map,
    maps::{Array, Queue},
};

use aya_log_ebpf::warn;

use super::atomic;
use super::constants::{shared, slots};
use crate::abi::{
    cell::{Block, Cell, NO_BLOCK},
    histogram::{SLOTS, slot_of_ns},
    ledger::Ledger,
};

/// BPF_F_MMAPABLE.
pub const MMAPABLE: u32 = 1 << 10;

#[map]
static CELLS: Array<Cell> = Array::with_max_entries(1, MMAPABLE);

#[map]
static BLOCKS: Array<Block> = Array::with_max_entries(1, MMAPABLE);

/// CPU -> shard, where several CPUs share one.
#[map]
static SHARDS: Array<u32> = Array::with_max_entries(1, 0);

/// Blocks that nobody has, by number plus one.
#[map]
static FREE_BLOCKS: Queue<u32> = Queue::with_max_entries(1, 0);

/// The cell of a slot for a CPU.
#[inline(always)]
#[must_use]
pub fn cell(cpu: u32, slot: u32) -> Option<*mut Cell> {
    let shard = if shared() == 0 { cpu } else { *SHARDS.get(cpu)? };
    CELLS.get_ptr_mut(shard * slots() + slot)
}

/// Adds to a word of a cell or block.
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

/// Adds `count` waits of `ns` each to the cell's histogram, claiming a block where it has none.
///
/// # Safety
/// `cell` and `ledger` are elements of their maps, on this CPU with interrupts off.
#[inline(always)]
pub unsafe fn observe(cell: *mut Cell, ledger: *mut Ledger, ns: u64, count: u32) {
    // SAFETY: as above.
    unsafe {
        let mut block = (*cell).block;
        if block == 0 {
            block = claim(cell);
        }
        // NO_BLOCK is past the end of the map, so it takes the same way as a number that is none.
        let Some(counts) = BLOCKS.get_ptr_mut(block.wrapping_sub(1)) else {
            (*ledger).blocks_full += u64::from(count);
            return;
        };
        let word = counts.cast::<u32>().add(slot_of_ns(ns) & (SLOTS - 1));
        if shared() == 0 {
            *word += count;
        } else {
            atomic::add_u32(word, count);
        }
    }
}

/// Takes a block from the pool for the cell: once in its life, so out of the hot path.
///
/// # Safety
/// As [`observe`].
#[inline(never)]
unsafe fn claim(cell: *mut Cell) -> u32 {
    let block = FREE_BLOCKS.pop().ok().flatten().unwrap_or(NO_BLOCK);
    if block == NO_BLOCK {
        warn!(&(), "no histogram block is left");
    }
    // SAFETY: as above.
    unsafe {
        let word = &raw mut (*cell).block;
        if shared() == 0 {
            *word = block;
            return block;
        }
        let theirs = atomic::exchange_u32(word, 0, block);
        if theirs == 0 {
            return block;
        }
        if block != NO_BLOCK {
            // The queue has room for every block, so for this one.
            let _ = FREE_BLOCKS.push(block, 0);
        }
        theirs
    }
}
