//! The command line.
//!
//! - *Takes*: answers over gRPC.
//! - *Gives*: screens.
//! - *Never*: the kernel, the store.
mod args;
mod bars;
mod connect;
mod doctor;
mod error;
mod json;
mod metrics;
mod out;
mod query;
mod signals;
mod status;
mod table;
mod text;
mod top;
mod units;
mod when;
