//! `/api/v1`: what looks. Lists are an object with one list named after the route, and `before` for the next page.

use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};

use super::answer::{Refusal, busy};
use super::core::{Core, Whose};
use super::extract::{Params, Path};
use super::peer::Peer;
use super::read;
use super::sight::Sight;
use crate::api::{self, Code, JobState, Query};
use crate::daemon::{JobQuery, Reply, Request};
use crate::document::{did_you_mean, parse_duration};
use crate::exec::Status;
use crate::id::{JobName, RunId};
use crate::store::{HistoryFilter, MessageId, MessageState, OutboxFilter};

/// Rows of a page that says no number, and the most.
const PAGE: u32 = 100;
const MOST: u32 = 500;

/// Runs in the strip of a list of jobs, and in that of one job.
const STRIP: u32 = 40;
const LONG_STRIP: u32 = 200;

/// Due times that are asked for without `within`, and the farthest.
const WITHIN: Duration = Duration::from_secs(86_400);
const FARTHEST: Duration = Duration::from_secs(366 * 86_400);

type Answer<T> = Result<Json<T>, Refusal>;

/// The routes that look.
pub(super) fn routes() -> Router<Core> {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi))
        .route("/api/v1/status", get(status))
        .route("/api/v1/jobs", get(jobs))
        .route("/api/v1/jobs/{*name}", get(job))
        .route("/api/v1/runs", get(runs))
        .route("/api/v1/runs/{id}", get(run))
        .route("/api/v1/incidents", get(incidents))
        .route("/api/v1/holds", get(holds))
        .route("/api/v1/outbox", get(outbox))
        .route("/api/v1/next", get(next))
        .route("/api/v1/why/{*name}", get(why))
}

/// What these routes take and answer, for programs.
async fn openapi() -> impl axum::response::IntoResponse {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], include_str!("openapi.json"))
}

async fn status(State(core): State<Core>, Extension(peer): Extension<Peer>, sight: Sight) -> Answer<api::Status> {
    let Reply::Status(mut status) = core.ask(Request::Status).await? else { return Err(unexpected()) };
    // Paths are for those who are on the same machine.
    if matches!(peer, Peer::Unix(_)) {
        let Whose { config, state_dir, options } = &*core.whose;
        (status.config, status.state_dir, status.options) = (config.clone(), state_dir.clone(), options.clone());
    }
    read::outbox(&core, &mut status.outbox).await?;
    read::links(&core, &mut status.incidents).await;
    if !sight.output {
        status.hide_output();
    }
    Ok(Json(*status))
}

async fn jobs(State(core): State<Core>, sight: Sight, Params(query): Params<Query>) -> Answer<api::JobList> {
    let query = JobQuery {
        pattern: query.job.clone(),
        states: query.status.as_deref().map(states).transpose()?.unwrap_or_default(),
        notable: query.notable.unwrap_or_default().then(Vec::new),
        after: query.before.as_deref().map(JobName::new),
        limit: limit(&query)? as usize,
        ..JobQuery::default()
    };
    let (mut jobs, more) = asked(&core, query).await?;
    read::strips(&core, &mut jobs, STRIP).await?;
    sight.limit(&mut jobs, api::Job::hide_output);
    let before = jobs.last().filter(|_| more).map(|job| job.name.clone());
    Ok(Json(api::JobList { jobs, before }))
}

async fn job(State(core): State<Core>, sight: Sight, Path(name): Path<String>) -> Answer<api::Job> {
    let mut job = known_job(&core, &name).await?;
    read::strips(&core, std::slice::from_mut(&mut job), LONG_STRIP).await?;
    sight.limit(std::slice::from_mut(&mut job), api::Job::hide_output);
    Ok(Json(job))
}

async fn runs(State(core): State<Core>, sight: Sight, Params(query): Params<Query>) -> Answer<api::RunList> {
    let limit = limit(&query)?;
    let filter = HistoryFilter {
        job: query.job.as_deref().map(JobName::new),
        status: query.status.as_deref().map(run_status).transpose()?,
        before: number(&query)?.map(RunId),
        limit: limit + 1,
        ..HistoryFilter::default()
    };
    let (job, before) = (filter.job.clone(), filter.before);
    // Asked first: a run that ends meanwhile is in one of the two.
    let Reply::AllRunning(mut running) = core.ask(Request::AllRunning).await? else { return Err(unexpected()) };
    // One that goes on has no status yet.
    running.retain(|run| {
        filter.status.is_none()
            && job.as_ref().is_none_or(|job| run.job == *job)
            && before.is_none_or(|before| run.id < before)
    });
    let rows = read::runs(&core, filter).await?;
    let mut runs = read::told_runs(&core, job, &rows).await?;
    running.retain(|run| rows.iter().all(|row| row.id != run.id));
    runs.append(&mut running);
    runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let before = runs.last().filter(|_| more).map(|run| run.id);
    sight.limit(&mut runs, api::Run::hide_output);
    Ok(Json(api::RunList { runs, before }))
}

async fn run(State(core): State<Core>, sight: Sight, Path(id): Path<String>) -> Answer<api::Run> {
    let none = || Refusal::new(Code::NoSuchRun, format!("there is no run `{}`", crate::id::in_one_line(&id)));
    let id = RunId(id.parse().map_err(|_| none())?);
    let Reply::Running(running) = core.ask(Request::Running(id)).await? else { return Err(unexpected()) };
    let mut run = match running {
        Some(running) => *running,
        None => {
            let row = read::one(&core, id).await?.ok_or_else(none)?;
            let job = Some(row.job.clone());
            read::told_runs(&core, job, &[row]).await?.pop().ok_or_else(none)?
        }
    };
    sight.limit(std::slice::from_mut(&mut run), api::Run::hide_output);
    Ok(Json(run))
}

async fn incidents(State(core): State<Core>, sight: Sight, Params(query): Params<Query>) -> Answer<api::IncidentList> {
    let status = query.status.as_deref().map(run_status).transpose()?;
    let (limit, before) = (limit(&query)? as usize, number(&query)?);
    let Reply::Incidents(mut incidents) = core.ask(Request::Incidents).await? else { return Err(unexpected()) };
    incidents.retain(|incident| {
        query.job.as_deref().is_none_or(|job| incident.job.as_str() == job)
            && status.is_none_or(|status| incident.status == status)
            && before.is_none_or(|before| incident.id < before)
    });
    let more = incidents.len() > limit;
    incidents.truncate(limit);
    let before = incidents.last().filter(|_| more).map(|incident| incident.id);
    read::links(&core, &mut incidents).await;
    sight.limit(&mut incidents, api::Incident::hide_output);
    Ok(Json(api::IncidentList { incidents, before }))
}

async fn holds(State(core): State<Core>, Params(query): Params<Query>) -> Answer<api::HoldList> {
    let (limit, before) = (limit(&query)? as usize, number(&query)?);
    let Reply::Holds(mut holds, by_script) = core.ask(Request::Holds).await? else { return Err(unexpected()) };
    holds.retain(|hold| before.is_none_or(|before| hold.id < before));
    let more = holds.len() > limit;
    holds.truncate(limit);
    let before = holds.last().filter(|_| more).map(|hold| hold.id);
    Ok(Json(api::HoldList { holds, by_script, before }))
}

async fn outbox(State(core): State<Core>, sight: Sight, Params(query): Params<Query>) -> Answer<api::OutboxList> {
    let limit = limit(&query)?;
    let filter = OutboxFilter {
        before: number(&query)?.map(MessageId),
        newest_first: true,
        state: query.status.as_deref().map(message_state).transpose()?,
        job: query.job.as_deref().map(JobName::new),
        limit: limit + 1,
        ..OutboxFilter::default()
    };
    let mut stored = core.store.outbox_list(filter).await?;
    let more = stored.len() > limit as usize;
    stored.truncate(limit as usize);
    let before = stored.last().filter(|_| more).map(|stored| stored.id.0);
    let mut outbox: Vec<api::Message> = stored.iter().map(read::message).collect();
    sight.limit(&mut outbox, api::Message::hide_output);
    Ok(Json(api::OutboxList { outbox, before }))
}

async fn next(State(core): State<Core>, Params(query): Params<Query>) -> Answer<api::NextList> {
    let within = match &query.within {
        None => WITHIN,
        Some(text) => length(text)?.min(FARTHEST),
    };
    let limit = limit(&query)? as usize;
    let behind = query.before.as_deref().map(due_time).transpose()?;
    let request = Request::Next { pattern: query.job, within, behind, limit: limit + 1 };
    let Reply::Next(mut next) = core.ask(request).await? else { return Err(unexpected()) };
    let more = next.len() > limit;
    next.truncate(limit);
    let before = next.last().filter(|_| more).map(|last| format!("{} {}", last.at, last.job));
    Ok(Json(api::NextList { next, before }))
}

/// The due time behind which a page goes on: when, and of which job.
fn due_time(text: &str) -> Result<api::Next, Refusal> {
    let parts = text.split_once(' ').and_then(|(at, job)| Some((at.parse().ok()?, job)));
    let (at, job) = parts.ok_or_else(|| bad("before", text, "write the `before` of the page that ended"))?;
    Ok(api::Next { job: JobName::new(job), at })
}

async fn why(
    State(core): State<Core>,
    sight: Sight,
    Path(name): Path<String>,
    Params(query): Params<Query>,
) -> Answer<api::WhyList> {
    let mut job = known_job(&core, &name).await?;
    sight.limit(std::slice::from_mut(&mut job), api::Job::hide_output);
    let limit = limit(&query)?;
    let filter = HistoryFilter {
        job: Some(job.name.clone()),
        status: query.status.as_deref().map(run_status).transpose()?,
        before: number(&query)?.map(RunId),
        limit: limit + 1,
        ..HistoryFilter::default()
    };
    let mut rows = read::runs(&core, filter).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let Reply::Declared(declared) = core.ask(Request::Declared(job.name.clone())).await? else {
        return Err(unexpected());
    };
    let Reply::Incidents(mut incidents) = core.ask(Request::Incidents).await? else { return Err(unexpected()) };
    sight.limit(&mut incidents, api::Incident::hide_output);
    let mut why = read::explained(&core, &job.name, declared.as_deref(), &rows).await?;
    sight.limit(&mut why, api::Explained::hide_output);
    let zone = declared.as_ref().map_or(jiff::tz::TimeZone::UTC, |job| job.timing.zone.clone());
    let waits = read::waits(&core, &job.name).await?;
    let sentence = read::sentence(&job, &incidents, waits.as_ref(), (&zone, core.clock.now().wall));
    let before = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(api::WhyList { job: job.name, sentence, waits, why, before }))
}

/// Jobs, as the daemon knows them.
async fn asked(core: &Core, query: JobQuery) -> Result<(Vec<api::Job>, bool), Refusal> {
    match core.ask(Request::Jobs(query)).await? {
        Reply::Jobs(jobs, more) => Ok((jobs, more)),
        _ => Err(unexpected()),
    }
}

/// A job by its name.
pub(super) async fn known_job(core: &Core, name: &str) -> Result<api::Job, Refusal> {
    let query = JobQuery { name: Some(JobName::new(name)), limit: 1, ..JobQuery::default() };
    match asked(core, query).await?.0.pop() {
        Some(job) => Ok(job),
        None => {
            let Reply::Refused(failure) = no_such_job(core, name).await? else { return Err(unexpected()) };
            Err(Refusal(failure))
        }
    }
}

/// That there is no such job, with the nearest name.
async fn no_such_job(core: &Core, name: &str) -> Result<Reply, Refusal> {
    let Reply::Names(names) = core.ask(Request::Names).await? else { return Err(unexpected()) };
    let near = did_you_mean(name, names.iter().map(JobName::as_str));
    let message = format!("there is no job `{}`", crate::id::in_one_line(name));
    let failure = api::Failure::new(Code::NoSuchJob, message);
    Ok(Reply::Refused(Box::new(failure.help(near.unwrap_or_else(|| "`slack-alert list` shows all jobs".to_owned())))))
}

/// The daemon has answered another question: a defect.
fn unexpected() -> Refusal {
    busy("the daemon did not answer the question")
}

fn limit(query: &Query) -> Result<u32, Refusal> {
    match query.limit {
        Some(limit) => u32::try_from(limit).ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(|| {
            Refusal::bad_request(format!("`limit` is {limit}")).help(format!("write a number from 1 to {MOST}"))
        }),
        None => Ok(PAGE),
    }
}

fn number(query: &Query) -> Result<Option<u64>, Refusal> {
    let Some(text) = &query.before else { return Ok(None) };
    let number = text.parse().map_err(|_| bad("before", text, "write the `before` of the page that ended"))?;
    Ok(Some(number))
}

fn bad(name: &str, value: &str, help: &str) -> Refusal {
    let value: String = value.chars().take(60).collect();
    Refusal::bad_request(format!("`{name}` cannot be `{}`", crate::id::in_one_line(&value))).help(help)
}

fn run_status(text: &str) -> Result<Status, Refusal> {
    let help = "write ok, warning, critical or unknown";
    Status::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| bad("status", text, help))
}

fn states(text: &str) -> Result<Vec<JobState>, Refusal> {
    let one = |word: &str| {
        let words: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
        let found = JobState::ALL.iter().copied().find(|state| state.as_str() == word);
        found.ok_or_else(|| bad("status", word, &format!("write one or several of {}", words.join(", "))))
    };
    text.split(',').map(one).collect()
}

fn message_state(text: &str) -> Result<MessageState, Refusal> {
    let all = [MessageState::Waiting, MessageState::Late, MessageState::Dead, MessageState::Dropped];
    let help = "write waiting, late, dead or dropped";
    all.into_iter().find(|state| state.as_str() == text).ok_or_else(|| bad("status", text, help))
}

/// A length of time: as people write it, or seconds.
fn length(text: &str) -> Result<Duration, Refusal> {
    let seconds = text.parse::<u64>().ok().map(Duration::from_secs);
    seconds
        .or_else(|| parse_duration(text).ok())
        .ok_or_else(|| bad("within", text, "write a length of time such as 24h, or seconds"))
}
