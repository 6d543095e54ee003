//! Load-time constants: compiled as immediates that no code of ours has, which the agent replaces in the object. The
//! verifier knows the true value, so a branch that it rules out is not even there; and no memory is touched for it.

use core::arch::asm;

use crate::abi::constant;

macro_rules! constants {
    ($($(#[$doc:meta])* $read:ident = $name:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $read() -> u32 {
            let value: u64;
            // SAFETY: sets a register; opaque to the compiler, which so cannot fold the mark away.
            unsafe { asm!("{0} = {1}", out(reg) value, const constant::$name.mark, options(pure, nomem, nostack)) };
            value as u32
        }
    )*};
}

constants! {
    /// Slots of each shard.
    slots = SLOTS;
    /// Not 0 where several CPUs share a shard, so that words are added to atomically.
    shared = SHARED;
    /// CPUs that can be.
    cpus = CPUS;
    /// Not 0 where `cfs_rq.throttled_clock_self_time` exists.
    has_throttled = HAS_THROTTLED;
    /// Its offset, for the one read that is no load.
    throttled_offset = THROTTLED_OFFSET;
    /// Not 0 where sched_switch has the state as an argument.
    has_prev_state = HAS_PREV_STATE;
    /// Not 0 where task storage can be made in sched_switch, where a run queue is locked.
    create_at_switch = CREATE_AT_SWITCH;
}
