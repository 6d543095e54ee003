//! `rajut agent`: measures and serves until a signal.

use std::io::{self, IsTerminal as _};

use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::{args::AgentArgs, error::CliError, out::Out, signals::Signals};
use crate::{app::Agent, harmless::harmless};

/// Runs it.
///
/// # Errors
/// When the config is wrong, or when nothing can be served.
pub(crate) async fn run(args: &AgentArgs, out: Out) -> Result<(), CliError> {
    let config = args.load()?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| CliError::Usage(format!("--log: {}", harmless(&error.to_string()))))?;
    // An already set logger is a test's.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(out.color && io::stderr().is_terminal())
        .try_init();
    if let Some(listen) =
        config.sinks.listen.filter(|listen| config.sinks.insecure && !listen.ip().is_loopback())
    {
        warn!("serving {listen} WITHOUT ENCRYPTION: anyone who reaches that port can read every answer");
    }
    let mut signals = Signals::new()?;
    let mut agent = tokio::select! {
        started = Agent::start(config) => started?,
        signal = signals.recv() => {
            info!("{signal} while starting: ending");
            return Ok(());
        }
    };
    info!("serving on {}", agent.socket.display());
    tokio::select! {
        ended = agent.wait() => return Ok(ended?),
        signal = signals.recv() => info!("{signal}: ending"),
    }
    agent.stop();
    tokio::select! {
        ended = agent.wait() => Ok(ended?),
        // Whoever asks twice does not want to wait.
        signal = signals.recv() => {
            warn!("{signal} again: ending at once");
            Ok(())
        }
    }
}
