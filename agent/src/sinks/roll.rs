//! What one stream's client knows of the entities: records go out once for each version, before values that need them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::wire::ask::Wish;
use crate::{
    model::{Entity, EntityId},
    store::{Store, Stored},
};

/// Fewer entities are not worth a clean-up.
const FEW: usize = 1024;

/// The roll of one stream.
#[derive(Debug)]
pub(super) struct Roll {
    store: Store,
    wish: Wish,
    known: HashMap<EntityId, Known>,
    /// How many the roll may hold before those that the store has forgotten are struck.
    bound: usize,
}

#[derive(Debug)]
struct Known {
    record: Arc<Entity>,
    wanted: bool,
    /// What the client has: version, and whether it was gone.
    sent: Option<(u32, bool)>,
}

/// What comes next for the client.
#[derive(Debug)]
pub(super) struct Step {
    /// Windows that are not kept any more.
    pub(super) missed: u64,
    /// The next window, with the rows that the client wants; none when it has them all.
    pub(super) window: Option<Stored>,
    /// The records that the client lacks for it, by rising id.
    pub(super) records: Vec<Arc<Entity>>,
}

impl Roll {
    /// Nobody is known yet.
    pub(super) fn new(store: Store, wish: Wish) -> Roll {
        Roll { store, wish, known: HashMap::new(), bound: FEW }
    }

    /// What the client wants.
    pub(super) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Everyone alive that the client wants, by rising id.
    pub(super) fn living(&mut self) -> Vec<Arc<Entity>> {
        self.learn_all();
        let living = self.known.values().filter(|k| k.wanted && k.record.gone_at.is_none());
        let living = living.map(|k| k.record.id).collect();
        self.owed(living)
    }

    /// The window after `seq`. After a loss it carries every record that changed since, not only its own.
    pub(super) fn step(&mut self, seq: u64) -> Step {
        let tail = self.store.after(seq, 1);
        let mut window = tail.windows.into_iter().next();
        let records = window.as_ref().map(|stored| self.lacking(stored, tail.missed > 0)).unwrap_or_default();
        if let Some(stored) = &mut window {
            // Values without a record are better than none, unless only some entities were asked for.
            let nameless = self.wish.filter.is_empty();
            stored.rows.retain(|(id, _)| self.known.get(id).map_or(nameless, |known| known.wanted));
        }
        Step { missed: tail.missed, window, records }
    }

    fn lacking(&mut self, stored: &Stored, lossy: bool) -> Vec<Arc<Entity>> {
        for record in &stored.changed {
            self.learn(record);
        }
        if lossy || stored.rows.iter().any(|(id, _)| !self.known.contains_key(id)) {
            self.learn_all();
        }
        let touched = if lossy {
            self.known.keys().copied().collect()
        } else {
            let unsent = |id: &EntityId| self.known.get(id).is_some_and(|known| known.sent.is_none());
            let changed = stored.changed.iter().map(|record| record.id);
            changed.chain(stored.rows.iter().map(|(id, _)| *id).filter(unsent)).collect()
        };
        self.owed(touched)
    }

    /// Records that the client lacks among these, by rising id. Who was known stays told of: a client must hear that an
    /// entity left what it asked for.
    fn owed(&mut self, mut touched: Vec<EntityId>) -> Vec<Arc<Entity>> {
        touched.sort_unstable();
        touched.dedup();
        let mut owed = Vec::new();
        for id in touched {
            let Some(known) = self.known.get_mut(&id) else { continue };
            let stamp = stamp(&known.record);
            if known.sent == Some(stamp) || (known.sent.is_none() && !known.wanted) {
                continue;
            }
            known.sent = Some(stamp);
            owed.push(Arc::clone(&known.record));
        }
        owed
    }

    fn learn_all(&mut self) {
        let all = self.store.entities();
        for record in &all {
            self.learn(record);
        }
        if self.known.len() > self.bound {
            let remembered: HashSet<EntityId> = all.iter().map(|record| record.id).collect();
            self.known.retain(|id, _| remembered.contains(id));
        }
        self.bound = (2 * all.len()).max(FEW);
    }

    /// Windows of the past carry records of the past: an older one teaches nothing.
    fn learn(&mut self, record: &Arc<Entity>) {
        let wanted = self.wish.wants(record);
        match self.known.get_mut(&record.id) {
            Some(known) if stamp(record) > stamp(&known.record) => {
                known.record = Arc::clone(record);
                known.wanted = wanted;
            }
            Some(_) => {}
            None => {
                let known = Known { record: Arc::clone(record), wanted, sent: None };
                self.known.insert(record.id, known);
            }
        }
    }
}

fn stamp(record: &Entity) -> (u32, bool) {
    (record.version, record.gone_at.is_some())
}
