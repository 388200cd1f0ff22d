//! Slack's Web API, with a token: post, reply, edit, upload.
//!
//! Before it: the outbox worker. Between: `payload` (a message as JSON) and `answer` (what came back), both pure; `lookup`
//! is the same for the questions of `check --online`.

pub mod answer;
mod lookup;
pub mod payload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use serde_json::{Value, json};

use self::answer::Context;
use self::payload::{Look, Request};
use super::http::{Http, JSON, Post};
use super::secret::{ConnectError, Kind, Secret, Source};
use super::settings::Settings;
use super::{AuthInfo, Delivery, Doing, Fault, Looked, Lookup, Notifier, Parent, Receipt, SendError};
use crate::message::Attachment;

const FORM: &str = "application/x-www-form-urlencoded";

/// The Web API of one workspace.
#[derive(Clone, Debug)]
pub struct Slack(Arc<Workspace>);

#[derive(Debug)]
struct Workspace {
    /// The base, without a slash at its end.
    api: String,
    http: Http,
    source: Source,
    /// The source in words, for errors.
    described: String,
    token: RwLock<Secret>,
    look: Look,
    /// It was told that the token may not upload files: once is enough, until one could be.
    told_of_scope: AtomicBool,
}

impl Slack {
    /// With the token as it is now.
    pub fn new(settings: &Settings, source: &Source) -> Result<Self, ConnectError> {
        Ok(Self(Arc::new(Workspace {
            api: settings.api_url.clone(),
            http: Http::new(settings),
            source: source.clone(),
            described: source.describe(Kind::Token),
            token: RwLock::new(source.resolve(Kind::Token)?),
            look: Look::of(settings),
            told_of_scope: AtomicBool::new(false),
        })))
    }
}

impl Notifier for Slack {
    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        let workspace = Arc::clone(&self.0);
        Box::pin(async move { workspace.send(&delivery).await })
    }

    fn auth_test(&self) -> Doing<Option<AuthInfo>> {
        let workspace = Arc::clone(&self.0);
        Box::pin(async move { workspace.auth_test().await.map(Some) })
    }

    fn look_up(&self, lookup: Lookup) -> Doing<Option<Looked>> {
        let workspace = Arc::clone(&self.0);
        Box::pin(async move { workspace.look_up(&lookup).await.map(Some) })
    }
}

impl Workspace {
    async fn send(&self, delivery: &Delivery) -> Result<Receipt, SendError> {
        let about = Context { channel: Some(&delivery.message.channel), source: &self.described };
        let (mut receipt, thread) = match payload::request(delivery, &self.look) {
            Request::Nothing => return Ok(Receipt::default()),
            Request::Update { body } => {
                let value = self.call("chat.update", &body, about).await?;
                return Ok(answer::receipt(&value, false));
            }
            Request::Post { body, thread } => {
                let value = self.call("chat.postMessage", &body, about).await?;
                (answer::receipt(&value, thread.is_some()), thread)
            }
        };
        if let Some(file) = delivery.message.attachment.as_ref().filter(|file| !file.content.is_empty()) {
            // The words have arrived: whatever becomes of the file, they must not be sent again.
            let root = thread.filter(|_| !receipt.orphaned);
            match self.attach(file, receipt.posted.as_ref(), root.as_deref(), about).await {
                Ok(()) => self.told_of_scope.store(false, Ordering::Relaxed),
                Err(why) if why.contains("missing_scope") && self.told_of_scope.swap(true, Ordering::Relaxed) => {}
                Err(why) => receipt.warnings.push(format!("the file {} was not attached: {why}", file.name)),
            }
        }
        Ok(receipt)
    }

    /// The three steps of an upload into the thread (Slack: "Uploading files", files.getUploadURLExternal).
    async fn attach(
        &self,
        file: &Attachment,
        posted: Option<&Parent>,
        root: Option<&str>,
        about: Context<'_>,
    ) -> Result<(), String> {
        let posted = posted.ok_or("Slack did not say where the message is")?;
        let words = |error: SendError| upload_words(&error, about);
        let form = form(&[("filename", &file.name), ("length", &file.content.len().to_string())]);
        let raw = self.http.post(self.with_token("files.getUploadURLExternal", FORM, form)).await;
        let place = answer::method(&raw.map_err(|error| error.0)?, about).map_err(words)?;
        let text = |key| place.get(key).and_then(Value::as_str);
        let (Some(address), Some(id)) = (text("upload_url"), text("file_id")) else {
            return Err("Slack gave no place for it".to_owned());
        };
        if self.api.starts_with("https:") && !address.starts_with("https:") {
            return Err("Slack gave a place for it that is not encrypted".to_owned());
        }
        // The address is a credential of its own; the token stays here.
        let content = file.content.clone().into_bytes();
        let post =
            Post { url: Secret::new(address), token: None, content_type: "application/octet-stream", body: content };
        let raw = self.http.post(post).await.map_err(|error| error.0)?;
        answer::upload(&raw).map_err(words)?;
        let done = json!({
            "files": [{ "id": id, "title": file.name }],
            "channel_id": posted.channel,
            "thread_ts": root.unwrap_or(&posted.ts),
        });
        self.call("files.completeUploadExternal", &done, about).await.map_err(words)?;
        Ok(())
    }

    /// Whose the token is. A secret file is read first, so that a token that was put right is seen without a reload.
    async fn auth_test(&self) -> Result<AuthInfo, SendError> {
        if let Ok(token) = self.source.resolve(Kind::Token) {
            *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        }
        let about = Context { channel: None, source: &self.described };
        let raw = self.http.post(self.with_token("auth.test", JSON, "{}".to_owned())).await?;
        let value = answer::method(&raw, about)?;
        Ok(answer::auth_info(&value, &raw))
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Looked, SendError> {
        let (method, arguments) = lookup::request(lookup);
        let raw = self.http.post(self.with_token(method, FORM, arguments)).await?;
        lookup::answer(&raw, Context { channel: None, source: &self.described })
    }

    /// Calls a method that takes JSON.
    async fn call(&self, method: &str, body: &Value, about: Context<'_>) -> Result<Value, SendError> {
        let raw = self.http.post(self.with_token(method, JSON, body.to_string())).await?;
        answer::method(&raw, about)
    }

    /// A request to a method; the token travels in the header alone.
    fn with_token(&self, method: &str, content_type: &'static str, body: String) -> Post {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner).clone();
        let url = Secret::new(format!("{}/{method}", self.api));
        Post { url, token: Some(token), content_type, body: body.into_bytes() }
    }
}

/// Why a file is missing, for the person who misses it.
fn upload_words(error: &SendError, about: Context<'_>) -> String {
    match error {
        SendError::Permanent { why, fault: Fault::Channel } if why.contains("not_in_channel") => {
            let channel = about.channel.map(|channel| format!(" to {channel}")).unwrap_or_default();
            format!("invite the bot{channel}: for files it must be a member (not_in_channel)")
        }
        other => other.why().to_owned(),
    }
}

/// Pairs as `application/x-www-form-urlencoded`.
fn form(pairs: &[(&str, &str)]) -> String {
    Url::parse_with_params("http://form/", pairs)
        .ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}
