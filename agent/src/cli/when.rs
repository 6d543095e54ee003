//! Instants and stretches of time: as people write them, as the wire carries them, as answers print them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use rajut_proto::v1::{TimeRange, Window};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::config::values;

/// An instant as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// So long before now.
    Ago(Duration),
    /// Itself.
    At(SystemTime),
}

impl When {
    /// `now`, `-5m`, or RFC 3339.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn parse(text: &str) -> Result<When, String> {
        if text == "now" {
            return Ok(When::Ago(Duration::ZERO));
        }
        if let Some(ago) = text.strip_prefix('-') {
            return values::duration(ago).map(When::Ago);
        }
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|at| When::At(at.into()))
            .map_err(|_| format!("`{text}` is no time: write it as -5m, now, or 2026-01-31T12:00:00Z"))
    }

    /// On the wire.
    pub(crate) fn timestamp(self, now: SystemTime) -> Timestamp {
        match self {
            When::Ago(ago) => now.checked_sub(ago).unwrap_or(UNIX_EPOCH).max(UNIX_EPOCH),
            When::At(at) => at,
        }
        .into()
    }
}

/// The last so much time, on the wire.
pub(crate) fn last(span: Duration) -> TimeRange {
    TimeRange { last: prost_types::Duration::try_from(span).ok(), ..TimeRange::default() }
}

/// An instant of an answer.
pub(crate) fn instant(timestamp: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// RFC 3339 in UTC; `None` where there is none, or none that this format can say.
pub(crate) fn rfc3339(timestamp: Option<&Timestamp>) -> Option<String> {
    instant(timestamp?)?.to_offset(UtcOffset::UTC).format(&Rfc3339).ok()
}

/// Hours, minutes and seconds in UTC.
pub(crate) fn clock(timestamp: Option<&Timestamp>) -> String {
    match timestamp.and_then(instant) {
        Some(at) => format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
        None => super::units::NONE.to_owned(),
    }
}

/// How long a window is; zero where it is not told.
pub(crate) fn length(window: Option<&Window>) -> Duration {
    let bounds = window.and_then(|w| Some((instant(w.start.as_ref()?)?, instant(w.end.as_ref()?)?)));
    bounds.and_then(|(start, end)| Duration::try_from(end - start).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn instants_as_people_write_them() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (text, seconds, nanos) in [
            ("now", 1_000_000, 0),
            ("-5m", 999_700, 0),
            ("-9999d", 0, 0),
            ("1970-01-01T00:01:00Z", 60, 0),
            ("1970-01-01T01:01:00.5+01:00", 60, 500_000_000),
        ] {
            assert_eq!(When::parse(text).unwrap().timestamp(now), Timestamp { seconds, nanos }, "{text}");
        }
        for text in ["", "5m", "-", "-5", "yesterday", "2026-01-31"] {
            assert!(When::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn instants_as_answers_print_them() {
        let at = Timestamp { seconds: 1_767_225_600, nanos: 0 };
        assert_eq!(rfc3339(Some(&at)).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(clock(Some(&at)), "00:00:00");
        assert_eq!(rfc3339(None), None);
        assert_eq!(rfc3339(Some(&Timestamp { seconds: i64::MAX, nanos: -1 })), None);
        let window = Window { start: Some(at), end: Some(Timestamp { seconds: at.seconds + 10, nanos: 0 }) };
        assert_eq!(length(Some(&window)), Duration::from_secs(10));
        let backwards = Window { start: window.end, end: window.start };
        assert_eq!(length(Some(&backwards)), Duration::ZERO);
        assert_eq!(length(None), Duration::ZERO);
    }
}
