//! What the message of a storm says, and where it goes.

use jiff::{SignedDuration, Timestamp};

use super::{Kind, Storm};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Edit, Message, Route, Thread};
use crate::notify::Parent;
use crate::outbox::Standing;
use crate::policy::Event;
use crate::slack::limits::SECTION;

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn failure(number: u64, cause: &str) -> Message {
    let job = JobName::new(format!("job-{number:03}"));
    Message {
        text: format!(":red_circle: *{job}* {cause}"),
        job: Some(job),
        run: None,
        event: Some(Event::Failure),
        status: Status::Critical,
        channel: Channel::new("ops"),
        blocks: Vec::new(),
        color: None,
        incident: Some(number),
        thread: Thread::Open,
        attachment: None,
        created: T0,
        route: Route::default(),
    }
}

fn posted() -> Parent {
    Parent { channel: "C1".into(), ts: "1.2".into() }
}

fn storm(failures: &[Message]) -> Storm {
    Storm::new((7, Kind::Failures), Channel::new("ops"), posted(), &failures.iter().collect::<Vec<_>>(), T0)
}

/// The texts of the blocks.
fn sections(message: &Message) -> Vec<&str> {
    message.blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect()
}

#[test]
fn a_name_that_a_headline_shortens_is_no_part_of_the_cause() {
    let long = JobName::new("nightly/".to_owned() + &"x".repeat(400));
    let shown = crate::message::short(long.as_str());
    let message =
        Message { text: format!(":red_circle: *{shown}* critical: no route"), job: Some(long), ..failure(1, "") };
    assert_eq!(super::Member::of(&message).cause, "critical: no route");
}

#[test]
fn a_job_whose_incident_got_worse_while_it_waited_is_named_once() {
    let warning = Message { status: Status::Warning, ..failure(2, "warning: db1 is slow") };
    let worse = Message {
        event: Some(Event::Repeat),
        thread: Thread::Broadcast,
        ..failure(2, "worse: critical, was warning: db1 refused")
    };
    let alerts = [failure(1, "critical: no route"), warning, failure(3, "critical: disk full"), worse];
    let rows: Vec<crate::store::Stored> = (1..)
        .zip(alerts)
        .map(|(id, alert)| crate::store::Stored::waiting(crate::store::MessageId(id), alert))
        .collect();
    let (kind, taken) = super::gather(&rows).expect("three jobs");
    let told = super::message(kind, &taken, 0, None, T0).expect("a storm").text;
    let later = storm(&rows.iter().map(|row| row.message.clone()).collect::<Vec<_>>()).edit(T0).text;
    for text in [told, later] {
        assert_eq!(text.matches("job-002").count(), 1, "{text}");
        assert!(text.contains("3 critical") && text.contains("*job-002* worse: critical, was warning"), "{text}");
    }
}

#[test]
fn the_end_of_a_storm_is_told_in_its_thread_and_in_the_channel() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "cannot reach the database")).collect();
    let now = T0 + SignedDuration::from_mins(5);
    let end = storm(&failures).told_end(now);
    assert_eq!((end.thread, end.route.target), (Thread::Broadcast, Some(posted())));
    assert_eq!(end.text, ":large_green_circle: *all 3 jobs are well again* after 5m");
}

#[test]
fn a_storm_that_is_told_in_another_channel_says_why() {
    let note = ":warning: could not be posted to #pager: is_archived";
    let elsewhere = |number: u64| {
        let message = failure(number, "cannot reach the database");
        let route = Route { instead_of: Some(Channel::new("pager")), ..Route::default() };
        Message { text: format!("{}\n{note}", message.text), route, ..message }
    };
    let failures: Vec<Message> = (1..=3).map(elsewhere).collect();
    let told = storm(&failures).edit(T0);
    assert_eq!(told.text.matches(note).count(), 1, "{}", told.text);
    assert!(sections(&told).last().is_some_and(|text| text.ends_with(note)), "{told:?}");
    assert!(!storm(&[failure(1, "x"), failure(2, "x"), failure(3, "x")]).edit(T0).text.contains("could not be posted"));
}

#[test]
fn what_a_storm_says_stands_in_as_few_sections_as_hold_it() {
    let cause = |number: u64| {
        format!("says {}", char::from(b'a' + u8::try_from(number % 26).expect("a letter")).to_string().repeat(80))
    };
    for (jobs, expected) in [(10, 1), (26, 1), (60, 2)] {
        let failures: Vec<Message> = (0..jobs).map(|number| failure(number, &cause(number))).collect();
        let told = storm(&failures).edit(T0);
        let sections = sections(&told);
        assert!(sections.iter().all(|text| text.len() <= SECTION), "{sections:#?}");
        assert_eq!(sections.len(), expected, "{sections:#?}");
        for number in 0..jobs {
            assert_eq!(told.text.matches(&format!("job-{number:03}")).count(), 1, "{}", told.text);
        }
    }
}

#[test]
fn who_has_a_job_of_a_storm_stands_in_its_message_until_it_is_over() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "cannot reach the database")).collect();
    let mut storm = storm(&failures);
    let later = T0 + SignedDuration::from_mins(5);
    let noted = |words: &str| {
        let route = Route { edit: Some(Edit::Noted { words: words.to_owned() }), ..Route::default() };
        Message { route, ..failure(2, "") }
    };
    let lines = |storm: &Storm| storm.edit(later).text.lines().map(str::to_owned).collect::<Vec<_>>();
    let without = lines(&storm);
    storm.update(&noted("dana_k has it, until 05:10: <disk>"), later);
    assert_eq!(storm.changed, T0, "no job is other than it was");
    let with = lines(&storm);
    assert_eq!(with[..without.len()], without);
    assert_eq!(with[without.len()..], ["job-002 · _dana-k has it, until 05:10: &lt;disk&gt;_"]);
    assert!(sections(&storm.edit(later)).last().is_some_and(|text| text.ends_with("&lt;disk&gt;_")));
    let mut well = storm.clone();
    well.update(&Message { status: Status::Ok, ..failure(2, "") }, later);
    assert!(!lines(&well).iter().any(|line| line.contains("dana")), "it is over");
    storm.update(&noted(""), later);
    assert_eq!(lines(&storm), without);
}

#[test]
fn notes_of_a_storm_leave_room_for_what_fails() {
    let cause = |number: u64| format!("says {number} {}", "x".repeat(140));
    let failures: Vec<Message> = (1..=64).map(|number| failure(number, &cause(number))).collect();
    let mut storm = storm(&failures);
    for number in 1..=64 {
        let edit = Some(Edit::Noted { words: "dana has it, until 05:10: ".to_owned() + &"y".repeat(100) });
        storm.update(&Message { route: Route { edit, ..Route::default() }, ..failure(number, "") }, T0);
    }
    let told = storm.edit(T0);
    assert!(crate::slack::weight(&told.blocks) <= crate::slack::limits::ALL_BLOCKS, "{}", told.text.len());
    assert!((1..=64).all(|number| told.text.contains(&format!("job-{number:03}"))));
}

#[test]
fn a_storm_names_how_many_fail_and_counts_each_status_that_there_is() {
    let mut failures: Vec<Message> = (1..=4).map(|number| failure(number, &format!("says {number}"))).collect();
    failures[3] = Message { status: Status::Warning, ..failure(4, "slow") };
    let mut storm = storm(&failures);
    let head = |storm: &Storm| storm.edit(T0).text.lines().next().expect("a head").to_owned();
    assert_eq!(head(&storm), ":red_circle: *4 jobs fail*: 3 critical, 1 warning; 3 of them: says 1–3");
    let well = Message { status: Status::Ok, ..failure(1, "") };
    storm.update(&well, T0);
    assert_eq!(head(&storm), ":red_circle: *1 of 4 is well again*, 3 still fail");
    let route = storm.edit(T0).route;
    assert_eq!(
        (route.target, route.repeated),
        (Some(posted()), true),
        "it changes the first message, and nothing is lost"
    );
}

#[test]
fn a_job_that_gets_worse_in_a_storm_says_there_what_it_says_now() {
    let failures: Vec<Message> = (1..=3)
        .map(|number| Message { status: Status::Warning, ..failure(number, "warning: no answer for 3 s") })
        .collect();
    let mut told = storm(&failures);
    let worse = |text: &str| {
        let route = Route { edit: Some(Edit::Worse), ..Route::default() };
        Message { route, ..failure(2, &format!("{text}\nits output")) }
    };
    told.update(&worse("critical: connection refused"), T0);
    let lines: Vec<String> = told.edit(T0).text.lines().map(str::to_owned).collect();
    let expected = [
        ":red_circle: *3 jobs fail*: 1 critical, 2 warning; 2 of them: warning: no answer for 3 s",
        "• 2 jobs: warning: no answer for 3 s",
        "*job-001*, *job-003*",
        "• *job-002* critical: connection refused",
    ];
    assert_eq!(lines, expected);
    // Who has it is no news of the job.
    let noted = Route { edit: Some(Edit::Noted { words: "dana".to_owned() }), ..Route::default() };
    told.update(&Message { route: noted, ..failure(2, "critical: is acknowledged") }, T0);
    assert!(told.edit(T0).text.contains("• *job-002* critical: connection refused"));
    // A storm that is as long as it can be keeps what it has.
    let letter = |number: u64| char::from(b'a' + u8::try_from(number % 26).expect("a letter"));
    let cause =
        |number: u64, length: usize| format!("{} {}", letter(number / 26), letter(number).to_string().repeat(length));
    let failures: Vec<Message> = (1..=70).map(|number| failure(number, &cause(number, 40))).collect();
    let mut full = storm(&failures);
    for number in 1..=70 {
        let route = Route { edit: Some(Edit::Worse), ..Route::default() };
        full.update(&Message { route, ..failure(number, &cause(number, 140)) }, T0);
    }
    let told = full.edit(T0);
    assert!(crate::slack::weight(&told.blocks) <= crate::slack::limits::ALL_BLOCKS, "{}", told.text.len());
    assert!((1..=70).all(|number| told.text.contains(&format!("job-{number:03}"))));
}

#[test]
fn names_of_jobs_in_a_storm_are_names_whatever_marks_are_in_them() {
    let names = ["_hourly_", ":fire:", "a*b*c", "*.bak*"];
    let of = |(number, job): (u64, &str)| {
        let name = crate::slack::unformatted(job);
        let text = format!(":red_circle: {name} critical: no answer");
        Message { text, job: Some(JobName::new(job)), ..failure(number, "") }
    };
    let told = storm(&(1..).zip(names).map(of).collect::<Vec<_>>()).edit(T0).text;
    let lines: Vec<String> = told.lines().map(|line| line.replace('\u{2060}', "")).collect();
    assert_eq!(lines[1..], ["• 4 jobs: critical: no answer", "*_hourly_*, *:fire:*, *a*b*c*, **.bak**"]);
    assert!(!told.contains("_hourly_") && !told.contains(":fire:"), "{told:?}");
}

#[test]
fn a_job_of_a_storm_that_is_removed_is_no_longer_watched_and_the_storm_ends_without_it() {
    let failures: Vec<Message> = (1..=4).map(|number| failure(number, "cannot reach the database")).collect();
    let mut told = storm(&failures);
    let gone = |number: u64| {
        let words = "no longer watched since 14:02 (jobs.d/a&amp;b.toml was removed)".to_owned();
        let route = Route { edit: Some(Edit::Gone { words }), ..Route::default() };
        Message { route, ..failure(number, "") }
    };
    let lines = |storm: &Storm| storm.edit(T0).text.lines().map(str::to_owned).collect::<Vec<_>>();
    told.update(&gone(1), T0);
    let expected = [
        ":red_circle: *1 of 4 is no longer watched*, 3 still fail",
        "• 4 jobs: cannot reach the database",
        ":black_circle: job-001, *job-002*, *job-003*, *job-004*",
        "job-001 · _no longer watched since 14:02 (jobs.d/a&amp;b.toml was removed)_",
    ];
    assert_eq!(lines(&told), expected);
    let well = |told: &mut Storm, number: u64| {
        told.update(&Message { status: Status::Ok, ..failure(number, "") }, T0);
    };
    well(&mut told, 2);
    let head = ":red_circle: *1 of 4 is well again, 1 is no longer watched*, 2 still fail";
    assert!(lines(&told)[0] == head && !told.is_over(), "{:?}", lines(&told));
    (3..=4).for_each(|number| well(&mut told, number));
    let head = ":black_circle: *3 of 4 are well again, 1 is no longer watched* after 0ms";
    assert!(told.is_over() && lines(&told)[0] == head, "{:?}", lines(&told));
    assert_eq!(told.told_end(T0).text, head);
}

#[test]
fn several_recoveries_say_after_how_long() {
    let well =
        |number| Message { event: Some(Event::Recovery), ..failure(number, "is well again after 5s, 5 failures") };
    let members: Vec<_> = (1..=3).map(|number| super::Member::of(&well(number))).collect();
    assert_eq!(super::lines(&members), ["• 3 jobs: after 5s, 5 failures\n*job-001*, *job-002*, *job-003*"]);
}

#[test]
fn a_storm_counts_jobs_though_one_has_several_incidents() {
    let of = |incident, job: &str, cause: &str| {
        let name = JobName::new(job);
        Message { text: format!(":red_circle: *{job}* {cause}"), job: Some(name), ..failure(incident, "") }
    };
    let all =
        [of(1, "a", "no db1"), of(2, "b", "no db1"), of(3, "c", "slow"), of(4, "a", "no db2"), of(5, "c", "slow")];
    let mut told = storm(&all);
    let lines = |storm: &Storm| storm.edit(T0).text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        lines(&told),
        [":red_circle: *3 jobs fail*: 3 critical; 2 of them: no db1–2", "• 2 jobs: no db1–2", "*a*, *b*", "• *c* slow"],
    );
    let well = |storm: &mut Storm, number: usize| {
        storm.update(&Message { status: Status::Ok, ..all[number - 1].clone() }, T0);
    };
    well(&mut told, 1);
    assert_eq!(
        lines(&told)[0],
        ":red_circle: *3 jobs fail*: 3 critical; 2 of them: no db1–2",
        "another incident of it goes on"
    );
    well(&mut told, 4);
    assert_eq!(lines(&told)[0], ":red_circle: *1 of 3 is well again*, 2 still fail");
    [2, 3, 5].into_iter().for_each(|number| well(&mut told, number));
    assert!(told.is_over() && lines(&told)[0].contains("all 3 jobs are well again"), "{:?}", lines(&told));
}

#[test]
fn a_storm_takes_what_says_the_same_soon_and_pings_nobody_new() {
    let after = |seconds| T0 + SignedDuration::from_secs(seconds);
    let disk: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no disk 7 <!here>")).collect();
    let silent: Vec<Message> = (1..=3).map(|number| failure(number, "critical: exit code 2, no output")).collect();
    for (cause, seconds, expected) in [
        ("critical: no disk 7", 600, true),
        ("critical: no disk 8 <!here>", 600, true),
        ("critical: no disk 7", 601, false),
        ("warning: no disk 7", 0, false),
        ("critical: no disk 7 <!here> <@U1>", 0, false),
        ("critical: exit code 2, no output", 0, false),
    ] {
        assert_eq!(storm(&disk).takes(&failure(4, cause), after(seconds)), expected, "{cause} after {seconds} s");
    }
    assert!(!storm(&silent).takes(&failure(4, "critical: exit code 2, no output"), T0), "silence is no common cause");
    // Each that joins keeps it open, for an hour; one that recovers does not.
    let mut storm = storm(&disk);
    for (number, minutes) in [(4, 9), (5, 18), (6, 27), (7, 36), (8, 45), (9, 54)] {
        let joins = failure(number, "critical: no disk 7");
        assert!(storm.takes(&joins, after(minutes * 60)), "{minutes} min");
        storm.join(&joins, after(minutes * 60));
    }
    let late = failure(10, "critical: no disk 7");
    assert!(storm.takes(&late, after(3_600)) && !storm.takes(&late, after(3_601)));
    let mut recovered = self::storm(&disk);
    recovered.update(&Message { status: Status::Ok, ..failure(1, "") }, after(500));
    assert!(!recovered.takes(&late, after(601)));
}

#[test]
fn alerts_that_are_told_together_have_only_what_is_true_of_all_of_them() {
    let line = |causes: [&str; 3]| {
        let failures: Vec<Message> = (1..).zip(causes).map(|(number, cause)| failure(number, cause)).collect();
        storm(&failures).edit(T0).text.lines().nth(1).expect("a line").to_owned()
    };
    for (causes, expected) in [
        (["says 1", "says 1", "says 1"], "• 3 jobs: says 1"),
        (["disk 1 at 97 %", "disk 2 at 97 %", "disk 33 at 97 %"], "• 3 jobs: disk 1–33 at 97 %"),
        (["é1", "é2", "é"], "• 2 jobs: é1–2"),
        (["took 1m", "took 1m 3s", "took 9m"], "• 3 jobs: took 1m (and alike)"),
    ] {
        assert_eq!(line(causes), expected, "{causes:?}");
    }
    let silent = |(number, code)| failure(number, &format!("critical: exit code {code}, no output"));
    let codes: Vec<Message> = [(2, 2), (75, 75), (3, 2)].map(silent).into();
    let text = storm(&codes).edit(T0).text;
    assert!(text.contains("• 2 jobs: critical: exit code 2, no output"), "{text}");
    assert!(text.contains("• *job-075* critical: exit code 75, no output"), "{text}");
}

#[test]
fn an_edit_of_a_storm_keeps_the_cause_in_its_headline() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1")).collect();
    let mut storm = storm(&failures);
    let noted = Route { edit: Some(Edit::Noted { words: "dana".to_owned() }), ..Route::default() };
    storm.update(&Message { route: noted, ..failure(2, "critical: is acknowledged") }, T0);
    let text = storm.edit(T0).text;
    assert!(text.starts_with(":red_circle: *3 jobs fail: critical: no db1*\n"), "{text}");
}

#[test]
fn a_storm_lasted_as_long_as_its_jobs_say() {
    for (millis, words) in [(530, "530ms"), (7_930, "7.9s"), (90_000, "1m 30s")] {
        let began = Route { since: Some(T0), ..Route::default() };
        let failures: Vec<Message> =
            (1..=3).map(|number| Message { route: began.clone(), ..failure(number, "critical: no db1") }).collect();
        let mut storm = storm(&failures);
        let over = T0 + SignedDuration::from_millis(millis);
        for failure in &failures {
            storm.update(&Message { status: Status::Ok, created: over, ..failure.clone() }, over);
        }
        let text = storm.told_end(over).text;
        assert!(text.ends_with(&format!("all 3 jobs are well again* after {words}")), "{text}");
    }
}

#[test]
fn jobs_that_fail_under_another_key_are_not_all_well_again() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1")).collect();
    let mut storm = storm(&failures);
    for (number, failure) in (1..).zip(&failures) {
        let route = Route { fails_still: number == 2, ..Route::default() };
        storm.update(&Message { status: Status::Ok, route, ..failure.clone() }, T0);
    }
    let text = storm.told_end(T0).text;
    assert!(text.contains("these failures of 3 jobs are over"), "{text}");
    assert!(text.ends_with("1 job fails still under another key") && !text.contains("well again"), "{text}");
}

#[test]
fn a_job_that_is_put_back_and_fails_is_watched_again() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1")).collect();
    let gone =
        Route { edit: Some(Edit::Gone { words: "no longer watched since 03:00".to_owned() }), ..Route::default() };
    let gone = Message { route: gone, thread: Thread::Edit, ..failures[0].clone() };
    let again = Message { incident: Some(9), ..failures[0].clone() };
    let back: [&dyn Fn(&mut Storm); 3] =
        [&|storm| _ = storm.update(&failures[0], T0), &|storm| storm.join(&again, T0), &|storm| {
            _ = storm.update_by_other(&again, T0);
        }];
    for back in back {
        let mut storm = storm(&failures);
        storm.update(&gone, T0);
        assert!(storm.edit(T0).text.contains("no longer watched"));
        back(&mut storm);
        let text = storm.edit(T0).text;
        assert!(text.starts_with(":red_circle: *3 jobs fail") && !text.contains("no longer watched"), "{text}");
    }
}

#[test]
fn a_late_end_of_the_first_incident_hides_no_failure_that_came_after_it() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1")).collect();
    let mut storm = storm(&failures);
    let end = |failure: &Message| Message { status: Status::Ok, ..failure.clone() };
    let anew = Message { incident: Some(9), ..failures[0].clone() };
    for message in [&end(&failures[0]), &end(&failures[1])] {
        storm.update(message, T0);
    }
    storm.update_by_other(&anew, T0);
    assert!(!storm.update(&end(&failures[0]), T0), "it is no news");
    let text = storm.edit(T0).text;
    assert!(text.contains("1 of 3 is well again") && text.contains("*job-001*"), "{text}");
    assert!(storm.update_by_other(&end(&anew), T0) && storm.edit(T0).text.contains("2 of 3 are well again"));
}

#[test]
fn a_job_that_is_removed_before_its_recovery_was_told_keeps_no_end_back() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1")).collect();
    let mut storm = storm(&failures);
    for failure in &failures[1..] {
        storm.update(&Message { status: Status::Ok, ..failure.clone() }, T0);
    }
    let is =
        |first: Standing| move |job: &JobName| Some(if job.as_str() == "job-001" { first } else { Standing::Well });
    assert!(storm.look(is(Standing::WellUntold(T0)), T0) && storm.is_over() && storm.is_kept_back());
    assert!(storm.look(is(Standing::Gone), T0) && !storm.is_kept_back());
    assert!(storm.told_end(T0).text.contains("all 3 jobs are well again"));
}

#[test]
fn a_job_that_is_put_back_and_fails_as_before_has_an_alert_of_its_own() {
    let failures: Vec<Message> = (1..=3).map(|number| failure(number, "critical: no db1 <!here>")).collect();
    let again = Message { incident: Some(9), ..failures[0].clone() };
    let mut storm = storm(&failures);
    assert!(storm.takes(&again, T0), "one that was watched all the time says nothing new");
    let words = "no longer watched since 03:00".to_owned();
    let route = Route { edit: Some(Edit::Gone { words }), ..Route::default() };
    storm.update(&Message { route, thread: Thread::Edit, ..failures[0].clone() }, T0);
    assert!(!storm.takes(&again, T0) && storm.takes(&failure(4, "critical: no db1"), T0));
}

#[test]
fn a_jobs_name_stays_on_its_line() {
    let failures: Vec<Message> =
        (1..=3).map(|number| failure(number, &format!("says {}", ["a", "b", "c"][number as usize - 1]))).collect();
    let odd = JobName::new("new\nline");
    // As the headline of its message has it.
    let odd = Message { text: ":red_circle: *new line* says a".to_owned(), job: Some(odd), ..failures[0].clone() };
    let text = storm(&[odd, failures[1].clone(), failures[2].clone()]).edit(T0).text;
    assert!(text.contains("• *new\\nline* says a"), "{text}");
}
