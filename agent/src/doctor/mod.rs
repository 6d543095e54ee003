//! Asks the ladder what this host can do, and says what to do about the rest.
//!
//! - *Takes*: the host.
//! - *Gives*: a verdict for each probe.
//! - *Never*: the store, the ways out.

mod examine;

use serde::Serialize;

pub use examine::examine;

/// What a host can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The host itself.
    pub host: Host,
    /// One for each probe, in registry order.
    pub probes: Vec<Verdict>,
}

/// What the probes stand on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// Kernel release, as `uname -r` says it.
    pub kernel: String,
    /// BTF: `yes`, or why not.
    pub btf: String,
    /// Which cgroup hierarchies: `v2`, `v1 and v2 (hybrid)`, `v1`.
    pub cgroup: String,
    /// Who we are to the kernel: `root`, `CAP_BPF CAP_PERFMON`, `none`.
    pub privileges: String,
}

/// How far a probe works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// By its best rung.
    Ok,
    /// By a lesser rung, or not all of it.
    Part,
    /// Not at all.
    Off,
}

/// How one probe stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The probe's name in the registry.
    pub probe: String,
    /// How far it works.
    pub state: State,
    /// What a person gets from it, in a few words.
    pub gives: String,
    /// The rung that holds; empty when none does.
    pub stands_on: String,
    /// Why the better rungs, or all, do not hold; empty when the best does.
    pub reason: String,
    /// What to do about that; empty when there is nothing.
    pub advice: String,
}

/// How the host stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overall {
    /// Every probe works fully.
    All,
    /// Something works.
    Partly,
    /// Nothing does.
    Nothing,
}

impl Report {
    /// The verdicts as one.
    #[must_use]
    pub fn overall(&self) -> Overall {
        if self.probes.iter().all(|verdict| verdict.state == State::Off) {
            Overall::Nothing
        } else if self.probes.iter().all(|verdict| verdict.state == State::Ok) {
            Overall::All
        } else {
            Overall::Partly
        }
    }
}
