//! The screen of one opened row: its last minutes on one time axis, the shape of its waits, all its labels and values.

use rajut_proto::v1::value::Value as Number;
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    app::App,
    detail::{Detail, SLICE, SLICES, Slice},
    screen::Look,
};
use crate::{
    cli::{
        bars, metrics,
        text::{pad, shorten},
        units::{self, NONE},
    },
    harmless::harmless,
};

/// From this width on, labels and values stand beside the histogram.
const WIDE: usize = 120;
/// Bars of the histogram.
const BARS: usize = 16;
/// Levels of a sparkline.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The lines under the header.
pub(crate) fn lines(
    app: &App,
    detail: &Detail,
    width: usize,
    height: usize,
    look: Look,
) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from(Span::styled(shorten(&detail.name, width).into_owned(), look.bold()))];
    lines.push(match &detail.row {
        None => Line::from(Span::styled("  gone: nothing in this time", look.warn())),
        Some(row) => match row.hurt() {
            None => Line::from(Span::styled("  nothing hurts", look.dim())),
            Some(hurt) => Line::from(Span::styled(
                format!("  {}", hurt.long),
                if hurt.bad { look.bad() } else { look.warn() },
            )),
        },
    });
    lines.push(Line::default());
    lines.extend(history(detail, width, look));
    lines.push(Line::default());
    let (shape, facts) = (shape(app, detail, width, look), facts(detail, width, look));
    if width >= WIDE {
        lines.extend(beside(shape, facts, width / 2));
    } else {
        lines.extend(shape);
        lines.push(Line::default());
        lines.extend(facts);
    }
    lines.truncate(height);
    lines
}

/// A sparkline's name, its number in a slice, and how that is written.
type Track = (&'static str, fn(&Slice) -> Option<f64>, fn(f64) -> String);

/// Three sparklines over the same minutes, each with its latest and its greatest value.
fn history(detail: &Detail, width: usize, look: Look) -> Vec<Line<'static>> {
    let slices = detail.slices();
    // name 8, value 10, greatest 18.
    let room = width.saturating_sub(38).clamp(8, slices.len().max(8));
    let shown = &slices[slices.len().saturating_sub(room)..];
    let latest = detail.row.as_ref().map(Slice::from).unwrap_or_default();
    let series: [Track; 3] = [
        ("CPU", |s| s.cpu, units::cores),
        ("WAIT/s", |s| s.wait, units::percent_cell),
        ("QUOTA", |s| s.quota, units::percent_cell),
    ];
    let mut lines: Vec<Line<'static>> = series
        .into_iter()
        .map(|(name, of, format)| {
            let values: Vec<Option<f64>> = shown.iter().map(of).collect();
            let greatest = values.iter().flatten().copied().fold(f64::NAN, f64::max);
            let text = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), format);
            Line::from(vec![
                Span::raw(format!("  {}{}  ", pad(name, 8, false), pad(&text(of(&latest)), 8, true))),
                Span::styled(spark(&values), if look.color { look.warn() } else { Style::new() }),
                Span::styled(format!("  max {}", text((!greatest.is_nan()).then_some(greatest))), look.dim()),
            ])
        })
        .collect();
    let minutes = SLICE * room as i64 / 60;
    let axis = if room < SLICES as usize { format!("{minutes} min ago") } else { "5 min ago".to_owned() };
    let gap = room.saturating_sub(axis.width() + 3).max(1);
    lines.push(Line::from(Span::styled(
        format!("{}{axis}{}now", " ".repeat(20), " ".repeat(gap)),
        look.dim(),
    )));
    lines
}

/// Values from 0 to the greatest as bars of one cell; what was not measured is a dot.
pub(crate) fn spark(values: &[Option<f64>]) -> String {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let level = |value: f64| {
        let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        // Zero has the lowest level to itself.
        let level = if value > 0.0 { 1 + (share * 6.0).round() as usize } else { 0 };
        LEVELS.get(level).copied().unwrap_or('█')
    };
    values.iter().map(|value| value.map_or('·', level)).collect()
}

/// The distribution of waits.
fn shape(app: &App, detail: &Detail, width: usize, look: Look) -> Vec<Line<'static>> {
    let row = detail.row.as_ref();
    let quantile = |value: Option<f64>| value.map_or_else(|| NONE.to_owned(), units::duration);
    let title = format!(
        "  waits for a CPU, last {}: {}  p50 {}  p99 {}",
        units::span(app.last),
        row.map_or_else(|| NONE.to_owned(), |row| units::count(row.waits)),
        quantile(row.and_then(|row| row.p50)),
        quantile(row.and_then(|row| row.p99)),
    );
    let mut lines = vec![Line::from(Span::styled(title, look.bold()))];
    let Some(histogram) = &detail.histogram else { return lines };
    let bars = bars::fold(histogram, BARS);
    let most = bars.iter().map(|bar| bar.count).max().unwrap_or(0).max(1);
    let column = if width >= WIDE { width / 2 } else { width };
    let room = column.saturating_sub(32).clamp(8, 60);
    lines.extend(bars.iter().map(|it| {
        Line::from(vec![
            Span::raw(pad(&format!("≤ {}", units::duration_cell(it.upper)), 14, true)),
            Span::raw(format!("  {}  ", pad(&units::count(it.count), 8, true))),
            Span::styled(bars::bar(it.count as f64 / most as f64, room), look.warn()),
        ])
    }));
    lines
}

/// All labels, all values.
fn facts(detail: &Detail, width: usize, look: Look) -> Vec<Line<'static>> {
    let Some(row) = &detail.row else { return Vec::new() };
    let column = if width >= WIDE { width - width / 2 } else { width };
    let mut lines = vec![Line::from(Span::styled("  labels and values", look.bold()))];
    let mut fact = |name: &str, value: &str| {
        let name = pad(&shorten(name, column.saturating_sub(26)), 11, false);
        let value = shorten(value, column.saturating_sub(name.width() + 4)).into_owned();
        lines.push(Line::from(vec![Span::styled(format!("  {name}  "), look.dim()), Span::raw(value)]));
    };
    for (key, value) in &row.raw.labels {
        fact(&harmless(key), &harmless(value));
    }
    if row.raw.entity != 0 {
        fact("entity", &row.raw.entity.to_string());
    }
    for value in &row.raw.values {
        let attributes: String =
            value.attributes.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        let unit = metrics::known_unit(&value.metric);
        let number = match &value.value {
            Some(Number::Counter(counter)) => {
                format!("{}  {}", units::value(unit, counter.increase), units::per_second(unit, counter.rate))
            }
            Some(Number::Gauge(gauge)) => units::value(unit, gauge.value),
            Some(Number::Distribution(d)) => {
                format!("{} in {}", units::value(unit, d.sum), units::count(d.count))
            }
            None => continue,
        };
        fact(&harmless(&format!("{}{attributes}", value.metric)), &number);
    }
    lines
}

/// Two stacks of lines side by side.
fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>, at: usize) -> Vec<Line<'static>> {
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let mut lines = Vec::new();
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            return lines;
        }
        let mut line = a.unwrap_or_default();
        if let Some(b) = b {
            line.push_span(Span::raw(" ".repeat(at.saturating_sub(line.width()))));
            line.extend(b.spans);
        }
        lines.push(line);
    }
}
