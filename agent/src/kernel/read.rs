//! From maps to a `Reading`, to the ledger and to the probes' state; and slots given back.

use std::{collections::BTreeMap, fs, ptr, time::Instant};

use aya::{
    TestRun as _,
    maps::{HashMap, MapError},
    programs::{BtfTracePoint, RawTracePoint, RawTracePointRunOptions},
};
use rajut_ebpf::abi::{
    cell::{Cell, FIRST, KERNEL, OTHER, RAJUT},
    ledger::{Ledger, Program},
};

use super::{
    Kernel,
    load::{program, queue},
    program_info,
};
use crate::{
    model::{EntityId, Histogram, Lost, Reading, Values},
    probes::{Column, sched},
    status::{LedgerRow, ProbeState, ProbeStatus},
};

/// What the last reading saw, to tell what came after it.
#[derive(Debug)]
pub struct Last {
    at: Instant,
    programs: [ProgramTotals; Program::ALL.len()],
    /// The probe's share of one CPU between the last two readings.
    share: Option<f64>,
    flushes: u64,
    columns: Columns,
}

/// Readings between two looks at which CPUs are online.
const LOOK_FOR_CPUS: u64 = 10;

#[derive(Debug, Clone, Copy, Default)]
struct ProgramTotals {
    ledger: Ledger,
    misses: u64,
}

/// The columns of `sched`, looked up once.
#[derive(Debug)]
struct Columns {
    latency: Option<Column>,
    contention: Option<Column>,
    quota: Option<Column>,
    ran: Option<Column>,
    voluntary: Option<Column>,
    involuntary: Option<Column>,
}

impl Last {
    /// Before the first reading.
    pub fn new(at: Instant) -> Last {
        Last {
            at,
            programs: Default::default(),
            share: None,
            flushes: 0,
            columns: Columns {
                latency: Column::of(sched::LATENCY, None),
                contention: Column::of(sched::WAIT, Some("contention")),
                quota: Column::of(sched::WAIT, Some("quota")),
                ran: Column::of(sched::TIME, None),
                voluntary: Column::of(sched::SWITCHES, Some("voluntary")),
                involuntary: Column::of(sched::SWITCHES, Some("involuntary")),
            },
        }
    }
}

impl Kernel {
    /// Has each CPU bill the task that it is running. A CPU that went away since is no error: nothing runs there.
    pub(super) fn flush(&mut self) {
        if !self.bills_tasks() {
            return;
        }
        self.last.flushes += 1;
        if self.last.flushes.is_multiple_of(LOOK_FOR_CPUS)
            && let Ok(online) = aya::util::online_cpus()
        {
            self.loaded.topology.online = online;
        }
        let cpus = self.loaded.topology.online.clone();
        let Ok(flush) = program::<RawTracePoint>(&mut self.loaded.object, Program::Flush.name()) else {
            return;
        };
        for cpu in cpus {
            if let Err(error) =
                flush.test_run(RawTracePointRunOptions { cpu: Some(cpu), ..Default::default() })
            {
                tracing::debug!(cpu, %error, "cannot bill the task that runs there");
            }
        }
    }

    /// One bpf() call of each sort that reading makes.
    pub(super) fn try_bpf(&mut self) -> anyhow::Result<()> {
        if self.bills_tasks() {
            let flush: &mut RawTracePoint = program(&mut self.loaded.object, Program::Flush.name())?;
            flush.test_run(RawTracePointRunOptions::default())?;
        }
        if let Some(map) = self.loaded.object.map_mut("SLOT_OF") {
            match HashMap::<_, u64, u32>::try_from(map)?.get(&0, 0) {
                Ok(_) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn bills_tasks(&self) -> bool {
        self.loaded.sched.rung.is_some_and(|rung| rung.bills_tasks)
    }

    pub(super) fn read_maps(&mut self) -> Reading {
        let mut rows = Vec::new();
        if self.loaded.sched.rung.is_some() {
            for slot in 0..self.loaded.slot_ids.count() {
                if let Some((id, must)) = self.owner(slot) {
                    let values = self.values(slot);
                    if must || !values.is_zero() {
                        rows.push((id, values));
                    }
                }
            }
            rows.sort_unstable_by_key(|(id, _)| *id);
        }
        Reading { source: Kernel::SOURCE, rows, lost: self.lost() }
    }

    /// Who has a slot, and whether to tell of it even when it has nothing.
    fn owner(&self, slot: usize) -> Option<(EntityId, bool)> {
        match slot as u32 {
            OTHER => Some((EntityId::OTHER, false)),
            KERNEL => Some((EntityId::KERNEL, true)),
            RAJUT => Some((EntityId::RAJUT, true)),
            _ => self.loaded.slot_ids.get(slot).filter(|id| *id != 0).map(|id| (EntityId(id), true)),
        }
    }

    /// A slot's numbers, summed over its shards.
    fn values(&self, slot: usize) -> Values {
        let mut sum = Cell::EMPTY;
        let mut counts = [0u64; 256];
        for shard in 0..self.loaded.topology.shards as usize {
            let Some(cell) = self.loaded.cells.get(shard * self.loaded.slot_ids.count() + slot) else {
                continue;
            };
            sum.ran += cell.ran;
            sum.contention += cell.contention;
            sum.quota += cell.quota;
            sum.voluntary += cell.voluntary;
            sum.involuntary += cell.involuntary;
            for (count, word) in counts.iter_mut().zip(cell.waits) {
                *count += u64::from(word);
            }
        }
        let columns = &self.last.columns;
        let mut values = Values::default();
        let mut counter = |column: Option<Column>, value: u64| {
            if let Some(column) = column {
                values.counters.push((column, value));
            }
        };
        if self.loaded.quota && self.bills_tasks() {
            counter(columns.contention, sum.contention);
            counter(columns.quota, sum.quota);
        }
        counter(columns.ran, sum.ran);
        counter(columns.voluntary, sum.voluntary);
        counter(columns.involuntary, sum.involuntary);
        values.counters.sort_unstable_by_key(|(column, _)| *column);
        if let Some(column) = columns.latency {
            let slots = counts.iter().enumerate().filter(|(_, count)| **count != 0);
            let histogram =
                Histogram::new(slots.map(|(slot, count)| (slot as u8, *count)), sum.contention + sum.quota);
            values.histograms.push((column, histogram));
        }
        values
    }

    /// What the programs lost since the last reading; and the probe's share of a CPU.
    fn lost(&mut self) -> Vec<Lost> {
        let now = Instant::now();
        let before = self.last.programs;
        let totals = Program::ALL.map(|program| self.totals(program));
        let mut lost = Vec::new();
        let mut busy_ns = 0.0;
        let mut timed = false;
        for (totals, before) in totals.iter().zip(&before) {
            for (reason, count) in [
                ("misses", totals.misses - before.misses),
                // A task's next bill makes up for it, but nobody knows here whether there is one.
                ("no_storage", totals.ledger.no_storage - before.ledger.no_storage),
                ("no_cell", totals.ledger.no_cell - before.ledger.no_cell),
            ] {
                if count != 0 {
                    lost.push(Lost { reason, count });
                }
            }
            if let Some(each) = ns_per_run(&totals.ledger) {
                timed = true;
                busy_ns += (totals.ledger.attempted - before.ledger.attempted) as f64 * each;
            }
        }
        let elapsed = now.duration_since(self.last.at).as_nanos() as f64;
        self.last.share = (timed && elapsed > 0.0).then(|| busy_ns / elapsed);
        self.last.at = now;
        self.last.programs = totals;
        lost
    }

    fn totals(&self, program: Program) -> ProgramTotals {
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

    /// The protocol with the programs: the cgroup is gone, so that no task can be in it, or has done nothing for many
    /// windows; nobody writes these cells. A task that still remembers the slot sees another generation and looks its own
    /// up. One of a silent cgroup that wakes up in this very moment loses what it did in it.
    pub(super) fn release_slots(&mut self, gone: &[EntityId]) -> Vec<EntityId> {
        let slots = self.loaded.slot_ids.count();
        let mut freed = Vec::new();
        for id in gone {
            let slot = match self.forget(id.0) {
                Ok(Some(slot)) if slot >= FIRST && (slot as usize) < slots => slot as usize,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(id = id.0, %error, "cannot take a cgroup out of the slot table");
                    continue;
                }
            };
            self.loaded.slot_ids.set(slot, 0);
            for shard in 0..self.loaded.topology.shards as usize {
                let index = shard * slots + slot;
                let Some(cell) = self.loaded.cells.get(index) else { continue };
                let generation = cell.generation.wrapping_add(1);
                self.loaded.cells.set(index, Cell { generation, ..Cell::EMPTY });
            }
            self.give("FREE_SLOTS", slot as u32);
            freed.push(*id);
        }
        if !freed.is_empty() {
            self.retry_the_unlucky();
        }
        freed
    }

    /// Those who found no slot free may look again.
    fn retry_the_unlucky(&self) {
        let slots = self.loaded.slot_ids.count();
        for shard in 0..self.loaded.topology.shards as usize {
            let Some(cell) = self.loaded.cells.pointer(shard * slots + OTHER as usize) else { continue };
            // SAFETY: inside the mapping. Only this word is written, which programs never do, so that counts to which
            // they are adding are left alone.
            unsafe {
                let generation = &raw mut (*cell).generation;
                ptr::write_volatile(generation, ptr::read_volatile(generation).wrapping_add(1));
            }
        }
    }

    /// Takes a cgroup out of the slot table, and gives the slot that it had.
    fn forget(&mut self, id: u64) -> Result<Option<u32>, MapError> {
        let Some(map) = self.loaded.object.map_mut("SLOT_OF") else { return Ok(None) };
        let mut slots = HashMap::<_, u64, u32>::try_from(map)?;
        match slots.get(&id, 0) {
            Ok(slot) => slots.remove(&id).map(|()| Some(slot)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn give(&mut self, pool: &str, value: u32) {
        let given = queue(&mut self.loaded.object, pool).and_then(|mut queue| Ok(queue.push(value, 0)?));
        if let Err(error) = given {
            tracing::warn!(pool, value, %error, "cannot give back");
        }
    }
}

fn ns_per_run(ledger: &Ledger) -> Option<f64> {
    (ledger.timed != 0).then(|| ledger.timed_ns as f64 / ledger.timed as f64)
}
