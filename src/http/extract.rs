//! What handlers take from a request, with errors in the one shape.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Refusal;
use super::core::Core;
use crate::api::Code;
use crate::clock;

/// Bytes of a body.
const MOST_BODY: usize = 64 << 10;

/// What is wrong with a request is told in so many characters.
const LONGEST_WORDS: usize = 300;

/// A body has come by then.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The parameters of an address.
#[derive(Clone, Copy, Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let found = Query::<T>::try_from_uri(&parts.uri);
        found
            .map(|Query(params)| Self(params))
            .map_err(|error| Refusal::bad_request(format!("the parameters cannot be read: {}", in_words(&error))))
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
        object(text)
            .map(Self)
            .map_err(|why| Refusal::bad_request(format!("the body {why}")).help("it must be a JSON object"))
    }
}

/// Reads an object whose members may all be left out; an error names the member.
fn object<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let value = serde_json::from_slice::<Value>(text).map_err(|error| format!("is no JSON: {error}"))?;
    let kind = match &value {
        Value::Object(_) => None,
        Value::Array(_) => Some("a list"),
        Value::String(_) => Some("a text"),
        Value::Number(_) => Some("a number"),
        Value::Bool(_) => Some("true or false"),
        Value::Null => Some("null"),
    };
    if let Some(kind) = kind {
        return Err(format!("is {kind}"));
    }
    let members = value.as_object().cloned().unwrap_or_default();
    T::deserialize(value).map_err(|error| {
        let alone = |(name, value): (String, Value)| {
            let error = T::deserialize(Value::Object([(name.clone(), value)].into_iter().collect())).err()?;
            let words = error.to_string().replace("unknown variant", "unknown value");
            // Of one that is not known the words name it themselves.
            Some(if words.contains(&format!("`{name}`")) { words } else { format!("`{name}`: {words}") })
        };
        let words = members.into_iter().find_map(alone).unwrap_or_else(|| error.to_string());
        format!("cannot be read: {}", crate::id::in_one_line(&words.chars().take(LONGEST_WORDS).collect::<String>()))
    })
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
    // As people say it, and not as the libraries do.
    for (library, people) in [
        ("Failed to deserialize query string: ", ""),
        ("invalid digit found in string", "this is no whole number"),
        ("cannot parse integer from empty string", "this is no whole number"),
        ("number too large to fit in target type", "this number is too large"),
        ("number too small to fit in target type", "this number is too small"),
        ("provided string was not `true` or `false`", "write true or false"),
    ] {
        words = words.replace(library, people);
    }
    crate::id::in_one_line(&words.chars().take(LONGEST_WORDS).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;

    use super::{in_words, object};
    use crate::api;

    #[test]
    fn what_is_wrong_with_a_body_is_said_in_words_about_the_body() {
        for (text, why) in [
            ("nonsense", "is no JSON: expected ident at line 1 column 2"),
            ("{\"kind\":", "is no JSON: EOF while parsing a value at line 1 column 8"),
            ("[]", "is a list"),
            ("\"pause\"", "is a text"),
            ("null", "is null"),
            ("{\"pattern\": 5}", "cannot be read: `pattern`: invalid type: number, expected a string"),
            (
                "{\"job\": \"a\"}",
                "cannot be read: unknown field `job`, expected one of `kind`, `pattern`, `for`, `until`, `until_ok`, `note`",
            ),
            (
                "{\"until\": \"9999-12-31T23:59:59-09:00\"}",
                "cannot be read: `until`: this is no time that can be used: write one such as 2026-03-01T08:00:00Z",
            ),
            ("{\"until\": 7}", "cannot be read: `until`: invalid type: number, expected a string"),
            (
                "{\"kind\": \"nap\"}",
                "cannot be read: `kind`: unknown value `nap`, expected one of `pause`, `silence`, `ack`",
            ),
            ("{\"for\": []}", "cannot be read: `for`: a length of time is text such as `2h`, or a number of seconds"),
        ] {
            assert_eq!(object::<api::HoldRequest>(text.as_bytes()), Err(why.to_owned()), "{text}");
        }
        assert_eq!(object::<api::TriggerRequest>(b"{}"), Ok(api::TriggerRequest::default()));
    }

    #[test]
    fn what_is_wrong_with_a_parameter_is_said_of_the_parameter() {
        for (parameters, why) in [
            ("limit=abc", "limit: this is no whole number"),
            ("limit=", "limit: this is no whole number"),
            ("limit=99999999999999999999", "limit: this number is too large"),
            ("notable=1", "notable: write true or false"),
        ] {
            let uri = format!("/api/v1/jobs?{parameters}").parse().expect("an address");
            let error = Query::<api::Query>::try_from_uri(&uri).expect_err(parameters);
            assert_eq!(in_words(&error), why, "{parameters}");
        }
    }
}
