//! Whose it was: cgroup ids become pods, units and plain cgroups; a dead one keeps its name while it is remembered.
//!
//! - *Takes*: `Delta`.
//! - *Gives*: `Sample`.
//! - *Never*: the loader, the store; waiting inside a tick.
//!
//! Names come from two places: the path of the cgroup, which is always there, and the kubelet's log directories, which
//! tell the names behind a pod's uid and a container's id. The tree is walked when a delta names a cgroup that is not
//! known, when the kernel counts more or fewer cgroups than before, and else every [`SWEEP`] windows; never twice in a
//! window.

mod cgroup;
mod logs;
mod place;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

pub use self::place::limits_from;
use self::{
    cgroup::{Cgroups, Owner},
    logs::Names,
    place::Name,
};
use crate::{
    cgroups::Hierarchies,
    model::{Delta, Entity, EntityId, Label, Labels, Sample, Utc, Values},
};

/// Windows between two walks when nothing new is seen; also how long a new name is looked for in every window.
const SWEEP: u64 = 10;

/// Windows between the end of a cgroup and the return of its kernel slot: what its last threads did is read by then.
const GRACE: u64 = 2;

/// Windows without doing anything after which a cgroup that no walk has found is given up, and its slot given back:
/// such cgroups, as short-lived as one likes, hold slots for so long at most.
const SILENCE: u64 = 30;

/// Names by cgroup id.
#[derive(Debug)]
pub struct Pods {
    node: Arc<str>,
    logs: PathBuf,
    cgroups: Cgroups,
    /// Who was reported, by id. Bounded by the cgroups that are known and the four reserved ids.
    entities: BTreeMap<EntityId, Arc<Entity>>,
    /// Living pods and containers of which a name is missing or not sure, and the window in which they were first seen.
    nameless: HashMap<EntityId, u64>,
    /// Counts windows.
    tick: u64,
    last_walk: Option<u64>,
}

impl Pods {
    /// Names for the cgroups of these hierarchies; `None` where there is no cgroup file system.
    #[must_use]
    pub fn new(node: &str, hierarchies: Option<&Hierarchies>) -> Pods {
        Pods {
            node: node.into(),
            logs: PathBuf::from("/var/log"),
            cgroups: Cgroups::new(hierarchies.map(|h| h.identity.clone())),
            entities: BTreeMap::new(),
            nameless: HashMap::new(),
            tick: 0,
            last_walk: None,
        }
    }

    /// The same with the kubelet's logs elsewhere: a directory with `pods/` and `containers/` in it. The default is
    /// `/var/log`.
    #[must_use]
    pub fn with_logs(mut self, dir: impl Into<PathBuf>) -> Pods {
        self.logs = dir.into();
        self
    }

    /// Gives each row its owner: numbers of cgroups in the same container become one row, under the container's own
    /// cgroup.
    pub fn attribute(&mut self, delta: Delta) -> Sample {
        let now = delta.window.end;
        self.tick += 1;
        let mut changed = BTreeSet::new();
        let unknown = delta.rows.iter().any(|(id, _)| reserved(*id).is_none() && !self.cgroups.knows(*id));
        // Asked in each window, since the answer is about the time since the last one.
        let changed_number = self.cgroups.number_changed();
        if unknown || changed_number || self.last_walk.is_none_or(|last| self.tick >= last + SWEEP) {
            self.walk(now, &mut changed);
        }

        let mut rows: BTreeMap<EntityId, Values> = BTreeMap::new();
        for (id, values) in delta.rows {
            let owner = if reserved(id).is_some() {
                id
            } else {
                let (owner, back) = self.cgroups.owner(id, self.tick, !values.is_zero());
                if back {
                    self.change(id, &mut changed, |entity| entity.gone_at = None);
                }
                owner
            };
            match rows.entry(owner) {
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(values);
                }
                std::collections::btree_map::Entry::Occupied(mut row) => row.get_mut().merge(&values),
            }
        }

        for id in self.cgroups.give_up(self.tick) {
            self.change(id, &mut changed, |entity| entity.gone_at = Some(now));
        }

        let new: Vec<EntityId> = rows.keys().filter(|id| !self.entities.contains_key(id)).copied().collect();
        self.name(now, new, &mut changed);

        Sample {
            window: delta.window,
            rows: rows
                .into_iter()
                .filter_map(|(id, values)| Some((Arc::clone(self.entities.get(&id)?), values)))
                .collect(),
            changed: changed.iter().filter_map(|id| self.entities.get(id).cloned()).collect(),
            gaps: delta.gaps,
        }
    }

    /// Cgroups that were found gone, or given up, at least two windows ago, each once: their slots can be given back.
    pub fn take_gone(&mut self) -> Vec<EntityId> {
        self.cgroups.take_gone(self.tick.saturating_sub(GRACE))
    }

    fn walk(&mut self, now: Utc, changed: &mut BTreeSet<EntityId>) {
        self.last_walk = Some(self.tick);
        let found = self.cgroups.walk(self.tick);
        for id in found.gone {
            self.nameless.remove(&id);
            self.change(id, changed, |entity| entity.gone_at = Some(now));
        }
        for id in found.back.into_iter().filter(|id| self.entities.contains_key(id)).collect::<Vec<_>>() {
            // It was taken for gone while it was being made, or its directory could not be read.
            let (labels, whole) = self.labels(id, &Names::default());
            if !whole {
                self.nameless.insert(id, self.tick);
            }
            self.change(id, changed, |entity| {
                entity.gone_at = None;
                entity.valid_from = now;
                entity.labels = labels;
            });
        }
        for id in self.cgroups.forget(self.tick) {
            self.entities.remove(&id);
        }
    }

    /// The version of a record that is made in this window: windows are counted, so that who was forgotten and comes
    /// back has a later one than before.
    fn version(&self) -> u32 {
        u32::try_from(self.tick).unwrap_or(u32::MAX)
    }

    /// Makes records for those who have none, and looks for names that were missing.
    fn name(&mut self, now: Utc, new: Vec<EntityId>, changed: &mut BTreeSet<EntityId>) {
        let swept = self.last_walk == Some(self.tick);
        let mut due: Vec<EntityId> = self
            .nameless
            .iter()
            .filter(|(_, born)| swept || self.tick < **born + SWEEP)
            .map(|(id, _)| *id)
            .collect();
        let from_logs = |id: &EntityId| {
            matches!(self.cgroups.find(*id).map(|o| o.name), Some(Name::Pod { .. } | Name::Container { .. }))
        };
        let names = if !due.is_empty() || new.iter().any(from_logs) {
            Names::read(&self.logs)
        } else {
            Names::default()
        };

        for id in new {
            let (labels, whole) = self.labels(id, &names);
            let gone_at = self.cgroups.find(id).filter(|owner| owner.gone).map(|_| now);
            if !whole && gone_at.is_none() {
                self.nameless.insert(id, self.tick);
            }
            let version = self.version();
            self.entities.insert(id, Arc::new(Entity { id, version, valid_from: now, gone_at, labels }));
            changed.insert(id);
        }
        due.sort_unstable();
        for id in due {
            let (labels, whole) = self.labels(id, &names);
            if whole {
                self.nameless.remove(&id);
            }
            if self.entities.get(&id).is_some_and(|entity| entity.labels != labels) {
                self.change(id, changed, |entity| {
                    entity.valid_from = now;
                    entity.labels = labels;
                });
            }
        }
    }

    /// A new version of a record that was reported.
    fn change(&mut self, id: EntityId, changed: &mut BTreeSet<EntityId>, edit: impl FnOnce(&mut Entity)) {
        let version = self.version();
        if let Some(entity) = self.entities.get_mut(&id) {
            let entity = Arc::make_mut(entity);
            entity.version = version;
            edit(entity);
            changed.insert(id);
        }
    }

    /// An owner's labels, and whether no better name can be found for it.
    fn labels(&self, id: EntityId, names: &Names) -> (Labels, bool) {
        let labels = Labels::default().with(Label::Node, Arc::clone(&self.node));
        let cgroup = |name: &str| labels.clone().with(Label::Cgroup, name);
        if let Some(name) = reserved(id) {
            return (cgroup(name), true);
        }
        let in_pod = |uid: &str| match names.pod(uid) {
            Some(pod) => labels
                .clone()
                .with(Label::Namespace, Arc::clone(&pod.namespace))
                .with(Label::Pod, Arc::clone(&pod.name)),
            None => labels.clone().with(Label::Pod, uid),
        };
        match self.cgroups.find(id) {
            Some(Owner { name: Name::Host, .. }) => (cgroup("host"), true),
            Some(Owner { name: Name::Unit(unit), .. }) => {
                (labels.clone().with(Label::Unit, unit.as_str()), true)
            }
            Some(Owner { name: Name::Path(path), .. }) => (cgroup(path), true),
            Some(Owner { name: Name::Pod { uid }, .. }) => (in_pod(uid), names.pod(uid).is_some()),
            Some(Owner { name: Name::Container { pod, id: container }, .. }) => {
                let name = names.container(pod, container, self.cgroups.containers(pod) == 1);
                // Twelve digits are what the runtimes' own tools show.
                let short = || (container.chars().take(12).collect::<String>().into(), false);
                let (name, sure) = name.unwrap_or_else(short);
                (in_pod(pod).with(Label::Container, name), sure && names.pod(pod).is_some())
            }
            Some(Owner { name: Name::Unknown, gone: true }) => (cgroup(&format!("(gone) id {}", id.0)), true),
            Some(Owner { name: Name::Unknown, gone: false }) | None => {
                (cgroup(&format!("id {}", id.0)), true)
            }
        }
    }
}

/// The names of ids that are no cgroup of their own.
fn reserved(id: EntityId) -> Option<&'static str> {
    match id {
        EntityId::HOST => Some("host"),
        EntityId::KERNEL => Some("kernel"),
        EntityId::RAJUT => Some("rajut"),
        EntityId::OTHER => Some("other"),
        _ => None,
    }
}
