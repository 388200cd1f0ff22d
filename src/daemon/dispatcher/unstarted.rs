//! Runs that are due and have not started: they wait for a place, for a lock or for the run before. Pure.
//!
//! Before it: `due`, which lets them wait. After it: a note on disk of those that have waited for a while, and a critical run
//! that never ran for each of which nothing comes, when the daemon stops, or after one that was killed. Invariant: a run that
//! starts at once costs nothing here; the note is written once in [`AFTER`] at most, but for runs that end sooner.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AskedFor, Dispatcher, Entry, Tracked, Turn};
use crate::clock::{Mono, Now, shift};
use crate::exec::{Outcome, Run, Trigger};
use crate::id::{JobName, RunId};
use crate::schedule::CatchUp;

/// The name of the note: [`Unstarted`] runs, as JSON.
pub const NOTE: &str = "unstarted";

/// A run that waits for so long is noted.
const AFTER: Duration = Duration::from_secs(1);

/// No more are noted: those that wait longest.
const MOST: usize = 200;

/// A job that is due again within this time has its run then: what could not start in time is one run.
const SOON: Duration = Duration::from_secs(60);

/// A run that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unstarted {
    job: JobName,
    scheduled: Timestamp,
    trigger: Trigger,
    /// The daemon was stopped while it waited, and not killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stopped: bool,
}

/// What is known of them on disk.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// When to look at what waits.
    look: Option<Mono>,
    runs: Vec<Unstarted>,
}

/// The number that a run was promised, and who asked for it, where a person did.
type Promised = Option<(RunId, Box<AskedFor>)>;

impl Unstarted {
    /// Whether it is that of this job for this due time.
    pub fn is(&self, job: &JobName, scheduled: Timestamp) -> bool {
        self.job == *job && self.scheduled == scheduled
    }
}

impl Dispatcher {
    /// When to look at what waits.
    pub(super) fn next_look_at_unstarted(&self) -> Option<Mono> {
        self.noted.look
    }

    /// Something waits, or no longer: it is looked at in a while.
    pub(super) fn waits_for_start(&mut self, now: Now) {
        self.noted.look.get_or_insert(now.mono + AFTER);
    }

    /// The same, where anything waits.
    pub(super) fn unstarted_may_have_changed(&mut self, now: Now) {
        if !self.waiting.is_empty() || !self.noted.runs.is_empty() {
            self.waits_for_start(now);
        }
    }

    /// Notes what has waited for a while.
    pub(super) fn note_unstarted(&mut self, now: Now, turn: &mut Turn) {
        if self.noted.look.is_none_or(|look| look > now.mono) {
            return;
        }
        self.noted.look = None;
        let before = now.wall.saturating_sub(AFTER).unwrap_or(now.wall);
        let (mut old, young): (Vec<_>, Vec<_>) = self.unstarted().into_iter().partition(|run| run.scheduled <= before);
        if !young.is_empty() {
            self.waits_for_start(now);
        }
        old.truncate(MOST);
        if old != self.noted.runs {
            self.noted.runs = old;
            turn.entries.push(self.unstarted_note());
        }
    }

    /// A run that was noted may be over before anybody has looked again: that it waits is true no more.
    pub(super) fn was_noted(&mut self, run: &Run, turn: &mut Turn) {
        let noted = self.noted.runs.len();
        self.noted.runs.retain(|noted| !noted.is(&run.job, run.scheduled));
        if self.noted.runs.len() < noted {
            turn.entries.push(self.unstarted_note());
        }
    }

    fn unstarted_note(&self) -> Entry {
        let runs = &self.noted.runs;
        let value = (!runs.is_empty()).then(|| serde_json::to_string(runs).unwrap_or_default());
        Entry::Noted { key: NOTE, value }
    }

    /// All that wait, oldest first; what waits for the run before it comes last.
    fn unstarted(&self) -> Vec<Unstarted> {
        let of = |job: u32, scheduled, trigger| {
            let job = self.jobs[job as usize].job.name.clone();
            Unstarted { job, scheduled, trigger, stopped: false }
        };
        let waiting = self.waiting.values().map(|waiting| of(waiting.job, waiting.scheduled, waiting.trigger));
        let jobs: BTreeSet<u32> = self.running.values().map(|running| running.job).collect();
        let pending = jobs
            .into_iter()
            .filter_map(|job| self.jobs[job as usize].pending.map(|(scheduled, trigger)| of(job, scheduled, trigger)));
        waiting.chain(pending).collect()
    }

    /// The daemon stops: what waits never runs. What may be made up for is left to the next daemon.
    pub(super) fn stop_unstarted(&mut self, now: Now, turn: &mut Turn) {
        let mut all: Vec<(u32, Timestamp, Trigger, Promised)> = Vec::new();
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            all.push((waiting.job, waiting.scheduled, waiting.trigger, waiting.asked));
        }
        for (index, tracked) in (0_u32..).zip(&mut self.jobs) {
            tracked.waiting = 0;
            all.extend(tracked.pending.take().map(|(scheduled, trigger)| (index, scheduled, trigger, None)));
        }
        let mut left = Vec::new();
        for (index, scheduled, trigger, asked) in all {
            let tracked = &self.jobs[index as usize];
            let is_made_up_for = tracked.away
                || tracked.health.runs() == 0 && tracked.job.timing.is_interval()
                || tracked.job.timing.catch_up == CatchUp::Once
                || tracked.is_due_soon(now);
            let run = Unstarted { job: tracked.job.name.clone(), scheduled, trigger, stopped: true };
            match asked.is_none() && is_made_up_for {
                true => left.push(run),
                false => self.never_ran(index, &run, asked, now, turn),
            }
        }
        left.truncate(MOST);
        if left != self.noted.runs {
            self.noted.runs = left;
            turn.entries.push(self.unstarted_note());
        }
    }

    /// What waited when the daemon before this one ended, and is none of the runs that it left in progress.
    pub fn unstarted_before(&mut self, runs: &[Unstarted], now: Now) -> Turn {
        let mut turn = Turn::default();
        for run in runs {
            let Some(&index) = self.by_name.get(&run.job) else { continue };
            let tracked = &self.jobs[index as usize];
            if tracked.job.timing.enabled && !tracked.is_due_soon(now) {
                self.never_ran(index, run, None, now, &mut turn);
            }
        }
        turn
    }

    /// It is judged as one that was interrupted.
    fn never_ran(&mut self, index: u32, run: &Unstarted, asked: Promised, now: Now, turn: &mut Turn) {
        let Unstarted { job, scheduled, trigger, stopped } = run;
        let outcome = Outcome::never_ran(*scheduled, *stopped, now);
        let (id, asked) = match asked {
            Some((id, asked)) => (id, Some(asked)),
            None => (self.new_id(), None),
        };
        let command = Arc::clone(&self.jobs[index as usize].job.command);
        let run = Arc::new(Run::new(id, job.clone(), command, *scheduled, *trigger));
        self.conclude(index, (run, asked), outcome, false, now, turn);
        self.arm(index, now);
    }
}

impl Tracked {
    /// What could not start in time and what is due soon are one run.
    fn is_due_soon(&self, now: Now) -> bool {
        self.cadence.slot().is_some_and(|slot| slot.wall(now) <= shift(now.wall, SOON))
    }
}
