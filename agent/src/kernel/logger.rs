//! What the kernel's programs say themselves: rare diagnostics, off unless asked for.

use std::fmt;

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::Log;

/// Hands their records on to this process's log.
pub struct Logger(EbpfLogger<&'static dyn Log>);

impl Logger {
    /// For programs that were loaded with a level above 0.
    ///
    /// # Errors
    /// When the object has no ring for them.
    pub fn new(object: &mut Ebpf) -> Result<Logger, aya_log::Error> {
        EbpfLogger::init(object).map(Logger)
    }

    /// Hands on what has come since.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logger")
    }
}
