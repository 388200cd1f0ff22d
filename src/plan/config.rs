//! `slack_alert.toml`: everything but the jobs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::control::{self, Control};
use super::{HttpSettings, Limits, http};
use crate::diagnostic::{Code, Problem};
use crate::document::{Table, Text, did_you_mean};
use crate::exec::{Environment, PLUMBING};
use crate::message::{self, Templates, summary};
use crate::notify::secret::Source;
use crate::{notify, outbox, schedule, store};

/// What the configuration is read against: found once, at the program's start.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The daemon's environment, whole.
    pub environment: Arc<Environment>,
    /// The system's zone.
    pub zone: TimeZone,
    /// The host's name.
    pub host: String,
}

/// What `reload` may say.
pub(super) const RELOAD_MODES: &[&str] = &["auto", "signal"];

/// When a running daemon reads changed files again (`reload`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReloadMode {
    /// As soon as they have changed.
    #[default]
    Auto,
    /// When somebody asks for it: SIGHUP.
    Signal,
}

/// `slack_alert.toml`, read.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file; `None` when there is none and `--path` names the jobs.
    pub file: Option<PathBuf>,
    /// The folder that relative paths start from.
    pub folder: PathBuf,
    /// The folder of job files.
    pub jobs_dir: PathBuf,
    /// `state_dir`, when it is set.
    pub state_dir: Option<PathBuf>,
    /// The default zone of calendars and hours.
    pub zone: TimeZone,
    /// It is that of the machine, which may change.
    pub follows_system_zone: bool,
    /// This host's name in messages.
    pub host: Arc<str>,
    /// When changed files are read again.
    pub reload: ReloadMode,
    /// How to reach Slack.
    pub slack: notify::Settings,
    /// Named templates.
    pub templates: Templates,
    /// `[limits]`.
    pub limits: Limits,
    /// What commands may inherit: the daemon's environment without its secrets and its plumbing.
    pub environment: Arc<Environment>,
    /// `[control]`.
    pub control: Control,
    /// `[fallback]`.
    pub fallback: Option<outbox::Fallback>,
    /// `[summary]`.
    pub summary: Option<summary::Settings>,
    /// `[http]`; nothing without `listen`.
    pub http: Option<HttpSettings>,
    /// `[heartbeat]`.
    pub heartbeat: Option<notify::HeartbeatSettings>,
    /// Codes that `[check] allow` accepts.
    pub allow: Vec<Code>,
}

impl Config {
    /// Files that `slack_alert.toml` names: another secret in one of them is another configuration.
    pub fn named_files(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let http = self.http.as_ref().and_then(|http| http.token.as_ref());
        let heartbeat = self.heartbeat.as_ref().map(|heartbeat| &heartbeat.url);
        let secrets = self.slack.way.source().into_iter().chain(http).chain(heartbeat);
        let files = secrets.filter_map(|source| match source {
            Source::File(path) => Some(path),
            Source::Literal(_) | Source::Variable { .. } | Source::Credential(_) => None,
        });
        files.chain(&self.slack.ca_file).cloned()
    }
}

/// What to write in the place of nothing.
const JOBS_DIR: &str = "name the folder of the jobs, such as `jobs_dir = \"jobs.d\"`, or leave the key out";
const STATE_DIR: &str = "name a folder, such as `state_dir = \"/var/lib/slack-alert\"`, or leave the key out";
const HOST: &str = "write a name such as `host = \"web-1\"`, or leave the key out: it is then the host name";

/// Reads the root table of `slack_alert.toml`. `[defaults]` is left to the reader of jobs.
pub(super) fn read(table: &mut Table<'_>, file: Option<&Path>, folder: &Path, around: &Surroundings) -> Config {
    let templates = message::read_templates(table);
    let zone = table.text("time_zone").and_then(|text| schedule::read_zone(&text, table.reader()));
    let mut slack = table.table_or_empty("slack");
    let env = |name: &str| around.environment.get(name).and_then(|value| value.to_str()).map(str::to_owned);
    let credentials = around.environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let surroundings = notify::Surroundings { env: &env, credentials: credentials.as_deref(), config_dir: folder };
    let settings = notify::read(&mut slack, &surroundings);
    slack.finish();
    let http = http::read(table.table_or_empty("http"), &surroundings);
    let fallback = table.table("fallback").and_then(outbox::read_fallback);
    let summary = read_summary(table, &settings);
    let path = |text: Text<'_>| below(folder, text.value);
    let _ = table.value("defaults");
    let (heartbeat, heartbeat_variable) = notify::read_heartbeat(table.table("heartbeat"), &surroundings);
    let secrets = settings.secret_variables.iter().chain(&http.secret_variable).chain(&heartbeat_variable);
    let secrets = secrets.map(String::as_str).collect();
    let environment = Arc::new(for_commands(around, secrets));
    Config {
        environment,
        file: file.map(Path::to_owned),
        folder: folder.to_owned(),
        jobs_dir: table.filled_file("jobs_dir", JOBS_DIR).map_or_else(|| below(folder, "jobs.d"), path),
        state_dir: table.filled_file("state_dir", STATE_DIR).map(path),
        follows_system_zone: zone.is_none() && around.environment.get("TZ").is_none(),
        zone: zone.unwrap_or_else(|| around.zone.clone()),
        host: table.filled("host", HOST).map_or_else(|| around.host.as_str().into(), |text| text.value.into()),
        reload: table.choice("reload", RELOAD_MODES).unwrap_or_default(),
        slack: settings,
        templates,
        limits: read_limits(table.table_or_empty("limits")),
        control: control::read(table.table_or_empty("control")),
        fallback,
        summary,
        http: http.settings,
        heartbeat,
        allow: read_check(table.table_or_empty("check")),
    }
}

/// `[summary]`; with a token its report needs a channel, as every message does.
fn read_summary(table: &mut Table<'_>, slack: &notify::Settings) -> Option<summary::Settings> {
    let summary = table.table("summary")?;
    let place = summary.place();
    let settings = summary::read(summary)?;
    let lost = settings.channel.is_none() && slack.channel.is_none() && slack.way.capabilities().needs_channel;
    if let Some(place) = place.filter(|_| lost) {
        let problem = Problem::new(Code::MissingKey, place, "the summary has no channel to go to");
        table.push(problem.help("set `channel` in [summary], or in [slack]"));
    }
    Some(settings)
}

/// What commands may inherit: the daemon's environment without the variables that carry its secrets or its plumbing.
fn for_commands(around: &Surroundings, secret: Vec<&str>) -> Environment {
    around.environment.as_ref().clone().without(&secret).without(PLUMBING)
}

/// A path below a folder, without a leading `./`.
fn below(folder: &Path, path: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(path) } else { folder.join(path) }
}

fn read_limits(mut table: Table<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        max_running: table
            .integer("max_running", 1..=100_000)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default.max_running),
        start_rate: table.rate("start_rate").unwrap_or(default.start_rate),
        shutdown_grace: table.duration("shutdown_grace").unwrap_or(default.shutdown_grace),
        history: store::read_history(&mut table),
        outbox_max_age: outbox::read_max_age(&mut table),
    };
    table.finish();
    limits
}

fn read_check(mut table: Table<'_>) -> Vec<Code> {
    let allow = read_allow(&mut table);
    table.finish();
    allow
}

/// `allow`: codes of warnings that are accepted.
pub(super) fn read_allow(table: &mut Table<'_>) -> Vec<Code> {
    let texts = table.list("allow").unwrap_or_default();
    let code = |text: Text<'_>| {
        let code = Code::parse(text.value);
        if code.is_none() {
            let help = did_you_mean(text.value, Code::ALL.iter().map(|code| code.as_str()));
            let problem = Problem::new(Code::InvalidValue, text.at, format!("`{}` is no code of `check`", text.value));
            table.push(
                problem.help(help.unwrap_or_else(|| "each finding of `check` names its code in brackets".to_owned())),
            );
        }
        code
    };
    texts.into_iter().filter_map(code).collect()
}
