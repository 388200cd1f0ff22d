//! What one lane learns of the way to Slack is of use to all: when it is well again, no lane waits on for it.
//!
//! Before it: answers to lanes. After it: lanes that wait no longer.
//!
//! Invariant: a lane whose own trouble remains while Slack answers others (an error of its channel alone, a host for files
//! that a firewall blocks) keeps its back-off: it is woken once, and again only after there was trouble with others too.

use super::{Queue, State};
use crate::clock::{Mono, Now};
use crate::id::Channel;
use crate::outbox::batch::Lane;

/// What a lane knows of its trouble with the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// Its last try failed for trouble of the way.
    fails: bool,
    /// It waits for that, and for nothing that Slack asked.
    pub(super) waits: bool,
    /// It was woken since the way failed for others: what remains is trouble of its own.
    woken: bool,
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

impl Queue {
    /// Slack answered in this lane: whatever waits for trouble of the way need not wait on.
    pub(super) fn way_is_well(&mut self, channel: &Channel, lane: Lane, now: Now) {
        let answered = (channel.clone(), lane);
        let own = self.lanes.get_mut(&answered).map(|state| std::mem::take(&mut state.way)).unwrap_or_default();
        for (_, state) in self.lanes.iter_mut().filter(|(key, _)| **key != answered) {
            // That it fails while another is well is known, unless the other one failed until now.
            state.way.woken &= !own.fails;
            state.wake(now.mono);
        }
        if own.fails {
            // What was made until now could not be sent before.
            self.failed = Some(now.wall);
        }
    }

    /// The way fails in a lane that was well: that others fail says nothing of them.
    pub(super) fn way_fails_anew(&mut self) {
        self.lanes.values_mut().for_each(|state| state.way.woken = false);
    }
}

impl State {
    /// The way is well for another lane.
    fn wake(&mut self, now: Mono) {
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
        let asides = self.aside.len();
        self.aside.retain(|aside| aside.proven);
        self.way.woken |= self.aside.len() < asides;
    }
}
