//! `sched`: who runs, who waits for a CPU, and why.
//!
//! The kernel keeps the exact counters itself: `sum_exec_runtime`, `sched_info.run_delay` and `pcount`, `nvcsw` and
//! `nivcsw`. So a task is billed when it leaves a CPU, and at each tick while it runs: the growth of its counters since
//! its last bill, which one word each of task storage remembers. Nothing is stamped, no clock is read, a migration
//! costs nothing, and a switch that the hook did not see is made up for by the task's next bill.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_get_smp_processor_id,
        generated::{bpf_get_current_task_btf, bpf_probe_read_kernel},
    },
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};
use rajut_ebpf::{
    abi::{
        cell::{Cell, OTHER, Task},
        field::*,
        ledger::{Ledger, Program},
    },
    kern::{
        cells::{add, cell, observe},
        constants::{create_at_switch, has_prev_state, has_throttled, throttled_offset},
        host::attached,
        ledger::Run,
        slots,
        task_storage::TaskStorage,
    },
};

#[btf_map]
static TASKS: TaskStorage<Task> = TaskStorage::new();

/// A task leaves a CPU.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch_exact(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the first task of the tracepoint's arguments, typed by BTF.
    unsafe {
        let prev = SWITCH_PREV.pointer(ctx.as_ptr().cast());
        bill(prev, Program::Switch);
    }
    0
}

/// A task is running at the tick. The agent runs this on each CPU, in an interrupt or with preemption off, so that what a
/// task has used so far is in the window where it was used.
#[unsafe(link_section = "raw_tp/sched_flush")]
#[unsafe(no_mangle)]
extern "C" fn sched_flush(_ctx: *const u8) -> i32 {
    // SAFETY: the interrupted task, typed by BTF.
    unsafe {
        let current = bpf_get_current_task_btf() as *const u8;
        bill(current, Program::Flush);
    }
    0
}

/// Bills a task for what its counters have grown since its last bill.
///
/// # Safety
/// `task` is a BTF-typed task pointer, and the task cannot run anywhere else meanwhile.
#[inline(always)]
unsafe fn bill(task: *const u8, program: Program) {
    // SAFETY: as above; maps are checked by the verifier, and this CPU has its cells to itself (see `add`).
    unsafe {
        let cpu = bpf_get_smp_processor_id();
        let Some(run) = Run::enter(program, cpu) else { return };
        let ledger = run.ledger;
        if TASK_PID.of(task) == 0 {
            return run.applied();
        }
        let storage = if create_at_switch() != 0 { TASKS.get_or_create(task) } else { TASKS.get(task) };
        let Some(saved) = storage.as_mut() else {
            (*ledger).no_storage += 1;
            return;
        };
        if saved.tag & Task::KNOWN == 0 && TASK_START.of(task) < attached() {
            // It lived before us, and the iterator did not see it: its first bill begins here.
            remember(task, saved);
            return run.applied();
        }
        let Some(cell) = cell_of(task, saved, cpu) else {
            (*ledger).no_cell += 1;
            return;
        };
        if u32::from(saved.slot) == OTHER {
            (*ledger).folded += 1;
        }
        count(task, saved, cell);
        run.applied();
    }
}

/// The cell in which the task is counted: the one remembered, while it is in the same css_set and the slot was not
/// given back.
#[inline(always)]
unsafe fn cell_of(task: *const u8, saved: &mut Task, cpu: u32) -> Option<*mut Cell> {
    // SAFETY: see `bill`.
    unsafe {
        let cgroups = TASK_CGROUPS.of(task);
        let known = cell(cpu, u32::from(saved.slot))?;
        if saved.cgroups == cgroups && saved.is_of((*known).generation) {
            return Some(known);
        }
        let slot = slots::of(task);
        let found = cell(cpu, slot)?;
        saved.slot = slot as u16;
        saved.cgroups = cgroups;
        saved.tag = Task::tag_of((*found).generation) | saved.tag & (Task::KNOWN | Task::SLEPT);
        Some(found)
    }
}

#[inline(always)]
unsafe fn count(task: *const u8, saved: &mut Task, cell: *mut Cell) {
    // SAFETY: see `bill`.
    unsafe {
        let ran = TASK_RAN.of(task);
        add(&raw mut (*cell).ran, ran.wrapping_sub(saved.ran));
        saved.ran = ran;

        let voluntary = TASK_NVCSW.of(task) as u32;
        let involuntary = TASK_NIVCSW.of(task) as u32;
        let slept = voluntary.wrapping_sub(saved.voluntary);
        add(&raw mut (*cell).voluntary, u64::from(slept));
        add(&raw mut (*cell).involuntary, u64::from(involuntary.wrapping_sub(saved.involuntary)));
        saved.voluntary = voluntary;
        saved.involuntary = involuntary;

        let waits = TASK_WAITS.of(task) as u32;
        let new = waits.wrapping_sub(saved.waits);
        let waited = TASK_WAITED.of(task);
        let wait = if new == 0 { 0 } else { waited.wrapping_sub(saved.waited) };
        let mut quota = 0;
        if has_throttled() != 0 {
            quota = throttled_since(task, saved, wait);
            quota = if quota < wait { quota } else { wait };
        }
        let marks = if slept == 0 { Task::KNOWN } else { Task::KNOWN | Task::SLEPT };
        saved.tag = saved.tag & !(Task::KNOWN | Task::SLEPT) | marks;
        if new != 0 {
            saved.waits = waits;
            saved.waited = waited;
            add(&raw mut (*cell).contention, wait - quota);
            if quota != 0 {
                add(&raw mut (*cell).quota, quota);
            }
            // More than one: the hook missed a switch. Their sum is known, so each gets its share.
            let each = if new == 1 { wait } else { wait / u64::from(new) };
            observe(cell, each, new);
        }
    }
}

/// Begins a task's account at its counters as they stand.
#[inline(always)]
unsafe fn remember(task: *const u8, saved: &mut Task) {
    // SAFETY: see `bill`.
    unsafe {
        saved.ran = TASK_RAN.of(task);
        saved.voluntary = TASK_NVCSW.of(task) as u32;
        saved.involuntary = TASK_NIVCSW.of(task) as u32;
        saved.waited = TASK_WAITED.of(task);
        saved.waits = TASK_WAITS.of(task) as u32;
        saved.tag = Task::KNOWN;
    }
}

/// How long the task's group was throttled on the task's CPU since the task was billed there: the part of its wait that
/// the quota caused, where it is not longer than the wait. A task that slept and woke up on another CPU waited on a queue
/// whose count at that moment nobody knows: 0.
#[inline(always)]
unsafe fn throttled_since(task: *const u8, saved: &mut Task, wait: u64) -> u64 {
    // SAFETY: see `bill`.
    unsafe {
        let cfs_rq = TASK_CFS_RQ.of(task);
        let now = CFS_RQ_THROTTLED.of(TASK_CFS_RQ.pointer(task));
        let mut grown = 0;
        if cfs_rq == saved.cfs_rq {
            grown = now.wrapping_sub(saved.throttled);
        } else if wait != 0 && saved.cfs_rq != 0 && saved.tag & Task::SLEPT == 0 {
            grown = throttled_elsewhere(saved);
        }
        saved.cfs_rq = cfs_rq;
        saved.throttled = now;
        grown
    }
}

/// The same for a task that waited on another CPU's queue and was moved before it ran.
#[inline(never)]
unsafe fn throttled_elsewhere(saved: &Task) -> u64 {
    let mut now = 0u64;
    // SAFETY: reads kernel memory without faulting. The queue lives as long as its group, and the group as long as a
    // task is in it. Of a task that has left the group since, this may be a number that is none; the wait bounds it.
    let failed = unsafe {
        bpf_probe_read_kernel(
            (&raw mut now).cast(),
            8,
            (saved.cfs_rq as usize + throttled_offset() as usize) as *const c_void,
        )
    };
    if failed != 0 || now < saved.throttled { 0 } else { now - saved.throttled }
}

/// The counters of every task that lives as the agent starts: its first bill begins here. A task that is born later
/// begins at zero.
#[unsafe(link_section = "iter/task")]
#[unsafe(no_mangle)]
extern "C" fn sched_baseline(ctx: *const *const u8) -> i32 {
    // SAFETY: struct bpf_iter__task is {meta, task}; the task is typed by BTF, and null at the end.
    unsafe {
        let task = *ctx.add(1);
        if task.is_null() {
            return 0;
        }
        if let Some(saved) = TASKS.get_or_create(task).as_mut() {
            remember(task, saved);
        }
    }
    0
}

/// A task is born: where storage cannot be made in `sched_switch`, it is made here.
#[btf_tracepoint(function = "task_newtask")]
fn sched_newtask(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: the task of the tracepoint's arguments, typed by BTF; it has not run yet.
    unsafe {
        let task = NEW_TASK.pointer(ctx.as_ptr().cast());
        if let Some(saved) = TASKS.get_or_create(task).as_mut() {
            saved.tag = Task::KNOWN;
        }
    }
    0
}

/// The short form, for kernels without task storage: waits are measured since the last migration, so their sum is at
/// most the kernel's own; a task that is running is billed when it leaves.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch_short(ctx: BtfTracePointContext) -> i32 {
    // SAFETY: arguments are typed by BTF; maps are checked by the verifier.
    unsafe {
        let cpu = bpf_get_smp_processor_id();
        let Some(run) = Run::enter(Program::Switch, cpu) else { return 0 };
        let arguments = ctx.as_ptr().cast::<u8>().cast_const();
        let prev = SWITCH_PREV.pointer(arguments);
        let next = SWITCH_NEXT.pointer(arguments);
        let clock = RQ_CLOCK.of(CFS_RQ_RQ.pointer(TASK_CFS_RQ.pointer(next)));
        let mut complete = true;
        if TASK_PID.of(prev) != 0 {
            complete = left(arguments, prev, clock, cpu, run.ledger);
        }
        if TASK_PID.of(next) != 0 {
            complete &= arrived(next, clock, cpu);
        }
        if complete {
            run.applied();
        } else {
            (*run.ledger).no_cell += 1;
        }
    }
    0
}

#[inline(always)]
unsafe fn left(arguments: *const u8, prev: *const u8, clock: u64, cpu: u32, ledger: *mut Ledger) -> bool {
    // SAFETY: see `sched_switch_short`.
    unsafe {
        let slot = slots::of(prev);
        let Some(cell) = cell(cpu, slot) else { return false };
        if slot == OTHER {
            (*ledger).folded += 1;
        }
        let arrived = TASK_ARRIVED.of(prev);
        if arrived != 0 && clock > arrived {
            add(&raw mut (*cell).ran, clock - arrived);
        }
        let state =
            if has_prev_state() != 0 { SWITCH_PREV_STATE.of(arguments) as u32 } else { TASK_STATE.of(prev) };
        // The kernel's own rule for nvcsw and nivcsw.
        if SWITCH_PREEMPT.of(arguments) & 1 == 0 && state != 0 {
            add(&raw mut (*cell).voluntary, 1);
        } else {
            add(&raw mut (*cell).involuntary, 1);
        }
    }
    true
}

#[inline(always)]
unsafe fn arrived(next: *const u8, clock: u64, cpu: u32) -> bool {
    // SAFETY: see `sched_switch_short`.
    unsafe {
        let queued = TASK_QUEUED.of(next);
        if queued == 0 {
            return true;
        }
        let Some(cell) = cell(cpu, slots::of(next)) else { return false };
        let wait = if clock > queued { clock - queued } else { 0 };
        add(&raw mut (*cell).contention, wait);
        observe(cell, wait, 1);
    }
    true
}

/// Does nothing: what the hook itself costs, for the benchmark.
#[btf_tracepoint(function = "sched_switch")]
fn sched_switch_empty(_ctx: BtfTracePointContext) -> i32 {
    0
}
