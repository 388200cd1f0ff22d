//! Logs: structured, to stderr, as text or JSON; to the journal, with fields, where stderr is the journal.

use std::path::Path;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
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
    let registry = tracing_subscriber::registry().with(targets);
    if journal::is_stderr(world.variable("JOURNAL_STREAM"))
        && let Ok(journal) = Journal::connect(Path::new(journal::SOCKET))
    {
        let _ = registry.with(journal).try_init();
        return;
    }
    // A second start (tests run commands in one process) keeps the first.
    let _ = match format {
        LogFormat::Text => {
            let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
            registry.with(layer.with_ansi(world.terminal.colour_of_errors())).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    };
}
