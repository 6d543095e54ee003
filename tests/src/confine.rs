//! A command that may do less, or see less, than we.

use std::{ffi::CStr, io, os::unix::process::CommandExt as _, process::Command};

/// Everything that needs no capability of its own, and those that have one since (linux/capability.h).
pub const CAP_SYS_ADMIN: u32 = 21;
/// Reads of kernel memory in tracing programs.
pub const CAP_PERFMON: u32 = 38;
/// bpf().
pub const CAP_BPF: u32 = 39;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// Runs it as a user who is nobody.
pub fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY);
}

/// Runs it as root without these capabilities.
pub fn without(command: &mut Command, capabilities: &'static [u32]) {
    // SAFETY: between fork and exec; the closure makes system calls only.
    unsafe {
        command.pre_exec(move || {
            // What root gets at exec is what the bounding set leaves.
            for capability in capabilities {
                checked(libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(*capability), 0, 0, 0))?;
            }
            Ok(())
        });
    }
}

/// Runs it where these directories are empty.
pub fn with_empty(command: &mut Command, dirs: &'static [&'static CStr]) {
    // SAFETY: between fork and exec; the closure makes system calls only, on strings that live forever.
    unsafe {
        command.pre_exec(move || {
            own_mounts()?;
            let kind = c"tmpfs".as_ptr();
            dirs.iter()
                .try_for_each(|dir| checked(libc::mount(kind, dir.as_ptr(), kind, 0, std::ptr::null())))
        });
    }
}

/// Runs it where this is not mounted, nor anything below it.
pub fn without_mount(command: &mut Command, dir: &'static CStr) {
    // SAFETY: as above.
    unsafe {
        command.pre_exec(move || {
            own_mounts()?;
            checked(libc::umount2(dir.as_ptr(), libc::MNT_DETACH))
        });
    }
}

/// A mount name space of its own, from which nothing comes back to ours.
fn own_mounts() -> io::Result<()> {
    let (none, private) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: changes this process only.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    // SAFETY: the path is a string that lives forever; the other pointers may be null here.
    checked(unsafe { libc::mount(none, c"/".as_ptr(), none, private, none.cast()) })
}

fn checked(done: libc::c_int) -> io::Result<()> {
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
