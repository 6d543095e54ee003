//! What the programs say of their own runs: the ledger, the probes' state, and what their maps take.

use std::{collections::BTreeMap, fs};

use aya::programs::BtfTracePoint;
use rajut_ebpf::abi::ledger::{Ledger, Program};

use super::{Kernel, program_info};
use crate::{
    probes::sched,
    status::{LedgerRow, ProbeState, ProbeStatus},
};

/// A program's counts, over all CPUs.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProgramTotals {
    /// Its own.
    pub ledger: Ledger,
    /// Events that the kernel did not hand to it.
    pub misses: u64,
}

impl Kernel {
    pub(super) fn totals(&self, program: Program) -> ProgramTotals {
        let cpus = self.loaded.topology.possible as usize;
        let mut sum = Ledger::default();
        for cpu in 0..cpus {
            let ledger = self.settled(program as usize * cpus + cpu);
            // Exhaustive, so that a new count is not forgotten here.
            let Ledger { attempted, applied, folded, no_storage, no_cell, timed, timed_ns, reserved: _ } =
                ledger;
            sum.attempted += attempted;
            sum.applied += applied;
            sum.folded += folded;
            sum.no_storage += no_storage;
            sum.no_cell += no_cell;
            sum.timed += timed;
            sum.timed_ns += timed_ns;
        }
        ProgramTotals { ledger: sum, misses: self.misses(program) }
    }

    /// A ledger as it stands between two runs: a run in flight has counted its entry and not yet its end.
    fn settled(&self, index: usize) -> Ledger {
        let mut ledger = Ledger::default();
        for _ in 0..16 {
            ledger = self.loaded.ledgers.get(index).unwrap_or_default();
            if ledger.attempted == ledger.applied + ledger.no_storage + ledger.no_cell {
                break;
            }
            std::hint::spin_loop();
        }
        ledger
    }

    /// Events that the kernel did not hand to the program.
    fn misses(&self, program: Program) -> u64 {
        let name = match (program, self.loaded.sched.rung) {
            (Program::Switch, Some(rung)) => rung.program,
            _ => return 0,
        };
        self.loaded
            .object
            .program(name)
            .and_then(|program| <&BtfTracePoint>::try_from(program).ok())
            .and_then(|program| program.fd().ok())
            .and_then(|fd| {
                use std::os::fd::{AsFd as _, AsRawFd as _};
                program_info::counts(&fd.as_fd().as_raw_fd()).ok()
            })
            .map_or(0, |counts| counts.misses)
    }

    pub(super) fn ledger_rows(&self) -> Vec<LedgerRow> {
        let Some(rung) = self.loaded.sched.rung else { return Vec::new() };
        Program::ALL
            .into_iter()
            .filter(|program| *program != Program::Flush || rung.bills_tasks)
            .map(|program| {
                let ProgramTotals { ledger, misses } = self.totals(program);
                let reasons = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
                    pairs.iter().filter(|(_, n)| *n != 0).map(|(r, n)| ((*r).to_owned(), *n)).collect()
                };
                LedgerRow {
                    source: program.name().to_owned(),
                    misses,
                    attempted: ledger.attempted,
                    applied: ledger.applied,
                    folded: ledger.folded,
                    dropped: reasons(&[("no_storage", ledger.no_storage), ("no_cell", ledger.no_cell)]),
                    details_dropped: BTreeMap::new(),
                }
            })
            .collect()
    }

    pub(super) fn probe_status(&self) -> Vec<ProbeStatus> {
        let verdict = &self.loaded.sched;
        let switch = &self.last.programs[Program::Switch as usize].ledger;
        let state = match verdict.rung {
            Some(_) => ProbeState::On,
            None if verdict.reasons.is_empty() => ProbeState::Off,
            None => ProbeState::Unsupported,
        };
        vec![ProbeStatus {
            name: sched::PROBE.name,
            state,
            programs: verdict.rung.is_some(),
            rung: verdict.rung.map_or_else(String::new, |rung| rung.title.to_owned()),
            reason: self.reasons().join("; "),
            runs: switch.attempted,
            ns_per_run: ns_per_run(switch),
            cpu_share: self.last.share,
        }]
    }

    fn reasons(&self) -> Vec<String> {
        let mut reasons = self.loaded.sched.reasons.clone();
        if self.bills_tasks() && !self.loaded.quota {
            reasons.push(
                "waits are not told apart by cause: this kernel (before 6.12) does not say when".to_owned(),
            );
        }
        reasons
    }

    /// Each map's `memlock` in fdinfo: what the kernel charges for it.
    pub(super) fn map_memory(&self) -> u64 {
        use std::os::fd::{AsFd as _, AsRawFd as _};
        self.loaded
            .object
            .maps()
            .filter_map(|(_, map)| super::load::data(map))
            .filter_map(|data| {
                let path = format!("/proc/self/fdinfo/{}", data.fd().as_fd().as_raw_fd());
                let text = fs::read_to_string(path).ok()?;
                text.lines().find_map(|line| line.strip_prefix("memlock:"))?.trim().parse::<u64>().ok()
            })
            .sum()
    }
}

/// What one run takes, ns, as far as runs were timed.
pub(super) fn ns_per_run(ledger: &Ledger) -> Option<f64> {
    (ledger.timed != 0).then(|| ledger.timed_ns as f64 / ledger.timed as f64)
}
