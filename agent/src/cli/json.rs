//! The JSON that programs rely on: seconds, bytes, RFC 3339; a name that does not apply is absent.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
};

use rajut_proto::v1::{self, value::Value as Number};
use serde::Serialize;

use super::when::rfc3339;
use crate::harmless::is_harmful;

/// Names by label.
pub(crate) type Labels = BTreeMap<String, String>;

/// A stretch of time about which something is missing.
#[derive(Debug, Serialize)]
pub(crate) struct Gap {
    start: Option<String>,
    end: Option<String>,
    reason: String,
    count: u64,
}

impl Gap {
    /// From the wire.
    pub(crate) fn all(gaps: &[v1::Gap]) -> Vec<Gap> {
        gaps.iter()
            .map(|gap| {
                let (start, end) = bounds(gap.window.as_ref());
                Gap { start, end, reason: gap.reason.clone(), count: gap.count }
            })
            .collect()
    }
}

/// The bounds of a window.
pub(crate) fn bounds(window: Option<&v1::Window>) -> (Option<String>, Option<String>) {
    (rfc3339(window.and_then(|w| w.start.as_ref())), rfc3339(window.and_then(|w| w.end.as_ref())))
}

/// The fields of a number, by its kind.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Fields {
    /// Of a counter.
    Counter {
        /// Growth in the window.
        increase: f64,
        /// Growth per second.
        rate: f64,
    },
    /// Of a gauge.
    Gauge {
        /// Last.
        value: f64,
        /// Least.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// Of a histogram.
    Histogram {
        /// How many values.
        count: u64,
        /// Their sum.
        sum: f64,
        /// By quantile as text, e.g. `0.99`.
        quantiles: BTreeMap<String, f64>,
        /// Where they were asked for.
        #[serde(flatten)]
        buckets: Option<Buckets>,
    },
    /// Not told.
    Nothing {},
}

/// The buckets of a histogram.
#[derive(Debug, Serialize)]
pub(crate) struct Buckets {
    scale: i32,
    zero_threshold: f64,
    zero_count: u64,
    buckets: Vec<(i32, u64)>,
}

impl Fields {
    /// From the wire.
    pub(crate) fn new(value: &v1::Value) -> Fields {
        match &value.value {
            Some(Number::Counter(counter)) => {
                Fields::Counter { increase: counter.increase, rate: counter.rate }
            }
            Some(Number::Gauge(gauge)) => {
                Fields::Gauge { value: gauge.value, min: gauge.min, max: gauge.max }
            }
            Some(Number::Distribution(distribution)) => Fields::Histogram {
                count: distribution.count,
                sum: distribution.sum,
                quantiles: distribution.quantiles.iter().map(|q| (q.quantile.to_string(), q.value)).collect(),
                buckets: distribution.histogram.as_ref().map(|histogram| Buckets {
                    scale: histogram.scale,
                    zero_threshold: histogram.zero_threshold,
                    zero_count: histogram.zero_count,
                    buckets: histogram.buckets.iter().map(|bucket| (bucket.index, bucket.count)).collect(),
                }),
            },
            None => Fields::Nothing {},
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Fields::Counter { .. } => "counter",
            Fields::Gauge { .. } => "gauge",
            Fields::Histogram { .. } => "histogram",
            Fields::Nothing {} => "unknown",
        }
    }
}

/// One value of one metric.
#[derive(Debug, Serialize)]
pub(crate) struct Metric {
    name: String,
    attributes: BTreeMap<String, String>,
    kind: &'static str,
    unit: String,
    #[serde(flatten)]
    fields: Fields,
}

impl Metric {
    /// From the wire; `units` by metric name.
    pub(crate) fn all(values: &[v1::Value], units: &BTreeMap<String, String>) -> Vec<Metric> {
        values
            .iter()
            .map(|value| {
                let fields = Fields::new(value);
                Metric {
                    name: value.metric.clone(),
                    attributes: value.attributes.clone(),
                    kind: fields.kind(),
                    unit: units.get(&value.metric).cloned().unwrap_or_default(),
                    fields,
                }
            })
            .collect()
    }
}

/// An entity's id as text, since JSON's numbers end at 2^53; `None` for a group.
pub(crate) fn entity(id: u64) -> Option<String> {
    (id != 0).then(|| id.to_string())
}

/// What kind a metric is, in one word.
pub(crate) fn kind(kind: v1::MetricKind) -> &'static str {
    match kind {
        v1::MetricKind::Counter => "counter",
        v1::MetricKind::Gauge => "gauge",
        v1::MetricKind::Histogram => "histogram",
        v1::MetricKind::Unspecified => "unknown",
    }
}

/// Prints a document over several lines.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn write(to: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(document)?;
    writeln!(to, "{}", printable(text))
}

/// Prints a document as one line.
///
/// # Errors
/// When that cannot be written.
pub(crate) fn write_line(to: &mut dyn Write, document: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(document)?;
    writeln!(to, "{}", printable(text))
}

/// The same JSON with characters that may steer a terminal as escapes: nothing is lost. ASCII controls are escapes
/// already, and outside of strings JSON has none but line feeds.
fn printable(text: String) -> String {
    let harmful = |c: char| !c.is_ascii_whitespace() && is_harmful(c);
    if !text.contains(harmful) {
        return text;
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn hostile_names_are_escaped_and_not_changed() {
        let name = "x\u{1b}[2J\u{9b}31m\u{202e}\u{7f}\u{e0041}ü";
        let mut text = Vec::new();
        write(&mut text, &BTreeMap::from([("pod", name)])).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "{\n  \"pod\": \"x\\u001b[2J\\u009b31m\\u202e\\u007f\\udb40\\udc41ü\"\n}\n");
        let back: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        assert_eq!(back["pod"], name);
    }

    #[test]
    fn ids_are_text_and_groups_have_none() {
        assert_eq!(entity(u64::MAX).as_deref(), Some("18446744073709551615"));
        assert_eq!(entity(0), None);
    }
}
