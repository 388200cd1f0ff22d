//! Which lane is next, and what an answer means for the messages, their thread, the channel and everything else. Pure; time
//! and chance are arguments.
//!
//! Before it: what the store says of each channel. After it: the worker, which sends one [`Batch`] per lane at a time and
//! writes the [`Settlement`] that its answer comes to.
//!
//! Invariants: within a lane the oldest that may be tried goes first, and details go last; a lane has one batch in flight at
//! most; no lane waits for another, unless Slack refuses everything; a refusal concerns the refused message alone.

mod lane;
mod refused;
mod storms;
mod taken;
mod untaken;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::lane::{PassedOver, State, Way, part};
use self::taken::first_after;
pub use self::untaken::MOST_REMEMBERED;
use self::untaken::Untaken;
use super::batch::{Ask, Batch, Lane};
use super::digest;
use super::places::Places;
use super::report::{DeliveryResult, Report};
use super::standing::Standing;
use super::storm::{self, Storm};
use crate::clock::{self, Mono, Now};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::Thread;
use crate::notify::{Receipt, SendError};
use crate::store::{Class, Depth, Disposition, MessageId, Settlement, Stored};

/// Messages that would take longer than this at the channel's rate are merged.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// So many messages are looked at, to be counted and merged.
const LOOK: usize = 1_000;

/// Slack refuses everything, or everything of one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When there may be another try.
    pub until: Mono,
    /// The credentials were refused: one message is tried, not all.
    pub credentials: bool,
    /// What Slack said.
    pub why: String,
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What is written.
    pub settlement: Settlement,
    /// What the daemon is told.
    pub reports: Vec<Report>,
    /// The default channel does not take messages, and there is no other: why.
    pub nowhere: Option<String>,
}

/// All channels for which something waits.
#[derive(Debug, Default)]
pub struct Queue {
    lanes: BTreeMap<(Channel, Lane), State>,
    /// The credentials were refused.
    credentials: Option<Hold>,
    /// Methods that were called too often.
    limited: BTreeMap<Lane, Hold>,
    refusals: BTreeMap<Lane, u32>,
    storms: Vec<Storm>,
    /// How the jobs of storms are now, as far as that is known.
    jobs: BTreeMap<JobName, Standing>,
    /// Where messages go that name no channel.
    default: Option<Channel>,
    /// This host's name.
    host: Arc<str>,
    /// When the way to Slack failed last.
    failed: Option<Timestamp>,
    /// Alerts that their channels did not take.
    untaken: Untaken,
    /// Channels that wait to hear whether they are those that were just written to by their names.
    wait_for_names: BTreeSet<Channel>,
}

impl Queue {
    /// With the storms that an earlier process told.
    pub fn new(storms: Vec<Storm>) -> Self {
        Self { storms, ..Self::default() }
    }

    /// Where messages go that name no channel, and those that none of their own channels takes.
    pub fn set_default(&mut self, channel: Option<Channel>) {
        self.default = channel;
    }

    /// Takes up what an earlier process told elsewhere, by what it left in the outbox of that: the newest first.
    pub fn remember(&mut self, left: &[Stored]) {
        self.untaken.remember(left, self.default.as_ref());
    }

    /// The host that messages of several jobs name.
    pub fn set_host(&mut self, host: Arc<str>) {
        self.host = host;
    }

    /// What waits has changed. A channel of which nothing is left to know is forgotten.
    pub fn update(&mut self, depths: Vec<(Channel, Depth)>, now: Mono) {
        let mut fresh: BTreeMap<(Channel, Lane), Depth> = BTreeMap::new();
        for (channel, depth) in depths {
            for lane in [Lane::Posts, Lane::Edits, Lane::Uploads] {
                fresh.insert((channel.clone(), lane), part(depth, lane));
            }
        }
        for (key, state) in &mut self.lanes {
            let depth = fresh.remove(key).unwrap_or_default();
            if depth != state.depth {
                state.idle_until = None;
            }
            state.depth = depth;
        }
        for (key, depth) in fresh.into_iter().filter(|(_, depth)| !depth.is_empty()) {
            self.lanes.entry(key).or_default().depth = depth;
        }
        self.lanes.retain(|_, state| !state.depth.is_empty() || state.in_flight || state.not_before > now);
    }

    /// How much waits in all.
    pub fn depth(&self) -> Depth {
        self.lanes.values().fold(Depth::default(), |all, State { depth, .. }| Depth {
            alerts: all.alerts + depth.alerts,
            details: all.details + depth.details,
            edits: all.edits + depth.edits,
            uploads: all.uploads + depth.uploads,
            late: all.late + depth.late,
        })
    }

    /// Why nothing goes out at all, if so.
    pub fn held(&self) -> Option<&Hold> {
        self.credentials.as_ref().or_else(|| self.limited.get(&Lane::Posts))
    }

    /// A lane gets nothing before `until`.
    pub fn delay(&mut self, channel: &Channel, lane: Lane, until: Mono) {
        let state = self.lanes.entry((channel.clone(), lane)).or_default();
        state.not_before = state.not_before.max(until);
    }

    /// Until when Slack asked each lane to wait, for a later process. Trouble of the way is none of it: a later process
    /// tries at once.
    pub fn waits(&self, now: Now) -> Vec<(Channel, Lane, Timestamp)> {
        let later = |(key, state): (&(Channel, Lane), &State)| {
            if state.way.waits {
                return None;
            }
            let left = now.mono.until(state.not_before);
            (left > Duration::from_secs(2)).then(|| (key.0.clone(), key.1, clock::shift(now.wall, left)))
        };
        self.lanes.iter().filter_map(later).collect()
    }

    /// The credentials changed, or somebody asked for it: whatever was refused may be taken now.
    pub fn anew(&mut self, now: Mono) {
        self.credentials = None;
        self.limited.clear();
        self.refusals.clear();
        for state in self.lanes.values_mut() {
            state.not_before = state.not_before.min(now);
            state.way = Way::default();
            state.idle_until = None;
            state.passed_over.clear();
            state.probed.clear();
            state.failures = 0;
        }
    }

    /// The configuration was read again, and names the same credentials: what failed may go now. What Slack asked to wait for
    /// is waited for still.
    pub fn read_again(&mut self, now: Mono) {
        self.credentials = None;
        for state in self.lanes.values_mut() {
            if state.way.waits {
                state.not_before = state.not_before.min(now);
                state.failures = 0;
            }
            state.way = Way::default();
            state.idle_until = None;
            state.passed_over.clear();
            state.probed.clear();
        }
    }

    /// The lane that has waited longest since it could be sent something.
    pub fn next(&self, now: Mono) -> Option<(Channel, Lane)> {
        let ready = self
            .lanes
            .iter()
            .filter(|((_, lane), state)| state.is_waiting() && state.ready_at() <= now && self.open(*lane, now));
        ready.min_by_key(|(_, state)| state.ready_at()).map(|(key, _)| key.clone())
    }

    /// Whether anything may be sent in a lane: with refused credentials one message at a time, when it is time for a probe.
    fn open(&self, lane: Lane, now: Mono) -> bool {
        if self.limited.get(&lane).is_some_and(|hold| hold.until > now) {
            return false;
        }
        match &self.credentials {
            None => true,
            Some(hold) => hold.until <= now && !self.is_sending(),
        }
    }

    /// The default channel, and the incidents of these messages of which something was told there in the place of their own.
    pub fn told_elsewhere(&self, batch: &Batch) -> Option<(Channel, Vec<(JobName, u64)>)> {
        let default = self.default.clone().filter(|default| *default != batch.channel)?;
        let incidents = self.untaken.told_elsewhere(batch);
        (batch.lane == Lane::Posts && !incidents.is_empty()).then_some((default, incidents))
    }

    /// The jobs of these alerts, each with its message, where the channel refused something before that may still wait.
    pub fn overtaking(&self, batch: &Batch) -> Vec<(JobName, MessageId)> {
        let begins = |stored: &&Stored| stored.message.thread == Thread::Open && stored.message.status != Status::Ok;
        let of = |stored: &Stored| Some((stored.message.job.clone()?, stored.id));
        match batch.lane == Lane::Posts && self.untaken.has_refused(&batch.channel) {
            true => batch.members.iter().filter(begins).filter_map(of).collect(),
            false => Vec::new(),
        }
    }

    /// The channels that are configured by names whose IDs are not known, that something is being sent to or is to be sent, and that
    /// have not failed to take it.
    pub fn unknown_names(&self, places: &Places) -> Vec<Channel> {
        let is_open = |state: &State| state.failures == 0 && (state.in_flight || !state.depth.is_empty());
        let lanes = self.lanes.iter().filter(|((channel, lane), state)| {
            *lane == Lane::Posts && places.is_unknown(channel) && is_open(state) && !self.untaken.is_shut(channel)
        });
        lanes.map(|((channel, _), _)| channel.clone()).collect()
    }

    /// A channel waits, not longer than until then, for the answer to an alert in a channel that may be the same.
    pub fn waits_for_name(&mut self, channel: &Channel, until: Mono, now: Mono) {
        self.finished(channel, Lane::Posts, now, Some(until));
        self.wait_for_names.insert(channel.clone());
    }

    /// Whether an alert for the channel may be on its way.
    pub fn is_sending_to(&self, channel: &Channel) -> bool {
        self.lanes.get(&(channel.clone(), Lane::Posts)).is_some_and(|state| state.in_flight)
    }

    fn is_sending(&self) -> bool {
        self.lanes.values().any(|state| state.in_flight)
    }

    /// When the next lane can be sent something; `None` when nothing waits.
    /// Nor while a probe of refused credentials is in flight: its answer comes first.
    pub fn due(&self) -> Option<Mono> {
        if self.credentials.is_some() && self.is_sending() {
            return None;
        }
        let lanes = self.lanes.iter().filter(|(_, state)| state.is_waiting());
        let first = lanes.map(|((_, lane), state)| match self.limited.get(lane) {
            Some(hold) => hold.until.max(state.ready_at()),
            None => state.ready_at(),
        });
        let first = first.min()?;
        Some(self.credentials.as_ref().map_or(first, |hold| hold.until.max(first)))
    }

    /// What to ask the store for; the lane is in flight from here on. `capacity` is how many messages the channel can take
    /// within [`PATIENCE`]; edits and files that wait since before `expires` are given up.
    pub fn ask(&mut self, channel: &Channel, lane: Lane, capacity: u64, expires: Timestamp, now: Now) -> Ask {
        let state = self.lanes.entry((channel.clone(), lane)).or_default();
        state.in_flight = true;
        let is_failing = state.way.fails();
        state.way.begin();
        state.passed_over.retain(|passed_over| passed_over.until > now.mono);
        let wall =
            |passed_over: &PassedOver| (passed_over.id, clock::shift(now.wall, now.mono.until(passed_over.until)));
        let mut passed_over: Vec<(MessageId, Timestamp)> = state.passed_over.iter().map(wall).collect();
        if let Some((_, until)) = state.passed_over.iter().find(|passed_over| !passed_over.proven).map(wall) {
            passed_over.extend(state.probed.iter().map(|id| (*id, until)));
        }
        let Depth { alerts, details, edits, uploads, late } = state.depth;
        let lines = state.lines.unwrap_or(LOOK);
        let (classes, merge, waiting, limit) = match lane {
            Lane::Edits => (vec![Class::Edit], None, edits, LOOK),
            Lane::Uploads => (vec![Class::Upload], None, uploads, 1),
            Lane::Posts if late > 0 => {
                (vec![Class::Late], Some(digest::Kind::Late), late, lines.clamp(1, digest::LINES))
            }
            Lane::Posts => {
                let many = (alerts > capacity && lines > 1).then_some(digest::Kind::Many);
                let limit = if lines > 1 && alerts >= 2 { LOOK } else { 1 };
                (vec![Class::Alert, Class::Detail], many, alerts + details, limit)
            }
        };
        Ask {
            channel: channel.clone(),
            lane,
            classes,
            limit,
            names: Vec::new(),
            passed_over,
            lines,
            follows: state.follows && merge == Some(digest::Kind::Many),
            merge,
            waiting,
            plain: state.plain.clone(),
            unthreaded: state.unthreaded,
            failures: state.failures,
            expires,
            failed: if is_failing { Some(now.wall) } else { self.failed },
            storms: self.storms.iter().filter(|storm| storm.channel == *channel).cloned().collect(),
            pinged: state.pinged.clone(),
            digest_pinged: state.digest_pinged.clone(),
            host: Arc::clone(&self.host),
        }
    }

    /// The lane's turn is over; it may have another at `not_before`, and not before `later` what waits by itself.
    pub fn finished(&mut self, channel: &Channel, lane: Lane, not_before: Mono, later: Option<Mono>) {
        if let Some(state) = self.lanes.get_mut(&(channel.clone(), lane)) {
            state.in_flight = false;
            state.not_before = state.not_before.max(not_before);
            state.idle_until = later;
            if later.is_some() {
                // There was none behind it: what comes meanwhile waits in its order.
                state.wait_in_order();
                state.probed.clear();
            }
        }
        if lane == Lane::Posts && !channel.is_id() {
            for waits in std::mem::take(&mut self.wait_for_names) {
                if let Some(state) = self.lanes.get_mut(&(waits, Lane::Posts)) {
                    state.idle_until = None;
                }
            }
        }
        // An edit may have waited for the message that it changes.
        if lane == Lane::Posts
            && later.is_none()
            && let Some(edits) = self.lanes.get_mut(&(channel.clone(), Lane::Edits))
        {
            edits.idle_until = None;
        }
    }

    /// What an answer means. The lane stays in flight until the settlement is written.
    pub fn answered(&mut self, batch: &Batch, answer: &Result<Receipt, SendError>, now: Now, chance: f64) -> Answered {
        let settlement = |disposition, thread, follow| Settlement {
            ids: batch.ids(),
            channel: batch.channel.clone(),
            class: batch.class,
            disposition,
            thread,
            first: None,
            follow,
            note: None,
            at: now.wall,
        };
        match answer {
            Ok(receipt) => {
                self.taken(batch, now);
                let (thread, mut follow) = self.after(batch, receipt, now.wall);
                let heard = self.storms_hear(batch, now.wall);
                let has_changed = !heard.is_empty();
                follow.extend(heard);
                let late = batch.class == Class::Late;
                let disposition = if late { Disposition::Announced { told: true } } else { Disposition::Delivered };
                let mut settlement = settlement(disposition, thread, follow);
                settlement.first = first_after(batch, receipt, &settlement.thread);
                if batch.storm.is_some_and(|kind| kind != storm::Kind::Recoveries) && receipt.posted.is_some() {
                    settlement.note = Some(self.storms_note());
                } else {
                    settlement.note = self.storm_shown(batch).or_else(|| has_changed.then(|| self.storms_note()));
                }
                let reports = match batch.lane {
                    Lane::Posts => reports(batch, &DeliveryResult::Delivered),
                    _ => Vec::new(),
                };
                Answered { settlement, reports, nowhere: None }
            }
            Err(error) => {
                let mut answered = self.failed(batch, error, now, chance, settlement);
                if answered.settlement.disposition == Disposition::Superseded {
                    self.storm_unedited(&batch.message, &mut answered.settlement);
                }
                answered
            }
        }
    }
}

/// One for each message of a job.
fn reports(batch: &Batch, result: &DeliveryResult) -> Vec<Report> {
    batch.members.iter().filter_map(|stored| Report::of(&stored.message, result.clone())).collect()
}

#[cfg(test)]
mod tests;
