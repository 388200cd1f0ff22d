//! Finds the configuration and what it is read against: environment, zone, host name, state directory.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Failure;
use super::args::Global;
use super::terminal::Terminal;
use crate::api;
use crate::clock;
use crate::diagnostic::mask::secrets;
use crate::diagnostic::{Code, Problem, Severity, human};
use crate::exec::Environment;
use crate::plan::{self, Loaded, Options, Plan, Surroundings};
use crate::schedule;

/// What every command works with.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) environment: Environment,
    pub(super) terminal: Terminal,
    pub(super) global: Global,
    /// What keeps the configuration from being read was said: once is enough.
    pub(super) said: Arc<AtomicBool>,
}

/// The process's environment, read once.
#[expect(clippy::disallowed_methods, reason = "the door of the environment: read once, and handed on")]
pub(super) fn environment() -> Environment {
    Environment::new(std::env::vars_os())
}

impl World {
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// A folder of the user's own that a variable names. The XDG Base Directory Specification has a relative one ignored: it would
    /// be another folder wherever the command is called.
    pub(super) fn user_folder(&self, name: &str) -> Option<PathBuf> {
        self.variable(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    }

    /// What a configuration is read against.
    pub(super) fn surroundings(&self) -> Surroundings {
        // One that is no text names no zone either.
        let variable =
            self.environment.get("TZ").map(|value| value.to_string_lossy()).filter(|value| !value.is_empty());
        let zone = clock::system_zone(variable.as_deref());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Surroundings { environment: Arc::new(self.environment.clone()), zone, host }
    }

    /// The command line's part of the configuration, without its files.
    pub(super) fn command_line(&self) -> Result<Options, Failure> {
        let global = &self.global;
        let working_hours = match &global.working_hours {
            None => None,
            Some(text) => Some(schedule::parse_hours(text).map_err(|refusal| {
                Failure::usage(format!("--working-hours: {}\n  help: {}", refusal.message, refusal.help))
            })?),
        };
        let max_alert = (global.max_alert.is_some() || global.pause_time.is_some()).then(|| {
            let pause = Duration::from_secs(60 * u64::from(global.pause_time.unwrap_or(60)));
            (global.max_alert.unwrap_or(3), pause)
        });
        if let Some(path) = &global.path {
            exists_as_folder(path)?;
        }
        let jobs_dir = global.path.as_ref().map(|path| path.join("jobs.d"));
        Ok(Options { config: None, jobs_dir, only: None, working_hours, max_alert, sparing: false })
    }

    /// What the command line says of every job, for those who ask the daemon that was started so.
    pub(super) fn options_of_run(&self) -> api::Options {
        let Global { path, working_hours, max_alert, pause_time, .. } = self.global.clone();
        let path = path.map(|path| std::path::absolute(&path).unwrap_or(path));
        api::Options { path, working_hours, max_alert, pause_time }
    }

    /// The same with what the daemon was started with, where this command line does not say otherwise: what the daemon will do
    /// hangs on that.
    #[must_use]
    pub(super) fn as_run_with(&self, daemon: &api::Options) -> Self {
        let mut world = self.clone();
        let (own, daemon) = (&mut world.global, daemon.clone());
        own.path = own.path.take().or(daemon.path.filter(|path| exists_as_folder(path).is_ok()));
        own.working_hours = own.working_hours.take().or(daemon.working_hours);
        if own.max_alert.is_none() && own.pause_time.is_none() {
            (own.max_alert, own.pause_time) = (daemon.max_alert, daemon.pause_time);
        }
        world
    }

    /// The configuration file and what the command line adds to it.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        let options = self.command_line()?;
        Ok(Options { config: self.config()?, ..options })
    }

    /// The configuration file that the user has named.
    pub(super) fn named_config(&self) -> Option<PathBuf> {
        self.global.config.clone().or_else(|| self.variable("SLACK_ALERT_CONFIG").map(PathBuf::from))
    }

    /// The configuration file in the folder of `--path`, which names jobs alone: it is there, and none is read.
    #[expect(clippy::disallowed_methods, reason = "the door of the configuration: whether a file is passed over")]
    pub(super) fn config_beside_jobs(&self) -> Option<PathBuf> {
        let beside = self.global.path.as_ref()?.join("slack_alert.toml");
        let reads_none = self.config().is_ok_and(|file| file.is_none());
        (reads_none && beside.is_file()).then_some(beside)
    }

    /// The configuration file: the first that is found, also one that cannot be read. With `--path` there may be none.
    #[expect(clippy::disallowed_methods, reason = "the door of the configuration: the first file that is there")]
    fn config(&self) -> Result<Option<PathBuf>, Failure> {
        if let Some(file) = self.named_config() {
            let what = match file.metadata() {
                Ok(found) if found.is_file() => return Ok(Some(file)),
                Ok(_) => "is not a regular file".to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => "does not exist".to_owned(),
                Err(error) => format!("cannot be looked at: {error}"),
            };
            return Err(Failure::usage(format!("the configuration file {} {what}", file.display())));
        }
        let mut places = vec![PathBuf::from("slack_alert.toml")];
        if !self.global.ignore_global_config {
            let user = self.user_folder("XDG_CONFIG_HOME");
            let user = user.or_else(|| self.variable("HOME").map(|home| Path::new(home).join(".config")));
            places.extend(user.map(|folder| folder.join("slack-alert/slack_alert.toml")));
            places.push(PathBuf::from("/etc/slack-alert/slack_alert.toml"));
        }
        // A link to nowhere and a folder are there too: what is meant to be read is not passed over in silence.
        let found: Vec<_> = places.iter().map(|place| (place, place.symlink_metadata())).collect();
        match found.iter().find(|(_, found)| found.is_ok()) {
            Some((place, _)) => Ok(Some((*place).clone())),
            None if self.global.path.is_some() => Ok(None),
            None => {
                let hidden = |error: &std::io::Error| error.kind() == ErrorKind::PermissionDenied;
                let looked = found.iter().map(|(place, found)| match found {
                    Err(error) if hidden(error) => format!("{} (where you may not look)", place.display()),
                    _ => place.display().to_string(),
                });
                let places = looked.collect::<Vec<_>>().join(", ");
                Err(Failure::usage(format!(
                    "no configuration found; looked for {places}\n  help: `slack-alert init` writes one here, and a \
                     first job; or name one with --config FILE, or the folder that holds jobs.d with --path DIR"
                )))
            }
        }
    }

    /// Reads the configuration that `run` would use.
    pub(super) fn load(&self) -> Result<(Loaded, Options), Failure> {
        let options = self.options()?;
        Ok((plan::load(&options, &self.surroundings()), options))
    }

    /// The same for a daemon, which keeps what it reads.
    pub(super) fn load_to_stay(&self) -> Result<(Loaded, Options), Failure> {
        let options = self.options()?;
        let (config, jobs_dir) =
            (options.config.map(|path| self.as_named(path)), options.jobs_dir.map(|path| self.as_named(path)));
        let options = Options { config, jobs_dir, sparing: true, ..options };
        Ok((plan::load(&options, &self.surroundings()), options))
    }

    /// A relative path by the name under which the working directory was entered (pwd(1), `pwd -L`), where a link is on that way:
    /// another folder may take its place, and is meant then. The working directory itself stays the folder that it was.
    #[expect(
        clippy::disallowed_methods,
        reason = "the door of the configuration: by which name the folder was entered"
    )]
    fn as_named(&self, path: PathBuf) -> PathBuf {
        let entered = self.variable("PWD").map(Path::new).filter(|folder| folder.is_absolute() && path.is_relative());
        let Some((entered, here)) = entered.zip(std::env::current_dir().ok()) else { return path };
        let is_here = entered.canonicalize().is_ok_and(|folder| folder == here);
        if is_here && entered != here { entered.join(path) } else { path }
    }

    /// The plan, for commands about one job, to which the errors of others are nothing: problems of `slack_alert.toml` are
    /// shown and end it.
    pub(super) fn plan_of_one_job(&self) -> Result<Plan, Failure> {
        self.accept(self.load()?.0)
    }

    /// The plan, for commands that run a job or show messages and send none: what is wrong with a secret, or with another file
    /// that the way to Slack needs, keeps them from nothing.
    pub(super) fn plan_to_render(&self) -> Result<Plan, Failure> {
        let mut loaded = self.load()?.0;
        let config = loaded.findings.config;
        let is_of_it = |problem: &&Problem| problem.place().is_some_and(|place| place.source == config);
        let errors = loaded.findings.problems.iter().filter(|problem| problem.severity() == Severity::Error);
        let is_of_the_machine =
            |problem: &Problem| problem.code.is_about_the_machine() || problem.code == Code::InvalidToken;
        let is_read = loaded.draft.as_ref().is_some_and(|draft| draft.unread.is_none());
        let renders = errors.filter(is_of_it).all(is_of_the_machine);
        if is_read && renders {
            loaded.plan = loaded.plan.take().or_else(|| loaded.draft.take());
        }
        self.accept(loaded)
    }

    /// The same for commands about all jobs: those that are not loaded are named.
    pub(super) fn plan_to_simulate(&self) -> Result<Plan, Failure> {
        let plan = self.plan_to_render()?;
        for bad in &plan.not_loaded {
            self.terminal.err(&format!("slack-alert: {}: {}", bad.what(), secrets(&bad.why)));
        }
        Ok(plan)
    }

    /// The plan, for commands that only read the state: nothing that keeps a daemon from starting on this machine, or for this
    /// user, keeps them from answering. What the configuration does not say is as it is without it.
    pub(super) fn plan_to_read(&self) -> Result<Plan, Failure> {
        let options = self.options();
        // The state is named, and all that is needed.
        let alone = options.is_err() && self.global.state_dir.is_some() && self.named_config().is_none();
        let options = if alone { Options { jobs_dir: Some(PathBuf::new()), ..self.command_line()? } } else { options? };
        let mut loaded = plan::load(&options, &self.surroundings());
        let unread = loaded.plan_or_draft().and_then(|plan| plan.unread.as_ref());
        if let Some(problem) = unread {
            self.say_unread(options.config.as_deref(), problem, "what is shown is as without it");
        }
        let config = loaded.findings.config;
        let stops =
            |problem: &&Problem| problem.stops_a_job() && problem.place().is_some_and(|place| place.source == config);
        if let Some(problem) = loaded.findings.problems.iter().find(stops) {
            let file = loaded.findings.sources.get(config).path.display().to_string();
            let words =
                "the rest of it and the state are shown; a daemon that runs already goes on with what it read before";
            self.terminal.err(&format!("slack-alert: {file}: {}; {words}", secrets(&problem.message)));
        }
        loaded.plan = loaded.plan.take().or_else(|| loaded.draft.take());
        let mut plan = self.accept(loaded)?;
        if alone {
            // There is no folder of jobs, and nobody has asked for one.
            plan.not_loaded.clear();
        }
        Ok(plan)
    }

    /// That the configuration file cannot be read, and what comes of it; once.
    pub(super) fn say_unread(&self, file: Option<&Path>, problem: &Problem, so: &str) {
        if self.said.swap(true, Ordering::Relaxed) {
            return;
        }
        let file = file.map(|file| file.display().to_string()).unwrap_or_default();
        let help = problem.help.as_deref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
        self.terminal.err(&format!("slack-alert: {file}: {}; {so}{help}", problem.message));
    }

    /// The plan of a reading; without one, the problems are shown.
    pub(super) fn accept(&self, mut loaded: Loaded) -> Result<Plan, Failure> {
        match loaded.plan.take() {
            Some(plan) => Ok(plan),
            None => {
                self.show_problems(&loaded);
                Err(Failure::new("the configuration has errors"))
            }
        }
    }

    /// Every problem, on stderr.
    pub(super) fn show_problems(&self, loaded: &Loaded) {
        let colour = self.terminal.colour_of_errors();
        let mut problems = loaded.findings.problems.clone();
        problems.close();
        self.terminal.err(&human::render_all(&problems, &loaded.findings.sources, colour));
    }

    /// Where state is kept.
    pub(super) fn state_dir(&self, plan: &Plan) -> Result<PathBuf, Failure> {
        self.state_dir_of(plan.config.state_dir.as_deref())
    }

    /// The same by what the configuration says of it.
    pub(super) fn state_dir_of(&self, configured: Option<&Path>) -> Result<PathBuf, Failure> {
        if let Some(dir) = self.global.state_dir.as_deref().or(configured) {
            return Ok(dir.to_owned());
        }
        if let Some(dirs) = self.variable("STATE_DIRECTORY") {
            // systemd.exec(5): several directories are separated by colons; ours is the first.
            return Ok(PathBuf::from(dirs.split(':').next().unwrap_or(dirs)));
        }
        if rustix::process::geteuid().is_root() {
            return Ok(PathBuf::from("/var/lib/slack-alert"));
        }
        let state = self.user_folder("XDG_STATE_HOME");
        let state = state.or_else(|| self.variable("HOME").map(|home| Path::new(home).join(".local/state")));
        state.map(|state| state.join("slack-alert")).ok_or_else(|| {
            Failure::usage(
                "there is no place for state: neither HOME nor XDG_STATE_HOME is set; name one with --state-dir",
            )
        })
    }
}

/// What `--path` names is there.
#[expect(clippy::disallowed_methods, reason = "the door of the configuration: whether a named folder is there")]
fn exists_as_folder(path: &Path) -> Result<(), Failure> {
    let why = match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => "it is no folder".to_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => "there is no such folder".to_owned(),
        Err(error) => format!("it cannot be looked at: {error}"),
    };
    let path = path.display();
    Err(Failure::usage(format!("--path {path}: {why}\n  help: name the folder that holds jobs.d")))
}

/// The plan's job of this name, or a failure that names the nearest.
pub(super) fn job<'p>(plan: &'p Plan, name: &str) -> Result<&'p Arc<plan::Job>, Failure> {
    if let Some(job) = plan.job(name) {
        return Ok(job);
    }
    if let Some(bad) = plan.not_loaded.iter().find(|bad| bad.name.as_str() == name) {
        return Err(Failure::new(format!("{}: {}", bad.what(), bad.why)));
    }
    let bad = plan.not_loaded.iter().map(|bad| bad.name.as_str());
    let near = crate::document::did_you_mean(name, plan.jobs.iter().map(|job| job.name.as_str()).chain(bad));
    let help = near.unwrap_or_else(|| "`slack-alert list` shows all jobs".to_owned());
    Err(Failure::usage(format!("there is no job `{name}`\n  help: {help}")))
}
