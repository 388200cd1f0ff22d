//! What the message of a storm says, and where it goes.

use jiff::{SignedDuration, Timestamp};

use super::Storm;
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Edit, Message, Route, Thread};
use crate::notify::Parent;
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
    Storm::new(7, Channel::new("ops"), posted(), &failures.iter().collect::<Vec<_>>(), T0)
}

/// The texts of the blocks.
fn sections(message: &Message) -> Vec<&str> {
    message.blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect()
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
    storm.update(2, &noted("dana_k has it, until 05:10: <disk>"), later);
    assert_eq!(storm.changed, T0, "no job is other than it was");
    let with = lines(&storm);
    assert_eq!(with[..without.len()], without);
    assert_eq!(with[without.len()..], ["job-002 · _dana-k has it, until 05:10: &lt;disk&gt;_"]);
    assert!(sections(&storm.edit(later)).last().is_some_and(|text| text.ends_with("&lt;disk&gt;_")));
    let mut well = storm.clone();
    well.update(2, &Message { status: Status::Ok, ..failure(2, "") }, later);
    assert!(!lines(&well).iter().any(|line| line.contains("dana")), "it is over");
    storm.update(2, &noted(""), later);
    assert_eq!(lines(&storm), without);
}

#[test]
fn notes_of_a_storm_leave_room_for_what_fails() {
    let cause = |number: u64| format!("says {number} {}", "x".repeat(140));
    let failures: Vec<Message> = (1..=64).map(|number| failure(number, &cause(number))).collect();
    let mut storm = storm(&failures);
    for number in 1..=64 {
        let edit = Some(Edit::Noted { words: "dana has it, until 05:10: ".to_owned() + &"y".repeat(100) });
        storm.update(number, &Message { route: Route { edit, ..Route::default() }, ..failure(number, "") }, T0);
    }
    let told = storm.edit(T0);
    assert!(crate::slack::weight(&told.blocks) <= crate::slack::limits::ALL_BLOCKS, "{}", told.text.len());
    assert!((1..=64).all(|number| told.text.contains(&format!("job-{number:03}"))));
}

#[test]
fn a_storm_names_how_many_fail_and_counts_each_status_that_there_is() {
    let mut failures: Vec<Message> = (1..=4).map(|number| failure(number, &format!("says {number}"))).collect();
    failures[3].status = Status::Warning;
    let mut storm = storm(&failures);
    let head = |storm: &Storm| storm.edit(T0).text.lines().next().expect("a head").to_owned();
    assert_eq!(head(&storm), ":red_circle: *4 jobs fail*: 3 critical, 1 warning");
    let well = Message { status: Status::Ok, ..failure(1, "") };
    storm.update(1, &well, T0);
    assert_eq!(head(&storm), ":red_circle: *1 of 4 is well again*, 3 still fail");
    let route = storm.edit(T0).route;
    assert_eq!(
        (route.target, route.repeated),
        (Some(posted()), true),
        "it changes the first message, and nothing is lost"
    );
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
    recovered.update(1, &Message { status: Status::Ok, ..failure(1, "") }, after(500));
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
        (["disk 1 at 97 %", "disk 2 at 97 %", "disk 33 at 97 %"], "• 3 jobs: disk … at 97 %"),
        (["é1", "é2", "é"], "• 2 jobs: é…"),
        (["took 1m", "took 1m 3s", "took 9m"], "• 3 jobs: took 1m (and alike)"),
    ] {
        assert_eq!(line(causes), expected, "{causes:?}");
    }
    let codes: Vec<Message> =
        [2, 75, 2].map(|code| failure(code, &format!("critical: exit code {code}, no output"))).into();
    let text = storm(&codes).edit(T0).text;
    assert!(text.contains("• 2 jobs: critical: exit code 2, no output"), "{text}");
    assert!(text.contains("• *job-075* critical: exit code 75, no output"), "{text}");
}
