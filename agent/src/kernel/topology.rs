//! CPUs, and how many of them share a shard.

use std::{fs, io, path::Path};

/// Up to so many CPUs each has a shard of its own; above, the CPUs that share a cache share a shard.
const OWN_SHARD: u32 = 8;
/// Shards at most: memory is slots times shards.
const MAX_SHARDS: u32 = 16;

/// The CPUs of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// CPUs that can be, numbered from 0.
    pub possible: u32,
    /// CPUs that run now.
    pub online: Vec<u32>,
    /// The shard of each possible CPU.
    pub shard: Vec<u32>,
    /// How many shards.
    pub shards: u32,
}

impl Topology {
    /// Reads sysfs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read() -> io::Result<Topology> {
        let possible = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        let possible = u32::try_from(possible).unwrap_or(u32::MAX);
        let online = aya::util::online_cpus().map_err(|(_, error)| error)?;
        let caches: Vec<String> =
            (0..possible).map(|cpu| last_cache(Path::new("/sys/devices/system/cpu"), cpu)).collect();
        let (shard, shards) = shards(&caches);
        Ok(Topology { possible, online, shard, shards })
    }

    /// Whether several CPUs share a shard.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shards < self.possible
    }
}

/// The CPUs with which a CPU shares its last cache, as sysfs writes them; empty where it does not say.
fn last_cache(root: &Path, cpu: u32) -> String {
    (0..5)
        .rev()
        .find_map(|index| {
            fs::read_to_string(root.join(format!("cpu{cpu}/cache/index{index}/shared_cpu_list"))).ok()
        })
        .unwrap_or_default()
}

/// The shard of each CPU, and how many there are.
fn shards(caches: &[String]) -> (Vec<u32>, u32) {
    let cpus = caches.len() as u32;
    if cpus <= OWN_SHARD {
        return ((0..cpus).collect(), cpus.max(1));
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut shard = Vec::with_capacity(caches.len());
    for cache in caches {
        let group = seen.iter().position(|known| known == cache).unwrap_or_else(|| {
            seen.push(cache);
            seen.len() - 1
        });
        shard.push(group as u32 % MAX_SHARDS);
    }
    (shard, (seen.len() as u32).min(MAX_SHARDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cpus_have_a_shard_each_and_many_share_by_cache() {
        let same = |n: usize, cache: &str| vec![cache.to_owned(); n];
        assert_eq!(shards(&same(2, "0-1")), (vec![0, 1], 2));
        assert_eq!(shards(&same(8, "0-7")).1, 8);
        let two_sockets = [same(6, "0-5"), same(6, "6-11")].concat();
        assert_eq!(shards(&two_sockets), ([[0; 6], [1; 6]].concat(), 2));
        // No cache told: all in one. Very many: folded.
        assert_eq!(shards(&same(64, "")).1, 1);
        let many: Vec<String> = (0..40).map(|cpu| cpu.to_string()).collect();
        let (shard, count) = shards(&many);
        assert_eq!((count, shard[17]), (16, 1));
    }
}
