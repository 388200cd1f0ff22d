//! \[net\] The client of the control socket: one connection a question, bounded in time and size. Every error is a sentence that
//! says what to do.
//!
//! Before it: `place`, which says where a socket may be. After it: the commands.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::api::{self, Changed, Code};
use crate::cli::Failure;
use crate::clock::{Clock, System, sleep_until};
use crate::id::in_one_line;

/// A daemon that lives takes a connection at once.
const CONNECT: Duration = Duration::from_secs(2);

/// A question is answered by then; the daemon itself gives up before.
pub(in crate::cli) const ANSWER: Duration = Duration::from_secs(10);

/// Ten thousand files on a slow disk.
const RELOAD: Duration = Duration::from_secs(130);

/// No answer is longer: a page has 500 jobs.
const LONGEST_ANSWER: usize = 64 << 20;

/// No event is longer.
const LONGEST_EVENT: usize = 64 << 10;

/// The user behind `sudo`, for the name that is kept with what was asked.
const SUDO_USER: &str = "slack-alert-sudo-user";

/// Why a socket gives no answer.
#[derive(Debug)]
pub(in crate::cli) enum Trouble {
    /// There is no socket.
    Missing,
    /// There is one, and nobody listens.
    Stale,
    /// The system does not let this user connect.
    NotPermitted,
    /// Nothing came in time.
    TimedOut(Duration),
    /// The exchange broke off.
    Broken(String),
    /// The answer is not that of a slack-alert.
    Foreign(String),
    /// The daemon refuses, and says why.
    Refused(Box<api::Failure>),
}

/// A socket that may be asked.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    path: PathBuf,
    sudo: Option<String>,
    /// A question is answered by then.
    limit: Duration,
    runtime: Runtime,
}

/// The stream of changes.
pub(in crate::cli) struct Events<'c> {
    client: &'c Client,
    connection: Pin<Box<dyn Future<Output = hyper::Result<()>>>>,
    body: Incoming,
    buffer: Vec<u8>,
    is_over: bool,
}

impl Client {
    /// Asks nothing yet. `sudo` is who became root; what only looks is answered within `limit`.
    pub(super) fn new(path: &Path, sudo: Option<&str>, limit: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::new(format!("the runtime cannot be started: {error}")))?;
        Ok(Self { path: path.to_owned(), sudo: sudo.map(str::to_owned), limit, runtime })
    }

    /// Where it is.
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks.
    pub(in crate::cli) fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, Trouble> {
        self.ask(Method::GET, target, None, self.limit)
    }

    /// Asks for something.
    pub(in crate::cli) fn post<T: DeserializeOwned>(&self, target: &str, body: &impl Serialize) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| Trouble::Broken(error.to_string()))?;
        let limit = if target.ends_with("/reload") { RELOAD } else { ANSWER };
        self.ask(Method::POST, target, Some(body), limit)
    }

    /// Ends something.
    pub(in crate::cli) fn delete<T: DeserializeOwned>(&self, target: &str) -> Result<T, Trouble> {
        self.ask(Method::DELETE, target, None, ANSWER)
    }

    /// Waits.
    pub(in crate::cli) fn rest(&self, length: Duration) {
        self.runtime.block_on(async {
            let until = System.now().mono + length;
            sleep_until(&System, until).await;
        });
    }

    /// Begins to listen for changes.
    pub(in crate::cli) fn events(&self) -> Result<Events<'_>, Trouble> {
        let begun = async {
            let stream = connect(&self.path).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
            let mut connection: Pin<Box<dyn Future<Output = hyper::Result<()>>>> = Box::pin(connection);
            let request = self.request(Method::GET, "/api/v1/events", None)?;
            let response = {
                let answer = sender.send_request(request);
                tokio::pin!(answer);
                tokio::select! {
                    biased;
                    answer = &mut answer => answer,
                    _ = &mut connection => answer.await,
                }
            };
            let response = response.map_err(broken)?;
            let status = response.status();
            if status == StatusCode::OK {
                return Ok((connection, response.into_body()));
            }
            // So many may listen at one time, and one more is told so.
            let body = {
                let body = Limited::new(response.into_body(), LONGEST_EVENT).collect();
                tokio::pin!(body);
                tokio::select! {
                    biased;
                    body = &mut body => body,
                    _ = &mut connection => body.await,
                }
            };
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Err(refusal(status, &body))
        };
        let (connection, body) = self.within(ANSWER, begun)?;
        Ok(Events { client: self, connection, body, buffer: Vec::new(), is_over: false })
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<T, Trouble> {
        let (status, body) = self.within(limit, async {
            let request = self.request(method, target, body)?;
            exchange(&self.path, request).await
        })?;
        if status.is_success() {
            let body = if body.is_empty() { Bytes::from_static(b"null") } else { body };
            return serde_json::from_slice(&body).map_err(|error| Trouble::Foreign(error.to_string()));
        }
        Err(refusal(status, &body))
    }

    fn request(&self, method: Method, target: &str, body: Option<Vec<u8>>) -> Result<Request<Full<Bytes>>, Trouble> {
        let mut request = Request::builder().method(method).uri(target).header("host", "localhost");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        // A name that no header can hold is none.
        if let Some(sudo) = self.sudo.as_ref().and_then(|sudo| HeaderValue::from_str(sudo).ok()) {
            request = request.header(SUDO_USER, sudo);
        }
        request.body(Full::from(body.unwrap_or_default())).map_err(|error| Trouble::Broken(error.to_string()))
    }

    fn within<T>(&self, limit: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        self.runtime.block_on(async {
            match tokio::time::timeout(limit, work).await {
                Ok(done) => done,
                Err(_) => Err(Trouble::TimedOut(limit)),
            }
        })
    }
}

impl Events<'_> {
    /// The next change; none when there was none within the time. `Err` when the stream has ended.
    pub(in crate::cli) fn next(&mut self, within: Duration) -> Result<Option<Changed>, Trouble> {
        if self.is_over {
            return Err(Trouble::Broken("the stream of changes has ended".to_owned()));
        }
        let Self { client, connection, body, buffer, is_over } = self;
        client.runtime.block_on(async {
            let read = async {
                loop {
                    if let Some(changed) = event(buffer) {
                        return Ok(Some(changed));
                    }
                    let frame = tokio::select! {
                        biased;
                        frame = body.frame() => frame,
                        _ = connection.as_mut(), if !*is_over => {
                            *is_over = true;
                            continue;
                        }
                    };
                    match frame {
                        Some(Ok(frame)) => {
                            if let Ok(data) = frame.into_data() {
                                buffer.extend_from_slice(&data);
                            }
                            if buffer.len() > LONGEST_EVENT {
                                return Err(Trouble::Foreign("an event that does not end".to_owned()));
                            }
                        }
                        Some(Err(error)) => return Err(broken(error)),
                        None => return Err(Trouble::Broken("the stream of changes has ended".to_owned())),
                    }
                }
            };
            // Nothing came: that is an answer too.
            tokio::time::timeout(within, read).await.unwrap_or(Ok(None))
        })
    }
}

/// Takes the first whole event out of what has come, if it is one. Remarks, which keep the connection alive, are none.
fn event(buffer: &mut Vec<u8>) -> Option<Changed> {
    loop {
        let end = buffer.windows(2).position(|two| two == b"\n\n")?;
        let text = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 2);
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
        if field("event:") == Some("changed") {
            return Some(field("data:").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default());
        }
    }
}

async fn connect(path: &Path) -> Result<UnixStream, Trouble> {
    match tokio::time::timeout(CONNECT, UnixStream::connect(path)).await {
        Err(_) => Err(Trouble::TimedOut(CONNECT)),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Trouble::Missing,
            io::ErrorKind::ConnectionRefused => Trouble::Stale,
            io::ErrorKind::PermissionDenied => Trouble::NotPermitted,
            _ => Trouble::Broken(error.to_string()),
        }),
    }
}

async fn exchange(path: &Path, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Trouble> {
    let stream = connect(path).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        Ok((status, body.map_err(|error| Trouble::Broken(error.to_string()))?.to_bytes()))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What has come is still read.
        _ = &mut connection => answer.await,
    }
}

/// An answer that is an error.
fn refusal(status: StatusCode, body: &[u8]) -> Trouble {
    match serde_json::from_slice(body) {
        Ok(failure) => Trouble::Refused(Box::new(failure)),
        Err(_) => Trouble::Foreign(format!("HTTP {status}")),
    }
}

fn broken(error: hyper::Error) -> Trouble {
    Trouble::Broken(error.to_string())
}

impl Trouble {
    /// Whether no daemon is there at all.
    pub(in crate::cli) fn is_nobody(&self) -> bool {
        matches!(self, Self::Missing | Self::Stale)
    }

    /// Whether whoever is there takes too long: its system keeps it from running, or it has too much to do.
    pub(in crate::cli) fn is_late(&self) -> bool {
        match self {
            Self::TimedOut(_) => true,
            Self::Refused(failure) => failure.error.code == Code::Busy,
            _ => false,
        }
    }

    /// Why there is no answer, for programs. What was refused says it itself.
    pub(in crate::cli) fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Stale => "not-running",
            Self::NotPermitted => "forbidden",
            _ => "no-answer",
        }
    }

    /// The exit code and the words for a command that cannot go on. `path` is the socket.
    pub(in crate::cli) fn failure(&self, path: &Path) -> Failure {
        let shown = path.display();
        match self {
            Self::Missing => nobody(&format!("no socket at {shown}")),
            Self::Stale => nobody(&format!("nobody listens at {shown}")),
            Self::NotPermitted if super::place::is_of_root(path) => Failure::new(format!(
                "you may not talk to the daemon: {shown}: permission denied\n  help: ask as root or as the daemon's user; \
                 with `[control] group` the members of a group may too, and with `[control] read = \"all\"` everybody may look"
            )),
            Self::NotPermitted => {
                let group = super::place::group_of(path).unwrap_or_else(|| "the socket's group".to_owned());
                Failure::new(format!(
                    "you may not talk to the daemon: {shown}: permission denied\n  help: ask as root or as the daemon's \
                     user, or have yourself added to {group} (`[control] group` says which group may)"
                ))
            }
            Self::TimedOut(limit) => Failure::new(format!(
                "the daemon did not answer within {} s ({shown})\n  help: try again; the log of the daemon may say what \
                 it waits for",
                limit.as_secs()
            )),
            Self::Broken(why) => Failure::new(format!(
                "the exchange with the daemon broke off ({shown}): {why}\n  help: try again; the daemon may just have \
                 been stopped"
            )),
            Self::Foreign(why) => Failure::new(format!(
                "what answers at {shown} is no slack-alert of this version: {why}\n  help: restart the daemon after an \
                 upgrade: `systemctl restart slack-alert`"
            )),
            Self::Refused(failure) => refused(failure),
        }
    }
}

/// No daemon runs here.
fn nobody(where_: &str) -> Failure {
    Failure::new(format!(
        "the daemon is not running here ({where_})\n  help: start it: `systemctl start slack-alert`, or `slack-alert run`"
    ))
}

/// A refusal in the daemon's own words. What could not be understood was typed wrongly.
fn refused(failure: &api::Failure) -> Failure {
    let error = &failure.error;
    let mut message = in_one_line(&error.message).into_owned();
    if let Some(help) = &error.help {
        message.push_str(&format!("\n  help: {}", in_one_line(help)));
    }
    let refused = match error.code {
        Code::NoSuchJob | Code::BadRequest | Code::Unprocessable => Failure::usage(message),
        _ => Failure::new(message),
    };
    Failure { answer: Some(Box::new(failure.clone())), ..refused }
}

#[cfg(test)]
mod tests {
    use super::event;
    use crate::api::Changed;

    #[test]
    fn events_come_in_pieces_and_between_remarks() {
        let mut buffer = b": alive\n\nevent: changed\ndata: {\"job\":\"disk\",\"run\":7}\n\nevent: chan".to_vec();
        let changed = event(&mut buffer).expect("one event is whole");
        assert_eq!(changed.job.as_ref().map(|job| job.as_str().to_owned()), Some("disk".to_owned()));
        assert_eq!(event(&mut buffer), None);
        buffer.extend_from_slice(b"ged\ndata: {\"job\":null,\"run\":null}\n\n");
        assert_eq!(event(&mut buffer), Some(Changed::default()));
        buffer.extend_from_slice(b"event: other\ndata: 1\n\n");
        assert_eq!(event(&mut buffer), None);
        assert!(buffer.is_empty());
    }
}
