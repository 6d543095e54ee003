//! Just enough of Rust's grammar to see which paths a file names: words and marks, without comments, strings and tests.

/// A word or a mark of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// Its text: an identifier, `::`, or one character.
    pub text: &'a str,
    /// Its line, from 1.
    pub line: usize,
}

/// The tokens of a file, without comments, literals, and `#[cfg(test)] mod ... { }`.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    without_tests(&all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let len = skipped(rest);
        if len > 0 {
            line += rest[..len].matches('\n').count();
            rest = &rest[len..];
            continue;
        }
        let len = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(Token { text: &rest[..len], line });
        rest = &rest[len..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of white space, a comment or a literal at the start; 0 where there is none.
fn skipped(rest: &str) -> usize {
    let first = rest.chars().next().unwrap_or(' ');
    if first.is_whitespace() {
        return first.len_utf8();
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    // r"..", r#".."#, b"..", br".."; a raw identifier (r#type) has no quote after its hashes.
    let prefix = rest.find(|c| !matches!(c, 'r' | 'b' | 'c')).unwrap_or(rest.len()).min(2);
    let hashes = rest[prefix..].bytes().take_while(|b| *b == b'#').count();
    let raw = rest[..prefix].contains('r');
    if rest[prefix + hashes..].starts_with('"') && (raw || hashes == 0) {
        return prefix + hashes + string(&rest[prefix + hashes..], raw.then_some(hashes));
    }
    if first == '\'' {
        return character(rest);
    }
    0
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a string from its quote on; `raw` is the number of hashes of a raw one.
fn string(rest: &str, raw: Option<usize>) -> usize {
    if let Some(hashes) = raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return rest[1..].find(&end).map_or(rest.len(), |at| 1 + at + end.len());
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Length of `'x'`; for a lifetime only its quote, its name is then a word that names nothing.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character may be a quote itself.
            chars.next();
            chars.find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1)
        }
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 1,
    }
}

/// Leaves out `#[cfg(test)] mod name { ... }`: tests may put any rooms together.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    const HEAD: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let head = tokens[at..].iter().map(|t| t.text).take(HEAD.len()).eq(HEAD);
        if head && tokens.get(at + HEAD.len() + 1).is_some_and(|t| t.text == "{") {
            at = after_group(tokens, at + HEAD.len() + 1);
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The place after the group that opens at `open`.
fn after_group(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Rooms that are named through `crate::`, `rajut::` or as many `super::` as lead out of `module`, with their lines.
pub(super) fn rooms_used<'a>(tokens: &[Token<'a>], module: &[&str]) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let first = at == 0 || tokens[at - 1].text != "::";
        if !first {
            continue;
        }
        let mut next = at + 1;
        match token.text {
            "crate" | "rajut" => {}
            "super" => {
                let mut supers = 1;
                while tokens.get(next).is_some_and(|t| t.text == "::")
                    && tokens.get(next + 1).is_some_and(|t| t.text == "super")
                {
                    supers += 1;
                    next += 2;
                }
                if supers != module.len() {
                    continue;
                }
            }
            _ => continue,
        }
        if tokens.get(next).is_some_and(|t| t.text == "::") {
            found.extend(heads(tokens, next + 1));
        }
    }
    found
}

/// The first names after a `::`: one, or those of a `{...}` group.
fn heads<'a>(tokens: &[Token<'a>], at: usize) -> Vec<(usize, &'a str)> {
    let Some(token) = tokens.get(at) else { return Vec::new() };
    if token.text != "{" {
        return vec![(token.line, token.text)];
    }
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut head = false;
    for token in &tokens[at..] {
        match token.text {
            "{" => {
                depth += 1;
                head = depth == 1;
            }
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            "," => head = depth == 1,
            name => {
                if head {
                    found.push((token.line, name));
                }
                head = false;
            }
        }
    }
    found
}

/// Guarded crates that begin a path, with their lines.
pub(super) fn crates_used<'a>(tokens: &[Token<'a>], guarded: &[&str]) -> Vec<(usize, &'a str)> {
    let is = |at: Option<usize>, text: &str| at.and_then(|at| tokens.get(at)).is_some_and(|t| t.text == text);
    tokens
        .iter()
        .enumerate()
        .filter(|(at, token)| {
            guarded.contains(&token.text)
                // `::aya::..` is the crate, `x::aya` is something in x.
                && (!is(at.checked_sub(1), "::") || at.checked_sub(2).is_none_or(|b| !is_name(tokens[b].text)))
                && (is(Some(at + 1), "::") || is(at.checked_sub(1), "use"))
        })
        .map(|(_, token)| (token.line, token.text))
        .collect()
}

fn is_name(text: &str) -> bool {
    text.chars().next().is_some_and(is_word) && text != "use"
}
