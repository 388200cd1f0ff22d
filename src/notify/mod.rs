//! The ways out: Slack's Web API, an incoming webhook, the terminal. A [`Delivery`] goes in; a [`Receipt`], or a
//! [`SendError`] that says whether another try can help, comes out.
//!
//! Before it: the outbox worker. After it: Slack. Each way out is bounded in time by itself, and no error of theirs
//! carries a token or a webhook's URL.

pub mod console;
mod http;
pub mod secret;
pub mod settings;
pub mod slack;
pub mod webhook;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use console::Console;
pub use http::Raw;
pub use secret::{ConnectError, Secret};
pub use settings::{KEYS, Settings, Surroundings, Way, read};
pub use slack::Slack;
pub use webhook::Webhook;

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

/// Whose the token is, and what it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthInfo {
    /// The workspace's name.
    pub team: String,
    /// The bot's name.
    pub user: String,
    /// The workspace's address.
    pub url: String,
    /// What the token may do (`chat:write` …); `None` when Slack does not say.
    pub scopes: Option<Vec<String>>,
}

/// A question about where messages go. None of them posts anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A channel by its ID (`C…`, `G…`, `D…`).
    Channel(String),
    /// A member of the workspace by the ID (`U…`, `W…`).
    Member(String),
    /// A page of the channels that the bot may see.
    Page {
        /// Where the page begins, from the page before; empty for the first.
        cursor: String,
        /// Private channels too, for which the token needs one scope more.
        private: bool,
        /// Archived channels too.
        archived: bool,
    },
}

/// What Slack says to a [`Lookup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// This channel or member.
    Found(Target),
    /// These channels, and where the next page begins, if there is one.
    Page {
        /// The channels of this page.
        channels: Vec<Target>,
        /// Where the next begins.
        next: Option<String>,
    },
    /// There is none of this ID, or the bot may not see it.
    Unknown,
    /// The token may not ask: it lacks this scope, where Slack says which.
    Barred {
        /// As Slack names it; several are joined by commas.
        scope: Option<String>,
    },
}

/// Where messages can go, as Slack knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its ID.
    pub id: String,
    /// Its name, without `#` and `@`; a direct message has none.
    pub name: String,
    /// What it is.
    pub sort: Sort,
    /// A channel that is archived, a member who is deactivated: nothing can be posted there.
    pub closed: bool,
    /// Whether the bot is in the channel; `None` where Slack does not say.
    pub joined: Option<bool>,
}

/// What messages can be posted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A channel that every member of the workspace may join.
    Public,
    /// A channel, or a message to several, that one must be invited to.
    Private,
    /// A direct message.
    Direct,
    /// A person.
    Person,
    /// A bot, to which no bot may write.
    Bot,
}

/// Work that is under way.
pub type Doing<T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send>>;

/// A way out.
pub trait Notifier: Send + Sync + fmt::Debug {
    /// Sends once. It is bounded in time by the notifier itself.
    fn send(&self, delivery: Delivery) -> Doing<Receipt>;

    /// Asks whether the credentials are good, without posting anything; secret files are read anew first. `None` where
    /// only a message can tell (webhooks) or where there are none (the terminal).
    fn auth_test(&self) -> Doing<Option<AuthInfo>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Asks about where messages go, without posting anything. `None` where there is nobody to ask.
    fn look_up(&self, _: Lookup) -> Doing<Option<Looked>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// The way out that is configured. Secret files are read here, so that a reload takes a new token; nothing is sent yet.
pub fn connect(settings: &Settings) -> Result<Arc<dyn Notifier>, ConnectError> {
    Ok(match &settings.way {
        Way::Token(source) => Arc::new(Slack::new(settings, source)?),
        Way::Webhook(source) => Arc::new(Webhook::new(settings, source)?),
        Way::Console => Arc::new(Console::stdout()),
    })
}

impl SendError {
    /// In words; never with a secret.
    pub fn why(&self) -> &str {
        match self {
            Self::Transient { why, .. } | Self::Permanent { why, .. } => why,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

impl From<http::Unreachable> for SendError {
    fn from(unreachable: http::Unreachable) -> Self {
        Self::Transient { why: unreachable.0, retry_after: None }
    }
}
