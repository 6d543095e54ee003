//! What the agent asks of the kernel about itself, and the histogram as a program, so that a test can run it.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use rajut_ebpf::abi::histogram::slot_of_ns;

/// The caller's process id as the kernel numbers it, whatever PID namespace the caller is in.
#[unsafe(link_section = "raw_tp/self_tgid")]
#[unsafe(no_mangle)]
extern "C" fn self_tgid(_ctx: *const u64) -> i32 {
    (bpf_get_current_pid_tgid() >> 32) as i32
}

/// The slot of the nanoseconds that are the first word of the context.
#[unsafe(link_section = "raw_tp/histogram_slot")]
#[unsafe(no_mangle)]
extern "C" fn histogram_slot(ctx: *const u64) -> i32 {
    // SAFETY: the first word of a raw tracepoint's context.
    slot_of_ns(unsafe { *ctx }) as i32
}
