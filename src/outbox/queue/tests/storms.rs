//! Stories of storms: what joins one by an edit that Slack refuses, repeats, and jobs that wait.

use super::{
    Answered, answer, answered, at, depth, failure, follow, lasting, look, next, now, ops, posted, queue, stored, taken,
};
use crate::exec::Status;
use crate::message::{Edit, Thread};
use crate::notify::{Fault, Parent};
use crate::outbox::batch::{Lane, Turn, turn};
use crate::outbox::queue::Queue;
use crate::outbox::storm;
use crate::policy::Event;
use crate::store::{Disposition, Heads, Settlement, Stored};
use jiff::Timestamp;

fn row(id: u64, job: &str) -> Stored {
    failure(id, job, &format!("<!here> :red_circle: *{job}* critical: no route"))
}

/// A storm of three jobs, which was told.
fn of_three() -> Queue {
    let mut queue = queue(&[("ops", depth(3, 1, 0))]);
    let batch = next(&mut queue, vec![row(1, "a"), row(2, "b"), row(3, "c")]);
    answered(&mut queue, &batch, taken(), at(1));
    queue
}

/// The edit of the storm's message that a settlement asks for.
fn edit_of(settlement: &Settlement, id: u64) -> Stored {
    let mut edit = stored(id, Thread::Edit, true);
    edit.message =
        settlement.follow.iter().find(|follow| follow.message.thread == Thread::Edit).expect("an edit").message.clone();
    edit
}

#[test]
fn what_joins_a_storm_by_an_edit_that_slack_refuses_is_told_by_a_message_that_the_channel_sees_and_pings() {
    for fault in [Fault::Target, Fault::Thread] {
        let mut queue = of_three();
        let joined = queue.absorbed(&ops(), &[row(4, "d"), row(5, "e")], now(at(6)).wall);
        // A restart forgets nothing of it.
        queue.storms = storm::from_note(Some(&storm::note(&queue.storms)));
        let batch = next(&mut queue, vec![edit_of(&joined, 20)]);
        let settlement = answer(&mut queue, &batch, lasting(fault), at(7));
        let told = follow(&settlement);
        assert_eq!(
            told,
            ["Broadcast #ops :red_circle: *2 more jobs fail: critical: no route* <!here> \
             / • 2 jobs: critical: no route / *d*, *e*"],
            "{fault:?}"
        );
        assert!(settlement.note.is_some(), "it is noted in the same change");
        // It is told once, and what fails later is an alert of its own.
        let batch = next(&mut queue, vec![edit_of(&joined, 21)]);
        assert_eq!(follow(&answer(&mut queue, &batch, lasting(fault), at(9))), [""; 0]);
        let ask = queue.ask(&ops(), Lane::Posts, 30, Timestamp::MIN, now(at(9)));
        assert!(matches!(turn(Heads { rows: vec![row(6, "f")], later: None }, &ask, now(at(9)).wall), Turn::Send(_)));
    }
}

#[test]
fn what_the_channel_saw_join_a_storm_is_not_told_again_when_a_later_edit_is_refused() {
    let mut queue = of_three();
    let joined = queue.absorbed(&ops(), &[row(4, "d")], now(at(6)).wall);
    let batch = next(&mut queue, vec![edit_of(&joined, 20)]);
    let Answered { settlement, .. } = answered(&mut queue, &batch, taken(), at(7));
    assert!(settlement.note.is_some());
    let joined = queue.absorbed(&ops(), &[row(5, "e")], now(at(8)).wall);
    let batch = next(&mut queue, vec![edit_of(&joined, 21)]);
    let told = follow(&answer(&mut queue, &batch, lasting(Fault::Target), at(9)));
    assert!(told.len() == 1 && told[0].contains("*1 more job fails: critical: no route* <!here>"), "{told:#?}");
    assert!(told[0].ends_with("• *e* critical: no route"), "{told:#?}");
}

#[test]
fn an_edit_of_a_storm_that_waited_for_too_long_leaves_nobody_untold() {
    let mut queue = of_three();
    let joined = queue.absorbed(&ops(), &[row(4, "d")], now(at(6)).wall);
    let edit = edit_of(&joined, 20);
    let ask = queue.ask(&ops(), Lane::Edits, 30, now(at(90_000)).wall, now(at(90_000)));
    let Turn::Absorb(rows) = turn(Heads { rows: vec![edit], later: None }, &ask, now(at(90_000)).wall) else {
        panic!("the storm tells it")
    };
    let settlement = queue.absorbed(&ops(), &rows, now(at(90_000)).wall);
    assert_eq!((settlement.ids.len(), settlement.disposition.clone()), (1, Disposition::Superseded));
    let told = follow(&settlement);
    assert!(told.len() == 1 && told[0].starts_with("Broadcast #ops :red_circle: *1 more job fails"), "{told:#?}");
}

#[test]
fn a_storm_of_repeats_says_that_the_jobs_still_fail_and_why() {
    let again = |id: u64, job: &str| {
        let mut row = failure(id, job, &format!(":red_circle: {job} still critical: same failure, {id}th time in 16s"));
        row.message.event = Some(Event::Repeat);
        row.message.thread = Thread::None;
        row.message.route.cause = Some("critical: db1 refused".to_owned());
        row
    };
    let mut queue = queue(&[("ops", depth(4, 0, 0))]);
    let mut rows = vec![again(17, "a"), again(18, "b"), again(34, "c")];
    let batch = next(&mut queue, rows.clone());
    assert_eq!(
        batch.message.text,
        ":red_circle: *3 jobs still fail: critical: db1 refused*\n• 3 jobs: critical: db1 refused\n*a*, *b*, *c*"
    );
    rows.push(failure(40, "d", ":red_circle: d critical: db1 refused"));
    let text = next(&mut queue, rows).message.text.clone();
    assert!(text.starts_with(":red_circle: *4 jobs fail: critical: db1 refused*\n• 4 jobs: "), "{text}");
}

#[test]
fn a_storm_of_jobs_that_wait_says_so_names_what_they_wait_for_and_ends_as_they_run() {
    let waits = |id: u64, job: &str| {
        let text = format!(
            ":red_circle: *{job}* critical: waits for the lock db since 14:02\nrun 7 of pile holds the lock db"
        );
        let mut row = failure(id, job, &text);
        (row.message.event, row.message.incident, row.message.thread) = (Some(Event::Starved), None, Thread::None);
        row.message.route.cause = Some("critical: waits for the lock db; run 7 of pile holds the lock db".to_owned());
        row
    };
    let mut queue = queue(&[("ops", depth(4, 0, 0))]);
    let rows = vec![waits(1, "a"), waits(2, "b"), waits(3, "c")];
    let batch = next(&mut queue, rows.clone());
    let head = ":red_circle: *3 jobs wait: critical: waits for the lock db; run 7 of pile holds the lock db*\n";
    assert!(batch.message.text.starts_with(head), "{}", batch.message.text);
    answered(&mut queue, &batch, taken(), at(1));
    let runs = |mut row: Stored, status: Status| {
        (row.message.status, row.message.created) = (status, now(at(2)).wall);
        row
    };
    let mut told = Vec::new();
    for (row, status) in rows.into_iter().zip([Status::Ok, Status::Unknown, Status::Ok]) {
        let rows = vec![runs(row, status)];
        let ask = queue.ask(&ops(), Lane::Posts, 30, Timestamp::MIN, now(at(2)));
        let Turn::Absorb(taken) = turn(Heads { rows, later: None }, &ask, now(at(2)).wall) else {
            panic!("the storm tells it")
        };
        let settlement = queue.absorbed(&ops(), &taken, now(at(2)).wall);
        assert!(settlement.follow[0].message.route.target.is_some(), "its own words go into the storm's thread");
        told.extend(follow(&settlement).into_iter().skip(1));
    }
    let heads: Vec<&str> = told.iter().filter_map(|line| line.split(" / ").next()).collect();
    assert_eq!(
        heads,
        [
            "Edit #ops :red_circle: *1 of 3 is well again*, 2 still wait",
            "Edit #ops :red_circle: *1 of 3 is well again, 1 is no longer watched*, 1 still waits",
            "Edit #ops :black_circle: *2 of 3 are well again, 1 is no longer watched* after 1s",
            "Broadcast #ops :black_circle: *2 of 3 are well again, 1 is no longer watched* after 1s",
        ]
    );
}

#[test]
fn the_end_of_a_storm_that_had_no_room_in_one_message_is_told_once() {
    let mut queue = queue(&[("ops", depth(100, 0, 0))]);
    let letter = |id: u64| char::from(b'a' + u8::try_from(id % 26).expect("a letter")).to_string();
    let cause = |id: u64| format!("{} {}", letter(id).repeat(90), letter(id / 26).repeat(90));
    let row = |id| failure(id, &format!("job-{id}"), &format!(":red_circle: *job-{id}* critical: {}", cause(id)));
    let all: Vec<Stored> = (1..=100).map(row).collect();
    let (mut rows, mut parts) = (all.clone(), 0);
    while !rows.is_empty() {
        let batch = next(&mut queue, rows.clone());
        assert!(batch.storm.is_some(), "{}", batch.message.text);
        rows.drain(..batch.members.len());
        queue.update(vec![(ops(), depth(rows.len() as u64, 0, 0))], at(1));
        answered(&mut queue, &batch, taken(), at(1));
        parts += 1;
    }
    assert!(parts > 1);
    let mut told = Vec::new();
    for mut row in all {
        (row.message.event, row.message.status) = (Some(Event::Recovery), Status::Ok);
        (row.message.thread, row.message.created) = (Thread::Broadcast, now(at(61)).wall);
        let ask = queue.ask(&ops(), Lane::Posts, 30, Timestamp::MIN, now(at(61)));
        let Turn::Absorb(taken) = turn(Heads { rows: vec![row], later: None }, &ask, now(at(61)).wall) else {
            panic!("the storm tells it")
        };
        told.extend(follow(&queue.absorbed(&ops(), &taken, now(at(61)).wall)));
    }
    let ends: Vec<_> = told.iter().filter(|line| line.starts_with("Broadcast")).collect();
    assert_eq!(ends, ["Broadcast #ops :large_green_circle: *all 100 jobs are well again* after 1m"], "{told:#?}");
    assert!(queue.storms.iter().all(|storm| storm.ended));
}

#[test]
fn an_edit_that_was_looked_up_before_its_storm_was_told_is_the_storms() {
    let mut queue = queue(&[("ops", depth(3, 1, 0))]);
    // Slack can be reached again: both lanes look at one time, and the storm is told first.
    let early = queue.ask(&ops(), Lane::Edits, 30, Timestamp::MIN, now(at(0)));
    let batch = next(&mut queue, vec![failure(1, "a", "x"), failure(2, "b", "x"), failure(3, "c", "x")]);
    answered(&mut queue, &batch, taken(), at(1));
    let mut edit = failure(4, "b", "worse");
    edit.message.incident = Some(102);
    (edit.message.thread, edit.message.route.edit, edit.parent) = (Thread::Edit, Some(Edit::Worse), Some(posted()));
    let batch = look(early, std::slice::from_ref(&edit));
    assert!(queue.tells_edit(&batch), "the message of the storm is not that of one job");
    edit.parent = Some(Parent { channel: "C1".into(), ts: "0.1".into() });
    let own = next(&mut queue, vec![edit]);
    assert!(!queue.tells_edit(&own), "it was told before the storm");
}
