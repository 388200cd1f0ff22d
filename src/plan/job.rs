//! One job file: every station takes its own keys, this puts the pieces together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::config::{Config, read_allow};
use super::schema::NOT_IN_DEFAULTS;
use super::{Job, Options, tests_of};
use crate::diagnostic::{Code, Problem, SourceId};
use crate::document::{Reader, Table};
use crate::exec;
use crate::id::JobName;
use crate::message::{self, JobFacts};
use crate::{policy, schedule};

/// What every job of a configuration is read against.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) options: &'a Options,
    /// Shared, so that what jobs have in common is kept once.
    pub(super) commands: exec::Context<'a>,
    /// Hash of all that jobs have in common: `[defaults]`, `[templates]`, the zone, the options.
    pub(super) common: u64,
}

/// Reads a job from its root table, `[defaults]` already laid under it. `None` when there were problems that leave
/// nothing to run.
pub(super) fn read(
    name: &JobName,
    file: &Path,
    text: &str,
    mut table: Table<'_>,
    context: &Context<'_>,
) -> Option<Job> {
    let job = take(name, file, text, &mut table, context);
    table.finish();
    job
}

/// Takes every key of a job from its table.
pub(super) fn take(
    name: &JobName,
    file: &Path,
    text: &str,
    table: &mut Table<'_>,
    context: &Context<'_>,
) -> Option<Job> {
    let config = context.config;
    let command = exec::read(table, &context.commands);
    let timing = schedule::read(table, &config.zone);
    let format = message::read(table, &config.templates);
    let notify = policy::read(table.table_or_empty("notify"));
    let description = table.text("description").map(|text| text.value.to_owned()).unwrap_or_default();
    let tags = table.list("tags").unwrap_or_default().iter().map(|text| text.value.to_owned()).collect();
    let allow = read_allow(table);
    let cases = tests_of::read(table);

    let (command, mut timing, format) = (command?, timing?, format?);
    if let Some((alerts, pause)) = context.options.max_alert {
        timing = timing.into_burst(alerts, pause);
    }
    if let Some(hours) = &context.options.working_hours {
        timing.hours = Some(hours.clone());
    }
    let facts = JobFacts {
        name: name.clone(),
        description,
        command: command.source().to_owned(),
        schedule: timing.describe(),
        tags,
        file: file.display().to_string(),
    };
    let mut hasher = DefaultHasher::new();
    (context.common, text, file).hash(&mut hasher);
    Some(Job {
        name: name.clone(),
        facts: Arc::new(facts),
        timing,
        command: Arc::new(command),
        notify,
        format,
        allow,
        cases: cases.into(),
        fingerprint: hasher.finish(),
    })
}

/// A job that says only what it must: laid over `[defaults]`, it shows every problem of theirs.
pub(super) const PROBE: &str = "command = \"true\"\nevery = \"1h\"\n";

/// Checks `[defaults]` by reading the least of jobs over them. The answer tells whether they are free of errors.
pub(super) fn check_defaults(
    reader: &Reader,
    probe: (SourceId, &toml::de::DeTable<'_>),
    defaults: &Table<'_>,
    context: &Context<'_>,
) -> bool {
    let before = reader.errors();
    for key in NOT_IN_DEFAULTS {
        if let Some(value) = defaults.own_value(key) {
            let problem = Problem::new(Code::UnknownKey, value.key_at, format!("`{key}` cannot have a default"));
            reader.push(problem.help("each job says it for itself"));
        }
    }
    let table = Table::root(reader, probe.0, PROBE, probe.1).over(defaults).strict_below();
    let name = JobName::new("defaults");
    let _ = read(&name, Path::new("defaults"), PROBE, table, context);
    reader.errors() == before
}
