//! What a thread asks libc about itself.

use std::{fs::File, io, mem, os::fd::AsRawFd as _, ptr::NonNull, time::Duration};

/// CPU time of the calling thread.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// (voluntary, involuntary) context switches of the calling thread.
#[must_use]
pub fn thread_switches() -> (u64, u64) {
    // SAFETY: rusage is plain numbers, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a rusage that lives through the call.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    (usage.ru_nvcsw.unsigned_abs(), usage.ru_nivcsw.unsigned_abs())
}

/// Makes the calling thread a real-time one (SCHED_FIFO) of the lowest priority.
///
/// # Errors
/// When the kernel refuses: without root, or in a cgroup without a real-time budget.
pub fn become_fifo() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 1 };
    // SAFETY: the pointer is to a sched_param that lives through the call; 0 is the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// CPU time of a process with all its threads, those that are running included to the nanosecond.
///
/// # Errors
/// When it is gone.
pub fn process_cpu_time(pid: u32) -> io::Result<Duration> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut clock = 0;
    // SAFETY: the pointer is to a clockid_t that lives through the call.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

/// Bytes in a page, at least.
pub const PAGE: usize = 4096;

/// A file's pages in memory, none of which is read before it is touched.
#[derive(Debug)]
pub struct Mapped {
    file: File,
    at: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, and is only read.
unsafe impl Send for Mapped {}

impl Mapped {
    /// Maps a file from its beginning.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(file: File, length: usize) -> io::Result<Mapped> {
        // SAFETY: a new mapping, of an open file, at a place of the kernel's choice.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
        };
        let at = NonNull::new(at.cast())
            .filter(|_| at != libc::MAP_FAILED)
            .ok_or_else(io::Error::last_os_error)?;
        let mapped = Mapped { file, at, length };
        // Each touch reads one page, and none beside it.
        mapped.advise(libc::MADV_RANDOM)?;
        Ok(mapped)
    }

    /// Has its pages be forgotten, so that each is read from the disk when it is touched again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn evict(&self) -> io::Result<()> {
        self.advise(libc::MADV_DONTNEED)?;
        // SAFETY: no pointers; the file is open.
        match unsafe { libc::posix_fadvise(self.file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// One byte of it; 0 beyond its end.
    #[must_use]
    pub fn byte(&self, at: usize) -> u8 {
        if at >= self.length {
            return 0;
        }
        // SAFETY: inside the mapping, which lives as long as this value, and the file is as long as the mapping.
        unsafe { self.at.as_ptr().add(at).read_volatile() }
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is the whole mapping; what is dropped of it is read again from the file.
        match unsafe { libc::madvise(self.at.as_ptr().cast(), self.length, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the range is the whole mapping, of which no reference is left.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.length) };
    }
}
