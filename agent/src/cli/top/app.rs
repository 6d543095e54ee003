//! The state of the live view, and what each key does to it. No I/O: keys and answers in, questions out.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rajut_proto::v1::{GetStatusResponse, Matcher, SummarizeRequest, SummarizeResponse};

use super::{
    detail::Detail,
    rows::{Sort, TopRow, selector},
};
use crate::cli::{query::matchers, when};

/// How rows are folded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Group {
    /// Not: containers, units, cgroups.
    #[default]
    Container,
    /// Pods, and what is no pod by its own name.
    Pod,
    /// Namespaces.
    Namespace,
    /// Workloads.
    Workload,
    /// All in one.
    Node,
    /// As the command line said.
    Given,
}

impl Group {
    /// The next one, round and round.
    fn next(self) -> Group {
        match self {
            Group::Container | Group::Given => Group::Pod,
            Group::Pod => Group::Namespace,
            Group::Namespace => Group::Workload,
            Group::Workload => Group::Node,
            Group::Node => Group::Container,
        }
    }

    /// Labels to fold by.
    fn by(self, given: &[String]) -> Vec<String> {
        let labels: &[&str] = match self {
            Group::Container => &[],
            Group::Pod => &["namespace", "pod", "unit", "cgroup"],
            Group::Namespace => &["namespace"],
            Group::Workload => &["namespace", "workload"],
            Group::Node => &["node"],
            Group::Given => return given.to_vec(),
        };
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Container => "container",
            Group::Pod => "pod",
            Group::Namespace => "namespace",
            Group::Workload => "workload",
            Group::Node => "node",
            Group::Given => "--by",
        }
    }

    /// The title above the names.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Group::Container | Group::Pod => "POD",
            Group::Namespace => "NAMESPACE",
            Group::Workload => "WORKLOAD",
            Group::Node => "NODE",
            Group::Given => "WHO",
        }
    }
}

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Draw.
    Draw,
    /// Ask again at once, since the question changed.
    Ask,
    /// End.
    Quit,
}

/// The windows that `w` goes through.
const WINDOWS: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
/// Longest filter: what is longer was pasted by mistake.
const FILTER: usize = 128;

/// The live view.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// How rows are folded.
    pub(crate) group: Group,
    /// How rows are ordered.
    pub(crate) sort: Sort,
    /// How far back.
    pub(crate) last: Duration,
    /// Only names that hold this.
    pub(crate) filter: String,
    /// Whether the filter is being typed.
    pub(crate) typing: bool,
    /// Whether the help is open.
    pub(crate) help: bool,
    /// Whether the numbers stand still.
    pub(crate) paused: bool,
    /// The chosen row among [`App::rows`].
    pub(crate) selected: usize,
    /// The opened row.
    pub(crate) detail: Option<Detail>,
    /// The latest answer.
    pub(crate) summary: Option<SummarizeResponse>,
    /// The agent's latest state.
    pub(crate) status: Option<GetStatusResponse>,
    /// What there is to say beside the numbers: no answer, no data yet.
    pub(crate) notice: Option<String>,
    /// Whose agent it is, where that is not plain.
    pub(crate) local: bool,
    by: Vec<String>,
    matchers: Vec<Matcher>,
    ordered: Vec<TopRow>,
}

impl App {
    /// With what the command line says.
    pub(crate) fn new(
        last: Option<Duration>,
        by: &[String],
        filter: &[(String, String)],
        local: bool,
    ) -> App {
        App {
            group: if by.is_empty() { Group::Container } else { Group::Given },
            last: last.unwrap_or(WINDOWS[0]),
            by: by.to_vec(),
            matchers: matchers(filter),
            local,
            ..App::default()
        }
    }

    /// What to ask now.
    pub(crate) fn question(&self) -> SummarizeRequest {
        SummarizeRequest {
            range: Some(when::last(self.last)),
            by: self.group.by(&self.by),
            r#where: self.matchers.clone(),
            quantiles: vec![0.5, 0.9, 0.99],
            limit: 0,
        }
    }

    /// The rows to show: those that match the filter, in order.
    pub(crate) fn rows(&self) -> &[TopRow] {
        &self.ordered
    }

    /// Takes an answer. One to a question that is no longer asked is dropped.
    pub(crate) fn answer(&mut self, asked: &SummarizeRequest, summary: SummarizeResponse) {
        if self.paused || *asked != self.question() {
            return;
        }
        self.notice = None;
        self.summary = Some(summary);
        self.order();
        if let Some(detail) = &mut self.detail {
            let found = self.summary.iter().flat_map(|summary| &summary.rows);
            detail.row = found.map(TopRow::new).find(|row| selector(&row.raw.labels) == detail.selector);
        }
    }

    /// What a key does.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Next::Quit } else { Next::Draw };
        }
        if self.typing {
            return self.type_filter(key.code);
        }
        if self.help {
            self.help = false;
            return if key.code == KeyCode::Char('q') { Next::Quit } else { Next::Draw };
        }
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('?' | 'h') => self.help = true,
            KeyCode::Char('p' | ' ') => {
                self.paused = !self.paused;
                return if self.paused { Next::Draw } else { Next::Ask };
            }
            KeyCode::Char('w') => {
                let at = WINDOWS.iter().position(|window| *window == self.last).map_or(0, |at| at + 1);
                self.last = WINDOWS[at % WINDOWS.len()];
                return Next::Ask;
            }
            code if self.detail.is_some() => {
                if matches!(code, KeyCode::Esc | KeyCode::Backspace | KeyCode::Left | KeyCode::Enter) {
                    self.detail = None;
                }
            }
            code => return self.key_in_list(code),
        }
        Next::Draw
    }

    fn key_in_list(&mut self, code: KeyCode) -> Next {
        let last = self.ordered.len().saturating_sub(1);
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(20),
            KeyCode::PageDown => self.selected = (self.selected + 20).min(last),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Enter | KeyCode::Right => {
                if let Some(row) = self.ordered.get(self.selected) {
                    self.detail = Some(Detail::new(row.clone()));
                    return Next::Ask;
                }
            }
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                // A new order is looked at from its top.
                self.order();
                self.selected = 0;
            }
            KeyCode::Char('g') => {
                self.group = self.group.next();
                self.selected = 0;
                return Next::Ask;
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.order();
            }
            _ => {}
        }
        Next::Draw
    }

    fn type_filter(&mut self, code: KeyCode) -> Next {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if self.filter.len() < FILTER && !crate::harmless::is_harmful(c) => {
                self.filter.push(c)
            }
            _ => {}
        }
        self.order();
        Next::Draw
    }

    /// Filters and orders anew; the chosen row stays chosen where it goes.
    fn order(&mut self) {
        let chosen = self.ordered.get(self.selected).map(|row| row.raw.labels.clone());
        let wanted = self.filter.to_lowercase();
        let rows = self.summary.iter().flat_map(|summary| &summary.rows).map(TopRow::new);
        self.ordered = rows.filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
        self.sort.apply(&mut self.ordered);
        // The first row means "the worst", not a name: it stays the first.
        let at = self.ordered.iter().position(|row| Some(&row.raw.labels) == chosen.as_ref());
        if self.selected > 0 {
            self.selected = at.unwrap_or(self.selected).min(self.ordered.len().saturating_sub(1));
        }
    }
}
