//! An open incident: failures in a row, and what was reported of them.
//!
//! Before it: `health`, which opens one at the first failure. After it: `judge`, which compares each failure with what
//! was reported.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audience::Dropped;
use super::settings::{Repeat, Statuses};
use super::{Facts, Incident, Update, same};
use crate::clock::{between, shift};
use crate::exec::Status;
use crate::id::{Channel, RunId};

/// Failures of this many kinds are reported at once within one incident; whatever comes then is "different each time".
pub(super) const MOST_KINDS: usize = 8;

/// So many failures in a row are no longer one now and then.
pub(super) const LASTS: u32 = 3;

/// The kind of a failure that is a hang.
pub(super) const HANGS: u64 = 0;

/// A run that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) run: RunId,
    pub(super) status: Status,
    /// Its fingerprint, and whether that was made of normalised output.
    pub(super) kind: u64,
    pub(super) normalized: bool,
}

/// Failures in a row, reported or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct OpenIncident {
    /// The number of the run that opened it.
    #[serde(alias = "i")]
    pub(super) id: u64,
    /// When that run ended.
    #[serde(alias = "b")]
    pub(super) since: Timestamp,
    /// Failures in it.
    #[serde(alias = "n")]
    pub(super) failures: u32,
    /// The status of the last of them.
    #[serde(alias = "s")]
    pub(super) status: Status,
    /// The kind of the last of them: its fingerprint.
    #[serde(alias = "k")]
    pub(super) kind: u64,
    /// So many of that kind in a row, up to the last.
    #[serde(alias = "m")]
    pub(super) same: u32,
    /// When the first of those ended.
    #[serde(alias = "d")]
    pub(super) same_since: Timestamp,
    /// What was reported of it.
    #[serde(alias = "t", default, skip_serializing_if = "is_default")]
    pub(super) reported: Option<Reported>,
    /// What was to be reported of it, no channel took, and waits in the outbox to be tried again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) owed: Option<Box<Reported>>,
    /// What was to be reported of it, no channel took, and nothing tries again by itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) in_vain: Option<Box<InVain>>,
    /// What the last of them said; not known of one that an earlier version kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) line: Box<str>,
    /// Whether `kind` was made of normalised output; unknown of one that version 0.1 kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) normalized: Option<bool>,
    /// The run that hangs, or hung.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) hung: Option<RunId>,
    /// The conversation about a job that fails intermittently, to which it belongs: the incident that opened it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) conversation: Option<u64>,
    /// It was shown in the channel though it belongs to a conversation: it lasts, or got worse.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) shown: bool,
    /// Of its failures, those before the job was ok last, of which nobody heard; and since when it fails again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) before_ok: Option<(u32, Timestamp)>,
    /// The key that a directive gave it, as a number; none of a failure without one.
    #[serde(alias = "y", default, skip_serializing_if = "is_default")]
    pub(super) key: Option<u64>,
    /// The same key as text, for people; its beginning, where it is long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) key_text: Box<str>,
    /// Since when it is ok again, with the recovery still to be reported.
    #[serde(alias = "r", default, skip_serializing_if = "is_default")]
    pub(super) resolved_at: Option<Timestamp>,
    /// The kind of failure that `rate_limit` kept back last, and when: the next of that kind is no alert of its own before a
    /// repetition is due.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) kept_back: Option<(u64, Timestamp)>,
    /// Something about it was not told because of a silence, which this person asked for; the job's own script where that
    /// is empty.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) silenced: Option<String>,
    /// Whoever was told of it is not who is told from now on: it is to be told anew at once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) untold: bool,
    /// Its status and kind when somebody took it, while they have it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) taken_as: Option<(Status, u64)>,
    /// What was to report it was dropped by a person, and nobody was told.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) dropped: Option<Box<Dropped>>,
    /// A recovery could not be sent once: after the next attempt the incident is closed.
    #[serde(alias = "u", default, skip_serializing_if = "is_default")]
    pub(super) retracted: bool,
}

/// A channel that takes a message within so long takes it at once: nothing is worth being kept of that.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A change of status to and fro is reported at once so often in an incident. After that it waits for a repetition, so that it
/// is no endless news.
pub(super) const MOST_OF_A_CHANGE: usize = 3;

/// A channel that refused the first message of an incident is left alone for this long, however often the job fails.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Where nothing tries such a message again by itself, the next failure makes another, once; then one after that long, after twice
/// as long each time, and after this long at last.
const LEFT_ALONE_LONGEST: Duration = Duration::from_secs(3_600);

/// What was to report an incident, and Slack refused for good: the next failure is reported as the first, though not at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct InVain {
    /// So often.
    pub(super) times: u32,
    /// The last of it. A person may have it sent again.
    pub(super) reported: Reported,
}

impl InVain {
    /// When the next may be made.
    fn until(&self) -> Timestamp {
        let Some(doublings) = self.times.checked_sub(2) else { return self.reported.at };
        let doubled = LEFT_ALONE.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        shift(self.reported.at, doubled.min(LEFT_ALONE_LONGEST))
    }
}

/// What becomes of the intervals of `repeat` after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intervals {
    /// They begin again with the first.
    Begin,
    /// The next is longer.
    Grow,
    /// The next is as long as it would have been.
    GoOn,
}

/// What was reported of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reported {
    /// When, the last time.
    #[serde(alias = "a")]
    pub(super) at: Timestamp,
    /// The schedule's slot of the run that was reported the last time: `repeat` is counted from slot to slot, so that an
    /// hourly job is repeated each hour, though its runs never end at quite the same second.
    #[serde(alias = "s")]
    pub(super) slot: Timestamp,
    /// The status that was reported the last time.
    #[serde(alias = "l")]
    pub(super) status: Status,
    /// The telling line of output of the failure that was reported the last time.
    #[serde(alias = "e", default, skip_serializing_if = "is_default")]
    pub(super) line: String,
    /// All statuses that were reported: the recovery goes where these went.
    #[serde(alias = "w")]
    pub(super) statuses: Statuses,
    /// When one of its messages was last visible in the channel, where that was not the last message.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) visible_at: Option<Timestamp>,
    /// So often was it repeated since it began, got worse, or failed differently.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) repeats: u32,
    /// Changes of status that were reported.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) changes: Vec<(Status, Status)>,
    /// The channels that took a message of it, in the order in which they did: what follows goes there too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) channels: Vec<Channel>,
    /// The channels for which a message of it was made and that have not taken one: what follows waits there behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) pending: Vec<Channel>,
    /// The channels for which a message of it waits in the place of another channel: what follows goes there too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) substitutes: Vec<Channel>,
    /// The channels that did not take what was made for them, and have taken nothing of it since: whatever they take first tells
    /// them of it as a first message does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) refused: Vec<Channel>,
    /// It was told in the message of this other incident, at the end of quiet hours: what became of that message holds for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) told_with: Option<u64>,
    /// When each of them took the last message, where that was not at once.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) taken: Vec<(Channel, Timestamp)>,
    /// Slack gave no answer to a message of it, and has confirmed none since: a channel may have it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) in_doubt: bool,
    /// There was a message of its own, which a thread hangs on; not so where only its flapping was reported.
    #[serde(alias = "o", default, skip_serializing_if = "is_default")]
    pub(super) opened: bool,
    /// That message stands alone (`thread = false`): no thread hangs on it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) flat: bool,
    /// The kinds of failure that were reported, at most [`MOST_KINDS`].
    #[serde(alias = "k", default, skip_serializing_if = "is_default")]
    pub(super) kinds: Vec<u64>,
    /// The kind that was reported the last time; not known of what an earlier version kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) kind: Option<u64>,
    /// The kinds of which it was reported, too, that they came back after another one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) back: Vec<u64>,
    /// It was reported within `quiet_hours`, being excepted: so is its recovery.
    #[serde(alias = "q", default, skip_serializing_if = "is_default")]
    pub(super) in_quiet_hours: bool,
}

/// A key that a directive gave, as it is compared.
pub(super) fn number_of(key: Option<&str>) -> Option<u64> {
    key.map(|key| same::digest(key, false))
}

impl OpenIncident {
    pub(super) fn new(run: RunId, status: Status, kind: u64, now: Timestamp) -> Self {
        Self {
            id: run.0,
            since: now,
            failures: 1,
            status,
            kind,
            same: 1,
            same_since: now,
            reported: None,
            owed: None,
            in_vain: None,
            line: Box::default(),
            normalized: None,
            hung: None,
            conversation: None,
            shown: false,
            before_ok: None,
            key: None,
            key_text: Box::default(),
            resolved_at: None,
            kept_back: None,
            silenced: None,
            untold: false,
            taken_as: None,
            dropped: None,
            retracted: false,
        }
    }

    /// A run that does not end, the last of so many in a row.
    pub(super) fn hanging((run, failures): (RunId, u32), since: Timestamp, now: Timestamp) -> Self {
        let (same, same_since) = (failures, now);
        Self { since, same, same_since, failures, hung: Some(run), ..Self::new(run, Status::Critical, HANGS, now) }
    }

    /// One more run does not end, the last of so many in a row, and is a failure of this incident.
    pub(super) fn hangs(&mut self, (run, runs): (RunId, u32), now: Timestamp) {
        self.note_ok(now);
        self.failures = self.failures.saturating_add(runs);
        (self.status, self.hung) = (Status::Critical, Some(run));
        // One that takes the place of another that hung hangs as that did.
        match self.kind {
            HANGS => self.same = self.same.saturating_add(runs),
            _ => (self.kind, self.same, self.same_since) = (HANGS, runs, now),
        }
    }

    /// One more failure. One after an ok run of which nobody heard goes on with the same incident.
    pub(super) fn again(&mut self, failure: Failure, now: Timestamp) {
        self.note_ok(now);
        // A run that was reported while it hung is counted.
        if self.hung != Some(failure.run) {
            self.failures = self.failures.saturating_add(1);
        }
        self.status = failure.status;
        let comparable = self.normalized.is_none_or(|normalized| normalized == failure.normalized);
        self.normalized = Some(failure.normalized);
        if !comparable {
            // The setting has changed, which makes no failure another one.
            self.kind = failure.kind;
            if let Some(reported) = &mut self.reported {
                (reported.kinds, reported.kind, reported.back) = (vec![failure.kind], Some(failure.kind), Vec::new());
            }
        }
        if self.kind == failure.kind {
            self.same = self.same.saturating_add(1);
        } else {
            (self.kind, self.same, self.same_since) = (failure.kind, 1, now);
        }
    }

    /// No channel took what was to report it: it does not count as reported. What waits in the outbox is `owed`. The answer
    /// is whether that changes anything.
    pub(super) fn refused(&mut self, waits: bool) -> bool {
        let Some(mut reported) = self.reported.take_if(|reported| reported.channels.is_empty()) else { return false };
        // Earlier messages of it may wait for the channels of another status.
        let earlier = self.owed.take();
        earlier.iter().flat_map(|owed| owed.statuses.iter()).for_each(|status| reported.statuses.insert(status));
        earlier.iter().flat_map(|owed| &owed.substitutes).for_each(|channel| _ = reported.substituted(channel));
        if waits {
            self.owed = Some(Box::new(reported));
        } else {
            let times = self.in_vain.take().map_or(1, |before| before.times.saturating_add(1));
            self.in_vain = Some(Box::new(InVain { times, reported }));
        }
        true
    }

    /// Until when no other message is made of it, since its channel has just refused one that says how bad it is, and would refuse
    /// the other too: that one waits in the outbox, or was made in vain.
    pub(super) fn waits_until(&self, repeat: Repeat) -> Option<Timestamp> {
        let says_it = |worst: Status| self.status.badness() <= worst.badness();
        let owed = self.owed.as_deref().filter(|owed| says_it(owed.worst()));
        let owed = owed.map(|owed| shift(owed.at, repeat.first().map_or(LEFT_ALONE, |first| first.min(LEFT_ALONE))));
        let in_vain = self.in_vain.as_deref().filter(|in_vain| says_it(in_vain.reported.worst()));
        owed.max(in_vain.map(InVain::until))
    }

    /// Nobody of those who are told from now on was told of it. The answer is whether others were.
    pub(super) fn forget_told(&mut self) -> bool {
        let told = self.reported.take().is_some() | self.owed.take().is_some();
        if told {
            (self.untold, self.conversation, self.shown, self.kept_back) = (true, None, false, None);
        }
        told
    }

    /// These are other channels by now, whose readers know nothing of it. The answer is whether it was told there.
    pub(super) fn forget_told_in(&mut self, channels: &[Channel]) -> bool {
        let Some(reported) = &mut self.reported else { return false };
        let moved: Vec<Channel> = reported.channels.extract_if(.., |channel| channels.contains(channel)).collect();
        if moved.is_empty() {
            return false;
        }
        if reported.heard().is_empty() {
            return self.forget_told();
        }
        // What they take next tells them of it as a first message does.
        reported.refused.extend(moved);
        true
    }

    /// A channel took a message of it: what waited in the outbox, or was set waiting again there, is what people know.
    pub(super) fn arrived(&mut self) {
        self.count_owed();
        if let Some(in_vain) = self.in_vain.take() {
            self.reported.get_or_insert(in_vain.reported);
        }
    }

    /// What waits in the outbox is what people know, or will know before what follows.
    pub(super) fn count_owed(&mut self) {
        if let Some(owed) = self.owed.take() {
            self.reported.get_or_insert(*owed);
        }
    }

    /// It fails; where it was ok in between, of which nobody heard, its failures are in a row from now on only.
    fn note_ok(&mut self, now: Timestamp) {
        if self.resolved_at.take().is_some() {
            self.before_ok = Some((self.failures, now));
        }
    }

    /// Its failures in a row up to the last, and since when.
    pub(super) fn row(&self) -> (u32, Timestamp) {
        let (before, since) = self.before_ok.unwrap_or((0, self.since));
        (self.failures.saturating_sub(before), since)
    }

    /// Since when it fails again, where it was reported and then was ok, and nobody heard of either since.
    pub(super) fn fails_again(&self) -> Option<Timestamp> {
        let told = self.reported.as_ref()?;
        self.before_ok.map(|(_, since)| since).filter(|since| *since > told.at)
    }

    /// Whether it has failed so often in a row that it is no failure now and then.
    pub(super) fn lasts(&self) -> bool {
        self.row().0 >= LASTS
    }

    /// Whether it is worse, or of another kind, than when somebody took it.
    pub(super) fn is_news_to_whoever_has_it(&self) -> bool {
        self.taken_as.is_some_and(|(status, kind)| self.status.badness() > status.badness() || self.kind != kind)
    }

    /// As people and threads know it.
    pub(super) fn incident(&self) -> Incident {
        Incident {
            id: self.thread(),
            started: self.since,
            failures: self.failures,
            in_a_row: self.before_ok.is_none(),
            ended: self.resolved_at,
        }
    }

    /// One run failed, and did not hang: the edit of its message shows in the channel that it is over.
    pub(super) fn is_single(&self) -> bool {
        self.failures <= 1 && self.hung.is_none()
    }

    /// What there is to say when it is over: "12 failures in 2h 3m".
    pub(super) fn recovered(&self, now: Timestamp) -> Update {
        let end = self.resolved_at.unwrap_or(now);
        Update::Recovered { since: end, failures: self.failures, lasted: between(self.since, end) }
    }

    /// What there is to say when this ok run ends it: of a run that hung, how that run ended.
    pub(super) fn ends(&self, facts: &Facts<'_>, at: Timestamp) -> Update {
        match self.hung == Some(facts.run) && self.failures <= 1 {
            true => Update::HangEnds { took: facts.took, ending: facts.ending.clone() },
            false => self.recovered(at),
        }
    }

    /// The incident on whose first message its messages hang.
    pub(super) fn thread(&self) -> u64 {
        self.conversation.unwrap_or(self.id)
    }

    /// Whether it opened the conversation of which it is part.
    pub(super) fn opens_conversation(&self) -> bool {
        self.conversation == Some(self.id)
    }

    /// Whether it opened a conversation, or is no part of one.
    pub(super) fn has_own_thread(&self) -> bool {
        self.thread() == self.id
    }

    /// Notes that `rate_limit` keeps an alert about it back. The answer is whether that is one more: not until the next
    /// repetition would have come.
    pub(super) fn limit(&mut self, repeat: Repeat, now: Timestamp) -> bool {
        let interval = self.reported.as_ref().and_then(|reported| repeat.interval(reported.repeats));
        let is_over = |last| interval.is_some_and(|interval| shift(last, interval) <= now);
        let is_one_more = self.kept_back.is_none_or(|(kind, last)| kind != self.kind || is_over(last));
        if is_one_more {
            self.kept_back = Some((self.kind, now));
        }
        is_one_more
    }

    /// Notes that it was reported as it now is.
    pub(super) fn report(
        &mut self,
        slot: Timestamp,
        now: Timestamp,
        visible: bool,
        intervals: Intervals,
    ) -> &mut Reported {
        (self.dropped, self.kept_back) = (None, None);
        let first = self.reported.is_none();
        let mut reported = self.reported.take().unwrap_or_else(|| Reported::new(slot, now, self.status));
        let change = (reported.status, self.status);
        if change.0 != change.1 && reported.told_of(change) < MOST_OF_A_CHANGE {
            reported.changes.push(change);
        }
        if visible {
            reported.visible_at = None;
        } else {
            reported.visible_at.get_or_insert(reported.at);
        }
        // Until a channel takes this too, it was told when it took the last.
        for channel in reported.channels.clone() {
            let before = reported.taken_at(&channel);
            reported.took(&channel, Some(before));
        }
        reported.repeats = match intervals {
            Intervals::Begin => 0,
            _ if first => 0,
            // That a run hangs is news, and no repetition of what was told before.
            Intervals::Grow if self.kind == HANGS && reported.kind != Some(HANGS) => reported.repeats,
            Intervals::Grow => reported.repeats.saturating_add(1),
            Intervals::GoOn => reported.repeats,
        };
        (reported.at, reported.slot, reported.status) = (now, slot, self.status);
        reported.statuses.insert(self.status);
        if !reported.kinds.contains(&self.kind) && reported.kinds.len() < MOST_KINDS {
            reported.kinds.push(self.kind);
        } else if reported.is_back(self.kind) {
            reported.back.push(self.kind);
        }
        reported.kind = Some(self.kind);
        self.reported.insert(reported)
    }
}

impl Reported {
    fn new(slot: Timestamp, now: Timestamp, status: Status) -> Self {
        Self {
            at: now,
            slot,
            status,
            line: String::new(),
            statuses: Statuses::default(),
            visible_at: None,
            repeats: 0,
            changes: Vec::new(),
            channels: Vec::new(),
            pending: Vec::new(),
            substitutes: Vec::new(),
            refused: Vec::new(),
            told_with: None,
            taken: Vec::new(),
            in_doubt: false,
            opened: false,
            flat: false,
            kinds: Vec::new(),
            kind: None,
            back: Vec::new(),
            in_quiet_hours: false,
        }
    }

    /// How often such a change of status was reported, as far as it is counted.
    pub(super) fn told_of(&self, change: (Status, Status)) -> usize {
        self.changes.iter().filter(|known| **known == change).count()
    }

    /// The channels that took a message of it, each with when it took the last.
    pub(super) fn told(&self) -> Vec<(Channel, Timestamp)> {
        self.channels.iter().map(|channel| (channel.clone(), self.taken_at(channel))).collect()
    }

    /// When a channel took the last message.
    pub(super) fn taken_at(&self, channel: &Channel) -> Timestamp {
        self.taken.iter().find(|(known, _)| known == channel).map_or(self.at, |(_, at)| *at)
    }

    /// A message was made for these channels.
    pub(super) fn queued(&mut self, channels: &[Channel]) {
        let new = channels.iter().filter(|channel| !self.channels.contains(channel));
        let new: Vec<Channel> = new.filter(|channel| !self.pending.contains(channel)).cloned().collect();
        self.pending.extend(new);
    }

    /// A channel did not take a message, which waits there or not. The answer is whether that is other than was known.
    pub(super) fn refused(&mut self, channel: &Channel, waits: bool) -> bool {
        let before = self.pending.len() + self.substitutes.len();
        if !waits {
            self.pending.retain(|pending| pending != channel);
            self.substitutes.retain(|substitute| substitute != channel);
        }
        let is_known = self.channels.contains(channel) || self.refused.contains(channel);
        if !is_known {
            self.refused.push(channel.clone());
        }
        !is_known || self.pending.len() + self.substitutes.len() < before
    }

    /// A message waits for this channel in the place of another one; the answer is whether that is new.
    pub(super) fn substituted(&mut self, channel: &Channel) -> bool {
        let known =
            [&self.channels, &self.pending, &self.substitutes].into_iter().flatten().any(|known| known == channel);
        if !known {
            self.substitutes.push(channel.clone());
        }
        !known
    }

    /// The channels that took a message of it or for which one waits, each once.
    pub(super) fn heard(&self) -> Vec<Channel> {
        [&self.channels, &self.pending, &self.substitutes].into_iter().flatten().cloned().collect()
    }

    /// A channel took a message, now where that is known; the answer is whether that is other than was known.
    pub(super) fn delivered(&mut self, channel: &Channel, now: Option<Timestamp>) -> bool {
        let known = self.channels.contains(channel);
        self.pending.retain(|pending| pending != channel);
        self.substitutes.retain(|substitute| substitute != channel);
        self.refused.retain(|refused| refused != channel);
        if !known {
            self.channels.push(channel.clone());
        }
        let known = !std::mem::take(&mut self.in_doubt) && known;
        let Some(now) = now else { return !known };
        let late = between(self.at, now) >= AT_ONCE;
        let news = self.took(channel, late.then_some(now));
        !known || news
    }

    fn took(&mut self, channel: &Channel, at: Option<Timestamp>) -> bool {
        let before = self.taken.iter().position(|(known, _)| known == channel);
        let before = before.map(|index| self.taken.remove(index).1);
        self.taken.extend(at.map(|at| (channel.clone(), at)));
        before != at
    }

    /// Whether a failure of this kind was reported before another one, and it is news that it is back: once.
    pub(super) fn is_back(&self, kind: u64) -> bool {
        let another = self.kind.is_some_and(|last| last != kind);
        another && self.kinds.contains(&kind) && !self.back.contains(&kind)
    }

    /// The worst status that was reported.
    pub(super) fn worst(&self) -> Status {
        self.statuses.iter().next().unwrap_or(self.status)
    }

    /// When one of its messages was last visible in the channel.
    pub(super) fn visible_at(&self) -> Timestamp {
        self.visible_at.unwrap_or(self.at)
    }
}

/// The end of a text that takes at most `limit` bytes as a JSON string.
pub(super) fn kept_end(text: &str, limit: usize) -> &str {
    let mut size = 0;
    for (at, c) in text.char_indices().rev() {
        size += size_in_json(c);
        if size > limit {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}

/// How many bytes a character takes in a JSON string.
fn size_in_json(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c.is_control() && c.is_ascii() => 6,
        c => c.len_utf8(),
    }
}

/// Whether a value needs no place in what is kept.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The beginning of a text that takes at most `limit` bytes as a JSON string.
pub(super) fn kept(text: &str, limit: usize) -> &str {
    let mut size = 0;
    for (at, c) in text.char_indices() {
        size += size_in_json(c);
        if size > limit {
            return &text[..at];
        }
    }
    text
}

/// The beginning and the end of a text, which tell most, in at most `limit` bytes as a JSON string.
pub(super) fn kept_ends(text: &str, limit: usize) -> Cow<'_, str> {
    const GAP: &str = " … ";
    if kept(text, limit).len() == text.len() {
        return Cow::Borrowed(text);
    }
    let half = limit.saturating_sub(GAP.len()) / 2;
    Cow::Owned(format!("{}{GAP}{}", kept(text, half).trim_end(), kept_end(text, half).trim_start()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{kept, kept_end};

    proptest! {
        #[test]
        fn a_text_is_kept_within_its_limit_as_json(text in any::<String>(), limit in 0usize..200) {
            let kept = kept(&text, limit);
            let json = serde_json::to_string(kept).expect("text can be written");
            prop_assert!(json.len() <= limit + 2);
            prop_assert!(text.starts_with(kept));
            let end = kept_end(&text, limit);
            prop_assert!(serde_json::to_string(end).expect("text can be written").len() <= limit + 2);
            prop_assert!(text.ends_with(end));
        }
    }
}
