//! `rajut top --once`: the same rows as a table, JSON, or comma-separated values.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use rajut_proto::v1::SummarizeResponse;
use serde::Serialize;

use super::{
    app::App,
    columns::{self, Column},
    rows::{Sort, TopRow, events, population},
    screen,
};
use crate::{
    cli::{
        args::Format,
        json,
        out::{Out, Style},
        query::completeness,
        table::{Head, Table, write_csv},
        units, when,
    },
    harmless::harmless,
    model::Label,
};

#[derive(Serialize)]
struct Document<'a> {
    node: &'a str,
    start: Option<String>,
    end: Option<String>,
    complete: bool,
    gaps: Vec<json::Gap>,
    rows: Vec<DocumentRow<'a>>,
}

#[derive(Serialize)]
struct DocumentRow<'a> {
    labels: &'a json::Labels,
    entity: Option<String>,
    metrics: Vec<json::Metric>,
}

impl<'a> Document<'a> {
    fn new(
        summary: &'a SummarizeResponse,
        rows: &'a [TopRow],
        units: &BTreeMap<String, String>,
    ) -> Document<'a> {
        let (start, end) = json::bounds(summary.window.as_ref());
        Document {
            node: &summary.node,
            start,
            end,
            complete: summary.complete,
            gaps: json::Gap::all(&summary.gaps),
            rows: rows
                .iter()
                .map(|row| DocumentRow {
                    labels: &row.raw.labels,
                    entity: json::entity(row.raw.entity),
                    metrics: json::Metric::all(&row.raw.values, units),
                })
                .collect(),
        }
    }
}

/// Prints a summary; `units` by metric name.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(
    app: &App,
    summary: &SummarizeResponse,
    units: &BTreeMap<String, String>,
    format: Format,
    out: Out,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut rows: Vec<TopRow> = summary.rows.iter().map(TopRow::new).collect();
    Sort::Worst.apply(&mut rows);
    match format {
        Format::Json => json::write(to, &Document::new(summary, &rows, units)),
        Format::Csv => csv(summary, &rows, to),
        Format::Table => table(app, summary, &rows, out, to),
    }
}

fn table(
    app: &App,
    summary: &SummarizeResponse,
    rows: &[TopRow],
    out: Out,
    to: &mut dyn Write,
) -> io::Result<()> {
    let (style, complete) = completeness(summary.complete, &summary.gaps, Some(events(summary)));
    let node = harmless(&summary.node);
    let length = units::span(when::length(summary.window.as_ref()));
    write!(to, "{} · {} · {length} · ", out.paint(Style::Bold, &node), population(summary))?;
    write!(to, "{}", out.paint(style, &complete))?;
    match screen::bills(app).first() {
        Some(bill) => writeln!(to, " · {bill}")?,
        None => writeln!(to)?,
    }
    let columns: Vec<Column> = match out.width {
        Some(width) => columns::layout(width, 0, rows).into_iter().map(|(column, _)| column).collect(),
        None => columns::unlimited().to_vec(),
    };
    let heads = columns.iter().map(|column| {
        let title = column.title(app.group.title());
        match column {
            Column::Name => Head::name(title),
            column if column.right() => Head::number(title),
            _ => Head::text(title),
        }
    });
    let mut table = Table::new(heads.collect());
    for row in rows {
        table.row(columns.iter().map(|column| column.cell(row)).collect());
    }
    table.write(to, out)
}

/// Base units, so that a spreadsheet can calculate; empty where nothing was measured.
fn csv(summary: &SummarizeResponse, rows: &[TopRow], to: &mut dyn Write) -> io::Result<()> {
    let (start, end) = json::bounds(summary.window.as_ref());
    let (start, end) = (start.unwrap_or_default(), end.unwrap_or_default());
    let head = ["start", "end", "entity"].into_iter().chain(Label::ALL.map(Label::name));
    write_csv(
        to,
        head.chain([
            "cpu_cores",
            "wait_p50_s",
            "wait_p99_s",
            "wait_share",
            "quota_share",
            "switches_per_s",
            "memory_bytes",
            "memory_limit_bytes",
        ]),
    )?;
    for row in rows {
        let mut cells = vec![start.clone(), end.clone(), json::entity(row.raw.entity).unwrap_or_default()];
        cells.extend(
            Label::ALL.map(|l| harmless(row.raw.labels.get(l.name()).map_or("", |v| v)).into_owned()),
        );
        let numbers = [row.cpu, row.p50, row.p99, row.wait, row.quota, row.switches, row.memory, row.limit];
        cells.extend(numbers.map(|number| number.map_or_else(String::new, |number| number.to_string())));
        write_csv(to, cells)?;
    }
    Ok(())
}
