//! Notices of every kind, against which `check` renders each template once.
//!
//! Before it: nothing. After it: `template`, and tests that want every event.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{JobFacts, Notice, Occasion, RunFacts};
use crate::exec::{Captured, Directives, Ending, Outcome, Output, Perfdata, Reason, Redactor, Status, Trigger};
use crate::id::{JobName, RunId};
use crate::policy::{Ended, Event, Hang, Incident, Keys, LastRun, LeftOut, Previous, Update};

fn captured(text: &str) -> Captured {
    Captured { head: text.as_bytes().to_vec(), tail: Vec::new(), dropped: 0 }
}

/// One notice for each event and each way of ending.
pub fn samples() -> Vec<Notice> {
    let at = |second| Timestamp::from_second(second).expect("a time that can be expressed");
    let started = at(1_795_405_538);
    let facts = JobFacts {
        name: JobName::new("db/backup"),
        description: "Nightly dump".to_owned(),
        command: "pg_dump shop".into(),
        schedule: "every 5m".to_owned(),
        tags: vec!["db".to_owned()],
        file: "jobs.d/db/backup.toml".to_owned(),
        plugin: false,
        redactor: Redactor::default(),
        foreign_zone: false,
    };
    let job = Arc::new(facts);
    let outcome = |status, reason, ending, stdout: &str, stderr: &str| Outcome {
        status,
        reason,
        ending,
        skipped: false,
        detail: if reason == Reason::Output { "stdout matches \"ERROR\"".to_owned() } else { String::new() },
        started,
        finished: at(1_795_405_540),
        took: Duration::from_millis(1_300),
        attempts: 1,
        output: Output {
            stdout: captured(stdout),
            stderr: captured(stderr),
            both: captured(&format!("{stdout}{stderr}")),
            ..Output::default()
        },
        json: None,
        perfdata: Vec::new(),
        directives: Directives::default(),
        unmasked: None,
        leaked: false,
    };
    let run = RunFacts { id: RunId(812), trigger: Trigger::Schedule, scheduled: started };
    let notice = |event, outcome: Outcome, incident: Option<u32>| Notice {
        job: Arc::clone(&job),
        event,
        status: outcome.status,
        occasion: Occasion::Run { run, outcome: Arc::new(outcome) },
        number: 40,
        previous: None,
        diff: String::new(),
        changed: false,
        good_news: None,
        keys: Keys::default(),
        incident: incident.map(|failures| Incident {
            id: 800,
            started: at(1_795_402_700),
            failures,
            in_a_row: true,
            ended: None,
        }),
        suppressed: 0,
        update: Update::None,
        next: None,
        now: at(1_795_405_540),
        digest: Vec::new(),
        pauses: None,
        host: "web-1".into(),
        mention: Vec::new(),
        asked: Vec::new(),
        notes: Vec::new(),
        zone: TimeZone::UTC,
        page: None,
    };
    let exited = |code| Ending::Exited { code };
    let well = |stdout| outcome(Status::Ok, Reason::Exit, exited(0), stdout, "");
    let failed = |stderr| outcome(Status::Critical, Reason::Exit, exited(2), "", stderr);
    let mut json = well("{\"free\": 12}\n");
    json.json = Some(serde_json::json!({"free": 12, "disks": ["sda"]}));
    let mut perfdata = well("DISK OK | /=12MB;10;5;0;100\n");
    let (warn, crit) = (Some("10".to_owned()), Some("5".to_owned()));
    let (label, unit) = ("/".to_owned(), "MB".to_owned());
    perfdata.perfdata = vec![Perfdata {
        label,
        value: Some("12".to_owned()),
        unit,
        warn,
        crit,
        min: Some("0".to_owned()),
        max: Some("100".to_owned()),
    }];
    let previous = Previous { status: Status::Ok, stdout: "41\n".to_owned(), finished: at(1_795_405_000) };
    let timed_out = Ending::TimedOut { after: Duration::from_secs(600), killed: true };
    let not_started = Ending::NotStarted { error: "no such file or directory".to_owned() };
    let last = LastRun {
        run: RunId(811),
        status: Status::Critical,
        finished: at(1_795_405_000),
        stdout: String::new(),
        line: "disk full".to_owned(),
        ended: Some(Ended {
            ending: Ending::Exited { code: 7 },
            reason: Reason::Exit,
            took: Duration::from_secs(1),
            output: "disk full\n".to_owned().into(),
            stderr: "disk full\n".to_owned().into(),
            left_out: LeftOut::default().into(),
        }),
    };
    let critical = |reason, ending| outcome(Status::Critical, reason, ending, "", "");
    vec![
        notice(Event::Output, well("42\n"), None),
        notice(Event::Success, well(""), None),
        Notice {
            previous: Some(previous.clone()),
            diff: "-41\n+42\n".to_owned(),
            ..notice(Event::Change, well("42\n"), None)
        },
        notice(Event::Output, json, None),
        notice(Event::Output, perfdata, None),
        Notice { previous: Some(previous), ..notice(Event::Failure, failed("connection refused\n"), Some(1)) },
        notice(Event::Repeat, failed("connection refused\n"), Some(3)),
        notice(Event::Failure, outcome(Status::Warning, Reason::Output, exited(0), "ERROR 7\n", ""), Some(1)),
        notice(Event::Failure, critical(Reason::Signal, Ending::Signaled { signal: 11 }), Some(1)),
        notice(Event::Failure, critical(Reason::Timeout, timed_out), Some(1)),
        notice(Event::Failure, critical(Reason::Spawn, not_started), Some(1)),
        notice(Event::Repeat, critical(Reason::Interrupted, Ending::Interrupted), Some(2)),
        notice(Event::Recovery, well("fine\n"), Some(3)),
        notice(Event::Flapping, failed("x\n"), Some(2)),
        Notice {
            update: Update::Hangs(Hang {
                run: RunId(812),
                process: Some(4711),
                retries: false,
                age: Duration::from_secs(1_500),
                replaced: false,
                skipped: 3,
                line: String::new(),
            }),
            occasion: Occasion::Running { run, started, took: Duration::from_secs(1_500), output: Box::default() },
            ..notice(Event::Stuck, critical(Reason::Timeout, Ending::Interrupted), None)
        },
        Notice {
            update: Update::Slow {
                over: Duration::from_secs(600),
                run: Hang {
                    run: RunId(812),
                    process: Some(4711),
                    retries: false,
                    age: Duration::from_secs(600),
                    replaced: false,
                    skipped: 0,
                    line: String::new(),
                },
            },
            occasion: Occasion::Running { run, started, took: Duration::from_secs(600), output: Box::default() },
            ..notice(Event::Slow, outcome(Status::Warning, Reason::Exit, Ending::Interrupted, "", ""), None)
        },
        Notice {
            update: Update::QuietHoursEnd { alerts: 3 },
            digest: vec!["03:14 exit code 2, 3 failures: disk full".to_owned()],
            occasion: Occasion::clock(Some(last), None),
            ..notice(Event::Failure, critical(Reason::Exit, Ending::Exited { code: 7 }), Some(3))
        },
        Notice { occasion: Occasion::clock(None, None), ..notice(Event::Recovery, well(""), Some(2)) },
    ]
}
