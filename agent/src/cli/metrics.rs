//! `rajut metrics`: what can be asked for.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use rajut_proto::v1::{ListMetricsRequest, MetricDescriptor};
use serde::Serialize;

use super::{
    args::Format,
    connect::Client,
    error::CliError,
    json,
    out::Out,
    table::{Head, Table, write_csv},
    units::NONE,
};
use crate::harmless::harmless;

/// Asks for the metrics.
///
/// # Errors
/// When the agent refuses or does not answer.
pub(crate) async fn list(client: &Client) -> Result<Vec<MetricDescriptor>, CliError> {
    let answer = client.query().list_metrics(client.request(ListMetricsRequest {})).await;
    Ok(answer.map_err(|status| client.refused(&status))?.into_inner().metrics)
}

/// The unit of each metric.
pub(crate) fn units(metrics: &[MetricDescriptor]) -> BTreeMap<String, String> {
    metrics.iter().map(|metric| (metric.name.clone(), metric.unit.clone())).collect()
}

/// The unit of a metric that this build knows too; empty for others, whose numbers stay bare.
pub(crate) fn known_unit(name: &str) -> &'static str {
    crate::probes::metric(name).map_or("", |(_, metric)| metric.unit.ucum())
}

#[derive(Serialize)]
struct Document<'a> {
    metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
struct Metric<'a> {
    name: &'a str,
    unit: &'a str,
    kind: &'static str,
    /// The possible values by key.
    attributes: BTreeMap<&'a str, &'a [String]>,
    labels: &'a [String],
    source: &'a str,
    probe: &'a str,
    description: &'a str,
}

impl<'a> Metric<'a> {
    fn new(metric: &'a MetricDescriptor) -> Metric<'a> {
        Metric {
            name: &metric.name,
            unit: &metric.unit,
            kind: json::kind(metric.kind()),
            attributes: metric.attributes.iter().map(|a| (a.key.as_str(), a.values.as_slice())).collect(),
            labels: &metric.labels,
            source: &metric.source,
            probe: &metric.probe,
            description: &metric.description,
        }
    }
}

/// Prints the metrics.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn print(
    metrics: &[MetricDescriptor],
    format: Format,
    out: Out,
    to: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Json => json::write(to, &Document { metrics: metrics.iter().map(Metric::new).collect() }),
        Format::Csv => {
            write_csv(
                to,
                ["name", "unit", "kind", "attributes", "labels", "source", "probe", "description"],
            )?;
            metrics.iter().try_for_each(|metric| {
                write_csv(
                    to,
                    [
                        harmless(&metric.name),
                        harmless(&metric.unit),
                        json::kind(metric.kind()).into(),
                        attributes(metric, " ").into(),
                        harmless(&metric.labels.join(" ")),
                        harmless(&metric.source),
                        harmless(&metric.probe),
                        harmless(&metric.description),
                    ],
                )
            })
        }
        Format::Table => {
            let mut table = Table::new(vec![
                Head::text("METRIC"),
                Head::text("UNIT"),
                Head::text("KIND"),
                Head::text("SPLIT BY"),
                Head::name("FROM"),
            ]);
            for metric in metrics {
                let or_none =
                    |text: &str| if text.is_empty() { NONE.to_owned() } else { harmless(text).into_owned() };
                table.row(vec![
                    harmless(&metric.name).into_owned(),
                    harmless(&metric.unit).into_owned(),
                    json::kind(metric.kind()).to_owned(),
                    or_none(&attributes(metric, "  ")),
                    or_none(&metric.source),
                ]);
            }
            table.write(to, out)
        }
    }
}

/// `cause=contention|quota`.
fn attributes(metric: &MetricDescriptor, between: &str) -> String {
    let all: Vec<String> = metric
        .attributes
        .iter()
        .map(|attribute| harmless(&format!("{}={}", attribute.key, attribute.values.join("|"))).into_owned())
        .collect();
    all.join(between)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use rajut_proto::v1::{AttributeDescriptor, MetricKind};

    use super::*;

    fn show(format: Format) -> String {
        let metrics = [
            MetricDescriptor {
                name: "rajut.cpu.run_queue.time".into(),
                unit: "s".into(),
                kind: MetricKind::Counter.into(),
                attributes: vec![AttributeDescriptor {
                    key: "cause".into(),
                    values: vec!["contention".into(), "quota".into()],
                }],
                labels: vec!["node".into(), "pod".into()],
                source: "tp_btf sched_switch (exact)".into(),
                probe: "sched".into(),
                description: "Time spent waiting, by cause.".into(),
            },
            MetricDescriptor { name: "m".into(), kind: 99, ..MetricDescriptor::default() },
        ];
        let mut text = Vec::new();
        print(&metrics, format, Out { terminal: false, color: false, width: None }, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn table() {
        let expected = "\
METRIC                    UNIT  KIND     SPLIT BY                FROM
rajut.cpu.run_queue.time  s     counter  cause=contention|quota  tp_btf sched_switch (exact)
m                               unknown  ·                       ·
";
        assert_eq!(show(Format::Table), expected);
    }

    #[test]
    fn json_and_csv() {
        let json: serde_json::Value = serde_json::from_str(&show(Format::Json)).unwrap();
        assert_eq!(
            json["metrics"][0],
            serde_json::json!({
                "name": "rajut.cpu.run_queue.time", "unit": "s", "kind": "counter",
                "attributes": {"cause": ["contention", "quota"]}, "labels": ["node", "pod"],
                "source": "tp_btf sched_switch (exact)", "probe": "sched",
                "description": "Time spent waiting, by cause."
            })
        );
        assert_eq!(
            show(Format::Csv).lines().nth(1).unwrap(),
            "rajut.cpu.run_queue.time,s,counter,cause=contention|quota,node pod,tp_btf sched_switch (exact),sched,\"Time spent waiting, by cause.\""
        );
    }
}
