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
    assert_eq!(head(&storm), ":red_circle: *1 of 4 are well again*, 3 still fail");
    let route = storm.edit(T0).route;
    assert_eq!(
        (route.target, route.repeated),
        (Some(posted()), true),
        "it changes the first message, and nothing is lost"
    );
}
