//! What the kernel says of a loaded program: how often it ran, and how often it could not.

use std::{io, os::fd::AsRawFd};

/// BPF_OBJ_GET_INFO_BY_FD.
const GET_INFO: libc::c_long = 15;
/// Offsets in `struct bpf_prog_info` (UAPI).
const RUN_TIME_NS: usize = 192;
const RUN_COUNT: usize = 200;
const RECURSION_MISSES: usize = 208;

/// Counts of a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProgramCounts {
    /// Runs; counted only while someone has the kernel's run-time statistics on.
    pub runs: u64,
    /// Time in those runs, ns.
    pub run_time_ns: u64,
    /// Events that it did not see, because it was already running on that CPU.
    pub misses: u64,
}

/// Asks the kernel.
///
/// # Errors
/// When the descriptor is no program's, or the kernel refuses.
pub fn counts(program: &impl AsRawFd) -> io::Result<ProgramCounts> {
    #[repr(C)]
    struct Attributes {
        descriptor: u32,
        length: u32,
        info: u64,
    }
    let mut info = [0u8; 256];
    let attributes = Attributes {
        descriptor: program.as_raw_fd() as u32,
        length: info.len() as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the attributes are laid out as the kernel reads them, and `info` has the length that they say.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, GET_INFO, &raw const attributes, size_of::<Attributes>()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    let word = |at: usize| {
        info.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    Ok(ProgramCounts {
        runs: word(RUN_COUNT),
        run_time_ns: word(RUN_TIME_NS),
        misses: word(RECURSION_MISSES),
    })
}
