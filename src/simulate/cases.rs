//! The cases of a job file (`[[test]]`): its runs go through the real rules, judge and renderer, and what comes of the
//! last is held against what the case expects. No process is run. Pure.
//!
//! Before it: `plan`, which read them. After it: `check`, which shows what failed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

use crate::clock;
use crate::diagnostic::{Code, Place, Problem};
use crate::exec::{self, Captured, Ending, Outcome, Output, Reason, Run, Status, Trigger};
use crate::id::{Channel, RunId};
use crate::message::{Message, Thread};
use crate::notify::view;
use crate::plan::{Case, Given, GivenRun, Job, Partial, Plan, Step};
use crate::policy::{self, Decision, Health, HoldKind};
use crate::report::{self, Burst, RunEnd, Said, Sender};
use crate::slack::unescape;

/// Cases begin at noon of a Monday, in the job's zone: most working hours are open, most quiet hours are not.
const NOON: DateTime = date(2026, 1, 5).at(12, 0, 0, 0);

/// How long a run takes.
const TOOK: Duration = Duration::from_secs(1);

/// What the outcome of a case depends on. An error in anything else of a file leaves its cases as they are.
const NEEDED: &[&str] = &[
    "every",
    "burst",
    "cron",
    "expect",
    "after",
    "time_zone",
    "timeout",
    "retries",
    "parse",
    "exit_codes",
    "fail_on",
    "warning_when",
    "critical_when",
    "redact",
    "template",
    "failure_template",
    "message",
    "notify",
];

/// Tries every case of every job, and of each file with errors that have nothing to do with its cases; a case that does not
/// come out is a problem at what it expects.
pub fn check(plan: &Plan, partial: &[Partial]) -> Vec<Problem> {
    let sender = report::sender(plan);
    let partial = partial.iter().filter(|partial| partial.bad.spare(NEEDED)).map(|partial| &partial.job);
    let jobs = plan.jobs.iter().map(Arc::as_ref).chain(partial);
    jobs.flat_map(|job| job.cases.iter().flat_map(|case| failures(job, case, &sender))).collect()
}

/// What to do about a case that does not come out.
const WRONG: &str = "change the job, or what the test expects; `slack-alert simulate` shows what the job would say";

/// What a run of a job that the daemon runs itself cannot be.
const NOT_EXPECTED: &str =
    "no run of this job can be missing: the daemon runs it itself; `missing` is for a job with `expect`";

/// Who holds a job in a case.
const SOMEBODY: &str = "somebody";

/// What came of a case's last run.
struct Came {
    /// How it ended; `None` when it did not take place.
    outcome: Option<Arc<Outcome>>,
    said: Said,
}

fn failures(job: &Job, case: &Case, sender: &Sender) -> Vec<Problem> {
    let came = match play(job, case, sender) {
        Ok(Some(came)) => came,
        Ok(None) => return Vec::new(),
        Err(problem) => return vec![*problem],
    };
    let expected = &case.expected;
    let decision = came.said.decision;
    let mut found = Vec::new();
    let mut differs = |place: Place, expected: String, came: String| {
        let message = format!("`{}`: expected {expected}, and {came}", case.name);
        found.push(Problem::new(Code::FailingTest, place, message).help(WRONG));
    };
    if let Some((wanted, at)) = &expected.status
        && came.outcome.as_ref().is_none_or(|outcome| wanted != outcome.status.as_str())
    {
        let came = match &came.outcome {
            Some(outcome) => format!("the run is {} ({})", outcome.status.as_str(), why(outcome)),
            None => "the job is paused: it does not run".to_owned(),
        };
        differs(*at, format!("the status {wanted}"), came);
    }
    if let Some((wanted, at)) = &expected.suppressed
        && *wanted != decision.to_string()
    {
        differs(*at, format!("no message ({wanted})"), told(&came));
    }
    let silent = !decision.is_notified();
    if let Some((wanted, at)) = &expected.event
        && decision.event().is_none_or(|event| wanted != event.as_str())
    {
        differs(*at, format!("a message about {wanted}"), told(&came));
    } else if let (true, Some(at)) = (silent, place_of_message(case)) {
        differs(at, "a message".to_owned(), told(&came));
    }
    if silent {
        return found;
    }
    let (written, text) = shown(&came.said.messages);
    let says = |wanted: &str| text.contains(wanted) || written.contains(wanted);
    for (wanted, at) in expected.contains.iter().filter(|(wanted, _)| !says(wanted)) {
        differs(*at, format!("`{wanted}` in the message"), format!("it says:\n{}", text.trim_end()));
    }
    for (unwanted, at) in expected.not_contains.iter().filter(|(unwanted, _)| says(unwanted)) {
        differs(*at, format!("no `{unwanted}` in the message"), format!("it says:\n{}", text.trim_end()));
    }
    if let Some((wanted, at)) = &expected.channel {
        let mut wanted: Vec<String> = wanted.iter().map(|name| Channel::new(name).to_string()).collect();
        let mut went: Vec<String> = came.said.messages.iter().map(|message| message.channel.to_string()).collect();
        wanted.sort();
        wanted.dedup();
        went.sort();
        went.dedup();
        if wanted != went {
            let nowhere = went.iter().all(|channel| channel == "#");
            let went = if nowhere { "to no channel".to_owned() } else { format!("to {}", went.join(", ")) };
            differs(*at, format!("a message to {}", wanted.join(", ")), format!("it goes {went}"));
        }
    }
    found
}

/// Where the case says, without naming the event, that something is said.
fn place_of_message(case: &Case) -> Option<Place> {
    let expected = &case.expected;
    if expected.event.is_some() {
        return None;
    }
    expected
        .contains
        .iter()
        .chain(&expected.not_contains)
        .map(|(_, at)| *at)
        .next()
        .or(expected.channel.as_ref().map(|(_, at)| *at))
}

/// Plays the steps; `None` when no run is among them. The error is about what a person cannot ask for then.
fn play(job: &Job, case: &Case, sender: &Sender) -> Result<Option<Came>, Box<Problem>> {
    let zone = &job.timing.zone;
    let Ok(noon) = zone.to_zoned(NOON) else { return Ok(None) };
    let mut now = noon.timestamp();
    let mut health = Health::default();
    let mut pause = None;
    let (mut last, mut seen) = (None, None);
    for (given, number) in case.given.iter().zip(1..) {
        now = time_of(given, now, zone);
        wake(job, &mut health, now, sender);
        let given_run = match &given.step {
            Step::Hold(kind, length) => {
                let until = clock::shift(now, *length);
                match kind {
                    HoldKind::Pause => pause = pause.max(Some(until)),
                    HoldKind::Silence | HoldKind::Ack => hold(job, &mut health, (*kind, until), now)
                        .map_err(|why| Box::new(not_possible(case, given, why)))?,
                }
                continue;
            }
            Step::Run(run) => run,
        };
        if matches!(given_run.ending, Ending::Missing { .. }) && job.timing.expect().is_none() {
            return Err(Box::new(not_possible(case, given, NOT_EXPECTED)));
        }
        if !given_run.triggered && pause.is_some_and(|until| until > now) {
            let said = Said::nothing(Decision::Paused);
            last = Some(Came { outcome: None, said });
            continue;
        }
        let trigger = if given_run.triggered { Trigger::Manual } else { Trigger::Schedule };
        let run = Run::new(RunId(number), job.name.clone(), Arc::clone(&job.command), now, trigger);
        let outcome = Arc::new(report::conditioned(job, &health, outcome(job, given_run, seen, now)));
        if outcome.reason != Reason::Missing {
            seen = Some(outcome.started);
        }
        let before = health.status();
        let end = RunEnd { run: &run, outcome: &outcome, now };
        let mut said = report::judge(job, &mut health, end, Burst::Open, sender);
        said.messages.retain(|message| message.thread != Thread::Edit);
        release(job, &mut health, before, said.decision, now);
        last = Some(Came { outcome: Some(outcome), said });
    }
    Ok(last)
}

/// What the time alone brings before the next step: the end of quiet hours, of flapping, of a silence.
fn wake(job: &Job, health: &mut Health, now: Timestamp, sender: &Sender) {
    while let Some(due) = policy::due(&job.notify, health).filter(|due| *due <= now) {
        report::wake(job, health, None, sender, due);
        if policy::due(&job.notify, health).is_some_and(|next| next <= due) {
            break;
        }
    }
}

/// A person holds the job's messages; the error says why that is not possible.
fn hold(
    job: &Job,
    health: &mut Health,
    (kind, until): (HoldKind, Timestamp),
    now: Timestamp,
) -> Result<(), &'static str> {
    let mut held = health.held().cloned().unwrap_or_default();
    if kind == HoldKind::Silence {
        held.silence = held.silence.filter(|(known, _)| *known > until).or(Some((until, SOMEBODY.to_owned())));
    } else {
        let open = policy::open(&job.notify, health, &job.timing.zone, now);
        // As a running daemon does: the first that nobody has, and else the first.
        let nobody_has = |open: &&policy::Open| !held.acks.iter().any(|(id, _)| *id == open.id);
        let open = open.iter().find(nobody_has).or(open.first()).ok_or("there is no open incident to acknowledge")?;
        held.acks.retain(|(id, _)| *id != open.id);
        held.acks.push((open.id, until));
    }
    health.hold(held);
    Ok(())
}

/// An acknowledgement may be over with a run.
fn release(job: &Job, health: &mut Health, before: Option<Status>, decision: Decision, now: Timestamp) {
    let Some(mut held) = health.held().filter(|held| !held.acks.is_empty()).cloned() else { return };
    let open = policy::open(&job.notify, health, &job.timing.zone, now);
    held.acks.retain(|(id, _)| policy::ack_ends(Some(*id), &open, decision.event(), before, health).is_none());
    health.hold(held);
}

fn not_possible(case: &Case, given: &Given, why: &str) -> Problem {
    Problem::new(Code::FailingTest, given.place, format!("`{}`: {why}", case.name)).help("change what the test gives")
}

/// When a step is: after the one before, and then at the next such time of day.
fn time_of(given: &Given, before: Timestamp, zone: &TimeZone) -> Timestamp {
    let after = clock::shift(before, given.after);
    let Some(time) = given.at else { return after };
    let local = after.to_zoned(zone.clone());
    let days = if local.time() <= time { 0 } else { 1 };
    let date = local.date().saturating_add(jiff::Span::new().days(days));
    zone.to_zoned(date.to_datetime(time)).map_or(after, |at| at.timestamp())
}

fn outcome(job: &Job, given: &GivenRun, seen: Option<Timestamp>, now: Timestamp) -> Outcome {
    if let Ending::Missing { .. } = given.ending {
        let grace = job.timing.expect().map_or(Duration::ZERO, |expect| expect.grace);
        return Outcome::missing(now.saturating_sub(grace).unwrap_or(now), grace, seen, now);
    }
    let captured = |text: &str| Captured { head: text.as_bytes().to_vec(), ..Captured::default() };
    let ending = match given.ending {
        Ending::TimedOut { killed, .. } => {
            Ending::TimedOut { after: job.command.timeout().unwrap_or(Duration::from_secs(60)), killed }
        }
        ref other => other.clone(),
    };
    let output = Output {
        stdout: captured(&given.stdout),
        stderr: captured(&given.stderr),
        both: captured(&format!("{}{}", given.stdout, given.stderr)),
        ..Output::default()
    };
    exec::assumed(&job.command, ending, output, now.saturating_sub(TOOK).unwrap_or(now), TOOK)
}

fn why(outcome: &Outcome) -> String {
    if outcome.detail.is_empty() { outcome.ending.words() } else { outcome.detail.clone() }
}

fn told(came: &Came) -> String {
    match came.said.decision {
        Decision::Notified(event) => format!("a message about {event} comes"),
        other => format!("none comes: {other}"),
    }
}

/// Every text of the messages, unescaped: as Slack is given it, and as people read it. What a block says again in other marks is
/// read once.
fn shown(messages: &[Message]) -> (String, String) {
    let (mut all, mut read) = (String::new(), String::new());
    for message in messages {
        let plain: Vec<String> = message.text.lines().map(view::plain).collect();
        for text in std::iter::once(message.text.as_str()).chain(message.blocks.iter().flat_map(texts)) {
            if all.contains(text) {
                continue;
            }
            all.push_str(text);
            all.push('\n');
            let is_text = std::ptr::eq(text, message.text.as_str());
            let lines = text.lines().map(view::plain).filter(|line| is_text || !plain.contains(line));
            lines.for_each(|line| read.extend([line.as_str(), "\n"]));
        }
    }
    (unescape(&all), read)
}

/// Every text of a block; blocks are nested no deeper than the renderer nests them.
fn texts(value: &serde_json::Value) -> Vec<&str> {
    match value {
        serde_json::Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("text" | "url" | "alt_text", Some(text)) => vec![text],
                _ => texts(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
