//! A message as the JSON that Slack's methods take. Pure.
//!
//! Before it: a `Delivery`. After it: `slack`, `webhook`. Never sent: `link_names` and `parse`, which would turn plain
//! output into mentions; unfurling is off.

use serde_json::{Map, Value, json};

use crate::message::{Message, Thread};
use crate::notify::{Delivery, Parent, Settings};
use crate::slack::limits::{LONGEST_EDIT, LONGEST_TEXT};
use crate::slack::{self, cut};

/// What is set once for every message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SenderIdentity {
    username: Option<String>,
    icon_emoji: Option<String>,
    icon_url: Option<String>,
}

/// What is asked of Slack.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `chat.postMessage`.
    Post {
        /// The body.
        body: Value,
        /// The thread's `ts`, when it goes into one.
        thread: Option<String>,
    },
    /// `chat.update`.
    Update {
        /// The body.
        body: Value,
    },
    /// Nothing: there is no first message to edit.
    Nothing,
}

impl SenderIdentity {
    /// As configured.
    pub fn of(settings: &Settings) -> Self {
        Self {
            username: settings.username.clone(),
            icon_emoji: settings.icon_emoji.clone(),
            icon_url: settings.icon_url.clone(),
        }
    }

    /// Only what is configured is sent: without the scope chat:write.customize even a harmless name is an error.
    fn put(&self, body: &mut Map<String, Value>) {
        let icon = match (&self.icon_emoji, &self.icon_url) {
            (Some(emoji), _) => Some(("icon_emoji", emoji)),
            (None, url) => url.as_ref().map(|url| ("icon_url", url)),
        };
        for (key, value) in self.username.as_ref().map(|name| ("username", name)).into_iter().chain(icon) {
            body.insert(key.to_owned(), value.as_str().into());
        }
    }
}

/// What a delivery asks of the Web API.
pub fn request(delivery: &Delivery, identity: &SenderIdentity) -> Request {
    let plain = delivery.plain.as_deref();
    match (delivery.message.thread, &delivery.parent) {
        (Thread::Edit, Some(parent)) => Request::Update { body: update(&delivery.message, parent, plain) },
        (Thread::Edit, None) | (Thread::Upload, _) => Request::Nothing,
        (Thread::Reply | Thread::Broadcast, Some(parent)) => {
            let mut body = post(&delivery.message, &parent.channel, identity, plain);
            body.insert("thread_ts".to_owned(), parent.ts.as_str().into());
            if delivery.message.thread == Thread::Broadcast {
                body.insert("reply_broadcast".to_owned(), true.into());
            }
            Request::Post { body: body.into(), thread: Some(parent.ts.clone()) }
        }
        _ => {
            let body = post(&delivery.message, delivery.message.channel.as_str(), identity, plain);
            Request::Post { body: body.into(), thread: None }
        }
    }
}

/// What an incoming webhook takes: its channel is fixed, and there are no threads.
pub fn webhook(message: &Message, identity: &SenderIdentity, plain: Option<&str>) -> Value {
    let mut body = content(message, plain);
    identity.put(&mut body);
    body.into()
}

fn post(message: &Message, channel: &str, identity: &SenderIdentity, plain: Option<&str>) -> Map<String, Value> {
    let mut body = content(message, plain);
    body.insert("channel".to_owned(), channel.into());
    identity.put(&mut body);
    if let (None, Some(job)) = (plain, &message.job) {
        // Anybody in the workspace can read it: nothing goes in that the message does not say.
        let event = message.event.map_or("message", |event| event.as_str());
        let payload = match message.run {
            Some(run) => json!({ "job": job, "run": run }),
            None => json!({ "job": job }),
        };
        body.insert("metadata".to_owned(), json!({ "event_type": format!("job_{event}"), "event_payload": payload }));
    }
    body
}

/// What is left out of an update stays as it was, so that both lists are always given, and the text is short.
fn update(message: &Message, parent: &Parent, plain: Option<&str>) -> Value {
    let mut body = content(message, plain);
    for key in ["unfurl_links", "unfurl_media"] {
        body.remove(key);
    }
    for key in ["blocks", "attachments"] {
        body.entry(key).or_insert_with(|| json!([]));
    }
    body.insert("channel".to_owned(), parent.channel.as_str().into());
    body.insert("ts".to_owned(), parent.ts.as_str().into());
    let text = plain.map_or_else(|| message.text.clone(), |why| plain_text(message, why));
    body.insert("text".to_owned(), cut(&text, LONGEST_EDIT).0.into());
    body.into()
}

/// Everything that the message says, as text alone, and why there is nothing else.
fn plain_text(message: &Message, why: &str) -> String {
    format!("{}\n_{}_", slack::plain(&message.text, &message.blocks), slack::escape(why))
}

/// Text, blocks, colour.
///
/// Beside top-level blocks Slack keeps `text` for notifications; beside attachments alone it shows it above them, and
/// the words would stand twice. So with a colour the first block stays at the top, and the rest goes beside the bar.
fn content(message: &Message, plain: Option<&str>) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("unfurl_links".to_owned(), false.into());
    body.insert("unfurl_media".to_owned(), false.into());
    if let Some(why) = plain {
        body.insert("text".to_owned(), cut(&plain_text(message, why), LONGEST_TEXT).0.into());
        return body;
    }
    body.insert("text".to_owned(), message.text.as_str().into());
    match (&message.color, message.blocks.split_first()) {
        (_, None) => {}
        (Some(color), Some((first, rest))) if !rest.is_empty() => {
            body.insert("blocks".to_owned(), json!([first]));
            let beside = json!({ "color": color, "fallback": message.text, "blocks": rest });
            body.insert("attachments".to_owned(), json!([beside]));
        }
        _ => {
            body.insert("blocks".to_owned(), message.blocks.clone().into());
        }
    }
    body
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
