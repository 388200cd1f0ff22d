//! `after`: a run that is due when runs of other jobs have ended.
//!
//! Before it: the job's table. After it: the cadence, which gathers the ends; `plan`, which holds the names against the jobs that
//! there are.

use serde::Deserialize;

use crate::diagnostic::{Code, Place};
use crate::document::{Key, Kind, Table, Text, Value};
use crate::id::JobName;

const ON: &[&str] = &["ok", "failure", "end"];

/// The keys of `after`, written as a table.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "jobs",
        kind: Kind::TextOrList,
        default: "",
        about: "The jobs that it follows: it is due when a run of each of them has ended since its own last run began.",
    },
    Key {
        name: "on",
        kind: Kind::Choice(ON),
        default: "ok",
        about: "How these runs must end: well, not well, or in any way.",
    },
];

/// A run that is due when runs of other jobs have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// One or more, each once, sorted.
    pub jobs: Box<[JobName]>,
    /// How their runs must end.
    pub on: On,
}

/// How a run must end for another to follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum On {
    /// Well.
    #[default]
    Ok,
    /// Not well.
    Failure,
    /// In any way.
    End,
}

impl On {
    /// Whether a run that ended so counts.
    pub fn takes(self, ok: bool) -> bool {
        match self {
            Self::Ok => ok,
            Self::Failure => !ok,
            Self::End => true,
        }
    }
}

impl After {
    /// `after db/backup`, `after a failure of db/backup and etl`.
    pub(super) fn describe(&self) -> String {
        let names: Vec<&str> = self.jobs.iter().map(JobName::as_str).collect();
        let names = match names.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            _ => names.concat(),
        };
        match self.on {
            On::Ok => format!("after {names}"),
            On::Failure => format!("after a failure of {names}"),
            On::End => format!("after the end of {names}"),
        }
    }
}

/// The names in `after`, each with its place.
pub fn after_jobs(table: &Table<'_>) -> Vec<(JobName, Place)> {
    let Some(value) = table.own_value("after") else { return Vec::new() };
    let value = if value.is_table() { value.table().and_then(|table| table.own_value("jobs")) } else { Some(value) };
    let texts = match value {
        Some(value) if value.is_text() => value.text().into_iter().collect(),
        Some(value) if value.is_list() => {
            value.items().unwrap_or_default().iter().filter(|item| item.is_text()).filter_map(Value::text).collect()
        }
        _ => Vec::new(),
    };
    texts.iter().map(|text: &Text<'_>| (JobName::new(text.value), text.at)).collect()
}

/// Takes `after` from a job's table.
pub(super) fn read(table: &mut Table<'_>) -> Option<After> {
    let value = table.value("after")?;
    let (jobs, on) = match value.is_table() {
        true => {
            let mut after = value.table()?;
            let (jobs, on) = (after.value("jobs"), after.value("on"));
            let on = match on {
                Some(_) => after.choice("on", ON),
                None => Some(On::default()),
            };
            if jobs.is_none() {
                after.missing("jobs", "name the jobs that it follows, as `jobs = [\"db/backup\"]`");
            }
            after.finish();
            (jobs?, on?)
        }
        false if value.is_text() => (value, On::default()),
        false => return value.wrong_type("the name of a job, or a table: `{ jobs = [\"a\", \"b\"], on = \"end\" }`"),
    };
    let texts = jobs.texts()?;
    let mut names: Vec<JobName> = texts.iter().map(|text| JobName::new(text.value)).collect();
    names.sort();
    names.dedup();
    if names.is_empty() || names.iter().any(|name| name.as_str().is_empty()) {
        return jobs.refuse(
            Code::InvalidValue,
            format!("`{}` names no job", jobs.path()),
            "name one: `after = \"db/backup\"`",
        );
    }
    Some(After { jobs: names.into(), on })
}
