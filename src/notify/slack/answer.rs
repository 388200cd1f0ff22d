//! What Slack's answer means: delivered, try again, or something has to change. Pure.
//!
//! Before it: [`Raw`]. After it: the outbox, by way of [`Receipt`] and [`SendError`]. The status says little: nearly
//! every refusal of the Web API is a 200 with `"ok": false` and a code.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
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
    /// It went to an incoming webhook.
    pub webhook: bool,
    /// The HTTP status of the answer, where that says more than the code does.
    pub status: Option<u16>,
}

/// What a code of Slack's means for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Slack's own passing trouble.
    Again,
    /// Too many messages.
    Limited,
    /// The workspace has used up its plan.
    Plan,
    /// Something has to change.
    Fix(Fault),
}

/// A method's answer: its JSON when it is `ok`.
pub fn method(raw: &Raw, about: Context<'_>) -> Result<Value, SendError> {
    let value: Option<Value> = serde_json::from_slice(&raw.body).ok();
    passing(raw, value.as_ref())?;
    let said = value.as_ref().and_then(|value| value.get("ok")).and_then(Value::as_bool);
    match (value, said) {
        (Some(value), Some(true)) if (200..300).contains(&raw.status) => Ok(value),
        (Some(value), Some(false)) => Err(refused(&value, about)),
        _ if (400..500).contains(&raw.status) => Err(foreign(raw.status, about)),
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
    // A reply to a message that was deleted is posted all the same, on its own: only the message as Slack shows it tells. An
    // answer that does not show the message says nothing of that.
    let shown = value.get("message").filter(|message| message.as_object().is_some_and(|message| !message.is_empty()));
    let orphaned = thread && shown.is_some_and(|shown| shown.get("thread_ts").and_then(Value::as_str).is_none());
    Receipt { posted, orphaned, warnings: warnings(value) }
}

/// The answer to `auth.test`.
pub fn auth_info(value: &Value, raw: &Raw) -> AuthInfo {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let scopes = raw.scopes.as_ref().map(|scopes| {
        scopes.split(',').map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty()).collect()
    });
    let date = raw.date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|at| at.timestamp());
    AuthInfo { team: text("team"), user: text("user"), url: text("url"), scopes, date }
}

/// The answer of an incoming webhook: `ok` as plain text, or a code as plain text; some gates answer with JSON.
pub fn webhook(raw: &Raw, about: Context<'_>) -> Result<Receipt, SendError> {
    let value: Option<Value> = serde_json::from_slice(&raw.body).ok();
    let passing = passing(raw, value.as_ref());
    // It may be that of this message alone: only another message can tell.
    passing.map_err(|error| match raw.is_redirect() {
        true => SendError::Doubtful { why: error.why().to_owned() },
        false => error,
    })?;
    // A code without JSON around it may be anybody's.
    let about = Context { status: Some(raw.status), ..about };
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
    let code = looks_like_code(text).then_some(text);
    match raw.status {
        // A page is a login's, or a gate's: nobody has passed anything on.
        200..300 if text.starts_with('<') => Err(not_slack(raw.status)),
        200..300 if code.is_some_and(is_listed) => Err(refused(&json!({ "error": text }), about)),
        400..500 => Err(match code {
            Some(code) => coded(code, &Value::Null, about),
            None => foreign(raw.status, about),
        }),
        // Whatever answered may have passed it on.
        200..300 => Err(SendError::Uncertain {
            why: format!(
                "the answer (HTTP {}) is not that of a webhook: check {}, and slack.proxy",
                raw.status, about.source
            ),
        }),
        _ => Err(not_slack(raw.status)),
    }
}

/// An upload of bytes to the address that Slack gave out.
pub fn upload(raw: &Raw) -> Result<(), SendError> {
    passing(raw, None)?;
    match raw.status {
        200 => Ok(()),
        status => Err(SendError::Permanent {
            why: format!("the place that Slack gave for the file did not take it (HTTP {status})"),
            code: None,
            fault: Fault::Refused,
        }),
    }
}

/// Statuses that mean "later", whatever the body says.
fn passing(raw: &Raw, value: Option<&Value>) -> Result<(), SendError> {
    let why = match raw.status {
        429 => {
            return Err(limited(asked_wait(raw, value), "too many messages"));
        }
        status @ 500.. => format!("Slack has trouble of its own (HTTP {status})"),
        status @ 300..400 => {
            format!("the answer was a redirect (HTTP {status}), which is never followed: check api_url and proxy")
        }
        407 if raw.proxied => "the proxy wants a login (HTTP 407): put it into `slack.proxy`".to_owned(),
        _ => return Ok(()),
    };
    Err(SendError::Transient { why, retry_after: None })
}

/// A redirect that this request alone has got.
pub fn redirected(error: SendError) -> SendError {
    let why = format!("{}; other requests get through", error.why());
    SendError::Permanent { why, code: None, fault: Fault::Refused }
}

/// The wait that an answer asks for: `Retry-After`, in seconds or as the time when it is over; webhooks also gave `retry_after` in
/// the body.
fn asked_wait(raw: &Raw, value: Option<&Value>) -> Option<Duration> {
    let seconds = |wait: f64| (wait >= 0.0).then(|| Duration::from_secs(wait.ceil() as u64));
    let time = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp());
    let header = raw.retry_after.as_deref().and_then(|text| match text.parse() {
        Ok(wait) => seconds(wait),
        Err(_) => Some(clock::between(time(raw.date.as_deref()?)?, time(text)?)),
    });
    header.or_else(|| seconds(value?.get("retry_after")?.as_f64()?))
}

/// There is a limit, of which Slack said to wait so long.
fn limited(asked: Option<Duration>, what: &str) -> SendError {
    let wait = asked.unwrap_or(USUAL_WAIT).clamp(Duration::from_secs(1), LONGEST_WAIT);
    let why = match asked {
        None => format!("Slack asks to wait, and does not say how long ({what}): {} s", wait.as_secs()),
        Some(asked) if asked > wait => {
            format!("Slack asks to wait {} s ({what}): the next try is in {} s", asked.as_secs(), wait.as_secs())
        }
        Some(_) => format!("Slack asks to wait {} s ({what})", wait.as_secs()),
    };
    SendError::Transient { why, retry_after: Some(wait) }
}

/// Something that stands before Slack, or another server, refused this request.
fn foreign(status: u16, about: Context<'_>) -> SendError {
    let (address, fault) = (
        if about.webhook { about.source } else { "slack.api_url" },
        match status {
            // The body is too large.
            413 => Fault::Message,
            _ => Fault::Refused,
        },
    );
    let why = format!("it was refused (HTTP {status}) without a code of Slack's: check {address} and slack.proxy");
    SendError::Permanent { why, code: None, fault }
}

/// Something else than Slack answered: a login page, a proxy, a wrong address.
fn not_slack(status: u16) -> SendError {
    let why = format!("the answer is not Slack's (HTTP {status}): check api_url, the webhook's URL and the proxy");
    SendError::Doubtful { why }
}

/// `"ok": false`.
fn refused(value: &Value, about: Context<'_>) -> SendError {
    match value.get("error").and_then(Value::as_str).filter(|code| looks_like_code(code)) {
        Some(code) => coded(code, value, about),
        None => SendError::Permanent {
            why: "Slack refused the message without a code".to_owned(),
            code: None,
            fault: Fault::Refused,
        },
    }
}

/// A refusal with a code.
fn coded(code: &str, value: &Value, about: Context<'_>) -> SendError {
    match class(code) {
        Class::Again => SendError::Doubtful { why: format!("Slack could not do it just now ({code})") },
        Class::Limited => limited(asked_wait(&Raw::default(), Some(value)), code),
        Class::Plan => {
            let why = format!("the workspace has used up its plan ({code})");
            SendError::Transient { why, retry_after: Some(PLAN_WAIT) }
        }
        Class::Fix(fault) => {
            SendError::Permanent { why: words(code, fault, value, about), code: Some(code.to_owned()), fault }
        }
    }
}

/// Whether a text is a code of Slack's: whatever else stands there is not repeated.
fn looks_like_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What Slack's codes mean (its method pages, what its SDKs do with them, and the plain-text codes of webhooks).
const CLASSES: &[(Class, &[&str])] = &[
    (Class::Limited, &["ratelimited", "rate_limited"]),
    (Class::Plan, &["message_limit_exceeded"]),
    (
        Class::Again,
        &[
            "internal_error",
            "fatal_error",
            "service_unavailable",
            "request_timeout",
            "team_added_to_org",
            "org_login_required",
            "update_failed",
            "external_channel_migrating",
            "rollup_error",
        ],
    ),
    (
        Class::Fix(Fault::Message),
        &[
            "invalid_blocks",
            "invalid_blocks_format",
            "invalid_attachments",
            "invalid_payload",
            "missing_text_or_fallback_or_attachments",
            "msg_blocks_too_long",
            "msg_too_long",
            "no_text",
            "too_many_attachments",
            "attachment_payload_limit_exceeded",
            "markdown_text_conflict",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "metadata_too_large",
            "metadata_must_be_sent_from_app",
            "invalid_arguments",
            "invalid_json",
            "json_not_object",
        ],
    ),
    (
        Class::Fix(Fault::Channel),
        &[
            "channel_not_found",
            "channel_is_archived",
            "channel_is_limited_access",
            "not_in_channel",
            "is_archived",
            "is_inactive",
            "no_permission",
            "ekm_access_denied",
            "messages_tab_disabled",
            "team_not_found",
            "user_not_found",
            "action_prohibited",
            "posting_to_general_channel_denied",
            "posting_to_channel_denied",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
        ],
    ),
    (
        Class::Fix(Fault::Credentials),
        &[
            "not_authed",
            "invalid_auth",
            "account_inactive",
            "token_revoked",
            "token_expired",
            "missing_scope",
            "not_allowed_token_type",
            "access_denied",
            "accesslimited",
            "two_factor_setup_required",
            "enterprise_is_restricted",
            "app_access_restricted",
            "invalid_token",
            "no_service",
            "no_service_id",
            "no_team",
            "team_disabled",
            "no_active_hooks",
        ],
    ),
    (Class::Fix(Fault::Thread), &["thread_not_found", "message_not_found"]),
    (
        Class::Fix(Fault::Target),
        &[
            "cant_update_message",
            "edit_window_closed",
            "block_mismatch",
            "streaming_state_conflict",
            "cannot_reply_to_message",
            "restricted_action_non_threadable_channel",
            "restricted_action_thread_locked",
        ],
    ),
];

/// Whether it is known as a code of Slack's.
fn is_listed(code: &str) -> bool {
    CLASSES.iter().any(|(_, codes)| codes.contains(&code))
}

/// What a code means; of one that is not listed, that Slack does not take this message.
fn class(code: &str) -> Class {
    let listed = CLASSES.iter().find(|(_, codes)| codes.contains(&code)).map(|(class, _)| *class);
    listed.unwrap_or_else(|| match code {
        _ if code.starts_with("restricted_action") => Class::Fix(Fault::Channel),
        _ if looks_malformed(code) => Class::Fix(Fault::Message),
        _ => Class::Fix(Fault::Refused),
    })
}

/// Whether a code that is not listed concerns the message's form: then plain text may pass.
fn looks_malformed(code: &str) -> bool {
    let form = ["blocks", "attachment", "too_long", "too_large", "too_many", "metadata"];
    form.iter().any(|word| code.contains(word))
}

/// A refusal as people understand it: what, where, and what to do.
fn words(code: &str, fault: Fault, value: &Value, about: Context<'_>) -> String {
    let source = about.source;
    let shown = about.status.map_or_else(|| code.to_owned(), |status| format!("HTTP {status}, {code}"));
    let channel = about.channel.filter(|channel| !channel.is_unnamed());
    let channel = channel.map_or_else(|| "the channel".to_owned(), |channel| format!("channel {channel}"));
    match (fault, code) {
        (Fault::Channel, _) if about.webhook => {
            format!("the webhook's channel does not take messages ({shown}): make a new webhook, and change {source}")
        }
        (Fault::Credentials, _) if about.webhook => {
            format!("Slack does not know this webhook any more ({shown}): make a new one, and change {source}")
        }
        (_, "missing_scope") => {
            let needed = scope(value).map_or_else(|| "a scope".to_owned(), |scope| format!("the scope {scope}"));
            format!("the token lacks {needed} (missing_scope): add it to the Slack app, and install the app again")
        }
        (_, "not_allowed_token_type") => {
            format!("Slack does not take this kind of token ({shown}): a bot token (`xoxb-…`) belongs into {source}")
        }
        (
            Fault::Credentials,
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive",
        ) => {
            format!("Slack refused the token ({shown}): check {source}")
        }
        (Fault::Credentials, _) => format!("Slack does not let this app in ({shown}): ask who runs the workspace"),
        (Fault::Channel, "user_not_found" | "user_not_visible") => {
            let user = about.channel.map_or_else(|| "such a user".to_owned(), |user| format!("user {user}"));
            format!("there is no {user}, or the token may not see them ({shown}): check the ID")
        }
        (Fault::Channel, "channel_not_found") => {
            format!("{channel} does not exist, or the bot may not see it ({shown}): check its name, or invite the bot")
        }
        (Fault::Channel, "not_in_channel") => {
            format!("the bot is not in {channel} ({shown}): invite it, or grant chat:write.public")
        }
        (Fault::Channel, "is_archived" | "is_inactive" | "channel_is_archived") => {
            format!("{channel} is archived ({shown}): choose another, or bring it back")
        }
        (Fault::Channel, "team_not_found") => {
            format!("{channel} cannot be found by its name with this token ({shown}): write the channel's ID")
        }
        (Fault::Channel, _) => format!("Slack does not let the bot write to {channel} ({shown})"),
        (Fault::Thread, _) => format!("the first message of the thread is gone ({shown})"),
        (Fault::Target, _) => format!("the first message of the thread takes no reply and no edit ({shown})"),
        (Fault::Refused, _) => format!("Slack refused the message ({shown})"),
        (Fault::Message, _) => match remarks(value).as_slice() {
            [] => format!("Slack calls the message malformed ({shown})"),
            said => format!("Slack calls the message malformed ({shown}): {}", said.join("; ")),
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
