//! What the outbox tells the daemon of a message: told means delivered.

use crate::id::{Channel, JobName, RunId};
use crate::message::Message;
use crate::policy::{Dropped, Event};

/// What came of a message of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The job.
    pub job: JobName,
    /// The run behind it.
    pub run: Option<RunId>,
    /// The incident that it tells of.
    pub incident: Option<u64>,
    /// What it is about.
    pub event: Option<Event>,
    /// The channel.
    pub channel: Channel,
    /// What came of it.
    pub result: DeliveryResult,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// Slack has it.
    Delivered,
    /// The channel did not take it, and another is told in its place.
    Elsewhere {
        /// What Slack said.
        why: String,
        /// It waits for the channel still, and is tried again.
        waits: bool,
    },
    /// No answer came, however often it was sent: the channel may have it.
    InDoubt {
        /// What is known.
        why: String,
    },
    /// It waits for this channel, in the place of another one that did not take it.
    Substituted,
    /// A person dropped it before the channel took it.
    Dropped(Option<Dropped>),
    /// It was not taken, and nobody else is told.
    Refused {
        /// What Slack said.
        why: String,
        /// It waits in the outbox and is tried again.
        waits: bool,
    },
}

impl Report {
    /// Of a message of a job; the daemon's own are nobody's.
    pub(super) fn of(message: &Message, result: DeliveryResult) -> Option<Self> {
        Some(Self {
            job: message.job.clone()?,
            run: message.run,
            incident: message.incident,
            event: message.event,
            channel: message.channel.clone(),
            result,
        })
    }
}
