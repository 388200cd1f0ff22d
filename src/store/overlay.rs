//! What the disk should have and does not: messages and settlements that could not be written. Pure.
//!
//! Before it: a transaction that failed. After it: the same answers as if it had not, and the next transaction, which
//! writes everything that is here. Empty as long as the disk is well.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::types::{
    Class, Depth, Disposition, Heads, MessageId, MessageState, Progress, Settlement, Stored, ThreadChange,
};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::Message;
use crate::notify::Parent;

/// Messages that are held while the disk fails; beyond it new ones are refused, and the daemon says so.
pub(super) const MOST_UNSAVED: usize = 10_000;

/// Changes that the disk does not have.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    pub(super) unsaved: BTreeMap<MessageId, Stored>,
    pub(super) unsettled: BTreeMap<MessageId, Disposition>,
    /// Failed tries of rows on disk: why, and what they have behind them.
    pub(super) retries: BTreeMap<MessageId, (String, Progress)>,
    pub(super) threads: HashMap<(u64, Channel), (Option<Parent>, Timestamp)>,
    /// What the first messages of threads say.
    pub(super) firsts: HashMap<(u64, Channel), Box<Message>>,
    pub(super) sent: HashMap<Channel, Timestamp>,
}

impl Overlay {
    /// Makes room for `count` more messages: the oldest good news goes first, then the oldest dead letters; an alert that
    /// waits never does. The answer is how many went, or that there is no room.
    pub(super) fn make_room(&mut self, count: usize) -> Option<usize> {
        let excess = (self.unsaved.len() + count).saturating_sub(MOST_UNSAVED);
        if excess == 0 {
            return Some(0);
        }
        let news = |stored: &&Stored| stored.message.status == Status::Ok && stored.message.incident.is_none();
        let dead = |stored: &&Stored| stored.state == MessageState::Dead && !news(stored);
        let all = self.unsaved.values();
        let go: Vec<MessageId> =
            all.clone().filter(news).chain(all.filter(dead)).map(|stored| stored.id).take(excess).collect();
        if go.len() < excess {
            return None;
        }
        for id in &go {
            self.unsaved.remove(id);
        }
        Some(go.len())
    }

    /// Whether the disk has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.unsaved.is_empty()
            && self.unsettled.is_empty()
            && self.retries.is_empty()
            && self.threads.is_empty()
            && self.firsts.is_empty()
            && self.sent.is_empty()
    }

    /// Holds what came of messages.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        let Settlement { ids, channel, class: _, disposition, thread, first, at, follow: _, note: _ } = settlement;
        for id in ids {
            let Some(stored) = self.unsaved.get_mut(&id) else {
                // A row on disk.
                match &disposition {
                    Disposition::Retry { why, progress } => drop(self.retries.insert(id, (why.clone(), *progress))),
                    settled => drop(self.unsettled.insert(id, settled.clone())),
                }
                continue;
            };
            match &disposition {
                Disposition::Delivered | Disposition::Superseded => drop(self.unsaved.remove(&id)),
                Disposition::Announced { told } => {
                    stored.progress.announced |= *told;
                    stored.state = MessageState::Dead;
                }
                Disposition::Retry { .. } if stored.state == MessageState::Late => {}
                Disposition::Retry { why, progress } => {
                    stored.progress = *progress;
                    stored.attempts += 1;
                    stored.why = Some(why.clone());
                }
                Disposition::Dead { why, forwarded } => {
                    stored.attempts += 1;
                    stored.progress.forwarded |= *forwarded;
                    stored.why = Some(why.clone());
                    stored.state = MessageState::Dead;
                }
            }
        }
        if matches!(disposition, Disposition::Delivered | Disposition::Announced { .. }) {
            self.sent.insert(channel.clone(), at);
        }
        if let Some((incident, first)) = first.and_then(|first| Some((first.incident?, first))) {
            self.firsts.insert((incident, channel.clone()), first);
        }
        match thread {
            ThreadChange::Keep => {}
            ThreadChange::Set(incident, parent) => {
                self.threads.insert((incident, channel), (Some(parent), at));
            }
            ThreadChange::SetAll(incidents, parent) => {
                for incident in incidents {
                    self.threads.insert((incident, channel.clone()), (Some(parent.clone()), at));
                }
            }
            ThreadChange::Forget(incident) => {
                self.threads.insert((incident, channel), (None, at));
            }
        }
    }

    /// What a channel's oldest messages are, given those on disk (more than wanted by as many as are settled here).
    pub(super) fn heads(&self, disk: Heads, channel: &Channel, class: Class, limit: usize, now: Timestamp) -> Heads {
        let Heads { mut rows, mut later } = disk;
        rows.retain(|row| !self.unsettled.contains_key(&row.id));
        for row in &mut rows {
            if let Some((why, progress)) = self.retries.get(&row.id) {
                (row.why, row.progress) = (Some(why.clone()), *progress);
            }
        }
        let held = |stored: &&Stored| {
            stored.message.channel == *channel && stored.state != MessageState::Dead && stored.class() == class
        };
        rows.extend(self.unsaved.values().filter(held).cloned());
        rows.retain(|row| match row.progress.not_before.filter(|at| *at > now && !row.superseded) {
            Some(at) => {
                later = Some(later.map_or(at, |later: Timestamp| later.min(at)));
                false
            }
            None => true,
        });
        rows.sort_by_key(|stored| stored.id);
        rows.truncate(limit);
        for row in rows.iter_mut().filter(|row| row.message.route.target.is_none()) {
            let thread = row.message.incident.and_then(|incident| self.threads.get(&(incident, channel.clone())));
            if let Some((parent, _)) = thread {
                row.parent.clone_from(parent);
            }
            let first = row.message.incident.and_then(|incident| self.firsts.get(&(incident, channel.clone())));
            if let Some(first) = first.filter(|_| row.is_edit()) {
                row.first = Some(first.clone());
            }
        }
        Heads { rows, later }
    }

    /// Adds what is held to the counts of the disk.
    pub(super) fn count(&self, depths: &mut HashMap<Channel, Depth>) {
        for stored in self.unsaved.values() {
            if stored.state != MessageState::Dead {
                *depths.entry(stored.message.channel.clone()).or_default().of(stored.class()) += 1;
            }
        }
    }

    /// Makes dead letters of held alerts that wait since before `cutoff`. The answer is how many.
    pub(super) fn expire(&mut self, cutoff: Timestamp, why: &str) -> usize {
        let mut count = 0;
        for stored in self.unsaved.values_mut() {
            if stored.state == MessageState::Waiting && stored.queued < cutoff && stored.class() == Class::Alert {
                stored.state = MessageState::Late;
                stored.why = Some(match &stored.why {
                    Some(last) => format!("{why}: {last}"),
                    None => why.to_owned(),
                });
                count += 1;
            }
        }
        count
    }

    /// Sends what is held for one channel to another.
    pub(super) fn redirect(&mut self, job: Option<&JobName>, from: &Channel, to: &Channel) {
        for stored in self.unsaved.values_mut() {
            let theirs = job.is_none() || stored.message.job.as_ref() == job;
            if theirs && stored.message.channel == *from && stored.state != MessageState::Dead {
                stored.message.channel = to.clone();
            }
        }
    }
}
