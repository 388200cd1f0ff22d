//! Lists: an object with one list, and where the next page begins.

use serde::{Deserialize, Serialize};

use super::{Explained, Hold, Incident, Job, Message, Next, Run, ScriptSilence, Starved};
use crate::id::{JobName, RunId};

/// What may be asked of a list, as the parameters of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// At most so many: 100 unless it is said, 500 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// Goes on where another page ended: its `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Only of this status; of jobs, of this state too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only of this job; of jobs, those that a pattern covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Of jobs: only those that are not well, run now, or are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notable: Option<bool>,
    /// Of due times: those within so long from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// `GET /api/v1/jobs`: by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<JobName>,
}

/// `GET /api/v1/runs`: the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunList {
    /// The runs.
    pub runs: Vec<Run>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<RunId>,
}

/// `GET /api/v1/incidents`: the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentList {
    /// The open incidents.
    pub incidents: Vec<Incident>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<u64>,
}

/// `GET /api/v1/holds`: the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldList {
    /// The holds in effect.
    pub holds: Vec<Hold>,
    /// The silences that scripts asked for, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_script: Vec<ScriptSilence>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<u64>,
}

/// `GET /api/v1/outbox`: the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboxList {
    /// Messages that wait, and dead letters.
    pub outbox: Vec<Message>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<u64>,
}

/// `GET /api/v1/next`: the soonest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextList {
    /// The due times.
    pub next: Vec<Next>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<String>,
}

/// `GET /api/v1/why/NAME`: the newest run first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhyList {
    /// The job.
    pub job: JobName,
    /// How it is, and what comes next, in a sentence.
    pub sentence: String,
    /// What a run of it waits for now, as `status` tells it; none where none waits.
    #[serde(default)]
    pub waits: Option<Starved>,
    /// Its runs, each with why there was a message or none.
    pub why: Vec<Explained>,
    /// Where the next page goes on; none when there is no more.
    pub before: Option<RunId>,
}
