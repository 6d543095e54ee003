//! "Did you mean": the known word that a mistyped one is closest to.

/// Longer words are not compared: the distance costs the product of the lengths, and nobody mistypes 64 letters.
const LONGEST: usize = 64;

/// The candidate closest to `word`, if it is close: at most one edit for each three letters, or its last dotted parts
/// (`cpu.time` for `rajut.cpu.time`).
#[must_use]
pub fn guess<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = candidate.to_lowercase();
            let tail = known.strip_suffix(&lower).is_some_and(|head| head.ends_with('.'));
            let distance = if tail { 0 } else { strsim::osa_distance(&lower, &known) };
            (distance <= (length / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The end of an error line: `` (did you mean `x`?)`` with a space before it, or nothing where no candidate is close.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    guess(word, candidates).map_or_else(String::new, |guess| format!(" (did you mean `{guess}`?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["window", "socket", "rajut.cpu.time", "rajut.cpu.run_queue.time", "pod"];

    #[test]
    fn guesses_what_is_close_and_nothing_else() {
        let check = |word: &str, expected: Option<&str>| assert_eq!(guess(word, KNOWN), expected, "{word}");
        check("windw", Some("window"));
        check("widnow", Some("window"));
        check("SOCKET", Some("socket"));
        check("pdo", Some("pod"));
        check("rajut.cpu.tme", Some("rajut.cpu.time"));
        check("cpu.time", Some("rajut.cpu.time"));
        check("run_queue.time", Some("rajut.cpu.run_queue.time"));
        check("", None);
        check("x", None);
        check("nothing like it", None);
        check(&"w".repeat(100_000), None);
    }

    #[test]
    fn the_line_ends_with_a_question_or_nothing() {
        assert_eq!(did_you_mean("windw", KNOWN), " (did you mean `window`?)");
        assert_eq!(did_you_mean("zzz", KNOWN), "");
    }
}
