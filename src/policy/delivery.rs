//! What became of messages: which channels took one, and what nobody was told of after all. Pure.
//!
//! Before it: the outbox, which says what came of a message. After it: what is remembered of the incident, by which the next run
//! is judged. Invariant: told means delivered.

use jiff::Timestamp;

use super::audience::{Dropped, Told};
use super::health::Health;
use super::incident::{OpenIncident, Reported};
use super::rare::Rare;
use crate::id::Channel;

impl Health {
    /// A channel took a message of an open incident, or of its conversation: what follows goes there too. The answer is
    /// whether that is new.
    pub fn delivered(&mut self, incident: u64, channel: &Channel, now: Option<Timestamp>) -> bool {
        let mut new = false;
        let mut add = |known: &mut Vec<Channel>| {
            if !known.contains(channel) {
                known.push(channel.clone());
                new = true;
            }
        };
        if let Some(conversation) = self.conversation.as_deref_mut().filter(|known| known.id == incident) {
            add(&mut conversation.channels);
        }
        if let Some(open) = self.open_mut(incident) {
            open.arrived();
            new |= open.reported.as_mut().is_some_and(|reported| reported.delivered(channel, now));
        }
        for reported in self.told_with(incident) {
            new |= reported.delivered(channel, now);
        }
        new
    }

    /// Slack gave no answer to a message about an open incident, however often it was sent: a channel may have it. It counts as
    /// reported, since it would be told again and again else. The answer is whether that is new.
    pub fn in_doubt(&mut self, incident: u64) -> bool {
        let Some(open) = self.open_mut(incident) else { return false };
        open.count_owed();
        open.reported.as_mut().is_some_and(|reported| !std::mem::replace(&mut reported.in_doubt, true))
    }

    /// A message about an incident was made for these channels, which take it or not.
    pub fn queued(&mut self, incident: u64, channels: &[Channel]) {
        if let Some(reported) = self.open_mut(incident).and_then(|open| open.reported.as_mut()) {
            reported.queued(channels);
        }
        self.told_with(incident).for_each(|reported| reported.queued(channels));
    }

    /// A message of an open incident waits for this channel, in the place of another one: what follows comes behind it. The
    /// answer is whether that is new.
    pub fn substituted(&mut self, incident: u64, channel: &Channel) -> bool {
        let Some(open) = self.open_mut(incident) else { return false };
        let known = open.reported.as_mut().or(open.owed.as_deref_mut());
        known.is_some_and(|reported| reported.substituted(channel))
    }

    /// A channel did not take a message of an open incident, of which another is told in its place. Where it waits there, the
    /// end comes behind it; the next failure tells that channel of the incident as the first does. The answer is whether that
    /// changes anything.
    pub fn told_elsewhere(&mut self, incident: u64, channel: &Channel, waits: bool) -> bool {
        let Some(open) = self.open_mut(incident) else { return false };
        let known = open.reported.as_mut().or(open.owed.as_deref_mut());
        known.is_some_and(|reported| reported.refused(channel, waits))
    }

    /// No channel took what was to report an open incident: it does not count as reported, and the next failure is reported
    /// as the first. Where the message `waits` to be tried again, the end of the incident is told all the same: it comes
    /// behind that message. Else the next is made after a while, which grows. The answer is whether that changes anything.
    pub fn undelivered(&mut self, incident: u64, waits: bool) -> bool {
        let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        let with = |open: &OpenIncident| open.reported.as_ref().and_then(|reported| reported.told_with);
        let along = all.filter(|open| with(open) == Some(incident));
        // The next failure of each is told as the first.
        let along = along.map(|open| open.refused(false)).fold(false, |one, other| one | other);
        let Some(open) = self.open_mut(incident) else { return along };
        let (changes, hangs) = (open.refused(waits), open.hung.is_some());
        // A later due time tells the hang.
        self.stuck.told &= !(changes && hangs && !waits);
        changes | along
    }

    /// A person dropped a message about an open incident before this channel took it: nothing of the incident waits for the channel
    /// any more. Where no channel took anything and none is to, it does not count as reported, and the next failure is reported as
    /// the first. The answer is whether that changes anything.
    pub fn dropped(&mut self, incident: u64, channel: &Channel, dropped: Option<&Dropped>) -> bool {
        let Some(open) = self.open_mut(incident) else { return false };
        let mut changes = false;
        for reported in open.reported.iter_mut().chain(open.owed.as_deref_mut()) {
            for waiting in [&mut reported.pending, &mut reported.substitutes] {
                let before = waiting.len();
                waiting.retain(|waiting| waiting != channel);
                changes |= waiting.len() < before;
            }
        }
        let over = |reported: &Reported| {
            reported.channels.is_empty() && reported.pending.is_empty() && reported.substitutes.is_empty()
        };
        let reported = open.reported.take_if(|reported| over(reported)).is_some();
        let owed = open.owed.take_if(|owed| over(owed)).is_some();
        if reported || owed {
            open.dropped = dropped.cloned().map(Box::new);
        }
        changes || reported || owed
    }

    /// What the outbox knows of the open incidents when a daemon starts: the one before it may have died before it wrote
    /// down what came of its messages, and a person may have dropped some while none ran.
    pub fn reconcile(&mut self, told: &Told) {
        let open = self.open.as_deref().into_iter().chain(&self.others).map(OpenIncident::thread);
        let ids: Vec<u64> = open.chain(self.conversation.as_deref().map(|known| known.id)).collect();
        for id in ids {
            for channel in told.channels.get(&id).into_iter().flatten() {
                self.delivered(id, channel, None);
            }
            if !told.refused.contains(&id) {
                continue;
            }
            self.undelivered(id, false);
            if let Some(open) = self.open_mut(id).filter(|open| open.reported.is_none()) {
                open.dropped = told.dropped.get(&id).cloned().map(Box::new);
            }
        }
    }

    /// Whoever was told of the job since then is not who is told from now on: what began since and fails still is told anew, as a
    /// first message tells it. The answer is whether there is something.
    pub fn tell_anew(&mut self, since: Timestamp) -> bool {
        let any = self.forget(|open| open.since >= since && open.forget_told());
        let conversation = self.conversation.take_if(|known| known.since() >= since).is_some();
        let flapping = self.flapping.take_if(|known| known.since.is_some_and(|at| at >= since)).is_some();
        any || conversation || flapping
    }

    /// The same of channels that are others by now: what fails still and was told nowhere else is told anew. The answer is whether
    /// something was told there.
    pub fn tell_anew_in(&mut self, channels: &[Channel]) -> bool {
        let any = self.forget(|open| open.forget_told_in(channels));
        let in_channels = |channel: &Channel| channels.contains(channel);
        let moved = self.conversation.take_if(|known| known.channels.iter().any(in_channels)).is_some();
        if moved {
            let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
            all.for_each(|open| open.conversation = None);
        }
        any || moved
    }

    fn forget(&mut self, forget: impl Fn(&mut OpenIncident) -> bool) -> bool {
        let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        let fails = all.filter(|open| open.resolved_at.is_none());
        let any = fails.map(forget).fold(false, |one, other| one | other);
        if any && !self.is_reported() {
            self.stuck = Rare::default();
        }
        any
    }

    /// What was told in the message of an incident, of others.
    fn told_with(&mut self, incident: u64) -> impl Iterator<Item = &mut Reported> {
        let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        all.filter_map(|open| open.reported.as_mut()).filter(move |reported| reported.told_with == Some(incident))
    }

    fn open_mut(&mut self, incident: u64) -> Option<&mut OpenIncident> {
        let mut all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        all.find(|open| open.thread() == incident)
    }
}
