//! The ways out: Slack's Web API, an incoming webhook, the terminal. A [`Delivery`] goes in; a [`Receipt`], or a
//! [`SendError`] that says whether another try can help, comes out.
//!
//! Before it: the outbox worker. After it: Slack.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::message::Message;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What to send.
    pub message: Arc<Message>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Send `text` alone: Slack called the blocks malformed.
    pub plain: bool,
    /// The first message of the incident's thread, when there is one.
    pub parent: Option<Parent>,
}

/// A message that Slack has, by which it can be answered and edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The channel's ID.
    pub channel: String,
    /// The message's time stamp, which is its name.
    pub ts: String,
}

/// Slack has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The message as Slack knows it; webhooks and terminals give none.
    pub posted: Option<Parent>,
    /// The thread that it should have gone into is gone, and it stands alone in the channel.
    pub orphaned: bool,
    /// What Slack remarked (`response_metadata.warnings`), or what of it could not be done (an upload).
    pub warnings: Vec<String>,
}

/// Why it was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Another try can help.
    Transient {
        /// For people; never with a secret.
        why: String,
        /// Slack said how long to wait (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The same again cannot help.
    Permanent {
        /// For people; never with a secret.
        why: String,
        /// What has to change.
        fault: Fault,
    },
}

/// What has to change before a permanent error goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token or webhook: everything for this workspace waits.
    Credentials,
    /// The channel: it does not exist, is archived, or does not let us in.
    Channel,
    /// The message: Slack calls it malformed.
    Message,
    /// The thread's first message is gone.
    Thread,
}

/// A way out.
pub trait Notifier: Send + Sync + fmt::Debug {
    /// Sends once. It is bounded in time by the notifier itself.
    fn send(&self, delivery: Delivery) -> Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send>>;
}
