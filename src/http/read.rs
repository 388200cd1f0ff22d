//! What the store knows, as the API tells it: runs, the outbox, where an incident was told.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::answer::{Refusal, busy};
use super::core::Core;
use crate::api;
use crate::daemon::{JobQuery, Reply, Request};
use crate::exec::{Ending, Status};
use crate::id::{JobName, RunId};
use crate::message::first_line;
use crate::notify;
use crate::plan::Job;
use crate::policy::{self, Expected};
use crate::report::explain::{self, Explained, told};
use crate::store::{HistoryFilter, OutboxFilter, RunRow, Stored};

/// How many messages of the outbox are looked at for the runs of a job.
const MOST_MESSAGES: u32 = 1_000;

/// A run that is over.
pub fn run(row: &RunRow) -> api::Run {
    let exit_code = if let Ending::Exited { code } = row.ending { Some(code) } else { None };
    let signal = if let Ending::Signaled { signal } = row.ending { Some(signal) } else { None };
    // Due times that passed are no run: nothing started, and nothing ended. One that counts as not run has ended, and has no
    // status.
    let (is_run, counts) = (row.details.passed.is_none(), row.counts());
    api::Run {
        id: row.id,
        job: row.job.clone(),
        number: row.number,
        trigger: row.trigger,
        scheduled: row.scheduled,
        started: row.began(),
        finished: Some(row.finished),
        took: row.lasted(),
        attempts: Some(row.attempts),
        status: counts.then_some(row.status),
        reason: counts.then_some(row.reason),
        ending: is_run.then(|| row.ending.words()),
        exit_code,
        signal,
        line: row.details.line.clone(),
        verdict: Some(row.decision.to_string()),
        message: None,
        until: row.decision.until(),
        by: row.details.by.clone(),
        note: row.details.note.clone(),
        passed: row.details.passed.map(|(count, _)| count),
        waits: None,
    }
}

/// The runs of a page, the newest first.
pub(super) async fn runs(core: &Core, filter: HistoryFilter) -> Result<Vec<RunRow>, Refusal> {
    // What has just ended is on its way to the disk: the first page is to have it.
    if filter.before.is_none() {
        core.store.catch_up().await;
    }
    Ok(core.store.history(filter).await?)
}

/// So many incidents get links: nobody follows more, and each is looked up.
const LINKED: usize = 500;

/// Fills in where each incident can be seen, as far as that is known.
pub(super) async fn links(core: &Core, incidents: &mut [api::Incident]) {
    if incidents.iter().all(|incident| incident.told.is_empty()) {
        return;
    }
    let Some(url) = core.workspace.url(&core.clock) else { return };
    let told = incidents.iter().filter(|incident| !incident.told.is_empty());
    let ids = told.map(|incident| incident.thread).take(LINKED).collect();
    let Ok(threads) = core.store.threads(ids).await else { return };
    for incident in incidents {
        for told in &mut incident.told {
            let first = threads.get(&incident.thread).and_then(|all| {
                all.iter().find(|(channel, _)| channel.to_string() == told.channel).map(|(_, first)| first)
            });
            told.permalink = first.and_then(|first| notify::permalink(&url, first));
        }
    }
}

/// Runs that are over, each with what became of its message.
pub(super) async fn told_runs(core: &Core, job: Option<JobName>, rows: &[RunRow]) -> Result<Vec<api::Run>, Refusal> {
    let page = OutboxFilter { job, limit: MOST_MESSAGES, with_dropped: true, ..OutboxFilter::default() };
    let outbox = match rows.iter().any(|row| row.decision.is_notified()) {
        true => core.store.outbox_list(page).await?,
        false => Vec::new(),
    };
    let one = |row: &RunRow| {
        let undelivered: Vec<&Stored> =
            outbox.iter().filter(|stored| !stored.is_edit() && explain::tells_of(stored, row)).collect();
        api::Run { message: Some(explain::verdict(row, &undelivered)), ..run(row) }
    };
    Ok(rows.iter().map(one).collect())
}

/// One run that is over.
pub(super) async fn one(core: &Core, id: RunId) -> Result<Option<RunRow>, Refusal> {
    if let Some(row) = core.store.run(id).await? {
        return Ok(Some(row));
    }
    // It may have ended this very moment.
    core.store.catch_up().await;
    Ok(core.store.run(id).await?)
}

/// Gives jobs their last runs, and what a run usually takes.
pub(super) async fn strips(core: &Core, jobs: &mut [api::Job], length: u32) -> Result<(), Refusal> {
    let names = jobs.iter().filter(|job| job.last.is_some()).map(|job| job.name.clone()).collect();
    let mut strips = match core.store.strips(names, length).await {
        Err(error) if error.is_hang() => return Ok(()),
        strips => strips?,
    };
    for job in jobs {
        let Some(mut runs) = strips.remove(&job.name) else { continue };
        runs.reverse();
        job.usual_took = median(&runs);
        job.strip = runs.into_iter().map(|(status, took)| (status, took.map(|took| took.as_secs_f64()))).collect();
    }
    Ok(())
}

fn median(runs: &[(Status, Option<Duration>)]) -> Option<Duration> {
    let mut times: Vec<Duration> = runs.iter().filter_map(|(_, took)| *took).collect();
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}

/// The outbox as of now: what the disk says, and of what waits what the worker knows too.
pub(super) async fn outbox(core: &Core, state: &mut api::OutboxState) -> Result<(), Refusal> {
    let counts = match core.store.outbox_counts().await {
        // That the disk hangs is told besides, and what the worker knows is better than nothing.
        Err(error) if error.is_hang() => return Ok(()),
        counts => counts?,
    };
    state.waiting = state.waiting.max(counts.waiting);
    (state.late, state.dead, state.oldest) = (counts.late, counts.dead, counts.oldest);
    Ok(())
}

/// A message of the outbox.
pub(super) fn message(stored: &Stored) -> api::Message {
    let message = &stored.message;
    api::Message {
        id: stored.id.0,
        state: stored.state.as_str().to_owned(),
        queued: stored.queued,
        attempts: stored.attempts,
        why: stored.why.clone(),
        job: message.job.clone(),
        run: message.run,
        event: message.event.map(|event| event.as_str().to_owned()),
        status: message.status,
        channel: message.channel.to_string(),
        edit: stored.is_edit(),
        file: stored.is_file(),
        // The text that an edit carries is for a message of which nothing is known.
        text: if stored.is_edit() { first_line(message).into_owned() } else { message.text.clone() },
    }
}

/// Runs with why there was a message about each, or none.
pub(super) async fn explained(
    core: &Core,
    name: &JobName,
    job: Option<&Job>,
    rows: &[RunRow],
) -> Result<Vec<api::Explained>, Refusal> {
    let limit = MOST_MESSAGES;
    let page = OutboxFilter { job: Some(name.clone()), limit, with_dropped: true, ..OutboxFilter::default() };
    let outbox = core.store.outbox_list(page).await?;
    let utc = TimeZone::UTC;
    let zone = job.map_or(&utc, |job| &job.timing.zone);
    let now = core.clock.now().wall;
    let told = core.store.told_later(explain::may_be_told_later(rows)).await?;
    let last = last_run(core, name).await;
    let one = |row: &RunRow| {
        let expected = last.filter(|(run, _)| *run == row.id).map(|(_, expected)| expected);
        let undelivered = outbox.iter().filter(|stored| !stored.is_edit() && explain::tells_of(stored, row)).collect();
        let explained = Explained { row, undelivered, later: told.get(&row.id).copied(), expected, job, zone, now };
        let message = Some(explain::verdict(row, &explained.undelivered));
        let (sentence, explanation) = (explained.headline(), explained.explanation());
        api::Explained { run: api::Run { message, ..run(row) }, sentence, explanation }
    };
    Ok(rows.iter().map(one).collect())
}

/// The last run of a job with an open incident, and when the next message about that can be expected.
async fn last_run(core: &Core, name: &JobName) -> Option<(RunId, Option<Expected>)> {
    let Ok(Reply::Incidents(incidents)) = core.ask(Request::Incidents).await else { return None };
    let incident = incidents.into_iter().find(|incident| incident.job == *name)?;
    let query = JobQuery { pattern: Some(name.to_string()), limit: 1, ..JobQuery::default() };
    let Ok(Reply::Jobs(jobs, _)) = core.ask(Request::Jobs(query)).await else { return None };
    let job = jobs.into_iter().find(|job| job.name == *name)?;
    Some((job.last?.run, incident.expected()))
}

/// What a run of a job waits for now.
pub(super) async fn waits(core: &Core, job: &JobName) -> Result<Option<api::Starved>, Refusal> {
    let Reply::Status(status) = core.ask(Request::Status).await? else {
        return Err(busy("the daemon did not answer the question"));
    };
    Ok(status.starved.into_iter().find(|starved| starved.job == *job))
}

/// How a job is, and what comes next, in a sentence.
pub(super) fn sentence(
    job: &api::Job,
    incidents: &[api::Incident],
    waits: Option<&api::Starved>,
    (zone, now): (&TimeZone, Timestamp),
) -> String {
    let at = |at| told(at, zone, now);
    let mut parts = Vec::new();
    match (&job.last, incidents.iter().find(|incident| incident.job == job.name)) {
        (_, Some(incident)) => {
            let (since, failures) = (at(incident.since), policy::count(incident.failures, "failure"));
            let was_ok = job.last.as_ref().filter(|last| last.status == Status::Ok);
            match (was_ok, incident.steady_at) {
                (Some(last), Some(steady)) => parts.push(format!(
                    "flaps since {since} ({failures}); run {} was ok at {}; steady at {} if nothing changes before",
                    last.run,
                    at(last.finished),
                    at(steady)
                )),
                _ => parts.push(format!("{} since {since} ({failures})", incident.status.as_str())),
            }
            parts.extend(incident.told.iter().filter_map(|told| told.at).max().map(|last| {
                let named =
                    incident.told.iter().map(|told| told.channel.as_str()).filter(|channel| !channel.is_empty());
                let named: Vec<&str> = named.collect();
                let channels = if named.is_empty() { String::new() } else { format!(" in {}", named.join(", ")) };
                format!("told at {}{channels}", at(last))
            }));
            let reason = incident.suppressed.as_ref().map(|why| why.reason.clone());
            let next = incident.expected().filter(|_| incident.steady_at.is_none()).and_then(|next| next.words(at));
            let known: Vec<String> = reason.into_iter().chain(next).collect();
            parts.extend((!known.is_empty()).then(|| known.join(", ")));
        }
        (Some(last), None) => {
            parts.push(format!("run {} was {} at {}", last.run, last.status.as_str(), at(last.finished)));
        }
        (None, None) if job.error.is_none() => parts.push("has not run yet".to_owned()),
        (None, None) => {}
    }
    parts.extend(job.error.as_ref().map(|error| format!("its file has errors: {error}")));
    for running in &job.running {
        let retry = running.without_process(|next| format!("at {}", at(next)));
        parts.push(format!("run {} goes on since {}{retry}", running.run, at(running.started)));
    }
    // Of an attempt that waits, its run says it.
    let is_said = job.running.iter().any(|running| running.waits.is_some());
    parts.extend(waits.filter(|_| !is_said).map(|api::Starved { since, what, why, run, .. }| {
        let run = run.map_or("its run".to_owned(), |run| format!("run {run}"));
        format!("{run} waits for {what} since {}: {why}", at(*since))
    }));
    for (held, what) in [(&job.paused, "paused"), (&job.silenced, "silenced")] {
        parts.extend(held.as_ref().map(|held| format!("{what} until {}", at(held.until))));
    }
    match (job.state, job.next) {
        (api::JobState::Disabled, _) => parts.push("not enabled".to_owned()),
        (_, Some(next)) => parts.push(format!("due next at {}", at(next))),
        _ => {}
    }
    format!("{}: {}", job.name, parts.join("; "))
}
