//! One cgroup's memory files, and what they said so far.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    super::{
        PATIENCE,
        count::{Counter, Growth, Now, Own},
        source::{Source, Text},
    },
    SLOW, Version,
    text::{self, EVENTS, LEVELS, Level, Stat},
};
use crate::{
    model::{Gauge, Values},
    probes::{Column, memory},
};

/// The pressure files, in the order of their columns.
const PRESSURES: [(&str, &str); 3] = [
    ("memory.pressure", memory::STALL),
    ("cpu.pressure", memory::CPU_STALL),
    ("io.pressure", memory::IO_STALL),
];

/// Where the numbers go.
#[derive(Debug)]
pub(super) struct Columns {
    usage: Option<Column>,
    working_set: Option<Column>,
    limit: Option<Column>,
    types: [(Level, Option<Column>); 5],
    faults: Option<Column>,
    refaults: Option<Column>,
    events: [Option<Column>; EVENTS.len()],
    stalls: [[Option<Column>; 2]; PRESSURES.len()],
}

impl Columns {
    pub(super) fn find() -> Columns {
        let by_type = |level, word| (level, Column::of(memory::BY_TYPE, Some(word)));
        Columns {
            usage: Column::of(memory::USAGE, None),
            working_set: Column::of(memory::WORKING_SET, None),
            limit: Column::of(memory::LIMIT, None),
            types: [
                by_type(Level::Anon, "anon"),
                by_type(Level::File, "file"),
                by_type(Level::Shmem, "shmem"),
                by_type(Level::Kernel, "kernel"),
                by_type(Level::Sock, "sock"),
            ],
            faults: Column::of(memory::MAJOR_FAULTS, None),
            refaults: Column::of(memory::REFAULTS, None),
            events: EVENTS.map(|event| Column::of(memory::EVENTS, Some(event))),
            stalls: PRESSURES.map(|(_, metric)| ["some", "full"].map(|kind| Column::of(metric, Some(kind)))),
        }
    }
}

/// What a cgroup and everything below it hold, and did since they were last settled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Below {
    levels: [u64; LEVELS],
    faults: Growth,
    refaults: Growth,
    /// Somewhere in it a file could not be read: the levels are too small.
    waits: bool,
}

impl Below {
    /// Adds another child's.
    pub(super) fn add(&mut self, other: Below) {
        for (sum, level) in self.levels.iter_mut().zip(other.levels) {
            *sum = sum.saturating_add(level);
        }
        self.faults.add(other.faults);
        self.refaults.add(other.refaults);
        self.waits |= other.waits;
    }
}

/// What a cgroup holds, and did since it was first seen.
#[derive(Debug)]
pub(super) struct Held {
    usage: Source,
    stat: Source,
    events: Vec<Source>,
    /// Limits that hold for it; none where it is no container or unit.
    limits: Vec<Source>,
    /// Of one without children.
    pressure: Option<[Pressure; PRESSURES.len()]>,
    /// Whether it appeared under our eyes: then its counts began at 0, else they begin where they are.
    born: bool,
    /// Whether its slow files were never read.
    unread: bool,
    /// Readings so far, as far as they matter.
    age: u64,
    /// Of this reading, with everything below; and its own part.
    now: Stat,
    own: [Option<u64>; LEVELS],
    faults: Own,
    refaults: Own,
    happened: [Counter; EVENTS.len()],
    /// As last read.
    limit: Option<u64>,
    /// Whether this reading failed, and for how many in a row it did.
    failed: bool,
    failing: u32,
    /// A file that was there is not there any more: the cgroup may be gone.
    pub(super) ended: bool,
    /// Whether all its children were known until now; of one that was born, trivially.
    pub(super) whole: bool,
}

#[derive(Debug)]
struct Pressure {
    source: Source,
    stalls: [Counter; 2],
}

impl Held {
    /// The one with its controller's files in this directory.
    pub(super) fn new(version: Version, dir: &Path, born: bool) -> Held {
        let source = |name: &str| Source::new(dir.join(name));
        Held {
            usage: source(version.usage()),
            stat: source("memory.stat"),
            events: version.events().iter().map(|name| source(name)).collect(),
            limits: Vec::new(),
            pressure: None,
            born,
            unread: true,
            age: 0,
            now: Stat::default(),
            own: [None; LEVELS],
            faults: Own::new(born),
            refaults: Own::new(born),
            happened: Default::default(),
            limit: None,
            failed: false,
            failing: 0,
            ended: false,
            whole: born,
        }
    }

    /// From now on these limits hold for it; where they are others than before, they are read anew.
    pub(super) fn set_limits(&mut self, paths: Vec<PathBuf>) {
        if self.limits.len() != paths.len() {
            self.limits = paths.into_iter().map(Source::new).collect();
            (self.limit, self.unread) = (None, true);
        }
    }

    /// From now on with its pressure files in this directory, or without.
    pub(super) fn set_pressure(&mut self, dir: Option<&Path>) {
        match dir {
            None => self.pressure = None,
            Some(_) if self.pressure.is_some() => {}
            Some(dir) => {
                let pressure = |(name, _)| Pressure {
                    source: Source::new(dir.join::<&str>(name)),
                    stalls: Default::default(),
                };
                self.pressure = Some(PRESSURES.map(pressure));
                self.unread = true;
            }
        }
    }

    /// How many descriptors it keeps.
    pub(super) fn kept(&self) -> usize {
        let fast = [&self.usage, &self.stat].into_iter().chain(&self.events);
        let pressure = self.pressure.iter().flatten().map(|pressure| &pressure.source);
        fast.chain(&self.limits).chain(pressure).filter(|source| source.is_kept()).count()
    }

    /// Reads its files; `slow`: also those that are not read each time. `room` is how many more descriptors may be kept.
    ///
    /// # Errors
    /// When a file is there and cannot be read; the next reading makes up for what it counts.
    pub(super) fn read(&mut self, version: Version, slow: bool, room: &mut usize) -> io::Result<()> {
        self.ended = false;
        // Where the controller is off, its files are looked for now and then; a v1 cgroup comes a moment after its v2 one.
        let is_there = [&self.usage, &self.stat].into_iter().chain(&self.events).any(Source::is_there);
        let looks = is_there || slow || self.age < SLOW;
        self.age = (self.age + 1).min(SLOW);
        let read = if looks { self.read_files(version, room) } else { Ok(()) };
        self.failing = if read.is_err() { self.failing.saturating_add(1) } else { 0 };
        self.failed = read.is_err() && self.failing <= PATIENCE;
        if read.is_err() {
            self.now = Stat::default();
        }
        if slow || self.unread {
            self.read_slow(room)?;
            self.unread = false;
        }
        read
    }

    fn read_files(&mut self, version: Version, room: &mut usize) -> io::Result<()> {
        let mut ended = false;
        let mut look = |there: bool, found: bool| ended |= there && !found;

        // In the largest kernels a memory.stat has some 2,000 bytes.
        let was_there = self.stat.is_there();
        let stat: Option<Text<8192>> = self.stat.read(room)?;
        look(was_there, stat.is_some());
        self.now = stat.map_or_else(Stat::default, |text| Stat::of(version, text.as_str()));

        let was_there = self.usage.is_there();
        let usage: Option<Text<32>> = self.usage.read(room)?;
        look(was_there, usage.is_some());
        if let Some(place) = self.now.levels.get_mut(Level::Usage as usize) {
            *place = usage.and_then(|text| text.as_str().trim().parse().ok());
        }

        let mut events = [None; EVENTS.len()];
        for source in &mut self.events {
            let was_there = source.is_there();
            let text: Option<Text<512>> = source.read(room)?;
            look(was_there, text.is_some());
            if let Some(text) = text {
                text::events(text.as_str(), &mut events);
            }
        }
        self.ended = ended;
        for (counter, now) in self.happened.iter_mut().zip(events) {
            if let Some(now) = now {
                counter.grow(now, self.born);
            }
        }
        Ok(())
    }

    fn read_slow(&mut self, room: &mut usize) -> io::Result<()> {
        let mut limit: Option<u64> = None;
        for source in &mut self.limits {
            let text: Option<Text<32>> = source.read(room)?;
            let one = text.and_then(|text| text::limit(text.as_str()));
            limit = limit.into_iter().chain(one).min();
        }
        self.limit = limit;
        for Pressure { source, stalls } in self.pressure.iter_mut().flatten() {
            let text: Option<Text<256>> = source.read(room)?;
            let Some(text) = text else { continue };
            for (counter, now) in stalls.iter_mut().zip(text::stalls(text.as_str())) {
                if let Some(now) = now {
                    counter.grow(now, self.born);
                }
            }
        }
        Ok(())
    }

    /// Takes its own parts, and gives what it and everything below hold and grew by.
    pub(super) fn settle(&mut self, children: Below) -> Below {
        let mut all = Below::default();
        for (((own, now), below), sum) in
            self.own.iter_mut().zip(self.now.levels).zip(children.levels).zip(&mut all.levels)
        {
            // A parent is read a moment before its children: what they took meanwhile is not less than nothing of its own.
            *own = now.filter(|_| !children.waits).map(|now| now.saturating_sub(below));
            *sum = now.unwrap_or(below);
        }
        let now = |value: Option<u64>| match value {
            Some(now) => Now::Is(now),
            None if self.failed => Now::Failed,
            None => Now::Absent,
        };
        all.faults = self.faults.settle(now(self.now.faults), children.faults);
        all.refaults = self.refaults.settle(now(self.now.refaults), children.refaults);
        let is_absent = self.now.levels.iter().all(Option::is_none);
        all.waits = self.failed || is_absent && children.waits;
        all
    }

    /// What it holds, and did since it was first seen; what the kernel does not say is left out.
    pub(super) fn values(&self, columns: &Columns) -> Values {
        let own = |level: Level| self.own.get(level as usize).copied().flatten();
        let usage = own(Level::Usage);
        let working_set = usage.zip(own(Level::Inactive)).map(|(usage, old)| usage.saturating_sub(old));
        let mut gauges: Vec<(Option<Column>, Option<u64>)> =
            vec![(columns.usage, usage), (columns.working_set, working_set), (columns.limit, self.limit)];
        gauges.extend(columns.types.iter().map(|(level, column)| {
            let value = match level {
                Level::File => {
                    own(Level::File).map(|file| file.saturating_sub(own(Level::Shmem).unwrap_or(0)))
                }
                level => own(*level),
            };
            (*column, value)
        }));

        let mut counters =
            vec![(columns.faults, self.faults.measured()), (columns.refaults, self.refaults.measured())];
        counters.extend(columns.events.iter().copied().zip(self.happened.iter().map(Counter::measured)));
        for (columns, pressure) in columns.stalls.iter().zip(self.pressure.iter().flatten()) {
            counters.extend(columns.iter().copied().zip(pressure.stalls.iter().map(Counter::measured)));
        }
        let known = |(column, value): (Option<Column>, Option<u64>)| Some((column?, value?));
        let mut counters: Vec<(Column, u64)> = counters.into_iter().filter_map(known).collect();
        counters.sort_unstable();
        let mut gauges: Vec<_> =
            gauges.into_iter().filter_map(known).map(|(column, level)| (column, Gauge::new(level))).collect();
        gauges.sort_unstable_by_key(|(column, _)| *column);
        Values { counters, gauges, ..Values::default() }
    }
}
