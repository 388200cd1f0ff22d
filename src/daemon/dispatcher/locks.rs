//! Locks (`lock`): runs that share one are never in progress at one time. Pure.
//!
//! A run takes all of its locks when it starts, or none and waits: nobody holds one lock while waiting for another, so that no
//! runs wait for each other. A lock for which an older run waits is not given to a younger one. Invariant: of the runs that
//! share a lock, the one that is due longest starts first.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Dispatcher, Waiting};
use crate::clock::Mono;
use crate::exec::Trigger;
use crate::id::{JobName, RunId};

/// Why a run waits for a lock.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lock: Arc<str>,
    /// The job whose run holds it, and that run; without one, the job whose run waits for it longer.
    pub(super) by: (JobName, Option<RunId>),
}

impl Dispatcher {
    /// The key of the run that starts next of those that wait: the oldest whose locks are free.
    pub(super) fn next_to_start(&self) -> Option<(Mono, u64)> {
        let mut wanted: HashSet<&str> = HashSet::new();
        // Where the file is away, only a person may have a run begin.
        let may = |waiting: &Waiting| !self.jobs[waiting.job as usize].away || waiting.trigger == Trigger::Manual;
        self.waiting.iter().filter(|(_, waiting)| may(waiting)).find_map(|(key, waiting)| {
            let locks = &self.jobs[waiting.job as usize].job.timing.locks;
            let taken = |lock: &Arc<str>| self.locks.contains_key(lock) || wanted.contains(lock.as_ref());
            if !locks.iter().any(taken) {
                return Some(*key);
            }
            wanted.extend(locks.iter().map(AsRef::as_ref));
            None
        })
    }

    /// A run of this job starts, and holds its locks from now on.
    pub(super) fn lock(&mut self, index: u32, run: RunId) -> Box<[Arc<str>]> {
        let locks = self.jobs[index as usize].job.timing.locks.clone();
        for lock in &locks {
            self.locks.entry(Arc::clone(lock)).or_default().push(run);
        }
        locks
    }

    /// A run has ended.
    pub(super) fn unlock(&mut self, run: RunId, locks: &[Arc<str>]) {
        for lock in locks {
            if let Some(holders) = self.locks.get_mut(lock) {
                holders.retain(|holder| *holder != run);
                if holders.is_empty() {
                    self.locks.remove(lock);
                }
            }
        }
    }

    /// The lock for which the oldest waiting run of this job waits, if it waits for one.
    pub(super) fn waits_for_lock(&self, index: u32) -> Option<Held> {
        let locks = &self.jobs[index as usize].job.timing.locks;
        for lock in locks {
            let holder = self.locks.get(lock).and_then(|holders| holders.first());
            if let Some(running) = holder.and_then(|run| self.running.get(run)) {
                return Some(Held { lock: Arc::clone(lock), by: (running.run.job.clone(), Some(running.run.id)) });
            }
        }
        let older = self.waiting.values().take_while(|waiting| waiting.job != index);
        for waiting in older {
            let job = &self.jobs[waiting.job as usize].job;
            if let Some(lock) = job.timing.locks.iter().find(|lock| locks.contains(lock)) {
                return Some(Held { lock: Arc::clone(lock), by: (job.name.clone(), None) });
            }
        }
        None
    }
}
