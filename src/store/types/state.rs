//! What is written together, what a daemon starts with, and how the disk is.
//!
//! Before it: the daemon. After it: the store.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::mail::MessageId;
use super::run::{RunRow, RunningRow};
use crate::id::JobName;
use crate::message::Message;
use crate::policy::{Hold, Told};

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
    /// What is remembered from here on; written down at once, since a run changes it and thousands end in a second. What
    /// cannot be written as JSON is an error, never an empty memory.
    pub fn new(cadence: &impl Serialize, health: &impl Serialize) -> serde_json::Result<Self> {
        let json = |written: serde_json::Result<String>| written.map(String::into_boxed_str);
        Ok(Self { cadence: json(serde_json::to_string(cadence))?, health: json(serde_json::to_string(health))? })
    }
}

/// Everything that a run leaves behind, kept together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// For the history.
    pub run: Option<RunRow>,
    /// What is remembered of the job, or of several, from here on.
    pub states: Vec<(JobName, JobState)>,
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
    /// Runs that were in progress when the daemon died; they stand in the history as critical, `interrupted`.
    pub interrupted: Vec<RunningRow>,
    /// What is wrong with the directory and does not stop anything, in words.
    pub warnings: Vec<String>,
}

/// A database took the place of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedOver {
    /// Why.
    pub cause: Cause,
    /// The name of the one whose place it took.
    pub kept_as: PathBuf,
    /// Messages of the outbox that could be read, dead letters included.
    pub messages: u64,
    /// Job states that could be read.
    pub jobs: u64,
    /// Waiting messages that could not be read, and are sent as ones that say so.
    pub unreadable: u64,
}

/// Why a database took the place of another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It was damaged: what could be read of it was carried over, but for its history.
    #[default]
    Damaged,
    /// Somebody removed or replaced it while the daemon ran: all of it was written to a new file.
    Moved,
}

/// What a daemon begins with.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// What is remembered of each job.
    pub jobs: HashMap<JobName, JobState>,
    /// Small facts by name, as [`Store::remember`](crate::store::Store::remember) was told them.
    pub notes: HashMap<String, String>,
    /// What people have asked for.
    pub holds: Vec<Hold>,
    /// The number of the next hold; no hold of this state directory ever had it or a greater one.
    pub next_hold: u64,
    /// Due times that have passed because of those holds, a row for each job and hold.
    pub passed: Vec<RunRow>,
    /// The number of the next run; no run of this state directory ever had it or a greater one.
    pub next_run: u64,
    /// What the outbox knows of incidents.
    pub told: Told,
}

/// The health of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Why nothing can be written at present; `None` when all is well.
    pub failing: Option<StoreError>,
    /// Messages that are kept in memory because of it.
    pub unsaved: usize,
    /// History rows that were given up since the start: there was no room for them.
    pub dropped_runs: u64,
    /// Good news that was given up since the start, so that alerts have room in memory.
    pub dropped_messages: u64,
    /// Dead letters that were given up since the start: there were more than [`super::super::MOST_DEAD_LETTERS`].
    pub dropped_letters: u64,
    /// A database took the place of another one, and nobody was told of it yet.
    pub carried: Option<CarriedOver>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::JobState;

    #[test]
    fn what_cannot_be_written_as_json_is_an_error_and_no_empty_memory() {
        let no_json = BTreeMap::from([((1, 2), "a key that is no text")]);
        assert!(JobState::new(&1, &no_json).is_err() && JobState::new(&no_json, &1).is_err());
        assert!(JobState::new(&1, &2).is_ok_and(|state| *state.health == *"2"));
    }
}
