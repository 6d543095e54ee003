//! The columns of `top`: what stands in a cell, and which columns a width has room for.

use unicode_width::UnicodeWidthStr;

use super::rows::TopRow;
use crate::cli::{
    text::{pad, shorten},
    units::{self, NONE},
};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Who.
    Name,
    /// CPUs in use.
    Cpu,
    /// Median wait.
    P50,
    /// 99th percentile of waits.
    P99,
    /// Share of waiting for others.
    Wait,
    /// Share of waiting for quota.
    Quota,
    /// Context switches per second.
    Switches,
    /// Memory in use, and how much of the limit that is.
    Memory,
    /// In a sentence.
    Hurts,
    /// In a few words.
    HurtsShort,
}

use Column::{Cpu, Hurts, HurtsShort, Memory, Name, P50, P99, Quota, Switches, Wait};

/// What to show, best first: the first that fits is taken. Less important columns leave first, then words.
const LAYOUTS: [&[Column]; 9] = [
    &[Name, Cpu, P50, P99, Wait, Quota, Switches, Memory, Hurts],
    &[Name, Cpu, P99, Wait, Quota, Switches, Memory, Hurts],
    &[Name, Cpu, P99, Wait, Quota, Memory, Hurts],
    &[Name, Cpu, P99, Wait, Quota, Memory, HurtsShort],
    &[Name, Cpu, P99, Wait, Memory, HurtsShort],
    &[Name, Cpu, P99, Wait, HurtsShort],
    &[Name, Cpu, P99, HurtsShort],
    &[Name, Cpu, HurtsShort],
    &[Name, Cpu],
];
/// Room that a name needs to be recognized; where long sentences fit, a little more.
const NAME: usize = 24;
const NAME_WIDE: usize = 32;
/// Names longer than this are shortened even where there is room: eyes lose the line.
const NAME_MOST: usize = 72;
/// Least columns of all.
const NAME_LEAST: usize = 8;
/// Cells of the bar that shows the share of a limit, full and empty.
const BAR: usize = 8;
const MEMORY: usize = 5 + 1 + BAR;
const FULL: &str = "▆";
const EMPTY: &str = "▁";
/// Space between columns.
const GAP: usize = 2;

impl Column {
    /// Its title; `who` names the rows.
    pub(crate) fn title(self, who: &str) -> String {
        match self {
            Name => who.to_owned(),
            Cpu => "CPU".to_owned(),
            P50 => "WAIT p50".to_owned(),
            P99 => "WAIT p99".to_owned(),
            Wait => "WAIT/s".to_owned(),
            Quota => "QUOTA".to_owned(),
            Switches => "SWITCH/s".to_owned(),
            Memory => "MEMORY".to_owned(),
            Hurts | HurtsShort => "WHAT HURTS".to_owned(),
        }
    }

    /// Whether its cells stand on the right.
    pub(crate) fn right(self) -> bool {
        !matches!(self, Name | Memory | Hurts | HurtsShort)
    }

    /// Cells of fixed precision need this; for text it is what it wants.
    fn width(self) -> usize {
        match self {
            Name => NAME,
            Cpu => 6,
            P50 | P99 | Wait | Quota | Switches => 8,
            Memory => MEMORY,
            Hurts => 46,
            HurtsShort => 23,
        }
    }

    /// A row's cell.
    pub(crate) fn cell(self, row: &TopRow) -> String {
        let or_none =
            |value: Option<f64>, format: fn(f64) -> String| value.map_or_else(|| NONE.to_owned(), format);
        match self {
            Name => row.name.clone(),
            Cpu => or_none(row.cpu, units::cores),
            P50 => or_none(row.p50, units::duration_cell),
            P99 => or_none(row.p99, units::duration_cell),
            Wait => or_none(row.wait, units::percent_cell),
            Quota => or_none(row.quota, units::percent_cell),
            Switches => or_none(row.switches, units::rate),
            Memory => memory(row),
            Hurts => row.hurt().map_or_else(|| NONE.to_owned(), |hurt| hurt.long),
            HurtsShort => row.hurt().map_or_else(|| NONE.to_owned(), |hurt| hurt.short),
        }
    }
}

/// `412M ▆▆▆▆▆▆▁▁`; without a limit there is no bar.
fn memory(row: &TopRow) -> String {
    let used = row.memory.map_or_else(|| NONE.to_owned(), units::bytes_short);
    let used = pad(&used, MEMORY - 1 - BAR, true);
    let Some(share) = row.memory_share() else { return used };
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{used} {}{}", FULL.repeat(full), EMPTY.repeat(BAR - full))
}

/// Columns with their widths, for a screen of `width` columns of which `margin` are taken.
pub(crate) fn layout(width: usize, margin: usize, rows: &[TopRow]) -> Vec<(Column, usize)> {
    let room = width.saturating_sub(margin);
    let needs = |columns: &[Column]| {
        let wide = if columns.contains(&Hurts) { NAME_WIDE - NAME } else { 0 };
        columns.iter().map(|column| column.width()).sum::<usize>() + GAP * (columns.len() - 1) + wide
    };
    let columns =
        LAYOUTS.iter().find(|columns| needs(columns) <= room).unwrap_or(&LAYOUTS[LAYOUTS.len() - 1]);
    let fixed: usize =
        columns.iter().filter(|column| **column != Name).map(|column| column.width() + GAP).sum();
    // Widest name in steps of eight, so that the columns do not move with each pod that comes and goes.
    let widest =
        rows.iter().map(|row| row.name.width()).max().unwrap_or(0).next_multiple_of(8).clamp(NAME, NAME_MOST);
    let name = widest.min(room.saturating_sub(fixed)).max(NAME_LEAST);
    let rest = room.saturating_sub(name + fixed);
    columns
        .iter()
        .map(|column| match column {
            Name => (*column, name),
            Hurts | HurtsShort => (*column, column.width() + rest),
            _ => (*column, column.width()),
        })
        .collect()
}

/// Every column as wide as its cells, for output that is no screen.
pub(crate) fn unlimited() -> &'static [Column] {
    LAYOUTS[0]
}

/// A cell of exactly that width.
pub(crate) fn fit(column: Column, cell: &str, width: usize) -> String {
    pad(&shorten(cell, width), width, column.right())
}
