//! What each program says of its own runs.

/// The programs that keep a ledger, by their place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Program {
    /// The hook.
    Switch = 0,
    /// The bill for tasks that are running at the tick.
    Flush = 1,
}

impl Program {
    /// All, in order.
    pub const ALL: [Program; 2] = [Program::Switch, Program::Flush];

    /// Its name in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Program::Switch => "sched_switch",
            Program::Flush => "sched_flush",
        }
    }
}

/// Counts of one program on one CPU, cumulative: `attempted = applied + dropped`.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, Default)]
pub struct Ledger {
    /// Runs.
    pub attempted: u64,
    /// Runs whose event is in the numbers, or that had nobody to bill (the idle task).
    pub applied: u64,
    /// The part of `applied` that went into `other`.
    pub folded: u64,
    /// Runs that got no task storage; the task's next bill makes up for it.
    pub no_storage: u64,
    /// Runs whose slot had no cell: a bug.
    pub no_cell: u64,
    /// Runs that were timed.
    pub timed: u64,
    /// What those took, ns.
    pub timed_ns: u64,
    /// Fills the cache line.
    pub reserved: u64,
}

/// One run in so many is timed.
pub const TIME_EVERY: u64 = 1024;

const _: () = assert!(size_of::<Ledger>() == 64);
