//! The command line.
//!
//! - *Takes*: answers over gRPC.
//! - *Gives*: screens.
//! - *Never*: the kernel, the store.
mod args;
mod connect;
mod error;
mod json;
mod out;
mod table;
mod text;
mod units;
mod when;
