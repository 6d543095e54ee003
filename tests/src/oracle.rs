//! Oracles: what the kernel itself says about processes and cgroups.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{load::Usage, pod::FakePod, read};

/// What all threads of a process have used so far, those that ended not counted.
///
/// # Errors
/// When the process is gone.
pub fn process(pid: u32) -> Result<Usage> {
    let mut total = Usage::default();
    let tasks = format!("/proc/{pid}/task");
    for entry in fs::read_dir(&tasks).with_context(|| format!("cannot list {tasks}"))? {
        total.add(&thread(&entry?.path())?);
    }
    Ok(total)
}

/// What one thread has used so far; `dir` is its folder in /proc.
///
/// # Errors
/// When the thread is gone.
pub fn thread(dir: &Path) -> Result<Usage> {
    let schedstat = read(&dir.join("schedstat"))?;
    let mut numbers = schedstat.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next().context("schedstat has three numbers")?.context("schedstat has numbers");
    let (cpu_ns, run_delay_ns, timeslices) = (next()?, next()?, next()?);
    let status = read(&dir.join("status"))?;
    Ok(Usage {
        cpu_ns,
        run_delay_ns,
        timeslices,
        voluntary: field(&status, "voluntary_ctxt_switches:")?,
        involuntary: field(&status, "nonvoluntary_ctxt_switches:")?,
    })
}

/// What a pod's quota did to it, nanoseconds: throttled time of `cpu.stat`.
///
/// # Errors
/// When there is no cpu controller.
pub fn throttled_ns(pod: &FakePod) -> Result<u64> {
    let stat = read(&pod.cpu_dir()?.join("cpu.stat"))?;
    // v1 counts nanoseconds, v2 microseconds.
    field(&stat, "throttled_time").or_else(|_| Ok(field(&stat, "throttled_usec")? * 1000))
}

/// CPU time of a pod in nanoseconds, as `cpu.stat` of the unified hierarchy counts it.
///
/// # Errors
/// When the pod is gone.
pub fn cpu_ns(pod: &FakePod) -> Result<u64> {
    Ok(field(&read(&pod.unified_dir().join("cpu.stat"))?, "usage_usec")? * 1000)
}

/// How many cgroups there are on this machine beside the root.
///
/// # Errors
/// When there is no unified hierarchy.
pub fn cgroups() -> Result<u64> {
    let mounts = read(Path::new("/proc/self/mounts"))?;
    let unified = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
    let root =
        unified.and_then(|line| line.split(' ').nth(1)).context("no cgroup v2 file system is mounted")?;
    field(&read(&Path::new(root).join("cgroup.stat"))?, "nr_descendants")
}

/// What a pod's container holds, as the memory controller's files say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in use.
    pub usage: u64,
    /// Of those, page cache that has long not been used.
    pub inactive_file: u64,
    /// Of those, anonymous.
    pub anon: u64,
    /// Of those, page cache.
    pub file: u64,
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Processes that were killed for want of memory.
    pub killed: u64,
}

/// What a pod's container holds.
///
/// # Errors
/// When there is no memory controller.
pub fn memory(pod: &FakePod) -> Result<Memory> {
    let dir = pod.memory_dir()?;
    let v1 = pod.has_v1_memory();
    let name = |v1_name, v2_name| if v1 { v1_name } else { v2_name };
    let stat = read(&dir.join("memory.stat"))?;
    let of = |v1_name, v2_name| field(&stat, name(v1_name, v2_name));
    Ok(Memory {
        usage: read(&dir.join(name("memory.usage_in_bytes", "memory.current")))?.parse()?,
        inactive_file: of("total_inactive_file ", "inactive_file ")?,
        anon: of("total_rss ", "anon ")?,
        file: of("total_cache ", "file ")?,
        major_faults: of("total_pgmajfault ", "pgmajfault ")?,
        killed: field(&read(&dir.join(name("memory.oom_control", "memory.events")))?, "oom_kill ")?,
    })
}

/// Time in which some of a pod's threads waited for a CPU, nanoseconds.
///
/// # Errors
/// When the kernel does not count pressure.
pub fn cpu_stall_ns(pod: &FakePod) -> Result<u64> {
    let text = read(&pod.unified_dir().join("cpu.pressure"))?;
    let total = text.lines().next().and_then(|some| some.rsplit_once("total="));
    let (_, micros) = total.context("cpu.pressure has a total")?;
    Ok(micros.parse::<u64>()? * 1000)
}

/// The number after a word at the begin of a line.
fn field(text: &str, name: &str) -> Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("there is no `{name}`"))?
        .parse()
        .with_context(|| format!("`{name}` has no number"))
}
