//! A job: how it is, what it did last, and when it is due.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{HeldJob, Waits, line, seconds};
use crate::exec::{Reason, Retry, Status};
use crate::id::{JobName, RunId};

/// How a job is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Its last run was critical, or a run of it hangs.
    Critical,
    /// Its last run was unknown.
    Unknown,
    /// Its last run was a warning.
    Warning,
    /// Its file has errors, and no version of it is loaded.
    NotLoaded,
    /// A person has paused it.
    Paused,
    /// Its last run was ok.
    Ok,
    /// It has not run yet.
    Never,
    /// `enabled = false`.
    Disabled,
}

impl JobState {
    /// All of them, the worst first.
    pub const ALL: &[Self] = &[
        Self::Critical,
        Self::Unknown,
        Self::Warning,
        Self::NotLoaded,
        Self::Paused,
        Self::Ok,
        Self::Never,
        Self::Disabled,
    ];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::NotLoaded => "not-loaded",
            Self::Paused => "paused",
            Self::Ok => "ok",
            Self::Never => "never",
            Self::Disabled => "disabled",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// What it is for.
    pub description: String,
    /// How it is, in a word.
    pub state: JobState,
    /// The status of its last run; critical while a run hangs, and was told of.
    pub status: Option<Status>,
    /// When it is due, in words.
    pub schedule: String,
    /// When it is due next.
    pub next: Option<Timestamp>,
    /// Its last run that ended.
    pub last: Option<LastRun>,
    /// How long a run usually takes: the median of the strip.
    #[serde(with = "seconds::option")]
    pub usual_took: Option<Duration>,
    /// Runs in a row that were not ok, up to now.
    pub streak: u32,
    /// Its runs in progress, the oldest first.
    pub running: Vec<RunningRun>,
    /// The pause that covers it.
    pub paused: Option<HeldJob>,
    /// The silence that covers it.
    pub silenced: Option<HeldJob>,
    /// Its last runs, the newest last: status, and seconds where it is known how long the run took.
    pub strip: Vec<(Status, Option<f64>)>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it is declared.
    pub file: String,
    /// The first error of its file, where that has errors: a good version from before may go on.
    pub error: Option<String>,
    /// No version of that file is loaded: the job is known from what `wrap` reports alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_version: bool,
}

impl Job {
    /// What becomes of it where its file has errors.
    pub fn of_bad_file(&self) -> &'static str {
        match self.without_version {
            true => "its file has errors and is not loaded",
            false => "its file has errors, and the last good version goes on",
        }
    }

    /// Without what commands printed, and where files are.
    pub fn hide_output(&mut self) {
        self.file.clear();
        self.error = self.error.take().map(|_| "its file has errors".to_owned());
        if let Some(last) = &mut self.last {
            last.line.clear();
            super::run::hide_program(&mut last.ending, last.reason);
        }
    }
}

/// The last run of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    /// Its number.
    pub run: RunId,
    /// What its end means.
    pub status: Status,
    /// What decided that.
    pub reason: Option<Reason>,
    /// How it ended, in words.
    pub ending: Option<String>,
    /// When it started, where that is known.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Timestamp,
    /// How long it took, where that is known.
    #[serde(with = "seconds::option")]
    pub took: Option<Duration>,
    /// The line of its output that tells most; empty, and null in JSON, where there is none.
    #[serde(with = "line")]
    pub line: String,
}

/// A run in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningRun {
    /// Its number.
    pub run: RunId,
    /// Its process; none before it has one.
    pub pid: Option<u32>,
    /// When it started.
    pub started: Timestamp,
    /// It is between two attempts: no process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Something keeps its process from being started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

impl RunningRun {
    /// ", 2 attempts have failed and the next begins at 11:04", for one between two attempts, `at` says when; ", and waits for
    /// its start: …" for one that has no process yet.
    pub fn without_process(&self, at: impl Fn(Timestamp) -> String) -> String {
        if let Some(Waits { what, why }) = &self.waits {
            return format!(", and waits for {what}: {why}");
        }
        let Some(Retry { failed, at: next, waits_for_place }) = self.retry else { return String::new() };
        let have = if failed == 1 { "1 attempt has".to_owned() } else { format!("{failed} attempts have") };
        if waits_for_place {
            return format!(", {have} failed and the next waits for a free place (limits.max_running)");
        }
        format!(", {have} failed and the next begins {}", at(next))
    }
}

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The job.
    pub job: JobName,
    /// When.
    pub at: Timestamp,
}
