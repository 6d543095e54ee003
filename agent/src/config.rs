//! Configuration: defaults, then a file, then the environment, then flags.

use std::time::Duration;

/// Everything that can be set; each room owns its part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The node's name; `None`: `NODE_NAME` from the environment, else the host name.
    pub node: Option<String>,
    /// Length of a window.
    pub window: Window,
    /// Probes that are switched off, by name.
    pub off: Vec<String>,
    /// The kernel side.
    pub kernel: crate::kernel::Config,
    /// The history.
    pub store: crate::store::Config,
    /// The ways out.
    pub sinks: crate::sinks::Config,
}

/// Length of a window: whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(pub Duration);

impl Default for Window {
    fn default() -> Window {
        Window(Duration::from_secs(1))
    }
}
