//! The daemon: the [`Dispatcher`] decides, this loop acts.
//!
//! Before it: a plan, and the [`Mailbox`] through which everybody asks it. After it: runs in `exec`, entries in `store`,
//! messages in `outbox`, a [`Snapshot`] for whoever wants to know how it is. Invariants: an alert is on disk before its run
//! counts as handled; a reload never waits for a run, and a bad one changes nothing.

mod absent;
mod bad_files;
mod changes;
pub mod dispatcher;
mod health;
mod heartbeat;
pub mod init;
mod keep;
mod mailbox;
pub mod numbers;
mod pings;
mod punctual;
mod reload;
pub mod signals;
mod snapshot;
mod summary;
pub mod systemd;
mod view;
mod watcher;
mod way;
mod wrapped;

use std::any::Any;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::api;
use crate::clock::{self, Alarm, Mono, Now, SharedClock};
use crate::exec::{HeldBack, Outcome, Place, Run, Spawner, Stop, Trigger};
use crate::id::{JobName, RunId};
use crate::notify::Watcher;
use crate::outbox;
use crate::plan::{Config, Job, Loaded, Plan};
use crate::store::{RunRow, RunningRow, Store};

pub use changes::Changes;
pub use dispatcher::Dispatcher;
use dispatcher::Turn;
pub use health::{fallback, shown as shown_outage};
pub use heartbeat::HeartbeatCounts;
pub use mailbox::{
    Asked, Asker, Inbox, JobOrder, JobQuery, Mailbox, NewHold, NewRun, NotTaken, Ping, Pinged, Reply, Request, mailbox,
};
pub use pings::PingCounts;
use punctual::Punctual;
pub use reload::{VERSIONS_NOTE, Versions, problems};
pub use snapshot::{Configuration, Snapshot};
use systemd::Systemd;
pub use view::not_loaded;
pub use watcher::watch;
pub use wrapped::{Settled, jobs_without_file, runs_here, settle, settle_deliveries, watch_records};

/// After SIGTERM and each run's own `kill_after`, a run is waited for no longer than this.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// For what follows the last run: the outbox gets 10 s, and the store what it needs.
const AFTER_RUNS: Duration = Duration::from_secs(20);

/// What the daemon is handed: everything that touches the world.
pub struct Host {
    /// Both clocks.
    pub clock: SharedClock,
    /// Starts processes.
    pub spawner: Arc<dyn Spawner>,
    /// What runs between two attempts say of their places.
    pub places: mpsc::UnboundedReceiver<Place>,
    /// Keeps state.
    pub store: Store,
    /// Runs that were in progress when the daemon before this one died.
    pub interrupted: Vec<RunningRow>,
    /// The outbox worker's settings; replaced at a reload.
    pub outbox: watch::Sender<outbox::Settings>,
    /// Tells watchers elsewhere.
    pub watcher: Arc<dyn Watcher>,
    /// What the outbox worker says of itself: when Slack takes nothing for long, the fallback is run.
    pub outbox_status: watch::Receiver<outbox::Status>,
    /// Where the daemon says how each job is, before the outbox gets the messages about it.
    pub standings: watch::Sender<outbox::Standings>,
    /// What came of each message of a job.
    pub delivery_reports: mpsc::UnboundedReceiver<outbox::Report>,
    /// Makes the outbox's settings from a configuration: reads the token anew.
    pub connect: Connect,
    /// Where the daemon publishes how it is.
    pub snapshot: watch::Sender<Snapshot>,
    /// Where the daemon tells that something about a job has changed.
    pub changes: Changes,
    /// When the plan was read.
    pub read: Timestamp,
    /// The problems that were found in it.
    pub problems: Vec<api::Problem>,
    /// The service manager, which wants to know.
    pub systemd: Systemd,
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitMode {
    /// Gracefully: the outbox may have its time.
    Graceful,
    /// At once, by a second INT: nothing is waited for.
    AtOnce,
}

/// From a configuration to the outbox's settings; the error is for people.
pub type Connect = Arc<dyn Fn(&Config) -> Result<outbox::Settings, String> + Send + Sync>;

/// Reads the configuration again; called off the loop's thread, since ten thousand files take a while.
pub type Loader = Arc<dyn Fn(&[Arc<Job>]) -> Loaded + Send + Sync>;

/// A run's end, or what the panic said that ended it. Boxed: a task keeps room for it for as long as it goes on.
type End = (RunId, Box<Result<Outcome, String>>);

/// The loop's own state: what is in flight.
struct Daemon {
    host: Host,
    dispatcher: Dispatcher,
    runs: JoinSet<End>,
    keeping: keep::Keeper,
    summary: summary::Summary,
    publisher: snapshot::Publisher,
    health: health::HealthMonitor,
    plan: Plan,
    reloads: reload::Reloads,
    watchers: heartbeat::Watchers,
    /// The last reading of the configuration.
    reading: api::Reload,
    wrapped: wrapped::Wrapped,
    /// Since when messages go to the terminal; none where they go to Slack.
    terminal_since: Option<Timestamp>,
}

/// A daemon whose runs are over. The outbox has its time still: see [`Stopped::keep_reports`].
pub struct Stopped {
    /// How it stopped.
    pub mode: ExitMode,
    daemon: Box<Daemon>,
}

impl std::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stopped").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Stopped {
    /// Hands to the store what came of the messages that were sent since the runs were over: the next daemon knows by it where
    /// an incident was told.
    pub fn keep_reports(mut self) {
        if let Ok(report) = self.daemon.host.delivery_reports.try_recv() {
            self.daemon.reported(report);
        }
    }
}

/// Runs until a request to stop has been carried out. Requests that come later are left in `inbox`.
pub async fn run(plan: Plan, host: Host, loader: Loader, inbox: &mut Inbox) -> Stopped {
    let mut daemon = Box::new(Daemon::start(plan, host, loader).await);
    daemon.ready();
    let mut alarm = Alarm::new(Arc::clone(&daemon.host.clock));
    let mut punctual = Punctual::default();
    loop {
        daemon.learn_places();
        let listens = punctual.listens_until(daemon.host.clock.now().mono);
        let wake = listens.or_else(|| {
            daemon.tick();
            let wake = daemon.next();
            punctual.sleeps_until(wake);
            wake
        });
        tokio::select! {
            asked = inbox.recv() => match daemon.heard(asked).await {
                Next::Go => {},
                Next::Stop => break,
                Next::StopNow => return Stopped { mode: daemon.stop_now().await, daemon },
            },
            loaded = daemon.reloads.loaded() => daemon.reload(loaded).await,
            Some(ended) = daemon.runs.join_next() => daemon.ended(ended),
            Some(place) = daemon.host.places.recv() => daemon.place(place),
            () = daemon.keeping.settled() => {},
            () = daemon.summary.settled() => {},
            // It stays news until a turn has published it.
            () = daemon.publisher.changed(), if listens.is_none() => {},
            Some(report) = daemon.host.delivery_reports.recv() => daemon.reported(report),
            run = daemon.wrapped.gone() => daemon.run_lost(run),
            outcome = daemon.health.fallback_ended() => daemon.fell_back(outcome),
            sent = daemon.watchers.sent() => daemon.watcher_told(sent),
            () = alarm.towards(wake) => {},
        }
    }
    Stopped { mode: daemon.stop(inbox).await, daemon }
}

/// What the loop does after a request.
enum Next {
    Go,
    Stop,
    StopNow,
}

impl Daemon {
    async fn start(plan: Plan, mut host: Host, loader: Loader) -> Self {
        let now = host.clock.now();
        let past = keep::load(&host.store).await;
        let mut dispatcher = Dispatcher::new(plan.config.limits, crate::report::sender(&plan), past.next_run, now);
        // There is no job yet of which something could have been told elsewhere.
        _ = dispatcher.know_places(&outbox::Places::from_note(past.notes.get(outbox::places::NOTE)), now);
        let mut jobs = past.jobs;
        dispatcher.begin_holds(past.holds, past.next_hold);
        let with_saved = |row: RunRow| {
            let saved = jobs.get(&row.job).and_then(|past| past.saved.clone());
            (row, saved)
        };
        let passed = past.passed.into_iter().map(with_saved).collect();
        for job in &plan.jobs {
            dispatcher.add(Arc::clone(job), jobs.remove(&job.name).unwrap_or_default(), now);
        }
        let first = dispatcher.daemon_started(&host.clock.boot(), now);
        dispatcher.resume_passed(passed, now);
        tracing::info!(jobs = plan.jobs.len(), not_loaded = plan.not_loaded.len(), "started");
        if !plan.jobs.is_empty() && plan.jobs.iter().all(|job| !job.timing.enabled) {
            tracing::warn!("no job is enabled: nothing runs");
        }
        let keeping = keep::Keeper::new(host.store.clone());
        let summary = summary::Summary::from_note(past.notes.get(summary::NOTE));
        let publisher =
            snapshot::Publisher::new(host.snapshot.clone(), host.outbox_status.clone(), host.store.trouble());
        let health = health::HealthMonitor::new(publisher.subscribe());
        publisher.configured(&plan, host.read);
        let reloads = reload::Reloads::new(loader, &plan);
        let runs = JoinSet::new();
        let (number, numbered) = heartbeat::state_number(past.notes.get(heartbeat::NOTE));
        let watchers = heartbeat::Watchers::new(Arc::clone(&host.watcher), number);
        let problems = std::mem::take(&mut host.problems);
        let reading = api::Reload { at: host.read, ok: plan.not_loaded.is_empty(), problems };
        let wrapped = wrapped::Wrapped::from_notes(&past.notes);
        let mut daemon = Self {
            host,
            dispatcher,
            runs,
            keeping,
            summary,
            publisher,
            health,
            plan,
            reloads,
            watchers,
            reading,
            wrapped,
            terminal_since: way::terminal_since(past.notes.get(way::NOTE)),
        };
        if numbered.is_some() {
            daemon.keeping.keep(vec![dispatcher::Entry::Noted { key: heartbeat::NOTE, value: numbered }]);
        }
        daemon.tell_standings();
        daemon.keep(first);
        daemon.goes_its_way(now);
        daemon.add_jobs_without_file(|name| jobs.remove(name).unwrap_or_default(), now);
        daemon.take_over_runs_without_file(&mut jobs, now);
        // A job whose file has errors is still watched.
        jobs.retain(|name, _| !daemon.plan.not_loaded.iter().any(|bad| bad.name == *name));
        let gone = daemon.dispatcher.gone_meanwhile(jobs, now);
        daemon.keep(gone);
        let mut unstarted: Vec<dispatcher::Unstarted> = past
            .notes
            .get(dispatcher::UNSTARTED_NOTE)
            .and_then(|note| serde_json::from_str(note).ok())
            .unwrap_or_default();
        // One that got its place in its last second was noted still.
        unstarted.retain(|run| !daemon.host.interrupted.iter().any(|left| run.is(&left.job, left.scheduled)));
        daemon.tell_of_interrupted(past.notes.get(dispatcher::REPORTED_NOTE).map(String::as_str), now);
        daemon.take_up_records().await;
        if past.notes.contains_key(dispatcher::UNSTARTED_NOTE) {
            let turn = daemon.dispatcher.unstarted_before(&unstarted, now);
            daemon.act(turn);
            daemon.keeping.keep(vec![dispatcher::Entry::Noted { key: dispatcher::UNSTARTED_NOTE, value: None }]);
        }
        daemon.check_files(now.mono);
        if let Some(note) = past.notes.get(dispatcher::STARVED_NOTE) {
            let waited = serde_json::from_str(note).unwrap_or_default();
            let over = daemon.dispatcher.waited_before(waited, now);
            daemon.keep(over);
            // Nothing waits for a place any more.
            daemon.keeping.keep(vec![dispatcher::Entry::Noted { key: dispatcher::STARVED_NOTE, value: None }]);
        }
        daemon.note_versions();
        daemon
    }

    /// Runs that were in progress when the daemon before this one died, and whose jobs are not loaded: what lives on of them goes
    /// on to its end, under the time limits of `[defaults]`, as that of a job that a reload removes. A job whose file has errors
    /// is still watched, and what became of its run is told; one whose file is gone is not.
    fn take_over_runs_without_file(&mut self, past: &mut HashMap<JobName, dispatcher::Past>, now: Now) {
        let mut added: Vec<(JobName, bool)> = Vec::new();
        for left in std::mem::take(&mut self.host.interrupted) {
            let is_added = added.iter().any(|(name, _)| *name == left.job);
            let job = match is_added || !self.dispatcher.has(&left.job) {
                true => self.plan.job_left_behind(&left.job),
                false => None,
            };
            let Some(job) = job else {
                self.host.interrupted.push(left);
                continue;
            };
            let is_bad = self.plan.not_loaded.iter().any(|bad| bad.stands_for(left.job.as_str()));
            let command = Arc::clone(&job.command);
            let run = Arc::new(Run::new(left.id, left.job.clone(), command, left.scheduled, left.trigger));
            let end = self.host.spawner.take_over(&run, left.started, left.process.as_ref());
            // One that a `wrap` follows may be reported still.
            if end.is_none() && (!is_bad || left.trigger == Trigger::Reported) {
                self.host.interrupted.push(left);
                continue;
            }
            if !is_added {
                self.dispatcher.add(job, past.remove(&left.job).unwrap_or_default(), now);
                added.push((left.job.clone(), is_bad));
            }
            let Some(end) = end else {
                tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "was in progress when the daemon died");
                let outcome = Outcome::cut_off(left.started, now);
                let turn = self.dispatcher.interrupted(run, &left, outcome, now);
                self.act(turn);
                continue;
            };
            let why = if is_bad { "has errors" } else { "is gone" };
            tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "was in progress when the daemon died, and its process lives on, though its job file {why}: it is waited for");
            self.dispatcher.take_over(Arc::clone(&run), &left, now);
            self.keeping.begin_again(&left);
            self.follow(run.id, end);
        }
        for (job, is_bad) in added {
            if is_bad {
                self.dispatcher.leave(&job, now);
            } else {
                let over = self.dispatcher.forget(&job, "its file was removed", now);
                self.keep(over.into_iter().collect());
                self.tell_standing(&job);
            }
        }
    }

    /// Runs that were in progress when the daemon before this one died: one whose process lives on is in progress still; any other
    /// is told like any other end.
    fn tell_of_interrupted(&mut self, keys: Option<&str>, now: Now) {
        let spool = self.host.store.dir().map(crate::store::spool::Spool::of);
        let told = spool.map(|spool| spool.records(now.wall)).unwrap_or_default();
        let told: Vec<_> = told.into_iter().map(|(_, report)| report).collect();
        let mut keys: HashMap<u64, Box<str>> =
            keys.and_then(|keys| serde_json::from_str(keys).ok()).unwrap_or_default();
        for left in std::mem::take(&mut self.host.interrupted) {
            let Some(run) = self.dispatcher.left(&left) else {
                tracing::warn!(job = %left.job, run = %left.id, "was in progress when the daemon before this one ended; there is no such job any more");
                self.keeping.forget(&left, now.wall);
                continue;
            };
            let key = keys.remove(&left.id.0);
            if left.trigger == Trigger::Reported {
                self.reported_before((&left, key), run, &told, now);
                continue;
            }
            match self.host.spawner.take_over(&run, left.started, left.process.as_ref()) {
                Some(going_on) => {
                    tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "was in progress when the daemon died, and its process lives on: it is waited for");
                    self.dispatcher.take_over(Arc::clone(&run), &left, now);
                    // Should this daemon die too, the next one is to find it.
                    self.keeping.begin_again(&left);
                    self.follow(run.id, going_on);
                }
                None => {
                    tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "was in progress when the daemon died");
                    let outcome = Outcome::cut_off(left.started, now);
                    let turn = self.dispatcher.interrupted(run, &left, outcome, now);
                    self.act(turn);
                }
            }
        }
    }

    /// Carries a request out, one about files with runs too.
    async fn heard(&mut self, asked: Option<Asked>) -> Next {
        match asked {
            Some(asked) if asked.request.is_about_wrapped_runs() => {
                self.wrapped(asked).await;
                Next::Go
            }
            asked => self.asked(asked),
        }
    }

    /// Carries a request out. When nobody can ask any more, that is a request to stop.
    fn asked(&mut self, asked: Option<Asked>) -> Next {
        let Some(asked) = asked else { return Next::Stop };
        if let Some(reply) = self.view(&asked.request) {
            asked.answer(reply);
            return Next::Go;
        }
        let (reply, turn) = self.dispatcher.apply(&asked.request, self.host.clock.now());
        let next = match asked.request {
            Request::Stop => Next::Stop,
            Request::StopNow => Next::StopNow,
            _ => Next::Go,
        };
        let reads = turn.reload;
        self.act(turn);
        match reply {
            Some(Reply::Pinged) => self.answer_when_kept(asked, Reply::Pinged),
            Some(reply) => {
                let reply = self.about_files(&asked.request, reply);
                asked.answer(reply);
            }
            None if reads => self.load(asked),
            None => {}
        }
        next
    }

    /// What came of a message is remembered, together with all that came in meanwhile.
    fn reported(&mut self, first: outbox::Report) {
        let now = self.host.clock.now();
        let mut next = Some(first);
        while let Some(report) = next {
            self.keeping.keep(self.dispatcher.reported(&report, now).into_iter().collect());
            next = self.host.delivery_reports.try_recv().ok();
        }
    }

    /// Tells systemd that a start or a reload is over.
    fn ready(&self) {
        let (jobs, not_loaded) = (self.dispatcher.job_count(), self.plan.not_loaded.len());
        let bad = match not_loaded {
            0 => String::new(),
            _ => format!(", {} with errors", reload::files(not_loaded)),
        };
        self.host.systemd.ready(&format!("{jobs} {}{bad}", if jobs == 1 { "job" } else { "jobs" }));
    }

    /// When there is something to do next, unless something happens before.
    fn next(&self) -> Option<Mono> {
        let due = self.dispatcher.next().into_iter().chain(self.host.systemd.watchdog_due());
        due.chain(self.summary_due()).chain(self.reloads.next()).chain(self.watchers_due()).min()
    }

    /// One turn: looks at the clock, does what is due, and publishes how things are.
    fn tick(&mut self) {
        let now = self.host.clock.now();
        self.host.systemd.feed_watchdog(now.mono);
        let turn = self.dispatcher.tick(now);
        self.act(turn);
        self.summarize(now);
        self.tell_of_files(now.mono);
        self.look_whether_files_are_back(now.mono);
        self.publisher.publish(&self.dispatcher, &self.plan);
        self.check_health(now.mono);
        self.tell_watchers(now);
    }

    fn act(&mut self, turn: Turn) {
        for (run, level) in turn.stop {
            run.stop.raise(level);
        }
        for run in turn.start {
            self.begin(run);
        }
        for (run, started) in turn.reported {
            self.keeping.begin(&run, self.dispatcher.runs_of(&run.job) + 1, started);
            self.ping_begin(&run, self.host.clock.now().mono);
        }
        for (job, run) in turn.entries.iter().filter_map(dispatcher::Entry::about) {
            self.host.changes.of_job(job, run);
        }
        self.ping_ends(&turn.entries, self.host.clock.now().mono);
        self.keep(turn.entries);
    }

    /// Hands entries to the store. How the jobs are that they are about is said first: whoever reads the messages knows it.
    fn keep(&mut self, entries: Vec<dispatcher::Entry>) {
        for (job, _) in entries.iter().filter_map(dispatcher::Entry::about) {
            self.tell_standing(job);
        }
        self.keeping.keep(entries);
    }

    /// Says how a job is, if that is new.
    fn tell_standing(&self, job: &JobName) {
        self.host.standings.send_if_modified(|known| known.set(job, self.dispatcher.standing(job)));
    }

    /// Says how all jobs are.
    fn tell_standings(&self) {
        self.host.standings.send_modify(|known| known.set_all(self.dispatcher.standings()));
    }

    fn begin(&mut self, run: Arc<Run>) {
        let id = run.id;
        self.host.changes.of_job(&run.job, Some(id));
        let now = self.host.clock.now();
        self.keeping.begin(&run, self.dispatcher.runs_of(&run.job) + 1, now.wall);
        self.ping_begin(&run, now.mono);
        let running = self.host.spawner.run(run);
        self.follow(id, running);
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon owns every run")]
    fn follow(&mut self, id: RunId, mut running: Pin<Box<dyn Future<Output = Outcome> + Send>>) {
        // Not an async block, which would keep `running` twice: a task is 128 bytes so, and 256 with a word more.
        self.runs.spawn(poll_fn(move |cx| poll_run(&mut running, cx).map(|end| (id, Box::new(end)))));
    }

    /// What the outbox has learned of names and IDs of channels.
    fn learn_places(&mut self) {
        let now = self.host.clock.now();
        let entries = self.dispatcher.know_places(&self.host.outbox_status.borrow().places, now);
        self.keep(entries);
    }

    /// A run ended; every other that has ended by now is handled with it.
    fn ended(&mut self, first: Result<End, JoinError>) {
        self.learn_places();
        let now = self.host.clock.now();
        let mut next = Some(first);
        // No task is cancelled, and what panics is caught: there is no other `Err`.
        while let Some(Ok((id, end))) = next {
            let outcome = end.unwrap_or_else(|panic| Outcome::internal_error(&panic, now.wall));
            let turn = self.dispatcher.finished(id, outcome, now);
            self.act(turn);
            next = self.runs.try_join_next();
        }
    }

    /// A run waits for another attempt, or no longer.
    fn place(&mut self, place: Place) {
        let (Place::Left(id) | Place::Wanted(id)) = place;
        if let Some(run) = self.dispatcher.runs().find(|run| run.id == id) {
            self.host.changes.of_job(&run.job, Some(id));
        }
        let turn = self.dispatcher.place(place, self.host.clock.now());
        self.act(turn);
    }

    /// No new runs; those in progress get their grace, then SIGTERM, then SIGKILL; then the outbox gets its time.
    async fn stop(&mut self, inbox: &mut Inbox) -> ExitMode {
        self.publisher.publish(&self.dispatcher, &self.plan);
        let grace = self.plan.config.limits.shutdown_grace;
        let running = self.dispatcher.running();
        tracing::info!(running, ?grace, "stopping");
        let kill_after = self.dispatcher.longest_kill_after();
        let within = grace.saturating_add(kill_after).saturating_add(AFTER_KILL + AFTER_RUNS);
        self.host.systemd.stopping(within, &format!("stopping, {running} in progress"));
        let clock = Arc::clone(&self.host.clock);
        let deadline = clock.now().mono + grace;
        for run in self.dispatcher.runs() {
            run.stop.no_attempt_from(deadline);
            // It never ran, and what it waits for comes no sooner: the grace is for those that run.
            if run.progress.held_back() == Some(HeldBack::OpenFiles) {
                run.stop.raise(Stop::Terminate);
            }
        }
        let mut waited = self.wait_for_runs(deadline, Some(&mut *inbox)).await;
        if waited == Waited::TimedOut {
            tracing::warn!(running = self.dispatcher.running(), "the grace is over: ending what still runs");
            self.dispatcher.runs().for_each(|run| run.stop.raise(Stop::Terminate));
            waited = self.wait_for_runs(clock.now().mono + kill_after + AFTER_KILL, Some(inbox)).await;
        }
        if waited == Waited::StopNow {
            return self.stop_now().await;
        }
        self.farewell().await;
        self.summary.flush().await;
        self.keeping.flush().await;
        ExitMode::Graceful
    }

    /// Every run has been told to end at once; only that is waited for.
    async fn stop_now(&mut self) -> ExitMode {
        tracing::warn!(running = self.dispatcher.running(), "stopping at once");
        self.host.systemd.stopping(AFTER_KILL + AFTER_RUNS, "stopping at once");
        self.wait_for_runs(self.host.clock.now().mono + AFTER_KILL, None).await;
        self.keeping.flush().await;
        ExitMode::AtOnce
    }

    /// Waits until no run is in progress. Meanwhile only a request to stop at once is carried out.
    async fn wait_for_runs(&mut self, deadline: Mono, mut inbox: Option<&mut Inbox>) -> Waited {
        let clock = Arc::clone(&self.host.clock);
        while !self.runs.is_empty() {
            let asked = async {
                match &mut inbox {
                    Some(inbox) => inbox.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                Some(ended) = self.runs.join_next() => self.ended(ended),
                Some(place) = self.host.places.recv() => self.place(place),
                Some(report) = self.host.delivery_reports.recv() => self.reported(report),
                Some(asked) = asked => if asked.request == Request::StopNow {
                    self.asked(Some(asked));
                    return Waited::StopNow;
                },
                () = clock::sleep_until(&*clock, deadline) => return Waited::TimedOut,
            }
        }
        Waited::Finished
    }
}

/// Polls a run. A panic in it is a defect of ours and ends this run alone.
fn poll_run(
    running: &mut Pin<Box<dyn Future<Output = Outcome> + Send>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Outcome, String>> {
    match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic_text(&*panic))),
    }
}

/// What `panic!` was given, where that is text.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default().to_owned()
}

/// How a wait for the runs in progress ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// No run is in progress.
    Finished,
    /// The time was up.
    TimedOut,
    /// A second INT came.
    StopNow,
}
