//! The rows of an answer: which one each entity belongs to is looked up once, whatever the number of its windows.

use std::collections::BTreeMap;

use super::{Selection, SeriesRow, pack::Packed};
use crate::{
    model::{Entity, EntityId, Gauge, Labels, Values, rising},
    probes::Column,
};

/// Sums in the making.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    keys: Keys<'a>,
    /// By rising entity.
    members: Vec<(EntityId, Option<Place>)>,
    /// By the places in `keys`; the gauges are those of the window that is being added.
    sums: Vec<Values>,
    /// Likewise; the gauges of all windows before.
    gauges: Vec<Vec<(Column, Gauge)>>,
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
        Groups { keys, members: Vec::new(), sums: Vec::new(), gauges: Vec::new() }
    }

    /// Adds a window; they come by rising time.
    pub(super) fn add(&mut self, packed: &Packed) {
        let mut rows = packed.rows(&self.keys.selection.columns);
        let mut at = 0;
        while let Some(id) = rows.entity() {
            let member = rising(&mut self.members, &mut at, id);
            let place = *member.get_or_insert_with(|| self.keys.place(id));
            self.sums.resize_with(self.keys.places.len(), Values::default);
            rows.add_to(place.and_then(|place| self.sums.get_mut(place)));
        }
        // First over entities, then over time: what is gone by the last window is not in the latest level.
        self.gauges.resize_with(self.sums.len(), Vec::new);
        for (sum, all) in self.sums.iter_mut().zip(&mut self.gauges) {
            at = 0;
            for (column, gauge) in sum.gauges.drain(..) {
                rising(all, &mut at, column).then(gauge);
            }
        }
    }

    /// The sums by labels, without those of which nothing was measured.
    pub(super) fn rows(mut self) -> Vec<SeriesRow> {
        let row = |((entity, labels), place): (_, usize)| {
            let mut values = self.sums.get_mut(place).map(std::mem::take)?;
            values.gauges = self.gauges.get_mut(place).map(std::mem::take)?;
            let measured =
                !values.counters.is_empty() || !values.histograms.is_empty() || !values.gauges.is_empty();
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
