//! The command line.
//!
//! - *Takes*: answers over gRPC.
//! - *Gives*: screens.
//! - *Never*: the kernel, the store.
mod text;
mod units;
