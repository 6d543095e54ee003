//! `rajut status`: what works, what was lost, what the agent itself costs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use rajut_proto::v1::{GetStatusRequest, GetStatusResponse, ProbeState};
use serde::Serialize;

use super::{
    args::PlainFormat,
    connect::Client,
    error::CliError,
    json,
    out::{Out, Style},
    table::{Head, Table},
    units::{self, NONE},
    when::rfc3339,
};
use crate::harmless::harmless;

/// Asks for the state.
///
/// # Errors
/// When the agent refuses or does not answer.
pub(crate) async fn get(client: &Client) -> Result<GetStatusResponse, CliError> {
    let answer = client.query().get_status(client.request(GetStatusRequest {})).await;
    Ok(answer.map_err(|status| client.refused(&status))?.into_inner())
}

/// The state in one word.
pub(crate) fn state(state: ProbeState) -> &'static str {
    match state {
        ProbeState::On => "on",
        ProbeState::Off => "off",
        ProbeState::Unsupported => "unsupported",
        ProbeState::Broken => "broken",
        ProbeState::Unspecified => "unknown",
    }
}

#[derive(Serialize)]
struct Document<'a> {
    node: &'a str,
    boot_id: &'a str,
    instance: &'a str,
    version: &'a str,
    started_at: Option<String>,
    probes: Vec<Probe<'a>>,
    ledger: Vec<Ledger<'a>>,
    #[serde(rename = "self")]
    bill: Bill,
}

#[derive(Serialize)]
struct Probe<'a> {
    name: &'a str,
    state: &'static str,
    rung: &'a str,
    reason: &'a str,
    runs: u64,
    ns_per_run: Option<f64>,
    cpu_share: Option<f64>,
}

#[derive(Serialize)]
struct Ledger<'a> {
    source: &'a str,
    offered: u64,
    misses: u64,
    attempted: u64,
    applied: u64,
    folded: u64,
    dropped: &'a BTreeMap<String, u64>,
    details_dropped: &'a BTreeMap<String, u64>,
    residual: i64,
}

#[derive(Serialize, Default)]
struct Bill {
    cpu_share: f64,
    rss: u64,
    maps_bytes: u64,
}

impl<'a> Document<'a> {
    fn new(status: &'a GetStatusResponse) -> Document<'a> {
        Document {
            node: &status.node,
            boot_id: &status.boot_id,
            instance: &status.instance,
            version: &status.version,
            started_at: rfc3339(status.started_at.as_ref()),
            probes: status
                .probes
                .iter()
                .map(|probe| Probe {
                    name: &probe.name,
                    state: state(probe.state()),
                    rung: &probe.rung,
                    reason: &probe.reason,
                    runs: probe.runs,
                    ns_per_run: probe.ns_per_run,
                    cpu_share: probe.cpu_share,
                })
                .collect(),
            ledger: status
                .ledger
                .iter()
                .map(|row| Ledger {
                    source: &row.source,
                    offered: row.offered,
                    misses: row.misses,
                    attempted: row.attempted,
                    applied: row.applied,
                    folded: row.folded,
                    dropped: &row.dropped,
                    details_dropped: &row.details_dropped,
                    residual: row.residual,
                })
                .collect(),
            bill: status
                .self_
                .map(|bill| Bill { cpu_share: bill.cpu_share, rss: bill.rss, maps_bytes: bill.maps_bytes })
                .unwrap_or_default(),
        }
    }
}

/// Prints the state.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn print(
    status: &GetStatusResponse,
    format: PlainFormat,
    out: Out,
    to: &mut dyn Write,
) -> io::Result<()> {
    match format {
        PlainFormat::Json => json::write(to, &Document::new(status)),
        PlainFormat::Table => screen(status, out, to),
    }
}

fn screen(status: &GetStatusResponse, out: Out, to: &mut dyn Write) -> io::Result<()> {
    let node = harmless(&status.node);
    let since = rfc3339(status.started_at.as_ref()).unwrap_or_else(|| NONE.to_owned());
    write!(to, "{} · rajut {} · since {since}", out.paint(Style::Bold, &node), harmless(&status.version))?;
    if let Some(bill) = &status.self_ {
        let (cpu, rss) = (units::percent_fine(bill.cpu_share), units::bytes(bill.rss as f64));
        let maps = units::bytes(bill.maps_bytes as f64);
        write!(to, " · {cpu} of a core · {rss} resident · {maps} in maps")?;
    }
    writeln!(to, "\n")?;
    probes(status).write(to, out)?;
    writeln!(to)?;
    ledger(status).write(to, out)?;
    let open = status.ledger.iter().filter(|row| row.residual != 0).count();
    let (style, line) = match open {
        0 => (Style::Good, "The ledger closes: every event is in the numbers or counted as lost.".to_owned()),
        open => {
            (Style::Bad, format!("The ledger does not close in {open} of {} lines.", status.ledger.len()))
        }
    };
    writeln!(to, "\n{}", out.paint(style, &line))
}

fn probes(status: &GetStatusResponse) -> Table {
    let mut table = Table::new(vec![
        Head::text("PROBE"),
        Head::text("STATE"),
        Head::number("RUNS"),
        Head::number("NS/RUN"),
        Head::number("CPU"),
        Head::name("STANDS ON"),
    ]);
    for probe in &status.probes {
        let parts: Vec<_> = [&probe.rung, &probe.reason]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(|text| harmless(text))
            .collect();
        table.row(vec![
            harmless(&probe.name).into_owned(),
            state(probe.state()).to_owned(),
            units::count(probe.runs),
            probe.ns_per_run.map_or_else(|| NONE.to_owned(), |ns| format!("{ns:.0}")),
            probe.cpu_share.map_or_else(|| NONE.to_owned(), units::percent_fine),
            if parts.is_empty() { NONE.to_owned() } else { parts.join("; ") },
        ]);
    }
    table
}

fn ledger(status: &GetStatusResponse) -> Table {
    let numbers = ["OFFERED", "MISSED", "APPLIED", "FOLDED", "DROPPED", "RESIDUAL"].map(Head::number);
    let heads = std::iter::once(Head::name("LEDGER")).chain(numbers).chain([Head::name("WHY DROPPED")]);
    let mut table = Table::new(heads.collect());
    for row in &status.ledger {
        let told = |reasons: &BTreeMap<String, u64>, what: &str| -> Vec<String> {
            let counted = reasons.iter().filter(|(_, count)| **count > 0);
            counted.map(|(reason, count)| format!("{}: {count}{what}", harmless(reason))).collect()
        };
        let why = [told(&row.dropped, ""), told(&row.details_dropped, " details")].concat();
        let dropped = row.dropped.values().fold(0u64, |sum, count| sum.saturating_add(*count));
        table.row(vec![
            harmless(&row.source).into_owned(),
            row.offered.to_string(),
            row.misses.to_string(),
            row.applied.to_string(),
            row.folded.to_string(),
            dropped.to_string(),
            row.residual.to_string(),
            if why.is_empty() { NONE.to_owned() } else { why.join(", ") },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use prost_types::Timestamp;
    use rajut_proto::v1;

    use super::*;

    fn status() -> GetStatusResponse {
        GetStatusResponse {
            node: "worker-3".into(),
            boot_id: "b".into(),
            instance: "i".into(),
            version: "0.1.0".into(),
            started_at: Some(Timestamp { seconds: 1_767_225_600, nanos: 0 }),
            probes: vec![v1::ProbeStatus {
                name: "sched".into(),
                state: ProbeState::On.into(),
                rung: "tp_btf sched_switch (exact)".into(),
                reason: String::new(),
                runs: 123_456,
                ns_per_run: Some(181.4),
                cpu_share: None,
            }],
            ledger: vec![v1::LedgerRow {
                source: "sched_switch".into(),
                offered: 110,
                misses: 10,
                attempted: 100,
                applied: 98,
                folded: 3,
                dropped: BTreeMap::from([("slots_full".into(), 2), ("self".into(), 0)]),
                details_dropped: BTreeMap::from([("blocks_full".into(), 4)]),
                residual: 0,
            }],
            self_: Some(v1::Bill { cpu_share: 0.0031, rss: 22_000_000, maps_bytes: 16_000_000 }),
        }
    }

    fn show(status: &GetStatusResponse, format: PlainFormat) -> String {
        let mut text = Vec::new();
        print(status, format, Out { terminal: false, color: false, width: None }, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn table() {
        let expected = "\
worker-3 · rajut 0.1.0 · since 2026-01-01T00:00:00Z · 0.31 % of a core · 22.0 MB resident · 16.0 MB in maps

PROBE  STATE    RUNS  NS/RUN  CPU  STANDS ON
sched  on     123.5k     181    ·  tp_btf sched_switch (exact)

LEDGER        OFFERED  MISSED  APPLIED  FOLDED  DROPPED  RESIDUAL  WHY DROPPED
sched_switch      110      10       98       3        2         0  slots_full: 2, blocks_full: 4 details

The ledger closes: every event is in the numbers or counted as lost.
";
        assert_eq!(show(&status(), PlainFormat::Table), expected);
        let mut open = status();
        open.ledger[0].residual = -5;
        assert!(show(&open, PlainFormat::Table).ends_with("The ledger does not close in 1 of 1 lines.\n"));
    }

    #[test]
    fn json_has_the_documented_shape() {
        let json: serde_json::Value = serde_json::from_str(&show(&status(), PlainFormat::Json)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "node": "worker-3", "boot_id": "b", "instance": "i", "version": "0.1.0",
                "started_at": "2026-01-01T00:00:00Z",
                "probes": [{"name": "sched", "state": "on", "rung": "tp_btf sched_switch (exact)", "reason": "",
                    "runs": 123_456, "ns_per_run": 181.4, "cpu_share": null}],
                "ledger": [{"source": "sched_switch", "offered": 110, "misses": 10, "attempted": 100, "applied": 98,
                    "folded": 3, "dropped": {"self": 0, "slots_full": 2},
                    "details_dropped": {"blocks_full": 4}, "residual": 0}],
                "self": {"cpu_share": 0.0031, "rss": 22_000_000, "maps_bytes": 16_000_000}
            })
        );
    }
}
