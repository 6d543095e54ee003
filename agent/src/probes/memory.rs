//! `memory`: who holds how much of it, against which limit, and who stalls for it.

use super::{Attribute, Kind, Metric, Origin, Probe, Unit};

/// Memory in use.
pub const USAGE: &str = "container.memory.usage";
/// Memory in use that cannot be had back cheaply.
pub const WORKING_SET: &str = "container.memory.working_set";
/// The most that may be used.
pub const LIMIT: &str = "rajut.memory.limit";
/// Memory in use by type.
pub const BY_TYPE: &str = "rajut.memory.usage_by_type";
/// Page faults that waited for a disk.
pub const MAJOR_FAULTS: &str = "rajut.memory.major_faults";
/// Pages that were had back too early.
pub const REFAULTS: &str = "rajut.memory.refaults";
/// What a limit did.
pub const EVENTS: &str = "rajut.memory.events";
/// Time in which threads stalled for memory.
pub const STALL: &str = "rajut.memory.stall.time";
/// Time in which threads stalled for a CPU.
pub const CPU_STALL: &str = "rajut.cpu.stall.time";
/// Time in which threads stalled for a disk.
pub const IO_STALL: &str = "rajut.io.stall.time";

const fn stall(name: &'static str, description: &'static str) -> Metric {
    Metric {
        name,
        unit: Unit::Seconds,
        kind: Kind::Counter,
        attribute: Some(Attribute { key: "stall", values: &["some", "full"] }),
        origin: Origin::Files,
        description,
    }
}

/// The probe.
pub static PROBE: Probe = Probe {
    name: "memory",
    title: "memory",
    metrics: &[
        Metric {
            name: USAGE,
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            attribute: None,
            origin: Origin::Files,
            description: "Memory in use, page cache and the kernel's own included, as the cgroup's file says it; of a cgroup with children, what they do not hold.",
        },
        Metric {
            name: WORKING_SET,
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            attribute: None,
            origin: Origin::Files,
            description: "Memory in use without page cache that has long not been used: what a kubelet evicts by.",
        },
        Metric {
            name: LIMIT,
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            attribute: None,
            origin: Origin::Files,
            description: "The most that a container or unit may use: its own limit or its pod's, whichever is lower; absent where there is none. Read every ten seconds. Containers that share their pod's limit add up to more than it.",
        },
        Metric {
            name: BY_TYPE,
            unit: Unit::Bytes,
            kind: Kind::Gauge,
            attribute: Some(Attribute { key: "type", values: &["anon", "file", "shmem", "kernel", "sock"] }),
            origin: Origin::Files,
            description: "Memory in use by type: anonymous, page cache without shared memory, shared memory and tmpfs, the kernel's own, socket buffers; absent where the kernel does not say.",
        },
        Metric {
            name: MAJOR_FAULTS,
            unit: Unit::Faults,
            kind: Kind::Counter,
            attribute: None,
            origin: Origin::Files,
            description: "Page faults that had to wait for a disk.",
        },
        Metric {
            name: REFAULTS,
            unit: Unit::Pages,
            kind: Kind::Counter,
            attribute: None,
            origin: Origin::Files,
            description: "Pages that were reclaimed and soon needed again: memory is short.",
        },
        Metric {
            name: EVENTS,
            unit: Unit::Events,
            kind: Kind::Counter,
            attribute: Some(Attribute { key: "event", values: &["high", "max", "oom", "oom_kill"] }),
            origin: Origin::Files,
            description: "Times that memory.high slowed a cgroup down, that its limit held it back, that reclaim at its limit failed, and that one of its processes was killed for it; each at the cgroup where it happened.",
        },
        stall(
            STALL,
            "Time in which some, or all, of a cgroup's threads that had something to do waited for memory. Read every ten seconds, of cgroups without children; told in the window of the reading.",
        ),
        stall(
            CPU_STALL,
            "Time in which some, or all, of a cgroup's threads waited for a CPU; read as the memory stall is.",
        ),
        stall(
            IO_STALL,
            "Time in which some, or all, of a cgroup's threads waited for a disk; read as the memory stall is.",
        ),
    ],
};
