//! One HTTP request, bounded in time and size. The door of the network: `slack` and `webhook` reach it through here.
//!
//! A redirect is never followed, since it would carry the token elsewhere. What is said of a failure names the host and
//! never the path, which with webhooks is the credential.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Proxy, Url, redirect};

use super::Sent;
use super::secret::Secret;
use super::settings::Settings;
use super::tls::{certificates, install_provider};
use super::trouble::{self, root_cause};
use crate::diagnostic::mask;
use crate::document::format_duration;

/// No answer of Slack is longer; the rest is not read.
const LONGEST_ANSWER: usize = 1 << 20;

/// The time limit of one request grows up to here.
const LONGEST_LIMIT: Duration = Duration::from_secs(120);

/// JSON as Slack wants it: without the charset it grumbles (`missing_charset`).
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// An answer, as far as anybody looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `X-OAuth-Scopes`: what the token may do.
    pub scopes: Option<String>,
    /// The header `Date`: what time it was for the server.
    pub date: Option<String>,
    /// `slack.proxy` had the request in the clear: the answer may be its own.
    pub proxied: bool,
    /// The body, at most 1 MiB of it.
    pub body: Vec<u8>,
}

impl Raw {
    /// Whether it sends whoever asked elsewhere, which is never followed.
    pub fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unreachable {
    /// For people.
    pub(super) why: String,
    /// The time was up after the connection stood: what was sent may have been taken.
    pub(super) sent: bool,
}

impl Unreachable {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), sent: false }
    }
}

/// What is posted. The URL is a secret too: a webhook's, an upload's.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) url: Secret,
    pub(super) token: Option<Secret>,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// How often no answer came in time before.
    pub(super) timeouts: u32,
    /// Is told when it is sent.
    pub(super) sent: Sent,
}

/// A body that notes when it is written: by then the connection stands.
struct Noted {
    data: Option<Bytes>,
    sent: Sent,
}

impl Body for Noted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.sent.note();
        Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// The client, made when it is first needed: a system without certificates must not keep the daemon from starting.
#[derive(Debug)]
pub(super) struct Http {
    /// What names the address, for errors: `slack.api_url`, or the webhook.
    address: &'static str,
    proxy: Option<Secret>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
    client: Mutex<Option<Client>>,
}

impl Http {
    pub(super) fn new(settings: &Settings, address: &'static str) -> Self {
        Self {
            address,
            proxy: settings.proxy.clone(),
            ca_file: settings.ca_file.clone(),
            timeout: settings.timeout,
            client: Mutex::new(None),
        }
    }

    /// Posts, and reads the answer whatever its status. Takes `timeout` at most.
    pub(super) async fn post(&self, post: Post) -> Result<Raw, Unreachable> {
        let url = Url::parse(post.url.expose()).map_err(|_| Unreachable::new("the address is no URL"))?;
        let host = url.host_str().unwrap_or("the server").to_owned();
        let plain = url.scheme() == "http";
        let client = self.client(plain)?;
        let limit = longer(self.timeout, post.timeouts);
        let body = reqwest::Body::wrap(Noted { data: Some(post.body.into()), sent: post.sent });
        let mut request = client.post(url).timeout(limit).header(CONTENT_TYPE, post.content_type).body(body);
        if let Some(token) = post.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| Unreachable::new("the token has characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let failed = |error: reqwest::Error| self.describe(&host, error, limit);
        let mut response = request.send().await.map_err(failed)?;
        let mut raw = Raw {
            status: response.status().as_u16(),
            retry_after: text_of(response.headers(), &reqwest::header::RETRY_AFTER),
            scopes: text_of(response.headers(), &HeaderName::from_static("x-oauth-scopes")),
            date: text_of(response.headers(), &reqwest::header::DATE),
            proxied: plain && self.proxy.is_some(),
            body: Vec::new(),
        };
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = LONGEST_ANSWER - raw.body.len();
            raw.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                break;
            }
        }
        Ok(raw)
    }

    /// Asks for an address, or posts a text to it; the body of the answer is not looked at.
    pub(super) async fn signal(&self, url: &Secret, body: Option<String>, limit: Duration) -> Result<Raw, Unreachable> {
        let url = Url::parse(url.expose()).map_err(|_| Unreachable::new("the address is no URL"))?;
        let host = url.host_str().unwrap_or("the server").to_owned();
        let client = self.client(url.scheme() == "http")?;
        let request = match body {
            Some(body) => client.post(url).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body),
            None => client.get(url),
        };
        let sent = request.timeout(limit).send().await;
        let response = sent.map_err(|error| self.describe(&host, error, limit))?;
        Ok(Raw { status: response.status().as_u16(), ..Raw::default() })
    }

    /// The client, made if it is not there yet. For plain HTTP the lack of certificates is no hindrance.
    fn client(&self, plain: bool) -> Result<Client, Unreachable> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let client = match self.build(false) {
            Err(_) if plain && self.ca_file.is_none() => self.build(true),
            built => built,
        }?;
        Ok(slot.insert(client).clone())
    }

    #[expect(clippy::disallowed_methods, reason = "the door of the network: every client is made here")]
    fn build(&self, without_roots: bool) -> Result<Client, Unreachable> {
        install_provider();
        let mut builder = Client::builder()
            .user_agent(concat!("slack-alert/", env!("CARGO_PKG_VERSION")))
            .timeout(self.timeout)
            // A connection that does not come about is another trouble than an answer that does not come.
            .connect_timeout(self.timeout * 3 / 4)
            .redirect(redirect::Policy::none())
            .referer(false)
            .http1_only();
        if without_roots {
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = &self.ca_file {
            let more = certificates(path).map_err(|error| Unreachable::new(error.to_string()))?;
            builder = builder.tls_certs_merge(more);
        }
        if let Some(proxy) = &self.proxy {
            let proxy = Proxy::all(proxy.expose())
                .map_err(|_| Unreachable::new("`slack.proxy` is no proxy that can be used"))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| {
            let why = root_cause(&error.without_url());
            Unreachable::new(if why.contains("No CA certificates") {
                "no CA certificates found: install ca-certificates, or name a file with `slack.ca_file`".to_owned()
            } else {
                format!("the HTTP client cannot be made: {}", mask::secrets(&why))
            })
        })
    }

    /// A failed request in words: the host, what went wrong, what to change, and never the URL.
    fn describe(&self, host: &str, error: reqwest::Error, limit: Duration) -> Unreachable {
        let error = error.without_url();
        if error.is_timeout() {
            let (sent, limit) = (!error.is_connect(), format_duration(limit));
            let doing = if sent { "no answer from" } else { "no connection to" };
            return Unreachable { why: format!("{doing} {host} within {limit}"), sent };
        }
        let why = if error.is_connect() {
            trouble::words(&error, host, self.address, self.proxy.is_some())
        } else {
            trouble::broken_off(&error, host, self.address)
        };
        Unreachable::new(why)
    }
}

/// The time limit after so many answers that did not come in time: twice as long after each, up to [`LONGEST_LIMIT`].
fn longer(timeout: Duration, timeouts: u32) -> Duration {
    let doubled = timeout.saturating_mul(1_u32.checked_shl(timeouts).unwrap_or(u32::MAX));
    doubled.min(LONGEST_LIMIT.max(timeout))
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}
