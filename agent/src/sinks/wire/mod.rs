//! The only place that knows both the generated types and the model: requests become questions, answers become messages.
//!
//! Pure: no store, no clock, no I/O.

pub(super) mod answer;
pub(super) mod ask;

#[cfg(test)]
mod tests;
