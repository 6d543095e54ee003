//! Load-time constants: the agent sets them in the object, the verifier knows them, and a branch that they rule out is
//! not even checked.

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident / $read:ident: $kind:ty = $default:expr;)*) => {$(
        #[unsafe(no_mangle)]
        static $name: $kind = $default;
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $read() -> $kind {
            // SAFETY: a static; volatile, since the value here is not the one that will be loaded.
            unsafe { core::ptr::read_volatile(&raw const $name) }
        }
    )*};
}

constants! {
    /// Slots of each shard.
    SLOTS / slots: u32 = 1024;
    /// 1 where several CPUs share a shard, so that words are added to atomically.
    SHARED / shared: u32 = 0;
    /// CPUs that can be.
    CPUS / cpus: u32 = 1;
    /// 1 where `cfs_rq.throttled_clock_self_time` exists.
    HAS_THROTTLED / has_throttled: u32 = 0;
    /// Its offset, for the one read that is no load.
    THROTTLED_OFFSET / throttled_offset: u32 = 0;
    /// 1 where sched_switch has the state as an argument.
    HAS_PREV_STATE / has_prev_state: u32 = 0;
}
