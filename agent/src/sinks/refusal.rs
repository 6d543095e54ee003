//! Why a request gets no answer, and how gRPC says so: a code, one line, and the standard error details.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::store::SelectError;

/// How long a client should wait before it asks an overloaded agent again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// A field of the request is wrong.
    #[error("{field}: {why}")]
    Invalid {
        /// The field's path in the request.
        field: String,
        /// What is wrong with it, and what was perhaps meant.
        why: String,
    },
    /// The history does not hold it.
    #[error(transparent)]
    NotStored(SelectError),
    /// Too many of this kind are already being served.
    #[error("too many {what} at once: {limit} are being served, try again later")]
    Busy {
        /// Of what.
        what: &'static str,
        /// How many are served at once.
        limit: usize,
    },
    /// The answer is larger than a message may be.
    #[error(
        "the answer has {size} bytes, more than {limit}: narrow it with `where`, or fold it with `by` or `limit`"
    )]
    TooLarge {
        /// Its size, bytes.
        size: usize,
        /// The most that is sent, bytes.
        limit: usize,
    },
    /// It took too long.
    #[error("no answer within {} s: the agent is overloaded, or the question too wide", .within.as_secs())]
    Late {
        /// How long it may take.
        within: Duration,
    },
    /// The agent's own fault.
    #[error("internal error: {0}")]
    Internal(&'static str),
}

impl Refusal {
    /// A field is wrong.
    pub(super) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Refusal {
        Refusal::Invalid { field: field.into(), why: why.into() }
    }
}

impl From<SelectError> for Refusal {
    fn from(error: SelectError) -> Refusal {
        match error {
            SelectError::EmptyRange => Refusal::invalid("range", error.to_string()),
            SelectError::NotStored { .. } => Refusal::NotStored(error),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let line = refusal.to_string();
        match refusal {
            Refusal::Invalid { field, why } => Status::with_error_details(
                Code::InvalidArgument,
                line,
                ErrorDetails::with_bad_request_violation(field, why),
            ),
            Refusal::NotStored(_) => Status::out_of_range(line),
            Refusal::Busy { .. } => Status::with_error_details(
                Code::ResourceExhausted,
                line,
                ErrorDetails::with_retry_info(Some(RETRY_AFTER)),
            ),
            Refusal::TooLarge { .. } => Status::resource_exhausted(line),
            Refusal::Late { .. } => Status::deadline_exceeded(line),
            Refusal::Internal(_) => Status::internal(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Utc;

    #[test]
    fn each_refusal_has_its_code() {
        let not_stored = SelectError::NotStored { held: Duration::from_secs(300), newest: Utc(0) };
        for (refusal, code) in [
            (Refusal::invalid("metric", "unknown"), Code::InvalidArgument),
            (SelectError::EmptyRange.into(), Code::InvalidArgument),
            (not_stored.into(), Code::OutOfRange),
            (Refusal::Busy { what: "queries", limit: 1 }, Code::ResourceExhausted),
            (Refusal::TooLarge { size: 2, limit: 1 }, Code::ResourceExhausted),
            (Refusal::Late { within: RETRY_AFTER }, Code::DeadlineExceeded),
            (Refusal::Internal("x"), Code::Internal),
        ] {
            let line = refusal.to_string();
            let status = Status::from(refusal);
            assert_eq!(status.code(), code, "{line}");
            assert_eq!(status.message(), line);
        }
    }

    #[test]
    fn details_name_the_field_and_the_delay() {
        let status = Status::from(Refusal::invalid("where[2].key", "unknown label"));
        let violations = status.get_details_bad_request().map(|b| b.field_violations).unwrap_or_default();
        assert_eq!(violations.first().map(|v| v.field.as_str()), Some("where[2].key"));
        let status = Status::from(Refusal::Busy { what: "streams", limit: 2 });
        assert_eq!(status.get_details_retry_info().and_then(|r| r.retry_delay), Some(RETRY_AFTER));
    }
}
