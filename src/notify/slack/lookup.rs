//! Questions about where messages go, or whether one is there, and what Slack's answers mean. Pure.
//!
//! Before it: [`Lookup`]. After it: `check --online` and `ping`, by way of [`Looked`]. Slack: "conversations.info",
//! "conversations.list", "users.info", "reactions.get", "conversations.history"; methods that read take no JSON, so that they are asked with a form.

use serde_json::Value;

use super::answer::{self, Context};
use super::form;
use crate::notify::http::Raw;
use crate::notify::{Looked, Lookup, SendError, Sort, Target};

/// Channels to a page: what Slack recommends at most.
const PAGE: &str = "200";

/// The method, and its arguments as a form.
pub(super) fn request(lookup: &Lookup) -> (&'static str, String) {
    match lookup {
        Lookup::Channel(id) => ("conversations.info", form(&[("channel", id)])),
        Lookup::Member(id) => ("users.info", form(&[("user", id)])),
        Lookup::Page { cursor, private, archived } => {
            let types = if *private { "public_channel,private_channel" } else { "public_channel" };
            let exclude = if *archived { "false" } else { "true" };
            let mut pairs = vec![("types", types), ("exclude_archived", exclude), ("limit", PAGE)];
            if !cursor.is_empty() {
                pairs.push(("cursor", cursor));
            }
            ("conversations.list", form(&pairs))
        }
        Lookup::Reactions(message) => {
            ("reactions.get", form(&[("channel", &message.channel), ("timestamp", &message.ts), ("full", "true")]))
        }
        Lookup::History(message) => {
            let one = [("latest", message.ts.as_str()), ("oldest", &message.ts), ("inclusive", "true"), ("limit", "1")];
            let channel = [("channel", message.channel.as_str())];
            ("conversations.history", form(&[&channel[..], &one].concat()))
        }
    }
}

/// What an answer means. That something does not exist, or may not be looked at, is an answer and no error.
pub(super) fn answer(raw: &Raw, about: Context<'_>) -> Result<Looked, SendError> {
    let value = match answer::method(raw, about) {
        Ok(value) => value,
        Err(error) => return refused(raw).ok_or(error),
    };
    if let Some(list) = value.get("channels").and_then(Value::as_array) {
        let next = value.pointer("/response_metadata/next_cursor").and_then(Value::as_str);
        let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
        return Ok(Looked::Page { channels: list.iter().filter_map(channel).collect(), next });
    }
    if let Some(list) = value.get("messages").and_then(Value::as_array) {
        return Ok(list.first().map_or(Looked::Unknown, message));
    }
    if let Some(found) = value.get("message") {
        return Ok(message(found));
    }
    let one = value.get("channel").and_then(channel).or_else(|| value.get("user").and_then(member));
    Ok(one.map_or(Looked::Unknown, Looked::Found))
}

/// A refusal that answers the question.
fn refused(raw: &Raw) -> Option<Looked> {
    let value: Value = serde_json::from_slice(&raw.body).ok()?;
    match value.get("error")?.as_str()? {
        // `not_in_channel`: of a private channel, that it is there is nothing that Slack tells strangers.
        "channel_not_found" | "user_not_found" | "user_not_visible" | "not_in_channel" | "message_not_found" => {
            Some(Looked::Unknown)
        }
        "missing_scope" => Some(Looked::MissingScope { scope: answer::scope(&value).map(str::to_owned) }),
        _ => None,
    }
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// A message object; one without text has none to show.
fn message(value: &Value) -> Looked {
    Looked::Message(value.get("text").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// A channel object (Slack: "Conversation object").
fn channel(value: &Value) -> Option<Target> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let sort = match () {
        () if flag(value, "is_im") => Sort::Direct,
        () if flag(value, "is_private") || flag(value, "is_mpim") => Sort::Private,
        () => Sort::Public,
    };
    Some(Target {
        id: text("id")?.to_owned(),
        name: text("name").or_else(|| text("name_normalized")).unwrap_or_default().to_owned(),
        sort,
        closed: flag(value, "is_archived") || flag(value, "is_user_deleted"),
        joined: value.get("is_member").and_then(Value::as_bool),
    })
}

/// A user object (Slack: "User object").
fn member(value: &Value) -> Option<Target> {
    let text = |key| value.get(key).and_then(Value::as_str);
    let sort = if flag(value, "is_bot") { Sort::Bot } else { Sort::Person };
    let name = text("name").unwrap_or_default().to_owned();
    Some(Target { id: text("id")?.to_owned(), name, sort, closed: flag(value, "deleted"), joined: None })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{answer, request};
    use crate::notify::http::Raw;
    use crate::notify::slack::answer::Context;
    use crate::notify::{Looked, Lookup, Parent, SendError, Sort, Target};

    fn asked(body: &Value) -> Result<Looked, SendError> {
        let raw = Raw { status: 200, body: body.to_string().into_bytes(), ..Raw::default() };
        answer(&raw, Context { channel: None, source: "token", webhook: false, status: None })
    }

    fn posted() -> Parent {
        Parent { channel: "C05DED65D5".to_owned(), ts: "1.2".to_owned() }
    }

    #[test]
    fn questions_are_forms() {
        let page = |cursor: &str, private, archived| Lookup::Page { cursor: cursor.to_owned(), private, archived };
        for (lookup, method, arguments) in [
            (Lookup::Channel("C05DED65D5".to_owned()), "conversations.info", "channel=C05DED65D5"),
            (Lookup::Member("U024BE7LH".to_owned()), "users.info", "user=U024BE7LH"),
            (
                page("", true, false),
                "conversations.list",
                "types=public_channel%2Cprivate_channel&exclude_archived=true&limit=200",
            ),
            (
                page("a=b&c", false, true),
                "conversations.list",
                "types=public_channel&exclude_archived=false&limit=200&cursor=a%3Db%26c",
            ),
            (Lookup::Reactions(posted()), "reactions.get", "channel=C05DED65D5&timestamp=1.2&full=true"),
            (
                Lookup::History(posted()),
                "conversations.history",
                "channel=C05DED65D5&latest=1.2&oldest=1.2&inclusive=true&limit=1",
            ),
        ] {
            assert_eq!(request(&lookup), (method, arguments.to_owned()));
        }
    }

    #[test]
    fn answers_are_understood() {
        let target =
            |sort, closed, joined| Target { id: "C1".to_owned(), name: "ops".to_owned(), sort, closed, joined };
        let ops = json!({ "id": "C1", "name": "ops", "is_member": true });
        for (body, looked) in [
            (json!({ "ok": true, "channel": ops }), Looked::Found(target(Sort::Public, false, Some(true)))),
            (
                json!({ "ok": true, "channel": { "id": "C1", "name": "ops", "is_private": true, "is_archived": true } }),
                Looked::Found(target(Sort::Private, true, None)),
            ),
            (
                json!({ "ok": true, "user": { "id": "C1", "name": "ops", "deleted": true } }),
                Looked::Found(target(Sort::Person, true, None)),
            ),
            (
                json!({ "ok": true, "user": { "id": "C1", "name": "ops", "is_bot": true } }),
                Looked::Found(target(Sort::Bot, false, None)),
            ),
            (
                json!({ "ok": true, "channels": [ops, 5], "response_metadata": { "next_cursor": "n" } }),
                Looked::Page { channels: vec![target(Sort::Public, false, Some(true))], next: Some("n".to_owned()) },
            ),
            (
                json!({ "ok": true, "channels": [], "response_metadata": { "next_cursor": "" } }),
                Looked::Page { channels: Vec::new(), next: None },
            ),
            (json!({ "ok": true, "message": { "text": "hello" } }), Looked::Message("hello".to_owned())),
            (json!({ "ok": true, "messages": [{ "text": "hello" }] }), Looked::Message("hello".to_owned())),
            (json!({ "ok": true, "messages": [] }), Looked::Unknown),
            (json!({ "ok": false, "error": "message_not_found" }), Looked::Unknown),
            (json!({ "ok": true }), Looked::Unknown),
            (json!({ "ok": false, "error": "channel_not_found" }), Looked::Unknown),
            (json!({ "ok": false, "error": "user_not_found" }), Looked::Unknown),
            (
                json!({ "ok": false, "error": "missing_scope", "needed": "channels:read", "provided": "chat:write" }),
                Looked::MissingScope { scope: Some("channels:read".to_owned()) },
            ),
            (json!({ "ok": false, "error": "missing_scope" }), Looked::MissingScope { scope: None }),
        ] {
            assert_eq!(asked(&body), Ok(looked), "{body}");
        }
        assert!(asked(&json!({ "ok": false, "error": "invalid_auth" })).is_err());
        assert!(asked(&json!({ "ok": false, "error": "ratelimited" })).is_err());
    }
}
