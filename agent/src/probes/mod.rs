//! The registry: every probe, its metrics, and the columns in which their numbers travel.
//!
//! - *Takes*: nothing.
//! - *Gives*: constants, from which config names, help, docs, wire descriptors and tables derive.
//! - *Never*: state, I/O, the loader.

pub mod memory;
pub mod sched;

use std::sync::LazyLock;

/// A probe: a set of metrics that stand or fall together.
#[derive(Debug)]
pub struct Probe {
    /// Its one name: in config, in docs, on the kernel side.
    pub name: &'static str,
    /// What a person gets from it, in a few words.
    pub title: &'static str,
    /// What it measures.
    pub metrics: &'static [Metric],
}

impl Probe {
    /// Whether programs in the kernel can stand behind it: else it is a matter of files.
    #[must_use]
    pub fn has_programs(&self) -> bool {
        self.metrics.iter().any(|metric| matches!(metric.origin, Origin::Programs | Origin::ProgramsOr(_)))
    }
}

/// A metric as users know it.
#[derive(Debug)]
pub struct Metric {
    /// OpenTelemetry's name where one exists, else `rajut.` and a dotted path.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// What kind of number it is.
    pub kind: Kind,
    /// The attribute that splits it into columns, if any.
    pub attribute: Option<Attribute>,
    /// Where its numbers can come from.
    pub origin: Origin,
    /// One sentence for people.
    pub description: &'static str,
}

/// Where a metric's numbers can come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Programs in the kernel alone.
    Programs,
    /// Programs, or this file where there are none.
    ProgramsOr(&'static str),
    /// This file, always.
    File(&'static str),
    /// Files, of which the probe's rung says which.
    Files,
}

/// An attribute and the values that it can take, one column each.
#[derive(Debug)]
pub struct Attribute {
    /// Its key, e.g. `cause`.
    pub key: &'static str,
    /// Its values.
    pub values: &'static [&'static str],
}

/// The unit of a metric, and what its raw integer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Raw nanoseconds, shown as seconds.
    Seconds,
    /// Raw bytes.
    Bytes,
    /// A count of context switches.
    Switches,
    /// A count of page faults.
    Faults,
    /// A count of pages.
    Pages,
    /// A count of whatever the metric's attribute names.
    Events,
}

impl Unit {
    /// The unit in UCUM, as OpenTelemetry writes it.
    #[must_use]
    pub fn ucum(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Bytes => "By",
            Unit::Switches => "{switch}",
            Unit::Faults => "{fault}",
            Unit::Pages => "{page}",
            Unit::Events => "{event}",
        }
    }

    /// A raw integer in this unit.
    #[must_use]
    pub fn scale(self, raw: u64) -> f64 {
        match self {
            Unit::Seconds => raw as f64 / 1e9,
            Unit::Bytes | Unit::Switches | Unit::Faults | Unit::Pages | Unit::Events => raw as f64,
        }
    }
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A level.
    Gauge,
    /// A distribution, with its exact sum.
    Histogram,
}

/// One column: a metric with one value of its attribute. Its position in [`columns`] is how it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(pub u16);

/// What a column stands for.
#[derive(Debug)]
pub struct ColumnInfo {
    /// The probe that fills it.
    pub probe: &'static Probe,
    /// Its metric.
    pub metric: &'static Metric,
    /// The attribute's key and its value in this column.
    pub attribute: Option<(&'static str, &'static str)>,
}

/// Every probe, in the order of help and tables.
pub static REGISTRY: &[&Probe] = &[&sched::PROBE, &memory::PROBE];

/// Every column, in registry order.
#[must_use]
pub fn columns() -> &'static [ColumnInfo] {
    static COLUMNS: LazyLock<Vec<ColumnInfo>> = LazyLock::new(|| {
        let mut columns = Vec::new();
        for probe in REGISTRY {
            for metric in probe.metrics {
                match &metric.attribute {
                    None => columns.push(ColumnInfo { probe, metric, attribute: None }),
                    Some(attribute) => columns.extend(attribute.values.iter().map(|value| ColumnInfo {
                        probe,
                        metric,
                        attribute: Some((attribute.key, value)),
                    })),
                }
            }
        }
        columns
    });
    &COLUMNS
}

/// Every metric with its probe, in registry order.
pub fn metrics() -> impl Iterator<Item = (&'static Probe, &'static Metric)> {
    REGISTRY.iter().flat_map(|probe| probe.metrics.iter().map(|metric| (*probe, metric)))
}

/// The metric of that name.
#[must_use]
pub fn metric(name: &str) -> Option<(&'static Probe, &'static Metric)> {
    metrics().find(|(_, metric)| metric.name == name)
}

impl Column {
    /// The column of a metric, and of one value of its attribute.
    #[must_use]
    pub fn of(metric: &str, value: Option<&str>) -> Option<Column> {
        columns()
            .iter()
            .position(|c| c.metric.name == metric && c.attribute.map(|(_, v)| v) == value)
            .and_then(|position| u16::try_from(position).ok())
            .map(Column)
    }

    /// What it stands for; `None` for a number that is no column of this build.
    #[must_use]
    pub fn info(self) -> Option<&'static ColumnInfo> {
        columns().get(usize::from(self.0))
    }
}
