//! The storms of all channels: what joins one and changes it, and what is told where its message cannot be edited.
//!
//! Before it: messages that a storm tells, and what came of the edits of its message. After it: the settlement.

use std::time::Duration;

use jiff::Timestamp;

use super::Queue;
use crate::clock;
use crate::id::Channel;
use crate::message::{Message, Thread};
use crate::outbox::batch::{self, Batch, Lane};
use crate::outbox::standing::Standings;
use crate::outbox::storm::{self, Storm};
use crate::store::{Class, Disposition, FollowUp, Settlement, Stored, ThreadChange};

/// Storms that ended are known this long: what still waits for them is told in their thread. One with a job that fails now
/// and then is known until that is over.
const AFTERMATH: Duration = Duration::from_secs(3_600);

/// A storm that does not end is forgotten after this long.
const LONGEST_STORM: Duration = Duration::from_secs(7 * 86_400);

impl Queue {
    /// What a storm tells in the place of these messages: edits change it, further failures join it, and each job's own
    /// message goes into its thread.
    pub fn absorbed(&mut self, channel: &Channel, rows: &[Stored], now: Timestamp) -> Settlement {
        let mut follow = Vec::new();
        let mut given_up = None;
        let mut incidents = Vec::new();
        let mut joined = None;
        let mut changed: Vec<usize> = Vec::new();
        // A storm may have filled or ended meanwhile: what it does not take waits for its next turn.
        let mut ids = Vec::new();
        for stored in rows {
            let message = &stored.message;
            let told = |storm: &Storm| storm.channel == *channel && storm.tells_of(message);
            let mut known = None;
            // Each storm that tells of it says how it is.
            for (at, storm) in self.storms.iter_mut().enumerate().filter(|(_, storm)| told(storm)) {
                known.get_or_insert(at);
                if storm.update(message, now) {
                    changed.push(at);
                }
            }
            changed.extend(self.changed_by_other(channel, message, now));
            match (stored.class(), known) {
                (Class::Edit, Some(_)) => {}
                (_, Some(at)) => {
                    // What belongs to no incident has no thread but the storm's.
                    let target = message.incident.is_none().then(|| self.storms[at].posted.clone());
                    follow.push(FollowUp { message: storm::detail(message, target), file_of: Some(stored.id) });
                }
                // An edit of its own that waited for too long.
                (Class::Edit, None) if self.edited_storm(message).is_some() => given_up = Some(message),
                (Class::Edit, None) => continue,
                (_, None) => {
                    let takes = |storm: &Storm| storm.channel == *channel && storm.takes(message, now);
                    let Some(at) = self.storms.iter().position(takes) else { continue };
                    self.storms[at].join(message, now);
                    changed.push(at);
                    let posted = self.storms[at].posted.clone();
                    incidents.extend(message.incident);
                    follow.push(FollowUp {
                        message: storm::detail(message, Some(posted.clone())),
                        file_of: Some(stored.id),
                    });
                    joined = Some(posted);
                }
            }
            ids.push(stored.id);
        }
        follow.extend(self.tell_changed(changed, true, now));
        self.forget_storms(now);
        let mut settlement = Settlement {
            ids,
            channel: channel.clone(),
            class: rows.first().map_or(Class::Edit, Stored::class),
            disposition: Disposition::Superseded,
            thread: joined.map_or(ThreadChange::Keep, |posted| ThreadChange::SetAll(incidents, posted)),
            first: None,
            follow,
            note: Some(self.storms_note()),
            at: now,
        };
        if let Some(edit) = given_up {
            self.storm_unedited(edit, &mut settlement);
        }
        settlement
    }

    /// Whether a storm tells what an edit changes that was taken for one of a job's own message: it may have been told since.
    pub fn tells_edit(&self, batch: &Batch) -> bool {
        let tells = |storm: &Storm| batch.members.iter().any(|edit| batch::tells_edit(storm, edit));
        batch.lane == Lane::Edits && self.storms.iter().any(|storm| storm.channel == batch.channel && tells(storm))
    }

    /// A channel took messages of jobs: what storms that know these jobs say of them from now on.
    pub(super) fn storms_hear(&mut self, batch: &Batch, now: Timestamp) -> Vec<FollowUp> {
        let messages = batch.members.iter().map(|stored| &stored.message);
        let changed = messages.flat_map(|message| self.changed_by_other(&batch.channel, message, now)).collect();
        self.tell_changed(changed, true, now)
    }

    /// The storms of a channel that say something else because of a message about another incident of one of their jobs.
    fn changed_by_other(&mut self, channel: &Channel, message: &Message, now: Timestamp) -> Vec<usize> {
        let storms = self.storms.iter_mut().enumerate().filter(|(_, storm)| storm.channel == *channel);
        storms.filter_map(|(at, storm)| storm.update_by_other(message, now).then_some(at)).collect()
    }

    /// The messages of storms that have changed, since their channel was `told` something or is not, and the ends of those that
    /// are over with that.
    fn tell_changed(&mut self, mut changed: Vec<usize>, told: bool, now: Timestamp) -> Vec<FollowUp> {
        changed.sort_unstable();
        changed.dedup();
        for at in &changed {
            self.storms[*at].look(|job| self.jobs.get(job).copied(), now);
        }
        let mut follow = Vec::new();
        let over: Vec<usize> = changed.iter().copied().filter(|at| self.storms[*at].is_over()).collect();
        for at in changed {
            follow.push(FollowUp { message: self.storms[at].edit(now), file_of: None });
            follow.extend(self.ended((at, told), &over, now).map(|message| FollowUp { message, file_of: None }));
        }
        follow
    }

    /// The end of a storm, once all parts of it are over; where the channel is to see it, and it is one of those that are
    /// over now.
    fn ended(&mut self, (at, told): (usize, bool), over: &[usize], now: Timestamp) -> Option<Message> {
        let storm = self.storms.get(at).filter(|storm| storm.is_over())?;
        let all = self.storms.iter().enumerate();
        let parts: Vec<usize> = all.filter(|(_, part)| part.is_part_with(storm)).map(|(part, _)| part).collect();
        if !parts.iter().all(|part| self.storms[*part].is_over()) {
            return None;
        }
        let whole = Storm::whole(parts.iter().map(|part| self.storms[*part].clone()))?;
        if whole.is_kept_back() && !told {
            return None;
        }
        parts.iter().for_each(|part| self.storms[*part].ended = true);
        // Of two that tell of the same jobs the later one says that it is over.
        let later = |other: &&usize| **other > at && !parts.contains(other);
        let is_within = over.iter().filter(later).any(|other| whole.is_within(&self.storms[*other]));
        (!is_within && whole.tells_end()).then(|| whole.told_end(now))
    }

    /// How the jobs of storms are now.
    pub fn learn_jobs(&mut self, standings: &Standings) {
        let members = self.storms.iter().flat_map(|storm| &storm.members);
        self.jobs = members.filter_map(|member| Some((member.job.clone(), standings.of(&member.job)?))).collect();
    }

    /// Whether something is to be told when a job is otherwise than it was, though there is no message about that.
    pub fn waits_for_jobs(&self) -> bool {
        self.storms.iter().any(Storm::waits_for_jobs)
    }

    /// What storms say of jobs that are otherwise than they were, of which there is no message.
    pub fn look_at_jobs(&mut self, now: Timestamp) -> Option<Settlement> {
        let jobs = &self.jobs;
        let look = |storm: &mut Storm| storm.waits_for_jobs() && storm.look(|job| jobs.get(job).copied(), now);
        let all = self.storms.iter_mut().enumerate();
        let changed: Vec<usize> = all.filter_map(|(at, storm)| look(storm).then_some(at)).collect();
        let channel = self.storms[*changed.first()?].channel.clone();
        let follow = self.tell_changed(changed, false, now);
        Some(Settlement {
            ids: Vec::new(),
            channel,
            class: Class::Edit,
            disposition: Disposition::Superseded,
            thread: ThreadChange::Keep,
            first: None,
            follow,
            note: Some(self.storms_note()),
            at: now,
        })
    }

    pub(super) fn forget_storms(&mut self, now: Timestamp) {
        self.storms.retain(|storm| {
            let age = clock::between(storm.changed, now);
            age < LONGEST_STORM && (!storm.ended || age < AFTERMATH || storm.goes_on())
        });
    }

    /// The storm whose message this edits.
    fn edited_storm(&mut self, edit: &Message) -> Option<&mut Storm> {
        self.storms.iter_mut().find(|storm| edit.thread == Thread::Edit && edit.incident == Some(storm.id))
    }

    /// Slack took an edit of a storm's message: the channel sees what had joined. The answer is what is noted of that.
    pub(super) fn storm_shown(&mut self, batch: &Batch) -> Option<(&'static str, String)> {
        self.edited_storm(&batch.message)?.shown(batch.message.created).then(|| self.storms_note())
    }

    /// An edit of a storm's message is given up: what joined by it is told by a message of its own, for the channel to see. It
    /// is noted in the same change.
    pub(super) fn storm_unedited(&mut self, edit: &Message, settlement: &mut Settlement) {
        let at = settlement.at;
        let Some(storm) = self.edited_storm(edit) else { return };
        settlement.follow.extend(storm.told_instead(at).map(|message| FollowUp { message, file_of: None }));
        settlement.note = Some(self.storms_note());
    }

    /// As the store keeps them.
    pub(super) fn storms_note(&self) -> (&'static str, String) {
        (storm::NOTE, storm::note(&self.storms))
    }
}
