//! `slack-alert ping`: what is tried, in which order, what of it fails, and what is said then.

use serde_json::{Value, json};

use crate::support::program::{Ran, Sandbox};
use crate::support::slack::{Answer, MockSlack};

const SCOPES: &str = "chat:write,chat:write.public,files:write,channels:read,groups:read,users:read";

fn sandbox(slack: &MockSlack) -> Sandbox {
    let config = format!(
        "host = \"web-1\"\n[slack]\ntoken_env = \"SLACK_TOKEN\"\nchannel = \"#ops\"\napi_url = \"{}\"\ntimeout = \"2s\"\n",
        slack.url()
    );
    let job = "command = \"df\"\nevery = \"1h\"\n";
    let files = [("slack_alert.toml", config.as_str()), ("jobs.d/a.toml", job)];
    Sandbox::with(&files).variable("SLACK_TOKEN", "xoxb-1-hidden")
}

fn methods(slack: &MockSlack) -> Vec<String> {
    slack.requests().iter().map(|request| request.method().to_owned()).collect()
}

/// The names of the steps with what came of each.
fn steps(ran: &Ran) -> Vec<(String, String)> {
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    let word = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = value["steps"].as_array().expect("steps");
    steps.iter().map(|step| (word(step, "step"), word(step, "state"))).collect()
}

fn named(steps: &[(String, String)]) -> Vec<(&str, &str)> {
    steps.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect()
}

#[test]
fn ping_posts_a_test_message_edits_it_and_reads_it_back() {
    let slack = MockSlack::start();
    slack.grant(&format!("{SCOPES},reactions:read"));
    let ran = sandbox(&slack).run(&["ping"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for (step, words) in [
        ("token", "alertbot in Ops (https://ops.slack.com/), from token_env SLACK_TOKEN"),
        ("scopes", "chat:write, chat:write.public, files:write"),
        ("#ops", "C000000OPS, and the bot is in it"),
        ("post", "https://ops.slack.com/archives/C000000OPS/p1795405538000004"),
        ("edit", "the text was replaced"),
        ("read", "the edited text came back"),
    ] {
        let line = ran.stdout.lines().find(|line| line.starts_with(step)).unwrap_or_else(|| panic!("{step}: {ran:?}"));
        assert!(line.contains("  ok  ") && line.contains(words), "{step}: {line}");
    }
    assert!(!ran.stdout.contains("hidden"), "{ran:?}");
    let talk =
        ["auth.test", "conversations.list", "conversations.list", "chat.postMessage", "chat.update", "reactions.get"];
    assert_eq!(methods(&slack), talk);
    let text = |at: usize| slack.requests()[at].json()["text"].as_str().unwrap_or_default().to_owned();
    for at in [3, 4] {
        assert!(text(at).starts_with("Test message of slack-alert on web-1 at "), "{}", text(at));
    }
    assert!(text(4).ends_with("it was posted and edited. Nothing needs to be done."), "{}", text(4));
}

#[test]
fn ping_reads_by_way_of_the_history_or_says_that_it_does_not() {
    for (scopes, method, state) in
        [("channels:history", "conversations.history", "ok"), ("pins:read", "chat.update", "skipped")]
    {
        let slack = MockSlack::start();
        slack.grant(&format!("{SCOPES},{scopes}"));
        let ran = sandbox(&slack).run(&["ping", "--json"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(steps(&ran).contains(&("read".to_owned(), state.to_owned())), "{ran:?}");
        assert_eq!(methods(&slack).last().map(String::as_str), Some(method));
    }
}

#[test]
fn ping_tells_all_in_json() {
    let slack = MockSlack::start();
    slack.grant(&format!("{SCOPES},reactions:read"));
    let ran = sandbox(&slack).run(&["ping", "C000000GEN", "--json"]);
    let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
    assert_eq!(value["ok"], true, "{value}");
    assert_eq!(value["channel"], "C000000GEN");
    assert_eq!(value["posted"], json!({ "channel": "C000000GEN", "ts": "1795405538.000003" }));
    assert_eq!(value["permalink"], "https://ops.slack.com/archives/C000000GEN/p1795405538000003");
    assert!(value["steps"][0]["took"].is_number(), "{value}");
    let expected = [
        ("token", "ok"),
        ("scopes", "ok"),
        ("C000000GEN", "ok"),
        ("post", "ok"),
        ("edit", "ok"),
        ("read", "ok"),
        ("clock", "skipped"),
    ];
    assert_eq!(named(&steps(&ran)), expected);
}

#[test]
fn the_step_that_fails_is_named_with_the_way_out_and_what_needs_it_is_not_tried() {
    let revoked = Answer::error("token_revoked");
    let missing = Answer::json(&json!({ "ok": false, "error": "missing_scope", "needed": "chat:write" }));
    for (scopes, channel, script, failed, words, help, last) in [
        (SCOPES, "#ops", vec![revoked], "token", "token_revoked", "see that the token is whole", "auth.test"),
        (
            SCOPES,
            "#ops",
            vec![Answer::status(503, "<html>")],
            "token",
            "Slack has trouble of its own",
            "this says nothing of the token",
            "auth.test",
        ),
        (SCOPES, "#old-ops", vec![], "#old-ops", "is archived", "unarchive it", "conversations.list"),
        (SCOPES, "#opps", vec![], "#opps", "Slack knows no `#opps`", "did you mean `#ops`?", "conversations.list"),
        ("channels:read", "#general", vec![], "scopes", "lacks the scope `chat:write`", "reinstall it into Ops", ""),
        (
            SCOPES,
            "C000000GEN",
            vec![Answer::Usual, Answer::Usual, missing],
            "post",
            "chat:write",
            "",
            "chat.postMessage",
        ),
        (
            SCOPES,
            "C000000GEN",
            vec![Answer::Usual, Answer::Usual, Answer::Usual, Answer::error("cant_update_message")],
            "edit",
            "takes no reply and no edit",
            "the bot can edit",
            "chat.update",
        ),
    ] {
        let slack = MockSlack::start();
        slack.grant(scopes);
        script.into_iter().for_each(|answer| slack.answer(answer));
        let ran = sandbox(&slack).run(&["ping", channel]);
        assert_eq!(ran.code, 1, "{failed}: {ran:?}");
        let line = ran.stdout.lines().position(|line| line.starts_with(failed) && line.contains("  failed  "));
        let lines: Vec<&str> = ran.stdout.lines().collect();
        let line = line.unwrap_or_else(|| panic!("{failed}: {ran:?}"));
        assert!(lines[line].contains(words), "{failed}: {ran:?}");
        assert!(help.is_empty() || lines[line + 1].contains("help: ") && lines[line + 1].contains(help), "{ran:?}");
        assert!(
            last.is_empty() || methods(&slack).last().is_some_and(|method| method == last),
            "{:?}",
            methods(&slack)
        );
        assert!(!ran.stdout.contains("hidden"), "{ran:?}");
    }
}

#[test]
fn a_message_that_comes_back_with_its_first_text_is_a_failure() {
    let slack = MockSlack::start();
    slack.grant(&format!("{SCOPES},reactions:read"));
    for _ in 0..4 {
        slack.answer(Answer::Usual);
    }
    slack.always(Answer::json(&json!({ "ok": true, "message": { "text": "about to be edited" } })));
    let ran = sandbox(&slack).run(&["ping", "C000000GEN"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("another text than that of the edit"), "{ran:?}");
}

#[test]
fn the_clock_is_compared_with_slacks() {
    for (ago, state, words) in
        [(0, "ok", "agrees"), (30, "ok", "ahead of Slack's"), (7_200, "failed", "2h ahead of Slack's")]
    {
        let slack = MockSlack::start();
        slack.grant(SCOPES);
        let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ago);
        let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&then).expect("a date");
        let answer = json!({ "ok": true, "url": "https://ops.slack.com/", "team": "Ops", "user": "alertbot" });
        slack.answer(Answer::json(&answer).header("X-OAuth-Scopes", SCOPES).header("Date", &date));
        let ran = sandbox(&slack).run(&["ping", "C000000GEN", "--json"]);
        let value: Value = serde_json::from_str(&ran.stdout).expect("one object");
        let clock = value["steps"].as_array().and_then(|steps| steps.last()).expect("a last step");
        assert_eq!((clock["step"].as_str(), clock["state"].as_str()), (Some("clock"), Some(state)), "{value}");
        assert!(clock["what"].as_str().is_some_and(|what| what.contains(words)), "{clock}");
        assert_eq!(ran.code, i32::from(state == "failed"));
        assert!((value["clock_skew"].as_f64().expect("a number") + ago as f64).abs() < 15.0, "{value}");
    }
}

#[test]
fn a_webhook_posts_once_and_says_what_it_cannot_do() {
    let slack = MockSlack::start();
    let config = format!("[slack]\nwebhook_url_file = \"hook\"\napi_url = \"{}\"\n", slack.url());
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("hook", &slack.webhook_url())]);
    let ran = sandbox.run(&["ping", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(named(&steps(&ran)), [("webhook", "ok"), ("post", "ok"), ("edit", "skipped")]);
    assert_eq!(slack.posted().len(), 1);
    assert!(slack.posted()[0]["text"].as_str().is_some_and(|text| text.starts_with("Test message of slack-alert")));
    let ran = sandbox.run(&["ping", "#pager"]);
    assert!(ran.stderr.contains("a webhook posts to the channel that it was made for"), "{ran:?}");
    slack.always(Answer::status(404, "no_service"));
    let ran = sandbox.run(&["ping"]);
    assert!(ran.code == 1 && ran.stdout.contains("post") && ran.stdout.contains("no_service"), "{ran:?}");
}

#[test]
fn without_credentials_or_a_channel_ping_says_what_is_missing() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", "")]);
    let ran = sandbox.run(&["ping"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("neither a token nor a webhook is configured"), "{ran:?}");
    assert!(ran.stderr.contains("help: put the bot's token into a file"), "{ran:?}");

    sandbox.file("slack_alert.toml", "[slack]\ntoken_env = \"NO_SUCH_VARIABLE\"\n");
    let ran = sandbox.run(&["ping"]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no channel to post to"), "{ran:?}");
    let ran = sandbox.run(&["ping", "#ops"]);
    assert!(ran.code == 1 && ran.stdout.contains("token_env NO_SUCH_VARIABLE is not set"), "{ran:?}");
    assert!(ran.stdout.contains("help: set it in the environment"), "{ran:?}");
    let ran = sandbox.run(&["ping", "#Ops Team"]);
    assert!(ran.code == 2 && ran.stderr.contains("`#Ops Team` is no channel"), "{ran:?}");
}
