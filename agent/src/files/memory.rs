//! Memory of every cgroup, and the pressure on it.

mod held;
#[cfg(test)]
mod tests;
mod text;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use self::held::{Below, Columns, Held};
use super::{keep, lost, tree::Tree};
use crate::{
    cgroups::{Hierarchies, Walk},
    model::{EntityId, Reading},
};

/// Readings from one to the next of what changes slowly or is dear to read.
const SLOW: u64 = 10;

/// For a cgroup that is a container or a unit, how many components of its path lead to the outermost directory whose
/// limit is its own: that of its pod. `None` for what is no such thing.
pub type LimitsFrom = fn(&Path) -> Option<usize>;

/// Which files say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    const fn usage(self) -> &'static str {
        match self {
            Version::V1 => "memory.usage_in_bytes",
            Version::V2 => "memory.current",
        }
    }

    /// Files with events of the cgroup itself, without those of its children.
    const fn events(self) -> &'static [&'static str] {
        match self {
            Version::V1 => &["memory.failcnt", "memory.oom_control"],
            Version::V2 => &["memory.events.local"],
        }
    }

    const fn limit(self) -> &'static str {
        match self {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        }
    }
}

/// Reads the memory controller's files of every cgroup, v2 or v1, and `*.pressure` of the identity hierarchy. Keys are
/// ids of the identity hierarchy.
///
/// - A file counts a cgroup with everything below it. Here each has its own part, the file's figure less its children's,
///   so that sums count nothing twice: the sum over a container's cgroups is what the container's file says, and the sum
///   over a pod's what the pod's file says.
/// - Events are each cgroup's own and add up by themselves.
/// - A limit belongs to the container or unit, see [`LimitsFrom`]; not to what is in it, and not to slices around it.
/// - Pressure cannot be added or subtracted: only cgroups without children tell it.
///
/// Usage, `memory.stat` and events are read each time, limits and pressure in every tenth reading, a tenth of the cgroups
/// at a time: a limit is repeated until it is read again, a stall is told in the window in which it was read.
#[derive(Debug)]
pub struct Memory {
    identity: PathBuf,
    mount: PathBuf,
    version: Version,
    limits_from: LimitsFrom,
    columns: Columns,
    groups: HashMap<u64, Held>,
    /// Ids by the order of the last walk, parents before children, and where each one's parent is in it.
    order: Vec<(u64, Option<usize>)>,
    tree: Tree,
    /// Readings so far.
    readings: u64,
    /// Whether there was nothing to walk.
    nowhere: bool,
    /// How many descriptors are kept.
    keep: usize,
}

impl Memory {
    /// `None` where no hierarchy has the memory controller.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies, limits_from: LimitsFrom) -> Option<Memory> {
        let mount = hierarchies.memory.clone()?;
        Some(Memory {
            version: if mount == hierarchies.identity { Version::V2 } else { Version::V1 },
            identity: hierarchies.identity.clone(),
            mount,
            limits_from,
            columns: Columns::find(),
            groups: HashMap::new(),
            order: Vec::new(),
            tree: Tree::new(&hierarchies.identity),
            readings: 0,
            nowhere: false,
            keep: keep(),
        })
    }

    /// What it stands on.
    #[must_use]
    pub fn rung(&self) -> &'static str {
        match self.version {
            Version::V1 => "cgroup v1 files",
            Version::V2 => "cgroup v2 files",
        }
    }

    /// Reads them all.
    pub fn read(&mut self) -> Reading {
        let ended = self.groups.values().any(|group| group.ended);
        if let Some(walk) = self.tree.walk_if_changed(ended) {
            self.take_in(&walk);
        }
        let failed = self.read_files();
        let rows = self.order.iter().filter_map(|(id, _)| Some((EntityId(*id), self.groups.get(id)?)));
        let rows = rows.map(|(id, group)| (id, group.values(&self.columns)));
        Reading {
            source: "memory",
            rows: rows
                .filter(|(_, values)| !values.counters.is_empty() || !values.gauges.is_empty())
                .collect(),
            lost: lost(failed, self.nowhere),
        }
    }

    /// Reads every file, and gives in how many cgroups one could not be. The order is that of `CpuStat`, for the same reason.
    fn read_files(&mut self) -> u64 {
        let mut failed = 0;
        let mut room = self.keep.saturating_sub(self.groups.values().map(Held::kept).sum());
        let mut order: Vec<u64> = self.order.iter().map(|(id, _)| *id).collect();
        if self.readings == 0 {
            order.reverse();
        }
        for id in &order {
            let slow = id % SLOW == self.readings % SLOW;
            let read = self.groups.get_mut(id).map(|group| group.read(self.version, slow, &mut room));
            failed += u64::from(read.is_some_and(|read| read.is_err()));
        }
        self.readings += 1;
        let mut below = vec![Below::default(); self.order.len()];
        for (at, (id, parent)) in self.order.iter().enumerate().rev() {
            let Some(group) = self.groups.get_mut(id) else { continue };
            let grown = group.settle(below.get(at).copied().unwrap_or_default());
            if let Some(of_parent) = parent.and_then(|parent| below.get_mut(parent)) {
                of_parent.add(grown);
            }
        }
        failed
    }

    /// Makes the groups those of the walk.
    fn take_in(&mut self, walk: &Walk) {
        self.nowhere = walk.dirs.is_empty();
        self.order = walk.dirs.iter().map(|dir| (dir.id, dir.parent)).collect();
        // Whether something, and whether another container or unit, is below each.
        let mut below = vec![(false, false); walk.dirs.len()];
        let owners: Vec<Option<usize>> = walk.dirs.iter().map(|dir| (self.limits_from)(&dir.path)).collect();
        for (at, dir) in walk.dirs.iter().enumerate().rev() {
            let owns =
                owners.get(at).is_some_and(Option::is_some) || below.get(at).is_some_and(|below| below.1);
            if let Some(of_parent) = dir.parent.and_then(|parent| below.get_mut(parent)) {
                *of_parent = (true, of_parent.1 || owns);
            }
        }
        let mut before = std::mem::take(&mut self.groups);
        for (dir, (owner, (is_parent, around))) in walk.dirs.iter().zip(owners.into_iter().zip(below)) {
            let parent = dir.parent.and_then(|parent| walk.dirs.get(parent));
            let parent = parent.and_then(|parent| self.groups.get(&parent.id));
            // What was not there when all its parent's children were seen has appeared since.
            let born = parent.is_some_and(|parent| parent.whole);
            let mut group = before
                .remove(&dir.id)
                .unwrap_or_else(|| Held::new(self.version, &self.mount.join(&dir.path), born));
            let limits = owner.filter(|_| !around).map(|from| self.limits(&dir.path, from));
            group.set_limits(limits.unwrap_or_default());
            let pressure = (!is_parent && dir.whole).then(|| self.identity.join(&dir.path));
            group.set_pressure(pressure.as_deref());
            self.groups.insert(dir.id, group);
        }
        for dir in &walk.dirs {
            if let Some(group) = self.groups.get_mut(&dir.id) {
                group.whole = dir.whole;
            }
        }
    }

    /// The limits that hold for a cgroup: its own, and those around it whose path has at least so many components.
    fn limits(&self, path: &Path, from: usize) -> Vec<PathBuf> {
        let depth = path.components().count();
        let inside = path.ancestors().take((depth + 1).saturating_sub(from));
        inside.map(|dir| self.mount.join(dir).join(self.version.limit())).collect()
    }
}
