//! A job's page: how it is and why, its last runs, how long they took, when it is due. Pure.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::draw::{self, Bar, Plot, Strip};
use super::view::{Choice, IncidentView, Links, address, bars, held_until, word};
use super::words::{self, Present, Time};
use super::{Pages, Site};
use crate::api::{self, JobState};
use crate::exec::Status;
use crate::policy::Decision;

/// Bars of the long strip, and points of the plot.
const STRIP: usize = 200;

/// What the page is made of.
#[derive(Debug)]
pub struct JobPage<'a> {
    /// When.
    pub now: Timestamp,
    /// The job, with its long strip.
    pub job: &'a api::Job,
    /// How it is, in a sentence.
    pub sentence: &'a str,
    /// Its open incidents.
    pub incidents: &'a [api::Incident],
    /// Its runs, each with why there was a message or none, the newest first.
    pub runs: &'a [api::Explained],
    /// Only runs of this status are shown.
    pub status: Option<Status>,
    /// Where the next page of runs goes on.
    pub before: Option<u64>,
    /// When it is due next.
    pub next: &'a [Timestamp],
    /// What it runs, as one line.
    pub command: Option<&'a str>,
    /// After which a run is ended.
    pub timeout: Option<Duration>,
    /// The daemon runs it when somebody asks: it is loaded, and nothing else runs it.
    pub can_run: bool,
}

#[derive(Serialize)]
struct View<'a> {
    job: JobView,
    sentence: &'a str,
    incidents: Vec<IncidentView>,
    can_ack: bool,
    can_run: bool,
    long: Strip,
    count: usize,
    plot: Option<Plot>,
    plot_most: String,
    spread: String,
    timeout: Option<String>,
    next: Vec<Time>,
    file: Option<&'a str>,
    command: Option<&'a str>,
    running: Vec<Running>,
    held: Vec<String>,
    states: Vec<Choice>,
    status: Option<&'static str>,
    runs: Vec<RunRow>,
    pages: Option<Links>,
}

#[derive(Serialize)]
struct JobView {
    name: String,
    state: &'static str,
    word: &'static str,
    description: String,
    schedule: String,
    usual: Option<String>,
    tags: Vec<Tag>,
    paused: bool,
    paused_id: Option<u64>,
    silenced_id: Option<u64>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    href: String,
}

#[derive(Serialize)]
struct Running {
    id: u64,
    href: String,
    started: Time,
    pid: Option<u32>,
}

#[derive(Serialize)]
struct RunRow {
    id: u64,
    href: String,
    status: &'static str,
    started: Time,
    took: String,
    ending: String,
    attempts: Option<String>,
    verdict: String,
}

impl Pages {
    /// A job's page.
    pub fn job(&self, site: &Site, data: &JobPage<'_>) -> String {
        let present = Present { now: data.now, zone: site.zone.clone() };
        let job = data.job;
        let bars = bars(&job.strip);
        let plot = draw::plot(&bars, STRIP, data.timeout.map(|timeout| timeout.as_secs_f64()));
        let held = [(&job.paused, "paused "), (&job.silenced, "silenced ")];
        let held = held.into_iter().filter_map(|(held, what)| Some(held_until(held.as_ref()?, &present, what)));
        let view = View {
            job: job_view(job, site),
            sentence: data.sentence,
            incidents: data.incidents.iter().map(|each| IncidentView::new(each, site, &present)).collect(),
            can_ack: data.incidents.iter().any(|incident| incident.ack.is_none()),
            can_run: data.can_run,
            long: draw::strip(&bars, STRIP),
            count: bars.len(),
            plot_most: plot.as_ref().map(|plot| seconds(plot.most)).unwrap_or_default(),
            spread: spread(&bars),
            plot,
            timeout: data.timeout.map(words::length),
            next: data.next.iter().map(|at| present.time(*at)).collect(),
            file: Some(job.file.as_str()).filter(|file| site.show_output && !file.is_empty()),
            command: data.command.filter(|_| site.show_output),
            running: job
                .running
                .iter()
                .map(|run| Running {
                    id: run.run.0,
                    href: site.run(run.run.0),
                    started: present.time(run.started),
                    pid: run.pid,
                })
                .collect(),
            held: held.collect(),
            states: states(data, site),
            status: data.status.map(Status::as_str),
            runs: data.runs.iter().map(|run| run_row(run, site, &present)).collect(),
            pages: data.before.map(|before| Links {
                before: None,
                here: String::new(),
                after: Some(address(
                    &site.job(job.name.as_str()),
                    &[("status", data.status.map_or("", Status::as_str)), ("before", &before.to_string())],
                )),
            }),
        };
        self.render(site, data.now, "overview", "job.html", &view)
    }
}

fn job_view(job: &api::Job, site: &Site) -> JobView {
    let tag = |tag: &String| Tag { name: tag.clone(), href: address(&site.base, &[("job", &format!("tag:{tag}"))]) };
    JobView {
        name: job.name.to_string(),
        state: job.state.as_str(),
        word: word(job.state),
        description: job.description.clone(),
        schedule: job.schedule.clone(),
        usual: job.usual_took.map(words::length),
        tags: job.tags.iter().map(tag).collect(),
        paused: job.state == JobState::Paused || job.paused.is_some(),
        paused_id: job.paused.as_ref().and_then(|held| held.id),
        silenced_id: job.silenced.as_ref().and_then(|held| held.id),
    }
}

fn run_row(explained: &api::Explained, site: &Site, present: &Present) -> RunRow {
    let run = &explained.run;
    RunRow {
        id: run.id.0,
        href: site.run(run.id.0),
        status: run.status.map_or(if run.finished.is_some() { "not run" } else { "running" }, Status::as_str),
        started: present.time(run.started.or(run.finished).unwrap_or(run.scheduled)),
        took: run.took.map(words::length).unwrap_or_default(),
        ending: run.ending.clone().unwrap_or_default(),
        attempts: run.attempts.filter(|attempts| *attempts > 1).map(|attempts| format!("{attempts} attempts")),
        verdict: verdict(explained, present),
    }
}

/// `sent: failure`, `not sent: repeat-not-due, next message at 04:00`.
fn verdict(explained: &api::Explained, present: &Present) -> String {
    let run = &explained.run;
    let Some(verdict) = run.verdict.as_deref().filter(|verdict| !verdict.is_empty()) else { return String::new() };
    let expected = verdict.parse::<Decision>().ok().and_then(|decision| decision.with_until(run.until).expected());
    let next = expected.and_then(|expected| expected.words(|at| present.time(at).at));
    let next = next.map(|next| format!(", {next}")).unwrap_or_default();
    match verdict.strip_prefix("notified: ") {
        Some(_) if explained.run.message.is_some() => explained.run.message.clone().unwrap_or_default(),
        Some(event) => format!("sent: {event}"),
        None => format!("not sent: {verdict}{next}"),
    }
}

fn states(data: &JobPage<'_>, site: &Site) -> Vec<Choice> {
    let choice = |status: Option<Status>| Choice {
        word: status.map_or("all", Status::as_str).to_owned(),
        number: String::new(),
        href: address(&site.job(data.job.name.as_str()), &[("status", status.map_or("", Status::as_str))]),
        here: status == data.status,
    };
    std::iter::once(None).chain(Status::ALL.map(Some)).map(choice).collect()
}

fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map(words::length).unwrap_or_default()
}

/// `from 31 s to 4 min, half of them below 41 s`.
fn spread(bars: &[Bar]) -> String {
    let mut times: Vec<f64> = bars.iter().filter_map(|bar| bar.seconds).collect();
    times.sort_unstable_by(f64::total_cmp);
    match (times.first(), times.last()) {
        (Some(low), Some(high)) if times.len() > 1 => {
            let middle = times[times.len() / 2];
            format!("from {} to {}, the median is {}", seconds(*low), seconds(*high), seconds(middle))
        }
        _ => String::new(),
    }
}
