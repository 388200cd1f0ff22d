//! What the parts cost that every run, or every due time, passes through: the agenda, the verdict, the message, the
//! capture of output. Nanoseconds a call, the median of several rounds: `cargo bench --bench micro`.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a measurement stands outside the doors")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use slack_alert::clock::Mono;
use slack_alert::exec::{Capture, Captured, Ending, Environment, Output, Redactor, Run, Stream, Trigger};
use slack_alert::id::RunId;
use slack_alert::plan::{self, Job, Options, Plan, Surroundings};
use slack_alert::policy::Health;
use slack_alert::report::{self, Burst, RunEnd};
use slack_alert::schedule::Agenda;

const ROUNDS: usize = 15;

const PLAIN: &str = "command = ['/bin/true']\nevery = '1h'\n";

const TEMPLATE: &str = "command = ['/bin/true']\nevery = '1h'\n\
    template = ':floppy_disk: {{ host }} is at *{{ stdout | trim }}* after {{ duration | duration }}'\n\
    [notify]\non = ['always']\nrate_limit = '100000/s'\n";

fn main() {
    agenda();
    verdicts();
    capture();
}

/// Prints the median time of one of `calls` calls.
fn say(what: &str, calls: usize, mut round: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            round();
            begun.elapsed()
        })
        .collect();
    times.sort();
    let median = times[ROUNDS / 2];
    println!("{what:<52}{:>10.0} ns", median.as_nanos() as f64 / calls as f64);
    median
}

/// Taking the next job out and setting it anew: what a due time costs, whatever the number of jobs.
fn agenda() {
    for jobs in [10_u32, 1_000, 10_000, 100_000] {
        let mut agenda = Agenda::new();
        for job in 0..jobs {
            agenda.set(job, Some(Mono(Duration::from_micros(u64::from(job) * 7_919 % 3_600_000))));
        }
        say(&format!("agenda: the next of {jobs} jobs"), 10_000, || {
            for _ in 0..10_000 {
                let now = agenda.next().expect("a job is due");
                let job = agenda.pop_due(now).expect("it is due now");
                agenda.set(black_box(job), Some(now + Duration::from_secs(3_600)));
            }
        });
    }
}

fn plan(job: &str) -> Plan {
    let dir = tempfile::TempDir::new().expect("a scratch folder");
    std::fs::write(dir.path().join("job.toml"), job).expect("a file");
    let options = Options { jobs_dir: Some(dir.path().to_owned()), ..Options::default() };
    let environment = Arc::new(Environment::new(std::env::vars_os()));
    let around = Surroundings { environment, zone: TimeZone::UTC, host: "bench".to_owned() };
    plan::load(&options, &around).plan.expect("a plan")
}

/// What is decided about a run that ended, and said.
fn verdicts() {
    for (what, job, stdout, code) in [
        ("verdict: ok, and silent", PLAIN, "", 0),
        ("verdict: the same failure, held", PLAIN, "connection refused", 1),
        ("verdict and message: a template", TEMPLATE, "93%\n", 0),
    ] {
        let plan = plan(job);
        let (job, sender) = (&plan.jobs[0], report::sender(&plan));
        let mut health = Health::default();
        let calls = 2_000;
        say(what, calls, || {
            for call in 0..calls {
                judge(job, &mut health, call, stdout, code, &sender);
            }
        });
    }
}

fn judge(job: &Arc<Job>, health: &mut Health, call: usize, stdout: &str, code: i32, sender: &report::Sender) {
    let now = Timestamp::from_second(1_800_000_000 + call as i64).expect("a time");
    let stdout = Captured { head: stdout.as_bytes().to_vec(), ..Captured::default() };
    let output = Output { both: stdout.clone(), stdout, ..Output::default() };
    let outcome = Arc::new(slack_alert::exec::assumed(
        &job.command,
        Ending::Exited { code },
        output,
        now,
        Duration::from_millis(7),
    ));
    let id = RunId(call as u64 + 1);
    let run = Run::new(id, job.name.clone(), Arc::clone(&job.command), now, Trigger::Schedule);
    let about = RunEnd { run: &run, outcome: &outcome, now };
    black_box(report::judge(job, health, about, Burst::Open, sender));
}

/// 64 KiB, as much as a pipe holds, into what is kept of a stream that is past its limit.
fn capture() {
    let chunk = vec![b'x'; 64 << 10];
    let redactor = Redactor::default();
    let mut capture = Capture::new(1 << 20, &redactor);
    let calls = 2_000;
    let time = say("capture: 64 KiB of output", calls, || {
        for _ in 0..calls {
            capture.push(Stream::Stdout, black_box(&chunk));
        }
    });
    let mut copy = vec![0; chunk.len()];
    let bare = say("  the same bytes copied once", calls, || {
        for _ in 0..calls {
            copy.copy_from_slice(black_box(&chunk));
            black_box(&copy);
        }
    });
    println!("  ratio {:.2}", time.as_secs_f64() / bare.as_secs_f64());
}
