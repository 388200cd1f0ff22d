//! What is said: a [`Notice`] becomes a [`Message`] that keeps every limit of Slack. Pure.
//!
//! Before it: `policy`. After it: `outbox`. No output of a command can mention anybody, forge a link or break out of a
//! code block here.

mod check;
mod comparisons;
mod conditions;
mod constancy;
mod context;
mod edit;
mod evaluate;
pub mod filters;
mod format;
mod headline;
mod number;
mod order;
mod own_blocks;
mod parents;
mod render;
mod samples;
mod spelling;
pub mod summary;
mod tail;
mod template;
pub mod text;
pub mod vars;
mod words;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use check::unescaped;
pub use conditions::{CONDITION_KEYS, Conditions, read_conditions};
pub use edit::{edited, first_line};
pub use format::{Format, KEYS, read};
pub use headline::{NO_OUTPUT, line, resolved};
pub use own_blocks::{BadBlock, bad_blocks};
pub use render::{Rendered, about_job, headline_alone, own_neutral, own_words, render, whole_output};
pub use samples::samples;
pub use template::{GLOBAL_KEYS, RenderError, Templates, read_templates};
pub use text::clean;
pub use words::short;

use crate::clock::between;
use crate::exec::{
    Captured, Ending, Outcome, Output, Parse, Parsed, Perfdata, Reason, Redactor, Status, Trigger, known, read_again,
};
use crate::id::{Channel, JobName, RunId};
use crate::policy::{Ended, Event, Expected, Incident, Keys, LastRun, Overnight, Previous, Update};
use crate::slack::Parent;

/// What a template may know of a job.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// Its name.
    pub name: JobName,
    /// `description`.
    pub description: String,
    /// The command as written; an array joined by spaces.
    pub command: Arc<str>,
    /// The schedule in words: `every 5m`.
    pub schedule: String,
    /// `tags`.
    pub tags: Vec<String>,
    /// The job file's path.
    pub file: String,
    /// Whether it is a Nagios plugin: its first line of output is what it has to say, and performance data is behind a bar.
    pub plugin: bool,
    /// What is masked in all that the job's own templates say; the output comes masked.
    pub redactor: Redactor,
    /// Its times are those of another zone than the configuration's: the zone stands beside them.
    pub foreign_zone: bool,
}

/// Which run a notice is about.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts {
    /// Its number.
    pub id: RunId,
    /// What started it.
    pub trigger: Trigger,
    /// When it was due.
    pub scheduled: Timestamp,
}

/// What a notice is about: always something that happened.
#[derive(Clone, Debug)]
pub enum Occasion {
    /// A run that ended.
    Run {
        /// Which.
        run: RunFacts,
        /// How it ended.
        outcome: Arc<Outcome>,
    },
    /// A run that goes on.
    Running {
        /// Which.
        run: RunFacts,
        /// When it started.
        started: Timestamp,
        /// For how long it has been running.
        took: Duration,
        /// What it wrote last.
        output: Box<Output>,
    },
    /// No run: a time has come. It has nothing of its own, and shows the last run of the job.
    Clock {
        /// That run, if there was one.
        last: Option<Box<LastRun>>,
        /// What is kept of its output.
        output: Box<Output>,
        /// What `parse` reads of that.
        parsed: Box<Parsed>,
    },
}

/// Something that is worth a message.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The job.
    pub job: Arc<JobFacts>,
    /// What it is about.
    pub event: Event,
    /// The status that it reports.
    pub status: Status,
    /// The run, or the time, that it is about.
    pub occasion: Occasion,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// The run before, if there was one.
    pub previous: Option<Previous>,
    /// stdout against the last ok run's, as a unified diff; empty when they are the same or there is none.
    pub diff: String,
    /// It tells of that change along with what it is about.
    pub changed: bool,
    /// It is a recovery, and shows what its run is worth besides: this.
    pub good_news: Option<Event>,
    /// The incident that this belongs to.
    pub incident: Option<Incident>,
    /// The keys that it names, where the job has several incidents.
    pub keys: Keys,
    /// Alerts suppressed by `rate_limit` since the last message.
    pub suppressed: u32,
    /// What has changed against what was reported of the incident before.
    pub update: Update,
    /// When the next message about the incident comes, unless it changes before.
    pub next: Option<Expected>,
    /// When this was decided.
    pub now: Timestamp,
    /// What waited for the end of `quiet_hours` and is reported along, a line each; plain text, not yet escaped.
    pub digest: Vec<String>,
    /// The job pauses for this long after this message (`burst` with `alerts`).
    pub pauses: Option<Duration>,
    /// The name of this host.
    pub host: Arc<str>,
    /// Who is pinged, as Slack writes it in mrkdwn (`<!here>`, `<@U…>`): only from the configuration.
    pub mention: Vec<String>,
    /// Whom the script itself wants pinged, in the same markup, whatever the status: only whom the configuration allows.
    pub asked: Vec<String>,
    /// What else is to be said in small print: plain text, not yet escaped.
    pub notes: Vec<String>,
    /// The zone in which times are shown as text: the job's.
    pub zone: jiff::tz::TimeZone,
    /// Where the status page shows more of it.
    pub page: Option<String>,
}

impl Occasion {
    /// The time has come for a message about the last run of a job, which has this `parse`.
    pub fn clock(last: Option<LastRun>, parse: Option<Parse>) -> Self {
        // The end is kept, and how much stood before it.
        let captured = |text: &str, left_out: u64| match left_out {
            0 => Captured { head: text.as_bytes().to_vec(), ..Captured::default() },
            dropped => Captured { tail: text.as_bytes().to_vec(), dropped, ..Captured::default() },
        };
        let output = last.as_ref().map_or_else(Output::default, |last| {
            let ended = last.ended.as_ref();
            let left_out = ended.map(|ended| *ended.left_out).unwrap_or_default();
            let stdout = captured(&last.stdout, left_out.stdout);
            let both = ended.map(|ended| captured(&ended.output, left_out.output)).filter(|both| !both.is_blank());
            let stderr = ended.map(|ended| match last.stdout.trim() {
                "" => captured(&ended.output, left_out.output),
                _ => captured(&ended.stderr, left_out.stderr),
            });
            let both = both.unwrap_or_else(|| stdout.clone());
            Output { both, stdout, stderr: stderr.unwrap_or_default(), ..Output::default() }
        });
        let parsed = Box::new(read_again(parse, &output.stdout));
        Self::Clock { last: last.map(Box::new), output: Box::new(output), parsed }
    }
}

impl Notice {
    /// How the run ended, when it is about one that did just now.
    pub fn outcome(&self) -> Option<&Outcome> {
        if let Occasion::Run { outcome, .. } = &self.occasion { Some(outcome) } else { None }
    }

    /// The run, when it is about one that ended just now or goes on.
    pub fn run(&self) -> Option<RunFacts> {
        match self.occasion {
            Occasion::Run { run, .. } | Occasion::Running { run, .. } => Some(run),
            Occasion::Clock { .. } => None,
        }
    }

    /// The number of the run whose facts it shows.
    pub fn run_id(&self) -> Option<RunId> {
        match &self.occasion {
            Occasion::Clock { last, .. } => last.as_ref().map(|last| last.run),
            _ => self.run().map(|run| run.id),
        }
    }

    /// What was written.
    pub fn output(&self) -> &Output {
        match &self.occasion {
            Occasion::Run { outcome, .. } => &outcome.output,
            Occasion::Running { output, .. } | Occasion::Clock { output, .. } => output,
        }
    }

    /// What was written, as JSON, where the job has `parse = "json"`.
    pub fn json(&self) -> Option<&serde_json::Value> {
        match &self.occasion {
            Occasion::Run { outcome, .. } => outcome.json.as_ref(),
            Occasion::Running { .. } => None,
            Occasion::Clock { parsed, .. } => parsed.json.as_ref(),
        }
    }

    /// Performance data, where the job has `parse = "perfdata"`.
    pub fn perfdata(&self) -> &[Perfdata] {
        match &self.occasion {
            Occasion::Run { outcome, .. } => &outcome.perfdata,
            Occasion::Running { .. } => &[],
            Occasion::Clock { parsed, .. } => &parsed.perfdata,
        }
    }

    fn last_ended(&self) -> Option<&Ended> {
        if let Occasion::Clock { last: Some(last), .. } = &self.occasion { last.ended.as_ref() } else { None }
    }

    /// How the process ended, where it did and that is known.
    pub fn ending(&self) -> Option<&Ending> {
        self.outcome().map(|outcome| &outcome.ending).or_else(|| self.last_ended().map(|ended| &ended.ending))
    }

    /// What decided the status, where that is known.
    pub fn reason(&self) -> Option<Reason> {
        self.outcome().map(|outcome| outcome.reason).or_else(|| self.last_ended().map(|ended| ended.reason))
    }

    /// How long the run took, or has been running; zero where that is not known.
    pub fn took(&self) -> Option<Duration> {
        match &self.occasion {
            Occasion::Run { outcome, .. } => Some(outcome.took),
            Occasion::Running { took, .. } => Some(*took),
            Occasion::Clock { .. } => self.last_ended().map(|ended| ended.took),
        }
    }

    /// When the run started, where that is known.
    pub fn started(&self) -> Option<Timestamp> {
        match &self.occasion {
            Occasion::Run { outcome, .. } => Some(outcome.started),
            Occasion::Running { started, .. } => Some(*started),
            Occasion::Clock { .. } => {
                self.finished().zip(self.took().and_then(known)).and_then(|(at, took)| at.checked_sub(took).ok())
            }
        }
    }

    /// When the run ended, if it did.
    pub fn finished(&self) -> Option<Timestamp> {
        match &self.occasion {
            Occasion::Run { outcome, .. } => Some(outcome.finished),
            Occasion::Running { .. } => None,
            Occasion::Clock { last, .. } => last.as_ref().map(|last| last.finished),
        }
    }

    /// How long an incident lasted: to when it was ok again, which may be told later; else to the end of the run.
    pub(crate) fn lasted(&self, incident: &Incident) -> Duration {
        let end = incident.ended.or_else(|| self.finished()).unwrap_or(self.now);
        between(incident.started, end)
    }

    /// Bytes of output that were thrown away.
    pub fn dropped(&self) -> u64 {
        let output = self.output();
        (output.stdout.dropped + output.stderr.dropped).max(output.both.dropped)
    }

    /// Whether it is good news: what the job's `template` is for.
    pub fn is_good(&self) -> bool {
        matches!(self.event, Event::Output | Event::Success | Event::Change)
    }
}

/// How a message stands to an incident's thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thread {
    /// Not at all.
    #[default]
    None,
    /// It opens the incident's thread: its `ts` is kept.
    Open,
    /// It goes into the thread.
    Reply,
    /// It goes into the thread, and is shown in the channel.
    Broadcast,
    /// It replaces the first message of the thread.
    Edit,
    /// It is not shown: its file goes into the thread of a message that was posted.
    Upload,
}

impl Thread {
    /// Where a message is seen, in the words of every command; nothing of one that is a message of its own in the channel.
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Open => None,
            Self::Reply => Some("in the thread"),
            Self::Broadcast => Some("in the thread and the channel"),
            Self::Edit => Some("edit of the first message"),
            Self::Upload => Some("file in the thread"),
        }
    }
}

/// What an edit changes of the message that it edits. Everything else of that message stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// It is over: the headline is struck through, and these words follow it ("resolved after 42m (3 failures)").
    Resolved {
        /// The words.
        words: String,
    },
    /// Nobody watches the job any more: the headline stays, and these words follow it.
    Gone {
        /// The words.
        words: String,
    },
    /// This message's headline takes the place of the one that is there.
    Headline,
    /// The same, of a worse status: what the message said first stays below it as that.
    Worse,
    /// These words stand behind the headline ("dana has it until 14:00"), in the place of those that did; none take them away.
    Noted {
        /// The words; plain text.
        words: String,
    },
    /// A file of it could not be attached: these words stand below what it says.
    Missing {
        /// The words.
        words: String,
    },
    /// The file is attached after all: the words that begin so are taken away.
    Attached {
        /// How they begin.
        words: String,
    },
}

/// The whole output, as a file in the thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// File name.
    pub name: String,
    /// Content; UTF-8, ANSI removed.
    pub content: String,
}

/// A message for one channel, within every limit; stored in the outbox as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Whose; `None` for the daemon's own words.
    pub job: Option<JobName>,
    /// The run behind it.
    pub run: Option<RunId>,
    /// What it is about.
    pub event: Option<Event>,
    /// The status, for colours and digests.
    pub status: Status,
    /// Where it goes.
    pub channel: Channel,
    /// Plain text for notifications, screen readers and digests; already escaped for Slack, with mentions.
    pub text: String,
    /// Block Kit blocks; may be empty (then `text` is all).
    pub blocks: Vec<serde_json::Value>,
    /// The colour bar: `good`, `warning`, `danger` or `#rrggbb`. With one, the first block stands above the bar, and the
    /// others go beside it, into an attachment.
    pub color: Option<String>,
    /// The incident whose thread this belongs to.
    pub incident: Option<u64>,
    /// How it stands to that thread.
    pub thread: Thread,
    /// A file to go with it.
    pub attachment: Option<Attachment>,
    /// When it came to be.
    pub created: Timestamp,
    /// What its way through the outbox depends on, besides the channel.
    #[serde(default, skip_serializing_if = "Route::is_usual")]
    pub route: Route,
}

/// What a message's way through the outbox depends on, besides its channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// The other channels that the same alert goes to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Channel>,
    /// The message that it answers or edits, where that is not the first message of its incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Parent>,
    /// For an upload: the message that the file belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posted: Option<Parent>,
    /// It goes to the default channel since this one did not take it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Channel>,
    /// For an edit: what it changes. Without it the message as it stands takes the place of the one that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// For an edit: another message tells the same, so that nothing is lost when it cannot be made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// When the incident began of whose failure it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// It tells what happened in quiet hours that are over: what it adds to a message that tells of several jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overnight: Option<Box<Overnight>>,
    /// What a message of several jobs says of this one, where its own words are about how often, or say the rest below: in a
    /// line, as mrkdwn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// More incidents follow in its thread after the end of its own: the job fails now and then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// A run that hung has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ends_hang: bool,
    /// It ends one incident of a job of which another one, with another key, is open.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fails_still: bool,
    /// It tells more about what was told already: everything else in the channel goes first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub detail: bool,
}

impl Route {
    /// Whether nothing is to be said of it.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
