//! Whose it was: cgroup ids become pods, units and plain cgroups; a dead one keeps its name while it is remembered.
//!
//! - *Takes*: `Delta`.
//! - *Gives*: `Sample`.
//! - *Never*: the loader, the store; waiting inside a tick.

use crate::{
    cgroups::Hierarchies,
    model::{Delta, EntityId, Sample},
};

/// Names by cgroup id.
#[derive(Debug)]
pub struct Pods {}

impl Pods {
    /// Names for the cgroups of these hierarchies; `None` where there is no cgroup file system.
    #[must_use]
    pub fn new(node: &str, hierarchies: Option<&Hierarchies>) -> Pods {
        let _ = (node, hierarchies);
        Pods {}
    }

    /// Gives each row its owner.
    pub fn attribute(&mut self, delta: Delta) -> Sample {
        Sample { window: delta.window, rows: Vec::new(), changed: Vec::new(), gaps: delta.gaps }
    }

    /// Cgroups that were found gone since the last call: their slots can be given back.
    pub fn take_gone(&mut self) -> Vec<EntityId> {
        Vec::new()
    }
}
