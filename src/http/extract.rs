//! What handlers take from a request, with errors in the one shape.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::answer::Refusal;
use super::core::Core;
use crate::api::Code;
use crate::clock;

/// Bytes of a body.
const MOST_BODY: usize = 64 << 10;

/// A body has come by then.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The parameters of an address.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let found = Query::<T>::try_from_uri(&parts.uri);
        found.map(|Query(params)| Self(params)).map_err(|error| Refusal::bad_request(in_words(&error)))
    }
}

/// The parts of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let found = found.map(|axum::extract::Path(found)| Self(found));
        found.map_err(|error| Refusal::bad_request(format!("the address cannot be read: {}", error.body_text())))
    }
}

/// A body of JSON, whatever its type is said to be; one that is empty is an empty object.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Core> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, core: &Core) -> Result<Self, Refusal> {
        let bytes = bytes(request, core).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            Refusal::bad_request(format!("the body cannot be read: {error}")).help("it must be a JSON object")
        })
    }
}

/// Reads a body of a known, allowed length before anything is answered. Many clients send headers and body one after the
/// other: an answer that does not wait for the body (a refusal) ends the connection under their hands, and they never see it.
pub(super) async fn read_first(State(core): State<Core>, request: Request, next: Next) -> Response {
    if !content_length(&request).is_some_and(|length| (1..=MOST_BODY as u64).contains(&length)) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match bytes(Request::from_parts(parts.clone(), body), &core).await {
        Ok(read) => next.run(Request::from_parts(parts, read.into())).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn content_length(request: &Request) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The whole body, within its bounds.
pub(super) async fn bytes(request: Request, core: &Core) -> Result<axum::body::Bytes, Refusal> {
    if content_length(&request).is_some_and(|length| length > MOST_BODY as u64) {
        return Err(too_large());
    }
    let deadline = core.clock.now().mono + BODY_TIME;
    // One byte more than may be tells a body that is too large from one that broke off.
    let read = axum::body::to_bytes(request.into_body(), MOST_BODY);
    tokio::select! {
        read = read => read.map_err(|error| match is_limit(&error) {
            true => too_large(),
            false => Refusal::bad_request("the body did not come to its end"),
        }),
        () = clock::sleep_until(&*core.clock, deadline) => {
            Err(Refusal::bad_request(format!("the body did not come within {} s", BODY_TIME.as_secs())))
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(Code::TooLarge, format!("the body is larger than {} KiB", MOST_BODY >> 10))
}

/// Whether reading ended at the limit.
fn is_limit(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes, in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    crate::id::in_one_line(&words.chars().take(300).collect::<String>()).into_owned()
}
