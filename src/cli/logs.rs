//! Logs: structured, to stderr, as text or JSON; to the journal, with fields, where stderr is the journal.

use std::path::Path;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::args::LogFormat;
use super::journal::{self, Journal};
use super::locate::World;

/// Starts logging. `-v` shows every decision; the variable SLACK_ALERT_LOG sets levels by module (`debug`,
/// `slack_alert::outbox=trace`), and wins.
pub(super) fn start(world: &World, format: LogFormat) {
    let level = match world.global.verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let targets = world.variable("SLACK_ALERT_LOG").and_then(|text| text.parse::<Targets>().ok());
    let targets =
        targets.unwrap_or_else(|| Targets::new().with_target("slack_alert", level).with_default(LevelFilter::WARN));
    // A second start (tests run commands in one process) keeps the first.
    let _ = tracing_subscriber::registry().with(targets).with(layer(world, format)).try_init();
}

/// Who writes: boxed, since each layer of a type of its own would bring a whole stack of tracing's code.
fn layer<S>(world: &World, format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    if journal::is_stderr(world.variable("JOURNAL_STREAM"))
        && let Ok(journal) = Journal::connect(Path::new(journal::SOCKET))
    {
        return journal.boxed();
    }
    let layer = fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => layer.with_target(false).with_ansi(world.terminal.colour_of_errors()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}
