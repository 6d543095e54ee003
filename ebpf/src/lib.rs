//! The kernel side of Rajut, and the one definition of what crosses between kernel and user space.
//!
//! `abi` is compiled for both targets. `kern` exists only inside the kernel object.

#![cfg_attr(
    target_arch = "bpf",
    no_std,
    feature(core_intrinsics, asm_experimental_arch),
    allow(internal_features)
)]

pub mod abi;
#[cfg(target_arch = "bpf")]
pub mod kern;
