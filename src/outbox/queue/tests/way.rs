//! Stories of lanes that wait for trouble of the way, and of what one of them learns of it.

use jiff::Timestamp;

use super::{Queue, alerts, at, depth, lasting, look, now, passing, queue, stored, taken};
use crate::clock::Mono;
use crate::id::Channel;
use crate::message::Thread;
use crate::notify::{Fault, Receipt, SendError};
use crate::outbox::batch::{Batch, Lane};

type Answer = Result<Receipt, SendError>;

fn begin(queue: &mut Queue, channel: &str, lane: Lane, mono: Mono) -> Batch {
    let ask = queue.ask(&Channel::new(channel), lane, 30, Timestamp::MIN, now(mono));
    let rows = if lane == Lane::Edits { vec![stored(1, Thread::Edit, true)] } else { alerts(1) };
    look(ask, &rows)
}

fn end(queue: &mut Queue, batch: &Batch, answer: &Answer, mono: Mono) {
    queue.answered(batch, answer, now(mono), 0.5);
    queue.finished(&batch.channel, batch.lane, mono, None);
}

/// Tries a channel's message at this second.
fn post(queue: &mut Queue, channel: &str, answer: &Answer, second: u64) {
    let batch = begin(queue, channel, Lane::Posts, at(second));
    end(queue, &batch, answer, at(second));
}

/// From when on a channel's messages may be tried.
fn ready(queue: &Queue, channel: &str) -> u64 {
    queue.lanes[&(Channel::new(channel), Lane::Posts)].ready_at().0.as_secs()
}

/// Channels whose messages have failed ten times by the second 1000: each waits for minutes.
fn away(channels: &[&str]) -> Queue {
    let lanes: Vec<_> = channels.iter().map(|name| (*name, depth(3, 1, 0))).collect();
    let mut queue = queue(&lanes);
    for channel in channels {
        (0..10).for_each(|_| post(&mut queue, channel, &passing(None), 1_000));
        assert_eq!(ready(&queue, channel), 1_300);
    }
    queue
}

#[test]
fn the_first_answer_of_slack_wakes_every_channel_that_waits_for_it() {
    for (answer, lane) in [(taken(), Lane::Posts), (taken(), Lane::Edits), (lasting(Fault::Channel), Lane::Posts)] {
        let mut queue = away(&["a", "b", "c"]);
        let batch = begin(&mut queue, "c", lane, at(1_010));
        end(&mut queue, &batch, &answer, at(1_011));
        assert_eq!((ready(&queue, "a"), ready(&queue, "b")), (1_011, 1_011), "{answer:?} {lane:?}");
    }
    let mut queue = away(&["a"]);
    queue.update(vec![(Channel::new("a"), depth(3, 0, 0)), (Channel::new("new"), depth(1, 0, 0))], at(1_020));
    post(&mut queue, "new", &taken(), 1_020);
    assert_eq!(ready(&queue, "a"), 1_020, "a channel that was in no trouble tells as much");
}

#[test]
fn a_try_that_began_before_slack_answered_another_is_made_again_soon() {
    let mut queue = away(&["a", "b"]);
    let slow = begin(&mut queue, "a", Lane::Posts, at(1_300));
    post(&mut queue, "b", &taken(), 1_310);
    end(&mut queue, &slow, &passing(None), at(1_330));
    assert_eq!(ready(&queue, "a"), 1_331);
}

#[test]
fn what_slack_asked_to_wait_for_or_refused_waits_on() {
    let mut queue = away(&["a", "b"]);
    post(&mut queue, "a", &passing(Some(600)), 1_300);
    post(&mut queue, "b", &taken(), 1_301);
    assert_eq!(ready(&queue, "a"), 1_900, "Slack said when");
    let mut queue = away(&["a", "b"]);
    post(&mut queue, "a", &lasting(Fault::Credentials), 1_300);
    assert_eq!(ready(&queue, "b"), 1_300, "that tells nothing of the way");
}

#[test]
fn a_channel_that_fails_alone_keeps_its_back_off_while_others_go_on() {
    let mut queue = away(&["a", "b"]);
    post(&mut queue, "b", &taken(), 1_010);
    assert_eq!(ready(&queue, "a"), 1_010, "it may be the way");
    post(&mut queue, "a", &passing(None), 1_010);
    for second in 1_011..1_020 {
        post(&mut queue, "b", &taken(), second);
        assert_eq!(ready(&queue, "a"), 1_310, "it is not");
    }
    post(&mut queue, "b", &passing(None), 1_020);
    post(&mut queue, "b", &taken(), 1_021);
    assert_eq!(ready(&queue, "a"), 1_021, "the way failed for others too, and is well again");
}

#[test]
fn a_way_that_fails_again_wakes_all_again_when_it_is_well() {
    let mut queue = away(&["a", "b", "c"]);
    post(&mut queue, "c", &taken(), 1_010);
    post(&mut queue, "a", &passing(None), 1_010);
    post(&mut queue, "b", &passing(None), 1_010);
    post(&mut queue, "a", &taken(), 1_200);
    assert_eq!(ready(&queue, "b"), 1_200, "one of those that were in trouble has an answer");
}

#[test]
fn only_what_slack_asked_to_wait_for_is_noted_for_a_later_process() {
    let mut queue = away(&["a", "b"]);
    post(&mut queue, "b", &passing(Some(600)), 1_000);
    let noted: Vec<_> = queue.waits(now(at(1_000))).into_iter().map(|(channel, ..)| channel).collect();
    assert_eq!(noted, [Channel::new("b")], "a new process looks at once whether Slack is back");
}
