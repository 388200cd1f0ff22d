//! Which channel is next, what it is sent, and what its answer means. Pure; time and chance are arguments.
//!
//! Before it: what the store says of each channel. After it: the worker, which sends one [`Parcel`] per channel at a time
//! and writes the [`Settlement`] that its answer comes to.
//!
//! Invariants: within a channel the oldest goes first, and nothing overtakes it but alerts an edit (an edit appears
//! nowhere); a channel has one parcel in flight at most; no channel waits for another, unless Slack refuses everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::digest::{self, Kind};
use super::retry::{self, Step, Try};
use crate::clock::Mono;
use crate::id::Channel;
use crate::message::{Message, Thread};
use crate::notify::{Delivery, Parent, Receipt, SendError};
use crate::store::{Class, Depth, Fate, MessageId, Settlement, Stored, ThreadChange, Which};

/// Alerts that would take longer than this at the channel's rate are merged (SPEC 7.4).
pub const PATIENCE: Duration = Duration::from_secs(30);

/// So many of a storm are looked at, to be counted.
const LOOK: usize = 1_000;

/// What is asked of the store for a channel's next parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The channel.
    pub channel: Channel,
    /// Which of its messages.
    pub which: Which,
    /// How many at most; of a storm more than a digest has members, so that its first line counts them all.
    pub limit: usize,
    /// Members of a digest at most.
    pub lines: usize,
    /// A digest goes on where another one has ended.
    pub follows: bool,
    /// Several are merged into one; why.
    pub merge: Option<Kind>,
    /// How many there are of that kind in all.
    pub waiting: u64,
    /// The first message that Slack called malformed: it, and a digest that begins with it, go as plain text.
    pub plain: Option<MessageId>,
    /// Failures in a row of the channel.
    pub failures: u32,
}

/// What is sent: a message, or several as one.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Where to.
    pub channel: Channel,
    /// The messages that it carries.
    pub ids: Vec<MessageId>,
    /// Which count of the channel they are in.
    pub class: Class,
    /// It is a digest; why.
    pub merged: Option<Kind>,
    /// What is sent.
    pub message: Arc<Message>,
    /// As `text` alone.
    pub plain: bool,
    /// The thread that it goes into, or whose first message it edits.
    pub parent: Option<Parent>,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// What to do with a channel's oldest messages.
#[derive(Clone, Debug)]
pub enum Turn {
    /// There is nothing.
    Nothing,
    /// These are needless: settle them, and look again.
    Settle(Settlement),
    /// Send this.
    Send(Box<Parcel>),
}

/// Slack refuses everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When there may be another try.
    pub until: Mono,
    /// The credentials were refused: one message is tried, not all.
    pub credentials: bool,
    /// What Slack said.
    pub why: String,
}

/// All channels for which something waits.
#[derive(Debug, Default)]
pub struct Queue {
    lanes: BTreeMap<Channel, Lane>,
    hold: Option<Hold>,
    refusals: u32,
}

#[derive(Debug, Default)]
struct Lane {
    depth: Depth,
    not_before: Mono,
    in_flight: bool,
    failures: u32,
    plain: Option<MessageId>,
    /// The last thing sent was a digest, and it had not taken all.
    follows: bool,
    /// How many messages a digest may have, after Slack refused a larger one.
    lines: Option<usize>,
}

impl Queue {
    /// What waits has changed. A channel of which nothing is left to know is forgotten.
    pub fn update(&mut self, depths: Vec<(Channel, Depth)>, now: Mono) {
        for lane in self.lanes.values_mut() {
            lane.depth = Depth::default();
        }
        for (channel, depth) in depths {
            self.lanes.entry(channel).or_default().depth = depth;
        }
        self.lanes.retain(|_, lane| !lane.depth.is_empty() || lane.in_flight || lane.not_before > now);
    }

    /// How much waits in all.
    pub fn depth(&self) -> Depth {
        self.lanes.values().fold(Depth::default(), |all, Lane { depth, .. }| Depth {
            alerts: all.alerts + depth.alerts,
            edits: all.edits + depth.edits,
            late: all.late + depth.late,
        })
    }

    /// Why nothing goes out at all, if so.
    pub fn held(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// A channel gets nothing before `until`.
    pub fn delay(&mut self, channel: &Channel, until: Mono) {
        let lane = self.lanes.entry(channel.clone()).or_default();
        lane.not_before = lane.not_before.max(until);
    }

    /// The configuration changed: whatever was refused may be taken now.
    pub fn anew(&mut self, now: Mono) {
        self.hold = None;
        self.refusals = 0;
        for lane in self.lanes.values_mut() {
            lane.not_before = lane.not_before.min(now);
            lane.failures = 0;
        }
    }

    /// The channel that has waited longest since it could be sent something.
    pub fn next(&self, now: Mono) -> Option<Channel> {
        if !self.open(now) {
            return None;
        }
        let ready = self.lanes.iter().filter(|(_, lane)| lane.is_waiting() && lane.not_before <= now);
        ready.min_by_key(|(_, lane)| lane.not_before).map(|(channel, _)| channel.clone())
    }

    /// Whether anything may be sent: with refused credentials one message at a time, when it is time for a probe.
    fn open(&self, now: Mono) -> bool {
        match &self.hold {
            None => true,
            Some(hold) if hold.until > now => false,
            Some(hold) => !hold.credentials || !self.lanes.values().any(|lane| lane.in_flight),
        }
    }

    /// When the next channel can be sent something; `None` when nothing waits.
    /// Nor while a probe of refused credentials is in flight: its answer comes first.
    pub fn due(&self) -> Option<Mono> {
        if self.hold.as_ref().is_some_and(|hold| hold.credentials) && self.lanes.values().any(|lane| lane.in_flight) {
            return None;
        }
        let first = self.lanes.values().filter(|lane| lane.is_waiting()).map(|lane| lane.not_before).min()?;
        Some(self.hold.as_ref().map_or(first, |hold| hold.until.max(first)))
    }

    /// What to ask the store for; the channel is in flight from here on. `capacity` is how many messages the channel can
    /// take within [`PATIENCE`].
    pub fn ask(&mut self, channel: &Channel, capacity: u64) -> Ask {
        let lane = self.lanes.entry(channel.clone()).or_default();
        lane.in_flight = true;
        let Depth { alerts, edits, late } = lane.depth;
        let lines = lane.lines.unwrap_or(digest::LINES);
        let (which, merge, waiting) = if late > 0 {
            (Which::Late, Some(Kind::Late), late)
        } else if alerts > capacity && lines > 1 {
            (Which::Alerts, Some(Kind::Storm), alerts)
        } else if alerts > 0 && alerts + edits > capacity {
            (Which::Alerts, None, alerts)
        } else {
            (Which::All, None, alerts + edits)
        };
        let limit = match merge {
            Some(Kind::Storm) => LOOK,
            Some(Kind::Late) => lines.max(1),
            None => 1,
        };
        let follows = lane.follows && merge == Some(Kind::Storm);
        let channel = channel.clone();
        Ask { channel, which, limit, lines, follows, merge, waiting, plain: lane.plain, failures: lane.failures }
    }

    /// The channel's turn is over; it may have another at `not_before`.
    pub fn landed(&mut self, channel: &Channel, not_before: Mono) {
        if let Some(lane) = self.lanes.get_mut(channel) {
            lane.in_flight = false;
            lane.not_before = lane.not_before.max(not_before);
        }
    }

    /// What an answer means, for the messages, their thread, the channel and everything else. The channel stays in
    /// flight until the settlement is written.
    pub fn answered(
        &mut self,
        parcel: &Parcel,
        answer: &Result<Receipt, SendError>,
        at: (Mono, Timestamp),
        chance: f64,
    ) -> Settlement {
        let (fate, thread) = match answer {
            Ok(receipt) => {
                self.hold = None;
                self.refusals = 0;
                if let Some(lane) = self.lanes.get_mut(&parcel.channel) {
                    // After a digest that Slack called too large its size grows again step by step.
                    lane.lines = lane.lines.map(|lines| lines * 2).filter(|lines| *lines < digest::LINES);
                    lane.failures = 0;
                    lane.plain = None;
                    let left = lane.depth.alerts > parcel.ids.len() as u64;
                    lane.follows = parcel.merged == Some(Kind::Storm) && left;
                }
                let fate = if parcel.class == Class::Late { Fate::Told } else { Fate::Delivered };
                (fate, thread_after(parcel, receipt))
            }
            Err(error) => self.failed(parcel, error, at.0, chance),
        };
        let Parcel { channel, ids, class, .. } = parcel.clone();
        Settlement { ids, channel, class, fate, thread, at: at.1 }
    }

    fn failed(&mut self, parcel: &Parcel, error: &SendError, now: Mono, chance: f64) -> (Fate, ThreadChange) {
        let lane = self.lanes.entry(parcel.channel.clone()).or_default();
        lane.failures = lane.failures.saturating_add(1);
        let tried = Try {
            plain: parcel.plain,
            digest: parcel.ids.len() > 1,
            parent: parcel.parent.is_some(),
            edit: parcel.message.thread == Thread::Edit,
            failures: lane.failures,
        };
        let why = retry::why(error).to_owned();
        let step = retry::after(tried, error, chance);
        if !matches!(step, Step::Credentials | Step::Refused(_) | Step::Again(_)) {
            // Slack looked at the message: it takes our word, and our pace.
            self.hold = None;
            self.refusals = 0;
            lane.failures = 0;
        }
        let (fate, thread) = match step {
            Step::Again(wait) => {
                lane.not_before = now + wait;
                (Fate::Retry { why: why.clone() }, ThreadChange::Keep)
            }
            Step::Refused(wait) => {
                lane.not_before = now + wait;
                self.refusals += 1;
                if self.refusals >= retry::MANY_REFUSALS {
                    let until = self.hold.as_ref().map_or(now + wait, |hold| hold.until.max(now + wait));
                    self.hold = Some(Hold { until, credentials: false, why: why.clone() });
                }
                (Fate::Retry { why: why.clone() }, ThreadChange::Keep)
            }
            Step::Credentials => {
                self.hold = Some(Hold { until: now + retry::PROBE, credentials: true, why: why.clone() });
                (Fate::Retry { why: why.clone() }, ThreadChange::Keep)
            }
            Step::Plain => {
                lane.plain = parcel.ids.first().copied();
                (Fate::Retry { why: why.clone() }, ThreadChange::Keep)
            }
            Step::Smaller => {
                lane.lines = Some((parcel.ids.len() / 2).max(1));
                lane.plain = None;
                (Fate::Retry { why: why.clone() }, ThreadChange::Keep)
            }
            Step::Anew => (Fate::Retry { why: why.clone() }, forget(parcel)),
            Step::Needless => (Fate::Superseded, forget(parcel)),
            // The channel cannot be told of what is late: they are dead letters as they are.
            Step::Dead if parcel.class == Class::Late => (Fate::Told, ThreadChange::Keep),
            Step::Dead => (Fate::Dead { why: why.clone() }, ThreadChange::Keep),
        };
        // A probe that failed for another reason says nothing of the credentials: the hold goes on.
        if let Some(hold) = &mut self.hold
            && hold.credentials
            && hold.until <= now
        {
            hold.until = now + retry::PROBE;
        }
        (fate, thread)
    }
}

impl Lane {
    fn is_waiting(&self) -> bool {
        !self.in_flight && !self.depth.is_empty()
    }
}

fn forget(parcel: &Parcel) -> ThreadChange {
    parcel.message.incident.map_or(ThreadChange::Keep, ThreadChange::Forget)
}

/// What a receipt means for the incident's thread.
fn thread_after(parcel: &Parcel, receipt: &Receipt) -> ThreadChange {
    let Some(incident) = parcel.message.incident.filter(|_| parcel.merged.is_none()) else { return ThreadChange::Keep };
    match (parcel.message.thread, &receipt.posted) {
        (Thread::Open, Some(posted)) => ThreadChange::Set(incident, posted.clone()),
        // What should have been an answer stands alone: a thread that was deleted in Slack starts anew there.
        (Thread::Reply, Some(posted)) if receipt.orphaned || parcel.parent.is_none() => {
            ThreadChange::Set(incident, posted.clone())
        }
        (Thread::Reply | Thread::Broadcast | Thread::Edit, _) if receipt.orphaned => ThreadChange::Forget(incident),
        _ => ThreadChange::Keep,
    }
}

/// What to do with the messages that the store gave. Edits of what is not there, and edits that a later one follows,
/// are needless.
pub fn turn(heads: Vec<Stored>, ask: &Ask, at: Timestamp) -> Turn {
    let needless = |stored: &Stored| stored.is_edit() && (stored.superseded || stored.parent.is_none());
    let ids: Vec<MessageId> = heads.iter().filter(|stored| needless(stored)).map(|stored| stored.id).collect();
    if !ids.is_empty() {
        let (channel, fate, thread) = (ask.channel.clone(), Fate::Superseded, ThreadChange::Keep);
        return Turn::Settle(Settlement { ids, channel, class: Class::Edit, fate, thread, at });
    }
    let Some(first) = heads.first() else { return Turn::Nothing };
    let plain = ask.plain == Some(first.id);
    let scope = |kind| {
        let waiting = ask.waiting.max(heads.len() as u64);
        digest::Scope { kind, lines: ask.lines, waiting, follows: ask.follows }
    };
    let merge = ask.merge.filter(|kind| heads.len() > 1 || *kind == Kind::Late);
    if let Some(kind) = merge
        && let Some((message, taken)) = digest::merge(scope(kind), &heads)
    {
        return Turn::Send(Box::new(Parcel {
            channel: ask.channel.clone(),
            ids: heads.iter().take(taken).map(|stored| stored.id).collect(),
            class: first.class(),
            merged: Some(kind),
            message: Arc::new(message),
            plain,
            parent: None,
            attempt: ask.failures.saturating_add(1),
        }));
    }
    let class = first.class();
    let Some(Stored { id, attempts, message, parent, .. }) = heads.into_iter().next() else { return Turn::Nothing };
    Turn::Send(Box::new(Parcel {
        channel: ask.channel.clone(),
        ids: vec![id],
        class,
        merged: None,
        // An opening message has no thread yet; what a crash left behind of an earlier try is not one to answer.
        parent: parent.filter(|_| !matches!(message.thread, Thread::None | Thread::Open)),
        message: Arc::new(message),
        plain,
        attempt: attempts.saturating_add(1),
    }))
}

impl Parcel {
    /// As the notifier takes it.
    pub fn delivery(&self) -> Delivery {
        Delivery {
            message: Arc::clone(&self.message),
            attempt: self.attempt,
            plain: self.plain,
            parent: self.parent.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
