//! A change that somebody waits for, on its way to the disk.
//!
//! Before it: [`Store`](super::Store). After it: one transaction, in which it is written with its neighbours.

use jiff::Timestamp;

use super::types::{
    FollowUp, JobState, MessageId, MessageState, Progress, Record, Recorded, RunRow, Settlement, StoreError, Stored,
};
use crate::id::JobName;
use crate::message::Message;

/// One change that its caller waits for.
#[derive(Debug)]
pub(super) enum Write {
    /// A run with messages; their numbers are given when it is written.
    Record(Box<Accepted>),
    /// What came of messages, and what follows; its numbers are given when it is written.
    Settle(Box<Settled>),
}

/// A [`Record`] with its messages as rows.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) run: Option<RunRow>,
    pub(super) states: Vec<(JobName, JobState)>,
    pub(super) messages: Vec<Stored>,
}

/// A [`Settlement`] with what follows from it as rows, each with the message whose file it takes over.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) settlement: Settlement,
    pub(super) follow: Vec<(Stored, Option<MessageId>)>,
}

/// A new message that waits since then.
fn waiting(message: Message, queued: Timestamp) -> Stored {
    Stored {
        id: MessageId(0),
        state: MessageState::Waiting,
        queued,
        attempts: 0,
        why: None,
        dropped: None,
        progress: Progress::default(),
        parent: message.route.target.clone(),
        message,
        first: None,
        superseded: false,
        over: false,
    }
}

impl From<Settlement> for Write {
    fn from(mut settlement: Settlement) -> Self {
        let at = settlement.at;
        let follow = std::mem::take(&mut settlement.follow);
        let follow = follow.into_iter().map(|FollowUp { message, file_of }| (waiting(message, at), file_of)).collect();
        Self::Settle(Box::new(Settled { settlement, follow }))
    }
}

impl From<Record> for Write {
    fn from(record: Record) -> Self {
        let row = |message: Message| {
            let queued = message.created;
            waiting(message, queued)
        };
        let messages = record.messages.into_iter().map(row).collect();
        Self::Record(Box::new(Accepted { run: record.run, states: record.states, messages }))
    }
}

/// The answer to a [`Write`].
pub(super) type Answer = Result<Recorded, StoreError>;
