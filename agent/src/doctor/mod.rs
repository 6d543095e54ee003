//! Asks the ladder what this host can do, and says what to do about the rest.
//!
//! - *Takes*: the host.
//! - *Gives*: a verdict for each probe.
//! - *Never*: the store, the ways out.
