//! `status` as it is seen: transcripts.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::super::View;
use super::super::nagios::{self, Level};
use super::{Look, render};
use crate::api::Next;
use crate::id::JobName;

fn job(name: &str, state: &str, more: Value) -> Value {
    let status = match state {
        "ok" | "warning" | "critical" | "unknown" => json!(state),
        _ => Value::Null,
    };
    let mut job = json!({
        "name": name, "description": "", "state": state, "status": status, "schedule": "every 5m", "next": null, "last": null,
        "usual_took": null, "streak": 0, "running": [], "paused": null, "silenced": null, "strip": [], "tags": [],
        "file": format!("jobs.d/{name}.toml"), "error": null,
    });
    job.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    job
}

fn incident(job: &str, status: &str, more: Value) -> Value {
    let mut incident = json!({
        "id": 812, "job": job, "key": null, "status": status, "since": "2026-11-28T02:11:00Z", "failures": 3, "same": 3,
        "line": "pg_dump: error: connection to server at \"db1\" failed", "told": [], "next_message": null,
        "suppressed": null, "ack": null,
    });
    incident.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    incident
}

/// A night in which much is wrong.
fn night() -> View {
    let dana = json!({ "uid": 1001, "name": "dana" });
    let pause = json!({ "id": 7, "until": "2026-11-28T16:00:00Z", "by": dana, "note": "migration", "passed": 2 });
    let status = json!({
        "version": "0.2.0", "host": "web-1", "config": null, "state_dir": null,
        "started": "2026-11-16T02:00:00Z", "now": "2026-11-28T02:58:00Z",
        "reload": { "at": "2026-11-28T02:00:00Z", "ok": false, "problems": [] },
        "jobs": {
            "total": 142, "ok": 140, "warning": 1, "critical": 1, "unknown": 0, "never": 0, "running": 1, "paused": 2,
            "not_loaded": 1,
        },
        "incidents": [
            incident("db/backup", "critical", json!({
                "told": [{ "channel": "#ops", "at": "2026-11-28T02:11:02Z", "permalink": null }],
                "next_message": "2026-11-28T03:11:02Z",
                "suppressed": { "reason": "repeat-not-due", "until": "2026-11-28T03:11:02Z" },
            })),
            incident("disk", "warning", json!({
                "since": "2026-11-28T02:46:00Z", "failures": 2, "same": 1, "line": "/ is at 91 %\u{1b}[31m",
                "suppressed": { "reason": "below-after", "until": null },
            })),
        ],
        "outbox": {
            "waiting": 0, "late": 0, "dead": 0, "oldest": null, "suspended": null, "outage": null,
            "last_delivered": "2026-11-28T02:55:00Z",
        },
        "holds": [{
            "id": 7, "kind": "pause", "pattern": "etl/*", "since": "2026-11-28T02:00:00Z", "until": "2026-11-28T16:00:00Z",
            "until_ok": false, "by": dana, "via": "socket", "note": "migration", "jobs": 2,
        }],
        "next": null,
    });
    let running = json!([{ "run": 813, "pid": 4121, "started": "2026-11-28T02:57:48Z" }]);
    let error = "jobs.d/web/probe.toml:4:9: unknown key `evry`";
    let jobs = json!([
        job("certs/renew", "ok", json!({ "next": "2026-11-28T02:58:40Z" })),
        job("db/backup", "critical", json!({})),
        job("disk", "warning", json!({})),
        job("etl/orders", "paused", json!({ "paused": pause })),
        job("etl/stock", "paused", json!({ "paused": pause })),
        job("mail/queue", "ok", json!({ "running": running, "usual_took": 10.0, "next": "2026-11-28T03:00:00Z" })),
        job("web/probe", "ok", json!({ "error": error })),
    ]);
    View {
        status: serde_json::from_value(status).expect("a status"),
        jobs: serde_json::from_value(jobs).expect("jobs"),
        next: vec![due("certs/renew", "2026-11-28T02:58:40Z"), due("mail/queue", "2026-11-28T03:00:00Z")],
        asked: Vec::new(),
        is_live: true,
        is_silent: false,
    }
}

fn due(job: &str, at: &str) -> Next {
    Next { job: JobName::new(job), at: at.parse().expect("a time") }
}

fn shown(view: &View, width: Option<usize>, failing: bool) -> String {
    let zone = TimeZone::UTC;
    let text = render(view, Look { zone: &zone, width, failing, all: false });
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn a_bad_night_is_seen_at_one_look() {
    assert_eq!(
        shown(&night(), None, false),
        "\
web-1: slack-alert 0.2.0, up 12d; 142 jobs: 1 critical, 1 warning, 140 ok; 2 paused; 1 not loaded; 1 running
✖ critical   db/backup   since 02:11 (47m), 3 failures, the same each time
             pg_dump: error: connection to server at \"db1\" failed
             told at 02:11 in #ops; next message at 03:11; nobody has acknowledged it
▲ warning    disk        since 02:46 (12m), 2 failures, the last one different
             / is at 91 %\\u{1b}[31m
             not told yet; suppressed: below-after; nobody has acknowledged it
! bad file   web/probe   jobs.d/web/probe.toml:4:9: unknown key `evry`
             the last good version of the job goes on
‖ paused     etl/*       until 16:00 by dana: \"migration\" (hold 7, 2 jobs); 4 due times passed
▶ running    mail/queue  for 12s, usually 10s, process 4121 (run 813)
Next: certs/renew in 40s, mail/queue in 2m.
The last message was delivered 3m ago; nothing waits.
`slack-alert why db/backup` explains; `slack-alert ack db/backup` says that you have it.
"
    );
}

#[test]
fn a_job_that_flaps_is_seen_between_two_failures_and_can_be_acknowledged() {
    let mut view = night();
    let flaps = incident(
        "web/flappy",
        "critical",
        json!({
            "told": [{ "channel": "#ops", "at": "2026-11-28T02:20:00Z", "permalink": null }], "same": 1,
            "steady_at": "2026-11-28T03:20:00Z", "next_message": "2026-11-28T03:20:00Z",
            "suppressed": { "reason": "flapping", "until": "2026-11-28T03:20:00Z" },
        }),
    );
    view.status.incidents = serde_json::from_value(json!([flaps])).expect("an incident");
    let last = json!({
        "run": 9, "status": "ok", "reason": null, "ending": null, "started": "2026-11-28T02:50:00Z",
        "finished": "2026-11-28T02:50:00Z", "took": null, "line": "200",
    });
    let one = |state: &str| serde_json::from_value(job("web/flappy", state, json!({ "last": last }))).expect("a job");
    view.jobs = vec![one("ok")];
    for failing in [false, true] {
        let text = shown(&view, None, failing);
        let words = "\
▲ flapping   web/flappy  since 02:11 (47m), 3 failures, the last one different
             its last run, at 02:50, was ok
             pg_dump: error: connection to server at \"db1\" failed
             told at 02:20 in #ops; it flaps: steady at 03:20 if nothing changes before; nobody has acknowledged it
";
        assert!(text.contains(words) && !text.contains("No job is failing"), "{text}");
    }
    assert!(shown(&view, None, false).contains("`slack-alert ack web/flappy` says that you have it"));
    let (level, line) = nagios::render(&view);
    assert_eq!(level, Level::Warning);
    assert!(line.contains("; web/flappy is flapping: pg_dump: error: "), "{line}");
    view.jobs = vec![one("critical")];
    let text = shown(&view, None, false);
    assert!(text.contains("✖ critical   web/flappy") && !text.contains("was ok"), "{text}");
    assert!(text.contains("it flaps: steady at 03:20") && !text.contains("next message"), "{text}");
}

#[test]
fn an_error_of_the_configuration_stands_first_and_a_probe_hears_of_it() {
    let mut view = night();
    let problem = json!({
        "level": "error", "code": "unknown-key", "message": "unknown key `slak`", "help": null,
        "file": "slack_alert.toml", "line": 3, "column": 1, "end_line": 3, "end_column": 5,
    });
    view.status.reload.problems = serde_json::from_value(json!([problem])).expect("a problem");
    view.jobs.retain(|job| job.name.as_str() == "mail/queue");
    view.status.incidents.clear();
    for failing in [false, true] {
        let text = shown(&view, None, failing);
        let lines: Vec<&str> = text.lines().skip(1).take(2).collect();
        let first = "! error      slack_alert.toml:3: unknown key `slak` (read at 02:00)";
        assert_eq!(lines[0], first, "{text}");
        assert!(lines[1].contains("The daemon goes on with what it read before"), "{text}");
    }
    let (level, line) = nagios::render(&view);
    assert_eq!(level, Level::Warning);
    let words = "; the configuration has errors, and the one before goes on: slack_alert.toml:3: unknown key `slak` | ";
    assert!(line.contains(words), "{line}");
    // Read at the start: there is nothing that goes on.
    let mut first = view.clone();
    first.status.started = first.status.reload.at;
    assert!(shown(&first, None, false).contains("The daemon started without it; `slack-alert reload` shows"));
    assert!(nagios::render(&first).1.contains("; the configuration has errors: slack_alert.toml:3: "));
    view.asked = vec!["mail/queue".to_owned()];
    assert_eq!(nagios::render(&view).0, Level::Ok, "that is of the daemon, and no job's");
}

#[test]
fn a_first_run_that_goes_on_is_one_row_and_a_job_that_goes_on_is_counted_once() {
    let mut view = night();
    let running = json!([{ "run": 18, "pid": 4121, "started": "2026-11-28T02:57:48Z" }]);
    view.jobs =
        serde_json::from_value(json!([job("etl/slow", "never", json!({ "running": running }))])).expect("a job");
    view.status.jobs.going_on = 1;
    view.asked = vec!["etl/slow".to_owned()];
    let text = shown(&view, None, false);
    assert!(text.contains("▶ running    etl/slow  for 12s, process 4121, its first run (run 18)\n"), "{text}");
    assert!(!text.contains("has not run yet"), "{text}");
    let retry = json!({ "failed": 2, "at": "2026-11-28T02:58:30Z" });
    let running = json!([{ "run": 18, "started": "2026-11-28T02:57:48Z", "retry": retry }]);
    view.jobs = serde_json::from_value(json!([job("etl/slow", "ok", json!({ "running": running }))])).expect("a job");
    let between = shown(&view, None, false);
    let words = "▶ running    etl/slow  for 12s, 2 attempts have failed and the next begins in 30s (run 18)\n";
    assert!(between.contains(words), "{between}");
    assert!(text.contains("; 2 paused; 1 with a bad file; 1 running\n"), "{text}");
}

#[test]
fn a_daemon_that_does_not_answer_is_not_said_to_be_none() {
    let mut view = night();
    view.is_live = false;
    assert!(shown(&view, None, false).starts_with("web-1: no daemon; 142 jobs"));
    view.is_silent = true;
    assert!(shown(&view, None, false).starts_with("web-1: the daemon does not answer; 142 jobs"));
}

#[test]
fn a_job_that_waits_for_a_place_is_seen_among_what_is_wrong() {
    let mut view = night();
    let starved = json!([
        { "job": "certs/renew", "since": "2026-11-28T02:50:00Z", "what": "a free place",
          "why": "64 of 64 places are taken: 61 by pile, 3 by etl (limits.max_running)" },
        { "job": "elsewhere", "since": "2026-11-28T02:50:00Z", "what": "the lock db", "why": "run 7 of etl holds the lock db" },
    ]);
    view.status.starved = serde_json::from_value(starved).expect("jobs that wait");
    let words = "\
… waits      certs/renew for a free place since 02:50 (8m)
             64 of 64 places are taken: 61 by pile, 3 by etl (limits.max_running)
";
    for failing in [false, true] {
        let text = shown(&view, None, failing).replace("  for a", " for a");
        assert!(text.contains(words), "{text}");
    }
    view.status.incidents.clear();
    view.jobs.retain(|job| job.name.as_str() == "certs/renew");
    let text = shown(&view, None, false);
    assert!(!text.contains("No job is failing"), "{text}");
    view.asked = vec!["certs/renew".to_owned()];
    let text = shown(&view, None, false);
    assert!(text.contains("certs/renew") && text.contains("61 by pile"), "{text}");
    assert!(!text.contains("elsewhere"), "a job that was not asked for: {text}");
}

#[test]
fn every_line_fits_the_terminal() {
    for width in [40, 60, 80, 120] {
        let text = shown(&night(), Some(width), false);
        let widest = text.lines().map(|line| line.chars().count()).max().expect("lines");
        assert!(widest <= width, "{width}: {widest}\n{text}");
        assert!(text.contains("nobody has"), "{text}");
    }
}

#[test]
fn the_row_of_a_job_with_a_very_long_name_fits_the_terminal() {
    let mut view = night();
    view.status.incidents.clear();
    view.jobs = serde_json::from_value(json!([job(&"n".repeat(200), "critical", json!({}))])).expect("a job");
    let text = shown(&view, Some(80), false);
    let row = text.lines().find(|line| line.contains("nn…")).expect("its row");
    assert!(row.chars().count() <= 80, "{text}");
}

#[test]
fn who_has_an_incident_is_said_in_the_place_of_nobody() {
    let mut view = night();
    let ack = json!({
        "by": { "uid": 0, "name": "root (dana)" }, "at": "2026-11-28T02:30:00Z", "until": "2026-11-29T02:30:00Z",
    });
    view.status.incidents[0].ack = serde_json::from_value(ack).expect("an acknowledgement");
    view.status.incidents[0].suppressed =
        serde_json::from_value(json!({ "reason": "acknowledged", "until": "2026-11-29T02:30:00Z" })).expect("a reason");
    view.status.incidents[0].next_message = "2026-11-29T02:30:00Z".parse().ok();
    let text = shown(&view, None, false);
    let words = "told at 02:11 in #ops; next message if it gets worse, fails differently or recovers, or at 2026-11-29 \
                 02:30; acknowledged by root (dana) at 02:30 until 2026-11-29 02:30\n";
    assert!(text.contains(words), "{text}");
    assert!(text.ends_with("`slack-alert why db/backup` explains.\n"), "nobody else is asked to: {text}");
}

#[test]
fn a_job_that_somebody_has_and_that_is_silenced_shows_both() {
    let mut view = night();
    let dana = json!({ "uid": 1001, "name": "dana" });
    let ack = json!({ "by": dana, "at": "2026-11-28T02:30:00Z", "until": "2026-11-29T02:30:00Z" });
    view.status.incidents[0].ack = serde_json::from_value(ack).expect("an acknowledgement");
    let held = json!({ "id": 9, "until": "2026-11-28T04:00:00Z", "by": dana, "note": null, "passed": null });
    view.jobs.iter_mut().find(|job| job.name.as_str() == "db/backup").expect("it fails").silenced =
        serde_json::from_value(held).expect("a silence");
    for reason in ["acknowledged", "silenced"] {
        let why = json!({ "reason": reason, "until": "2026-11-29T02:30:00Z" });
        view.status.incidents[0].suppressed = serde_json::from_value(why).expect("a reason");
        let text = shown(&view, None, false);
        let words = "; silenced until 04:00; acknowledged by dana at 02:30 until 2026-11-29 02:30\n";
        assert!(text.contains(words) && !text.contains("suppressed: silenced"), "{reason}: {text}");
    }
}

#[test]
fn all_is_well_in_three_lines() {
    let mut view = night();
    view.status.incidents.clear();
    view.status.holds.clear();
    view.jobs =
        serde_json::from_value(json!([job("disk", "ok", json!({ "next": "2026-11-28T02:58:00Z" }))])).expect("a job");
    view.next = vec![due("disk", "2026-11-28T02:58:00Z")];
    view.status.jobs = serde_json::from_value(json!({
        "total": 1, "ok": 1, "warning": 0, "critical": 0, "unknown": 0, "never": 0, "running": 0, "paused": 0,
        "not_loaded": 0,
    }))
    .expect("numbers");
    view.status.reload.ok = true;
    assert_eq!(
        shown(&view, None, false),
        "\
web-1: slack-alert 0.2.0, up 12d; 1 job: 1 ok; 0 running
No job is failing.
Next: disk now.
The last message was delivered 3m ago; nothing waits.
"
    );
    assert_eq!(shown(&view, None, true).lines().last(), Some("No job is failing."));
    view.asked = vec!["disk".to_owned()];
    assert!(shown(&view, None, false).contains("\n● ok         disk  it has not run yet; due now; every 5m\n"));
}

#[test]
fn that_slack_takes_nothing_is_said_with_what_waits() {
    for (outbox, words) in [
        (
            json!({ "suspended": { "why": "Slack refused the token (invalid_auth)" }, "waiting": 2, "oldest": "2026-11-28T02:00:00Z" }),
            "Slack takes no message: Slack refused the token (invalid_auth); 2 messages wait, the oldest since 02:00.",
        ),
        (
            json!({ "outage": { "since": "2026-11-28T01:00:00Z", "waiting": 1, "why": "no answer" }, "waiting": 1 }),
            "Slack has taken no message since 01:00: no answer; 1 message waits.",
        ),
        (
            json!({ "outage": { "since": "2026-11-28T01:00:00Z", "waiting": 1, "why": "is_archived", "refused": true }, "waiting": 1 }),
            "Alerts could be posted nowhere since 01:00: is_archived; 1 message waits.",
        ),
        (json!({}), "No message was delivered since the start; nothing waits."),
        (
            json!({ "waiting": 1, "last_error": "Slack answered HTTP 500" }),
            "No message was delivered since the start; 1 message waits; last error: Slack answered HTTP 500.",
        ),
        (
            json!({ "dead": 2 }),
            "No message was delivered since the start; nothing waits. 2 messages could not be delivered: `slack-alert outbox list --dead` \
             shows them.",
        ),
    ] {
        let mut view = night();
        let mut whole = json!({
            "waiting": 0, "late": 0, "dead": 0, "oldest": null, "suspended": null, "outage": null, "last_delivered": null,
        });
        whole.as_object_mut().expect("an object").extend(outbox.as_object().expect("an object").clone());
        view.status.outbox = serde_json::from_value(whole).expect("an outbox");
        let text = shown(&view, None, false);
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn that_the_state_cannot_be_written_is_said_with_what_to_do() {
    let mut view = night();
    let trouble = json!({ "why": "the disk is full", "advice": "make room", "unsaved": 2 });
    view.status.store = serde_json::from_value(trouble).expect("trouble");
    let text = shown(&view, None, false);
    let line =
        "The state cannot be written: the disk is full; 2 messages are in memory alone. What to do: make room.\n";
    assert!(text.contains(line), "{text}");
    view.jobs.retain(|job| job.name.as_str() == "mail/queue");
    let (level, line) = nagios::render(&view);
    assert_eq!(level, Level::Warning);
    assert!(line.contains("; the state cannot be written: the disk is full | "), "{line}");
    view.asked = vec!["mail/queue".to_owned()];
    assert_eq!(nagios::render(&view).0, Level::Ok, "that is of the daemon, and no job's");
}

#[test]
fn the_groups_of_jobs_add_up_to_all_of_them() {
    let mut view = night();
    (view.status.jobs.total, view.status.jobs.never) = (148, 4);
    let text = shown(&view, None, false);
    assert!(
        text.contains("; 148 jobs: 1 critical, 1 warning, 140 ok, 4 not run yet, 2 disabled; 2 paused; "),
        "{text}"
    );
}

#[test]
fn nagios_gets_a_line_and_a_level() {
    let view = night();
    let (level, line) = nagios::render(&view);
    assert_eq!(level, Level::Critical);
    assert_eq!(
        line,
        "SLACK-ALERT CRITICAL - 3 of 7 jobs with problems; db/backup: pg_dump: error: connection to server at \"db1\" failed; disk: \
         / is at 91 %\\u{1b}[31m; web/probe is running as its last good file says: \
         jobs.d/web/probe.toml:4:9: unknown key `evry` | jobs=7;;;0 ok=3;;;0 warning=1;0;;0 critical=1;;0;0 unknown=0;;;0 \
         running=1;;;0 not_loaded=1;0;;0 waiting=0;;;0 dead=0;0;;0 never=0;;;0 disabled=0;;;0\n"
    );
    let only = |name: &str| {
        let mut view = view.clone();
        view.jobs.retain(|job| job.name.as_str() == name);
        view.asked = vec![name.to_owned()];
        nagios::render(&view)
    };
    for (name, level) in [
        ("disk", Level::Warning),
        ("db/backup", Level::Critical),
        ("mail/queue", Level::Ok),
        ("web/probe", Level::Warning),
        ("etl/orders", Level::Ok),
    ] {
        assert_eq!(only(name).0, level, "{name}");
    }
    let mut had = view.clone();
    let ack =
        json!({ "by": { "uid": 1001, "name": "dana" }, "at": "2026-11-28T02:30:00Z", "until": "2026-11-29T02:30:00Z" });
    had.status.incidents[0].ack = serde_json::from_value(ack).expect("an acknowledgement");
    let (level, line) = nagios::render(&had);
    assert_eq!(level, Level::Warning, "somebody has it: {line}");
    assert!(line.contains("(acknowledged by dana)"), "{line}");
    assert!(only("mail/queue").1.starts_with("SLACK-ALERT OK - 1 job, none with problems | jobs=1;;;0 ok=1;;;0"));
    let mut silent = view.clone();
    silent.jobs.retain(|job| job.name.as_str() == "mail/queue");
    silent.status.outbox.suspended = serde_json::from_value(json!({ "why": "a|b" })).expect("a reason");
    let (level, line) = nagios::render(&silent);
    assert!(level == Level::Critical && line.contains("Slack takes no message: a/b | "), "{line}");
}

#[test]
fn when_hundreds_fail_the_rest_is_counted_and_what_else_there_is_stays_in_sight() {
    let mut view = night();
    let many: Vec<Value> = (0..300).map(|index| job(&format!("many/{index:03}"), "critical", json!({}))).collect();
    view.jobs.extend(serde_json::from_value::<Vec<_>>(many.into()).expect("jobs"));
    let text = shown(&view, None, false);
    assert!(text.contains("… and 263 more; `slack-alert status --failing` shows all.\n"), "{text}");
    assert!(text.contains("‖ paused     etl/*") && text.lines().count() < 60, "{text}");
    assert!(shown(&view, None, true).contains("many/299"), "all of them were asked for");
}

#[test]
fn nagios_says_of_a_run_that_did_not_come_what_status_says() {
    let missing = "did not run; due 03:00, 1h of grace";
    let last = json!({
        "run": 7, "status": "critical", "reason": "missing", "ending": missing, "started": "2026-11-28T02:00:00Z",
        "finished": "2026-11-28T02:00:00Z", "took": 0.0, "line": "",
    });
    let mut view = night();
    view.jobs = vec![
        serde_json::from_value(job("cron/backup", "critical", json!({ "last": last }))).expect("a job of the API"),
    ];
    view.status.incidents =
        vec![serde_json::from_value(incident("cron/backup", "critical", json!({ "line": "" }))).expect("an incident")];
    let (level, line) = nagios::render(&view);
    assert_eq!(level, Level::Critical);
    assert!(line.contains(&format!("cron/backup: {missing}")) && !line.contains("is critical"), "{line}");
}

#[test]
fn what_is_next_names_each_job_once() {
    let mut view = night();
    let again = view.next[0].clone();
    view.next.insert(1, again.clone());
    view.next.insert(2, again);
    assert!(shown(&view, None, false).contains("Next: certs/renew in 40s, mail/queue in 2m."));
    // What is farther away than is asked for is known by the status.
    view.next.clear();
    view.status.next = Some(due("yearly", "2026-12-10T03:00:00Z"));
    let text = shown(&view, None, false);
    assert!(text.contains("Next: yearly in 12d"), "{text}");
}
