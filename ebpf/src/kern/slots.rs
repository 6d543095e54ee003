//! Slots: the small numbers under which cgroups are counted.

use aya_ebpf::{
    bindings::BPF_NOEXIST,
    macros::map,
    maps::{Array, HashMap, Queue},
};
use aya_log_ebpf::{debug, warn};

use super::{cells::MMAPABLE, host::own_process};
use crate::abi::{
    cell::{FIRST, KERNEL, OTHER, RAJUT},
    field::{CGROUP_NODE, CSS_SET_CGROUP, NODE_ID, TASK_CGROUPS, TASK_FLAGS, TASK_TGID},
};

/// PF_KTHREAD.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// cgroup id -> slot.
#[map]
static SLOT_OF: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);

/// slot -> cgroup id, for the reader; 0 where nobody has it.
#[map]
static SLOT_IDS: Array<u64> = Array::with_max_entries(1, MMAPABLE);

/// Slots that nobody has.
#[map]
static FREE_SLOTS: Queue<u32> = Queue::with_max_entries(1, 0);

/// The slot of a task: claimed, where its cgroup has none yet.
///
/// # Safety
/// `task` is a BTF-typed task pointer.
#[inline(always)]
#[must_use]
pub unsafe fn of(task: *const u8) -> u32 {
    // SAFETY: as above.
    unsafe {
        if TASK_FLAGS.of(task) & KERNEL_THREAD != 0 {
            return KERNEL;
        }
        if own_process() == TASK_TGID.of(task) {
            return RAJUT;
        }
        let cgroup = CSS_SET_CGROUP.pointer(TASK_CGROUPS.pointer(task));
        of_cgroup(NODE_ID.of(CGROUP_NODE.pointer(cgroup)))
    }
}

#[inline(never)]
fn of_cgroup(id: u64) -> u32 {
    if id == 0 {
        return OTHER;
    }
    // SAFETY: a copy is taken at once; entries are removed only of cgroups that are gone or have long been silent.
    if let Some(slot) = unsafe { SLOT_OF.get(&id) } {
        return *slot;
    }
    let Ok(Some(slot)) = FREE_SLOTS.pop() else {
        warn!(&(), "no slot is left for cgroup {}", id);
        return OTHER;
    };
    if slot < FIRST {
        return OTHER;
    }
    if SLOT_OF.insert(&id, &slot, u64::from(BPF_NOEXIST)).is_ok() {
        if let Some(word) = SLOT_IDS.get_ptr_mut(slot) {
            // SAFETY: an element of the map; the slot is this CPU's to name.
            unsafe { *word = id };
        }
        debug!(&(), "cgroup {} has slot {}", id, slot);
        return slot;
    }
    // Another CPU was first, or there is no memory: give the slot back, take theirs.
    let _ = FREE_SLOTS.push(slot, 0);
    // SAFETY: as above.
    unsafe { SLOT_OF.get(&id) }.copied().unwrap_or(OTHER)
}
