//! From maps to a `Reading`.

use std::time::Instant;

use aya::{
    TestRun as _,
    maps::{HashMap, MapError},
    programs::{RawTracePoint, RawTracePointRunOptions},
};
use rajut_ebpf::abi::{
    cell::{Cell, KERNEL, OTHER, RAJUT},
    ledger::Program,
};

use super::{
    Kernel,
    account::{ProgramTotals, ns_per_run},
    load::program,
};
use crate::{
    model::{EntityId, Histogram, Lost, Reading, Values},
    probes::{Column, sched},
};

/// What the last reading saw, to tell what came after it.
#[derive(Debug)]
pub struct Last {
    at: Instant,
    pub(super) programs: [ProgramTotals; Program::ALL.len()],
    /// The probe's share of one CPU between the last two readings.
    pub(super) share: Option<f64>,
    flushes: u64,
    columns: Columns,
}

/// Readings between two looks at which CPUs are online.
const LOOK_FOR_CPUS: u64 = 10;

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

    pub(super) fn bills_tasks(&self) -> bool {
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
}
