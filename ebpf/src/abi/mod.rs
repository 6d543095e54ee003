//! What crosses between kernel and user space: layouts and bucket math, compiled for both targets.
//!
//! - *Takes*: nothing.
//! - *Gives*: shapes.
//! - *Never*: helpers, names of probes.

pub mod cell;
pub mod constant;
pub mod field;
pub mod histogram;
pub mod host;
pub mod ledger;
