//! What it means that a batch was not taken: another try, another form of it, another channel, or a dead letter.
//!
//! Before it: the error, and what retry.rs makes of it. After it: the settlement, and who is told in its place.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::{Answered, Hold, Queue, reports};
use crate::clock::{self, Now};
use crate::id::Channel;
use crate::message::Message;
use crate::notify::{Fault, SendError};
use crate::outbox::batch::{Batch, Lane, given_up};
use crate::outbox::instead;
use crate::outbox::report::{DeliveryResult, Report};
use crate::outbox::retry::{self, Step, Try};
use crate::store::{Class, Disposition, FollowUp, MessageId, MessageState, Progress, Settlement, Stored, ThreadChange};

/// Alerts that were told elsewhere, and incidents of which a notice was told, that are remembered at most: an older one may be told
/// again.
pub const MOST_REMEMBERED: u32 = 1_000;

/// One more is remembered, and the oldest forgotten.
fn remembered<T>(all: &mut VecDeque<T>, one: Option<T>) {
    all.extend(one);
    if all.len() > MOST_REMEMBERED as usize {
        all.pop_front();
    }
}

impl Queue {
    /// What an error means.
    pub(super) fn failed(
        &mut self,
        batch: &Batch,
        error: &SendError,
        now: Now,
        chance: f64,
        settlement: impl Fn(Disposition, ThreadChange, Vec<FollowUp>) -> Settlement,
    ) -> Answered {
        let is_answer = matches!(error, SendError::Permanent { fault, .. } if *fault != Fault::Credentials);
        if is_answer {
            self.way_is_well(&batch.channel, batch.lane, now);
        }
        let state = self.lanes.entry((batch.channel.clone(), batch.lane)).or_default();
        state.failures = state.failures.saturating_add(1);
        let tried = Try {
            what: batch.what(),
            plain: batch.plain.is_some(),
            digest: batch.members.len() > 1,
            reply: batch.parent.is_some(),
            failures: state.failures,
            refusals: batch.refusals(),
            timeouts: batch.timeouts(),
        };
        let why = error.why().to_owned();
        let step = retry::after(tried, error, chance);
        if matches!(error, SendError::Permanent { .. }) && step != Step::Credentials {
            // Slack looked at the message: it takes our word, and our pace.
            state.shown_well();
            self.credentials = None;
            self.limited.remove(&batch.lane);
            self.refusals.remove(&batch.lane);
            state.failures = 0;
        }
        let head = batch.members.first();
        let mut progress = head.map(|stored| stored.progress).unwrap_or_default();
        progress.not_before = None;
        if matches!(error, SendError::Uncertain { .. }) {
            progress.timeouts = tried.timeouts + 1;
        }
        let again = |progress: Progress| Disposition::Retry { why: why.clone(), progress };
        let answered = match step {
            Step::Again(wait) | Step::AgainOrNext(wait) => {
                self.failed = Some(now.wall);
                let is_doubtful = matches!(step, Step::AgainOrNext(_));
                if state.failed_again(batch, wait, (now.mono, chance), is_doubtful) {
                    self.way_fails_anew();
                }
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Limited(wait) => {
                state.not_before = now.mono + wait;
                state.way.waits = false;
                let refusals = self.refusals.entry(batch.lane).or_default();
                *refusals += 1;
                if *refusals >= retry::MANY_REFUSALS {
                    let until =
                        self.limited.get(&batch.lane).map_or(now.mono + wait, |hold| hold.until.max(now.mono + wait));
                    self.limited.insert(batch.lane, Hold { until, credentials: false, why: why.clone() });
                }
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Credentials => {
                self.credentials = Some(Hold { until: now.mono + retry::PROBE, credentials: true, why: why.clone() });
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Plain => {
                state.plain = head.map(|stored| (stored.id, why.clone()));
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Smaller => {
                state.lines = Some((batch.members.len() / 2).max(1));
                state.plain = None;
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Anew => {
                // The thread that the message itself names is not in the store, where it could be forgotten.
                if batch.message.route.target.is_some() {
                    state.unthreaded = head.map(|stored| stored.id);
                }
                settlement(again(progress), forget(batch), Vec::new())
            }
            Step::Unthreaded => {
                state.unthreaded = head.map(|stored| stored.id);
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            // What is late has no more tries of its own: the digest is one, and it must not stand in front of the rest.
            Step::Later(_) if batch.class == Class::Late => return unannounced(batch, why, settlement),
            Step::Later(wait) => {
                progress.not_before = Some(clock::shift(now.wall, wait));
                progress.refusals += 1;
                // The last try is the one that can least be taken for malformed.
                if progress.refusals + 1 >= retry::MOST_REFUSALS && batch.lane == Lane::Posts {
                    state.plain = head.map(|stored| (stored.id, why.clone()));
                }
                settlement(again(progress), ThreadChange::Keep, Vec::new())
            }
            Step::Needless => settlement(Disposition::Superseded, forget(batch), Vec::new()),
            // The channel cannot be told of what is late, or of details: they are dead letters as they are.
            Step::Elsewhere(_) | Step::Dead if batch.class == Class::Late => {
                return unannounced(batch, why, settlement);
            }
            Step::Elsewhere(_) | Step::Dead if batch.class == Class::Detail => {
                settlement(Disposition::Dead { why: why.clone(), forwarded: false }, ThreadChange::Keep, Vec::new())
            }
            Step::Elsewhere(wait) => return self.elsewhere(batch, error, progress, wait, now, settlement),
            Step::Dead => return self.dead(batch, error, now, settlement),
        };
        // A probe that failed for another reason says nothing of the credentials: the hold goes on.
        if let Some(hold) = &mut self.credentials
            && hold.until <= now.mono
        {
            hold.until = now.mono + retry::PROBE;
        }
        Answered { settlement: answered, reports: Vec::new(), nowhere: None }
    }

    /// The channel takes nothing: the default channel is told at once, and this one tried again with patience.
    fn elsewhere(
        &mut self,
        batch: &Batch,
        error: &SendError,
        mut progress: Progress,
        wait: Duration,
        now: Now,
        settlement: impl Fn(Disposition, ThreadChange, Vec<FollowUp>) -> Settlement,
    ) -> Answered {
        let why = error.why().to_owned();
        progress.not_before = Some(clock::shift(now.wall, wait));
        progress.refusals += 1;
        let message = &batch.message;
        let is_told = |stored: &Stored| stored.progress.forwarded || self.is_covered(&stored.message);
        let covered = batch.members.iter().all(is_told);
        let target =
            self.default.clone().filter(|default| *default != batch.channel && message.route.instead_of.is_none());
        let mut follow = Vec::new();
        let mut told = DeliveryResult::Elsewhere { why: why.clone() };
        let mut nowhere = None;
        let substituted =
            if covered { Vec::new() } else { target.as_ref().map(|to| substituted(batch, to)).unwrap_or_default() };
        match target {
            _ if covered => {}
            Some(default) if batch.storm.is_some() => {
                // Each by itself: an incident has its thread there, and is one of a storm there too if so many wait.
                let code = error.code().unwrap_or(&why);
                let untold = batch.members.iter().filter(|stored| !is_told(stored));
                let untold: Vec<&Stored> = untold.collect();
                follow.extend(
                    untold.into_iter().map(|stored| self.forward(&stored.message, stored.id, &default, code, now.wall)),
                );
                progress.forwarded = true;
            }
            Some(default) => {
                let code = error.code().unwrap_or(&why);
                follow.push(self.forward_batch(batch, &default, code, now.wall));
                progress.forwarded = true;
            }
            None => {
                nowhere = Some(why.clone());
                told = DeliveryResult::Refused { why: why.clone(), waits: true };
            }
        }
        let reports = [reports(batch, &told), substituted].concat();
        let retry = Disposition::Retry { why, progress };
        Answered { settlement: settlement(retry, ThreadChange::Keep, follow), reports, nowhere }
    }

    /// What is told in the default channel in the place of a batch. A digest tells of several incidents: none of them has its
    /// thread there.
    fn forward_batch(&mut self, batch: &Batch, default: &Channel, why: &str, now: Timestamp) -> FollowUp {
        match batch.members.first().filter(|_| !batch.is_merged()) {
            Some(stored) => self.forward(&batch.message, stored.id, default, why, now),
            None => FollowUp { message: instead::forwarded(&batch.message, default, why, now), file_of: None },
        }
    }

    /// What is told there in the place of a message: the message, once for all channels that do not take it, and of each
    /// further channel that it does not take it either.
    fn forward(&mut self, message: &Message, id: MessageId, default: &Channel, why: &str, now: Timestamp) -> FollowUp {
        let alert = instead::Alert::of(message);
        if alert.as_ref().is_some_and(|alert| self.forwarded.contains(alert)) {
            return FollowUp { message: instead::neither(message, default, (why, &self.host), now), file_of: None };
        }
        remembered(&mut self.forwarded, alert);
        // The file goes with the message that arrives.
        FollowUp { message: instead::forwarded(message, default, why, now), file_of: Some(id) }
    }

    /// Takes up what an earlier process told elsewhere, by what it left in the outbox of that: the newest first.
    pub fn remember(&mut self, left: &[Stored]) {
        for stored in left.iter().rev().filter(|stored| !stored.is_edit() && !stored.is_file()) {
            let message = &stored.message;
            let is_default = message.channel.is_unnamed() || self.default.as_ref() == Some(&message.channel);
            match stored.progress.forwarded {
                true => remembered(&mut self.forwarded, instead::Alert::of(message)),
                false if is_default && stored.state == MessageState::Dead => {
                    remembered(&mut self.noticed, message.incident);
                }
                false => {}
            }
        }
    }

    /// Whether the default channel is told the same by itself.
    fn is_covered(&self, message: &Message) -> bool {
        self.default.as_ref().is_some_and(|default| message.route.also.contains(default))
    }

    /// Whether there is a notice that the default channel does not take a message: of an incident whose messages it refuses
    /// again and again there is one.
    fn notices(&mut self, incident: Option<u64>) -> bool {
        let Some(incident) = incident else { return true };
        if self.noticed.contains(&incident) {
            return false;
        }
        remembered(&mut self.noticed, Some(incident));
        true
    }

    /// No try can help.
    fn dead(
        &mut self,
        batch: &Batch,
        error: &SendError,
        now: Now,
        settlement: impl Fn(Disposition, ThreadChange, Vec<FollowUp>) -> Settlement,
    ) -> Answered {
        let why = error.why();
        if batch.lane != Lane::Posts {
            let (disposition, follow) = batch
                .members
                .first()
                .map_or_else(|| (Disposition::Superseded, Vec::new()), |stored| given_up(stored, why, now.wall));
            let settlement = settlement(disposition, ThreadChange::Keep, follow);
            return Answered { settlement, reports: Vec::new(), nowhere: None };
        }
        let message = &batch.message;
        // It was sent again and again, and no answer came: nothing says that the channel has it not.
        let in_doubt = matches!(error, SendError::Uncertain { .. });
        let doubt = in_doubt.then(|| format!("{why}; Slack may have taken it"));
        let why = doubt.as_deref().unwrap_or(why);
        let covered = batch.members.iter().all(|stored| self.is_covered(&stored.message));
        let (mut follow, mut nowhere, mut forwarded) = (Vec::new(), None, false);
        let mut told = DeliveryResult::Elsewhere { why: why.to_owned() };
        let mut further = Vec::new();
        if in_doubt {
            told = DeliveryResult::InDoubt { why: why.to_owned() };
        }
        if !covered {
            // A webhook has one channel, which is told like a default one.
            let own = || Some(batch.channel.clone()).filter(Channel::is_unnamed);
            match self.default.clone().or_else(own) {
                // Another channel may take what this one does not.
                Some(default) if message.job.is_some() && default != batch.channel => {
                    forwarded = true;
                    further = substituted(batch, &default);
                    follow.push(self.forward_batch(batch, &default, error.code().unwrap_or(why), now.wall));
                }
                // One more message about it would be one more that may be there several times.
                _ if in_doubt => nowhere = Some(why.to_owned()),
                // A notice that is refused too is the last try. It does not say what failed: nobody was told of that.
                Some(default) if message.job.is_some() && message.route.instead_of.as_ref() != Some(&default) => {
                    told = DeliveryResult::Refused { why: why.to_owned(), waits: false };
                    if self.notices(message.incident) {
                        let message = instead::notice(message, &default, (why, &self.host), now.wall);
                        follow.push(FollowUp { message, file_of: None });
                    }
                }
                _ => {
                    nowhere = Some(why.to_owned());
                    told = DeliveryResult::Refused { why: why.to_owned(), waits: false };
                }
            }
        }
        let reports = [reports(batch, &told), further].concat();
        let disposition = Disposition::Dead { why: why.to_owned(), forwarded };
        Answered { settlement: settlement(disposition, ThreadChange::Keep, follow), reports, nowhere }
    }
}

/// That a channel is told of the messages of a batch in the place of their own.
fn substituted(batch: &Batch, channel: &Channel) -> Vec<Report> {
    let all = reports(batch, &DeliveryResult::Substituted).into_iter();
    all.map(|report| Report { channel: channel.clone(), ..report }).collect()
}

/// Its channel did not take the digest of what is late: nobody was told.
fn unannounced(
    batch: &Batch,
    why: String,
    settlement: impl Fn(Disposition, ThreadChange, Vec<FollowUp>) -> Settlement,
) -> Answered {
    let reports = reports(batch, &DeliveryResult::Refused { why, waits: false });
    let announced = Disposition::Announced { told: false };
    Answered { settlement: settlement(announced, ThreadChange::Keep, Vec::new()), reports, nowhere: None }
}

fn forget(batch: &Batch) -> ThreadChange {
    let incident = batch.message.incident.filter(|_| batch.message.route.target.is_none());
    incident.map_or(ThreadChange::Keep, ThreadChange::Forget)
}
