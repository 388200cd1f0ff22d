//! `/healthz`, `/readyz` and `/metrics`: for probes and scrapers.
//!
//! Before it: the daemon's loop and its snapshot. After it: a status code, or Prometheus' text format.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};

use super::answer::{Refusal, busy};
use super::core::Core;
use super::read;
use crate::clock;
use crate::daemon::{Reply, Request};
use crate::id::RunId;
use crate::metrics::{self, Process, Sources};
use crate::page::Site;
use std::sync::Arc;

/// The daemon's loop answers within this, or something is wrong with it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes.
pub(super) fn routes() -> Router<Core> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(numbers))
}

/// Whether the loop answers; nothing else.
async fn healthz(State(core): State<Core>) -> Response {
    let text = |status: StatusCode, text: &'static str| (status, text).into_response();
    // Runs get their time to end: a probe must not cut that short.
    let stopping = is_stopping(&core);
    match answers(&core).await {
        _ if stopping => text(StatusCode::OK, "stopping\n"),
        true => text(StatusCode::OK, "ok\n"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "the daemon's loop does not answer\n"),
    }
}

fn is_stopping(core: &Core) -> bool {
    *core.stop.borrow() || core.snapshot.borrow().is_stopping
}

async fn answers(core: &Core) -> bool {
    let deadline = core.clock.now().mono + PATIENCE;
    tokio::select! {
        reply = core.ask(Request::Running(RunId(0))) => reply.is_ok(),
        () = clock::sleep_until(&*core.clock, deadline) => false,
    }
}

/// Whether it can do its work: a configuration is in effect, state can be written, Slack takes the credentials.
async fn readyz(State(core): State<Core>) -> Response {
    let checks = checks(&core).await;
    let ready = checks.values().all(|check| check == "ok");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "checks": checks }))).into_response()
}

async fn checks(core: &Core) -> serde_json::Map<String, Value> {
    let deadline = core.clock.now().mono + PATIENCE;
    let status = tokio::select! {
        reply = core.ask(Request::Status) => reply.ok(),
        () = clock::sleep_until(&*core.clock, deadline) => None,
    };
    let (store, held, read) = {
        let snapshot = core.snapshot.borrow();
        let held = snapshot.outbox.held.clone().filter(|held| held.credentials);
        (snapshot.store.failing.clone(), held, snapshot.configuration.read)
    };
    let plan = match status {
        Some(Reply::Status(status)) if status.reload.at > read && !status.reload.ok => {
            "the configuration has errors, and the one before is in effect".to_owned()
        }
        Some(Reply::Status(status)) if status.jobs.total == 0 => "no job is loaded".to_owned(),
        _ if is_stopping(core) => "the daemon is stopping".to_owned(),
        Some(Reply::Status(_)) => "ok".to_owned(),
        _ => "the daemon's loop does not answer".to_owned(),
    };
    let store = store.map_or_else(|| "ok".to_owned(), |error| format!("the state cannot be written: {error}"));
    let outbox = held.map_or_else(|| "ok".to_owned(), |held| format!("Slack refuses the credentials: {}", held.why));
    [("plan", plan), ("store", store), ("outbox", outbox)]
        .into_iter()
        .map(|(name, words)| (name.to_owned(), Value::String(words)))
        .collect()
}

/// Everything that is counted.
async fn numbers(State(core): State<Core>, site: Option<Extension<Arc<Site>>>) -> Result<Response, Refusal> {
    let Reply::Numbers(numbers) = core.ask(Request::Numbers).await? else { return Err(unexpected()) };
    let Reply::Status(mut status) = core.ask(Request::Status).await? else { return Err(unexpected()) };
    read::outbox(&core, &mut status.outbox).await?;
    let snapshot = core.snapshot.borrow().clone();
    let per_job = site.is_none() || snapshot.configuration.http.as_ref().is_none_or(|http| http.metrics_per_job);
    let write = move || {
        let process = Process::now();
        metrics::render(&Sources {
            numbers: &numbers,
            status: &status,
            snapshot: &snapshot,
            process: process.as_ref(),
            per_job,
        })
    };
    // Of ten thousand jobs these are megabytes: no run waits for them.
    #[expect(clippy::disallowed_methods, reason = "one for each of a few scrapers")]
    let text = tokio::task::spawn_blocking(write).await.map_err(|_| unexpected())?;
    let kept: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    Ok((kept, text).into_response())
}

fn unexpected() -> Refusal {
    busy("the daemon did not answer the question")
}
