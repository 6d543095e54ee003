//! The examination: loads what can be loaded, looks at what stands in the way of the rest, and lets go again.

use std::fs;

use procfs::process::Process;

use super::{Host, Report, State, Verdict};
use crate::{
    cgroups::Hierarchies,
    files::{CpuStat, Files},
    kernel::{self, Kernel, LoadError, btf::Btf},
    probes,
    status::{ProbeState, ProbeStatus},
};

/// Capabilities by number (linux/capability.h).
const PERFMON: (u32, &str) = (38, "CAP_PERFMON");
const BPF: (u32, &str) = (39, "CAP_BPF");
const SYS_ADMIN: u32 = 21;

/// What this host can do, with this config, for this user.
#[must_use]
pub fn examine(config: &kernel::Config, off: &[String]) -> Report {
    let cgroups = Hierarchies::find();
    let privileges = Privileges::read();
    let host = Host {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned()),
        btf: Btf::of_kernel().map_or_else(|error| format!("no ({error})"), |_| "yes".to_owned()),
        cgroup: match &cgroups {
            Ok(found) if found.cpu.as_ref() == Some(&found.identity) => "v2".to_owned(),
            Ok(_) => "v1 and v2 (hybrid)".to_owned(),
            Err(error) => format!("no ({error})"),
        },
        privileges: privileges.to_string(),
    };
    let loaded = Kernel::load(config, off);
    let files = Files::new(cgroups.as_ref(), off, true, |_| None).probes();
    let find = |all: &[ProbeStatus], name| all.iter().find(|status| status.name == name).cloned();
    let probes = probes::REGISTRY
        .iter()
        .map(|probe| {
            let mut verdict = match &loaded {
                // Then the agent does not start, whatever files would say.
                Err(error @ LoadError::NotPermitted) => of_failure(error, cgroups.is_ok(), &privileges),
                _ if !probe.has_programs() => of_status(find(&files, probe.name), "see docs/doctor.md"),
                Ok(kernel) => {
                    of_status(find(&kernel.probes(), probe.name), "a newer kernel: see docs/doctor.md")
                }
                Err(error) => of_failure(error, cgroups.is_ok(), &privileges),
            };
            if cgroups.is_err() && probe.has_programs() && verdict.state != State::Off {
                verdict.state = State::Part;
                push(&mut verdict.reason, "cgroups have no names here, only ids");
                push(&mut verdict.advice, "mount the host's cgroup2 file system at /sys/fs/cgroup");
            }
            Verdict { probe: probe.name.to_owned(), gives: probe.title.to_owned(), ..verdict }
        })
        .collect();
    Report { host, probes }
}

fn of_status(status: Option<ProbeStatus>, advice: &str) -> Verdict {
    let Some(status) = status else { return verdict(State::Off, "", "the agent does not know it", "") };
    let state = match status.state {
        ProbeState::On if status.reason.is_empty() => State::Ok,
        ProbeState::On => State::Part,
        ProbeState::Off => return verdict(State::Off, "", "switched off in the config", ""),
        ProbeState::Unsupported | ProbeState::Broken => State::Off,
    };
    let advice = if state == State::Ok { "" } else { advice };
    verdict(state, &status.rung, &status.reason, advice)
}

/// No program can be loaded: what is left are files, and what to do about it.
fn of_failure(error: &LoadError, files: bool, privileges: &Privileges) -> Verdict {
    match error {
        LoadError::NotPermitted => {
            let missing = privileges.missing();
            let (reason, advice) = if missing.is_empty() {
                (
                    "the kernel refuses bpf() to this process".to_owned(),
                    "look for a seccomp profile, a security module or lockdown".to_owned(),
                )
            } else {
                let list = missing.join(" and ");
                (format!("{list} missing"), format!("run as root, or add {list}"))
            };
            verdict(State::Off, "", &reason, &advice)
        }
        LoadError::NoBtf(_) if files => verdict(
            State::Part,
            CpuStat::RUNG,
            &error.to_string(),
            "a kernel built with CONFIG_DEBUG_INFO_BTF, and /sys mounted",
        ),
        _ if files => {
            verdict(State::Part, CpuStat::RUNG, &error.to_string(), "a kernel from 5.14: see docs/doctor.md")
        }
        _ => verdict(State::Off, "", &error.to_string(), "see docs/doctor.md"),
    }
}

fn verdict(state: State, stands_on: &str, reason: &str, advice: &str) -> Verdict {
    Verdict {
        probe: String::new(),
        state,
        gives: String::new(),
        stands_on: stands_on.to_owned(),
        reason: reason.to_owned(),
        advice: advice.to_owned(),
    }
}

fn push(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(more);
}

/// Who we are to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Privileges {
    root: bool,
    effective: u64,
}

impl Privileges {
    fn read() -> Privileges {
        let status = Process::myself().and_then(|own| own.status());
        Privileges {
            root: status.as_ref().is_ok_and(|status| status.euid == 0),
            effective: status.map_or(0, |status| status.capeff),
        }
    }

    fn has(self, capability: u32) -> bool {
        self.effective >> capability & 1 == 1
    }

    /// Of what loading takes.
    fn missing(self) -> Vec<&'static str> {
        if self.has(SYS_ADMIN) {
            return Vec::new();
        }
        [BPF, PERFMON].into_iter().filter(|(number, _)| !self.has(*number)).map(|(_, name)| name).collect()
    }
}

impl std::fmt::Display for Privileges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = if self.root { "root" } else { "not root" };
        let missing = self.missing();
        match missing.is_empty() {
            true if self.root => f.write_str(user),
            true => write!(f, "{user}, CAP_BPF CAP_PERFMON"),
            false => write!(f, "{user}, without {}", missing.join(" and ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_what_to_do_too() {
        let without =
            |capability: u32| Privileges { root: true, effective: !(1 << capability) & !(1 << SYS_ADMIN) };
        let denied = LoadError::NotPermitted;
        for (privileges, reason, advice) in [
            (without(BPF.0), "CAP_BPF missing", "run as root, or add CAP_BPF"),
            (without(PERFMON.0), "CAP_PERFMON missing", "run as root, or add CAP_PERFMON"),
            (
                Privileges { root: false, effective: 0 },
                "CAP_BPF and CAP_PERFMON missing",
                "run as root, or add CAP_BPF and CAP_PERFMON",
            ),
        ] {
            let verdict = of_failure(&denied, true, &privileges);
            assert_eq!(
                (verdict.state, verdict.reason.as_str(), verdict.advice.as_str()),
                (State::Off, reason, advice)
            );
        }
        let all = Privileges { root: true, effective: u64::MAX };
        assert_eq!(all.to_string(), "root");
        assert!(of_failure(&denied, true, &all).reason.contains("refuses"));
    }

    #[test]
    fn without_type_information_files_are_left() {
        let hidden = LoadError::NoBtf("no such file".to_owned());
        let none = Privileges { root: true, effective: u64::MAX };
        assert_eq!(of_failure(&hidden, true, &none).state, State::Part);
        assert_eq!(of_failure(&hidden, false, &none).state, State::Off);
    }
}
