//! An alert that a person drops before anybody got it does not count as told.

use serde_json::Value;

use crate::support::program::{Going, Sandbox};

/// A job that fails when it is asked to, and a Slack that nobody reaches.
const CONF: &str =
    "host = 'h'\ntime_zone = 'UTC'\n[slack]\ntoken = 'xoxb-0'\napi_url = 'http://127.0.0.1:9'\nchannel = '#ops'\n";
const JOB: &str = "command = 'echo disk is full; exit 2'\nevery = '3650d'\n";

fn json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let ran = sandbox.run(arguments);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {ran:?}"))
}

/// The events of what waits.
fn waiting(sandbox: &Sandbox) -> Vec<String> {
    let all = json(sandbox, &["outbox", "--json"]);
    let events = all.as_array().expect("a list").iter().map(|message| message["event"].as_str().unwrap_or_default());
    events.map(str::to_owned).collect()
}

fn daemon(sandbox: &Sandbox) -> Going {
    let mut daemon = sandbox.start(&["run", "-v"]);
    daemon.wait_for("started");
    daemon
}

/// What is said of the alert that was dropped.
fn is_said(sandbox: &Sandbox) {
    let why = sandbox.run(&["why", "a"]).stdout;
    assert!(why.contains("not delivered: failure; dropped by ") && why.contains(" before #ops took it"), "{why}");
    assert!(why.contains("; it was dropped by "), "{why}");
    assert!(!why.contains("next message"), "the next failure is told: {why}");
    assert_eq!(json(sandbox, &["why", "a", "--json"])[0]["sent"], false);
    let history = sandbox.run(&["history", "a"]).stdout;
    assert!(history.contains("not delivered: failure; dropped by "), "{history}");
    let run = json(sandbox, &["why", "a", "--json"])[0]["run"].to_string();
    let one = sandbox.run(&["history", "--run", &run]).stdout;
    assert!(one.contains("it was dropped by "), "{one}");
    let status = sandbox.run(&["status"]).stdout;
    assert!(status.contains("not told: ") && status.contains(" dropped its message at "), "{status}");
    assert!(waiting(sandbox).is_empty());
}

#[test]
fn an_alert_that_was_dropped_before_anybody_got_it_is_said_to_be_and_the_next_failure_is_told() {
    let sandbox = Sandbox::with(&[("slack_alert.toml", CONF), ("jobs.d/a.toml", JOB)]);
    let mut daemon = daemon(&sandbox);
    sandbox.wait_for("the alert", || (waiting(&sandbox) == ["failure"]).then_some(()));
    let dropped = sandbox.run(&["outbox", "drop", "--all"]);
    assert_eq!((dropped.code, dropped.stdout.as_str()), (0, "dropped 1 message\n"), "{dropped:?}");
    daemon.wait_for("a message was dropped");
    sandbox.wait_for("it is known", || sandbox.run(&["status"]).stdout.contains("dropped its message").then_some(()));
    is_said(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "a", "--wait"]).code, 2);
    sandbox.wait_for("it is told anew", || (waiting(&sandbox) == ["failure"]).then_some(()));
    // The same while no daemon runs.
    daemon.signal("INT");
    daemon.signal("INT");
    daemon.end();
    sandbox.run(&["outbox", "drop", "--all"]);
    is_said(&sandbox);
    let _daemon = self::daemon(&sandbox);
    is_said(&sandbox);
    assert_eq!(sandbox.run(&["trigger", "a", "--wait"]).code, 2);
    sandbox.wait_for("it is told anew", || (waiting(&sandbox) == ["failure"]).then_some(()));
}
