//! Five hundred jobs fail within a moment, in the built program: the channel gets one message with one ping that names
//! every job, and each job's own message follows in its thread, at the rate. And whatever the jobs print, Slack can take
//! the message of all, its edits and its end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use slack_alert::store::{HistoryFilter, Store};

use super::payload_sdk::Judge;
use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack, Request};

const JOBS: usize = 500;

#[test]
fn five_hundred_failures_are_one_message_that_names_each() {
    let slack = MockSlack::start();
    let config = format!(
        "[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"1/s\"\n\
         [limits]\nstart_rate = \"5000/s\"\nmax_running = 100\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n")]);
    for n in 0..JOBS {
        sandbox.file(
            &format!("jobs.d/job-{n:03}.toml"),
            "command = [\"false\"]\nevery = \"1h\"\n[notify]\nmention = \"@here\"\n",
        );
    }
    // However slow this machine: all of them have failed before Slack takes the first word.
    slack.always(Answer::rate_limited(1));
    let mut going = sandbox.start(&["run"]);
    sandbox.wait_for("every failure", || {
        let reader = Store::open_reader(&sandbox.path().join("state")).ok()?;
        let filter = HistoryFilter { limit: 1_000, ..HistoryFilter::default() };
        (reader.history(&filter).ok()?.len() == JOBS).then_some(())
    });
    // A request that is under way may have been made before the last failure.
    slack.wait_until("a message of all", || {
        let last = slack.requests().into_iter().rfind(|request| request.method() == "chat.postMessage")?;
        (jobs(&shown(&last.json())).len() == JOBS).then_some(())
    });
    let released = Instant::now();
    slack.always(Answer::Usual);
    // The message of all, and some of the jobs' own.
    slack.wait_until("the first replies", || (slack.posted().len() >= 4).then_some(()));
    going.signal("TERM");
    going.wait_for("stopped");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");

    let is_chat = |request: &Request| request.at > released && request.method().starts_with("chat.");
    let requests: Vec<_> = slack.requests().into_iter().filter(is_chat).collect();
    let edits: Vec<_> =
        requests.iter().filter(|request| request.method() == "chat.update").map(Request::json).collect();
    assert_eq!(edits, [] as [Value; 0], "all are in the first message");
    // The rate is kept where messages leave; on a busy machine one may arrive late.
    let span = requests[requests.len() - 1].at.duration_since(requests[0].at);
    let least = Duration::from_secs(requests.len() as u64 - 2);
    assert!(span > least, "{} messages within {span:?}", requests.len());

    let posts: Vec<Value> = requests.iter().map(Request::json).collect();
    let (storm, replies) = posts.split_first().expect("at least four");
    assert_eq!(storm["thread_ts"], Value::Null);
    let shown = shown(storm);
    let head = shown.lines().next().expect("a first line");
    let (begin, end) = (":red_circle: *500 jobs fail since <!date^", ">: critical: exit code 1, no output* <!here>");
    assert!(head.starts_with(begin) && head.ends_with(end), "{head}");
    assert_eq!(jobs(&shown), (0..JOBS).collect::<Vec<_>>(), "each once");
    // Each job's own message, in the thread, without another ping.
    let mut own: BTreeSet<usize> = BTreeSet::new();
    for reply in replies {
        assert!(reply["thread_ts"].is_string() && reply["reply_broadcast"] != true, "{reply}");
        assert!(!reply.to_string().contains("<!here>"), "{reply}");
        own.extend(jobs(reply["text"].as_str().unwrap_or_default()).first().copied());
    }
    assert_eq!(own.len(), replies.len(), "each another job's");
}

#[test]
fn slacks_own_models_accept_a_storm_of_hostile_output_its_edits_and_its_end() {
    const FEW: usize = 40;
    let Some(judge) = Judge::installed() else { return };
    let slack = MockSlack::start();
    let config = format!(
        "[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"20/s\"\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n"), ("code", "2")]);
    let hostile = [
        "<!channel> <@U024BE7LH> <https://evil.example|bank> & ".repeat(80),
        "`".repeat(900),
        "&<>\"\\*_~:fire:".repeat(300),
        "\u{1f525}\u{202e}\u{2066}e\u{301}\u{0}\u{7}".repeat(400),
        "x".repeat(9_000),
        "*bold _both ~all* of_ it~ ".repeat(40),
        "\u{1b}[31mred\u{1b}[0m\rover\n".repeat(300),
        "a line\n".repeat(3_000),
    ];
    for n in 0..FEW {
        // Most have a cause of their own: a line each.
        let words = format!("{n} {}", hostile[n % hostile.len()]);
        sandbox.file(&format!("words-{n}"), &words);
        let job = format!(
            "command = \"cat words-{n} >&2; exit $(cat code)\"\nevery = \"3s\"\n\
             [notify]\nmention = [\"@here\", \"U024BE7LH\"]\non = [\"failure\", \"recovery\"]\nrepeat = \"never\"\n"
        );
        sandbox.file(&format!("jobs.d/{}-{n}.toml", "j".repeat(1 + 3 * n)), &job);
    }
    slack.always(Answer::rate_limited(1));
    let mut going = sandbox.start(&["run"]);
    sandbox.wait_for("every failure", || {
        let reader = Store::open_reader(&sandbox.path().join("state")).ok()?;
        let filter = HistoryFilter { limit: 1_000, ..HistoryFilter::default() };
        let failed = reader.history(&filter).ok()?.into_iter().map(|run| run.job).collect::<BTreeSet<_>>();
        (failed.len() == FEW).then_some(())
    });
    slack.always(Answer::Usual);
    let said = |method: &str, words: &str| {
        let of = |request: &Request| request.method() == method && request.json().to_string().contains(words);
        slack.requests().iter().any(of)
    };
    slack.wait_until("the storm", || said("chat.postMessage", " jobs fail since ").then_some(()));
    sandbox.file("code", "0");
    slack.wait_until("the end of the storm", || said("chat.update", " jobs are well again* after").then_some(()));
    going.signal("TERM");
    going.wait_for("stopped");
    assert!(going.end().0.success());
    let sent = slack.requests().into_iter().filter(|request| request.method().starts_with("chat."));
    // An edit's text has 4,000 characters at most; a post's may have 40,000, and is all that stays when blocks are refused.
    let most = |request: &Request| if request.method() == "chat.update" { 4_000 } else { 40_000 };
    let case =
        |request: &Request| json!({ "name": request.method(), "payload": request.json(), "most": most(request) });
    let cases: Vec<String> = sent.map(|request| case(&request).to_string()).collect();
    judge.accepts(&cases);
}

/// The text of all blocks of a message.
fn shown(message: &Value) -> String {
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    blocks.iter().map(|block| block["text"]["text"].as_str().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The numbers of the jobs that a text names, in order.
fn jobs(text: &str) -> Vec<usize> {
    let mut jobs: Vec<_> = text.split("job-").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect();
    jobs.sort_unstable();
    jobs
}
