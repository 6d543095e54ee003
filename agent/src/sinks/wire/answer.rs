//! Answers to messages: entities, descriptors, values, status.

use std::{collections::BTreeMap, sync::Arc};

use rajut_proto::v1 as pb;

use super::ask::{Detail, Question, Wish};
use crate::{
    model::{Entity, EntityId, Gap, Gauge, Histogram, Label, Labels, Utc, Values, Window},
    probes::{self, Column, Kind, Metric, Origin, Probe, Unit, sched},
    status::{ProbeState, Status},
    store::{Series, SeriesRow, Stored},
};
use rajut_ebpf::abi::histogram::{SCALE, ZERO_THRESHOLD};

/// An instant.
fn timestamp(time: Utc) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.0.rem_euclid(1_000_000_000)).unwrap_or_default();
    prost_types::Timestamp { seconds: time.0.div_euclid(1_000_000_000), nanos }
}

/// A window.
fn window(window: Window) -> pb::Window {
    pb::Window { start: Some(timestamp(window.start)), end: Some(timestamp(window.end)) }
}

/// What is missing.
fn gaps(gaps: &[Gap]) -> Vec<pb::Gap> {
    gaps.iter()
        .map(|gap| pb::Gap {
            window: Some(window(gap.window)),
            reason: gap.reason.to_owned(),
            count: gap.count,
        })
        .collect()
}

/// An entity's record.
pub(crate) fn entity(entity: &Entity) -> pb::Entity {
    let Entity { id, version, valid_from, gone_at, labels: names } = entity;
    pb::Entity {
        id: id.0,
        version: *version,
        valid_from: Some(timestamp(*valid_from)),
        gone_at: gone_at.map(timestamp),
        labels: labels(names),
    }
}

fn labels(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(label, value)| (label.name().to_owned(), value.to_owned())).collect()
}

/// What a metric is, and where its numbers come from on this host.
fn descriptor(probe: &Probe, metric: &Metric, status: &Status) -> pb::MetricDescriptor {
    let Metric { name, unit, kind, attribute, origin: _, description } = metric;
    let kind = match kind {
        Kind::Counter => pb::MetricKind::Counter,
        Kind::Gauge => pb::MetricKind::Gauge,
        Kind::Histogram => pb::MetricKind::Histogram,
    };
    let attributes = attribute.iter().map(|attribute| pb::AttributeDescriptor {
        key: attribute.key.to_owned(),
        values: attribute.values.iter().map(|value| (*value).to_owned()).collect(),
    });
    pb::MetricDescriptor {
        name: (*name).to_owned(),
        unit: unit.ucum().to_owned(),
        kind: kind.into(),
        attributes: attributes.collect(),
        labels: Label::ALL.iter().map(|label| label.name().to_owned()).collect(),
        source: source(probe, metric, status),
        probe: probe.name.to_owned(),
        description: (*description).to_owned(),
    }
}

/// The rung of the metric's probe or the file that gives it; empty where nothing does.
fn source(probe: &Probe, metric: &Metric, status: &Status) -> String {
    let Some(probe) = status.probes.iter().find(|p| p.name == probe.name && p.state == ProbeState::On) else {
        return String::new();
    };
    match metric.origin {
        Origin::File(file) => file.to_owned(),
        Origin::Files => probe.rung.clone(),
        Origin::Programs | Origin::ProgramsOr(_) if probe.programs => probe.rung.clone(),
        Origin::ProgramsOr(file) => file.to_owned(),
        Origin::Programs => String::new(),
    }
}

/// Every metric of the registry.
pub(crate) fn descriptors(status: &Status, wanted: impl Fn(&str) -> bool) -> Vec<pb::MetricDescriptor> {
    probes::metrics()
        .filter(|(_, metric)| wanted(metric.name))
        .map(|(probe, metric)| descriptor(probe, metric, status))
        .collect()
}

/// The answer to a `Query`.
pub(crate) fn query(question: &Question, series: Series, status: &Status) -> pb::QueryResponse {
    let Series { window: bounds, complete, gaps: missing, scale, rows } = series;
    let rows = if question.fold_all { fold_all(rows) } else { rows };
    let made = Maker { window: bounds, scale, detail: &question.detail };
    let mut answer = Vec::new();
    for row in &rows {
        let values = if question.split {
            made.values(&row.values, |column| question.selection.columns.contains(&column))
        } else {
            made.folded(question, &row.values).into_iter().collect()
        };
        answer.extend(values.into_iter().map(|value| pb::Row {
            labels: labels(&row.labels),
            entity: row.entity.map_or(0, |id| id.0),
            values: vec![value],
        }));
    }
    pb::QueryResponse {
        metric: Some(descriptor(question.probe, question.metric, status)),
        window: Some(window(bounds)),
        complete,
        gaps: gaps(&missing),
        rows: answer,
    }
}

/// Everything in one row without labels; no row where there was none. Rows that are of different times do not add up to
/// a level: where one is asked for, the store has folded by node before.
fn fold_all(rows: Vec<SeriesRow>) -> Vec<SeriesRow> {
    let fold = |mut sum: SeriesRow, row: SeriesRow| {
        sum.values.merge(&row.values);
        sum
    };
    rows.into_iter()
        .map(|row| SeriesRow { labels: Labels::default(), entity: None, values: row.values })
        .reduce(fold)
        .into_iter()
        .collect()
}

/// The answer to a `Summarize`: the rows with the most CPU time and waiting first, beyond the limit in one row, last.
pub(crate) fn summary(
    series: Series,
    limit: Option<usize>,
    detail: &Detail,
    status: &Status,
) -> pb::SummarizeResponse {
    let Series { window: bounds, complete, gaps: missing, scale, rows } = series;
    let (mut named, mut other): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| !is_other(row));
    named.sort_by_cached_key(|row| std::cmp::Reverse(weight(&row.values)));
    let rest = limit.filter(|limit| *limit < named.len()).map(|limit| named.split_off(limit));
    if let Some(rest) = rest {
        // What the kernel had already folded belongs to the same row.
        let folded = fold_all(other.into_iter().chain(rest).collect());
        other = folded
            .into_iter()
            .map(|row| SeriesRow { labels: row.labels.with(Label::Cgroup, "other"), ..row })
            .collect();
    }
    let made = Maker { window: bounds, scale, detail };
    let rows = named.iter().chain(&other).map(|row| pb::Row {
        labels: labels(&row.labels),
        entity: row.entity.map_or(0, |id| id.0),
        values: made.values(&row.values, |_| true),
    });
    pb::SummarizeResponse {
        node: status.node.clone(),
        window: Some(window(bounds)),
        complete,
        gaps: gaps(&missing),
        rows: rows.collect(),
    }
}

fn is_other(row: &SeriesRow) -> bool {
    match row.entity {
        Some(id) => id == EntityId::OTHER,
        None => row.labels.get(Label::Cgroup) == Some("other"),
    }
}

/// CPU time and waiting, nanoseconds.
fn weight(values: &Values) -> u64 {
    let counts = |column: &Column| {
        column.info().is_some_and(|info| [sched::TIME, sched::WAIT].contains(&info.metric.name))
    };
    values.counters.iter().filter(|(c, _)| counts(c)).fold(0, |sum, (_, v)| sum.saturating_add(*v))
}

/// How a stream begins.
pub(crate) fn snapshot(living: &[Arc<Entity>], wish: &Wish, status: &Status) -> pb::Snapshot {
    pb::Snapshot {
        node: status.node.clone(),
        entities: living.iter().map(|record| entity(record)).collect(),
        metrics: descriptors(status, |metric| wish.wants_metric(metric)),
    }
}

/// One window of a stream, and the records that its client lacks.
pub(crate) fn delta(stored: &Stored, records: &[Arc<Entity>], wish: &Wish) -> pb::Delta {
    let made = Maker { window: stored.window, scale: SCALE, detail: &wish.detail };
    let rows = stored.rows.iter().map(|(id, values)| pb::Row {
        labels: BTreeMap::new(),
        entity: id.0,
        values: made.values(values, |column| wish.wants_column(column)),
    });
    pb::Delta {
        window: Some(window(stored.window)),
        complete: !stored.gaps.iter().any(Gap::loses),
        gaps: gaps(&stored.gaps),
        entities: records.iter().map(|record| entity(record)).collect(),
        rows: rows.filter(|row| !row.values.is_empty()).collect(),
    }
}

/// A sign of life.
pub(crate) fn heartbeat(at: Utc) -> pb::Heartbeat {
    pb::Heartbeat { at: Some(timestamp(at)) }
}

/// What all values of an answer share.
struct Maker<'a> {
    window: Window,
    scale: i32,
    detail: &'a Detail,
}

impl Maker<'_> {
    /// One value for each wanted column, in the registry's order.
    fn values(&self, values: &Values, wanted: impl Fn(Column) -> bool) -> Vec<pb::Value> {
        let info = |column: &Column| column.info().filter(|_| wanted(*column));
        let counters = values.counters.iter().filter_map(|(column, raw)| {
            let info = info(column)?;
            Some((*column, value(info.metric, info.attribute, self.counter(info.metric.unit, *raw))))
        });
        let histograms = values.histograms.iter().filter_map(|(column, histogram)| {
            let info = info(column)?;
            Some((
                *column,
                value(info.metric, info.attribute, self.distribution(info.metric.unit, histogram)),
            ))
        });
        let gauges = values.gauges.iter().filter_map(|(column, levels)| {
            let info = info(column)?;
            Some((*column, value(info.metric, info.attribute, gauge(info.metric.unit, *levels))))
        });
        let mut all: Vec<(Column, pb::Value)> = counters.chain(histograms).chain(gauges).collect();
        all.sort_by_key(|(column, _)| *column);
        all.into_iter().map(|(_, value)| value).collect()
    }

    /// The values of all wanted columns as one; `None` where none was measured.
    fn folded(&self, question: &Question, values: &Values) -> Option<pb::Value> {
        let Metric { kind, unit, .. } = question.metric;
        let wanted = |column: &Column| question.selection.columns.contains(column);
        let number = match kind {
            Kind::Counter => {
                let raw = values.counters.iter().filter(|(c, _)| wanted(c)).map(|(_, raw)| *raw);
                self.counter(*unit, raw.reduce(u64::wrapping_add)?)
            }
            Kind::Gauge => {
                let all = values.gauges.iter().filter(|(c, _)| wanted(c)).map(|(_, levels)| *levels);
                let sum = all.reduce(|mut sum, levels| {
                    sum.add(levels);
                    sum
                });
                gauge(*unit, sum?)
            }
            Kind::Histogram => {
                let all = values.histograms.iter().filter(|(c, _)| wanted(c)).map(|(_, h)| h.clone());
                let sum = all.reduce(|mut sum, histogram| {
                    sum.merge(&histogram);
                    sum
                });
                self.distribution(*unit, &sum?)
            }
        };
        Some(value(question.metric, None, number))
    }

    fn counter(&self, unit: Unit, raw: u64) -> pb::value::Value {
        let increase = unit.scale(raw);
        let seconds = self.window.duration().as_secs_f64();
        let rate = if seconds > 0.0 { increase / seconds } else { 0.0 };
        pb::value::Value::Counter(pb::Counter { increase, rate })
    }

    fn distribution(&self, unit: Unit, histogram: &Histogram) -> pb::value::Value {
        let quantiles = self.detail.quantiles.iter().filter_map(|quantile| {
            let value = histogram.quantile(*quantile, self.scale)?;
            Some(pb::Quantile { quantile: *quantile, value })
        });
        pb::value::Value::Distribution(pb::Distribution {
            count: histogram.count(),
            sum: unit.scale(histogram.sum),
            quantiles: quantiles.collect(),
            histogram: self.detail.histogram.then(|| buckets(histogram, self.scale)),
        })
    }
}

fn gauge(unit: Unit, Gauge { last, min, max }: Gauge) -> pb::value::Value {
    let [value, min, max] = [last, min, max].map(|raw| unit.scale(raw));
    pb::value::Value::Gauge(pb::Gauge { value, min, max })
}

fn value(metric: &Metric, attribute: Option<(&str, &str)>, number: pb::value::Value) -> pb::Value {
    pb::Value {
        metric: metric.name.to_owned(),
        attributes: attribute.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        value: Some(number),
    }
}

fn buckets(histogram: &Histogram, scale: i32) -> pb::Histogram {
    let buckets = histogram.buckets(scale).into_iter().map(|(index, count)| pb::Bucket { index, count });
    pb::Histogram {
        scale,
        zero_threshold: ZERO_THRESHOLD,
        zero_count: histogram.zero_count(),
        buckets: buckets.collect(),
    }
}

/// The agent's state.
pub(crate) fn status(status: &Status) -> pb::GetStatusResponse {
    let Status { node, boot_id, instance, version, started_at, probes, ledger, bill } = status;
    let probes = probes.iter().map(|probe| pb::ProbeStatus {
        name: probe.name.to_owned(),
        state: match probe.state {
            ProbeState::On => pb::ProbeState::On,
            ProbeState::Off => pb::ProbeState::Off,
            ProbeState::Unsupported => pb::ProbeState::Unsupported,
            ProbeState::Broken => pb::ProbeState::Broken,
        }
        .into(),
        rung: probe.rung.clone(),
        reason: probe.reason.clone(),
        runs: probe.runs,
        ns_per_run: probe.ns_per_run,
        cpu_share: probe.cpu_share,
    });
    let ledger = ledger.iter().map(|row| pb::LedgerRow {
        source: row.source.clone(),
        offered: row.offered(),
        misses: row.misses,
        attempted: row.attempted,
        applied: row.applied,
        folded: row.folded,
        dropped: row.dropped.clone(),
        residual: row.residual(),
        details_dropped: row.details_dropped.clone(),
    });
    pb::GetStatusResponse {
        node: node.clone(),
        boot_id: boot_id.clone(),
        instance: instance.clone(),
        version: (*version).to_owned(),
        started_at: Some(timestamp((*started_at).into())),
        probes: probes.collect(),
        ledger: ledger.collect(),
        self_: Some(pb::Bill { cpu_share: bill.cpu_share, rss: bill.rss, maps_bytes: bill.maps_bytes }),
    }
}
