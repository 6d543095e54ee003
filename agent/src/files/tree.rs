//! Which cgroups there are: looked up when something seems to have changed.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::cgroups::{Bounds, Walk, descendants, walk};

/// Readings after which the tree is walked even though nothing seems to have changed in it.
pub(super) const SWEEP: u32 = 10;

/// The identity hierarchy, and what was last known of it.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// `cgroup.stat` of the root, and what it last said.
    count: Option<File>,
    counted: Option<u64>,
    /// Readings since the last walk.
    since_walk: u32,
}

impl Tree {
    pub(super) fn new(root: &Path) -> Tree {
        let count = File::open(root.join("cgroup.stat")).ok();
        Tree { root: root.to_owned(), count, counted: None, since_walk: SWEEP }
    }

    /// A walk, if one is due; once for each reading. `ended`: somebody who was known seems to be gone. The same number as
    /// before and nobody gone is the same cgroups as before.
    pub(super) fn walk_if_changed(&mut self, ended: bool) -> Option<Walk> {
        let counted = self.count.as_ref().and_then(|file| {
            let mut buffer = [0; 1024];
            let length = file.read_at(&mut buffer, 0).ok()?;
            descendants(buffer.get(..length)?)
        });
        let due = counted.is_none() || counted != self.counted || ended || self.since_walk >= SWEEP;
        if due {
            self.counted = counted;
            self.since_walk = 0;
        }
        self.since_walk += 1;
        due.then(|| walk(&self.root, Bounds::default()))
    }
}
