//! The times that are remembered of a job, when the clock is set. Pure.
//!
//! Before it: the wall clock, which may go back or leap. After it: [`Health`], in which nothing lies ahead of the present, and
//! nothing has lasted longer by that.

use jiff::{SignedDuration, Timestamp};

use super::health::Health;
use super::quiet::Waiting;
use crate::clock::{between, shift};

impl Health {
    /// Brings what claims to be in the future back to the present: the clock was set back, and nothing may wait for it
    /// to get there again. (What is silenced until a future time is meant so, but for no longer than was asked for.)
    pub(super) fn clamp_to_now(&mut self, now: Timestamp) {
        self.each_time(&mut |at| *at = (*at).min(now));
        if let (Some(until), Some(since)) = (&mut self.silenced, &mut self.silenced_since)
            && *since > now
        {
            (*until, *since) = (shift(now, between(*since, *until)), now);
        }
        self.silenced = self.silenced.filter(|until| *until > now);
        if let Some(held) = &mut self.held {
            held.silence.take_if(|(until, _)| *until <= now);
            held.paused.take_if(|until| *until <= now);
            held.acks.retain(|(_, until)| *until > now);
        }
    }

    /// The wall clock was set, by so much: what is remembered moves with it, so that nothing has lasted longer or shorter by
    /// that. Not so quiet hours, which end at a time of day.
    pub fn clock_stepped(&mut self, by: SignedDuration) {
        self.each_time(&mut |at| *at = at.saturating_add(by).unwrap_or(*at));
        for silence in self.silenced.iter_mut().chain(&mut self.silenced_since) {
            *silence = silence.saturating_add(by).unwrap_or(*silence);
        }
        self.budget.clock_stepped(by);
    }

    /// Each time at which something happened.
    fn each_time(&mut self, each: &mut dyn FnMut(&mut Timestamp)) {
        self.changes.known_mut().into_iter().flatten().for_each(&mut *each);
        self.succeeded.as_mut().map(&mut *each);
        if let Some(stuck) = self.stuck.known_mut() {
            [&mut stuck.at, &mut stuck.since].into_iter().flatten().for_each(&mut *each);
        }
        if let Some(last) = &mut self.last {
            each(&mut last.at);
        }
        self.waiting.known_mut().into_iter().flat_map(Waiting::times).for_each(&mut *each);
        for open in self.open.as_deref_mut().into_iter().chain(&mut self.others) {
            each(&mut open.since);
            each(&mut open.same_since);
            open.resolved_at.as_mut().map(&mut *each);
            if let Some((_, at)) = &mut open.kept_back {
                each(at);
            }
            if let Some((_, since)) = &mut open.before_ok {
                each(since);
            }
            let in_vain = open.in_vain.as_mut().map(|in_vain| &mut in_vain.reported);
            for reported in open.reported.iter_mut().chain(open.owed.as_deref_mut()).chain(in_vain) {
                each(&mut reported.at);
                each(&mut reported.slot);
                reported.visible_at.as_mut().map(&mut *each);
                reported.taken.iter_mut().for_each(|(_, at)| each(at));
            }
        }
        if let Some(flapping) = &mut self.flapping {
            flapping.since.as_mut().map(&mut *each);
            flapping.reported_at.as_mut().map(&mut *each);
        }
        if let Some(conversation) = &mut self.conversation {
            each(&mut conversation.first.at);
            each(&mut conversation.last_failure);
            each(&mut conversation.visible_at);
        }
        self.begun.known_mut().into_iter().flatten().for_each(|begun| each(&mut begun.at));
        if let Some(nights) = self.nights.known_mut() {
            [&mut nights.ended, &mut nights.told].into_iter().flatten().for_each(each);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::Health;

    #[test]
    fn a_silence_that_was_asked_for_while_the_clock_was_ahead_lasts_its_own_length() {
        let at = |seconds| Timestamp::from_second(seconds).expect("a time");
        let mut health = Health::default();
        health.silence(Some(at(100_008)), at(100_000));
        health.clamp_to_now(at(50));
        assert_eq!(health.silenced_by_script(), Some(at(58)));
        health.clamp_to_now(at(55));
        assert_eq!(health.silenced_by_script(), Some(at(58)), "once is enough");
        health.clamp_to_now(at(58));
        assert_eq!(health.silenced_by_script(), None);
    }
}
