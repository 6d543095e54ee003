//! Configuration: defaults, then a file, then the environment, then flags.
//!
//! - *Takes*: a TOML file; what flags and environment set is laid over it by the command line.
//! - *Gives*: `Config`, made of each room's part.
//! - *Never*: a value out of its bounds, a key that it does not know.

mod file;
pub mod values;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the file is when nobody names one.
pub const DEFAULT_PATH: &str = "/etc/rajut.toml";

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

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the file is wrong.
    #[error("config {} line {line}: {what}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Each value is fine, but not all of them together.
    #[error("config: {0}")]
    Together(String),
}

impl Config {
    /// Reads the file, or, where none is named, [`DEFAULT_PATH`] if it exists. What it does not set has its default.
    ///
    /// # Errors
    /// When a named file is missing, when it cannot be read, and at the first line that is wrong.
    pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        match std::fs::read_to_string(path) {
            Ok(text) => Config::parse(path, &text),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Config::default())
            }
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    /// Reads a file's text; `path` is for messages.
    ///
    /// # Errors
    /// At the first line that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        file::parse(text).map_err(|wrong| ConfigError::Line {
            path: path.to_owned(),
            line: line_of(text, wrong.at),
            what: wrong.what,
        })
    }

    /// Checks what no single value can tell.
    ///
    /// # Errors
    /// When two values contradict each other.
    pub fn check(&self) -> Result<(), ConfigError> {
        let window = self.window.0.as_secs().max(1);
        let (fine, coarse_window, coarse) =
            (self.store.fine.as_secs(), self.store.coarse_window.as_secs(), self.store.coarse.as_secs());
        if !coarse_window.is_multiple_of(window) || coarse_window == 0 {
            return Err(ConfigError::Together(format!(
                "coarse_window ({coarse_window} s) must be a multiple of window ({window} s)"
            )));
        }
        if fine < coarse_window || coarse < fine {
            return Err(ConfigError::Together(format!(
                "coarse_window ({coarse_window} s), fine ({fine} s) and coarse ({coarse} s) must not fall"
            )));
        }
        Ok(())
    }
}

/// The line, from 1, that holds this byte.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
