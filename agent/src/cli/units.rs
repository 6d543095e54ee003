//! Units for people, in one place: how a number becomes text.
//!
//! Every kind of number has a fixed number of decimals, so that a column does not jump when its values change.

/// What stands where nothing was measured.
pub(crate) const NONE: &str = "·";

/// Seconds as µs, ms or s with one decimal: `120.0 µs`, `38.1 ms`, `2.0 s`.
pub(crate) fn duration(seconds: f64) -> String {
    // The bounds are where rounding to one decimal would show 1000.0.
    let magnitude = seconds.abs();
    if magnitude < 999.95e-6 {
        format!("{:.1} µs", seconds * 1e6)
    } else if magnitude < 999.95e-3 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.1} s")
    }
}

/// As [`duration`], with the unit padded so that points align in a right-aligned column.
pub(crate) fn duration_cell(seconds: f64) -> String {
    let mut text = duration(seconds);
    if text.ends_with(" s") {
        text.push(' ');
    }
    text
}

/// CPUs in use: `1.42`.
pub(crate) fn cores(cores: f64) -> String {
    format!("{cores:.2}")
}

/// A count per second, or any large number: `14.0`, `12.3k`, `4.5M`.
pub(crate) fn rate(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 9_999.95 {
        format!("{value:.1}")
    } else if magnitude < 999_950.0 {
        format!("{:.1}k", value / 1e3)
    } else if magnitude < 999_950_000.0 {
        format!("{:.1}M", value / 1e6)
    } else {
        format!("{:.1}G", value / 1e9)
    }
}

/// A whole count: `512`, `12.3k`, `4.5M`.
pub(crate) fn count(value: u64) -> String {
    if value < 10_000 { value.to_string() } else { rate(value as f64) }
}

/// Bytes, decimal: `812 B`, `22.0 MB`.
pub(crate) fn bytes(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 999.5 {
        format!("{value:.0} B")
    } else if magnitude < 999_950.0 {
        format!("{:.1} kB", value / 1e3)
    } else if magnitude < 999_950_000.0 {
        format!("{:.1} MB", value / 1e6)
    } else {
        format!("{:.1} GB", value / 1e9)
    }
}

/// Bytes in as few columns as tell two digits: `812`, `6.2M`, `412M`, `1.9G`.
pub(crate) fn bytes_short(value: f64) -> String {
    const UNITS: [&str; 5] = ["", "k", "M", "G", "T"];
    let (mut value, mut unit) = (value, 0);
    // The bound is where rounding would show 1000.
    while value.abs() >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1e3, unit + 1);
    }
    let decimals = usize::from(unit > 0 && value.abs() < 9.95);
    format!("{value:.decimals$}{}", UNITS[unit])
}

/// A share as percent without decimals, for prose: `31 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A share as percent with one decimal, for columns: `31.0 %`.
pub(crate) fn percent_cell(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A small share as percent with two decimals: `0.31 %`.
pub(crate) fn percent_fine(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A value in a metric's UCUM unit.
pub(crate) fn value(unit: &str, value: f64) -> String {
    match unit {
        "s" => duration(value),
        "By" => bytes(value),
        _ => rate(value),
    }
}

/// A rate in a metric's UCUM unit per second. Seconds per second are written as such: CPUs, or threads waiting.
pub(crate) fn per_second(unit: &str, rate_: f64) -> String {
    match unit {
        "s" => format!("{rate_:.3} s/s"),
        "By" => format!("{}/s", bytes(rate_)),
        _ => format!("{}/s", rate(rate_)),
    }
}

/// A span of whole seconds in the largest unit that divides it: `10 s`, `1 m`, `5 m`, `1 h`.
pub(crate) fn span(span: std::time::Duration) -> String {
    match span.as_secs() {
        0 => format!("{} ms", span.as_millis()),
        s if s % 3600 == 0 => format!("{} h", s / 3600),
        s if s % 60 == 0 => format!("{} m", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_follow_the_value_and_keep_one_decimal() {
        for (seconds, expected) in [
            (0.0, "0.0 µs"),
            (0.4e-6, "0.4 µs"),
            (210e-6, "210.0 µs"),
            (999.94e-6, "999.9 µs"),
            (999.96e-6, "1.0 ms"),
            (38.1e-3, "38.1 ms"),
            (0.99996, "1.0 s"),
            (3444.0, "3444.0 s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
        assert_eq!(duration_cell(2.0), "2.0 s ");
        assert_eq!(duration_cell(0.002), "2.0 ms");
    }

    #[test]
    fn counts_and_bytes_change_unit_before_they_grow_wide() {
        for (value, expected) in
            [(0.0, "0.0"), (14.0, "14.0"), (9999.9, "9999.9"), (9999.96, "10.0k"), (1_234_567.0, "1.2M")]
        {
            assert_eq!(rate(value), expected);
        }
        for (value, expected) in [(0, "0"), (9999, "9999"), (12_345, "12.3k")] {
            assert_eq!(count(value), expected);
        }
        for (value, expected) in [(0.0, "0 B"), (812.0, "812 B"), (999.6, "1.0 kB"), (22e6, "22.0 MB")] {
            assert_eq!(bytes(value), expected);
        }
        for (value, expected) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.5, "1.0k"),
            (6.24e6, "6.2M"),
            (9.94e6, "9.9M"),
            (9.96e6, "10M"),
            (412e6, "412M"),
            (1.9e9, "1.9G"),
            (5e15, "5000T"),
        ] {
            assert_eq!(bytes_short(value), expected);
        }
    }

    #[test]
    fn shares_and_spans() {
        assert_eq!(percent(0.312), "31 %");
        assert_eq!(percent_cell(0.0), "0.0 %");
        assert_eq!(percent_fine(0.0031), "0.31 %");
        assert_eq!(cores(1.4249), "1.42");
        for (seconds, expected) in [(10, "10 s"), (60, "1 m"), (90, "90 s"), (300, "5 m"), (3600, "1 h")] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(per_second("s", 0.31), "0.310 s/s");
        assert_eq!(per_second("{switch}", 512.0), "512.0/s");
        assert_eq!(value("By", 1500.0), "1.5 kB");
    }
}
