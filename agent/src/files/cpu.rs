//! CPU time and throttling of every cgroup, from cpu.stat.

mod group;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use self::group::Group;
use super::{count::Growth, keep, lost, tree::Tree};
use crate::{
    cgroups::{Hierarchies, Walk},
    model::{EntityId, Reading, Values},
    probes::{Column, sched},
};

/// Reads cpu.stat of every cgroup, with kept descriptors: throttled time where a quota was ever in force, and on-CPU
/// time where it is asked for. Keys are ids of the identity hierarchy, whichever hierarchy the file is in.
///
/// A v2 `usage_usec` counts a cgroup with everything below it; here each has its own part, the growth of its file less
/// that of its children's, so that sums over cgroups count nothing twice. What a child did between its last reading and
/// its end stays with its parent, and so does what is done in cgroups beyond the bounds of a walk: that is in the log
/// and is no loss, since whoever may make cgroups could otherwise make every window incomplete. `throttled_usec` is each
/// cgroup's own quota and is taken as it is.
#[derive(Debug)]
pub struct CpuStat {
    identity: PathBuf,
    cpu: Option<PathBuf>,
    columns: Columns,
    groups: HashMap<u64, Group>,
    /// Ids by the order of the last walk, parents before children, and where each one's parent is in it.
    order: Vec<(u64, Option<usize>)>,
    tree: Tree,
    /// Whether nothing was read yet.
    baseline: bool,
    /// Directories of which the last walk did not see all children: their throttling is not known.
    skipped: u64,
    /// Whether there was nothing to walk.
    nowhere: bool,
    /// How many descriptors are kept.
    keep: usize,
}

#[derive(Debug, Clone, Copy)]
struct Columns {
    throttled: Option<Column>,
    usage: Option<Column>,
}

impl CpuStat {
    /// What it gives where it stands alone.
    pub const RUNG: &str = "cpu.stat (CPU time and throttling only)";

    /// `usage`: also give on-CPU time, for hosts where no kernel program measures it.
    #[must_use]
    pub fn new(hierarchies: &Hierarchies, usage: bool) -> CpuStat {
        CpuStat {
            identity: hierarchies.identity.clone(),
            cpu: hierarchies.cpu.clone(),
            columns: Columns {
                throttled: Column::of(sched::THROTTLED, None),
                usage: Column::of(sched::TIME, None).filter(|_| usage),
            },
            groups: HashMap::new(),
            order: Vec::new(),
            tree: Tree::new(&hierarchies.identity),
            baseline: true,
            skipped: 0,
            nowhere: false,
            keep: keep(),
        }
    }

    /// Reads them all.
    pub fn read(&mut self) -> Reading {
        let ended = self.groups.values().any(|group| group.ended);
        if let Some(walk) = self.tree.walk_if_changed(ended) {
            self.take_in(walk);
        }

        let failed = self.read_files();
        let rows = self.order.iter().filter_map(|(id, _)| Some((EntityId(*id), self.groups.get(id)?)));
        Reading {
            source: "cpu.stat",
            rows: rows.map(|(id, group)| (id, group.values(self.columns))).filter(measured).collect(),
            lost: lost(failed, self.nowhere),
        }
    }

    /// Reads every file, and gives how many could not be. Parents come before their children, except in the baseline:
    /// what the children do in between then makes a parent's own part too small by a little, where any other order
    /// would invent usage.
    fn read_files(&mut self) -> u64 {
        let mut failed = 0;
        let mut room = self.keep.saturating_sub(self.groups.values().map(Group::kept).sum());
        let mut order: Vec<u64> = self.order.iter().map(|(id, _)| *id).collect();
        if std::mem::take(&mut self.baseline) {
            order.reverse();
        }
        for id in &order {
            failed += self.groups.get_mut(id).map_or(0, |group| u64::from(group.read(&mut room).is_err()));
        }
        let mut below = vec![Growth::default(); self.order.len()];
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
    fn take_in(&mut self, walk: Walk) {
        self.nowhere = walk.dirs.is_empty();
        if walk.skipped > 0 && self.skipped == 0 {
            let skipped = walk.skipped;
            tracing::warn!(skipped, "too many cgroups, or unreadable: some count as part of their parents");
        }
        self.skipped = walk.skipped;
        self.order = walk.dirs.iter().map(|dir| (dir.id, dir.parent)).collect();
        let mut before = std::mem::take(&mut self.groups);
        for dir in &walk.dirs {
            let parent = dir.parent.and_then(|parent| walk.dirs.get(parent));
            let parent = parent.and_then(|parent| self.groups.get(&parent.id));
            // What was not there when all its parent's children were seen has appeared since.
            let born = parent.is_some_and(|parent| parent.whole);
            let group = before.remove(&dir.id).unwrap_or_else(|| Group::new(self.files(&dir.path), born));
            self.groups.insert(dir.id, group);
        }
        for dir in &walk.dirs {
            if let Some(group) = self.groups.get_mut(&dir.id) {
                group.whole = dir.whole;
            }
        }
    }

    /// The cpu.stat files of a cgroup that are wanted.
    fn files(&self, group: &Path) -> Vec<PathBuf> {
        let cpu = self.cpu.as_ref();
        let usage =
            Some(&self.identity).filter(|identity| self.columns.usage.is_some() && Some(*identity) != cpu);
        cpu.into_iter().chain(usage).map(|mount| mount.join(group).join("cpu.stat")).collect()
    }
}

fn measured((_, values): &(EntityId, Values)) -> bool {
    !values.counters.is_empty()
}
