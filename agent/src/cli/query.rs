//! `rajut query`: one metric over any time and grouping.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::SystemTime,
};

use rajut_proto::v1::{self, Matcher, QueryRequest, QueryResponse, Row, TimeRange, value::Value as Number};
use serde::Serialize;

use super::{
    args::{Format, QueryArgs},
    bars,
    connect::Client,
    error::CliError,
    json::{self, Fields},
    out::{Out, Style},
    table::{Head, Table, write_csv},
    text, units,
    when::{self, clock},
};
use crate::{harmless::harmless, model::Label};

/// Quantiles where none are asked for; as the agent has them.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// The question.
pub(crate) fn request(args: &QueryArgs, now: SystemTime) -> QueryRequest {
    let range = match (args.last, args.from) {
        (Some(last), _) => Some(when::last(last)),
        (None, Some(from)) => Some(TimeRange {
            start: Some(from.timestamp(now)),
            end: args.to.map(|to| to.timestamp(now)),
            last: None,
        }),
        // The agent's own default: the last complete minute.
        (None, None) => None,
    };
    QueryRequest {
        metric: args.metric.clone(),
        range,
        by: args.by.clone(),
        r#where: matchers(&args.filter),
        quantiles: if args.quantile.is_empty() { QUANTILES.to_vec() } else { args.quantile.clone() },
        histogram: args.histogram,
    }
}

/// Conditions on the wire.
pub(crate) fn matchers(filter: &[(String, String)]) -> Vec<Matcher> {
    filter.iter().map(|(key, value)| Matcher { key: key.clone(), value: value.clone() }).collect()
}

/// Asks.
///
/// # Errors
/// When the agent refuses or does not answer.
pub(crate) async fn ask(client: &Client, question: QueryRequest) -> Result<QueryResponse, CliError> {
    let answer = client.query().query(client.request(question)).await;
    Ok(answer.map_err(|status| client.refused(&status))?.into_inner())
}

#[derive(Serialize)]
struct Document {
    metric: String,
    unit: String,
    kind: &'static str,
    start: Option<String>,
    end: Option<String>,
    complete: bool,
    gaps: Vec<json::Gap>,
    rows: Vec<DocumentRow>,
}

#[derive(Serialize)]
struct DocumentRow {
    labels: json::Labels,
    attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
    #[serde(flatten)]
    fields: Fields,
}

/// An answer's rows come with one value each; more would be rows too.
fn values(answer: &QueryResponse) -> impl Iterator<Item = (&Row, &v1::Value)> {
    answer.rows.iter().flat_map(|row| row.values.iter().map(move |value| (row, value)))
}

impl Document {
    fn new(answer: &QueryResponse) -> Document {
        let (start, end) = json::bounds(answer.window.as_ref());
        let metric = answer.metric.clone().unwrap_or_default();
        Document {
            kind: json::kind(metric.kind()),
            metric: metric.name,
            unit: metric.unit,
            start,
            end,
            complete: answer.complete,
            gaps: json::Gap::all(&answer.gaps),
            rows: values(answer)
                .map(|(row, value)| DocumentRow {
                    labels: row.labels.clone(),
                    attributes: value.attributes.clone(),
                    entity: json::entity(row.entity),
                    fields: Fields::new(value),
                })
                .collect(),
        }
    }
}

/// Prints an answer.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(answer: &QueryResponse, format: Format, out: Out, to: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Json => json::write(to, &Document::new(answer)),
        Format::Csv => csv(answer, to),
        Format::Table => screen(answer, out, to),
    }
}

/// Attribute keys and quantiles that occur, in order.
fn columns(answer: &QueryResponse) -> (Vec<&str>, Vec<f64>) {
    let mut keys: Vec<&str> = Vec::new();
    let mut quantiles: Vec<f64> = Vec::new();
    for (_, value) in values(answer) {
        keys.extend(value.attributes.keys().map(String::as_str));
        if let Some(Number::Distribution(distribution)) = &value.value {
            quantiles.extend(distribution.quantiles.iter().map(|q| q.quantile));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    quantiles.sort_unstable_by(f64::total_cmp);
    quantiles.dedup();
    (keys, quantiles)
}

fn quantile(value: &v1::Value, wanted: f64) -> Option<f64> {
    let Some(Number::Distribution(distribution)) = &value.value else { return None };
    distribution.quantiles.iter().find(|q| q.quantile == wanted).map(|q| q.value)
}

fn screen(answer: &QueryResponse, out: Out, to: &mut dyn Write) -> io::Result<()> {
    let metric = answer.metric.clone().unwrap_or_default();
    let window = answer.window.as_ref();
    let span = format!(
        "{} to {} UTC",
        clock(window.and_then(|w| w.start.as_ref())),
        clock(window.and_then(|w| w.end.as_ref()))
    );
    let (style, complete) = completeness(answer.complete, &answer.gaps, None);
    let name = harmless(&metric.name);
    writeln!(to, "{} · {span} · {}", out.paint(Style::Bold, &name), out.paint(style, &complete))?;
    let (keys, quantiles) = columns(answer);
    let mut heads = vec![Head::name("WHO")];
    heads.extend(keys.iter().map(|key| Head::text(harmless(key).to_uppercase())));
    let numbers: Vec<String> = match metric.kind() {
        v1::MetricKind::Gauge => ["LAST", "LEAST", "GREATEST"].map(str::to_owned).to_vec(),
        v1::MetricKind::Histogram => ["COUNT".to_owned(), "SUM".to_owned()]
            .into_iter()
            .chain(quantiles.iter().map(|q| format!("P{}", (q * 1e9).round() / 1e7)))
            .collect(),
        v1::MetricKind::Counter | v1::MetricKind::Unspecified => {
            ["INCREASE", "RATE"].map(str::to_owned).to_vec()
        }
    };
    let width = numbers.len();
    heads.extend(numbers.into_iter().map(Head::number));
    let mut table = Table::new(heads);
    for (row, value) in values(answer) {
        let mut cells = vec![text::name(&row.labels)];
        cells.extend(
            keys.iter().map(|key| harmless(value.attributes.get(*key).map_or("", |v| v)).into_owned()),
        );
        let mut numbers = cells_of(value, &metric.unit, &quantiles);
        // What the descriptor announces and a value does not carry was not measured.
        numbers.resize(width, units::NONE.to_owned());
        cells.extend(numbers);
        table.row(cells);
    }
    table.write(to, out)?;
    for (row, value) in values(answer) {
        if let Some(Number::Distribution(v1::Distribution { histogram: Some(histogram), .. })) = &value.value
        {
            let attributes: String =
                value.attributes.values().map(|v| format!(" · {}", harmless(v))).collect();
            let title = text::name(&row.labels) + &attributes;
            writeln!(to, "\n{}", out.paint(Style::Bold, &title))?;
            for line in bars::lines(histogram, &metric.unit, out.width.unwrap_or(80)) {
                writeln!(to, "{line}")?;
            }
        }
    }
    if answer.rows.is_empty() {
        writeln!(to, "(nothing matches)")?;
    }
    Ok(())
}

/// `complete`, or what is missing: how many events, and why; as a share where `events` says how many there are.
pub(crate) fn completeness(complete: bool, gaps: &[v1::Gap], events: Option<u64>) -> (Style, String) {
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for gap in gaps {
        let count = reasons.entry(harmless(&gap.reason).into_owned()).or_default();
        *count = count.saturating_add(gap.count);
    }
    let late = reasons.remove(crate::model::Gap::LATE).is_some();
    if complete {
        return (Style::Plain, if late { "complete, some windows late" } else { "complete" }.to_owned());
    }
    if reasons.is_empty() {
        return (Style::Warn, "incomplete: history does not hold all of it".to_owned());
    }
    let lost = reasons.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let reasons: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{reason}: {}", units::count(*count))).collect();
    let reasons = reasons.join(", ");
    let line = match events.map(|there| lost as f64 / (there as f64 + lost as f64)) {
        Some(share) if share > 0.0 => format!("incomplete: {} lost ({reasons})", units::percent_fine(share)),
        _ => format!("incomplete: {reasons}"),
    };
    (Style::Warn, line)
}

fn cells_of(value: &v1::Value, unit: &str, quantiles: &[f64]) -> Vec<String> {
    match &value.value {
        Some(Number::Counter(counter)) => {
            vec![units::value(unit, counter.increase), units::per_second(unit, counter.rate)]
        }
        Some(Number::Gauge(gauge)) => {
            [gauge.value, gauge.min, gauge.max].map(|number| units::value(unit, number)).to_vec()
        }
        Some(Number::Distribution(distribution)) => {
            let mut cells = vec![units::count(distribution.count), units::value(unit, distribution.sum)];
            cells.extend(quantiles.iter().map(|q| {
                quantile(value, *q).map_or_else(|| units::NONE.to_owned(), |v| units::value(unit, v))
            }));
            cells
        }
        None => Vec::new(),
    }
}

fn csv(answer: &QueryResponse, to: &mut dyn Write) -> io::Result<()> {
    let (keys, quantiles) = columns(answer);
    let (start, end) = json::bounds(answer.window.as_ref());
    let kind = answer.metric.as_ref().map_or(v1::MetricKind::Unspecified, v1::MetricDescriptor::kind);
    let numbers: Vec<String> = match kind {
        v1::MetricKind::Gauge => ["value", "min", "max"].map(str::to_owned).to_vec(),
        v1::MetricKind::Histogram => ["count".to_owned(), "sum".to_owned()]
            .into_iter()
            .chain(quantiles.iter().map(|q| format!("q{q}")))
            .collect(),
        v1::MetricKind::Counter | v1::MetricKind::Unspecified => {
            ["increase", "rate"].map(str::to_owned).to_vec()
        }
    };
    let head =
        ["start", "end"].map(str::to_owned).into_iter().chain(Label::ALL.map(|label| label.to_string()));
    let head = head.chain(keys.iter().map(|key| harmless(key).into_owned())).chain(numbers.iter().cloned());
    write_csv(to, head)?;
    for (row, value) in values(answer) {
        let mut cells = vec![start.clone().unwrap_or_default(), end.clone().unwrap_or_default()];
        cells.extend(Label::ALL.map(|l| harmless(row.labels.get(l.name()).map_or("", |v| v)).into_owned()));
        cells.extend(
            keys.iter().map(|key| harmless(value.attributes.get(*key).map_or("", |v| v)).into_owned()),
        );
        let mut fields: Vec<String> = match &value.value {
            Some(Number::Counter(counter)) => {
                [counter.increase, counter.rate].map(|n| n.to_string()).to_vec()
            }
            Some(Number::Gauge(gauge)) => [gauge.value, gauge.min, gauge.max].map(|n| n.to_string()).to_vec(),
            Some(Number::Distribution(d)) => [d.count.to_string(), d.sum.to_string()]
                .into_iter()
                .chain(
                    quantiles.iter().map(|q| quantile(value, *q).map_or_else(String::new, |v| v.to_string())),
                )
                .collect(),
            None => Vec::new(),
        };
        fields.resize(numbers.len(), String::new());
        cells.extend(fields);
        write_csv(to, cells)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
