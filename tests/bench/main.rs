//! What the agent costs, beside what it may cost. `cargo xtask bench [-- -o json] [--only NAME]`.
//!
//! Costs in nanoseconds are the kernel's own run-time statistics, net of an empty program on the same hook; throughput
//! is taken with the program attached and detached by turns inside one continuous load, so that the machine's moods
//! fall on both. Absolute times hold for this machine; ratios and counts travel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod history;
mod hook;
mod load;

use std::process::ExitCode;

use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// `null` where the figure is there to be compared with.
    target: Option<f64>,
    op: &'static str,
    ok: bool,
    method: &'static str,
}

impl Row {
    fn at_most(name: &'static str, value: f64, unit: &'static str, target: f64, method: &'static str) -> Row {
        Row { name, value, unit, target: Some(target), op: "<=", ok: value <= target, method }
    }

    fn at_least(
        name: &'static str,
        value: f64,
        unit: &'static str,
        target: f64,
        method: &'static str,
    ) -> Row {
        Row { name, value, unit, target: Some(target), op: ">=", ok: value >= target, method }
    }

    fn beside(name: &'static str, value: f64, unit: &'static str, method: &'static str) -> Row {
        Row { name, value, unit, target: None, op: "", ok: true, method }
    }
}

/// One group of figures.
type Part = fn() -> Vec<Row>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let json = args.windows(2).any(|pair| pair == ["-o", "json"]);
    let only = args.windows(2).find(|pair| pair[0] == "--only").map(|pair| pair[1].clone());
    if !rustix::process::geteuid().is_root() {
        eprintln!("bench: programs are attached and cgroups made: run as root");
        return ExitCode::from(3);
    }
    let parts: [(&str, Part); 6] = [
        // First: it measures how this process grows.
        ("history", history::rows),
        ("hot", hook::hot),
        ("cold", hook::cold),
        ("pipe", hook::pipe),
        ("cpus", hook::cpus),
        ("agent", agent::rows),
    ];
    let mut rows = Vec::new();
    for (name, part) in parts {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        eprintln!("bench: {name} ...");
        rows.extend(part());
    }
    let of = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.value);
    if let (Some(empty), Some(rings)) = (of("agent.rss.empty"), of("store.full")) {
        let method = "agent.rss.empty and store.full";
        rows.push(Row::at_most("agent.rss.full", empty + rings, "MiB", 50.0, method));
    }
    if json {
        println!("{}", serde_json::json!({ "rows": rows }));
    } else {
        for Row { name, value, unit, target, op, ok, .. } in &rows {
            let mark = if *ok { "ok" } else { "MISSED" };
            let aim = target.map_or_else(String::new, |target| format!("{op} {target} {mark}"));
            println!("{name:<34} {value:>10.3} {unit:<12} {aim}");
        }
    }
    if rows.iter().all(|row| row.ok) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
