//! Whether to notify: pure, with a reason for every decision, those to suppress too.
//!
//! Before it: an `Outcome`. After it: a `Notice` for `message`, or a reason that is kept with the run.
//!
//! A job's [`Health`] is all that is remembered; it goes in and comes out changed, and is stored with the verdict.
//! [`judge`] takes each run that ended, [`skipped`] each due time that passed because one did not, and [`wake`] the
//! times that nothing but the clock brings: [`due`] tells the next of them. Whoever finds that a notification cannot be
//! sent after all gives it back to [`retract`]. Invariants:
//!
//! - No recovery without a failure that was reported before, or is reported by the same message.
//! - The first failure of an incident (once `after` is reached) and its recovery pass every limit; quiet hours, a
//!   silence and flapping delay them, and lose neither.
//! - Time goes by the wall clock; one that was set back delays nothing by more than the setting itself would.

mod address;
mod audience;
mod decision;
mod delivery;
mod diff;
mod flap;
mod health;
mod holds;
mod incident;
#[cfg(test)]
mod incident_stories;
mod intermittent;
mod judge;
#[cfg(test)]
mod key_stories;
mod keys;
#[cfg(test)]
mod laws;
mod limit;
#[cfg(test)]
mod noisy_week;
mod not_run;
mod notify;
mod outlook;
mod overnight;
mod patterns;
mod quiet;
mod rare;
mod same;
mod settings;
mod slow;
#[cfg(test)]
mod stories;
mod telling;
mod times;
mod update;
#[cfg(test)]
mod upgrade_stories;
mod wake;
#[cfg(test)]
mod week_stories;
mod words;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use address::{Mention, parse_channel, parse_mention};
pub use audience::{Audience, Dropped, Told};
pub use decision::{Decision, Expected, Suppressed, UnknownWord};
pub use health::{Abandoned, Ended, Health, Hung, LastEnd, LastRun, LeftOut, LeftWaiting, Previous};
pub use holds::{By, Held, Hold, HoldKind, Pattern, Via};
pub use judge::judge;
pub use keys::Keys;
pub use notify::retract;
pub use outlook::{AckEnd, FirstMessage, Open, ack_ends, conversation, hang_line, open, telling_line};
pub use overnight::{News, Overnight};
pub use same::normal;
pub use settings::{Asked, Attach, Flap, Intermittent, KEYS, Normalize, On, Repeat, Settings, Statuses, read};
pub use slow::{Slow, slow, slow_after};
pub(crate) use telling::{says_well, telling};
pub use update::{Hang, Update};
pub use wake::{due, skipped, wake};
pub(crate) use words::{clock as time_of_day, count, ordinal};

use self::health::Stuck;
use self::incident::OpenIncident;
use self::keys::TakenOut;
use self::limit::Budget;
use self::patterns::{Begun, Conversation};
use self::quiet::{Nights, Waiting};
use self::rare::Rare;
use crate::exec::{Ending, Reason, Status};
use crate::id::{Channel, RunId};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Ok, and something was printed.
    Output,
    /// Not ok: the first message of an incident.
    Failure,
    /// Not ok still.
    Repeat,
    /// Ok again after a reported failure.
    Recovery,
    /// Ok.
    Success,
    /// Ok, and the output differs from the last ok run's.
    Change,
    /// The status changes too often to tell each time; or it has stopped doing so.
    Flapping,
    /// Due times pass because the last run is still going.
    Stuck,
    /// Due times pass because other runs hold every place; or that is over.
    Starved,
    /// An expected run did not come: the first message of an incident.
    Missing,
    /// A run takes longer than `notify.slow` allows, and goes on.
    Slow,
}

impl Event {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Output,
        Self::Failure,
        Self::Repeat,
        Self::Recovery,
        Self::Success,
        Self::Change,
        Self::Flapping,
        Self::Stuck,
        Self::Starved,
        Self::Missing,
        Self::Slow,
    ];

    /// Whether it says something of an incident, other than that the status changes too often.
    pub fn is_of_an_incident(self) -> bool {
        matches!(self, Self::Failure | Self::Missing | Self::Repeat | Self::Recovery | Self::Stuck)
    }

    /// As in files and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Failure => "failure",
            Self::Repeat => "repeat",
            Self::Recovery => "recovery",
            Self::Success => "success",
            Self::Change => "change",
            Self::Flapping => "flapping",
            Self::Stuck => "stuck",
            Self::Starved => "starved",
            Self::Missing => "missing",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An incident's identity: the job's name and the run that opened it. Threads hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Number of the run whose failure opened it: unique within a state directory.
    pub id: u64,
    /// When the run of its first failure ended.
    pub started: Timestamp,
    /// Failures so far, this one included.
    pub failures: u32,
    /// It was not ok in between.
    pub in_a_row: bool,
    /// When it was ok again, where it is.
    pub ended: Option<Timestamp>,
}

/// What judging needs to know of a run that ended.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its number.
    pub run: RunId,
    /// The slot of the schedule that it filled.
    pub scheduled: Timestamp,
    /// How it ended.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// A precondition was not met (`exit_codes.skip`): it counts as not run.
    pub skipped: bool,
    /// Its standard output as text: ANSI removed, secrets masked.
    pub stdout: &'a str,
    /// All of it as a number, where only a part was kept.
    pub whole: Option<u64>,
    /// Its standard error, the same way.
    pub stderr: &'a str,
    /// Both streams as text, the same way: a failure is known again by it.
    pub output: &'a str,
    /// What its headline says of it behind the status: what went wrong; of an ok run, a line of what it printed.
    pub line: &'a str,
    /// How the process ended.
    pub ending: &'a Ending,
    /// How long the run took.
    pub took: Duration,
    /// When it ended: just now, or before, where that is told late. What lies ahead is now.
    pub ended: Timestamp,
    /// Which incident of the job a failure belongs to, where a directive says so.
    pub key: Option<&'a str>,
}

/// What is to be done about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Draft this.
    Notify(Box<Notification>),
    /// Send nothing, for this reason; the next message about it is possible then, if that is known.
    Suppress(Suppressed, Option<Timestamp>),
    /// Its precondition was not met: there is nothing to count, nor to say but that it hangs no more.
    NotRun(Option<Box<Notification>>),
}

/// What is decided about a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Whether there is a message.
    pub verdict: Verdict,
    /// An incident that ends with the run although no message about that is asked for: its first message is edited.
    pub close: Option<Box<Notification>>,
}

impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, close: None }
    }
}

/// How a message stands to the thread of its incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threading {
    /// Not at all.
    #[default]
    None,
    /// It is the incident's first message, and opens the thread.
    Open,
    /// It goes into the thread.
    Reply,
    /// It goes into the thread and is shown in the channel.
    Broadcast,
    /// The same, and the thread's first message is edited to say that it is over.
    Close,
    /// The thread's first message is edited to say that it is over; the message goes into the thread and is not shown in
    /// the channel.
    CloseInThread,
    /// The thread's first message is edited to say that it is over, or how often the job fails, and there is no other message.
    CloseByEdit,
}

/// An incident that ends along with another one of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    /// The incident.
    pub incident: Incident,
    /// Its end is shown in the channel: more than one of its runs had failed.
    pub shown: bool,
}

impl Along {
    fn of(open: &OpenIncident) -> Self {
        Self { incident: open.incident(), shown: !open.is_single() }
    }
}

/// Something that is worth a message: what it is about, and where it belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What it is about.
    pub event: Event,
    /// The status that it tells: the run's; `unknown` of a run that does not end.
    pub status: Status,
    /// The run that it is about; none of one that still goes on.
    pub run: Option<RunId>,
    /// The incident that it belongs to.
    pub incident: Option<Incident>,
    /// It is the first message of a conversation about a job that fails now and then.
    pub opens_conversation: bool,
    /// Further incidents of the job that end with it: failures under other keys, which were reported.
    pub also: Vec<Along>,
    /// The keys of the job's incidents that it may be about, each with the number of the incident.
    keys: Vec<(u64, String)>,
    /// Those of the incidents that go on when it tells of an end.
    keys_open: Vec<String>,
    /// Those of the incidents that end with this one and have no thread in which that is said.
    keys_ended: Vec<String>,
    /// How it stands to the incident's thread; never anything but `None` without `thread`.
    pub thread: Threading,
    /// Who has heard of the incident.
    pub audience: Audience,
    /// Somebody has the incident, and it got better: it goes into the thread, and nowhere where there is none.
    pub in_thread_only: bool,
    /// It is the first that people hear of a critical failure: they are to be pinged.
    pub pings: bool,
    /// Alerts that `rate_limit` held since the last message.
    pub suppressed: u32,
    /// What has changed against what was reported of the incident before.
    pub update: Update,
    /// What the first message of the thread is edited to say, where this one changes that. Without a thread no message is edited.
    pub headline: Option<Update>,
    /// When the next message about the incident comes, unless it changes before; none where the next failure is told, or where it
    /// is over.
    pub next: Option<Expected>,
    /// stdout against the last ok run's, as a unified diff without a header; empty when they say the same.
    pub diff: String,
    /// It is no message about a change, and tells of one along with what it is about.
    pub changed: bool,
    /// It is a recovery, and the run is worth a message of good news too: this one.
    pub good_news: Option<Event>,
    /// The run before.
    pub previous: Option<Previous>,
    /// What waited for the end of `quiet_hours` and goes along, a line each: plain text with a line of output in it,
    /// not yet escaped.
    pub digest: Vec<String>,
    /// The same for a message about several jobs.
    pub overnight: Option<Box<Overnight>>,
    /// What sending it changed, to take it back.
    undo: Undo,
}

/// What was before a notification was sent.
#[derive(Clone, Debug, PartialEq)]
struct Undo {
    open: Option<Box<OpenIncident>>,
    others: Vec<OpenIncident>,
    budget: Budget,
    suppressed: u32,
    waiting: Rare<Waiting>,
    stuck: Rare<Stuck>,
    conversation: Option<Box<Conversation>>,
    begun: Rare<VecDeque<Begun>>,
    nights: Rare<Nights>,
    /// Incidents that it is not about.
    taken_out: TakenOut,
}

impl Threading {
    /// Whether the thread's first message is edited to say that the incident is over.
    pub fn closes(self) -> bool {
        matches!(self, Self::Close | Self::CloseInThread | Self::CloseByEdit)
    }

    /// Whether the message is visible in the channel.
    pub fn is_visible(self) -> bool {
        matches!(self, Self::None | Self::Open | Self::Broadcast | Self::Close)
    }
}

impl Notification {
    /// Who is pinged, as Slack writes it in mrkdwn: on critical, the first time and when it got worse.
    pub fn mentions(&self, settings: &Settings) -> Vec<String> {
        settings.mention.iter().filter(|_| self.pings).map(Mention::markup).collect()
    }

    /// Who is pinged in a channel that hears of a critical failure for the first time, though others have heard of it.
    pub fn mentions_anew(&self, settings: &Settings) -> Vec<String> {
        let pinged = self.status == Status::Critical && self.event != Event::Flapping;
        settings.mention.iter().filter(|_| pinged).map(Mention::markup).collect()
    }

    /// What the run of this recovery is worth besides, by itself: it belongs to no incident.
    pub fn good_news_alone(&self, event: Event) -> Self {
        Self {
            event,
            incident: None,
            opens_conversation: false,
            also: Vec::new(),
            keys: Vec::new(),
            keys_open: Vec::new(),
            keys_ended: Vec::new(),
            thread: Threading::None,
            audience: Audience::default(),
            suppressed: 0,
            update: Update::None,
            headline: None,
            digest: Vec::new(),
            overnight: None,
            good_news: None,
            ..self.clone()
        }
    }

    /// Where it goes: see [`Audience`].
    pub fn channels(&self, settings: &Settings, default: Option<&Channel>) -> Vec<Channel> {
        let better = matches!(self.update, Update::Better { .. } | Update::Unknown { .. });
        self.audience.channels(self.status, better, settings, default)
    }
}
