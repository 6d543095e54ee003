//! Standard output: whether it is a terminal, how wide, and whether it may have colour.

use std::{
    env,
    io::{self, IsTerminal as _},
};

use super::args::ColorChoice;

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Out {
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
    /// Whether to use colour.
    pub(crate) color: bool,
    /// Columns of the terminal; `None` where there is none: nothing is shortened then.
    pub(crate) width: Option<usize>,
}

impl Out {
    /// What this process's standard output is.
    pub(crate) fn detect(choice: ColorChoice) -> Out {
        let terminal = io::stdout().is_terminal();
        let width = if terminal {
            crossterm::terminal::size().ok().map(|(width, _)| usize::from(width))
        } else {
            None
        };
        Out {
            terminal,
            color: color(choice, terminal, |name| env::var(name).ok()),
            width: width.filter(|w| *w > 0),
        }
    }

    /// The text in a style, where colour is on.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        match (self.color, style) {
            (true, Style::Bold) => format!("\x1b[1m{text}\x1b[0m"),
            (true, Style::Good) => format!("\x1b[32m{text}\x1b[0m"),
            (true, Style::Warn) => format!("\x1b[33m{text}\x1b[0m"),
            (true, Style::Bad) => format!("\x1b[31m{text}\x1b[0m"),
            (_, Style::Plain) | (false, _) => text.to_owned(),
        }
    }
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Nothing in particular.
    Plain,
    /// Titles.
    Bold,
    /// Works.
    Good,
    /// Not all is well.
    Warn,
    /// Does not work.
    Bad,
}

/// Flag first, then <https://no-color.org>, then what the terminal can do.
fn color(choice: ColorChoice, terminal: bool, env: impl Fn(&str) -> Option<String>) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            terminal
                && env("NO_COLOR").is_none_or(|set| set.is_empty())
                && env("TERM").as_deref() != Some("dumb")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_environment_and_that_the_terminal() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, terminal, variable, expected) in [
            (Auto, true, None, true),
            (Auto, false, None, false),
            (Auto, true, Some(("NO_COLOR", "1")), false),
            (Auto, true, Some(("NO_COLOR", "")), true),
            (Auto, true, Some(("TERM", "dumb")), false),
            (Always, false, Some(("NO_COLOR", "1")), true),
            (Never, true, None, false),
        ] {
            let env =
                |name: &str| variable.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            assert_eq!(color(choice, terminal, env), expected, "{choice:?} {terminal} {variable:?}");
        }
    }
}
