//! One job file: every station takes its own keys, this puts the pieces together.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fnv::FnvHasher;
use jiff::tz::TimeZone;

use super::config::{Config, read_allow};
use super::schema::NOT_IN_DEFAULTS;
use super::{Case, Job, Options, tests_of};
use crate::diagnostic::{Code, Place, Problem, SourceId, Sources};
use crate::document::{Reader, Shared, Table};
use crate::exec;
use crate::id::JobName;
use crate::message::{self, JobFacts};
use crate::{notify, policy, schedule};

/// What every job of a configuration is read against.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) options: &'a Options,
    /// Shared, so that what jobs have in common is kept once.
    pub(super) commands: exec::Context<'a>,
    /// Hash of all that jobs have in common: `[defaults]`, `[templates]`, the zone, the options.
    pub(super) common: u64,
    /// Most jobs say the same about their messages.
    pub(super) settings: Shared<policy::Settings>,
}

/// The parts of a job, each as far as its keys could be read.
#[derive(Clone)]
pub(super) struct Parts {
    name: JobName,
    file: String,
    description: String,
    tags: Vec<String>,
    pub(super) command: Option<exec::Command>,
    pub(super) schedule: schedule::Read,
    pub(super) format: message::Format,
    conditions: Option<message::Conditions>,
    pub(super) notify: Arc<policy::Settings>,
    ping: Option<Arc<notify::PingSettings>>,
    allow: Vec<Code>,
    cases: Vec<Case>,
    after: Vec<(JobName, Place)>,
    fingerprint: u64,
    version: u64,
    /// The configuration's zone.
    home: TimeZone,
}

impl Parts {
    /// The job; nothing where a part is missing.
    pub(super) fn whole(mut self) -> Option<Job> {
        // A condition with an error is no condition: the job is not loaded, since it would look well when it is not.
        self.conditions.as_ref()?;
        let command = self.command.take().filter(|_| self.schedule.has_schedule)?;
        Some(self.assemble(command))
    }

    /// The job with a command that is missing taken from the least of jobs: for rules, which look at the other parts.
    pub(super) fn completed(mut self, context: &Context<'_>) -> Job {
        let (parsed, reader) = (toml::de::DeTable::parse_recoverable(PROBE).0.into_inner(), Reader::default());
        let source = Sources::default().add(Path::new("(least)"), "");
        let mut table = Table::root(&reader, source, PROBE, &parsed);
        let least = take(&self.name, Path::new(""), PROBE, &mut table, context);
        let command = self.command.take().or(least.command).expect("the least of jobs has no error");
        self.assemble(command)
    }

    /// The jobs that it follows, and where they are named.
    pub(super) fn after(&self) -> &[(JobName, Place)] {
        &self.after
    }

    /// The file of variables that the job names.
    pub(super) fn env_file(&self) -> Option<PathBuf> {
        self.command.as_ref()?.env_file().map(Path::to_owned)
    }

    /// The keys whose part is missing.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.command.is_none() {
            missing.push("command");
        }
        if !self.schedule.has_schedule {
            missing.extend(schedule::SCHEDULE_KEYS);
        }
        missing
    }

    fn assemble(self, command: exec::Command) -> Job {
        let timing = self.schedule.timing;
        let facts = JobFacts {
            name: self.name.clone(),
            description: command.redactor().mask_str(&self.description).into_owned(),
            command: command.shared_source(),
            schedule: timing.describe_at(&self.home),
            tags: self.tags.iter().map(|tag| command.redactor().mask_str(tag).into_owned()).collect(),
            file: self.file,
            plugin: *command.exit_codes() == exec::ExitCodes::Nagios || command.parse() == Some(exec::Parse::Perfdata),
            redactor: command.redactor().clone(),
            foreign_zone: timing.zone != self.home,
        };
        let conditions = self.conditions.unwrap_or_default();
        let command = if conditions.is_empty() { command } else { command.with_conditions() };
        let command = if self.notify.on.asks(policy::On::Change) { command.comparing() } else { command };
        Job {
            name: self.name,
            facts: Arc::new(facts),
            timing,
            command: Arc::new(command),
            notify: self.notify,
            format: self.format,
            conditions,
            ping: self.ping,
            allow: self.allow,
            cases: self.cases.into(),
            fingerprint: self.fingerprint,
            version: self.version,
        }
    }
}

/// Reads a job from its root table, `[defaults]` already laid under it.
pub(super) fn read(name: &JobName, file: &Path, text: &str, mut table: Table<'_>, context: &Context<'_>) -> Parts {
    let parts = take(name, file, text, &mut table, context);
    table.finish();
    parts
}

/// Takes every key of a job from its table.
pub(super) fn take(name: &JobName, file: &Path, text: &str, table: &mut Table<'_>, context: &Context<'_>) -> Parts {
    let config = context.config;
    let command = exec::read(table, &context.commands, schedule::runs_elsewhere(table));
    let conditions = message::read_conditions(table, command.as_ref().and_then(exec::Command::parse));
    let mut schedule = schedule::read(table, &config.zone);
    schedule.timing = with_options(schedule.timing, context.options);
    let format = message::read(table, &config.templates);
    let notify = context.settings.once(policy::read(table.table_or_empty("notify")));
    let description = table.text("description").map(|text| text.value.to_owned()).unwrap_or_default();
    let tags = table
        .filled_list("tags", "write a word such as \"db\", or take it out")
        .unwrap_or_default()
        .iter()
        .map(|text| text.value.to_owned())
        .collect();
    let ping = notify::read_ping(table, &config.folder).map(Arc::new);
    let allow = read_allow(table);
    let cases = tests_of::read(table);
    let after = schedule::after_jobs(table);
    let mut hasher = DefaultHasher::new();
    (context.common, text, file).hash(&mut hasher);
    Parts {
        name: name.clone(),
        file: file.display().to_string(),
        description,
        tags,
        command,
        schedule,
        format,
        conditions,
        notify,
        ping,
        allow,
        cases,
        after,
        home: config.zone.clone(),
        fingerprint: hasher.finish(),
        version: version_of(text),
    }
}

/// The version of a file. FNV, which is the same in every process.
pub(super) fn version_of(text: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// What the command line adds to each job's timing.
fn with_options(mut timing: schedule::Timing, options: &Options) -> schedule::Timing {
    if let Some((alerts, pause)) = options.max_alert {
        timing = timing.into_burst(alerts, pause);
    }
    if let Some(hours) = &options.working_hours {
        timing.hours = Some(hours.clone());
    }
    timing
}

/// A job that says only what it must: laid over `[defaults]`, it shows every problem of theirs.
pub(super) const PROBE: &str = "command = \"true\"\nevery = \"1h\"\n";

/// What is wrong with `[defaults]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DefaultsFaults {
    /// Errors with which no job can be made of them.
    pub(super) stopping: usize,
    /// Errors about the machine: as in a job file, the next run may find it well.
    pub(super) about_the_machine: usize,
}

/// Checks `[defaults]` by reading the least of jobs over them.
pub(super) fn check_defaults(
    reader: &Reader,
    probe: (SourceId, &toml::de::DeTable<'_>),
    defaults: &Table<'_>,
    context: &Context<'_>,
) -> DefaultsFaults {
    let before = (reader.errors(), reader.errors_that_stop());
    for key in NOT_IN_DEFAULTS {
        if let Some(value) = defaults.own_value(key) {
            let problem = Problem::new(Code::UnknownKey, value.key_at, format!("`{key}` cannot have a default"));
            reader.push(problem.help("each job says it for itself"));
        }
    }
    let table = Table::root(reader, probe.0, PROBE, probe.1).over(defaults).strict_below("defaults");
    let name = JobName::new("defaults");
    let _ = read(&name, Path::new("defaults"), PROBE, table, context);
    let stopping = reader.errors_that_stop() - before.1;
    DefaultsFaults { stopping, about_the_machine: (reader.errors() - before.0).saturating_sub(stopping) }
}
