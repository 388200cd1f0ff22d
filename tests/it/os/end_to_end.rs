//! The built program against the Slack emulator: from a file in `jobs.d` to the message as the emulator gives it back.

use serde_json::{Value, json};

use super::slack_emulator::Emulator;
use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack};

/// A configuration that posts to the emulator, with the token in a file. What the emulator has is on disk as delivered
/// right after: `Sandbox::wait_for` sees it.
pub(super) fn sandbox(emulator: &Emulator, token: &str, slack: &str) -> Sandbox {
    let config =
        format!("host = \"web-1\"\n[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\n{slack}", emulator.url());
    Sandbox::with(&[("slack_alert.toml", &config), ("token", &format!("{token}\n"))])
}

#[test]
fn a_broken_job_is_one_conversation_closed_when_it_is_well() {
    let Some(emulator) = Emulator::start() else { return };
    let sandbox = sandbox(&emulator, "xoxb-local-full", "channel = \"#ops-alerts\"\nrate = \"50/s\"\n");
    sandbox.file("code", "2");
    let job = "command = 'cat words; exit $(cat code)'\nevery = \"100ms\"\n[notify]\nmention = \"@here\"\n\
               on = [\"failure\", \"recovery\"]\n";
    sandbox.file("words", "the disk <burns> & smokes\n");
    sandbox.file("jobs.d/disk.toml", job);
    let mut going = sandbox.start(&["run"]);
    let channel = emulator.channel_id("ops-alerts");

    let first = sandbox.wait_for("the failure", || emulator.history(&channel).into_iter().next());
    let text = first["text"].as_str().expect("a text");
    assert!(text.starts_with("<!here> :red_circle: disk critical: "), "{text}");
    assert!(text.contains("the disk &lt;burns&gt; &amp; smokes") && text.contains(" · web-1 · "), "{text}");
    sandbox.file("code", "0");

    let thread = json!({ "channel": channel, "ts": first["ts"] });
    let replies: Vec<Value> = sandbox.wait_for("the recovery", || {
        let replies = emulator.messages("conversations.replies", &thread);
        replies
            .iter()
            .any(|reply| {
                reply["text"].as_str().is_some_and(|text| text.contains("is well again")) && reply["ts"] != first["ts"]
            })
            .then_some(replies)
    });
    let parent = sandbox.wait_for("the edit of the first message", || {
        let replies = emulator.messages("conversations.replies", &thread);
        replies.into_iter().find(|reply| reply["ts"] == first["ts"] && !reply["edited"].is_null())
    });
    let shown = parent.to_string();
    assert!(shown.contains("resolved after") && shown.contains("&lt;burns&gt;"), "it keeps its text: {shown}");
    assert!(replies.len() >= 2, "{replies:?}");
    going.signal("TERM");
    going.wait_for("stopped");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");
    assert!(!said.contains("xoxb-"), "the token is in the log: {said}");
}

#[test]
fn a_wrong_token_and_an_unknown_channel_are_told_clearly() {
    let Some(emulator) = Emulator::start() else { return };
    let job = ("jobs.d/hello.toml", "command = \"echo hello\"\nevery = \"1h\"\n");
    for (token, channel, words) in [
        ("xoxb-local-noscope", "#ops-alerts", "missing_scope"),
        ("xoxb-local-full", "#no-such-channel", "channel_not_found"),
    ] {
        let sandbox = sandbox(&emulator, token, &format!("channel = \"{channel}\"\n"));
        sandbox.file(job.0, job.1);
        let ran = sandbox.run(&["once", "hello", "--post"]);
        assert_eq!(ran.code, 0, "its own, and not that of the message: {ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
        assert!(!ran.stderr.contains(token), "the token is told: {ran:?}");
    }
    let well = sandbox(&emulator, "xoxb-local-full", "channel = \"ops-alerts\"\n");
    well.file(job.0, job.1);
    let ran = well.run(&["once", "hello", "--post"]);
    assert_eq!((ran.code, ran.stderr.contains("posted to #ops-alerts")), (0, true), "{ran:?}");
    let said = emulator.history(&emulator.channel_id("ops-alerts"));
    assert!(said.iter().any(|message| message["text"].as_str().is_some_and(|text| text.contains("hello"))), "{said:?}");
}

#[test]
fn once_says_in_json_what_came_of_each_message() {
    let slack = MockSlack::start();
    let config = format!("[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\n", slack.url());
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config),
        ("jobs.d/disk.toml", "command = 'echo full; exit 2'\nevery = '1h'\n"),
        ("jobs.d/well.toml", "command = 'true'\nevery = '1h'\n"),
    ]);
    let told = |arguments: &[&str]| {
        let ran = sandbox.run(arguments);
        serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    let said = told(&["once", "disk", "--json"]);
    let of = |said: &Value, key: &str| said["messages"][0][key].clone();
    assert_eq!((of(&said, "posted"), of(&said, "at"), of(&said, "error")), (Value::Null, Value::Null, Value::Null));
    let said = told(&["once", "disk", "--post", "--json"]);
    assert_eq!((of(&said, "posted"), of(&said, "error")), (json!(true), Value::Null), "{said}");
    assert!(of(&said, "at")["channel"].is_string() && of(&said, "at")["ts"].is_string(), "{said}");
    slack.answer(Answer::error("not_in_channel"));
    let said = told(&["once", "disk", "--post", "--json"]);
    assert_eq!((of(&said, "posted"), of(&said, "at")), (json!(false), Value::Null), "{said}");
    assert!(of(&said, "error").as_str().is_some_and(|why| why.contains("not_in_channel")), "{said}");
    assert_eq!(told(&["once", "well", "--post", "--json"])["messages"], json!([]));
}

#[test]
fn a_webhook_gets_a_message_for_several_channels_once() {
    let slack = MockSlack::start();
    let config = format!("[slack]\nwebhook_url = \"{}\"\nchannel = \"#ops\"\n", slack.webhook_url());
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config),
        (
            "jobs.d/disk.toml",
            "command = \"echo disk full; exit 2\"\nevery = \"1h\"\n\
             [notify]\nchannel = [\"#ops\", \"#dev\"]\nchannels = { critical = [\"#pager\", \"#ops\"] }\n",
        ),
        ("jobs.d/last.toml", "command = \"sleep 1; echo that is all; exit 2\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run"]);
    let texts = || slack.requests().iter().map(|post| post.json()["text"].to_string()).collect::<Vec<_>>();
    slack.wait_until("the last message", || texts().iter().any(|text| text.contains("that is all")).then_some(()));
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
    let told = texts().iter().filter(|text| text.contains("disk full")).count();
    assert_eq!(told, 1, "{:#?}", texts());
}

#[test]
fn a_webhook_takes_messages_without_a_channel() {
    let Some(emulator) = Emulator::start() else { return };
    let config = format!("[slack]\nwebhook_url = \"{}\"\n", emulator.webhook_url());
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config),
        ("jobs.d/hello.toml", "command = \"echo hello from a hook\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run"]);
    let channel = emulator.channel_id("ops-alerts");
    sandbox.wait_for("the message", || {
        let said = emulator.history(&channel);
        said.iter().any(|message| message.to_string().contains("hello from a hook")).then_some(())
    });
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
}
