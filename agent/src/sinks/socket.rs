//! The unix socket: born with its permissions, replaces a dead agent's, never a living one's.
//!
//! It is bound in a directory that only we can enter, given its owner and mode there, and then linked to its path, which
//! fails if something is there: at no moment can the wrong user connect, and of two agents that start at once one wins.

use std::{
    collections::hash_map::RandomState,
    fs,
    hash::BuildHasher,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{UnixListener, UnixStream};

use super::ServeError;

/// The group that may connect, where there is one.
const GROUP: &str = "rajut";
/// How long a listener may take to accept before it counts as alive but busy.
const PROBE: Duration = Duration::from_secs(1);
/// Stale sockets that are replaced before we stop believing that they are.
const ATTEMPTS: usize = 8;

/// A bound socket's file: it goes when this does, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens at `path`.
///
/// # Errors
/// [`ServeError::InUse`] when somebody accepts there, else [`ServeError::Bind`].
pub(super) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ServeError> {
    let failed = |source| ServeError::Bind { address: path.display().to_string(), source };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
    create_parent(parent).map_err(failed)?;
    let private = PrivateDir::new(parent).map_err(failed)?;
    let born = private.0.join(name);
    let listener = UnixListener::bind(&born).map_err(failed)?;
    permit(&born).map_err(failed)?;
    for _ in 0..ATTEMPTS {
        match fs::hard_link(&born, path) {
            Ok(()) => {
                let identity = identity(&born).map_err(failed)?;
                return Ok((listener, SocketFile { path: path.to_owned(), identity }));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        match probe(path).await.map_err(failed)? {
            Found::Living => return Err(ServeError::InUse(path.to_owned())),
            Found::Nothing => {}
            Found::Other => return Err(failed(io::Error::new(ErrorKind::AlreadyExists, "it is no socket"))),
            Found::Dead => {
                if let Found::Living = take_away(path, &private.0.join("old")).await.map_err(failed)? {
                    return Err(ServeError::InUse(path.to_owned()));
                }
            }
        }
    }
    Err(failed(io::Error::new(ErrorKind::AlreadyExists, "its place is taken again and again")))
}

/// Takes a dead socket out of the way. Another agent may have replaced it since we looked, so what was taken away is
/// looked at once more, and put back if it lives.
async fn take_away(path: &Path, old: &Path) -> io::Result<Found> {
    match fs::rename(path, old) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        renamed => renamed?,
    }
    let found = probe(old).await?;
    if let Found::Living = found {
        // Where a third has taken the place meanwhile, that one serves.
        let _ = fs::hard_link(old, path);
    }
    fs::remove_file(old)?;
    Ok(found)
}

/// What is at the path of a socket.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Dead,
    Living,
    Other,
}

async fn probe(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => {}
        Ok(_) => return Ok(Found::Other),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    match tokio::time::timeout(PROBE, UnixStream::connect(path)).await {
        // Slow, or its backlog is full: a listener all the same.
        Ok(Ok(_)) | Err(_) => Ok(Found::Living),
        Ok(Err(error)) => match error.kind() {
            ErrorKind::WouldBlock => Ok(Found::Living),
            ErrorKind::ConnectionRefused => Ok(Found::Dead),
            ErrorKind::NotFound => Ok(Found::Nothing),
            _ => Err(error),
        },
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Anyone may look into the directory, whatever the umask says; the socket's own mode decides who connects.
fn create_parent(parent: &Path) -> io::Result<()> {
    if parent.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755))
}

/// 0660 for the group, where there is one and we may give it away; else 0600.
fn permit(socket: &Path) -> io::Result<()> {
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    if let Some(group) = group_id(&groups, GROUP)
        && std::os::unix::fs::chown(socket, None, Some(group)).is_ok()
    {
        fs::set_permissions(socket, fs::Permissions::from_mode(0o660))?;
    }
    Ok(())
}

/// The id of a group in the text of `/etc/group`.
fn group_id(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// A directory that only we can enter; empty and gone in the end.
struct PrivateDir(PathBuf);

impl PrivateDir {
    fn new(parent: &Path) -> io::Result<PrivateDir> {
        let mut tries = 0;
        loop {
            // Short, since a socket's path is; random, so that nobody waits for us there.
            let name = format!(".{:08x}", RandomState::new().hash_one(tries) as u32);
            let path = parent.join(name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(PrivateDir(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < ATTEMPTS => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_came_alive_meanwhile_is_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, old) = (dir.path().join("rajut.sock"), dir.path().join("old"));
        assert_eq!(take_away(&path, &old).await.unwrap(), Found::Nothing);
        let living = UnixListener::bind(&path).unwrap();
        assert_eq!(take_away(&path, &old).await.unwrap(), Found::Living);
        UnixStream::connect(&path).await.unwrap();
        drop(living);
        assert_eq!(take_away(&path, &old).await.unwrap(), Found::Dead);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\nrajut-admin:x:7:\nrajut:x:1042:alice,bob\nbroken\nrajut2:x:9:\n";
        assert_eq!(group_id(groups, "rajut"), Some(1042));
        assert_eq!(group_id(groups, "rajut2"), Some(9));
        assert_eq!(group_id(groups, "broken"), None);
        assert_eq!(group_id("rajut:x:many:", "rajut"), None);
        assert_eq!(group_id("", "rajut"), None);
    }
}
