//! What is said: a [`Notice`] becomes a [`Message`] that keeps every limit of Slack. Pure.
//!
//! Before it: `policy`. After it: `outbox`. No output of a command can mention anybody, forge a link or break out of a
//! code block here (SPEC 6).

mod blocks;
mod check;
pub mod filters;
pub mod fit;
mod format;
mod render;
mod samples;
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

pub use format::{Format, KEYS, read};
pub use render::{Rendered, fallback, own_words, render, whole_output};
pub use samples::samples;
pub use template::{GLOBAL_KEYS, RenderError, Templates, read_templates};
pub use text::clean;

use crate::exec::{Outcome, Status, Trigger};
use crate::id::{Channel, JobName, RunId};
use crate::policy::{Event, Incident};

/// What a template may know of a job.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// Its name.
    pub name: JobName,
    /// `description`.
    pub description: String,
    /// The command as written; an array joined by spaces.
    pub command: String,
    /// The schedule in words: `every 5m`.
    pub schedule: String,
    /// `tags`.
    pub tags: Vec<String>,
    /// The job file's path.
    pub file: String,
}

/// What is known of the run before this one.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    /// Its status.
    pub status: Status,
    /// Its standard output.
    pub stdout: String,
    /// When it ended.
    pub finished: Timestamp,
}

/// Something worth a word.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The job.
    pub job: Arc<JobFacts>,
    /// What it is about.
    pub event: Event,
    /// How the run ended.
    pub outcome: Arc<Outcome>,
    /// The run's number.
    pub run: RunId,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started the run.
    pub trigger: Trigger,
    /// The slot of the schedule.
    pub scheduled: Timestamp,
    /// The run before, if there was one.
    pub previous: Option<Previous>,
    /// stdout against the last ok run's, as a unified diff; empty when they are the same or there is none.
    pub diff: String,
    /// The incident that this belongs to.
    pub incident: Option<Incident>,
    /// Alerts held by `rate_limit` since the last message.
    pub suppressed: u32,
    /// What `policy` adds in words: "same failure, 14th time".
    pub remark: String,
    /// What waited for the end of `quiet_hours` and is told along, a line each; plain text, not yet escaped.
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
    /// The zone in which times are shown as text.
    pub zone: jiff::tz::TimeZone,
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
}
