//! Stories of one queue: who is next, what is sent, what an answer means.

use std::time::Duration;

use jiff::Timestamp;

use super::{Ask, Hold, Parcel, Queue, Turn, turn};
use crate::clock::Mono;
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Message, Thread};
use crate::notify::{Fault, Parent, Receipt, SendError};
use crate::outbox::digest::Kind;
use crate::store::{Class, Depth, Fate, MessageId, Settlement, Standing, Stored, ThreadChange, Which};

const T0: Timestamp = Timestamp::UNIX_EPOCH;

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

fn depth(alerts: u64, edits: u64, late: u64) -> Depth {
    Depth { alerts, edits, late }
}

fn queue(lanes: &[(&str, Depth)]) -> Queue {
    let mut queue = Queue::default();
    queue.update(lanes.iter().map(|(name, depth)| (Channel::new(name), *depth)).collect(), at(0));
    queue
}

fn stored(id: u64, thread: Thread, parent: bool) -> Stored {
    let message = Message {
        job: Some(JobName::new("disk")),
        run: None,
        event: None,
        status: Status::Critical,
        channel: Channel::new("ops"),
        text: format!("m{id}"),
        blocks: Vec::new(),
        color: None,
        incident: Some(9),
        thread,
        attachment: None,
        created: T0,
    };
    let parent = parent.then(posted);
    let (standing, queued) = (Standing::Waiting, T0);
    Stored { id: MessageId(id), standing, queued, attempts: 2, why: None, message, parent, superseded: false }
}

fn posted() -> Parent {
    Parent { channel: "C1".into(), ts: "1.2".into() }
}

fn alerts(count: u64) -> Vec<Stored> {
    (1..=count).map(|id| stored(id, Thread::None, false)).collect()
}

fn parcel(turn: Turn) -> Parcel {
    match turn {
        Turn::Send(parcel) => *parcel,
        other => panic!("a parcel, not {other:?}"),
    }
}

/// The parcel of a queue's channel `ops`, given what the store has.
fn next(queue: &mut Queue, heads: Vec<Stored>) -> Parcel {
    let ask = queue.ask(&Channel::new("ops"), 30);
    parcel(turn(heads.into_iter().take(ask.limit).collect(), &ask, T0))
}

fn answer(queue: &mut Queue, parcel: &Parcel, answer: Result<Receipt, SendError>, now: Mono) -> Settlement {
    let settlement = queue.answered(parcel, &answer, (now, T0), 0.5);
    queue.landed(&parcel.channel, now);
    settlement
}

fn passing(retry_after: Option<u64>) -> Result<Receipt, SendError> {
    Err(SendError::Transient { why: "busy".into(), retry_after: retry_after.map(Duration::from_secs) })
}

fn lasting(fault: Fault) -> Result<Receipt, SendError> {
    Err(SendError::Permanent { why: "no".into(), fault })
}

#[test]
fn what_is_asked_for_depends_on_what_waits() {
    for (waits, which, limit, merge) in [
        (depth(1, 0, 0), Which::All, 1, None),
        (depth(30, 0, 0), Which::All, 1, None),
        (depth(20, 10, 0), Which::All, 1, None),
        (depth(31, 0, 0), Which::Alerts, 1_000, Some(Kind::Storm)),
        (depth(31, 99, 0), Which::Alerts, 1_000, Some(Kind::Storm)),
        // Many edits do not hold up what appears in the channel.
        (depth(2, 99, 0), Which::Alerts, 1, None),
        (depth(0, 99, 0), Which::All, 1, None),
        (depth(500, 9, 1), Which::Late, 100, Some(Kind::Late)),
    ] {
        let ask = queue(&[("ops", waits)]).ask(&Channel::new("ops"), 30);
        assert_eq!((ask.which, ask.limit, ask.merge), (which, limit, merge), "{waits:?}");
    }
}

#[test]
fn the_channel_that_has_waited_longest_is_next_and_one_in_flight_is_not() {
    let mut queue = queue(&[("a", depth(1, 0, 0)), ("b", depth(1, 0, 0)), ("c", depth(1, 0, 0))]);
    queue.delay(&Channel::new("a"), at(5));
    queue.delay(&Channel::new("b"), at(3));
    queue.delay(&Channel::new("c"), at(9));
    assert_eq!((queue.next(at(2)), queue.due()), (None, Some(at(3))));
    assert_eq!(queue.next(at(7)), Some(Channel::new("b")));
    queue.ask(&Channel::new("b"), 30);
    assert_eq!((queue.next(at(7)), queue.due()), (Some(Channel::new("a")), Some(at(5))));
    queue.landed(&Channel::new("b"), at(8));
    queue.update(vec![], at(8));
    assert_eq!((queue.next(at(100)), queue.due(), queue.depth()), (None, None, depth(0, 0, 0)));
}

#[test]
fn an_edit_of_nothing_and_an_edit_that_another_follows_are_needless() {
    let mut ask = queue(&[("ops", depth(2, 2, 0))]).ask(&Channel::new("ops"), 30);
    ask.limit = 9;
    let first = Stored { superseded: true, ..stored(1, Thread::Edit, true) };
    let heads =
        vec![first, stored(2, Thread::Reply, true), stored(3, Thread::Edit, false), stored(4, Thread::Edit, true)];
    let Turn::Settle(settlement) = turn(heads, &ask, T0) else { panic!("a settlement") };
    assert_eq!(
        (settlement.ids, settlement.class, settlement.fate),
        (vec![MessageId(1), MessageId(3)], Class::Edit, Fate::Superseded)
    );
    assert!(matches!(turn(vec![], &ask, T0), Turn::Nothing));
    assert_eq!(parcel(turn(vec![stored(4, Thread::Edit, true)], &ask, T0)).parent, Some(posted()));
}

#[test]
fn the_first_message_opens_a_thread_and_answers_go_into_it() {
    for (thread, had_parent, orphaned, change) in [
        (Thread::Open, false, false, ThreadChange::Set(9, posted())),
        (Thread::Reply, true, false, ThreadChange::Keep),
        (Thread::Reply, true, true, ThreadChange::Set(9, posted())),
        (Thread::Reply, false, false, ThreadChange::Set(9, posted())),
        (Thread::Broadcast, true, true, ThreadChange::Forget(9)),
        (Thread::Broadcast, false, false, ThreadChange::Keep),
        (Thread::Edit, true, false, ThreadChange::Keep),
        (Thread::None, false, false, ThreadChange::Keep),
    ] {
        let mut queue = queue(&[("ops", depth(1, 0, 0))]);
        let parcel = next(&mut queue, vec![stored(1, thread, had_parent)]);
        assert_eq!((parcel.attempt, parcel.parent.is_some()), (3, had_parent));
        let receipt = Receipt { posted: Some(posted()), orphaned, warnings: vec![] };
        let settlement = answer(&mut queue, &parcel, Ok(receipt), at(0));
        assert_eq!(
            (settlement.fate, settlement.thread),
            (Fate::Delivered, change),
            "{thread:?} {had_parent} {orphaned}"
        );
    }
}

#[test]
fn failures_back_off_and_a_success_forgets_them() {
    let mut queue = queue(&[("ops", depth(3, 0, 0))]);
    let mut now = at(0);
    for wait in [1, 2, 4, 8] {
        let parcel = next(&mut queue, alerts(3));
        assert_eq!(answer(&mut queue, &parcel, passing(None), now).fate, Fate::Retry { why: "busy".into() });
        now = now + Duration::from_secs(wait);
        assert_eq!(queue.due(), Some(now));
    }
    let parcel = next(&mut queue, alerts(3));
    assert_eq!(answer(&mut queue, &parcel, Ok(Receipt::default()), now).fate, Fate::Delivered);
    let parcel = next(&mut queue, alerts(3));
    answer(&mut queue, &parcel, passing(None), now);
    assert_eq!(queue.due(), Some(now + Duration::from_secs(1)));
}

#[test]
fn retry_after_holds_the_channel_and_when_it_comes_again_and_again_everything() {
    let mut queue = queue(&[("ops", depth(1, 0, 0)), ("dev", depth(1, 0, 0))]);
    for (second, dev) in [(0, true), (30, true), (60, false)] {
        let parcel = next(&mut queue, alerts(1));
        answer(&mut queue, &parcel, passing(Some(30)), at(second));
        let expected = dev.then(|| Channel::new("dev"));
        assert_eq!(queue.next(at(second + 29)), expected, "after {second} s");
    }
    assert!(queue.next(at(90)).is_some(), "and then it goes on");
    let parcel = next(&mut queue, alerts(1));
    answer(&mut queue, &parcel, Ok(Receipt::default()), at(90));
    assert_eq!(queue.held(), None);
}

#[test]
fn refused_credentials_hold_everything_one_probe_aside_until_it_succeeds_or_the_configuration_changes() {
    let mut queue = queue(&[("ops", depth(1, 0, 0)), ("dev", depth(1, 0, 0))]);
    let parcel = next(&mut queue, alerts(1));
    let settlement = answer(&mut queue, &parcel, lasting(Fault::Credentials), at(0));
    assert_eq!(settlement.fate, Fate::Retry { why: "no".into() });
    assert_eq!((queue.next(at(299)), queue.due()), (None, Some(at(300))));
    // A probe that finds Slack away says nothing of the credentials.
    let probe = queue.next(at(300)).expect("it is time for a probe");
    let ask = queue.ask(&probe, 30);
    assert_eq!((queue.next(at(300)), queue.due()), (None, None), "one probe, not two");
    let parcel = super::tests::parcel(turn(alerts(1), &ask, T0));
    answer(&mut queue, &parcel, passing(None), at(300));
    assert_eq!((queue.next(at(599)), queue.next(at(600)).is_some()), (None, true));
    queue.anew(at(400));
    assert!(queue.next(at(400)).is_some(), "another token");
    let parcel = next(&mut queue, alerts(1));
    answer(&mut queue, &parcel, lasting(Fault::Credentials), at(400));
    assert_eq!(queue.held(), Some(&Hold { until: at(700), credentials: true, why: "no".into() }));
    // That a channel is unknown was said to somebody whom Slack knows.
    let parcel = next(&mut queue, alerts(1));
    assert_eq!(answer(&mut queue, &parcel, lasting(Fault::Channel), at(700)).fate, Fate::Dead { why: "no".into() });
    assert_eq!(queue.held(), None);
}

#[test]
fn a_malformed_message_goes_once_again_as_plain_text_and_then_nowhere() {
    let mut queue = queue(&[("ops", depth(2, 0, 0))]);
    let parcel = next(&mut queue, alerts(2));
    assert!(!parcel.plain);
    assert_eq!(answer(&mut queue, &parcel, lasting(Fault::Message), at(0)).fate, Fate::Retry { why: "no".into() });
    let parcel = next(&mut queue, alerts(2));
    assert!(parcel.plain);
    assert_eq!(answer(&mut queue, &parcel, lasting(Fault::Message), at(1)).fate, Fate::Dead { why: "no".into() });
    let parcel = next(&mut queue, alerts(3).split_off(1));
    assert!(!parcel.plain, "the next one is another message");
}

#[test]
fn a_thread_that_is_gone_is_forgotten_and_the_answer_stands_alone() {
    let mut queue = queue(&[("ops", depth(1, 1, 0))]);
    let parcel = next(&mut queue, vec![stored(1, Thread::Reply, true)]);
    let settlement = answer(&mut queue, &parcel, lasting(Fault::Thread), at(0));
    assert_eq!((settlement.fate, settlement.thread), (Fate::Retry { why: "no".into() }, ThreadChange::Forget(9)));
    assert_eq!(next(&mut queue, vec![stored(1, Thread::Reply, false)]).parent, None);
    let parcel = next(&mut queue, vec![stored(2, Thread::Edit, true)]);
    let settlement = answer(&mut queue, &parcel, lasting(Fault::Thread), at(0));
    assert_eq!((settlement.fate, settlement.thread), (Fate::Superseded, ThreadChange::Forget(9)));
}

#[test]
fn a_storm_is_one_message_and_its_members_are_settled_together() {
    let mut queue = queue(&[("ops", depth(40, 0, 0))]);
    let parcel = next(&mut queue, alerts(40));
    assert_eq!((parcel.ids.len(), parcel.merged, parcel.message.text.lines().count()), (40, Some(Kind::Storm), 41));
    let settlement = answer(&mut queue, &parcel, Ok(Receipt { posted: Some(posted()), ..Receipt::default() }), at(0));
    assert_eq!((settlement.ids.len(), settlement.fate, settlement.thread), (40, Fate::Delivered, ThreadChange::Keep));
}

#[test]
fn a_digest_that_slack_calls_malformed_is_halved_down_to_its_members_and_none_is_lost() {
    let mut queue = queue(&[("ops", depth(40, 0, 0))]);
    let mut sizes = Vec::new();
    for _ in 0..20 {
        let parcel = next(&mut queue, alerts(40));
        sizes.push((parcel.ids.len(), parcel.plain));
        if parcel.ids.len() == 1 {
            break;
        }
        let fate = answer(&mut queue, &parcel, lasting(Fault::Message), at(0)).fate;
        assert_eq!(fate, Fate::Retry { why: "no".into() });
    }
    let expected: Vec<_> = [40, 20, 10, 5, 2].into_iter().flat_map(|size| [(size, false), (size, true)]).collect();
    assert_eq!(sizes[..10], expected);
    assert_eq!(sizes[10..], [(1, false)]);
}

#[test]
fn late_messages_are_told_in_one_digest_and_stay_dead_letters() {
    let mut queue = queue(&[("ops", depth(5, 0, 1))]);
    let late = Stored { standing: Standing::Late, ..stored(1, Thread::Open, false) };
    let parcel = next(&mut queue, vec![late]);
    assert_eq!((parcel.class, parcel.merged), (Class::Late, Some(Kind::Late)));
    assert!(parcel.message.text.starts_with("*1 alert while Slack was away*"), "{}", parcel.message.text);
    let settlement = answer(&mut queue, &parcel, Ok(Receipt { posted: Some(posted()), ..Receipt::default() }), at(0));
    assert_eq!((settlement.fate, settlement.thread, settlement.class), (Fate::Told, ThreadChange::Keep, Class::Late));
    let ask: Ask = queue.ask(&Channel::new("ops"), 30);
    assert_eq!(ask.channel, Channel::new("ops"));
}
