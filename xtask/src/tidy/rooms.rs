//! The table of rooms as data: what each room of `agent/src` may use. A new edge is one visible line here.

use super::scan::{self, Token};

/// A room and what it may use.
#[derive(Debug)]
struct Room {
    /// Folder or file under `agent/src`.
    name: &'static str,
    /// Other rooms.
    uses: &'static [&'static str],
    /// Crates of [`GUARDED`].
    crates: &'static [&'static str],
}

/// Crates that belong to some rooms only; any other crate is free to use.
const GUARDED: &[&str] = &[
    "aya",
    "aya_log",
    "aya_obj",
    "clap",
    "crossterm",
    "procfs",
    "prost",
    "prost_types",
    "rajut_ebpf",
    "rajut_proto",
    "ratatui",
    "tokio",
    "tokio_stream",
    "tonic",
    "tonic_health",
    "tonic_reflection",
    "tonic_types",
    "tower",
];

/// gRPC, its runtime, and the layout of the histograms that it carries.
const GRPC: &[&str] = &[
    "prost",
    "prost_types",
    "rajut_ebpf",
    "rajut_proto",
    "tokio",
    "tokio_stream",
    "tonic",
    "tonic_health",
    "tonic_reflection",
    "tonic_types",
    "tower",
];

/// The rooms in the data's order.
const ROOMS: &[Room] = &[
    Room { name: "model", uses: &["probes"], crates: &["rajut_ebpf"] },
    Room { name: "probes", uses: &[], crates: &["rajut_ebpf"] },
    Room { name: "cgroups", uses: &[], crates: &["procfs"] },
    Room {
        name: "kernel",
        uses: &["cgroups", "model", "probes", "status"],
        crates: &["aya", "aya_log", "aya_obj", "procfs", "rajut_ebpf"],
    },
    Room { name: "files", uses: &["cgroups", "model", "probes", "status"], crates: &["procfs"] },
    Room { name: "aggregate", uses: &["model", "probes"], crates: &["rajut_ebpf"] },
    Room { name: "pods", uses: &["cgroups", "model"], crates: &["procfs"] },
    Room { name: "store", uses: &["model", "probes"], crates: &[] },
    Room { name: "status", uses: &[], crates: &[] },
    Room { name: "sinks", uses: &["guess", "model", "probes", "status", "store"], crates: GRPC },
    Room { name: "client", uses: &[], crates: GRPC },
    Room { name: "guess", uses: &[], crates: &[] },
    Room { name: "harmless", uses: &[], crates: &[] },
    Room { name: "doctor", uses: &["cgroups", "files", "kernel", "probes", "status"], crates: &["procfs"] },
    Room {
        name: "config",
        uses: &["guess", "harmless", "kernel", "probes", "sinks", "store"],
        crates: &["clap"],
    },
    Room {
        name: "cli",
        // Of the sinks only where they are, of sinks and kernel only why they cannot work, of the model only the names of
        // its labels.
        uses: &[
            "app", "client", "config", "doctor", "guess", "harmless", "kernel", "model", "probes", "sinks",
        ],
        crates: &[
            "clap",
            "crossterm",
            "prost_types",
            "rajut_proto",
            "ratatui",
            "tokio",
            "tokio_stream",
            "tonic",
        ],
    },
    Room {
        name: "app",
        uses: &[
            "aggregate",
            "cgroups",
            "config",
            "files",
            "kernel",
            "model",
            "pods",
            "probes",
            "sinks",
            "status",
            "store",
        ],
        crates: &["procfs", "tokio"],
    },
    Room { name: "main", uses: &["cli"], crates: &["tokio"] },
    Room { name: "lib", uses: &[], crates: &[] },
];

/// Edges of one file that are not in the table. `inside` is its path under `agent/src`.
pub(super) fn check(path: &str, inside: &str, tokens: &[Token<'_>]) -> Vec<String> {
    let mut parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').collect();
    // Tests may put any rooms together.
    if parts.contains(&"tests") {
        return Vec::new();
    }
    let name = parts.first().copied().unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![format!("{path}:1: `{name}` is no room of the table in xtask/src/tidy/rooms.rs")];
    };
    // The module that this file is: `super` counts from there.
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    if matches!(inside, "lib.rs" | "main.rs") {
        parts.clear();
    }

    let mut found = Vec::new();
    for (line, used) in scan::rooms_used(tokens, &parts) {
        let known = ROOMS.iter().any(|room| room.name == used);
        if known && used != room.name && !room.uses.contains(&used) {
            found.push(format!("{path}:{line}: room `{}` may not use room `{used}`", room.name));
        }
    }
    for (line, used) in scan::crates_used(tokens, GUARDED) {
        if !room.crates.contains(&used) {
            found.push(format!("{path}:{line}: room `{}` may not use crate `{used}`", room.name));
        }
    }
    found
}
