//! Stories of one queue: who is next, what is sent, what an answer means.

mod storms;
mod way;

use std::time::Duration;

use jiff::Timestamp;

use super::{Answered, Hold, Queue};
use crate::clock::{Mono, Now};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Attachment, Edit, Message, Route, Thread};
use crate::notify::{Fault, Parent, Receipt, SendError, Sent};
use crate::outbox::DeliveryResult;
use crate::outbox::batch::{Ask, Batch, Lane, Turn, turn};
use crate::outbox::digest::Kind;
use crate::outbox::storm::{self, Storm};
use crate::policy::Event;
use crate::store::{
    Class, Depth, Disposition, Heads, MessageId, MessageState, Progress, Settlement, Stored, ThreadChange,
};

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

fn now(mono: Mono) -> Now {
    Now { mono, wall: crate::clock::shift(T0, mono.0) }
}

fn ops() -> Channel {
    Channel::new("ops")
}

fn depth(alerts: u64, edits: u64, late: u64) -> Depth {
    Depth { alerts, edits, late, ..Depth::default() }
}

/// A queue with these channels; what a channel does not take is told in `home`.
fn queue(lanes: &[(&str, Depth)]) -> Queue {
    let mut queue = Queue::default();
    queue.set_default(Some(Channel::new("home")));
    queue.update(lanes.iter().map(|(name, depth)| (Channel::new(name), *depth)).collect(), at(0));
    queue
}

fn stored(id: u64, thread: Thread, parent: bool) -> Stored {
    let message = Message {
        job: Some(JobName::new("disk")),
        run: None,
        event: None,
        status: Status::Critical,
        channel: ops(),
        text: format!("m{id}"),
        blocks: Vec::new(),
        color: None,
        incident: Some(9),
        thread,
        attachment: None,
        created: T0,
        route: Route::default(),
    };
    let (state, queued, progress) = (MessageState::Waiting, T0, Progress::default());
    let parent = parent.then(posted);
    Stored {
        id: MessageId(id),
        state,
        queued,
        attempts: 2,
        why: None,
        dropped: None,
        progress,
        message,
        parent,
        first: None,
        superseded: false,
        over: false,
    }
}

/// The first alert of an incident of a job.
fn failure(id: u64, job: &str, text: &str) -> Stored {
    let mut stored = stored(id, Thread::Open, false);
    stored.message.job = Some(JobName::new(job));
    stored.message.event = Some(Event::Failure);
    stored.message.incident = Some(100 + id);
    text.clone_into(&mut stored.message.text);
    stored
}

fn posted() -> Parent {
    Parent { channel: "C1".into(), ts: "1.2".into() }
}

fn taken() -> Result<Receipt, SendError> {
    Ok(Receipt { posted: Some(posted()), ..Receipt::default() })
}

fn alerts(count: u64) -> Vec<Stored> {
    (1..=count).map(|id| stored(id, Thread::None, false)).collect()
}

/// What an ask comes to, when the store has these.
fn look(mut ask: Ask, rows: &[Stored]) -> Batch {
    for _ in 0..2 {
        let rows = rows.iter().take(ask.limit).cloned().collect();
        match turn(Heads { rows, later: None }, &ask, T0) {
            Turn::Send(batch) => return *batch,
            Turn::Alone => ask.limit = 1,
            other => panic!("a batch, not {other:?}"),
        }
    }
    panic!("nothing is sent")
}

fn lane_of(rows: &[Stored]) -> Lane {
    match rows.first().map(Stored::class) {
        Some(Class::Edit) => Lane::Edits,
        Some(Class::Upload) => Lane::Uploads,
        _ => Lane::Posts,
    }
}

/// The next batch for `ops`, given what the store has.
fn next(queue: &mut Queue, rows: Vec<Stored>) -> Batch {
    let ask = queue.ask(&ops(), lane_of(&rows), 30, Timestamp::MIN, now(at(0)));
    look(ask, &rows)
}

fn answered(queue: &mut Queue, batch: &Batch, answer: Result<Receipt, SendError>, mono: Mono) -> Answered {
    let answered = queue.answered(batch, &answer, now(mono), 0.5);
    queue.finished(&batch.channel, batch.lane, mono, None);
    answered
}

fn answer(queue: &mut Queue, batch: &Batch, answer: Result<Receipt, SendError>, mono: Mono) -> Settlement {
    answered(queue, batch, answer, mono).settlement
}

fn passing(retry_after: Option<u64>) -> Result<Receipt, SendError> {
    Err(SendError::Transient { why: "busy".into(), retry_after: retry_after.map(Duration::from_secs) })
}

fn lasting(fault: Fault) -> Result<Receipt, SendError> {
    Err(SendError::Permanent { why: "no".into(), code: Some("no_code".into()), fault })
}

fn again(why: &str) -> Disposition {
    Disposition::Retry { why: why.into(), progress: Progress::default() }
}

/// A dead letter, which goes to the default channel.
fn dead_and_forwarded() -> Disposition {
    Disposition::Dead { why: "no".into(), forwarded: true }
}

/// What follows, as `thread channel text`.
fn follow(settlement: &Settlement) -> Vec<String> {
    let line = |message: &Message| {
        let text = message.text.replace('\n', " / ");
        format!("{:?} {} {text}", message.thread, message.channel)
    };
    settlement.follow.iter().map(|follow| line(&follow.message)).collect()
}

#[test]
fn what_is_asked_for_depends_on_what_waits() {
    for (waits, lane, first, limit, merge) in [
        (depth(1, 0, 0), Lane::Posts, Class::Alert, 1, None),
        (depth(30, 9, 0), Lane::Posts, Class::Alert, 1_000, None),
        (depth(31, 0, 0), Lane::Posts, Class::Alert, 1_000, Some(Kind::Many)),
        (depth(500, 9, 1), Lane::Posts, Class::Late, 100, Some(Kind::Late)),
        (depth(500, 9, 1), Lane::Edits, Class::Edit, 1_000, None),
    ] {
        let ask = queue(&[("ops", waits)]).ask(&ops(), lane, 30, Timestamp::MIN, now(at(0)));
        assert_eq!((ask.classes[0], ask.limit, ask.merge), (first, limit, merge), "{waits:?}");
    }
}

#[test]
fn the_lane_that_has_waited_longest_is_next_and_one_in_flight_is_not() {
    let mut queue = queue(&[("a", depth(1, 0, 0)), ("b", depth(1, 0, 0)), ("c", depth(1, 0, 0))]);
    let posts = |name: &str| (Channel::new(name), Lane::Posts);
    for (name, second) in [("a", 5), ("b", 3), ("c", 9)] {
        queue.delay(&Channel::new(name), Lane::Posts, at(second));
    }
    assert_eq!((queue.next(at(2)), queue.due()), (None, Some(at(3))));
    assert_eq!(queue.next(at(7)), Some(posts("b")));
    queue.ask(&Channel::new("b"), Lane::Posts, 30, Timestamp::MIN, now(at(0)));
    assert_eq!((queue.next(at(7)), queue.due()), (Some(posts("a")), Some(at(5))));
    queue.finished(&Channel::new("b"), Lane::Posts, at(8), None);
    queue.update(vec![], at(8));
    assert_eq!((queue.next(at(100)), queue.due(), queue.depth()), (None, None, depth(0, 0, 0)));
}

#[test]
fn a_shorter_wait_never_shortens_a_longer_one() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    queue.delay(&ops(), Lane::Posts, at(60));
    queue.delay(&ops(), Lane::Posts, at(1));
    assert_eq!(queue.due(), Some(at(60)));
}

#[test]
fn an_edit_that_slack_does_not_take_holds_up_nothing_that_is_posted() {
    let mut queue = queue(&[("ops", depth(1, 1, 0))]);
    let batch = next(&mut queue, vec![stored(1, Thread::Edit, true)]);
    answer(&mut queue, &batch, passing(Some(30)), at(0));
    assert_eq!(queue.next(at(0)), Some((ops(), Lane::Posts)));
    // Too many edits say nothing of messages.
    for second in [30, 60, 90] {
        let batch = next(&mut queue, vec![stored(1, Thread::Edit, true)]);
        answer(&mut queue, &batch, passing(Some(30)), at(second));
    }
    assert_eq!((queue.next(at(91)), queue.held()), (Some((ops(), Lane::Posts)), None));
}

#[test]
fn an_edit_of_nothing_and_an_edit_that_another_follows_are_needless() {
    let ask = queue(&[("ops", depth(2, 2, 0))]).ask(&ops(), Lane::Edits, 30, Timestamp::MIN, now(at(0)));
    let first = Stored { superseded: true, ..stored(1, Thread::Edit, true) };
    let rows = vec![first, stored(3, Thread::Edit, false), stored(4, Thread::Edit, true)];
    let Turn::Settle(settlement) = turn(Heads { rows, later: None }, &ask, T0) else { panic!("a settlement") };
    assert_eq!(
        (settlement.ids, settlement.class, settlement.disposition),
        (vec![MessageId(1), MessageId(3)], Class::Edit, Disposition::Superseded)
    );
    let none = Heads { rows: Vec::new(), later: Some(T0) };
    assert!(matches!(turn(none, &ask, T0), Turn::Nothing(Some(later)) if later == T0));
    assert_eq!(look(ask, &[stored(4, Thread::Edit, true)]).parent, Some(posted()));
}

#[test]
fn what_an_edit_changes_that_is_not_sent_stays_changed_under_the_one_that_follows() {
    let ask = queue(&[("ops", depth(2, 2, 0))]).ask(&ops(), Lane::Edits, 30, Timestamp::MIN, now(at(0)));
    let edit = |id, change: Edit, text: &str| {
        let mut stored = Stored { superseded: id == 1, ..stored(id, Thread::Edit, true) };
        stored.message.route.edit = Some(change);
        stored.message.text = text.to_owned();
        stored
    };
    let says = |text: &str| Some(Box::new(Message { text: text.to_owned(), ..stored(9, Thread::Open, false).message }));
    let worse = Stored { first: says("warning · _dana has it_"), ..edit(1, Edit::Headline, "critical") };
    let taken_away = edit(4, Edit::Noted { words: String::new() }, "");
    let rows = vec![worse, taken_away.clone()];
    let Turn::Settle(settlement) = turn(Heads { rows, later: None }, &ask, T0) else { panic!("a settlement") };
    assert_eq!((settlement.ids, settlement.disposition), (vec![MessageId(1)], Disposition::Superseded));
    let first = settlement.first.expect("it is remembered");
    assert_eq!(first.text, "critical · _dana has it_");
    let next = look(ask, &[Stored { first: Some(first), ..taken_away }]);
    assert_eq!(next.message.text, "critical");
}

#[test]
fn the_first_message_opens_a_thread_and_answers_go_into_it() {
    for (thread, had_parent, orphaned, change) in [
        (Thread::Open, false, false, ThreadChange::Set(9, posted())),
        (Thread::Reply, true, false, ThreadChange::Keep),
        (Thread::Reply, true, true, ThreadChange::Set(9, posted())),
        (Thread::Reply, false, false, ThreadChange::Set(9, posted())),
        (Thread::Broadcast, true, true, ThreadChange::Set(9, posted())),
        (Thread::Broadcast, false, false, ThreadChange::Set(9, posted())),
        (Thread::Edit, true, false, ThreadChange::Keep),
        (Thread::None, false, false, ThreadChange::Keep),
    ] {
        let mut queue = queue(&[("ops", depth(1, 0, 0))]);
        let batch = next(&mut queue, vec![stored(1, thread, had_parent)]);
        assert_eq!((batch.attempt, batch.parent.is_some()), (3, had_parent));
        let receipt = Receipt { posted: Some(posted()), orphaned, warnings: vec![] };
        let settlement = answer(&mut queue, &batch, Ok(receipt), at(0));
        assert_eq!(
            (settlement.disposition, settlement.thread),
            (Disposition::Delivered, change),
            "{thread:?} {had_parent} {orphaned}"
        );
        assert_eq!(settlement.note, None, "the storms are written when they change");
    }
}

#[test]
fn failures_back_off_and_a_success_forgets_them() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let mut now = at(0);
    for wait in [1, 2, 4, 8] {
        let batch = next(&mut queue, alerts(3));
        assert_eq!(answer(&mut queue, &batch, passing(None), now).disposition, again("busy"));
        now = now + Duration::from_secs(wait);
        assert_eq!(queue.due(), Some(now));
    }
    let batch = next(&mut queue, alerts(3));
    assert_eq!(answer(&mut queue, &batch, Ok(Receipt::default()), now).disposition, Disposition::Delivered);
    let batch = next(&mut queue, alerts(3));
    answer(&mut queue, &batch, passing(None), now);
    assert_eq!(queue.due(), Some(now + Duration::from_secs(1)));
}

#[test]
fn retry_after_holds_the_channel_and_when_it_comes_again_and_again_everything() {
    let mut queue = queue(&[("ops", depth(1, 0, 0)), ("dev", depth(1, 0, 0))]);
    for (second, dev) in [(0, true), (30, true), (60, false)] {
        let batch = next(&mut queue, alerts(1));
        answer(&mut queue, &batch, passing(Some(30)), at(second));
        let expected = dev.then(|| (Channel::new("dev"), Lane::Posts));
        assert_eq!(queue.next(at(second + 29)), expected, "after {second} s");
    }
    assert!(queue.next(at(90)).is_some(), "and then it goes on");
    let batch = next(&mut queue, alerts(1));
    answer(&mut queue, &batch, Ok(Receipt::default()), at(90));
    assert_eq!(queue.held(), None);
}

#[test]
fn a_configuration_that_is_read_again_ends_a_back_off_and_no_wait_that_slack_asked_for() {
    for (wait, after) in [(None, true), (Some(30), false)] {
        let mut queue = queue(&[("ops", depth(1, 0, 0))]);
        let batch = next(&mut queue, alerts(1));
        answer(&mut queue, &batch, passing(wait), at(0));
        assert!(queue.next(at(0)).is_none(), "{wait:?}");
        queue.read_again(at(0));
        assert_eq!(queue.next(at(0)).is_some(), after, "{wait:?}");
        queue.anew(at(0));
        assert!(queue.next(at(0)).is_some(), "{wait:?}: other credentials");
    }
}

#[test]
fn refused_credentials_hold_everything_one_probe_aside_until_it_succeeds_or_the_configuration_changes() {
    let mut queue = queue(&[("ops", depth(1, 0, 0)), ("dev", depth(1, 0, 0))]);
    let batch = next(&mut queue, alerts(1));
    let settlement = answer(&mut queue, &batch, lasting(Fault::Credentials), at(0));
    assert_eq!(settlement.disposition, again("no"));
    assert_eq!((queue.next(at(299)), queue.due()), (None, Some(at(300))));
    // A probe that finds Slack away says nothing of the credentials.
    let probe = queue.next(at(300)).expect("it is time for a probe");
    let ask = queue.ask(&probe.0, probe.1, 30, Timestamp::MIN, now(at(0)));
    assert_eq!((queue.next(at(300)), queue.due()), (None, None), "one probe, not two");
    let batch = look(ask, &alerts(1));
    answer(&mut queue, &batch, passing(None), at(300));
    assert_eq!((queue.next(at(599)), queue.next(at(600)).is_some()), (None, true));
    queue.anew(at(400));
    assert!(queue.next(at(400)).is_some(), "another token");
    let batch = next(&mut queue, alerts(1));
    answer(&mut queue, &batch, lasting(Fault::Credentials), at(400));
    assert_eq!(queue.held(), Some(&Hold { until: at(700), credentials: true, why: "no".into() }));
    // That a channel is unknown was said to somebody whom Slack knows.
    let batch = next(&mut queue, alerts(1));
    answer(&mut queue, &batch, lasting(Fault::Channel), at(700));
    assert_eq!(queue.held(), None);
}

#[test]
fn a_malformed_message_goes_once_again_as_plain_text_and_then_to_the_default_channel() {
    let mut queue = queue(&[("ops", depth(2, 0, 0))]);
    let batch = next(&mut queue, alerts(2));
    assert_eq!(batch.plain, None);
    assert_eq!(answer(&mut queue, &batch, lasting(Fault::Message), at(0)).disposition, again("no"));
    let batch = next(&mut queue, alerts(2));
    assert_eq!(batch.plain.as_deref(), Some("no"));
    assert_eq!(answer(&mut queue, &batch, lasting(Fault::Message), at(1)).disposition, dead_and_forwarded());
    let batch = next(&mut queue, alerts(3).split_off(1));
    assert_eq!(batch.plain, None, "the next one is another message");
}

#[test]
fn an_edit_of_a_message_that_slack_took_as_plain_text_keeps_what_its_blocks_said() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    let mut first = failure(1, "a", "a critical: no disk");
    first.message.blocks = vec![crate::slack::blocks::section("a critical: no disk", 100)];
    let runbook = ("Runbook".to_owned(), "https://rb.example/x".to_owned());
    first.message.blocks.extend(crate::slack::blocks::actions(&[runbook]));
    let batch = next(&mut queue, vec![first.clone()]);
    answer(&mut queue, &batch, lasting(Fault::Message), at(0));
    let batch = next(&mut queue, vec![first]);
    let remembered = answer(&mut queue, &batch, taken(), at(1)).first.expect("it opens a thread");
    assert_eq!(remembered.text, "a critical: no disk\nRunbook https://rb.example/x");
    assert!(remembered.blocks.is_empty(), "Slack refuses them");
    let route = Route { edit: Some(Edit::Resolved { words: "resolved".to_owned() }), ..Route::default() };
    let edit = Message { thread: Thread::Edit, route, ..(*remembered).clone() };
    let text = crate::message::edited(&remembered, &edit).text;
    assert!(text.contains("resolved: a critical: no disk\nRunbook https://rb.example/x"), "{text}");
}

#[test]
fn a_thread_that_is_gone_is_forgotten_and_the_answer_stands_alone() {
    let mut queue = queue(&[("ops", depth(1, 1, 0))]);
    let batch = next(&mut queue, vec![stored(1, Thread::Reply, true)]);
    let settlement = answer(&mut queue, &batch, lasting(Fault::Thread), at(0));
    assert_eq!((settlement.disposition, settlement.thread), (again("no"), ThreadChange::Forget(9)));
    assert_eq!(next(&mut queue, vec![stored(1, Thread::Reply, false)]).parent, None);
    let batch = next(&mut queue, vec![stored(2, Thread::Edit, true)]);
    let settlement = answer(&mut queue, &batch, lasting(Fault::Thread), at(0));
    assert_eq!((settlement.disposition, settlement.thread), (Disposition::Superseded, ThreadChange::Forget(9)));
}

#[test]
fn more_than_the_rate_can_carry_is_one_message_whose_members_are_settled_together() {
    let mut queue = queue(&[("ops", depth(40, 0, 0))]);
    let batch = next(&mut queue, alerts(40));
    assert_eq!((batch.members.len(), batch.merged, batch.message.text.lines().count()), (40, Some(Kind::Many), 41));
    let settlement = answer(&mut queue, &batch, Ok(Receipt { posted: Some(posted()), ..Receipt::default() }), at(0));
    assert_eq!(
        (settlement.ids.len(), settlement.disposition, settlement.thread),
        (40, Disposition::Delivered, ThreadChange::Keep)
    );
}

#[test]
fn a_digest_that_slack_calls_malformed_is_halved_down_to_its_members_and_none_is_lost() {
    let mut queue = queue(&[("ops", depth(40, 0, 0))]);
    let mut sizes = Vec::new();
    for _ in 0..20 {
        let batch = next(&mut queue, alerts(40));
        sizes.push((batch.members.len(), batch.plain.is_some()));
        if batch.members.len() == 1 {
            break;
        }
        let disposition = answer(&mut queue, &batch, lasting(Fault::Message), at(0)).disposition;
        assert_eq!(disposition, again("no"));
    }
    let expected: Vec<_> = [40, 20, 10, 5, 2].into_iter().flat_map(|size| [(size, false), (size, true)]).collect();
    assert_eq!(sizes[..10], expected);
    assert_eq!(sizes[10..], [(1, false)]);
}

#[test]
fn late_messages_are_told_in_one_digest_and_stay_dead_letters() {
    let mut queue = queue(&[("ops", depth(5, 0, 1))]);
    let late = Stored { state: MessageState::Late, ..stored(1, Thread::Open, false) };
    let batch = next(&mut queue, vec![late]);
    assert_eq!((batch.class, batch.merged), (Class::Late, Some(Kind::Late)));
    assert!(batch.message.text.starts_with("*1 alert that could not be delivered in time*"), "{}", batch.message.text);
    let receipt = Ok(Receipt { posted: Some(posted()), ..Receipt::default() });
    let Answered { settlement, reports, .. } = answered(&mut queue, &batch, receipt, at(0));
    assert_eq!(reports[0].result, DeliveryResult::Delivered, "the channel was told of it");
    assert_eq!(
        (settlement.disposition, settlement.thread, settlement.class),
        (Disposition::Announced { told: true }, ThreadChange::Keep, Class::Late)
    );
}

#[test]
fn a_reply_that_its_thread_does_not_take_is_posted_to_the_channel_and_the_thread_stays() {
    for fault in [Fault::Target, Fault::Channel, Fault::Refused] {
        let mut queue = queue(&[("ops", depth(1, 0, 0))]);
        let batch = next(&mut queue, vec![stored(1, Thread::Reply, true)]);
        let settlement = answer(&mut queue, &batch, lasting(fault), at(0));
        assert_eq!((settlement.disposition, settlement.thread), (again("no"), ThreadChange::Keep), "{fault:?}");
        let batch = next(&mut queue, vec![stored(1, Thread::Reply, true)]);
        assert_eq!(batch.parent, None);
        let settlement = answer(&mut queue, &batch, taken(), at(0));
        assert_eq!(settlement.thread, ThreadChange::Keep, "the first message can still be edited");
    }
}

#[test]
fn a_message_that_is_refused_waits_by_itself_and_is_a_dead_letter_after_three_tries() {
    let mut queue = queue(&[("ops", depth(2, 0, 0))]);
    let mut row = stored(1, Thread::Open, false);
    for (try_, second) in [(1, 0), (2, 15)] {
        let batch = next(&mut queue, vec![row.clone()]);
        let settlement = answer(&mut queue, &batch, lasting(Fault::Refused), at(second));
        let Disposition::Retry { progress, .. } = settlement.disposition else { panic!("another try") };
        assert_eq!(
            (progress.refusals, queue.next(at(second))),
            (try_, Some((ops(), Lane::Posts))),
            "what is behind it goes on"
        );
        assert_eq!(progress.not_before, Some(now(at(second + 15)).wall));
        row.progress = progress;
    }
    let batch = next(&mut queue, vec![row]);
    assert!(batch.plain.is_some(), "plain text, should it be the form after all");
    let Answered { settlement, reports, nowhere } = answered(&mut queue, &batch, lasting(Fault::Refused), at(30));
    assert_eq!((&settlement.disposition, nowhere), (&dead_and_forwarded(), None));
    assert_eq!(follow(&settlement), ["Open #home m1 / :warning: could not be posted to #ops: no_code"]);
    assert_eq!(reports[0].result, DeliveryResult::Elsewhere { why: "no".into(), waits: false });
}

#[test]
fn what_the_default_channel_refuses_is_told_there_without_its_words_and_that_is_the_last_try() {
    let mut queue = queue(&[("home", depth(2, 0, 0))]);
    let home = Channel::new("home");
    let of = |instead_of: Option<&str>| {
        let mut row = stored(1, Thread::Open, false);
        row.progress.refusals = 2;
        row.message.channel = home.clone();
        row.message.text = "<!here> :red_circle: *disk* critical: full".to_owned();
        row.message.route.instead_of = instead_of.map(Channel::new);
        row.message.incident = Some(instead_of.map_or(0, |name| name.len() as u64));
        row
    };
    // Whom the alert would have pinged hears of it nowhere else.
    let notice = |from| format!("None #home <!here> :warning: a message of *disk* could not be posted to {from}");
    for (instead_of, follows) in [(None, Some("#home")), (Some("pager"), Some("#home")), (Some("home"), None)] {
        let rows = [of(instead_of)];
        let batch = look(queue.ask(&home, Lane::Posts, 30, Timestamp::MIN, now(at(0))), &rows);
        let Answered { settlement, reports, nowhere } = answered(&mut queue, &batch, lasting(Fault::Refused), at(0));
        let told = follow(&settlement).concat();
        assert_eq!(told.is_empty(), follows.is_none(), "{instead_of:?}: {told}");
        assert!(follows.is_none_or(|from| told.starts_with(&notice(from))), "{told}");
        // The notice does not say what failed: nobody was told of that.
        let refused = DeliveryResult::Refused { why: "no".into(), waits: false };
        assert_eq!((nowhere.is_some(), &reports[0].result), (follows.is_none(), &refused));
        assert!(settlement.follow.iter().all(|follow| follow.message.incident.is_none()), "nor is it a part of that");
    }
}

#[test]
fn what_a_webhook_refuses_is_told_there_without_its_words() {
    let (mut queue, own) = (Queue::default(), Channel::unnamed());
    queue.set_host("web_1".into());
    queue.update(vec![(own.clone(), depth(1, 0, 0))], at(0));
    let mut row = stored(1, Thread::None, false);
    (row.message.channel, row.progress.refusals) = (own.clone(), 2);
    let batch = look(queue.ask(&own, Lane::Posts, 30, Timestamp::MIN, now(at(0))), &[row]);
    let Answered { settlement, nowhere, .. } = answered(&mut queue, &batch, lasting(Fault::Refused), at(0));
    let notice = "None - :warning: web_1: a message of *disk* could not be posted: no\n`slack-alert outbox` shows it";
    assert_eq!((follow(&settlement), nowhere), (vec![notice.replace('\n', " / ")], None));
}

#[test]
fn of_an_incident_whose_messages_the_default_channel_refuses_again_and_again_there_is_one_notice() {
    let mut queue = queue(&[("home", depth(2, 0, 0))]);
    let home = Channel::new("home");
    let mut refuse = |id, incident| {
        let mut row = stored(id, Thread::Open, false);
        row.progress.refusals = 2;
        (row.message.channel, row.message.incident) = (home.clone(), Some(incident));
        let batch = look(queue.ask(&home, Lane::Posts, 30, Timestamp::MIN, now(at(0))), &[row]);
        let Answered { settlement, reports, nowhere } = answered(&mut queue, &batch, lasting(Fault::Refused), at(0));
        assert!(matches!(reports[0].result, DeliveryResult::Refused { waits: false, .. }));
        (settlement.follow.len(), nowhere.is_some())
    };
    assert_eq!([refuse(1, 9), refuse(2, 9), refuse(3, 10)], [(1, false), (0, false), (1, false)]);
}

#[test]
fn what_a_channel_does_not_take_is_told_in_the_default_channel_at_once_and_once() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    let mut row = stored(1, Thread::Open, false);
    let batch = next(&mut queue, vec![row.clone()]);
    let Answered { settlement, nowhere, .. } = answered(&mut queue, &batch, lasting(Fault::Channel), at(0));
    assert_eq!(follow(&settlement), ["Open #home m1 / :warning: could not be posted to #ops: no_code"]);
    assert_eq!(settlement.follow[0].message.route.instead_of, Some(ops()));
    let Disposition::Retry { progress, .. } = settlement.disposition else { panic!("it is tried again") };
    assert_eq!((progress.not_before, progress.forwarded, nowhere), (Some(now(at(60)).wall), true, None));
    row.progress = progress;
    let batch = next(&mut queue, vec![row.clone()]);
    let settlement = answer(&mut queue, &batch, lasting(Fault::Channel), at(60));
    assert_eq!(follow(&settlement), Vec::<String>::new());
    let Disposition::Retry { progress, .. } = settlement.disposition else { panic!("it is tried again") };
    assert_eq!(progress.not_before, Some(now(at(180)).wall), "ever more rarely");
    // The default channel has the same alert by itself.
    row.progress = Progress::default();
    row.message.route.also = vec![Channel::new("home")];
    let batch = next(&mut queue, vec![row]);
    assert_eq!(follow(&answer(&mut queue, &batch, lasting(Fault::Channel), at(60))), Vec::<String>::new());
}

#[test]
fn an_alert_is_told_in_the_default_channel_only_where_none_of_its_channels_takes_it() {
    let names = ["a", "b", "c"].map(Channel::new);
    let row = |id: u64, of: usize| {
        let mut row = stored(id, Thread::Open, false);
        row.message.channel = names[of].clone();
        row.message.route.also = names.iter().filter(|name| **name != names[of]).cloned().collect();
        row.message.incident = Some(id / 10);
        row
    };
    let lanes = [("a", depth(9, 0, 0)), ("b", depth(9, 0, 0)), ("c", depth(9, 0, 0))];
    for fault in [Fault::Channel, Fault::Refused] {
        let mut queue = queue(&lanes);
        let mut tell = |id: u64, of: usize, result: Result<Receipt, SendError>| {
            let mut row = row(id, of);
            row.progress.refusals = if fault == Fault::Refused { 2 } else { 0 };
            let batch = look(queue.ask(&names[of], Lane::Posts, 30, Timestamp::MIN, now(at(0))), &[row]);
            let Answered { settlement, nowhere, .. } = answered(&mut queue, &batch, result, at(0));
            assert_eq!(nowhere, None);
            follow(&settlement)
        };
        let notice = |name: &str| {
            format!(
                "None #home :warning: a message of *disk* could not be posted to {name}: no / `slack-alert outbox` shows it"
            )
        };
        assert_eq!(tell(10, 0, lasting(fault)), [notice("#a")], "the others may take it");
        assert_eq!(tell(11, 1, taken()), Vec::<String>::new());
        assert_eq!(tell(12, 2, lasting(fault)), [notice("#c")], "#b has it");
        let none = tell(20, 0, lasting(fault));
        assert_eq!(
            none.len(),
            if fault == Fault::Channel { 0 } else { 1 },
            "a channel that takes nothing is told once"
        );
        tell(21, 1, lasting(fault));
        let told = "Open #home m22 / :warning: could not be posted to #a, #b, #c: no_code";
        assert_eq!(tell(22, 2, lasting(fault)), [told]);
        assert_eq!(tell(20, 0, lasting(fault)), Vec::<String>::new(), "and is told there once");
    }
}

#[test]
fn an_alert_that_the_default_channel_refuses_is_told_nowhere_only_where_its_other_channels_refuse_it_too() {
    let mut queue = queue(&[("ops", depth(9, 0, 0)), ("home", depth(9, 0, 0))]);
    for (channel, other, nowhere) in [("home", "ops", false), ("ops", "home", true)] {
        let mut row = stored(1, Thread::Open, false);
        row.message.channel = Channel::new(channel);
        row.message.route.also = vec![Channel::new(other)];
        let batch = look(queue.ask(&row.message.channel, Lane::Posts, 30, Timestamp::MIN, now(at(0))), &[row]);
        let answered = answered(&mut queue, &batch, lasting(Fault::Channel), at(0));
        assert_eq!((follow(&answered.settlement).len(), answered.nowhere.is_some()), (0, nowhere), "{channel}");
    }
}

#[test]
fn an_edit_waits_until_its_channel_takes_messages_again() {
    let refused_edit = |queue: &mut Queue, refusals| {
        let mut edit = stored(2, Thread::Edit, true);
        edit.progress.refusals = refusals;
        let batch = next(queue, vec![edit]);
        answer(queue, &batch, lasting(Fault::Channel), at(0)).disposition
    };
    for archived in [true, false] {
        let mut queue = queue(&[("ops", depth(1, 1, 0))]);
        if archived {
            let batch = next(&mut queue, vec![stored(1, Thread::Open, false)]);
            answer(&mut queue, &batch, lasting(Fault::Channel), at(0));
        }
        for (refusals, waits) in [(0, true), (1, true), (2, archived), (9, archived)] {
            let disposition = refused_edit(&mut queue, refusals);
            assert_eq!(matches!(disposition, Disposition::Retry { .. }), waits, "{archived} {refusals}");
        }
        let batch = next(&mut queue, vec![stored(3, Thread::Open, false)]);
        answer(&mut queue, &batch, taken(), at(0));
        assert_eq!(refused_edit(&mut queue, 9), Disposition::Superseded, "it takes messages, and no edit");
    }
}

#[test]
fn a_reply_goes_to_its_thread_when_its_channel_takes_messages_again() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    for parent in [true, false, true] {
        let batch = next(&mut queue, vec![stored(1, Thread::Reply, true)]);
        assert_eq!(batch.parent.is_some(), parent);
        answer(&mut queue, &batch, lasting(Fault::Channel), at(0));
    }
}

#[test]
fn each_alert_of_a_storm_that_its_channel_does_not_take_is_told_in_the_default_channel_unless_it_was() {
    let mut queue = queue(&[("ops", depth(4, 0, 0))]);
    let mut rows: Vec<Stored> =
        (1..=4).zip(["a", "b", "c", "d"]).map(|(id, job)| failure(id, job, &format!("{job} fails"))).collect();
    // One was forwarded when it was tried by itself, and of one the default channel has the same alert.
    rows[0].progress.forwarded = true;
    rows[2].message.route.also = vec![Channel::new("home")];
    let batch = next(&mut queue, rows);
    assert!(batch.storm.is_some() && batch.members.len() == 4);
    let settlement = answer(&mut queue, &batch, lasting(Fault::Channel), at(0));
    let told = ["b", "d"].map(|job| format!("Open #home {job} fails / :warning: could not be posted to #ops: no_code"));
    assert_eq!(follow(&settlement), told);
    let incidents: Vec<_> = settlement.follow.iter().map(|follow| follow.message.incident).collect();
    assert_eq!(incidents, [Some(102), Some(104)], "what follows in an incident goes there too");
    let Disposition::Retry { progress, .. } = settlement.disposition else { panic!("it is tried again") };
    assert!(progress.forwarded);
}

#[test]
fn when_the_default_channel_takes_nothing_either_the_alert_is_told_nowhere() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    queue.set_default(Some(ops()));
    for fault in [Fault::Channel, Fault::Message] {
        let mut row = stored(1, Thread::Open, false);
        row.message.route.instead_of = Some(Channel::new("pager"));
        let batch = next(&mut queue, vec![row.clone()]);
        let Answered { settlement, reports, nowhere } = answered(&mut queue, &batch, lasting(fault), at(0));
        if fault == Fault::Message {
            assert_eq!(settlement.disposition, again("no"), "plain text first");
            continue;
        }
        assert_eq!((follow(&settlement).len(), nowhere), (0, Some("no".into())));
        assert_eq!(reports[0].result, DeliveryResult::Refused { why: "no".into(), waits: true });
    }
}

#[test]
fn a_message_is_sent_three_times_at_most_after_an_answer_that_did_not_come() {
    let mut queue = queue(&[("ops", depth(1, 0, 0))]);
    let mut row = stored(1, Thread::Open, false);
    let unsure = || Err(SendError::Uncertain { why: "no".into() });
    for timeouts in 1..=3 {
        let batch = next(&mut queue, vec![row.clone()]);
        assert_eq!(batch.delivery(Sent::default()).timeouts, timeouts - 1);
        let settlement = answer(&mut queue, &batch, unsure(), at(0));
        let Disposition::Retry { progress, .. } = settlement.disposition else { panic!("it is tried again") };
        assert_eq!(progress.timeouts, timeouts);
        row.progress = progress;
    }
    let batch = next(&mut queue, vec![row.clone()]);
    let doubt = |forwarded| Disposition::Dead { why: "no; Slack may have taken it".into(), forwarded };
    assert_eq!(answer(&mut queue, &batch, unsure(), at(0)).disposition, doubt(true));
    // Where there is no other channel to tell, nothing more is posted that may be there several times.
    let mut queue = super::tests::queue(&[("ops", depth(1, 0, 0))]);
    queue.set_default(Some(ops()));
    let batch = next(&mut queue, vec![row]);
    let Answered { settlement, reports, nowhere } = answered(&mut queue, &batch, unsure(), at(0));
    assert_eq!((follow(&settlement).len(), settlement.disposition), (0, doubt(false)));
    assert_eq!(reports[0].result, DeliveryResult::InDoubt { why: "no; Slack may have taken it".into() });
    assert!(nowhere.is_some(), "the fallback is told");
}

#[test]
fn a_file_goes_after_its_message_and_what_cannot_be_attached_is_said_in_the_message() {
    let mut queue = queue(&[("ops", Depth { alerts: 1, uploads: 1, ..Depth::default() })]);
    let mut row = stored(1, Thread::Open, false);
    row.message.attachment = Some(Attachment { name: "out.txt".into(), content: "all".into() });
    let batch = next(&mut queue, vec![row]);
    let settlement = answer(&mut queue, &batch, taken(), at(0));
    assert_eq!(follow(&settlement), ["Upload #ops m1"]);
    assert_eq!(settlement.follow[0].file_of, Some(MessageId(1)));
    let mut upload = stored(2, Thread::Upload, true);
    upload.message = settlement.follow[0].message.clone();
    upload.message.attachment = Some(Attachment { name: "out.txt".into(), content: "all".into() });
    let batch = next(&mut queue, vec![upload.clone()]);
    assert!(matches!(answer(&mut queue, &batch, passing(Some(3)), at(0)).disposition, Disposition::Retry { .. }));
    let batch = next(&mut queue, vec![upload]);
    let settlement = answer(&mut queue, &batch, lasting(Fault::Channel), at(9));
    assert_eq!(settlement.disposition, dead_and_forwarded(), "its message says so");
    assert_eq!(follow(&settlement), ["Edit #ops m1 / :paperclip: out.txt could not be attached: no"]);
    let route = &settlement.follow[0].message.route;
    assert!(matches!(route.edit, Some(Edit::Missing { .. })) && route.target.is_none(), "what was changed in it stays");
    // Without a thread it is no first message of an incident, and is known by its place alone.
    let mut row = stored(3, Thread::None, false);
    row.message.attachment = Some(Attachment { name: "out.txt".into(), content: "all".into() });
    let batch = next(&mut queue, vec![row]);
    assert_eq!(answer(&mut queue, &batch, taken(), at(20)).follow[0].message.incident, None);
}

#[test]
fn the_file_of_an_answer_goes_into_its_thread_and_where_that_is_gone_below_the_answer() {
    let answer_at = Parent { channel: "C1".into(), ts: "9.9".into() };
    for (has_parent, orphaned, root) in [(true, false, posted()), (true, true, answer_at.clone())] {
        let mut queue = queue(&[("ops", depth(1, 0, 0))]);
        let mut row = stored(1, Thread::Reply, has_parent);
        row.message.attachment = Some(Attachment { name: "log".to_owned(), content: "line\n".to_owned() });
        let batch = next(&mut queue, vec![row]);
        let receipt = Receipt { posted: Some(answer_at.clone()), orphaned, warnings: vec![] };
        let settlement = answer(&mut queue, &batch, Ok(receipt), at(0));
        let upload = &settlement.follow[0].message;
        assert_eq!((upload.thread, upload.route.target.as_ref()), (Thread::Upload, Some(&root)), "{orphaned}");
        assert_eq!(upload.route.posted.as_ref(), Some(&answer_at), "it is that message which says so if it fails");
    }
}

#[test]
fn an_edit_that_cannot_be_made_is_told_by_a_reply_unless_another_message_tells_it() {
    let end = Some(Event::Recovery);
    for (repeated, event, told) in
        [(true, end, vec![]), (false, None, vec!["Reply #ops m1"]), (false, end, vec!["Broadcast #ops m1"])]
    {
        let mut queue = queue(&[("ops", depth(0, 1, 0))]);
        let mut row = stored(1, Thread::Edit, true);
        (row.message.route.repeated, row.message.event) = (repeated, event);
        let batch = next(&mut queue, vec![row]);
        let settlement = answer(&mut queue, &batch, lasting(Fault::Target), at(0));
        assert_eq!(
            (settlement.disposition.clone(), follow(&settlement)),
            (Disposition::Superseded, told.into_iter().map(str::to_owned).collect())
        );
    }
}

#[test]
fn three_jobs_that_wait_are_one_message_and_the_storm_lives_until_all_are_well() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let cause = "critical: connection to server at \"db1\" failed after 3 s";
    let row = |id: u64, job: &str| failure(id, job, &format!(":red_circle: *{job}* {cause} <!here>"));
    let two = vec![row(1, "a"), row(2, "b")];
    assert_eq!(next(&mut queue, two.clone()).storm, None, "two are no storm");
    let mut earlier = stored(0, Thread::Reply, true);
    earlier.message.job = Some(JobName::new("a"));
    let rows = vec![earlier, row(1, "a"), row(2, "b"), row(3, "c")];
    assert_eq!(next(&mut queue, rows).storm, None, "nothing of a job is told before what waits of it already");
    let rows = vec![row(1, "a"), row(2, "b"), row(3, "c")];
    let batch = next(&mut queue, rows);
    assert_eq!(
        batch.message.text,
        format!(":red_circle: *3 jobs fail: {cause}* <!here>\n• 3 jobs: {cause}\n*a*, *b*, *c*"),
        "one ping"
    );
    let Answered { settlement, reports, .. } = answered(&mut queue, &batch, taken(), at(1));
    assert_eq!(reports.len(), 3);
    assert_eq!(settlement.thread, ThreadChange::SetAll(vec![101, 102, 103], posted()));
    let noted = settlement.note.as_ref().map(|(name, note)| (*name, note.matches("\"job\"").count()));
    assert_eq!(noted, Some((storm::NOTE, 3)), "it is known after a restart");
    assert_eq!(follow(&settlement)[2], format!("Reply #ops :red_circle: *c* {cause}"), "and nobody is pinged twice");
    assert!(settlement.follow.iter().all(|follow| follow.message.route.detail));
    // A fourth fails alike: the storm's message changes, and its own goes into the thread.
    let settlement = queue.absorbed(&ops(), &[row(4, "d")], T0);
    assert_eq!(settlement.thread, ThreadChange::SetAll(vec![104], posted()));
    let text = &settlement.follow[1].message.text;
    let head = format!(":red_circle: *4 jobs fail: {cause}*\n");
    assert!(text.starts_with(&head), "{text}");
    let well = |id: u64, ended: u64| {
        let mut edit = stored(10 + id, Thread::Edit, true);
        (edit.message.incident, edit.message.status) = (Some(100 + id), Status::Ok);
        edit.message.created = now(at(ended)).wall;
        edit
    };
    let settlement = queue.absorbed(&ops(), &[well(1, 60), well(2, 60), well(3, 60)], T0);
    let text = &settlement.follow[0].message.text;
    assert!(text.starts_with(":red_circle: *3 of 4 are well again*, 1 still fails\n"), "{text}");
    assert_eq!(settlement.follow.len(), 1);
    // It was well at 590 s; Slack was away, and takes it ten minutes later.
    let settlement = queue.absorbed(&ops(), &[well(4, 590)], now(at(1_190)).wall);
    let end = ":large_green_circle: *all 4 jobs are well again* after 9m 49s";
    assert_eq!(follow(&settlement)[1], format!("Broadcast #ops {end}"), "its end is told once");
    assert_eq!(queue.absorbed(&ops(), &[well(4, 590)], T0).follow, [], "nothing has changed");
    // Somebody has deleted the storm's message.
    let mut end = stored(20, Thread::Broadcast, true);
    end.message = Message { created: end.message.created, ..settlement.follow[1].message.clone() };
    end.parent = end.message.route.target.clone();
    let batch = next(&mut queue, vec![end.clone()]);
    assert!(batch.parent.is_some());
    answer(&mut queue, &batch, lasting(Fault::Thread), at(0));
    assert_eq!(next(&mut queue, vec![end]).parent, None, "it stands alone then, at the next try");
}

#[test]
fn a_storm_is_not_over_while_one_of_its_jobs_fails_anew_in_an_incident_of_its_own() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let row = |id: u64, job: &str, cause: &str| failure(id, job, &format!(":red_circle: *{job}* {cause}"));
    let rows = (1..).zip(["a", "b", "c"]).map(|(id, job)| row(id, job, "critical: no db1")).collect();
    let batch = next(&mut queue, rows);
    answered(&mut queue, &batch, taken(), at(1));
    let well = |id: u64| {
        let mut edit = stored(10 + id, Thread::Edit, true);
        (edit.message.incident, edit.message.status) = (Some(100 + id), Status::Ok);
        edit
    };
    queue.absorbed(&ops(), &[well(1)], T0);
    let again = row(20, "a", "critical: disk full");
    let batch = next(&mut queue, vec![again.clone()]);
    let Answered { settlement, .. } = answered(&mut queue, &batch, taken(), at(2));
    let told = follow(&settlement);
    assert!(told[0].starts_with("Edit #ops :red_circle: *3 jobs fail"), "{told:#?}");
    assert!(told[0].contains("*a* critical: disk full"), "{told:#?}");
    assert!(settlement.note.is_some(), "it is known after a restart");
    let settlement = queue.absorbed(&ops(), &[well(2), well(3)], T0);
    let told = follow(&settlement);
    assert!(told[0].starts_with("Edit #ops :red_circle: *2 of 3 are well again*, 1 fails again"), "{told:#?}");
    assert_eq!(told.len(), 1, "it is not over");
    let mut better = again.clone();
    (better.message.event, better.message.status) = (Some(Event::Repeat), Status::Warning);
    better.message.text = ":large_yellow_circle: *a* warning: disk nearly full".to_owned();
    let batch = next(&mut queue, vec![better]);
    let told = follow(&answered(&mut queue, &batch, taken(), at(3)).settlement);
    assert!(told[0].starts_with("Edit #ops :large_yellow_circle: *2 of 3 are well again*"), "{told:#?}");
    assert!(told[0].contains("*a* warning: disk nearly full"), "{told:#?}");
    // What is told late in the thread, and what is about an earlier incident, is no news.
    let (mut detail, earlier) = (row(2, "b", "critical: no db1"), failure(0, "c", ":red_circle: *c* critical: late"));
    (detail.message.incident, detail.message.route.detail) = (Some(200), true);
    for old in [detail, earlier] {
        let batch = next(&mut queue, vec![old]);
        assert_eq!(follow(&answered(&mut queue, &batch, taken(), at(4)).settlement), [] as [String; 0]);
    }
    let mut recovery = again;
    (recovery.message.event, recovery.message.status) = (Some(Event::Recovery), Status::Ok);
    recovery.message.created = now(at(60)).wall;
    let batch = next(&mut queue, vec![recovery]);
    let told = follow(&answered(&mut queue, &batch, taken(), at(61)).settlement);
    let end = ":large_green_circle: *all 3 jobs are well again* after 59s";
    assert_eq!(told[1], format!("Broadcast #ops {end}"), "{told:#?}");
}

#[test]
fn a_storm_that_was_delivered_late_says_so_until_its_end() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let row = |id: u64, job: &str| {
        let mut row = failure(id, job, &format!(":red_circle: *{job}* critical: no disk"));
        row.message.created = T0.saturating_sub(Duration::from_secs(600)).expect("a time");
        row
    };
    let batch = next(&mut queue, vec![row(1, "a"), row(2, "b"), row(3, "c")]);
    let note = batch.message.text.lines().last().expect("a line").to_owned();
    assert!(note.starts_with(":hourglass: delivered late; made "), "{note}");
    answered(&mut queue, &batch, taken(), at(1));
    // It is known after a restart too.
    queue.storms = storm::from_note(Some(&storm::note(&queue.storms)));
    let well = |id: u64| {
        let mut edit = stored(10 + id, Thread::Edit, true);
        (edit.message.incident, edit.message.status) = (Some(100 + id), Status::Ok);
        edit
    };
    for wells in [vec![well(1)], vec![well(2), well(3)]] {
        let settlement = queue.absorbed(&ops(), &wells, T0);
        let edit = &settlement.follow[0].message;
        assert_eq!(edit.text.lines().last(), Some(note.as_str()), "{}", edit.text);
        assert!(edit.blocks.last().is_some_and(|block| block.to_string().contains("delivered late")));
    }
}

#[test]
fn a_recovery_of_a_job_without_threads_is_told_in_its_storm_too() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let alone = |mut stored: Stored| {
        stored.message.thread = Thread::None;
        stored
    };
    let rows: Vec<Stored> =
        (1..=3).zip(["a", "b", "c"]).map(|(id, job)| alone(failure(id, job, "critical: no disk"))).collect();
    let batch = next(&mut queue, rows.clone());
    answered(&mut queue, &batch, taken(), at(1));
    let well: Vec<Stored> = rows
        .into_iter()
        .map(|mut row| {
            (row.message.event, row.message.status) = (Some(Event::Recovery), Status::Ok);
            row
        })
        .collect();
    let ask = queue.ask(&ops(), Lane::Posts, 30, Timestamp::MIN, now(at(2)));
    let Turn::Absorb(taken) = turn(Heads { rows: well, later: None }, &ask, T0) else { panic!("the storm tells them") };
    let told = follow(&queue.absorbed(&ops(), &taken, T0));
    assert_eq!(told.len(), 5, "three in its thread, its edit and its end: {told:#?}");
    assert!(told[3].starts_with("Edit #ops :large_green_circle: *all 3 jobs are well again*"), "{told:#?}");
    assert!(told[4].starts_with("Broadcast #ops :large_green_circle: *all 3 jobs are well again*"), "{told:#?}");
}

#[test]
fn a_storm_is_known_for_an_hour_after_its_end_and_for_a_week_while_it_goes_on() {
    let storm = |id, ended| {
        let first = failure(1, "a", "a critical: no disk").message;
        Storm { ended, ..Storm::new((id, storm::Kind::Failures), ops(), posted(), &[&first], T0) }
    };
    for (age, known) in [(0, &[1, 2][..]), (3_599, &[1, 2]), (3_600, &[1]), (7 * 86_400 - 1, &[1]), (7 * 86_400, &[])] {
        let mut queue = queue(&[]);
        queue.storms = vec![storm(1, false), storm(2, true)];
        queue.forget_storms(now(at(age)).wall);
        assert_eq!(queue.storms.iter().map(|storm| storm.id).collect::<Vec<_>>(), known, "after {age} s");
    }
}

#[test]
fn a_limit_of_everything_never_gets_shorter_by_a_shorter_answer() {
    let mut queue = queue(&[("ops", depth(1, 0, 0)), ("dev", depth(1, 0, 0))]);
    for (second, wait) in [(0, 1), (1, 1), (2, 300), (10, 5)] {
        let batch = next(&mut queue, alerts(1));
        answer(&mut queue, &batch, passing(Some(wait)), at(second));
    }
    assert_eq!(queue.held().map(|hold| hold.until), Some(at(302)));
}

#[test]
fn a_digest_that_was_too_large_grows_again_step_by_step() {
    let mut queue = queue(&[("ops", depth(99, 0, 0))]);
    for _ in 0..2 {
        for _ in 0..2 {
            let batch = next(&mut queue, alerts(99));
            answer(&mut queue, &batch, lasting(Fault::Message), at(0));
        }
    }
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let batch = next(&mut queue, alerts(99));
        sizes.push(batch.members.len());
        answer(&mut queue, &batch, taken(), at(0));
    }
    assert_eq!(sizes, [24, 48, 96]);
}

#[test]
fn a_digest_that_took_all_is_followed_by_none_and_its_try_is_counted() {
    let mut queue = queue(&[("ops", depth(40, 0, 0))]);
    let batch = next(&mut queue, alerts(40));
    assert_eq!(batch.attempt, 1);
    answer(&mut queue, &batch, passing(None), at(0));
    let batch = next(&mut queue, alerts(40));
    assert_eq!(batch.attempt, 2);
    answer(&mut queue, &batch, taken(), at(1));
    let batch = next(&mut queue, alerts(40));
    assert!(batch.message.text.starts_with("*40 alerts*"), "{}", batch.message.text);
    queue.update(vec![(ops(), depth(90, 0, 0))], at(1));
    answer(&mut queue, &batch, taken(), at(1));
    let batch = next(&mut queue, alerts(40));
    assert!(batch.message.text.starts_with("*90 more alerts*"), "{}", batch.message.text);
}

#[test]
fn what_is_late_is_a_dead_letter_as_it_is_when_its_channel_cannot_be_told() {
    for fault in [Fault::Channel, Fault::Refused] {
        let mut queue = queue(&[("ops", depth(0, 0, 1))]);
        let late = Stored { state: MessageState::Late, ..stored(1, Thread::Open, false) };
        let batch = next(&mut queue, vec![late]);
        let Answered { settlement, reports, .. } = answered(&mut queue, &batch, lasting(fault), at(0));
        assert_eq!(settlement.follow.len(), 0, "{fault:?}");
        assert_eq!(settlement.disposition, Disposition::Announced { told: false }, "{fault:?}");
        let refused = DeliveryResult::Refused { why: "no".into(), waits: false };
        assert_eq!(reports[0].result, refused, "nobody was told of it");
    }
}

#[test]
fn a_file_that_is_attached_after_all_is_no_longer_said_to_be_missing() {
    let mut queue = queue(&[("ops", Depth { uploads: 1, ..Depth::default() })]);
    let mut upload = stored(2, Thread::Upload, true);
    upload.message.route = Route { target: Some(posted()), posted: Some(posted()), ..Route::default() };
    upload.message.attachment = Some(Attachment { name: "out.txt".into(), content: "all".into() });
    let batch = next(&mut queue, vec![upload.clone()]);
    assert_eq!(follow(&answer(&mut queue, &batch, Ok(Receipt::default()), at(0))), Vec::<String>::new());
    // It was given up once, which its message says, and somebody set it waiting again.
    upload.progress.forwarded = true;
    let batch = next(&mut queue, vec![upload]);
    let settlement = answer(&mut queue, &batch, Ok(Receipt::default()), at(9));
    assert_eq!(follow(&settlement), ["Edit #ops m2"]);
    let words = ":paperclip: out.txt could not be attached".to_owned();
    assert_eq!(settlement.follow[0].message.route.edit, Some(Edit::Attached { words }));
}

#[test]
fn a_storm_that_is_split_pings_each_once() {
    let mut queue = queue(&[("ops", depth(152, 0, 0))]);
    let cause = |id: u64| char::from(b'a' + u8::try_from(id % 26).expect("a letter")).to_string().repeat(90);
    let row = |id: u64, ping: &str| {
        failure(id, &format!("job-{id}"), &format!("{ping} :red_circle: *job-{id}* {} {}", cause(id), cause(id / 26)))
    };
    let ping = |id| if (120..=122).contains(&id) { "<@U0000001>" } else { "<!here>" };
    let mut rows: Vec<Stored> = (1..=152).map(|id| row(id, ping(id))).collect();
    let mut pings = Vec::new();
    while !rows.is_empty() {
        let batch = next(&mut queue, rows.clone());
        if batch.storm.is_some() {
            let head = batch.message.text.lines().next().unwrap_or_default().to_owned();
            assert_eq!(head.contains(" more jobs fail*"), !pings.is_empty(), "{head}");
            pings.push((head.contains("<!here>"), head.contains("<@U0000001>")));
        }
        rows.drain(..batch.members.len());
        queue.update(vec![(ops(), depth(rows.len() as u64, 0, 0))], at(1));
        answer(&mut queue, &batch, taken(), at(1));
    }
    assert!(pings.len() > 1);
    assert_eq!(pings.iter().filter(|(here, _)| *here).count(), 1, "{pings:?}");
    assert_eq!(pings.iter().filter(|(_, user)| *user).count(), 1, "{pings:?}");
    // What fails later is another storm.
    let rows = (201..=203).map(|id| row(id, "<!here>")).collect();
    assert!(next(&mut queue, rows).message.text.contains("<!here>"));
}

#[test]
fn a_digest_that_is_split_pings_each_once() {
    for (state, depth) in [(MessageState::Waiting, depth(250, 0, 0)), (MessageState::Late, depth(0, 0, 250))] {
        let mut queue = queue(&[("ops", depth)]);
        let mut rows = alerts(250);
        for row in &mut rows {
            row.state = state;
            row.message.text = format!("<!here> {}", row.message.text);
        }
        let mut pings = Vec::new();
        while !rows.is_empty() {
            let batch = next(&mut queue, rows.clone());
            pings.push(batch.message.text.contains("<!here>"));
            rows.drain(..batch.members.len());
            answer(&mut queue, &batch, taken(), at(1));
            let left = rows.len() as u64;
            let left = if state == MessageState::Late { (0, left) } else { (left, 0) };
            queue.update(vec![(ops(), Depth { alerts: left.0, late: left.1, ..Depth::default() })], at(1));
        }
        assert_eq!(pings, [true, false, false], "{state:?}");
    }
}

#[test]
fn a_failure_that_goes_on_is_told_in_the_thread_of_its_incident_though_a_storm_tells_it_too() {
    let mut queue = queue(&[("ops", depth(4, 0, 0))]);
    let mut worse = failure(1, "a", ":red_circle: *a* worse: disk full");
    (worse.message.thread, worse.parent) = (Thread::Broadcast, Some(posted()));
    let mut alone = failure(2, "b", ":red_circle: *b* worse: disk full");
    alone.message.thread = Thread::Broadcast;
    let rows = vec![worse, alone, failure(3, "c", "x"), failure(4, "d", "x")];
    let batch = next(&mut queue, rows);
    assert!(batch.storm.is_some());
    let at_storm = Parent { channel: "C1".into(), ts: "7.7".into() };
    let receipt = Receipt { posted: Some(at_storm.clone()), ..Receipt::default() };
    let settlement = answer(&mut queue, &batch, Ok(receipt), at(0));
    let targets: Vec<_> = settlement.follow.iter().map(|follow| follow.message.route.target.clone()).collect();
    assert_eq!(targets, [None, Some(at_storm.clone()), Some(at_storm.clone()), Some(at_storm)]);
    assert!(
        settlement.follow.iter().all(|follow| follow.message.thread == Thread::Reply && follow.message.route.detail)
    );
}
