//! Hosts that refuse something: what `doctor`, `agent` and `top` say there, and with which exit code.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use rajut_tests::{
    agent::{Agent, rajut},
    confine::{self, CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN},
    load::{Kind, Load},
    pod::FakePod,
};
use tempfile::TempDir;

use super::measure::{rows, settled};

/// A binary that everyone may run, and a place where everyone may put a socket.
struct Host {
    dir: TempDir,
}

/// What is refused.
type Confine = fn(&mut Command);

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("rajut");
        fs::copy(rajut_tests::binary("rajut").unwrap(), &copy).unwrap();
        for (path, mode) in [(copy.as_path(), 0o755), (dir.path(), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        Host { dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    /// The command of this host's binary, without this machine's settings.
    fn command(&self, confine: Confine, args: &[&str]) -> Command {
        let mut command = Command::new(self.dir.path().join("rajut"));
        for (name, _) in rajut().unwrap().get_envs() {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").args(args).stdin(std::process::Stdio::null());
        confine(&mut command);
        command
    }

    /// Runs one that ends by itself.
    fn run(&self, confine: Confine, args: &[&str]) -> Output {
        let output = self.command(confine, args).output().unwrap();
        let text =
            |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().trim_end().replace('\n', "\n    ");
        println!(
            "  rajut {} -> {}\n    {}{}",
            args.join(" "),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        assert!(output.status.code().is_some(), "ended by a signal");
        for bytes in [&output.stdout, &output.stderr] {
            let said = String::from_utf8_lossy(bytes);
            assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
        }
        output
    }

    /// Exit code 3, and one line that says what, why, and what to do.
    #[track_caller]
    fn not_permitted(&self, confine: Confine, args: &[&str]) {
        let output = self.run(confine, args);
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        // `top` says before that it has to measure itself.
        let mut lines = said.lines().filter(|line| !line.ends_with(": measuring from here"));
        let (said, more) = (lines.next().unwrap(), lines.next());
        assert_eq!(more, None);
        assert!(said.starts_with("rajut: cannot load eBPF programs: operation not permitted"), "{said}");
        assert!(said.contains("run as root, or give the binary CAP_BPF and CAP_PERFMON"), "{said}");
    }

    /// A doctor that finds nothing, names the reason, and says what to do.
    #[track_caller]
    fn nothing_works(&self, confine: Confine, reason: &str) {
        let output = self.run(confine, &["doctor"]);
        assert_eq!(output.status.code(), Some(5));
        assert!(output.stderr.is_empty());
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.contains("cpu wait")).unwrap();
        assert!(
            line.trim_start().starts_with("off ") && line.contains(reason) && line.contains("-> "),
            "{line}"
        );
    }

    /// Agent, and a top that starts an agent of its own, are refused.
    #[track_caller]
    fn nobody_measures(&self, confine: Confine) {
        let socket = self.socket();
        self.not_permitted(confine, &["agent", "--socket", socket.to_str().unwrap()]);
        assert!(!socket.exists());
        if !Path::new("/run/rajut/rajut.sock").exists() {
            self.not_permitted(confine, &["top", "--once"]);
        }
    }

    /// A doctor that finds a part, on which it stands, and says what to do for the rest.
    #[track_caller]
    fn partly(&self, confine: Confine, words: &[&str]) {
        let output = self.run(confine, &["doctor"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.is_empty());
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.contains("cpu wait")).unwrap();
        assert!(line.trim_start().starts_with("part ") && line.contains("-> "), "{line}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    }

    /// An agent that runs, beside a pod that works, and a top of it.
    fn measures(&self, confine: Confine) -> Agent {
        let agent = Agent::start_as(self.command(confine, &["agent"])).unwrap();
        settled(&agent);
        settled(&agent);
        let output = agent.run(&["top", "--once"]).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        println!("{}", agent.run(&["status"]).map(|o| String::from_utf8(o.stdout).unwrap()).unwrap());
        println!("{}", String::from_utf8(output.stdout).unwrap());
        assert!(!agent.log().contains("panicked"), "{}", agent.log());
        agent
    }
}

#[test]
fn a_plain_user_is_told_what_is_missing() {
    let _root = super::root();
    let host = Host::new();
    let nobody: Confine = confine::as_nobody;
    host.nothing_works(nobody, "CAP_BPF and CAP_PERFMON missing");
    host.nobody_measures(nobody);
}

#[test]
fn root_without_a_capability_is_told_which() {
    let _root = super::root();
    let host = Host::new();
    // CAP_SYS_ADMIN stands for both.
    let no_bpf: Confine = |command| confine::without(command, &[CAP_SYS_ADMIN, CAP_BPF]);
    let no_perfmon: Confine = |command| confine::without(command, &[CAP_SYS_ADMIN, CAP_PERFMON]);
    host.nothing_works(no_bpf, "CAP_BPF missing");
    host.nobody_measures(no_bpf);
    host.nothing_works(no_perfmon, "CAP_PERFMON missing");
    host.nobody_measures(no_perfmon);
    // And the two are enough.
    let no_admin: Confine = |command| confine::without(command, &[CAP_SYS_ADMIN]);
    assert_eq!(host.run(no_admin, &["doctor"]).status.code(), Some(0));
}

#[test]
fn without_type_information_files_are_left() {
    let _root = super::root();
    let host = Host::new();
    let hidden: Confine = |command| confine::with_empty(command, &[c"/sys/kernel/btf"]);
    host.partly(hidden, &["BTF no", "cpu.stat", "CONFIG_DEBUG_INFO_BTF"]);

    let pod = FakePod::new().unwrap();
    let _load = Load::start(&Kind::Hogs(1), Some(&pod)).unwrap();
    let agent = host.measures(hidden);
    let status = agent.json(&["status"]).unwrap();
    let probe = &status["probes"][0];
    assert_eq!(probe["state"], "on");
    assert!(probe["rung"].as_str().unwrap().contains("cpu.stat"), "{probe}");
    assert!(probe["reason"].as_str().unwrap().contains("no type information"), "{probe}");
    // What files tell is told, of the pod by name.
    let time = agent.json(&["query", "rajut.cpu.time", "--last", "1s"]).unwrap();
    let row = rows(&time).iter().find(|row| row["labels"]["pod"] == *pod.id().uid).unwrap();
    assert!(row["rate"].as_f64().unwrap() > 0.2, "{row}");
    let waits = agent.json(&["query", "rajut.cpu.run_queue.latency", "--last", "1s"]).unwrap();
    assert!(rows(&waits).is_empty(), "what was not measured is not 0: {waits}");
}

#[test]
fn without_cgroups_there_are_numbers_and_no_names() {
    let _root = super::root();
    let host = Host::new();
    let pod = FakePod::new().unwrap();
    let _load = Load::start(&Kind::Hogs(1), Some(&pod)).unwrap();
    let entity = pod.entity().unwrap().to_string();
    // Not there at all, and there but hidden under another file system: as a container may have it.
    let unmounted: Confine = |command| confine::without_mount(command, c"/sys/fs/cgroup");
    let covered: Confine = |command| confine::with_empty(command, &[c"/sys/fs/cgroup"]);
    for hidden in [unmounted, covered] {
        host.partly(
            hidden,
            &["cgroup no", "no cgroup v2 file system is mounted", "mount the host's cgroup2"],
        );
        let agent = host.measures(hidden);
        let time = agent.json(&["query", "rajut.cpu.time", "--last", "1s"]).unwrap();
        let row = rows(&time).iter().find(|row| row["entity"] == *entity).unwrap();
        assert!(row["rate"].as_f64().unwrap() > 0.2, "{row}");
        assert_eq!(row["labels"]["cgroup"], format!("id {entity}"), "{row}");
    }
}

#[test]
fn with_neither_nothing_works() {
    let _root = super::root();
    let host = Host::new();
    let hidden: Confine = |command| confine::with_empty(command, &[c"/sys/kernel/btf", c"/sys/fs/cgroup"]);
    host.nothing_works(hidden, "no type information");
    let socket = host.socket();
    let output = host.run(hidden, &["agent", "--socket", socket.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("rajut: the kernel has no type information"), "{said}");
}
