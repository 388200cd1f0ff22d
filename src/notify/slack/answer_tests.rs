//! Slack's answers, sorted.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Context, auth_info, method, receipt, upload, webhook};
use crate::id::Channel;
use crate::notify::http::Raw;
use crate::notify::{Fault, Parent, SendError};

fn raw(status: u16, body: &str) -> Raw {
    Raw { status, body: body.as_bytes().to_vec(), ..Raw::default() }
}

fn with_context<T>(work: impl Fn(Context<'_>) -> T) -> T {
    let channel = Channel::new("#ops");
    work(Context { channel: Some(&channel), source: "token_file /etc/slack-alert/token", webhook: false, status: None })
}

fn call(status: u16, body: &str) -> Result<Value, SendError> {
    with_context(|about| method(&raw(status, body), about))
}

fn refusal(code: &str) -> SendError {
    call(200, &json!({"ok": false, "error": code}).to_string()).expect_err(code)
}

fn hook(status: u16, body: &str) -> Option<SendError> {
    with_context(|about| webhook(&raw(status, body), about)).err()
}

/// What a refusal asks for: a fault's name, or `again` with the seconds that Slack asked for.
fn asks(error: &SendError) -> String {
    match error {
        SendError::Transient { retry_after: None, .. } => "again".to_owned(),
        SendError::Doubtful { .. } => "again or the next".to_owned(),
        SendError::Transient { retry_after: Some(wait), .. } => format!("again in {}", wait.as_secs()),
        SendError::Uncertain { .. } => "uncertain".to_owned(),
        SendError::Permanent { fault, .. } => format!("{fault:?}"),
    }
}

#[test]
fn every_code_has_its_place() {
    for (wanted, codes) in [
        ("again in 30", "ratelimited rate_limited"),
        ("again in 600", "message_limit_exceeded"),
        (
            "again or the next",
            "internal_error fatal_error service_unavailable request_timeout team_added_to_org org_login_required \
             update_failed external_channel_migrating rollup_error",
        ),
        (
            "Message",
            "invalid_blocks invalid_blocks_format invalid_attachments msg_blocks_too_long msg_too_long no_text \
             too_many_attachments attachment_payload_limit_exceeded markdown_text_conflict invalid_metadata_format \
             invalid_metadata_schema metadata_too_large metadata_must_be_sent_from_app invalid_arguments invalid_json \
             json_not_object missing_text_or_fallback_or_attachments too_many_blocks_of_tomorrow",
        ),
        (
            "Channel",
            "channel_not_found not_in_channel is_archived restricted_action restricted_action_read_only_channel \
             restricted_action_thread_only_channel no_permission ekm_access_denied \
             messages_tab_disabled team_not_found user_not_found is_inactive",
        ),
        (
            "Credentials",
            "not_authed invalid_auth account_inactive token_revoked token_expired missing_scope not_allowed_token_type \
             access_denied accesslimited two_factor_setup_required enterprise_is_restricted app_access_restricted",
        ),
        ("Thread", "thread_not_found message_not_found"),
        (
            "Target",
            "cant_update_message edit_window_closed block_mismatch streaming_state_conflict cannot_reply_to_message \
             restricted_action_non_threadable_channel restricted_action_thread_locked",
        ),
        (
            "Refused",
            "a_code_of_tomorrow slack_connect_file_link_sharing_blocked team_access_not_granted unknown_method is_bot \
             deprecated_endpoint method_deprecated invalid_post_type missing_post_type invalid_charset invalid_form_data \
             invalid_arg_name invalid_array_arg",
        ),
    ] {
        for code in codes.split_whitespace() {
            let error = refusal(code);
            assert_eq!(asks(&error), wanted, "{code}");
            assert!(error.why().contains(code), "{error} does not name {code}");
        }
    }
}

#[test]
fn refusals_in_clear_words() {
    for (code, words) in [
        ("invalid_auth", "Slack refused the token (invalid_auth): check token_file /etc/slack-alert/token"),
        (
            "channel_not_found",
            "channel #ops does not exist, or the bot may not see it (channel_not_found): check its name, or invite the bot",
        ),
        ("not_in_channel", "the bot is not in channel #ops (not_in_channel): invite it, or grant chat:write.public"),
        ("is_archived", "channel #ops is archived (is_archived): choose another, or bring it back"),
        ("message_not_found", "the first message of the thread is gone (message_not_found)"),
        ("no_text", "Slack calls the message malformed (no_text)"),
    ] {
        assert_eq!(refusal(code).why(), words);
    }
    let scope = call(200, r#"{"ok":false,"error":"missing_scope","needed":"files:write","provided":"chat:write"}"#);
    let why =
        "the token lacks the scope files:write (missing_scope): add it to the Slack app, and install the app again";
    assert_eq!(scope.expect_err("refused").why(), why);
    let blocks = call(
        200,
        r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]\n"]}}"#,
    );
    let why = "Slack calls the message malformed (invalid_blocks): [ERROR] must be less than 3001 characters \
               [json-pointer:/blocks/0/text/text]";
    assert_eq!(blocks.expect_err("refused").why(), why);
}

#[test]
fn a_limit_waits_as_long_as_it_is_told_to() {
    for (header, body, seconds) in [
        (Some("7"), "", 7),
        (Some("0"), "", 1),
        (Some("999999"), "", 3_600),
        (Some("18446744073709551616"), "", 3_600),
        (Some("2.5"), "", 3),
        (Some("Mon, 23 Nov 2026 07:00:41 GMT"), "", 41),
        (Some("Mon, 23 Nov 2026 06:59:00 GMT"), "", 1),
        (Some("soon"), "", 30),
        (Some("-1"), "", 30),
        (None, "<html>", 30),
        (None, r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#, 1),
        (None, r#"{"retry_after":2.5}"#, 3),
        (None, r#"{"retry_after":-5}"#, 30),
        (None, r#"{"retry_after":1e300}"#, 3_600),
        (Some("4"), r#"{"retry_after":9}"#, 4),
    ] {
        let date = Some("Mon, 23 Nov 2026 07:00:00 GMT".to_owned());
        let raw = Raw { retry_after: header.map(str::to_owned), date, ..raw(429, body) };
        let wanted = Some(Duration::from_secs(seconds));
        for error in
            with_context(|about| [method(&raw, about).expect_err("429"), webhook(&raw, about).expect_err("429")])
        {
            assert!(matches!(&error, SendError::Transient { retry_after, .. } if *retry_after == wanted), "{error:?}");
        }
    }
}

#[test]
fn a_limit_says_what_slack_asked_for_and_what_follows() {
    for (header, words) in [
        (Some("7"), "Slack asks to wait 7 s (too many messages)"),
        (Some("86400"), "Slack asks to wait 86400 s (too many messages): the next try is in 3600 s"),
        (Some("soon"), "Slack asks to wait, and does not say how long (too many messages): 30 s"),
        (None, "Slack asks to wait, and does not say how long (too many messages): 30 s"),
    ] {
        let raw = Raw { retry_after: header.map(str::to_owned), ..raw(429, "") };
        for error in
            with_context(|about| [method(&raw, about).expect_err("429"), webhook(&raw, about).expect_err("429")])
        {
            assert_eq!(error.why(), words);
        }
    }
}

#[test]
fn what_is_not_slacks_answer_is_no_success() {
    for (status, body) in [
        (500, "<html>Server Error</html>"),
        (503, r#"{"ok":true}"#),
        (502, r#"{"ok":false,"error":"invalid_auth"}"#),
        (200, "<html>Please log in to the guest network</html>"),
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, r#"{"ok":"yes"}"#),
        (200, r#"{"ok":true"#),
        (302, ""),
    ] {
        let error = call(status, body).expect_err(body);
        // Slack's own trouble is the way's; a page may be of this message alone.
        let wanted = if status == 200 { "again or the next" } else { "again" };
        assert_eq!(asks(&error), wanted, "{status} {body}");
        assert!(!error.why().contains("html"), "{error}");
        // What answers for a webhook may have passed it on; a page has not.
        let wanted = match status {
            200 if body.starts_with('<') => "again or the next",
            200 => "uncertain",
            302 => "again or the next",
            _ => "again",
        };
        assert_eq!(hook(status, body).as_ref().map(asks).as_deref(), Some(wanted), "{status} {body}");
    }
}

#[test]
fn a_refusal_in_any_form_concerns_the_message() {
    for (status, body, wanted) in [
        (401, "denied by policy", "Refused"),
        (403, r#"{"message":"API rate limit exceeded"}"#, "Refused"),
        (403, "<html>content filter</html>", "Refused"),
        (404, "<html>", "Refused"),
        (407, "", "Refused"),
        (408, "", "Refused"),
        (408, "<html>took too long</html>", "Refused"),
        (404, r#"{"ok":true}"#, "Refused"),
        (400, "", "Refused"),
        (413, "<html>Request Entity Too Large</html>", "Message"),
    ] {
        let error = call(status, body).expect_err(body);
        assert_eq!(asks(&error), wanted, "{status} {body}");
        assert!(error.why().contains(&format!("HTTP {status}")) && !error.why().contains("html"), "{error}");
        let hooked = hook(status, body);
        assert_eq!(hooked.as_ref().map(asks).as_deref(), Some(wanted), "{status} {body}");
    }
    let error = hook(400, "a_code_of_tomorrow").expect("refused");
    assert_eq!(
        (error.why(), error.code()),
        ("Slack refused the message (HTTP 400, a_code_of_tomorrow)", Some("a_code_of_tomorrow"))
    );
}

#[test]
fn a_code_that_is_none_is_not_repeated() {
    for body in [r#"{"ok":false}"#, r#"{"ok":false,"error":"<script> xoxb-1"}"#, r#"{"ok":false,"error":7}"#] {
        let error = call(200, body).expect_err(body);
        assert_eq!(asks(&error), "Refused");
        assert!(error.why().contains("without a code") && error.code().is_none(), "{error}");
    }
}

#[test]
fn a_success_keeps_the_name_of_the_message_and_what_slack_remarks() {
    let ok = json!({
        "ok": true, "channel": "C05DED65D5", "ts": "1.2", "message": {"thread_ts": "1.1"},
        "warning": "message_truncated,missing_charset",
        "response_metadata": {"warnings": ["missing_charset"]},
    });
    let posted = receipt(&ok, true);
    assert_eq!(posted.posted, Some(Parent { channel: "C05DED65D5".to_owned(), ts: "1.2".to_owned() }));
    assert_eq!((posted.orphaned, posted.warnings), (false, vec!["missing_charset".into(), "message_truncated".into()]));
}

#[test]
fn a_reply_that_stands_alone_is_noticed() {
    let alone = json!({"ok": true, "channel": "C05DED65D5", "ts": "1.2", "message": {"text": "x"}});
    assert!(receipt(&alone, true).orphaned && !receipt(&alone, false).orphaned);
    for bare in [
        json!({"ok": true, "channel": "C1", "ts": "1.2"}),
        json!({"ok": true, "ts": "1.2", "message": null}),
        json!({"ok": true, "ts": "1.2", "message": {}}),
    ] {
        assert!(!receipt(&bare, true).orphaned, "an answer without the message says nothing of it: {bare}");
    }
}

#[test]
fn a_success_without_a_name_is_a_success() {
    assert_eq!(receipt(&json!({"ok": true}), false).posted, None);
}

#[test]
fn who_the_token_is() {
    let answer = Raw { scopes: Some("chat:write, files:write".to_owned()), ..raw(200, "") };
    let info = auth_info(&json!({"ok": true, "team": "Ops", "user": "alertbot"}), &answer);
    assert_eq!((info.team.as_str(), info.user.as_str()), ("Ops", "alertbot"));
    assert_eq!(info.scopes, Some(vec!["chat:write".to_owned(), "files:write".to_owned()]));
    assert_eq!(auth_info(&json!({}), &Raw::default()).scopes, None);
}

#[test]
fn what_webhooks_say() {
    for (status, body, wanted) in [
        (200, "ok", None),
        (200, "ok\n", None),
        (200, r#"{"ok":true}"#, None),
        (400, "invalid_payload", Some(Fault::Message)),
        (400, "no_text", Some(Fault::Message)),
        (400, "invalid_blocks", Some(Fault::Message)),
        (400, "too_many_attachments", Some(Fault::Message)),
        (400, "user_not_found", Some(Fault::Channel)),
        (400, "invalid_token", Some(Fault::Credentials)),
        (403, "invalid_token", Some(Fault::Credentials)),
        (403, "action_prohibited", Some(Fault::Channel)),
        (403, "posting_to_general_channel_denied", Some(Fault::Channel)),
        (404, "channel_not_found", Some(Fault::Channel)),
        (404, "no_service", Some(Fault::Credentials)),
        (404, "no_team", Some(Fault::Credentials)),
        (410, "channel_is_archived", Some(Fault::Channel)),
        (200, r#"{"ok":false,"error":"channel_not_found"}"#, Some(Fault::Channel)),
    ] {
        match (hook(status, body), wanted) {
            (None, None) => {}
            (Some(SendError::Permanent { fault, .. }), Some(wanted)) => assert_eq!(fault, wanted, "{status} {body}"),
            (got, wanted) => panic!("{status} {body}: {got:?} and not {wanted:?}"),
        }
    }
    for (status, body, wanted) in [
        (500, "rollup_error", "again"),
        (404, "<html>nothing here</html>", "Refused"),
        (200, "no_service", "Credentials"),
        (200, "queued", "uncertain"),
        (202, "", "uncertain"),
        (400, "msg_too_long", "Message"),
        (403, "restricted_action", "Channel"),
    ] {
        assert_eq!(hook(status, body).as_ref().map(asks).as_deref(), Some(wanted), "{status} {body}");
    }
}

#[test]
fn what_a_webhook_refuses_is_told_with_its_status_and_code() {
    for (status, body) in
        [(400, "invalid_payload"), (403, "action_prohibited"), (404, "no_service"), (400, "msg_too_long")]
    {
        let why = hook(status, body).map(|error| error.why().to_owned()).unwrap_or_default();
        assert!(why.contains(&format!("(HTTP {status}, {body})")), "{why}");
    }
    let why = hook(404, "<html>nothing here</html>").map(|error| error.why().to_owned()).unwrap_or_default();
    assert!(why.contains("(HTTP 404)"), "{why}");
}

#[test]
fn five_remarks_are_enough() {
    let messages: Vec<String> = (0..9).map(|n| format!("remark {n}")).collect();
    let body = json!({"ok": false, "error": "invalid_blocks", "response_metadata": {"messages": messages}});
    let why = call(200, &body.to_string()).expect_err("refused").why().to_owned();
    assert!(why.contains("remark 4") && !why.contains("remark 5"), "{why}");
}

#[test]
fn bytes_are_taken_with_a_200_and_nothing_else() {
    for (status, wanted) in [(200, None), (201, Some("Refused")), (204, Some("Refused")), (503, Some("again"))] {
        let asked = upload(&raw(status, "")).err().as_ref().map(asks);
        assert_eq!(asked.as_deref(), wanted, "{status}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_it_fall_over(status in 100u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let raw = Raw { status, body, ..Raw::default() };
        with_context(|about| {
            let _ = method(&raw, about);
            let _ = webhook(&raw, about);
        });
    }
}
