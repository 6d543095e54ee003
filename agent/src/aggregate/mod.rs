//! Cumulative to increments: subtracts each source's reading before, with its reset rules.
//!
//! - *Takes*: `Reading`s and the window they close.
//! - *Gives*: a `Delta`.
//! - *Never*: the loader, async, a clock.
//!
//! The rules: a source's first reading is a baseline and gives no rows. After it, who is seen for the first time was
//! born since and counts from 0. A value smaller than before was reset and counts from 0 again. Who is absent from a
//! reading is forgotten, so that memory follows what the sources report; a source therefore repeats an entity until it
//! is over.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use crate::model::{Delta, EntityId, Gap, Histogram, Reading, Values, Window};

/// Remembers each source's last reading.
#[derive(Debug, Default)]
pub struct Aggregate {
    last: HashMap<&'static str, HashMap<EntityId, Values>>,
}

impl Aggregate {
    /// What happened in the window that these readings close.
    pub fn fold(&mut self, window: Window, readings: Vec<Reading>) -> Delta {
        let mut rows: BTreeMap<EntityId, Values> = BTreeMap::new();
        let mut lost: BTreeMap<&'static str, u64> = BTreeMap::new();
        for Reading { source, rows: now, lost: missing } in readings {
            for loss in missing.iter().filter(|loss| loss.count > 0) {
                let sum = lost.entry(loss.reason).or_default();
                *sum = sum.saturating_add(loss.count);
            }
            if let Some(before) = self.last.get(source) {
                for (entity, values) in &now {
                    let increment = match before.get(entity) {
                        Some(before) => increment(values, before),
                        None => values.clone(),
                    };
                    rows.entry(*entity).or_default().merge(&increment);
                }
            }
            self.last.insert(source, now.into_iter().collect());
        }
        Delta {
            window,
            rows: rows.into_iter().collect(),
            gaps: lost.into_iter().map(|(reason, count)| Gap { window, reason, count }).collect(),
        }
    }
}

/// The values now less the values before; a column that was not there before counts from 0.
fn increment(now: &Values, before: &Values) -> Values {
    let counters = now.counters.iter().map(|(column, value)| {
        let before = before.counter(*column).unwrap_or(0);
        (*column, value.checked_sub(before).unwrap_or(*value))
    });
    let histograms = now.histograms.iter().map(|(column, histogram)| {
        let since = before.histogram(*column).and_then(|before| since(histogram, before));
        (*column, since.unwrap_or_else(|| histogram.clone()))
    });
    Values { counters: counters.collect(), histograms: histograms.collect() }
}

/// Slot by slot; `None` when anything in it has shrunk, since a histogram is reset as a whole or not at all.
fn since(now: &Histogram, before: &Histogram) -> Option<Histogram> {
    let sum = now.sum.checked_sub(before.sum)?;
    let mut old = before.slots().iter().peekable();
    let mut slots = Vec::with_capacity(now.slots().len());
    for (slot, count) in now.slots() {
        let old = match old.peek() {
            Some((old_slot, _)) if old_slot < slot => return None,
            Some((old_slot, _)) if old_slot == slot => old.next().map_or(0, |(_, count)| *count),
            _ => 0,
        };
        slots.push((*slot, count.checked_sub(old)?));
    }
    old.next().is_none().then(|| Histogram::new(slots, sum))
}
