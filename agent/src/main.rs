//! `rajut`: command line -> config -> role -> run until signal.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rajut::cli::run(std::env::args_os()))
}
