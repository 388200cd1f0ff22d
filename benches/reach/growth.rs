//! How the cost grows with the number of jobs: the same lines at ten jobs and at a hundred thousand.

use std::time::Duration;

use super::service::Setup;
use super::{IDLE, Stamp, at, median, micros, settle};

const JOBS: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// All lines, a column for each number of jobs.
pub(crate) fn table() {
    println!("{:<46}{:>12}{:>12}{:>12}{:>12}", "growth", "10 jobs", "1,000", "10,000", "100,000");
    line("resident memory idle, MiB", JOBS.map(|jobs| format!("{:.1}", memory(jobs))));
    line("start to ready, ms", JOBS.map(|jobs| format!("{:.0}", ready(jobs))));
    line("CPU in an idle minute, ms", JOBS.map(|jobs| format!("{:.1}", idle(jobs))));
    // In alternate rounds: the machine's own pace changes from minute to minute.
    let rounds: Vec<[f64; 4]> = (0..3).map(|_| JOBS.map(run)).collect();
    let runs = [0, 1, 2, 3].map(|column| median(rounds.iter().map(|round| round[column]).collect()));
    line("own CPU of a run, 200 runs a second, us", runs.map(|micros| format!("{micros:.0}")));
    let late = JOBS.map(late).map(|mut late| (at(&mut late, 0.5) * 1e3, at(&mut late, 0.99) * 1e3));
    line("lateness at 100 runs a second, p50 / p99, ms", late.map(|(p50, p99)| format!("{p50:.1} / {p99:.1}")));
}

fn line(what: &str, [ten, thousand, more, most]: [String; 4]) {
    println!("{what:<46}{ten:>12}{thousand:>12}{more:>12}{most:>12}");
}

/// A job's schedule, so that all of them together make so many runs a second, evenly spread.
fn spread(jobs: usize, a_second: usize) -> String {
    let every = jobs * 1_000 / a_second;
    format!("every = \"{every}ms\"\njitter = \"{}ms\"\n", every - 1)
}

/// Resident memory of a daemon that has nothing to do, in MiB.
pub(crate) fn memory(jobs: usize) -> f64 {
    let setup = Setup::new(jobs, |_| IDLE.to_owned());
    let service = setup.start();
    settle(Duration::from_secs(3));
    service.status("VmRSS") as f64 / 1024.0
}

/// From its start to `READY=1`, in milliseconds.
pub(crate) fn ready(jobs: usize) -> f64 {
    let setup = Setup::new(jobs, |_| IDLE.to_owned());
    let once = |_| {
        setup.forget();
        let service = setup.start();
        let after = service.ready_after;
        service.stop();
        after.as_secs_f64() * 1e3
    };
    median((0..3).map(once).collect())
}

/// CPU of a minute in which no job is due, in milliseconds.
pub(crate) fn idle(jobs: usize) -> f64 {
    let setup = Setup::new(jobs, |_| IDLE.to_owned());
    let service = setup.start();
    settle(Duration::from_secs(5));
    let before = service.cpu();
    settle(Duration::from_secs(60));
    (service.cpu() - before).as_secs_f64() * 1e3
}

fn run(jobs: usize) -> f64 {
    let schedule = spread(jobs, 200);
    let setup = Setup::new(jobs, |_| format!("command = [\"/bin/true\"]\n{schedule}"));
    let service = setup.start();
    settle(Duration::from_secs(3));
    let (from, before) = (micros(), service.cpu());
    settle(Duration::from_secs(10));
    let (to, spent) = (micros(), service.cpu() - before);
    service.stop();
    spent.as_secs_f64() * 1e6 / setup.runs_between(from, to) as f64
}

/// Of a thousand runs, the first ones left out: they share their time with the start.
fn late(jobs: usize) -> Vec<f64> {
    let stamp = Stamp::new();
    let setup = Setup::new(jobs, |_| stamp.job(&spread(jobs, 100)));
    let service = setup.start();
    stamp.wait_for(1_300);
    service.stop();
    let mut late = stamp.late().split_off(300);
    late.truncate(1_000);
    late
}
