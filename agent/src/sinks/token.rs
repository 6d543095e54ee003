//! Tokens that clients hand back: opaque to them, readable to whoever debugs.

use super::refusal::Refusal;

/// Longer ones are not looked at.
const LONGEST: usize = 256;

/// A place in this agent's stream of windows: `w1.<instance>.<seq>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResumeToken {
    /// The run of the agent that the sequence belongs to.
    pub(super) instance: String,
    /// The last window that was sent.
    pub(super) seq: u64,
}

impl ResumeToken {
    /// Reads a token.
    ///
    /// # Errors
    /// When the text was never given out by an agent.
    pub(super) fn parse(text: &str) -> Result<ResumeToken, Refusal> {
        let body = Some(text).filter(|t| t.len() <= LONGEST).and_then(|t| t.strip_prefix("w1."));
        body.and_then(|body| body.rsplit_once('.'))
            .filter(|(instance, _)| !instance.is_empty())
            .and_then(|(instance, seq)| Some((instance, number(seq, 10)?)))
            .map(|(instance, seq)| ResumeToken { instance: instance.to_owned(), seq })
            .ok_or_else(|| Refusal::invalid("resume_token", "it is none that an agent gave out"))
    }
}

impl std::fmt::Display for ResumeToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "w1.{}.{}", self.instance, self.seq)
    }
}

/// The token of the page that begins after this entity.
pub(super) fn page_token(last: u64) -> String {
    format!("e1.{last:x}")
}

/// The entity after which the page begins; `None` for the first page.
///
/// # Errors
/// When the text was never given out by an agent.
pub(super) fn parse_page_token(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.strip_prefix("e1.")
        .and_then(|hex| number(hex, 16))
        .map(Some)
        .ok_or_else(|| Refusal::invalid("page_token", "it is none that an agent gave out"))
}

/// Digits only: the standard parser also takes a sign.
fn number(text: &str, radix: u32) -> Option<u64> {
    let digits = text.chars().all(|c| c.is_digit(radix));
    digits.then(|| u64::from_str_radix(text, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_never_given_out_is_refused() {
        let long = format!("w1.{}.1", "i".repeat(300));
        for text in [
            "",
            "w1",
            "w1.",
            "w1..3",
            "w1.abc",
            "w1.abc.",
            "w1.abc.-1",
            "w1.abc.+1",
            "w1.abc.1x",
            "e1.5",
            &long,
        ] {
            assert!(ResumeToken::parse(text).is_err(), "{text}");
        }
        for text in ["e1.", "e1.g", "e1.+5", "w1.a.5", "5", "e1.10000000000000000"] {
            assert!(parse_page_token(text).is_err(), "{text}");
        }
        assert_eq!(parse_page_token(""), Ok(None));
    }

    proptest! {
        #[test]
        fn tokens_come_back_as_they_went(instance in "[a-z0-9.-]{1,40}", seq: u64) {
            let token = ResumeToken { instance, seq };
            prop_assert_eq!(ResumeToken::parse(&token.to_string()).unwrap(), token);
            prop_assert_eq!(parse_page_token(&page_token(seq)).unwrap(), Some(seq));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = (ResumeToken::parse(&text), parse_page_token(&text));
        }
    }
}
