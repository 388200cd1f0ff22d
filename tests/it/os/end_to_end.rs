//! The built program against the Slack emulator: from a file in `jobs.d` to the message as the emulator gives it back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::slack_emulator::Emulator;
use crate::support::program::{PATIENCE, Sandbox};

/// A configuration that posts to the emulator, with the token in a file.
pub(super) fn sandbox(emulator: &Emulator, token: &str, slack: &str) -> Sandbox {
    let config =
        format!("host = \"web-1\"\n[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\n{slack}", emulator.url());
    Sandbox::with(&[("slack_alert.toml", &config), ("token", &format!("{token}\n"))])
}

/// Looks again and again until there is something to see.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(seen) = look() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    panic!("{what} did not come");
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

    let first = until("the failure", || emulator.history(&channel).into_iter().next());
    let text = first["text"].as_str().expect("a text");
    assert!(text.starts_with("<!here> :red_circle: disk exited with 2"), "{text}");
    assert!(text.contains("the disk &lt;burns&gt; &amp; smokes") && text.contains("(web-1)"), "{text}");
    sandbox.file("code", "0");

    let thread = json!({ "channel": channel, "ts": first["ts"] });
    let replies: Vec<Value> = until("the recovery", || {
        let replies = emulator.messages("conversations.replies", &thread);
        replies
            .iter()
            .any(|reply| {
                reply["text"].as_str().is_some_and(|text| text.contains("recovered")) && reply["ts"] != first["ts"]
            })
            .then_some(replies)
    });
    let parent = until("the edit of the first message", || {
        let replies = emulator.messages("conversations.replies", &thread);
        replies.into_iter().find(|reply| reply["ts"] == first["ts"] && !reply["edited"].is_null())
    });
    assert!(parent["text"].as_str().is_some_and(|text| text.contains("recovered")), "{parent}");
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
        assert_eq!(ran.code, 1, "{ran:?}");
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
fn a_webhook_takes_messages_without_a_channel() {
    let Some(emulator) = Emulator::start() else { return };
    let config = format!("[slack]\nwebhook_url = \"{}\"\n", emulator.webhook_url());
    let sandbox = Sandbox::with(&[
        ("slack_alert.toml", &config),
        ("jobs.d/hello.toml", "command = \"echo hello from a hook\"\nevery = \"1h\"\n"),
    ]);
    let mut going = sandbox.start(&["run"]);
    let channel = emulator.channel_id("ops-alerts");
    until("the message", || {
        let said = emulator.history(&channel);
        said.iter().any(|message| message.to_string().contains("hello from a hook")).then_some(())
    });
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
}
