//! How everything is: the daemon, its jobs in numbers, what is broken, and whether Slack takes messages.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{By, Hold, Next, Problem, RunningRun, line};
use crate::exec::Status as RunStatus;
use crate::id::{JobName, RunId};
use crate::policy::{Dropped, Expected, Suppressed};

/// `GET /api/v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The host's name in messages.
    pub host: String,
    /// The configuration file; none where there is none, and for whoever does not ask on the same machine.
    pub config: Option<PathBuf>,
    /// Where state is kept; likewise.
    pub state_dir: Option<PathBuf>,
    /// What its command line says of every job; likewise.
    #[serde(default)]
    pub options: Options,
    /// When the daemon started.
    pub started: Timestamp,
    /// When this answer was made.
    pub now: Timestamp,
    /// The last reading of the configuration.
    pub reload: Reload,
    /// Jobs in numbers.
    pub jobs: JobCounts,
    /// What is broken, the newest first.
    pub incidents: Vec<Incident>,
    /// Jobs whose runs wait for a place or a lock, and were told of or asked for, by name.
    #[serde(default)]
    pub starved: Vec<Starved>,
    /// Runs in progress of jobs whose files were removed.
    #[serde(default)]
    pub removed_running: Vec<RemovedRunning>,
    /// Delivery to Slack.
    pub outbox: OutboxState,
    /// Why the state cannot be written, and what is in memory alone because of it.
    #[serde(default)]
    pub store: Option<StoreTrouble>,
    /// What people have asked for, the newest first.
    pub holds: Vec<Hold>,
    /// The job that is due next.
    pub next: Option<Next>,
}

/// What a daemon's command line says of every job, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// `--path`.
    pub path: Option<PathBuf>,
    /// `--working-hours`.
    pub working_hours: Option<String>,
    /// `--max-alert`.
    pub max_alert: Option<u32>,
    /// `--pause-time`, in minutes.
    pub pause_time: Option<u32>,
}

/// The last reading of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// When.
    pub at: Timestamp,
    /// It is in effect, and no job file has errors.
    pub ok: bool,
    /// Every problem that it found.
    pub problems: Vec<Problem>,
}

/// Jobs in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Jobs that are loaded.
    pub total: usize,
    /// Those of them whose last run was ok.
    pub ok: usize,
    /// … was a warning.
    pub warning: usize,
    /// … was critical, and those of which a run hangs.
    pub critical: usize,
    /// … was unknown.
    pub unknown: usize,
    /// Those that have not run yet.
    pub never: usize,
    /// Those that run now.
    pub running: usize,
    /// Those that are paused.
    pub paused: usize,
    /// Job files with errors.
    pub not_loaded: usize,
    /// Those of them whose jobs go on as the last good version says.
    #[serde(default)]
    pub going_on: usize,
}

/// A run in progress of a job that is not configured any more: its file was removed, or has had errors since the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RemovedRunning {
    /// The job that was.
    pub job: JobName,
    /// Its file has errors; otherwise it was removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_loaded: bool,
    /// The run.
    #[serde(flatten)]
    pub run: RunningRun,
}

/// What is broken: failures in a row that are not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number: that of the run that opened it.
    pub id: u64,
    /// The job.
    pub job: JobName,
    /// Which of the job's incidents, where its script tells them apart.
    pub key: Option<String>,
    /// The incident on whose first messages its messages hang.
    #[serde(skip)]
    pub thread: u64,
    /// The status of its last failure.
    pub status: RunStatus,
    /// When the first failure was.
    pub since: Timestamp,
    /// Failures in it.
    pub failures: u32,
    /// So many of the same kind in a row, up to the last.
    pub same: u32,
    /// The line of output that tells most; empty, and null in JSON, where there is none.
    #[serde(with = "line")]
    pub line: String,
    /// Where it was told.
    pub told: Vec<Told>,
    /// It is not known whether a channel took its last message: Slack gave no answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Who dropped its message from the outbox, where nobody was told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    /// When the next message about it comes, unless it changes before.
    pub next_message: Option<Timestamp>,
    /// Why there is no message now.
    pub suppressed: Option<SuppressedBy>,
    /// The job changes between ok and not ok again and again: when it counts as steady, if it does not change before. Between
    /// two failures its incident is open all the same.
    #[serde(default)]
    pub steady_at: Option<Timestamp>,
    /// Who has it.
    pub ack: Option<Acknowledged>,
}

/// A job whose run waits because other runs hold what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starved {
    /// The job.
    pub job: JobName,
    /// The due time of the run that waits.
    pub since: Timestamp,
    /// What it waits for: `a free place`, `the lock db`.
    pub what: String,
    /// Which runs hold it.
    pub why: String,
    /// The number of the run, where a person has asked for it.
    #[serde(default)]
    pub run: Option<RunId>,
}

impl Status {
    /// Without what commands printed, and where files are.
    pub fn hide_output(&mut self) {
        self.incidents.iter_mut().for_each(Incident::hide_output);
        self.reload.problems.clear();
    }
}

impl Incident {
    /// There was a message about it, and no channel has taken it yet.
    pub fn is_on_its_way(&self) -> bool {
        let repeat = |suppressed: &SuppressedBy| suppressed.reason == Suppressed::RepeatNotDue.as_str();
        self.told.is_empty() && !self.in_doubt && self.suppressed.as_ref().is_some_and(repeat)
    }

    /// When the next message about it can be expected, and what keeps it back until then.
    pub fn expected(&self) -> Option<Expected> {
        if self.is_on_its_way() {
            return None;
        }
        let why = self.suppressed.as_ref().and_then(|suppressed| suppressed.reason.parse().ok());
        let flaps = self.steady_at.is_some() && self.steady_at == self.next_message;
        let why = if flaps { Some(Suppressed::Flapping) } else { why };
        let default = self.next_message.map(|_| Suppressed::RepeatNotDue);
        Some(Expected { why: why.or(default)?, at: self.next_message })
    }

    /// Without what commands printed.
    pub fn hide_output(&mut self) {
        self.line.clear();
        self.key = None;
    }
}

/// Where an incident was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The channel, as people write it; empty for the terminal and for the channel of a webhook.
    pub channel: String,
    /// When, the last time.
    pub at: Option<Timestamp>,
    /// The address of its message in Slack, where that is known.
    pub permalink: Option<String>,
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressedBy {
    /// The word of the reason.
    pub reason: String,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
}

/// Who has an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: By,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Why, in that person's words.
    #[serde(default)]
    pub note: Option<String>,
}

/// Delivery to Slack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxState {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that were not taken in time, of which their channel is still to hear.
    pub late: u64,
    /// Dead letters.
    pub dead: u64,
    /// Since when the oldest of those that wait does.
    pub oldest: Option<Timestamp>,
    /// Nothing is sent at all.
    pub suspended: Option<Suspended>,
    /// Slack takes nothing.
    pub outage: Option<Outage>,
    /// When Slack took a message last.
    pub last_delivered: Option<Timestamp>,
    /// Why the last message that could not be sent could not; none since the last that could.
    #[serde(default)]
    pub last_error: Option<String>,
}

/// The state cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreTrouble {
    /// What the disk says.
    pub why: String,
    /// What a person can do about it.
    pub advice: String,
    /// Messages that are kept in memory alone.
    pub unsaved: usize,
}

/// Nothing is sent at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// What Slack said.
    pub why: String,
}

/// Slack takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// Messages that wait.
    pub waiting: u64,
    /// What went wrong last.
    pub why: String,
    /// Slack answers, and refuses what it is given where everything is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl Outage {
    /// What happened: it begins a sentence. `since` is the time as its reader reads it.
    pub fn words(&self, since: &str) -> String {
        match self.refused {
            true => format!("Alerts could be posted nowhere since {since}"),
            false => format!("Slack has taken no message since {since}"),
        }
    }

    /// That it is over.
    pub fn words_of_end(&self, since: &str) -> String {
        match self.refused {
            true => {
                format!("Slack takes messages for slack.channel again. Alerts could be posted nowhere since {since}.")
            }
            false => format!("Slack takes messages again. It had taken none since {since}."),
        }
    }
}
