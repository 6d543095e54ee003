//! Tests that need root: the agent against this kernel, beside oracles that do not come from it.
//!
//! Without root the target says so and ends, with no test passed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cpu;
mod faults;
mod histogram;
mod identity;
mod ledger;
mod life;
mod measure;
mod memory;
mod questions;
mod quota;
mod refused;
mod rig;
mod sched;
mod waits;

use std::{
    io::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Each test begins with this: it has root, and the machine for itself until the guard is dropped.
fn root() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    if !rustix::process::geteuid().is_root() {
        // Not through libtest, which would show it only for a test that fails.
        let _ = std::io::stderr().write_all(b"skipped: not root\n");
        std::process::exit(0);
    }
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
