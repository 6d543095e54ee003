//! The eBPF programs in the kernel, as the kernel itself lists them.

use std::{
    collections::BTreeSet,
    fs, io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};

/// Commands of bpf().
const GET_NEXT_ID: libc::c_long = 11;
const GET_FD_BY_ID: libc::c_long = 13;
const GET_INFO: libc::c_long = 15;
const ENABLE_STATISTICS: libc::c_long = 32;
/// Offsets in `struct bpf_prog_info` (UAPI).
const ID: usize = 4;
const NAME: usize = 64;
const RUN_COUNT: usize = 200;

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Never given twice while the machine runs.
    pub id: u32,
    /// Its first 15 bytes.
    pub name: String,
    /// How often it ran while [`Statistics`] were on.
    pub runs: u64,
}

/// Every program that is in the kernel.
///
/// # Errors
/// Without root.
pub fn all() -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    let mut last = 0;
    loop {
        // The id after this one comes back in the second word.
        let mut attributes = [last, 0, 0, 0];
        match call(GET_NEXT_ID, &mut attributes) {
            Ok(_) => last = attributes[1],
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(programs),
            Err(error) => return Err(error).context("cannot list eBPF programs"),
        }
        programs.extend(find(last)?);
    }
}

/// The program with this id; `None` when it is gone.
///
/// # Errors
/// Without root.
pub fn find(id: u32) -> Result<Option<Program>> {
    let descriptor = match call(GET_FD_BY_ID, &mut [id, 0, 0, 0]) {
        // SAFETY: a descriptor that was made for us just now.
        Ok(descriptor) => unsafe { OwnedFd::from_raw_fd(descriptor) },
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot look at eBPF program {id}")),
    };
    let mut info = [0u8; 256];
    let address = (info.as_mut_ptr() as u64).to_ne_bytes();
    let half =
        |at: usize| u32::from_ne_bytes([address[at], address[at + 1], address[at + 2], address[at + 3]]);
    let mut attributes = [descriptor.as_raw_fd().unsigned_abs(), 256, half(0), half(4)];
    call(GET_INFO, &mut attributes).with_context(|| format!("cannot look at eBPF program {id}"))?;
    let bytes = |at: usize, length: usize| info.get(at..at + length).unwrap_or_default();
    let name = bytes(NAME, 16).split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(Program {
        id: u32::from_ne_bytes(bytes(ID, 4).try_into()?),
        name: String::from_utf8_lossy(name).into_owned(),
        runs: u64::from_ne_bytes(bytes(RUN_COUNT, 8).try_into()?),
    }))
}

/// The programs that a process holds.
///
/// # Errors
/// When the process is gone.
pub fn held_by(pid: u32) -> Result<Vec<Program>> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor may be closed meanwhile.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        ids.extend(text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse::<u32>().ok()));
    }
    Ok(ids.into_iter().map(find).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The kernel counts the runs of programs until this is dropped, whatever others do with its sysctl of that name.
#[derive(Debug)]
pub struct Statistics(#[expect(dead_code, reason = "held open")] OwnedFd);

impl Statistics {
    /// Switches them on.
    ///
    /// # Errors
    /// Without root.
    pub fn on() -> Result<Statistics> {
        // Run time and count are the one kind that there is, number 0.
        let descriptor = call(ENABLE_STATISTICS, &mut [0; 4]).context("cannot have the kernel count runs")?;
        // SAFETY: a descriptor that was made for us just now.
        Ok(Statistics(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }
}

fn call(command: libc::c_long, attributes: &mut [u32; 4]) -> io::Result<i32> {
    // SAFETY: the attributes are as long as is said, and what they point to lives through the call.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_mut_ptr(), size_of::<[u32; 4]>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(done).unwrap_or(-1)) }
}
