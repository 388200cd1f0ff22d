//! Jobs that go on from what version 0.1 kept of them.

use super::Health;
use super::stories::{Life, at};

/// What version 0.1 wrote: a name, and a job's state.
fn kept_by_0_1(name: &str) -> Health {
    let mut lines = include_str!("health-0.1.tsv").lines().filter_map(|line| line.split_once('\t'));
    let (_, json) = lines.find(|(known, _)| *known == name).expect("it was captured");
    serde_json::from_str(json).expect("it can be read")
}

#[test]
fn a_job_goes_on_from_what_version_0_1_kept() {
    let quiet = "quiet_hours = \"22:00-07:00\"";
    for (name, notify, time, what, outcome) in [
        ("well", "", "03:10", "critical: disk full", "failure critical, opens #9, pings"),
        ("failing", "", "03:10", "critical: disk full", "held: repeat-not-due until 23 04:05"),
        ("failing", "", "03:10", "ok", "recovery ok, closes #2 (2 failures in 5m)"),
        ("below", "after = 3", "03:15", "warning: 83%", "failure warning, opens #1 (failing since 03:05, 3 failures)"),
        ("worse", "", "03:15", "ok", "recovery ok, closes #1 (3 failures in 15m)"),
        ("silenced", "", "05:01", "clock", "recovery ok, closes #1 in its thread (ok since 03:05, 1 failure in 5m)"),
        ("keys", "", "03:10", "ok", "recovery ok, closes #2 in its thread and #1 in its thread (1 failure in 5m)"),
        (
            "flapping",
            "flap = { changes = 3, within = \"10m\" }",
            "03:05",
            "critical: a",
            "held: flapping until 23 03:13",
        ),
        (
            "quiet",
            quiet,
            "24 07:00",
            "clock",
            "failure warning, opens #4 (3 alerts in quiet hours) | warning since 23:30, 1 failure, failing still: 81% | \
             critical from 23:00 to 23:10 (10m), 1 failure: disk full | 23:20 output: hello",
        ),
        (
            "excepted",
            "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]",
            "23:10",
            "ok",
            "recovery ok, closes #1 in its thread (1 failure in 10m)",
        ),
        ("stuck", "stuck_after = 2", "03:15", "skip", ""),
        (
            "limited",
            "rate_limit = \"1/h\"\nrepeat = \"always\"",
            "03:15",
            "ok",
            "recovery ok, closes #1, 2 suppressed (3 failures in 15m)",
        ),
        ("never_reported", "", "03:15", "ok", "recovery ok, closes #1 in its thread (ok since 03:05, 1 failure in 5m)"),
    ] {
        let mut life = Life::new(notify);
        life.health = kept_by_0_1(name);
        life.runs = 8;
        assert_eq!(life.step(what, at(time)), outcome, "{name}");
    }
}

#[test]
fn what_is_kept_has_whole_words_as_keys() {
    for line in include_str!("health-0.1.tsv").lines() {
        let (name, old) = line.split_once('\t').expect("a name and a state");
        let health = kept_by_0_1(name);
        let json = serde_json::to_string(&health).expect("it can be written");
        assert!(json.starts_with("{\"format\":2,"), "{json}");
        for key in json.split('"').skip(1).step_by(2).filter(|key| json.contains(&format!("\"{key}\":"))) {
            assert!(key.len() > 1, "{key} in {json}");
        }
        assert_eq!(serde_json::from_str::<Health>(&json).expect("it can be read"), health, "{old}");
    }
}
