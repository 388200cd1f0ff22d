//! One lane of a channel: what waits in it, and when it may be tried.
//!
//! Before it: the answers that [`Queue`](super::Queue) takes in. After it: which lane is next.
//!
//! Some answers are given to one message alone as well as to all (the page of a content filter, Slack's `internal_error`).
//! Where a message was tried in vain for some time and has such an answer, the one behind it is tried once: if that one is
//! taken, the trouble is that of the first, which waits by itself; if not, both wait in their order.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Mono;
use crate::outbox::batch::{Batch, Lane};
use crate::outbox::{digest, retry, storm};
use crate::store::{Depth, MessageId};

/// After so many tries in vain of a message the one behind it is tried, to learn whose trouble it is.
const PASSED_OVER_AFTER: u32 = 4;

/// So many messages wait by themselves in a lane at most.
const MOST_PASSED_OVER: usize = 16;

/// What waits in one lane of a channel, and when it may be tried.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) depth: Depth,
    /// The rate, or trouble of the way: nothing before then.
    pub(super) not_before: Mono,
    /// The trouble of the way, and what is known of it.
    pub(super) way: Way,
    /// What waits waits by itself until then.
    pub(super) idle_until: Option<Mono>,
    pub(super) in_flight: bool,
    /// When Slack took something of it last.
    pub(super) taken: Option<Timestamp>,
    pub(super) failures: u32,
    pub(super) plain: Option<(MessageId, String)>,
    pub(super) unthreaded: Option<MessageId>,
    /// The last thing sent was a digest, and it had not taken all.
    pub(super) follows: bool,
    /// The last thing sent was a storm, and it had not taken all: whom it and those before it pinged.
    pub(super) pinged: Option<(storm::Kind, Vec<String>)>,
    /// The same of a digest.
    pub(super) digest_pinged: Option<(digest::Kind, Vec<String>)>,
    /// How many messages a digest may have, after Slack refused a larger one.
    pub(super) lines: Option<usize>,
    /// Messages that were tried in vain, and wait by themselves.
    pub(super) passed_over: Vec<PassedOver>,
    /// Messages behind them that were tried in vain too: the next time it is another.
    pub(super) probed: Vec<MessageId>,
}

/// A message that was tried in vain, and waits by itself while those behind it go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedOver {
    pub(super) id: MessageId,
    pub(super) until: Mono,
    /// What was behind it was taken: the trouble is its own.
    pub(super) proven: bool,
}

/// What a lane knows of its trouble with the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Its last try failed for trouble of the way.
    pub(super) fails: bool,
    /// It waits for that, and for nothing that Slack asked.
    pub(super) waits: bool,
    /// It was woken since the way failed for others: what remains is trouble of its own.
    pub(super) woken: bool,
    /// Another lane had an answer while this one's try was under way.
    disproven: bool,
}

impl Way {
    /// Whether the last try failed for trouble of the way.
    pub(super) fn fails(&self) -> bool {
        self.fails
    }

    /// A try begins.
    pub(super) fn begin(&mut self) {
        self.disproven = false;
        self.waits = false;
    }

    /// A try failed for trouble of the way. The answer is whether it was well before.
    pub(super) fn failed(&mut self) -> bool {
        self.waits = true;
        !std::mem::replace(&mut self.fails, true)
    }

    /// Whether the way was well after the try that just failed began: the next is worth making soon, once.
    pub(super) fn is_disproven(&mut self) -> bool {
        let is_news = std::mem::take(&mut self.disproven) && !self.woken;
        self.woken |= is_news;
        is_news
    }
}

impl State {
    pub(super) fn is_waiting(&self) -> bool {
        !self.in_flight && !self.depth.is_empty()
    }

    /// The way failed, or where that is in doubt seemed to: the lane waits, or its first message does while the one behind it
    /// is tried. The answer is whether it was well before.
    pub(super) fn failed_again(
        &mut self,
        batch: &Batch,
        wait: Duration,
        (now, chance): (Mono, f64),
        is_doubtful: bool,
    ) -> bool {
        let was_well = self.way.failed();
        if self.wait_in_order() {
            // What was behind failed too: it is the way, as far as is known. The first is tried first again.
            if self.probed.len() >= MOST_PASSED_OVER {
                self.probed.clear();
            }
            self.probed.extend(batch.members.first().map(|stored| stored.id));
            return was_well;
        }
        let Depth { alerts, details, edits, uploads, .. } = self.depth;
        let waits = alerts + details + edits + uploads;
        let others = waits.saturating_sub(self.passed_over.len() as u64) > 1;
        match batch.members.as_slice() {
            [head]
                if is_doubtful
                    && batch.attempt >= PASSED_OVER_AFTER
                    && others
                    && self.passed_over.len() < MOST_PASSED_OVER =>
            {
                let until = now + wait.max(retry::backoff(batch.attempt, chance));
                self.passed_over.push(PassedOver { id: head.id, until, proven: false });
            }
            _ if self.way.is_disproven() => self.not_before = now + wait.min(retry::backoff(1, chance)),
            _ => self.not_before = now + wait,
        }
        was_well
    }

    /// The way is well.
    pub(super) fn shown_well(&mut self) {
        self.passed_over.iter_mut().for_each(|passed_over| passed_over.proven = true);
        self.probed.clear();
    }

    /// Nothing shows that the trouble is that of one message: the lane waits for its next try. The answer is whether it does.
    pub(super) fn wait_in_order(&mut self) -> bool {
        let doubtful = self
            .passed_over
            .iter()
            .filter(|passed_over| !passed_over.proven)
            .map(|passed_over| passed_over.until)
            .max();
        let Some(until) = doubtful else { return false };
        self.passed_over.retain(|passed_over| passed_over.proven);
        if until > self.not_before {
            self.not_before = until;
            self.way.waits = true;
        }
        true
    }

    /// The way is well for another lane.
    pub(super) fn wake(&mut self, now: Mono) {
        if self.in_flight && !self.way.waits {
            self.way.disproven = true;
            return;
        }
        if self.way.woken || !self.way.fails {
            return;
        }
        if self.way.waits {
            self.not_before = self.not_before.min(now);
            self.way.waits = false;
            self.way.woken = true;
        }
        // What of its messages seemed to be in trouble by itself was so while the way failed.
        let before = self.passed_over.len();
        self.passed_over.retain(|passed_over| passed_over.proven);
        self.way.woken |= self.passed_over.len() < before;
    }

    pub(super) fn ready_at(&self) -> Mono {
        self.idle_until.map_or(self.not_before, |idle| idle.max(self.not_before))
    }
}

/// What of a channel's messages waits in a lane.
pub(super) fn part(depth: Depth, lane: Lane) -> Depth {
    let Depth { alerts, details, edits, uploads, late } = depth;
    match lane {
        Lane::Posts => Depth { alerts, details, late, ..Depth::default() },
        Lane::Edits => Depth { edits, ..Depth::default() },
        Lane::Uploads => Depth { uploads, ..Depth::default() },
    }
}
