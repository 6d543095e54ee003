//! Privilege: what loading took is put down once everything is attached.

use std::io;

const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// Each set in two words, low half first.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The calling thread's effective capabilities; threads that it starts later inherit what it has then.
#[derive(Debug)]
pub struct Effective([Word; 2]);

impl Effective {
    /// What the thread has now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn now() -> io::Result<Effective> {
        let header = Header { version: VERSION_3, pid: 0 };
        let mut words = [Word::default(); 2];
        // SAFETY: version 3 writes two words of three sets each.
        let done = unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(Effective(words)) }
    }

    /// Puts them all down. They stay permitted, so that they can be taken up again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn put_down(&self) -> io::Result<()> {
        set(self.0.map(|word| Word { effective: 0, ..word }))
    }

    /// Takes them up again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take_up(&self) -> io::Result<()> {
        set(self.0)
    }
}

fn set(words: [Word; 2]) -> io::Result<()> {
    let header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: as in `now`, read by the kernel.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn down_and_up_again() {
        // A thread of its own: capabilities belong to threads.
        std::thread::spawn(|| {
            let before = Effective::now().unwrap();
            before.put_down().unwrap();
            assert!(Effective::now().unwrap().0.iter().all(|word| word.effective == 0));
            before.take_up().unwrap();
            let after = Effective::now().unwrap();
            assert_eq!(after.0.map(|word| word.effective), before.0.map(|word| word.effective));
        })
        .join()
        .unwrap();
    }
}
