//! Tests that need no privilege: the command line as a person and a script meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod errors;
mod help;
mod load;
