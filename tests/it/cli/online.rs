//! `slack-alert check --online`: what is asked of Slack, how often, and what is made of the answers.

use std::time::Duration;

use serde_json::Value;

use crate::support::program::{Ran, Sandbox};
use crate::support::slack::{Answer, MockSlack};

const EVERY_SCOPE: &str = "chat:write,chat:write.public,files:write,channels:read,groups:read,users:read";

/// A configuration that posts to `channel`, and a job that posts there too.
fn sandbox(slack: &MockSlack, channel: &str) -> Sandbox {
    let config = format!(
        "[slack]\ntoken_env = \"SLACK_TOKEN\"\nchannel = \"{channel}\"\napi_url = \"{}\"\ntimeout = \"2s\"\n\
         [defaults]\ntimeout = \"1m\"\n",
        slack.url()
    );
    let job = "command = \"df\"\nevery = \"1h\"\n";
    Sandbox::with(&[("slack_alert.toml", &config), ("jobs.d/a.toml", job)]).variable("SLACK_TOKEN", "xoxb-1-a")
}

fn methods(slack: &MockSlack) -> Vec<String> {
    slack.requests().iter().map(|request| request.method().to_owned()).collect()
}

/// Code, line, column and message of each problem.
fn problems(ran: &Ran) -> Vec<(String, u64, u64, String)> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).expect("an object a line");
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| value[key].as_u64().unwrap_or_default();
        (text("code"), number("line"), number("column"), text("message"))
    };
    ran.stdout.lines().map(object).collect()
}

#[test]
fn a_channel_is_found_pages_away_and_nothing_is_posted() {
    let slack = MockSlack::start();
    slack.grant(EVERY_SCOPE);
    let ran = sandbox(&slack, "#ops").run(&["check", "--online"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("the token is that of alertbot in Ops"), "{ran:?}");
    assert!(ran.stderr.contains("1 of 1 channel is known to Slack"), "{ran:?}");
    assert_eq!(methods(&slack), ["auth.test", "conversations.list", "conversations.list"]);
    for request in slack.requests() {
        assert_eq!(request.headers["authorization"], "Bearer xoxb-1-a");
        assert!(!String::from_utf8_lossy(&request.body).contains("xoxb"), "{request:?}");
    }
    // The list is read no further than it needs to be, and not again for what it has shown.
    let ran = sandbox(&slack, "#general").run(&["check", "--online", "--format", "json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert_eq!(methods(&slack)[3..], ["auth.test", "conversations.list"]);
    assert!(ran.stderr.contains("files are not attached in #general, which the bot has not joined"), "{ran:?}");
}

#[test]
fn a_channel_that_is_named_by_its_name_and_by_its_id_is_said_to_be_one() {
    let slack = MockSlack::start();
    slack.grant(EVERY_SCOPE);
    let sandbox = sandbox(&slack, "#ops");
    for (id, is_same) in [("C000000OPS", true), ("C000000DEV", false)] {
        let job = format!("command = \"df\"\nevery = \"1h\"\nnotify.channel = [\"#ops\", \"{id}\"]\n");
        sandbox.file("jobs.d/a.toml", &job);
        let ran = sandbox.run(&["check", "--online"]);
        let words = format!("#ops and {id} are one channel: an alert that goes to both comes once");
        assert_eq!(ran.stderr.contains(&words), is_same, "{ran:?}");
    }
}

#[test]
fn each_way_in_which_a_channel_cannot_be_reached_has_its_words() {
    for (channel, scopes, code, words, help) in [
        ("#opps", EVERY_SCOPE, "unreachable-channel", "Slack knows no `#opps` that the bot may see", "mean `#ops`?"),
        ("#nothing", EVERY_SCOPE, "unreachable-channel", "Slack knows no `#nothing`", "/invite @alertbot"),
        ("#old-ops", EVERY_SCOPE, "unreachable-channel", "the channel `#old-ops` is archived", "unarchive"),
        ("C000000OLD", EVERY_SCOPE, "unreachable-channel", "`C000000OLD` (old-ops) is archived", "unarchive"),
        ("#hidden", EVERY_SCOPE, "unreachable-channel", "Slack knows no `#hidden`", "a private channel is seen only"),
        ("U000GONE00", EVERY_SCOPE, "unreachable-channel", "(gone) is a member who is deactivated", "write the ID"),
        ("U000BOT000", EVERY_SCOPE, "unreachable-channel", "(bot) is a bot", "a person or of a channel"),
        ("U000NOBODY", EVERY_SCOPE, "unreachable-channel", "Slack knows no `U000NOBODY`", "check the member ID"),
        (
            "#dev",
            "chat:write,files:write,channels:read,groups:read",
            "unreachable-channel",
            "the bot is not in `#dev`, and the token lacks the scope `chat:write.public`",
            "invite it: `/invite @alertbot` in the channel; or, for every public channel at once, add `chat:write.public`",
        ),
        (
            "#ops",
            "chat:write,files:write",
            "unchecked-channel",
            "lacks the scope `channels:read`",
            "reinstall it into Ops",
        ),
        (
            "U000ANNA00",
            "chat:write,files:write",
            "unchecked-channel",
            "lacks the scope `users:read`",
            "add `users:read`",
        ),
        (
            "D000000000",
            "chat:write,files:write",
            "unreachable-channel",
            "Slack knows no `D000000000`",
            "check the name or ID",
        ),
        (
            "#secret-ops",
            "chat:write,files:write,channels:read",
            "unchecked-channel",
            "`#secret-ops` is no public channel, and the token may not look at private ones: it lacks `groups:read`",
            "add `groups:read`",
        ),
        // Slack does not say what the token may do: asked for private channels too, and then without.
        ("#secret-ops", "", "unchecked-channel", "`#secret-ops` could not be looked for", "channels:read"),
    ] {
        let slack = MockSlack::start();
        slack.grant(scopes);
        let sandbox = sandbox(&slack, channel);
        let ran = sandbox.run(&["check", "--online", "--format", "json"]);
        let found = problems(&ran);
        let [(said, line, column, message)] = found.as_slice() else { panic!("{channel}: {ran:?}") };
        assert_eq!((said.as_str(), *line, *column), (code, 3, 11), "{channel}: {ran:?}");
        assert!(message.contains(words), "{channel}: {message}");
        assert_eq!(ran.code, i32::from(code == "unreachable-channel"), "{channel}");
        assert!(sandbox.run(&["check", "--online"]).stdout.contains(help), "{channel}: {help}");
    }
}

#[test]
fn what_could_not_be_looked_for_can_be_accepted() {
    let slack = MockSlack::start();
    let sandbox = sandbox(&slack, "#ops");
    assert_eq!(sandbox.run(&["check", "--online", "--deny-warnings"]).code, 1);
    let config = sandbox.read("slack_alert.toml");
    sandbox.file("slack_alert.toml", &format!("{config}[check]\nallow = [\"unchecked-channel\"]\n"));
    assert_eq!(sandbox.run(&["check", "--online", "--deny-warnings"]).code, 0);
    // It is not unused when nobody asked.
    assert_eq!(sandbox.run(&["check", "--deny-warnings"]).code, 0);
}

#[test]
fn slack_is_asked_again_when_it_says() {
    let slack = MockSlack::start();
    slack.grant(EVERY_SCOPE);
    slack.answer(Answer::rate_limited(1));
    slack.answer(Answer::Usual);
    slack.answer(Answer::rate_limited(1));
    let ran = sandbox(&slack, "#general").run(&["check", "--online"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let requests = slack.requests();
    assert_eq!(methods(&slack), ["auth.test", "auth.test", "conversations.list", "conversations.list"]);
    for pair in [[0, 1], [2, 3]] {
        assert!(requests[pair[1]].at.duration_since(requests[pair[0]].at) >= Duration::from_secs(1));
    }
}

#[test]
fn what_takes_too_long_is_told_and_not_waited_for() {
    for (answer, words) in [
        (Answer::rate_limited(3_000), "Slack asks to wait 3000 s"),
        (Answer::status(503, "<html>"), "Slack has trouble of its own (HTTP 503)"),
        (Answer::Hang(Vec::new()), "no answer from 127.0.0.1 within 2s"),
        (Answer::Reset, "127.0.0.1"),
        (Answer::json(&serde_json::json!({ "ok": true })), "Slack did not give a list of channels"),
        (Answer::error("unknown_method"), "unknown_method"),
    ] {
        let slack = MockSlack::start();
        slack.grant(EVERY_SCOPE);
        slack.answer(Answer::Usual);
        slack.always(answer);
        let sandbox = sandbox(&slack, "#general");
        sandbox.file("jobs.d/b.toml", "command = \"id\"\nevery = \"1h\"\nnotify.channel = \"#dev\"\n");
        let ran = sandbox.run(&["check", "--online", "--format", "json"]);
        let found = problems(&ran);
        assert_eq!(found.len(), 2, "{ran:?}");
        for (code, _, _, message) in found {
            assert!(code == "unchecked-channel" && message.contains(words), "{words}: {message}");
        }
        assert!(slack.requests().len() <= 4, "{words}: {:?}", methods(&slack));
    }
}

#[test]
fn a_list_that_never_ends_is_not_read_for_ever() {
    let slack = MockSlack::start();
    slack.grant(EVERY_SCOPE);
    slack.answer(Answer::Usual);
    slack.always(Answer::json(&serde_json::json!({
        "ok": true, "channels": [], "response_metadata": { "next_cursor": "again" },
    })));
    let ran = sandbox(&slack, "#general").run(&["check", "--online", "--format", "json"]);
    assert!(problems(&ran)[0].3.contains("write the channel's ID"), "{ran:?}");
    assert_eq!(slack.requests().len(), 101);
}

#[test]
fn a_channel_of_many_jobs_is_asked_about_once_and_every_place_is_shown_or_counted() {
    let slack = MockSlack::start();
    slack.grant(EVERY_SCOPE);
    let sandbox = sandbox(&slack, "#ops");
    let job = "command = \"df\"\nevery = \"1h\"\nallow = [\"same-command\"]\nnotify.channel = \"#opps\"\n";
    for index in 1..=6 {
        sandbox.file(&format!("jobs.d/{index}.toml"), job);
    }
    let ran = sandbox.run(&["check", "--online"]);
    assert_eq!(ran.stdout.matches("error[unreachable-channel]").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("jobs.d/1.toml:4:18") && ran.stdout.contains("and in 2 more places"), "{}", ran.stdout);
    // Live channels to the end, and then those that are archived.
    assert_eq!(methods(&slack).len(), 1 + 2 + 3);

    let ran = sandbox.run(&["check", "--online", "jobs.d/1.toml", "jobs.d/2.toml"]);
    assert_eq!(methods(&slack).len(), 2 * (1 + 2 + 3), "one question for both files");
    assert_eq!(ran.stdout.matches("error[unreachable-channel]").count(), 2, "{}", ran.stdout);
}
