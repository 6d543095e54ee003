//! Every cgroup that is known by its id: whom it belongs to, and since when it is gone.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    SILENCE, SWEEP,
    place::{Name, place},
};
use crate::{
    cgroups::{Bounds, descendants, text, walk},
    model::EntityId,
};

/// The cgroups of one hierarchy.
#[derive(Debug)]
pub(super) struct Cgroups {
    root: Option<PathBuf>,
    /// Bounded by the walk, and by the kernel's slots for those that no walk found.
    known: BTreeMap<EntityId, Cgroup>,
    /// Living containers of each pod.
    containers: HashMap<String, usize>,
    /// Whether the last walk saw everything: then what it did not find is gone.
    complete: bool,
    /// How many cgroups there are below the root, as the root last said.
    counted: Option<u64>,
}

#[derive(Debug)]
struct Cgroup {
    /// Below the root; empty for one that no walk found.
    path: PathBuf,
    name: Name,
    /// The cgroup that is the container, pod or unit; often itself.
    owner: EntityId,
    /// The window in which it was found gone, or given up.
    gone: Option<u64>,
    /// Given up for its silence: it may live, and is back as soon as it does something.
    given_up: bool,
    /// Whether its slot was given back.
    released: bool,
    /// The last window with numbers of it, or of one that it owns.
    seen: u64,
    /// The last window in which it did something.
    active: u64,
}

/// An owner's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) name: &'a Name,
    pub(super) gone: bool,
}

/// What a walk found out about cgroups that were known before.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) gone: Vec<EntityId>,
    /// Known as gone or nameless, and found now to be owners.
    pub(super) back: Vec<EntityId>,
}

impl Cgroups {
    pub(super) fn new(root: Option<PathBuf>) -> Cgroups {
        Cgroups { root, known: BTreeMap::new(), containers: HashMap::new(), complete: false, counted: None }
    }

    /// Whether cgroups came or went since this was asked last, by their number: the kernel counts them. Where as many
    /// came as went, the newcomers' own numbers tell.
    pub(super) fn number_changed(&mut self) -> bool {
        let stat = self.root.as_ref().and_then(|root| fs::read(root.join("cgroup.stat")).ok());
        let counted = stat.and_then(|stat| descendants(&stat));
        std::mem::replace(&mut self.counted, counted) != counted
    }

    pub(super) fn knows(&self, id: EntityId) -> bool {
        self.known.contains_key(&id)
    }

    pub(super) fn find(&self, id: EntityId) -> Option<Owner<'_>> {
        self.known.get(&id).map(|cgroup| Owner { name: &cgroup.name, gone: cgroup.gone.is_some() })
    }

    /// How many containers of a pod live.
    pub(super) fn containers(&self, pod: &str) -> usize {
        self.containers.get(pod).copied().unwrap_or(0)
    }

    /// The owner of a cgroup that has numbers in this window, and whether one that was given up is back. One that no
    /// walk found is its own: it was gone before it could be looked at, or there is nothing to look at.
    pub(super) fn owner(&mut self, id: EntityId, tick: u64, active: bool) -> (EntityId, bool) {
        let gone = (self.root.is_some() && self.complete).then_some(tick);
        let cgroup = self.known.entry(id).or_insert_with(|| Cgroup {
            path: PathBuf::new(),
            name: Name::Unknown,
            owner: id,
            gone,
            given_up: false,
            released: false,
            seen: tick,
            active: tick,
        });
        cgroup.seen = tick;
        let mut back = false;
        if active {
            cgroup.active = tick;
            back = std::mem::take(&mut cgroup.given_up);
            if back {
                (cgroup.gone, cgroup.released) = (None, false);
            }
        }
        let owner = cgroup.owner;
        if let Some(owner) = self.known.get_mut(&owner) {
            owner.seen = tick;
        }
        (owner, back)
    }

    /// Gives up those whom no walk has found and who have long done nothing. Whether they are gone cannot be seen; their
    /// slots are wanted by others, and one that lives after all claims another when it runs.
    pub(super) fn give_up(&mut self, tick: u64) -> Vec<EntityId> {
        let silent = |cgroup: &Cgroup| {
            cgroup.gone.is_none() && cgroup.name == Name::Unknown && tick >= cgroup.active + SILENCE
        };
        self.known
            .iter_mut()
            .filter(|(_, cgroup)| silent(cgroup))
            .map(|(id, cgroup)| {
                (cgroup.gone, cgroup.given_up) = (Some(tick), true);
                *id
            })
            .collect()
    }

    /// Compares what is known with the tree.
    pub(super) fn walk(&mut self, tick: u64) -> Found {
        let mut found = Found::default();
        let Some(root) = &self.root else { return found };
        let walk = walk(root, Bounds::default());
        self.complete = walk.skipped == 0;
        self.containers.clear();

        let mut alive = HashSet::with_capacity(walk.dirs.len());
        for dir in &walk.dirs {
            let id = EntityId(dir.id);
            alive.insert(id);
            if self.known.get(&id).is_some_and(|cgroup| cgroup.gone.is_none() && cgroup.name != Name::Unknown)
            {
                continue;
            }
            let place = place(&text(&dir.path));
            let mut owner = dir;
            for _ in place.depth..dir.path.components().count() {
                owner = owner.parent.and_then(|parent| walk.dirs.get(parent)).unwrap_or(owner);
            }
            let cgroup = Cgroup {
                path: dir.path.clone(),
                name: place.name,
                owner: EntityId(owner.id),
                gone: None,
                given_up: false,
                released: false,
                seen: tick,
                active: tick,
            };
            let owns_itself = cgroup.owner == id;
            if self.known.insert(id, cgroup).is_some() && owns_itself {
                found.back.push(id);
            }
        }
        for (id, cgroup) in &mut self.known {
            let lives = alive.contains(id)
                || cgroup.gone.is_none()
                    && !self.complete
                    // The walk did not get everywhere: ask for this one.
                    && (cgroup.name == Name::Unknown || is_there(&root.join(&cgroup.path), *id));
            if !lives && cgroup.gone.is_none() {
                cgroup.gone = Some(tick);
                found.gone.push(*id);
            }
            if let (true, Name::Container { pod, .. }, true) = (lives, &cgroup.name, cgroup.owner == *id) {
                *self.containers.entry(pod.clone()).or_default() += 1;
            }
        }
        found
    }

    /// Those that were gone by that window, each once.
    pub(super) fn take_gone(&mut self, by: u64) -> Vec<EntityId> {
        let due = |cgroup: &Cgroup| !cgroup.released && cgroup.gone.is_some_and(|gone| gone <= by);
        self.known
            .iter_mut()
            .filter(|(_, cgroup)| due(cgroup))
            .map(|(id, cgroup)| {
                cgroup.released = true;
                *id
            })
            .collect()
    }

    /// Drops those that are gone and have long been silent: their slots are given back, no later delta names them.
    pub(super) fn forget(&mut self, tick: u64) -> Vec<EntityId> {
        let mut forgotten = Vec::new();
        self.known.retain(|id, cgroup| {
            let over = cgroup.gone.is_some_and(|gone| tick > gone.max(cgroup.seen) + SWEEP);
            if over {
                forgotten.push(*id);
            }
            !over
        });
        forgotten
    }
}

/// Whether a cgroup is where it was. One whose parent was closed to us is not gone for that.
fn is_there(path: &Path, id: EntityId) -> bool {
    match fs::symlink_metadata(path) {
        Ok(dir) => dir.ino() == id.0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}
