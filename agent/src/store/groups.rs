//! The rows of an answer: which one each entity belongs to is looked up once, whatever the number of its windows.

use std::collections::BTreeMap;

use super::{Selection, SeriesRow, pack::Packed};
use crate::model::{Entity, EntityId, Labels, Values, rising};

/// Sums in the making.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    keys: Keys<'a>,
    /// By rising entity.
    members: Vec<(EntityId, Option<Place>)>,
    /// By the places in `keys`.
    sums: Vec<Values>,
}

/// Where an entity's numbers go; `None` if it is not asked for.
type Place = Option<usize>;

/// Places by who shares them.
#[derive(Debug)]
struct Keys<'a> {
    selection: &'a Selection,
    names: &'a super::names::Snapshot,
    /// Stands for those without a name.
    other: &'a Entity,
    places: BTreeMap<(Option<EntityId>, Labels), usize>,
}

impl<'a> Groups<'a> {
    pub(super) fn new(
        selection: &'a Selection,
        names: &'a super::names::Snapshot,
        other: &'a Entity,
    ) -> Groups<'a> {
        let keys = Keys { selection, names, other, places: BTreeMap::new() };
        Groups { keys, members: Vec::new(), sums: Vec::new() }
    }

    /// Adds a window.
    pub(super) fn add(&mut self, packed: &Packed) {
        let mut rows = packed.rows(&self.keys.selection.columns);
        let mut at = 0;
        while let Some(id) = rows.entity() {
            let member = rising(&mut self.members, &mut at, id);
            let place = *member.get_or_insert_with(|| self.keys.place(id));
            self.sums.resize_with(self.keys.places.len(), Values::default);
            rows.add_to(place.and_then(|place| self.sums.get_mut(place)));
        }
    }

    /// The sums by labels, without those of which nothing was measured.
    pub(super) fn rows(mut self) -> Vec<SeriesRow> {
        let row = |((entity, labels), place): (_, usize)| {
            let values = self.sums.get_mut(place).map(std::mem::take)?;
            let measured = !values.counters.is_empty() || !values.histograms.is_empty();
            measured.then_some(SeriesRow { labels, entity, values })
        };
        self.keys.places.into_iter().filter_map(row).collect()
    }
}

impl Keys<'_> {
    fn place(&mut self, id: EntityId) -> Place {
        let Selection { by, filter, .. } = self.selection;
        let entity = self.names.get(&id).map_or(self.other, |known| known);
        if !filter.iter().all(|(label, value)| entity.labels.get(*label) == Some(value.as_str())) {
            return None;
        }
        let key = if by.is_empty() {
            (Some(entity.id), entity.labels.clone())
        } else {
            (None, entity.labels.only(by))
        };
        let next = self.places.len();
        Some(*self.places.entry(key).or_insert(next))
    }
}
