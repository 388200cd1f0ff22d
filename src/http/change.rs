//! `/api/v1`: what changes something. Who may is asked first; what was asked for is on disk before it is answered, where the
//! disk takes it.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, post};
use axum::{Extension, Json, Router};
use serde::Deserialize;

use super::answer::{Refusal, busy};
use super::core::Core;
use super::extract::{Body, Params, Path};
use super::peer::Peer;
use crate::api::{self, Code, Failure, HoldKind, Length};
use crate::daemon::{Asker, NewHold, NewRun, Reply, Request};
use crate::document::parse_duration;
use crate::id::JobName;

/// The header in which a command says who became root with sudo.
pub const SUDO_USER: &str = "slack-alert-sudo-user";

/// The routes that change something.
pub(super) fn routes() -> Router<Core> {
    Router::new()
        .route("/api/v1/trigger", post(trigger))
        .route("/api/v1/holds", post(hold).delete(end_holds))
        .route("/api/v1/holds/{id}", delete(end_hold))
        .route("/api/v1/reload", post(reload))
}

/// Who asks, if they may.
async fn asker(peer: &Peer, headers: &HeaderMap) -> Result<Asker, Refusal> {
    if !peer.may_change().await {
        let refusal = Refusal::new(Code::ReadOnly, "you may look, and change nothing");
        return Err(refusal.help("ask root, or become a member of the group of `[control]`"));
    }
    let sudo = headers.get(SUDO_USER).and_then(|name| name.to_str().ok());
    Ok(Asker { by: peer.by(sudo).await, via: peer.via() })
}

async fn trigger(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(request): Body<api::TriggerRequest>,
) -> Result<(StatusCode, Json<api::TriggerAnswer>), Refusal> {
    let asker = asker(&peer, &headers).await?;
    if request.job.is_empty() {
        return Err(Refusal::bad_request("`job` is missing").help("name the job: {\"job\":\"db/backup\"}"));
    }
    let trigger = NewRun { job: JobName::new(request.job), note: request.note, asker };
    let Reply::Triggered(run, waits) = core.ask(Request::Trigger(trigger)).await? else { return Err(unexpected()) };
    Ok((StatusCode::ACCEPTED, Json(api::TriggerAnswer { run, waits })))
}

async fn hold(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Body(request): Body<api::HoldRequest>,
) -> Result<(StatusCode, Json<api::HoldAnswer>), Refusal> {
    let asker = asker(&peer, &headers).await?;
    let kind = request.kind.ok_or_else(|| Refusal::bad_request("`kind` is missing").help(KINDS))?;
    if request.pattern.trim().is_empty() {
        let help = "name the jobs: a name with `*`, or `tag:NAME`";
        return Err(Refusal::bad_request("`pattern` is missing").help(help));
    }
    let new = NewHold {
        kind,
        pattern: request.pattern,
        length: request.length.map(length).transpose()?,
        until: request.until,
        until_ok: request.until_ok,
        note: request.note,
        asker,
    };
    let Reply::Held(answer) = core.ask(Request::Hold(new)).await? else { return Err(unexpected()) };
    // While the disk fails the hold is in effect all the same, and the log says so.
    core.store.catch_up().await;
    Ok((StatusCode::CREATED, Json(answer)))
}

const KINDS: &str = "write pause, silence or ack";

fn length(length: Length) -> Result<Duration, Refusal> {
    match length {
        Length::Seconds(length) => Ok(length),
        Length::Text(text) => parse_duration(&text).map_err(|_| {
            let shown: String = crate::id::in_one_line(&text).chars().take(60).collect();
            Refusal::bad_request(format!("`for` cannot be `{shown}`"))
                .help("write a length of time such as 2h, or seconds")
        }),
    }
}

async fn end_hold(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<api::HoldsEnded>, Refusal> {
    let asker = asker(&peer, &headers).await?;
    let id = id.parse().map_err(|_| {
        let shown: String = crate::id::in_one_line(&id).chars().take(60).collect();
        Refusal::new(Code::NoSuchHold, format!("there is no hold `{shown}`")).help("a hold has a number")
    })?;
    ended(&core, Request::EndHold(id, asker)).await
}

/// Which holds are to end.
#[derive(Clone, Debug, Deserialize)]
struct Which {
    kind: Option<HoldKind>,
    #[serde(default)]
    pattern: String,
}

async fn end_holds(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Params(which): Params<Which>,
) -> Result<Json<api::HoldsEnded>, Refusal> {
    let asker = asker(&peer, &headers).await?;
    let kind = which.kind.ok_or_else(|| Refusal::bad_request("`kind` is missing").help(KINDS))?;
    if which.pattern.trim().is_empty() {
        return Err(Refusal::bad_request("`pattern` is missing").help("name the jobs whose holds are to end"));
    }
    ended(&core, Request::EndHolds(kind, which.pattern, asker)).await
}

async fn ended(core: &Core, request: Request) -> Result<Json<api::HoldsEnded>, Refusal> {
    let Reply::HoldsEnded(ended) = core.ask(request).await? else { return Err(unexpected()) };
    core.store.catch_up().await;
    Ok(Json(ended))
}

async fn reload(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Json<api::ReloadAnswer>, Refusal> {
    let asker = asker(&peer, &headers).await?;
    tracing::info!(by = %asker.by.name, "a reload was asked for");
    match core.ask(Request::Reload).await? {
        Reply::Reloaded(answer) => Ok(Json(answer)),
        Reply::NotReloaded { error, problems } => {
            let message = format!("the configuration has errors, and nothing changed: {error}");
            let failure = Failure::new(Code::Unprocessable, message).help("`slack-alert check` shows every problem");
            Err(Refusal::from(Failure { problems, ..failure }))
        }
        _ => Err(unexpected()),
    }
}

/// The daemon has answered another question: a defect.
fn unexpected() -> Refusal {
    busy("the daemon did not answer the question")
}
