//! What it means that a batch was not taken: another try, another form of it, another channel, or a dead letter.
//!
//! Before it: the error, and what retry.rs makes of it. After it: the settlement, and who is told in its place.

use std::time::Duration;

use jiff::Timestamp;

use super::untaken::Place;
use super::{Answered, Hold, Queue, reports};
use crate::clock::{self, Now};
use crate::id::Channel;
use crate::message::{Edit, Message};
use crate::notify::{Fault, SendError};
use crate::outbox::batch::{Batch, Lane, given_up};
use crate::outbox::instead;
use crate::outbox::report::{DeliveryResult, Report};
use crate::outbox::retry::{self, Step, Try};
use crate::store::{Class, Disposition, FollowUp, MessageId, Progress, Settlement, Stored, ThreadChange};

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
        let is_patient = is_patient(batch);
        let is_shut = self.untaken.is_shut(&batch.channel);
        let takes_messages = self.takes_messages(batch);
        let state = self.lanes.entry((batch.channel.clone(), batch.lane)).or_default();
        state.failures = state.failures.saturating_add(1);
        let tried = Try {
            what: batch.what(),
            plain: batch.plain.is_some(),
            digest: batch.members.len() > 1,
            reply: batch.parent.is_some(),
            patient: is_patient && is_shut,
            unclear: is_patient && !is_shut && !takes_messages,
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
        let (disposition, thread) = match step {
            Step::Again(wait) | Step::AgainOrNext(wait) => {
                self.failed = Some(now.wall);
                let is_doubtful = matches!(step, Step::AgainOrNext(_));
                if state.failed_again(batch, wait, (now.mono, chance), is_doubtful) {
                    self.way_fails_anew();
                }
                (again(progress), ThreadChange::Keep)
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
                (again(progress), ThreadChange::Keep)
            }
            Step::Credentials => {
                self.credentials = Some(Hold { until: now.mono + retry::PROBE, credentials: true, why: why.clone() });
                (again(progress), ThreadChange::Keep)
            }
            Step::Plain => {
                state.plain = head.map(|stored| (stored.id, why.clone()));
                (again(progress), ThreadChange::Keep)
            }
            Step::Smaller => {
                state.lines = Some((batch.members.len() / 2).max(1));
                state.plain = None;
                (again(progress), ThreadChange::Keep)
            }
            Step::Anew => {
                // The thread that the message itself names is not in the store, where it could be forgotten.
                if batch.message.route.target.is_some() {
                    state.unthreaded = head.map(|stored| stored.id);
                }
                (again(progress), forget(batch))
            }
            Step::Unthreaded => {
                state.unthreaded = head.map(|stored| stored.id);
                (again(progress), ThreadChange::Keep)
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
                (again(progress), ThreadChange::Keep)
            }
            Step::Needless => (Disposition::Superseded, forget(batch)),
            // The channel cannot be told of what is late, or of details: they are dead letters as they are.
            Step::Elsewhere(_) | Step::Dead if batch.class == Class::Late => {
                return unannounced(batch, why, settlement);
            }
            Step::Elsewhere(_) | Step::Dead if batch.class == Class::Detail => {
                (Disposition::Dead { why: why.clone(), forwarded: false }, ThreadChange::Keep)
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
        Answered { settlement: settlement(disposition, thread, Vec::new()), reports: Vec::new(), nowhere: None }
    }

    /// Whether the channel has taken a message since this one waits: what it does not take then is the edit alone.
    fn takes_messages(&self, batch: &Batch) -> bool {
        let posts = self.lanes.get(&(batch.channel.clone(), Lane::Posts));
        let since = batch.members.iter().map(|stored| stored.queued).max();
        posts.and_then(|posts| posts.taken).zip(since).is_some_and(|(taken, since)| taken >= since)
    }

    /// The channel takes nothing: it is tried again with patience. Where no other channel of the alert takes it, the default channel
    /// is told at once.
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
        if let Some(state) = self.lanes.get_mut(&(batch.channel.clone(), batch.lane)) {
            // Its thread may take it when the channel does.
            state.unthreaded = None;
        }
        self.untaken.shut(&batch.channel);
        let code = error.code().unwrap_or(&why);
        self.untaken.refused(batch, code);
        let members: Vec<(&Stored, Place)> =
            batch.members.iter().map(|stored| (stored, self.untaken.place_of(stored, self.default.as_ref()))).collect();
        let has = |wanted: Place| members.iter().any(|(_, place)| *place == wanted);
        let mut follow = Vec::new();
        let mut further = Vec::new();
        if let Some(default) = self.default.clone().filter(|_| has(Place::Default)) {
            let untold: Vec<&Stored> =
                members.iter().filter(|(_, place)| *place == Place::Default).map(|(stored, _)| *stored).collect();
            further = substituted(&untold, &default);
            // What is told says it.
            self.untaken.notice_told(&batch.channel, None);
            if batch.storm.is_some() {
                // Each by itself: an incident has its thread there, and is one of a storm there too if so many wait.
                let each = untold.iter().map(|stored| self.forward(&stored.message, stored.id, &default, now.wall));
                follow.extend(each.collect::<Vec<_>>());
            } else {
                follow.push(self.forward_batch(batch, code, &default, now.wall));
            }
        } else if let Some(default) = self.default.clone().filter(|default| *default != batch.channel)
            && has(Place::Another)
            && self.untaken.is_first_notice(&batch.channel, None)
        {
            let message = instead::notice(&batch.message, &default, (&why, &self.host), now.wall);
            follow.push(FollowUp { message, file_of: None });
        }
        progress.forwarded |= members.iter().all(|(_, place)| matches!(place, Place::Told | Place::Default));
        let nowhere = has(Place::Nowhere).then(|| why.clone());
        let result = |place: Place| match place {
            Place::Nowhere => DeliveryResult::Refused { why: why.clone(), waits: true },
            Place::Told | Place::Another | Place::Default => {
                DeliveryResult::Elsewhere { why: why.clone(), waits: true }
            }
        };
        let reports = members.iter().filter_map(|(stored, place)| Report::of(&stored.message, result(*place)));
        let reports = reports.chain(further).collect();
        let retry = Disposition::Retry { why: why.clone(), progress };
        Answered { settlement: settlement(retry, ThreadChange::Keep, follow), reports, nowhere }
    }

    /// What is told in the default channel in the place of a batch. A digest tells of several incidents: none of them has its
    /// thread there.
    fn forward_batch(&mut self, batch: &Batch, why: &str, default: &Channel, now: Timestamp) -> FollowUp {
        match batch.members.first().filter(|_| !batch.is_merged()) {
            Some(stored) => self.forward(&batch.message, stored.id, default, now),
            None => {
                let refused = [instead::Refusal::new(&batch.channel, why)];
                FollowUp { message: instead::forwarded(&batch.message, default, &refused, now), file_of: None }
            }
        }
    }

    /// What is told there in the place of a message: the message, once for all channels that do not take it, with what Slack said
    /// of each.
    fn forward(&mut self, message: &Message, id: MessageId, default: &Channel, now: Timestamp) -> FollowUp {
        let refused = self.untaken.forwarded(message);
        // The file goes with the message that arrives.
        FollowUp { message: instead::forwarded(message, default, &refused, now), file_of: Some(id) }
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
        let code = error.code().unwrap_or(why);
        self.untaken.refused(batch, code);
        let places: Vec<Place> =
            batch.members.iter().map(|stored| self.untaken.place_of(stored, self.default.as_ref())).collect();
        let (mut follow, mut nowhere, mut forwarded) = (Vec::new(), None, false);
        let elsewhere = match in_doubt {
            true => DeliveryResult::InDoubt { why: why.to_owned() },
            false => DeliveryResult::Elsewhere { why: why.to_owned(), waits: false },
        };
        let refused = DeliveryResult::Refused { why: why.to_owned(), waits: false };
        let mut further = Vec::new();
        // A webhook has one channel, which is told like a default one.
        let own = || Some(batch.channel.clone()).filter(Channel::is_unnamed);
        let default = self.default.clone().or_else(own).filter(|_| message.job.is_some());
        let told = match default {
            _ if places.iter().all(|place| *place == Place::Told) => elsewhere,
            // Another channel may take what this one does not.
            Some(default) if places.contains(&Place::Default) => {
                forwarded = true;
                // What is told says it.
                self.untaken.notice_told(&batch.channel, message.incident);
                further = substituted(&batch.members.iter().collect::<Vec<_>>(), &default);
                follow.push(self.forward_batch(batch, code, &default, now.wall));
                elsewhere
            }
            // One more message about it would be one more that may be there several times.
            _ if in_doubt => {
                nowhere = (!places.contains(&Place::Another)).then(|| why.to_owned());
                elsewhere
            }
            // A notice that is refused too is the last try. It does not say what failed: nobody was told of that.
            Some(default) if message.route.instead_of.as_ref() != Some(&default) && !instead::is_notice(message) => {
                if message.incident.is_none() || self.untaken.is_first_notice(&batch.channel, message.incident) {
                    let notice = instead::notice(message, &default, (why, &self.host), now.wall);
                    let untold = places.contains(&Place::Nowhere);
                    let notice = if untold { instead::with_pings(notice, message) } else { notice };
                    follow.push(FollowUp { message: notice, file_of: None });
                }
                if places.contains(&Place::Nowhere) { refused } else { elsewhere }
            }
            _ if !places.contains(&Place::Another) => {
                nowhere = Some(why.to_owned());
                refused
            }
            _ => elsewhere,
        };
        let reports = [reports(batch, &told), further].concat();
        let disposition = Disposition::Dead { why: why.to_owned(), forwarded };
        Answered { settlement: settlement(disposition, ThreadChange::Keep, follow), reports, nowhere }
    }
}

/// That a channel is told of messages in the place of their own.
fn substituted(untold: &[&Stored], channel: &Channel) -> Vec<Report> {
    let all = untold.iter().filter_map(|stored| Report::of(&stored.message, DeliveryResult::Substituted));
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

/// Whether it is an edit that can wait until its channel takes messages again: the end of an incident is told by a message of its
/// own besides, which finds its way. That nobody watches a job any more is not, nor what joined a storm.
fn is_patient(batch: &Batch) -> bool {
    let route = &batch.message.route;
    let own = batch.message.incident.is_some() && route.target.is_none();
    let is_gone = |stored: &Stored| matches!(stored.message.route.edit, Some(Edit::Gone { .. }));
    batch.lane == Lane::Edits && own && !batch.members.iter().any(is_gone)
}

fn forget(batch: &Batch) -> ThreadChange {
    let incident = batch.message.incident.filter(|_| batch.message.route.target.is_none());
    incident.map_or(ThreadChange::Keep, ThreadChange::Forget)
}
