//! Tidy finds what it is there to find, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// What is found in a file with this body, without its path.
fn found(path: &str, body: &str) -> Vec<String> {
    let text = format!("//! A file.\n{body}");
    check_file(path, &text).iter().map(|line| line.strip_prefix(path).unwrap().to_owned()).collect()
}

#[test]
fn a_crossed_edge_is_found_however_it_is_written() {
    let cases = [
        ("store/mod.rs", "use crate::kernel::Kernel;", "store", "kernel"),
        ("store/mod.rs", "use crate::{model::Utc, kernel};", "store", "kernel"),
        ("store/mod.rs", "use crate::{model::{Utc, Window}, pods::{self}};", "store", "pods"),
        ("store/mod.rs", "fn f() { let _ = crate::kernel::load(); }", "store", "kernel"),
        ("store/ring.rs", "use super::super::kernel::Kernel;", "store", "kernel"),
        ("store/mod.rs", "use super::kernel::Kernel;", "store", "kernel"),
        ("cli/top/mod.rs", "use super::super::store::Store;", "cli", "store"),
        ("config.rs", "use super::pods::Pods;", "config", "pods"),
        ("main.rs", "use rajut::{store, cli};", "main", "store"),
        ("aggregate/mod.rs", "pub use crate::store as kept;", "aggregate", "store"),
    ];
    for (file, body, room, used) in cases {
        let lines = found(&format!("agent/src/{file}"), body);
        assert_eq!(lines, [format!(":2: room `{room}` may not use room `{used}`")], "{file}: {body}");
    }
}

#[test]
fn a_crate_in_the_wrong_room_is_found() {
    let cases = [
        ("store/mod.rs", "use tokio::sync::watch;", "tokio"),
        ("pods/mod.rs", "fn f(map: aya::maps::MapData) {}", "aya"),
        ("aggregate/mod.rs", "use aya;", "aya"),
        ("sinks/mod.rs", "use ::aya::Ebpf;", "aya"),
        ("app/mod.rs", "use {std::fs, tonic::Status};", "tonic"),
    ];
    for (file, body, used) in cases {
        let lines = found(&format!("agent/src/{file}"), body);
        let room = file.split('/').next().unwrap();
        assert_eq!(lines, [format!(":2: room `{room}` may not use crate `{used}`")], "{file}: {body}");
    }
}

#[test]
fn what_the_table_allows_is_not_found() {
    let cases = [
        ("store/mod.rs", "use crate::{model::Utc, probes::Column};"),
        ("store/ring.rs", "use super::Config;\nuse crate::store::Range;"),
        ("store/ring.rs", "use super::kernel::Kernel; // a module of the store's own"),
        ("kernel/mod.rs", "use aya::Ebpf; fn f() { unsafe {} }"),
        ("store/mod.rs", "// use crate::kernel::Kernel;\n/* aya::x /* nested */ crate::pods::x */"),
        ("store/mod.rs", "const A: &str = \"crate::kernel::x\"; const B: &str = r#\"aya::\" x\"#;"),
        ("store/mod.rs", "fn f<'a>(c: &'a u8) -> bool { *c == b'\\'' || 'x' == '\"' } // crate::kernel::x"),
        ("store/mod.rs", "#[cfg(test)]\nmod tests { use crate::kernel::Kernel; mod m {} use tokio::time; }"),
        ("store/tests.rs", "use crate::kernel::Kernel;"),
        ("cli/mod.rs", "use crate::client::tokio; mod r#type {}"),
        ("lib.rs", "pub mod kernel;\npub mod store;"),
    ];
    for (file, body) in cases {
        assert_eq!(found(&format!("agent/src/{file}"), body), Vec::<String>::new(), "{file}: {body}");
    }
}

#[test]
fn an_unknown_room_is_found() {
    let lines = found("agent/src/attic/mod.rs", "");
    assert_eq!(lines, [":1: `attic` is no room of the table in xtask/src/tidy/rooms.rs"]);
}

#[test]
fn the_other_rules_are_kept_too() {
    let cases = [
        ("agent/src/store/mod.rs", "fn f() { unsafe {} }", ":2: `unsafe` belongs into"),
        ("xtask/src/x.rs", "\nfn f() { unsafe {} }", ":3: `unsafe` belongs into"),
        (
            "tests/src/x.rs",
            concat!("const A: &str = \"/ho", "me/me/rajut\";"),
            concat!(":2: `/ho", "me/` is a path of one machine"),
        ),
    ];
    for (path, body, expected) in cases {
        let lines = found(path, body);
        assert!(matches!(&lines[..], [line] if line.starts_with(expected)), "{path}: {lines:?}");
    }
    let headless = check_file("ebpf/src/x.rs", "use core::mem;\n");
    assert!(matches!(&headless[..], [line] if line.contains("begins with a sentence")), "{headless:?}");
}

#[test]
fn a_tree_is_walked() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        ("agent/src/store/mod.rs", "//! Keeps.\nuse crate::kernel::Kernel;\n"),
        ("agent/src/kernel/mod.rs", "//! Loads.\nuse aya::Ebpf;\n"),
        ("proto/src/deep/x.rs", "fn f() {}\n"),
        ("README.md", concat!("See /ho", "me/me/notes.\n")),
        ("target/debug/x.rs", "fn f() {}\n"),
    ];
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(root.path().join("picture.png"), [0xff, 0xfe]).unwrap();
    let found = check(root.path()).unwrap();
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(places, ["README.md:1", "agent/src/store/mod.rs:2", "proto/src/deep/x.rs:1"], "{found:?}");
}
