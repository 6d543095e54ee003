//! Text that others chose (pod names, cgroup paths, a peer's messages) made safe to print.

use std::borrow::Cow;

/// Whether a character may steer a terminal or hide text: controls (C0, DEL, C1), line separators, bidirectional
/// overrides, and characters without width.
#[must_use]
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with harmful characters written out, as `\u{1b}`: visible, and two different names stay different.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            safe.extend(c.escape_unicode());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_become_visible() {
        for (text, expected) in [
            ("checkout-7d9f9c", "checkout-7d9f9c"),
            ("überholung", "überholung"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("a\nb\tc", "a\\u{a}b\\u{9}c"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("a\u{200b}b", "a\\u{200b}b"),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }
}
