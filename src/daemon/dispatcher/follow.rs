//! Jobs that follow others (`after`): the end of a run makes the next job of its chain due. Pure.
//!
//! Before it: a run that was judged. After it: the follower's state on disk, and its due time. Invariant: an end that is in the
//! history counts, whenever the daemon dies.

use super::{Dispatcher, Entry, Turn};
use crate::clock::Now;
use crate::exec::Status;

impl Dispatcher {
    /// A run of this job has ended: well, or not.
    pub(super) fn followed(&mut self, index: u32, ok: bool, now: Now, turn: &mut Turn) {
        let name = &self.jobs[index as usize].job.name;
        let Some(followers) = self.followers.get(name) else { return };
        let (name, followers) = (name.clone(), followers.clone());
        for follower in followers {
            let tracked = &mut self.jobs[follower as usize];
            if tracked.cadence.job_ended(&tracked.job.timing, &name, ok, now) {
                tracing::debug!(job = %tracked.job.name, after = %name, "a job that it follows has ended");
                let entry = tracked.changed(Vec::new(), now);
                turn.entries.push(entry);
                self.arm(follower, now);
            }
        }
    }

    /// Notes whom a job follows.
    pub(super) fn follow(&mut self, index: u32) {
        let Some(after) = self.jobs[index as usize].job.timing.after() else { return };
        for name in &after.jobs {
            let followers = self.followers.entry(name.clone()).or_default();
            if !followers.contains(&index) {
                followers.push(index);
            }
        }
    }

    /// Jobs came, changed or went.
    pub(super) fn follow_anew(&mut self) {
        self.followers.clear();
        for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
            if !self.jobs[index as usize].removed {
                self.follow(index);
            }
        }
    }

    /// The daemon has started. An end may be in the history of which the follower's own state does not know: the daemon died
    /// between the two.
    /// It is written down since when each of them is known: what ends from then on counts.
    pub(super) fn take_up_chains(&mut self, now: Now) -> Vec<Entry> {
        let mut entries = Vec::new();
        for index in 0..self.jobs.len() {
            let tracked = &self.jobs[index];
            let (Some(after), Some(since)) = (tracked.job.timing.after(), tracked.cadence.last()) else { continue };
            let ended: Vec<_> = after
                .jobs
                .iter()
                .filter_map(|name| {
                    let before = &self.jobs[*self.by_name.get(name)? as usize];
                    let last = before.health.last_run().filter(|last| last.finished > since)?;
                    Some((name.clone(), last.status == Status::Ok))
                })
                .collect();
            let tracked = &mut self.jobs[index];
            for (name, ok) in ended {
                tracked.cadence.job_ended(&tracked.job.timing, &name, ok, now);
            }
            entries.push(tracked.changed(Vec::new(), now));
        }
        entries
    }

    /// Where nothing waits or runs for a due time, it has passed: what a job follows counts anew.
    pub(super) fn passed_over(&mut self, index: u32, now: Now) {
        let tracked = &mut self.jobs[index as usize];
        if tracked.waiting == 0 && tracked.pending.is_none() {
            tracked.cadence.passed_over(&tracked.job.timing, now);
        }
    }
}
