//! Runs that did not happen: their outcome, and the history that leads to an event.
//!
//! Before it: a job, and what its run is assumed to come to. After it: the real policy and the real messages, for
//! `simulate` and `preview`. Pure.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, Mono, Now};
use crate::exec::{self, Captured, Command, Ending, Exit, Meaning, Outcome, Output, Reason, Run, Status, Trigger};
use crate::id::RunId;
use crate::message::Message;
use crate::plan::Job;
use crate::policy::{Asked, Decision, Event, Flap, Health, On, Repeat, Suppressed};
use crate::report::{self, Burst, Going, RunEnd, Said, Sender};

/// The number of the run that a preview is about.
const RUN: u64 = 812;

/// The runs of a history are so far apart.
const APART: Duration = Duration::from_secs(14 * 60);

/// What the run before is said to have printed, where a preview is about a change.
const PRINTED_BEFORE: &str = "(what it printed the last time)\n";

/// An exit code that means this; critical is 2 where that means it, as of plugins.
pub fn code_for(command: &Command, wanted: Status) -> Option<i32> {
    let means = |code: &i32| command.exit_codes().meaning(Exit::Code(*code)) == Meaning::Status(wanted);
    let usual = if wanted == Status::Critical { 2 } else { 0 };
    [usual].into_iter().chain(0..=255).find(means)
}

/// The outcome of a run that is assumed to come to this.
pub fn outcome(command: &Command, wanted: Status, stdout: &str, started: Timestamp, took: Duration) -> Outcome {
    let captured = Captured { head: stdout.as_bytes().to_vec(), ..Captured::default() };
    let output = Output { both: captured.clone(), stdout: captured, ..Output::default() };
    let code = code_for(command, wanted).unwrap_or(1);
    let assumed = exec::assumed(command, Ending::Exited { code }, output, started, took);
    if assumed.status == wanted {
        return assumed;
    }
    // No exit code means it, or the output says something else: it is assumed all the same.
    let (reason, detail) = match wanted {
        Status::Ok => (Reason::Exit, String::new()),
        _ => (Reason::Output, format!("the run is assumed to be {}", wanted.as_str())),
    };
    Outcome { status: wanted, reason, detail, ..assumed }
}

/// What comes of a run that ends so, as the first run of its job.
pub fn first_run(job: &Job, outcome: Outcome, sender: &Sender) -> Said {
    let (now, run) = (outcome.finished, run(job, RUN, outcome.started));
    let outcome = Arc::new(outcome);
    let end = RunEnd { run: &run, outcome: &outcome, now };
    report::judge(job, &mut Health::default(), end, Burst::Open, sender)
}

/// The messages about an event that a run ends with, and whether the job's own settings would send them. The runs
/// before it are assumed, and go through the real policy.
pub fn event(job: &Job, event: Event, outcome: &Outcome, sender: &Sender) -> (Vec<Message>, Decision) {
    let willing = willing(job, event);
    let said = play(&willing, event, outcome, sender);
    let own = play(job, event, outcome, sender);
    (said.messages, own.decision)
}

/// A whole incident that ends now: the run that fails, again and again until that is repeated, and then is well. All messages,
/// edits too, in their order.
pub fn incident(job: &Job, failed: &Outcome, sender: &Sender) -> Vec<Message> {
    let mut job = job.clone();
    let notify = Arc::make_mut(&mut job.notify);
    notify.on = Asked::new(&[On::Failure, On::Recovery]);
    (notify.after, notify.quiet_hours, notify.flap, notify.intermittent) = (1, None, None, None);
    let mut health = Health::default();
    let mut messages = Vec::new();
    // After five of them an hour has passed, which is when a failure is repeated.
    let failures = u32::try_from(RUNS).unwrap_or(0) - 1;
    let begun = failed.started.saturating_sub(APART * failures).unwrap_or(failed.started);
    for (index, number) in (0..=failures).zip(RUN..) {
        let started = clock::shift(begun, APART * index);
        let finished = clock::shift(started, failed.took);
        let outcome = match index == failures {
            true => outcome(&job.command, Status::Ok, "", started, failed.took),
            false => Outcome { started, finished, ..failed.clone() },
        };
        let (run, outcome) = (run(&job, number, started), Arc::new(outcome));
        let end = RunEnd { run: &run, outcome: &outcome, now: finished };
        messages.extend(report::judge(&job, &mut health, end, Burst::Open, sender).messages);
    }
    messages
}

/// The runs of an incident, its end among them.
const RUNS: usize = 7;

/// The job with settings that ask for nothing but the event, and suppress none.
fn willing(job: &Job, event: Event) -> Job {
    let mut job = job.clone();
    let on = match event {
        Event::Output => &[On::Output][..],
        Event::Success => &[On::Success],
        Event::Change => &[On::Change],
        _ => &[On::Failure, On::Recovery],
    };
    let notify = Arc::make_mut(&mut job.notify);
    notify.on = Asked::new(on);
    (notify.after, notify.quiet_hours) = (1, None);
    if notify.repeat == Repeat::Never {
        notify.repeat = Repeat::Always;
    }
    notify.stuck_after = notify.stuck_after.max(1);
    notify.flap = (event == Event::Flapping)
        .then(|| notify.flap.unwrap_or(Flap { changes: 6, within: Duration::from_secs(1_800) }));
    job
}

/// Plays the history that leads to the event, and then the run itself.
fn play(job: &Job, event: Event, last: &Outcome, sender: &Sender) -> Said {
    let mut health = Health::default();
    let finished = last.finished;
    let bad = |at| outcome(&job.command, Status::Critical, "", at, last.took);
    let good = |at, printed: &str| outcome(&job.command, Status::Ok, printed, at, last.took);
    let before = |steps: u32, apart: Duration| {
        let back = last.took + apart.saturating_mul(steps);
        finished.saturating_sub(back).unwrap_or(finished)
    };
    let mut history = Vec::new();
    match event {
        Event::Output
        | Event::Success
        | Event::Failure
        | Event::Missing
        | Event::Stuck
        | Event::Slow
        | Event::Starved => {}
        Event::Change => history.push(good(before(1, APART), PRINTED_BEFORE)),
        // The failure itself was reported before; that it is the same one is what a repeat says.
        Event::Repeat => {
            // When the next message is due, by the job's own `repeat`.
            let apart = job.notify.repeat.first().filter(|first| !first.is_zero()).unwrap_or(APART * 2);
            history.extend([2, 1].map(|steps| again(last, before(steps, apart / 2))));
        }
        Event::Recovery => history.extend([3, 2, 1].map(|steps| bad(before(steps, APART)))),
        Event::Flapping => {
            let changes = job.notify.flap.map_or(6, |flap| flap.changes);
            let apart = job.notify.flap.map_or(APART, |flap| flap.within) / (changes + 1);
            for steps in (1..=changes).rev() {
                let at = before(steps, apart);
                let ok = (last.status == Status::Ok) == steps.is_multiple_of(2);
                history.push(if ok { good(at, "") } else { bad(at) });
            }
        }
    }
    let number = RUN - u64::try_from(history.len()).unwrap_or(0);
    if event == Event::Stuck {
        return hang(job, &mut health, last, sender);
    }
    if event == Event::Slow {
        return slow(job, &mut health, last, sender);
    }
    history.push(last.clone());
    let mut said = Said::nothing(Decision::Undecided);
    for (outcome, number) in history.into_iter().zip(number..) {
        let (now, run) = (outcome.finished, run(job, number, outcome.started));
        let outcome = Arc::new(outcome);
        let end = RunEnd { run: &run, outcome: &outcome, now };
        said = report::judge(job, &mut health, end, Burst::Open, sender);
    }
    said
}

/// The same end at another time.
fn again(outcome: &Outcome, started: Timestamp) -> Outcome {
    Outcome { started, finished: clock::shift(started, outcome.took), ..outcome.clone() }
}

/// A run that goes on, has written this so far, and began so long before `now`.
fn going(job: &Job, written: &Outcome, age: Duration) -> (Run, Now, Now) {
    let started = written.finished.saturating_sub(age).unwrap_or(written.finished);
    let run = run(job, RUN, started);
    run.progress.pid.store(4_711, std::sync::atomic::Ordering::Relaxed);
    let both = written.output.both.bytes();
    if let Ok(mut shown) = run.progress.last_output.lock() {
        *shown = both[both.len() - both.len().min(exec::LAST_OUTPUT)..].to_vec();
    }
    (run, Now { wall: started, mono: Mono::default() }, Now { wall: written.finished, mono: Mono(age) })
}

/// A run that goes on while due times pass.
fn hang(job: &Job, health: &mut Health, last: &Outcome, sender: &Sender) -> Said {
    let most = job.notify.stuck_after.min(1_000);
    let gap = job.timing.shortest_gap(job.name.as_str(), last.finished).unwrap_or(APART);
    let (run, started, now) = going(job, last, gap.saturating_mul(most.max(1)));
    let mut messages = Vec::new();
    for _ in 0..most {
        let going = Going { run: &run, started, burst: Burst::Open };
        messages = report::skipped(job, health, going, sender, now);
    }
    let decision = match messages.is_empty() {
        true if most == 0 || !job.notify.on.asks(On::Failure) => Decision::Suppressed(Suppressed::NotAsked, None),
        true => Decision::Suppressed(Suppressed::QuietHours, None),
        false => Decision::Notified(Event::Stuck),
    };
    Said { messages, ..Said::nothing(decision) }
}

/// A run that goes on for longer than `notify.slow` allows; without that key, longer than ten minutes.
fn slow(job: &Job, health: &mut Health, last: &Outcome, sender: &Sender) -> Said {
    let over = job.notify.slow.unwrap_or(TEN_MINUTES);
    let mut asked = job.clone();
    Arc::make_mut(&mut asked.notify).slow = Some(over);
    let (run, started, now) = going(job, last, over);
    let going = Going { run: &run, started, burst: Burst::Open };
    match report::slow(&asked, health, going, sender, now) {
        Ok(messages) if job.notify.slow.is_some() => {
            Said { messages, ..Said::nothing(Decision::Notified(Event::Slow)) }
        }
        Err(Some(until)) => Said::nothing(Decision::Suppressed(Suppressed::QuietHours, Some(until))),
        other => {
            let messages = other.unwrap_or_default();
            Said { messages, ..Said::nothing(Decision::Suppressed(Suppressed::NotAsked, None)) }
        }
    }
}

/// How long a run takes that is shown as slow, where the job does not say when it is.
const TEN_MINUTES: Duration = Duration::from_secs(600);

fn run(job: &Job, number: u64, scheduled: Timestamp) -> Run {
    Run::new(RunId(number), job.name.clone(), Arc::clone(&job.command), scheduled, Trigger::Schedule)
}
