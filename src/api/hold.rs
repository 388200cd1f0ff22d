//! Holds: what a person has asked for, how it is asked for, and what came of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seconds;
use crate::id::JobName;

pub use crate::policy::{By, HoldKind, Via};

/// A hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub kind: HoldKind,
    /// The jobs that it names: a name with `*`, or `tag:NAME`.
    pub pattern: String,
    /// When it began.
    pub since: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// It ends as soon as the jobs are ok.
    pub until_ok: bool,
    /// Who asked for it.
    pub by: By,
    /// Which way.
    pub via: Via,
    /// Why.
    pub note: Option<String>,
    /// How many jobs it covers now.
    pub jobs: usize,
}

/// A silence that a job's own script asked for, by a directive: it has no number, and ends by the name of its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScriptSilence {
    /// The job.
    pub job: JobName,
    /// When the script asked for it, where that is known.
    pub since: Option<Timestamp>,
    /// When it ends.
    pub until: Timestamp,
}

/// A hold as seen from one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldJob {
    /// The hold's number; none of a silence that the job's own script asked for.
    pub id: Option<u64>,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// Who asked for it; none where it was the job's own script.
    pub by: Option<By>,
    /// Why.
    pub note: Option<String>,
    /// Due times that have passed because of it: of a pause alone.
    pub passed: Option<u64>,
}

/// The body of `POST /api/v1/holds`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// What is asked for.
    pub kind: Option<HoldKind>,
    /// Which jobs: a name with `*`, or `tag:NAME`.
    #[serde(default)]
    pub pattern: String,
    /// For how long: `2h`, or seconds.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Length>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "time")]
    pub until: Option<Timestamp>,
    /// It ends as soon as the jobs are ok.
    #[serde(default)]
    pub until_ok: bool,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A time as a request may write it.
fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let none = || "this is no time that can be used: write one such as 2026-03-01T08:00:00Z";
    text.parse().map(Some).map_err(|_: jiff::Error| serde::de::Error::custom(none()))
}

/// A length of time as a request may write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "serde_json::Value")]
pub enum Length {
    /// As in files: `1h 30m`.
    Text(String),
    /// Seconds.
    Seconds(#[serde(with = "seconds")] Duration),
}

impl TryFrom<serde_json::Value> for Length {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        let seconds = |seconds| Duration::try_from_secs_f64(seconds).ok();
        match value {
            serde_json::Value::String(text) => Some(Self::Text(text)),
            other => other.as_f64().and_then(seconds).map(Self::Seconds),
        }
        .ok_or_else(|| "a length of time is text such as `2h`, or a number of seconds".to_owned())
    }
}

/// What `POST /api/v1/holds` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldAnswer {
    /// The hold's number.
    pub id: u64,
    /// The jobs that it covers now.
    pub jobs: Vec<String>,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// Of a pause: the hosts of the watchers that the jobs ping, which will miss them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watchers: Vec<String>,
    /// Of a pause: due times that pass because of it, as far as they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_times: Option<usize>,
    /// How many of the jobs do not run in any case, being disabled.
    #[serde(default)]
    pub disabled: usize,
    /// The holds of the same jobs whose place it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Hold>,
    /// Of an acknowledgement: which incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<AckedIncident>,
}

/// The incident that is acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AckedIncident {
    /// Its number.
    pub id: u64,
    /// Which of the job's incidents, where its script tells them apart.
    pub key: Option<String>,
    /// How many more of the job are open, and nobody has them.
    pub others: usize,
}

/// What `DELETE /api/v1/holds` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HoldsEnded {
    /// The holds that are over.
    pub holds: Vec<Hold>,
    /// Holds of the same kind by which some of their jobs stay as they were.
    #[serde(default)]
    pub still: Vec<StillHeld>,
    /// Silences of scripts that are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_script: Vec<ScriptSilence>,
    /// Those by which jobs of the holds that are over stay silenced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_by_script: Vec<ScriptSilence>,
    /// Always none.
    pub before: Option<u64>,
}

/// A hold by which some jobs of one that is over stay as they were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StillHeld {
    /// The number of the one that is over.
    pub ended: u64,
    /// The number of the one that goes on.
    pub id: u64,
    /// The jobs that this one names.
    pub pattern: String,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// The jobs of both.
    pub jobs: Vec<String>,
}
