//! Cumulative to increments: subtracts each source's reading before, with its reset rules.
//!
//! - *Takes*: `Reading`s and the window they close.
//! - *Gives*: a `Delta`.
//! - *Never*: the loader, async, a clock.
//!
//! The rules: a level is passed through. For the rest, a source's first reading is a baseline and gives no rows. After it, who is seen for the first time was
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
    /// These have no count with that source any more: who is seen again counts from 0, however high it is by then.
    pub fn forget(&mut self, source: &'static str, gone: &[EntityId]) {
        if let Some(last) = self.last.get_mut(source) {
            gone.iter().for_each(|id| {
                last.remove(id);
            });
        }
    }

    /// What happened in the window that these readings close.
    pub fn fold(&mut self, window: Window, readings: Vec<Reading>) -> Delta {
        let mut rows: BTreeMap<EntityId, Values> = BTreeMap::new();
        let mut lost: BTreeMap<&'static str, u64> = BTreeMap::new();
        for Reading { source, rows: now, lost: missing } in readings {
            for loss in missing.iter().filter(|loss| loss.count > 0) {
                let sum = lost.entry(loss.reason).or_default();
                *sum = sum.saturating_add(loss.count);
            }
            let before = self.last.get(source);
            for (entity, values) in &now {
                let increment = match before.map(|before| before.get(entity)) {
                    None if values.gauges.is_empty() => continue,
                    None => Values { gauges: values.gauges.clone(), ..Values::default() },
                    Some(None) => values.clone(),
                    Some(Some(before)) => increment(values, before),
                };
                rows.entry(*entity).or_default().merge(&increment);
            }
            // Of a level nothing is remembered.
            let remembered = |(entity, values)| (entity, Values { gauges: Vec::new(), ..values });
            self.last.insert(source, now.into_iter().map(remembered).collect());
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
    Values { counters: counters.collect(), histograms: histograms.collect(), gauges: now.gauges.clone() }
}

/// Slot by slot; `None` when it was reset: a histogram is reset as a whole or not at all.
fn since(now: &Histogram, before: &Histogram) -> Option<Histogram> {
    let sum = now.sum.checked_sub(before.sum)?;
    let mut counts = [(0, 0); 256];
    for (slot, count) in before.slots() {
        counts[usize::from(*slot)].0 = *count;
    }
    for (slot, count) in now.slots() {
        counts[usize::from(*slot)].1 = *count;
    }
    let mut slots = Vec::with_capacity(now.slots().len());
    for (slot, (before, now)) in (0..=u8::MAX).zip(counts) {
        slots.push((slot, grown(before, now)?));
    }
    Some(Histogram::new(slots, sum))
}

/// The growth of a slot. The kernel counts it in 32 bits, so that it begins anew after 4 billion: a word that is smaller
/// than before has wrapped where that is a plausible growth, and was reset where it is not.
fn grown(before: u64, now: u64) -> Option<u64> {
    now.checked_sub(before).or_else(|| {
        let wrapped = (now as u32).wrapping_sub(before as u32);
        (wrapped < 1 << 31).then_some(u64::from(wrapped))
    })
}
