//! The configuration, put together: defaults laid under each job, references resolved, templates compiled. Nothing is
//! left to fail.
//!
//! Before it: `document` and the `read` of each station. After it: `daemon`, `lint` and every command that names a job.

mod config;
mod job;
mod load;
pub mod schema;
mod spread;
mod tests_of;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{Code, Problem, Problems, Severity, Sources};
use crate::document::{Key, Kind, Rate};
use crate::exec;
use crate::id::{Channel, JobName};
use crate::message::{self, JobFacts};
use crate::{notify, outbox, policy, schedule, store};

pub use config::{Config, Surroundings};
pub use load::{Loaded, Options, load};
pub use spread::{spread, spread_each};
pub use tests_of::{Case, Expected, Given};

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
    /// When it speaks, and where.
    pub notify: policy::Settings,
    /// What it says.
    pub format: message::Format,
    /// Warnings of `check` that it accepts.
    pub allow: Vec<Code>,
    /// Its `[[test]]` cases, which `check` runs.
    pub cases: Box<[Case]>,
    /// Changes whenever anything that the job depends on does: how a reload knows what is new.
    pub fingerprint: u64,
}

/// A job whose file has errors: it does not run, and this is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The job.
    pub name: JobName,
    /// Its file; or a folder that cannot be read, which stands for every job below it.
    pub file: PathBuf,
    /// The first error, in one line with its place: `jobs.d/disk.toml:3:1: unknown key …`.
    pub why: String,
}

/// Everything the daemon needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `slack_alert.toml`.
    pub config: Config,
    /// Every job without an error, sorted by name.
    pub jobs: Vec<Arc<Job>>,
    /// Jobs set aside.
    pub aside: Vec<Aside>,
}

impl Plan {
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
            max_running: 64,
            start_rate: Rate { count: std::num::NonZeroU32::MIN.saturating_add(199), per: Duration::from_secs(1) },
            shutdown_grace: Duration::from_secs(30),
            history: Duration::from_secs(30 * 86_400),
            outbox_max_age: Duration::from_secs(86_400),
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
    Key { name: "notify", kind: Kind::Table(policy::KEYS), default: "", about: "When and where the job speaks." },
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
        name: "summary",
        kind: Kind::Table(message::summary::KEYS),
        default: "",
        about: "A report of the time since the last one: runs, failures, the slowest, the most silent, the longest open \
                incidents.",
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
    [exec::KEYS, schedule::KEYS, message::KEYS, JOB_KEYS].concat()
}

/// The sources and problems of one reading, for whoever shows them.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Every file that was read.
    pub sources: Sources,
    /// Everything that is wrong.
    pub problems: Problems,
}

impl Findings {
    /// The first error in one line with its place; empty when there is none.
    pub fn first_error(&self) -> String {
        let error = |problem: &&Problem| problem.severity() == Severity::Error;
        self.problems.iter().find(error).map(|problem| load::in_one_line(problem, &self.sources)).unwrap_or_default()
    }
}
