//! What is remembered of a job between its runs, and across restarts, so that the next verdict can be a good one.
//!
//! Before it: the store, which keeps it as text. After it: `judge`, which alone changes it. Invariants: every list and
//! text in it has a cap, so that it never takes more than 40 KiB as JSON, whatever the job writes; a field that is at
//! its default is not written; a field that an older version did not write is at its default. Keys are whole words; the
//! letters of version 0.1 are read as well.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::holds::Held;
use super::incident::{Failure, OpenIncident, is_default, kept, kept_end, number_of};
use super::limit::Budget;
use super::patterns::{self, Begun, Conversation, Flapping};
use super::quiet::{Nights, Present, Waiting};
use super::rare::{Nothing, Rare};
use super::settings::{MOST_CHANGES, On};
use super::{Facts, Incident, Settings, same};
use crate::exec::{Ending, Reason, Status, known};
use crate::id::{Channel, RunId};
use crate::schedule::Ahead;

/// The last ok run's stdout is kept up to this many bytes of JSON: for `diff` and `previous.stdout`.
pub(super) const LONGEST_GOOD: usize = 16 << 10;

/// The last run's stdout, when it was not ok, up to this many: for `previous.stdout`.
const LONGEST_BAD: usize = 16 << 10;

/// The end of the last run's output, when it was not ok, up to this many: for messages that no run causes.
const LONGEST_END: usize = 2 << 10;

/// The key of an incident is kept up to this many bytes of JSON.
const LONGEST_KEY: usize = 200;

/// What a headline says of a run, and what how it ended adds to a line of its output.
pub(super) const LONGEST_CAUSE: usize = 800;

/// What is remembered of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// How this is written; version 0.1 wrote keys of one letter, and no number.
    format: Format,
    /// Runs so far; those that counted as not run are not in it.
    #[serde(alias = "n", skip_serializing_if = "is_default")]
    pub(super) runs: u64,
    /// The last of them.
    #[serde(alias = "l", skip_serializing_if = "is_default")]
    pub(super) last: Option<Last>,
    /// Not ok, so many times in a row; 0 when the last was ok.
    #[serde(alias = "k", skip_serializing_if = "is_default")]
    pub(super) streak: u32,
    /// The open incident: failing, or ok again and not yet reported as that. Boxed: most jobs are well.
    #[serde(rename = "incident", alias = "i", skip_serializing_if = "is_default")]
    pub(super) open: Option<Box<OpenIncident>>,
    /// Other incidents that are open: failures under other keys than the last one's. The oldest is first.
    #[serde(rename = "other_incidents", alias = "p", skip_serializing_if = "is_default")]
    pub(super) others: Vec<OpenIncident>,
    /// stdout of the last ok run.
    #[serde(alias = "o", skip_serializing_if = "is_default")]
    pub(super) last_ok: Option<LastOk>,
    /// What is used up of `rate_limit`.
    #[serde(alias = "t", skip_serializing_if = "is_default")]
    pub(super) budget: Budget,
    /// Alerts that `rate_limit` held since the last message.
    #[serde(alias = "x", skip_serializing_if = "is_default")]
    pub(super) suppressed: u32,
    /// When the status changed, the last few times.
    #[serde(alias = "c", skip_serializing_if = "is_default")]
    pub(super) changes: Rare<VecDeque<Timestamp>>,
    /// It was reported that the job flaps, and not yet that it is steady.
    #[serde(alias = "f", deserialize_with = "patterns::read_flapping", skip_serializing_if = "is_default")]
    pub(super) flapping: Option<Box<Flapping>>,
    /// When a run was ok, the last time; since version 0.2.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) succeeded: Option<Timestamp>,
    /// Runs that failed, so far; counted since version 0.2.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) failed: u64,
    /// When incidents that were reported began, the last few.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) begun: Rare<VecDeque<Begun>>,
    /// The incidents of a job that fails intermittently, as one conversation.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) conversation: Option<Box<Conversation>>,
    /// Nights in a row in whose quiet hours it failed.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) nights: Rare<Nights>,
    /// Due times in a row that passed because a run was still going.
    #[serde(alias = "s", skip_serializing_if = "is_default")]
    pub(super) skips: u32,
    /// What was reported of that.
    #[serde(alias = "h", skip_serializing_if = "is_default")]
    pub(super) stuck: Rare<Stuck>,
    /// Runs in progress of which it was told that they take long.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) slow: Rare<Vec<RunId>>,
    /// Runs in progress that take long, of which quiet hours keep that back.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) slow_at_night: Rare<Vec<RunId>>,
    /// What waits for the end of `quiet_hours`.
    #[serde(alias = "w", skip_serializing_if = "is_default")]
    pub(super) waiting: Rare<Waiting>,
    /// Nothing is sent until then.
    #[serde(alias = "q", skip_serializing_if = "is_default")]
    pub(super) silenced: Option<Timestamp>,
    /// When the script asked for that; since version 0.2.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) silenced_since: Option<Timestamp>,
    /// What people have asked for of this job; it follows from the holds, and is not kept.
    #[serde(skip)]
    pub(super) held: Option<Box<Held>>,
    /// The runs that lie ahead, where they are known; they follow from the schedule, and are not kept.
    #[serde(skip)]
    pub(super) ahead: Option<Box<Ahead>>,
}

/// The format that this version writes: 2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Format;

/// See [`Format`].
const FORMAT: u32 = 2;

impl Serialize for Format {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(FORMAT)
    }
}

/// Any format can be read: keys that are not known are left out, and those of version 0.1 are aliases.
impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer).map(|_| Self)
    }
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Last {
    #[serde(alias = "r")]
    pub(super) run: RunId,
    #[serde(alias = "s")]
    pub(super) status: Status,
    /// When it ended.
    #[serde(alias = "t")]
    pub(super) at: Timestamp,
    /// Its stdout where it was not ok; an ok run's is in [`LastOk`].
    #[serde(alias = "o", default, skip_serializing_if = "is_default")]
    pub(super) stdout: Rare<String>,
    /// What its headline says of it; not known of a run that an earlier version recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) line: String,
    /// How it ended; unknown of a run that version 0.1 recorded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) ended: Option<Ended>,
}

/// How a run ended, as far as a later message about it needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How the process of its last attempt ended.
    pub ending: Ending,
    /// What decided the status.
    pub reason: Reason,
    /// How long it took; zero where that is not known.
    pub took: Duration,
    /// The end of its output where it was not ok; an ok run's stdout is kept apart.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output: Rare<String>,
    /// The end of its standard error, where it was not ok and wrote to both streams: else it is the output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stderr: Rare<String>,
    /// What stood before those ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub left_out: Rare<LeftOut>,
}

/// How many bytes of a run's output are not kept: of each, the end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Of its standard output.
    pub stdout: u64,
    /// Of both streams together.
    pub output: u64,
    /// Of its standard error.
    pub stderr: u64,
}

impl Nothing for LeftOut {
    const NOTHING: &'static Self = &Self { stdout: 0, output: 0, stderr: 0 };
}

/// The last run of a job: what a message that no run causes is about.
#[derive(Clone, Debug, PartialEq)]
pub struct LastRun {
    /// Its number.
    pub run: RunId,
    /// Its status.
    pub status: Status,
    /// When it ended.
    pub finished: Timestamp,
    /// Its stdout, as far as it was kept.
    pub stdout: String,
    /// What its headline says of it; empty where that is not known.
    pub line: String,
    /// How it ended; unknown of a run that version 0.1 recorded.
    pub ended: Option<Ended>,
}

/// How a run ended, without what it printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEnd {
    /// Its status.
    pub status: Status,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
}

/// What an ok run printed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastOk {
    /// Of the whole, as [`same::digest`] has it; none where nobody asked whether it changes.
    #[serde(alias = "h", default, skip_serializing_if = "is_default")]
    pub(super) digest: Option<u64>,
    /// Whether the digest is that of the normalised text; unknown of one that version 0.1 kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) normalized: Option<bool>,
    /// Its beginning.
    #[serde(alias = "t", default, skip_serializing_if = "is_default")]
    pub(super) text: String,
}

/// What was reported of a run that does not end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stuck {
    /// That the present run hangs was reported, or waits to be.
    #[serde(alias = "n", skip_serializing_if = "is_default")]
    pub(super) told: bool,
    /// When that was reported last, of this run or of one before it that also hung.
    #[serde(alias = "a", skip_serializing_if = "is_default")]
    pub(super) at: Option<Timestamp>,
    /// The runs are stopped for the next one (`overlap = "replace"`).
    #[serde(skip_serializing_if = "is_default")]
    pub(super) replaced: bool,
    /// When the first of those began.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) since: Option<Timestamp>,
}

impl Nothing for Stuck {
    const NOTHING: &'static Self = &Self { told: false, at: None, replaced: false, since: None };
}

/// That no run of a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hung {
    /// The run that has not ended, or the last that was replaced.
    pub run: RunId,
    /// The due times in a row that came before the run of then had ended.
    pub due_times: u32,
    /// Each of them took the place of the run.
    pub replaced: bool,
}

/// The run before, for templates and the status page.
#[derive(Clone, Debug, PartialEq)]
pub struct Previous {
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
    pub(super) before: Option<Previous>,
    /// The last ok run's stdout, before this one's took its place.
    pub(super) last_ok: Option<String>,
    /// An ok run that printed something else than the ok run before.
    pub(super) changed: bool,
    /// The status is another than that of the run before.
    pub(super) turned: bool,
    /// It was reported that this run hangs.
    pub(super) hung: bool,
}

/// What waits for the end of the quiet hours of a job that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftWaiting {
    /// The worst status.
    pub status: Status,
    /// A line for each alert.
    pub lines: Vec<String>,
    /// Where it goes; none: to the default channel.
    pub channels: Vec<Channel>,
}

/// An incident whose end nobody will see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Its number.
    pub incident: u64,
    /// The status that was reported last.
    pub status: Status,
    /// The telling line of output that was reported last.
    pub line: String,
    /// The channels that took a message of it.
    pub channels: Vec<Channel>,
    /// It was reported without a thread: there is no first message to edit.
    pub flat: bool,
}

impl Health {
    /// Nobody watches the job any more: its incidents are over, without an end that anybody saw. Those that were reported
    /// and have a message of their own.
    pub fn abandon(&mut self) -> Vec<Abandoned> {
        self.stuck = Rare::default();
        // Whether it is steady is known by its runs, and there are none.
        self.flapping = None;
        self.waiting.abandon();
        let all = self.open.take().map(|open| *open).into_iter().chain(std::mem::take(&mut self.others));
        let abandoned = all.filter_map(|mut open| {
            open.count_owed();
            let reported =
                open.reported.filter(|reported| reported.opened && open.conversation.is_none_or(|id| id == open.id))?;
            Some(Abandoned {
                incident: open.id,
                status: reported.status,
                channels: reported.heard(),
                line: reported.line,
                flat: reported.flat,
            })
        });
        let mut abandoned: Vec<Abandoned> = abandoned.collect();
        if let Some(conversation) = self.conversation.take().filter(|known| !known.statuses.is_empty()) {
            let known = abandoned.iter().position(|one| one.incident == conversation.id);
            let open = known.map(|at| abandoned.remove(at));
            abandoned.push(Abandoned {
                incident: conversation.id,
                status: open.as_ref().map_or(conversation.worst(), |open| open.status),
                line: open.map(|open| open.line).unwrap_or_default(),
                channels: conversation.channels,
                flat: conversation.flat,
            });
        }
        abandoned
    }

    /// The job is paused now, or is not: of what waits for the end of quiet hours it is not said that it fails still.
    pub fn set_paused(&mut self, paused: bool) {
        if self.waiting.paused != paused {
            self.waiting.paused = paused;
        }
    }

    /// Whether alerts wait for quiet hours that end.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty() && self.waiting.until.is_some()
    }

    /// Until when alerts wait for the end of quiet hours, where that is known.
    pub fn waits_until(&self) -> Option<Timestamp> {
        self.waiting.until.filter(|_| !self.waiting.is_empty())
    }

    /// The alerts that wait for the end of quiet hours of a job that is gone. They wait no more.
    pub fn left_waiting(&mut self, zone: &TimeZone, now: Timestamp) -> Option<LeftWaiting> {
        let waiting = std::mem::take(&mut self.waiting);
        let present = Present { open: None, nights: Nights::default(), zone, now };
        let (status, lines) = (waiting.worst(), waiting.lines(present));
        (!waiting.is_empty()).then(|| LeftWaiting { status, lines, channels: waiting.channels.clone() })
    }

    /// Runs so far; those that counted as not run (`exit_codes.skip`) are not in it.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// A run that was taken for a failure, since its end was not reported in time, has ended so after all: it is taken in a second
    /// time, and counts once.
    pub fn counts_again(&mut self, run: RunId, status: Status) {
        self.runs = self.runs.saturating_sub(1);
        let last = self.last.as_ref().is_some_and(|last| last.run == run);
        if status == Status::Ok || !last {
            return;
        }
        if let Some(open) = self.open.as_deref_mut().filter(|open| open.failures > 0) {
            open.failures -= 1;
            self.failed = self.failed.saturating_sub(1);
            self.streak = self.streak.saturating_sub(1);
        }
    }

    /// The last run, if there was one.
    pub fn last(&self) -> Option<Previous> {
        let last = self.last.as_ref()?;
        let good = self.last_ok.as_ref().filter(|_| last.status == Status::Ok);
        let stdout = good.map_or(&*last.stdout, |good| &good.text).clone();
        Some(Previous { status: last.status, finished: last.at, stdout })
    }

    /// The last run with how it ended, if there was one.
    pub fn last_run(&self) -> Option<LastRun> {
        let last = self.last.as_ref()?;
        let Previous { status, finished, stdout } = self.last()?;
        let (line, ended) = (last.line.clone(), last.ended.clone());
        Some(LastRun { run: last.run, status, finished, stdout, line, ended })
    }

    /// The last run is one that was expected, and did not come.
    pub(super) fn did_not_come(&self) -> bool {
        let ended = self.last.as_ref().and_then(|last| last.ended.as_ref());
        ended.is_some_and(|ended| matches!(ended.ending, Ending::Missing { .. }))
    }

    /// How the last run ended, without what it printed.
    pub fn last_end(&self) -> Option<LastEnd> {
        let last = self.last.as_ref()?;
        Some(LastEnd {
            status: last.status,
            at: last.at,
            took: last.ended.as_ref().and_then(|ended| known(ended.took)),
        })
    }

    /// When a run was ok, the last time that is known.
    pub fn succeeded(&self) -> Option<Timestamp> {
        // Version 0.1 did not note it: where its last run was ok, that is the one.
        self.succeeded.or_else(|| self.last.as_ref().filter(|last| last.status == Status::Ok).map(|last| last.at))
    }

    /// The status of the last run.
    pub fn status(&self) -> Option<Status> {
        self.last.as_ref().map(|last| last.status)
    }

    /// The run that hangs now, and the due times that have come because of it.
    pub fn hang(&self) -> Option<Hung> {
        let (run, _) = self.hangs_now().filter(|_| self.skips > 0)?;
        Some(Hung { run, due_times: self.skips, replaced: self.stuck.replaced })
    }

    /// Whether the incident that is open was reported after this time, and opened by the run that hangs now.
    pub fn opened_by_hang(&self, after: Timestamp) -> bool {
        let hangs = self.hangs_now().filter(|(run, open)| open.id == run.0 && open.reported.is_some());
        hangs.is_some_and(|(_, open)| open.same_since > after)
    }

    /// The run that hangs now, and the incident that it is part of. That one has ended is no reason to say of the next,
    /// which due times pass beside as well, that it hangs.
    pub(super) fn hangs_now(&self) -> Option<(RunId, &OpenIncident)> {
        let open = self.open.as_deref().filter(|open| open.resolved_at.is_none())?;
        let run = open.hung?;
        let goes_on = self.last.as_ref().is_none_or(|last| last.run < run);
        goes_on.then_some((run, open))
    }

    /// How the job is: as its last run ended, or worse while a run of it hangs or an incident with another key is open; `None`
    /// where nothing is known of it.
    pub fn standing(&self) -> Option<Status> {
        let hangs = self.hangs_now().map(|(_, open)| open.status);
        let all = self.open.as_deref().into_iter().chain(&self.others);
        let keyed = all.filter(|open| open.key.is_some() && open.resolved_at.is_none()).map(|open| open.status);
        self.status().into_iter().chain(hangs).chain(keyed).max_by_key(|status| status.badness())
    }

    /// It is ok again since then, and no message has said so yet: it is silenced, it flaps, quiet hours keep that back.
    pub fn resolved_untold(&self) -> Option<Timestamp> {
        let all = self.open.as_deref().into_iter().chain(&self.others);
        all.map(|open| open.resolved_at).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether there is something that a later message may be about.
    pub fn is_failing(&self) -> bool {
        self.open.is_some() || !self.others.is_empty()
    }

    /// Failures in a row, up to now.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// The open incident: failing now, or ok again and not yet reported as that.
    pub fn incident(&self) -> Option<Incident> {
        self.open.as_deref().map(OpenIncident::incident)
    }

    /// Whether the open incident was reported.
    pub fn is_reported(&self) -> bool {
        self.open.as_deref().is_some_and(|open| open.reported.is_some())
    }

    /// Whether it was reported that the job flaps, and not yet that it is steady.
    pub fn is_flapping(&self) -> bool {
        self.flapping.is_some()
    }

    /// The key under which it began to flap.
    pub(super) fn flapping_key(&self) -> Option<u64> {
        self.flapping.as_ref().and_then(|flapping| flapping.key)
    }

    /// Due times in a row that passed because a run was still going.
    pub fn skips(&self) -> u32 {
        self.skips
    }

    /// Alerts that `rate_limit` held since the last message.
    pub fn suppressed(&self) -> u32 {
        self.suppressed
    }

    /// Until when nothing is sent: because the job's own script, or a person, has asked for that.
    pub fn silenced(&self) -> Option<Timestamp> {
        let of_person = self.held.as_deref().and_then(|held| held.silence.as_ref()).map(|(until, _)| *until);
        self.silenced.max(of_person)
    }

    /// Until when the job's own script has asked for silence.
    pub fn silenced_by_script(&self) -> Option<Timestamp> {
        self.silenced
    }

    /// When it asked for that, where that is known.
    pub fn silenced_since(&self) -> Option<Timestamp> {
        self.silenced_since
    }

    /// Sends nothing until then, as the job's own script asks; `None` ends that silence. What is owed by then is sent when
    /// it ends: see [`due`](super::due).
    pub fn silence(&mut self, until: Option<Timestamp>, now: Timestamp) {
        (self.silenced, self.silenced_since) = (until, until.map(|_| now));
    }

    /// The runs that lie ahead, where they are known: a message about a failure comes with one of them.
    pub fn look_ahead(&mut self, ahead: Option<Ahead>) {
        self.ahead = ahead.map(Box::new);
    }

    /// What people ask for of this job from now on.
    pub fn hold(&mut self, held: Held) {
        for open in self.open.as_deref_mut().into_iter().chain(&mut self.others) {
            let is_taken = held.acks.iter().any(|(incident, _)| *incident == open.id);
            open.taken_as = is_taken.then(|| open.taken_as.unwrap_or((open.status, open.kind)));
        }
        self.held = (held != Held::default()).then(|| Box::new(held));
    }

    /// What people ask for of this job.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_deref()
    }

    /// Until when somebody has this incident.
    pub(super) fn acknowledged(&self, open: &OpenIncident) -> Option<Timestamp> {
        let acks = &self.held.as_deref()?.acks;
        acks.iter().find(|(incident, _)| *incident == open.id).map(|(_, until)| *until)
    }

    /// Nobody has the present incident any more: it got worse, or fails differently. That holds from then on, also where the
    /// message about it is kept back.
    pub(super) fn end_acknowledgement(&mut self) {
        if let (Some(held), Some(open)) = (self.held(), self.open.as_deref()) {
            let mut held = held.clone();
            held.acks.retain(|(incident, _)| *incident != open.id);
            self.hold(held);
        }
    }

    /// A failure, or its end, was not told because of a silence: that is owed when it ends.
    pub(super) fn note_silence(&mut self) {
        if self.silenced().is_none() {
            return;
        }
        let by = self.held.as_deref().and_then(|held| held.silence.as_ref()).map(|(_, by)| by.clone());
        if let Some(open) = &mut self.open {
            open.silenced = Some(by.unwrap_or_default());
        }
    }

    /// Takes a run in that ended then: counts, kinds of failure, what an ok run printed.
    pub(super) fn record(&mut self, settings: &Settings, facts: &Facts<'_>, at: Timestamp) -> Seen {
        let before = self.last();
        let was_ok = before.as_ref().map(|before| before.status == Status::Ok);
        let key = number_of(facts.key);
        // What is well under one key while the job fails under another is no change, nor that it fails there still.
        let turns = match (key, facts.status) {
            (None, _) => true,
            (Some(_), Status::Ok) => self.open.is_some() || !self.others.is_empty(),
            (Some(_), _) => !self.fails_under(key),
        };
        // While it hung it was not ok.
        let hung = self.open.as_deref().is_some_and(|open| open.hung == Some(facts.run));
        let turned = turns && was_ok.is_some_and(|was_ok| (was_ok && !hung) != (facts.status == Status::Ok));
        let told = hung && self.stuck.told;
        self.runs += 1;
        if turned {
            self.note_change(at);
        }
        let ok = facts.status == Status::Ok;
        let end = |of: &str, longest: usize| if ok { String::new() } else { kept_end(of, longest).to_owned() };
        let stdout = end(facts.stdout, LONGEST_BAD);
        let output = end(facts.output, LONGEST_END);
        let kept_apart = !ok && !facts.stdout.trim().is_empty();
        let stderr = if kept_apart { kept_end(facts.stderr, LONGEST_END).to_owned() } else { String::new() };
        let ending = match facts.ending {
            Ending::NotStarted { error } => Ending::NotStarted { error: kept(error, LONGEST_END / 2).to_owned() },
            ending => ending.clone(),
        };
        let rest = |whole: &str, kept: &str| if kept.is_empty() { 0 } else { (whole.len() - kept.len()) as u64 };
        let left_out = LeftOut {
            stdout: rest(facts.stdout, &stdout),
            output: rest(facts.output, &output),
            stderr: rest(facts.stderr, &stderr),
        };
        let (output, stderr, left_out) = (output.into(), stderr.into(), left_out.into());
        let ended = Some(Ended { ending, reason: facts.reason, took: facts.took, output, stderr, left_out });
        let line = kept(facts.line, LONGEST_CAUSE).to_owned();
        self.last = Some(Last { run: facts.run, status: facts.status, at, stdout: stdout.into(), line, ended });
        if ok {
            self.succeeded = self.succeeded.max(Some(at));
            self.streak = 0;
            if hung {
                self.count_failed(at);
            }
            self.open.as_deref_mut().into_iter().chain(&mut self.others).for_each(OpenIncident::count_owed);
            self.turn_to_reported();
            let text = kept(facts.stdout, LONGEST_GOOD).to_owned();
            let asked = settings.on.asks(On::Change);
            let normalized = settings.normalize.changes();
            // Of what was dropped nobody knows which numbers and times it differs in.
            let whole = facts.whole.filter(|_| !normalized);
            let digest = asked.then(|| same::digest(facts.stdout, normalized) ^ whole.unwrap_or_default());
            let old = self.last_ok.replace(LastOk { digest, normalized: Some(normalized), text });
            // Digests of another setting cannot be compared: that it was changed is no change of the output.
            let known = old.as_ref().filter(|old| old.normalized == Some(normalized)).and_then(|old| old.digest);
            let changed = known.zip(digest).is_some_and(|(known, digest)| known != digest);
            return Seen { before, last_ok: old.map(|old| old.text), changed, turned, hung: told };
        }
        self.streak = self.streak.saturating_add(1);
        self.count_failed(at);
        let normalized = settings.normalize.failures();
        let kind = same::fingerprint(facts, normalized);
        let failure = Failure { run: facts.run, status: facts.status, kind, normalized };
        let key_text = kept(facts.key.unwrap_or_default(), LONGEST_KEY);
        self.turn_to_failure(facts.run, (key, key_text));
        let line = Box::from(kept(facts.line, LONGEST_CAUSE));
        match &mut self.open {
            Some(open) => {
                open.again(failure, at);
                open.line = line;
                self.waiting.reopen(open);
            }
            none => {
                *none = Some(Box::new(OpenIncident {
                    line,
                    key,
                    key_text: key_text.into(),
                    normalized: Some(normalized),
                    ..OpenIncident::new(facts.run, facts.status, kind, at)
                }));
            }
        }
        let last_ok = self.last_ok.as_ref().map(|good| good.text.clone());
        Seen { before, last_ok, changed: false, turned, hung: told }
    }

    /// A run failed, or had hung.
    fn count_failed(&mut self, at: Timestamp) {
        self.failed += 1;
        if let Some(conversation) = &mut self.conversation {
            conversation.last_failure = conversation.last_failure.max(at);
        }
    }

    /// It was ok and is not, or the other way round.
    pub(super) fn note_change(&mut self, at: Timestamp) {
        if let Some(flapping) = &mut self.flapping {
            flapping.changes = flapping.changes.saturating_add(1);
        }
        // Of what is told late the last may have ended first.
        let at = self.changes.back().map_or(at, |last| at.max(*last));
        self.changes.push_back(at);
        while self.changes.len() > MOST_CHANGES as usize {
            self.changes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn what_was_never_run_takes_no_room() {
        assert_eq!(serde_json::to_string(&Health::default()).expect("it can be written"), r#"{"format":2}"#);
        assert_eq!(serde_json::from_str::<Health>("{}").expect("it can be read"), Health::default());
    }

    #[test]
    fn what_a_later_version_wrote_can_be_read() {
        let health: Health = serde_json::from_str(r#"{"n":3,"zz":{"new":true}}"#).expect("it can be read");
        assert_eq!(health.runs(), 3);
    }
}
