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
use super::{Delivery, Doing, Notifier, Receipt, SendError};
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
        let post = Post { url: self.url.get(), token: None, content_type: JSON, body, timeouts: delivery.timeouts };
        let raw = self.http.post(post).await?;
        answer::webhook(
            &raw,
            Context { channel: Some(&delivery.message.channel), source: &self.described, webhook: true, status: None },
        )
    }
}
