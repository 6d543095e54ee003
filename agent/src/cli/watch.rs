//! `rajut watch`: each window as it closes; goes on where it was when the connection breaks.

use std::{
    collections::HashMap,
    io::{self, Write},
    time::Duration,
};

use rajut_proto::v1::{Delta, Entity, Lost, Row, WatchRequest, WatchResponse, watch_response::Event};
use serde::Serialize;
use tonic::{Code, Streaming};

use super::{
    args::{PlainFormat, WatchArgs},
    connect::{Client, Target},
    error::CliError,
    json, metrics,
    out::{Out, Style},
    query::matchers,
    signals::Signals,
    text::{pad, shorten},
    top::{Column, TopRow},
    when::clock,
};
use crate::harmless::harmless;

/// Silence after which the agent is taken for gone: some heartbeats of the longest window.
const SILENCE: Duration = Duration::from_secs(90);
/// First and longest pause between attempts to connect again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Entities whose labels are remembered; an agent has far fewer.
const ENTITIES: usize = 65_536;
/// Columns of a name.
const NAME: usize = 40;
/// What a line of the table says.
const COLUMNS: [(Column, usize); 7] = [
    (Column::Cpu, 6),
    (Column::P50, 8),
    (Column::P99, 8),
    (Column::Wait, 8),
    (Column::Quota, 8),
    (Column::Switches, 8),
    (Column::Memory, 14),
];

/// Why a stream ended.
enum End {
    /// Enough windows, or a signal.
    Done,
    /// The connection broke.
    Broken,
    /// The agent does not take this token.
    Token,
}

/// Runs it.
///
/// # Errors
/// When the agent cannot be reached at first, refuses, or the output cannot be written.
pub(crate) async fn run(args: &WatchArgs, target: &Target, out: Out) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let mut client = Client::connect(target).await?;
    let units = metrics::units(&metrics::list(&client).await?);
    let mut printer = Printer::new(args.output, out, units, args.count);
    let mut request = WatchRequest {
        metrics: args.metrics.clone(),
        r#where: matchers(&args.filter),
        resume_token: String::new(),
        histogram: args.histogram,
    };
    let mut pause = PAUSE.0;
    loop {
        let before = request.resume_token.clone();
        match follow(&client, &mut request, &mut printer, &mut signals).await? {
            End::Done => return Ok(()),
            End::Token => {
                request.resume_token.clear();
                note("the agent does not know where we were: windows may be missing");
                continue;
            }
            End::Broken => {
                note(&format!("the agent at {} is gone: trying again", harmless(&target.to_string())))
            }
        }
        if request.resume_token != before {
            pause = PAUSE.0;
        }
        client = loop {
            tokio::select! {
                _ = signals.recv() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
            match Client::connect(target).await {
                Ok(client) => break client,
                Err(CliError::Unreachable(_)) => {}
                Err(error) => return Err(error),
            }
        };
    }
}

/// Prints one stream's messages until it ends.
async fn follow(
    client: &Client,
    request: &mut WatchRequest,
    printer: &mut Printer,
    signals: &mut Signals,
) -> Result<End, CliError> {
    let resumed = !request.resume_token.is_empty();
    let refused = |status: &tonic::Status| match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Aborted | Code::ResourceExhausted => {
            Ok(End::Broken)
        }
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition if resumed => Ok(End::Token),
        _ => Err(client.refused(status)),
    };
    let mut watch = client.watch();
    let opened = tokio::select! {
        _ = signals.recv() => return Ok(End::Done),
        opened = watch.watch(request.clone()) => opened,
    };
    let mut stream: Streaming<WatchResponse> = match opened {
        Ok(stream) => stream.into_inner(),
        Err(status) => return refused(&status),
    };
    loop {
        let message = tokio::select! {
            _ = signals.recv() => return Ok(End::Done),
            message = tokio::time::timeout(SILENCE, stream.message()) => message,
        };
        match message {
            Err(_) | Ok(Ok(None)) => return Ok(End::Broken),
            Ok(Err(status)) => return refused(&status),
            Ok(Ok(Some(message))) => {
                request.resume_token = message.resume_token;
                if printer.event(message.event, &mut io::stdout().lock())? {
                    return Ok(End::Done);
                }
            }
        }
    }
}

/// A line on standard error that is no error.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "rajut: {line}");
}

#[derive(Serialize)]
struct Line<'a> {
    start: Option<&'a str>,
    end: Option<&'a str>,
    complete: bool,
    gaps: Vec<json::Gap>,
    labels: &'a json::Labels,
    entity: Option<String>,
    metrics: Vec<json::Metric>,
}

#[derive(Serialize)]
struct LostLine {
    lost: LostFields,
}

#[derive(Serialize)]
struct LostFields {
    source: String,
    count: u64,
}

/// Prints messages; remembers who is who.
struct Printer {
    format: PlainFormat,
    out: Out,
    units: std::collections::BTreeMap<String, String>,
    names: HashMap<u64, Entity>,
    /// Gone before the last window: nothing about them comes any more.
    gone: Vec<u64>,
    left: Option<u64>,
    titled: bool,
}

impl Printer {
    fn new(
        format: PlainFormat,
        out: Out,
        units: std::collections::BTreeMap<String, String>,
        count: Option<u64>,
    ) -> Printer {
        Printer { format, out, units, names: HashMap::new(), gone: Vec::new(), left: count, titled: false }
    }

    /// Prints what a message says; whether that was enough.
    fn event(&mut self, event: Option<Event>, to: &mut dyn Write) -> io::Result<bool> {
        match event {
            Some(Event::Snapshot(snapshot)) => {
                self.names.clear();
                self.learn(snapshot.entities);
            }
            Some(Event::Delta(delta)) => {
                self.delta(delta, to)?;
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(1);
                    return Ok(*left == 0);
                }
            }
            Some(Event::Lost(lost)) => self.lost(&lost, to)?,
            // Nothing to print, and nothing that a newer agent says beside.
            Some(Event::Heartbeat(_)) | None => {}
        }
        Ok(false)
    }

    fn learn(&mut self, entities: Vec<Entity>) {
        for entity in entities {
            let newer = self.names.get(&entity.id).is_none_or(|known| known.version <= entity.version);
            if newer && (self.names.len() < ENTITIES || self.names.contains_key(&entity.id)) {
                self.names.insert(entity.id, entity);
            }
        }
    }

    fn delta(&mut self, delta: Delta, to: &mut dyn Write) -> io::Result<()> {
        for gone in self.gone.drain(..) {
            self.names.remove(&gone);
        }
        self.gone =
            delta.entities.iter().filter(|entity| entity.gone_at.is_some()).map(|entity| entity.id).collect();
        self.learn(delta.entities);
        let mut rows = delta.rows;
        for row in &mut rows {
            if let Some(entity) = self.names.get(&row.entity) {
                row.labels.clone_from(&entity.labels);
            }
        }
        match self.format {
            PlainFormat::Json => {
                let (start, end) = json::bounds(delta.window.as_ref());
                for row in &rows {
                    let line = Line {
                        start: start.as_deref(),
                        end: end.as_deref(),
                        complete: delta.complete,
                        gaps: json::Gap::all(&delta.gaps),
                        labels: &row.labels,
                        entity: json::entity(row.entity),
                        metrics: json::Metric::all(&row.values, &self.units),
                    };
                    json::write_line(to, &line)?;
                }
            }
            PlainFormat::Table => {
                let time = clock(delta.window.as_ref().and_then(|window| window.end.as_ref()));
                if !delta.complete {
                    let (_, why) = super::query::completeness(false, &delta.gaps, None);
                    writeln!(to, "{}", self.out.paint(Style::Warn, &format!("{time}  {why}")))?;
                }
                rows.iter().try_for_each(|row| self.row(&time, row, to))?;
            }
        }
        to.flush()
    }

    fn row(&mut self, time: &str, row: &Row, to: &mut dyn Write) -> io::Result<()> {
        let line = |time: &str, name: &str, cells: Vec<String>| {
            let name = pad(&shorten(name, NAME), NAME, false);
            let cells: Vec<String> = cells
                .iter()
                .zip(COLUMNS)
                .map(|(cell, (column, width))| pad(cell, width, column.right()))
                .collect();
            let line = format!("{}  {name}  {}", pad(time, 8, false), cells.join("  "));
            line.trim_end().to_owned()
        };
        if !self.titled {
            self.titled = true;
            let titles = COLUMNS.map(|(column, _)| column.title("")).to_vec();
            writeln!(to, "{}", self.out.paint(Style::Bold, &line("UTC", "WHO", titles)))?;
        }
        let row = TopRow::new(row);
        writeln!(to, "{}", line(time, &row.name, COLUMNS.map(|(column, _)| column.cell(&row)).to_vec()))
    }

    fn lost(&self, lost: &Lost, to: &mut dyn Write) -> io::Result<()> {
        if self.format == PlainFormat::Json {
            let lost = LostFields { source: lost.source.clone(), count: lost.count };
            json::write_line(to, &LostLine { lost })?;
            return to.flush();
        }
        let windows = match lost.count {
            0 => "some windows are".to_owned(),
            1 => "1 window is".to_owned(),
            count => format!("{count} windows are"),
        };
        let line = format!("{windows} missing ({})", harmless(&lost.source));
        writeln!(to, "{}", self.out.paint(Style::Warn, &line))?;
        to.flush()
    }
}

#[cfg(test)]
mod tests;
