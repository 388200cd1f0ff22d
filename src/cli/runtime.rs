//! The runtimes of the commands, with the threads for work that blocks: files, the name server, whoever reads a terminal.
//!
//! Invariant: some of these threads are there from the start to the end. When no further one may be made (`ulimit -u`,
//! TasksMax=), tokio lets such work wait for a thread that there is; where there is none it panics, and whoever asked is gone.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::Failure;
use super::args::Scheduler;

/// Threads of a daemon that are there from the start: one may hang at the name server while the other reads files.
const KEPT: usize = 2;

/// Threads at most, for what blocks at one time. One that was made stays: it wakes nobody, and takes some 20 KiB.
const MOST: usize = 32;

/// The runtime of a command that ends.
pub(super) fn of_command() -> Result<Runtime, Failure> {
    build(Builder::new_current_thread(), 1)
}

/// The runtime of a daemon.
pub(super) fn of_daemon(scheduler: Scheduler) -> Result<Runtime, Failure> {
    let builder = match scheduler {
        Scheduler::CurrentThread => Builder::new_current_thread(),
        Scheduler::MultiThread => Builder::new_multi_thread(),
    };
    build(builder, KEPT)
}

fn build(mut builder: Builder, kept: usize) -> Result<Runtime, Failure> {
    let built = quietly(|| {
        let runtime = builder.enable_all().max_blocking_threads(MOST).thread_keep_alive(Duration::MAX).build()?;
        keep_threads(&runtime, kept);
        Ok::<_, std::io::Error>(runtime)
    });
    let why = match built {
        Ok(Ok(runtime)) => return Ok(runtime),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => words(panic.as_ref()),
    };
    Err(Failure::new(format!(
        "the runtime cannot be started: {why}\n  help: threads count as processes: see `ulimit -u`, TasksMax="
    )))
}

/// Has tokio make these threads: each piece of work waits here, so that none takes up two.
fn keep_threads(runtime: &Runtime, count: usize) {
    let gate = Arc::new(Mutex::new(()));
    let _shut = gate.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..count {
        let gate = Arc::clone(&gate);
        runtime.spawn_blocking(move || drop(gate.lock()));
    }
}

/// Does this, and gives its panic back: tokio says by one that it has not a single thread. Nothing is printed of it.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let done = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    done
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no thread can be had").to_owned()
}
