//! Stories of incidents: what is repeated and when, what is shown in the channel, what pings, and where it ends.

use std::time::Duration;

use super::settings::Normalize;
use super::stories::{Life, at, hang, run_as, story};
use super::{Hung, Verdict, judge, skipped};
use crate::exec::Status;
use crate::id::RunId;

#[test]
fn repetitions_grow_rare_and_are_shown_when_nothing_was_visible_for_long() {
    let mut life = Life::new("");
    let mut told = Vec::new();
    for hour in 0..90_u64 {
        let now = crate::clock::shift(at("03:00"), Duration::from_secs(hour * 3_600));
        if let Verdict::Notify(sent) = life.run("critical: disk full", now) {
            told.push((hour, sent.thread.is_visible(), sent.pings));
        }
    }
    assert_eq!(
        told,
        [
            (0, true, true),
            (1, false, false),
            (3, false, false),
            (7, false, false),
            (15, true, false),
            (39, true, false),
            (63, true, false),
            (87, true, false),
        ]
    );
}

#[test]
fn the_second_night_of_a_nightly_backup_is_shown_in_the_channel() {
    story(
        "",
        &[
            ("23 03:00", "critical: wrote 18231 blocks", "failure critical, opens #1, pings"),
            ("24 03:00", "critical: wrote 19228 blocks", "repeat critical, shown in #1 (same failure, 2nd time)"),
            ("25 03:00", "critical: wrote 20225 blocks", "repeat critical, shown in #1 (same failure, 3rd time)"),
            ("26 03:00", "ok", "recovery ok, closes #1 (3 failures in 3d)"),
        ],
    );
}

#[test]
fn worse_is_measured_against_the_worst_that_was_told() {
    story(
        "",
        &[
            ("03:00", "warning: load 9", "failure warning, opens #1"),
            ("03:05", "critical: load 17", "repeat critical, shown in #1, pings (worse: was warning)"),
            ("03:10", "warning: load 9", "repeat warning, in #1 (better: was critical)"),
            ("03:15", "critical: load 17", "repeat critical, in #1 (worse: was warning)"),
            ("03:20", "warning: load 9", "repeat warning, in #1 (better: was critical)"),
            ("03:25", "critical: load 17", "repeat critical, in #1 (worse: was warning)"),
            ("04:15", "warning: load 9", "repeat warning, in #1 (better: was critical)"),
            ("04:20", "critical: load 17", "repeat critical, in #1 (worse: was warning)"),
            ("04:25", "unknown: no answer", "repeat unknown, in #1 (state unknown since 04:25, was critical)"),
            ("04:30", "ok", "recovery ok, closes #1 (9 failures in 1h 30m)"),
        ],
    );
    // What is told to be better is warning: unknown is worse than that.
    story(
        "",
        &[
            ("03:00", "critical: load 17", "failure critical, opens #1, pings"),
            ("03:05", "warning: load 9", "repeat warning, in #1 (better: was critical)"),
            ("03:10", "unknown: no answer", "repeat unknown, in #1 (worse: was warning)"),
            ("03:15", "warning: load 9", "repeat warning, in #1 (better: was unknown)"),
            ("03:20", "unknown: no answer", "repeat unknown, in #1 (worse: was warning)"),
        ],
    );
}

#[test]
fn a_worse_status_is_the_new_headline_of_the_first_message() {
    let mut life = Life::new("");
    let mut headlines = Vec::new();
    for (minute, what) in ["warning: a", "critical: b", "warning: a", "ok"].iter().enumerate() {
        if let Verdict::Notify(sent) = life.run(what, at(&format!("03:0{minute}"))) {
            headlines.push(sent.headline.is_some());
        }
    }
    assert_eq!(headlines, [false, true, false, false]);
}

#[test]
fn a_status_that_is_unknown_after_critical_is_no_improvement() {
    story(
        "",
        &[
            ("03:00", "critical: 900 orders", "failure critical, opens #1, pings"),
            ("03:20", "unknown: no database", "repeat unknown, in #1 (state unknown since 03:20, was critical)"),
            ("03:25", "ok", "recovery ok, closes #1 (2 failures in 25m)"),
        ],
    );
}

#[test]
fn what_is_better_stays_where_the_incident_was_told() {
    let ops = crate::id::Channel::new("ops");
    let mut life = Life::new("channels = { critical = \"pager\" }");
    let channels = |life: &mut Life, what: &str, time: &str| match life.run(what, at(time)) {
        Verdict::Notify(sent) => {
            let all = sent.channels(&life.settings, Some(&ops));
            all.iter().for_each(|channel| _ = life.health.delivered(1, channel, None));
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    assert_eq!(channels(&mut life, "critical: a", "03:00"), ["#pager"]);
    assert_eq!(channels(&mut life, "unknown: b", "03:05"), ["#pager"]);
    assert_eq!(channels(&mut life, "warning: c", "03:10"), ["#pager"]);
    assert_eq!(channels(&mut life, "ok", "03:15"), ["#pager"]);
}

#[test]
fn what_is_better_goes_to_the_channel_of_its_status_too_where_that_has_one() {
    let mut life = Life::new("channels = { critical = \"pager\", warning = \"warn\" }");
    let mut channels = |what: &str, time: &str| match life.run(what, at(time)) {
        Verdict::Notify(sent) => {
            let all = sent.channels(&life.settings, None);
            all.iter().for_each(|channel| _ = life.health.delivered(1, channel, None));
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    assert_eq!(channels("critical: a", "03:00"), ["#pager"]);
    assert_eq!(channels("warning: c", "03:10"), ["#pager", "#warn"]);
    assert_eq!(channels("ok", "03:15"), ["#pager", "#warn"]);
}

#[test]
fn an_incident_ends_where_it_was_told_when_the_configuration_names_another_channel() {
    let (ops, new) = (crate::id::Channel::new("ops"), crate::id::Channel::new("new"));
    let mut life = Life::new("");
    let first = life.run("critical: a", at("03:00"));
    assert!(matches!(first, Verdict::Notify(_)));
    life.health.delivered(1, &ops, None);
    let Verdict::Notify(end) = life.run("ok", at("03:05")) else { panic!("a recovery") };
    assert_eq!(end.channels(&life.settings, Some(&new)), [ops, new]);
}

#[test]
fn who_asks_for_no_recovery_gets_the_edit_alone() {
    story(
        "on = [\"failure\"]",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:05", "ok", "held: not-asked && recovery ok, only edits #1 (1 failure in 5m)"),
            ("03:10", "ok", "held: not-asked"),
        ],
    );
    story(
        "on = [\"failure\"]\nstuck_after = 1",
        &[
            ("03:05", "skip", "stuck critical, opens #1, pings (1 due time skipped in a row)"),
            ("03:06", "ok", "held: not-asked && recovery ok, only edits #1 (ended after 1s, exit code 0)"),
        ],
    );
    story(
        "on = [\"failure\"]\nthread = false",
        &[("03:00", "critical: a", "failure critical, pings"), ("03:05", "ok", "held: not-asked")],
    );
}

#[test]
fn a_hang_is_an_incident_with_repetitions_and_an_end() {
    story(
        "stuck_after = 2",
        &[
            ("03:05", "skip", ""),
            ("03:10", "skip", "stuck critical, opens #1, pings (2 due times skipped in a row)"),
            ("03:15", "skip", ""),
            ("04:10", "skip", "stuck critical, in #1 (4 due times skipped in a row)"),
            ("06:10", "skip", "stuck critical, in #1 (5 due times skipped in a row)"),
            ("11:00", "ok", "recovery ok, closes #1 (ended after 1s, exit code 0)"),
        ],
    );
    story(
        "stuck_after = 1",
        &[
            ("03:05", "skip", "stuck critical, opens #1, pings (1 due time skipped in a row)"),
            ("03:10", "critical: killed", "repeat critical, in #1 (ended after 1s, exit code 2)"),
            ("03:15", "ok", "recovery ok, closes #1 (1 failure in 1h 10m)"),
        ],
    );
}

#[test]
fn the_end_of_a_hang_is_told_at_once_though_the_run_counts_as_not_run() {
    let hang = ("03:05", "skip", "stuck critical, opens #1, pings (1 due time skipped in a row)");
    let told = |notify: &str, steps: &[(&str, &str, &str)]| story(&format!("stuck_after = 1\n{notify}"), steps);
    told(
        "",
        &[
            hang,
            ("03:30", "not run", "not run && recovery ok, closes #1 (ended after 1s, exit code 2)"),
            ("03:40", "not run", "not run"),
            ("03:45", "ok", "held: blank"),
            ("03:55", "skip", "stuck critical, opens #4, pings (1 due time skipped in a row)"),
        ],
    );
    // What failed before fails still, as far as anybody knows.
    told(
        "",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:05", "skip", "stuck critical, in #1 (1 due time skipped in a row)"),
            ("03:30", "not run", "not run && repeat critical, in #1 (ended after 1s, exit code 2)"),
            ("03:35", "skip", ""),
            ("03:50", "ok", "recovery ok, closes #1 (3 failures in 50m)"),
        ],
    );
    told(
        "on = [\"failure\"]",
        &[hang, ("03:30", "not run", "not run && recovery ok, only edits #1 (ended after 1s, exit code 2)")],
    );
    // In a silence it is owed; what nobody heard of has no end to tell.
    told(
        "",
        &[
            hang,
            ("03:10", "silence 1h", ""),
            ("03:30", "not run", "not run"),
            ("04:10", "clock", "recovery ok, closes #1 (ok since 03:30, 1 failure in 1h 25m)"),
        ],
    );
    told(
        "",
        &[
            ("03:00", "silence 1h", ""),
            ("03:05", "skip", ""),
            ("03:30", "not run", "not run"),
            ("04:30", "ok", "held: blank"),
        ],
    );
    told(
        "quiet_hours = \"02:00-07:00\"",
        &[
            ("03:05", "skip", ""),
            ("03:30", "not run", "not run"),
            (
                "07:00",
                "clock",
                "recovery ok (1 alert in quiet hours) | critical from 02:05 to 03:30 (1h 25m), 1 failure: a run hung: copying",
            ),
        ],
    );
}

#[test]
fn a_job_that_hangs_now_and_then_is_one_conversation_with_one_ping_in_which_a_hang_that_lasts_is_shown() {
    let hang = "(1 due time skipped in a row)";
    story(
        "stuck_after = 1",
        &[
            ("01:05", "skip", &format!("stuck critical, opens #1, pings {hang}")),
            ("01:10", "ok", "recovery ok, closes #1 (ended after 1s, exit code 0)"),
            ("02:05", "skip", &format!("stuck critical, opens #2, pings {hang}")),
            ("02:10", "ok", "recovery ok, closes #2 (ended after 1s, exit code 0)"),
            ("03:05", "skip", &format!("stuck critical, opens #3, pings {hang}")),
            (
                "03:10",
                "ok",
                "recovery ok, in #3 (ended after 1s, exit code 0) [failed 3 of 3 runs since 00:05, intermittently]",
            ),
            (
                "04:05",
                "skip",
                &format!("stuck critical, in #3 {hang} [failed 4 of 4 runs since 00:05, intermittently]"),
            ),
            ("04:10", "skip", ""),
            // It hangs still when a repetition is due.
            ("05:05", "skip", "stuck critical, shown in #3, pings (3 due times skipped in a row)"),
            (
                "05:10",
                "ok",
                "recovery ok, shown in #3 (ended after 1s, exit code 0) [failed 4 of 4 runs since 00:05, intermittently]",
            ),
            ("05:15", "critical: db", "failure critical, in #3 [failed 5 of 5 runs since 00:05, intermittently]"),
            ("05:20", "ok", "recovery ok, in #3 (1 failure in 5m)"),
        ],
    );
}

#[test]
fn a_hang_that_follows_a_failure_in_a_conversation_is_not_yet_one_that_lasts() {
    story(
        "stuck_after = 1\nintermittent = { incidents = 2, within = \"24h\" }",
        &[
            ("01:00", "critical: db", "failure critical, opens #1, pings"),
            ("01:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            (
                "02:00",
                "critical: db",
                "failure critical, opens #3, pings (failed 2 of 3 runs since 01:00, intermittently)",
            ),
            (
                "02:10",
                "skip",
                "stuck critical, in #3 (1 due time skipped in a row) [failed 3 of 4 runs since 01:00, intermittently]",
            ),
            ("02:15", "ok", "recovery ok, in #3 (2 failures in 15m) [failed 3 of 4 runs since 01:00, intermittently]"),
        ],
    );
}

#[test]
fn hangs_and_their_ends_are_changes_of_status() {
    story(
        "stuck_after = 1\nflap = { changes = 4, within = \"30m\" }",
        &[
            ("03:00", "ok", "held: blank"),
            ("03:05", "skip", "stuck critical, opens #2, pings (1 due time skipped in a row)"),
            ("03:06", "ok", "recovery ok, closes #2 (ended after 1s, exit code 0)"),
            ("03:10", "skip", "stuck critical, opens #3, pings (1 due time skipped in a row)"),
            (
                "03:11",
                "ok",
                "flapping ok, shown in #3 (4 changes of status in 6m, no more messages until it is steady for 30m)",
            ),
            ("03:15", "skip", ""),
            ("03:16", "ok", "held: flapping until 23 03:46"),
            ("03:46", "clock", "flapping ok, closes #3 (steady again: ok for 30m)"),
        ],
    );
}

#[test]
fn a_hang_that_follows_another_one_is_told_once_and_takes_no_step_of_repeat() {
    story(
        "stuck_after = 1\nintermittent = false",
        &[
            ("03:00", "skip", "stuck critical, opens #1, pings (1 due time skipped in a row)"),
            ("03:05", "critical: late", "repeat critical, in #1 (ended after 1s, exit code 2)"),
            ("03:10", "skip", "stuck critical, in #1 (1 due time skipped in a row)"),
            ("03:15", "critical: late", "repeat critical, in #1 (ended after 1s, exit code 2)"),
            // It goes on like that: as often as `repeat` says.
            ("03:20", "skip", ""),
            ("03:25", "critical: late", "held: repeat-not-due until 23 04:15"),
            ("04:20", "critical: late", "repeat critical, in #1 (same failure, 2nd time)"),
            ("04:25", "ok", "recovery ok, closes #1 (4 failures in 2h 25m)"),
        ],
    );
}

#[test]
fn a_flapping_job_that_hangs_is_not_steady_and_ok() {
    story(
        "flap = { changes = 2, within = \"10m\" }\nintermittent = false\nrepeat = \"never\"\nstuck_after = 1",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:01", "ok", "recovery ok, closes #1 in its thread (1 failure in 1m)"),
            (
                "03:02",
                "critical: a",
                "flapping critical, opens #3, pings (2 changes of status in 1m, no more messages until it is steady for 10m)",
            ),
            ("03:03", "ok", "held: flapping until 23 03:13"),
            ("03:05", "skip", "stuck critical, in #3 (1 due time skipped in a row)"),
            ("03:15", "clock", "stuck critical, shown in #3, pings (1 due time skipped in a row)"),
            ("03:40", "ok", "recovery ok, closes #3 (2 failures in 38m)"),
        ],
    );
}

#[test]
fn the_end_of_a_hang_that_was_told_while_the_job_flaps_is_told_and_it_flaps_still() {
    let settings =
        "flap = { changes = 2, within = \"10m\" }\nintermittent = false\nrepeat = \"never\"\nstuck_after = 1";
    let flaps = [
        ("03:00", "critical: a", "failure critical, opens #1, pings"),
        ("03:01", "ok", "recovery ok, closes #1 in its thread (1 failure in 1m)"),
        (
            "03:02",
            "critical: a",
            "flapping critical, opens #3, pings (2 changes of status in 1m, no more messages until it is steady for 10m)",
        ),
        ("03:03", "ok", "held: flapping until 23 03:13"),
        ("03:05", "skip", "stuck critical, in #3 (1 due time skipped in a row)"),
    ];
    let told = |more: &[(&str, &str, &str)]| story(settings, &[&flaps[..], more].concat());
    told(&[
        ("03:06", "ok", "flapping ok, in #3 (ended after 1s, exit code 0)"),
        ("03:10", "skip", ""),
        ("03:11", "ok", "held: flapping until 23 03:21"),
        ("03:21", "clock", "flapping ok, closes #3 (steady again: ok for 10m)"),
    ]);
    told(&[
        ("03:06", "critical: late", "repeat critical, in #3 (ended after 1s, exit code 2)"),
        ("03:07", "ok", "held: flapping until 23 03:17"),
    ]);
}

#[test]
fn a_run_that_follows_one_that_hung_does_not_hang_before_it_does() {
    let mut life = Life::new("stuck_after = 2");
    let skip = |life: &mut Life, minute: u8| {
        let hang = hang(life.next_run());
        skipped(&life.settings, &mut life.health, hang, &life.zone, at(&format!("03:0{minute}")))
    };
    skip(&mut life, 0);
    skip(&mut life, 1);
    assert_eq!(life.health.hang(), Some(Hung { run: RunId(1), due_times: 2, replaced: false }));
    life.run("warning: was late", at("03:02"));
    assert_eq!(life.health.hang(), None, "it has ended");
    assert_eq!(life.health.standing(), Some(Status::Warning));
    skip(&mut life, 3);
    assert_eq!(life.health.hang(), None, "one due time has passed beside the next run, and the one before has ended");
    skip(&mut life, 4);
    assert_eq!(life.health.hang(), Some(Hung { run: RunId(2), due_times: 2, replaced: false }));
    assert_eq!(life.health.standing(), Some(Status::Critical));
}

#[test]
fn a_job_that_fails_now_and_then_is_one_conversation() {
    story(
        "",
        &[
            ("09:00", "critical: a", "failure critical, opens #1, pings"),
            ("09:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            ("12:00", "critical: b", "failure critical, opens #3, pings"),
            ("12:05", "ok", "recovery ok, closes #3 in its thread (1 failure in 5m)"),
            (
                "15:00",
                "critical: c",
                "failure critical, opens #5, pings (failed 3 of 5 runs since 09:00, intermittently)",
            ),
            ("15:05", "ok", "recovery ok, in #5 (1 failure in 5m)"),
            ("18:00", "critical: d", "failure critical, in #5 [failed 4 of 7 runs since 09:00, intermittently]"),
            ("18:05", "critical: d", "held: repeat-not-due until 23 19:00"),
            (
                "18:10",
                "critical: d",
                "repeat critical, shown in #5, pings (3 failures in a row since 18:00) [failed 6 of 9 runs since 09:00, intermittently]",
            ),
            (
                "18:15",
                "ok",
                "recovery ok, shown in #5 (3 failures in 15m) [failed 6 of 10 runs since 09:00, intermittently]",
            ),
            ("24 18:10", "ok", "held: blank && recovery ok, only edits #5 (ok for 1d; 6 of 10 runs had failed)"),
            ("24 19:00", "critical: e", "failure critical, opens #12, pings"),
        ],
    );
    // After a day without a run nobody knows that it no longer fails; and then it fails.
    story(
        "intermittent = { incidents = 2, within = \"24h\" }",
        &[
            ("09:00", "critical: a", "failure critical, opens #1, pings"),
            ("09:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            (
                "12:00",
                "critical: b",
                "failure critical, opens #3, pings (failed 2 of 3 runs since 09:00, intermittently)",
            ),
            ("12:05", "ok", "recovery ok, in #3 (1 failure in 5m)"),
            (
                "24 19:00",
                "critical: e",
                "failure critical, opens #5, pings && recovery ok, only edits #3 (ok for 5m; 2 of 4 runs had failed)",
            ),
        ],
    );
    // A failure of another kind, which is no part of the conversation, is a failure all the same.
    story(
        "intermittent = { incidents = 2, within = \"24h\" }",
        &[
            ("09:00", "critical: a", "failure critical, opens #1, pings"),
            ("09:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            (
                "12:00",
                "critical: b",
                "failure critical, opens #3, pings (failed 2 of 3 runs since 09:00, intermittently)",
            ),
            ("12:05", "ok", "recovery ok, in #3 (1 failure in 5m)"),
            ("12:10", "critical@db: c", "failure critical, opens #5, pings"),
            ("24 12:10", "critical@db: c", "repeat critical, shown in #5 (same failure, 2nd time)"),
            ("24 12:15", "ok", "recovery ok, closes #5 (2 failures in 1d)"),
        ],
    );
    story(
        "intermittent = false\nflap = false",
        &[
            ("09:00", "critical: a", "failure critical, opens #1, pings"),
            ("09:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            ("09:10", "critical: a", "failure critical, opens #3, pings"),
            ("09:15", "ok", "recovery ok, closes #3 in its thread (1 failure in 5m)"),
            ("09:20", "critical: a", "failure critical, opens #5, pings"),
        ],
    );
}

#[test]
fn a_warning_that_lasts_and_turns_critical_is_shown_though_an_earlier_failure_was_critical_too() {
    story(
        "intermittent = { incidents = 2, within = \"24h\" }",
        &[
            ("09:00", "critical: a", "failure critical, opens #1, pings"),
            ("09:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            (
                "12:00",
                "critical: b",
                "failure critical, opens #3, pings (failed 2 of 3 runs since 09:00, intermittently)",
            ),
            ("12:05", "ok", "recovery ok, in #3 (1 failure in 5m)"),
            ("15:00", "warning: c", "failure warning, in #3 [failed 3 of 5 runs since 09:00, intermittently]"),
            ("15:05", "warning: c", "held: repeat-not-due until 23 16:00"),
            (
                "15:10",
                "warning: c",
                "repeat warning, shown in #3 (3 failures in a row since 15:00) [failed 5 of 7 runs since 09:00, intermittently]",
            ),
            ("15:15", "critical: down", "repeat critical, shown in #3, pings (worse: was warning)"),
        ],
    );
}

#[test]
fn what_failed_in_quiet_hours_belongs_to_the_conversation_too() {
    story(
        "intermittent = { incidents = 2, within = \"24h\" }\nquiet_hours = \"22:00-07:00\"",
        &[
            ("20:00", "critical: a", "failure critical, opens #1, pings"),
            ("20:05", "ok", "recovery ok, closes #1 in its thread (1 failure in 5m)"),
            (
                "21:00",
                "critical: b",
                "failure critical, opens #3, pings (failed 2 of 3 runs since 20:00, intermittently)",
            ),
            ("21:05", "ok", "recovery ok, in #3 (1 failure in 5m)"),
            ("24 01:00", "critical: c", "held: quiet-hours until 24 07:00"),
            ("24 01:05", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok, in #3 (1 alert in quiet hours) [failed 3 of 6 runs since 20:00, intermittently] | critical from 01:00 to 01:05 (5m), 1 failure: c",
            ),
            ("24 08:00", "critical: d", "failure critical, in #3 [failed 4 of 7 runs since 20:00, intermittently]"),
            ("24 08:05", "ok: x", "recovery ok, in #3 (1 failure in 5m)"),
            ("24 22:30", "critical: e", "held: quiet-hours until 25 07:00"),
            ("24 22:35", "critical: e", "held: quiet-hours until 25 07:00"),
            ("24 22:40", "critical: e", "held: quiet-hours until 25 07:00"),
            ("24 22:45", "ok", "held: quiet-hours until 25 07:00"),
            (
                "25 07:00",
                "clock",
                "recovery ok, shown in #3 (1 alert in quiet hours) [failed 7 of 12 runs since 2026-11-23 20:00, intermittently] | critical from 22:30 to 22:45 (15m), 3 failures, 2nd night in a row: e",
            ),
        ],
    );
}

#[test]
fn while_it_flaps_a_worse_status_breaks_through_and_a_reminder_comes() {
    story(
        "flap = { changes = 2, within = \"30m\" }\nintermittent = false\nrepeat = \"20m\"",
        &[
            ("03:00", "ok", "held: blank"),
            ("03:05", "warning: a", "failure warning, opens #2"),
            (
                "03:10",
                "ok",
                "flapping ok, shown in #2 (2 changes of status in 5m, no more messages until it is steady for 30m)",
            ),
            ("03:15", "warning: a", "held: flapping until 23 03:45"),
            ("03:20", "critical: b", "repeat critical, shown in #2, pings (worse: was warning)"),
            ("03:25", "ok", "held: flapping until 23 03:55"),
            ("03:30", "critical: b", "flapping critical, in #2 (still changing: 5 changes of status since 03:05)"),
            ("03:35", "critical: b", "held: flapping until 23 04:00"),
        ],
    );
}

#[test]
fn only_changes_between_ok_and_not_ok_are_flapping() {
    story(
        "flap = { changes = 2, within = \"30m\" }\nrepeat = \"never\"",
        &[
            ("03:00", "warning: a", "failure warning, opens #1"),
            ("03:05", "critical: b", "repeat critical, shown in #1, pings (worse: was warning)"),
            ("03:10", "warning: a", "repeat warning, in #1 (better: was critical)"),
            ("03:15", "critical: b", "repeat critical, in #1 (worse: was warning)"),
            ("03:20", "warning: a", "repeat warning, in #1 (better: was critical)"),
            ("03:25", "critical: b", "repeat critical, in #1 (worse: was warning)"),
            ("03:30", "ok", "recovery ok, closes #1 (6 failures in 30m)"),
        ],
    );
}

#[test]
fn a_changed_setting_is_no_change_of_the_output_and_no_other_failure() {
    let mut life = Life::new("on = [\"change\", \"failure\", \"recovery\"]");
    life.run("ok: 3 errors", at("03:00"));
    life.settings.normalize = Normalize::All;
    let verdict = life.run("ok: 3 errors", at("03:05"));
    assert_eq!(life.told(&verdict, at("03:05")), "held: unchanged");
    life.run("critical: 3 errors", at("03:10"));
    life.settings.normalize = Normalize::None;
    let verdict = life.run("critical: 3 errors", at("03:15"));
    assert_eq!(life.told(&verdict, at("03:15")), "held: repeat-not-due until 23 04:10");
}

#[test]
fn a_repetition_is_due_by_the_clock_when_its_slot_is_late() {
    // The run of 03:30 waited for a place until 04:05: by its slot an hour has not passed, by the clock it has.
    let mut life = Life::new("");
    life.run("critical", at("03:00"));
    let verdict = run_as("critical", 2, at("03:30"), |facts| {
        judge(&life.settings, &mut life.health, facts, &life.zone, at("04:05")).verdict
    });
    assert_eq!(life.told(&verdict, at("04:05")), "repeat critical, in #1 (same failure, 2nd time)");
}

#[test]
fn a_night_in_which_the_job_is_well_again_is_no_night_in_which_it_failed() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("23 03:00", "critical: full", "held: quiet-hours until 23 07:00"),
            (
                "23 07:00",
                "clock",
                "failure critical, opens #1, pings (1 alert in quiet hours) | critical since 03:00, 1 failure, failing still: full",
            ),
            ("24 03:00", "critical: full", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "repeat critical, shown in #1 (1 alert in quiet hours) | critical since 2026-11-23 03:00, 2 failures, 2nd night in a row, failing still: full",
            ),
            ("25 03:00", "ok", "held: quiet-hours until 25 07:00"),
            (
                "25 07:00",
                "clock",
                "recovery ok, closes #1 (1 alert in quiet hours) | critical from 2026-11-23 03:00 to 2026-11-25 03:00 (2d), 2 failures: full",
            ),
        ],
    );
}

#[test]
fn a_silence_that_ends_when_flapping_ends_is_told_once() {
    story(
        "flap = { changes = 2, within = \"10m\" }\nintermittent = false\nrepeat = \"never\"",
        &[
            ("03:00", "warning: a", "failure warning, opens #1"),
            ("03:01", "ok", "recovery ok, closes #1 in its thread (1 failure in 1m)"),
            (
                "03:02",
                "warning: a",
                "flapping warning, opens #3 (2 changes of status in 1m, no more messages until it is steady for 10m)",
            ),
            ("03:03", "silence 1h", ""),
            ("03:04", "warning: a", "held: flapping until 23 03:12"),
            ("04:03", "clock", "flapping warning, shown in #3 (steady again: warning for 1h 1m)"),
        ],
    );
}

#[test]
fn the_digest_has_the_worst_status_of_an_incident() {
    story(
        "quiet_hours = \"22:00-07:00\"",
        &[
            ("23:00", "critical: a", "held: quiet-hours until 24 07:00"),
            ("23:10", "warning: b", "held: quiet-hours until 24 07:00"),
            ("23:20", "ok", "held: quiet-hours until 24 07:00"),
            (
                "24 07:00",
                "clock",
                "recovery ok (1 alert in quiet hours) | failing from 23:00 to 23:20 (20m), 2 failures, critical at worst (a), warning at last: b",
            ),
        ],
    );
}

#[test]
fn a_failure_that_was_told_as_an_exception_is_still_one_after_a_repetition() {
    story(
        "quiet_hours = \"22:00-07:00\"\nquiet_except = [\"critical\"]\nrepeat = \"10m\"",
        &[
            ("23:00", "critical: a", "failure critical, opens #1, pings"),
            ("23:10", "critical: a", "repeat critical, in #1 (same failure, 2nd time)"),
            ("23:20", "ok", "recovery ok, closes #1 (2 failures in 20m)"),
        ],
    );
}

#[test]
fn the_end_counts_every_run_that_was_replaced_before_it_ended() {
    let row = |before: u32, failures: &str| {
        let mut life = Life::new("repeat = \"10m\"");
        for minute in 0..before {
            life.step("critical: a", at(&format!("02:{minute:02}")));
        }
        for replaced in 1..=10 {
            life.step("replace", at(&format!("03:{:02}", 5 * replaced)));
        }
        let end = life.step("ok", at("03:55"));
        assert!(end.contains(failures), "{before}: {end}");
    };
    // The first of them began at 03:00.
    row(0, "10 failures in 55m)");
    row(2, "12 failures in 1h 55m)");
    // What could not be told is not counted twice.
    let mut life = Life::new("stuck_after = 2");
    for (at_time, what) in [("03:05", "replace"), ("03:10", "replace"), ("03:10", "retract"), ("03:15", "replace")] {
        life.step(what, at(at_time));
    }
    let end = life.step("ok", at("03:20"));
    assert!(end.contains("3 failures in 20m"), "{end}");
}

#[test]
fn a_hang_that_could_not_be_told_is_told_at_the_next_due_time() {
    story(
        "stuck_after = 1",
        &[
            ("03:05", "skip", "stuck critical, opens #1, pings (1 due time skipped in a row)"),
            ("03:05", "retract", ""),
            ("03:10", "skip", "stuck critical, opens #1, pings (2 due times skipped in a row)"),
        ],
    );
}

#[test]
fn it_was_told_when_a_channel_took_the_message_and_not_when_that_was_made() {
    let (ops, dev) = (crate::id::Channel::new("ops"), crate::id::Channel::new("dev"));
    let mut life = Life::new("repeat = '1h'");
    let told = |life: &Life| crate::policy::open(&life.settings, &life.health, &life.zone, at("09:00"))[0].told.clone();
    let known = |first: &str, second: &str| vec![(ops.clone(), at(first)), (dev.clone(), at(second))];
    life.run("critical: a", at("03:00"));
    assert_eq!(told(&life), [], "it waits for Slack");
    assert!(life.health.delivered(1, &ops, Some(at("03:00"))));
    assert!(life.health.delivered(1, &dev, Some(at("03:20"))));
    assert_eq!(told(&life), known("03:00", "03:20"));
    // What a process that starts finds in the outbox tells nothing new of the time.
    assert!(!life.health.delivered(1, &dev, None));
    life.run("critical: a", at("04:00"));
    assert_eq!(told(&life), known("03:00", "03:20"), "the repeat waits for Slack");
    assert!(life.health.delivered(1, &ops, Some(at("04:00"))));
    assert!(life.health.delivered(1, &dev, Some(at("04:30"))));
    assert!(!life.health.delivered(1, &dev, Some(at("04:30"))), "nothing is to be written for that");
    assert_eq!(told(&life), known("04:00", "04:30"));
}

#[test]
fn what_the_rate_limit_keeps_back_again_and_again_is_counted_once() {
    story(
        "rate_limit = \"1/h\"\nintermittent = false\nflap = false",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:01", "critical: b", "held: rate-limited until 23 04:00"),
            ("03:02", "critical: b", "held: rate-limited until 23 04:00"),
            ("03:03", "critical: c", "held: rate-limited until 23 04:00"),
            ("03:04", "ok", "recovery ok, closes #1, 2 suppressed (4 failures in 4m)"),
        ],
    );
}

#[test]
fn what_the_rate_limit_keeps_back_counts_once_for_each_repetition_that_would_have_come() {
    story(
        "rate_limit = \"1/24h\"\nrepeat = \"10m\"\nintermittent = false\nflap = false",
        &[
            ("03:00", "critical: a", "failure critical, opens #1, pings"),
            ("03:05", "critical: a", "held: repeat-not-due until 24 03:00"),
            ("03:10", "critical: a", "held: rate-limited until 24 03:00"),
            ("03:15", "critical: a", "held: rate-limited until 24 03:00"),
            ("03:20", "critical: a", "held: rate-limited until 24 03:00"),
            ("03:30", "critical: a", "held: rate-limited until 24 03:00"),
            ("03:31", "ok", "recovery ok, closes #1, 3 suppressed (6 failures in 31m)"),
        ],
    );
}
