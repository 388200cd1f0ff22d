//! Counts a run that ended, and puts all numbers together. Pure.
//!
//! Before it: the dispatcher's decisions. After it: [`Numbers`].

use super::super::numbers::{JobNumbers, Numbers, Skip, Tally, count};
use super::{Dispatcher, Entry, Tracked};
use crate::exec::Status;
use crate::policy::{Decision, Suppressed};

impl Dispatcher {
    /// Counts a run that ended.
    pub(super) fn count_end(tracked: &mut Tracked, tally: &mut Tally, entry: &Entry) {
        let Some(ended) = entry.ended() else { return };
        if ended.decision == Decision::NotRun {
            return tracked.tally.skipped(Skip::NotRun, 1);
        }
        let (status, took) = (ended.outcome.status, ended.outcome.took);
        count(&mut tracked.tally.runs.0, &Status::ALL, status);
        if ended.outcome.ending.is_measured() {
            tracked.tally.timed += 1;
            tracked.tally.took = tracked.tally.took.saturating_add(took);
            tally.durations.observe(took);
        }
        match ended.decision {
            Decision::Notified(event) => tally.alert(event),
            Decision::Suppressed(why, _) if why.counts() => count(&mut tally.suppressed, Suppressed::ALL, why),
            _ => {}
        }
    }

    /// Everything that was counted, with how each job stands.
    pub fn numbers(&self) -> Numbers {
        // A job that is not enabled is not watched: no alert is to go by how it was.
        let watched = |tracked: &&Tracked| !tracked.removed && tracked.job.timing.enabled;
        let jobs = self.jobs.iter().filter(watched).map(Tracked::numbers);
        Numbers { jobs: jobs.collect(), tally: self.tally.clone() }
    }
}

impl Tracked {
    fn numbers(&self) -> JobNumbers {
        let last = self.health.last_end();
        JobNumbers {
            name: self.job.name.clone(),
            tally: self.tally.clone(),
            status: last.map(|last| last.status),
            last: last.map(|last| last.at),
            took: last.and_then(|last| last.took),
            success: self.health.succeeded(),
            // Of a run that something else starts, by when it has to come.
            next: match self.cadence.expected(&self.job.timing) {
                Some((_, latest)) => Some(latest),
                None => self.cadence.slot().map(|slot| slot.scheduled),
            },
            running: self.running,
        }
    }
}
