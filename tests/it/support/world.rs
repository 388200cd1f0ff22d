//! The whole program but for processes and sockets, in a simulated world: the real daemon, outbox and store on files that
//! a test writes, a clock that a test sets, commands and a Slack that do as they are told. It can be crashed and started
//! again on what was on disk, and tells what happened as a transcript.

use std::fmt;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use slack_alert::clock::{self, Clock, SharedClock};
use slack_alert::daemon::systemd::Systemd;
use slack_alert::daemon::{self, ExitMode, Host, Mailbox, Reply, Request};
use slack_alert::exec::{
    Captured, Directives, Ending, Environment, Outcome, Output, Reason, Run, Spawner, Status, Stop,
};
use slack_alert::notify::{
    Capabilities, Delivery, Doing, Looked, Lookup, Notifier, Receipt, Signal, SignalError, Signalling, Watcher,
};
use slack_alert::outbox::{self, Outage, Worker};
use slack_alert::plan::{self, Config, Job, Options, Surroundings};
use slack_alert::store::{HistoryFilter, OpenError, Opened, OutboxFilter, RunRow, Store, Stored};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::clock::SimClock;
use super::notifier::{FakeNotifier, Sent};

/// What a run does.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) takes: Duration,
    pub(crate) status: Status,
    pub(crate) stdout: String,
    /// How long it goes on after SIGTERM; `kill_after` ends that.
    pub(crate) deaf: Duration,
    /// It shows a defect of ours at its end.
    pub(crate) panics: bool,
    /// It asks for silence after it, by a directive.
    pub(crate) silence: Option<Duration>,
    /// It says which incident of its job it belongs to, by a directive.
    pub(crate) key: Option<&'static str>,
    /// A precondition was not met (`exit_codes.skip`).
    pub(crate) skipped: bool,
}

/// Ok, at once, and says this.
pub(crate) fn says(stdout: &str) -> Act {
    Act {
        takes: Duration::ZERO,
        status: Status::Ok,
        stdout: stdout.to_owned(),
        deaf: Duration::ZERO,
        panics: false,
        silence: None,
        key: None,
        skipped: false,
    }
}

/// Critical, at once.
pub(crate) fn fails(stdout: &str) -> Act {
    Act { status: Status::Critical, ..says(stdout) }
}

impl Act {
    pub(crate) fn takes(self, seconds: u64) -> Self {
        Self { takes: Duration::from_secs(seconds), ..self }
    }

    pub(crate) fn keyed(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub(crate) fn not_run(self) -> Self {
        Self { skipped: true, ..self }
    }

    pub(crate) fn deaf(self, seconds: u64) -> Self {
        Self { deaf: Duration::from_secs(seconds), ..self }
    }
}

type Script = Box<dyn FnMut(&Run, Duration) -> Act + Send>;

/// One run, as the spawner saw it.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) run: Arc<Run>,
    /// By the stop-watch.
    pub(crate) started: Duration,
    /// On the wall.
    pub(crate) wall: Timestamp,
    /// By the stop-watch; none while it goes, and of one that a crash ended.
    pub(crate) ended: Option<Duration>,
    /// What it was told, at the last.
    pub(crate) stop: Stop,
}

/// Runs nothing: each run does as the script says.
pub(crate) struct FakeSpawner {
    clock: SharedClock,
    script: Mutex<Script>,
    ran: Arc<Mutex<Vec<Ran>>>,
}

impl FakeSpawner {
    fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, script: Mutex::new(Box::new(|_, _| says(""))), ran: Arc::default() })
    }

    pub(crate) fn play(&self, script: impl FnMut(&Run, Duration) -> Act + Send + 'static) {
        *self.script.lock().expect("no script panics") = Box::new(script);
    }

    pub(crate) fn ran(&self) -> Vec<Ran> {
        self.ran.lock().expect("no script panics").clone()
    }
}

impl Spawner for FakeSpawner {
    fn run(&self, run: Arc<Run>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        let began = self.clock.now();
        let act = (self.script.lock().expect("no script panics"))(&run, began.mono.0);
        let kill_after = run.command.kill_after();
        run.progress.pid.store(4_000, Ordering::Relaxed);
        let (clock, ran) = (Arc::clone(&self.clock), Arc::clone(&self.ran));
        let index = {
            let mut ran = ran.lock().expect("no script panics");
            ran.push(Ran {
                run: Arc::clone(&run),
                started: began.mono.0,
                wall: began.wall,
                ended: None,
                stop: Stop::No,
            });
            ran.len() - 1
        };
        Box::pin(async move {
            let told = |stop| ran.lock().expect("no script panics")[index].stop = stop;
            let stopped = async {
                told(run.stop.rises(Stop::No).await);
                let deaf = clock.now().mono + act.deaf.min(kill_after);
                tokio::select! {
                    () = clock::sleep_until(&*clock, deaf) => if act.deaf > kill_after { told(Stop::Kill) },
                    _ = run.stop.rises(Stop::Terminate) => told(Stop::Kill),
                }
            };
            let interrupted = tokio::select! {
                biased;
                () = clock::sleep_until(&*clock, began.mono + act.takes) => false,
                () = stopped => true,
            };
            assert!(!act.panics, "a defect in run {}", run.id);
            let now = clock.now();
            ran.lock().expect("no script panics")[index].ended = Some(now.mono.0);
            let text = Captured { head: act.stdout.into_bytes(), ..Captured::default() };
            let output = Output { both: text.clone(), stdout: text, ..Output::default() };
            let ended = Outcome {
                started: began.wall,
                took: now.mono - began.mono,
                skipped: act.skipped,
                output,
                directives: Directives {
                    silence: act.silence,
                    key: act.key.map(str::to_owned),
                    ..Directives::default()
                },
                ..Outcome::status_only(act.status, now.wall)
            };
            match interrupted {
                true => Outcome {
                    status: Status::Critical,
                    reason: Reason::Interrupted,
                    ending: Ending::Interrupted,
                    ..ended
                },
                false => ended,
            }
        })
    }
}

impl fmt::Debug for FakeSpawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeSpawner")
    }
}

/// A watcher elsewhere, which answers as it is told to, and is well without a word.
#[derive(Debug)]
pub(crate) struct FakeWatcher {
    clock: SharedClock,
    answers: Mutex<Vec<Result<(), SignalError>>>,
    told: Mutex<Vec<(Duration, Signal)>>,
}

impl FakeWatcher {
    /// The next signals are answered so.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Result<(), SignalError>>) {
        self.answers.lock().expect("nobody panics").splice(0..0, answers);
    }

    /// What it was told, a line each: `00:10 /fail the reason`.
    pub(crate) fn told(&self) -> Vec<String> {
        let told = self.told.lock().expect("nobody panics");
        let line = |(at, signal): &(Duration, Signal)| {
            let body = signal.body.as_deref().unwrap_or_default();
            format!("{:02}:{:02} {} {body}", at.as_secs() / 60, at.as_secs() % 60, signal.path).trim_end().to_owned()
        };
        told.iter().map(line).collect()
    }
}

impl Watcher for FakeWatcher {
    fn signal(&self, signal: Signal) -> Signalling {
        self.told.lock().expect("nobody panics").push((self.clock.now().mono.0, signal));
        let mut answers = self.answers.lock().expect("nobody panics");
        let answer = if answers.is_empty() { Ok(()) } else { answers.remove(0) };
        Box::pin(async move { answer })
    }
}

/// A new way out to the same Slack: what a reload makes.
#[derive(Debug)]
struct Relay(Arc<FakeNotifier>);

impl Notifier for Relay {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        self.0.send(delivery)
    }

    fn look_up(&self, lookup: Lookup) -> Doing<Option<Looked>> {
        self.0.look_up(lookup)
    }
}

/// One life of the daemon.
struct Life {
    mailbox: Mailbox,
    daemon: JoinHandle<ExitMode>,
    worker: JoinHandle<()>,
    drain: Option<oneshot::Sender<()>>,
}

/// The world.
pub(crate) struct World {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) slack: Arc<FakeNotifier>,
    pub(crate) spawner: Arc<FakeSpawner>,
    pub(crate) watcher: Arc<FakeWatcher>,
    pub(crate) store: Option<Store>,
    pub(crate) options: Options,
    /// The time zone of the machine.
    pub(crate) zone: Arc<Mutex<TimeZone>>,
    start: Timestamp,
    files: TempDir,
    state: TempDir,
    life: Option<Life>,
    /// When it crashed.
    pub(crate) crashes: Vec<Duration>,
}

/// A folder in memory where there is one: the disk's speed is no part of this.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.expect("a scratch folder")
}

impl World {
    /// A world with these files at this time; nothing runs yet.
    pub(crate) fn new(start: &str, files: &[(&str, &str)]) -> Self {
        let start: Timestamp = start.parse().expect("a time");
        let clock = Arc::new(SimClock::new(start));
        let dir = scratch();
        fs::create_dir(dir.path().join("jobs.d")).expect("a folder");
        let options = Options { config: Some(dir.path().join("slack_alert.toml")), ..Options::default() };
        let world = Self {
            slack: FakeNotifier::new(clock.clone()),
            spawner: FakeSpawner::new(clock.clone()),
            watcher: Arc::new(FakeWatcher { clock: clock.clone(), answers: Mutex::default(), told: Mutex::default() }),
            clock,
            store: None,
            options,
            zone: Arc::new(Mutex::new(TimeZone::UTC)),
            start,
            files: dir,
            state: scratch(),
            life: None,
            crashes: Vec::new(),
        };
        world.file("slack_alert.toml", "slack.channel = '#ops'\nhost = 'web-1'\ntime_zone = 'UTC'\n");
        for (name, text) in files {
            world.file(name, text);
        }
        world
    }

    /// The same, started.
    pub(crate) async fn started(
        start: &str,
        files: &[(&str, &str)],
        script: impl FnMut(&Run, Duration) -> Act + Send + 'static,
    ) -> Self {
        let mut world = Self::new(start, files);
        world.spawner.play(script);
        world.start().await;
        world
    }

    /// Writes a file.
    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.files.path().join(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(path, text).expect("files can be written");
    }

    /// Takes a file away.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.files.path().join(name)).expect("it was there");
    }

    /// Starts the daemon and the outbox on what is on disk.
    pub(crate) async fn start(&mut self) {
        let (options, zone) = (self.options.clone(), Arc::clone(&self.zone));
        let loader = move |in_use: &[Arc<Job>]| {
            let environment = Environment::new([("PATH".into(), "/usr/bin:/bin".into())]);
            let zone = zone.lock().expect("no test panics with it").clone();
            let around = Surroundings { environment: Arc::new(environment), zone, host: "web-1".to_owned() };
            plan::load_again(&options, &around, in_use)
        };
        let loaded = loader(&[]);
        let plan = loaded.plan.unwrap_or_else(|| panic!("{}", loaded.findings.first_error()));
        let (store, opened) = self.open();
        let slack = Arc::clone(&self.slack);
        let connect: daemon::Connect = Arc::new(move |config: &Config| {
            Ok(outbox::Settings {
                notifier: Arc::new(Relay(Arc::clone(&slack))),
                channel: config.slack.channel.clone(),
                host: Arc::clone(&config.host),
                rate: config.slack.rate,
                max_age: config.limits.outbox_max_age,
                fallback_after: config.fallback.as_ref().map(|fallback| fallback.after),
            })
        });
        let notes = store.load().await.expect("the store is well").notes;
        let outage = Outage::from_note(notes.get(outbox::outage::NOTE));
        let (outbox, settings) = watch::channel(connect(&plan.config).expect("a way out"));
        let (status, outbox_status) = watch::channel(outbox::Status::at_start(&store, outage.clone()).await);
        let clock: SharedClock = self.clock.clone();
        let (reports, delivery_reports) = tokio::sync::mpsc::unbounded_channel();
        let notes = store.load().await.expect("memory is well").notes;
        let remembered = outbox::Remembered { outage, ..outbox::Remembered::from_notes(&notes) };
        let wakeup = outbox::Wakeup::none();
        let (store2, clock2) = (store.clone(), clock.clone());
        let (standings, known) = watch::channel(outbox::Standings::default());
        let worker = Worker {
            store: store2,
            clock: clock2,
            settings,
            status,
            reports,
            standings: known,
            wakeup,
            seed: 7,
            remembered,
        };
        let host = Host {
            clock,
            spawner: self.spawner.clone(),
            places: tokio::sync::mpsc::unbounded_channel().1,
            store: store.clone(),
            interrupted: opened.interrupted,
            outbox,
            watcher: self.watcher.clone(),
            outbox_status,
            standings,
            snapshot: watch::Sender::new(daemon::Snapshot::default()),
            changes: daemon::Changes::default(),
            read: self.clock.now().wall,
            problems: Vec::new(),
            delivery_reports,
            connect,
            systemd: Systemd::default(),
        };
        let (mailbox, mut inbox) = daemon::mailbox();
        let (drain, drained) = oneshot::channel::<()>();
        let worker = tokio::spawn(outbox::run(worker, async { drop(drained.await) }, std::future::pending()));
        let daemon = tokio::spawn(async move { daemon::run(plan, host, Arc::new(loader), &mut inbox).await.mode });
        self.store = Some(store);
        self.life = Some(Life { mailbox, daemon, worker, drain: Some(drain) });
    }

    /// Opens the state. Another test of this process may be between fork and exec, and hold a copy of the lock for a moment
    /// of real time.
    fn open(&self) -> (Store, Opened) {
        for _ in 0..1_000 {
            match Store::open_inline(self.state.path(), self.clock.now().wall) {
                Err(OpenError::Locked { .. }) => std::thread::sleep(Duration::from_millis(5)),
                opened => return opened.expect("a store"),
            }
        }
        panic!("the state stays locked");
    }

    /// Time passes.
    pub(crate) async fn pass(&self, length: Duration) {
        let until = self.clock.elapsed() + length;
        while self.clock.elapsed() < until {
            tokio::time::sleep(until - self.clock.elapsed()).await;
        }
        // What is due at this very moment is done.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Sets the wall clock.
    pub(crate) fn set_clock(&self, by_seconds: i64) {
        self.clock.step(SignedDuration::from_secs(by_seconds));
    }

    /// Hands a request over, and does not wait for the answer.
    pub(crate) async fn request(&self, request: Request) {
        let life = self.life.as_ref().expect("it runs");
        drop(life.mailbox.send(request).await);
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, request: Request) -> Reply {
        let life = self.life.as_ref().expect("it runs");
        life.mailbox.ask(request).await.expect("it answers")
    }

    /// Some of the files have changed, as the watcher of files would say it; waits until they are read.
    pub(crate) async fn files_changed(&self) {
        let life = self.life.as_ref().expect("it runs");
        life.mailbox.ask(Request::FilesChanged).await.expect("it answers");
    }

    /// Reads the files again, and waits until that is over.
    pub(crate) async fn reload(&self) {
        let life = self.life.as_ref().expect("it runs");
        life.mailbox.ask(Request::Reload).await.expect("it answers");
    }

    /// Stops gracefully; the answer is how long the daemon took, and the outbox then.
    pub(crate) async fn stop(&mut self) -> (ExitMode, Duration) {
        self.request(Request::Stop).await;
        self.end().await
    }

    /// Waits for the end that was ordered.
    pub(crate) async fn end(&mut self) -> (ExitMode, Duration) {
        let begun = self.clock.elapsed();
        let mut life = self.life.take().expect("it runs");
        let mode = life.daemon.await.expect("the daemon does not panic");
        let took = self.clock.elapsed() - begun;
        drop(life.drain.take());
        life.worker.await.expect("the worker does not panic");
        let store = self.store.take().expect("it runs");
        store.close().await.expect("the store is well");
        (mode, took)
    }

    /// The daemon dies here and now: what is on disk is all that is left.
    pub(crate) async fn crash(&mut self) {
        let life = self.life.take().expect("it runs");
        life.daemon.abort();
        life.worker.abort();
        for ended in [life.daemon.await.err(), life.worker.await.err()] {
            assert!(ended.is_some_and(|error| error.is_cancelled()), "it was no crash: it had ended, or panicked");
        }
        // What SQLite holds in memory dies with it: a copy of the files is what a new process finds.
        let copy = scratch();
        for file in ["state.db", "state.db-wal"] {
            if self.state.path().join(file).exists() {
                fs::copy(self.state.path().join(file), copy.path().join(file)).expect("files can be copied");
            }
        }
        self.store = None;
        self.state = copy;
        self.crashes.push(self.clock.elapsed());
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().expect("it runs")
    }

    /// Everything in the outbox, dead letters too.
    pub(crate) async fn outbox(&self, dead: bool) -> Vec<Stored> {
        let filter = OutboxFilter { dead, limit: 1_000_000, ..OutboxFilter::default() };
        self.store().outbox_list(filter).await.expect("the store is well")
    }

    /// Every run in the history, newest first.
    pub(crate) async fn history(&self) -> Vec<RunRow> {
        let filter = HistoryFilter { limit: 1_000_000, ..HistoryFilter::default() };
        self.store().history(filter).await.expect("the store is well")
    }

    fn time(&self, at: Duration) -> String {
        let zoned = clock::shift(self.start, at).to_zoned(TimeZone::UTC);
        zoned.strftime("%H:%M:%S").to_string()
    }

    /// What Slack got, a line each: `08:00:02 #ops text`; what it did not take is left out.
    pub(crate) fn messages(&self) -> Vec<String> {
        let sent = self.slack.sent();
        let line = |sent: &Sent| format!("{} {} {}", self.time(sent.at), sent.channel, flat(&sent.text));
        sent.iter().filter(|sent| sent.taken).map(line).collect()
    }

    /// The runs, a line each: `08:00:02 disk`, and when it ended where that was later: `08:00:02-08:00:07 disk`. Times are
    /// the stop-watch's.
    pub(crate) fn runs(&self) -> Vec<String> {
        let line = |ran: &Ran| {
            let (from, name) = (self.time(ran.started), ran.run.job.as_str());
            match ran.ended.map(|ended| self.time(ended)) {
                Some(to) if to == from => format!("{from} {name}"),
                Some(to) => format!("{from}-{to} {name}"),
                None => format!("{from}-… {name}"),
            }
        };
        self.spawner.ran().iter().map(line).collect()
    }
}

/// A text in one line.
fn flat(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}
