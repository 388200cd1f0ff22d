//! The ways out: Slack's Web API, an incoming webhook, the terminal. A [`Delivery`] goes in; a [`Receipt`], or a
//! [`SendError`] that says whether another try can help, comes out.
//!
//! Before it: the outbox worker. After it: Slack. Each way out is bounded in time by itself, and no error of theirs
//! carries a token or a webhook's URL.

pub mod console;
mod current;
mod http;
pub mod secret;
pub mod settings;
pub mod slack;
mod tls;
mod trouble;
pub mod watcher;
pub mod webhook;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use console::Console;
pub(crate) use console::{mrkdwn, view};
pub use http::Raw;
pub use secret::{ConnectError, Secret};
pub use settings::{Capabilities, KEYS, Settings, Surroundings, Way, read, read_token};
pub use slack::Slack;
pub use watcher::{
    End, HEARTBEAT_KEYS, HeartbeatSettings, PING_KEYS, PingSettings, Signal, SignalError, Signalling, Watcher,
    Watchers, read_heartbeat, read_ping,
};
pub use webhook::Webhook;

use crate::clock::{Mono, SharedClock};
use crate::message::Message;
pub use crate::slack::Parent;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What to send.
    pub message: Arc<Message>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Send plain text alone; why.
    pub plain: Option<String>,
    /// The message that it answers or edits, when there is one.
    pub parent: Option<Parent>,
    /// How often no answer came in time: the time limit doubles with each.
    pub timeouts: u32,
    /// Is told when it is sent.
    pub sent: Sent,
}

/// When a message was sent: when the connection stood, and the request was written to it. Slack counts from then.
#[derive(Clone, Debug, Default)]
pub struct Sent(Option<Arc<(SharedClock, OnceLock<Mono>)>>);

impl Sent {
    /// It is to be noted by this clock.
    pub fn by(clock: SharedClock) -> Self {
        Self(Some(Arc::new((clock, OnceLock::new()))))
    }

    /// It is sent now. Of several requests the first counts.
    pub fn note(&self) {
        if let Some((clock, at)) = self.0.as_deref() {
            at.get_or_init(|| clock.now().mono);
        }
    }

    /// When that was; none where it was not noted.
    pub fn at(&self) -> Option<Mono> {
        self.0.as_deref()?.1.get().copied()
    }
}

/// Slack has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The message as Slack knows it; webhooks and terminals give none.
    pub posted: Option<Parent>,
    /// The thread that it should have gone into is gone, and it stands alone in the channel.
    pub orphaned: bool,
    /// What Slack remarked (`response_metadata.warnings`).
    pub warnings: Vec<String>,
}

/// Why it was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Trouble of the way to Slack, or Slack's own: another try can help.
    Transient {
        /// For people; never with a secret.
        why: String,
        /// Slack said how long to wait (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// It was read and not taken, for a reason that may be the way's, or that of this message alone: another try can help.
    Doubtful {
        /// For people; never with a secret.
        why: String,
    },
    /// It was sent, and no answer says what came of it: Slack may have it.
    Uncertain {
        /// For people; never with a secret.
        why: String,
    },
    /// The same again cannot help.
    Permanent {
        /// For people; never with a secret.
        why: String,
        /// Slack's own code, where it gave one.
        code: Option<String>,
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
    /// The message that is answered or edited is gone.
    Thread,
    /// The message that is answered or edited is there, and takes no answer or edit.
    Target,
    /// Slack, or something before it, does not take this message, for a reason that is not known here.
    Refused,
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
    /// What time it was for Slack, to the second; `None` when the answer does not say.
    pub date: Option<jiff::Timestamp>,
}

/// A question about where messages go, or about one that was posted. None of them posts anything.
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
    /// A message of the bot's own, by way of its reactions (scope `reactions:read`).
    Reactions(Parent),
    /// A message by way of its channel's history (scopes `channels:history`, `groups:history` …).
    History(Parent),
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
    /// The text of this message.
    Message(String),
    /// There is none of this ID, or the bot may not see it.
    Unknown,
    /// The token may not ask: it lacks this scope, where Slack says which.
    MissingScope {
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
    /// What can be done this way.
    fn capabilities(&self) -> Capabilities;

    /// The secret that is used now, to compare it. `None` where there is none.
    fn secret(&self) -> Option<Secret> {
        None
    }

    /// Sends once. It is bounded in time by the notifier itself. After Slack refused the credentials, secret files are read
    /// anew first.
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

/// Where a message can be seen (Slack: "chat.getPermalink"), put together from what Slack has said.
pub(crate) fn permalink(workspace: &str, posted: &Parent) -> Option<String> {
    if workspace.is_empty() {
        return None;
    }
    let number = posted.ts.replace('.', "");
    Some(format!("{}/archives/{}/p{number}", workspace.trim_end_matches('/'), posted.channel))
}

/// The JSON that a message is sent as: what `preview --json` shows. `null` where nothing would be sent.
pub fn payload(settings: &Settings, message: Message) -> serde_json::Value {
    let identity = slack::payload::SenderIdentity::of(settings);
    let unnamed = message.channel.is_unnamed();
    let mut body = if settings.way.source().is_some() && !settings.way.capabilities().channels {
        slack::payload::webhook(&message, &identity, None)
    } else {
        let delivery = Delivery {
            message: Arc::new(message),
            attempt: 1,
            plain: None,
            parent: None,
            timeouts: 0,
            sent: Sent::default(),
        };
        match slack::payload::request(&delivery, &identity) {
            slack::payload::Request::Post { body, .. } | slack::payload::Request::Update { body } => body,
            slack::payload::Request::Nothing => serde_json::Value::Null,
        }
    };
    // No channel is configured: there is none to name.
    if let Some(body) = body.as_object_mut().filter(|_| unnamed) {
        body.remove("channel");
    }
    body
}

impl SendError {
    /// In words; never with a secret.
    pub fn why(&self) -> &str {
        match self {
            Self::Transient { why, .. }
            | Self::Doubtful { why }
            | Self::Uncertain { why }
            | Self::Permanent { why, .. } => why,
        }
    }

    /// Slack's own code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Permanent { code, .. } => code.as_deref(),
            Self::Transient { .. } | Self::Doubtful { .. } | Self::Uncertain { .. } => None,
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
        match unreachable {
            http::Unreachable { why, sent: true } => Self::Uncertain { why },
            http::Unreachable { why, sent: false } => Self::Transient { why, retry_after: None },
        }
    }
}
