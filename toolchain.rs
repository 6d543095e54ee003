//! Finds the toolchain that builds the kernel side; shared by the agent's build script and `cargo xtask setup`, so std only.
//!
//! eBPF programs are built with `-Z build-std=core`: that takes the library's sources beside the compiler, and a linker
//! that emits BPF. Two compilers qualify: a system Rust that ships its sources (Debian: `rustc-web`, `rust-web-src`), with
//! the unstable flag unlocked, and rustup's nightly with the component `rust-src`.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest system Rust that builds the kernel side. An older one has an older LLVM than the linker is tested with.
const OLDEST: (u32, u32) = (1, 96);

/// What builds the kernel side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// Run this cargo...
    pub(crate) cargo: PathBuf,
    /// ...with this compiler...
    pub(crate) rustc: PathBuf,
    /// ...with these variables set...
    pub(crate) env: Vec<(&'static str, String)>,
    /// ...and this linker.
    pub(crate) linker: PathBuf,
}

impl Toolchain {
    /// That cargo, deaf to whatever the cargo that runs us has set for its own children: flags, wrappers (clippy is one)
    /// and rustup's choice of toolchain would all be passed on to a compiler that they are not meant for.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let foreign =
                text.starts_with("CARGO") && text != "CARGO_HOME" && !text.starts_with("CARGO_NET_")
                    || text.starts_with("RUST") && text != "RUST_LOG" && text != "RUSTUP_HOME"
                    || ["TARGET", "HOST", "OUT_DIR", "DEP_"].iter().any(|own| text.starts_with(own));
            if foreign && !text.starts_with("CARGO_HTTP_") && !text.starts_with("CARGO_REGISTR") {
                command.env_remove(&name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// What is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// No compiler with the library's sources.
    Compiler,
    /// No bpf-linker.
    Linker,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Compiler => "no Rust compiler that can build eBPF programs: run cargo xtask setup",
            Missing::Linker => "no bpf-linker to link eBPF programs with: run cargo xtask setup",
        })
    }
}

impl std::error::Error for Missing {}

/// Finds it.
///
/// # Errors
/// When the compiler or the linker is missing.
pub(crate) fn find() -> Result<Toolchain, Missing> {
    let (cargo, rustc) = compiler().ok_or(Missing::Compiler)?;
    let linker = linker().ok_or(Missing::Linker)?;
    let env = vec![
        // Cargo must not pick the compiler that stands first on PATH.
        ("RUSTC", rustc.display().to_string()),
        // A system Rust is a stable one; `-Z build-std` wants this. Nightly does not mind.
        ("RUSTC_BOOTSTRAP", "1".to_owned()),
        ("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker.display().to_string()),
        ("CARGO_TARGET_BPFEB_UNKNOWN_NONE_LINKER", linker.display().to_string()),
    ];
    Ok(Toolchain { cargo, rustc, env, linker })
}

/// A cargo and its rustc with the library's sources.
pub(crate) fn compiler() -> Option<(PathBuf, PathBuf)> {
    system_rust(Path::new("/usr/bin")).or_else(nightly)
}

/// bpf-linker, on PATH or where cargo installs.
pub(crate) fn linker() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    env::split_paths(&path)
        .chain(cargo_home.map(|home| home.join("bin")))
        .map(|dir| dir.join("bpf-linker"))
        .find(|file| file.is_file())
}

/// The distribution's own Rust, where it is new enough and its sources are there.
fn system_rust(bin: &Path) -> Option<(PathBuf, PathBuf)> {
    let (cargo, rustc) = (bin.join("cargo"), bin.join("rustc"));
    if !cargo.is_file() || !rustc.is_file() {
        return None;
    }
    let version = output(Command::new(&rustc).arg("--version"))?;
    let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
    qualifies(&version, Path::new(&sysroot)).then_some((cargo, rustc))
}

fn qualifies(version_text: &str, sysroot: &Path) -> bool {
    version(version_text).is_some_and(|version| version >= OLDEST) && has_sources(sysroot)
}

/// rustup's nightly, where it is installed with `rust-src`.
fn nightly() -> Option<(PathBuf, PathBuf)> {
    // `--print sysroot` through rustup would install a missing toolchain; `rustup which` only looks.
    let rustc =
        PathBuf::from(output(Command::new("rustup").args(["which", "--toolchain", "nightly", "rustc"]))?);
    let bin = rustc.parent()?;
    let cargo = bin.join("cargo");
    (cargo.is_file() && has_sources(bin.parent()?)).then_some((cargo, rustc))
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").is_file()
}

/// (1, 96) of `rustc 1.96.0 (ac68faa20 2026-05-25)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What a command prints, trimmed; `None` when it cannot be run or fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::fs;

    use super::*;

    #[test]
    fn a_system_rust_must_be_new_enough_and_have_sources() {
        let (bare, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let core = full.path().join("lib/rustlib/src/rust/library/core/src");
        fs::create_dir_all(&core).unwrap();
        fs::write(core.join("lib.rs"), "").unwrap();
        let cases = [
            ("rustc 1.96.0 (ac68faa20 2026-05-25)", &full, true),
            ("rustc 1.100.1", &full, true),
            ("rustc 2.0.0", &full, true),
            ("rustc 1.95.9", &full, false),
            ("rustc 1.96.0", &bare, false),
            ("rustc", &full, false),
            ("rustc one.two", &full, false),
        ];
        for (version, sysroot, expected) in cases {
            assert_eq!(qualifies(version, sysroot.path()), expected, "{version} in {sysroot:?}");
        }
        assert_eq!(system_rust(Path::new("/nonexistent")), None);
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        for missing in [Missing::Compiler, Missing::Linker] {
            assert!(missing.to_string().ends_with(": run cargo xtask setup"), "{missing}");
        }
    }

    #[test]
    fn its_cargo_hears_nothing_of_ours() {
        let (cargo, rustc, linker) = ("/x/cargo".into(), "/x/rustc".into(), "/x/bpf-linker".into());
        let toolchain = Toolchain { cargo, rustc, env: vec![("RUSTC", "/x/rustc".into())], linker };
        let command = toolchain.command();
        let set = |name: &str| command.get_envs().find(|(n, _)| *n == name).and_then(|(_, value)| value);
        // Set by the cargo that runs this test.
        assert!(env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(command.get_envs().any(|(name, value)| name == "CARGO_MANIFEST_DIR" && value.is_none()));
        assert_eq!(set("RUSTC").unwrap(), "/x/rustc");
    }
}
