//! Which lane is next, and what an answer means for the messages, their thread, the channel and everything else. Pure; time
//! and chance are arguments.
//!
//! Before it: what the store says of each channel. After it: the worker, which sends one [`Batch`] per lane at a time and
//! writes the [`Settlement`] that its answer comes to.
//!
//! Invariants: within a lane the oldest that may be tried goes first, and details go last; a lane has one batch in flight at
//! most; no lane waits for another, unless Slack refuses everything; a refusal concerns the refused message alone.
//!
//! Some answers are given to one message alone as well as to all (the page of a content filter, Slack's `internal_error`).
//! Where a message was tried in vain for some time and has such an answer, the one behind it is tried once: if that one is
//! taken, the trouble is that of the first, which waits by itself; if not, both wait in their order.

mod way;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::way::Way;
use super::batch::{Ask, Batch, Lane, given_up};
use super::digest;
use super::instead;
use super::late;
use super::report::{DeliveryResult, Report};
use super::retry::{self, Step, Try};
use super::storm::{self, Storm};
use crate::clock::{self, Mono, Now};
use crate::id::Channel;
use crate::message::{Message, Route, Thread};
use crate::notify::{Fault, Receipt, SendError};
use crate::store::{Class, Depth, Disposition, FollowUp, MessageId, Progress, Settlement, Stored, ThreadChange};

/// Messages that would take longer than this at the channel's rate are merged.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// So many messages are looked at, to be counted and merged.
const LOOK: usize = 1_000;

/// Storms that ended are known this long: what still waits for them is told in their thread.
const AFTERMATH: Duration = Duration::from_secs(3_600);

/// A storm that does not end is forgotten after this long.
const LONGEST_STORM: Duration = Duration::from_secs(7 * 86_400);

/// After so many tries in vain of a message the one behind it is tried, to learn whose trouble it is.
const ASIDE_AFTER: u32 = 4;

/// So many messages wait by themselves in a lane at most.
const MOST_ASIDE: usize = 16;

/// Incidents of which a notice was told that are remembered at most: of an older one there may be another.
const MOST_NOTICED: usize = 1_000;

/// Where a storm's number lies: no incident has one so great.
const STORM_IDS: u64 = 1 << 62;

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
    /// Where messages go that name no channel.
    default: Option<Channel>,
    /// This host's name.
    host: Arc<str>,
    /// When the way to Slack failed last.
    failed: Option<Timestamp>,
    /// Incidents of which the default channel was told that it does not take a message; the oldest are forgotten.
    noticed: VecDeque<u64>,
    /// Alerts that were told in the default channel in the place of a channel that did not take them; the oldest are forgotten.
    forwarded: VecDeque<instead::Alert>,
}

#[derive(Debug, Default)]
struct State {
    depth: Depth,
    /// The rate, or trouble of the way: nothing before then.
    not_before: Mono,
    /// The trouble of the way, and what is known of it.
    way: Way,
    /// What waits waits by itself until then.
    idle_until: Option<Mono>,
    in_flight: bool,
    failures: u32,
    plain: Option<(MessageId, String)>,
    unthreaded: Option<MessageId>,
    /// The last thing sent was a digest, and it had not taken all.
    follows: bool,
    /// The last thing sent was a storm, and it had not taken all: whom it and those before it pinged.
    pinged: Option<(storm::Kind, Vec<String>)>,
    /// The same of a digest.
    digest_pinged: Option<(digest::Kind, Vec<String>)>,
    /// How many messages a digest may have, after Slack refused a larger one.
    lines: Option<usize>,
    /// Messages that were tried in vain, and wait by themselves.
    aside: Vec<Aside>,
    /// Messages behind them that were tried in vain too: the next time it is another.
    probed: Vec<MessageId>,
}

/// A message that was tried in vain, and waits by itself while those behind it go on.
#[derive(Clone, Copy, Debug)]
struct Aside {
    id: MessageId,
    until: Mono,
    /// What was behind it was taken: the trouble is its own.
    proven: bool,
}

impl Queue {
    /// With the storms that an earlier process told.
    pub fn new(storms: Vec<Storm>) -> Self {
        Self { storms, ..Self::default() }
    }

    /// Where messages go that name no channel, and those that their own channel does not take.
    pub fn set_default(&mut self, channel: Option<Channel>) {
        self.default = channel;
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
            state.aside.clear();
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
            state.aside.clear();
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
        state.aside.retain(|aside| aside.until > now.mono);
        let wall = |aside: &Aside| (aside.id, clock::shift(now.wall, now.mono.until(aside.until)));
        let mut aside: Vec<(MessageId, Timestamp)> = state.aside.iter().map(wall).collect();
        if let Some((_, until)) = state.aside.iter().find(|aside| !aside.proven).map(wall) {
            aside.extend(state.probed.iter().map(|id| (*id, until)));
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
            aside,
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
    pub fn landed(&mut self, channel: &Channel, lane: Lane, not_before: Mono, later: Option<Mono>) {
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
        // An edit may have waited for the message that it changes.
        if lane == Lane::Posts
            && later.is_none()
            && let Some(edits) = self.lanes.get_mut(&(channel.clone(), Lane::Edits))
        {
            edits.idle_until = None;
        }
    }

    /// What a storm tells in the place of these messages: edits change it, further failures join it, and each job's own
    /// message goes into its thread.
    pub fn absorbed(&mut self, channel: &Channel, rows: &[Stored], now: Timestamp) -> Settlement {
        let mut follow = Vec::new();
        let mut incidents = Vec::new();
        let mut joined = None;
        let mut changed: Vec<usize> = Vec::new();
        // A storm may have filled or ended meanwhile: what it does not take waits for its next turn.
        let mut ids = Vec::new();
        for stored in rows {
            let message = &stored.message;
            let told = |storm: &Storm| storm.channel == *channel && message.incident.is_some_and(|i| storm.has(i));
            let known = self.storms.iter().position(told);
            match (stored.class(), known) {
                (Class::Edit, Some(at)) => {
                    self.storms[at].update(message.incident.unwrap_or_default(), message, now);
                    changed.push(at);
                }
                (_, Some(at)) => {
                    // Without a thread of its own (`thread = false`) no edit says so.
                    if message.thread == Thread::None {
                        self.storms[at].update(message.incident.unwrap_or_default(), message, now);
                        changed.push(at);
                    }
                    follow.push(FollowUp { message: storm::detail(message, None), file_of: Some(stored.id) });
                }
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
        changed.sort_unstable();
        changed.dedup();
        for at in changed {
            follow.push(FollowUp { message: self.storms[at].edit(now), file_of: None });
            if self.storms[at].is_over() {
                self.storms[at].ended = true;
                follow.push(FollowUp { message: self.storms[at].told_end(now), file_of: None });
            }
        }
        self.forget_storms(now);
        Settlement {
            ids,
            channel: channel.clone(),
            class: rows.first().map_or(Class::Edit, Stored::class),
            disposition: Disposition::Superseded,
            thread: joined.map_or(ThreadChange::Keep, |posted| ThreadChange::SetAll(incidents, posted)),
            first: None,
            follow,
            note: Some((storm::NOTE, storm::note(&self.storms))),
            at: now,
        }
    }

    fn forget_storms(&mut self, now: Timestamp) {
        self.storms.retain(|storm| {
            let age = clock::between(storm.changed, now);
            age < LONGEST_STORM && (!storm.ended || age < AFTERMATH)
        });
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
                let (thread, follow) = self.after(batch, receipt, now.wall);
                let late = batch.class == Class::Late;
                let disposition = if late { Disposition::Announced { told: true } } else { Disposition::Delivered };
                let mut settlement = settlement(disposition, thread, follow);
                settlement.first = first_after(batch, receipt, &settlement.thread);
                if batch.storm == Some(storm::Kind::Failures) && receipt.posted.is_some() {
                    settlement.note = Some((storm::NOTE, storm::note(&self.storms)));
                }
                let reports = match batch.lane {
                    Lane::Posts => reports(batch, &DeliveryResult::Delivered),
                    _ => Vec::new(),
                };
                Answered { settlement, reports, nowhere: None }
            }
            Err(error) => self.failed(batch, error, now, chance, settlement),
        }
    }

    /// Slack took it.
    fn taken(&mut self, batch: &Batch, now: Now) {
        self.way_is_well(&batch.channel, batch.lane, now);
        self.credentials = None;
        self.limited.remove(&batch.lane);
        self.refusals.remove(&batch.lane);
        if let Some(state) = self.lanes.get_mut(&(batch.channel.clone(), batch.lane)) {
            // After a digest that Slack called too large its size grows again step by step.
            state.lines = state.lines.map(|lines| lines * 2).filter(|lines| *lines < LOOK);
            state.failures = 0;
            state.plain = None;
            state.unthreaded = None;
            state.shown_well();
            let left = state.depth.alerts > batch.members.len() as u64;
            state.follows = batch.merged == Some(digest::Kind::Many) && left;
            let many = batch.members.len() as u64;
            state.pinged = pinged_by(batch, batch.storm.filter(|_| batch.more > 0), state.pinged.take());
            let goes_on = |kind: &digest::Kind| match kind {
                digest::Kind::Many => state.depth.alerts > many,
                digest::Kind::Late => state.depth.late > many,
            };
            let merged = batch.merged.filter(goes_on);
            state.digest_pinged = pinged_by(batch, merged, state.digest_pinged.take());
        }
    }

    /// What a receipt means for threads, and what follows from it.
    fn after(&mut self, batch: &Batch, receipt: &Receipt, now: Timestamp) -> (ThreadChange, Vec<FollowUp>) {
        if let Some(kind) = batch.storm {
            return self.after_storm(batch, kind, receipt, now);
        }
        let mut follow = Vec::new();
        if batch.lane == Lane::Uploads
            && let [stored] = batch.members.as_slice()
            && stored.progress.forwarded
        {
            // It was given up, and its message says so.
            follow.push(FollowUp { message: instead::with_file(&stored.message, now), file_of: None });
        }
        if batch.lane == Lane::Posts
            && let [stored] = batch.members.as_slice()
            && let Some(posted) = &receipt.posted
            && batch.message.attachment.as_ref().is_some_and(|file| !file.content.is_empty())
        {
            let root = batch.parent.clone().filter(|_| !receipt.orphaned).unwrap_or_else(|| posted.clone());
            let route = Route { target: Some(root), posted: Some(posted.clone()), ..Route::default() };
            // Without a thread its message is not the incident's first.
            let incident = batch.message.incident.filter(|_| batch.message.thread != Thread::None);
            let upload =
                Message { thread: Thread::Upload, attachment: None, incident, route, ..(*batch.message).clone() };
            follow.push(FollowUp { message: upload, file_of: Some(stored.id) });
        }
        (thread_after(batch, receipt), follow)
    }

    /// A storm was told: its jobs are known, and their own messages follow in its thread.
    fn after_storm(
        &mut self,
        batch: &Batch,
        kind: storm::Kind,
        receipt: &Receipt,
        now: Timestamp,
    ) -> (ThreadChange, Vec<FollowUp>) {
        // Without a thread the storm's message is all.
        let Some(posted) = &receipt.posted else { return (ThreadChange::Keep, Vec::new()) };
        let follow = batch.members.iter().map(|stored| {
            // What goes on or ends goes into the thread of its own incident, where the failure was told.
            let known = kind == storm::Kind::Recoveries || stored.parent.is_some();
            let own = known && stored.message.thread == Thread::Broadcast;
            let target = (!own).then(|| posted.clone());
            FollowUp { message: storm::detail(&stored.message, target), file_of: Some(stored.id) }
        });
        let follow = follow.collect();
        if kind == storm::Kind::Recoveries {
            return (ThreadChange::Keep, follow);
        }
        let messages: Vec<&Message> = batch.members.iter().map(|stored| &stored.message).collect();
        let id = STORM_IDS | batch.members.first().map_or(0, |stored| stored.id.0);
        let late = late::note_of(&batch.message).map(str::to_owned);
        let host = self.host.as_ref().into();
        self.storms.push(Storm { late, host, ..Storm::new(id, batch.channel.clone(), posted.clone(), &messages, now) });
        // A job whose incident has its own thread already keeps it.
        let opened = messages.iter().filter(|message| message.thread != Thread::Broadcast);
        (ThreadChange::SetAll(opened.filter_map(|message| message.incident).collect(), posted.clone()), follow)
    }

    fn failed(
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
        let reports = reports(batch, &told);
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
            return FollowUp { message: instead::neither(message, default, why, now), file_of: None };
        }
        self.forwarded.extend(alert);
        if self.forwarded.len() > MOST_NOTICED {
            self.forwarded.pop_front();
        }
        // The file goes with the message that arrives.
        FollowUp { message: instead::forwarded(message, default, why, now), file_of: Some(id) }
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
        self.noticed.push_back(incident);
        if self.noticed.len() > MOST_NOTICED {
            self.noticed.pop_front();
        }
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
        let covered = batch.members.iter().all(|stored| self.is_covered(&stored.message));
        let (mut follow, mut nowhere, mut forwarded) = (Vec::new(), None, false);
        let mut told = DeliveryResult::Elsewhere { why: why.to_owned() };
        if !covered {
            // A webhook has one channel, which is told like a default one.
            let own = || Some(batch.channel.clone()).filter(Channel::is_unnamed);
            match self.default.clone().or_else(own) {
                // Another channel may take what this one does not.
                Some(default) if message.job.is_some() && default != batch.channel => {
                    forwarded = true;
                    follow.push(self.forward_batch(batch, &default, error.code().unwrap_or(why), now.wall));
                }
                // A notice that is refused too is the last try. It does not say what failed: nobody was told of that.
                Some(default) if message.job.is_some() && message.route.instead_of.as_ref() != Some(&default) => {
                    told = DeliveryResult::Refused { why: why.to_owned(), waits: false };
                    if self.notices(message.incident) {
                        let message = instead::notice(message, &default, why, now.wall);
                        follow.push(FollowUp { message, file_of: None });
                    }
                }
                _ => {
                    nowhere = Some(why.to_owned());
                    told = DeliveryResult::Refused { why: why.to_owned(), waits: false };
                }
            }
        }
        let reports = reports(batch, &told);
        let disposition = Disposition::Dead { why: why.to_owned(), forwarded };
        Answered { settlement: settlement(disposition, ThreadChange::Keep, follow), reports, nowhere }
    }
}

impl State {
    fn is_waiting(&self) -> bool {
        !self.in_flight && !self.depth.is_empty()
    }

    /// The way failed, or where that is in doubt seemed to: the lane waits, or its first message does while the one behind it
    /// is tried. The answer is whether it was well before.
    fn failed_again(&mut self, batch: &Batch, wait: Duration, (now, chance): (Mono, f64), is_doubtful: bool) -> bool {
        let was_well = self.way.failed();
        if self.wait_in_order() {
            // What was behind failed too: it is the way, as far as is known. The first is tried first again.
            if self.probed.len() >= MOST_ASIDE {
                self.probed.clear();
            }
            self.probed.extend(batch.members.first().map(|stored| stored.id));
            return was_well;
        }
        let Depth { alerts, details, edits, uploads, .. } = self.depth;
        let waits = alerts + details + edits + uploads;
        let others = waits.saturating_sub(self.aside.len() as u64) > 1;
        match batch.members.as_slice() {
            [head] if is_doubtful && batch.attempt >= ASIDE_AFTER && others && self.aside.len() < MOST_ASIDE => {
                let until = now + wait.max(retry::backoff(batch.attempt, chance));
                self.aside.push(Aside { id: head.id, until, proven: false });
            }
            _ if self.way.is_disproven() => self.not_before = now + wait.min(retry::backoff(1, chance)),
            _ => self.not_before = now + wait,
        }
        was_well
    }

    /// The way is well.
    fn shown_well(&mut self) {
        self.aside.iter_mut().for_each(|aside| aside.proven = true);
        self.probed.clear();
    }

    /// Nothing shows that the trouble is that of one message: the lane waits for its next try. The answer is whether it does.
    fn wait_in_order(&mut self) -> bool {
        let doubtful = self.aside.iter().filter(|aside| !aside.proven).map(|aside| aside.until).max();
        let Some(until) = doubtful else { return false };
        self.aside.retain(|aside| aside.proven);
        if until > self.not_before {
            self.not_before = until;
            self.way.waits = true;
        }
        true
    }

    fn ready_at(&self) -> Mono {
        self.idle_until.map_or(self.not_before, |idle| idle.max(self.not_before))
    }
}

/// What of a channel's messages waits in a lane.
fn part(depth: Depth, lane: Lane) -> Depth {
    let Depth { alerts, details, edits, uploads, late } = depth;
    match lane {
        Lane::Posts => Depth { alerts, details, late, ..Depth::default() },
        Lane::Edits => Depth { edits, ..Depth::default() },
        Lane::Uploads => Depth { uploads, ..Depth::default() },
    }
}

/// Whom a message pinged that another one goes on after (`kind`), and those before it.
fn pinged_by<K: PartialEq>(
    batch: &Batch,
    kind: Option<K>,
    before: Option<(K, Vec<String>)>,
) -> Option<(K, Vec<String>)> {
    let kind = kind?;
    let mut pinged = before.filter(|(known, _)| *known == kind).map(|(_, pinged)| pinged).unwrap_or_default();
    pinged.extend(storm::pings(batch.members.iter().map(|stored| &stored.message)));
    Some((kind, pinged))
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

/// One for each message of a job.
fn reports(batch: &Batch, result: &DeliveryResult) -> Vec<Report> {
    batch.members.iter().filter_map(|stored| Report::of(&stored.message, result.clone())).collect()
}

fn forget(batch: &Batch) -> ThreadChange {
    let incident = batch.message.incident.filter(|_| batch.message.route.target.is_none());
    incident.map_or(ThreadChange::Keep, ThreadChange::Forget)
}

/// What a receipt means for the incident's thread.
fn thread_after(batch: &Batch, receipt: &Receipt) -> ThreadChange {
    let message = &batch.message;
    let own = !batch.is_merged() && message.route.target.is_none();
    let Some(incident) = message.incident.filter(|_| own) else { return ThreadChange::Keep };
    let had_parent = batch.members.first().is_some_and(|stored| stored.parent.is_some());
    match (message.thread, &receipt.posted) {
        (Thread::Open, Some(posted)) => ThreadChange::Set(incident, posted.clone()),
        // What should have been an answer stands alone: a thread that was deleted in Slack starts anew there.
        (Thread::Reply | Thread::Broadcast, Some(posted)) if receipt.orphaned || !had_parent => {
            ThreadChange::Set(incident, posted.clone())
        }
        (Thread::Edit, _) if receipt.orphaned => ThreadChange::Forget(incident),
        _ => ThreadChange::Keep,
    }
}

/// What the first message of the incident's thread says after this was taken; `None` where that is as before.
fn first_after(batch: &Batch, receipt: &Receipt, thread: &ThreadChange) -> Option<Box<Message>> {
    let edits = batch.lane == Lane::Edits && !receipt.orphaned && batch.message.route.target.is_none();
    if !edits && !matches!(thread, ThreadChange::Set(..)) {
        return None;
    }
    let mut first = Message { attachment: None, ..(*batch.message).clone() };
    if batch.plain.is_some() {
        // Slack refused its blocks: an edit must not bring them back.
        first.blocks.clear();
    }
    Some(Box::new(first))
}

#[cfg(test)]
mod tests;
