//! The daemon: the [`Dispatcher`] decides, this loop acts. Together with the outbox worker's, the only loops there are.
//!
//! Before it: a plan. After it: runs in `exec`, records in `store`, messages in `outbox`. An alert is on disk before its
//! run counts as handled; a reload never waits for a run, and a bad one changes nothing.

pub mod directives;
pub mod dispatcher;
pub mod init;
mod keep;
mod lookout;
mod reload;
pub mod signals;
pub mod speak;
mod summary;
pub mod systemd;

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::clock::{self, Alarm, Mono, Now, SharedClock};
use crate::exec::{Outcome, Run, Spawner, Stop};
use crate::id::RunId;
use crate::outbox;
use crate::plan::{Config, Loaded, Plan};
use crate::store::{RunningRow, Store};

pub use dispatcher::Dispatcher;
pub use reload::voice;
use systemd::Systemd;

/// After SIGTERM and each run's own `kill_after`, nothing is waited for longer than this.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// For what follows the last run: the outbox gets 10 s (SPEC 8), and the store what it needs.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// What the daemon is handed: everything that touches the world.
pub struct Host {
    /// Both clocks.
    pub clock: SharedClock,
    /// Starts processes.
    pub spawner: Arc<dyn Spawner>,
    /// Keeps state.
    pub store: Store,
    /// Runs that were in progress when the daemon before this one died.
    pub interrupted: Vec<RunningRow>,
    /// What the outbox worker goes by; replaced at a reload.
    pub outbox: watch::Sender<outbox::Settings>,
    /// How the outbox does: when Slack takes nothing for long, the fallback is run.
    pub outbox_status: watch::Receiver<outbox::Status>,
    /// Makes the outbox's settings from a configuration: reads the token anew.
    pub connect: Connect,
    /// Is told how it goes.
    pub systemd: Systemd,
}

/// What a signal, or a person, asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read the configuration again (HUP).
    Reload,
    /// Stop gracefully (TERM, the first INT).
    Stop,
    /// Stop at once (the second INT).
    StopNow,
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// In peace: the outbox may have its time.
    Graceful,
    /// By a second INT: nothing is waited for.
    AtOnce,
}

/// From a configuration to the outbox's settings; the error is for people.
pub type Connect = Arc<dyn Fn(&Config) -> Result<outbox::Settings, String> + Send + Sync>;

/// Reads the configuration again; called off the loop's thread, since ten thousand files take a while.
pub type Loader = Arc<dyn Fn() -> Loaded + Send + Sync>;

/// A run's end, or what the panic said that ended it. Boxed: a task keeps room for it for as long as it goes on.
type End = (RunId, Box<Result<Outcome, String>>);

/// The loop's own state: what is in flight.
struct Daemon {
    host: Host,
    dispatcher: Dispatcher,
    runs: JoinSet<End>,
    keeping: keep::Keeper,
    summary: summary::Summary,
    lookout: lookout::Lookout,
    plan: Plan,
}

/// Runs until an order to stop has been carried out. Orders that come later are left in `orders`.
pub async fn run(plan: Plan, host: Host, loader: Loader, orders: &mut mpsc::Receiver<Order>) -> Parting {
    let mut daemon = Daemon::start(plan, host).await;
    daemon.ready();
    let mut loads: JoinSet<Loaded> = JoinSet::new();
    let mut again = false;
    let mut alarm = Alarm::new(Arc::clone(&daemon.host.clock));
    loop {
        daemon.tick();
        let wake = daemon
            .dispatcher
            .next()
            .into_iter()
            .chain(daemon.host.systemd.watchdog_due())
            .chain(daemon.summary_due())
            .min();
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Reload) if loads.is_empty() => daemon.load(&mut loads, &loader),
                Some(Order::Reload) => again = true,
                Some(Order::StopNow) => return daemon.stop_now().await,
                Some(Order::Stop) | None => break,
            },
            Some(loaded) = loads.join_next() => {
                daemon.reload(loaded).await;
                daemon.ready();
                if std::mem::take(&mut again) {
                    daemon.load(&mut loads, &loader);
                }
            },
            Some(ended) = daemon.runs.join_next() => daemon.ended(ended),
            () = daemon.keeping.settled() => {},
            () = daemon.summary.settled() => {},
            sighting = daemon.lookout.next() => daemon.sighted(sighting),
            () = alarm.towards(wake) => {},
        }
    }
    daemon.stop(orders).await
}

impl Daemon {
    async fn start(plan: Plan, host: Host) -> Self {
        let now = host.clock.now();
        let past = keep::load(&host.store).await;
        let mut dispatcher = Dispatcher::new(plan.config.limits, voice(&plan), past.next_run, now);
        let mut jobs = past.jobs;
        for job in &plan.jobs {
            dispatcher.add(Arc::clone(job), jobs.remove(&job.name).unwrap_or_default(), now);
        }
        tracing::info!(jobs = plan.jobs.len(), aside = plan.aside.len(), "started");
        let keeping = keep::Keeper::new(host.store.clone());
        let summary = summary::Summary::from_note(past.notes.get(summary::NOTE));
        let lookout = lookout::Lookout::new(host.outbox_status.clone(), host.store.trouble());
        let mut daemon = Self { host, dispatcher, runs: JoinSet::new(), keeping, lookout, summary, plan };
        daemon.tell_of_interrupted(now);
        daemon.announce_aside(&[]);
        daemon
    }

    /// Runs that the death of the daemon before this one ended are told like any other end: no run disappears.
    fn tell_of_interrupted(&mut self, now: Now) {
        for left in std::mem::take(&mut self.host.interrupted) {
            tracing::warn!(job = %left.job, run = %left.id, started = %left.started, "was in progress when the daemon died");
            match self.dispatcher.interrupted(&left, now) {
                Some(record) => self.keeping.keep(vec![record]),
                None => self.keeping.forget(&left, now.wall),
            }
        }
    }

    /// On a thread of its own: reading ten thousand files would hold up every run that is due.
    fn load(&self, loads: &mut JoinSet<Loaded>, loader: &Loader) {
        let loader = Arc::clone(loader);
        self.host.systemd.reloading();
        tracing::info!("reading the configuration again");
        loads.spawn_blocking(move || loader());
    }

    /// Tells systemd that a start or a reload is over.
    fn ready(&self) {
        let (jobs, aside) = (self.plan.jobs.len(), self.plan.aside.len());
        let aside = if aside == 0 { String::new() } else { format!(", {aside} set aside for errors") };
        self.host.systemd.ready(&format!("{jobs} {}{aside}", if jobs == 1 { "job" } else { "jobs" }));
    }

    /// Looks at the clock, and does what is due.
    fn tick(&mut self) {
        let now = self.host.clock.now();
        self.host.systemd.feed_watchdog(now.mono);
        let turn = self.dispatcher.tick(now);
        self.act(turn);
        self.summarize(now);
    }

    fn act(&mut self, turn: dispatcher::Turn) {
        for (run, level) in turn.stop {
            run.stop.raise(level);
        }
        for run in turn.start {
            self.begin(run);
        }
        self.keeping.keep(turn.records);
    }

    fn begin(&mut self, run: Arc<Run>) {
        let id = run.id;
        self.keeping.begin(&run, self.dispatcher.runs_of(&run.job) + 1, self.host.clock.now().wall);
        let mut running = self.host.spawner.run(run);
        // Not an async block, which would keep `running` twice: a task is 128 bytes so, and 256 with a word more.
        self.runs.spawn(poll_fn(move |cx| look(&mut running, cx).map(|end| (id, Box::new(end)))));
    }

    /// A run ended, and with it every other that has ended by now: one round of records.
    fn ended(&mut self, first: Result<End, JoinError>) {
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

    /// No new runs; those in progress get their grace, then SIGTERM, then SIGKILL; then the outbox gets its time.
    async fn stop(mut self, orders: &mut mpsc::Receiver<Order>) -> Parting {
        self.dispatcher.stop();
        let grace = self.plan.config.limits.shutdown_grace;
        let running = self.dispatcher.running();
        tracing::info!(running, ?grace, "stopping");
        let kill_after = self.dispatcher.longest_kill_after();
        let within = grace.saturating_add(kill_after).saturating_add(LAST_MOMENT + LAST_WORDS);
        self.host.systemd.stopping(within, &format!("stopping, {running} in progress"));
        let clock = Arc::clone(&self.host.clock);
        let mut waited = self.wait_for_runs(clock.now().mono + grace, orders).await;
        if waited == Waited::TooLong {
            tracing::warn!(running = self.dispatcher.running(), "the grace is over: ending what still runs");
            self.stop_runs(Stop::Terminate);
            waited = self.wait_for_runs(clock.now().mono + kill_after + LAST_MOMENT, orders).await;
        }
        if waited == Waited::CutShort {
            return self.stop_now().await;
        }
        self.summary.flush().await;
        self.keeping.flush().await;
        Parting::Graceful
    }

    /// Every run is killed, and nothing is waited for but that.
    async fn stop_now(mut self) -> Parting {
        self.dispatcher.stop();
        tracing::warn!(running = self.dispatcher.running(), "stopping at once");
        self.host.systemd.stopping(LAST_MOMENT + LAST_WORDS, "stopping at once");
        self.stop_runs(Stop::Kill);
        let (_none, mut orders) = mpsc::channel(1);
        self.wait_for_runs(self.host.clock.now().mono + LAST_MOMENT, &mut orders).await;
        self.keeping.flush().await;
        Parting::AtOnce
    }

    fn stop_runs(&self, level: Stop) {
        self.dispatcher.runs().for_each(|run| run.stop.raise(level));
    }

    /// Waits until no run is in progress.
    async fn wait_for_runs(&mut self, deadline: Mono, orders: &mut mpsc::Receiver<Order>) -> Waited {
        let clock = Arc::clone(&self.host.clock);
        while !self.runs.is_empty() {
            tokio::select! {
                Some(ended) = self.runs.join_next() => self.ended(ended),
                Some(order) = orders.recv() => if order == Order::StopNow {
                    return Waited::CutShort;
                },
                () = clock::sleep_until(&*clock, deadline) => return Waited::TooLong,
            }
        }
        Waited::ToTheEnd
    }
}

/// One look at a run. A panic in it is a fault of ours, and this run's end: it stops nobody else.
fn look(
    running: &mut Pin<Box<dyn Future<Output = Outcome> + Send>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Outcome, String>> {
    match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(said(&*panic))),
    }
}

/// What `panic!` was given; nothing that is no text.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default().to_owned()
}

/// How a wait for the runs in progress ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// No run is in progress.
    ToTheEnd,
    /// The time was up.
    TooLong,
    /// By a second INT.
    CutShort,
}
