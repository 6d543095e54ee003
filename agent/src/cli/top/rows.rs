//! A summary as `top` sees it: the numbers of each row, and what hurts.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use rajut_proto::v1::{self, Row, SummarizeResponse, value::Value as Number};

use crate::{
    cli::{text, units},
    probes::{memory, sched},
};

/// Waiting less than this share of wall time is nobody's pain.
const WAIT_HURTS: f64 = 0.05;
/// Being held back by a quota is always somebody's decision: it is told earlier.
const QUOTA_HURTS: f64 = 0.01;
/// One wait in a hundred longer than this is felt by whoever waits for an answer, seconds.
const P99_HURTS: f64 = 0.010;
/// Fewer waits than this have no meaningful 99th percentile.
const P99_COUNT: u64 = 100;

/// From this share of its limit on a cgroup is at it.
const AT_LIMIT: f64 = 0.95;

/// A row's numbers; `None` where nothing was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TopRow {
    /// Harmless name.
    pub(crate) name: String,
    /// CPUs in use.
    pub(crate) cpu: Option<f64>,
    /// Median of the waits for a CPU, seconds.
    pub(crate) p50: Option<f64>,
    /// 99th percentile of them, seconds.
    pub(crate) p99: Option<f64>,
    /// How many waits there were.
    pub(crate) waits: u64,
    /// Waiting because others ran, as a share of wall time; above 1 where several threads waited.
    pub(crate) wait: Option<f64>,
    /// Waiting because the quota was used up, likewise.
    pub(crate) quota: Option<f64>,
    /// Context switches per second.
    pub(crate) switches: Option<f64>,
    /// Memory in use, bytes.
    pub(crate) memory: Option<f64>,
    /// The most that may be in use, bytes.
    pub(crate) limit: Option<f64>,
    /// Times that a limit, hard or soft, held it back.
    pub(crate) held_back: f64,
    /// As it came.
    pub(crate) raw: Row,
}

/// What hurts most, from most to least words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hurt {
    /// A sentence.
    pub(crate) long: String,
    /// The same for narrow screens.
    pub(crate) short: String,
    /// Whether it is bad enough for red.
    pub(crate) bad: bool,
}

impl TopRow {
    /// From the wire.
    pub(crate) fn new(row: &Row) -> TopRow {
        let latency = distribution(row, sched::LATENCY);
        let quantile = |wanted: f64| {
            let quantiles = latency.map_or(&[][..], |d| &d.quantiles);
            quantiles.iter().find(|q| (q.quantile - wanted).abs() < 1e-9).map(|q| q.value)
        };
        TopRow {
            name: text::name(&row.labels),
            cpu: rate(row, sched::TIME, None),
            p50: quantile(0.5),
            p99: quantile(0.99),
            waits: latency.map_or(0, |d| d.count),
            wait: rate(row, sched::WAIT, Some("contention")),
            // Where no program tells the causes apart, cpu.stat still knows the quota.
            quota: rate(row, sched::WAIT, Some("quota")).or_else(|| rate(row, sched::THROTTLED, None)),
            switches: rate(row, sched::SWITCHES, None),
            memory: level(row, memory::USAGE),
            limit: level(row, memory::LIMIT),
            held_back: ["high", "max"]
                .into_iter()
                .filter_map(|event| increase(row, memory::EVENTS, Some(event)))
                .sum(),
            raw: row.clone(),
        }
    }

    /// What hurts most, if anything.
    pub(crate) fn hurt(&self) -> Option<Hurt> {
        let wait = self.wait.filter(|wait| *wait >= WAIT_HURTS);
        let quota = self.quota.filter(|quota| *quota >= QUOTA_HURTS);
        if let Some(quota) = quota.filter(|quota| wait.is_none_or(|wait| *quota >= wait)) {
            let share = units::percent(quota);
            return Some(Hurt {
                long: format!("held back by its CPU quota: {share} of wall time"),
                short: format!("CPU quota: {share}"),
                bad: quota >= 0.25,
            });
        }
        if let Some(wait) = wait {
            let share = units::percent(wait);
            return Some(Hurt {
                long: format!("waits for CPU: {share} of wall time"),
                short: format!("waits for CPU: {share}"),
                bad: wait >= 0.25,
            });
        }
        if self.is_at_limit() {
            let limit = units::bytes_short(self.limit.unwrap_or_default());
            return Some(Hurt {
                long: format!(
                    "memory at limit: held back {} times at {limit}",
                    units::count(self.held_back as u64)
                ),
                short: "memory at limit".to_owned(),
                bad: false,
            });
        }
        let p99 = self.p99.filter(|p99| *p99 >= P99_HURTS && self.waits >= P99_COUNT)?;
        let p99 = units::duration(p99);
        Some(Hurt {
            long: format!("1 in 100 waits for CPU is over {p99}"),
            short: format!("1 % waits over {p99}"),
            bad: false,
        })
    }

    /// Memory in use as a share of its limit.
    pub(crate) fn memory_share(&self) -> Option<f64> {
        self.limit.filter(|limit| *limit > 0.0).zip(self.memory).map(|(limit, used)| used / limit)
    }

    /// Page cache fills any limit sooner or later, and harms nobody: it is at its limit only if that held it back, too.
    fn is_at_limit(&self) -> bool {
        self.held_back > 0.0 && self.memory_share().is_some_and(|share| share >= AT_LIMIT)
    }

    /// How bad it is: shares of wall time first, then slow waits, then use.
    fn badness(&self) -> (f64, f64, f64) {
        let share = self.wait.unwrap_or(0.0).max(self.quota.unwrap_or(0.0));
        // What no one would call pain does not outrank use.
        let share = if self.hurt().is_some() { share } else { 0.0 };
        let share = if self.is_at_limit() { share.max(WAIT_HURTS) } else { share };
        let p99 = self.p99.filter(|_| self.waits >= P99_COUNT && self.hurt().is_some()).unwrap_or(0.0);
        (share, p99, self.cpu.unwrap_or(0.0))
    }
}

/// The growth per second of a counter, summed over its attributes or with one value of them.
fn rate(row: &Row, metric: &str, attribute: Option<&str>) -> Option<f64> {
    counters(row, metric, attribute).map(|counter| counter.rate).reduce(|sum, part| sum + part)
}

/// The growth of a counter, likewise.
fn increase(row: &Row, metric: &str, attribute: Option<&str>) -> Option<f64> {
    counters(row, metric, attribute).map(|counter| counter.increase).reduce(|sum, part| sum + part)
}

fn counters<'a>(
    row: &'a Row,
    metric: &'a str,
    attribute: Option<&'a str>,
) -> impl Iterator<Item = &'a v1::Counter> {
    row.values
        .iter()
        .filter(move |value| value.metric == metric)
        .filter(move |value| attribute.is_none_or(|wanted| value.attributes.values().any(|v| v == wanted)))
        .filter_map(|value| match &value.value {
            Some(Number::Counter(counter)) => Some(counter),
            _ => None,
        })
}

/// The latest value of a gauge.
fn level(row: &Row, metric: &str) -> Option<f64> {
    row.values.iter().find(|value| value.metric == metric).and_then(|value| match &value.value {
        Some(Number::Gauge(gauge)) => Some(gauge.value),
        _ => None,
    })
}

fn distribution<'a>(row: &'a Row, metric: &str) -> Option<&'a v1::Distribution> {
    row.values.iter().find(|value| value.metric == metric).and_then(|value| match &value.value {
        Some(Number::Distribution(distribution)) => Some(distribution),
        _ => None,
    })
}

/// What rows are ordered by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    /// What hurts most first.
    #[default]
    Worst,
    /// CPUs in use.
    Cpu,
    /// 99th percentile of waits.
    P99,
    /// Share of waiting.
    Wait,
    /// Share of being held back.
    Quota,
    /// Context switches.
    Switches,
    /// Memory in use.
    Memory,
    /// Name, rising.
    Name,
}

impl Sort {
    /// The next one, round and round.
    pub(crate) fn next(self) -> Sort {
        match self {
            Sort::Worst => Sort::Cpu,
            Sort::Cpu => Sort::P99,
            Sort::P99 => Sort::Wait,
            Sort::Wait => Sort::Quota,
            Sort::Quota => Sort::Switches,
            Sort::Switches => Sort::Memory,
            Sort::Memory => Sort::Name,
            Sort::Name => Sort::Worst,
        }
    }

    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sort::Worst => "worst",
            Sort::Cpu => "CPU",
            Sort::P99 => "p99",
            Sort::Wait => "wait",
            Sort::Quota => "quota",
            Sort::Switches => "switches",
            Sort::Memory => "memory",
            Sort::Name => "name",
        }
    }

    /// Orders rows; ties by name, so that rows at rest do not change places.
    pub(crate) fn apply(self, rows: &mut [TopRow]) {
        let falling = |a: Option<f64>, b: Option<f64>| {
            b.unwrap_or(-1.0).partial_cmp(&a.unwrap_or(-1.0)).unwrap_or(Ordering::Equal)
        };
        rows.sort_by(|a, b| {
            let order = match self {
                Sort::Worst => b.badness().partial_cmp(&a.badness()).unwrap_or(Ordering::Equal),
                Sort::Cpu => falling(a.cpu, b.cpu),
                Sort::P99 => falling(a.p99, b.p99),
                Sort::Wait => falling(a.wait, b.wait),
                Sort::Quota => falling(a.quota, b.quota),
                Sort::Switches => falling(a.switches, b.switches),
                Sort::Memory => falling(a.memory, b.memory),
                Sort::Name => Ordering::Equal,
            };
            order.then_with(|| a.name.cmp(&b.name)).then_with(|| a.raw.entity.cmp(&b.raw.entity))
        });
    }
}

/// How many pods a summary is about, and in which words.
pub(crate) fn population(summary: &SummarizeResponse) -> String {
    let plural =
        |count: usize, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let pods: BTreeSet<_> = summary
        .rows
        .iter()
        .filter_map(|row| Some((row.labels.get("namespace"), row.labels.get("pod")?)))
        .collect();
    if pods.is_empty() { plural(summary.rows.len(), "row") } else { plural(pods.len(), "pod") }
}

/// Events that are in the summary: every wait is one.
pub(crate) fn events(summary: &SummarizeResponse) -> u64 {
    let counts = summary.rows.iter().filter_map(|row| distribution(row, sched::LATENCY)).map(|d| d.count);
    counts.fold(0, u64::saturating_add)
}

/// The labels that pick out a row again; the node is the one that answers.
pub(crate) fn selector(labels: &BTreeMap<String, String>) -> Vec<(String, String)> {
    labels.iter().filter(|(key, _)| *key != "node").map(|(key, value)| (key.clone(), value.clone())).collect()
}
