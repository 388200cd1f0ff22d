//! What one lane learns of the way to Slack is of use to all: when it is well again, no lane waits on for it.
//!
//! Before it: answers to lanes. After it: lanes that wait no longer.
//!
//! Invariant: a lane whose own trouble remains while Slack answers others (an error of its channel alone, a host for files
//! that a firewall blocks) keeps its back-off: it is woken once, and again only after there was trouble with others too.

use super::Queue;
use crate::clock::Now;
use crate::id::Channel;
use crate::outbox::batch::Lane;

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
