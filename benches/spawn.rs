//! How close the spawner is to the kernel: `cargo bench --bench spawn [RUNS]`.
//!
//! Runs of `/bin/true` with both streams captured, 16 at a time, on one thread; beside a bare loop of the standard
//! library that does the same (posix_spawn, two pipes, read to the end, wait), in the same process, in alternate
//! rounds. Then the cost of 1,000 quiet runs at one time, and of 1 GiB of output beside `cat`.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a measurement stands outside the doors")]

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use slack_alert::clock::System;
use slack_alert::diagnostic::Sources;
use slack_alert::document::{Reader, Table};
use slack_alert::exec::{self, Context, Duct, Environment, Outcome, Run, Spawner, Stop, Trigger};
use slack_alert::id::{JobName, RunId};
use tokio::task::JoinSet;

const AT_ONCE: usize = 16;
const ROUNDS: usize = 7;

fn main() {
    let runs = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(2_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let command = command("command = ['/bin/true']");
    let mut figures = [const { Vec::new() }; 3];
    let ours = || runtime.block_on(through_duct(&command, runs));
    if std::env::args().any(|arg| arg == "profile") {
        // Only what is ours, for perf and strace.
        return (0..ROUNDS).for_each(|_| ours());
    }
    measure(500.min(runs), || runtime.block_on(through_duct(&command, 500.min(runs))));
    for _ in 0..ROUNDS {
        figures[0].push(measure(runs, ours));
        figures[1].push(measure(runs, || bare(runs, AT_ONCE)));
        figures[2].push(measure(runs, || bare(runs, 1)));
    }
    // Every variable is copied for each start, by duct and by the standard library; the bare loop passes its own on.
    println!("{} variables; {runs} runs a round, {ROUNDS} rounds, medians", std::env::vars_os().count());
    println!("{:<28}{:>9}{:>14}", "/bin/true, captured", "runs/s", "own CPU/run");
    let medians: Vec<(f64, f64)> = figures
        .into_iter()
        .zip(["slack-alert, 16 at a time", "bare loop, 16 at a time", "bare loop, one by one"])
        .map(|(rounds, name)| {
            let (rate, cpu) = (median(rounds.iter().map(|r| r.0)), median(rounds.iter().map(|r| r.1)));
            println!("{name:<28}{rate:>9.0}{cpu:>11.0} us");
            (rate, cpu)
        })
        .collect();
    println!(
        "ratio to the bare loop {:.2}, to the one by one {:.2}",
        medians[0].0 / medians[1].0,
        medians[0].0 / medians[2].0
    );
    large(&runtime);
    runtime.block_on(quiet(1_000));
}

fn command(job: &str) -> Arc<exec::Command> {
    let id = Sources::default().add("job.toml".as_ref(), job);
    let table = toml::de::DeTable::parse(job).expect("valid TOML");
    let reader = Reader::default();
    let environment = Arc::new(Environment::new(std::env::vars_os()));
    let mut root = Table::root(&reader, id, job, table.get_ref());
    Arc::new(exec::read(&mut root, &Context::new(Path::new("/"), &environment), false).expect("a command"))
}

fn due(command: &Arc<exec::Command>) -> Arc<Run> {
    let (job, at) = (JobName::new("bench"), Timestamp::UNIX_EPOCH);
    Arc::new(Run::new(RunId(1), job, Arc::clone(command), at, Trigger::Schedule))
}

async fn through_duct(command: &Arc<exec::Command>, runs: usize) {
    let duct = Duct::new(Arc::new(System), None);
    let mut running = JoinSet::new();
    for _ in 0..runs {
        if running.len() == AT_ONCE {
            let outcome: Outcome = running.join_next().await.expect("some run").expect("no panic");
            assert_eq!(outcome.exit_code(), Some(0));
        }
        running.spawn(duct.run(due(command)));
    }
    running.join_all().await;
}

/// The same with nothing but the standard library; `at_once` are started before the oldest is waited for.
fn bare(runs: usize, at_once: usize) {
    let mut running: VecDeque<Child> = VecDeque::new();
    let finish = |child: Child| {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success() && output.stdout.is_empty());
    };
    for _ in 0..runs {
        if running.len() == at_once {
            finish(running.pop_front().expect("some child"));
        }
        let mut command = Command::new("/bin/true");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        running.push_back(command.spawn().expect("it starts"));
    }
    running.into_iter().for_each(finish);
}

/// Runs per second, and microseconds of this process's own CPU per run.
fn measure(runs: usize, what: impl FnOnce()) -> (f64, f64) {
    let cpu = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let (begun, cpu_before) = (Instant::now(), cpu());
    what();
    let spent = cpu() - cpu_before;
    (runs as f64 / begun.elapsed().as_secs_f64(), spent.as_secs_f64() * 1e6 / runs as f64)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn status(field: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What many runs that wait cost in memory and threads.
async fn quiet(count: usize) {
    let duct = Duct::new(Arc::new(System), None);
    let command = command("command = ['/bin/sleep', '1000']\ntimeout = '1h'");
    let (memory, threads) = (status("VmRSS"), status("Threads"));
    let mut running = JoinSet::new();
    let runs: Vec<_> = (0..count).map(|_| due(&command)).collect();
    runs.iter().for_each(|run| drop(running.spawn(duct.run(Arc::clone(run)))));
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!(
        "{count} quiet runs at one time: {} KiB more, {} threads more",
        status("VmRSS").saturating_sub(memory),
        status("Threads") - threads
    );
    runs.iter().for_each(|run| run.stop.raise(Stop::Kill));
    running.join_all().await;
}

/// 1 GiB of output, beside `head | cat`.
fn large(runtime: &tokio::runtime::Runtime) {
    let command = command("command = ['head', '-c', '1G', '/dev/zero']");
    let duct = Duct::new(Arc::new(System), None);
    let memory = status("VmRSS");
    let (mut ours, mut cats) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let begun = Instant::now();
        let outcome = runtime.block_on(duct.run(due(&command)));
        ours.push(begun.elapsed().as_secs_f64());
        assert_eq!(outcome.exit_code(), Some(0));
        let begun = Instant::now();
        let mut cat = Command::new("/bin/sh")
            .args(["-c", "head -c 1G /dev/zero | cat > /dev/null; echo"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        cat.stdout.take().expect("piped").read_to_end(&mut Vec::new()).expect("it ends");
        cat.wait().expect("it ends");
        cats.push(begun.elapsed().as_secs_f64());
    }
    let (ours, cats) = (median(ours.into_iter()), median(cats.into_iter()));
    let grown = status("VmHWM").saturating_sub(memory);
    println!("1 GiB of output: {ours:.2} s, cat {cats:.2} s, ratio {:.2}; {grown} KiB more at its peak", ours / cats);
}
