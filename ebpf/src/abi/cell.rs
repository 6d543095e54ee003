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
    /// Fills a pair of cache lines, as processors fetch them: the short waits come with the counters.
    pub apart: [u64; 8],
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
        apart: [0; 8],
    };
}

/// What is remembered of a task between two bills: the kernel's own counters as they stood. With the pointer that the
/// kernel puts before it, one cache line.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Task {
    /// The css_set that `slot` was looked up for.
    pub cgroups: u64,
    /// `sched_info.run_delay`.
    pub waited: u64,
    /// `se.sum_exec_runtime`.
    pub ran: u64,
    /// The run queue that `throttled` was read from.
    pub cfs_rq: u64,
    /// `cfs_rq.throttled_clock_self_time`.
    pub throttled: u64,
    /// `sched_info.pcount`, low half.
    pub waits: u32,
    /// `nvcsw`, low half.
    pub voluntary: u32,
    /// `nivcsw`, low half.
    pub involuntary: u32,
    /// Its slot.
    pub slot: u16,
    /// The slot's generation then, low bits, above [`Task::KNOWN`] and [`Task::SLEPT`].
    pub tag: u16,
}

impl Task {
    /// The other words hold counters: the task was billed before, or given a baseline.
    pub const KNOWN: u16 = 1;
    /// When it was last billed it went to sleep, so that it did not wait from then on.
    pub const SLEPT: u16 = 2;

    /// A generation as a tag, without marks.
    #[inline(always)]
    #[must_use]
    pub fn tag_of(generation: u32) -> u16 {
        (generation << 2) as u16
    }

    /// Whether the tag is of this generation.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, generation: u32) -> bool {
        self.tag & !(Task::KNOWN | Task::SLEPT) == Task::tag_of(generation)
    }
}

const _: () = assert!(size_of::<Cell>() == 1152 && size_of::<Task>() == 56);
