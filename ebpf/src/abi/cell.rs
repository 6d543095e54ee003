//! The numbers of one slot on one shard, and the slots with a fixed meaning.

/// Slot of everything that found no slot of its own.
pub const OTHER: u32 = 0;
/// Slot of kernel threads.
pub const KERNEL: u32 = 1;
/// Slot of the agent's own threads.
pub const RAJUT: u32 = 2;
/// The first slot that a cgroup can claim.
pub const FIRST: u32 = 3;

/// Scheduler numbers of one slot on one shard, cumulative: a cache line of counters, and the histogram beside it, in the
/// same page.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// Time on a CPU, ns (`sum_exec_runtime`).
    pub ran: u64,
    /// Time ready to run and waiting for a CPU while others had it, ns: `sched_info.run_delay` less `quota`.
    pub contention: u64,
    /// Time ready to run and kept from it by the cgroup's CPU quota, ns.
    pub quota: u64,
    /// Switches because the thread had to wait for something (`nvcsw`).
    pub voluntary: u64,
    /// Switches because the thread was made to (`nivcsw`).
    pub involuntary: u64,
    /// Changes when the slot is given back, so that a task which remembers the slot looks it up again.
    pub generation: u32,
    /// Fills the word.
    pub padding: u32,
    /// Fills the cache line.
    pub reserved: [u64; 2],
    /// How many waits of which length, by slot of [`super::histogram`].
    pub waits: [u32; super::histogram::SLOTS],
}

impl Cell {
    /// Nothing counted.
    pub const EMPTY: Cell = Cell {
        ran: 0,
        contention: 0,
        quota: 0,
        voluntary: 0,
        involuntary: 0,
        generation: 0,
        padding: 0,
        reserved: [0; 2],
        waits: [0; super::histogram::SLOTS],
    };
}

/// What is remembered of a task between two bills: the kernel's own counters as they stood, one cache line.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Task {
    /// The css_set that `slot` was looked up for.
    pub cgroups: u64,
    /// Its slot.
    pub slot: u32,
    /// The slot's generation then.
    pub generation: u32,
    /// `sched_info.run_delay`.
    pub waited: u64,
    /// `se.sum_exec_runtime`.
    pub ran: u64,
    /// `sched_info.pcount`, low half.
    pub waits: u32,
    /// `nvcsw`, low half.
    pub voluntary: u32,
    /// `nivcsw`, low half.
    pub involuntary: u32,
    /// [`Task::KNOWN`], [`Task::SLEPT`].
    pub flags: u32,
    /// The run queue that `throttled` was read from.
    pub cfs_rq: u64,
    /// `cfs_rq.throttled_clock_self_time`.
    pub throttled: u64,
}

impl Task {
    /// The other words hold counters: the task was billed before, or given a baseline.
    pub const KNOWN: u32 = 1;
    /// When it was last billed it went to sleep, so that it did not wait from then on.
    pub const SLEPT: u32 = 2;
}

const _: () = assert!(size_of::<Cell>() == 1088 && size_of::<Task>() == 64);
