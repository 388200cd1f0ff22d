//! The terminal as a way out: messages as a person reads them, when no Slack is configured, and with `--dry-run`.
//!
//! Before it: the outbox worker. Nothing that is printed can steer the terminal: control characters are taken out.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Delivery, Doing, Fault, Notifier, Receipt, SendError};
use crate::exec::Status;
use crate::message::{Message, Thread};

/// Emoji that the messages of this program use, as terminals show them; others stay as they are written.
const EMOJI: [(&str, &str); 14] = [
    (":red_circle:", "🔴"),
    (":large_red_circle:", "🔴"),
    (":large_orange_circle:", "🟠"),
    (":large_yellow_circle:", "🟡"),
    (":large_green_circle:", "🟢"),
    (":large_blue_circle:", "🔵"),
    (":white_circle:", "⚪"),
    (":white_check_mark:", "✅"),
    (":x:", "❌"),
    (":warning:", "⚠️"),
    (":question:", "❓"),
    (":rotating_light:", "🚨"),
    (":hourglass:", "⌛"),
    (":floppy_disk:", "💾"),
];

/// A terminal, or whatever takes text.
pub struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    colour: bool,
    zone: TimeZone,
}

impl Console {
    /// Writes to `out`, with ANSI styles if `colour`; times are shown in the system's zone.
    pub fn new(out: Box<dyn Write + Send>, colour: bool) -> Self {
        Self { out: Arc::new(Mutex::new(out)), colour, zone: TimeZone::system() }
    }

    /// The process's standard output; coloured where that is a terminal and `NO_COLOR` does not forbid it.
    pub fn stdout() -> Self {
        let colour = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
        Self::new(Box::new(std::io::stdout()), colour)
    }

    /// The same, with times shown in another zone.
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
    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        let sent = if delivery.message.thread == Thread::Edit {
            // What was printed stays as it is; the edit's words are also posted.
            Ok(())
        } else {
            let text = render(&delivery.message, delivery.plain, self.colour, &self.zone);
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        let answer = sent.map(|()| Receipt::default()).map_err(|error| SendError::Permanent {
            why: format!("cannot write to the terminal: {error}"),
            fault: Fault::Channel,
        });
        Box::pin(std::future::ready(answer))
    }
}

/// A message as text: a header line with time, channel and subject, then what Slack would show, indented.
pub fn render(message: &Message, plain: bool, colour: bool, zone: &TimeZone) -> String {
    let style = |style: Style, text: &str| match colour {
        true => format!("{style}{text}{style:#}"),
        false => text.to_owned(),
    };
    let time = message.created.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut head = vec![style(Style::new().dimmed(), &time)];
    if !message.channel.as_str().is_empty() {
        head.push(style(Style::new().bold(), &visible(&message.channel.to_string())));
    }
    head.extend(message.job.as_ref().map(|job| style(Style::new().bold(), &visible(job.as_str()))));
    head.extend(message.event.map(|event| style(paint(message.status), event.as_str())));
    head.extend(match message.thread {
        Thread::Reply => Some("(in the thread)".to_owned()),
        Thread::Broadcast => Some("(in the thread and the channel)".to_owned()),
        Thread::None | Thread::Open | Thread::Edit => None,
    });
    let blocks = if plain { &[] } else { message.blocks.as_slice() };
    let mut parts: Vec<String> = blocks.iter().map(block).filter(|text| !text.trim().is_empty()).collect();
    if parts.is_empty() {
        parts.push(mrkdwn(&message.text));
    }
    if let Some(file) = &message.attachment {
        parts.push(format!("[file {}, {} bytes]", file.name, file.content.len()));
    }
    let mut text = head.join("  ");
    text.push('\n');
    for line in visible(&parts.join("\n")).trim_end().lines() {
        text.push_str(if line.is_empty() { "" } else { "    " });
        text.push_str(line);
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

/// One block of Block Kit as text. An unknown one shows its text, if it has any.
fn block(block: &Value) -> String {
    let list = |key: &str| block.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |key: &str| block.get(key).map(object).unwrap_or_default();
    match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "section" => {
            let fields = list("fields").iter().map(|field| object(field).replace('\n', " "));
            let all: Vec<_> = Some(text("text")).into_iter().filter(|text| !text.is_empty()).chain(fields).collect();
            all.join("\n")
        }
        "context" => list("elements").iter().map(object).collect::<Vec<_>>().join("  "),
        "divider" => "─".repeat(24),
        "actions" => list("elements").iter().map(button).collect::<Vec<_>>().join("   "),
        "image" => format!("[image: {}] {}", text("alt_text"), text("image_url")),
        "rich_text" => list("elements").iter().map(|part| rich(part, 0)).collect::<Vec<_>>().join("\n"),
        "table" => {
            let row = |row: &Value| row.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(object).collect();
            list("rows").iter().map(row).map(|cells: Vec<_>| cells.join(" | ")).collect::<Vec<_>>().join("\n")
        }
        _ => text("text"),
    }
}

fn button(element: &Value) -> String {
    let text = element.get("text").map(object).unwrap_or_default();
    match element.get("url").and_then(Value::as_str) {
        Some(url) => format!("[{text}] {url}"),
        None => format!("[{text}]"),
    }
}

/// A text object, an element with text, or bare text: mrkdwn is made readable, everything else is literal.
fn object(value: &Value) -> String {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    match (kind, value) {
        (_, Value::String(text)) => emoji(text),
        ("mrkdwn", _) => mrkdwn(value.get("text").and_then(Value::as_str).unwrap_or_default()),
        ("rich_text", _) => block(value),
        ("image", _) => value.get("alt_text").map(object).unwrap_or_default(),
        _ => match value.get("text") {
            Some(Value::Number(number)) => number.to_string(),
            other => emoji(other.and_then(Value::as_str).unwrap_or_default()),
        },
    }
}

/// Rich text, nested no deeper than Slack nests it.
fn rich(element: &Value, depth: usize) -> String {
    if depth > 4 {
        return String::new();
    }
    let text = |key: &str| element.get(key).and_then(Value::as_str).unwrap_or_default();
    let parts = || {
        let elements = element.get("elements").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        elements.iter().map(|part| rich(part, depth + 1)).collect::<Vec<_>>()
    };
    match text("type") {
        "rich_text_list" => parts().iter().map(|part| format!("• {part}")).collect::<Vec<_>>().join("\n"),
        "rich_text_quote" => parts().concat().lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n"),
        "rich_text_section" | "rich_text_preformatted" => parts().concat(),
        "link" if text("text").is_empty() => text("url").to_owned(),
        "link" => format!("{} ({})", text("text"), text("url")),
        "emoji" => emoji(&format!(":{}:", text("name"))),
        "user" => format!("@{}", text("user_id")),
        "usergroup" => format!("@{}", text("usergroup_id")),
        "channel" => format!("#{}", text("channel_id")),
        "broadcast" => format!("@{}", text("range")),
        "date" => text("fallback").to_owned(),
        _ => text("text").to_owned(),
    }
}

/// Slack's mrkdwn as a person reads it: links, mentions and dates by their words, entities as characters.
fn mrkdwn(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let Some((inside, later)) = after.split_once('>') else {
            out.push('<');
            rest = after;
            continue;
        };
        let (target, label) = match inside.split_once('|') {
            Some((target, label)) => (target, Some(label)),
            None => (inside, None),
        };
        match (target.as_bytes().first(), label) {
            (Some(b'!'), Some(label)) => out.push_str(label),
            (Some(b'!'), None) => {
                out.push('@');
                out.push_str(target[1..].trim_start_matches("subteam^"));
            }
            (Some(b'@' | b'#'), label) => {
                out.push_str(&target[..1]);
                out.push_str(label.unwrap_or(&target[1..]).trim_start_matches(&target[..1]));
            }
            (_, Some(label)) => {
                out.push_str(label);
                out.push_str(&format!(" ({target})"));
            }
            (_, None) => out.push_str(target),
        }
        rest = later;
    }
    out.push_str(rest);
    emoji(&out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}

/// Emoji as terminals show them; those that are not known stay as they are written.
pub(crate) fn emoji(text: &str) -> String {
    if !text.contains(':') {
        return text.to_owned();
    }
    EMOJI.iter().fold(text.to_owned(), |text, (code, shown)| text.replace(code, shown))
}

/// Without characters that steer a terminal: controls other than line end and tab become a mark.
fn visible(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
