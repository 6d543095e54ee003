//! The loop of the live view: keys, a tick each second, answers; at most one round of questions under way.

use std::{io, sync::mpsc as blocking, time::Duration};

use crossterm::event::{self, Event, KeyEventKind};
use rajut_proto::v1::{
    GetStatusResponse, Histogram, SummarizeRequest, SummarizeResponse, value::Value as Number,
};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{
    app::{App, Next},
    ask::summarize,
    detail::{Detail, Slice},
    rows::TopRow,
    screen::{Look, draw},
};
use crate::cli::{connect::Client, error::CliError, query, signals::Signals, status};

/// How often to ask.
const TICK: Duration = Duration::from_secs(1);
/// How long the key reader sleeps at most before it looks whether to end.
const KEYS: Duration = Duration::from_millis(200);

/// What a round of questions brought.
struct Round {
    asked: SummarizeRequest,
    summary: Result<SummarizeResponse, CliError>,
    status: Option<GetStatusResponse>,
    detail: Option<Answered>,
}

/// What it brought about an opened row.
struct Answered {
    selector: Vec<(String, String)>,
    histogram: Option<Histogram>,
    slices: Vec<(i64, Slice)>,
}

/// The terminal in its raw state; as it was when dropped. A panic restores it too: ratatui's hook does.
struct Terminal(ratatui::DefaultTerminal);

impl Drop for Terminal {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Runs until `q`, ctrl-c or a signal.
///
/// # Errors
/// When the terminal fails, or the agent refuses the question.
pub(crate) async fn run(client: &Client, mut app: App, look: Look) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    let mut terminal = Terminal(ratatui::try_init()?);
    let (mut keys, _stop) = read_keys();
    let (send, mut rounds) = mpsc::channel(1);
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut busy = false;
    loop {
        terminal.0.draw(|frame| draw(frame, &app, look))?;
        let ask = tokio::select! {
            _ = signals.recv() => return Ok(()),
            event = keys.recv() => match event {
                None => return Ok(()),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match app.key(key) {
                    Next::Quit => return Ok(()),
                    Next::Ask => true,
                    Next::Draw => false,
                },
                // A new size is seen by the next draw.
                Some(_) => false,
            },
            round = rounds.recv() => {
                busy = false;
                match round {
                    Some(round) => take(&mut app, round)?,
                    None => false,
                }
            }
            _ = tick.tick() => true,
        };
        if ask && !busy && !app.paused {
            busy = true;
            let (client, send) = (client.clone(), send.clone());
            let (asked, detail, last) = (app.question(), app.detail.clone(), app.last);
            tokio::spawn(async move {
                // The receiver is gone only when the view is.
                let _ = send.send(ask_all(&client, asked, detail, last).await).await;
            });
        }
    }
}

/// Takes what a round brought; whether to ask again at once, because more is known to be there.
fn take(app: &mut App, round: Round) -> Result<bool, CliError> {
    let Round { asked, summary, status, detail } = round;
    let stale = asked != app.question();
    match summary {
        Ok(summary) => app.answer(&asked, summary),
        Err(error @ (CliError::Usage(_) | CliError::Permission(_))) if !stale => return Err(error),
        Err(CliError::NoData(why)) if app.summary.is_none() => {
            app.notice = Some(format!("measuring … ({why})"));
        }
        Err(error) => app.notice = Some(error.to_string()),
    }
    if status.is_some() {
        app.status = status;
    }
    let mut more = stale;
    if let (Some(open), Some(detail)) = (&mut app.detail, detail)
        && open.selector == detail.selector
    {
        open.histogram = detail.histogram;
        more |= detail.slices.len() > 1;
        open.remember(detail.slices);
    }
    Ok(more)
}

async fn ask_all(client: &Client, asked: SummarizeRequest, detail: Option<Detail>, last: Duration) -> Round {
    let summary = summarize(client, asked.clone()).await;
    let status = status::get(client).await.ok();
    let detail = match (detail, &summary) {
        (Some(detail), Ok(summary)) => Some(ask_detail(client, detail, summary, last).await),
        _ => None,
    };
    Round { asked, summary, status, detail }
}

async fn ask_detail(
    client: &Client,
    detail: Detail,
    summary: &SummarizeResponse,
    last: Duration,
) -> Answered {
    let answer = query::ask(client, detail.question(last)).await.ok();
    let values = answer.into_iter().flat_map(|answer| answer.rows).flat_map(|row| row.values);
    let histogram = values
        .filter_map(|value| match value.value {
            Some(Number::Distribution(distribution)) => distribution.histogram,
            _ => None,
        })
        .next();
    let mut slices = Vec::new();
    for (at, question) in detail.missing(summary.window.as_ref()) {
        match summarize(client, question).await {
            Ok(answer) => {
                slices.push((
                    at,
                    answer.rows.first().map(|row| Slice::from(&TopRow::new(row))).unwrap_or_default(),
                ));
            }
            // Before history began: an empty place, not asked for again.
            Err(CliError::NoData(_)) => slices.push((at, Slice::default())),
            Err(_) => break,
        }
    }
    Answered { selector: detail.selector, histogram, slices }
}

/// Reads keys on a thread of its own, since the terminal cannot be awaited; it ends when the second value is dropped.
fn read_keys() -> (mpsc::Receiver<Event>, blocking::SyncSender<()>) {
    let (send, keys) = mpsc::channel(16);
    let (stop, stopped) = blocking::sync_channel::<()>(0);
    std::thread::spawn(move || {
        while let Err(blocking::TryRecvError::Empty) = stopped.try_recv() {
            match event::poll(KEYS) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            let Ok(event) = event::read() else { return };
            if send.blocking_send(event).is_err() {
                return;
            }
        }
    });
    (keys, stop)
}
