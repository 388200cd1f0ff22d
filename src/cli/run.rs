//! `slack-alert run`: the composition root. Everything that touches the world is made here and handed to the daemon.

use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::args::{RunArgs, Scheduler};
use super::locate::World;
use super::{Failure, logs};
use crate::clock::{SharedClock, System};
use crate::daemon::systemd::Systemd;
use crate::daemon::{self, Connect, Host, Order, Parting};
use crate::exec::Duct;
use crate::notify::{self, Console, Notifier, Way};
use crate::outbox::{self, Worker};
use crate::plan::{self, Config, Plan};
use crate::store::{Opened, Store};

/// Runs the daemon until a signal ends it.
pub(super) fn run(world: &World, args: &RunArgs) -> Result<ExitCode, Failure> {
    if std::process::id() == 1 {
        return as_process_1();
    }
    logs::start(world, args.log_format);
    let (loaded, options) = world.load_to_stay()?;
    let errors = loaded.findings.problems.errors();
    if args.strict && errors > 0 {
        world.show_problems(&loaded);
        return Err(Failure::new("--strict, and there are errors; nothing was started"));
    }
    if loaded.found == 0 {
        world.show_problems(&loaded);
    }
    let plan = world.accept(loaded)?;
    let around = world.surroundings();
    let loader: daemon::Loader = Arc::new(move || plan::load(&options, &around));
    runtime(args.scheduler)?.block_on(serve(world, args, plan, loader))?;
    Ok(ExitCode::SUCCESS)
}

/// In a container without an init: the daemon is a child, and this process looks after it and after orphans.
fn as_process_1() -> Result<ExitCode, Failure> {
    let runtime = runtime(Scheduler::CurrentThread)?;
    let program = std::env::current_exe();
    let code = program.and_then(|program| {
        runtime.block_on(daemon::init::look_after(&program, std::env::args_os().skip(1).collect()))
    });
    code.map_err(|error| Failure::new(format!("the daemon cannot be started as a child of process 1: {error}")))
}

fn runtime(scheduler: Scheduler) -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = match scheduler {
        Scheduler::CurrentThread => tokio::runtime::Builder::new_current_thread(),
        Scheduler::MultiThread => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().map_err(|error| Failure::new(format!("the runtime cannot be started: {error}")))
}

/// Puts the stations together and runs them.
async fn serve(world: &World, args: &RunArgs, plan: Plan, loader: daemon::Loader) -> Result<(), Failure> {
    let clock: SharedClock = Arc::new(System);
    let (store, opened) = open_store(world, args, &plan, clock.now().wall)?;
    let connect = connect(world, args);
    let settings = connect(&plan.config).map_err(Failure::new)?;
    if matches!(plan.config.slack.way, Way::Console) && !args.dry_run {
        tracing::info!("neither a token nor a webhook is configured: messages go to the terminal");
    }
    let (outbox, changes) = watch::channel(settings);
    let remembered = store.load().await.map(|loaded| loaded.notes).unwrap_or_default();
    let outage = outbox::Outage::from_note(remembered.get(outbox::outage::NOTE));
    // An outage that was told of before is no news.
    let (status, outbox_status) = watch::channel(outbox::Status { outage: outage.clone(), ..Default::default() });
    let worker = Worker {
        store: store.clone(),
        clock: Arc::clone(&clock),
        settings: changes,
        status,
        seed: clock.now().wall.as_nanosecond().unsigned_abs() as u64,
        outage,
    };
    let host = Host {
        spawner: Arc::new(Duct::new(Arc::clone(&clock), Some(plan.config.limits.start_rate))),
        clock,
        store: store.clone(),
        interrupted: opened.interrupted,
        outbox,
        outbox_status,
        connect,
        systemd: Systemd::new(&|name| world.variable(name).map(str::to_owned), std::process::id()),
    };
    let (orders, mut taken) = mpsc::channel(8);
    let signals = daemon::signals::listen(orders)
        .map_err(|error| Failure::new(format!("signals cannot be listened for: {error}")))?;
    let (drain, drained) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(signals);
    let delivery = tasks.spawn(async move { outbox::run(worker, async { drop(drained.await) }).await }).id();
    let parting = daemon::run(plan, host, loader, &mut taken).await;
    // The runs are over: the outbox gets its time, and what it cannot send waits on disk. A second INT ends that too.
    drop(drain);
    if parting == Parting::Graceful {
        loop {
            tokio::select! {
                ended = tasks.join_next_with_id() => match ended {
                    Some(Ok((id, ()))) if id != delivery => {}
                    _ => break,
                },
                Some(Order::StopNow) = taken.recv() => break,
            }
        }
    }
    if let Err(error) = store.close().await {
        tracing::error!(%error, "not everything could be written");
    }
    tracing::info!("stopped");
    Ok(())
}

/// The state on disk; in memory for `--dry-run`, which leaves no trace.
fn open_store(world: &World, args: &RunArgs, plan: &Plan, now: Timestamp) -> Result<(Store, Opened), Failure> {
    if args.dry_run {
        let store = Store::memory(now).map_err(|error| Failure::new(error.to_string()))?;
        return Ok((store, Opened::default()));
    }
    let dir = world.state_dir(plan)?;
    let (store, opened) = Store::open(&dir, now).map_err(|error| Failure::new(error.to_string()))?;
    if let Some(path) = &opened.set_aside {
        let (messages, jobs) = (opened.salvaged.messages, opened.salvaged.jobs);
        tracing::error!(kept_as = %path.display(), messages, jobs, "the state was damaged: it is set aside, and what could be read of it was carried over");
    }
    store.keep_history(plan.config.limits.history);
    Ok((store, opened))
}

/// How a configuration becomes a way out.
fn connect(world: &World, args: &RunArgs) -> Connect {
    let (terminal, dry_run) = (world.terminal, args.dry_run);
    Arc::new(move |config: &Config| {
        let console =
            || Arc::new(Console::new(Box::new(std::io::stdout()), terminal.colour()).in_zone(config.zone.clone()));
        let notifier: Arc<dyn Notifier> = match &config.slack.way {
            _ if dry_run => console(),
            Way::Console => console(),
            Way::Token(_) | Way::Webhook(_) => notify::connect(&config.slack).map_err(|error| error.to_string())?,
        };
        Ok(outbox::Settings {
            notifier,
            rate: config.slack.rate,
            max_age: config.limits.outbox_max_age,
            fallback_after: config.fallback.as_ref().map(|fallback| fallback.after),
        })
    })
}
