//! What goes wrong, and how it is said: one line with what, why and what to do, and an exit code that a script can use.

use std::fs;

use rajut_tests::agent::rajut;

/// What a command that fails says, and its exit code.
fn fail(args: &[&str]) -> (Option<i32>, String) {
    let output = rajut().unwrap().args(args).output().unwrap();
    assert!(output.stdout.is_empty(), "{args:?} printed {}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn usage_errors_are_2() {
    let cases: [(&[&str], &str); 6] = [
        (&["tpo"], "tpo"),
        (&["status", "--nonsense"], "--nonsense"),
        (&["query"], "METRIC"),
        (&["query", "rajut.cpu.time", "--last", "soon"], "soon"),
        (&["query", "rajut.cpu.time", "--quantile", "2"], "2"),
        (&["completions", "cmd"], "cmd"),
    ];
    for (args, named) in cases {
        let (code, said) = fail(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?} does not say what is wrong: {said}");
    }
}

#[test]
fn no_agent_is_4_and_says_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("nobody.sock");
    let socket = socket.to_str().unwrap();
    for command in [vec!["query", "rajut.cpu.time"], vec!["status"], vec!["metrics"], vec!["watch"]] {
        let args = [&command[..], &["--socket", socket]].concat();
        let (code, said) = fail(&args);
        assert_eq!(code, Some(4), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(said.starts_with(&format!("rajut: no agent at {socket}")), "{args:?}: {said}");
        assert!(said.contains("rajut agent"), "{args:?} does not say what to do: {said}");
    }
}

#[test]
fn nobody_at_an_address_is_4() {
    // Bound and let go: nobody listens there now.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let (code, said) = fail(&["status", "--address", &address]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("rajut: ") && said.contains(&address) && said.lines().count() == 1, "{said}");
}

#[test]
fn a_config_error_is_2_and_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rajut.toml");
    let socket = dir.path().join("rajut.sock");
    let cases = [
        ("node = \"a\"\nwindw = \"1s\"\n", "line 2", "`windw` (did you mean `window`?)"),
        ("window = \n", "line 1", ""),
    ];
    for (text, line, why) in cases {
        fs::write(&file, text).unwrap();
        let (code, said) =
            fail(&["agent", "--config", file.to_str().unwrap(), "--socket", socket.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{text}: {said}");
        assert!(said.starts_with(&format!("rajut: config {}", file.display())), "{text}: {said}");
        assert!(said.contains(line) && said.contains(why), "{text}: {said}");
    }
}

#[test]
fn a_config_that_is_not_there_is_2() {
    let (code, said) = fail(&["agent", "--config", "/nonexistent/rajut.toml"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("/nonexistent/rajut.toml") && said.lines().count() == 1, "{said}");
}
