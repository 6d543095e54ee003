//! The examination: loads the programs as the agent would, looks how they stand, and lets go of them again.

use std::{fs, path::Path};

use super::{Host, Report, State, Verdict};
use crate::{
    cgroups::{CgroupError, Hierarchies},
    config::Config,
    kernel::{Kernel, LoadError},
    probes::REGISTRY,
    status::{ProbeState, ProbeStatus},
};

/// Examines this host. Needs the agent's own privileges to find what the agent would.
#[must_use]
pub fn examine() -> Report {
    let probes = match Kernel::load(&Config::default().kernel, &[]) {
        Ok(kernel) => kernel.probes().iter().map(verdict).collect(),
        Err(error) => REGISTRY
            .iter()
            .map(|probe| Verdict {
                probe: probe.name.to_owned(),
                state: State::Off,
                gives: probe.title.to_owned(),
                stands_on: String::new(),
                reason: error.to_string(),
                advice: advice(&error).to_owned(),
            })
            .collect(),
    };
    Report { host: host(), probes }
}

fn verdict(status: &ProbeStatus) -> Verdict {
    let title =
        REGISTRY.iter().find(|probe| probe.name == status.name).map_or(status.name, |probe| probe.title);
    Verdict {
        probe: status.name.to_owned(),
        state: match status.state {
            ProbeState::On if status.reason.is_empty() => State::Ok,
            ProbeState::On => State::Part,
            ProbeState::Off | ProbeState::Unsupported | ProbeState::Broken => State::Off,
        },
        gives: title.to_owned(),
        stands_on: status.rung.clone(),
        reason: status.reason.clone(),
        advice: String::new(),
    }
}

fn advice(error: &LoadError) -> &'static str {
    match error {
        LoadError::NoBtf(_) => "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y",
        LoadError::NotPermitted(_) => {
            "run as root, or give the binary CAP_BPF and CAP_PERFMON (setcap cap_bpf,cap_perfmon+ep)"
        }
        LoadError::Other(_) => "",
    }
}

fn host() -> Host {
    Host {
        kernel: line("/proc/sys/kernel/osrelease"),
        btf: if Path::new("/sys/kernel/btf/vmlinux").exists() { "yes" } else { "no" }.to_owned(),
        cgroup: match Hierarchies::find() {
            Ok(hierarchies) if hierarchies.cpu.as_ref() == Some(&hierarchies.identity) => "v2".to_owned(),
            Ok(_) => "v1 and v2 (hybrid)".to_owned(),
            Err(CgroupError::NoV2) => "no v2".to_owned(),
            Err(error) => error.to_string(),
        },
        privileges: privileges(&fs::read_to_string("/proc/self/status").unwrap_or_default()),
    }
}

fn line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// Root, or which of the two capabilities that matter we have.
fn privileges(status: &str) -> String {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let root = field("Uid:").and_then(|ids| ids.split_whitespace().nth(1)) == Some("0");
    let effective = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    let held: Vec<&str> = [("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_SYS_ADMIN", 21)]
        .into_iter()
        .filter(|(_, bit)| effective >> bit & 1 == 1)
        .map(|(name, _)| name)
        .collect();
    match (root, held.is_empty()) {
        (true, false) => "root".to_owned(),
        (true, true) => "root without capabilities".to_owned(),
        (false, false) => format!("no root, {}", held.join(" ")),
        (false, true) => "no root, no capabilities".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_by_capability() {
        for (uid, effective, expected) in [
            ("0", "000001ffffffffff", "root"),
            ("0", "0000000000000000", "root without capabilities"),
            ("1000", "000000c000000000", "no root, CAP_BPF CAP_PERFMON"),
            ("1000", "0000000000000000", "no root, no capabilities"),
        ] {
            let status = format!("Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{effective}\n");
            assert_eq!(privileges(&status), expected);
        }
        assert_eq!(privileges(""), "no root, no capabilities");
    }
}
