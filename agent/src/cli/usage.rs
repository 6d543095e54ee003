//! The command line about itself: mistakes in one line, completions, manual pages; all from the same definitions.

use std::io::{self, Write};

use clap::{CommandFactory as _, error::ErrorKind};

use super::{
    args::Cli,
    error::{CliError, exit},
};
use crate::{guess::did_you_mean, harmless::harmless};

/// Prints help where it was asked for, and a mistake in one line; gives the exit code.
pub(crate) fn explain(error: clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever closes the pipe has read enough.
            let _ = error.print();
            exit::DONE
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            exit::USAGE
        }
        _ => {
            let _ = writeln!(io::stderr(), "rajut: {}", line(&error.to_string()));
            exit::USAGE
        }
    }
}

/// clap's paragraphs as one line: what is wrong, the tip if there is one, and where to read on.
fn line(text: &str) -> String {
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("For more information"));
    let mut parts: Vec<String> = Vec::new();
    let mut usage = "rajut --help".to_owned();
    for line in told.filter(|line| !line.is_empty()) {
        if let Some(words) = line.strip_prefix("Usage: ") {
            let command = words
                .split_whitespace()
                .take(2)
                .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()));
            usage = format!("{} --help", command.collect::<Vec<_>>().join(" "));
        } else {
            parts.push(harmless(line.strip_prefix("error: ").unwrap_or(line)).into_owned());
        }
    }
    format!("{} (see `{usage}`)", parts.join(" "))
}

/// Prints completions for a shell.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn completions(shell: clap_complete::Shell, to: &mut dyn Write) -> io::Result<()> {
    // clap_complete panics where its writer fails, and a closed pipe is no reason to.
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rajut", &mut text);
    to.write_all(&text)
}

/// Prints the manual page of rajut, or of one of its commands.
///
/// # Errors
/// When there is no such command, or when it cannot be written.
pub(crate) fn manual(command: Option<&str>, to: &mut dyn Write) -> Result<(), CliError> {
    let mut root = Cli::command();
    root.build();
    let page = match command {
        None => root,
        Some(name) => match root.find_subcommand(name) {
            Some(command) => {
                let full = format!("rajut-{name}");
                command.clone().name(&full).display_name(full)
            }
            None => {
                let known = root.get_subcommands().map(clap::Command::get_name);
                let guess = did_you_mean(name, known);
                return Err(CliError::Usage(format!("no command `{}`{guess}", harmless(name))));
            }
        },
    };
    Ok(clap_mangen::Man::new(page).render(&mut &mut *to)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn mistake(words: &str) -> String {
        line(&super::super::parse(words.split(' ').map(Into::into)).unwrap_err().to_string())
    }

    #[test]
    fn mistakes_are_one_line_that_says_what_to_do() {
        for (words, expected) in [
            (
                "rajut top --onec",
                "unexpected argument '--onec' found tip: a similar argument exists: '--once' (see `rajut top --help`)",
            ),
            (
                "rajut agent --off shed",
                "invalid value 'shed' for '--off <PROBE>': unknown probe `shed` (did you mean `sched`?) (see `rajut --help`)",
            ),
            (
                "rajut query",
                "the following required arguments were not provided: <METRIC> (see `rajut query --help`)",
            ),
        ] {
            assert_eq!(mistake(words), expected);
        }
        for words in
            ["rajut tpo", "rajut query m --quantile 7", "rajut top -o yaml", "rajut agent --slots \u{1b}[2J"]
        {
            let line = mistake(words);
            assert!(!line.contains(['\n', '\u{1b}']), "{line}");
        }
    }

    #[test]
    fn every_shell_has_completions_and_every_command_a_page() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let mut text = Vec::new();
            completions(*shell, &mut text).unwrap();
            assert!(String::from_utf8(text).unwrap().contains("kernel-log"), "{shell}");
        }
        for command in [None, Some("agent"), Some("top"), Some("query"), Some("doctor")] {
            let mut text = Vec::new();
            manual(command, &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{text}");
            assert!(command != Some("agent") || text.contains("RAJUT_SOCKET"), "{text}");
        }
        let error = manual(Some("tpo"), &mut Vec::new()).unwrap_err();
        assert_eq!(error.line().as_deref(), Some("rajut: no command `tpo` (did you mean `top`?)"));
    }
}
