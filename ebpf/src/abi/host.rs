//! Words that the agent tells the programs once it runs.

/// The agent's own process id, in the first PID namespace.
pub const OWN_PROCESS: u32 = 0;
/// When the hooks were about to be attached, CLOCK_MONOTONIC, ns.
pub const ATTACHED: u32 = 1;
