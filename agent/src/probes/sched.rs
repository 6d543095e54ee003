//! `sched`: who runs, who waits for a CPU, and why.

use super::{Attribute, Kind, Metric, Origin, Probe, Unit};

/// Run-queue latency: the distribution of waits.
pub const LATENCY: &str = "rajut.cpu.run_queue.latency";
/// Run-queue waiting time by cause.
pub const WAIT: &str = "rajut.cpu.run_queue.time";
/// On-CPU time.
pub const TIME: &str = "rajut.cpu.time";
/// Context switches by kind.
pub const SWITCHES: &str = "rajut.cpu.context_switches";
/// CPU time refused by a quota.
pub const THROTTLED: &str = "rajut.cpu.throttled.time";

/// The probe.
pub static PROBE: Probe = Probe {
    name: "sched",
    title: "cpu wait",
    metrics: &[
        Metric {
            name: LATENCY,
            unit: Unit::Seconds,
            kind: Kind::Histogram,
            attribute: None,
            origin: Origin::Programs,
            description: "Time that a thread was ready to run and waited for a CPU, one value for each time it was given one.",
        },
        Metric {
            name: WAIT,
            unit: Unit::Seconds,
            kind: Kind::Counter,
            attribute: Some(Attribute { key: "cause", values: &["contention", "quota"] }),
            origin: Origin::Programs,
            description: "Time spent waiting for a CPU, by cause: others were running, or the cgroup's CPU quota was used up.",
        },
        Metric {
            name: TIME,
            unit: Unit::Seconds,
            kind: Kind::Counter,
            attribute: None,
            origin: Origin::ProgramsOr("cpu.stat"),
            description: "Time that threads ran on a CPU.",
        },
        Metric {
            name: SWITCHES,
            unit: Unit::Switches,
            kind: Kind::Counter,
            attribute: Some(Attribute { key: "type", values: &["voluntary", "involuntary"] }),
            origin: Origin::Programs,
            description: "Times that a thread left a CPU: because it had to wait for something, or because it was made to.",
        },
        Metric {
            name: THROTTLED,
            unit: Unit::Seconds,
            kind: Kind::Counter,
            attribute: None,
            origin: Origin::File("cpu.stat"),
            description: "Time that the cgroup's CPU quota kept its threads from running, summed over CPUs, as cpu.stat counts it.",
        },
    ],
};
