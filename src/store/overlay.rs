//! What the disk should have and does not: messages and settlements that could not be written. Pure.
//!
//! Before it: a transaction that failed. After it: the same answers as if it had not, and the next transaction, which
//! writes everything that is here. Empty as long as the disk is well.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::types::{Depth, Fate, MessageId, Settlement, Standing, Stored, ThreadChange, Which};
use crate::id::{Channel, JobName};
use crate::notify::Parent;
use crate::order;

/// Messages that are held while the disk fails; beyond it new ones are refused, and the daemon says so.
pub(super) const MOST_UNSAVED: usize = 10_000;

/// Changes that the disk does not have.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    pub(super) unsaved: BTreeMap<MessageId, Stored>,
    pub(super) unsettled: BTreeMap<MessageId, Fate>,
    pub(super) threads: HashMap<(u64, Channel), (Option<Parent>, Timestamp)>,
    pub(super) sent: HashMap<Channel, Timestamp>,
}

impl Overlay {
    /// Whether the disk has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.unsaved.is_empty() && self.unsettled.is_empty() && self.threads.is_empty() && self.sent.is_empty()
    }

    /// Holds what came of messages.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        let Settlement { ids, channel, class: _, fate, thread, at } = settlement;
        for id in ids {
            let Some(stored) = self.unsaved.get_mut(&id) else {
                // A row on disk. A further try changes only what a listing shows.
                if !matches!(fate, Fate::Retry { .. }) {
                    self.unsettled.insert(id, fate.clone());
                }
                continue;
            };
            match &fate {
                Fate::Delivered | Fate::Superseded => drop(self.unsaved.remove(&id)),
                Fate::Told => stored.standing = Standing::Dead,
                Fate::Retry { .. } if stored.standing == Standing::Late => {}
                Fate::Retry { why } => {
                    stored.attempts += 1;
                    stored.why = Some(why.clone());
                }
                Fate::Dead { why } => {
                    stored.attempts += 1;
                    stored.why = Some(why.clone());
                    stored.standing = Standing::Dead;
                }
            }
        }
        if matches!(fate, Fate::Delivered | Fate::Told) {
            self.sent.insert(channel.clone(), at);
        }
        match thread {
            ThreadChange::Keep => {}
            ThreadChange::Set(incident, parent) => {
                self.threads.insert((incident, channel), (Some(parent), at));
            }
            ThreadChange::Forget(incident) => {
                self.threads.insert((incident, channel), (None, at));
            }
        }
    }

    /// What a channel's oldest messages are, given those on disk (more than wanted by as many as are settled here).
    pub(super) fn heads(&self, mut rows: Vec<Stored>, channel: &Channel, which: Which, limit: usize) -> Vec<Stored> {
        rows.retain(|row| !self.unsettled.contains_key(&row.id));
        let wanted = |stored: &&Stored| {
            stored.message.channel == *channel
                && match which {
                    Which::All => stored.standing == Standing::Waiting,
                    Which::Alerts => stored.standing == Standing::Waiting && !stored.is_edit(),
                    Which::Late => stored.standing == Standing::Late,
                }
        };
        rows.extend(self.unsaved.values().filter(wanted).cloned());
        order::by_key(&mut rows, |stored| stored.id);
        rows.truncate(limit);
        for row in &mut rows {
            let thread = row.message.incident.and_then(|incident| self.threads.get(&(incident, channel.clone())));
            if let Some((parent, _)) = thread {
                row.parent.clone_from(parent);
            }
        }
        rows
    }

    /// Adds what is held to the counts of the disk.
    pub(super) fn count(&self, depths: &mut HashMap<Channel, Depth>) {
        for stored in self.unsaved.values() {
            if stored.standing != Standing::Dead {
                *depths.entry(stored.message.channel.clone()).or_default().of(stored.class()) += 1;
            }
        }
    }

    /// Makes dead letters of held alerts that wait since before `cutoff`. The answer is how many.
    pub(super) fn expire(&mut self, cutoff: Timestamp, why: &str) -> usize {
        let mut count = 0;
        for stored in self.unsaved.values_mut() {
            if stored.standing == Standing::Waiting && stored.queued < cutoff && !stored.is_edit() {
                stored.standing = Standing::Late;
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
            if theirs && stored.message.channel == *from && stored.standing != Standing::Dead {
                stored.message.channel = to.clone();
            }
        }
    }
}
