//! The program itself against a real server with an invented history: what it prints, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rajut::{
    model::{Entity, EntityId, Histogram, Label, Labels, Sample, Utc, Values, Window},
    probes::{Column, sched},
    sinks::{self, View},
    status::{Bill, ProbeState, ProbeStatus, Status, StatusCell},
    store::{self, Store},
};
use rustix::process::{Pid, Signal};
use tokio::sync::watch as cell;

const SECOND: Duration = Duration::from_secs(1);

/// A server in this process, with two pods of which one waits.
struct Rig {
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    view: View,
    head: cell::Sender<u64>,
    next: Utc,
    entities: Vec<Arc<Entity>>,
    stop: Option<cell::Sender<bool>>,
}

fn values(cpu_millis: u64, wait_millis: u64) -> Values {
    let column = |metric, value| Column::of(metric, value).unwrap();
    let mut counters = vec![
        (column(sched::TIME, None), cpu_millis * 1_000_000),
        (column(sched::WAIT, Some("contention")), wait_millis * 1_000_000),
        (column(sched::WAIT, Some("quota")), 0),
    ];
    counters.sort_unstable();
    // Slot 81 is index -80: about 1 ms.
    let latency = Histogram::new([(0, 5), (81, 10)], wait_millis * 1_000_000);
    Values { counters, histograms: vec![(column(sched::LATENCY, None), latency)], ..Values::default() }
}

impl Rig {
    /// Twenty seconds of history up to now.
    fn new() -> Rig {
        let status = Status {
            node: "n1".into(),
            boot_id: "b".into(),
            instance: "i".into(),
            version: "0.0.0",
            started_at: SystemTime::now(),
            probes: vec![ProbeStatus {
                name: sched::PROBE.name,
                state: ProbeState::On,
                programs: true,
                rung: "invented".into(),
                reason: String::new(),
                runs: 1,
                ns_per_run: None,
                cpu_share: None,
            }],
            ledger: Vec::new(),
            bill: Bill { cpu_share: 0.01, rss: 1 << 20, maps_bytes: 4096 },
        };
        let (head, seen) = cell::channel(0);
        let view =
            View { store: Store::new(store::Config::default()), status: StatusCell::new(status), head: seen };
        let next = Utc::now().floor(SECOND) - Duration::from_secs(20);
        let entity = |id, pod: &str| {
            let labels = Labels::default().with(Label::Node, "n1").with(Label::Namespace, "shop");
            let labels = labels.with(Label::Pod, pod).with(Label::Container, "main");
            Arc::new(Entity { id: EntityId(id), version: 1, valid_from: next, gone_at: None, labels })
        };
        let entities = vec![entity(10, "redis-0"), entity(11, "evil\u{1b}[2J")];
        let mut rig = Rig {
            dir: tempfile::tempdir().unwrap(),
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            view,
            head,
            next,
            entities,
            stop: None,
        };
        for _ in 0..20 {
            rig.second();
        }
        rig.serve();
        rig
    }

    fn second(&mut self) {
        let window = Window { start: self.next, end: self.next + SECOND };
        let changed = if self.view.store.head() == 0 { self.entities.clone() } else { Vec::new() };
        let rows = vec![
            (Arc::clone(&self.entities[0]), values(100, 310)),
            (Arc::clone(&self.entities[1]), values(500, 0)),
        ];
        self.view.store.append(Sample { window, rows, changed, gaps: Vec::new() });
        self.next = window.end;
        self.head.send_replace(self.view.store.head());
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("rajut.sock")
    }

    fn serve(&mut self) {
        let config = sinks::Config { socket: self.socket(), ..sinks::Config::default() };
        let (stop, stopped) = cell::channel(false);
        let listener = {
            let _inside = self.runtime.enter();
            self.runtime.block_on(sinks::bind(&config)).unwrap()
        };
        let view = self.view.clone();
        self.runtime.spawn(async move { listener.serve(view, stopped).await.unwrap() });
        self.stop = Some(stop);
    }

    fn run(&self, line: &str) -> Ran {
        run(&self.socket(), line)
    }
}

/// How a command ended.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Ended with this code, and one line.
    fn check(&self, code: i32, line: &str) {
        assert_eq!(
            (self.code, self.err.as_str(), self.out.as_str()),
            (code, format!("rajut: {line}\n").as_str(), "")
        );
    }
}

fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rajut"));
    command
        .args(line.split_whitespace())
        .stdin(Stdio::null())
        .env_remove("RAJUT_OUTPUT")
        .env_remove("RAJUT_ADDRESS");
    command
}

fn run(socket: &Path, line: &str) -> Ran {
    let output = command(line).env("RAJUT_SOCKET", socket).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn questions_and_their_answers() {
    let rig = Rig::new();

    let json = rig.run("query rajut.cpu.time --by pod --last 10s -o json").json();
    assert_eq!(
        (&json["metric"], &json["unit"], &json["kind"]),
        (&sched::TIME.into(), &"s".into(), &"counter".into())
    );
    assert_eq!(json["rows"].as_array().unwrap().len(), 2);
    let redis =
        json["rows"].as_array().unwrap().iter().find(|row| row["labels"]["pod"] == "redis-0").unwrap();
    assert!((redis["rate"].as_f64().unwrap() - 0.1).abs() < 1e-9, "{redis}");

    let json = rig
        .run("query rajut.cpu.run_queue.latency --where pod=redis-0 --from -15s --histogram -o json")
        .json();
    assert_eq!(json["rows"][0]["entity"], "10");
    assert_eq!(json["rows"][0]["scale"], 3);
    assert!(json["rows"][0]["quantiles"]["0.99"].as_f64().unwrap() > 0.9e-3, "{json}");

    let table = rig.run("query rajut.cpu.run_queue.time --by pod,cause --last 10s");
    assert!(table.out.contains("contention") && table.out.contains("evil\\u{1b}[2J"), "{}", table.out);

    let json = rig.run("top --once -o json").json();
    assert_eq!((&json["node"], json["rows"].as_array().unwrap().len()), (&"n1".into(), 2));
    assert_eq!(json["rows"][0]["labels"]["pod"], "redis-0", "the worst first");
    assert_eq!(json["rows"][0]["metrics"][0]["unit"], "s");

    let table = rig.run("top");
    assert!(table.out.contains("waits for CPU: 31 % of wall time"), "{}", table.out);
    assert!(!table.out.contains('\u{1b}'), "{}", table.out);
    assert_eq!(rig.run("top -o csv").out.lines().count(), 3);

    assert_eq!(rig.run("status -o json").json()["probes"][0]["state"], "on");
    assert_eq!(rig.run("status").code, 0);
    assert_eq!(rig.run("metrics -o json").json()["metrics"][0]["name"], sched::LATENCY);
}

#[test]
fn refusals() {
    let rig = Rig::new();
    for (line, expected) in [
        ("query rajut.cpu.tim", "rajut.cpu.time"),
        ("query rajut.cpu.time --by podd", "pod"),
        ("query rajut.cpu.time --from 2001-01-01T00:00:00Z --to 2001-01-01T00:01:00Z", "nothing is stored"),
    ] {
        let ran = rig.run(line);
        assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{line}: {}", ran.err);
        assert!(ran.err.starts_with("rajut: ") && ran.err.contains(expected), "{line}: {}", ran.err);
    }
}

#[test]
fn nobody_there() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let expected =
        format!("no agent at {}. start one with `rajut agent`, or name it with --address", socket.display());
    for line in ["status", "metrics", "query m", "watch", "top --once"] {
        run(&socket, line).check(4, &expected);
    }
    let bad = dir.path().join("rajut.toml");
    std::fs::write(&bad, "\nwindw = \"1s\"\n").unwrap();
    run(&socket, &format!("agent --config {}", bad.display()))
        .check(2, &format!("config {} line 2: unknown key `windw` (did you mean `window`?)", bad.display()));
    run(&socket, "status --address a --socket b").check(2, "--socket and --address name two agents: use one");
    // What is typed comes before the environment, and that before the file.
    run(&socket, "status --address 127.0.0.1:1")
        .check(4, "no agent at 127.0.0.1:1. start one there with `rajut agent --listen`");
    let output = command("agent").env("RAJUT_OFF", "shed").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("unknown probe `shed` (did you mean `sched`?)")
    );
    assert_eq!(run(&socket, "--version").code, 0);
    assert_eq!(run(&socket, "completions bash").code, 0);
    assert_eq!(run(&socket, "man").code, 0);
}

/// A running `watch`, and its lines.
struct Watch {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Watch {
    fn start(rig: &Rig, line: &str) -> Watch {
        let mut command = command(line);
        let mut child = command
            .env("RAJUT_SOCKET", rig.socket())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = std::sync::mpsc::sync_channel(64);
        let read = |stream: Box<dyn std::io::Read + Send>| {
            let send = send.clone();
            std::thread::spawn(move || {
                BufReader::new(stream).lines().try_for_each(|line| send.send(line.unwrap()))
            });
        };
        read(Box::new(child.stdout.take().unwrap()));
        read(Box::new(child.stderr.take().unwrap()));
        Watch { child, lines }
    }

    /// The next line that holds this; new windows come until it is there.
    fn until(&self, rig: &mut Rig, wanted: &str) -> String {
        for _ in 0..200 {
            match self.lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(_) => {}
                Err(_) => rig.second(),
            }
        }
        panic!("no line with {wanted}");
    }
}

#[test]
fn watch_goes_on_after_the_agent_was_gone() {
    let mut rig = Rig::new();
    let mut watch = Watch::start(&rig, "watch rajut.cpu.time --where pod=redis-0 -o json");
    let line = watch.until(&mut rig, "redis-0");
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&json["entity"], &json["metrics"][0]["rate"]), (&"10".into(), &0.1.into()));

    rig.stop.take().unwrap().send_replace(true);
    watch.until(&mut rig, "trying again");
    rig.serve();
    watch.until(&mut rig, "redis-0");

    // A polite end.
    rustix::process::kill_process(Pid::from_child(&watch.child), Signal::INT).unwrap();
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let mut rig = Rig::new();
    let mut child = command("watch -o json")
        .env("RAJUT_SOCKET", rig.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = loop {
        rig.second();
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::park_timeout(Duration::from_millis(50)),
        }
    };
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}
