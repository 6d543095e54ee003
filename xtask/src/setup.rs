//! `setup`: finds the toolchain that builds the kernel side, or installs it: Debian's where there is apt, else rustup's.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{repo, toolchain};

/// The linker's version: the one that the kernel side is tested with.
const LINKER: &str = "0.13.0";
/// Debian's compiler, its cargo, the library's sources, and the LLVM that all of them are built on.
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev"];
/// Where that LLVM is, for the linker's build.
const LLVM: &str = "/usr/lib/llvm-22";

/// Installs what is missing and says so; says so too when nothing is.
pub(crate) fn run() -> Result<()> {
    if let Ok(found) = toolchain::find() {
        println!(
            "nothing to do: {} and {} build the kernel side",
            found.rustc.display(),
            found.linker.display()
        );
        return Ok(());
    }
    ensure()
}

/// The same, silent when nothing is missing.
pub(crate) fn ensure() -> Result<()> {
    if toolchain::find().is_ok() {
        return Ok(());
    }
    if repo::on_path("apt-get") && debian_has_packages()? {
        debian()?;
    } else if repo::on_path("rustup") {
        rustup()?;
    } else {
        bail!(
            "neither Debian's packages nor rustup is to be had: install rustup (https://rustup.rs), then try again"
        );
    }
    let found = toolchain::find().context("still incomplete after the installation")?;
    println!("done: {} and {} build the kernel side", found.rustc.display(), found.linker.display());
    Ok(())
}

/// Whether this machine's package lists know the compiler; asks for newer lists once where they do not.
fn debian_has_packages() -> Result<bool> {
    if knows_packages() {
        return Ok(true);
    }
    if !repo::is_root() {
        // Without root the lists stay as they are; rustup may still do.
        return Ok(false);
    }
    println!("apt-get update: the package lists here do not know {}", PACKAGES[0]);
    repo::must(Command::new("apt-get").args(["update", "-qq"]))?;
    Ok(knows_packages())
}

fn knows_packages() -> bool {
    Command::new("apt-cache")
        .args(["show", "--no-all-versions"])
        .args(PACKAGES)
        .output()
        .is_ok_and(|output| output.status.success())
}

fn debian() -> Result<()> {
    if toolchain::compiler().is_none() || toolchain::linker().is_none() {
        if !repo::is_root() {
            bail!("not root: run `apt-get install {}` as root, then try again", PACKAGES.join(" "));
        }
        println!(
            "apt-get install {}: a compiler with its library's sources, and LLVM for the linker",
            PACKAGES.join(" ")
        );
        repo::must(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(["install", "-y", "-qq", "--no-install-recommends"])
                .args(PACKAGES),
        )?;
    }
    if toolchain::linker().is_none() {
        println!("cargo install bpf-linker {LINKER}: links eBPF programs, built on Debian's LLVM");
        repo::must(
            repo::cargo()
                .env("LLVM_PREFIX", LLVM)
                .args(["install", "bpf-linker", "--version", LINKER, "--locked"])
                .args(["--no-default-features", "--features", "llvm-22"]),
        )?;
    }
    Ok(())
}

fn rustup() -> Result<()> {
    if toolchain::compiler().is_none() {
        println!(
            "rustup toolchain install nightly with rust-src: `core` is built for the eBPF target from its sources"
        );
        repo::must(Command::new("rustup").args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]))?;
    }
    if toolchain::linker().is_none() {
        // Its authors advise against building it: it wants the LLVM that rustc was built on.
        if !repo::on_path("cargo-binstall") {
            println!("cargo install cargo-binstall: fetches the linker as its authors built it");
            repo::must(repo::cargo().args(["install", "cargo-binstall", "--locked"]))?;
        }
        println!("cargo binstall bpf-linker: links eBPF programs");
        repo::must(repo::cargo().args(["binstall", "--no-confirm", "bpf-linker"]))?;
    }
    Ok(())
}
