//! The screen of `top`: header, rows, keys. Draws a state, changes none.

use ratatui::{
    Frame,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Clear, Paragraph},
};
use unicode_width::UnicodeWidthStr;

use super::{
    app::App,
    columns::{self, Column},
    detail_screen,
    rows::{events, population},
};
use crate::{
    cli::{
        out,
        query::completeness,
        text::shorten,
        units::{self, NONE},
    },
    harmless::harmless,
};

/// How things look; without colour only weight tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Whether there is colour.
    pub(crate) color: bool,
}

impl Look {
    /// What may be overlooked.
    pub(crate) fn dim(self) -> Style {
        if self.color { Style::new().fg(Color::DarkGray) } else { Style::new() }
    }

    /// Titles.
    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Not all is well.
    pub(crate) fn warn(self) -> Style {
        if self.color { Style::new().fg(Color::Yellow) } else { self.bold() }
    }

    /// Bad.
    pub(crate) fn bad(self) -> Style {
        if self.color { Style::new().fg(Color::Red) } else { self.bold() }
    }
}

/// Columns that the marker of the chosen row takes.
const MARGIN: usize = 2;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &App, look: Look) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    // Header, titles, keys; a terminal lower than that shows what fits.
    let body = height.saturating_sub(2);
    let mut lines = vec![header(app, width, look)];
    match &app.detail {
        Some(detail) => lines.extend(detail_screen::lines(app, detail, width, body, look)),
        None => lines.extend(list(app, width, body, look)),
    }
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(keys(app, width, look));
    frame.render_widget(Paragraph::new(lines), area);
    if app.help {
        help(frame, area, look);
    }
}

/// Whether to believe the rest, and what it costs.
pub(crate) fn header(app: &App, width: usize, look: Look) -> Line<'static> {
    let Some(summary) = &app.summary else {
        let notice = app.notice.clone().unwrap_or_else(|| "asking the agent …".to_owned());
        return Line::from(Span::styled(shorten(&notice, width).into_owned(), look.warn()));
    };
    let (style, complete) = completeness(summary.complete, &summary.gaps, Some(events(summary)));
    let style = if style == out::Style::Warn { look.warn() } else { Style::new() };
    let mut left = vec![
        Span::styled(shorten(&harmless(&summary.node), width.min(40)).into_owned(), look.bold()),
        Span::raw(format!(" · {} · last {} · ", population(summary), units::span(app.last))),
        Span::styled(complete, style),
    ];
    if app.paused {
        left.push(Span::styled(" · paused", look.warn()));
    }
    if let Some(notice) = &app.notice {
        left.push(Span::styled(format!(" · {notice}"), look.warn()));
    }
    let used: usize = left.iter().map(|span| span.content.width()).sum();
    let right = bills(app).into_iter().find(|bill| used + 2 + bill.width() <= width);
    if let Some(right) = right {
        left.push(Span::raw(" ".repeat(width - used - right.width())));
        left.push(Span::styled(right, look.dim()));
    }
    Line::from(left)
}

/// What the agent costs, from most to least words.
pub(crate) fn bills(app: &App) -> Vec<String> {
    let Some(status) = &app.status else { return Vec::new() };
    let on = status.probes.iter().filter(|probe| probe.state() == rajut_proto::v1::ProbeState::On).count();
    let probes = format!("{on} of {} probes", status.probes.len());
    let bill = status.self_.unwrap_or_default();
    let (cpu, rss) = (units::percent_fine(bill.cpu_share), units::bytes(bill.rss as f64));
    let who = if app.local { "rajut (in here)" } else { "rajut" };
    vec![
        format!("{who}: {cpu} of a core · {rss} · {probes}"),
        format!("rajut: {cpu} of a core · {rss}"),
        format!("rajut: {cpu} · {probes}"),
        format!("rajut: {cpu}"),
    ]
}

fn list(app: &App, width: usize, body: usize, look: Look) -> Vec<Line<'static>> {
    let rows = app.rows();
    let layout = columns::layout(width, MARGIN, rows);
    let gap = "  ";
    let titles: Vec<String> = layout
        .iter()
        .map(|(column, width)| columns::fit(*column, &column.title(app.group.title()), *width))
        .collect();
    let mut lines = vec![Line::from(Span::styled(format!("{gap}{}", titles.join(gap)), look.bold()))];
    if rows.is_empty() {
        let why = match (&app.summary, app.filter.is_empty()) {
            (None, _) => "",
            (Some(_), true) => "nothing was measured in this time",
            (Some(_), false) => "nothing matches the filter: esc clears it",
        };
        lines.push(Line::from(Span::styled(format!("{gap}{why}"), look.dim())));
        return lines;
    }
    let visible = body.saturating_sub(1).max(1);
    // The chosen row is kept in sight with as little movement as no memory of the last frame allows: pages.
    let first = app.selected / visible * visible;
    for (at, row) in rows.iter().enumerate().skip(first).take(visible) {
        let chosen = at == app.selected;
        let base = if chosen { look.bold() } else { Style::new() };
        let mut spans = vec![Span::styled(if chosen { "▸ " } else { gap }, base)];
        for (place, (column, width)) in layout.iter().enumerate() {
            if place > 0 {
                spans.push(Span::raw(gap));
            }
            let cell = column.cell(row);
            let style = match column {
                Column::Hurts | Column::HurtsShort => match row.hurt() {
                    Some(hurt) if hurt.bad => look.bad(),
                    Some(_) => look.warn(),
                    None => look.dim(),
                },
                _ if cell.trim() == NONE => look.dim(),
                _ => base,
            };
            spans.push(Span::styled(columns::fit(*column, &cell, *width), style));
        }
        lines.push(Line::from(spans));
    }
    lines
}

/// What can be pressed, as much of it as there is room for.
fn keys(app: &App, width: usize, look: Look) -> Line<'static> {
    if app.typing {
        let text = format!(" / {}▏  ↵ keep  esc clear", app.filter);
        return Line::from(Span::styled(shorten(&text, width).into_owned(), look.bold()));
    }
    let mut keys: Vec<String> = if app.detail.is_some() {
        vec!["esc back".to_owned()]
    } else {
        let filter =
            if app.filter.is_empty() { "/ filter".to_owned() } else { format!("/ filter ({})", app.filter) };
        vec![
            "↑↓ move".to_owned(),
            "↵ open".to_owned(),
            filter,
            format!("s sort ({})", app.sort.name()),
            format!("g group ({})", app.group.name()),
        ]
    };
    keys.push(format!("w window ({})", units::span(app.last)));
    keys.push(if app.paused { "p go on" } else { "p pause" }.to_owned());
    let end = ["? help".to_owned(), "q quit".to_owned()];
    let length = |keys: &[String]| keys.iter().map(|key| key.width() + 2).sum::<usize>();
    // The middle leaves first: how to get help and how to get out stay.
    while length(&keys) + length(&end) > width && keys.pop().is_some() {}
    let text = format!(" {}", keys.iter().chain(&end).map(String::as_str).collect::<Vec<_>>().join("  "));
    Line::from(Span::styled(shorten(&text, width).into_owned(), look.dim()))
}

/// What the columns mean and what the keys do.
const HELP: [&str; 21] = [
    "CPU       cores in use",
    "WAIT p50  half of the waits for a CPU were shorter",
    "WAIT p99  one wait in a hundred was longer",
    "WAIT/s    share of wall time that a thread was ready and others ran;",
    "          over 100 % where several threads waited at once",
    "QUOTA     likewise, because the cgroup's CPU quota was used up",
    "SWITCH/s  context switches",
    "MEMORY    in use, page cache included; the bar is its share of the limit,",
    "          where there is one",
    "·         not measured (0.0: measured, and nothing)",
    "",
    "↑ ↓ j k   move            ↵  open, esc back",
    "/         filter names    esc  clear the filter",
    "s         sort by the next column",
    "g         group: container, pod, namespace, workload, node",
    "w         look back 10 s, 1 m, 5 m",
    "p         pause",
    "q ctrl-c  quit",
    "",
    "`rajut query` answers the same for any time: rajut query --help",
    "any key closes this",
];

fn help(frame: &mut Frame<'_>, area: Rect, look: Look) {
    let width = HELP.iter().map(|line| line.width()).max().unwrap_or(0) + 4;
    let (width, height) =
        (width.min(usize::from(area.width)) as u16, (HELP.len() + 2).min(usize::from(area.height)) as u16);
    let place =
        Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let block = ratatui::widgets::Block::bordered().title(" help ").border_style(look.dim());
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
