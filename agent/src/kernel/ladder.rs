//! The ladder: for each probe the ways to measure it, best first, and why a way does not hold here.

use super::object::Offsets;

/// One way to measure.
#[derive(Debug)]
pub struct Rung {
    /// Its short name, for `--rung`.
    pub name: &'static str,
    /// What it stands on, for people.
    pub title: &'static str,
    /// The program that is attached.
    pub program: &'static str,
    /// The tracepoint that it is attached to.
    pub tracepoint: &'static str,
    /// Fields without which it cannot work.
    pub fields: &'static [&'static str],
    /// A program that has to see each task be born, and its tracepoint.
    pub newborn: Option<(&'static str, &'static str)>,
    /// Whether tasks that run are billed at each tick, and those that live at the start begin at a baseline.
    pub bills_tasks: bool,
}

/// Fields that tell the cgroup of a task.
macro_rules! with_identity {
    ($($field:literal),*) => {
        &["TASK_PID", "TASK_TGID", "TASK_FLAGS", "TASK_CGROUPS", "CSS_SET_CGROUP", "CGROUP_NODE", "NODE_ID", $($field),*]
    };
}

/// What the kernel itself counts for each task.
macro_rules! with_counters {
    ($($field:literal),*) => {
        with_identity![
            "SWITCH_PREV", "TASK_RAN", "TASK_NVCSW", "TASK_NIVCSW", "TASK_WAITED", "TASK_WAITS", "TASK_START"
            $(, $field)*
        ]
    };
}

/// The rungs of `sched`.
pub static SCHED: &[Rung] = &[
    Rung {
        name: "exact",
        title: "tp_btf sched_switch, exact",
        program: "sched_switch_exact",
        tracepoint: "sched_switch",
        fields: with_counters![],
        newborn: None,
        bills_tasks: true,
    },
    Rung {
        name: "exact-fork",
        title: "tp_btf sched_switch and task_newtask, exact",
        program: "sched_switch_exact",
        tracepoint: "sched_switch",
        fields: with_counters!["NEW_TASK"],
        newborn: Some(("sched_newtask", "task_newtask")),
        bills_tasks: true,
    },
    Rung {
        name: "short",
        title: "tp_btf sched_switch, since the last migration",
        program: "sched_switch_short",
        tracepoint: "sched_switch",
        fields: with_identity![
            "SWITCH_PREV",
            "SWITCH_NEXT",
            "SWITCH_PREEMPT",
            "TASK_QUEUED",
            "TASK_ARRIVED",
            "TASK_CFS_RQ",
            "CFS_RQ_RQ",
            "RQ_CLOCK"
        ],
        newborn: None,
        bills_tasks: false,
    },
];

impl Rung {
    /// Why this kernel cannot carry it, from its types alone.
    ///
    /// # Errors
    /// The first reason.
    pub fn check(&self, offsets: &Offsets) -> Result<(), String> {
        for field in self.fields {
            offsets.get(field)?;
        }
        if self.name == "exact" && !creates_at_switch(offsets) {
            return Err(
                "this kernel (before 6.4) cannot make task storage under a run queue's lock".to_owned()
            );
        }
        if self.name == "short" && offsets.get("SWITCH_PREV_STATE").is_err() {
            offsets.get("TASK_STATE")?;
        }
        Ok(())
    }
}

/// Whether task storage can be made while a run queue is locked: from 6.4 it comes out of a cache of its own, before
/// that out of the page allocator, which may want to wake somebody.
#[must_use]
pub fn creates_at_switch(offsets: &Offsets) -> bool {
    offsets.get("STORAGE_ALLOCATOR").is_ok() || offsets.get("STORAGE_NOLOCK").is_ok()
}
