//! An incoming webhook: one fixed channel, no threads, edits or uploads. Its URL is the credential.
//!
//! Before it: the outbox worker. After it: Slack.

use std::sync::Arc;

use super::current::Current;
use super::http::{Http, JSON, Post};
use super::secret::{ConnectError, Kind, Secret, Source};
use super::settings::{Capabilities, Settings, Way};
use super::slack::answer::{self, Context};
use super::slack::payload::{self, SenderIdentity};
use super::{Delivery, Doing, Notifier, Receipt, SendError, Sent};
use crate::id::Channel;
use crate::message::Thread;

/// One incoming webhook.
#[derive(Clone, Debug)]
pub struct Webhook(Arc<Hook>);

#[derive(Debug)]
struct Hook {
    url: Current,
    http: Http,
    described: String,
    identity: SenderIdentity,
    capabilities: Capabilities,
}

impl Webhook {
    /// With the URL as it is now.
    pub fn new(settings: &Settings, source: &Source) -> Result<Self, ConnectError> {
        Ok(Self(Arc::new(Hook {
            url: Current::new(source, Kind::Webhook)?,
            http: Http::new(settings, "the webhook's URL"),
            described: source.describe(Kind::Webhook),
            identity: SenderIdentity::of(settings),
            capabilities: Way::Webhook(source.clone()).capabilities(),
        })))
    }
}

impl Notifier for Webhook {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn secret(&self) -> Option<Secret> {
        Some(self.0.url.get())
    }

    fn send(&self, delivery: Delivery) -> Doing<Receipt> {
        let hook = Arc::clone(&self.0);
        Box::pin(async move {
            hook.url.before_try();
            let answer = hook.send(&delivery).await;
            hook.url.after_try(&answer);
            answer
        })
    }
}

impl Hook {
    async fn send(&self, delivery: &Delivery) -> Result<Receipt, SendError> {
        if matches!(delivery.message.thread, Thread::Edit | Thread::Upload) {
            // Nothing that was posted here can be edited; what the edit says is also posted.
            return Ok(Receipt::default());
        }
        let body =
            payload::webhook(&delivery.message, &self.identity, delivery.plain.as_deref()).to_string().into_bytes();
        let (timeouts, sent) = (delivery.timeouts, delivery.sent.clone());
        let post = Post { url: self.url.get(), token: None, content_type: JSON, body, timeouts, sent };
        let raw = self.http.post(post).await?;
        match answer::webhook(&raw, self.about(Some(&delivery.message.channel))) {
            // Where another request has an answer of Slack's, it is what this one says that is sent elsewhere.
            Err(error) if raw.is_redirect() && self.answers().await => Err(answer::redirected(error)),
            answer => answer,
        }
    }

    fn about<'a>(&'a self, channel: Option<&'a Channel>) -> Context<'a> {
        Context { channel, source: &self.described, webhook: true, status: None }
    }

    /// Whether Slack answers a request without a message, which posts nothing: with a code of its own.
    async fn answers(&self) -> bool {
        let post = Post {
            url: self.url.get(),
            token: None,
            content_type: JSON,
            body: b"{}".to_vec(),
            timeouts: 0,
            sent: Sent::default(),
        };
        let Ok(raw) = self.http.post(post).await else { return false };
        matches!(answer::webhook(&raw, self.about(None)), Ok(_) | Err(SendError::Permanent { code: Some(_), .. }))
    }
}
