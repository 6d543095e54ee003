//! `test`: every check that this machine can make, with its output as it goes, and what came of it in the last line.

use std::{
    io::{BufRead as _, BufReader, Write},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{build, repo, setup, tidy};

/// The package of the end-to-end tests, and its target that needs root.
const TESTS: &str = "rajut-tests";

/// What came of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Checks everything.
pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure()?;
    let mut all = Tally::default();

    // Cheap ones first; none keeps the others from running.
    all.add(proto());
    all.add(check("format", || repo::must(repo::cargo().args(["fmt", "--all", "--check"]))));
    all.add(check("tidy", tidy::run));
    all.add(check("clippy", || {
        repo::must(repo::cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    }));

    // The end-to-end tests run the agent as it is built here.
    let built = check("build", || build::agent(false, &[(TESTS, "rajut-load")]));
    all.add(built);
    all.add(tests(
        "units",
        repo::cargo().args(["test", "--workspace", "--exclude", TESTS, "--no-fail-fast"]),
    ));
    if built.failed == 0 {
        all.add(tests(
            "end to end, no privilege",
            repo::cargo().args(["test", "-p", TESTS, "--lib", "--bins", "--test", "none", "--no-fail-fast"]),
        ));
        all.add(root_tests());
    }

    println!("\n{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped);
    Ok(if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tests that load programs into the kernel: one after the other, since they share one machine.
fn root_tests() -> Tally {
    let mut target = repo::cargo();
    target.args(["test", "-p", TESTS, "--test", "root", "--"]);
    if repo::is_root() {
        return tests("end to end, root", target.arg("--test-threads=1"));
    }
    let listed = target.args(["--list", "--format", "terse"]).output();
    let skipped = listed.map_or(1, |output| {
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.ends_with(": test")).count() as u64
    });
    println!("\n== end to end, root\nskipped: not root");
    Tally { skipped, ..Tally::default() }
}

/// Lints the wire, where buf can be had: by itself, or through npm.
fn proto() -> Tally {
    let mut buf = if repo::on_path("buf") {
        Command::new("buf")
    } else if repo::on_path("npx") {
        let mut npx = Command::new("npx");
        npx.args(["--yes", "--package=@bufbuild/buf@1", "buf"]);
        // A machine without a network says so at once.
        npx.envs([("npm_config_fetch_retries", "0"), ("npm_config_fetch_timeout", "30000")]);
        npx
    } else {
        println!("== buf lint\nskipped: neither buf nor npx is here");
        return Tally { skipped: 1, ..Tally::default() };
    };
    // That it cannot be fetched says nothing about the wire.
    let mut version = Command::new(buf.get_program());
    version.args(buf.get_args()).envs(buf.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let available = version.arg("--version").output();
    if !available.is_ok_and(|output| output.status.success()) {
        println!("== buf lint\nskipped: buf cannot be fetched");
        return Tally { skipped: 1, ..Tally::default() };
    }
    check("buf lint", || repo::must(buf.current_dir(repo::root()).args(["lint", "proto"])))
}

/// One check that passes or fails as a whole.
fn check(name: &str, run: impl FnOnce() -> Result<()>) -> Tally {
    println!("\n== {name}");
    match run() {
        Ok(()) => {
            println!("ok");
            Tally { passed: 1, ..Tally::default() }
        }
        Err(error) => {
            println!("failed: {error:#}");
            Tally { failed: 1, ..Tally::default() }
        }
    }
}

/// Runs cargo's tests and counts what libtest says; a run that fails without a failed test (it did not build, it
/// crashed) is one failure.
fn tests(name: &str, command: &mut Command) -> Tally {
    println!("\n== {name}");
    counted(command, &mut std::io::stdout().lock())
}

fn counted(command: &mut Command, out: &mut impl Write) -> Tally {
    let (mut tally, done) = match tee(command, out) {
        Ok(done) => done,
        Err(error) => {
            println!("failed: {error:#}");
            (Tally::default(), false)
        }
    };
    if !done && tally.failed == 0 {
        tally.failed = 1;
    }
    tally
}

/// Shows a command's output as it comes and counts the results in it; whether it succeeded.
fn tee(command: &mut Command, out: &mut impl Write) -> Result<(Tally, bool)> {
    let shown = repo::shown(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shown}`"))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("cannot read the tests' output")?;
            tally.add(result(&String::from_utf8_lossy(&line)).unwrap_or_default());
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
    }
    Ok((tally, child.wait()?.success()))
}

/// The counts of `test result: ok. 12 passed; 0 failed; 1 ignored; ...`.
fn result(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        counts.split(';').find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn libtest_lines_are_counted() {
        let cases = [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s",
                Some((12, 0, 1)),
            ),
            (
                "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
                Some((1, 2, 0)),
            ),
            ("test a::b ... ok", None),
            ("running 3 tests", None),
            ("a test result: ok. 1 passed; 0 failed; 0 ignored", None),
        ];
        for (line, expected) in cases {
            let counted = result(line).map(|t| (t.passed, t.failed, t.skipped));
            assert_eq!(counted, expected, "{line}");
        }
    }

    #[test]
    fn a_run_that_fails_without_a_failed_test_is_a_failure() {
        let line = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let script = format!("echo '{line}'; exit 101");
        let tally = counted(Command::new("sh").args(["-c", &script]), &mut std::io::sink());
        assert_eq!(tally, Tally { passed: 2, failed: 1, skipped: 0 });
    }

    #[test]
    fn failures_are_not_counted_twice() {
        let line = "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        let script = format!("echo '{line}'; exit 101");
        let mut shown = Vec::new();
        let tally = counted(Command::new("sh").args(["-c", &script]), &mut shown);
        assert_eq!(tally, Tally { passed: 2, failed: 3, skipped: 0 });
        assert_eq!(String::from_utf8(shown).unwrap(), format!("{line}\n"));
    }
}
