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
use crate::daemon::speak::{self, About, Burst, Decision, Said, Voice};
use crate::diagnostic::{Code, Place, Problem};
use crate::exec::{self, Captured, Ending, Outcome, Output};
use crate::id::{Channel, RunId};
use crate::message::{Message, Thread};
use crate::order;
use crate::plan::{Case, Given, Job, Plan};
use crate::policy::Health;

/// Cases begin at noon of a Monday, in the job's zone: most working hours are open, most quiet hours are not.
const NOON: DateTime = date(2026, 1, 5).at(12, 0, 0, 0);

/// How long a run takes.
const TOOK: Duration = Duration::from_secs(1);

/// Tries every case of every job; a case that does not come out is a problem at what it expects.
pub fn check(plan: &Plan) -> Vec<Problem> {
    let voice = crate::daemon::voice(plan);
    plan.jobs.iter().flat_map(|job| job.cases.iter().flat_map(|case| failures(job, case, &voice))).collect()
}

/// What came of a case's last run.
struct Came {
    outcome: Arc<Outcome>,
    said: Said,
}

fn failures(job: &Job, case: &Case, voice: &Voice) -> Vec<Problem> {
    let Some(came) = play(job, case, voice) else { return Vec::new() };
    let expected = &case.expected;
    let (decision, status) = (&came.said.decision, came.outcome.status.as_str());
    let mut found = Vec::new();
    let mut differs = |place: Place, expected: String, came: String| {
        let message = format!("`{}`: expected {expected}, and {came}", case.name);
        found.push(Problem::new(Code::FailingTest, place, message));
    };
    if let Some((wanted, at)) = &expected.status
        && wanted != status
    {
        differs(*at, format!("the status {wanted}"), format!("the run is {status} ({})", why(&came.outcome)));
    }
    if let Some((wanted, at)) = &expected.held
        && *wanted != decision.words()
    {
        differs(*at, format!("nothing to be said ({wanted})"), told(&came));
    }
    let silent = !matches!(decision, Decision::Notified(_));
    if let Some((wanted, at)) = &expected.event
        && format!("notified: {wanted}") != decision.words()
    {
        differs(*at, format!("a message about {wanted}"), told(&came));
    } else if let (true, Some(at)) = (silent, spoken_place(case)) {
        differs(at, "a message".to_owned(), told(&came));
    }
    if silent {
        return found;
    }
    let text = shown(&came.said.messages);
    for (wanted, at) in expected.contains.iter().filter(|(wanted, _)| !text.contains(wanted.as_str())) {
        differs(*at, format!("`{wanted}` in the message"), format!("it says:\n{}", text.trim_end()));
    }
    if let Some((wanted, at)) = &expected.channel {
        let mut wanted: Vec<String> = wanted.iter().map(|name| Channel::new(name).to_string()).collect();
        let mut went: Vec<String> = came.said.messages.iter().map(|message| message.channel.to_string()).collect();
        order::distinct(&mut wanted);
        order::distinct(&mut went);
        if wanted != went {
            let nowhere = went.iter().all(|channel| channel == "#");
            let went = if nowhere { "to no channel".to_owned() } else { format!("to {}", went.join(", ")) };
            differs(*at, format!("a message to {}", wanted.join(", ")), format!("it goes {went}"));
        }
    }
    found
}

/// Where the case says, without naming the event, that something is said.
fn spoken_place(case: &Case) -> Option<Place> {
    let expected = &case.expected;
    if expected.event.is_some() {
        return None;
    }
    expected.contains.first().map(|(_, at)| *at).or(expected.channel.as_ref().map(|(_, at)| *at))
}

/// Plays the runs; `None` when there is none.
fn play(job: &Job, case: &Case, voice: &Voice) -> Option<Came> {
    let zone = &job.timing.zone;
    let mut now = zone.to_zoned(NOON).ok()?.timestamp();
    let mut health = Health::default();
    let mut last = None;
    for (given, number) in case.given.iter().zip(1..) {
        now = time_of(given, now, zone);
        let run = speak::manual_run(RunId(number), job, now);
        let outcome = Arc::new(outcome(job, given, now));
        let about = About { run: &run, outcome: &outcome, now };
        let mut said = speak::judge(job, &mut health, about, Burst::Open, voice);
        said.messages.retain(|message| message.thread != Thread::Edit);
        last = Some(Came { outcome, said });
    }
    last
}

/// When a run is: after the one before, and then at the next such time of day.
fn time_of(given: &Given, before: Timestamp, zone: &TimeZone) -> Timestamp {
    let after = clock::shift(before, given.after);
    let Some(time) = given.at else { return after };
    let local = after.to_zoned(zone.clone());
    let days = if local.time() <= time { 0 } else { 1 };
    let date = local.date().saturating_add(jiff::Span::new().days(days));
    zone.to_zoned(date.to_datetime(time)).map_or(after, |at| at.timestamp())
}

fn outcome(job: &Job, given: &Given, now: Timestamp) -> Outcome {
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
    };
    exec::assumed(&job.command, ending, output, now.saturating_sub(TOOK).unwrap_or(now), TOOK)
}

fn why(outcome: &Outcome) -> String {
    if outcome.detail.is_empty() { outcome.ending.words() } else { outcome.detail.clone() }
}

fn told(came: &Came) -> String {
    match &came.said.decision {
        Decision::Notified(event) => format!("a message about {event} comes"),
        other => format!("nothing is said: {}", other.words()),
    }
}

/// What people read of the messages: every text of them, unescaped.
fn shown(messages: &[Message]) -> String {
    let mut all = String::new();
    for message in messages {
        for text in std::iter::once(message.text.as_str()).chain(message.blocks.iter().flat_map(texts)) {
            if !all.contains(text) {
                all.push_str(text);
                all.push('\n');
            }
        }
    }
    all.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
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
