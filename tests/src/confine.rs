//! A command that may or sees less than we do.

use std::{ffi::CStr, io, os::unix::process::CommandExt as _, process::Command};

/// Capabilities by number (linux/capability.h).
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

/// Runs it where this directory is empty.
pub fn with_empty(command: &mut Command, dir: &'static CStr) {
    // SAFETY: between fork and exec; the closure makes system calls only, on strings that live forever.
    unsafe {
        command.pre_exec(move || {
            checked(libc::unshare(libc::CLONE_NEWNS))?;
            let private = libc::MS_REC | libc::MS_PRIVATE;
            checked(libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null(),
            ))?;
            checked(libc::mount(c"none".as_ptr(), dir.as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()))
        });
    }
}

fn checked(done: libc::c_int) -> io::Result<()> {
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
