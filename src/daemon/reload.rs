//! Reading the configuration again: what stays, what changes, and what is told about it.
//!
//! Before it: a request. After it: the dispatcher with the new jobs, the outbox with the new settings, and a reply with what
//! changed. Invariants: one reading at a time, on a thread of its own; a reading that fails changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::{JoinError, JoinSet};

use super::absent::Absent;
use super::bad_files::{BadFiles, Due, Over};
use super::dispatcher::Stays;
use super::mailbox::{Asked, Reply, Request};
use super::{Daemon, Loader, dispatcher, keep};
use crate::api;
use crate::clock::Mono;
use crate::diagnostic::{self, Code, Place, Problem};
use crate::exec::Status;
use crate::id::{Channel, JobName, listed};
use crate::plan::{Findings, Job, Loaded, NotLoaded, Plan};
use crate::report;
use crate::store::StoreError;

/// So many problems of a reading are kept, and shown to whoever asks.
const MOST_PROBLEMS: usize = 500;

/// A file that has changed is told to be bad when it has been bad for so long, and one that is not there any more is taken for
/// removed when it has been away for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the version of each file that is in effect is noted.
pub const VERSIONS_NOTE: &str = "versions";

/// Which versions of the files are in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// `slack_alert.toml`.
    pub config: u64,
    /// The file of each job.
    pub jobs: BTreeMap<String, u64>,
}

/// Readings of the configuration, and who waits for them.
pub(super) struct Reloads {
    loader: Loader,
    /// The one that is going on.
    reading: JoinSet<Loaded>,
    /// Answered when it is over.
    asked: Vec<Asked>,
    /// Answered after the next one: what changed on disk since this one began is not in it.
    asked_again: Vec<Asked>,
    /// When the reading began.
    began: Timestamp,
    bad_files: BadFiles,
    absent: Absent,
    /// When to tell that no job is left.
    no_job: Option<Mono>,
    /// That no job is left was told, and its end is to be told too.
    told_no_job: bool,
    /// `state_dir` as it was when the daemon started.
    state_dir: Option<PathBuf>,
}

impl Reloads {
    pub(super) fn new(loader: Loader, plan: &Plan) -> Self {
        Self {
            loader,
            reading: JoinSet::new(),
            asked: Vec::new(),
            asked_again: Vec::new(),
            began: Timestamp::UNIX_EPOCH,
            bad_files: BadFiles::default(),
            absent: Absent::default(),
            no_job: None,
            told_no_job: false,
            state_dir: plan.config.state_dir.clone(),
        }
    }

    /// When something about the files is to be told next.
    pub(super) fn next(&self) -> Option<Mono> {
        self.bad_files.next().into_iter().chain(self.no_job).chain(self.absent.next()).min()
    }

    /// When to tell of an error that was found now: at once when a person asked for the reading. A file that has changed by
    /// itself may be half written.
    fn tell_at(&self, now: Mono) -> Mono {
        let by_itself = self.asked.iter().all(|asked| asked.request == Request::FilesChanged);
        if by_itself && !self.asked.is_empty() { now + PATIENCE } else { now }
    }

    /// Returns when a reading is over; never when none is going on.
    pub(super) async fn loaded(&mut self) -> Result<Loaded, JoinError> {
        match self.reading.join_next().await {
            Some(loaded) => loaded,
            None => std::future::pending().await,
        }
    }

    /// Begins a reading, on a thread of its own: ten thousand files would hold up every run that is due.
    #[expect(clippy::disallowed_methods, reason = "one reading at a time, on a thread of its own: it may take long")]
    fn begin(&mut self, in_use: Vec<Arc<Job>>) {
        let loader = Arc::clone(&self.loader);
        self.reading.spawn_blocking(move || loader(&in_use));
    }
}

impl Daemon {
    /// Reads the configuration, or has it read again when a reading is going on.
    pub(super) fn load(&mut self, asked: Asked) {
        if !self.reloads.reading.is_empty() {
            return self.reloads.asked_again.push(asked);
        }
        self.reloads.asked.push(asked);
        self.begin_reading();
    }

    fn begin_reading(&mut self) {
        self.host.systemd.reloading();
        tracing::info!("reading the configuration again");
        self.reloads.began = self.host.clock.now().wall;
        self.reloads.begin(self.dispatcher.jobs().cloned().collect());
    }

    /// A reading is over: takes it over, answers, and begins the next one if somebody asked meanwhile.
    pub(super) async fn reload(&mut self, loaded: Result<Loaded, JoinError>) {
        let reply = self.take_over(loaded).await;
        self.ready();
        for asked in std::mem::take(&mut self.reloads.asked) {
            asked.answer(reply.clone());
        }
        self.reloads.asked = std::mem::take(&mut self.reloads.asked_again);
        if !self.reloads.asked.is_empty() {
            self.begin_reading();
        }
    }

    /// Takes a new plan over. With an error in `slack_alert.toml` everything stays as it was.
    async fn take_over(&mut self, loaded: Result<Loaded, JoinError>) -> Reply {
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(%error, "the configuration could not be read again; nothing changed");
                return Reply::NotReloaded { error: error.to_string(), problems: Vec::new() };
            }
        };
        self.keep_way_to_slack(&mut loaded);
        let problems = problems(&loaded.findings);
        let Some(plan) = loaded.plan else {
            let first = loaded.findings.first_error();
            tracing::error!(error = %first, "the configuration has errors; nothing changed");
            let now = self.host.clock.now();
            let due = self.reloads.tell_at(now.mono);
            // Everything goes on, also what a reading before this one did not find.
            self.reloads.absent.update(Vec::new(), due, now.mono);
            self.dispatcher.all_go_on(now);
            self.reloads.bad_files.config_has(&first, due);
            self.reading = api::Reload { at: self.reloads.began, ok: false, problems: problems.clone() };
            self.host.changes.of_all();
            return Reply::NotReloaded { error: first, problems };
        };
        let now = self.host.clock.now();
        let enabled_before = self.dispatcher.enabled_count();
        let before = std::mem::replace(&mut self.plan, plan);
        let not_loaded = self.plan.not_loaded.clone();
        let (limits, sender) = (self.plan.config.limits, report::sender(&self.plan));
        let jobs: Vec<_> = self.plan.jobs.iter().cloned().chain(self.wrapped.jobs(&self.plan)).collect();
        let mut past = HashMap::new();
        if jobs.iter().any(|job| !self.dispatcher.has(&job.name)) {
            // What waits to be written is as true as what is.
            if let Err(error) = self.host.store.flush().await {
                tracing::warn!(%error, "a job that comes back may have forgotten its last runs");
            }
            past = keep::load(&self.host.store).await.jobs;
        }
        let past = |name: &JobName| past.remove(name).unwrap_or_default();
        self.look_for_absent(&jobs, now.mono);
        let absent = &self.reloads.absent;
        let stays = |job: &Job| match not_loaded.iter().any(|file| covers(file, job)) {
            true => Stays::AsItWas,
            false if absent.is_awaited(&job.name) => Stays::Away,
            false => Stays::No,
        };
        let (changes, entries) = self.dispatcher.replace(&jobs, &stays, limits, sender, past, now);
        self.tell_standings();
        self.keep(entries);
        self.host.store.keep_history(limits.history);
        let mut also = Vec::new();
        if before.version != self.plan.version {
            also.push("slack_alert.toml changed".to_owned());
        }
        if self.plan.config.zone.is_unknown() && !before.config.zone.is_unknown() {
            tracing::warn!("{}", crate::clock::UNKNOWN_ZONE);
        }
        match (self.host.connect)(&self.plan.config) {
            Ok(settings) => {
                let secret = settings.notifier.secret();
                self.goes_its_way(now);
                let before = self.host.outbox.send_replace(settings);
                if before.notifier.secret() != secret {
                    also.push("the credentials for Slack changed".to_owned());
                }
            }
            Err(error) => {
                tracing::error!(%error, "the new way to Slack cannot be used; the old one goes on");
                self.say(Status::Warning, "the new way to Slack cannot be used; the old one goes on", &error);
            }
        }
        self.redirect(&before).await;
        let dispatcher::Changes { added, changed, removed } = changes;
        let (jobs, not_loaded) = (self.dispatcher.job_count(), self.plan.not_loaded.len());
        // By name first: ten thousand files may have errors.
        let goes_on = |bad: &&NotLoaded| match bad.is_folder() {
            true => self.dispatcher.jobs().any(|job| covers(bad, job)),
            false => self.dispatcher.has_version(&bad.name),
        };
        let going_on = self.plan.not_loaded.iter().filter(goes_on).count();
        tracing::info!(
            jobs,
            added,
            changed,
            removed,
            not_loaded,
            also = (!also.is_empty()).then(|| also.join(", ")),
            "reloaded"
        );
        self.reading = api::Reload { at: self.reloads.began, ok: not_loaded == 0, problems: problems.clone() };
        self.host.changes.of_all();
        self.publisher.configured(&self.plan, self.reloads.began);
        self.watchers_configured();
        self.note_versions();
        if self.reloads.bad_files.config_is_good() {
            self.say(Status::Ok, "the configuration has no errors any more and is in effect", "");
        }
        self.check_files(now.mono);
        // What was removed has been waited for already.
        let tell_at = if removed > 0 { now.mono } else { self.reloads.tell_at(now.mono) };
        self.look_whether_something_runs(enabled_before, tell_at);
        let notes: Vec<String> = self.other_state_dir().into_iter().collect();
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        Reply::Reloaded(api::ReloadAnswer {
            jobs,
            added,
            changed,
            removed,
            not_loaded,
            going_on,
            problems,
            notes,
            also,
        })
    }

    /// Without credentials messages go to the terminal, which nobody reads of a daemon that posted to Slack: a file that lost
    /// them, since it was cut off say, is one with an error.
    fn keep_way_to_slack(&self, loaded: &mut Loaded) {
        let has_way = |plan: &Plan| plan.config.slack.way.source().is_some();
        if !has_way(&self.plan) || loaded.plan.as_ref().is_none_or(has_way) {
            return;
        }
        loaded.plan = None;
        let at = Place::new(loaded.findings.config, 0..0);
        let problem = Problem::new(Code::MissingKey, at, "`[slack]` has neither a token nor a webhook any more");
        let help = "alerts would only be printed: put it back, or restart the daemon if that is meant";
        loaded.findings.problems.push(problem.help(help));
        // Before those of jobs.
        loaded.findings.problems.close();
    }

    /// Notes which job files were there at the reading before, and are not any more.
    fn look_for_absent(&mut self, jobs: &[Arc<Job>], now: Mono) {
        let there: HashSet<&JobName> = jobs.iter().map(|job| &job.name).collect();
        let bad = |job: &Job| self.plan.not_loaded.iter().any(|file| covers(file, job));
        let good = self.dispatcher.jobs().filter(|job| !there.contains(&job.name) && !bad(job)).map(|job| &job.name);
        let told = self.reloads.bad_files.told().filter(|name| !there.contains(name));
        let told = told.filter(|name| !self.plan.not_loaded.iter().any(|file| file.name == **name));
        let absent: Vec<JobName> = good.chain(told).cloned().collect();
        let due = self.reloads.tell_at(now);
        self.reloads.absent.update(absent, due, now);
    }

    /// Looks again for files that have been away for long enough.
    pub(super) fn look_whether_files_are_back(&mut self, now: Mono) {
        if self.reloads.absent.is_due(now) {
            self.load(Asked::by_nobody(Request::FilesChanged));
        }
    }

    /// A reading that leaves nothing that runs is told, and so is its end.
    fn look_whether_something_runs(&mut self, enabled_before: usize, tell_at: Mono) {
        let (jobs, enabled) = (self.dispatcher.job_count(), self.dispatcher.enabled_count());
        if enabled > 0 {
            self.reloads.no_job = None;
            if std::mem::take(&mut self.reloads.told_no_job) {
                let (some, folder) =
                    (if enabled == 1 { "1 job is" } else { "jobs are" }, self.plan.config.jobs_dir.display());
                let body =
                    if enabled == 1 { format!("it is in {folder}") } else { format!("{enabled} jobs are in {folder}") };
                tracing::info!(jobs = enabled, "there are jobs again");
                self.say(Status::Ok, &format!("{some} loaded again"), &body);
            }
        } else if enabled_before > 0 {
            let folder = self.plan.config.jobs_dir.display();
            match jobs {
                0 => tracing::warn!(%folder, "the reload leaves no job at all: nothing runs"),
                jobs => tracing::warn!(jobs, %folder, "the reload leaves no job that is enabled: nothing runs"),
            }
            self.reloads.no_job = Some(tell_at);
        }
    }

    /// The state stays where it is while the daemon runs: its database is open, and another daemon may use the other place.
    fn other_state_dir(&self) -> Option<String> {
        let (first, now, here) = (&self.reloads.state_dir, &self.plan.config.state_dir, self.host.store.dir()?);
        // Where the command line names the place, the configuration has no say in it.
        let decides = first.as_deref().is_none_or(|first| first == here);
        (first != now && decides).then(|| {
            format!("`state_dir` takes effect at the next start; until then the state stays in {}", here.display())
        })
    }

    /// Messages that wait follow a channel that was changed.
    async fn redirect(&self, before: &Plan) {
        let store = &self.host.store;
        let knows_channels = |plan: &Plan| plan.config.slack.way.capabilities().channels;
        if !knows_channels(before) || !knows_channels(&self.plan) {
            return;
        }
        let (old, new) = (before.default_channel(), self.plan.default_channel());
        for job in &self.plan.jobs {
            let Some(was) = before.job(job.name.as_str()).filter(|was| was.fingerprint != job.fingerprint) else {
                continue;
            };
            let mut moved = Vec::new();
            for status in Status::ALL {
                let (from, to) = (places(was, status, old), places(job, status, new));
                for pair in from.into_iter().zip(to).filter(|(from, to)| from != to) {
                    if !moved.contains(&pair) {
                        moved.push(pair);
                    }
                }
            }
            for (from, to) in moved {
                log_trouble(store.redirect(Some(job.name.clone()), from, to).await);
            }
        }
        // The daemon's own words, and those of jobs that are gone; unless some job means the old place by its name.
        let (from, to) = (place(old), place(new));
        if from != to && !self.plan.jobs.iter().any(|job| speaks_in(job, &from, new)) {
            log_trouble(store.redirect(None, from, to).await);
        }
    }

    /// Notes which version of each file is in effect, for commands that say what the daemon will do.
    pub(super) fn note_versions(&mut self) {
        let jobs = self.dispatcher.jobs().map(|job| (job.name.as_str().to_owned(), job.version)).collect();
        let versions = Versions { config: self.plan.version, jobs };
        // Names and numbers can be written as JSON.
        let value = serde_json::to_string(&versions).ok();
        self.keeping.keep(vec![dispatcher::Entry::Noted { key: VERSIONS_NOTE, value }]);
    }

    /// Notes which files have errors, and tells of those that have none any more.
    pub(super) fn check_files(&mut self, now: Mono) {
        let due = self.reloads.tell_at(now);
        let plan = &self.plan;
        let is_loaded = |file: &NotLoaded| plan.jobs.iter().any(|job| covers(file, job));
        let absent = &self.reloads.absent;
        // What a folder hides that cannot be read is as it was, as far as is known.
        let is_hidden = |file: &NotLoaded| {
            let mut folders = plan.not_loaded.iter().filter(|other| other.is_folder() && other.file != file.file);
            folders.any(|folder| file.file.starts_with(&folder.file))
        };
        let is_away = |file: &NotLoaded| absent.is_awaited(&file.name) || is_hidden(file);
        let Over { loaded: good, gone } = self.reloads.bad_files.update(&plan.not_loaded, &is_away, &is_loaded, due);
        let names = |files: &[NotLoaded]| files.iter().map(|file| file.name.to_string()).collect::<Vec<_>>().join("\n");
        for file in &gone {
            tracing::info!(file = %file.file.display(), "what had errors is not there any more");
        }
        if !gone.is_empty() {
            self.say(Status::Ok, &no_longer_there(&gone), &names(&gone));
        }
        for file in &good {
            match file.is_folder() {
                true => tracing::info!(folder = %file.file.display(), "the folder can be read again"),
                false => tracing::info!(job = %file.name, "the job file has no errors any more and is loaded"),
            }
        }
        if !good.is_empty() {
            self.say(Status::Ok, &loaded_again(&good), &names(&good));
        }
    }

    /// Tells of errors that are to be told by now.
    pub(super) fn tell_of_files(&mut self, now: Mono) {
        let Due { files: bad, config } = self.reloads.bad_files.due(now);
        for file in &bad {
            let (why, folder) = (&file.why, file.file.display());
            match file.is_folder() {
                true if !self.dispatcher.jobs().any(|job| covers(file, job)) => {
                    tracing::error!(%folder, error = %why, "the folder cannot be read: no job of it is loaded");
                }
                true => tracing::error!(%folder, error = %why, "the folder cannot be read; its jobs stay as they were"),
                false if self.dispatcher.has_version(&file.name) => {
                    tracing::error!(job = %file.name, error = %why, "the job file has errors; its last good version goes on");
                }
                false => tracing::error!(job = %file.name, error = %why, "the job file has errors and is not loaded"),
            }
        }
        if !bad.is_empty() {
            let mut lines: Vec<String> = bad.iter().map(|file| file.in_message().to_owned()).collect();
            let files = bad.iter().filter(|file| !file.is_folder());
            let kept = files.filter(|file| self.dispatcher.has_version(&file.name)).count();
            if bad.iter().any(|file| file.is_folder() && self.dispatcher.jobs().any(|job| covers(file, job))) {
                lines.push("The jobs of a folder that cannot be read stay as they were.".to_owned());
            }
            self.say(Status::Warning, &not_loaded(&bad, kept), &lines.join("\n"));
        }
        if let Some(first) = config {
            let body = format!("{first}\nEverything goes on as before.");
            self.say(Status::Warning, "the new configuration has errors", &body);
        }
        if self.reloads.no_job.is_some_and(|due| due <= now) {
            self.reloads.no_job = None;
            self.reloads.told_no_job = true;
            let folder = self.plan.config.jobs_dir.display();
            let (title, body) = match self.dispatcher.job_count() {
                0 => ("no job is left", format!("there is no job in {folder}: nothing runs")),
                _ => ("no job is enabled", format!("no job in {folder} is enabled: nothing runs")),
            };
            self.say(Status::Warning, title, &body);
        }
    }

    pub(super) fn say(&mut self, status: Status, title: &str, body: &str) {
        let entry = self.dispatcher.own_words(status, title, body, self.host.clock.now());
        self.keeping.keep(vec![entry]);
    }
}

/// The problems of a reading, as `check --format json` has them.
pub fn problems(findings: &Findings) -> Vec<api::Problem> {
    diagnostic::json::lines(&findings.problems, &findings.sources).take(MOST_PROBLEMS).collect()
}

/// Whether what is not loaded is this job's file, or a folder that it lies below.
fn covers(file: &NotLoaded, job: &Job) -> bool {
    file.name == job.name || Path::new(&job.facts.file).starts_with(&file.file)
}

/// The default channel; without one, messages go to the way out's own place, which has no name.
fn place(default: Option<&Channel>) -> Channel {
    default.cloned().unwrap_or_else(Channel::unnamed)
}

/// Where a job's messages of a status go.
fn places(job: &Job, status: Status, default: Option<&Channel>) -> Vec<Channel> {
    let channels = job.notify.channels_for(status, default);
    if channels.is_empty() { vec![place(default)] } else { channels }
}

fn speaks_in(job: &Job, channel: &Channel, default: Option<&Channel>) -> bool {
    Status::ALL.iter().any(|status| places(job, *status, default).contains(channel))
}

/// `1 job file has no errors any more and is loaded`, `the folder jobs.d can be read again`, or both.
fn loaded_again(good: &[NotLoaded]) -> String {
    let number = good.iter().filter(|file| !file.is_folder()).count();
    let have = if number == 1 { "has no errors any more and is" } else { "have no errors any more and are" };
    let said = (number > 0).then(|| format!("{} {have} loaded", files(number)));
    let folders = good.iter().filter(|file| file.is_folder());
    let folders = folders.map(|folder| format!("the folder {} can be read again", folder.file.display()));
    said.into_iter().chain(folders).collect::<Vec<_>>().join("; ")
}

/// `1 job file that had errors was removed`, `the folder jobs.d/x, which could not be read, has no job any more`, or both.
fn no_longer_there(gone: &[NotLoaded]) -> String {
    let number = gone.iter().filter(|file| !file.is_folder()).count();
    let was = if number == 1 { "was" } else { "were" };
    let said = (number > 0).then(|| format!("{} that had errors {was} removed", files(number)));
    let folders = gone.iter().filter(|file| file.is_folder());
    let folders = folders
        .map(|folder| format!("the folder {}, which could not be read, has no job any more", folder.file.display()));
    said.into_iter().chain(folders).collect::<Vec<_>>().join("; ")
}

/// `2 job files have errors and are not loaded`, `the folder jobs.d cannot be read`, or both. Of `kept` files the last good version
/// goes on.
fn not_loaded(bad: &[NotLoaded], kept: usize) -> String {
    let number = bad.iter().filter(|bad| !bad.is_folder()).count();
    let names: Vec<&str> = bad.iter().filter(|bad| !bad.is_folder()).map(|bad| bad.name.as_str()).collect();
    let said = api::bad_files(number, kept).map(|said| format!("{said}: {}", listed(&names)));
    let folders = bad.iter().filter(|bad| bad.is_folder());
    let folders = folders.map(|folder| format!("the folder {} cannot be read", folder.file.display()));
    said.into_iter().chain(folders).collect::<Vec<_>>().join("; ")
}

fn log_trouble(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "waiting messages keep their old channel");
    }
}

pub(super) fn files(number: usize) -> String {
    if number == 1 { "1 job file".to_owned() } else { format!("{number} job files") }
}
