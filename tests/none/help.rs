//! What a newcomer asks first: help, version, completions, manual pages.

use std::process::Output;

use rajut_tests::agent::rajut;

/// Every command.
const COMMANDS: [&str; 9] =
    ["agent", "top", "query", "watch", "status", "metrics", "doctor", "completions", "man"];

fn run(args: &[&str]) -> Output {
    rajut().unwrap().args(args).output().unwrap()
}

/// What a command that succeeds prints; nothing may be on stderr.
fn text(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_names_every_command() {
    let help = text(&["--help"]);
    for command in COMMANDS {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command} is not in:\n{help}"
        );
    }
}

#[test]
fn every_command_has_help_that_fits_a_screen() {
    for command in COMMANDS {
        let help = text(&[command, "--help"]);
        assert!(help.contains("Usage: rajut"), "{command}:\n{help}");
        let short = text(&[command, "-h"]);
        assert!(short.lines().count() <= 50, "{command}: {} lines", short.lines().count());
    }
}

#[test]
fn the_version_is_one_line() {
    let version = text(&["--version"]);
    assert!(version.starts_with("rajut ") && version.lines().count() == 1, "{version}");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    assert!(text(&["man"]).contains(".TH rajut"));
    for command in COMMANDS {
        assert!(text(&["man", command]).contains(".TH"), "{command}");
    }
}

#[test]
fn an_empty_command_line_says_what_there_is() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(COMMANDS.iter().all(|command| said.contains(command)), "{said}");
}
