//! Whether a run is worth a word: pure, with a reason for every verdict, the silent ones too.
//!
//! Before it: an `Outcome`. After it: a `Notice` for `message`, or a reason that is kept with the run.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Ok, and something was printed.
    Output,
    /// Not ok: the first word of an incident.
    Failure,
    /// Not ok still.
    Repeat,
    /// Ok again after a reported failure.
    Recovery,
    /// Ok.
    Success,
    /// Ok, and the output differs from the last ok run's.
    Change,
    /// The status changes too often to tell each time; or it has stopped doing so.
    Flapping,
    /// Due times pass because the last run is still going.
    Stuck,
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Fewer failures in a row than `after`.
    BelowAfter,
    /// The failure was reported, and `repeat` has not passed.
    RepeatNotDue,
    /// `rate_limit` is used up.
    RateLimited,
    /// Within `quiet_hours`.
    QuietHours,
    /// The status changes too often.
    Flapping,
    /// A person, or a directive, asked for silence.
    Silenced,
    /// The output is the same as before.
    Unchanged,
    /// There is nothing to say: no output, or the template renders to blanks.
    Blank,
    /// `notify.on` does not ask for it.
    NotAsked,
    /// Ok again, and nobody was told that it was not.
    NeverReported,
}

impl Event {
    /// As in files and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Failure => "failure",
            Self::Repeat => "repeat",
            Self::Recovery => "recovery",
            Self::Success => "success",
            Self::Change => "change",
            Self::Flapping => "flapping",
            Self::Stuck => "stuck",
        }
    }
}

impl Hold {
    /// As in logs, history and `why`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BelowAfter => "below-after",
            Self::RepeatNotDue => "repeat-not-due",
            Self::RateLimited => "rate-limited",
            Self::QuietHours => "quiet-hours",
            Self::Flapping => "flapping",
            Self::Silenced => "silenced",
            Self::Unchanged => "unchanged",
            Self::Blank => "blank",
            Self::NotAsked => "not-asked",
            Self::NeverReported => "never-reported",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An incident's identity: the job's name and the run that opened it. Threads hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Number of the run whose failure opened it: unique within a state directory.
    pub id: u64,
    /// When the first failure started.
    pub started: Timestamp,
    /// Failures so far, this one included.
    pub failures: u32,
}
