//! Errors in their one shape, whatever went wrong.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::api::{Code, Failure};
use crate::store::StoreError;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal(pub Box<Failure>);

impl Refusal {
    /// An error without help.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::from(Failure::new(code, message))
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self::from(self.0.help(help))
    }

    /// A request that cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self(Box::new(failure))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(Code::State, format!("the state cannot be read: {error}")).help(error.advice())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&*self.0)).into_response();
        if self.0.error.code == Code::TooLarge {
            // What was not read is not read.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// There is no such route.
pub(super) async fn not_found(uri: Uri) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no `{}` here", shown(uri.path())))
        .help("the routes are in slack-alert(1), CONTROL SOCKET")
}

/// The route does not take this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Refusal {
    Refusal::new(Code::MethodNotAllowed, format!("`{}` does not take {}", shown(uri.path()), shown(method.as_str())))
}

/// What a client sent, in an error: the beginning of it.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(200).collect();
    crate::id::in_one_line(&text).into_owned()
}

/// The whole answer to a client for whom there is no connection left.
pub(super) fn busy_at_once() -> Vec<u8> {
    let body = serde_json::to_string(&*busy("too many connections are open").0).unwrap_or_default();
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// There is too much to do.
pub(super) fn busy(why: &str) -> Refusal {
    Refusal::new(Code::Busy, why).help("try again in a moment")
}
