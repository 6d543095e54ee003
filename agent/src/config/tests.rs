//! The file: what is accepted, and how each mistake is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("/etc/rajut.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse("# nothing\n"), Ok(Config::default()));
    Config::default().check().unwrap();
}

#[test]
fn every_key_is_set() {
    let config = parse(
        r#"
node = "worker-3"
window = "2s"
off = ["sched"]
[kernel]
slots = 2_000
rung = "short"
log = "debug"
[store]
fine = "4m"
coarse_window = "20s"
coarse = "2h"
entities = 99
[sinks]
socket = "/tmp/r.sock"
listen = "127.0.0.1:9161"
insecure = true
streams = 7
connections = 8
queries = 9
queries_running = 3
answers = 40000000
heartbeat = "1s"
"#,
    )
    .unwrap();
    let expected = Config {
        node: Some("worker-3".into()),
        window: Window(Duration::from_secs(2)),
        off: vec!["sched".into()],
        kernel: crate::kernel::Config { slots: 2000, rung: Some("short".into()), log: 4 },
        store: crate::store::Config {
            fine: Duration::from_secs(240),
            coarse_window: Duration::from_secs(20),
            coarse: Duration::from_secs(7200),
            entities: 99,
        },
        sinks: crate::sinks::Config {
            socket: "/tmp/r.sock".into(),
            listen: Some("127.0.0.1:9161".parse().unwrap()),
            insecure: true,
            streams: 7,
            connections: 8,
            queries: 9,
            queries_running: 3,
            answers: 40_000_000,
            heartbeat: Duration::from_secs(1),
        },
    };
    assert_eq!(config, expected);
}

#[test]
fn mistakes_are_told_in_one_line_with_the_place() {
    for (text, expected) in [
        ("\n\nwindw = \"1s\"", "line 3: unknown key `windw` (did you mean `window`?)"),
        ("[kernel]\nslot = 5", "line 2: unknown key `slot` (did you mean `slots`?)"),
        ("slots = 5", "line 1: `slots` belongs in the section [kernel]"),
        (
            "[kernel]\nwindow = \"1s\"",
            "line 2: `window` belongs at the top of the file, before every section",
        ),
        ("[kernal]\n", "line 1: unknown key `kernal` (did you mean `kernel`?)"),
        ("kernel = 1", "line 1: `kernel` is a section: write [kernel]"),
        ("zebra = 1", "line 1: unknown key `zebra` (there is: node, window, off, kernel, store, sinks)"),
        (
            "off = [\n  \"sched\",\n  \"shed\",\n]",
            "line 3: off: unknown probe `shed` (did you mean `sched`?)",
        ),
        ("off = \"sched\"", "line 1: off: expected a list of probes, e.g. [\"sched\"]"),
        ("window = \"1\"", "line 1: window: `1` is no duration: write it as 500ms, 1s, 5m or 1h30m"),
        ("window = \"500ms\"", "line 1: window: a window is 1s to 60s long in whole seconds, not 500ms"),
        ("window = 1", "line 1: window: expected text in quotes, found integer"),
        ("[kernel]\nslots = 1", "line 2: slots: must be 16 to 65536"),
        ("[kernel]\nslots = -1", "line 2: slots: must be 16 to 65536"),
        ("[kernel]\nslots = 99999999999999999999", "line 2: slots: must be 16 to 65536"),
        ("[kernel]\nslots = \"many\"", "line 2: slots: expected a whole number, found string"),
        ("[kernel]\nrung = \"exakt\"", "line 2: rung: unknown rung `exakt` (did you mean `exact`?)"),
        (
            "[kernel]\nlog = \"loud\"",
            "line 2: log: unknown log level `loud` (there is: off, error, warn, info, debug, trace)",
        ),
        (
            "[sinks]\nlisten = \"9161\"",
            "line 2: listen: `9161` is no address: write it as HOST:PORT, e.g. 127.0.0.1:9161",
        ),
        ("[sinks]\ninsecure = \"yes\"", "line 2: insecure: expected true or false, found string"),
        ("[sinks]\nheartbeat = \"0s\"", "line 2: heartbeat: `0s` is no time at all"),
        (
            "\"a\\u001b[2J\" = 1",
            "line 1: unknown key `a\\u{1b}[2J` (there is: node, window, off, kernel, store, sinks)",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err(), format!("config /etc/rajut.toml {expected}"), "{text}");
    }
}

#[test]
fn broken_toml_says_where() {
    for (text, line) in [("a = \"\n", 1), ("node = \"a\"\nnode = \"b\"", 2), ("node = \"a\"\n[kernel", 2)] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(&format!("config /etc/rajut.toml line {line}: ")), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let error = Config::load(Some(Path::new("/nonexistent/rajut.toml"))).unwrap_err().to_string();
    assert_eq!(error, "config /nonexistent/rajut.toml: No such file or directory (os error 2)");
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    for (text, expected) in [
        ("window = \"7s\"", "config: coarse_window (10 s) must be a multiple of window (7 s)"),
        (
            "[store]\nfine = \"2h\"",
            "config: coarse_window (10 s), fine (7200 s) and coarse (3600 s) must not fall",
        ),
    ] {
        assert_eq!(parse(text).unwrap().check().unwrap_err().to_string(), expected);
    }
}

#[test]
fn durations() {
    for (text, millis) in
        [("0s", 0), ("500ms", 500), ("1s", 1000), ("5m", 300_000), ("1h30m", 5_400_000), ("1d", 86_400_000)]
    {
        assert_eq!(values::duration(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    for text in ["", "1", "s", "1x", "-1s", "1.5s", "1s1m", "1s 1ms", "99999999999s", "1m1m"] {
        assert!(values::duration(text).is_err(), "{text}");
    }
}
