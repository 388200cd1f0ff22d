//! `slack-alert run`: the composition root. Everything that touches the world is made here and handed to the daemon.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::args::{LogFormat, RunArgs, Scheduler};
use super::locate::World;
use super::{Failure, attended, control, logs, runtime};
use crate::api;
use crate::clock::{Clock, SharedClock, System};
use crate::daemon::systemd::Systemd;
use crate::daemon::{self, Connect, ExitMode, Host, Request};
use crate::exec::{self, Duct, TellStarted, Ties};
use crate::http::unix::Socket;
use crate::http::{self, Core, Whose};
use crate::id::JobName;
use crate::notify::{self, Console, Notifier};
use crate::outbox::{self, Worker};
use crate::plan::{self, Config, Plan};
use crate::store::{Opened, Store, Stored};

/// Messages that a stop could not save are named one by one, so many of them.
const MOST_UNSAVED_LINES: usize = 1_000;

/// The last answers of Slack are waited for no longer than this when a stop is to be at once.
const LAST_PATIENCE: Duration = Duration::from_secs(3);

/// So long the end of the program waits for threads that read files or write messages to a terminal.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// Runs the daemon until a signal ends it.
pub(super) fn run(world: &World, args: &RunArgs) -> Result<ExitCode, Failure> {
    if std::process::id() == 1 {
        return as_process_1();
    }
    exec::raise_open_files();
    let read = System.now().wall;
    let (loaded, options) = world.load_to_stay()?;
    let problems = daemon::problems(&loaded.findings);
    let on_terminal = args.dry_run || loaded.plan.as_ref().is_some_and(|plan| plan.config.slack.way.source().is_none());
    let attended = on_terminal && world.terminal.is_attended() && args.log_format == LogFormat::Text;
    let lines = if attended { logs::Lines::None } else { logs::Lines::Info };
    let log = logs::start_beside(world, args.log_format, lines);
    let ended = start(world, args, attended && world.global.verbose == 0, (loaded, options, problems, read));
    if let Some(log) = log {
        log.flush();
    }
    ended
}

/// What was read at the start: the files, where they are, the problems found in them, and when.
type Read = (plan::Loaded, plan::Options, Vec<api::Problem>, Timestamp);

fn start(world: &World, args: &RunArgs, attended: bool, read: Read) -> Result<ExitCode, Failure> {
    let (loaded, options, problems, read) = read;
    let errors = loaded.findings.problems.errors();
    if args.strict && errors > 0 {
        world.show_problems(&loaded);
        return Err(Failure::new("--strict, and there are errors; nothing was started"));
    }
    if loaded.found == 0 {
        world.show_problems(&loaded);
    }
    let plan = world.accept(loaded)?;
    let around = world.clone();
    // The system's zone and the host's name are asked for anew: a reload takes them over.
    let loader: daemon::Loader = Arc::new(move |in_use| plan::load_again(&options, &around.surroundings(), in_use));
    let runtime = runtime::of_daemon(args.scheduler)?;
    let ended = runtime.block_on(serve(world, args, Start { plan, read, problems, attended }, loader));
    // A thread that reads a file of a disk that hangs, or writes where nobody reads, must not hold up the end.
    runtime.shutdown_timeout(LAST_THREADS);
    ended
}

/// In a container without an init: the daemon is a child, and this process looks after it and after orphans.
#[expect(clippy::disallowed_methods, reason = "the door of process 1: the same program again, with the same arguments")]
fn as_process_1() -> Result<ExitCode, Failure> {
    let runtime = runtime::of_daemon(Scheduler::CurrentThread)?;
    let program = std::env::current_exe();
    let code = program.and_then(|program| {
        runtime.block_on(daemon::init::look_after(&program, std::env::args_os().skip(1).collect()))
    });
    code.map_err(|error| Failure::new(format!("the daemon cannot be started as a child of process 1: {error}")))
}

/// What the daemon starts with.
struct Start {
    plan: Plan,
    /// When it was read.
    read: Timestamp,
    /// The problems that were found in it.
    problems: Vec<api::Problem>,
    /// A person sits at the terminal to which messages go.
    attended: bool,
}

/// Puts the stations together and runs them.
#[expect(
    clippy::disallowed_methods,
    reason = "signals and the outbox are tasks beside the daemon; this is where they are put together"
)]
async fn serve(
    world: &World,
    args: &RunArgs,
    Start { plan, read, problems, attended }: Start,
    loader: daemon::Loader,
) -> Result<ExitCode, Failure> {
    let no_signals = |error| Failure::new(format!("signals cannot be listened for: {error}"));
    daemon::signals::outlive_size_limits().map_err(no_signals)?;
    let clock: SharedClock = Arc::new(System);
    let (store, opened) = open_store(world, args, &plan, clock.now().wall)?;
    let connect = connect(world, args);
    let settings = connect(&plan.config).map_err(Failure::new)?;
    if plan.config.slack.way.source().is_none() && !args.dry_run && !attended {
        tracing::info!("neither a token nor a webhook is configured: messages go to the terminal");
    }
    if plan.config.zone.is_unknown() {
        tracing::warn!("{}", crate::clock::UNKNOWN_ZONE);
    }
    let (outbox, changes) = watch::channel(settings);
    let loaded = store.load().await.unwrap_or_default();
    if attended {
        world.terminal.err(&attended::first_line(&plan, &loaded, clock.now()));
    }
    let remembered = outbox::Remembered::from_notes(&loaded.notes);
    // An outage that was told of before is no news.
    let outage = remembered.outage.clone();
    let (status, outbox_status) = watch::channel(outbox::Status::at_start(&store, outage).await);
    let (reports, delivery_reports) = mpsc::unbounded_channel();
    let (standings, known_standings) = watch::channel(outbox::Standings::default());
    let worker = Worker {
        store: store.clone(),
        clock: Arc::clone(&clock),
        settings: changes,
        status,
        reports,
        standings: known_standings,
        wakeup: wakeup(world, args, &plan),
        seed: clock.now().wall.as_nanosecond().unsigned_abs() as u64,
        remembered,
    };
    let (mailbox, mut inbox) = daemon::mailbox();
    let (snapshot, published) = watch::channel(daemon::Snapshot::default());
    let stops = attended::say_when_it_stops(world.terminal, published.clone());
    let watcher = daemon::watch(published.clone(), mailbox.clone(), Arc::clone(&clock));
    let records = daemon::watch_records(store.clone(), mailbox.clone(), Arc::clone(&clock));
    let changes = daemon::Changes::default();
    let (end_server, stop) = watch::channel(false);
    let core = Core::new(mailbox.clone(), published, (store.clone(), Arc::clone(&clock)), changes.clone(), stop);
    let core = core.of(whose(world, &plan)).with_outbox(outbox.subscribe());
    let socket = if args.dry_run { None } else { control::open(world, &plan, &clock) };
    let (leaves, places) = mpsc::unbounded_channel();
    let keeps = store.clone();
    // Should this daemon die, the next one is to find the processes of its runs.
    let started = TellStarted(Box::new(move |run, process| keeps.has_process(run, process)));
    let ties = Ties { places: Some(leaves), started: Some(started) };
    let host = Host {
        spawner: Arc::new(Duct::tied(clock.clone(), Some(plan.config.limits.start_rate), ties)),
        places,
        clock,
        store: store.clone(),
        interrupted: opened.interrupted,
        outbox,
        watcher: Arc::new(notify::Watchers::new(&plan.config.slack)),
        outbox_status,
        standings,
        snapshot,
        changes,
        read,
        problems,
        delivery_reports,
        connect,
        systemd: Systemd::new(&|name| world.variable(name).map(str::to_owned), std::process::id()),
    };
    let signals = daemon::signals::listen(mailbox.clone(), daemon::signals::Listener::Daemon, world.terminal.is_gone())
        .map_err(no_signals)?;
    let (drain, drained) = oneshot::channel::<()>();
    let (hurry, hurried) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(signals);
    tasks.spawn(watcher);
    tasks.spawn(http::serve_pages(core.clone(), http::router(core.clone())));
    tasks.spawn(records);
    let bound = socket.as_ref().map(Socket::bound);
    if let (Some(socket), Some(bound)) = (socket, &bound) {
        tasks.spawn(control::serve(socket, bound.clone(), core));
    }
    if attended {
        tasks.spawn(stops);
    }
    let (soon, at_once) = (async { drop(drained.await) }, async { drop(hurried.await) });
    let delivery = tasks.spawn(async move { outbox::run(worker, soon, at_once).await }).id();
    let stopped = daemon::run(plan, host, loader, &mut inbox).await;
    end_server.send_replace(true);
    // The runs are over: the outbox gets its time, and what it cannot send waits on disk. A second INT ends that too, but for what is
    // on its way.
    drop(drain);
    let mut hurry = Some(hurry).filter(|_| stopped.mode == ExitMode::Graceful);
    let mut patience = pin!(tokio::time::sleep(LAST_PATIENCE));
    loop {
        tokio::select! {
            ended = tasks.join_next_with_id() => match ended {
                Some(Ok((id, ()))) if id != delivery => {}
                _ => break,
            },
            Some(asked) = inbox.recv() => if asked.request == Request::StopNow && hurry.take().is_some() {
                patience.as_mut().reset(tokio::time::Instant::now() + LAST_PATIENCE);
            },
            () = &mut patience, if hurry.is_none() => break,
        }
    }
    if let Some(bound) = bound {
        bound.remove();
    }
    stopped.keep_reports();
    let closed = store.close().await;
    if let Err(error) = &closed {
        tracing::error!(%error, "not everything could be written: {}", error.advice());
        tell_of_unsaved(&store.unsaved().await.unwrap_or_default());
    }
    tracing::info!("stopped");
    Ok(if closed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The last moment in which anybody can hear of messages that neither Slack nor the disk has taken.
fn tell_of_unsaved(unsaved: &[Stored]) {
    for stored in unsaved.iter().take(MOST_UNSAVED_LINES) {
        let message = &stored.message;
        let job = message.job.as_ref().map(JobName::as_str).unwrap_or_default();
        let line = notify::view::plain(message.text.lines().next().unwrap_or_default());
        let line: String = line.chars().take(200).collect();
        tracing::error!(channel = %message.channel, job, "this message is lost, neither sent nor saved: {line}");
    }
    if unsaved.len() > MOST_UNSAVED_LINES {
        tracing::error!(
            count = unsaved.len() - MOST_UNSAVED_LINES,
            "and more messages are lost, neither sent nor saved"
        );
    }
}

/// How another process says that it changed the outbox. Without it a change is found within 20 s.
fn wakeup(world: &World, args: &RunArgs, plan: &Plan) -> outbox::Wakeup {
    if args.dry_run {
        return outbox::Wakeup::none();
    }
    let watched = world.state_dir(plan).map(|dir| outbox::Wakeup::watch(&dir));
    match watched {
        Ok(Ok(wakeup)) => wakeup,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the outbox cannot be watched: what `slack-alert outbox` changes is seen within 20 s");
            outbox::Wakeup::none()
        }
        Err(_) => outbox::Wakeup::none(),
    }
}

/// By which the commands know whose daemon this is.
fn whose(world: &World, plan: &Plan) -> Whose {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    Whose {
        config: plan.config.file.clone().map(absolute),
        state_dir: world.state_dir(plan).ok().map(absolute),
        options: world.options_of_run(),
    }
}

/// The state on disk; in memory for `--dry-run`, which leaves no trace.
fn open_store(world: &World, args: &RunArgs, plan: &Plan, now: Timestamp) -> Result<(Store, Opened), Failure> {
    if args.dry_run {
        let store = Store::memory(now).map_err(|error| Failure::new(error.to_string()))?;
        return Ok((store, Opened::default()));
    }
    let dir = world.state_dir(plan)?;
    let (store, opened) = Store::open(&dir, now).map_err(|error| Failure::new(error.to_string()))?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    store.keep_history(plan.config.limits.history);
    Ok((store, opened))
}

/// How a configuration becomes a way out.
fn connect(world: &World, args: &RunArgs) -> Connect {
    let (terminal, dry_run) = (world.terminal, args.dry_run);
    Arc::new(move |config: &Config| {
        let console = || {
            let console = Console::new(Box::new(std::io::stdout()), terminal.colour(), terminal.width());
            Arc::new(console.in_zone(config.zone.clone()))
        };
        let notifier: Arc<dyn Notifier> = if dry_run || config.slack.way.source().is_none() {
            console()
        } else {
            notify::connect(&config.slack).map_err(|error| error.to_string())?
        };
        Ok(outbox::Settings {
            notifier,
            channel: config.slack.place(),
            host: Arc::clone(&config.host),
            rate: config.slack.rate,
            max_age: config.limits.outbox_max_age,
            fallback_after: config.fallback.as_ref().map(|fallback| fallback.after),
        })
    })
}
