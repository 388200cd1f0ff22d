//! What the disk should have and does not: messages and settlements that could not be written. Pure.
//!
//! Before it: a transaction that failed. After it: the same answers as if it had not, and the next transaction, which
//! writes everything that is here. Empty as long as the disk is well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::types::{
    Class, Depth, Disposition, Heads, MessageId, MessageState, Part, Progress, Settlement, Stored, ThreadChange,
};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Message, Thread};
use crate::notify::Parent;
use crate::policy::Event;

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
    /// What is remembered because of what came of messages.
    pub(super) notes: BTreeMap<&'static str, String>,
}

/// What the disk knows of the incidents of messages that it does not have.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The messages of incidents that wait for the channel.
    pub(super) peers: Vec<Peer>,
    /// The first message of an incident's thread, and what it says.
    pub(super) roots: HashMap<u64, Root>,
}

/// The first message of an incident's thread, and what it says where that is known.
pub(super) type Root = (Parent, Option<Box<Message>>);

/// A message of an incident that waits: what of it matters to the others of the incident.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) id: MessageId,
    pub(super) incident: u64,
    pub(super) class: Class,
    pub(super) part: Part,
    pub(super) refusals: u32,
    pub(super) not_before: Option<Timestamp>,
    pub(super) queued: Timestamp,
    /// It is shown in the thread alone.
    pub(super) is_reply: bool,
}

impl Peer {
    fn of(stored: &Stored) -> Option<Self> {
        let (id, class, part) = (stored.id, stored.class(), Part::of(&stored.message));
        let Progress { refusals, not_before, .. } = stored.progress;
        let (queued, is_reply) = (stored.queued, stored.message.thread == Thread::Reply);
        Some(Self { id, incident: stored.message.incident?, class, part, refusals, not_before, queued, is_reply })
    }
}

/// Whether it comes after the first message of its incident.
fn follows(part: Part) -> bool {
    matches!(part, Part::Between | Part::End)
}

/// Whether another message of its incident makes this one needless: `first` is what its thread says first.
fn is_outdated(stored: &Stored, first: Option<&Message>, peers: &[Peer]) -> bool {
    let later = |class: Class| peers.iter().filter(move |peer| peer.id > stored.id && peer.class == class);
    let is_first = Part::of(&stored.message) == Part::First;
    match stored.class() {
        Class::Edit => later(Class::Edit).next().is_some(),
        Class::Alert if stored.progress.refusals > 0 && is_first => {
            // That the job keeps changing does not say what fails.
            let is_told = first.and_then(|first| first.event).is_some_and(|event| event != Event::Flapping);
            is_told || later(Class::Alert).any(|peer| peer.part == Part::First)
        }
        Class::Alert if follows(Part::of(&stored.message)) => {
            let is_reply = stored.message.thread == Thread::Reply;
            let replaces = |peer: &Peer| peer.part == Part::End || is_reply || !peer.is_reply;
            let mut earlier = peers.iter().filter(|peer| peer.id < stored.id && peer.class == Class::Alert);
            let waits_behind = earlier.any(|peer| peer.refusals > 0);
            let mut later = later(Class::Alert).filter(|peer| peer.part != Part::Other && peer.queued > stored.queued);
            later.any(|peer| stored.progress.refusals > 0 && replaces(peer) || waits_behind && peer.part == Part::First)
        }
        _ => false,
    }
}

/// Whether the end of its incident waits behind it.
fn is_over(stored: &Stored, peers: &[Peer]) -> bool {
    let ends = |peer: &Peer| peer.id > stored.id && peer.part == Part::End;
    !stored.is_edit() && Part::of(&stored.message) != Part::End && peers.iter().any(ends)
}

/// Whether it comes behind another message of its incident, which waits: `has_root` says that the thread has a first message.
fn is_blocked(stored: &Stored, has_root: bool, peers: &[Peer], now: Timestamp) -> bool {
    let mut earlier = peers.iter().filter(|peer| peer.id < stored.id && peer.class == Class::Alert);
    match stored.class() {
        // An edit waits for the message that it changes, should that still be on its way.
        Class::Edit => !has_root && earlier.next().is_some(),
        Class::Alert if follows(Part::of(&stored.message)) => {
            earlier.any(|peer| peer.refusals > 0 && peer.not_before.is_some_and(|at| at > now))
        }
        _ => false,
    }
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

    /// How a message stands that the disk knows as this; none where it was delivered.
    pub(super) fn state(&self, id: MessageId, on_disk: MessageState) -> Option<MessageState> {
        match self.unsettled.get(&id) {
            None | Some(Disposition::Retry { .. }) => Some(on_disk),
            Some(Disposition::Delivered | Disposition::Superseded) => None,
            Some(Disposition::Announced { .. } | Disposition::Dead { .. }) => Some(MessageState::Dead),
        }
    }

    /// Whether the disk has everything.
    pub(super) fn is_empty(&self) -> bool {
        self.unsaved.is_empty()
            && self.unsettled.is_empty()
            && self.retries.is_empty()
            && self.threads.is_empty()
            && self.firsts.is_empty()
            && self.sent.is_empty()
            && self.notes.is_empty()
    }

    /// Holds what came of messages.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        let Settlement { ids, channel, class, disposition, thread, first, at, follow: _, note } = settlement;
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
        let is_shown = matches!(class, Class::Alert | Class::Detail | Class::Late);
        if is_shown && matches!(disposition, Disposition::Delivered | Disposition::Announced { .. }) {
            self.sent.insert(channel.clone(), at);
        }
        self.notes.extend(note);
        match thread {
            ThreadChange::Keep => {}
            ThreadChange::Set(incident, parent) => self.begin_thread(incident, &channel, Some(parent), at),
            ThreadChange::SetAll(incidents, parent) => {
                for incident in incidents {
                    self.begin_thread(incident, &channel, Some(parent.clone()), at);
                }
            }
            ThreadChange::Forget(incident) => self.begin_thread(incident, &channel, None, at),
        }
        if let Some((incident, first)) = first.and_then(|first| Some((first.incident?, first))) {
            self.firsts.insert((incident, channel), first);
        }
    }

    /// An incident's thread has another first message, or none; what the last one said is not what this one says.
    fn begin_thread(&mut self, incident: u64, channel: &Channel, parent: Option<Parent>, at: Timestamp) {
        let key = (incident, channel.clone());
        self.firsts.remove(&key);
        self.threads.insert(key, (parent, at));
    }

    /// The incidents of what is held for a channel.
    pub(super) fn incidents(&self, channel: &Channel) -> BTreeSet<u64> {
        let theirs = self.unsaved.values().filter(|stored| stored.message.channel == *channel);
        theirs.filter_map(|stored| stored.message.incident).collect()
    }

    /// The messages of incidents that wait for a channel, by incident, given those on disk.
    fn peers(&self, channel: &Channel, disk: &[Peer]) -> HashMap<u64, Vec<Peer>> {
        let disk = disk.iter().filter(|peer| !self.unsettled.contains_key(&peer.id)).map(|peer| {
            let progress = self.retries.get(&peer.id).map(|(_, progress)| progress);
            progress.map_or(*peer, |progress| Peer {
                refusals: progress.refusals,
                not_before: progress.not_before,
                ..*peer
            })
        });
        let waits = |stored: &&Stored| stored.message.channel == *channel && stored.state == MessageState::Waiting;
        let held = self.unsaved.values().filter(waits).filter_map(Peer::of);
        let mut peers: HashMap<u64, Vec<Peer>> = HashMap::new();
        for peer in disk.chain(held) {
            peers.entry(peer.incident).or_default().push(peer);
        }
        peers
    }

    /// The first message of an incident's thread as far as it is known, and what it says.
    fn root(
        &self,
        stored: &Stored,
        incident: u64,
        channel: &Channel,
        known: &Known,
    ) -> (Option<Parent>, Option<Box<Message>>) {
        let key = (incident, channel.clone());
        let first = self.firsts.get(&key).cloned();
        match self.threads.get(&key) {
            Some((parent, _)) => (parent.clone(), first),
            None if self.unsaved.contains_key(&stored.id) => match known.roots.get(&incident) {
                Some((parent, on_disk)) => (Some(parent.clone()), first.or_else(|| on_disk.clone())),
                None => (None, first),
            },
            // A row of the disk comes with it.
            None => (stored.parent.clone(), first.or_else(|| stored.first.clone())),
        }
    }

    /// Gives messages what they answer or change, as the disk would: what is in memory and what is on disk are one outbox.
    fn relate(&self, rows: &mut Vec<Stored>, known: &Known, channel: &Channel, now: Timestamp) {
        let peers = self.peers(channel, &known.peers);
        rows.retain_mut(|row| {
            let Some(incident) = row.message.incident else { return true };
            let peers = peers.get(&incident).map_or(&[][..], Vec::as_slice);
            let (parent, first) = self.root(row, incident, channel, known);
            row.superseded |= is_outdated(row, first.as_deref(), peers);
            row.over |= is_over(row, peers);
            let has_root = parent.is_some();
            if row.message.route.target.is_none() {
                row.parent = parent;
            }
            if row.is_edit() {
                row.first = first;
            }
            row.superseded || !is_blocked(row, has_root, peers, now)
        });
    }

    /// What a channel's oldest messages are, given those on disk (more than wanted by as many as are settled here) and what
    /// it knows of the incidents of those that are held.
    pub(super) fn heads(
        &self,
        (disk, known): (Heads, &Known),
        channel: &Channel,
        class: Class,
        limit: usize,
        now: Timestamp,
    ) -> Heads {
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
        if !self.is_empty() {
            self.relate(&mut rows, known, channel, now);
        }
        rows.retain(|row| match row.progress.not_before.filter(|at| *at > now && !row.superseded) {
            Some(at) => {
                later = Some(later.map_or(at, |later: Timestamp| later.min(at)));
                false
            }
            None => true,
        });
        rows.sort_by_key(|stored| stored.id);
        rows.truncate(limit);
        Heads { rows, later }
    }

    /// The first messages of incidents as they are by now, given those on disk.
    pub(super) fn threads(&self, disk: &mut HashMap<u64, Vec<(Channel, Parent)>>) {
        for ((incident, channel), (parent, _)) in &self.threads {
            if let Some(threads) = disk.get_mut(incident) {
                threads.retain(|(other, _)| other != channel);
                threads.extend(parent.clone().map(|parent| (channel.clone(), parent)));
            }
        }
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
