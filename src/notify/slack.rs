//! Slack's Web API, with a token: post, reply, edit, upload.
//!
//! Before it: the outbox worker. Between: `payload` (a message as JSON) and `answer` (what came back), both pure; `lookup`
//! is the same for the questions of `check --online`.

pub mod answer;
mod lookup;
pub mod payload;

use std::sync::Arc;

use reqwest::Url;
use serde_json::{Value, json};

use self::answer::Context;
use self::payload::{Request, SenderIdentity};
use super::current::Current;
use super::http::{Http, JSON, Post};
use super::secret::{ConnectError, Kind, Secret, Source};
use super::settings::{Capabilities, Settings, Way};
use super::{AuthInfo, Delivery, Doing, Fault, Looked, Lookup, Notifier, Receipt, SendError};
use crate::id::Channel;
use crate::message::Thread;

const FORM: &str = "application/x-www-form-urlencoded";

/// The Web API of one workspace.
#[derive(Clone, Debug)]
pub struct Slack(Arc<Workspace>);

#[derive(Debug)]
struct Workspace {
    /// The base, without a slash at its end.
    api: String,
    http: Http,
    /// The source of the token in words, for errors.
    described: String,
    token: Current,
    identity: SenderIdentity,
}

impl Slack {
    /// With the token as it is now.
    pub fn new(settings: &Settings, source: &Source) -> Result<Self, ConnectError> {
        Ok(Self(Arc::new(Workspace {
            api: settings.api_url.clone(),
            http: Http::new(settings, "slack.api_url"),
            described: source.describe(Kind::Token),
            token: Current::new(source, Kind::Token)?,
            identity: SenderIdentity::of(settings),
        })))
    }
}

impl Notifier for Slack {
    fn capabilities(&self) -> Capabilities {
        Way::Token(self.0.token.source().clone()).capabilities()
    }

    fn secret(&self) -> Option<Secret> {
        Some(self.0.token.get())
    }

    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        let workspace = Arc::clone(&self.0);
        Box::pin(async move {
            workspace.token.before_try();
            let answer = workspace.send(&delivery).await;
            workspace.token.after_try(&answer);
            answer
        })
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
        let about = self.about(Some(&delivery.message.channel));
        if delivery.message.thread == Thread::Upload {
            return self.upload(delivery, about).await.map(|()| Receipt::default());
        }
        match payload::request(delivery, &self.identity) {
            Request::Nothing => Ok(Receipt::default()),
            Request::Update { body } => {
                let value = self.call("chat.update", &body, delivery, about).await?;
                Ok(answer::receipt(&value, false))
            }
            Request::Post { body, thread } => {
                let value = self.call("chat.postMessage", &body, delivery, about).await?;
                Ok(answer::receipt(&value, thread.is_some()))
            }
        }
    }

    fn about<'a>(&'a self, channel: Option<&'a Channel>) -> Context<'a> {
        Context { channel, source: &self.described, webhook: false, status: None }
    }

    /// The three steps of an upload into the thread (Slack: "Uploading files", files.getUploadURLExternal).
    async fn upload(&self, delivery: &Delivery, about: Context<'_>) -> Result<(), SendError> {
        let (Some(file), Some(root)) = (&delivery.message.attachment, &delivery.parent) else { return Ok(()) };
        if file.content.is_empty() {
            return Ok(());
        }
        let refuse = |why: &str| Err(SendError::Permanent { why: why.to_owned(), code: None, fault: Fault::Refused });
        let form = form(&[("filename", &file.name), ("length", &file.content.len().to_string())]);
        let raw = self.http.post(self.with_token("files.getUploadURLExternal", FORM, form, Some(delivery))).await?;
        let place = answer::method(&raw, about)?;
        let text = |key| place.get(key).and_then(Value::as_str);
        let (Some(address), Some(id)) = (text("upload_url"), text("file_id")) else {
            return refuse("Slack gave no place for the file");
        };
        if self.api.starts_with("https:") && !address.starts_with("https:") {
            return refuse("Slack gave a place for the file that is not encrypted");
        }
        // The address is a credential of its own; the token stays here.
        let post = Post {
            url: Secret::new(address),
            token: None,
            content_type: "application/octet-stream",
            body: file.content.clone().into_bytes(),
            timeouts: delivery.timeouts,
            sent: delivery.sent.clone(),
        };
        answer::upload(&self.http.post(post).await?)?;
        let done = json!({
            "files": [{ "id": id, "title": file.name }],
            "channel_id": root.channel,
            "thread_ts": root.ts,
        });
        self.call("files.completeUploadExternal", &done, delivery, about).await.map_err(for_files)?;
        Ok(())
    }

    /// Whose the token is. A secret file is read first, so that a token that was put right is seen without a reload.
    async fn auth_test(&self) -> Result<AuthInfo, SendError> {
        self.token.read_again();
        let raw = self.http.post(self.with_token("auth.test", JSON, "{}".to_owned(), None)).await?;
        let value = answer::method(&raw, self.about(None))?;
        Ok(answer::auth_info(&value, &raw))
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Looked, SendError> {
        let (method, arguments) = lookup::request(lookup);
        let raw = self.http.post(self.with_token(method, FORM, arguments, None)).await?;
        lookup::answer(&raw, self.about(None))
    }

    /// Calls a method that takes JSON.
    async fn call(
        &self,
        method: &str,
        body: &Value,
        delivery: &Delivery,
        about: Context<'_>,
    ) -> Result<Value, SendError> {
        let raw = self.http.post(self.with_token(method, JSON, body.to_string(), Some(delivery))).await?;
        match answer::method(&raw, about) {
            // Where another request has an answer of Slack's, it is what this one says that is sent elsewhere (a filter of
            // contents): that is a refusal. Where it has none, the way is redirected.
            Err(error) if raw.is_redirect() => Err(match self.auth_test().await {
                Ok(_) | Err(SendError::Permanent { .. }) => answer::redirected(error),
                Err(_) => error,
            }),
            answer => answer,
        }
    }

    /// A request to a method; the token travels in the header alone.
    fn with_token(&self, method: &str, content_type: &'static str, body: String, delivery: Option<&Delivery>) -> Post {
        let token = self.token.get();
        let url = Secret::new(format!("{}/{method}", self.api));
        let (timeouts, sent) =
            delivery.map_or_else(Default::default, |delivery| (delivery.timeouts, delivery.sent.clone()));
        Post { url, token: Some(token), content_type, body: body.into_bytes(), timeouts, sent }
    }
}

/// For files the bot must be a member of the channel, whatever its scopes.
fn for_files(error: SendError) -> SendError {
    match error {
        SendError::Permanent { code: Some(code), fault, .. } if code == "not_in_channel" => SendError::Permanent {
            why: "invite the bot to the channel: for files it must be a member (not_in_channel)".to_owned(),
            code: Some(code),
            fault,
        },
        other => other,
    }
}

/// Pairs as `application/x-www-form-urlencoded`.
fn form(pairs: &[(&str, &str)]) -> String {
    Url::parse_with_params("http://form/", pairs)
        .ok()
        .and_then(|url| url.query().map(str::to_owned))
        .unwrap_or_default()
}
