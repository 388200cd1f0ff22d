//! The configuration, put together: defaults laid under each job, references resolved, templates compiled. Nothing is
//! left to fail.
//!
//! Before it: `document` and the `read` of each station. After it: `daemon`, `lint` and every command that names a job.

mod chain;
mod config;
mod control;
mod http;
mod job;
mod load;
mod options;
mod partial;
pub mod schema;
mod spread;
mod tests_of;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{Code, Problem, Problems, Severity, SourceId, Sources};
use crate::document::{Key, Kind, Rate, Section, default_of, sections};
use crate::exec;
use crate::id::{Channel, JobName};
use crate::message::{self, JobFacts};
use crate::{notify, outbox, policy, schedule, store};

pub use config::{Config, ReloadMode, Surroundings};
pub use control::{Control, Reads};
pub use http::{Address, HttpSettings};
pub use load::{Loaded, load, load_again, load_config};
pub use options::Options;
pub use partial::{BadKeys, Partial};
pub use spread::{spread, spread_each};
pub use tests_of::{Case, Expected, Given, GivenRun, Step};

/// What runs at one time, and how long things are kept (`[limits]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Runs at one time; more wait their turn, oldest due first.
    pub max_running: usize,
    /// Processes started.
    pub start_rate: Rate,
    /// For runs in progress when stopping.
    pub shutdown_grace: Duration,
    /// How long runs are kept.
    pub history: Duration,
    /// An alert that is undelivered for this long is a dead letter.
    pub outbox_max_age: Duration,
}

/// One job, ready to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: JobName,
    /// What templates may know of it.
    pub facts: Arc<JobFacts>,
    /// When it runs.
    pub timing: schedule::Timing,
    /// What it runs.
    pub command: Arc<exec::Command>,
    /// When there is a message, and where.
    pub notify: Arc<policy::Settings>,
    /// What a message says.
    pub format: message::Format,
    /// `warning_when` and `critical_when`.
    pub conditions: message::Conditions,
    /// The watcher that is told of its runs.
    pub ping: Option<Arc<notify::PingSettings>>,
    /// Warnings of `check` that it accepts.
    pub allow: Vec<Code>,
    /// Its `[[test]]` cases, which `check` runs.
    pub cases: Box<[Case]>,
    /// Changes whenever anything that the job depends on does: how a reload knows what is new.
    pub fingerprint: u64,
    /// Of the text of its file: whether another process has read the same.
    pub version: u64,
}

impl Job {
    /// Whether it is the same job as another reading has it. The system's zone may have changed, which is in no file.
    pub fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.timing == other.timing
    }

    /// What makes the job's jitter differ from that of others and of the same job on other hosts.
    pub fn seed(&self, host: &str) -> String {
        format!("{}@{host}", self.name)
    }
}

/// A job whose file has errors: it does not run, and this is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// The job.
    pub name: JobName,
    /// Its file; or a folder that cannot be read, which stands for every job below it.
    pub file: PathBuf,
    /// The first error, in one line with its place: `jobs.d/disk.toml:3:1: unknown key …`.
    pub why: String,
}

/// A job's file from the name of the folder of jobs on: `jobs.d/pg/dump.toml`. Where the folder is, whoever reads a message
/// knows.
pub fn short_file<'a>(file: &'a str, name: &JobName) -> &'a str {
    let folder = file.strip_suffix(".toml").and_then(|path| path.strip_suffix(name.as_str()));
    let Some(folder) = folder.and_then(|path| path.strip_suffix('/')) else { return file };
    &file[folder.rfind('/').map_or(0, |at| at + 1)..]
}

impl NotLoaded {
    /// The first error, as a message tells it: with the file from the name of the folder of jobs on.
    pub fn in_message(&self) -> &str {
        let file = self.file.to_string_lossy();
        let before = file.len() - short_file(&file, &self.name).len();
        self.why.strip_prefix(&file[..before]).unwrap_or(&self.why)
    }

    /// Whether it is a folder that cannot be read. Job files are named by their ending.
    pub fn is_folder(&self) -> bool {
        self.file.extension().is_none_or(|ending| ending != "toml")
    }

    /// Whether it is why there is no job of this name: the job's own file, or a folder on the way to it.
    pub fn stands_for(&self, name: &str) -> bool {
        match name.strip_prefix(self.name.as_str()) {
            Some("") => true,
            Some(below) => self.is_folder() && below.starts_with('/'),
            None => false,
        }
    }

    /// In a sentence: "job `db/backup` is not loaded".
    pub fn what(&self) -> String {
        match self.is_folder() {
            true => format!("the folder {} is not read", self.file.display()),
            false => format!("job `{}` is not loaded", self.name),
        }
    }
}

/// Everything the daemon needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The files that jobs name (`env_file`), those of jobs with errors among them.
    pub named_files: Vec<PathBuf>,
    /// `slack_alert.toml`.
    pub config: Config,
    /// Of the text of that file, as the version of a job.
    pub version: u64,
    /// That file has errors: nobody runs this.
    pub is_draft: bool,
    /// Why that file cannot be read at all: what it says is not known.
    pub unread: Option<Problem>,
    /// Every job without an error, sorted by name.
    pub jobs: Vec<Arc<Job>>,
    /// Jobs whose files have errors.
    pub not_loaded: Vec<NotLoaded>,
    /// What `[defaults]` make of a job that something else runs, and that has no file; none where they have errors.
    pub without_file: Option<Arc<Job>>,
}

impl Plan {
    /// A job that something else runs and that has no file of its own; with times, a run that does not come is missed.
    pub fn job_without_file(
        &self,
        name: &JobName,
        command: &str,
        expect: Option<schedule::Expect>,
    ) -> Option<Arc<Job>> {
        let mut job = self.without_file.as_deref()?.clone();
        job.name = name.clone();
        if let Some(expect) = expect {
            job.timing.schedule = schedule::Schedule::Expect(Box::new(expect));
        }
        let schedule = job.timing.describe_at(&self.config.zone);
        // What is said of it changes with it.
        let mut hasher = DefaultHasher::new();
        (job.fingerprint, command).hash(&mut hasher);
        job.fingerprint = hasher.finish();
        let facts = JobFacts { name: name.clone(), command: command.into(), schedule, ..(*job.facts).clone() };
        job.facts = Arc::new(facts);
        Some(Arc::new(job))
    }

    /// A job whose file is gone or has errors, and whose run goes on: which schedule it had is not known.
    pub fn job_left_behind(&self, name: &JobName) -> Option<Arc<Job>> {
        let mut job = self.job_without_file(name, "", None)?;
        let file = self.config.jobs_dir.join(format!("{name}.toml")).display().to_string();
        let facts = JobFacts { file, schedule: String::new(), ..(*job.facts).clone() };
        Arc::make_mut(&mut job).facts = Arc::new(facts);
        Some(job)
    }

    /// The job of this name.
    pub fn job(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.binary_search_by(|job| job.name.as_str().cmp(name)).ok().map(|at| &self.jobs[at])
    }

    /// Where messages go that name no channel.
    pub fn default_channel(&self) -> Option<&Channel> {
        self.config.slack.channel.as_ref()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_running: default_of(LIMIT_KEYS, "max_running").value(),
            start_rate: default_of(LIMIT_KEYS, "start_rate").rate(),
            shutdown_grace: default_of(LIMIT_KEYS, "shutdown_grace").duration(),
            history: default_of(LIMIT_KEYS, "history").duration(),
            outbox_max_age: default_of(LIMIT_KEYS, "outbox_max_age").duration(),
        }
    }
}

/// The keys of a job file that no other station reads.
pub const JOB_KEYS: &[Key] = &[
    Key {
        name: "description",
        kind: Kind::Text,
        default: "",
        about: "What the job is for; shown in lists and templates.",
    },
    Key {
        name: "tags",
        kind: Kind::List,
        default: "[]",
        about: "Words to group jobs by; a template sees them as `job.tags`.",
    },
    Key { name: "allow", kind: Kind::List, default: "[]", about: "Codes of `check` warnings that this job accepts." },
    Key {
        name: "ping",
        kind: Kind::OneOf(&[Kind::Text, Kind::Table(notify::PING_KEYS)]),
        default: "",
        about: "A watcher elsewhere, as healthchecks is one, that is told of each run: its URL, or a table.",
    },
    Key {
        name: "notify",
        kind: Kind::Table(policy::KEYS),
        default: "",
        about: "When there is a message of the job, and where.",
    },
    Key {
        name: "test",
        kind: Kind::Tables(tests_of::KEYS),
        default: "",
        about: "Cases that `check` tries without running the command: given such runs, this is to be said.",
    },
];

/// The keys of `slack_alert.toml` itself.
pub const CONFIG_KEYS: &[Key] = &[
    Key {
        name: "jobs_dir",
        kind: Kind::Text,
        default: "\"jobs.d\"",
        about: "The folder of job files, relative to this file.",
    },
    Key {
        name: "state_dir",
        kind: Kind::Text,
        default: "",
        about: "Where state is kept. Default: $STATE_DIRECTORY, else /var/lib/slack-alert for root, else \
                $XDG_STATE_HOME/slack-alert.",
    },
    Key {
        name: "time_zone",
        kind: Kind::Text,
        default: "the system's",
        about: "IANA name of the zone for calendars and hours.",
    },
    Key { name: "host", kind: Kind::Text, default: "the host name", about: "The name shown in messages." },
    Key {
        name: "reload",
        kind: Kind::Choice(config::RELOAD_MODES),
        default: "\"auto\"",
        about: "When a running daemon takes changed files: by itself, or only at a signal.",
    },
    Key {
        name: "templates",
        kind: Kind::Map,
        default: "",
        about: "Named templates, for include and extends in any job.",
    },
    Key { name: "slack", kind: Kind::Table(notify::KEYS), default: "", about: "How to reach Slack." },
    Key {
        name: "defaults",
        kind: Kind::Table(&[]),
        default: "",
        about: "Any job key but command, description, tags and a schedule.",
    },
    Key {
        name: "limits",
        kind: Kind::Table(LIMIT_KEYS),
        default: "",
        about: "What runs at one time, and how long things are kept.",
    },
    Key {
        name: "fallback",
        kind: Kind::Table(outbox::FALLBACK_KEYS),
        default: "",
        about: "A second way out when Slack takes nothing for long.",
    },
    Key {
        name: "control",
        kind: Kind::Table(control::KEYS),
        default: "",
        about: "The socket over which a running daemon is asked and told.",
    },
    Key {
        name: "summary",
        kind: Kind::Table(message::summary::KEYS),
        default: "",
        about: "A report of the time since the last one: runs, failures, the slowest, the most silent, the longest open \
                incidents.",
    },
    Key {
        name: "http",
        kind: Kind::Table(http::KEYS),
        default: "",
        about: "The status page, metrics, the JSON API and health over TCP; off without `listen`.",
    },
    Key {
        name: "heartbeat",
        kind: Kind::Table(notify::HEARTBEAT_KEYS),
        default: "",
        about: "A watcher elsewhere that is told that the daemon is well, or what is wrong.",
    },
    Key { name: "check", kind: Kind::Table(CHECK_KEYS), default: "", about: "What `slack-alert check` accepts." },
];

/// The keys of `[limits]`.
pub const LIMIT_KEYS: &[Key] = &[
    Key {
        name: "max_running",
        kind: Kind::Integer(1, 100_000),
        default: "64",
        about: "Runs at one time; more wait their turn, oldest due first.",
    },
    Key { name: "start_rate", kind: Kind::Rate, default: "\"200/s\"", about: "Processes started." },
    Key {
        name: "shutdown_grace",
        kind: Kind::Duration,
        default: "\"30s\"",
        about: "For runs in progress when stopping.",
    },
    store::LIMIT_KEYS[0],
    outbox::LIMIT_KEYS[0],
];

/// The keys of `[check]`.
pub const CHECK_KEYS: &[Key] = &[Key {
    name: "allow",
    kind: Kind::List,
    default: "[]",
    about: "Codes of `check` warnings that this configuration accepts.",
}];

/// Every key of a job file, station by station.
pub fn job_keys() -> Vec<Key> {
    [&exec::keys()[..], schedule::KEYS, message::KEYS, message::CONDITION_KEYS, JOB_KEYS].concat()
}

/// Every table of a job file, and of the configuration beside it.
pub(crate) fn job_sections() -> Vec<Section> {
    [sections(&job_keys(), "", None), sections(CONFIG_KEYS, "", Some("slack_alert.toml"))].concat()
}

/// Every table of the configuration. What no `[defaults]` can have belongs in a job file.
pub(crate) fn config_sections() -> Vec<Section> {
    let (own, defaults): (Vec<Key>, Vec<Key>) =
        job_keys().into_iter().partition(|key| schema::NOT_IN_DEFAULTS.contains(&key.name));
    let config = [sections(CONFIG_KEYS, "", None), sections(&defaults, "defaults", None)];
    [config.concat(), sections(&own, "", Some("a job file"))].concat()
}

/// The sources and problems of one reading, for whoever shows them.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Every file that was read.
    pub sources: Sources,
    /// Everything that is wrong.
    pub problems: Problems,
    /// `slack_alert.toml`; where there is none, a source without text.
    pub config: SourceId,
    /// The file of each job of the plan, in the plan's order.
    pub files: Vec<SourceId>,
    /// Jobs with errors, as far as they could be read.
    pub partial: Vec<Partial>,
    /// The keys of `[defaults]` that something is wrong with, and over which no job was laid.
    pub bad_defaults: Option<BadKeys>,
}

impl Findings {
    /// Nothing read yet but the name of the configuration.
    fn new(config: &Path) -> Self {
        let mut sources = Sources::default();
        let config = sources.add(config, "");
        Self {
            sources,
            problems: Problems::default(),
            config,
            files: Vec::new(),
            partial: Vec::new(),
            bad_defaults: None,
        }
    }

    /// The first error in one line with its place; empty when there is none.
    pub fn first_error(&self) -> String {
        let error = |problem: &&Problem| problem.severity() == Severity::Error;
        self.problems.iter().find(error).map(|problem| load::in_one_line(problem, &self.sources)).unwrap_or_default()
    }

    /// How many errors lie in this file.
    fn errors_in(&self, source: SourceId) -> usize {
        let here = |problem: &&Problem| problem.place().is_some_and(|place| place.source == source);
        self.problems.iter().filter(|problem| problem.severity() == Severity::Error).filter(here).count()
    }
}

#[cfg(test)]
mod names {
    use super::{NotLoaded, short_file};
    use crate::id::JobName;

    #[test]
    fn a_message_names_a_file_from_the_folder_of_jobs_on() {
        for (file, name, short) in [
            ("/etc/slack-alert/jobs.d/pg/dump.toml", "pg/dump", "jobs.d/pg/dump.toml"),
            ("jobs.d/pg/dump.toml", "pg/dump", "jobs.d/pg/dump.toml"),
            ("/srv/jobs", "/srv/jobs", "/srv/jobs"),
        ] {
            let name = JobName::new(name);
            assert_eq!(short_file(file, &name), short);
            let bad = NotLoaded { name, file: file.into(), why: format!("{file}:3:1: unknown key") };
            assert_eq!(bad.in_message(), format!("{short}:3:1: unknown key"));
        }
    }
}
