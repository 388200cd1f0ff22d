//! Messages in the outbox as the rest of the program sees them, and what came of them.
//!
//! Before it: the daemon, which queues messages, and the outbox worker, which settles them. After it: the SQL of the outbox.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::id::{Channel, JobName};
use crate::message::{Edit, Message, Thread};
use crate::notify::Parent;
use crate::policy::{Dropped, Event};

/// A message's number in the outbox: counts up over the life of a state directory, is never used twice, and is the
/// order in which messages of a channel go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// How a message in the outbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageState {
    /// It will be sent.
    Waiting,
    /// It outlived `outbox_max_age`: a dead letter that the channel is still to hear of, in one digest.
    Late,
    /// A dead letter.
    Dead,
    /// Somebody threw it away before its channel took it. It is kept for what is told of its run.
    Dropped,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its number.
    pub id: MessageId,
    /// How it stands.
    pub state: MessageState,
    /// Since when it waits; a retry by hand begins anew.
    pub queued: Timestamp,
    /// Failed tries so far.
    pub attempts: u32,
    /// What went wrong last.
    pub why: Option<String>,
    /// Who threw it away, where that is known of one that was dropped.
    pub dropped: Option<Dropped>,
    /// What it has behind it.
    pub progress: Progress,
    /// The message; its attachment only where one message is asked for.
    pub message: Message,
    /// The message that it answers or edits: the first message of its incident's thread, unless it names another.
    pub parent: Option<Parent>,
    /// For an edit: what the first message of its incident's thread says, where that is known.
    pub first: Option<Box<Message>>,
    /// A later message of the same kind makes this one needless: an edit that another edit follows, or the first message
    /// of an incident that was refused and that another first message follows.
    pub superseded: bool,
    /// The end of its incident waits behind it for the same channel.
    pub over: bool,
}

impl Stored {
    /// A message that waits, and nothing has been tried yet.
    pub fn waiting(id: MessageId, message: Message) -> Self {
        Self {
            id,
            state: MessageState::Waiting,
            queued: message.created,
            attempts: 0,
            why: None,
            dropped: None,
            progress: Progress::default(),
            message,
            parent: None,
            first: None,
            superseded: false,
            over: false,
        }
    }
}

/// What a message that failed has behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// It alone waits until then; what is behind it goes on.
    pub not_before: Option<Timestamp>,
    /// How often no answer came although Slack may have taken it.
    pub timeouts: u32,
    /// How often Slack refused it.
    pub refusals: u32,
    /// The default channel was told in the place of its own; of a file, its message says that it is missing.
    pub forwarded: bool,
    /// Its channel was told of it in a digest of late messages.
    pub announced: bool,
}

/// A channel's oldest messages of a class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads {
    /// Those that may be tried, in their order.
    pub rows: Vec<Stored>,
    /// When the next may be tried, if there is none now.
    pub later: Option<Timestamp>,
}

/// How much waits for a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that will appear in the channel.
    pub alerts: u64,
    /// Details of what was told already: everything else in the channel goes first.
    pub details: u64,
    /// Edits of messages that are there.
    pub edits: u64,
    /// Files that go into the thread of a message that is there.
    pub uploads: u64,
    /// Messages that outlived `outbox_max_age` and that the channel is still to hear of.
    pub late: u64,
}

/// What a look at the whole outbox finds. Each part by itself: a disk that fails at one of them hides no other.
#[derive(Clone, Debug)]
pub struct OutboxPoll {
    /// Alerts that were too old, and are dead letters now.
    pub expired: Result<usize, StoreError>,
    /// How much waits, by channel.
    pub depths: Result<Vec<(Channel, Depth)>, StoreError>,
    /// Alerts that somebody dropped since the last look, with which nobody is told of an incident.
    pub dropped: Vec<Stored>,
    /// There are dead letters, which somebody may set waiting again; or it cannot be known.
    pub dead_letters: bool,
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
    pub disposition: Disposition,
    /// What that means for the incident's thread.
    pub thread: ThreadChange,
    /// What the first message of the incident's thread says from now on.
    pub first: Option<Box<Message>>,
    /// What is queued because of it, in the same change.
    pub follow: Vec<FollowUp>,
    /// What is remembered because of it, in the same change.
    pub note: Option<(&'static str, String)>,
    /// When; for [`Disposition::Delivered`] and [`Disposition::Announced`] the time at which the channel was last written to.
    pub at: Timestamp,
}

/// A message that is queued because of what came of another.
#[derive(Clone, Debug, PartialEq)]
pub struct FollowUp {
    /// The message.
    pub message: Message,
    /// It takes over the file of this one.
    pub file_of: Option<MessageId>,
}

/// Which count of [`Depth`] a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `alerts`.
    Alert,
    /// `details`.
    Detail,
    /// `edits`.
    Edit,
    /// `uploads`.
    Upload,
    /// `late`.
    Late,
}

/// What a message is of its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Part {
    /// Its first, which opens the thread.
    First,
    /// Its end.
    End,
    /// What comes between them.
    Between,
    /// Anything else.
    Other,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Slack has it: it leaves the outbox.
    Delivered,
    /// A later one says the same and more: it leaves the outbox.
    Superseded,
    /// There was a digest of late messages: it stays as a dead letter.
    Announced {
        /// Its channel took the digest.
        told: bool,
    },
    /// Another try follows.
    Retry {
        /// What went wrong.
        why: String,
        /// What it has behind it from here on.
        progress: Progress,
    },
    /// No try can help: it stays as a dead letter.
    Dead {
        /// What went wrong.
        why: String,
        /// The same message goes to the default channel; of a file, its message says that it is missing.
        forwarded: bool,
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
    /// This message is the first of all of these.
    SetAll(Vec<u64>, Parent),
    /// It is gone from Slack.
    Forget(u64),
}

/// The outbox in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages that outlived `outbox_max_age` and that their channel is still to hear of.
    pub late: u64,
    /// Dead letters.
    pub dead: u64,
    /// Since when the oldest of those that wait does.
    pub oldest: Option<Timestamp>,
}

/// Which messages are wanted, oldest first unless it is said.
#[derive(Clone, Debug, Default)]
pub struct OutboxFilter {
    /// Of this channel alone.
    pub channel: Option<Channel>,
    /// Dead letters (late ones among them) and messages that their channel refused alone.
    pub dead: bool,
    /// Only those with a greater number: the next page.
    pub after: Option<MessageId>,
    /// Only those with a lower number.
    pub before: Option<MessageId>,
    /// The newest first, in the place of the oldest.
    pub newest_first: bool,
    /// Only those of this state.
    pub state: Option<MessageState>,
    /// Only those of this job.
    pub job: Option<JobName>,
    /// Those that somebody dropped, too.
    pub with_dropped: bool,
    /// At most this many; 0 is 100.
    pub limit: u32,
}

impl OutboxFilter {
    /// Whether it asks for a message; see `mail::list`.
    pub(in crate::store) fn takes(&self, stored: &Stored) -> bool {
        self.channel.as_ref().is_none_or(|channel| stored.message.channel == *channel)
            && (!self.dead || stored.state != MessageState::Waiting || stored.progress.refusals > 0)
            && self.after.is_none_or(|after| stored.id > after)
            && self.before.is_none_or(|before| stored.id < before)
            && self.state.is_none_or(|state| stored.state == state)
            && self.job.as_ref().is_none_or(|job| stored.message.job.as_ref() == Some(job))
            && (self.with_dropped || self.state == Some(MessageState::Dropped) || stored.state != MessageState::Dropped)
    }
}

impl Depth {
    /// Whether nothing is left to do for the channel.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The count that a class is in.
    pub(in crate::store) fn of(&mut self, class: Class) -> &mut u64 {
        match class {
            Class::Alert => &mut self.alerts,
            Class::Detail => &mut self.details,
            Class::Edit => &mut self.edits,
            Class::Upload => &mut self.uploads,
            Class::Late => &mut self.late,
        }
    }
}

impl Stored {
    /// Whether it is a file of a message that is there.
    pub fn is_file(&self) -> bool {
        self.message.thread == Thread::Upload
    }

    /// Whether it edits a message that is there, and does not itself appear in the channel.
    pub fn is_edit(&self) -> bool {
        self.message.thread == Thread::Edit
    }

    /// Which of its channel's counts it is in, as long as it is no dead letter.
    pub fn class(&self) -> Class {
        match self.state {
            MessageState::Late => Class::Late,
            MessageState::Waiting | MessageState::Dead | MessageState::Dropped => Class::of(&self.message),
        }
    }
}

impl Part {
    /// What a message is of its incident.
    pub(in crate::store) fn of(message: &Message) -> Self {
        match (message.event, message.thread) {
            (Some(Event::Recovery), _) => Self::End,
            _ if matches!(message.route.edit, Some(Edit::Gone { .. })) => Self::End,
            (Some(Event::Failure | Event::Missing | Event::Stuck | Event::Repeat), Thread::Open) => Self::First,
            // Where there are no threads each says all that is to be said.
            (Some(Event::Failure | Event::Missing), Thread::None) => Self::First,
            (Some(_), _) => Self::Between,
            (None, _) => Self::Other,
        }
    }

    /// As the database has it.
    pub(in crate::store) fn number(self) -> i64 {
        match self {
            Self::Other => 0,
            Self::First => 1,
            Self::End => 2,
            Self::Between => 3,
        }
    }

    /// From the database.
    pub(in crate::store) fn from_number(number: i64) -> Self {
        match number {
            1 => Self::First,
            2 => Self::End,
            3 => Self::Between,
            _ => Self::Other,
        }
    }
}

impl Class {
    /// Which count a message is in that waits.
    pub fn of(message: &Message) -> Self {
        match message.thread {
            Thread::Edit => Self::Edit,
            Thread::Upload => Self::Upload,
            _ if message.route.detail => Self::Detail,
            _ => Self::Alert,
        }
    }

    /// As the database has it, beside the state.
    pub(in crate::store) fn number(self) -> i64 {
        match self {
            Self::Alert | Self::Late => 0,
            Self::Edit => 1,
            Self::Upload => 2,
            Self::Detail => 3,
        }
    }

    /// From the database: what a message that waits or is late is.
    pub(in crate::store) fn from_numbers(state: i64, kind: i64) -> Self {
        match (state, kind) {
            (0, 0) => Self::Alert,
            (0, 1) => Self::Edit,
            (0, 2) => Self::Upload,
            (0, 3) => Self::Detail,
            _ => Self::Late,
        }
    }
}

impl MessageState {
    /// As in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Late => "late",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
        }
    }

    /// As the database has it.
    pub(in crate::store) fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Late => 1,
            Self::Dead => 2,
            Self::Dropped => 3,
        }
    }

    /// From the database.
    pub(in crate::store) fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Waiting,
            1 => Self::Late,
            3 | 4 => Self::Dropped,
            _ => Self::Dead,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
