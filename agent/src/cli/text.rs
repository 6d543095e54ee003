//! Names of entities: how they read, and how they become short enough.

use std::{borrow::Cow, collections::BTreeMap};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::harmless::harmless;

/// The text in at most `width` columns; both ends stay, since what tells names apart is often at the end.
pub(crate) fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let Some(room) = width.checked_sub(1) else { return Cow::Borrowed("") };
    let tail_room = room / 2;
    let head = fitting(text.chars(), room - tail_room);
    let tail: String = fitting(text.chars().rev(), tail_room).chars().rev().collect();
    Cow::Owned(format!("{head}…{tail}"))
}

/// The first of these characters, up to `width` columns.
fn fitting(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

/// `text` and spaces up to `width` columns, on the left side where `right` is set.
pub(crate) fn pad(text: &str, width: usize, right: bool) -> String {
    let spaces = " ".repeat(width.saturating_sub(text.width()));
    if right { format!("{spaces}{text}") } else { format!("{text}{spaces}") }
}

/// The name of an entity or group, harmless: `ns/pod·container`, `ns/workload`, a namespace, a unit, a cgroup path.
pub(crate) fn name(labels: &BTreeMap<String, String>) -> String {
    let get = |key: &str| labels.get(key).map(|value| harmless(value)).filter(|value| !value.is_empty());
    let in_namespace = |name: Cow<'_, str>| match get("namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.into_owned(),
    };
    if let Some(pod) = get("pod") {
        let mut name = in_namespace(pod);
        if let Some(container) = get("container") {
            name.push('·');
            name.push_str(&container);
        }
        return name;
    }
    if let Some(workload) = get("workload") {
        return in_namespace(workload);
    }
    for key in ["namespace", "unit", "cgroup", "node"] {
        if let Some(name) = get(key) {
            return name.into_owned();
        }
    }
    let rest: Vec<String> =
        labels.iter().map(|(key, value)| format!("{}={}", harmless(key), harmless(value))).collect();
    if rest.is_empty() { "(no such label)".to_owned() } else { rest.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn both_ends_of_a_long_name_stay() {
        for (text, width, expected) in [
            ("shop/checkout·api", 17, "shop/checkout·api"),
            ("shop/checkout·api", 16, "shop/che…out·api"),
            ("shop/checkout·api", 1, "…"),
            ("shop/checkout·api", 0, ""),
            // Two columns each: one does not fit in half of four.
            ("日本語日本語", 6, "日…語"),
        ] {
            let short = shorten(text, width);
            assert_eq!(short, expected);
            assert!(short.width() <= width);
        }
    }

    #[test]
    fn names_say_what_they_name() {
        for (pairs, expected) in [
            (&[("namespace", "shop"), ("pod", "redis-0"), ("container", "redis")][..], "shop/redis-0·redis"),
            (&[("namespace", "shop"), ("pod", "redis-0")], "shop/redis-0"),
            (&[("namespace", "shop"), ("workload", "redis")], "shop/redis"),
            (&[("namespace", "shop")], "shop"),
            (&[("node", "n1"), ("unit", "sshd.service")], "sshd.service"),
            (&[("node", "n1"), ("cgroup", "/user.slice")], "/user.slice"),
            (&[("node", "n1")], "n1"),
            (&[("other", "1")], "other=1"),
            (&[], "(no such label)"),
            (&[("pod", "x\u{1b}]0;y\u{7}")], "x\\u{1b}]0;y\\u{7}"),
        ] {
            assert_eq!(name(&labels(pairs)), expected);
        }
    }
}
