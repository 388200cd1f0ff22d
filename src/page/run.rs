//! A run's page, the outbox's, and that of the next 24 hours. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::draw::{self, Strip};
use super::view::{self, Fact, Links, Verdict, address, fact};
use super::words::{self, Present, Time};
use super::{Pages, Site};
use crate::api;
use crate::clock;
use crate::exec::{Captured, Trigger, clean};
use crate::notify::view::plain;

/// Bars of a day: one for each quarter of an hour.
const QUARTERS: usize = 96;
const QUARTER: Duration = Duration::from_secs(900);

/// What a run printed on one stream.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'a> {
    /// `standard output`.
    pub name: &'static str,
    /// Where it can be read as text.
    pub path: &'static str,
    /// What was kept of it.
    pub output: &'a Captured,
}

/// What a run's page is made of.
#[derive(Debug)]
pub struct RunPage<'a> {
    /// When.
    pub now: Timestamp,
    /// The run.
    pub run: &'a api::Run,
    /// What came of it, in a sentence.
    pub sentence: &'a str,
    /// Why there was a message, or none.
    pub explanation: &'a str,
    /// What it printed.
    pub streams: &'a [Stream<'a>],
    /// Why there is no output of it, where that does not say that it printed nothing.
    pub lacks_output: Option<&'static str>,
    /// Its message: the channels, and what it says as plain text.
    pub message: Option<(&'a str, &'a str)>,
}

/// What the page of the outbox is made of.
#[derive(Debug)]
pub struct OutboxPage<'a> {
    /// When.
    pub now: Timestamp,
    /// How delivery is.
    pub outbox: &'a api::OutboxState,
    /// Its messages, the newest first.
    pub messages: &'a [api::Message],
    /// Where the next page goes on.
    pub before: Option<u64>,
}

/// What the page of the next 24 hours is made of.
#[derive(Debug)]
pub struct NextPage<'a> {
    /// When.
    pub now: Timestamp,
    /// Due times of each quarter of an hour from now on.
    pub quarters: &'a [u32],
    /// They were estimated: there is too much to count.
    pub is_estimate: bool,
    /// The first of them.
    pub next: &'a [api::Next],
}

#[derive(Serialize)]
struct RunContext<'a> {
    run: RunView,
    sentence: &'a str,
    explanation: &'a str,
    hidden: bool,
    streams: Vec<StreamView>,
    lacks_output: Option<&'static str>,
    message: Option<MessageView<'a>>,
}

#[derive(Serialize)]
struct RunView {
    id: u64,
    job: String,
    job_href: String,
    status: &'static str,
    started: Option<Time>,
    finished: Option<Time>,
    scheduled: Time,
    took: Option<String>,
    ending: Option<String>,
    trigger: &'static str,
    by: Option<String>,
    note: Option<String>,
    attempts: Option<u32>,
    number: u64,
}

#[derive(Serialize)]
struct StreamView {
    name: &'static str,
    raw: String,
    head: String,
    dropped: Option<String>,
    tail: String,
}

#[derive(Serialize)]
struct MessageView<'a> {
    href: String,
    dark: String,
    channel: &'a str,
    alt: &'a str,
}

#[derive(Serialize)]
struct OutboxContext {
    verdict: Verdict,
    why: Option<String>,
    facts: Vec<Fact>,
    rows: Vec<OutboxRow>,
    pages: Option<Links>,
}

#[derive(Serialize)]
struct OutboxRow {
    id: u64,
    state: String,
    class: &'static str,
    job: Option<String>,
    href: Option<String>,
    event: Option<String>,
    channel: String,
    queued: Time,
    attempts: u32,
    why: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct NextContext {
    headline: String,
    busiest: Option<String>,
    busy: Strip,
    hours: Vec<String>,
    rows: Vec<NextRow>,
    more: Option<String>,
}

#[derive(Serialize)]
struct NextRow {
    at: Time,
    job: String,
    href: String,
}

impl Pages {
    /// A run's page.
    pub fn run(&self, site: &Site, data: &RunPage<'_>) -> String {
        let present = Present { now: data.now, zone: site.zone.clone() };
        let run = data.run;
        let printed = |stream: &&Stream<'_>| stream.output.dropped > 0 || !stream.output.head.is_empty();
        let streams = data.streams.iter().filter(printed).map(|stream| StreamView {
            name: stream.name,
            raw: format!("{}/{}", site.run(run.id.0), stream.path),
            head: clean(&stream.output.head),
            dropped: (stream.output.dropped > 0).then(|| words::bytes(stream.output.dropped)),
            tail: clean(&stream.output.tail),
        });
        let message = data.message.filter(|_| site.show_output).map(|(channel, alt)| MessageView {
            href: format!("{}/message.svg", site.run(run.id.0)),
            dark: format!("{}/message-dark.svg", site.run(run.id.0)),
            channel,
            alt,
        });
        let context = RunContext {
            run: RunView {
                id: run.id.0,
                job: run.job.to_string(),
                job_href: site.job(run.job.as_str()),
                status: match run.status {
                    Some(status) => status.as_str(),
                    None if run.finished.is_some() => "not run",
                    None if run.waits.is_some() => "waiting",
                    None => "running",
                },
                started: run.started.map(|at| present.time(at)),
                finished: run.finished.map(|at| present.time(at)),
                scheduled: present.time(run.scheduled),
                took: run.took.map(words::length),
                ending: run.ending.clone(),
                trigger: trigger(run.trigger),
                by: run.by.as_ref().map(|by| by.name.clone()),
                note: run.note.clone(),
                attempts: run.attempts.filter(|attempts| *attempts > 1),
                number: run.number,
            },
            sentence: data.sentence,
            explanation: data.explanation,
            hidden: !site.show_output,
            streams: if site.show_output { streams.collect() } else { Vec::new() },
            lacks_output: data.lacks_output,
            message,
        };
        self.render(site, data.now, "overview", "run.html", &context)
    }

    /// The page of the outbox.
    pub fn outbox(&self, site: &Site, data: &OutboxPage<'_>) -> String {
        let present = Present { now: data.now, zone: site.zone.clone() };
        let outbox = data.outbox;
        let mut facts = Vec::new();
        for (number, what) in [(outbox.waiting, "waiting"), (outbox.late, "late"), (outbox.dead, "dead")] {
            facts.push(fact(format!("{} {what}", view::number(usize::try_from(number).unwrap_or(usize::MAX)))));
        }
        if let Some(last) = outbox.last_delivered {
            facts.push(fact(format!("the last message was delivered {}", present.time(last).away)));
        }
        let error = outbox.last_error.clone().filter(|_| outbox.waiting > 0);
        let why = outbox.outage.as_ref().map(|outage| outage.why.clone()).or(error);
        let row = |message: &api::Message| OutboxRow {
            id: message.id,
            state: message.state.clone(),
            class: if message.state == "waiting" { "never" } else { "critical" },
            job: message.job.as_ref().map(ToString::to_string),
            href: message.job.as_ref().map(|job| site.job(job.as_str())),
            event: message.event.clone(),
            channel: if message.channel == "#" { String::new() } else { message.channel.clone() },
            queued: present.time(message.queued),
            attempts: message.attempts,
            why: message.why.clone(),
            text: match site.show_output {
                true => first_line(&message.text),
                false => String::new(),
            },
        };
        let context = OutboxContext {
            verdict: view::delivery(outbox, &present),
            why,
            facts,
            rows: data.messages.iter().map(row).collect(),
            pages: data.before.map(|before| Links {
                before: None,
                here: String::new(),
                after: Some(address(&format!("{}outbox", site.base), &[("before", &before.to_string())])),
            }),
        };
        self.render(site, data.now, "outbox", "outbox.html", &context)
    }

    /// The page of the next 24 hours.
    pub fn next(&self, site: &Site, data: &NextPage<'_>) -> String {
        let present = Present { now: data.now, zone: site.zone.clone() };
        let total: usize = data.quarters.iter().map(|number| *number as usize).sum();
        let at = |quarter: usize| {
            let quarter = u32::try_from(quarter).unwrap_or(u32::MAX);
            present.time(clock::shift(data.now, QUARTER.saturating_mul(quarter))).at
        };
        let busiest =
            data.quarters.iter().enumerate().max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(&one.0)));
        let busiest = busiest.filter(|(_, number)| **number > 1).map(|(quarter, number)| {
            let number = view::number(*number as usize);
            let about = if data.is_estimate { "about " } else { "" };
            format!("Busiest in the quarter of an hour from {}: {about}{number} runs", at(quarter))
        });
        let runs = if total == 1 { "run" } else { "runs" };
        let about = if data.is_estimate { "About " } else { "" };
        let context = NextContext {
            headline: format!("{about}{} {runs} due within 24 hours", view::number(total)),
            busiest,
            busy: Strip {
                label: format!("{about}{total} {runs} within 24 hours, by quarters of an hour"),
                ..draw::busy(data.quarters)
            },
            hours: (0..=4).map(|quarter| at(quarter * QUARTERS / 4)).collect(),
            rows: data
                .next
                .iter()
                .map(|next| NextRow {
                    at: present.time(next.at),
                    job: next.job.to_string(),
                    href: site.job(next.job.as_str()),
                })
                .collect(),
            more: (total > data.next.len()).then(|| {
                format!(
                    "and {} more; `slack-alert next -n COUNT JOB` lists any number",
                    view::number(total - data.next.len())
                )
            }),
        };
        self.render(site, data.now, "next", "next.html", &context)
    }
}

fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Schedule => "its schedule",
        Trigger::CatchUp => "its schedule, and made up for later",
        Trigger::Manual => "a person",
        Trigger::Reported => "something else, which reported it",
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    plain(line).chars().take(300).collect()
}
