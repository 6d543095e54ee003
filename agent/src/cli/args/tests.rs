//! Every flag, and which source of a value wins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _};

use super::*;

fn parse(line: &str) -> Result<(Command, ArgMatches), clap::Error> {
    let matches = Cli::command().try_get_matches_from(line.split(' '))?;
    let command = Cli::from_arg_matches(&matches)?.command;
    Ok((command, matches.subcommand().map(|(_, m)| m.clone()).unwrap()))
}

fn agent(line: &str) -> AgentArgs {
    match parse(line).unwrap().0 {
        Command::Agent(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_line_is_understood() {
    for line in [
        "rajut agent",
        "rajut agent --config r.toml --socket /s --listen 127.0.0.1:1 --insecure --node n --window 2s --off sched \
         --rung exact --slots 64 --kernel-log debug --log rajut=debug",
        "rajut agent --rung short --color never",
        "rajut top",
        "rajut top --once --for 5s -o json",
        "rajut top --last 1m --by namespace --where namespace=shop -o csv --color always",
        "rajut top --socket /s",
        "rajut top --address node:9161",
        "rajut query m",
        "rajut query m --by pod,peer --where k=v --where a=b --quantile 0.5,0.99 --last 1m --histogram -o json",
        "rajut query m --from -5m --to now",
        "rajut query m --from 2026-01-31T12:00:00Z --to -5m",
        "rajut watch",
        "rajut watch a b --where k=v --histogram --count 3 -o json --socket /s",
        "rajut status -o json --address 127.0.0.1:1",
        "rajut metrics -o csv",
        "rajut doctor -o json",
        "rajut completions bash",
        "rajut man",
        "rajut man top",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn mistakes_are_refused() {
    for line in [
        "rajut",
        "rajut tp",
        "rajut agent --window 500ms",
        "rajut agent --off shed",
        "rajut agent --rung exakt",
        "rajut agent --slots 1",
        "rajut agent --kernel-log loud",
        "rajut agent --listen 9161",
        "rajut query",
        "rajut query m --quantile 1.5",
        "rajut query m --where pod",
        "rajut query m --last 1m --from -5m",
        "rajut query m --to -5m",
        "rajut query m --last 0s",
        "rajut top --for 5s --last 5s",
        "rajut watch -o csv",
        "rajut status -o csv",
        "rajut watch --count 0",
        "rajut completions tcl",
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn flags_come_before_the_file_and_that_before_the_defaults() {
    let file = "node = \"file\"\nwindow = \"5s\"\noff = [\"sched\"]\n[kernel]\nslots = 100\n[sinks]\ninsecure = true\n";
    let mut config = Config::parse(Path::new("f"), file).unwrap();
    agent("rajut agent").apply(&mut config);
    assert_eq!(config, Config::parse(Path::new("f"), file).unwrap(), "no flag changes nothing");

    agent("rajut agent --node flag --window 2s --slots 50 --insecure=false --socket /s").apply(&mut config);
    assert_eq!(config.node.as_deref(), Some("flag"));
    assert_eq!(config.window.0, Duration::from_secs(2));
    assert_eq!(config.kernel.slots, 50);
    assert!(!config.sinks.insecure);
    assert_eq!(config.sinks.socket, Path::new("/s"));
    // Untouched: the file's, and the default.
    assert_eq!(config.off, ["sched"]);
    assert_eq!(config.store, crate::store::Config::default());
}

#[test]
fn insecure_needs_no_value() {
    assert_eq!(agent("rajut agent --insecure --node n").insecure, Some(true));
    assert_eq!(agent("rajut agent").insecure, None);
}

#[test]
fn each_flag_of_the_agent_and_of_connections_has_its_variable() {
    let cli = Cli::command();
    let question =
        ["once", "for", "last", "by", "where", "quantile", "from", "to", "histogram", "count", "help"];
    for command in cli.get_subcommands() {
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long().filter(|long| !question.contains(long)) else { continue };
            let expected = format!("RAJUT_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(
                arg.get_env().and_then(|e| e.to_str()),
                Some(expected.as_str()),
                "{}",
                command.get_name()
            );
        }
    }
}

#[test]
fn the_agent_to_ask() {
    let check = |line: &str, expected: Result<(Target, bool), &str>| {
        let (command, matches) = parse(line).unwrap();
        let Command::Status(args) = command else { panic!("{line}") };
        let target = args.at.target(&matches).map_err(|error| error.to_string());
        assert_eq!(target, expected.map_err(str::to_owned), "{line}");
    };
    check("rajut status", Ok((Target::Socket("/run/rajut/rajut.sock".into()), false)));
    check("rajut status --socket /s", Ok((Target::Socket("/s".into()), true)));
    check("rajut status --address h:1", Ok((Target::Tcp("h:1".into()), true)));
    check("rajut status --address h:1 --socket /s", Err("--socket and --address name two agents: use one"));
}
