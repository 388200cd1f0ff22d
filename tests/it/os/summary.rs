//! The report on schedule, by the built program: counted from the history, sent once, not again after a restart.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use slack_alert::id::JobName;
use slack_alert::store::{HistoryFilter, Store};

use super::end_to_end::sandbox;
use super::slack_emulator::Emulator;
use crate::support::program::Sandbox;
use crate::support::slack::MockSlack;

const JOBS: [(&str, &str); 2] = [
    ("jobs.d/good.toml", "command = \"true\"\nevery = \"100ms\"\n"),
    ("jobs.d/bad.toml", "command = \"exit 2\"\nevery = \"100ms\"\n"),
];

/// Makes the program believe that its last report was two days ago.
fn as_if_two_days_ago(sandbox: &Sandbox) {
    let now = Timestamp::now();
    let (store, _) = Store::open_inline(&sandbox.path().join("state"), now).expect("the state can be opened");
    let before = now.saturating_sub(SignedDuration::from_hours(48)).expect("in range");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(store.remember("summary", Some(before.to_string()))).expect("it can be noted");
}

/// Runs the program until `seen`, and stops it.
fn run_until(sandbox: &Sandbox, what: &str, seen: impl FnMut() -> Option<Value>) -> Value {
    let mut going = sandbox.start(&["run"]);
    going.wait_for("started");
    let found = sandbox.wait_for(what, seen);
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
    found
}

/// Whether the failing job has run some times more than the once that was told: the report has something to say of both.
fn has_repeats(sandbox: &Sandbox) -> bool {
    let filter = HistoryFilter { job: Some(JobName::new("bad")), ..HistoryFilter::default() };
    let runs = Store::open_reader(&sandbox.path().join("state")).ok().and_then(|reader| reader.history(&filter).ok());
    runs.is_some_and(|runs| runs.len() > 3)
}

fn is_summary(message: &Value) -> bool {
    message["text"].as_str().is_some_and(|text| text.contains("*Summary of web-1*"))
}

#[test]
fn a_summary_comes_once_and_not_again_after_a_restart() {
    let slack = MockSlack::start();
    let config = format!(
        "host = \"web-1\"\n[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"50/s\"\n\
         [summary]\nat = \"00:00\"\nchannel = \"#reports\"\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n"), JOBS[0], JOBS[1]]);
    let failure = || slack.posted().into_iter().find(|message| message.to_string().contains("*bad* critical"));
    run_until(&sandbox, "the failure and its repeats", || failure().filter(|_| has_repeats(&sandbox)));
    assert!(!slack.posted().iter().any(is_summary), "a first start reports nothing");
    as_if_two_days_ago(&sandbox);
    let report = run_until(&sandbox, "the summary", || slack.posted().into_iter().find(is_summary));
    assert_eq!(report["channel"], "reports", "{report}");
    let text = report["text"].as_str().expect("a text");
    for part in [
        " of 2 jobs, ",
        "*Longest open incidents*\n• *bad* for ",
        "*Most failures*\n• *bad*: ",
        "*Most silent*\n• *bad*: ",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let other = sandbox.file("jobs.d/later.toml", "command = \"echo later\"\nevery = \"1h\"\n");
    assert!(other.exists());
    run_until(&sandbox, "a word of a new job", || {
        slack.posted().into_iter().find(|message| message.to_string().contains("later"))
    });
    assert_eq!(slack.posted().iter().filter(|message| is_summary(message)).count(), 1);
}

#[test]
fn the_emulator_has_the_summary() {
    let Some(emulator) = Emulator::start() else { return };
    let sandbox = sandbox(&emulator, "xoxb-local-full", "channel = \"#ops-alerts\"\n[summary]\nat = \"00:00\"\n");
    for (path, text) in JOBS {
        sandbox.file(path, text);
    }
    let channel = emulator.channel_id("ops-alerts");
    run_until(&sandbox, "the failure", || {
        emulator.history(&channel).into_iter().next().filter(|_| has_repeats(&sandbox))
    });
    as_if_two_days_ago(&sandbox);
    let report = run_until(&sandbox, "the summary", || emulator.history(&channel).into_iter().find(is_summary));
    assert!(report["blocks"].as_array().is_some_and(|blocks| blocks.len() >= 4), "{report}");
}
