//! An agent inside this process, for where none runs: a private socket in a directory of its own.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    app::Agent,
    cli::{connect::Target, error::CliError},
    config::Config,
};

/// The agent, until dropped or stopped.
#[derive(Debug)]
pub(crate) struct Local {
    agent: Agent,
    directory: Directory,
}

impl Local {
    /// Starts it with the host's config, but for where it serves: only here.
    ///
    /// # Errors
    /// When the config is wrong, the directory cannot be made, or the agent does not start.
    pub(crate) async fn start() -> Result<Local, CliError> {
        let mut config = Config::load(None)?;
        config.check()?;
        let directory = Directory::new()?;
        config.sinks.socket = directory.0.join("rajut.sock");
        config.sinks.listen = None;
        Ok(Local { agent: Agent::start(config).await?, directory })
    }

    /// Where it serves.
    pub(crate) fn target(&self) -> Target {
        Target::Socket(self.directory.0.join("rajut.sock"))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When serving had failed.
    pub(crate) async fn stop(mut self) -> Result<(), CliError> {
        self.agent.stop();
        Ok(self.agent.wait().await?)
    }
}

/// A directory that only this user can enter; gone when dropped.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> io::Result<Directory> {
        // Making fails where somebody else was first: the name need not be secret.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let path = std::env::temp_dir().join(format!("rajut-{}-{nanos}", process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nothing can be done about it here, and the directory for temporary files is swept by others.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_directory_is_private_and_leaves() {
        let directory = Directory::new().unwrap();
        let path = directory.0.clone();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
    }
}
