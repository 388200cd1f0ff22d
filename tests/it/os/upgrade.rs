//! The built program takes over what version 0.1 left behind: nothing is lost, and nothing is said twice.

use serde_json::Value;
use slack_alert::exec::Reason;
use slack_alert::id::JobName;
use slack_alert::store::{HistoryFilter, MessageState, OutboxFilter, Reader, Store};

use crate::support::program::{Going, PATIENCE, Sandbox};
use crate::support::slack::MockSlack;

/// Jobs as they were when the databases were made; what is due in ten years is not run here.
const JOBS: [(&str, &str, &str); 7] = [
    (
        "incident",
        "test -e fixed && echo well || { echo the database is down; exit 2; }",
        "every = '1s'\n[notify]\non = ['failure', 'recovery']\nrepeat = '3650d'",
    ),
    ("waiting", "seq 1 200; exit 1", "every = '3650d'\n[notify]\nchannel = '#wait'\nattach = 'always'"),
    ("waiting-too", "echo disk is almost full; exit 1", "every = '3650d'\n[notify]\nchannel = '#wait'"),
    ("dead", "echo nobody hears this; exit 1", "every = '3650d'\n[notify]\nchannel = '#gone'"),
    (
        "burst",
        "echo alarm; exit 1",
        "burst = { every = '200ms', alerts = 3, pause = '3650d' }\n[notify]\nrepeat = 'always'\nrate_limit = '1000/h'",
    ),
    ("going", "sleep 600", "every = '3650d'\ntimeout = '1h'\n[notify]\non = ['failure', 'recovery']"),
    ("quiet", "echo report", "every = '3650d'\n[notify]\non = ['output']\nquiet_hours = '@'"),
];

/// A folder with the state of a fixture, and the jobs that it knows.
fn restored(fixture: &str, slack: &MockSlack) -> Sandbox {
    let config = format!(
        "host = 'h'\ntime_zone = 'UTC'\n[slack]\ntoken = 'xoxb-0'\napi_url = '{}'\nchannel = '#ops'\nrate = '100/s'\n\
         [limits]\nhistory = '3650d'\noutbox_max_age = '3650d'\n",
        slack.url()
    );
    let sandbox = Sandbox::with(&[("slack_alert.toml", &config)]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state-0.1");
    let sql = std::fs::read_to_string(folder.join(fixture)).expect("the fixture is there");
    std::fs::create_dir(sandbox.path().join("state")).expect("a folder can be made");
    let db = rusqlite::Connection::open(sandbox.path().join("state/state.db")).expect("a database can be made");
    db.execute_batch(&sql).expect("the fixture is SQL");
    // Quiet hours that are hours away.
    let hour = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).hour();
    let quiet = format!("{:02}:00-{:02}:30", (hour + 11) % 24, (hour + 11) % 24);
    for (name, command, rest) in JOBS {
        let known: bool = db
            .query_row("SELECT EXISTS (SELECT 1 FROM job WHERE name = ?1)", [name], |row| row.get(0))
            .expect("it can be read");
        if known {
            let rest = rest.replace('@', &quiet);
            sandbox.file(&format!("jobs.d/{name}.toml"), &format!("command = '''{command}'''\n{rest}\n"));
        }
    }
    sandbox
}

fn reader(sandbox: &Sandbox) -> Reader {
    Store::open_reader(&sandbox.path().join("state")).expect("it can be read")
}

fn waiting(sandbox: &Sandbox) -> Vec<MessageState> {
    let list = reader(sandbox).outbox_list(&OutboxFilter::default()).expect("it can be read");
    list.into_iter().map(|stored| stored.state).collect()
}

fn last_run(sandbox: &Sandbox, job: &str) -> u64 {
    let filter = HistoryFilter { job: Some(JobName::new(job)), limit: 1, ..HistoryFilter::default() };
    reader(sandbox).history(&filter).expect("it can be read")[0].id.0
}

/// The texts that Slack took, each as often as it took them.
fn texts(slack: &MockSlack) -> Vec<String> {
    slack.posted().iter().map(|post| post["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Waits until every message that is not dead has gone out.
fn until_sent(sandbox: &Sandbox) {
    sandbox.wait_for("an outbox without waiting messages", || {
        waiting(sandbox).iter().all(|state| *state == MessageState::Dead).then_some(())
    });
}

fn stop(going: Going) -> String {
    going.signal("TERM");
    let (status, said) = going.end();
    assert!(status.success(), "{said}");
    said
}

fn count(texts: &[String], words: &str) -> usize {
    texts.iter().filter(|text| text.contains(words)).count()
}

#[test]
fn an_open_incident_a_pause_a_digest_and_what_waits_go_on_where_version_0_1_stopped() {
    let slack = MockSlack::start();
    let sandbox = restored("stopped.sql", &slack);
    let mut going = sandbox.start(&["run", "--log-format", "text"]);
    going.wait_for("job=incident run=20 ");
    slack.wait_until("the digest of quiet hours", || (count(&texts(&slack), "report 5") > 0).then_some(()));
    sandbox.file("fixed", "");
    let recovery =
        slack.wait_until("the recovery", || slack.posted().into_iter().find(|post| post.get("thread_ts").is_some()));
    assert_eq!(recovery["thread_ts"], "1700000000.000015", "it goes into the thread of version 0.1: {recovery}");
    slack.wait_until("the edit", || {
        slack.requests().iter().find(|request| request.method() == "chat.update").map(|_| ())
    });
    until_sent(&sandbox);
    stop(going);
    let texts = texts(&slack);
    for words in ["disk is almost full", "waiting exited with 1", "report 5"] {
        assert_eq!(count(&texts, words), 1, "{words}: {texts:#?}");
    }
    assert_eq!(texts.len(), 4, "nothing else: {texts:#?}");
    assert_eq!(waiting(&sandbox), [MessageState::Dead], "a dead letter stays one");
    assert_eq!(last_run(&sandbox, "burst"), 9, "a burst in its pause pauses on");
    let old = reader(&sandbox).run(slack_alert::id::RunId(9)).expect("it can be read").expect("it is kept");
    assert_eq!(old.decision.to_string(), "notified: repeat");
}

#[test]
fn a_run_that_version_0_1_died_with_is_told_as_interrupted() {
    let slack = MockSlack::start();
    let sandbox = restored("killed.sql", &slack);
    let going = sandbox.start(&["run"]);
    slack.wait_until("the interrupted run", || (count(&texts(&slack), "going") > 0).then_some(()));
    until_sent(&sandbox);
    stop(going);
    let texts = texts(&slack);
    assert_eq!((count(&texts, "waiting exited with 1"), count(&texts, "going"), texts.len()), (1, 1, 2), "{texts:#?}");
    let run = reader(&sandbox).run(slack_alert::id::RunId(1)).expect("it can be read").expect("it is kept");
    assert_eq!(run.reason, Reason::Interrupted);
}

#[test]
fn messages_that_were_too_late_are_told_in_one_digest_and_stay_dead_letters() {
    let slack = MockSlack::start();
    let sandbox = restored("late.sql", &slack);
    let going = sandbox.start(&["run"]);
    let requests = slack.wait_for_blocking(1, PATIENCE);
    let digest: Value = requests[0].json();
    let text = digest.to_string();
    assert!(
        text.contains("2 alerts that could not be delivered in time") && text.contains("waiting-too exited with 1"),
        "{digest}"
    );
    sandbox.wait_for("dead letters", || (waiting(&sandbox) == [MessageState::Dead, MessageState::Dead]).then_some(()));
    stop(going);
    assert_eq!(texts(&slack).len(), 1, "{:#?}", texts(&slack));
}
