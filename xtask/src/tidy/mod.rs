//! `tidy`: the house rules that no compiler knows, first of all which room may use which.

mod rooms;
mod scan;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::repo;

/// Where `unsafe` may stand: at the kernel's door, in the kernel, and where a test asks libc. Everything else is safe.
const UNSAFE: &[&str] =
    &["agent/src/kernel/", "ebpf/src/", "tests/src/confine.rs", "tests/src/programs.rs", "tests/src/sys.rs"];

/// Begins of paths that only some developer's machine has; spelled in two parts so that this file does not name them.
const PRIVATE_PATHS: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Folders without sources of ours.
const FOREIGN: &[&str] = &[".git", "target", "node_modules"];

/// Checks the repository.
pub(crate) fn run() -> Result<()> {
    let found = check(repo::root())?;
    for line in &found {
        println!("{line}");
    }
    if !found.is_empty() {
        bail!("{} against the house rules", found.len());
    }
    Ok(())
}

/// Every breach of a rule, a line each: where, what, and which rule it breaks.
fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    list(root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        // What is no text has no rules.
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            found.extend(check_file(&path, &text));
        }
    }
    Ok(found)
}

/// The same for one file; its path is relative to the root.
fn check_file(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(private) = PRIVATE_PATHS.iter().find(|private| names(line, private)) {
            found.push(format!("{path}:{number}: `{private}` is a path of one machine"));
        }
    }
    if !path.ends_with(".rs") {
        return found;
    }
    if !text.starts_with("//! ") {
        found.push(format!("{path}:1: a file begins with a sentence that says what it is (`//! ...`)"));
    }
    let tokens = scan::tokens(text);
    if !UNSAFE.iter().any(|allowed| path.starts_with(allowed)) {
        for token in tokens.iter().filter(|token| token.text == "unsafe") {
            found.push(format!("{path}:{}: `unsafe` belongs into {}", token.line, UNSAFE.join(", ")));
        }
    }
    if let Some(inside) = path.strip_prefix("agent/src/") {
        found.extend(rooms::check(path, inside, &tokens));
    }
    found
}

/// Whether a path that begins like this stands in the line: not as the middle of another one.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        line[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"_-.}>".contains(c))
    })
}

fn list(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if FOREIGN.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), into)?;
        } else if kind.is_file() {
            into.push(entry.path());
        }
    }
    Ok(())
}
