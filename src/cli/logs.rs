//! Logs: structured, to stderr, as text or JSON; to the journal, with fields, where stderr is the journal.

use std::path::Path;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::LogFormat;
use super::journal::{self, Journal};
use super::locate::World;
use super::stderr::Stderr;

/// Which lines are written unless the command line or the environment says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// All from INFO on.
    Info,
    /// None: what matters is shown on the same terminal in another way.
    None,
}

/// Starts logging beside a daemon, which waits for no reader of its log. What is returned is flushed at the end; none where
/// the log goes to the journal, or no thread can be had.
pub(super) fn start_beside(world: &World, format: LogFormat, lines: Lines) -> Option<Stderr> {
    let stderr = Stderr::start().ok();
    begin(world, format, lines, stderr.as_ref());
    stderr
}

/// Starts logging. `-v` shows every decision; the variable SLACK_ALERT_LOG sets levels by module (`debug`,
/// `slack_alert::outbox=trace`), and wins.
pub(super) fn start(world: &World, format: LogFormat, lines: Lines) {
    begin(world, format, lines, None);
}

fn begin(world: &World, format: LogFormat, lines: Lines, stderr: Option<&Stderr>) {
    let level = match world.global.verbose {
        0 if lines == Lines::None => LevelFilter::OFF,
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let asked = world.variable("SLACK_ALERT_LOG");
    let targets = asked.and_then(levels);
    let is_refused = asked.is_some() && targets.is_none();
    let targets = targets
        .unwrap_or_else(|| Targets::new().with_target("slack_alert", level).with_default(level.min(LevelFilter::WARN)));
    // A second start (tests run commands in one process) keeps the first.
    let _ = tracing_subscriber::registry().with(targets).with(layer(world, format, stderr)).try_init();
    if is_refused {
        let words =
            "SLACK_ALERT_LOG is no list of levels, such as `debug` or `slack_alert::outbox=trace`; it has no effect";
        match level {
            LevelFilter::OFF => world.terminal.err(&format!("slack-alert: {words}")),
            _ => tracing::warn!("{words}"),
        }
    }
}

/// Levels by module; none where a part of the text is no level: the parser takes such a word for the name of a module.
fn levels(text: &str) -> Option<Targets> {
    let is_level = |part: &str| match part.split_once('=') {
        Some((module, level)) => !module.trim().is_empty() && level.trim().parse::<LevelFilter>().is_ok(),
        None if part.trim().is_empty() => false,
        None => part.trim().parse::<LevelFilter>().is_ok() || part.trim().starts_with("slack_alert"),
    };
    if text.split(',').all(is_level) { text.parse().ok() } else { None }
}

/// Who writes: boxed, since each layer of a type of its own would bring a whole stack of tracing's code.
fn layer<S>(world: &World, format: LogFormat, stderr: Option<&Stderr>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if journal::is_stderr(world.variable("JOURNAL_STREAM"))
        && let Ok(journal) = Journal::connect(Path::new(journal::SOCKET))
    {
        return journal.boxed();
    }
    let writer = match stderr {
        Some(stderr) => BoxMakeWriter::new(stderr.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let layer = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_target(false).with_ansi(world.terminal.colour_of_errors()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        for (text, taken) in [
            ("debug", true),
            ("WARN", true),
            ("off", true),
            ("slack_alert::outbox=trace", true),
            ("warn,slack_alert::outbox=trace", true),
            ("slack_alert", true),
            ("verbose", false),
            ("warn,,", false),
            ("slack_alert=loud", false),
        ] {
            assert_eq!(super::levels(text).is_some(), taken, "{text}");
        }
    }
}
