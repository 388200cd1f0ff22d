//! The status page's routes: each gathers what a page shows, and has it rendered.
//!
//! Before it: the daemon and the store, asked as the API asks them. After it: HTML. Invariant: what is asked of the daemon does
//! not grow with the number of jobs beyond one look at each.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::answer::{Refusal, busy};
use super::api::known_job;
use super::core::{Core, Rendered};
use super::extract::{Params, Path};
use super::read;
use crate::api::{self, Code, JobState};
use crate::clock;
use crate::daemon::{JobOrder, JobQuery, Reply, Request};
use crate::exec::{Captured, Status, clean};
use crate::id::{JobName, RunId};
use crate::message::Message;
use crate::notify::view;
use crate::page::{JobPage, NextPage, OutboxPage, OverviewPage, RunPage, Site, Stream};
use crate::picture::{self, Head, Item, PictureWidth, Theme};
use crate::plan::Job;
use crate::schedule::Saved;
use crate::store::{HistoryFilter, MessageId, OutboxFilter};

/// Jobs, runs and messages on one page.
const JOBS: usize = 200;
const RUNS: u32 = 50;
const MESSAGES: u32 = 100;

/// Runs in a strip of the list, and in that of one job.
const STRIP: u32 = 40;
const LONG_STRIP: u32 = 400;

/// Due times of one job, and of all.
const NEXT_OF_JOB: usize = 5;
const NEXT: usize = 100;

/// Due times that are looked at for the picture of a day, of all jobs and of each: a quarter of an hour with more of them than
/// that is estimated from the first [`SAMPLE`].
const COUNTED: usize = 200_000;
const COUNTED_OF_JOB: usize = 1_000;
const SAMPLE: usize = 4;

const DAY: Duration = Duration::from_secs(86_400);
const QUARTER: Duration = Duration::from_secs(900);
const QUARTERS: usize = 96;

/// The routes.
pub(super) fn routes() -> Router<Core> {
    Router::new()
        .route("/", get(overview))
        .route("/job/{*name}", get(job))
        .route("/run/{id}", get(run))
        .route("/run/{id}/{stream}", get(stream))
        .route("/outbox", get(outbox))
        .route("/next", get(next))
        .route("/assets/{name}", get(asset))
}

/// What may be asked of a page, as the parameters of its address.
#[derive(Clone, Debug, Default, Deserialize)]
struct Asked {
    state: Option<String>,
    job: Option<String>,
    after: Option<String>,
    status: Option<String>,
    before: Option<String>,
}

/// How pages are shown to whoever asks: over the network as `[http]` says; on the control socket everything.
#[derive(Clone, Debug)]
struct Shown(Arc<Site>);

impl<S: Sync> axum::extract::FromRequestParts<S> for Shown
where
    Core: axum::extract::FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Self::Rejection> {
        if let Some(site) = parts.extensions.get::<Arc<Site>>() {
            return Ok(Self(Arc::clone(site)));
        }
        let core = <Core as axum::extract::FromRef<S>>::from_ref(state);
        let configuration = Arc::clone(&core.snapshot.borrow().configuration);
        Ok(Self(Arc::new(Site {
            host: configuration.host.to_string(),
            base: "/".to_owned(),
            zone: configuration.zone.clone().unwrap_or(TimeZone::UTC),
            control: false,
            show_output: true,
        })))
    }
}

/// A page, or what went wrong as one.
async fn shown(core: &Core, site: &Site, page: impl Future<Output = Result<String, Refusal>>) -> Response {
    match page.await {
        Ok(page) => html(StatusCode::OK, page),
        Err(refusal) => {
            let error = &refusal.0.error;
            let status = StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            html(status, core.pages.error(site, core.clock.now(), &error.message, error.help.as_deref()))
        }
    }
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

async fn overview(State(core): State<Core>, Shown(site): Shown, Params(asked): Params<Asked>) -> Response {
    shown(&core, &site, async {
        let (arrived, key) = (core.clock.now().mono, format!("{asked:?} {site:?}"));
        let mut rendered = core.rendered.lock().await;
        // Whoever came before it began gets what it shows: nobody sees what was before.
        let shared = rendered.as_ref().filter(|last| last.begun >= arrived && last.asked == key);
        if let Some(last) = shared {
            return Ok(last.page.clone());
        }
        let begun = core.clock.now().mono;
        let Reply::Status(mut status) = core.ask(Request::Status).await? else { return Err(unexpected()) };
        read::outbox(&core, &mut status.outbox).await?;
        read::links(&core, &mut status.incidents).await;
        let state = asked.state.as_deref().filter(|state| !state.is_empty()).map(state_of).transpose()?;
        let pattern = asked.job.as_deref().unwrap_or_default().trim();
        let query = JobQuery {
            pattern: (!pattern.is_empty()).then(|| match pattern {
                pattern if pattern.contains('*') || pattern.starts_with("tag:") => pattern.to_owned(),
                part => format!("*{part}*"),
            }),
            states: state.into_iter().collect(),
            order: JobOrder::WorstFirst,
            after: asked.after.as_deref().filter(|after| !after.is_empty()).map(JobName::new),
            limit: JOBS,
            ..JobQuery::default()
        };
        let Reply::Jobs(mut jobs, more) = core.ask(Request::Jobs(query)).await? else { return Err(unexpected()) };
        read::strips(&core, &mut jobs, STRIP).await?;
        if !site.show_output {
            status.hide_output();
            jobs.iter_mut().for_each(api::Job::hide_output);
        }
        let after = asked.after.as_deref().filter(|after| !after.is_empty());
        let data = OverviewPage { status: &status, jobs: &jobs, state, pattern, after, more };
        let page = core.pages.overview(&site, &data);
        *rendered = Some(Rendered { asked: key, begun, page: page.clone() });
        Ok(page)
    })
    .await
}

async fn job(
    State(core): State<Core>,
    Shown(site): Shown,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Response {
    shown(&core, &site, async {
        let mut job = known_job(&core, &name).await?;
        read::strips(&core, std::slice::from_mut(&mut job), LONG_STRIP).await?;
        let status = asked.status.as_deref().filter(|status| !status.is_empty()).map(status_of).transpose()?;
        let filter = HistoryFilter {
            job: Some(job.name.clone()),
            status,
            before: asked.before.as_deref().map(number).transpose()?.map(RunId),
            limit: RUNS + 1,
            ..HistoryFilter::default()
        };
        let mut rows = read::runs(&core, filter).await?;
        let more = rows.len() > RUNS as usize;
        rows.truncate(RUNS as usize);
        let declared = declared(&core, &job.name).await?;
        let Reply::Incidents(mut incidents) = core.ask(Request::Incidents).await? else { return Err(unexpected()) };
        incidents.retain(|incident| incident.job == job.name);
        read::links(&core, &mut incidents).await;
        let mut runs = read::explained(&core, &job.name, declared.as_deref(), &rows).await?;
        if !site.show_output {
            job.hide_output();
            incidents.iter_mut().for_each(api::Incident::hide_output);
            runs.iter_mut().for_each(api::Explained::hide_output);
        }
        let now = core.clock.now().wall;
        let zone = declared.as_ref().map_or(&site.zone, |job| &job.timing.zone);
        let waits = read::waits(&core, &job.name).await?;
        let sentence = read::sentence(&job, &incidents, waits.as_ref(), (zone, now));
        let cadences = Request::Cadences(Some(job.name.clone()));
        let Reply::Cadences(cadences) = core.ask(cadences).await? else { return Err(unexpected()) };
        let from = (now, job.paused.as_ref().map(|paused| paused.until));
        let next = cadences.first().map(|(job, saved)| upcoming(job, saved, &core, from)).unwrap_or_default();
        let command = declared.as_ref().map(|job| job.facts.command.clone());
        let site = Site { zone: zone.clone(), ..(*site).clone() };
        let page = JobPage {
            now,
            job: &job,
            sentence: &sentence,
            incidents: &incidents,
            runs: &runs,
            status,
            before: rows.last().filter(|_| more).map(|row| row.id.0),
            next: &next,
            command: command.as_deref(),
            timeout: declared.as_ref().and_then(|job| job.command.timeout()),
            can_run: declared.as_ref().is_some_and(|job| !job.timing.runs_elsewhere()),
        };
        Ok(core.pages.job(&site, &page))
    })
    .await
}

async fn run(State(core): State<Core>, Shown(site): Shown, Path(id): Path<String>) -> Response {
    shown(&core, &site, async {
        let id = run_id(&id)?;
        let now = core.clock.now().wall;
        let Reply::Running(running) = core.ask(Request::Running(id)).await? else { return Err(unexpected()) };
        if let Some(run) = running {
            let at = |at| crate::report::explain::told(at, &site.zone, now);
            let sentence = match (&run.waits, run.started) {
                (Some(waits), _) => format!("It waits for {} since {}: {}.", waits.what, at(run.scheduled), waits.why),
                (None, started) => format!("It goes on since {}.", at(started.unwrap_or(run.scheduled))),
            };
            let lacks_output = Some(crate::exec::NOT_YET_KEPT);
            let page = RunPage {
                now,
                run: &run,
                sentence: &sentence,
                explanation: "",
                streams: &[],
                lacks_output,
                message: None,
            };
            return Ok(core.pages.run(&site, &page));
        }
        let row = read::one(&core, id).await?.ok_or_else(|| no_such_run(id))?;
        let declared = declared(&core, &row.job).await?;
        let mut explained = read::explained(&core, &row.job, declared.as_deref(), std::slice::from_ref(&row)).await?;
        let explained = explained.first_mut().ok_or_else(unexpected)?;
        if !site.show_output {
            explained.hide_output();
        }
        let streams = [
            Stream { name: "Standard output", path: "stdout", output: &row.stdout },
            Stream { name: "Standard error", path: "stderr", output: &row.stderr },
        ];
        let message = core.store.run_message(id).await?;
        let words = message.as_ref().map(|message| (channels(message), alternative(message)));
        let page = RunPage {
            now,
            run: &explained.run,
            sentence: &explained.sentence,
            explanation: &explained.explanation,
            streams: &streams,
            lacks_output: row.details.passed.map_or_else(|| row.ending.lacks_output(), |_| Some("nothing ran")),
            message: words.as_ref().map(|(channels, alt)| (channels.as_str(), alt.as_str())),
        };
        Ok(core.pages.run(&site, &page))
    })
    .await
}

/// What a run printed, as text. A browser shows it, and runs nothing in it.
async fn stream(
    State(core): State<Core>,
    Shown(site): Shown,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let id = run_id(&id)?;
    if !site.show_output {
        return Err(Refusal::new(Code::Forbidden, "the output is not shown here").help("`http.show_output` is off"));
    }
    let row = read::one(&core, id).await?.ok_or_else(|| no_such_run(id))?;
    let output: &Captured = match name.as_str() {
        "stdout" => &row.stdout,
        "stderr" => &row.stderr,
        "message.svg" => return picture(&core, &site, id, Theme::Light).await,
        "message-dark.svg" => return picture(&core, &site, id, Theme::Dark).await,
        _ => {
            return Err(Refusal::new(Code::NotFound, "a run has `stdout`, `stderr` and `message.svg`"));
        }
    };
    let mut text = clean(&output.head);
    if output.dropped > 0 {
        text.push_str(&format!("\n… {} bytes were dropped here …\n", output.dropped));
        text.push_str(&clean(&output.tail));
    }
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'; frame-ancestors 'none'"),
    ];
    Ok((headers, text).into_response())
}

/// A run's message as Slack showed it.
async fn picture(core: &Core, site: &Site, id: RunId, theme: Theme) -> Result<Response, Refusal> {
    let none = || Refusal::new(Code::NotFound, "there was no message about this run");
    let message = core.store.run_message(id).await?.ok_or_else(none)?;
    let time = message.created.to_zoned(site.zone.clone()).strftime("%H:%M").to_string();
    let head = Head { name: "slack-alert".to_owned(), time };
    let item = Item::Message { head, message: Box::new(message), edited: false, replies: None, replied: false };
    let picture = picture::draw(&[item], theme, PictureWidth::Desktop);
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response())
}

/// Where a message went.
fn channels(message: &Message) -> String {
    let all = std::iter::once(&message.channel).chain(&message.route.also);
    let all: Vec<String> = all.map(ToString::to_string).filter(|channel| !channel.is_empty()).collect();
    if all.is_empty() { String::new() } else { format!("in {}", all.join(", ")) }
}

/// What a message says, for who cannot see its picture.
fn alternative(message: &Message) -> String {
    let lines: Vec<String> = message.text.lines().map(view::plain).collect();
    lines.join("\n")
}

async fn outbox(State(core): State<Core>, Shown(site): Shown, Params(asked): Params<Asked>) -> Response {
    shown(&core, &site, async {
        let Reply::Status(mut status) = core.ask(Request::Status).await? else { return Err(unexpected()) };
        read::outbox(&core, &mut status.outbox).await?;
        let filter = OutboxFilter {
            before: asked.before.as_deref().map(number).transpose()?.map(MessageId),
            newest_first: true,
            limit: MESSAGES + 1,
            ..OutboxFilter::default()
        };
        let mut stored = core.store.outbox_list(filter).await?;
        let more = stored.len() > MESSAGES as usize;
        stored.truncate(MESSAGES as usize);
        let before = stored.last().filter(|_| more).map(|stored| stored.id.0);
        let messages: Vec<api::Message> = stored.iter().map(read::message).collect();
        let page = OutboxPage { now: status.now, outbox: &status.outbox, messages: &messages, before };
        Ok(core.pages.outbox(&site, &page))
    })
    .await
}

async fn next(State(core): State<Core>, Shown(site): Shown) -> Response {
    shown(&core, &site, async {
        let Reply::Next(next) =
            core.ask(Request::Next { pattern: None, within: DAY, behind: None, limit: NEXT }).await?
        else {
            return Err(unexpected());
        };
        let Reply::Cadences(cadences) = core.ask(Request::Cadences(None)).await? else { return Err(unexpected()) };
        let now = core.clock.now().wall;
        let (quarters, is_estimate) = quarters(&core, cadences, site.host.clone(), now).await;
        Ok(core.pages.next(&site, &NextPage { now, quarters: &quarters, is_estimate, next: &next }))
    })
    .await
}

/// A file of the page. Its name changes with its content, so that a browser may keep it.
async fn asset(State(core): State<Core>, Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refusal> {
    let asset = core.pages.asset(&name);
    let asset = asset.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such file of the page"))?;
    let tag = HeaderValue::from_str(&format!("\"{name}\"")).map_err(|_| unexpected())?;
    if headers.get(header::IF_NONE_MATCH) == Some(&tag) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let mut response = ([(header::CONTENT_TYPE, asset.content_type)], asset.content).into_response();
    response.headers_mut().insert(header::ETAG, tag);
    let kept = HeaderValue::from_static("private, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    Ok(response)
}

/// A job's next due times, after its pause where it is paused; none while the end of a run decides them.
fn upcoming(job: &Job, saved: &Saved, core: &Core, (now, paused): (Timestamp, Option<Timestamp>)) -> Vec<Timestamp> {
    if job.timing.waits_for_end(saved) {
        return Vec::new();
    }
    let seed = job.seed(&core.snapshot.borrow().configuration.host);
    let upcoming = match paused {
        Some(until) => job.timing.upcoming_after_pause(&seed, saved.clone(), until),
        None => job.timing.upcoming(&seed, Some(saved), now),
    };
    upcoming.take(NEXT_OF_JOB).collect()
}

/// How many runs are due in each quarter of an hour from now on, and whether that is an estimate: counted on a thread, since ten
/// thousand jobs have many; for one client after the other, so that nobody keeps all cores busy by asking.
#[expect(clippy::disallowed_methods, reason = "a look at the next day, on a thread of its own: it takes some time")]
async fn quarters(core: &Core, cadences: Vec<(Arc<Job>, Saved)>, host: String, now: Timestamp) -> (Vec<u32>, bool) {
    let Ok(_turn) = core.counting.acquire().await else { return (Vec::new(), false) };
    tokio::task::spawn_blocking(move || counted(&cadences, &host, now)).await.unwrap_or_default()
}

/// Where there is more than can be counted, some of the jobs stand for all of them.
fn counted(cadences: &[(Arc<Job>, Saved)], host: &str, now: Timestamp) -> (Vec<u32>, bool) {
    let (mut quarters, mut left, mut is_estimate, mut looked) = (vec![0_u32; QUARTERS], COUNTED, false, 0);
    let end = clock::shift(now, DAY);
    for (job, saved) in spread(cadences) {
        if left < COUNTED_OF_JOB {
            is_estimate = true;
            break;
        }
        looked += 1;
        let seed = job.seed(host);
        let upcoming = job.timing.upcoming_after(&seed, Some(saved), now).take_while(|at| *at < end);
        let times: Vec<Timestamp> = upcoming.take(COUNTED_OF_JOB).collect();
        left -= times.len();
        if times.len() == COUNTED_OF_JOB {
            is_estimate = true;
            for (quarter, number) in quarters.iter_mut().enumerate() {
                let begin = clock::shift(now, QUARTER.saturating_mul(u32::try_from(quarter).unwrap_or(u32::MAX)));
                *number += estimated(job.timing.upcoming_after(&seed, Some(saved), begin), begin);
            }
            continue;
        }
        for at in times {
            let quarter = clock::between(now, at).as_secs() / QUARTER.as_secs();
            if let Some(number) = usize::try_from(quarter).ok().and_then(|quarter| quarters.get_mut(quarter)) {
                *number += 1;
            }
        }
    }
    for number in &mut quarters {
        let all = u64::from(*number) * cadences.len() as u64 / looked.max(1);
        *number = u32::try_from(all).unwrap_or(u32::MAX);
    }
    (quarters, is_estimate)
}

/// All of them, neighbours far apart: jobs of one folder often have one schedule.
fn spread<T>(all: &[T]) -> impl Iterator<Item = &T> {
    // Two primes: nobody has as many jobs as their product.
    let step = if all.len().is_multiple_of(7_919) { 7_907 } else { 7_919 };
    (0..all.len()).filter_map(move |index| all.get(index * step % all.len()))
}

/// About how many of the due times from then on are within a quarter of an hour.
fn estimated(times: impl Iterator<Item = Timestamp>, begin: Timestamp) -> u32 {
    let end = clock::shift(begin, QUARTER);
    let first: Vec<Timestamp> = times.take_while(|at| *at < end).take(SAMPLE + 1).collect();
    let (Some(from), Some(to), true) = (first.first(), first.last(), first.len() > SAMPLE) else {
        return u32::try_from(first.len()).unwrap_or(0);
    };
    let (sampled, left) = (clock::between(*from, *to), clock::between(*from, end));
    let rate = left.as_secs_f64() / sampled.as_secs_f64().max(1e-3);
    let samples = u32::try_from(SAMPLE).unwrap_or(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 900,000 in a quarter")]
    // The first of them counts, and one at the end does not; what is hardly more than a whole number is one.
    let number = (rate * f64::from(samples) - 1e-3).ceil() as u32;
    number
}

async fn declared(core: &Core, name: &JobName) -> Result<Option<Arc<Job>>, Refusal> {
    match core.ask(Request::Declared(name.clone())).await? {
        Reply::Declared(declared) => Ok(declared),
        _ => Err(unexpected()),
    }
}

fn state_of(text: &str) -> Result<JobState, Refusal> {
    let found = JobState::ALL.iter().copied().find(|state| state.as_str() == text);
    found.ok_or_else(|| Refusal::bad_request("no job has such a state"))
}

fn status_of(text: &str) -> Result<Status, Refusal> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| Refusal::bad_request("no run has such a status"))
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| Refusal::bad_request("`before` is the number where the page before ended"))
}

fn run_id(text: &str) -> Result<RunId, Refusal> {
    text.parse().map(RunId).map_err(|_| Refusal::new(Code::NoSuchRun, "a run has a number"))
}

fn no_such_run(id: RunId) -> Refusal {
    Refusal::new(Code::NoSuchRun, format!("there is no run {id}"))
        .help("runs are kept for as long as `limits.history` says")
}

fn unexpected() -> Refusal {
    busy("the daemon did not answer the question")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Duration, estimated};
    use crate::clock::shift;

    #[test]
    fn what_is_due_in_a_quarter_of_an_hour_is_estimated_by_its_first_times() {
        let begin: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        for (step, first, expected) in [(60, 0, 15), (60, 1, 15), (60, 59, 15), (30, 7, 30), (1, 0, 900), (300, 60, 3)]
        {
            let times = (0..).map(|index: u64| shift(begin, Duration::from_secs(first + index * step)));
            assert_eq!(estimated(times, begin), expected, "every {step} s from {first} s on");
        }
    }
}
