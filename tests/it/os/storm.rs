//! Five hundred jobs fail within a moment, in the built program: Slack gets no more than the rate, the reader understands
//! the first message, and every job is named.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use slack_alert::store::{HistoryFilter, Store};

use super::end_to_end::until;
use crate::support::program::Sandbox;
use crate::support::slack::{Answer, MockSlack};

const JOBS: usize = 500;

#[test]
fn five_hundred_failures_are_a_few_messages_that_name_each() {
    let slack = MockSlack::start();
    let config = format!(
        "[slack]\ntoken_file = \"token\"\napi_url = \"{}\"\nchannel = \"#ops\"\nrate = \"1/s\"\n\
         [limits]\nstart_rate = \"5000/s\"\nmax_running = 100\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config), ("token", "xoxb-hidden-token\n")]);
    for n in 0..JOBS {
        sandbox.file(&format!("jobs.d/job-{n:03}.toml"), "command = [\"false\"]\nevery = \"1h\"\n");
    }
    // However slow this machine: all of them have failed before Slack takes the first word.
    slack.always(Answer::rate_limited(1));
    let mut going = sandbox.start(&["run"]);
    until("every failure", || {
        let reader = Store::open_reader(&sandbox.path().join("state")).ok()?;
        let filter = HistoryFilter { limit: 1_000, ..HistoryFilter::default() };
        (reader.history(&filter).ok()?.len() == JOBS).then_some(())
    });
    let released = Instant::now();
    slack.always(Answer::Usual);
    let named = || -> BTreeSet<usize> {
        let posted = slack.posted();
        let texts = posted.iter().map(|message| message["text"].as_str().unwrap_or_default());
        texts.flat_map(|text| text.split("job-").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok())).collect()
    };
    until("every name", || (named().len() == JOBS).then_some(()));
    going.signal("TERM");
    going.wait_for("stopped");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");

    let posts: Vec<_> = slack.requests().into_iter().filter(|request| request.at > released).collect();
    assert!(posts.len() < 12, "{} messages", posts.len());
    // The rate is kept where messages leave; on a busy machine one may arrive late.
    let span = posts[posts.len() - 1].at.duration_since(posts[0].at);
    let least = Duration::from_secs(posts.len() as u64 - 2);
    assert!(span > least, "{} messages within {span:?}", posts.len());
    let texts: Vec<String> =
        posts.iter().map(|post| post.json()["text"].as_str().unwrap_or_default().to_owned()).collect();
    let first = &texts[0];
    let line = first.lines().next().expect("a first line");
    assert_eq!(line, "*500 alerts*: 500 critical (the first 100 here, 400 follow)");
    assert!(first.lines().skip(1).all(|line| line.contains("job-") && line.contains("exited with 1")), "{first}");
    assert!(texts.iter().any(|text| text.contains(" more alerts*: ")), "{texts:?}");
    let shown = texts.iter().map(|text| text.matches("job-").count()).sum::<usize>();
    assert_eq!(shown, JOBS, "each once");
}
