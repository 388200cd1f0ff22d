//! What is remembered of a job between its runs, and across restarts, so that the next verdict can be a good one.
//!
//! Before it: the store, which keeps it as text. After it: `judge`, which alone changes it. Invariants: every list and
//! text in it has a cap, so that it never takes more than 40 KiB as JSON, whatever the job writes; a field that is at
//! its default is not written; a field that an older version did not write is at its default.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limit::Spent;
use super::quiet::Waiting;
use super::settings::{MOST_CHANGES, On, Statuses};
use super::{Facts, Incident, Settings, same};
use crate::exec::Status;
use crate::id::RunId;

/// The last ok run's stdout is kept up to this many bytes of JSON: for `diff` and `previous.stdout`.
pub(super) const LONGEST_GOOD: usize = 16 << 10;

/// The last run's stdout, when it was not ok, up to this many: for `previous.stdout`.
const LONGEST_BAD: usize = 8 << 10;

/// Failures of this many kinds are told at once within one incident; whatever comes then is "different each time".
pub(super) const MOST_KINDS: usize = 8;

/// So many incidents of one job, told apart by the keys of its directives, are open beside the present one; a failure
/// under yet another key belongs to that.
const MOST_PARKED: usize = 8;

/// What is remembered of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Runs so far; those that counted as not run are not in it.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    pub(super) runs: u64,
    /// The last of them.
    #[serde(rename = "l", skip_serializing_if = "is_default")]
    pub(super) last: Option<Last>,
    /// Not ok, so many times in a row; 0 when the last was ok.
    #[serde(rename = "k", skip_serializing_if = "is_default")]
    pub(super) streak: u32,
    /// What is wrong at present, or was and nobody has heard yet that it no longer is. Boxed: most jobs are well.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    pub(super) trouble: Option<Box<Trouble>>,
    /// Other incidents that are open: failures under other keys than the last one's. The oldest is first.
    #[serde(rename = "p", skip_serializing_if = "is_default")]
    pub(super) parked: Vec<Trouble>,
    /// stdout of the last ok run.
    #[serde(rename = "o", skip_serializing_if = "is_default")]
    pub(super) good: Option<Good>,
    /// What was spent of `rate_limit`.
    #[serde(rename = "t", skip_serializing_if = "is_default")]
    pub(super) spent: Spent,
    /// Alerts that `rate_limit` held since the last message.
    #[serde(rename = "x", skip_serializing_if = "is_default")]
    pub(super) suppressed: u32,
    /// When the status changed, the last few times.
    #[serde(rename = "c", skip_serializing_if = "is_default")]
    pub(super) changes: VecDeque<Timestamp>,
    /// It was told that the status changes too often, and not yet that it is steady.
    #[serde(rename = "f", skip_serializing_if = "is_default")]
    pub(super) flapping: bool,
    /// Due times in a row that passed because a run was still going.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub(super) skips: u32,
    /// What was told of that.
    #[serde(rename = "h", skip_serializing_if = "is_default")]
    pub(super) stuck: Stuck,
    /// What waits for the end of `quiet_hours`.
    #[serde(rename = "w", skip_serializing_if = "is_default")]
    pub(super) waiting: Waiting,
    /// Nothing is said until then.
    #[serde(rename = "q", skip_serializing_if = "is_default")]
    pub(super) silenced: Option<Timestamp>,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Last {
    #[serde(rename = "r")]
    pub(super) run: RunId,
    #[serde(rename = "s")]
    pub(super) status: Status,
    /// When it ended.
    #[serde(rename = "t")]
    pub(super) at: Timestamp,
    /// Its stdout where it was not ok; an ok run's is in [`Good`].
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    pub(super) stdout: String,
}

/// What an ok run printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Good {
    /// Of the whole, as [`same::digest`] has it; none where nobody asked whether it changes.
    #[serde(rename = "h", default, skip_serializing_if = "is_default")]
    pub(super) digest: Option<u64>,
    /// Its beginning.
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    pub(super) text: String,
}

/// Failures in a row, told or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trouble {
    /// The number of the run that opened it.
    #[serde(rename = "i")]
    pub(super) id: u64,
    /// When that run ended.
    #[serde(rename = "b")]
    pub(super) since: Timestamp,
    /// Failures in it.
    #[serde(rename = "n")]
    pub(super) failures: u32,
    /// The status of the last of them.
    #[serde(rename = "s")]
    pub(super) status: Status,
    /// The kind of the last of them: its fingerprint.
    #[serde(rename = "k")]
    pub(super) kind: u64,
    /// So many of that kind in a row, up to the last.
    #[serde(rename = "m")]
    pub(super) same: u32,
    /// When the first of those ended.
    #[serde(rename = "d")]
    pub(super) same_since: Timestamp,
    /// What people were told of it.
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    pub(super) told: Option<Told>,
    /// The key that a directive gave it, as a number; none of a failure without one.
    #[serde(rename = "y", default, skip_serializing_if = "is_default")]
    pub(super) key: Option<u64>,
    /// Since when it is ok again, with the recovery still to be told.
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    pub(super) mended: Option<Timestamp>,
    /// A recovery was taken back once: the next one is not owed any more.
    #[serde(rename = "u", default, skip_serializing_if = "is_default")]
    pub(super) unsaid: bool,
}

/// What people were told of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// When, the last time.
    #[serde(rename = "a")]
    pub(super) at: Timestamp,
    /// The schedule's slot of the run that was told the last time: `repeat` is counted from slot to slot, so that an
    /// hourly job is repeated each hour, though its runs never end at quite the same second.
    #[serde(rename = "s")]
    pub(super) slot: Timestamp,
    /// The status that they were told the last time.
    #[serde(rename = "l")]
    pub(super) status: Status,
    /// All that they were told: the recovery goes where these went.
    #[serde(rename = "w")]
    pub(super) statuses: Statuses,
    /// There was a message of its own, which a thread hangs on; not so where only its flapping was told.
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    pub(super) opened: bool,
    /// The kinds of failure that they were told, at most [`MOST_KINDS`].
    #[serde(rename = "k", default, skip_serializing_if = "is_default")]
    pub(super) kinds: Vec<u64>,
    /// It was told within `quiet_hours`, being excepted: so is its recovery.
    #[serde(rename = "q", default, skip_serializing_if = "is_default")]
    pub(super) aside: bool,
}

/// What was told of a run that does not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stuck {
    /// That the present run hangs was told, or waits to be.
    #[serde(rename = "n", skip_serializing_if = "is_default")]
    pub(super) told: bool,
    /// When that was told last, of this run or of one before it that also hung.
    #[serde(rename = "a", skip_serializing_if = "is_default")]
    pub(super) at: Option<Timestamp>,
}

/// The run before, for templates and the status page.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// Its status.
    pub status: Status,
    /// When it ended.
    pub finished: Timestamp,
    /// Its stdout, as far as it was kept.
    pub stdout: String,
}

/// What recording a run brought to light.
#[derive(Debug)]
pub(super) struct Seen {
    /// The run before this one.
    pub(super) before: Option<Before>,
    /// The last ok run's stdout, before this one's took its place.
    pub(super) good: Option<String>,
    /// An ok run that printed something else than the ok run before.
    pub(super) changed: bool,
    /// The status is another than that of the run before.
    pub(super) turned: bool,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Health {
    /// Runs so far; those that counted as not run (`exit_codes.skip`) are not in it.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The last run, if there was one.
    pub fn last(&self) -> Option<Before> {
        let last = self.last.as_ref()?;
        let good = self.good.as_ref().filter(|_| last.status == Status::Ok);
        let stdout = good.map_or(&last.stdout, |good| &good.text).clone();
        Some(Before { status: last.status, finished: last.at, stdout })
    }

    /// The status of the last run.
    pub fn status(&self) -> Option<Status> {
        self.last.as_ref().map(|last| last.status)
    }

    /// Failures in a row, up to now.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// The open incident: failing now, or ok again without a word of it yet.
    pub fn incident(&self) -> Option<Incident> {
        self.trouble.as_deref().map(Trouble::incident)
    }

    /// Whether people were told of the open incident.
    pub fn is_reported(&self) -> bool {
        self.trouble.as_deref().is_some_and(|trouble| trouble.told.is_some())
    }

    /// Whether it was told that the status changes too often, and it still does.
    pub fn is_flapping(&self) -> bool {
        self.flapping
    }

    /// Due times in a row that passed because a run was still going.
    pub fn skips(&self) -> u32 {
        self.skips
    }

    /// Alerts that `rate_limit` held since the last message.
    pub fn suppressed(&self) -> u32 {
        self.suppressed
    }

    /// Until when nothing is said.
    pub fn silenced(&self) -> Option<Timestamp> {
        self.silenced
    }

    /// Says nothing until then; `None` ends the silence. What is owed by then (a recovery) is said when it ends: see
    /// [`due`](super::due).
    pub fn silence(&mut self, until: Option<Timestamp>) {
        self.silenced = until;
    }

    /// Brings what claims to be in the future back to the present: the clock was set back, and nothing may wait for it
    /// to get there again. (What is silenced until a future time is meant so.)
    pub(super) fn heed(&mut self, now: Timestamp) {
        let heed = |at: &mut Timestamp| *at = (*at).min(now);
        self.changes.iter_mut().for_each(heed);
        self.stuck.at.as_mut().map(heed);
        self.waiting.heed(now);
        for trouble in self.trouble.as_deref_mut().into_iter().chain(&mut self.parked) {
            heed(&mut trouble.since);
            heed(&mut trouble.same_since);
            trouble.mended.as_mut().map(heed);
            if let Some(told) = &mut trouble.told {
                heed(&mut told.at);
                heed(&mut told.slot);
            }
        }
        self.silenced = self.silenced.filter(|until| *until > now);
    }

    /// Takes a run in: counts, kinds of failure, what an ok run printed.
    pub(super) fn record(&mut self, settings: &Settings, facts: &Facts<'_>, now: Timestamp) -> Seen {
        let before = self.last();
        let turned = before.as_ref().is_some_and(|before| before.status != facts.status);
        self.runs += 1;
        if turned {
            self.changes.push_back(now);
            while self.changes.len() > MOST_CHANGES as usize {
                self.changes.pop_front();
            }
        }
        let ok = facts.status == Status::Ok;
        let stdout = if ok { String::new() } else { kept(facts.stdout, LONGEST_BAD).to_owned() };
        self.last = Some(Last { run: facts.run, status: facts.status, at: now, stdout });
        if ok {
            self.streak = 0;
            self.unpark_told();
            let text = kept(facts.stdout, LONGEST_GOOD).to_owned();
            let asked = settings.on.asks(On::Change);
            let digest = asked.then(|| same::digest(facts.stdout, settings.normalize));
            let old = self.good.replace(Good { digest, text });
            let known = old.as_ref().and_then(|old| old.digest);
            let changed = known.zip(digest).is_some_and(|(known, digest)| known != digest);
            return Seen { before, good: old.map(|old| old.text), changed, turned };
        }
        self.streak = self.streak.saturating_add(1);
        let kind = same::fingerprint(facts, settings.normalize);
        let key = facts.key.map(|key| same::digest(key, false));
        self.turn_to(key);
        match &mut self.trouble {
            Some(trouble) => {
                trouble.again(facts.status, kind, now);
                self.waiting.reopen(trouble.id, facts.status, trouble.failures);
            }
            none => *none = Some(Box::new(Trouble { key, ..Trouble::new(facts.run, facts.status, kind, now) })),
        }
        Seen { before, good: self.good.as_ref().map(|good| good.text.clone()), changed: false, turned }
    }

    /// A failure under a key that is not the present incident's: that one is set aside, still open, and the key's own
    /// takes its place, if there is one. A failure without a key belongs to whatever is open.
    fn turn_to(&mut self, key: Option<u64>) {
        let Some(open) = self.trouble.as_deref().filter(|open| key.is_some() && open.key != key) else { return };
        let known = self.parked.iter().position(|parked| parked.key == key);
        // What nobody heard of needs no place: it is over, as far as anybody knows.
        let keep = open.told.is_some() || self.waiting.has(open.id);
        if known.is_none() && keep && self.parked.len() >= MOST_PARKED {
            return;
        }
        let own = known.map(|at| Box::new(self.parked.remove(at)));
        if let Some(open) = std::mem::replace(&mut self.trouble, own).filter(|_| keep) {
            self.parked.push(Trouble { mended: None, ..*open });
        }
    }

    /// It is ok: where nobody heard of the present incident, one that was told is what the recovery is about.
    fn unpark_told(&mut self) {
        let told = |trouble: &Trouble| trouble.told.is_some();
        if !self.trouble.as_deref().is_some_and(told)
            && let Some(at) = self.parked.iter().rposition(told)
        {
            self.trouble = Some(Box::new(self.parked.remove(at)));
        }
    }
}

impl Trouble {
    fn new(run: RunId, status: Status, kind: u64, now: Timestamp) -> Self {
        Self {
            id: run.0,
            since: now,
            failures: 1,
            status,
            kind,
            same: 1,
            same_since: now,
            told: None,
            key: None,
            mended: None,
            unsaid: false,
        }
    }

    /// One more failure. One after an ok run of which nobody heard goes on with the same incident.
    fn again(&mut self, status: Status, kind: u64, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.status = status;
        self.mended = None;
        if self.kind == kind {
            self.same = self.same.saturating_add(1);
        } else {
            (self.kind, self.same, self.same_since) = (kind, 1, now);
        }
    }

    pub(super) fn incident(&self) -> Incident {
        Incident { id: self.id, started: self.since, failures: self.failures }
    }

    /// Notes that people know of it, as it now is.
    pub(super) fn tell(&mut self, slot: Timestamp, now: Timestamp) -> &mut Told {
        let mut told = self.told.take().unwrap_or(Told {
            at: now,
            slot,
            status: self.status,
            statuses: Statuses::default(),
            opened: false,
            kinds: Vec::new(),
            aside: false,
        });
        (told.at, told.slot, told.status) = (now, slot, self.status);
        told.statuses.insert(self.status);
        if !told.kinds.contains(&self.kind) && told.kinds.len() < MOST_KINDS {
            told.kinds.push(self.kind);
        }
        self.told.insert(told)
    }
}

/// The beginning of a text that takes at most `limit` bytes as a JSON string.
pub(super) fn kept(text: &str, limit: usize) -> &str {
    let mut size = 0;
    for (at, c) in text.char_indices() {
        size += match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c.is_control() && c.is_ascii() => 6,
            c => c.len_utf8(),
        };
        if size > limit {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Health, kept};

    #[test]
    fn what_was_never_run_takes_no_room() {
        assert_eq!(serde_json::to_string(&Health::default()).expect("it can be written"), "{}");
        assert_eq!(serde_json::from_str::<Health>("{}").expect("it can be read"), Health::default());
    }

    #[test]
    fn what_a_later_version_wrote_can_be_read() {
        let health: Health = serde_json::from_str(r#"{"n":3,"zz":{"new":true}}"#).expect("it can be read");
        assert_eq!(health.runs(), 3);
    }

    proptest! {
        #[test]
        fn a_text_is_kept_within_its_limit_as_json(text in any::<String>(), limit in 0usize..200) {
            let kept = kept(&text, limit);
            let json = serde_json::to_string(kept).expect("text can be written");
            prop_assert!(json.len() <= limit + 2);
            prop_assert!(text.starts_with(kept));
        }
    }
}
