//! A small HTTP server that plays Slack: believable by default, as bad as a test wants it, and it remembers everything.
//!
//! It runs on a thread of its own, so that tests may block. Without a script every method answers as Slack does; with
//! one, each request takes the next [`Answer`]. It also serves incoming webhooks, uploads, and plain HTTP as a proxy.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slack_alert::exec::Status;
use slack_alert::id::{Channel, JobName, RunId};
use slack_alert::message::{Message, Route, Thread};
use slack_alert::notify::secret::Source;
use slack_alert::notify::{Delivery, Parent, Secret, Settings, Way};
use slack_alert::policy::Event;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use super::program::PATIENCE;

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// As in the request line; a proxy sees a whole URL.
    pub(crate) target: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// When it was complete.
    pub(crate) at: Instant,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// As Slack does.
    Usual,
    /// This status, these headers, this body.
    Reply { status: u16, headers: Vec<(String, String)>, body: String },
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and then nothing.
    Hang(Vec<u8>),
    /// The connection is reset.
    Reset,
}

/// The server; it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct MockSlack {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    came: Condvar,
    arrived: Notify,
    stop: Notify,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Answer>,
    standing: Option<Answer>,
    requests: Vec<Request>,
    posted: Vec<Value>,
    count: u32,
    /// What the token may do, where a test says so.
    scopes: Option<String>,
    /// The texts of messages, by their time stamps, as they are now.
    texts: BTreeMap<String, Value>,
}

impl Answer {
    /// JSON with status 200.
    pub(crate) fn json(body: &Value) -> Self {
        Self::status(200, &body.to_string()).header("Content-Type", "application/json; charset=utf-8")
    }

    /// `"ok": false` with a code.
    pub(crate) fn error(code: &str) -> Self {
        Self::json(&json!({ "ok": false, "error": code }))
    }

    /// A status and a body.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Reply { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// Too many messages.
    pub(crate) fn rate_limited(seconds: u32) -> Self {
        Self::status(429, r#"{"ok":false,"error":"ratelimited"}"#).header("Retry-After", &seconds.to_string())
    }

    /// With a header more.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

impl Request {
    /// The path, without a proxy's scheme and host.
    pub(crate) fn path(&self) -> &str {
        let rest = self.target.split_once("://").map_or(self.target.as_str(), |(_, rest)| rest);
        &rest[rest.find('/').unwrap_or(0)..]
    }

    /// The Web API's method: `chat.postMessage`.
    pub(crate) fn method(&self) -> &str {
        self.path().strip_prefix("/api/").unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl MockSlack {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        Self::serve(None)
    }

    /// The same with TLS.
    pub(crate) fn start_tls(acceptor: TlsAcceptor) -> Self {
        Self::serve(Some(acceptor))
    }

    fn serve(tls: Option<TlsAcceptor>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("a bound socket");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket");
                tokio::select! {
                    () = accept(&listener, &server, tls, address) => {}
                    () = server.stop.notified() => {}
                }
            });
        });
        Self { shared, address, scheme, thread: Some(thread) }
    }

    /// For `slack.api_url`.
    pub(crate) fn url(&self) -> String {
        format!("{}/api", self.origin())
    }

    /// For `slack.webhook_url`.
    pub(crate) fn webhook_url(&self) -> String {
        format!("{}/services/T000/B000/hidden", self.origin())
    }

    /// For `slack.proxy`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Adds to the script: the next request without an answer yet takes it.
    pub(crate) fn answer(&self, answer: Answer) {
        self.state().script.push_back(answer);
    }

    /// Takes the rest of the script away.
    pub(crate) fn forget(&self) {
        self.state().script.clear();
    }

    /// Answers so whenever the script is empty, until told otherwise; `Usual` ends it.
    pub(crate) fn always(&self, answer: Answer) {
        self.state().standing = Some(answer);
    }

    /// The token has these scopes, joined by commas; empty: Slack does not say which.
    pub(crate) fn grant(&self, scopes: &str) {
        self.state().scopes = Some(scopes.to_owned());
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// The bodies of the messages that were taken, replies and webhooks too, in order.
    pub(crate) fn posted(&self) -> Vec<Value> {
        self.state().posted.clone()
    }

    /// Waits until `count` requests have come, and gives them all; panics after `bound`.
    pub(crate) async fn wait_for(&self, count: usize, bound: Duration) -> Vec<Request> {
        let deadline = tokio::time::Instant::now() + bound;
        loop {
            let arrived = self.shared.arrived.notified();
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            if tokio::time::timeout_at(deadline, arrived).await.is_err() {
                panic!("{} of {count} requests came within {bound:?}: {requests:#?}", requests.len());
            }
        }
    }

    /// The same for tests that are not async.
    pub(crate) fn wait_for_blocking(&self, count: usize, bound: Duration) -> Vec<Request> {
        let waited = self.shared.came.wait_timeout_while(self.state(), bound, |state| state.requests.len() < count);
        let (state, _) = waited.expect("the server does not panic");
        assert!(state.requests.len() >= count, "{} of {count} requests came within {bound:?}", state.requests.len());
        state.requests.clone()
    }

    /// Looks each time that a request comes, until there is something to see.
    pub(crate) fn wait_until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.state().requests.len();
            if let Some(found) = look() {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come");
            let waited = self.shared.came.wait_timeout_while(self.state(), left, |state| state.requests.len() == seen);
            drop(waited.expect("the server does not panic"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("the server does not panic")
    }
}

impl Drop for MockSlack {
    fn drop(&mut self) {
        self.shared.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: Option<TlsAcceptor>, address: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, tls) = (Arc::clone(shared), tls.clone());
        tokio::spawn(async move {
            // A client that goes away is no failure of the server.
            let _ = match tls {
                None => talk(stream, &shared, address, TcpStream::set_zero_linger).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => talk(stream, &shared, address, |stream| stream.get_ref().0.set_zero_linger()).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

/// One connection, request after request.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    shared: &Shared,
    address: SocketAddr,
    reset: impl Fn(&S) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await? {
        let answer = {
            let mut state = shared.state.lock().expect("nobody panics with the lock");
            state.count += 1;
            state.requests.push(request.clone());
            let scripted = state.script.pop_front().or_else(|| state.standing.clone()).unwrap_or(Answer::Usual);
            let is_message = matches!(request.method(), "chat.postMessage") || request.path().starts_with("/services/");
            if matches!(scripted, Answer::Usual) && is_message && request.json() != json!({}) {
                state.posted.push(request.json());
            }
            match scripted {
                Answer::Usual => {
                    let answer = usual(&request, state.count, address, state.scopes.as_deref());
                    remember(&mut state.texts, &request, answer)
                }
                other => other,
            }
        };
        shared.came.notify_all();
        shared.arrived.notify_waiters();
        match answer {
            Answer::Reply { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
            }
            Answer::Bytes(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Answer::Hang(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                return std::future::pending().await;
            }
            Answer::Reset | Answer::Usual => return reset(&stream),
        }
        stream.flush().await?;
    }
    Ok(())
}

/// The next request, or `None` at the end of the connection.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
    buffer.drain(..head + 4);
    let mut lines = text.lines();
    let target = lines.next().unwrap_or_default().split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let body = buffer.drain(..length).collect();
    Ok(Some(Request { target, headers, body, at: Instant::now() }))
}

/// Keeps the texts of what is posted and edited, and answers what asks for one of them.
fn remember(texts: &mut BTreeMap<String, Value>, request: &Request, answer: Answer) -> Answer {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let argument = |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
    match (request.method(), &answer) {
        ("chat.postMessage" | "chat.update", Answer::Reply { body, .. }) => {
            let answered: Value = serde_json::from_str(body).unwrap_or_default();
            texts.insert(answered["ts"].as_str().unwrap_or_default().to_owned(), request.json()["text"].clone());
            answer
        }
        ("reactions.get", _) => match texts.get(argument("timestamp=")) {
            Some(text) => Answer::json(&json!({ "ok": true, "type": "message", "message": { "text": text } })),
            None => Answer::error("message_not_found"),
        },
        ("conversations.history", _) => {
            let found = texts.get(argument("latest=")).map(|text| json!({ "text": text }));
            Answer::json(&json!({ "ok": true, "messages": found.into_iter().collect::<Vec<_>>() }))
        }
        _ => answer,
    }
}

/// What Slack answers, near enough: names become IDs, every message has its `ts`.
fn usual(request: &Request, count: u32, address: SocketAddr, scopes: Option<&str>) -> Answer {
    let body = request.json();
    let ts = format!("1795405538.{count:06}");
    let channel = body["channel"].as_str().unwrap_or_default();
    match request.method() {
        "chat.postMessage" => {
            let mut message = body.clone();
            message["ts"] = ts.clone().into();
            Answer::json(&json!({ "ok": true, "channel": channel_id(channel), "ts": ts, "message": message }))
        }
        "chat.update" => Answer::json(&json!({ "ok": true, "channel": channel, "ts": body["ts"], "message": body })),
        "auth.test" => {
            let answer = Answer::json(&json!({
                "ok": true, "url": "https://ops.slack.com/", "team": "Ops", "user": "alertbot", "user_id": "U024BE7LH",
            }));
            match scopes.unwrap_or("chat:write,files:write") {
                "" => answer,
                scopes => answer.header("X-OAuth-Scopes", scopes),
            }
        }
        "conversations.list" | "conversations.info" | "users.info" => Answer::json(&look_up(request, scopes)),
        "files.getUploadURLExternal" => Answer::json(&json!({
            "ok": true, "file_id": format!("F{count:09}"), "upload_url": format!("http://{address}/upload/F{count:09}"),
        })),
        "files.completeUploadExternal" => Answer::json(&json!({ "ok": true, "files": body["files"] })),
        _ if request.path().starts_with("/upload/") => Answer::status(200, "OK"),
        _ if request.path().starts_with("/services/") && body == json!({}) => Answer::status(400, "no_text"),
        _ if request.path().starts_with("/services/") => Answer::status(200, "ok"),
        _ => Answer::error("unknown_method"),
    }
}

/// The channels and members of the workspace, as `check --online` finds them.
fn workspace() -> [Value; 9] {
    let channel = |id, name, joined: bool| json!({ "id": id, "name": name, "is_member": joined });
    let with = |mut value: Value, key: &str| {
        value[key] = true.into();
        value
    };
    [
        channel("C000000GEN", "general", false),
        channel("C000000DEV", "dev", false),
        with(channel("C000000OLD", "old-ops", true), "is_archived"),
        with(channel("G000000HID", "hidden", false), "is_private"),
        with(channel("G000000SEC", "secret-ops", true), "is_private"),
        channel("C000000OPS", "ops", true),
        json!({ "id": "U000ANNA00", "name": "anna" }),
        with(json!({ "id": "U000GONE00", "name": "gone" }), "deleted"),
        with(json!({ "id": "U000BOT000", "name": "bot" }), "is_bot"),
    ]
}

/// Methods that read: they take no JSON, want scopes, and show of private channels only what the bot is in. Pages are
/// short, whatever was asked for, as Slack's may be.
fn look_up(request: &Request, scopes: Option<&str>) -> Value {
    let error = |code: &str| json!({ "ok": false, "error": code });
    let body = String::from_utf8_lossy(&request.body).into_owned();
    if request.headers.get("content-type").is_some_and(|kind| kind.contains("json")) {
        return error("invalid_arguments");
    }
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let arguments: BTreeMap<_, _> = pairs.map(|(name, value)| (name, value.replace("%2C", ","))).collect();
    let argument = |name: &str| arguments.get(name).map(String::as_str).unwrap_or_default();
    let lacks = |scope: &str| !scopes.unwrap_or_default().split(',').any(|known| known == scope);
    let barred = |scope: &str| json!({ "ok": false, "error": "missing_scope", "needed": scope, "provided": scopes });
    let is = |value: &Value, key: &str| value[key] == true;
    let visible = |value: &&Value| !is(value, "is_private") || is(value, "is_member");
    let all = workspace();
    let (members, channels): (Vec<_>, Vec<_>) =
        all.iter().partition(|value| value["id"].as_str().is_some_and(|id| id.starts_with('U')));
    match request.method() {
        "users.info" if lacks("users:read") => barred("users:read"),
        "users.info" => match members.into_iter().find(|member| member["id"] == argument("user")) {
            Some(member) => json!({ "ok": true, "user": member }),
            None => error("user_not_found"),
        },
        "conversations.info" => {
            match channels.into_iter().filter(visible).find(|channel| channel["id"] == argument("channel")) {
                Some(channel) if is(channel, "is_private") && lacks("groups:read") => barred("groups:read"),
                Some(channel) if !is(channel, "is_private") && lacks("channels:read") => barred("channels:read"),
                Some(channel) => json!({ "ok": true, "channel": channel }),
                None => error("channel_not_found"),
            }
        }
        _ => {
            let private = argument("types").contains("private_channel");
            if lacks("channels:read") || (private && lacks("groups:read")) {
                return barred(if lacks("channels:read") { "channels:read" } else { "groups:read" });
            }
            let asked = |channel: &&&Value| {
                (private || !is(channel, "is_private"))
                    && (argument("exclude_archived") != "true" || !is(channel, "is_archived"))
            };
            let list: Vec<_> = channels.iter().filter(|channel| visible(channel)).filter(asked).collect();
            let from = argument("cursor").parse().unwrap_or(0);
            let to = (from + 2).min(list.len());
            let next = if to < list.len() { to.to_string() } else { String::new() };
            json!({ "ok": true, "channels": list[from..to], "response_metadata": { "next_cursor": next } })
        }
    }
}

/// The ID that the mock gives to a channel name; IDs stay.
pub(crate) fn channel_id(name: &str) -> String {
    if name.starts_with(['C', 'D', 'G', 'U']) {
        return name.to_owned();
    }
    format!("C{:0>9}", name.to_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), ""))
}

/// Settings that lead to `api_url` with a token.
pub(crate) fn settings(api_url: &str) -> Settings {
    Settings {
        way: Way::Token(Source::Literal(Secret::new("xoxb-hidden-token"))),
        api_url: api_url.to_owned(),
        // Long enough for a busy machine; tests of hanging servers shorten it.
        timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

/// A message with a title, a context line and an output.
pub(crate) fn message(text: &str) -> Message {
    let mrkdwn = json!({ "type": "mrkdwn", "text": text });
    Message {
        job: Some(JobName::new("db/backup")),
        run: Some(RunId(812)),
        event: Some(Event::Failure),
        status: Status::Critical,
        channel: Channel::new("#ops-alerts"),
        text: text.to_owned(),
        blocks: vec![json!({ "type": "section", "text": mrkdwn }), json!({ "type": "context", "elements": [mrkdwn] })],
        color: Some("danger".to_owned()),
        incident: Some(812),
        thread: Thread::None,
        attachment: None,
        created: jiff::Timestamp::UNIX_EPOCH,
        route: Route::default(),
    }
}

/// Its first delivery.
pub(crate) fn delivery(message: Message, parent: Option<&Parent>) -> Delivery {
    Delivery {
        message: Arc::new(message),
        attempt: 1,
        plain: None,
        parent: parent.cloned(),
        timeouts: 0,
        sent: Default::default(),
    }
}
