//! Notices of every kind, against which `check` renders each template once.
//!
//! Before it: nothing. After it: `template`, and tests that want every event.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{JobFacts, Notice, Previous};
use crate::exec::{Captured, Directives, Ending, Outcome, Output, Perfdata, Reason, Status, Trigger};
use crate::id::{JobName, RunId};
use crate::policy::{Event, Incident};

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
        command: "pg_dump shop".to_owned(),
        schedule: "every 5m".to_owned(),
        tags: vec!["db".to_owned()],
        file: "jobs.d/db/backup.toml".to_owned(),
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
        },
        json: None,
        perfdata: Vec::new(),
        directives: Directives::default(),
        leaked: false,
    };
    let notice = |event, outcome, incident: Option<u32>| Notice {
        job: Arc::clone(&job),
        event,
        outcome: Arc::new(outcome),
        run: RunId(812),
        number: 40,
        trigger: Trigger::Schedule,
        scheduled: started,
        previous: None,
        diff: String::new(),
        incident: incident.map(|failures| Incident { id: 800, started: at(1_795_402_700), failures }),
        suppressed: 0,
        remark: String::new(),
        digest: Vec::new(),
        pauses: None,
        host: "web-1".into(),
        mention: Vec::new(),
        asked: Vec::new(),
        notes: Vec::new(),
        zone: TimeZone::UTC,
    };
    let exited = |code| Ending::Exited { code };
    let well = |stdout| outcome(Status::Ok, Reason::Exit, exited(0), stdout, "");
    let failed = |stderr| outcome(Status::Critical, Reason::Exit, exited(2), "", stderr);
    let mut json = well("{\"free\": 12}\n");
    json.json = Some(serde_json::json!({"free": 12, "disks": ["sda"]}));
    let mut perfdata = well("DISK OK | /=12MB;10;5;0;100\n");
    let (warn, crit) = (Some("10".to_owned()), Some("5".to_owned()));
    let (label, unit) = ("/".to_owned(), "MB".to_owned());
    perfdata.perfdata = vec![Perfdata { label, value: Some(12.0), unit, warn, crit, min: Some(0.0), max: Some(100.0) }];
    let previous = Previous { status: Status::Ok, stdout: "41\n".to_owned(), finished: at(1_795_405_000) };
    let timed_out = Ending::TimedOut { after: Duration::from_secs(600), killed: true };
    let not_started = Ending::NotStarted { error: "no such file or directory".to_owned() };
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
            remark: "process 4711 for 25m".to_owned(),
            ..notice(Event::Stuck, critical(Reason::Timeout, Ending::Interrupted), None)
        },
    ]
}
