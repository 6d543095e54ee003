//! The cgroup file system: where it is mounted, which hierarchy carries identity, and its directories by id.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    ffi::OsString,
    fs,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirEntryExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

/// The hierarchies of this host that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    /// The one whose ids are identity: the v2 mount (pure or hybrid).
    pub identity: PathBuf,
    /// Where `cpu.stat` with quota fields is: the v2 mount, or the v1 cpu controller's. `None` where there is none.
    pub cpu: Option<PathBuf>,
    /// Where memory is accounted for: the v2 mount, or the v1 memory controller's. `None` where it is nowhere.
    pub memory: Option<PathBuf>,
}

/// Why identity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup v2 mount.
    #[error("no cgroup v2 file system is mounted")]
    NoV2,
    /// A cgroup name space, or a bind mount of a part: all that is outside would look as if it were gone.
    #[error("the cgroup file system shows only this container's own subtree: mount the host's")]
    Namespaced,
    /// The mount table cannot be read.
    #[error("cannot read the mount table")]
    Mounts(#[source] std::io::Error),
}

impl Hierarchies {
    /// Reads the mount table.
    ///
    /// # Errors
    /// When no cgroup v2 mount shows the whole hierarchy, or the table cannot be read.
    pub fn find() -> Result<Hierarchies, CgroupError> {
        let table = fs::read("/proc/self/mountinfo").map_err(CgroupError::Mounts)?;
        let mut mounts = mounts(&table);
        // The table also lists what another file system has been mounted over.
        mounts.retain(|mount| mount.at.join("cgroup.procs").exists());
        Hierarchies::of_mounts(&mounts, |at| fs::metadata(at).is_ok_and(|dir| dir.ino() == ROOT_ID))
    }

    /// In a container there may be several mounts of a hierarchy: its own cgroup, and the host's tree that was mounted
    /// into it. Only one that shows it from its root is of use.
    fn of_mounts(mounts: &[Mount], is_whole: impl Fn(&Path) -> bool) -> Result<Hierarchies, CgroupError> {
        let whole = |of: &dyn Fn(&Mount) -> bool| {
            mounts.iter().find(|mount| of(mount) && is_whole(&mount.at)).map(|mount| mount.at.clone())
        };
        let identity = whole(&|mount| mount.v2).ok_or_else(|| match mounts.iter().any(|mount| mount.v2) {
            true => CgroupError::Namespaced,
            false => CgroupError::NoV2,
        })?;
        let controllers = fs::read_to_string(identity.join("cgroup.controllers")).unwrap_or_default();
        let of = |wanted: &str| {
            if controllers.split_whitespace().any(|controller| controller == wanted) {
                Some(identity.clone())
            } else {
                whole(&|mount| !mount.v2 && mount.controllers.iter().any(|name| name == wanted))
            }
        };
        let (cpu, memory) = (of("cpu"), of("memory"));
        Ok(Hierarchies { identity, cpu, memory })
    }
}

/// The id of each hierarchy's root directory, in whatever cgroup name space one looks at it.
const ROOT_ID: u64 = 1;

/// One cgroup mount.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    at: PathBuf,
    v2: bool,
    /// Of a v1 hierarchy.
    controllers: Vec<String>,
}

/// The cgroup mounts in a mountinfo table (proc(5)); lines that are none are skipped.
fn mounts(table: &[u8]) -> Vec<Mount> {
    table.split(|byte| *byte == b'\n').filter_map(mount).collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let at = fields.nth(4)?;
    // Optional fields end with a lone dash; then file system type, source, super block options.
    let mut after = fields.skip_while(|field| *field != b"-").skip(1);
    let v2 = match after.next()? {
        b"cgroup2" => true,
        b"cgroup" => false,
        _ => return None,
    };
    let options = after.nth(1)?.split(|byte| *byte == b',');
    Some(Mount {
        at: PathBuf::from(OsString::from_vec(unescape(at))),
        v2,
        controllers: options.map(|option| String::from_utf8_lossy(option).into_owned()).collect(),
    })
}

/// `\040` and its like: a backslash and three octal digits.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let byte = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// A cgroup as a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// Its id in the hierarchy: the inode number.
    pub id: u64,
    /// Below the root, without a leading slash; empty for the root.
    pub path: PathBuf,
    /// Where its parent is in the list; the root has none.
    pub parent: Option<usize>,
    /// Whether all its children are in the list.
    pub whole: bool,
}

/// Every cgroup of a hierarchy at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// Parents before their children; empty where the root cannot be looked at.
    pub dirs: Vec<Dir>,
    /// Directories of which not all children are in the list: over the bounds, or unreadable. 0 means that what is not
    /// in the list does not exist.
    pub skipped: u64,
}

/// Bounds of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Levels below the root.
    pub depth: usize,
    /// Directories.
    pub dirs: usize,
}

impl Default for Bounds {
    /// A few times what the largest nodes have: 500 pods are about 2,000 directories, 10 levels in kind.
    fn default() -> Bounds {
        Bounds { depth: 24, dirs: 16_384 }
    }
}

/// Lists every cgroup below a root: one stat for each, and one listing for each that has children. A directory counts
/// its children in its link count, so that leaves, which are most, need not be opened; a file system that does not
/// keep that count says 1, and then all are.
///
/// Who may make cgroups in one branch of the tree cannot hide another: branches below the root take turns, and the one
/// with the fewest directories so far is next. Within a branch the shallow come first.
#[must_use]
pub fn walk(root: &Path, bounds: Bounds) -> Walk {
    let mut walk = Walk::default();
    let Ok(meta) = fs::metadata(root) else {
        walk.skipped = 1;
        return walk;
    };
    walk.dirs.push(Dir { id: meta.ino(), path: PathBuf::new(), parent: None, whole: true });
    let mut trunk = Branch { open: VecDeque::from([(0, 0)]), ..Branch::default() };
    let mut branches = Vec::new();
    while let Some(child) = trunk.next(root, bounds, &mut walk) {
        trunk.open.clear();
        branches
            .push(Branch { open: child.map(|child| (child, 1)).into_iter().collect(), ..Branch::default() });
    }
    let mut turns: BinaryHeap<_> = (0..branches.len()).map(|at| Reverse((0, at))).collect();
    while let Some(Reverse((taken, at))) = turns.pop() {
        let Some(branch) = branches.get_mut(at) else { continue };
        if let Some(child) = branch.next(root, bounds, &mut walk) {
            branch.open.extend(child.map(|child| (child, branch.depth + 1)));
            turns.push(Reverse((taken + 1, at)));
        }
    }
    walk.skipped = walk.dirs.iter().filter(|dir| !dir.whole).count() as u64;
    walk
}

/// A part of the tree that is being walked.
#[derive(Debug, Default)]
struct Branch {
    /// Directories to be listed, with how deep they are.
    open: VecDeque<(usize, usize)>,
    /// The directory whose children come next, how deep it is, and those of them that are not in the list yet.
    parent: usize,
    depth: usize,
    children: std::vec::IntoIter<(OsString, u64)>,
}

impl Branch {
    /// Puts one more directory into the list; gives its place there if it may have children. `None` at the end.
    fn next(&mut self, root: &Path, bounds: Bounds, walk: &mut Walk) -> Option<Option<usize>> {
        loop {
            let parent = walk.dirs.get(self.parent)?;
            let Some((name, id)) = self.children.next() else {
                (self.parent, self.depth) = self.open.pop_front()?;
                self.children = list(root, bounds, self.depth, walk.dirs.get_mut(self.parent)?);
                continue;
            };
            if walk.dirs.len() >= bounds.dirs {
                self.children = Vec::new().into_iter();
                walk.dirs.get_mut(self.parent)?.whole = false;
                continue;
            }
            let path = parent.path.join(name);
            let links = fs::symlink_metadata(root.join(&path)).map_or(0, |meta| meta.nlink());
            walk.dirs.push(Dir { id, path, parent: Some(self.parent), whole: true });
            return Some(Some(walk.dirs.len() - 1).filter(|_| links != LINKS_OF_A_LEAF && links != 0));
        }
    }
}

/// The children of a directory, by name and id, and in the directory whether they are all.
fn list(root: &Path, bounds: Bounds, depth: usize, dir: &mut Dir) -> std::vec::IntoIter<(OsString, u64)> {
    let limit = if depth < bounds.depth { bounds.dirs } else { 0 };
    let mut children = Vec::new();
    match fs::read_dir(root.join(&dir.path)) {
        Ok(entries) => {
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                if children.len() >= limit {
                    dir.whole = false;
                    break;
                }
                children.push((entry.file_name(), entry.ino()));
            }
        }
        // Removed since its parent was listed.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(_) => dir.whole = false,
    }
    children.into_iter()
}

/// Its name in its parent, and its own `.`.
const LINKS_OF_A_LEAF: u64 = 2;

/// How many cgroups live below a v2 root, from one small file; `None` where the file system does not say. While it is
/// the same and no known cgroup is gone, a walk would find nothing new.
#[must_use]
pub fn descendants(stat: &[u8]) -> Option<u64> {
    stat.split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"nr_descendants "))
        .and_then(|number| std::str::from_utf8(number).ok()?.trim().parse().ok())
}

/// A path as text, for names; bytes that are no UTF-8 are replaced.
#[must_use]
pub fn text(path: &Path) -> String {
    String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned()
}
