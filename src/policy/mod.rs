//! Whether a run is worth a word: pure, with a reason for every verdict, the silent ones too.
//!
//! Before it: an `Outcome`. After it: a `Notice` for `message`, or a reason that is kept with the run.
//!
//! A job's [`Health`] is all that is remembered; it goes in and comes out changed, and is stored with the verdict.
//! [`judge`] takes each run that ended, [`skipped`] each due time that passed because one did not, and [`wake`] the
//! times that nothing but the clock brings: [`due`] tells the next of them. Whoever finds that a word cannot be said
//! after all gives it back to [`unsaid`]. Invariants:
//!
//! - No recovery without a failure that was told before, or is told by the same message.
//! - The first failure of an incident (once `after` is reached) and its recovery pass every limit; quiet hours, a
//!   silence and flapping delay them, and lose neither.
//! - Time goes by the wall clock; one that was set back delays nothing by more than the setting itself would.

mod address;
mod diff;
mod flap;
mod health;
mod judge;
#[cfg(test)]
mod laws;
mod limit;
mod quiet;
mod same;
mod settings;
mod speak;
#[cfg(test)]
mod stories;
mod wake;
mod words;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use address::{Mention, parse_channel, parse_mention};
pub use health::{Before, Health};
pub use judge::judge;
pub use settings::{Asked, Attach, Flap, KEYS, On, Settings, Statuses, read};
pub use speak::unsaid;
pub use wake::{due, skipped, wake};

use self::health::{Stuck, Trouble};
use self::limit::Spent;
use self::quiet::Waiting;
use crate::exec::{Ending, Reason, Status};
use crate::id::{Channel, RunId};

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Ok, and something was printed.
    Output,
    /// Not ok: the first word of an incident.
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
}

/// Why nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Fewer failures in a row than `after`.
    BelowAfter,
    /// The failure was reported, and `repeat` has not passed.
    RepeatNotDue,
    /// `rate_limit` is used up.
    RateLimited,
    /// Within `quiet_hours`.
    QuietHours,
    /// The status changes too often.
    Flapping,
    /// A person, or a directive, asked for silence.
    Silenced,
    /// The output is the same as before.
    Unchanged,
    /// There is nothing to say: no output, or the template renders to blanks.
    Blank,
    /// `notify.on` does not ask for it.
    NotAsked,
    /// Ok again, and nobody was told that it was not.
    NeverReported,
}

impl Event {
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
        }
    }
}

impl Hold {
    /// As in logs, history and `why`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BelowAfter => "below-after",
            Self::RepeatNotDue => "repeat-not-due",
            Self::RateLimited => "rate-limited",
            Self::QuietHours => "quiet-hours",
            Self::Flapping => "flapping",
            Self::Silenced => "silenced",
            Self::Unchanged => "unchanged",
            Self::Blank => "blank",
            Self::NotAsked => "not-asked",
            Self::NeverReported => "never-reported",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Hold {
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
}

/// How often a failure that goes on is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// At most so often.
    Every(Duration),
    /// Not.
    Never,
    /// After every run.
    Always,
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
    /// Both streams as text, the same way: a failure is known again by it.
    pub output: &'a str,
    /// How the process ended.
    pub ending: &'a Ending,
    /// Which incident of the job a failure belongs to, where a directive says so.
    pub key: Option<&'a str>,
}

/// What is to be done about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Say this.
    Notify(Box<Word>),
    /// Say nothing, for this reason; the next word on it is possible then, if that is known.
    Hold(Hold, Option<Timestamp>),
    /// Its precondition was not met: there is nothing to say, nor to count.
    NotRun,
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
}

/// Something that is worth a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// What it is about.
    pub event: Event,
    /// The status that it tells: the run's; `unknown` of a run that does not end.
    pub status: Status,
    /// The run that it is about; none of one that still goes on.
    pub run: Option<RunId>,
    /// The incident that it belongs to.
    pub incident: Option<Incident>,
    /// Further incidents of the job that end with it: failures under other keys, which were told.
    pub also: Vec<Incident>,
    /// How it stands to the incident's thread; never anything but `None` without `thread`.
    pub thread: Threading,
    /// Under which statuses the incident was told before this word.
    pub told: Statuses,
    /// It is the first that people hear of a critical failure: they are to be pinged.
    pub pings: bool,
    /// Alerts that `rate_limit` held since the last message.
    pub suppressed: u32,
    /// What to add in words: "same failure, 14th time"; may be empty.
    pub remark: String,
    /// stdout against the last ok run's, as a unified diff without a header; empty when they say the same.
    pub diff: String,
    /// The run before.
    pub previous: Option<Before>,
    /// What waited for the end of `quiet_hours` and is told along, a line each: plain text with a line of output in it,
    /// not yet escaped.
    pub digest: Vec<String>,
    /// What speaking changed, to take it back.
    undo: Undo,
}

/// What was before a word was said.
#[derive(Clone, Debug, PartialEq)]
struct Undo {
    trouble: Option<Box<Trouble>>,
    parked: Vec<Trouble>,
    spent: Spent,
    suppressed: u32,
    waiting: Waiting,
    stuck: Stuck,
}

impl Word {
    /// Who is pinged, as Slack writes it in mrkdwn: on critical, the first time and when it got worse.
    pub fn mentions(&self, settings: &Settings) -> Vec<String> {
        settings.mention.iter().filter(|_| self.pings).map(Mention::markup).collect()
    }

    /// Where it goes: the channels of its status. The end of an incident goes where the incident was told, so that
    /// nobody who heard of a failure misses that it is over; and to the channels of `ok`, where those are set apart.
    pub fn channels(&self, settings: &Settings, default: Option<&Channel>) -> Vec<Channel> {
        let ends = self.event == Event::Recovery || self.thread == Threading::Close;
        let told = if ends { self.told } else { Statuses::default() };
        let apart = settings.channels.iter().any(|(status, _)| *status == self.status);
        let own = Some(self.status).filter(|_| told.is_empty() || apart);
        let mut all = Vec::new();
        for channel in told.iter().chain(own).flat_map(|status| settings.channels_for(status, default)) {
            if !all.contains(&channel) {
                all.push(channel);
            }
        }
        all
    }
}
