//! `POST /api/v1/wrap`: a command that something else started tells how it goes on, for as long as it goes on.
//!
//! Before it: `slack-alert wrap`, which sends a line when the command begins and one when it has ended, both JSON, and hears a
//! line for each. After it: requests to the daemon. Invariant: a connection that ends in between is a run of which the end is
//! not known. The connection may rest for as long as the command lasts.

use std::path::{Path, PathBuf};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::accept::KeepOpen;
use super::answer::Refusal;
use super::core::Core;
use super::peer::Peer;
use crate::api::Code;
use crate::clock;
use crate::daemon::{Reply, Request as Asked};
use crate::id::RunId;
use crate::store::spool::{LONGEST, Report};

/// The first line has come by then.
const BEGIN_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// The route.
pub(super) fn routes() -> Router<Core> {
    Router::new().route("/api/v1/wrap", post(wrap))
}

/// What is left of a body, line by line.
struct Lines {
    body: BodyDataStream,
    read: Vec<u8>,
}

async fn wrap(
    State(core): State<Core>,
    Extension(peer): Extension<Peer>,
    Extension(open): Extension<KeepOpen>,
    request: Request,
) -> Result<Response, Refusal> {
    if !matches!(peer, Peer::Unix(_)) {
        return Err(Refusal::new(Code::Forbidden, "runs are reported over the control socket alone"));
    }
    if !peer.may_change().await {
        return Err(Refusal::new(Code::ReadOnly, "you may look, and not report runs")
            .help("ask for the group of the control socket (`[control] group`)"));
    }
    let mut lines = Lines { body: request.into_body().into_data_stream(), read: Vec::new() };
    let deadline = core.clock.now().mono + BEGIN_TIME;
    let first = tokio::select! {
        first = lines.next() => first?,
        () = clock::sleep_until(&*core.clock, deadline) => None,
    };
    let first = first.ok_or_else(|| Refusal::bad_request("the body has no line"))?;
    if let (Some(theirs), Some(ours)) = (&first.config, &core.whose.config)
        && theirs != ours
        && *theirs != real(ours)
    {
        let words = format!("the configuration of this daemon is {}", ours.display());
        return Err(Refusal::new(Code::Misdirected, words));
    }
    let ended = first.end.is_some();
    if !ended && !open.keep() {
        return Err(super::answer::busy("more runs are reported than can be followed at one time"));
    }
    if ended {
        let answer = report(&core, first, peer.pid()).await?;
        return Ok(([(header::CONTENT_TYPE, "application/json")], line(&answer)).into_response());
    }
    let following = follow(core, lines, first, peer.pid()).await?;
    let answers = stream::unfold(following, |mut following| async {
        let answer = following.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line(&answer))), following))
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(answers)).into_response())
}

/// A path by which the same file is known to everybody.
#[expect(clippy::disallowed_methods, reason = "the same file by two names")]
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}

/// What the daemon says to a report by this process.
async fn report(core: &Core, report: Report, pid: Option<u32>) -> Result<Value, Refusal> {
    let asked = match report.end {
        Some(_) => Asked::RunEnded(Box::new(report)),
        None => Asked::RunBegun(Box::new(report), pid),
    };
    // Many may come in the same second: cron starts its lines together.
    match core.ask_in_turn(asked).await? {
        Reply::Reported { run, status } => Ok(json!({"run": run, "status": status})),
        _ => Err(super::answer::busy("the daemon did not answer the question")),
    }
}

/// Reports the beginning of a run, to follow it from then on. Whoever tells it may have gone before the daemon has answered:
/// then nobody waits for this, and the run is one that is not followed any more.
#[expect(clippy::disallowed_methods, reason = "a beginning that is asked for is answered, also when nobody waits")]
async fn follow(core: Core, lines: Lines, first: Report, pid: Option<u32>) -> Result<Following, Refusal> {
    let (say, heard) = oneshot::channel();
    tokio::spawn(async move {
        let answer = report(&core, first, pid).await;
        let following = answer.map(|answer| {
            let run = answer["run"].as_u64().map(RunId);
            Following { core, lines, run, first: Some(answer) }
        });
        // What nobody takes is dropped, which tells the daemon.
        drop(say.send(following));
    });
    heard.await.map_err(|_| super::answer::busy("the daemon did not answer the question"))?
}

/// A run that goes on.
struct Following {
    core: Core,
    lines: Lines,
    /// None once its end is known.
    run: Option<RunId>,
    /// What the first line is answered with.
    first: Option<Value>,
}

impl Following {
    /// What is answered next; none at the end.
    async fn next(&mut self) -> Option<Value> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        self.run?;
        let told = match self.lines.next().await {
            Ok(Some(end)) if end.end.is_some() => report(&self.core, end, None).await,
            Ok(_) => return None,
            Err(refusal) => Err(refusal),
        };
        match told {
            Ok(answer) => {
                self.run = None;
                Some(answer)
            }
            Err(refusal) => serde_json::to_value(&*refusal.0).ok(),
        }
    }
}

/// However it ends, the daemon knows of it.
impl Drop for Following {
    #[expect(clippy::disallowed_methods, reason = "the mailbox may have no room, and this cannot wait")]
    fn drop(&mut self) {
        // At its stop the daemon closes connections while commands go on: their end is told to the next one.
        let stopping = *self.core.stop.borrow();
        if let Some(run) = self.run.filter(|_| !stopping) {
            let mailbox = self.core.mailbox.clone();
            tokio::spawn(async move { mailbox.ask(Asked::RunUnfollowed(run)).await });
        }
    }
}

impl Lines {
    /// The next line; none at the end.
    async fn next(&mut self) -> Result<Option<Report>, Refusal> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let report = serde_json::from_slice(&line);
                return report
                    .map(Some)
                    .map_err(|error| Refusal::bad_request(format!("the line cannot be read: {error}")));
            }
            if self.read.len() as u64 > LONGEST {
                return Err(Refusal::new(Code::TooLarge, format!("a line is longer than {} KiB", LONGEST >> 10)));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }
}
