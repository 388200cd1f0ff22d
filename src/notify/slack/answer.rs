//! What Slack's answer means: delivered, try again, or something has to change. Pure.
//!
//! Before it: [`Raw`]. After it: the outbox, by way of [`Receipt`] and [`SendError`]. The status says little: nearly
//! every refusal of the Web API is a 200 with `"ok": false` and a code.

use std::time::Duration;

use serde_json::Value;

use crate::id::Channel;
use crate::notify::http::Raw;
use crate::notify::{AuthInfo, Fault, Parent, Receipt, SendError};

/// How long to wait when Slack says "too many" without saying how long.
const USUAL_WAIT: Duration = Duration::from_secs(30);

/// No `Retry-After` holds a channel longer: by then it does no harm to ask again.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// How long to wait when the workspace has used up its plan (`message_limit_exceeded`).
const PLAN_WAIT: Duration = Duration::from_secs(600);

/// Remarks of Slack beyond this many are left out.
const MOST_REMARKS: usize = 5;

/// What the words about an answer need to know.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where the message was to go.
    pub channel: Option<&'a Channel>,
    /// Where the token or URL comes from, in words.
    pub source: &'a str,
}

/// What a code of Slack's means for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Again,
    Limited,
    Plan,
    Fix(Fault),
    Unknown,
}

/// A method's answer: its JSON when it is `ok`.
pub fn method(raw: &Raw, about: Context<'_>) -> Result<Value, SendError> {
    let value: Option<Value> = serde_json::from_slice(&raw.body).ok();
    passing(raw, value.as_ref())?;
    let said = value.as_ref().and_then(|value| value.get("ok")).and_then(Value::as_bool);
    match (value, said) {
        (Some(value), Some(true)) if (200..300).contains(&raw.status) => Ok(value),
        (Some(value), Some(false)) => Err(refused(&value, about)),
        _ => Err(not_slack(raw.status)),
    }
}

/// The answer to `chat.postMessage` or `chat.update`; `thread` tells whether a reply was asked for.
pub fn receipt(value: &Value, thread: bool) -> Receipt {
    let text = |key| value.get(key).and_then(Value::as_str);
    let posted = match (text("channel"), text("ts")) {
        (Some(channel), Some(ts)) => Some(Parent { channel: channel.to_owned(), ts: ts.to_owned() }),
        _ => None,
    };
    // A reply to a message that was deleted is posted all the same, on its own: only this tells.
    let orphaned = thread && value.pointer("/message/thread_ts").and_then(Value::as_str).is_none();
    Receipt { posted, orphaned, warnings: warnings(value) }
}

/// The answer to `auth.test`.
pub fn auth_info(value: &Value, raw: &Raw) -> AuthInfo {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let scopes = raw.scopes.as_ref().map(|scopes| {
        scopes.split(',').map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty()).collect()
    });
    AuthInfo { team: text("team"), user: text("user"), url: text("url"), scopes }
}

/// The answer of an incoming webhook: `ok` as plain text, or a code as plain text; some gates answer with JSON.
pub fn webhook(raw: &Raw, about: Context<'_>) -> Result<Receipt, SendError> {
    let value: Option<Value> = serde_json::from_slice(&raw.body).ok();
    passing(raw, value.as_ref())?;
    let text = String::from_utf8_lossy(&raw.body);
    let text = text.trim();
    match value.as_ref().and_then(|value| value.get("ok")).and_then(Value::as_bool) {
        Some(true) if (200..300).contains(&raw.status) => return Ok(Receipt::default()),
        Some(false) => return Err(refused(value.as_ref().unwrap_or(&Value::Null), about)),
        _ => {}
    }
    if raw.status == 200 && text == "ok" {
        return Ok(Receipt::default());
    }
    match hook_class(text) {
        Some(fault) if (400..500).contains(&raw.status) => {
            Err(SendError::Permanent { why: words(text, fault, &Value::Null, about), fault })
        }
        _ => Err(not_slack(raw.status)),
    }
}

/// An upload of bytes to the address that Slack gave out.
pub fn upload(raw: &Raw) -> Result<(), SendError> {
    passing(raw, None)?;
    if raw.status == 200 { Ok(()) } else { Err(not_slack(raw.status)) }
}

/// Statuses that mean "later", whatever the body says.
fn passing(raw: &Raw, value: Option<&Value>) -> Result<(), SendError> {
    let why = match raw.status {
        429 => {
            let wait = wait(raw, value);
            let why = format!("Slack asks to wait {} s (too many messages)", wait.as_secs());
            return Err(SendError::Transient { why, retry_after: Some(wait) });
        }
        status @ 500.. => format!("Slack has trouble of its own (HTTP {status})"),
        status @ 300..400 => {
            format!("the answer was a redirect (HTTP {status}), which is never followed: check api_url and proxy")
        }
        407 => "the proxy wants a login (HTTP 407): put it into `slack.proxy`".to_owned(),
        _ => return Ok(()),
    };
    Err(SendError::Transient { why, retry_after: None })
}

/// `Retry-After` in whole seconds; webhooks also gave `retry_after` in the body.
fn wait(raw: &Raw, value: Option<&Value>) -> Duration {
    let header = raw.retry_after.as_ref().and_then(|text| text.parse::<u64>().ok());
    let body = || value?.get("retry_after")?.as_f64().filter(|wait| *wait >= 0.0).map(|wait| wait.ceil() as u64);
    let seconds = header.or_else(body).map_or(USUAL_WAIT, Duration::from_secs);
    seconds.clamp(Duration::from_secs(1), LONGEST_WAIT)
}

/// Something else than Slack answered: a login page, a proxy, a wrong address.
fn not_slack(status: u16) -> SendError {
    let why = format!("the answer is not Slack's (HTTP {status}): check api_url, the webhook's URL and the proxy");
    SendError::Transient { why, retry_after: None }
}

/// `"ok": false`.
fn refused(value: &Value, about: Context<'_>) -> SendError {
    let code = code_of(value);
    let transient = |why, retry_after| SendError::Transient { why, retry_after };
    match class(&code) {
        Class::Again => transient(format!("Slack could not do it just now ({code})"), None),
        Class::Limited => {
            let wait = wait(&Raw::default(), Some(value));
            transient(format!("Slack asks to wait {} s ({code})", wait.as_secs()), Some(wait))
        }
        Class::Plan => transient(format!("the workspace has used up its plan ({code})"), Some(PLAN_WAIT)),
        Class::Unknown => transient(format!("Slack refused with a code that is not known here ({code})"), None),
        Class::Fix(fault) => SendError::Permanent { why: words(&code, fault, value, about), fault },
    }
}

/// The code, if it looks like one: whatever else stands there is not repeated.
fn code_of(value: &Value) -> String {
    let code = value.get("error").and_then(Value::as_str).unwrap_or_default();
    let good = !code.is_empty() && code.len() <= 80 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if good { code.to_owned() } else { "without a code".to_owned() }
}

/// What Slack's codes mean (its method pages, and what its SDKs do with them).
fn class(code: &str) -> Class {
    match code {
        "ratelimited" | "rate_limited" => Class::Limited,
        "message_limit_exceeded" => Class::Plan,
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "org_login_required"
        | "update_failed"
        | "external_channel_migrating" => Class::Again,
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text"
        | "too_many_attachments"
        | "attachment_payload_limit_exceeded"
        | "markdown_text_conflict"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_too_large"
        | "metadata_must_be_sent_from_app"
        | "invalid_arguments"
        | "invalid_json"
        | "json_not_object" => Class::Fix(Fault::Message),
        // Faults of this program, or of an `api_url` that is no Web API: nothing that another try can mend.
        "unknown_method"
        | "deprecated_endpoint"
        | "method_deprecated"
        | "invalid_post_type"
        | "missing_post_type"
        | "invalid_charset"
        | "invalid_form_data"
        | "invalid_arg_name"
        | "invalid_array_arg"
        | "is_bot" => Class::Fix(Fault::Message),
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "is_inactive"
        | "no_permission"
        | "cannot_reply_to_message"
        | "ekm_access_denied"
        | "messages_tab_disabled"
        | "team_not_found"
        | "user_not_found"
        | "posting_to_general_channel_denied" => Class::Fix(Fault::Channel),
        _ if code.starts_with("restricted_action") => Class::Fix(Fault::Channel),
        "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "not_allowed_token_type"
        | "access_denied"
        | "accesslimited"
        | "two_factor_setup_required"
        | "enterprise_is_restricted"
        | "app_access_restricted" => Class::Fix(Fault::Credentials),
        "thread_not_found"
        | "message_not_found"
        | "cant_update_message"
        | "edit_window_closed"
        | "block_mismatch"
        | "streaming_state_conflict" => Class::Fix(Fault::Thread),
        _ => Class::Unknown,
    }
}

/// What the plain-text codes of webhooks mean.
fn hook_class(code: &str) -> Option<Fault> {
    match code {
        "invalid_payload" | "no_text" | "invalid_blocks" | "too_many_attachments" | "invalid_attachments" => {
            Some(Fault::Message)
        }
        "user_not_found"
        | "channel_not_found"
        | "channel_is_archived"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => Some(Fault::Channel),
        "invalid_token" | "no_service" | "no_service_id" | "no_team" | "team_disabled" | "no_active_hooks" => {
            Some(Fault::Credentials)
        }
        _ => None,
    }
}

/// A refusal as people understand it: what, where, and what to do.
fn words(code: &str, fault: Fault, value: &Value, about: Context<'_>) -> String {
    let source = about.source;
    let channel = about.channel.map_or_else(|| "the channel".to_owned(), |channel| format!("channel {channel}"));
    match (fault, code) {
        (_, "missing_scope") => {
            let needed = scope(value).map_or_else(|| "a scope".to_owned(), |scope| format!("the scope {scope}"));
            format!("the token lacks {needed} (missing_scope): add it to the Slack app, and install the app again")
        }
        (_, "not_allowed_token_type") => {
            format!("Slack does not take this kind of token ({code}): a bot token (`xoxb-…`) belongs into {source}")
        }
        (
            Fault::Credentials,
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive",
        ) => {
            format!("Slack refused the token ({code}): check {source}")
        }
        (Fault::Credentials, _) if hook_class(code).is_some() => {
            format!("Slack does not know this webhook any more ({code}): make a new one, and check {source}")
        }
        (Fault::Credentials, _) => format!("Slack does not let this app in ({code}): ask who runs the workspace"),
        (Fault::Channel, "channel_not_found" | "user_not_found") => {
            format!("{channel} does not exist, or the bot may not see it ({code}): check its name, or invite the bot")
        }
        (Fault::Channel, "not_in_channel") => {
            format!("the bot is not in {channel} ({code}): invite it, or grant chat:write.public")
        }
        (Fault::Channel, "is_archived" | "is_inactive" | "channel_is_archived") => {
            format!("{channel} is archived ({code}): choose another, or bring it back")
        }
        (Fault::Channel, "team_not_found") => {
            format!("{channel} cannot be found by its name with this token ({code}): write the channel's ID")
        }
        (Fault::Channel, _) => format!("Slack does not let the bot write to {channel} ({code})"),
        (Fault::Thread, "thread_not_found" | "message_not_found") => {
            format!("the first message of the thread is gone ({code})")
        }
        (Fault::Thread, _) => format!("the first message of the thread cannot be changed ({code})"),
        (Fault::Message, _) => match remarks(value).as_slice() {
            [] => format!("Slack calls the message malformed ({code})"),
            said => format!("Slack calls the message malformed ({code}): {}", said.join("; ")),
        },
    }
}

/// The scope that is needed.
pub(super) fn scope(value: &Value) -> Option<&str> {
    let needed = value.get("needed")?.as_str()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'.' | b'_' | b',' | b'-');
    (!needed.is_empty() && needed.len() <= 200 && needed.bytes().all(good)).then_some(needed)
}

/// What Slack says of the places that it does not like (`response_metadata.messages`, with JSON pointers).
fn remarks(value: &Value) -> Vec<String> {
    texts(value.pointer("/response_metadata/messages"))
}

/// What Slack remarks on a success.
fn warnings(value: &Value) -> Vec<String> {
    let mut all = texts(value.pointer("/response_metadata/warnings"));
    for warning in value.get("warning").and_then(Value::as_str).unwrap_or_default().split(',') {
        let warning = clean(warning);
        if !warning.is_empty() && !all.contains(&warning) {
            all.push(warning);
        }
    }
    all
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(clean).filter(|text| !text.is_empty()).take(MOST_REMARKS).collect()
}

/// A remark on one line, of bounded length.
fn clean(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
