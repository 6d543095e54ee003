//! Questions that an agent cannot answer.

use super::measure::agent;

#[test]
fn an_unknown_word_is_refused_with_a_guess() {
    let _root = super::root();
    let agent = agent(&[]);
    for (args, wrong, guess) in [
        (&["query", "rajut.cpu.tiem"][..], "rajut.cpu.tiem", "rajut.cpu.time"),
        (&["query", "rajut.cpu.time", "--by", "namespcae"], "namespcae", "namespace"),
        (&["query", "rajut.cpu.time", "--where", "pdo=redis-0"], "pdo", "pod"),
        (&["query", "rajut.cpu.run_queue.time", "--by", "cuase"], "cuase", "cause"),
        (&["top", "--once", "--by", "nod"], "nod", "node"),
        (&["watch", "rajut.cpu.tme", "--count", "1"], "rajut.cpu.tme", "rajut.cpu.time"),
    ] {
        let output = agent.run(args).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        println!("{} -> {said}", args.join(" ").trim());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{args:?}: {said}");
        for word in ["rajut: ", &format!("`{wrong}`"), &format!("did you mean `{guess}`?")] {
            assert!(said.contains(word), "{args:?}: no {word:?} in {said}");
        }
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // It serves on.
    agent.json(&["status"]).unwrap();
}
