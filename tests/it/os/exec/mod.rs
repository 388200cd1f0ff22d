//! Commands as real processes: how they end, what they write, and that nothing of them is left behind.

mod accounts;
mod endings;
mod environment;
mod hostile;
mod leftovers;
mod output;
mod starting;
mod stopping;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slack_alert::clock::{SharedClock, System};
use slack_alert::diagnostic::Sources;
use slack_alert::document::{Rate, Reader, Table};
use slack_alert::exec::{self, Command, Context, Duct, Environment, Outcome, Progress, Run, Spawner, Trigger};
use slack_alert::id::{JobName, RunId};

use crate::support::program::{wait_for_end, watched};

/// The longest that anything here may take on a busy machine before a test calls it a hang.
const BUSY: Duration = Duration::from_secs(30);

/// The command of a job's text, in a folder, with the daemon's variables.
fn command_in(job: &str, dir: &Path, environment: Environment) -> Arc<Command> {
    let mut sources = Sources::default();
    let id = sources.add("job.toml".as_ref(), job);
    let table = toml::de::DeTable::parse(job).expect(job);
    let reader = Reader::default();
    let environment = Arc::new(environment);
    let mut root = Table::root(&reader, id, job, table.get_ref());
    let command = exec::read(&mut root, &Context::new(dir, &environment), false);
    root.finish();
    let problems = reader.into_problems();
    let wrong: Vec<_> = problems.iter().filter(|problem| !problem.code.is_about_the_machine()).collect();
    assert!(wrong.is_empty(), "{job}: {wrong:?}");
    Arc::new(command.expect(job))
}

fn command(job: &str) -> Arc<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command_in(job, Path::new("/"), Environment::new([("PATH".into(), path)]))
}

fn due(command: Arc<Command>) -> Arc<Run> {
    let scheduled = Timestamp::from_second(1_792_800_000).expect("a time");
    Arc::new(Run::new(RunId(812), JobName::new("db/backup"), command, scheduled, Trigger::Schedule))
}

fn duct(rate: Option<Rate>) -> Duct {
    Duct::new(Arc::new(System) as SharedClock, rate)
}

/// Drives a future on a runtime of its own, as the daemon does: one thread.
fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(3 * BUSY, future).await.expect("it hangs") })
}

async fn follow(command: Arc<Command>) -> Outcome {
    follow_on(&duct(None), command).await
}

/// The same beside other runs of one spawner.
async fn follow_on(spawner: &Duct, command: Arc<Command>) -> Outcome {
    spawner.run(due(command)).await
}

/// Runs the job of this text to its end.
fn run(job: &str) -> Outcome {
    on_one_thread(follow(command(job)))
}

/// Runs a script to its end.
fn run_script(script: &str) -> Outcome {
    run(&format!("command = '''{script}'''"))
}

fn stdout(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.output.stdout.bytes()).into_owned()
}

fn stderr(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.output.stderr.bytes()).into_owned()
}

/// Status, reason, and how it ended, in words.
fn told(outcome: &Outcome) -> String {
    let (status, reason) = (outcome.status.as_str(), outcome.reason.as_str());
    format!("{status}, {reason}: {}", outcome.ending.words())
}

/// Waits until no process of a group lives: for the end of one after the other.
async fn until_gone(group: u32) {
    let next = move || {
        let living = processes().into_iter().find(|(_, state, _, pgrp)| *pgrp == group && !is_over(*state));
        living.map(|(pid, ..)| pid)
    };
    // Not on this thread, where the run may still be.
    let gone = tokio::task::spawn_blocking(move || {
        while let Some(pid) = next() {
            if let Some(process) = watched(&pid.to_string()) {
                wait_for_end(&process);
            }
        }
    });
    gone.await.expect("no panic");
}

/// Waits until something is so that nothing tells of.
async fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < BUSY, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a run to have a process, and gives its number, which is its group's too.
async fn started(progress: &Progress) -> u32 {
    until("the process starts", || progress.pid.load(Ordering::Relaxed) != 0).await;
    progress.pid.load(Ordering::Relaxed)
}

/// State, parent and group of every process of the machine.
fn processes() -> Vec<(u32, char, u32, u32)> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let stat = |pid: u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text[text.rfind(')')? + 2..].split(' ').collect();
        Some((pid, fields[0].chars().next()?, fields[1].parse().ok()?, fields[2].parse().ok()?))
    };
    pids.filter_map(stat).collect()
}

/// How many processes of a group live; those that only wait to be reaped do not.
fn living(group: u32) -> usize {
    processes().iter().filter(|(_, state, _, pgrp)| *pgrp == group && !is_over(*state)).count()
}

/// Whether a process in this state has ended.
fn is_over(state: char) -> bool {
    matches!(state, 'Z' | 'X')
}

/// Runs one test again in a process of its own, for what is counted by process; `true` in that process.
fn alone(test: &str) -> bool {
    const MARK: &str = "SLACK_ALERT_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let own = std::env::current_exe().expect("the test's own program");
    let output = std::process::Command::new(own)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .expect("the test's own program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    false
}
