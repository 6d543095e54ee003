//! Tables and comma-separated values: the one place that aligns, and the one that quotes.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{
    out::{Out, Style},
    text::{pad, shorten},
};

/// Least columns of a shortened cell.
const LEAST: usize = 12;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    title: String,
    right: bool,
    /// Whether its cells may be shortened where the terminal is narrow.
    flexible: bool,
}

impl Head {
    /// Text, never shortened.
    pub(crate) fn text(title: impl Into<String>) -> Head {
        Head { title: title.into(), right: false, flexible: false }
    }

    /// Text that may be shortened.
    pub(crate) fn name(title: impl Into<String>) -> Head {
        Head { title: title.into(), right: false, flexible: true }
    }

    /// Numbers.
    pub(crate) fn number(title: impl Into<String>) -> Head {
        Head { title: title.into(), right: true, flexible: false }
    }
}

/// A table: cells are harmless text already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    heads: Vec<Head>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows.
    pub(crate) fn new(heads: Vec<Head>) -> Table {
        Table { heads, rows: Vec::new() }
    }

    /// Adds a row; it has a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.heads.len());
        self.rows.push(cells);
    }

    /// The lines, the title line first; two spaces between columns, none at the end of a line.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<String> {
        let widths = self.widths(width);
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells: Vec<String> = cells
                .zip(&widths)
                .zip(&self.heads)
                .map(|((cell, width), head)| pad(&shorten(cell, *width), *width, head.right))
                .collect();
            cells.join("  ").trim_end().to_owned()
        };
        let head = line(&mut self.heads.iter().map(|head| head.title.as_str()));
        let rows = self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str)));
        std::iter::once(head).chain(rows).collect()
    }

    /// Prints the table.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn write(&self, to: &mut dyn Write, out: Out) -> io::Result<()> {
        for (at, line) in self.lines(out.width).iter().enumerate() {
            writeln!(to, "{}", out.paint(if at == 0 { Style::Bold } else { Style::Plain }, line))?;
        }
        Ok(())
    }

    /// As wide as the cells; where that is too wide, the widest flexible column gives way.
    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.heads.len())
            .map(|at| {
                let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width());
                cells.chain(self.heads.get(at).map(|head| head.title.width())).max().unwrap_or(0)
            })
            .collect();
        let Some(limit) = limit else { return widths };
        let total: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        let mut excess = total.saturating_sub(limit);
        while excess > 0 {
            let flexible =
                widths.iter_mut().zip(&self.heads).filter(|(width, head)| head.flexible && **width > LEAST);
            let Some((widest, _)) = flexible.max_by_key(|(width, _)| **width) else { break };
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}

/// Prints a row of comma-separated values, quoted where RFC 4180 asks for it; lines end with a line feed.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn write_csv<S: AsRef<str>>(
    to: &mut dyn Write,
    cells: impl IntoIterator<Item = S>,
) -> io::Result<()> {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            to.write_all(b",")?;
        }
        let cell = cell.as_ref();
        if cell.contains(['"', ',', '\n', '\r']) {
            write!(to, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            to.write_all(cell.as_bytes())?;
        }
    }
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![Head::name("POD"), Head::number("CPU"), Head::text("WHAT HURTS")]);
        table.row(vec!["shop/checkout-7d9f9c·api".into(), "1.42".into(), "·".into()]);
        table.row(vec!["sshd.service".into(), "·".into(), "waits".into()]);
        table
    }

    #[test]
    fn columns_align_and_lines_end_without_spaces() {
        assert_eq!(
            table().lines(None),
            [
                "POD                        CPU  WHAT HURTS",
                "shop/checkout-7d9f9c·api  1.42  ·",
                "sshd.service                 ·  waits",
            ]
        );
    }

    #[test]
    fn a_narrow_terminal_shortens_names_only() {
        assert_eq!(
            table().lines(Some(32)),
            ["POD              CPU  WHAT HURTS", "shop/ch…9c·api  1.42  ·", "sshd.service       ·  waits"]
        );
        // Nothing is cut to unreadable stumps: rather too wide.
        assert_eq!(table().lines(Some(5)).first().unwrap().width(), 12 + 2 + 4 + 2 + 10);
    }

    #[test]
    fn csv_quotes_what_would_break_it() {
        let mut text = Vec::new();
        write_csv(&mut text, ["a", "b,c", "say \"x\"", ""]).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a,\"b,c\",\"say \"\"x\"\"\",\n");
    }
}
