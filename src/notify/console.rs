//! The terminal as a way out: messages as a person reads them, when no Slack is configured, and with `--dry-run`.
//!
//! Before it: the outbox worker. A message that nobody reads (a pipe into a program that hangs) holds up nobody: it is tried
//! again, and not printed twice. Nothing that is printed can steer the terminal: control characters are taken out.

pub mod mrkdwn;
pub mod view;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;

use super::{Capabilities, Delivery, Doing, Fault, Notifier, Receipt, SendError, Way};
use crate::exec::Status;
use crate::message::{Message, Thread};

/// So long a message waits for its reader before it is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stands below the header line is indented by so much.
const INDENT: &str = "    ";

/// A terminal, or whatever takes text.
pub struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    /// A text that is being written, for longer than was waited for it.
    pending: Arc<Mutex<Option<Pending>>>,
    colour: bool,
    zone: TimeZone,
    width: Option<usize>,
}

/// A text on its way.
struct Pending {
    text: String,
    written: JoinHandle<io::Result<()>>,
}

impl Console {
    /// Writes to `out`, with ANSI styles if `colour`; times are UTC unless [`Self::in_zone`]
    /// says otherwise. Lines are broken to fit a terminal
    /// of `width` columns; without one they are as long as they are.
    pub fn new(out: Box<dyn Write + Send>, colour: bool, width: Option<usize>) -> Self {
        Self { out: Arc::new(Mutex::new(out)), pending: Arc::default(), colour, zone: TimeZone::UTC, width }
    }

    /// The process's standard output; coloured where that is a terminal and `NO_COLOR` does not forbid it.
    pub fn stdout() -> Self {
        let out = io::stdout();
        let colour = anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never;
        let size = out.is_terminal().then(|| terminal_size::terminal_size_of(&out)).flatten();
        let width = size.map(|(terminal_size::Width(width), _)| usize::from(width));
        Self::new(Box::new(out), colour, width)
    }

    /// The same, with times shown in a zone.
    #[must_use]
    pub fn in_zone(mut self, zone: TimeZone) -> Self {
        self.zone = zone;
        self
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("colour", &self.colour).finish_non_exhaustive()
    }
}

impl Notifier for Console {
    fn capabilities(&self) -> Capabilities {
        Way::Console.capabilities()
    }

    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        if matches!(delivery.message.thread, Thread::Edit | Thread::Upload) {
            // What was printed stays as it is; the edit's words are also posted.
            return Box::pin(std::future::ready(Ok(Receipt::default())));
        }
        let text = render(&delivery.message, delivery.plain.is_some(), self.colour, &self.zone, self.width);
        let (out, pending) = (Arc::clone(&self.out), Arc::clone(&self.pending));
        Box::pin(async move {
            let before = pending.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut way = match before {
                Some(before) if before.text == text => before,
                // What is written before it comes first: its lock is held until then.
                _ => begin(out, text),
            };
            match tokio::time::timeout(PATIENCE, &mut way.written).await {
                Ok(written) => written.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(cannot_write)?,
                Err(_) => {
                    *pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(way);
                    let why = "nobody reads what is written to the terminal".to_owned();
                    return Err(SendError::Transient { why, retry_after: None });
                }
            }
            Ok(Receipt::default())
        })
    }
}

/// Writes a text in a thread of its own: nothing else waits for its reader.
#[expect(clippy::disallowed_methods, reason = "the door of the terminal: whoever reads it may hang")]
fn begin(out: Arc<Mutex<Box<dyn Write + Send>>>, text: String) -> Pending {
    let bytes = text.clone().into_bytes();
    let written = tokio::task::spawn_blocking(move || {
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&bytes).and_then(|()| out.flush())
    });
    Pending { text, written }
}

fn cannot_write(error: io::Error) -> SendError {
    let why = format!("cannot write to the terminal: {error}");
    SendError::Permanent { why, code: None, fault: Fault::Channel }
}

/// A message as text: a header line with time, channel and subject, then what Slack would show, indented. Lines are broken to fit
/// a terminal of `width` columns; without one they are as long as they are.
pub fn render(message: &Message, plain: bool, colour: bool, zone: &TimeZone, width: Option<usize>) -> String {
    let style = |style: Style, text: &str| match colour {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let time = message.created.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut head = vec![style(Style::new().dimmed(), &time)];
    if !message.channel.is_unnamed() {
        head.push(style(Style::new().bold(), &visible(&message.channel.to_string())));
    }
    head.extend(message.job.as_ref().map(|job| style(Style::new().bold(), &visible(job.as_str()))));
    head.extend(message.event.map(|event| style(paint(message.status), event.as_str())));
    head.extend(message.thread.words().map(|words| format!("({words})")));
    let mut text = head.join("  ");
    text.push('\n');
    for line in view::body(message, plain, view::room(width, INDENT.len())) {
        let line = mrkdwn::paint(&line, colour);
        text.push_str(format!("{INDENT}{line}").trim_end());
        text.push('\n');
    }
    text.push('\n');
    text
}

fn paint(status: Status) -> Style {
    let colour = match status {
        Status::Ok => AnsiColor::Green,
        Status::Warning => AnsiColor::Yellow,
        Status::Critical => AnsiColor::Red,
        Status::Unknown => AnsiColor::Magenta,
    };
    colour.on_default().bold()
}

/// Without characters that steer a terminal: controls other than line end and tab become a mark.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
