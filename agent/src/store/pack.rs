//! A window as it is kept: its rows in one blob of varints, a tenth of what they take unpacked.
//!
//! Numbers are LEB128. A blob is its step (1, or 2 for histograms at scale 2), then rows by rising entity:
//!
//! ```text
//! row       = id less the one before, counters, counter*, histograms, (column, histogram)*,
//!             gauges, (column, gauge)*
//! counter   = column * 2 followed by value, or column * 2 + 1 for 0
//! column    = columns skipped since the one before
//! histogram = sum, slots, (count * 2, or count * 2 + 1 followed by the slots skipped)*
//! gauge     = last * 2, or last * 2 + 1 followed by last less min, max less last
//! ```
//! A count without a skip is in the slot one step after the one before; a gauge without bounds was read once.

use std::sync::Arc;

use crate::{
    model::{Entity, EntityId, Gap, Gauge, Histogram, Values, Window, rising},
    probes::Column,
};

/// A stored window.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) seq: u64,
    pub(super) window: Window,
    pub(super) gaps: Vec<Gap>,
    pub(super) changed: Vec<Arc<Entity>>,
    blob: Box<[u8]>,
}

impl Packed {
    /// Packs rows by rising entity. `halved` rows have their histograms at scale 2.
    pub(super) fn new<'a>(
        seq: u64,
        window: Window,
        gaps: Vec<Gap>,
        changed: Vec<Arc<Entity>>,
        rows: impl IntoIterator<Item = (EntityId, &'a Values)>,
        halved: bool,
    ) -> Packed {
        let step = if halved { 2 } else { 1 };
        let mut blob = vec![step];
        let mut before = 0;
        for (EntityId(id), values) in rows {
            put(&mut blob, id.wrapping_sub(before));
            before = id;
            put_values(&mut blob, values, step);
        }
        // Copied: a vector that is shrunk where it grew leaves a hole, and with the rings full they were a quarter of them.
        Packed { seq, window, gaps, changed, blob: Box::from(blob.as_slice()) }
    }

    /// Memory, bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Packed>()
            + self.blob.len()
            + size_of::<Gap>() * self.gaps.capacity()
            + size_of::<Arc<Entity>>() * self.changed.capacity()
    }

    /// Its rows, by rising entity, with these columns only, or all if there are none.
    pub(super) fn rows<'a>(&'a self, columns: &'a [Column]) -> Rows<'a> {
        let (step, rest) = self.blob.split_first().map_or((1, &[][..]), |(step, rest)| (*step, rest));
        Rows { rest, step, before: 0, columns }
    }
}

fn put_values(blob: &mut Vec<u8>, values: &Values, step: u8) {
    put(blob, values.counters.len() as u64);
    let mut next = 0;
    for (Column(column), value) in &values.counters {
        // Most of what can go wrong does not: a zero takes one byte.
        put(blob, u64::from(column.wrapping_sub(next)) << 1 | u64::from(*value == 0));
        next = column.wrapping_add(1);
        if *value != 0 {
            put(blob, *value);
        }
    }
    put(blob, values.histograms.len() as u64);
    next = 0;
    for (Column(column), histogram) in &values.histograms {
        put(blob, u64::from(column.wrapping_sub(next)));
        next = column.wrapping_add(1);
        put(blob, histogram.sum);
        put(blob, histogram.slots().len() as u64);
        let mut expected = 0;
        for (slot, count) in histogram.slots() {
            // One bit is the flag: a count stops at 2^63, which takes a million events a second 292,000 years.
            let count = (*count).min(u64::MAX >> 1) << 1;
            if *slot == expected {
                put(blob, count);
            } else {
                put(blob, count | 1);
                blob.push(slot.wrapping_sub(expected));
            }
            expected = slot.wrapping_add(step);
        }
    }
    put(blob, values.gauges.len() as u64);
    next = 0;
    for (Column(column), Gauge { last, min, max }) in &values.gauges {
        put(blob, u64::from(column.wrapping_sub(next)));
        next = column.wrapping_add(1);
        // As with a count: no level reaches 2^63.
        let level = (*last).min(u64::MAX >> 1) << 1;
        if min == max {
            put(blob, level);
        } else {
            put(blob, level | 1);
            put(blob, last.saturating_sub(*min));
            put(blob, max.saturating_sub(*last));
        }
    }
}

fn put(blob: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        blob.push(value as u8 | 0x80);
        value >>= 7;
    }
    blob.push(value as u8);
}

/// Unpacks row by row: [`Rows::entity`] and [`Rows::add_to`] by turns, or as an iterator. Ends early on a blob that is
/// not well formed, which only a bug can make.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    rest: &'a [u8],
    step: u8,
    before: u64,
    columns: &'a [Column],
}

impl Iterator for Rows<'_> {
    type Item = (EntityId, Values);

    fn next(&mut self) -> Option<(EntityId, Values)> {
        let id = self.entity()?;
        let mut values = Values::default();
        self.add_to(Some(&mut values)).map(|()| (id, values))
    }
}

impl Rows<'_> {
    /// Whose the next row is.
    pub(super) fn entity(&mut self) -> Option<EntityId> {
        self.before = self.before.wrapping_add(self.take()?);
        Some(EntityId(self.before))
    }

    /// Adds the row's values to a sum, or passes over them. Nothing is allocated for what the sum already has a place for:
    /// a query reads some ten thousand rows. `None` when the blob is not well formed.
    pub(super) fn add_to(&mut self, sum: Option<&mut Values>) -> Option<()> {
        let added = self.add_row(sum);
        if added.is_none() {
            self.rest = &[];
        }
        added
    }

    fn add_row(&mut self, mut sum: Option<&mut Values>) -> Option<()> {
        let (mut next, mut at) = (0, 0);
        for _ in 0..self.take()? {
            let skipped = self.take()?;
            let column = after(&mut next, skipped >> 1)?;
            let is_zero = skipped & 1 == 1;
            match sum.as_deref_mut().filter(|_| self.wants(column)) {
                Some(sum) => {
                    let value = if is_zero { 0 } else { self.take()? };
                    let sum = rising(&mut sum.counters, &mut at, column);
                    *sum = sum.wrapping_add(value);
                }
                None if is_zero => {}
                None => self.skip()?,
            }
        }
        (next, at) = (0, 0);
        for _ in 0..self.take()? {
            let column = self.column(&mut next)?;
            match sum.as_deref_mut().filter(|_| self.wants(column)) {
                Some(sum) => self.add_histogram(rising(&mut sum.histograms, &mut at, column))?,
                None => self.skip_histogram()?,
            }
        }
        (next, at) = (0, 0);
        for _ in 0..self.take()? {
            let column = self.column(&mut next)?;
            let gauge = self.gauge()?;
            if let Some(sum) = sum.as_deref_mut().filter(|_| self.wants(column)) {
                rising(&mut sum.gauges, &mut at, column).add(gauge);
            }
        }
        Some(())
    }

    fn gauge(&mut self) -> Option<Gauge> {
        let level = self.take()?;
        let last = level >> 1;
        if level & 1 == 0 {
            return Some(Gauge::new(last));
        }
        let (below, above) = (self.take()?, self.take()?);
        Some(Gauge { last, min: last.saturating_sub(below), max: last.saturating_add(above) })
    }

    fn add_histogram(&mut self, sum: &mut Histogram) -> Option<()> {
        sum.sum = sum.sum.wrapping_add(self.take()?);
        let (mut slot, mut at) = (0u8, 0);
        for _ in 0..self.take()? {
            let count = self.take()?;
            if count & 1 == 1 {
                slot = slot.wrapping_add(self.byte()?);
            }
            sum.add_after(&mut at, slot, count >> 1);
            slot = slot.wrapping_add(self.step);
        }
        Some(())
    }

    fn skip_histogram(&mut self) -> Option<()> {
        self.skip()?;
        for _ in 0..self.take()? {
            if self.take()? & 1 == 1 {
                self.byte()?;
            }
        }
        Some(())
    }

    fn wants(&self, column: Column) -> bool {
        self.columns.is_empty() || self.columns.contains(&column)
    }

    fn column(&mut self, next: &mut u16) -> Option<Column> {
        let skipped = self.take()?;
        after(next, skipped)
    }

    /// A number. Most have one byte or two, and which it is follows no pattern that a branch could be predicted by: both
    /// are read without one. It makes a query twice as fast.
    #[inline]
    fn take(&mut self) -> Option<u64> {
        if let [first, second, ..] = *self.rest {
            let two = first >> 7;
            if two & (second >> 7) == 0 {
                self.rest = self.rest.get(1 + usize::from(two)..)?;
                return Some(u64::from(first & 0x7f) | u64::from(second * two) << 7);
            }
        }
        self.take_long()
    }

    fn take_long(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Passes over a number.
    #[inline]
    fn skip(&mut self) -> Option<()> {
        if let Some(bytes) = self.rest.first_chunk() {
            let last = !u64::from_le_bytes(*bytes) & 0x8080_8080_8080_8080;
            if last != 0 {
                self.rest = self.rest.get(last.trailing_zeros() as usize / 8 + 1..)?;
                return Some(());
            }
        }
        self.take_long().map(drop)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }
}

/// The column after so many that were skipped.
fn after(next: &mut u16, skipped: u64) -> Option<Column> {
    let column = next.wrapping_add(u16::try_from(skipped).ok()?);
    *next = column.wrapping_add(1);
    Some(Column(column))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_values()(
            counters in prop::collection::btree_map(any::<u16>(), prop_oneof![any::<u64>(), Just(0)], 0..8),
            histograms in prop::collection::btree_map(
                0u16..9, (prop::collection::btree_map(any::<u8>(), 0u64..1 << 60, 0..40), any::<u64>()), 0..3),
            gauges in prop::collection::btree_map(0u16..9, prop::array::uniform3(0u64..1 << 60), 0..5),
        ) -> Values {
            Values {
                counters: counters.into_iter().map(|(c, v)| (Column(c), v)).collect(),
                histograms: histograms
                    .into_iter()
                    .map(|(c, (slots, sum))| (Column(c), Histogram::new(slots, sum)))
                    .collect(),
                gauges: gauges
                    .into_iter()
                    .map(|(c, mut levels)| {
                        levels.sort_unstable();
                        (Column(c), Gauge { last: levels[1], min: levels[0], max: levels[2] })
                    })
                    .collect(),
            }
        }
    }

    fn pack(rows: &BTreeMap<u64, Values>, halved: bool) -> Packed {
        let rows = rows.iter().map(|(id, values)| (EntityId(*id), values));
        Packed::new(1, Window::default(), Vec::new(), Vec::new(), rows, halved)
    }

    proptest! {
        #[test]
        fn round_trip(rows in prop::collection::btree_map(any::<u64>(), any_values(), 0..9), halved: bool) {
            let packed = pack(&rows, halved);
            let back: BTreeMap<u64, Values> = packed.rows(&[]).map(|(id, values)| (id.0, values)).collect();
            prop_assert_eq!(&back, &rows);
            let some: Vec<_> = packed.rows(&[Column(3)]).collect();
            prop_assert_eq!(some.len(), rows.len());
            for (id, values) in some {
                let whole = &rows[&id.0];
                prop_assert_eq!(values.counter(Column(3)), whole.counter(Column(3)));
                prop_assert_eq!(values.histogram(Column(3)), whole.histogram(Column(3)));
                prop_assert_eq!(values.gauge(Column(3)), whole.gauge(Column(3)));
                prop_assert!(values.counters.len() + values.histograms.len() + values.gauges.len() <= 3);
            }
        }

        /// Bytes that no packer made end the rows; they never panic, and never make more than they hold.
        #[test]
        fn any_bytes(mut blob in prop::collection::vec(any::<u8>(), 0..200), halved: bool) {
            blob.insert(0, if halved { 2 } else { 1 });
            let mut packed = pack(&BTreeMap::new(), halved);
            packed.blob = blob.into_boxed_slice();
            prop_assert!(packed.rows(&[]).count() <= 200);
        }
    }

    #[test]
    fn neighbours_take_a_byte_each_at_either_scale() {
        for (halved, step) in [(false, 1), (true, 2)] {
            let slots = (0..25).map(|n| (40 + n * step, 63));
            let histograms = vec![(Column(0), Histogram::new(slots, 1))];
            let row = Values { histograms, ..Values::default() };
            // Step, id, counters, histograms, column, sum, slots, first slot's skip, 25 counts, gauges.
            assert_eq!(pack(&BTreeMap::from([(1, row)]), halved).blob.len(), 9 + 25);
        }
    }
}
