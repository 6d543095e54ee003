//! Atomic words. The BPF target claims few of Rust's atomic types, since old instruction sets lack them; ours (v3,
//! kernel 5.12) has what is used here.

use core::intrinsics::{AtomicOrdering::Relaxed, atomic_xadd};

/// Adds, atomically.
///
/// # Safety
/// `word` is in a map's element, and whoever else writes it does so atomically.
#[inline(always)]
pub unsafe fn add_u64(word: *mut u64, value: u64) {
    // SAFETY: as above.
    unsafe { atomic_xadd::<u64, u64, { Relaxed }>(word, value) };
}

/// Adds, atomically.
///
/// # Safety
/// As [`add_u64`].
#[inline(always)]
pub unsafe fn add_u32(word: *mut u32, value: u32) {
    // SAFETY: as above.
    unsafe { atomic_xadd::<u32, u32, { Relaxed }>(word, value) };
}
