//! Why a command ended, and with which exit code.

use std::io;

use tonic::{Code, Status};

use super::connect::Target;
use crate::{app::AppError, config::ConfigError, harmless::harmless, kernel::LoadError, sinks::ServeError};

/// Exit codes; scripts rely on them.
pub(crate) mod exit {
    /// Done.
    pub(crate) const DONE: u8 = 0;
    /// Partly: some probes work, or the answer could not be written.
    pub(crate) const PARTLY: u8 = 1;
    /// The command line or the config is wrong.
    pub(crate) const USAGE: u8 = 2;
    /// Not permitted.
    pub(crate) const PERMISSION: u8 = 3;
    /// The agent cannot be reached or does not answer.
    pub(crate) const UNREACHABLE: u8 = 4;
    /// Nothing works on this host.
    pub(crate) const NOTHING: u8 = 5;
}

/// Why a command ended early: one line that says what, why, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The command line is wrong, or the agent says so of the question.
    #[error("{0}")]
    Usage(String),
    /// The config is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not permitted.
    #[error("{0}")]
    Permission(String),
    /// The agent cannot be reached or does not answer.
    #[error("{0}")]
    Unreachable(String),
    /// The agent holds nothing for that time, or not yet.
    #[error("{0}")]
    NoData(String),
    /// The agent could not start or stopped.
    #[error(transparent)]
    Agent(#[from] AppError),
    /// Standard output or the terminal failed.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl CliError {
    /// The process's exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            // Whoever reads us has enough: `rajut top --once | head -1` is no failure.
            CliError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
            CliError::Write(_) => exit::PARTLY,
            CliError::Usage(_) | CliError::Config(_) | CliError::NoData(_) => exit::USAGE,
            CliError::Permission(_) => exit::PERMISSION,
            CliError::Unreachable(_) => exit::UNREACHABLE,
            CliError::Agent(AppError::Serve(error)) => match error {
                ServeError::Bind { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                    exit::PERMISSION
                }
                ServeError::Bind { .. } | ServeError::InUse(_) | ServeError::Insecure(_) => exit::USAGE,
                ServeError::Grpc(_) | ServeError::Reflection(_) => exit::UNREACHABLE,
            },
            CliError::Agent(AppError::Nothing(LoadError::NotPermitted)) => exit::PERMISSION,
            CliError::Agent(AppError::Nothing(_) | AppError::Task(_)) => exit::NOTHING,
        }
    }

    /// The line to print; `None` where silence is right.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            CliError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            error => Some(format!("rajut: {error}")),
        }
    }

    /// An agent's refusal, in its own words.
    pub(crate) fn of_status(status: &Status, target: &Target) -> CliError {
        let said = harmless(status.message()).into_owned();
        match status.code() {
            Code::InvalidArgument => CliError::Usage(said),
            Code::NotFound | Code::OutOfRange | Code::FailedPrecondition => CliError::NoData(said),
            Code::PermissionDenied | Code::Unauthenticated => {
                CliError::Permission(format!("the agent at {target} refuses: {said}"))
            }
            Code::DeadlineExceeded => CliError::Unreachable(format!(
                "the agent at {target} did not answer in time. is it busy? try again"
            )),
            Code::Unimplemented => CliError::Unreachable(format!(
                "what answers at {target} does not know this question: not an agent, or an older one"
            )),
            Code::ResourceExhausted => {
                CliError::Unreachable(format!("the agent at {target} says no: {said}"))
            }
            _ => CliError::Unreachable(format!("no answer from the agent at {target}: {said}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_refusal_has_its_code_and_its_words() {
        let target = Target::Tcp("127.0.0.1:9161".into());
        for (status, code, line) in [
            (Status::invalid_argument("unknown metric `x`"), 2, "rajut: unknown metric `x`"),
            (Status::out_of_range("nothing is stored"), 2, "rajut: nothing is stored"),
            (Status::permission_denied("no"), 3, "rajut: the agent at 127.0.0.1:9161 refuses: no"),
            (
                Status::unavailable("a\u{1b}[2J"),
                4,
                "rajut: no answer from the agent at 127.0.0.1:9161: a\\u{1b}[2J",
            ),
        ] {
            let error = CliError::of_status(&status, &target);
            assert_eq!((error.code(), error.line().as_deref()), (code, Some(line)));
        }
    }

    #[test]
    fn a_closed_pipe_is_the_quiet_end() {
        let error = CliError::Write(io::ErrorKind::BrokenPipe.into());
        assert_eq!((error.code(), error.line()), (0, None));
        let error = CliError::Write(io::ErrorKind::StorageFull.into());
        assert_eq!(error.code(), 1);
    }
}
