//! Runs, the messages that wait, and how a run is asked for.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{By, seconds};
use crate::exec::{Reason, Status, Trigger};
use crate::id::{JobName, RunId};

/// A run: over, or in progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started it.
    pub trigger: Trigger,
    /// The due time that it answers.
    pub scheduled: Timestamp,
    /// When it started; none while it waits, and where its end alone was reported, or not even that.
    pub started: Option<Timestamp>,
    /// When it ended; none while it goes on.
    pub finished: Option<Timestamp>,
    /// How long it took; none while it goes on, and where nobody saw it begin or end.
    #[serde(with = "seconds::option")]
    pub took: Option<Duration>,
    /// How many attempts there were.
    pub attempts: Option<u32>,
    /// What its end means; none while it goes on, and of one that counts as not run.
    pub status: Option<Status>,
    /// What decided that.
    pub reason: Option<Reason>,
    /// How it ended, in words.
    pub ending: Option<String>,
    /// The exit code, where the process had one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
    /// The line of its output that tells most.
    pub line: Option<String>,
    /// Whether there was a message, or why not: `notified: failure`, `repeat-not-due`.
    pub verdict: Option<String>,
    /// Whether it was told, in words: `sent: failure`, or that the message waits, was refused, or was not taken in time; none of
    /// one in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the next message is possible, where that is known.
    pub until: Option<Timestamp>,
    /// Who asked for it.
    pub by: Option<By>,
    /// Why they did.
    pub note: Option<String>,
    /// It is no run: so many due times passed because a person had paused the job.
    pub passed: Option<u64>,
    /// It is due and has not started yet; why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// Why a run that is due has not started yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// What it waits for: `a free place`, `the lock db`.
    pub what: String,
    /// Which runs hold it.
    pub why: String,
}

impl Run {
    /// Without what the command printed, and what was to be run.
    pub fn hide_output(&mut self) {
        self.line = None;
        hide_program(&mut self.ending, self.reason);
    }
}

/// How a run ended, without which program could not be started.
pub(super) fn hide_program(ending: &mut Option<String>, reason: Option<Reason>) {
    if reason == Some(Reason::Spawn) {
        *ending = ending.take().map(|_| "could not be started".to_owned());
    }
}

impl Explained {
    /// The same, and without what the sentences say of it.
    pub fn hide_output(&mut self) {
        let shown = self.run.ending.clone();
        self.run.hide_output();
        if let (Some(shown), Some(hidden)) = (shown, &self.run.ending) {
            self.sentence = self.sentence.replace(&shown, hidden);
        }
    }
}

/// A run, and why there was a message about it or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
pub struct Explained {
    /// The run.
    #[serde(flatten)]
    pub run: Run,
    /// What came of it, in a sentence.
    pub sentence: String,
    /// The reason, in a sentence.
    pub explanation: String,
}

/// By hand: numbers of any length are not read through a flattened field.
impl TryFrom<serde_json::Value> for Explained {
    type Error = serde_json::Error;

    fn try_from(value: serde_json::Value) -> Result<Self, serde_json::Error> {
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let (sentence, explanation) = (text("sentence"), text("explanation"));
        Ok(Self { run: serde_json::from_value(value)?, sentence, explanation })
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its number.
    pub id: u64,
    /// `waiting`, `late` or `dead`.
    pub state: String,
    /// Since when it waits.
    pub queued: Timestamp,
    /// Tries that failed.
    pub attempts: u32,
    /// What went wrong last.
    pub why: Option<String>,
    /// The job that it is about.
    pub job: Option<JobName>,
    /// The run that it is about.
    pub run: Option<RunId>,
    /// What it is about.
    pub event: Option<String>,
    /// The status that it tells.
    pub status: Status,
    /// Where it goes, as people write it.
    pub channel: String,
    /// It changes a message that is there.
    pub edit: bool,
    /// It is a file of a message that is there, and `text` is what that says.
    #[serde(default)]
    pub file: bool,
    /// What it says.
    pub text: String,
}

impl Message {
    /// Without what the message says, which has output in it.
    pub fn hide_output(&mut self) {
        self.text.clear();
    }
}

/// The body of `POST /api/v1/trigger`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerRequest {
    /// Which job.
    #[serde(default)]
    pub job: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What `POST /api/v1/trigger` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerAnswer {
    /// The number of the run.
    pub run: RunId,
    /// Why it has not started yet; none of one that runs.
    #[serde(default)]
    pub waits: Option<Waits>,
}

/// An event of `GET /api/v1/events`: something about a job has changed. Without a job, more than one has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Which job.
    pub job: Option<JobName>,
    /// Which of its runs.
    pub run: Option<RunId>,
}

#[cfg(test)]
mod tests {
    use super::Explained;

    #[test]
    fn what_is_sent_can_be_read() {
        let text = r#"{"id":18446744073709551615,"job":"a","number":1,"trigger":"manual","scheduled":"2026-11-23T08:00:00Z",
            "started":"2026-11-23T08:00:00Z","finished":null,"took":1.5,"attempts":1,"status":null,"reason":null,
            "ending":null,"exit_code":3,"signal":null,"line":null,"verdict":null,"until":null,
            "by":{"uid":0,"name":"root"},"note":null,"passed":null,"sentence":"s","explanation":"e"}"#;
        let read: Explained = serde_json::from_str(text).expect("it can be read");
        assert_eq!((read.run.exit_code, read.sentence.as_str(), read.explanation.as_str()), (Some(3), "s", "e"));
        let again = serde_json::to_value(&read).expect("it can be written");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).expect("it is JSON"));
    }
}
