//! Requests to questions: every field is checked here, and what is wrong with one is said by name.

use std::time::Duration;

use rajut_proto::v1 as pb;

use crate::{
    guess::did_you_mean,
    model::{Entity, Label, Utc},
    probes::{self, Column, Metric, Probe, columns},
    sinks::refusal::Refusal,
    store::{Range, Selection},
};

/// Quantiles where none are named.
pub(crate) const DEFAULT_QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// The range where none is named.
pub(crate) const DEFAULT_RANGE: Duration = Duration::from_secs(60);
/// Quantiles in one request.
pub(crate) const MAX_QUANTILES: usize = 32;
/// Conditions in one request.
pub(crate) const MAX_MATCHERS: usize = 64;
/// Entities on a page where no size is named.
pub(crate) const DEFAULT_PAGE: usize = 500;
/// Entities on the largest page.
pub(crate) const MAX_PAGE: usize = 5000;

/// What a `Query` asks.
#[derive(Debug)]
pub(crate) struct Question {
    /// The metric's probe.
    pub(crate) probe: &'static Probe,
    /// The metric.
    pub(crate) metric: &'static Metric,
    /// What the store is asked.
    pub(crate) selection: Selection,
    /// Fold all rows of the store's answer into one: only attributes were named to group by.
    pub(crate) fold_all: bool,
    /// One row for each value of the attribute; else they are added.
    pub(crate) split: bool,
    /// What to say of distributions.
    pub(crate) detail: Detail,
}

/// What to say of distributions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Detail {
    /// Quantiles, 0 to 1.
    pub(crate) quantiles: Vec<f64>,
    /// Whether to send the buckets.
    pub(crate) histogram: bool,
}

/// What a `Summarize` asks.
#[derive(Debug)]
pub(crate) struct Summary {
    /// What the store is asked.
    pub(crate) selection: Selection,
    /// What to say of distributions.
    pub(crate) detail: Detail,
    /// Rows before the rest is folded; `None`: all.
    pub(crate) limit: Option<usize>,
}

/// What a `Watch` asks.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// Metrics to send; empty: all.
    pub(crate) metrics: Vec<&'static str>,
    /// Their columns; empty: all.
    pub(crate) columns: Vec<Column>,
    /// Conditions on an entity's labels.
    pub(crate) filter: Vec<(Label, String)>,
    /// What to say of distributions.
    pub(crate) detail: Detail,
}

impl Wish {
    /// Whether an entity's values are wanted.
    pub(crate) fn wants(&self, entity: &Entity) -> bool {
        self.filter.iter().all(|(label, value)| entity.labels.get(*label) == Some(value))
    }

    /// Whether a metric is wanted.
    pub(crate) fn wants_metric(&self, name: &str) -> bool {
        self.metrics.is_empty() || self.metrics.contains(&name)
    }

    /// Whether a column is wanted.
    pub(crate) fn wants_column(&self, column: Column) -> bool {
        self.columns.is_empty() || self.columns.contains(&column)
    }
}

/// A `Query`. `newest` is where the newest stored window ends, `now` the wall clock: a range without an end needs both.
///
/// # Errors
/// Names the field that is wrong, and what was perhaps meant.
pub(crate) fn question(
    request: &pb::QueryRequest,
    newest: Option<Utc>,
    now: Utc,
) -> Result<Question, Refusal> {
    let (probe, metric) = metric("metric", &request.metric)?;
    let attribute = metric.attribute.as_ref();
    let key = attribute.map(|a| a.key);

    let mut by = Vec::new();
    let mut split = request.by.is_empty();
    for (at, word) in request.by.iter().enumerate() {
        match label_or_attribute(word, key) {
            Some(Key::Label(label)) if by.contains(&label) => {}
            Some(Key::Label(label)) => by.push(label),
            Some(Key::Attribute) => split = true,
            None => return Err(unknown_key(format!("by[{at}]"), word, key)),
        }
    }

    let mut filter = Vec::new();
    let mut wanted: Vec<&str> = attribute.map(|a| a.values.to_vec()).unwrap_or_default();
    for (at, matcher) in matchers(&request.r#where)?.iter().enumerate() {
        match label_or_attribute(&matcher.key, key) {
            Some(Key::Label(label)) => filter.push((label, matcher.value.clone())),
            Some(Key::Attribute) => {
                let known = attribute.map(|a| a.values).unwrap_or_default();
                if !known.contains(&matcher.value.as_str()) {
                    let hint = did_you_mean(&matcher.value, known.iter().copied());
                    let why = format!("`{}` is never {}{hint}", matcher.key, quoted(&matcher.value));
                    return Err(Refusal::invalid(format!("where[{at}].value"), why));
                }
                wanted.retain(|value| *value == matcher.value);
            }
            None => return Err(unknown_key(format!("where[{at}].key"), &matcher.key, key)),
        }
    }
    if attribute.is_some() && wanted.is_empty() {
        return Err(Refusal::invalid("where", "an attribute cannot have two values at once"));
    }

    let columns = columns_of(metric, |value| value.is_none_or(|value| wanted.contains(&value)));
    let fold_all = by.is_empty() && !request.by.is_empty();
    if fold_all {
        // All rows have it; window by window, so that levels are added at one time.
        by.push(Label::Node);
    }
    Ok(Question {
        probe,
        metric,
        fold_all,
        split,
        selection: Selection { range: range(request.range.as_ref(), newest, now)?, columns, by, filter },
        detail: Detail { quantiles: quantiles(&request.quantiles)?, histogram: request.histogram },
    })
}

/// A `Summarize`; `newest` and `now` as for [`question`].
///
/// # Errors
/// Names the field that is wrong, and what was perhaps meant.
pub(crate) fn summary(
    request: &pb::SummarizeRequest,
    newest: Option<Utc>,
    now: Utc,
) -> Result<Summary, Refusal> {
    let mut by = Vec::new();
    for (at, word) in request.by.iter().enumerate() {
        let label = label(word).ok_or_else(|| unknown_key(format!("by[{at}]"), word, None))?;
        if !by.contains(&label) {
            by.push(label);
        }
    }
    Ok(Summary {
        selection: Selection {
            range: range(request.range.as_ref(), newest, now)?,
            columns: Vec::new(),
            by,
            filter: label_filter(&request.r#where)?,
        },
        detail: Detail { quantiles: quantiles(&request.quantiles)?, histogram: false },
        limit: usize::try_from(request.limit).ok().filter(|limit| *limit > 0),
    })
}

/// A `Watch`, without its resume token.
///
/// # Errors
/// Names the field that is wrong, and what was perhaps meant.
pub(crate) fn wish(request: &pb::WatchRequest) -> Result<Wish, Refusal> {
    let mut metrics = Vec::new();
    let mut columns = Vec::new();
    for (at, name) in request.metrics.iter().enumerate() {
        let (_, metric) = metric(&format!("metrics[{at}]"), name)?;
        if !metrics.contains(&metric.name) {
            metrics.push(metric.name);
            columns.extend(columns_of(metric, |_| true));
        }
    }
    Ok(Wish {
        metrics,
        columns,
        filter: label_filter(&request.r#where)?,
        detail: Detail { quantiles: DEFAULT_QUANTILES.to_vec(), histogram: request.histogram },
    })
}

/// How many entities a page holds.
pub(crate) fn page_size(asked: u32) -> usize {
    match usize::try_from(asked) {
        Ok(0) => DEFAULT_PAGE,
        Ok(size) => size.min(MAX_PAGE),
        Err(_) => MAX_PAGE,
    }
}

/// The columns of a metric whose attribute value, if it has one, is wanted.
fn columns_of(metric: &Metric, wanted: impl Fn(Option<&str>) -> bool) -> Vec<Column> {
    (0u16..)
        .zip(columns())
        .filter(|(_, c)| c.metric.name == metric.name && wanted(c.attribute.map(|(_, value)| value)))
        .map(|(at, _)| Column(at))
        .collect()
}

enum Key {
    Label(Label),
    Attribute,
}

fn label(word: &str) -> Option<Label> {
    word.parse().ok()
}

fn label_or_attribute(word: &str, attribute: Option<&str>) -> Option<Key> {
    match label(word) {
        Some(label) => Some(Key::Label(label)),
        None => (attribute == Some(word)).then_some(Key::Attribute),
    }
}

fn unknown_key(field: String, word: &str, attribute: Option<&str>) -> Refusal {
    let known = Label::ALL.iter().map(|l| l.name()).chain(attribute);
    let what = if attribute.is_some() { "label or attribute" } else { "label" };
    Refusal::invalid(field, format!("unknown {what} {}{}", quoted(word), did_you_mean(word, known)))
}

fn metric(field: &str, name: &str) -> Result<(&'static Probe, &'static Metric), Refusal> {
    probes::metric(name).ok_or_else(|| {
        let hint = did_you_mean(name, probes::metrics().map(|(_, m)| m.name));
        Refusal::invalid(field, format!("unknown metric {}{hint}", quoted(name)))
    })
}

fn matchers(matchers: &[pb::Matcher]) -> Result<&[pb::Matcher], Refusal> {
    if matchers.len() > MAX_MATCHERS {
        let why = format!("{} conditions, at most {MAX_MATCHERS} are allowed", matchers.len());
        return Err(Refusal::invalid("where", why));
    }
    Ok(matchers)
}

fn label_filter(asked: &[pb::Matcher]) -> Result<Vec<(Label, String)>, Refusal> {
    matchers(asked)?
        .iter()
        .enumerate()
        .map(|(at, matcher)| match label(&matcher.key) {
            Some(label) => Ok((label, matcher.value.clone())),
            None => Err(unknown_key(format!("where[{at}].key"), &matcher.key, None)),
        })
        .collect()
}

fn quantiles(asked: &[f64]) -> Result<Vec<f64>, Refusal> {
    if asked.is_empty() {
        return Ok(DEFAULT_QUANTILES.to_vec());
    }
    if asked.len() > MAX_QUANTILES {
        let why = format!("{} quantiles, at most {MAX_QUANTILES} are allowed", asked.len());
        return Err(Refusal::invalid("quantiles", why));
    }
    match asked.iter().enumerate().find(|(_, q)| !(0.0..=1.0).contains(*q)) {
        Some((at, q)) => {
            Err(Refusal::invalid(format!("quantiles[{at}]"), format!("{q} is not between 0 and 1")))
        }
        None => Ok(asked.to_vec()),
    }
}

/// `start` alone reaches to the newest window: asking beyond it would make every such answer incomplete.
fn range(asked: Option<&pb::TimeRange>, newest: Option<Utc>, now: Utc) -> Result<Range, Refusal> {
    let Some(asked) = asked else { return Ok(Range::Last(DEFAULT_RANGE)) };
    match (&asked.start, &asked.end, &asked.last) {
        (None, None, None) => Ok(Range::Last(DEFAULT_RANGE)),
        (None, None, Some(last)) => {
            let last = Duration::try_from(*last).ok().filter(|last| !last.is_zero());
            last.map(Range::Last)
                .ok_or_else(|| Refusal::invalid("range.last", "it must be longer than nothing"))
        }
        (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            Err(Refusal::invalid("range", "give `last`, or `start` and `end`, not both"))
        }
        (None, Some(_), None) => Err(Refusal::invalid("range.start", "`end` needs a `start`")),
        (Some(start), end, None) => {
            let start = instant("range.start", start)?;
            let end = match end {
                Some(end) => instant("range.end", end)?,
                None => newest.filter(|newest| *newest > start).unwrap_or(now),
            };
            if end <= start {
                return Err(Refusal::invalid("range", "it is empty: its end is not after its start"));
            }
            Ok(Range::Between(start, end))
        }
    }
}

/// Nanoseconds in 64 bits reach from 1677 to 2262.
fn instant(field: &str, time: &prost_types::Timestamp) -> Result<Utc, Refusal> {
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    nanos
        .and_then(|nanos| time.seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(nanos)))
        .map(Utc)
        .ok_or_else(|| Refusal::invalid(field, "it is no instant between the years 1678 and 2262"))
}

/// A client's word in an error line: short, and without what would steer a terminal.
fn quoted(word: &str) -> String {
    let mut short: String =
        word.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if short.len() < word.len() && word.chars().nth(64).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
