//! How a run ended: the whole space of endings, and what was captured.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{directives::Directives, signals};
use crate::document::format_duration;

/// What a run's end means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Well.
    #[default]
    Ok,
    /// Not well yet.
    Warning,
    /// Broken.
    Critical,
    /// Cannot tell.
    Unknown,
}

/// What decided the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Its exit code.
    Exit,
    /// A signal killed it.
    Signal,
    /// It took longer than `timeout`.
    Timeout,
    /// It could not be started.
    Spawn,
    /// Its output: `fail_on` matched, `parse` failed, or a directive said so.
    Output,
    /// The daemon was stopped, or died, while it ran.
    Interrupted,
}

/// Every way in which the process of the last attempt can end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited.
    Exited {
        /// With this code.
        code: i32,
    },
    /// A signal that was not ours killed it.
    Signaled {
        /// Which one, as a number (signal(7)).
        signal: i32,
    },
    /// Its time was up, and its group was ended.
    TimedOut {
        /// The `timeout` that it passed.
        after: Duration,
        /// Whether SIGTERM was not enough.
        killed: bool,
    },
    /// No process came to be.
    NotStarted {
        /// Why, for people.
        error: String,
    },
    /// The daemon ended it, or was itself ended.
    Interrupted,
}

/// What one stream wrote, its head and tail kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The beginning; all of it when nothing was dropped and it fits.
    pub head: Vec<u8>,
    /// The end; empty when `head` holds everything.
    pub tail: Vec<u8>,
    /// Bytes between the two that were read and thrown away.
    pub dropped: u64,
}

/// What a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Both, in the order in which they were read.
    pub both: Captured,
}

/// One value of Nagios performance data (monitoring-plugins developer guidelines, "Performance data").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perfdata {
    /// Its name, quotes removed.
    pub label: String,
    /// The value; `None` for `U` (could not be determined).
    pub value: Option<f64>,
    /// Unit of measure: empty, `s`, `ms`, `%`, `B`, `c` …
    pub unit: String,
    /// Warning range as written.
    pub warn: Option<String>,
    /// Critical range as written.
    pub crit: Option<String>,
    /// Least possible value.
    pub min: Option<f64>,
    /// Greatest possible value.
    pub max: Option<f64>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it means.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// How the process of the last attempt ended.
    pub ending: Ending,
    /// A precondition was not met (`exit_codes.skip`): counts as not run.
    pub skipped: bool,
    /// In words, what `fail_on`, `parse` or a directive found; empty otherwise.
    pub detail: String,
    /// When the first attempt started (wall).
    pub started: Timestamp,
    /// When the last attempt ended (wall).
    pub finished: Timestamp,
    /// How long the run took, all attempts and the delays between them (monotonic).
    pub took: Duration,
    /// How many attempts there were; 1 without retries.
    pub attempts: u32,
    /// What the last attempt wrote.
    pub output: Output,
    /// stdout as JSON, with `parse = "json"`.
    pub json: Option<serde_json::Value>,
    /// Performance data, with `parse = "perfdata"`.
    pub perfdata: Vec<Perfdata>,
    /// What its output said to the tool, with `directives`.
    pub directives: Directives,
    /// A grandchild kept a pipe open after the process was gone, and was not waited for.
    pub leaked: bool,
}

impl Status {
    /// As in files, messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// Which of two is worse: ok, then warning, then unknown, then critical.
    pub fn badness(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
        }
    }
}

impl Reason {
    /// As in files, messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Spawn => "spawn",
            Self::Output => "output",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Ending {
    /// What happened, as the end of a sentence: "exited with 2", "killed by SIGKILL (9)".
    pub fn words(&self) -> String {
        match self {
            Self::Exited { code } => format!("exited with {code}"),
            Self::Signaled { signal } => format!("killed by {} ({signal})", signals::name(*signal)),
            Self::TimedOut { after, killed: false } => format!("timed out after {}", format_duration(*after)),
            Self::TimedOut { after, killed: true } => {
                format!("timed out after {}, and had to be killed", format_duration(*after))
            }
            Self::NotStarted { error } => format!("could not be started: {error}"),
            Self::Interrupted => "interrupted".to_owned(),
        }
    }
}

impl Captured {
    /// All that was kept, a marker where bytes were dropped.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.dropped > 0 {
            all.extend_from_slice(format!("\n[… {} bytes dropped …]\n", self.dropped).as_bytes());
        }
        all.extend_from_slice(&self.tail);
        all
    }

    /// Whether nothing but white space was written.
    pub fn is_blank(&self) -> bool {
        self.dropped == 0 && self.head.iter().chain(&self.tail).all(u8::is_ascii_whitespace)
    }
}

impl Outcome {
    /// The exit code, when there was one.
    pub fn exit_code(&self) -> Option<i32> {
        match self.ending {
            Ending::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// An outcome of which nothing is known but what it means: of a run that is assumed, or told of long after.
    pub fn status_only(status: Status, at: Timestamp) -> Self {
        let code = match status {
            Status::Ok => 0,
            Status::Warning => 1,
            Status::Critical => 2,
            Status::Unknown => 3,
        };
        Self {
            status,
            reason: Reason::Exit,
            ending: Ending::Exited { code },
            skipped: false,
            detail: String::new(),
            started: at,
            finished: at,
            took: Duration::ZERO,
            attempts: 1,
            output: Output::default(),
            json: None,
            perfdata: Vec::new(),
            directives: Directives::default(),
            leaked: false,
        }
    }

    /// A run that a fault of ours ended: told like a program that could not be started.
    pub fn internal_error(error: &str, at: Timestamp) -> Self {
        let ending = Ending::NotStarted { error: format!("internal error: {error}") };
        Self { reason: Reason::Spawn, ending, ..Self::status_only(Status::Critical, at) }
    }

    /// A run that was in progress when the daemon died.
    pub fn interrupted(started: Timestamp, now: Timestamp) -> Self {
        let took = crate::clock::between(started, now);
        let outcome = Self::status_only(Status::Critical, now);
        Self { reason: Reason::Interrupted, ending: Ending::Interrupted, started, took, ..outcome }
    }

    /// The name of the signal that killed it ("SIGKILL"), when one did.
    pub fn signal(&self) -> Option<String> {
        match self.ending {
            Ending::Signaled { signal } => Some(signals::name(signal)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Ending;

    #[test]
    fn endings_in_words() {
        let after = Duration::from_secs(10);
        for (ending, words) in [
            (Ending::Exited { code: 2 }, "exited with 2"),
            (Ending::Signaled { signal: 9 }, "killed by SIGKILL (9)"),
            (Ending::Signaled { signal: 34 }, "killed by SIGRTMIN (34)"),
            (Ending::TimedOut { after, killed: false }, "timed out after 10s"),
            (Ending::TimedOut { after, killed: true }, "timed out after 10s, and had to be killed"),
            (Ending::NotStarted { error: "no such thing".to_owned() }, "could not be started: no such thing"),
            (Ending::Interrupted, "interrupted"),
        ] {
            assert_eq!(ending.words(), words);
        }
    }
}
