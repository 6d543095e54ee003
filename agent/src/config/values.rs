//! How each kind of value is written, and its bounds: the same for the file, the environment and flags.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    ops::RangeInclusive,
    time::Duration,
};

use crate::{config::Window, guess::guess, probes};

/// Entities with numbers of their own. Each takes 1,152 bytes for each shard; a task remembers its slot in 16 bits.
pub const SLOTS: RangeInclusive<u32> = 16..=65_536;
/// Entities in the history.
pub const ENTITIES: RangeInclusive<u32> = 16..=1_048_576;
/// Queries that are worked off at the same time, each on a thread of its own.
pub const THREADS: RangeInclusive<u32> = 1..=64;
/// Streams, connections or queries at once.
pub const STREAMS: RangeInclusive<u32> = 1..=4_096;
/// Bytes of answers that are not sent yet; one of the largest must fit.
pub const ANSWERS: RangeInclusive<u32> = 33_554_432..=u32::MAX;
/// Any stretch of history: a day of one-second windows is already more than a node should hold.
pub const HISTORY: RangeInclusive<u64> = 1..=86_400;

/// The rungs that can be forced.
pub const RUNGS: [&str; 3] = ["exact", "exact-fork", "short"];
/// Levels of the kernel programs' log, by number.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A duration: whole numbers with `ms`, `s`, `m`, `h` or `d`, largest first: `1s`, `5m`, `1h30m`.
///
/// # Errors
/// What is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write it as 500ms, 1s, 5m or 1h30m");
    let mut total = Duration::ZERO;
    let mut last_unit = Duration::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            _ => return Err(wrong()),
        };
        if unit >= last_unit {
            return Err(wrong());
        }
        last_unit = unit;
        let number: u32 = number.parse().map_err(|_| wrong())?;
        total = unit.checked_mul(number).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = after;
    }
    if last_unit == Duration::MAX { Err(wrong()) } else { Ok(total) }
}

/// A duration longer than nothing.
///
/// # Errors
/// What is wrong with the text.
pub fn span(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err(format!("`{text}` is no time at all")),
        span => Ok(span),
    }
}

/// The length of a window: whole seconds, at most a minute.
///
/// # Errors
/// What is wrong with the text.
pub fn window(text: &str) -> Result<Window, String> {
    let length = duration(text)?;
    if length.subsec_nanos() != 0 || !(1..=60).contains(&length.as_secs()) {
        return Err(format!("a window is 1s to 60s long in whole seconds, not {text}"));
    }
    Ok(Window(length))
}

/// A stretch of history: whole seconds, at most a day.
///
/// # Errors
/// What is wrong with the text.
pub fn history(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    if length.subsec_nanos() != 0 || !HISTORY.contains(&length.as_secs()) {
        return Err(format!("history is 1s to 24h long in whole seconds, not {text}"));
    }
    Ok(length)
}

/// An address to listen on: `HOST:PORT`.
///
/// # Errors
/// What is wrong with the text, or that the host name has no address.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let wrong = || format!("`{text}` is no address: write it as HOST:PORT, e.g. 127.0.0.1:9161");
    text.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

/// A probe of the registry.
///
/// # Errors
/// That there is none of that name, and which may have been meant.
pub fn probe(text: &str) -> Result<String, String> {
    let names = || probes::REGISTRY.iter().map(|probe| probe.name);
    if names().any(|name| name == text) {
        return Ok(text.to_owned());
    }
    Err(unknown("probe", text, names()))
}

/// A rung that can be forced.
///
/// # Errors
/// That there is none of that name.
pub fn rung(text: &str) -> Result<String, String> {
    if RUNGS.contains(&text) { Ok(text.to_owned()) } else { Err(unknown("rung", text, RUNGS)) }
}

/// A level of the kernel programs' log, by name.
///
/// # Errors
/// That there is none of that name.
pub fn level(text: &str) -> Result<u8, String> {
    (0u8..)
        .zip(LEVELS)
        .find(|(_, name)| *name == text)
        .map(|(level, _)| level)
        .ok_or_else(|| unknown("log level", text, LEVELS))
}

/// "unknown KIND `word`" and what may have been meant, or what there is where that is short.
pub(super) fn unknown<'a>(kind: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let shown = crate::harmless::harmless(word);
    match guess(word, known.iter().copied()) {
        Some(guess) => format!("unknown {kind} `{shown}` (did you mean `{guess}`?)"),
        None => format!("unknown {kind} `{shown}` (there is: {})", known.join(", ")),
    }
}
