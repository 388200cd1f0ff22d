//! Incidents as threads, by the built program and a mock of Slack: what goes into the thread, how it ends, what happens
//! when somebody deletes it, and when files may not be uploaded.

use serde_json::{Value, json};

use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack, Request, channel_id};

/// A job that says what is in `words` and exits with what is in `code`.
fn sandbox(slack: &MockSlack, notify: &str) -> Sandbox {
    let config = format!(
        "[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"100/s\"\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n")]);
    sandbox.file("words", "first words\n");
    sandbox.file("code", "1");
    let job = format!(
        "command = 'cat words; exit $(cat code)'\nevery = \"100ms\"\nexit_codes = \"nagios\"\n[notify]\n\
         on = [\"failure\", \"recovery\"]\nstuck_after = 0\n{notify}"
    );
    sandbox.file("jobs.d/disk.toml", &job);
    sandbox
}

/// The requests of a method, as JSON.
fn calls(slack: &MockSlack, method: &str) -> Vec<Value> {
    slack.requests().iter().filter(|request| request.method() == method).map(Request::json).collect()
}

/// The post that holds these words.
fn post(slack: &MockSlack, words: &str) -> Value {
    slack.wait_until(words, || {
        calls(slack, "chat.postMessage")
            .into_iter()
            .find(|post| post["text"].as_str().is_some_and(|text| text.contains(words)))
    })
}

#[test]
fn repeats_worse_and_different_failures_go_into_the_thread_and_the_recovery_is_shown_in_the_channel() {
    let slack = MockSlack::start();
    let sandbox = sandbox(&slack, "repeat = \"1s\"\n");
    let mut going = sandbox.start(&["run"]);
    let first = post(&slack, "warning: ");
    assert!(first.get("thread_ts").is_none(), "{first}");
    let repeat = post(&slack, "same failure");
    let ts = repeat["thread_ts"].as_str().expect("a repeat goes into the thread").to_owned();
    sandbox.file("code", "2");
    assert_eq!(post(&slack, "worse: critical, was warning")["thread_ts"], ts.as_str());
    sandbox.file("words", "other words\n");
    assert_eq!(post(&slack, "failing differently")["thread_ts"], ts.as_str());
    sandbox.file("code", "0");
    let recovery = post(&slack, "is well again after");
    assert_eq!((&recovery["thread_ts"], &recovery["reply_broadcast"]), (&json!(ts), &json!(true)), "{recovery}");
    let edit = slack.wait_until("the end in the first message", || {
        calls(&slack, "chat.update").into_iter().find(|edit| edit.to_string().contains("resolved after"))
    });
    assert_eq!(edit["ts"], ts.as_str());
    let shown = edit.to_string();
    assert!(shown.contains("~*disk* ") && shown.contains("first words"), "the first message keeps its text: {shown}");
    let worse = calls(&slack, "chat.update").into_iter().next().expect("there are two edits");
    assert!(worse["text"].as_str().is_some_and(|text| text.contains("critical")), "{worse}");
    going.signal("TERM");
    going.wait_for("stopped");
}

#[test]
fn a_thread_that_was_deleted_starts_anew() {
    let slack = MockSlack::start();
    let sandbox = sandbox(&slack, "");
    let mut going = sandbox.start(&["run"]);
    post(&slack, "first words");
    // Slack takes an answer to a thread that is gone, as a message of its own: it has no `thread_ts`.
    let alone =
        json!({ "ok": true, "channel": channel_id("ops"), "ts": "1795405999.000009", "message": { "text": "x" } });
    slack.answer(Answer::json(&alone));
    sandbox.file("words", "second words\n");
    let orphan = post(&slack, "second words");
    assert!(orphan["thread_ts"].is_string(), "{orphan}");
    sandbox.file("words", "third kind\n");
    assert_eq!(post(&slack, "third kind")["thread_ts"], "1795405999.000009");
    sandbox.file("code", "0");
    assert_eq!(post(&slack, "is well again after")["thread_ts"], "1795405999.000009");
    let edit = slack.wait_until("the edit", || calls(&slack, "chat.update").into_iter().next());
    assert_eq!(edit["ts"], "1795405999.000009");
    going.signal("TERM");
    going.wait_for("stopped");
}

#[test]
fn a_missing_scope_for_files_is_told_in_the_message_and_the_words_go_out() {
    let slack = MockSlack::start();
    for _ in 0..2 {
        slack.answer(Answer::Usual);
        slack.answer(Answer::json(&json!({ "ok": false, "error": "missing_scope", "needed": "files:write" })));
        slack.answer(Answer::Usual);
    }
    let sandbox = sandbox(&slack, "attach = \"always\"\nthread = false\n");
    let mut going = sandbox.start(&["run"]);
    for (n, words) in ["first words", "second words"].into_iter().enumerate() {
        let ts = post(&slack, words);
        let edit = slack.wait_until("the edit of the message that lacks its file", || {
            calls(&slack, "chat.update").into_iter().nth(n)
        });
        assert!(ts.get("thread_ts").is_none(), "{ts}");
        let text = edit["text"].as_str().expect("a text");
        assert!(text.contains(words) && text.contains("could not be attached"), "{text}");
        assert!(text.contains("missing_scope") && text.contains("files:write"), "{text}");
        sandbox.file("words", if n == 0 { "second words\n" } else { "third kind\n" });
    }
    post(&slack, "third kind");
    slack.wait_until("the third file", || (!calls(&slack, "files.completeUploadExternal").is_empty()).then_some(()));
    going.signal("TERM");
    going.wait_for("stopped");
}
