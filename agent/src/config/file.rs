//! The TOML file: every key in one table, so that what is accepted, what is guessed and what is set cannot differ.

use std::{ops::RangeInclusive, path::PathBuf};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Config, values};

/// What is wrong, and at which byte.
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) what: String,
}

/// A key: its section (empty at the top), its name, and how it is set.
struct Key {
    section: &'static str,
    name: &'static str,
    set: fn(&mut Config, &DeValue<'_>) -> Result<(), String>,
}

macro_rules! key {
    ($section:literal, $name:literal, |$config:ident, $value:ident| $set:expr) => {
        Key {
            section: $section,
            name: $name,
            set: |$config, $value| {
                $set;
                Ok(())
            },
        }
    };
}

/// Every key.
static KEYS: &[Key] = &[
    key!("", "node", |c, v| c.node = Some(text(v)?.to_owned())),
    key!("", "window", |c, v| c.window = values::window(text(v)?)?),
    // `off` is handled in `parse`: a wrong name in the list has a line of its own.
    key!("kernel", "slots", |c, v| c.kernel.slots = whole(v, values::SLOTS)?),
    key!("kernel", "rung", |c, v| c.kernel.rung = Some(values::rung(text(v)?)?)),
    key!("kernel", "log", |c, v| c.kernel.log = values::level(text(v)?)?),
    key!("store", "fine", |c, v| c.store.fine = values::history(text(v)?)?),
    key!("store", "coarse_window", |c, v| c.store.coarse_window = values::history(text(v)?)?),
    key!("store", "coarse", |c, v| c.store.coarse = values::history(text(v)?)?),
    key!("store", "entities", |c, v| c.store.entities = whole(v, values::ENTITIES)? as usize),
    key!("sinks", "socket", |c, v| c.sinks.socket = PathBuf::from(text(v)?)),
    key!("sinks", "listen", |c, v| c.sinks.listen = Some(values::listen(text(v)?)?)),
    key!("sinks", "insecure", |c, v| c.sinks.insecure = flag(v)?),
    key!("sinks", "streams", |c, v| c.sinks.streams = whole(v, values::STREAMS)? as usize),
    key!("sinks", "connections", |c, v| c.sinks.connections = whole(v, values::STREAMS)? as usize),
    key!("sinks", "queries", |c, v| c.sinks.queries = whole(v, values::STREAMS)? as usize),
    key!("sinks", "queries_running", |c, v| c.sinks.queries_running = whole(v, values::THREADS)? as usize),
    key!("sinks", "answers", |c, v| c.sinks.answers = whole(v, values::ANSWERS)? as usize),
    key!("sinks", "heartbeat", |c, v| c.sinks.heartbeat = values::span(text(v)?)?),
];

/// The list of probes that are off.
const OFF: &str = "off";
/// The sections.
const SECTIONS: [&str; 3] = ["kernel", "store", "sinks"];

/// Defaults with the file's values over them.
pub(super) fn parse(text: &str) -> Result<Config, Wrong> {
    let document = DeTable::parse(text).map_err(|error| Wrong {
        at: error.span().map_or(0, |span| span.start),
        what: crate::harmless::harmless(error.message()).replace("\\u{a}", ", "),
    })?;
    let mut config = Config::default();
    for (key, value) in document.get_ref() {
        let name: &str = key.get_ref();
        let wrong = |what| Wrong { at: key.span().start, what };
        if SECTIONS.contains(&name) {
            let DeValue::Table(section) = value.get_ref() else {
                return Err(wrong(format!("`{name}` is a section: write [{name}]")));
            };
            for (key, value) in section {
                set(&mut config, name, key.get_ref(), key.span().start, value)?;
            }
        } else if name == OFF {
            config.off = probes(value)?;
        } else {
            set(&mut config, "", name, key.span().start, value)?;
        }
    }
    Ok(config)
}

fn set(
    config: &mut Config,
    section: &str,
    name: &str,
    at: usize,
    value: &Spanned<DeValue<'_>>,
) -> Result<(), Wrong> {
    match KEYS.iter().find(|key| key.section == section && key.name == name) {
        Some(key) => (key.set)(config, value.get_ref())
            .map_err(|what| Wrong { at: value.span().start, what: format!("{name}: {what}") }),
        None => Err(Wrong { at, what: unknown_key(section, name) }),
    }
}

/// A key that belongs elsewhere says where; else the nearest of its section is guessed.
fn unknown_key(section: &str, name: &str) -> String {
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return match key.section {
            "" => format!("`{name}` belongs at the top of the file, before every section"),
            right => format!("`{name}` belongs in the section [{right}]"),
        };
    }
    let here = KEYS.iter().filter(|key| key.section == section).map(|key| key.name);
    let top = if section.is_empty() { &SECTIONS[..] } else { &[] };
    let off = section.is_empty().then_some(OFF);
    values::unknown("key", name, here.chain(off).chain(top.iter().copied()))
}

fn probes(list: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Wrong> {
    let wrong =
        |at: &Spanned<DeValue<'_>>, what| Wrong { at: at.span().start, what: format!("{OFF}: {what}") };
    let DeValue::Array(items) = list.get_ref() else {
        return Err(wrong(list, "expected a list of probes, e.g. [\"sched\"]".to_owned()));
    };
    items
        .iter()
        .map(|item| text(item.get_ref()).and_then(values::probe).map_err(|what| wrong(item, what)))
        .collect()
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("expected text in quotes, found {}", other.type_str())),
    }
}

fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        other => Err(format!("expected true or false, found {}", other.type_str())),
    }
}

fn whole(value: &DeValue<'_>, bounds: RangeInclusive<u32>) -> Result<u32, String> {
    let DeValue::Integer(integer) = value else {
        return Err(format!("expected a whole number, found {}", value.type_str()));
    };
    u32::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| format!("must be {} to {}", bounds.start(), bounds.end()))
}
