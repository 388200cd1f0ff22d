//! What goes into the store and what comes out: rows as the rest of the program sees them.
//!
//! Before it: the daemon, which fills them. After it: the SQL of this folder, and the commands that show them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exec::{Captured, Ending, Outcome, Reason, Status, Trigger};
use crate::id::{Channel, JobName, RunId};
use crate::message::summary::JobReport;
use crate::message::{Message, Thread};
use crate::notify::Parent;

/// Bytes kept of each end of a stream (its head, its tail) in the history.
pub const KEPT_OUTPUT: usize = 64 * 1024;

/// A message's number in the outbox: counts up over the life of a state directory, is never used twice, and is the
/// order in which messages of a channel go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// What is remembered of a job between runs, as JSON; empty where there is nothing. The store takes it as it stands: the
/// daemon owns the types behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobState {
    /// Where the job stands in its schedule.
    pub cadence: Box<str>,
    /// What was said and what was not: streak, incident, last word.
    pub health: Box<str>,
}

impl JobState {
    /// What is remembered from here on. Written down at once, since a run changes it and thousands end in a second.
    pub fn new(cadence: &impl Serialize, health: &impl Serialize) -> Self {
        let json = |written: serde_json::Result<String>| written.unwrap_or_default().into_boxed_str();
        Self { cadence: json(serde_json::to_string(cadence)), health: json(serde_json::to_string(health)) }
    }
}

/// A run that has started and not ended. What is in this state when the daemon dies is `interrupted` at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningRow {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started it.
    pub trigger: Trigger,
    /// The slot of the schedule.
    pub scheduled: Timestamp,
    /// When it started.
    pub started: Timestamp,
}

/// A run that is over, as history keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started it.
    pub trigger: Trigger,
    /// The slot of the schedule.
    pub scheduled: Timestamp,
    /// When its first attempt started.
    pub started: Timestamp,
    /// When its last attempt ended.
    pub finished: Timestamp,
    /// How long it took, by the stop-watch.
    pub took: Duration,
    /// How many attempts there were.
    pub attempts: u32,
    /// What the end means.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// How the last attempt ended.
    pub ending: Ending,
    /// What came of it: `notified: failure`, or the reason for which nothing was said (`repeat-not-due`).
    pub verdict: String,
    /// Until when the silence lasts, where that is known.
    pub until: Option<Timestamp>,
    /// The ends of standard output; empty in listings.
    pub stdout: Captured,
    /// The ends of standard error; empty in listings.
    pub stderr: Captured,
}

/// Everything that a run leaves behind, kept together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// For the history.
    pub run: Option<RunRow>,
    /// What is remembered of the job from here on.
    pub state: Option<(JobName, JobState)>,
    /// For the outbox.
    pub messages: Vec<Message>,
}

/// What came of a [`Record`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The numbers of its messages, in their order.
    pub ids: Vec<MessageId>,
    /// Whether the messages are on disk. When the disk fails they are held in memory, go out from there, and are
    /// written as soon as that is possible: an alert is neither lost nor stopped.
    pub durable: bool,
}

/// What was found in the state directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Opened {
    /// The database could not be read: it is kept under this name, and a new one was begun.
    pub set_aside: Option<PathBuf>,
    /// What could still be read of it and was carried over: messages and jobs.
    pub salvaged: Salvaged,
    /// Runs that were in progress when the daemon died; they stand in the history as critical, `interrupted`.
    pub interrupted: Vec<RunningRow>,
}

/// What was carried over from a database that could not be read to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Messages of the outbox, dead letters included.
    pub messages: u64,
    /// Job states.
    pub jobs: u64,
}

/// What a daemon begins with.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What is remembered of each job.
    pub jobs: HashMap<JobName, JobState>,
    /// Small facts by name, as [`Store::remember`](super::Store::remember) was told them.
    pub notes: HashMap<String, String>,
    /// The number of the next run; no run of this state directory ever had it or a greater one.
    pub next_run: u64,
}

/// How a message in the outbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It will be sent.
    Waiting,
    /// It outlived `outbox_max_age`: a dead letter that the channel is still to hear of, in one digest.
    Late,
    /// A dead letter.
    Dead,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its number.
    pub id: MessageId,
    /// How it stands.
    pub standing: Standing,
    /// Since when it waits; a retry by hand begins anew.
    pub queued: Timestamp,
    /// Failed tries so far.
    pub attempts: u32,
    /// What went wrong last.
    pub why: Option<String>,
    /// The message; its attachment only where one message is asked for.
    pub message: Message,
    /// The first message of its incident's thread.
    pub parent: Option<Parent>,
    /// A later message of the same kind makes this one needless (an edit that another edit follows).
    pub superseded: bool,
}

/// How much waits for a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that will appear in the channel.
    pub alerts: u64,
    /// Edits of messages that are there.
    pub edits: u64,
    /// Messages that outlived `outbox_max_age` and that the channel is still to hear of.
    pub late: u64,
}

/// What a look at the whole outbox finds. Each part by itself: a disk that fails at one of them hides no other.
#[derive(Clone, Debug)]
pub struct Look {
    /// Alerts that were too old, and are dead letters now.
    pub expired: Result<usize, StoreError>,
    /// How much waits, by channel.
    pub depths: Result<Vec<(Channel, Depth)>, StoreError>,
    /// There are dead letters, which somebody may set waiting again; or it cannot be known.
    pub dead_letters: bool,
}

/// Which of a channel's messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Waiting ones, edits among them, oldest first.
    All,
    /// Waiting ones without edits, oldest first.
    Alerts,
    /// Late ones, oldest first.
    Late,
}

/// What came of messages that the worker took: one change, written as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// Which messages.
    pub ids: Vec<MessageId>,
    /// Their channel.
    pub channel: Channel,
    /// Which of the channel's counts they are in.
    pub class: Class,
    /// What came of them.
    pub fate: Fate,
    /// What that means for the incident's thread.
    pub thread: ThreadChange,
    /// When; for [`Fate::Delivered`] and [`Fate::Told`] the time at which the channel was last written to.
    pub at: Timestamp,
}

/// Which count of [`Depth`] a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `alerts`.
    Alert,
    /// `edits`.
    Edit,
    /// `late`.
    Late,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Slack has it: it leaves the outbox.
    Delivered,
    /// A later one says the same and more: it leaves the outbox.
    Superseded,
    /// The channel was told of it in the digest of late messages: it stays as a dead letter.
    Told,
    /// Another try follows.
    Retry {
        /// What went wrong.
        why: String,
    },
    /// No try can help: it stays as a dead letter.
    Dead {
        /// What went wrong.
        why: String,
    },
}

/// What becomes of the thread of an incident in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ThreadChange {
    /// Nothing.
    #[default]
    Keep,
    /// This message is its first.
    Set(u64, Parent),
    /// It is gone from Slack.
    Forget(u64),
}

/// How the disk does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Why nothing can be written at present; `None` when all is well.
    pub failing: Option<String>,
    /// Messages that are held in memory because of it.
    pub unsaved: usize,
    /// History rows that were given up since the start: there was no room for them.
    pub dropped_runs: u64,
    /// Dead letters that were given up since the start: there were more than [`super::MOST_DEAD_LETTERS`].
    pub dropped_letters: u64,
    /// The database was found damaged while in use: it is kept under this name, and a new one was begun.
    pub set_aside: Option<PathBuf>,
}

/// Some of a time's runs, counted by job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// One for each job that has any.
    pub jobs: Vec<JobReport>,
    /// Where the next step goes on; none when there is no more.
    pub next: Option<RunId>,
}

/// Which runs are wanted, newest first.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Of this job alone.
    pub job: Option<JobName>,
    /// Only those that were not ok.
    pub failed: bool,
    /// Only those that ended at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that started at this time or earlier.
    pub until: Option<Timestamp>,
    /// Only those with a lower number: the next page.
    pub before: Option<RunId>,
    /// At most this many; 0 is 100.
    pub limit: u32,
}

/// Which messages are wanted, oldest first.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    /// Of this channel alone.
    pub channel: Option<Channel>,
    /// Dead letters alone (late ones among them).
    pub dead: bool,
    /// Only those with a greater number: the next page.
    pub after: Option<MessageId>,
    /// At most this many; 0 is 100.
    pub limit: u32,
}

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The database says no.
    Database {
        /// In words.
        why: String,
        /// The file is damaged.
        corrupt: bool,
    },
    /// The disk fails, and no more messages can be held in memory.
    Full,
    /// The store's thread is gone.
    Closed,
}

impl RunRow {
    /// The row of a run that ended; copies the ends of its output, [`KEPT_OUTPUT`] bytes each.
    pub fn new(started: &RunningRow, outcome: &Outcome, verdict: String, until: Option<Timestamp>) -> Self {
        Self {
            id: started.id,
            job: started.job.clone(),
            number: started.number,
            trigger: started.trigger,
            scheduled: started.scheduled,
            started: outcome.started,
            finished: outcome.finished,
            took: outcome.took,
            attempts: outcome.attempts,
            status: outcome.status,
            reason: outcome.reason,
            ending: outcome.ending.clone(),
            verdict,
            until,
            stdout: ends(&outcome.output.stdout),
            stderr: ends(&outcome.output.stderr),
        }
    }

    /// The row of a run that was in progress when the daemon died, as of the next start.
    pub fn interrupted(run: &RunningRow, now: Timestamp) -> Self {
        Self {
            id: run.id,
            job: run.job.clone(),
            number: run.number,
            trigger: run.trigger,
            scheduled: run.scheduled,
            started: run.started,
            finished: now.max(run.started),
            took: crate::clock::between(run.started, now),
            attempts: 1,
            status: Status::Critical,
            reason: Reason::Interrupted,
            ending: Ending::Interrupted,
            verdict: String::new(),
            until: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }

    /// Bytes of output that it holds.
    pub(super) fn bytes(&self) -> usize {
        [&self.stdout, &self.stderr].iter().map(|kept| kept.head.len() + kept.tail.len()).sum()
    }
}

/// The ends of a stream, within what history keeps; what is left out counts as dropped.
fn ends(captured: &Captured) -> Captured {
    let (head, tail) = (&captured.head, &captured.tail);
    if head.len() <= KEPT_OUTPUT && tail.len() <= KEPT_OUTPUT {
        return captured.clone();
    }
    // What does not fit in the head may be the end of everything, when there is no tail.
    let (first, rest) = head.split_at(head.len().min(KEPT_OUTPUT));
    let last = if tail.is_empty() { rest } else { tail };
    let last = &last[last.len().saturating_sub(KEPT_OUTPUT)..];
    let lost = head.len() + tail.len() - first.len() - last.len();
    Captured { head: first.to_vec(), tail: last.to_vec(), dropped: captured.dropped + lost as u64 }
}

impl Depth {
    /// Whether nothing is left to do for the channel.
    pub fn is_empty(self) -> bool {
        self.alerts == 0 && self.edits == 0 && self.late == 0
    }

    /// The count that a class is in.
    pub(super) fn of(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Alert => &mut self.alerts,
            Class::Edit => &mut self.edits,
            Class::Late => &mut self.late,
        }
    }
}

impl Stored {
    /// Whether it edits a message that is there, and does not itself appear in the channel.
    pub fn is_edit(&self) -> bool {
        self.message.thread == Thread::Edit
    }

    /// Which of its channel's counts it is in, as long as it is no dead letter.
    pub fn class(&self) -> Class {
        match self.standing {
            Standing::Late => Class::Late,
            _ if self.is_edit() => Class::Edit,
            _ => Class::Alert,
        }
    }
}

impl Standing {
    /// As in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Late => "late",
            Self::Dead => "dead",
        }
    }

    /// As the database has it.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Late => 1,
            Self::Dead => 2,
        }
    }

    /// From the database.
    pub(super) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Waiting,
            1 => Self::Late,
            _ => Self::Dead,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { why, .. } => f.write_str(why),
            Self::Full => f.write_str("the state cannot be written, and no more messages can be held in memory"),
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
        let code = error.sqlite_error_code();
        let corrupt = matches!(code, Some(DatabaseCorrupt | NotADatabase));
        let why = match code {
            Some(DiskFull) => "the disk is full".to_owned(),
            Some(ReadOnly) => "the state directory is read-only".to_owned(),
            Some(DatabaseBusy) => "another process keeps the database locked".to_owned(),
            Some(DatabaseCorrupt | NotADatabase) => "the database is damaged".to_owned(),
            _ => format!("database: {error}"),
        };
        Self::Database { why, corrupt }
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_OUTPUT, ends};
    use crate::exec::Captured;

    #[test]
    fn history_keeps_both_ends_of_an_output_and_counts_the_rest() {
        let big = |n: usize, byte: u8| vec![byte; n];
        for (head, tail, dropped, kept) in [
            (10, 0, 0, (10, 0, 0)),
            (KEPT_OUTPUT, KEPT_OUTPUT, 5, (KEPT_OUTPUT, KEPT_OUTPUT, 5)),
            (KEPT_OUTPUT + 7, 0, 0, (KEPT_OUTPUT, 7, 0)),
            (3 * KEPT_OUTPUT, 0, 1, (KEPT_OUTPUT, KEPT_OUTPUT, KEPT_OUTPUT as u64 + 1)),
            (KEPT_OUTPUT + 1, KEPT_OUTPUT + 2, 0, (KEPT_OUTPUT, KEPT_OUTPUT, 3)),
        ] {
            let mut captured = Captured { head: big(head, b'a'), tail: big(tail, b'b'), dropped };
            if let Some(last) = captured.tail.last_mut().or(captured.head.last_mut()) {
                *last = b'z';
            }
            let got = ends(&captured);
            assert_eq!((got.head.len(), got.tail.len(), got.dropped), kept, "{head} {tail} {dropped}");
            assert_eq!(got.bytes().last(), Some(&b'z'), "the last byte written is always kept");
        }
    }
}
