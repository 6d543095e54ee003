//! Who is remembered: a bounded table of records, shared with readers as a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use crate::model::{Entity, EntityId, Label, Labels, Utc};

/// A snapshot of the table.
pub(super) type Snapshot = Arc<BTreeMap<EntityId, Arc<Entity>>>;

/// The records, at most so many.
#[derive(Debug)]
pub(super) struct Names {
    max: usize,
    /// Copied only when it changes while a reader holds it.
    known: Snapshot,
    /// Those who are gone, by when.
    gone: BTreeSet<(Utc, EntityId)>,
    /// What there is of each.
    seen: HashMap<EntityId, Seen>,
    /// Rows that are found under `other`.
    folded: u64,
}

/// What there is of one.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The end of the last window with a row of it, or with a change.
    last: Utc,
    /// Rows since it was remembered.
    rows: u64,
}

impl Names {
    pub(super) fn new(max: usize) -> Names {
        Names {
            max: max.max(1),
            known: Snapshot::default(),
            gone: BTreeSet::new(),
            seen: HashMap::new(),
            folded: 0,
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Arc::clone(&self.known)
    }

    pub(super) fn folded(&self) -> u64 {
        self.folded
    }

    /// Takes in a record that has so many rows in the window with this end, or has changed in it. A record that finds no room
    /// takes the place of the one that has been gone longest; where all live, it is not remembered, and its numbers are
    /// found under `other`, whose record is then given back if it is new.
    pub(super) fn note(&mut self, entity: &Arc<Entity>, end: Utc, rows: u64) -> Option<Arc<Entity>> {
        let mut other = None;
        match self.known.get(&entity.id) {
            Some(known) if Arc::ptr_eq(known, entity) || known.version > entity.version => {}
            Some(_) => self.insert(entity),
            None => {
                if self.known.len() >= self.max && entity.id != EntityId::OTHER {
                    other = self.other(entity, end);
                    if !self.evict() {
                        self.folded += rows;
                        return other;
                    }
                }
                self.insert(entity);
            }
        }
        let seen = self.seen.entry(entity.id).or_insert(Seen { last: end, rows: 0 });
        seen.last = end;
        seen.rows += rows;
        other
    }

    /// Drops those who are gone and of whom no window after this instant has numbers.
    pub(super) fn expire(&mut self, before: Utc) {
        let over = |id: &EntityId| self.seen.get(id).is_none_or(|seen| seen.last <= before);
        let over: Vec<EntityId> = self.gone.iter().map(|(_, id)| *id).filter(over).collect();
        for id in over {
            self.remove(id);
        }
    }

    /// Makes room for one: the one who has been gone longest leaves.
    fn evict(&mut self) -> bool {
        let oldest = self.gone.first().map(|(_, id)| *id);
        oldest.is_some_and(|id| {
            self.folded += self.seen.get(&id).map_or(0, |seen| seen.rows);
            self.remove(id);
            true
        })
    }

    /// The record under which those without one are found; it needs no room.
    fn other(&mut self, like: &Entity, end: Utc) -> Option<Arc<Entity>> {
        if self.known.contains_key(&EntityId::OTHER) {
            return None;
        }
        let other = Arc::new(other(like.labels.get(Label::Node), end));
        self.insert(&other);
        self.seen.insert(other.id, Seen { last: end, rows: 0 });
        Some(other)
    }

    fn insert(&mut self, entity: &Arc<Entity>) {
        self.remove_gone(entity.id);
        self.gone.extend(entity.gone_at.map(|at| (at, entity.id)));
        Arc::make_mut(&mut self.known).insert(entity.id, Arc::clone(entity));
    }

    fn remove(&mut self, id: EntityId) {
        self.remove_gone(id);
        self.seen.remove(&id);
        Arc::make_mut(&mut self.known).remove(&id);
    }

    fn remove_gone(&mut self, id: EntityId) {
        if let Some(at) = self.known.get(&id).and_then(|known| known.gone_at) {
            self.gone.remove(&(at, id));
        }
    }
}

/// A record for numbers that have no owner any more.
pub(super) fn other(node: Option<&str>, valid_from: Utc) -> Entity {
    let mut labels = Labels::default().with(Label::Cgroup, "other");
    labels.set(Label::Node, node.map(Arc::from));
    Entity { id: EntityId::OTHER, version: 1, valid_from, gone_at: None, labels }
}
