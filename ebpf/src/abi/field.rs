//! Kernel fields whose offsets are known only on the host.
//!
//! A field is compiled as a load at a displacement that no real field of ours has: its *mark*. Before the object is
//! loaded, the agent looks the field up in the kernel's BTF and writes the true offset over the mark. So a field costs
//! what a field costs in C: one load, no constant to fetch first.

use core::marker::PhantomData;

/// The first mark; the others follow at [`STEP`].
pub const FIRST_MARK: i16 = 0x6000;
/// Distance of two marks.
pub const STEP: i16 = 0x10;

/// Where a mark's true offset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A member of a structure, `structure.member.member`, and the size that the kernel side loads.
    Member {
        /// Path through the structures, through anonymous ones silently.
        path: &'static str,
        /// Size in bytes; the kernel's must be the same.
        size: u32,
    },
    /// The n-th argument of that type of a tracepoint: an offset into the context.
    Argument {
        /// Tracepoint.
        tracepoint: &'static str,
        /// Type: the name of the structure that it points to, or of the integer.
        of: &'static str,
        /// Which of several of one type, from 0.
        nth: u32,
    },
}

/// A field of type `T`.
#[derive(Debug)]
pub struct Field<T> {
    /// Its displacement until the agent writes the true one over it.
    pub mark: i16,
    kind: PhantomData<T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Field<T> {}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $place:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(i16)]
        enum Index { $($name),* }
        $($(#[$doc])* pub const $name: Field<$kind> =
            Field { mark: FIRST_MARK + Index::$name as i16 * STEP, kind: PhantomData };)*
        /// The places of all fields; the n-th has the n-th mark.
        pub const PLACES: &[(&str, Place)] = &[$((stringify!($name), $place)),*];
    };
}

const fn member(path: &'static str, size: u32) -> Place {
    Place::Member { path, size }
}

const fn argument(tracepoint: &'static str, of: &'static str, nth: u32) -> Place {
    Place::Argument { tracepoint, of, nth }
}

fields! {
    /// The task that leaves the CPU.
    SWITCH_PREV: u64 = argument("sched_switch", "task_struct", 0);
    /// The task that gets the CPU.
    SWITCH_NEXT: u64 = argument("sched_switch", "task_struct", 1);
    /// Whether it was preempted.
    SWITCH_PREEMPT: u64 = argument("sched_switch", "bool", 0);
    /// Its state as it left (from 5.18).
    SWITCH_PREV_STATE: u64 = argument("sched_switch", "unsigned int", 0);
    /// The task that was made.
    NEW_TASK: u64 = argument("task_newtask", "task_struct", 0);
    /// Thread id; 0 is the idle task of each CPU.
    TASK_PID: u32 = member("task_struct.pid", 4);
    /// Process id.
    TASK_TGID: u32 = member("task_struct.tgid", 4);
    /// PF_*.
    TASK_FLAGS: u32 = member("task_struct.flags", 4);
    /// When it was made, CLOCK_MONOTONIC, ns.
    TASK_START: u64 = member("task_struct.start_time", 8);
    /// Its state.
    TASK_STATE: u32 = member("task_struct.__state", 4);
    /// Its css_set.
    TASK_CGROUPS: u64 = member("task_struct.cgroups", 8);
    /// Voluntary switches.
    TASK_NVCSW: u64 = member("task_struct.nvcsw", 8);
    /// Involuntary switches.
    TASK_NIVCSW: u64 = member("task_struct.nivcsw", 8);
    /// Time on a CPU, ns, any scheduling class.
    TASK_RAN: u64 = member("task_struct.se.sum_exec_runtime", 8);
    /// The run queue of its group on its CPU, set for any scheduling class.
    TASK_CFS_RQ: u64 = member("task_struct.se.cfs_rq", 8);
    /// How often it was given a CPU.
    TASK_WAITS: u64 = member("task_struct.sched_info.pcount", 8);
    /// How long it waited for a CPU, ns.
    TASK_WAITED: u64 = member("task_struct.sched_info.run_delay", 8);
    /// When it was queued, in the run queue's clock; 0 when it is not waiting.
    TASK_QUEUED: u64 = member("task_struct.sched_info.last_queued", 8);
    /// When it was given the CPU, in the run queue's clock.
    TASK_ARRIVED: u64 = member("task_struct.sched_info.last_arrival", 8);
    /// The CPU's run queue.
    CFS_RQ_RQ: u64 = member("cfs_rq.rq", 8);
    /// How long the group was throttled on this CPU, ns (from 6.12).
    CFS_RQ_THROTTLED: u64 = member("cfs_rq.throttled_clock_self_time", 8);
    /// The run queue's clock, ns.
    RQ_CLOCK: u64 = member("rq.clock", 8);
    /// The cgroup in the default (v2) hierarchy.
    CSS_SET_CGROUP: u64 = member("css_set.dfl_cgrp", 8);
    /// Its directory.
    CGROUP_NODE: u64 = member("cgroup.kn", 8);
    /// The directory's id.
    NODE_ID: u64 = member("kernfs_node.id", 8);
    /// Never loaded: where it exists (from 6.4), storage can be made while a run queue is locked.
    STORAGE_ALLOCATOR: u8 = member("bpf_local_storage_map.bpf_ma", 1);
    /// Never loaded: what took its place.
    STORAGE_NOLOCK: u8 = member("bpf_local_storage_map.use_kmalloc_nolock", 1);
}
