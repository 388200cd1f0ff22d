//! What a decision of the dispatcher asks the loop to do.

use std::sync::Arc;

use jiff::Timestamp;

use crate::exec::{Outcome, Run, Stop};
use crate::id::{JobName, RunId};
use crate::message::Message;
use crate::policy::{By, Decision, Hold};
use crate::store::{JobState, RunRow};

/// What the loop has to do now.
#[derive(Debug, Default)]
pub struct Turn {
    /// Runs to start.
    pub start: Vec<Arc<Run>>,
    /// Runs that something else started, and when: should the daemon die, the next one is to know of them.
    pub reported: Vec<(Arc<Run>, Timestamp)>,
    /// Runs to end.
    pub stop: Vec<(Arc<Run>, Stop)>,
    /// What to keep and to send, in this order.
    pub entries: Vec<Entry>,
    /// Read the configuration again.
    pub reload: bool,
}

impl Turn {
    /// Adds what another decision of the same instant asks for.
    pub(super) fn merge(&mut self, other: Self) {
        let Self { start, reported, stop, entries, reload } = other;
        self.start.extend(start);
        self.reported.extend(reported);
        self.stop.extend(stop);
        self.entries.extend(entries);
        self.reload |= reload;
    }
}

/// What is kept of one event: the store writes all of it or nothing.
#[derive(Debug)]
pub enum Entry {
    /// A run starts whose start must not be forgotten: the first of its job, or one that `catch_up` would repeat.
    Started {
        /// The job, and what is remembered of it.
        state: Option<(JobName, JobState)>,
    },
    /// A run ended.
    Ended {
        /// The run.
        ended: Box<Ended>,
        /// What is remembered of its job.
        state: Option<(JobName, JobState)>,
        /// What is to be sent.
        messages: Vec<Message>,
    },
    /// Something about a job that is no end of a run: quiet hours are over, a run does not end.
    Changed {
        /// The job, and what is remembered of it.
        state: Option<(JobName, JobState)>,
        /// What is to be sent.
        messages: Vec<Message>,
    },
    /// Due times passed because of a pause: one row of the history for all of them.
    Passed(Box<RunRow>),
    /// All holds as they are from here on.
    Holds {
        /// The holds.
        holds: Vec<Hold>,
        /// The number of the next.
        next: u64,
    },
    /// A message of the daemon about itself.
    Said(Box<Message>),
    /// A small fact that other commands read.
    Noted {
        /// Its name.
        key: &'static str,
        /// None when it is true no more.
        value: Option<String>,
    },
}

/// A run that ended, and what was decided about it.
#[derive(Debug)]
pub struct Ended {
    /// The run.
    pub run: Arc<Run>,
    /// How many runs the job has had.
    pub number: u64,
    /// How it ended.
    pub outcome: Arc<Outcome>,
    /// Whether it was notified, and why not.
    pub decision: Decision,
    /// What it came to, in a line.
    pub line: String,
    /// Who asked for it, where a person did.
    pub asked: Option<Box<AskedFor>>,
}

/// Who asked for a run, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedFor {
    /// Who.
    pub by: By,
    /// Why.
    pub note: Option<String>,
}

impl Entry {
    /// The run that ended, if this is about one.
    pub fn ended(&self) -> Option<&Ended> {
        match self {
            Self::Ended { ended, .. } => Some(ended),
            _ => None,
        }
    }

    /// The job that it is about, and the run that ended.
    pub fn about(&self) -> Option<(&JobName, Option<RunId>)> {
        match self {
            Self::Ended { ended, .. } => Some((&ended.run.job, Some(ended.run.id))),
            Self::Changed { state: Some((job, _)), .. } => Some((job, None)),
            Self::Changed { state: None, messages } => Some((messages.first()?.job.as_ref()?, None)),
            Self::Passed(row) => Some((&row.job, None)),
            Self::Started { .. } | Self::Said(_) | Self::Noted { .. } | Self::Holds { .. } => None,
        }
    }

    /// What is to be sent, of a run that ended.
    pub fn messages(&self) -> &[Message] {
        if let Self::Ended { messages, .. } = self { messages } else { &[] }
    }

    /// What is to be sent.
    pub fn into_messages(self) -> Vec<Message> {
        match self {
            Self::Started { .. } | Self::Noted { .. } | Self::Passed(_) | Self::Holds { .. } => Vec::new(),
            Self::Ended { messages, .. } | Self::Changed { messages, .. } => messages,
            Self::Said(message) => vec![*message],
        }
    }
}
