//! A fake pod: a cgroup with a name as the kubelet gives it, and the kubelet's log folders that say what it is called.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{read, wait_for, write};

/// Where the kubelet keeps its pods below a hierarchy's root.
const PARENTS: [&str; 2] = ["kubepods", "kubepods/burstable"];
/// Where the kubelet keeps their logs, and links to them by container.
const LOGS: [&str; 2] = ["/var/log/pods", "/var/log/containers"];

/// The mounted hierarchies that a pod is made in.
#[derive(Debug, Clone)]
struct Mounts {
    unified: PathBuf,
    /// The v1 cpu controller's, where it is not unified.
    cpu: Option<PathBuf>,
    /// The v1 memory controller's, likewise.
    memory: Option<PathBuf>,
}

impl Mounts {
    fn find() -> Result<Mounts> {
        let table = read(Path::new("/proc/self/mounts"))?;
        let mount = |wanted: &dyn Fn(&str, &str) -> bool| {
            table.lines().find_map(|line| {
                let mut words = line.split(' ').skip(1);
                let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
                wanted(kind, options).then(|| PathBuf::from(at))
            })
        };
        let unified = mount(&|kind, _| kind == "cgroup2").context("no cgroup v2 file system is mounted")?;
        let of = |controller: &str| {
            mount(&|kind, options| kind == "cgroup" && options.split(',').any(|option| option == controller))
        };
        let (cpu, memory) = (of("cpu"), of("memory"));
        Ok(Mounts { unified, cpu, memory })
    }

    fn each(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.unified).chain(&self.cpu).chain(&self.memory)
    }
}

/// Who a pod is to the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodId {
    /// The pod's uid, with dashes.
    pub uid: String,
    /// Its one container's id, 64 hex digits.
    pub container: String,
}

impl PodId {
    /// One that no other test on this machine has.
    #[must_use]
    pub fn unique() -> PodId {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        PodId::fixed(process, number)
    }

    /// The one of this family and number: the same each time, so that leftovers are found again.
    #[must_use]
    pub fn fixed(family: u32, number: u32) -> PodId {
        PodId {
            uid: format!("72616a75-0000-4000-8000-{family:08x}{:04x}", number & 0xffff),
            container: format!("{:064x}", u128::from(family) << 32 | u128::from(number) | 0x7261_6a75 << 64),
        }
    }

    fn path(&self) -> String {
        format!("{}/pod{}/{}", PARENTS[1], self.uid, self.container)
    }
}

/// A pod's cgroup in each hierarchy; removed, with every process in it, when this is dropped.
#[derive(Debug)]
pub struct FakePod {
    id: PodId,
    mounts: Mounts,
    dirs: Vec<PathBuf>,
}

impl FakePod {
    /// Makes one that no other test has.
    ///
    /// # Errors
    /// Without root, or without cgroups.
    pub fn new() -> Result<FakePod> {
        FakePod::with_id(PodId::unique())
    }

    /// Makes this one; what an earlier run left of it is removed first.
    ///
    /// # Errors
    /// Without root, or without cgroups.
    pub fn with_id(id: PodId) -> Result<FakePod> {
        remove(&id)?;
        let mounts = Mounts::find()?;
        let dirs: Vec<PathBuf> = mounts.each().map(|mount| mount.join(id.path())).collect();
        let pod = FakePod { id, mounts, dirs };
        for dir in &pod.dirs {
            fs::create_dir_all(dir).with_context(|| format!("cannot make the cgroup {}", dir.display()))?;
        }
        let unified = [("+cpu", &pod.mounts.cpu), ("+memory", &pod.mounts.memory)];
        for (controller, _) in unified.into_iter().filter(|(_, mount)| mount.is_none()) {
            // A limit takes the controller in every cgroup above. Where there is none, a limit is what fails.
            let parents = pod.unified_dir().ancestors().skip(1).take(4).collect::<Vec<_>>();
            for parent in parents.into_iter().rev() {
                let _ = fs::write(parent.join("cgroup.subtree_control"), controller);
            }
        }
        Ok(pod)
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &PodId {
        &self.id
    }

    /// Its container's cgroups, the unified one first: a process that is to be in the pod is in all of them.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path)
    }

    /// The one whose id is identity.
    #[must_use]
    pub fn unified_dir(&self) -> &Path {
        // There is always a first: the unified mount is no option.
        self.dirs.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// The one with the CPU quota.
    ///
    /// # Errors
    /// When no hierarchy has the cpu controller.
    pub fn cpu_dir(&self) -> Result<PathBuf> {
        self.controlled(self.mounts.cpu.as_ref(), "cpu.max")
    }

    /// The one with the memory that it uses.
    ///
    /// # Errors
    /// When no hierarchy has the memory controller.
    pub fn memory_dir(&self) -> Result<PathBuf> {
        self.controlled(self.mounts.memory.as_ref(), "memory.max")
    }

    /// Whether memory is the v1 controller's.
    #[must_use]
    pub fn has_v1_memory(&self) -> bool {
        self.mounts.memory.is_some()
    }

    /// The one below a v1 controller's mount, or the unified one, if it has the controller's file.
    fn controlled(&self, mount: Option<&PathBuf>, file: &str) -> Result<PathBuf> {
        match mount {
            Some(mount) => Ok(mount.join(self.id.path())),
            None if self.unified_dir().join(file).exists() => Ok(self.unified_dir().to_owned()),
            None => bail!("no hierarchy has the controller of {file}"),
        }
    }

    /// Allows so many bytes of memory.
    ///
    /// # Errors
    /// When no hierarchy has the memory controller.
    pub fn set_memory_limit(&self, bytes: u64) -> Result<()> {
        let file = if self.has_v1_memory() { "memory.limit_in_bytes" } else { "memory.max" };
        write(&self.memory_dir()?.join(file), &bytes.to_string())
    }

    /// The container's cgroup id: what the agent calls the entity.
    ///
    /// # Errors
    /// When it is gone.
    pub fn entity(&self) -> Result<u64> {
        Ok(fs::metadata(self.unified_dir())?.ino())
    }

    /// Allows so many hundredths of one CPU, in periods of 100 ms.
    ///
    /// # Errors
    /// When no hierarchy has the cpu controller.
    pub fn set_quota(&self, percent: u32) -> Result<()> {
        let dir = self.cpu_dir()?;
        let quota = percent * 1000;
        if self.mounts.cpu.is_some() {
            write(&dir.join("cpu.cfs_period_us"), "100000")?;
            write(&dir.join("cpu.cfs_quota_us"), &quota.to_string())
        } else {
            write(&dir.join("cpu.max"), &format!("{quota} 100000"))
        }
    }

    /// Makes the kubelet's log folders, from which names are learned: `namespace`/`pod`, and the container's name.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn set_names(&self, namespace: &str, pod: &str, container: &str) -> Result<()> {
        let PodId { uid, container: id } = &self.id;
        let logs = Path::new(LOGS[0]).join(format!("{namespace}_{pod}_{uid}")).join(container);
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let log = logs.join("0.log");
        fs::write(&log, "")?;
        fs::create_dir_all(LOGS[1])?;
        let link = Path::new(LOGS[1]).join(format!("{pod}_{namespace}_{container}-{id}.log"));
        symlink(&log, &link).with_context(|| format!("cannot make {}", link.display()))
    }
}

impl Drop for FakePod {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.id) {
            eprintln!("a fake pod stays behind: {error:#}");
        }
    }
}

/// Removes a pod: its processes, its cgroups, its log folders, and the kubelet's folders where they are empty then.
///
/// # Errors
/// When a cgroup cannot be removed; a pod that is not there is none.
pub fn remove(id: &PodId) -> Result<()> {
    for mount in Mounts::find()?.each() {
        let container = mount.join(id.path());
        remove_cgroup(&container)?;
        for dir in container.ancestors().skip(1).take(1 + PARENTS.len()) {
            // Where another pod is in it, it stays.
            let _ = fs::remove_dir(dir);
        }
    }
    for entry in fs::read_dir(LOGS[0]).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(&id.uid) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for entry in fs::read_dir(LOGS[1]).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(&format!("-{}.log", id.container)) {
            fs::remove_file(entry.path())?;
        }
    }
    for logs in LOGS {
        let _ = fs::remove_dir(logs);
    }
    Ok(())
}

fn remove_cgroup(dir: &Path) -> Result<()> {
    wait_for(&format!("removal of {}", dir.display()), Duration::from_secs(5), || {
        if !dir.exists() {
            return Some(());
        }
        for line in fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default().lines() {
            // 0 is a process that is not in our pid namespace.
            if let Some(pid) = line.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        // Busy until the last of them is gone.
        fs::remove_dir(dir).ok()
    })
}
