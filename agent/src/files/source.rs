//! One file of a cgroup, read again and again.

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf};

/// A file, with its descriptor where there was room to keep it.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: Option<File>,
    /// Whether it was there when last looked for.
    there: bool,
}

impl Source {
    pub(super) fn new(path: PathBuf) -> Source {
        Source { path, file: None, there: false }
    }

    /// Whether a descriptor is kept.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it was there when last looked for.
    pub(super) fn is_there(&self) -> bool {
        self.there
    }

    /// The file's text; `None` if there is no such file, or no such cgroup any more. `room` is how many more descriptors
    /// may be kept.
    pub(super) fn read<const N: usize>(&mut self, room: &mut usize) -> io::Result<Option<Text<N>>> {
        let text = match &self.file {
            Some(file) => Text::of(file),
            None => File::open(&self.path).and_then(|file| {
                let text = Text::of(&file)?;
                if *room > 0 {
                    *room -= 1;
                    self.file = Some(file);
                }
                Ok(text)
            }),
        };
        match text {
            Ok(text) => {
                self.there = true;
                Ok(Some(text))
            }
            Err(error) => {
                *room += usize::from(self.file.take().is_some());
                if is_absent(&error) {
                    self.there = false;
                    return Ok(None);
                }
                Err(error)
            }
        }
    }
}

/// Whether there is nothing to be read, now and next time. A file of a removed cgroup that is still open gives ENODEV; a
/// directory that its owner closed to us is his affair and spoils no window; pressure that the kernel was started without
/// gives EOPNOTSUPP.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        || matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EOPNOTSUPP))
}

/// What is read of a file: its first bytes, as many as the largest kernel has in it.
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    fn of(file: &File) -> io::Result<Text<N>> {
        let mut bytes = [0; N];
        let length = file.read_at(&mut bytes, 0)?;
        Ok(Text { bytes, length })
    }

    /// The text; empty if it is none.
    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_closes_his_directory_spoils_nothing() {
        for (errno, absent) in [
            (libc::ENOENT, true),
            (libc::ENODEV, true),
            (libc::EACCES, true),
            (libc::EOPNOTSUPP, true),
            (libc::EMFILE, false),
            (libc::EIO, false),
            (libc::ENOMEM, false),
        ] {
            assert_eq!(is_absent(&io::Error::from_raw_os_error(errno)), absent, "{errno}");
        }
    }
}
