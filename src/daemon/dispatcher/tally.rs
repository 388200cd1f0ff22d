//! Counts a run that ended, and puts all numbers together. Pure.
//!
//! Before it: the dispatcher's decisions. After it: [`Numbers`].

use std::collections::HashMap;
use std::time::Duration;

use super::super::numbers::{JobNumbers, Numbers, Skip, Tally, count};
use super::{Dispatcher, Entry, Tracked};
use crate::clock::{Now, between, shift};
use crate::exec::{Status, known};
use crate::policy::{Decision, Suppressed};

impl Dispatcher {
    /// Counts a run that ended.
    pub(super) fn count_end(tracked: &mut Tracked, tally: &mut Tally, entry: &Entry) {
        let Some(ended) = entry.ended() else { return };
        if ended.decision == Decision::NotRun {
            // That it hangs no more.
            tally.told(entry.messages());
            return tracked.tally.skipped(Skip::NotRun, 1);
        }
        count(&mut tracked.tally.runs.0, &Status::ALL, ended.outcome.status);
        if let Some(took) = known(ended.outcome.took) {
            tracked.tally.timed += 1;
            tracked.tally.took = tracked.tally.took.saturating_add(took);
            tally.durations.observe(took);
        }
        match ended.decision {
            Decision::Notified(event) => tally.alert(event),
            Decision::Suppressed(why, _) => count(&mut tally.suppressed, Suppressed::ALL, why),
            _ => {}
        }
    }

    /// Everything that was counted, with how each job stands.
    pub fn numbers(&self, now: Now) -> Numbers {
        let held_back = self.all_held_back();
        let of = |index: u32| held_back.get(&index).copied().unwrap_or(0);
        let jobs = (0..).zip(&self.jobs).filter(|(_, tracked)| !tracked.removed);
        let jobs = jobs.map(|(index, tracked)| self.job_numbers(tracked, of(index), now)).collect();
        Numbers { jobs, held_back: held_back.values().sum(), tally: self.tally.clone() }
    }

    /// How many runs of each job have a place and no process, since something keeps it from being started: they wait, as those do
    /// that have no place.
    pub(super) fn all_held_back(&self) -> HashMap<u32, u32> {
        let mut held_back = HashMap::new();
        for running in self.running.values().filter(|running| running.run.progress.held_back().is_some()) {
            *held_back.entry(running.job).or_default() += 1;
        }
        held_back
    }

    fn job_numbers(&self, tracked: &Tracked, held_back: u32, now: Now) -> JobNumbers {
        let last = tracked.health.last_end();
        // Of a run that something else starts, by when it has to come.
        let expected = tracked.cadence.expected(&tracked.job.timing);
        let grace = expected.map_or(Duration::ZERO, |(due, latest)| between(due, latest));
        let next = match tracked.paused {
            Some(_) => self.next_of(tracked, now).map(|next| shift(next, grace)),
            None => expected.map(|(_, latest)| latest).or(tracked.cadence.slot().map(|slot| slot.scheduled)),
        };
        JobNumbers {
            name: tracked.job.name.clone(),
            tally: tracked.tally.clone(),
            is_watched: tracked.job.timing.enabled,
            status: last.map(|last| last.status),
            last: last.map(|last| last.at),
            took: last.and_then(|last| last.took),
            success: tracked.health.succeeded(),
            next,
            running: tracked.running.saturating_sub(held_back),
        }
    }
}
