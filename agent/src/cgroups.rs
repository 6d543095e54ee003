//! The cgroup file system: where it is mounted, which hierarchy carries identity, and its directories by id.

use std::path::PathBuf;

/// The hierarchies of this host that matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    /// The one whose ids are identity: the v2 mount (pure or hybrid).
    pub identity: PathBuf,
    /// Where `cpu.stat` with quota fields is: the v2 mount, or the v1 cpu controller's. `None` where there is none.
    pub cpu: Option<PathBuf>,
}

/// Why identity cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// No cgroup v2 mount.
    #[error("no cgroup v2 file system is mounted")]
    NoV2,
    /// The mount table cannot be read.
    #[error("cannot read the mount table")]
    Mounts(#[source] std::io::Error),
}

impl Hierarchies {
    /// Reads the mount table.
    ///
    /// # Errors
    /// When there is no cgroup v2 mount or the table cannot be read.
    pub fn find() -> Result<Hierarchies, CgroupError> {
        Err(CgroupError::NoV2)
    }
}
