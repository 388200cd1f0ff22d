//! What the command line adds to the files.

use std::path::PathBuf;
use std::time::Duration;

use crate::schedule::Hours;

/// What the command line adds to the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `slack_alert.toml`; without one, everything has its default.
    pub config: Option<PathBuf>,
    /// The folder of job files, whatever the configuration says (`--path DIR` is `DIR/jobs.d`).
    pub jobs_dir: Option<PathBuf>,
    /// Read these jobs alone.
    pub only: Option<Vec<PathBuf>>,
    /// `--working-hours`: for every job.
    pub working_hours: Option<Hours>,
    /// `--max-alert` and `--pause-time`: every plain interval becomes a burst of so many alerts.
    pub max_alert: Option<(u32, Duration)>,
    /// One file after the other, by one thread, and no text kept of those that are well. It takes longer, and leaves a fifth
    /// less memory behind, which a daemon would hold for ever.
    pub sparing: bool,
}
