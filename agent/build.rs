//! Builds the kernel object with the toolchain that can, and hands its path to the crate.

use std::{
    env,
    path::{Path, PathBuf},
};

#[path = "../toolchain.rs"]
mod toolchain;

fn main() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let manifest = Path::new("..").join("ebpf").join("Cargo.toml");
    for input in ["../ebpf/src", "../ebpf/Cargo.toml", "../toolchain.rs", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={input}");
    }
    let target = match env::var("CARGO_CFG_TARGET_ENDIAN").as_deref() {
        Ok("big") => "bpfeb-unknown-none",
        _ => "bpfel-unknown-none",
    };
    let toolchain = toolchain::find().map_err(|missing| missing.to_string())?;
    let dir = out.join("ebpf");
    let status = toolchain
        .command()
        .args(["build", "--quiet", "--release", "--locked", "--bin", "rajut-probes", "-Z", "build-std=core"])
        .args(["--target", target, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&dir)
        // The atomics that are used here are in instruction set v3; maps and programs carry BTF.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-cpu=v3\u{1f}-Cdebuginfo=2\u{1f}-Clink-arg=--btf")
        .status()
        .map_err(|error| format!("cannot run {}: {error}", toolchain.cargo.display()))?;
    if !status.success() {
        return Err("the kernel side does not build: see the errors above".to_owned());
    }
    println!("cargo::rustc-env=RAJUT_OBJECT={}", dir.join(target).join("release/rajut-probes").display());
    Ok(())
}
