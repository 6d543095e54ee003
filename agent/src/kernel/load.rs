//! Loads the object: the only caller of the loader.

use std::{io, os::fd::AsRawFd};

use anyhow::Context as _;
use aya::{
    Btf as LoaderBtf, Ebpf, EbpfError, EbpfLoader, TestRun as _,
    maps::{Array, Map, MapData, Queue},
    programs::{BtfTracePoint, Iter, ProgramError, RawTracePoint, RawTracePointRunOptions},
};
use rajut_ebpf::abi::{
    cell::{Cell, FIRST},
    constant,
    host::{ATTACHED, OWN_PROCESS},
    ledger::{Ledger, Program},
};
use rustix::time::{ClockId, clock_gettime};

use super::{
    Config, LoadError,
    btf::Btf,
    ladder::{Rung, SCHED, creates_at_switch},
    logger::Logger,
    mapped::Mapped,
    object::{OBJECT, Offsets},
    topology::Topology,
};

/// The loaded object and its maps.
#[derive(Debug)]
pub struct Loaded {
    /// The object; dropping it detaches everything.
    pub object: Ebpf,
    /// The CPUs.
    pub topology: Topology,
    /// Cells by shard and slot.
    pub cells: Mapped<Cell>,
    /// slot -> cgroup id.
    pub slot_ids: Mapped<u64>,
    /// Ledgers by program and CPU.
    pub ledgers: Mapped<Ledger>,
    /// How `sched` stands.
    pub sched: Verdict,
    /// Whether the quota's part of a wait is known.
    pub quota: bool,
    /// Reads what the programs log, where they do.
    pub logger: Option<Logger>,
}

/// Which rung of a ladder holds.
#[derive(Debug)]
pub struct Verdict {
    /// The rung; `None` when none does.
    pub rung: Option<&'static Rung>,
    /// Why the better ones do not.
    pub reasons: Vec<String>,
}

/// Loads and attaches.
///
/// # Errors
/// When nothing can be loaded at all.
pub fn load(config: &Config, off: &[String]) -> Result<Loaded, LoadError> {
    let btf = Btf::of_kernel().map_err(|error| LoadError::NoBtf(error.to_string()))?;
    let offsets = Offsets::find(&btf);
    drop(btf);
    let topology = Topology::read().map_err(|error| LoadError::Other(error.to_string()))?;
    let mut object = create(config, &offsets, &topology)?;
    let other = |error: String| LoadError::Other(error);

    let slots = config.slots as usize;
    let shards = topology.shards as usize;
    let cells = map(&object, "CELLS", slots * shards).map_err(other)?;
    let slot_ids = map(&object, "SLOT_IDS", slots).map_err(other)?;
    let ledgers = map(&object, "LEDGERS", Program::ALL.len() * topology.possible as usize).map_err(other)?;
    fill(&mut object, "FREE_SLOTS", FIRST..config.slots).map_err(|e| other(e.to_string()))?;
    for (cpu, shard) in topology.shard.iter().enumerate().filter(|_| topology.is_shared()) {
        array(&mut object, "SHARDS")
            .and_then(|mut shards| Ok(shards.set(cpu as u32, *shard, 0)?))
            .map_err(|error| other(error.to_string()))?;
    }

    let quota = offsets.get("CFS_RQ_THROTTLED").is_ok();
    let logger = match config.log {
        0 => None,
        _ => Some(Logger::new(&mut object).map_err(|error| other(error.to_string()))?),
    };
    let mut loaded = Loaded {
        logger,
        object,
        topology,
        cells,
        slot_ids,
        ledgers,
        sched: Verdict { rung: None, reasons: Vec::new() },
        quota,
    };
    if !off.iter().any(|name| name == crate::probes::sched::PROBE.name) {
        loaded.sched = climb(&mut loaded.object, config, &offsets)?;
    }
    Ok(loaded)
}

/// Creates the maps, with load-time constants and offsets in place.
fn create(config: &Config, offsets: &Offsets, topology: &Topology) -> Result<Ebpf, LoadError> {
    let throttled = offsets.get("CFS_RQ_THROTTLED");
    let at_fork = config.rung.as_deref() == Some("exact-fork");
    let constants = [
        (constant::SLOTS, config.slots),
        (constant::SHARED, u32::from(topology.is_shared())),
        (constant::CPUS, topology.possible),
        (constant::HAS_THROTTLED, u32::from(throttled.is_ok())),
        (constant::THROTTLED_OFFSET, throttled.map_or(0, |offset| offset as u32)),
        (constant::HAS_PREV_STATE, u32::from(offsets.get("SWITCH_PREV_STATE").is_ok())),
        (constant::CREATE_AT_SWITCH, u32::from(!at_fork && creates_at_switch(offsets))),
    ];
    // Every constant has a value.
    const { assert!(constant::ALL.len() == 7) };
    let patched = offsets.patch(OBJECT, &constants).map_err(|error| LoadError::Other(error.to_string()))?;
    let mut loader = EbpfLoader::new();
    loader.allow_unsupported_maps();
    loader.override_global(aya_log::LEVEL, &config.log, true);
    for (name, entries) in [
        // A page where nothing is logged: a ring cannot be smaller.
        ("AYA_LOGS", if config.log == 0 { 4096 } else { 1 << 17 }),
        ("CELLS", config.slots * topology.shards),
        ("FREE_SLOTS", config.slots),
        ("SLOT_IDS", config.slots),
        ("SLOT_OF", config.slots),
        ("SHARDS", if topology.is_shared() { topology.possible } else { 1 }),
        ("LEDGERS", Program::ALL.len() as u32 * topology.possible),
    ] {
        loader.map_max_entries(name, entries);
    }
    loader.load(&patched).map_err(|error| refusal(&error))
}

/// Attaches the best rung that holds.
fn climb(object: &mut Ebpf, config: &Config, offsets: &Offsets) -> Result<Verdict, LoadError> {
    let types = LoaderBtf::from_sys_fs().map_err(|error| LoadError::NoBtf(error.to_string()))?;
    let mut verdict = Verdict { rung: None, reasons: Vec::new() };
    for rung in SCHED {
        if config.rung.as_deref().is_some_and(|only| only != rung.name) {
            continue;
        }
        if let Err(reason) = rung.check(offsets) {
            verdict.reasons.push(format!("{}: {reason}", rung.name));
            continue;
        }
        match attach(object, rung, &types) {
            Ok(()) => {
                verdict.rung = Some(rung);
                break;
            }
            Err(error) if errno(error.as_ref()) == Some(libc::EPERM) => return Err(LoadError::NotPermitted),
            Err(error) => verdict.reasons.push(format!("{}: {}", rung.name, chain(error.as_ref()))),
        }
    }
    Ok(verdict)
}

fn attach(object: &mut Ebpf, rung: &Rung, types: &LoaderBtf) -> Result<(), anyhow::Error> {
    let own: &mut RawTracePoint = program(object, "self_tgid")?;
    own.load()?;
    let tgid = own.test_run(RawTracePointRunOptions::new())?.return_value;
    let host = object.map_mut("HOST").context("the object has no map HOST")?;
    let mut host = Array::<_, u64>::try_from(host)?;
    host.set(OWN_PROCESS, u64::from(tgid), 0)?;
    host.set(ATTACHED, monotonic(), 0)?;

    if let Some((newborn, tracepoint)) = rung.newborn {
        let hook: &mut BtfTracePoint = program(object, newborn)?;
        hook.load(tracepoint, types)?;
        hook.attach()?;
    }
    if rung.bills_tasks {
        baseline(object, types)?;
        let flush: &mut RawTracePoint = program(object, Program::Flush.name())?;
        flush.load()?;
    }
    let hook: &mut BtfTracePoint = program(object, rung.program)?;
    hook.load(rung.tracepoint, types)?;
    hook.attach()?;
    Ok(())
}

/// Has the counters of every living task remembered, so that its first bill begins now. Before the hook is attached: a
/// task that is born in between begins at zero, as it should. In a PID namespace of its own the iterator sees only that;
/// the rest of the host is told by its age, and begins with its first bill.
fn baseline(object: &mut Ebpf, types: &LoaderBtf) -> Result<(), anyhow::Error> {
    let iterator: &mut Iter = program(object, "sched_baseline")?;
    iterator.load("task", types)?;
    let id = iterator.attach()?;
    let mut file = iterator.take_link(id)?.into_file()?;
    io::copy(&mut file, &mut io::sink())?;
    Ok(iterator.unload()?)
}

/// CLOCK_MONOTONIC, ns: what the kernel stamps a task's start with.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A program of the object by name and type.
///
/// # Errors
/// When there is none.
pub fn program<'a, P>(object: &'a mut Ebpf, name: &str) -> Result<&'a mut P, anyhow::Error>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program, Error = ProgramError>,
{
    let program =
        object.program_mut(name).ok_or_else(|| anyhow::anyhow!("the object has no program {name}"))?;
    Ok(program.try_into()?)
}

fn array<'a>(object: &'a mut Ebpf, name: &str) -> Result<Array<&'a mut MapData, u32>, anyhow::Error> {
    let map = object.map_mut(name).ok_or_else(|| anyhow::anyhow!("the object has no map {name}"))?;
    Ok(Array::try_from(map)?)
}

/// A queue of the object by name.
///
/// # Errors
/// When there is none.
pub fn queue<'a>(object: &'a mut Ebpf, name: &str) -> Result<Queue<&'a mut MapData, u32>, anyhow::Error> {
    let map = object.map_mut(name).ok_or_else(|| anyhow::anyhow!("the object has no map {name}"))?;
    Ok(Queue::try_from(map)?)
}

fn fill(object: &mut Ebpf, name: &str, values: impl Iterator<Item = u32>) -> Result<(), anyhow::Error> {
    let mut queue = queue(object, name)?;
    for value in values {
        queue.push(value, 0)?;
    }
    Ok(())
}

fn map<T: super::mapped::Plain>(object: &Ebpf, name: &str, elements: usize) -> Result<Mapped<T>, String> {
    let Some(Map::Array(data)) = object.map(name) else {
        return Err(format!("the object has no array {name}"));
    };
    Mapped::new(&Descriptor(data), elements).map_err(|error| format!("cannot map {name}: {error}"))
}

/// The data of a map of any type that the object has.
pub fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data) | Map::HashMap(data) | Map::Queue(data) | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}

struct Descriptor<'a>(&'a MapData);

impl AsRawFd for Descriptor<'_> {
    fn as_raw_fd(&self) -> i32 {
        use std::os::fd::AsFd as _;
        self.0.fd().as_fd().as_raw_fd()
    }
}

/// The kernel's own error behind an error. EPERM is a question of privilege; EACCES is the verifier's no.
fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.raw_os_error();
        }
        at = error.source();
    }
    None
}

fn refusal(error: &EbpfError) -> LoadError {
    match errno(error) {
        Some(libc::EPERM) => LoadError::NotPermitted,
        _ => LoadError::Other(chain(error)),
    }
}

/// An error and what is behind it, in one line; the verifier's log is cut to its end, where its reason stands.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().rev().nth(400) {
        Some((at, _)) => format!("… {}", &line[at..]),
        None => line,
    }
}
