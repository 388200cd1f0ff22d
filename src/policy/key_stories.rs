//! Stories of jobs whose script tells their incidents apart by keys.

use super::stories::{Life, at, story};
use crate::exec::Status;
use crate::policy::Verdict;

#[test]
fn failures_with_different_keys_are_different_incidents_and_end_together() {
    story(
        "",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:01", "critical@disk: full", "failure critical, opens #2, pings"),
            ("03:02", "critical@db: refused", "held: repeat-not-due until 23 04:00"),
            ("03:03", "critical@disk: full", "held: repeat-not-due until 23 04:01"),
            ("03:04", "timeout", "repeat critical, in #2 (failing differently since 03:04)"),
            ("04:00", "critical@db: refused", "repeat critical, in #1 (same failure, 3rd time)"),
            ("04:01", "ok", "recovery ok, closes #1 and #2 (3 failures in 1h 1m)"),
            ("04:02", "ok", "held: blank"),
            ("04:03", "critical@db: refused", "failure critical, opens #9, pings"),
        ],
    );
    // One that nobody heard of leaves nothing behind; what was told before it is over all the same.
    story(
        "",
        &[
            ("03:00", "critical@db", "failure critical, opens #1, pings"),
            ("03:01", "silence 1h", ""),
            ("03:02", "critical@disk", "held: silenced until 23 04:01"),
            ("03:03", "ok", "held: silenced until 23 04:01"),
            ("04:01", "clock", "recovery ok, closes #1 in its thread (ok since 03:03, 1 failure in 3m)"),
        ],
    );
}

#[test]
fn of_incidents_that_end_together_those_are_shown_in_the_channel_of_which_several_runs_failed() {
    story(
        "",
        &[
            ("03:00", "critical@db2: down", "failure critical, opens #1, pings"),
            ("03:01", "critical@db2: down", "held: repeat-not-due until 23 04:00"),
            ("03:02", "critical@db3: slow", "failure critical, opens #3, pings"),
            ("03:03", "ok", "recovery ok, closes #3 in its thread and #1 (1 failure in 1m)"),
        ],
    );
    story(
        "",
        &[
            ("03:00", "critical@db3: slow", "failure critical, opens #1, pings"),
            ("03:01", "critical@db2: down", "failure critical, opens #2, pings"),
            ("03:02", "critical@db2: down", "held: repeat-not-due until 23 04:01"),
            ("03:03", "ok", "recovery ok, closes #2 and #1 in its thread (2 failures in 2m)"),
        ],
    );
}

#[test]
fn a_key_that_is_new_each_time_does_not_make_endless_noise() {
    let mut life = Life::new("");
    let mut opened = 0;
    for minute in 0..60 {
        let what = format!("critical@key-{minute}: full");
        opened += u32::from(life.step(&what, at(&format!("03:{minute:02}"))).contains("opens"));
    }
    assert_eq!(opened, 9);
    let end = life.step("ok", at("04:00"));
    let ended = end.replace(" in its thread", "");
    assert!(ended.starts_with("recovery ok, closes #9 and #1 and #2 and #3") && ended.contains("and #8"), "{end}");
}

#[test]
fn an_ok_run_with_a_key_ends_the_incident_of_that_key_alone() {
    story(
        "",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:01", "critical@disk: full", "failure critical, opens #2, pings"),
            ("03:02", "ok@net", "held: blank"),
            ("03:03", "ok@db", "recovery ok, closes #1 in its thread (1 failure in 3m)"),
            ("03:04", "ok@db", "held: blank"),
            ("03:05", "critical@disk: full", "held: repeat-not-due until 23 04:01"),
            ("04:01", "critical@disk: full", "repeat critical, in #2 (same failure, 3rd time)"),
            ("04:02", "critical@db: refused", "failure critical, opens #8, pings"),
            ("04:03", "ok@disk", "recovery ok, closes #2 (3 failures in 1h 2m)"),
            ("04:04", "critical@disk: full", "failure critical, opens #10, pings"),
            ("04:05", "ok", "recovery ok, closes #10 in its thread and #8 in its thread (1 failure in 1m)"),
        ],
    );
    // One without a key is over when the job is well again, whatever the run is about.
    story(
        "",
        &[
            ("03:00", "timeout", "failure critical, opens #1, pings"),
            ("03:01", "critical@disk: full", "failure critical, opens #2, pings"),
            ("03:02", "ok@db: fine", "recovery ok, closes #1 in its thread (1 failure in 2m)"),
            ("03:03", "ok@db: fine", "output ok"),
            ("03:04", "ok@disk: fine", "recovery ok, closes #2 in its thread (1 failure in 3m)"),
        ],
    );
}

#[test]
fn what_is_well_under_one_key_does_not_hide_that_the_job_fails_under_another() {
    // A job that looks at one thing after the other changes no status by that.
    let mut life = Life::new("repeat = \"never\"");
    for minute in 0..30 {
        let said = life.step(if minute % 2 == 0 { "critical@a: x" } else { "ok@b" }, at(&format!("03:{minute:02}")));
        assert!(minute == 0 || said.starts_with("held"), "{said}");
    }
    story(
        "after = 2",
        &[
            ("03:00", "critical@a: x", "held: below-after"),
            ("03:01", "ok@b", "held: blank"),
            ("03:02", "critical@a: x", "failure critical, opens #1, pings (failing since 03:00, 2 failures)"),
        ],
    );
}

#[test]
fn what_a_silence_owes_is_the_end_of_what_ended() {
    story(
        "",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:01", "critical@disk: full", "failure critical, opens #2, pings"),
            ("03:02", "silence 1h", ""),
            ("03:03", "ok@db", "held: silenced until 23 04:02"),
            ("04:02", "clock", "recovery ok, closes #1 in its thread (ok since 03:03, 1 failure in 3m)"),
            ("04:03", "critical@disk: full", "repeat critical, in #2 (same failure, 2nd time)"),
            ("04:04", "ok", "recovery ok, closes #2 (2 failures in 1h 3m)"),
        ],
    );
    let night = "quiet_hours = \"22:00-07:00\"";
    story(
        night,
        &[
            ("24 01:00", "critical@db: refused", "held: quiet-hours until 24 07:00"),
            ("24 02:00", "critical@disk: full", "held: quiet-hours until 24 07:00"),
            ("24 03:00", "ok@db", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "failure critical, opens #2, pings (2 alerts in quiet hours) | key disk: critical since 02:00, 1 failure, failing still: full | key db: critical from 01:00 to 03:00 (2h), 1 failure: refused",
            ),
            ("24 07:05", "ok@disk", "recovery ok, closes #2 in its thread (1 failure in 5h 5m)"),
        ],
    );
}

#[test]
fn a_message_that_could_not_be_sent_leaves_what_it_is_not_about_as_it_is() {
    story(
        "",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:01", "critical@disk: full", "failure critical, opens #2, pings"),
            ("03:02", "ok@db", "recovery ok, closes #1 in its thread (1 failure in 2m)"),
            ("03:02", "retract", ""),
            ("03:03", "ok@db", "recovery ok, closes #1 in its thread (ok since 03:02, 1 failure in 2m)"),
            ("03:04", "ok@disk", "recovery ok, closes #2 in its thread (1 failure in 3m)"),
        ],
    );
}

#[test]
fn what_fails_under_another_key_is_told_while_one_flaps() {
    story(
        "flap = { changes = 3, within = \"30m\" }\nintermittent = false\nrepeat = \"never\"",
        &[
            ("03:00", "ok@db", "held: blank"),
            ("03:01", "critical@db: refused", "failure critical, opens #2, pings"),
            ("03:02", "ok@db", "recovery ok, closes #2 in its thread (1 failure in 1m)"),
            (
                "03:03",
                "critical@db: refused",
                "flapping critical, opens #4, pings (3 changes of status in 2m, no more messages until it is steady for 30m)",
            ),
            ("03:04", "critical@web: 500", "held: flapping until 23 03:33"),
            ("03:05", "critical@web: 500", "failure critical, opens #5, pings (failing since 03:04, 2 failures)"),
            ("03:06", "ok@db", "held: flapping until 23 03:36"),
            ("03:07", "ok@web", "recovery ok, closes #5 (2 failures in 3m)"),
            ("03:36", "clock", "flapping ok, closes #4 (steady again: ok for 30m)"),
        ],
    );
}

#[test]
fn a_job_is_as_bad_as_the_worst_of_its_open_incidents() {
    let mut life = Life::new("");
    life.run("critical@db: refused", at("03:00"));
    life.run("ok@web", at("03:01"));
    assert_eq!(life.health.standing(), Some(Status::Critical));
    life.run("ok@db", at("03:02"));
    assert_eq!(life.health.standing(), Some(Status::Ok));
}

#[test]
fn a_run_that_hangs_is_no_failure_of_a_key() {
    story(
        "stuck_after = 1\nintermittent = false\nflap = false",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:05", "skip", "stuck critical, opens #2, pings (1 due time skipped in a row)"),
            ("03:10", "critical@web: slow", "repeat critical, in #2 (ended after 1s, exit code 2)"),
            ("03:11", "ok@web", "recovery ok, closes #2 (1 failure in 1h 6m)"),
            ("03:12", "ok@db", "recovery ok, closes #1 in its thread (1 failure in 12m)"),
        ],
    );
}

#[test]
fn a_failure_without_a_key_goes_on_with_the_incident_that_has_none() {
    story(
        "",
        &[
            ("03:00", "critical: plain", "failure critical, opens #1, pings"),
            ("03:01", "critical@db: refused", "failure critical, opens #2, pings"),
            ("03:02", "critical: plain", "held: repeat-not-due until 23 04:00"),
            ("03:03", "critical@db: refused", "held: repeat-not-due until 23 04:01"),
        ],
    );
}

#[test]
fn a_silence_that_ends_tells_every_incident_that_it_kept_back() {
    story(
        "",
        &[
            ("03:00", "silence 1h", ""),
            ("03:01", "critical@db: refused", "held: silenced until 23 04:00"),
            ("03:02", "critical@web: 500", "held: silenced until 23 04:00"),
            (
                "04:00",
                "clock",
                "failure critical, opens #2, pings (still failing, 1 failure since 03:02: the silence ended) \
                 && failure critical, opens #1, pings (still failing, 1 failure since 03:01: the silence ended)",
            ),
            ("04:01", "critical@db: refused", "held: repeat-not-due until 23 05:00"),
            ("04:02", "critical@web: 500", "held: repeat-not-due until 23 05:00"),
        ],
    );
    // That one of them is over meanwhile hides no other.
    story(
        "",
        &[
            ("03:00", "critical@db: refused", "failure critical, opens #1, pings"),
            ("03:01", "silence 1h", ""),
            ("03:02", "ok@db", "held: silenced until 23 04:01"),
            ("03:03", "critical@web: 500", "held: silenced until 23 04:01"),
            (
                "04:01",
                "clock",
                "recovery ok, closes #1 in its thread (ok since 03:02, 1 failure in 2m) \
                 && failure critical, opens #3, pings (still failing, 1 failure since 03:03: the silence ended)",
            ),
        ],
    );
}

#[test]
fn of_two_incidents_in_one_digest_each_has_its_end() {
    let night = "quiet_hours = \"22:00-07:00\"\nintermittent = false";
    let (db, web) =
        ("key db: critical since 01:00, 1 failure, failing still: refused", "key web: critical since 02:00");
    story(
        night,
        &[
            ("24 01:00", "critical@db: refused", "held: quiet-hours until 24 07:00"),
            ("24 02:00", "critical@web: 500", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                &format!(
                    "failure critical, opens #2, pings (2 alerts in quiet hours) | {db} | {web}, 1 failure, failing still: 500"
                ),
            ),
            ("24 07:05", "critical@db: refused", "held: repeat-not-due until 24 08:00"),
            ("24 07:06", "ok@web", "recovery ok, closes #2 in its thread (1 failure in 5h 6m)"),
            ("24 07:07", "ok@db", "recovery ok (2 failures in 6h 7m)"),
        ],
    );
    // Where nobody took the digest, neither was told.
    let mut life = Life::new(night);
    life.run("critical@db: refused", at("24 01:00"));
    life.run("critical@web: 500", at("24 02:00"));
    life.step("clock", at("24 07:00"));
    assert!(life.health.undelivered(2, false));
    assert!(life.step("critical@db: refused", at("24 07:05")).starts_with("failure critical, opens #1, pings"));
}

#[test]
fn an_incident_that_goes_on_is_there_still_when_a_silence_in_which_another_one_ended_is_over() {
    // Both were told before it, or the second began in it.
    for told in [true, false] {
        let mut life = Life::new("intermittent = false");
        life.run("critical@db: refused", at("03:00"));
        if told {
            life.run("critical@web: 500", at("03:01"));
        }
        life.step("silence 1h", at("03:02"));
        life.run("critical@web: 500", at("03:03"));
        life.run("ok@db", at("03:04"));
        let ends = life.step("clock", at("04:02"));
        assert!(ends.starts_with("recovery ok, closes #1") && ends.contains(" && "), "{ends}");
        assert!(ends.contains("still failing") && ends.contains("the silence ended"), "{ends}");
        assert_eq!(life.health.standing(), Some(Status::Critical));
        assert!(life.step("ok@web", at("04:05")).starts_with("recovery ok, closes #"), "{told}");
    }
}

#[test]
fn the_end_of_quiet_hours_is_about_what_fails_still() {
    let mut life = Life::new("quiet_hours = \"22:00-07:00\"\nintermittent = false");
    life.run("critical@web: 500", at("23 21:00"));
    life.run("ok@web", at("24 01:00"));
    life.run("critical@db: refused", at("24 02:00"));
    life.run("ok@web", at("24 03:00"));
    let ends = life.step("clock", at("24 07:00"));
    assert!(ends.starts_with("failure critical, opens #3, pings (2 alerts in quiet hours)"), "{ends}");
    assert!(ends.contains(" && recovery ok, closes #1"), "{ends}");
}

#[test]
fn the_end_of_a_hang_is_told_though_the_run_fails_under_a_key_that_was_open() {
    story(
        "stuck_after = 1\nintermittent = false\nflap = false",
        &[
            ("03:00", "critical@web: 500", "failure critical, opens #1, pings"),
            ("03:05", "skip", "stuck critical, opens #2, pings (1 due time skipped in a row)"),
            ("03:10", "critical@web: 500", "repeat critical, in #2 (ended after 1s, exit code 2)"),
            ("03:15", "critical@web: 500", "held: repeat-not-due until 23 04:00"),
            ("03:20", "ok@web", "recovery ok, closes #1 and #2 (2 failures in 20m)"),
        ],
    );
}

#[test]
fn without_threads_one_message_says_of_each_key_that_it_is_well() {
    let mut life = Life::new("thread = false\nintermittent = false\nflap = false");
    for (key, minute) in [("db", "00"), ("web", "01"), ("dns", "02")] {
        life.run(&format!("critical@{key}: down"), at(&format!("03:{minute}")));
    }
    let Verdict::Notify(word) = life.run("ok", at("03:05")) else { panic!("it is well again") };
    let keys = word.keys(word.incident.map(|incident| incident.id));
    assert_eq!((keys.own.as_str(), keys.ended), ("dns", vec!["db".to_owned(), "web".to_owned()]));
}

#[test]
fn a_failure_without_a_key_goes_on_with_an_open_one_and_does_not_say_that_it_is_of_that_key() {
    let mut life = Life::new("repeat = \"always\"");
    for (what, minute, own) in
        [("critical@db: down", "00", ""), ("critical@web: down", "01", "web"), ("critical: crash", "02", "")]
    {
        let Verdict::Notify(word) = life.run(what, at(&format!("03:{minute}"))) else { panic!("it is told") };
        assert_eq!(word.keys(word.incident.map(|incident| incident.id)).own, own, "{what}");
    }
}
