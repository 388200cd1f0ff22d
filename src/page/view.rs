//! What several pages show: jobs, incidents, holds, in words. Pure.

use std::time::Duration;

use serde::Serialize;

use super::draw::{self, Bar, Look, Strip};
use super::words::{self, Present, Time};
use super::{Site, encode};
use crate::api::{self, HoldKind, JobState};
use crate::exec::Status;
use crate::policy::{self, Expected};

/// Bars of the strip in a list.
const STRIP: usize = 40;

/// A run that takes so many times what a run usually takes is longer than usual; short runs vary more than that.
const SLOW: u32 = 2;
const SHORT: Duration = Duration::from_secs(2);

/// A sentence and how it looks.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// A small fact beside others.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    pub(super) class: Option<&'static str>,
    pub(super) text: String,
    pub(super) href: Option<String>,
}

/// One of several lists of the same things.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) word: String,
    pub(super) number: String,
    pub(super) href: String,
    pub(super) here: bool,
}

/// Other pages of a list.
#[derive(Debug, Serialize)]
pub(super) struct Links {
    pub(super) before: Option<String>,
    pub(super) here: String,
    pub(super) after: Option<String>,
}

/// A job in a list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    href: String,
    description: String,
    state: &'static str,
    word: String,
    note: Option<String>,
    strip: Strip,
    running: Option<String>,
    took: String,
    slow: bool,
    usual: String,
    last: Option<Time>,
    next: Option<Time>,
    schedule: String,
}

/// An open incident.
#[derive(Debug, Serialize)]
pub(super) struct IncidentView {
    job: String,
    href: String,
    key: Option<String>,
    status: &'static str,
    since: Time,
    lasting: String,
    failures: String,
    line: String,
    told: Vec<ToldView>,
    next: Option<NextView>,
    suppressed: Option<String>,
    /// It flaps: when it counts as steady, if nothing changes before.
    flaps: Option<Time>,
    ack: Option<String>,
}

/// When the next message about an incident comes: words, with the time among them.
#[derive(Debug, Serialize)]
struct NextView {
    before: String,
    at: Option<Time>,
    after: String,
}

#[derive(Debug, Serialize)]
struct ToldView {
    channel: String,
    at: Option<Time>,
    href: Option<String>,
}

/// A hold.
#[derive(Debug, Serialize)]
pub(super) struct HoldView {
    id: u64,
    what: &'static str,
    pattern: String,
    until: Time,
    until_ok: bool,
    by: String,
    note: Option<String>,
    jobs: String,
}

pub(super) fn fact(text: impl Into<String>) -> Fact {
    Fact { class: None, text: text.into(), href: None }
}

/// `12`, `12,345`.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 job`, `12 jobs`.
pub(super) fn jobs(count: usize) -> String {
    format!("{} {}", number(count), if count == 1 { "job" } else { "jobs" })
}

/// The state in words for people.
pub(super) fn word(state: JobState) -> &'static str {
    match state {
        JobState::NotLoaded => "not loaded",
        JobState::Never => "not run yet",
        other => other.as_str(),
    }
}

/// The runs of a strip, the oldest first.
pub(super) fn bars(strip: &[(Status, Option<f64>)]) -> Vec<Bar> {
    strip.iter().map(|(status, seconds)| Bar { look: Look::Status(*status), seconds: *seconds }).collect()
}

impl Row {
    pub(super) fn new(job: &api::Job, waits: Option<&api::Starved>, site: &Site, present: &Present) -> Self {
        let took = job.last.as_ref().and_then(|last| last.took);
        let state = job.state;
        let failing = matches!(state, JobState::Critical | JobState::Warning | JobState::Unknown);
        let waits = waits.map(|waits| format!("waits for {}", waits.what));
        let note = match (&job.paused, &job.silenced) {
            (Some(held), _) => Some(held_until(held, present, "")),
            (None, Some(held)) => Some(format!("silenced {}", held_until(held, present, ""))),
            (None, None) if job.error.is_some() && state != JobState::NotLoaded => Some(job.of_bad_file().to_owned()),
            (None, None) if waits.is_some() => waits,
            (None, None) if failing && job.streak > 1 => Some(format!("{} in a row", job.streak)),
            (None, None) => None,
        };
        let oldest = job.running.first();
        Self {
            name: job.name.to_string(),
            href: site.job(job.name.as_str()),
            description: job.description.clone(),
            state: state.as_str(),
            word: word(state).to_owned(),
            note,
            strip: draw::strip(&bars(&job.strip), STRIP),
            running: oldest.map(|run| words::rough(crate::clock::between(run.started, present.now))),
            took: took.map(words::length).unwrap_or_default(),
            slow: is_slow(took, job.usual_took),
            usual: job.usual_took.map(words::length).unwrap_or_default(),
            last: job.last.as_ref().map(|last| present.time(last.finished)),
            next: job.next.map(|next| present.time(next)),
            schedule: job.schedule.clone(),
        }
    }
}

fn is_slow(took: Option<Duration>, usual: Option<Duration>) -> bool {
    took.zip(usual).is_some_and(|(took, usual)| took > SHORT && took > usual.saturating_mul(SLOW))
}

/// `until 16:00 by dana: “migration”`.
pub(super) fn held_until(held: &api::HeldJob, present: &Present, before: &str) -> String {
    let mut text = format!("{before}until {}", present.time(held.until).at);
    if let Some(by) = &held.by {
        text.push_str(&format!(" by {}", by.name));
    }
    if let Some(note) = &held.note {
        text.push_str(&format!(": “{note}”"));
    }
    if let Some(passed) = held.passed.filter(|passed| *passed > 0) {
        text.push_str(&format!(" ({passed} due {} passed)", if passed == 1 { "time" } else { "times" }));
    }
    text
}

impl IncidentView {
    pub(super) fn new(incident: &api::Incident, site: &Site, present: &Present) -> Self {
        let failures = policy::count(incident.failures, "failure");
        let failures = match incident.same {
            same if same > 1 && same >= incident.failures => format!("{failures}, the same each time"),
            same if same > 1 => format!("{failures}, the last {same} the same"),
            _ => failures,
        };
        let told = incident.told.iter().map(|told| ToldView {
            channel: told.channel.clone(),
            at: told.at.map(|at| present.time(at)),
            href: told.permalink.clone().filter(|link| link.starts_with("https://")),
        });
        let ack = incident.ack.as_ref().map(|ack| {
            format!("{} has it since {}, until {}", ack.by.name, present.time(ack.at).at, present.time(ack.until).at)
        });
        Self {
            job: incident.job.to_string(),
            href: site.job(incident.job.as_str()),
            key: incident.key.clone(),
            status: incident.status.as_str(),
            since: present.time(incident.since),
            lasting: words::length(crate::clock::between(incident.since, present.now)),
            failures,
            line: incident.line.clone(),
            told: told.collect(),
            next: incident.expected().and_then(|expected| next_view(expected, present)),
            suppressed: match (incident.is_on_its_way(), &incident.dropped) {
                (true, _) => Some("its message waits".to_owned()),
                (false, Some(dropped)) => Some(format!("{} dropped its message", dropped.by)),
                (false, None) => incident.suppressed.as_ref().map(|why| why.reason.clone()),
            },
            flaps: incident.steady_at.map(|at| present.time(at)),
            ack,
        }
    }
}

fn next_view(expected: Expected, present: &Present) -> Option<NextView> {
    // Nothing of what is said has this character in it: it is where the time stands.
    let words = expected.words(|_| '\0'.to_string())?;
    let (before, after) = words.split_once('\0').unwrap_or((&words, ""));
    let at = expected.at.filter(|_| words.contains('\0')).map(|at| present.time(at));
    Some(NextView { before: before.to_owned(), at, after: after.to_owned() })
}

impl HoldView {
    pub(super) fn new(hold: &api::Hold, present: &Present) -> Self {
        Self {
            id: hold.id,
            what: match hold.kind {
                HoldKind::Pause => "paused",
                HoldKind::Silence => "silenced",
                HoldKind::Ack => "acknowledged",
            },
            pattern: hold.pattern.clone(),
            until: present.time(hold.until),
            until_ok: hold.until_ok,
            by: hold.by.name.clone(),
            note: hold.note.clone(),
            jobs: jobs(hold.jobs),
        }
    }
}

/// An address with parameters; those that are empty are left out.
pub(super) fn address(base: &str, parameters: &[(&str, &str)]) -> String {
    let mut address = base.to_owned();
    for (at, (name, value)) in parameters.iter().filter(|(_, value)| !value.is_empty()).enumerate() {
        address.push(if at == 0 { '?' } else { '&' });
        address.push_str(&format!("{name}={}", encode(value)));
    }
    address
}

/// Whether Slack takes messages: a sentence, and how it looks.
pub(super) fn delivery(outbox: &api::OutboxState, present: &Present) -> Verdict {
    let waiting = |count: u64| {
        let wait = if count == 1 { "message waits" } else { "messages wait" };
        format!("{} {wait}", number(usize::try_from(count).unwrap_or(usize::MAX)))
    };
    if let Some(suspended) = &outbox.suspended {
        return Verdict {
            class: "critical",
            text: format!("Slack refuses the credentials ({}); {}", suspended.why, waiting(outbox.waiting)),
        };
    }
    if let Some(outage) = &outbox.outage {
        let since = present.time(outage.since).at;
        return Verdict { class: "critical", text: format!("{}; {}", outage.words(&since), waiting(outbox.waiting)) };
    }
    if outbox.dead + outbox.late > 0 {
        let dead = outbox.dead + outbox.late;
        let what = if dead == 1 { "dead letter" } else { "dead letters" };
        return Verdict { class: "warning", text: format!("{dead} {what}: Slack did not take them in time") };
    }
    let late = Duration::from_secs(300);
    match (outbox.waiting, outbox.oldest, outbox.last_delivered) {
        (1.., Some(oldest), _) => {
            let age = crate::clock::between(oldest, present.now);
            let class = if age > late || outbox.last_error.is_some() { "warning" } else { "ok" };
            Verdict {
                class,
                text: format!("{} for Slack, the oldest for {}", waiting(outbox.waiting), words::rough(age)),
            }
        }
        (1.., None, _) => Verdict { class: "ok", text: format!("{} for Slack", waiting(outbox.waiting)) },
        (0, _, Some(last)) => {
            Verdict { class: "ok", text: format!("the last message was delivered {}", present.time(last).away) }
        }
        (0, _, None) => Verdict { class: "ok", text: "no message waits for Slack".to_owned() },
    }
}
