//! Pings of jobs that something else runs, to a real daemon: healthchecks' requests and their answers, what comes of them, and
//! what a restart leaves of a run that has begun.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::support::program::{Going, PATIENCE, Sandbox};

const RID: &str = "123e4567-e89b-12d3-a456-426614174000";

fn sandbox() -> Sandbox {
    let expect = "expect = { every = \"1d\", grace = \"1h\" }\n";
    Sandbox::with(&[
        ("slack_alert.toml", "host = \"web-1\"\nreload = \"signal\"\n"),
        ("jobs.d/db/backup.toml", &format!("{expect}redact = [\"password=\\\\S+\"]\nexit_codes = {{ skip = [75] }}\n")),
        ("jobs.d/db/start.toml", expect),
        ("jobs.d/reports/365.toml", expect),
        ("jobs.d/own.toml", "command = \"true\"\ncron = \"0 0 1 1 *\"\n"),
    ])
}

fn daemon(sandbox: &Sandbox) -> Going {
    let mut going = sandbox.start(&["run"]);
    going.wait_for("listening for commands");
    going
}

/// Sends a request as it stands; the answer is its status and its body.
fn ask(sandbox: &Sandbox, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(sandbox.path().join("run/control.sock")).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it has a time limit");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("it takes a request");
    stream.write_all(body).expect("it takes a body");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// The newest run in the history.
fn last_run(sandbox: &Sandbox, job: &str) -> Value {
    let (status, body) = ask(sandbox, "GET", &format!("/api/v1/runs?job={job}&limit=1"), b"");
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("an object");
    answer["runs"][0].clone()
}

#[test]
fn healthchecks_requests_and_their_answers() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    for (method, path, body, status, answer) in [
        ("GET", "/ping/db/backup", "", 200, "OK"),
        ("HEAD", "/ping/db/backup", "", 200, ""),
        ("POST", "/ping/db/backup", "43 tables", 200, "OK"),
        // What `/ping/db/backup/$RC` is without RC. healthchecks takes it, as a good run.
        ("GET", "/ping/db/backup/", "", 400, "has an empty part"),
        ("GET", "/ping/db/backup%2F", "", 400, "a variable may be unset"),
        ("GET", "/ping/db//backup", "", 400, "has an empty part"),
        ("GET", "/ping//db/backup", "", 400, "has an empty part"),
        ("GET", "/ping/db/backup//", "", 400, "has an empty part"),
        ("GET", "/ping/db/backup/fail/", "", 400, "has an empty part"),
        ("GET", "/ping/", "", 404, "there is no `/ping/` here"),
        ("GET", "/ping/db/backup/-1", "", 404, "there is no job"),
        ("GET", "/ping/db/backup/0x1", "", 404, "there is no job"),
        ("GET", "/ping/db/backup/%20", "", 404, "there is no job"),
        ("GET", "/ping/db/backup/start", "", 200, "OK"),
        ("POST", "/ping/db/backup/log", "half of it", 200, "OK"),
        ("GET", "/ping/db/backup/fail", "", 200, "OK"),
        ("GET", "/ping/db/backup/0", "", 200, "OK"),
        ("GET", "/ping/db/backup/255", "", 200, "OK"),
        ("GET", "/ping/db/backup/256", "", 400, "`256` is no exit code"),
        ("GET", &format!("/ping/db/backup?rid={RID}"), "", 200, "OK"),
        ("GET", &format!("/ping/db/backup/start?rid={RID}&create=1"), "", 200, "OK"),
        ("GET", "/ping/db/backup?rid=7", "", 400, "the run ID `7` is no UUID"),
        ("GET", "/ping/db/bakup", "", 404, "did you mean `db/backup`?"),
        ("GET", "/ping/db/bakup/fail", "", 404, "did you mean `db/backup`?"),
        // A job whose name ends as a ping may.
        ("GET", "/ping/db/start", "", 200, "OK"),
        ("GET", "/ping/reports/365", "", 200, "OK"),
        ("GET", "/ping/reports/365/3", "", 200, "OK"),
        ("GET", "/ping/reports/366", "", 400, "`366` is no exit code"),
        ("GET", "/ping/own", "", 409, "the daemon runs `own` itself"),
        ("DELETE", "/ping/db/backup", "", 405, "does not take DELETE"),
    ] {
        let (came, text) = ask(&sandbox, method, path, body.as_bytes());
        assert_eq!(came, status, "{method} {path}: {text}");
        match status {
            200 => assert_eq!(text, answer, "{method} {path}"),
            _ => {
                let error: Value = serde_json::from_str(&text).expect("errors have one shape");
                assert!(error["error"]["code"].is_string() && text.contains(answer), "{method} {path}: {text}");
            }
        }
    }
}

#[test]
fn a_ping_for_a_job_whose_file_has_errors_is_told_which() {
    let sandbox = sandbox();
    sandbox.file("jobs.d/db/exq.toml", "expect = { every = \"1d\", grace = \"2hx\" }\n");
    let _daemon = daemon(&sandbox);
    for path in ["/ping/db/exq", "/ping/db/exq/fail", "/ping/db/exq/start", "/ping/db/exq/3", "/ping/db/exq/log"] {
        let (status, text) = ask(&sandbox, "GET", path, b"");
        let error: Value = serde_json::from_str(&text).expect("errors have one shape");
        let (code, message) = (&error["error"]["code"], error["error"]["message"].as_str().expect("a text"));
        assert_eq!((status, code.as_str()), (409, Some("not-loaded")), "{path}: {text}");
        assert!(message.starts_with("`db/exq` is not loaded: jobs.d/db/exq.toml:1:"), "{path}: {text}");
    }
    let (_, text) = ask(&sandbox, "GET", "/ping/db/exp/fail", b"");
    assert!(text.contains("there is no job") && text.contains("did you mean `db/exq`?"), "{text}");
}

#[test]
fn of_a_run_whose_beginning_was_not_reported_nobody_says_how_long_it_took() {
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    assert_eq!(ask(&sandbox, "GET", "/ping/db/backup/fail", b"").0, 200);
    let run = last_run(&sandbox, "db/backup");
    assert!(run["started"].is_null() && run["took"].is_null() && run["finished"].is_string(), "{run}");
    let job: Value = serde_json::from_str(&ask(&sandbox, "GET", "/api/v1/jobs/db/backup", b"").1).expect("a job");
    assert!(job["last"]["started"].is_null() && job["last"]["took"].is_null() && job["usual_took"].is_null(), "{job}");
    assert_eq!(job["strip"], serde_json::json!([["critical", null]]));
    let metrics = ask(&sandbox, "GET", "/metrics", b"").1;
    for line in [
        "slack_alert_job_runs_total{job_name=\"db/backup\",status=\"critical\"} 1",
        "slack_alert_job_run_duration_seconds_count{job_name=\"db/backup\"} 0",
        "slack_alert_run_duration_seconds_count 0",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let row = &serde_json::from_str::<Value>(&sandbox.run(&["history", "--json"]).stdout).expect("a list")[0];
    assert!(row["started"].is_null() && row["took"].is_null() && row["local"].is_null(), "{row}");
    let shown = sandbox.run(&["history"]).stdout;
    assert!(shown.contains("by ") && !shown.contains("0ms"), "{shown}");
    // With a beginning it is known.
    for path in ["/ping/db/backup/start", "/ping/db/backup"] {
        assert_eq!(ask(&sandbox, "GET", path, b"").0, 200);
    }
    let run = last_run(&sandbox, "db/backup");
    assert!(run["started"].is_string() && run["took"].is_number(), "{run}");
}

/// The lines of the manual's crontab that report with curl, each as cron gives it to the shell.
fn recipes() -> Vec<String> {
    let manual = include_str!("../../../man/slack-alert.1").replace(" \\e\n", " ");
    let lines = manual.lines().filter(|line| line.starts_with("0 3 * * * ") && line.contains("curl"));
    lines.map(|line| line["0 3 * * * ".len()..].replace("\\e%", "%")).collect()
}

#[test]
fn the_manuals_lines_of_a_crontab_report_how_it_ended_however_much_it_wrote() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        crate::support::skip::skip("there is no curl(1) here");
        return;
    }
    let sandbox = sandbox();
    let _daemon = daemon(&sandbox);
    let command = sandbox.script("backup", "#!/bin/sh\nyes some of it | head -c 200000; echo; echo the end; exit 3\n");
    let recipes = recipes();
    assert_eq!(recipes.len(), 2, "{recipes:?}");
    for recipe in recipes {
        let socket = sandbox.path().join("run/control.sock");
        let line = recipe.replace("/run/slack-alert/control.sock", &socket.to_string_lossy());
        let line = line.replace("/usr/local/bin/backup", &command.to_string_lossy());
        let ran = std::process::Command::new("/bin/sh").args(["-c", &line]).output().expect("sh(1) exists");
        assert!(ran.status.success() && ran.stderr.is_empty(), "{line}: {ran:?}");
        let run = last_run(&sandbox, "db/backup");
        assert_eq!((&run["exit_code"], &run["status"]), (&3.into(), &"critical".into()), "{line}: {run}");
        assert!(!line.contains("printf") || run["line"] == "the end", "{line}: {run}");
    }
}

#[test]
fn a_ping_is_judged_as_a_run_and_its_body_is_the_output() {
    let sandbox = sandbox();
    let mut daemon = daemon(&sandbox);
    let row = |path: &str, body: &[u8]| {
        assert_eq!(ask(&sandbox, "POST", path, body).0, 200, "{path}");
        last_run(&sandbox, "db/backup")
    };
    let run = row("/ping/db/backup", b"43 tables\n");
    assert_eq!(
        (&run["status"], &run["trigger"], &run["reason"]),
        (&"ok".into(), &"reported".into(), &"exit".into()),
        "{run}"
    );
    let run = row("/ping/db/backup/2", b"disk full, password=hunter2\n");
    assert_eq!((&run["status"], &run["reason"]), (&"critical".into(), &"exit".into()), "{run}");
    daemon.wait_for("disk full, [redacted]");
    let run = row("/ping/db/backup/fail", b"");
    assert_eq!((&run["status"], run["exit_code"].is_null()), (&"critical".into(), true), "{run}");
    // A precondition was not met: it came, and counts as not run.
    let run = row("/ping/db/backup/75", b"");
    assert_eq!(run["verdict"], "not-run", "{run}");
    // More than is kept: the beginning and the end are.
    let long: Vec<u8> = (0..100_000).flat_map(|number: u32| format!("{number:05}\n").into_bytes()).collect();
    row("/ping/db/backup/1", &long);
    daemon.wait_for("99999");
}

#[test]
fn a_run_that_has_begun_ends_under_the_next_daemon_and_its_id_tells_it_from_others() {
    let sandbox = sandbox();
    let going = daemon(&sandbox);
    assert_eq!(ask(&sandbox, "GET", &format!("/ping/db/backup/start?rid={RID}"), b"").0, 200);
    assert_eq!(ask(&sandbox, "GET", "/ping/db/backup/start", b"").0, 200);
    let running = |sandbox: &Sandbox| {
        let (_, body) = ask(sandbox, "GET", "/api/v1/jobs/db/backup", b"");
        let job: Value = serde_json::from_str(&body).expect("an object");
        job["running"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|run| run["run"].as_u64().expect("a number"))
            .collect::<Vec<_>>()
    };
    let before = running(&sandbox);
    assert_eq!(before.len(), 2);
    // What has begun is on disk once the history shows it.
    sandbox.wait_for("the runs on disk", || {
        let ran = sandbox.run(&["history", "--json"]);
        (ran.stdout.matches("\"db/backup\"").count() == 2).then_some(())
    });
    going.signal("KILL");
    drop(going.end());
    let _daemon = daemon(&sandbox);
    assert_eq!(running(&sandbox), before);
    assert_eq!(ask(&sandbox, "GET", &format!("/ping/db/backup?rid={RID}"), b"").0, 200);
    assert_eq!(running(&sandbox), before[1..]);
    let (_, body) = ask(&sandbox, "GET", &format!("/api/v1/runs/{}", before[0]), b"");
    let run: Value = serde_json::from_str(&body).expect("an object");
    assert_eq!((&run["status"], &run["trigger"]), (&"ok".into(), &"reported".into()), "{run}");
}
