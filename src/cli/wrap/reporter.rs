//! The thread that tells of a wrapped run: to the daemon; else in place; else in a record for the next who can.
//!
//! Before it: the run's beginning and its end. After it: `link`, `daemon::settle`, the spool. Invariant: a run that was told in one
//! way and perhaps in a second is known again by its job and its start.

use std::path::{Path, PathBuf};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::link::{Link, NoAnswer};
use crate::api::Code;
use crate::cli::client;
use crate::cli::locate::World;
use crate::cli::runtime;
use crate::clock::{self, Clock as _, Mono, SharedClock, System};
use crate::daemon::{self, Settled};
use crate::diagnostic::{self, Severity, Source};
use crate::document::Rate;
use crate::exec::{Duct, Spawner as _, Status, TimeLimit};
use crate::id::{JobName, RunId, in_one_line};
use crate::notify::{self, Console, Notifier, Signal, Watcher as _, Watchers};
use crate::outbox::{self, Worker};
use crate::plan::{self, Findings, Options, Plan};
use crate::store::spool::{Report, Spool};
use crate::store::{MessageState, OpenError, OutboxFilter, RunningRow, Store, Stored};

/// The answer to the beginning is waited for so long; it may come later.
const BEGIN_ANSWER: Duration = Duration::from_millis(300);

/// The end is taken by then, so that there is time to leave a record; a daemon that does not is left.
const END_TAKEN: Duration = Duration::from_millis(500);

/// The answer to the end.
const END_ANSWER: Duration = Duration::from_millis(1_000);

/// What is busy now is tried again after so long.
const AGAIN: Duration = Duration::from_millis(50);

/// So long after the command's end, the state is waited for while another wrapped command uses it.
const LOCKED: Duration = Duration::from_millis(1_100);

/// Messages are sent in place for so long after the command's end; the rest waits on disk.
const SENDING: Duration = Duration::from_millis(1_500);

/// The fallback is waited for so long after the command's end; then it goes on alone.
const FALLING_BACK: Duration = Duration::from_millis(1_700);

/// What the thread says.
#[derive(Debug)]
pub(super) enum Event {
    /// How long the command may take, and where that is written.
    Limit(Option<(TimeLimit, String)>),
    /// Whether the absence of this run would be an alert.
    Expected(bool),
    /// Whether there is a daemon is known now; and the run's number, if it gave one.
    Known(Option<RunId>),
    /// A line for people.
    Say(String),
    /// The end is in a file, whatever else is tried.
    InFile,
    /// One that `--quiet` keeps back: the run itself is told.
    Remark(String),
    /// The end is told, or cannot be.
    Done(Done),
}

/// What came of the end.
#[derive(Debug)]
pub(super) enum Done {
    /// It is in the history, and the messages are on their way.
    Recorded {
        /// Whether the run was well; none where it was told before.
        ok: Option<bool>,
    },
    /// It is in the history, was not well, and nobody was told of it.
    Untold {
        /// Why.
        why: String,
        /// It waits, and is sent by the next who can.
        waits: bool,
    },
    /// It is in a file: the next daemon takes it up.
    Kept,
    /// Nobody could be told.
    Failed(String),
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Reporter {
    end: std_mpsc::Sender<Report>,
}

impl Reporter {
    /// Tells how the run ended.
    pub(super) fn end(&mut self, report: Report) {
        // Without the thread nobody is told, which shows in that nothing comes.
        let _ = self.end.send(report);
    }
}

/// Starts the thread. It ends with the process at the latest.
#[expect(clippy::disallowed_methods, reason = "whatever hangs in reporting must not hang the command")]
pub(super) fn start(world: World, begun: Report) -> (Reporter, mpsc::UnboundedReceiver<Event>) {
    let (say, events) = mpsc::unbounded_channel();
    let (end, ends) = std_mpsc::channel();
    let failing = say.clone();
    let started =
        std::thread::Builder::new().name("report".to_owned()).spawn(move || report(&world, begun, &say, &ends));
    if let Err(error) = started {
        let _ = failing.send(Event::Done(Done::Failed(error.to_string())));
    }
    (Reporter { end }, events)
}

/// What the configuration says of this run.
struct Settings {
    plan: Plan,
    options: Options,
    /// What is wrong with it: nothing is judged by it.
    broken: Option<String>,
    /// Its file.
    config: Option<PathBuf>,
    sockets: Vec<PathBuf>,
    state_dir: Result<PathBuf, String>,
    limit: Option<(TimeLimit, String)>,
    /// The absence of a run is an alert, or may be: what cannot be read may say so.
    is_expected: bool,
    /// What is wrong with the job's file.
    not_loaded: Option<String>,
}

fn report(world: &World, begun: Report, say: &mpsc::UnboundedSender<Event>, ends: &std_mpsc::Receiver<Report>) {
    let tell = |event| drop(say.send(event));
    let settings = match read(world, &begun) {
        Ok(settings) => settings,
        Err(why) => {
            tell(Event::Limit(None));
            tell(Event::Known(None));
            let _ = ends.recv();
            return tell(Event::Done(Done::Failed(why)));
        }
    };
    tell(Event::Limit(settings.limit.clone()));
    tell(Event::Expected(settings.is_expected));
    if let Some(why) = &settings.not_loaded {
        let job = &begun.job;
        tell(Event::Remark(format!(
            "the file of `{job}` has errors, so that nothing in it counts here, nor `timeout`: {why}"
        )));
    }
    let begun = Report { config: settings.config.clone(), ..begun };
    let mut link = None;
    let mut run = None;
    let mut refused = None;
    // The answer to the beginning is still to come.
    let mut late = false;
    for socket in &settings.sockets {
        let until = System.now().mono + BEGIN_ANSWER;
        let Ok(mut open) = Link::open(socket, &begun, until) else { continue };
        match open.answer(until) {
            Ok(answer) => run = answer["run"].as_u64().map(RunId),
            Err(NoAnswer::Late) => late = true,
            Err(NoAnswer::Broken) => continue,
            // Of another configuration.
            Err(NoAnswer::Refused(failure)) if failure.error.code == Code::Misdirected => continue,
            Err(NoAnswer::Refused(failure)) => {
                refused = Some(failure);
                break;
            }
        }
        link = Some(open);
        break;
    }
    // Without a daemon nobody has refused it yet.
    if link.is_none()
        && refused.is_none()
        && settings.plan.job(begun.job.as_str()).is_some_and(|job| !job.timing.runs_elsewhere())
    {
        refused = Some(Box::new(daemon::runs_here(&begun.job)));
    }
    if let Some(failure) = refused.as_ref().filter(|failure| failure.error.code == Code::RunsHere) {
        let help = failure.error.help.as_deref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
        tell(Event::Say(format!("{}: the command runs, and nobody is told{help}", failure.error.message)));
    }
    tell(Event::Known(run));
    let Ok(mut report) = ends.recv() else { return };
    if refused.is_some_and(|failure| failure.error.code == Code::RunsHere) {
        // It was said before, and the run is nobody's.
        return tell(Event::Done(Done::Kept));
    }
    let ended = System.now().mono;
    (report.run, report.config) = (run, begun.config.clone());
    let kept = || tell(Event::InFile);
    tell(Event::Done(told(world, &settings, (link, late), &report, ended, &kept)));
}

/// Tells the end, in the first way that there is. `in_file` is called when it is in a file.
fn told(
    world: &World,
    settings: &Settings,
    (link, late): (Option<Link>, bool),
    report: &Report,
    ended: Mono,
    in_file: &dyn Fn(),
) -> Done {
    let (taken, until) = (ended + END_TAKEN, ended + END_ANSWER);
    let mut over = None;
    if let Some(mut link) = link {
        let first = link.send(report, taken).and_then(|()| if late { link.answer(until).map(drop) } else { Ok(()) });
        match first.and_then(|()| link.answer(until)) {
            Ok(answer) => return recorded(&answer),
            Err(error) => over = Some(error),
        }
    }
    // First the record where the daemon has gone or does not answer: whatever happens next, the run is known.
    let kept = over.is_some().then(|| keep(settings, report, in_file));
    if !matches!(over, Some(NoAnswer::Late))
        && let Some(done) = told_at_once(settings, report, (taken, until))
    {
        if let (Ok(dir), Some(Ok(record))) = (&settings.state_dir, &kept) {
            Spool::of(dir).remove(record);
        }
        return done;
    }
    let state_dir = match &settings.state_dir {
        Ok(dir) => dir,
        Err(why) => return Done::Failed(why.clone()),
    };
    let kept = kept.unwrap_or_else(|| keep(settings, report, in_file));
    if let Some(why) = &settings.broken {
        let barred = barred(settings, state_dir).map(|socket| ask_for(socket));
        let barred = barred.map(|barred| format!("{barred}; ")).unwrap_or_default();
        return match kept {
            Ok(_) => Done::Failed(format!("{barred}{why}; it is told once that is corrected")),
            Err(_) => Done::Failed(format!("{barred}{why}")),
        };
    }
    match in_place(world, settings, state_dir, report, ended) {
        Ok(done) => done,
        Err(_) if kept.is_ok() => Done::Kept,
        Err(why) => Done::Failed(why),
    }
}

/// Leaves a record of the end for the next who can tell it.
fn keep(settings: &Settings, report: &Report, in_file: &dyn Fn()) -> std::io::Result<PathBuf> {
    let dir = settings.state_dir.as_ref().map_err(|why| std::io::Error::other(why.clone()))?;
    // A record is made within milliseconds, where the database of a first run may take longer than there is time.
    if is_ours(dir) {
        crate::store::make_dir(dir)?;
    }
    let record = Spool::of(dir).put(report)?;
    if settings.broken.is_none() {
        in_file();
    }
    Ok(record)
}

/// Tells a run from its beginning to its end, should a daemon have come up meanwhile, or have no time before. None where
/// there is no daemon that takes it.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, for which nobody waits but the end of wrap, for so long"
)]
fn told_at_once(settings: &Settings, report: &Report, (taken, until): (Mono, Mono)) -> Option<Done> {
    loop {
        let mut busy = false;
        for socket in &settings.sockets {
            match Link::open(socket, report, taken).and_then(|mut link| link.answer(until)) {
                Ok(answer) => return Some(recorded(&answer)),
                Err(NoAnswer::Refused(failure)) if failure.error.code == Code::RunsHere => {
                    return Some(Done::Failed(failure.error.message));
                }
                Err(NoAnswer::Refused(failure)) if failure.error.code == Code::ReadOnly => {
                    let help = failure.error.help.map(|help| format!(": {help}")).unwrap_or_default();
                    return Some(Done::Failed(format!("{}{help}", failure.error.message)));
                }
                Err(NoAnswer::Refused(failure)) => busy |= failure.error.code == Code::Busy,
                Err(_) => {}
            }
        }
        if !busy || System.now().mono + AGAIN >= until {
            return None;
        }
        std::thread::sleep(AGAIN);
    }
}

fn recorded(answer: &serde_json::Value) -> Done {
    Done::Recorded { ok: answer["status"].as_str().map(|status| status == Status::Ok.as_str()) }
}

/// The socket of this configuration's daemon, where it does not let this user in. That of another configuration may be among
/// the places where one is looked for: whose state is somebody else's, its daemon is too.
fn barred<'s>(settings: &'s Settings, state_dir: &Path) -> Option<&'s PathBuf> {
    let whose = client::owner(state_dir);
    let is_its = |socket: &Path| whose.is_none() || client::owner(socket) == whose;
    settings.sockets.iter().find(|socket| is_its(socket) && Link::is_barred(socket))
}

/// What to do about a socket that lets others in.
fn ask_for(socket: &Path) -> String {
    format!("you may not talk to the daemon: ask for the group of {} (`[control] group`)", socket.display())
}

/// Judges, queues and sends here, where there is no daemon and the state is ours.
fn in_place(world: &World, settings: &Settings, dir: &Path, report: &Report, ended: Mono) -> Result<Done, String> {
    if !is_ours(dir) {
        let owner = client::owner_name(dir).unwrap_or_else(|| "another user".to_owned());
        let theirs = format!("{} belongs to {owner}", dir.display());
        return Err(match barred(settings, dir) {
            None => format!(
                "{theirs}, and no daemon answers\n  help: start {owner}'s daemon, which takes reports of its `[control] group`; \
                 or run this as {owner}, or with a folder of your own: `slack-alert --state-dir DIR wrap`"
            ),
            Some(socket) => format!("{theirs}, and {}", ask_for(socket)),
        });
    }
    let clock: SharedClock = std::sync::Arc::new(System);
    // With its thread for the look-up of a name: without one the record is left for who has one.
    let runtime = runtime::of_command().map_err(|failure| failure.message)?;
    runtime.block_on(async {
        let (store, opened) = loop {
            match Store::open_inline(dir, clock.now().wall) {
                // Cron starts its lines together.
                Err(OpenError::Locked { .. }) if clock.now().mono < ended + LOCKED => {
                    clock::sleep_until(&*clock, clock.now().mono + AGAIN).await;
                }
                opened => break opened.map_err(|error| error.to_string())?,
            }
        };
        let place = Place { world, settings, store: &store, interrupted: &opened.interrupted, clock: &clock };
        let spool = Spool::of(dir);
        let first = place.round(&spool, Some(report), ended).await;
        // Those who found the state in use have left a record.
        while clock.now().mono < ended + LOCKED && first.durable && spool.any() {
            if !place.round(&spool, None, ended).await.durable {
                break;
            }
        }
        let unsaved = store.unsaved().await.map_or(0, |unsaved| unsaved.len());
        let _told_below = store.close().await;
        match first {
            Round { own: Some(Settled { refused: Some(why), .. }), .. } => Err(why),
            _ if unsaved > 0 => Err("neither Slack nor the disk took it".to_owned()),
            Round { untold: Some(Untold { why, waits }), .. } => Ok(Done::Untold { why, waits }),
            Round { failed: Some(why), own: None, .. } => Err(why),
            Round { own, .. } => {
                Ok(Done::Recorded { ok: own.and_then(|own| own.status).map(|status| status == Status::Ok) })
            }
        }
    })
}

/// What is judged and sent in place.
struct Place<'a> {
    world: &'a World,
    settings: &'a Settings,
    store: &'a Store,
    interrupted: &'a [RunningRow],
    clock: &'a SharedClock,
}

/// What came of it.
struct Round {
    /// What came of this run.
    own: Option<Settled>,
    /// All of it is on disk.
    durable: bool,
    /// Why nothing could be sent.
    failed: Option<String>,
    /// Nobody was told of this run.
    untold: Option<Untold>,
}

/// Nobody was told of a run.
#[derive(Debug, PartialEq, Eq)]
struct Untold {
    /// Why.
    why: String,
    /// It waits, and is sent by the next who can.
    waits: bool,
}

/// Whether nobody was told of a run that was not well: no channel took what was to be told of it, or, where nothing was, of its
/// incident (`is_told` says whether one did). `undelivered` is what no channel has taken of the job, the newest first.
fn nobody_was_told(run: RunId, is_told: bool, delivered: &[outbox::Report], undelivered: &[Stored]) -> Option<Untold> {
    use outbox::DeliveryResult::{Delivered, InDoubt};

    let took = |report: &outbox::Report| report.run == Some(run) && matches!(report.result, Delivered | InDoubt { .. });
    if delivered.iter().any(took) {
        return None;
    }
    let is_alert = |stored: &&Stored| {
        !stored.is_edit()
            && !stored.is_file()
            && stored.message.status != Status::Ok
            && stored.state != MessageState::Dropped
    };
    let own = |stored: &&Stored| stored.message.run == Some(run);
    let alerts: Vec<&Stored> = undelivered.iter().filter(is_alert).collect();
    let own: Vec<&Stored> = alerts.iter().copied().filter(own).collect();
    let about = match own.is_empty() {
        false => own,
        true if is_told => return None,
        true => alerts,
    };
    // What is tried last says best what is wrong now.
    let why = about.iter().find_map(|stored| stored.why.clone());
    let why = why.unwrap_or_else(|| format!("Slack did not take it within {} s", SENDING.as_secs_f32()));
    let waits = about.iter().any(|stored| matches!(stored.state, MessageState::Waiting | MessageState::Late));
    (!about.is_empty()).then_some(Untold { why, waits })
}

impl Place<'_> {
    /// Judges this run and those in the spool, and sends what waits.
    async fn round(&self, spool: &Spool, report: Option<&Report>, ended: Mono) -> Round {
        let Self { store, clock, .. } = *self;
        let mut records = spool.records(clock.now().wall);
        if let Some(report) = report.filter(|report| !records.iter().any(|(_, record)| record == *report)) {
            records.push((PathBuf::new(), report.clone()));
        }
        let reports: Vec<Report> = records.iter().map(|(_, report)| report.clone()).collect();
        let others = records.iter().any(|(path, _)| !path.as_os_str().is_empty());
        let plan = if others { &with_others(self.world, self.settings, &reports) } else { &self.settings.plan };
        let (settled, mut dispatcher) = daemon::settle(store, self.interrupted, plan, &reports, clock).await;
        let durable = store.flush().await.is_ok() && store.unsaved().await.is_ok_and(|unsaved| unsaved.is_empty());
        for ((path, _), _) in
            records.iter().zip(&settled).filter(|((path, _), _)| durable && !path.as_os_str().is_empty())
        {
            spool.remove(path);
        }
        let pings: Vec<_> = settled.iter().filter_map(|settled| settled.ping.clone()).collect();
        let own = reports.iter().position(|other| Some(other) == report).and_then(|at| settled.get(at)).cloned();
        let (sent, ()) = tokio::join!(
            send(self.world, &self.settings.plan, store, clock, ended),
            tell_watchers(&self.settings.plan, pings, clock, ended),
        );
        let (delivered, failed) = match sent {
            Ok(reports) => (reports, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        daemon::settle_deliveries(store, &mut dispatcher, delivered.iter().cloned(), clock.now()).await;
        let failing = own.as_ref().filter(|own| own.status.is_some_and(|status| status != Status::Ok));
        let untold = match (report, failing.and_then(|own| own.run)) {
            (Some(report), Some(run)) => {
                let incidents = dispatcher.incidents(clock.now());
                let is_told = incidents.iter().any(|open| open.job == report.job && !open.told.is_empty());
                let filter =
                    OutboxFilter { job: Some(report.job.clone()), newest_first: true, ..OutboxFilter::default() };
                let undelivered = store.outbox_list(filter).await.unwrap_or_default();
                let untold = nobody_was_told(run, is_told, &delivered, &undelivered);
                untold.map(|untold| Untold { why: failed.clone().unwrap_or(untold.why), ..untold })
            }
            _ => None,
        };
        Round { own, durable, failed, untold }
    }
}

/// Sends what waits, for as long as there is time. The answer is what came of it.
async fn send(
    world: &World,
    plan: &Plan,
    store: &Store,
    clock: &SharedClock,
    ended: Mono,
) -> Result<Vec<outbox::Report>, String> {
    let notifier: std::sync::Arc<dyn Notifier> = match plan.config.slack.way.source() {
        // What the command printed is its own: a message is no part of it.
        None => std::sync::Arc::new(
            Console::new(Box::new(std::io::stderr()), world.terminal.colour_of_errors(), None)
                .in_zone(plan.config.zone.clone()),
        ),
        Some(_) => notify::connect(&plan.config.slack).map_err(|error| error.to_string())?,
    };
    let settings = outbox::Settings {
        notifier,
        channel: plan.config.slack.place(),
        host: std::sync::Arc::clone(&plan.config.host),
        rate: rate(plan, store, clock).await,
        max_age: plan.config.limits.outbox_max_age,
        fallback_after: plan.config.fallback.as_ref().map(|fallback| fallback.after),
    };
    let loaded = store.load().await.unwrap_or_default();
    let remembered = outbox::Remembered::from_notes(&loaded.notes);
    let (before, failing) = (remembered.outage.clone(), remembered.failing);
    let begun = clock.now().wall;
    let (_settings, changes) = watch::channel(settings);
    let (status, mut seen) = watch::channel(outbox::Status { outage: before.clone(), ..outbox::Status::default() });
    let (reports, mut delivered) = mpsc::unbounded_channel();
    let worker = Worker {
        store: store.clone(),
        clock: SharedClock::clone(clock),
        settings: changes,
        status,
        reports,
        // How other jobs are this process does not know.
        standings: watch::channel(outbox::Standings::default()).1,
        wakeup: outbox::Wakeup::none(),
        seed: begun.as_nanosecond().unsigned_abs() as u64,
        remembered,
    };
    let sending = async {
        tokio::select! {
            () = outbox::run(worker, std::future::ready(()), std::future::pending()) => {}
            () = clock::sleep_until(&**clock, ended + SENDING) => {}
        }
    };
    let falling_back = async {
        // Until it changes, or nothing is sent any more.
        let _changed = seen.wait_for(|status| status.outage != before).await.is_ok();
        let now = seen.borrow().clone();
        if now.last_error.is_some() && now.delivered == 0 && failing.is_none() && plan.config.fallback.is_some() {
            // It has no time to fail for long: the next process that fails too goes on counting from here.
            let _told_by_trouble = store.remember(outbox::FAILING, Some(begun.to_string())).await;
        }
        match (before, now.outage) {
            (None, Some(outage)) => fall_back(plan, store, (outage, false), clock, ended).await,
            (Some(outage), None) => fall_back(plan, store, (outage, true), clock, ended).await,
            _ => {}
        }
    };
    tokio::join!(sending, falling_back);
    Ok(std::iter::from_fn(|| delivered.try_recv().ok()).collect())
}

/// Runs the fallback. It goes on alone where it takes longer than there is time.
async fn fall_back(plan: &Plan, store: &Store, change: (outbox::Outage, bool), clock: &SharedClock, ended: Mono) {
    let Some(run) = daemon::fallback(&plan.config, store, change, clock.now().wall) else { return };
    let spawner = Duct::of_one_run(SharedClock::clone(clock));
    let mut going = spawner.run(run.await);
    tokio::select! {
        _it_was_run = &mut going => {}
        // Whoever lets go of a process ends it.
        () = clock::sleep_until(&**clock, ended + FALLING_BACK) => std::mem::forget(going),
    }
}

/// Tells the watchers of jobs, each once, for as long as there is time.
async fn tell_watchers(plan: &Plan, pings: Vec<Signal>, clock: &SharedClock, ended: Mono) {
    if pings.is_empty() {
        return;
    }
    let watchers = Watchers::new(&plan.config.slack);
    let told = futures_util::future::join_all(pings.into_iter().map(|ping| watchers.signal(ping)));
    tokio::select! {
        _each_or_not = told => {}
        () = clock::sleep_until(&**clock, ended + SENDING) => {}
    }
}

/// The outbox begins with a wait, should a process before it have sent something at its very end. A single message to where
/// nothing was sent lately goes at once: there is no time to wait.
async fn rate(plan: &Plan, store: &Store, clock: &SharedClock) -> Rate {
    let rate = plan.config.slack.rate;
    let spacing = rate.per / rate.count.get();
    let now = clock.now().wall;
    let waiting = store.outbox_list(OutboxFilter::default()).await.map_or(usize::MAX, |waiting| waiting.len());
    let sent = store.last_sent().await.unwrap_or_default();
    let lately = sent.values().any(|at| clock::between(*at, now) < spacing);
    if waiting > 1 || lately { rate } else { Rate { per: Duration::from_millis(1), ..rate } }
}

/// Whether a state directory is this user's, or is still to be made: files that another user makes in it are of no use to its owner.
#[expect(clippy::disallowed_methods, reason = "the door of wrap: whose the state is")]
fn is_ours(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    match std::fs::metadata(dir) {
        Ok(found) => found.uid() == rustix::process::geteuid().as_raw(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The configuration, as far as it is about this job: ten thousand other files are not read.
#[expect(clippy::disallowed_methods, reason = "the door of wrap: by which name a daemon knows the configuration")]
fn read(world: &World, begun: &Report) -> Result<Settings, String> {
    let unusable = || "the configuration cannot be read".to_owned();
    let without_help = |failure: crate::cli::Failure| failure.message.lines().next().unwrap_or_default().to_owned();
    let (options, missing) = match world.options() {
        Ok(options) => (options, None),
        Err(failure) => {
            let missing = world.named_config().map(|_| without_help(failure));
            (world.command_line().map_err(without_help)?, missing)
        }
    };
    let without = plan::load(&only(&options, Vec::new()), &world.surroundings());
    let file = file_of(&without.plan_or_draft().ok_or_else(unusable)?.config.jobs_dir, &begun.job);
    let has_file = file.is_some();
    let loaded = match file {
        Some(file) => plan::load(&only(&options, vec![file]), &world.surroundings()),
        None => without,
    };
    let broken = missing.or_else(|| loaded.plan.is_none().then(|| what_is_wrong(&loaded.findings)));
    let loaded_files: Vec<_> =
        loaded.findings.files.iter().map(|file| loaded.findings.sources.get(*file).clone()).collect();
    let plan = loaded.plan.or(loaded.draft).ok_or_else(unusable)?;
    let job_of_file = plan.job(begun.job.as_str()).cloned();
    let job = job_of_file.as_ref().or(plan.without_file.as_ref());
    let limit = job.and_then(|job| {
        let timeout = job.command.timeout()?;
        let limit = TimeLimit { timeout, kill_after: job.command.kill_after() };
        Some((limit, timeout_of(&loaded_files, options.config.as_deref())))
    });
    let is_expected = begun.expect.is_some()
        || match job_of_file.as_ref().filter(|job| job.timing.runs_elsewhere()) {
            Some(job) => job.timing.has_times(),
            None => job_of_file.is_none() && (has_file || broken.is_some()),
        };
    let not_loaded = plan.not_loaded.iter().find(|other| other.name == begun.job).map(|other| other.why.clone());
    let state_dir = world.state_dir(&plan).map_err(|failure| failure.message);
    let sockets = client::sockets(world, state_dir.clone().ok());
    let config = options.config.clone().or_else(|| world.named_config());
    let config = config.as_deref().map(|config| config.canonicalize().unwrap_or_else(|_| config.to_owned()));
    Ok(Settings { plan, options, broken, config, sockets, state_dir, limit, is_expected, not_loaded })
}

/// Why the configuration cannot be used: its first error. What this user cannot read is no error of it.
fn what_is_wrong(findings: &Findings) -> String {
    let errors: Vec<_> = findings.problems.iter().filter(|problem| problem.severity() == Severity::Error).collect();
    let is_whole_file = |place: &diagnostic::Place| place.source == findings.config && place.start == place.end;
    let unreadable = errors.iter().find(|problem| {
        problem.code == diagnostic::Code::UnreadableFile
            || (problem.code == diagnostic::Code::MissingFile && problem.place().as_ref().is_some_and(is_whole_file))
    });
    if let Some(problem) = unreadable {
        let file = problem.place().map(|place| findings.sources.get(place.source).shown());
        let file = file.map(|file| format!("{file}: ")).unwrap_or_default();
        return format!("{file}{}", in_one_line(&problem.message));
    }
    let why = "the configuration has errors: `slack-alert check` shows them";
    errors.first().map_or_else(|| why.to_owned(), |first| format!("{why}; the first: {}", in_one_line(&first.message)))
}

/// Where the timeout of a job is written: in its own file, else in the configuration.
fn timeout_of(files: &[Source], config: Option<&Path>) -> String {
    let has_own =
        |file: &&Source| toml::from_str::<toml::Table>(&file.text).is_ok_and(|keys| keys.contains_key("timeout"));
    match (files.iter().find(has_own), config) {
        (Some(file), _) => format!("`timeout` in {}", file.shown()),
        (None, Some(config)) => format!("`timeout` in [defaults] of {}", config.display()),
        (None, None) => "`timeout` in [defaults]".to_owned(),
    }
}

fn only(options: &Options, files: Vec<PathBuf>) -> Options {
    Options { only: Some(files), ..options.clone() }
}

/// The file of a job, where it has one.
#[expect(clippy::disallowed_methods, reason = "the door of wrap: whether the job has a file")]
fn file_of(jobs_dir: &Path, job: &JobName) -> Option<PathBuf> {
    let file = jobs_dir.join(format!("{job}.toml"));
    file.is_file().then_some(file)
}

/// What the configuration says of the jobs of these runs too.
fn with_others(world: &World, settings: &Settings, reports: &[Report]) -> Plan {
    let jobs_dir = &settings.plan.config.jobs_dir;
    let mut files: Vec<PathBuf> = reports.iter().filter_map(|report| file_of(jobs_dir, &report.job)).collect();
    files.sort();
    files.dedup();
    let loaded = plan::load(&only(&settings.options, files), &world.surroundings());
    loaded.plan.unwrap_or_else(|| settings.plan.clone())
}

#[cfg(test)]
mod tests {
    use super::{Untold, nobody_was_told};
    use crate::exec::Status;
    use crate::id::{Channel, JobName, RunId};
    use crate::message::{Message, Route, Thread};
    use crate::outbox::{DeliveryResult, Report};
    use crate::store::{MessageId, MessageState, Progress, Stored};

    fn stored(run: u64, state: MessageState, why: Option<&str>) -> Stored {
        let at = jiff::Timestamp::UNIX_EPOCH;
        Stored {
            id: MessageId(run),
            state,
            queued: at,
            attempts: 1,
            why: why.map(str::to_owned),
            dropped: None,
            progress: Progress::default(),
            message: Message {
                job: Some(JobName::new("db")),
                run: Some(RunId(run)),
                event: None,
                status: Status::Critical,
                channel: Channel::new("#ops"),
                text: String::new(),
                blocks: Vec::new(),
                color: None,
                incident: Some(1),
                thread: Thread::Open,
                attachment: None,
                created: at,
                route: Route::default(),
            },
            parent: None,
            first: None,
            superseded: false,
            over: false,
        }
    }

    fn report(run: u64, result: DeliveryResult) -> Report {
        let (job, channel) = (JobName::new("db"), Channel::new("#ops"));
        Report { job, run: Some(RunId(run)), incident: Some(1), event: None, channel, result }
    }

    #[test]
    fn nobody_was_told_of_a_run_where_no_channel_took_its_alert_or_that_of_its_incident() {
        use MessageState::{Dead, Dropped, Waiting};

        let untold = |why: &str, waits| Some(Untold { why: why.to_owned(), waits });
        let elsewhere = || DeliveryResult::Elsewhere { why: "is_archived".into(), waits: true };
        let well = Stored {
            message: Message { status: Status::Ok, ..stored(7, Waiting, None).message },
            ..stored(7, Waiting, None)
        };
        for (is_told, delivered, undelivered, expected) in [
            (false, vec![], vec![stored(7, Waiting, Some("invalid_auth"))], untold("invalid_auth", true)),
            (false, vec![], vec![stored(7, Dead, Some("invalid_blocks"))], untold("invalid_blocks", false)),
            (false, vec![], vec![stored(7, Waiting, None)], untold("Slack did not take it within 1.5 s", true)),
            // Where it was to be told in several places, one is enough.
            (false, vec![report(7, DeliveryResult::Delivered)], vec![stored(7, Waiting, Some("is_archived"))], None),
            (
                false,
                vec![report(7, elsewhere())],
                vec![stored(7, Waiting, Some("is_archived"))],
                untold("is_archived", true),
            ),
            // Its incident was told, and this run was to be told too.
            (true, vec![], vec![stored(7, Waiting, Some("503"))], untold("503", true)),
            // Nothing was to be told of it, since a message waits already.
            (false, vec![], vec![stored(6, Waiting, Some("503"))], untold("503", true)),
            (true, vec![], vec![stored(6, Waiting, Some("503"))], None),
            (false, vec![report(6, DeliveryResult::Delivered)], vec![], None),
            // Nor is there a message: it is not worth one.
            (false, vec![], vec![], None),
            (false, vec![], vec![stored(7, Dropped, None), well], None),
        ] {
            assert_eq!(
                nobody_was_told(RunId(7), is_told, &delivered, &undelivered),
                expected,
                "{is_told} {delivered:?}"
            );
        }
    }
}
