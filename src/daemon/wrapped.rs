//! Runs that `wrap` reports: over the socket while they go on, or in a file when there was nobody to tell.
//!
//! Before it: [`Report`]s. After it: the dispatcher's expected runs. Invariants: a run is known by its job and its start, so that
//! one that is told in two ways is one run; what is told in a file is on disk here before the file goes; a job that has no file
//! of its own is made of `[defaults]`, and remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::dispatcher::{Dispatcher, Entry, Past, ReportRefused, RunReport, Wrapper};
use super::mailbox::{Asked, Mailbox, Reply, Request};
use super::{Daemon, Turn};
use crate::api::{Code, Failure};
use crate::clock::{self, Now, SharedClock};
use crate::document::why_no_notice;
use crate::exec::{self, Outcome, Status};
use crate::id::{JobName, RunId};
use crate::notify::Signal;
use crate::plan::{Job, Plan};
use crate::schedule::{Expect, Expected};
use crate::store::spool::{ExpectedEvery, Report, SHORTEST_EXPECTED, Spool, Watch};
use crate::store::{HistoryFilter, RunningRow, Store};

/// Under which name the store keeps the jobs that have no file.
pub(super) const JOBS_NOTE: &str = "wrapped_jobs";

/// Under which name it keeps whose process a run in progress is.
const RUNS_NOTE: &str = "wrapped_runs";

/// So many jobs without a file are remembered.
const MOST_JOBS: usize = 500;

/// So many runs that ended are known again, should they be told a second time.
const RECENT: usize = 1_000;

/// A job without a file that is expected at no time, and of which nobody has told for so long, is forgotten: the name may have been
/// a mistake. One that runs every three months is not.
const FORGOTTEN: Duration = Duration::from_secs(100 * 86_400);

/// A run whose process is gone may be told in a file for so long.
const AFTER_ITS_END: Duration = Duration::from_secs(5);

/// What is known of runs that are reported.
#[derive(Debug, Default)]
pub(super) struct Wrapped {
    jobs: BTreeMap<JobName, WithoutFile>,
    runs: BTreeMap<RunId, Process>,
    recent: VecDeque<(JobName, Timestamp)>,
    /// Waits for processes that are connected to nobody: the daemon that they reported to is gone, or the connection is.
    gone: JoinSet<RunId>,
}

/// A job that has no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct WithoutFile {
    command: String,
    expect: Option<ExpectedEvery>,
}

/// A process, and when it began: a number alone may have been given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    pid: u32,
    birth: u64,
    /// The `--timeout` that it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
}

impl Wrapped {
    /// What an earlier process noted.
    pub(super) fn from_notes(notes: &std::collections::HashMap<String, String>) -> Self {
        let jobs = notes.get(JOBS_NOTE).and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
        let runs = notes.get(RUNS_NOTE).and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
        Self { jobs, runs, ..Self::default() }
    }

    /// The jobs without a file, as this plan makes them; one that has a file by now is that.
    pub(super) fn jobs<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = Arc<Job>> + 'a {
        let without = self.jobs.iter().filter(|(name, _)| plan.job(name.as_str()).is_none());
        without.filter_map(|(name, job)| plan.job_without_file(name, &job.command, job.expect.map(expect)))
    }

    fn jobs_note(&self) -> Entry {
        Entry::Noted { key: JOBS_NOTE, value: serde_json::to_string(&self.jobs).ok() }
    }

    fn runs_note(&self) -> Entry {
        let value = (!self.runs.is_empty()).then(|| serde_json::to_string(&self.runs).ok()).flatten();
        Entry::Noted { key: RUNS_NOTE, value }
    }

    fn ended(&mut self, report: &Report) {
        self.recent.push_back((report.job.clone(), report.started));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    fn has_ended(&self, report: &Report) -> bool {
        self.recent.iter().any(|(job, started)| *job == report.job && *started == report.started)
    }

    /// A process of a run in progress has gone; never, where none is waited for.
    pub(super) async fn gone(&mut self) -> RunId {
        loop {
            match self.gone.join_next().await {
                Some(Ok(run)) => return run,
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

/// Anybody who may report can ask for any interval: a shorter one than is sensible is the shortest.
fn expect(expected: ExpectedEvery) -> Expect {
    Expect { times: Expected::Every(expected.every.max(SHORTEST_EXPECTED)), grace: expected.grace }
}

/// How a run is known again.
fn key(report: &Report) -> Box<str> {
    format!("wrap {} {}", report.started.as_microsecond(), report.pid).into()
}

/// Why nothing else may report a run of this job.
pub fn runs_here(job: &JobName) -> Failure {
    Failure::new(Code::RunsHere, format!("slack-alert runs job `{job}` itself, so a run from elsewhere is not its"))
        .help("give `wrap` another name with --job, or the job's file an `expect` in the place of its command")
}

/// Why a report is not taken, for whoever reports.
fn refusal(refused: &ReportRefused, job: &JobName) -> Reply {
    let failure = match refused {
        ReportRefused::NoSuchJob => {
            Failure::new(Code::NoSuchJob, format!("there is no job `{job}`, and [defaults] have errors"))
                .help("`slack-alert check` shows them")
        }
        ReportRefused::RunsHere => runs_here(job),
        ReportRefused::Stopping => Failure::new(Code::Stopping, "the daemon is stopping"),
    };
    Reply::Refused(Box::new(failure))
}

/// Adds the job of a report that has no file, with what is remembered of it; an entry to keep, if it is new.
fn know(
    dispatcher: &mut Dispatcher,
    wrapped: &mut Wrapped,
    plan: &Plan,
    report: &Report,
    past: Past,
    now: Now,
) -> Option<Entry> {
    let is_known = dispatcher.jobs().any(|job| job.name == report.job);
    // One whose file has errors now goes on in its last good version.
    if plan.job(report.job.as_str()).is_some() || (is_known && !wrapped.jobs.contains_key(&report.job)) {
        return None;
    }
    let known = WithoutFile { command: report.command.clone(), expect: report.expect };
    if is_known && wrapped.jobs.get(&report.job) == Some(&known) {
        return None;
    }
    let job = plan.job_without_file(&report.job, &report.command, report.expect.map(expect))?;
    match is_known {
        true => dispatcher.change_job(&job, now),
        false => dispatcher.add(job, past, now),
    }
    if wrapped.jobs.len() < MOST_JOBS || wrapped.jobs.contains_key(&report.job) {
        wrapped.jobs.insert(report.job.clone(), known);
    } else {
        tracing::warn!(job = %report.job, "more than {MOST_JOBS} jobs have no file: this one is forgotten at the next start");
    }
    Some(wrapped.jobs_note())
}

/// A run has ended, and is judged; none where it was told before.
fn end(
    dispatcher: &mut Dispatcher,
    wrapped: &mut Wrapped,
    report: &Report,
    now: Now,
) -> Result<Option<(RunId, Status, Turn)>, ReportRefused> {
    let Some(end) = &report.end else { return Ok(None) };
    if wrapped.has_ended(report) {
        return Ok(None);
    }
    let finished = end.finished.max(report.started);
    let judged = dispatcher.assess(&report.job, end.ending.clone(), end.output(), report.started, finished)?;
    let outcome = Outcome { took: end.took.unwrap_or(judged.took), ..judged };
    let status = outcome.status;
    let run = report.run.filter(|run| dispatcher.reported_start(*run) == Some(report.started));
    // What it is known by may be lost with the daemon that it began under; when it began is not.
    let run = run.or_else(|| dispatcher.reported_run(&report.job, Some(&key(report))));
    let run = run.or_else(|| dispatcher.reported_since(&report.job, report.started));
    let run = run.or_else(|| dispatcher.given_up_run(&report.job, Some(&key(report)), now));
    let (id, turn) = dispatcher.report_end(&report.job, run, outcome, now)?;
    wrapped.ended(report);
    Ok(Some((id, status, turn)))
}

impl Daemon {
    /// Jobs that have no file go on as well.
    pub(super) fn add_jobs_without_file(&mut self, mut past: impl FnMut(&JobName) -> Past, now: Now) {
        let jobs: Vec<_> = self.wrapped.jobs(&self.plan).collect();
        for job in jobs {
            let past = past(&job.name);
            self.dispatcher.add(job, past, now);
        }
        self.forget_silent(now);
    }

    /// Forgets jobs without a file that nobody expects or reports any more.
    fn forget_silent(&mut self, now: Now) {
        let Self { dispatcher, plan, wrapped, .. } = self;
        let is_old = |last: Timestamp| clock::between(last, now.wall) > FORGOTTEN;
        let has_file = |name: &JobName| {
            plan.job(name.as_str()).is_some() || plan.not_loaded.iter().any(|other| other.name == *name)
        };
        let unasked = wrapped.jobs.iter().filter(|(name, job)| job.expect.is_none() && !has_file(name));
        let silent = unasked.filter(|(name, _)| dispatcher.silent_since(name).is_some_and(is_old));
        let silent: Vec<JobName> = silent.map(|(name, _)| name.clone()).collect();
        if silent.is_empty() {
            return;
        }
        for job in silent {
            let days = FORGOTTEN.as_secs() / 86_400;
            tracing::info!(%job, "has no file, and no run of it was reported for {days} days: it is forgotten");
            let why = format!("it has no file, and no run was reported for {days} days");
            let over = self.dispatcher.forget(&job, &why, now);
            self.keep(over.into_iter().collect());
            self.tell_standing(&job);
            self.wrapped.jobs.remove(&job);
        }
        let note = self.wrapped.jobs_note();
        self.keeping.keep(vec![note]);
    }

    /// A run that was reported to the daemon before this one: its end is still to come, unless the process that would tell it is
    /// known to be gone.
    pub(super) fn reported_before(
        &mut self,
        (left, key): (&RunningRow, Option<Box<str>>),
        run: Arc<exec::Run>,
        told: &[Report],
        now: Now,
    ) {
        let in_file = told.iter().any(|report| report.job == left.job && report.started == left.started);
        let process = self.wrapped.runs.get(&left.id).copied();
        let lives = process.filter(|process| exec::birth(process.pid) == Some(process.birth));
        if let Some(process) = process.filter(|_| lives.is_none() && !in_file) {
            tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "the process that reported this run went while no daemon ran, and did not say how it ended");
            let outcome = Outcome::lost_without_daemon(left.started, Some(process.pid), now);
            let turn = self.dispatcher.interrupted(run, left, outcome, now);
            self.act(turn);
            self.process_is_over(left.id);
            return;
        }
        tracing::info!(job = %left.job, run = %left.id, started = %left.started, "was reported to have begun before the daemon started; its end is waited for");
        let wrapper = process.map(|process| Wrapper { timeout: process.timeout });
        self.dispatcher.report_goes_on(run, left, (key, wrapper), now);
        self.keeping.begin_again(left);
        if lives.is_some() && !in_file {
            self.unfollowed(left.id);
        }
    }

    /// Nobody is connected: that its process is gone is seen from outside. Until then, and a little longer, its end may be told
    /// over another connection, or in a file.
    #[expect(clippy::disallowed_methods, reason = "the daemon owns what it waits for")]
    fn unfollowed(&mut self, run: RunId) {
        let clock = Arc::clone(&self.host.clock);
        let process = self.wrapped.runs.get(&run).copied();
        self.wrapped.gone.spawn(async move {
            if let Some(process) = process.filter(|process| exec::birth(process.pid) == Some(process.birth)) {
                exec::gone(process.pid).await;
            }
            clock::sleep_until(&*clock, clock.now().mono + AFTER_ITS_END).await;
            run
        });
    }

    /// Carries out what `wrap` asks.
    pub(super) async fn wrapped(&mut self, asked: Asked) {
        let reply = match &asked.request {
            Request::RunBegun(report, pid) => {
                let reply = self.run_begun(report, *pid);
                if let (true, Reply::Reported { run, .. }) = (asked.is_abandoned(), &reply) {
                    self.unfollowed(*run);
                }
                reply
            }
            Request::RunEnded(report) => {
                let reply = self.run_ended(report);
                return self.answer_when_kept(asked, reply);
            }
            Request::RunUnfollowed(run) => {
                self.unfollowed(*run);
                Reply::Reported { run: *run, status: None }
            }
            _ => {
                self.take_up_records().await;
                Reply::TakenUp
            }
        };
        asked.answer(reply);
    }

    /// Answers when what was reported is on disk: whoever reported it forgets it then. Where the disk fails, it is in memory, and
    /// the daemon says so.
    #[expect(
        clippy::disallowed_methods,
        reason = "the loop does not wait for the disk; each has a connection that waits"
    )]
    pub(super) fn answer_when_kept(&self, asked: Asked, reply: Reply) {
        let store = self.host.store.clone();
        tokio::spawn(async move {
            let _told_by_trouble = store.flush().await;
            asked.answer(reply);
        });
    }

    fn run_begun(&mut self, report: &Report, pid: Option<u32>) -> Reply {
        let now = self.host.clock.now();
        if let Some(run) = report.run.filter(|run| self.dispatcher.reported_start(*run) == Some(report.started)) {
            return Reply::Reported { run, status: None };
        }
        if self.wrapped.has_ended(report) {
            return Reply::Reported { run: report.run.unwrap_or(RunId(0)), status: None };
        }
        let noted = know(&mut self.dispatcher, &mut self.wrapped, &self.plan, report, Past::default(), now);
        self.keeping.keep(noted.into_iter().collect());
        let how = RunReport { key: Some(key(report)), pid, wrapper: Some(Wrapper { timeout: report.timeout }) };
        match self.dispatcher.report_begin(&report.job, how, report.started, now) {
            Err(refused) => refusal(&refused, &report.job),
            Ok((run, turn)) => {
                if let Some((pid, birth)) = pid.and_then(|pid| Some((pid, exec::birth(pid)?))) {
                    self.wrapped.runs.insert(run, Process { pid, birth, timeout: report.timeout });
                    let note = self.wrapped.runs_note();
                    self.keeping.keep(vec![note]);
                }
                self.act(turn);
                Reply::Reported { run, status: None }
            }
        }
    }

    fn run_ended(&mut self, report: &Report) -> Reply {
        let now = self.host.clock.now();
        let noted = know(&mut self.dispatcher, &mut self.wrapped, &self.plan, report, Past::default(), now);
        self.keeping.keep(noted.into_iter().collect());
        match end(&mut self.dispatcher, &mut self.wrapped, report, now) {
            Err(refused) => refusal(&refused, &report.job),
            Ok(None) => Reply::Reported { run: report.run.unwrap_or(RunId(0)), status: None },
            Ok(Some((run, status, turn))) => {
                self.act(turn);
                self.process_is_over(run);
                self.forget_silent(now);
                Reply::Reported { run, status: Some(status) }
            }
        }
    }

    /// The process that reported it is gone, and has not said how it ended.
    pub(super) fn run_lost(&mut self, run: RunId) {
        let now = self.host.clock.now();
        let found = self.dispatcher.runs().find(|other| other.id == run).map(|run| run.job.clone());
        if let (Some(job), Some(started)) = (found, self.dispatcher.reported_start(run)) {
            tracing::warn!(%job, %run, "the process that reported this run is gone, and did not say how it ended");
            let process = self.wrapped.runs.get(&run).map(|process| process.pid);
            let outcome = Outcome::lost(started, process, now.wall);
            if let Ok((_, turn)) = self.dispatcher.report_end(&job, Some(run), outcome, now) {
                self.act(turn);
            }
        }
        self.process_is_over(run);
    }

    fn process_is_over(&mut self, run: RunId) {
        if self.wrapped.runs.remove(&run).is_some() {
            let note = self.wrapped.runs_note();
            self.keeping.keep(vec![note]);
        }
    }

    /// Takes up what is told in files.
    pub(super) async fn take_up_records(&mut self) {
        let Some(spool) = self.host.store.dir().map(Spool::of) else { return };
        let now = self.host.clock.now();
        for (path, report) in spool.records(now.wall) {
            if self.dispatcher.is_stopping() {
                // The next daemon takes it up.
                return;
            }
            // What waits to be written is as true as what is.
            self.keeping.flush().await;
            if !is_recorded(&self.host.store, &report).await
                && let Reply::Refused(failure) = self.run_ended(&report)
            {
                tracing::warn!(job = %report.job, "a run that was told in a file is not taken: {}", failure.error.message);
            }
            self.keeping.flush().await;
            spool.remove(&path);
        }
    }
}

/// The jobs that have no file and were reported before, by what the store notes.
pub fn jobs_without_file(notes: &std::collections::HashMap<String, String>, plan: &Plan) -> Vec<Arc<Job>> {
    Wrapped::from_notes(notes).jobs(plan).collect()
}

/// How often records are looked for where the kernel gives no notice of them.
const LOOK: Duration = Duration::from_secs(30);

/// Has records taken up as they come; where the kernel cannot watch, now and then, until it can. Ends with the mailbox.
pub async fn watch_records(store: Store, mailbox: Mailbox, clock: SharedClock) {
    let Some(spool) = store.dir().map(Spool::of) else { return };
    let mut is_said = false;
    let mut watch = loop {
        match Watch::new(&spool) {
            Ok(watch) => break watch,
            Err(error) if !std::mem::replace(&mut is_said, true) => {
                let (every, folder) = (LOOK.as_secs(), spool.folder().display());
                tracing::warn!(
                    "slack-alert cannot get change events from the kernel, so it reads {folder} every {every} s: {}",
                    why_no_notice(&error)
                );
            }
            Err(_) => {}
        }
        if mailbox.ask(Request::TakeUpRecords).await.is_none() {
            return;
        }
        clock::sleep_until(clock.as_ref(), clock.now().mono + LOOK).await;
    };
    // What came between the start and this watch is taken up first.
    while mailbox.ask(Request::TakeUpRecords).await.is_some() && watch.arrived().await.is_ok() {}
}

/// Whether a run stands in the history with an end of its own.
pub(super) async fn is_recorded(store: &Store, report: &Report) -> bool {
    let filter =
        HistoryFilter { job: Some(report.job.clone()), began: Some(report.started), limit: 4, ..Default::default() };
    let rows = store.history(filter).await.unwrap_or_default();
    // That its end was not reported is not its end.
    rows.iter().any(|row| !matches!(row.reason, exec::Reason::Interrupted | exec::Reason::Missing))
}

/// A run that was judged in place, without a daemon.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Its number; none where it was told before, or not taken.
    pub run: Option<RunId>,
    /// What it came to; none where it was told before.
    pub status: Option<Status>,
    /// Why it was not taken.
    pub refused: Option<String>,
    /// What the job's watcher is to be told of it.
    pub ping: Option<Signal>,
}

/// Judges runs in place, as a daemon would: the history, what is remembered of their jobs and the messages are on disk when this
/// returns. Runs of a daemon that died stay as they are for the next one, but for those that are told here.
pub async fn settle(
    store: &Store,
    interrupted: &[RunningRow],
    plan: &Plan,
    reports: &[Report],
    clock: &SharedClock,
) -> (Vec<Settled>, Dispatcher) {
    let now = clock.now();
    let mut past = super::keep::load(store).await;
    let mut wrapped = Wrapped::from_notes(&past.notes);
    let sender = crate::report::sender(plan);
    let mut dispatcher = Dispatcher::new(plan.config.limits, sender, past.next_run, now);
    _ = dispatcher.know_places(&crate::outbox::Places::from_note(past.notes.get(crate::outbox::places::NOTE)), now);
    let mut keeping = super::keep::Keeper::new(store.clone());
    let (number, numbered) = super::heartbeat::state_number(past.notes.get(super::heartbeat::NOTE));
    if numbered.is_some() {
        keeping.keep(vec![Entry::Noted { key: super::heartbeat::NOTE, value: numbered }]);
    }
    let mut settled = Vec::with_capacity(reports.len());
    for report in reports {
        if is_recorded(store, report).await {
            settled.push(Settled { run: None, status: None, refused: None, ping: None });
            continue;
        }
        let known = dispatcher.jobs().any(|job| job.name == report.job);
        let remembered = past.jobs.remove(&report.job).unwrap_or_default();
        match plan.job(report.job.as_str()).filter(|_| !known) {
            Some(job) => dispatcher.add(Arc::clone(job), remembered, now),
            None => {
                keeping.keep(know(&mut dispatcher, &mut wrapped, plan, report, remembered, now).into_iter().collect());
            }
        }
        let left = interrupted.iter().find(|left| left.job == report.job && left.started == report.started);
        let run = left.and_then(|left| Some((left, dispatcher.left(left)?)));
        let mut report = report.clone();
        if let Some((left, run)) = run {
            report.run = Some(left.id);
            dispatcher.report_goes_on(run, left, (None, None), now);
        }
        settled.push(match end(&mut dispatcher, &mut wrapped, &report, now) {
            Ok(ended) => {
                let status = ended.as_ref().map(|(_, status, _)| *status);
                let run = ended.as_ref().map(|(run, ..)| *run);
                let entries = ended.map(|(_, _, turn)| turn.entries).unwrap_or_default();
                let over = entries.iter().filter_map(Entry::ended).find(|ended| Some(ended.run.id) == run);
                let ping = over.and_then(|ended| super::heartbeat::ping_of(&dispatcher, ended, number));
                keeping.keep(entries);
                Settled { run, status, refused: None, ping }
            }
            Err(refused) => {
                let Reply::Refused(failure) = refusal(&refused, &report.job) else { continue };
                Settled { run: None, status: None, refused: Some(failure.error.message), ping: None }
            }
        });
    }
    keeping.flush().await;
    (settled, dispatcher)
}

/// What came of messages is remembered as well: an incident that was told counts as told.
pub async fn settle_deliveries(
    store: &Store,
    dispatcher: &mut Dispatcher,
    reports: impl IntoIterator<Item = crate::outbox::Report>,
    now: Now,
) {
    let mut keeping = super::keep::Keeper::new(store.clone());
    for report in reports {
        keeping.keep(dispatcher.reported(&report, now).into_iter().collect());
    }
    keeping.flush().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::expect;
    use crate::schedule::Expected;
    use crate::store::spool::ExpectedEvery;

    #[test]
    fn a_run_is_expected_once_a_second_at_most_whatever_is_asked_for() {
        for (asked, expected) in [(0, 1_000), (10, 1_000), (1_000, 1_000), (86_400_000, 86_400_000)] {
            let every = Duration::from_millis(asked);
            let made = expect(ExpectedEvery { every, grace: Duration::ZERO });
            assert!(
                matches!(made.times, Expected::Every(every) if every == Duration::from_millis(expected)),
                "{asked}"
            );
        }
    }
}
