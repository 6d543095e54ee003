//! A program's own account of its runs.

use aya_ebpf::{helpers::bpf_ktime_get_ns, macros::map, maps::Array};

use super::constants::cpus;
use crate::abi::ledger::{Ledger, Program, TIME_EVERY};

#[map]
static LEDGERS: Array<Ledger> = Array::with_max_entries(1, super::cells::MMAPABLE);

/// One run of one program.
pub struct Run {
    /// The counts to add to: this CPU's, with interrupts off.
    pub ledger: *mut Ledger,
    started: u64,
}

impl Run {
    /// Counts the entry; `None` cannot be while the map has `CPUS` entries for each program.
    #[inline(always)]
    #[must_use]
    pub fn enter(program: Program, cpu: u32) -> Option<Run> {
        let ledger = LEDGERS.get_ptr_mut(program as u32 * cpus() + cpu)?;
        // SAFETY: an element of the map; only this program writes it, on this CPU, with interrupts off.
        let attempted = unsafe { (*ledger).attempted };
        // SAFETY: as above.
        unsafe { (*ledger).attempted = attempted + 1 };
        // Not the first run of a CPU, whose code and data no cache has seen yet.
        // SAFETY: no conditions.
        let started =
            if attempted % TIME_EVERY == TIME_EVERY - 1 { unsafe { bpf_ktime_get_ns() } } else { 0 };
        Some(Run { ledger, started })
    }

    /// Counts the end of a run that left nothing out.
    #[inline(always)]
    pub fn applied(self) {
        // SAFETY: see `enter`.
        unsafe {
            (*self.ledger).applied += 1;
            if self.started != 0 {
                (*self.ledger).timed_ns += bpf_ktime_get_ns() - self.started;
                (*self.ledger).timed += 1;
            }
        }
    }
}
