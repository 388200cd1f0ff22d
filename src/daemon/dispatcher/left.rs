//! Jobs that were removed while no daemon ran, of which something waits for the end of quiet hours: it is told then, as of a job
//! that a reload removes. Pure.
//!
//! Before it: what is remembered of jobs that are in no file. After it: the outbox, and the store, which remembers no more of them.

use super::{Dispatcher, Entry, Past, Turn};
use crate::clock::{Mono, Now, between};
use crate::id::JobName;
use crate::report::gone::{self, Gone};
use crate::store::JobState;

/// Why nobody watches such a job.
pub(super) const REMOVED: &str = "its file was removed";

/// A job that is gone, and when its quiet hours end.
#[derive(Debug)]
pub(super) struct Left {
    name: JobName,
    past: Past,
    due: Mono,
}

impl Dispatcher {
    /// What waits for quiet hours that go on waits for their end. The answer is whether something does.
    pub(super) fn leave_waiting(&mut self, name: &JobName, past: &Past, now: Now) -> bool {
        let Some(until) = past.health.waits_until().filter(|until| *until > now.wall) else { return false };
        let due = now.mono + between(now.wall, until);
        self.left.push(Left { name: name.clone(), past: past.clone(), due });
        true
    }

    /// A job of this name is back, and tells what waits itself.
    pub(super) fn is_back(&mut self, name: &JobName) {
        self.left.retain(|left| left.name != *name);
    }

    /// When quiet hours of such a job end next.
    pub(super) fn next_left(&self) -> Option<Mono> {
        self.left.iter().map(|left| left.due).min()
    }

    /// Tells what waited for quiet hours that are over.
    pub(super) fn tell_left(&mut self, now: Now, turn: &mut Turn) {
        let due: Vec<Left> = self.left.extract_if(.., |left| left.due <= now.mono).collect();
        for Left { name, past, .. } in due {
            turn.entries.extend(self.told_left(&name, past, now));
        }
    }

    /// What waited, and what is remembered from then on; nothing where nothing did.
    pub(super) fn told_left(&self, name: &JobName, mut past: Past, now: Now) -> Option<Entry> {
        let zone = &self.sender.zone;
        let waited = past.health.left_waiting(zone, now.wall)?;
        let gone = Gone { name, why: REMOVED, zone, notify: None };
        let messages = gone::left_waiting(&gone, waited, &self.sender, now.wall);
        Some(Entry::Changed { state: state(name, &past), messages })
    }
}

/// What is remembered of such a job.
pub(super) fn state(name: &JobName, past: &Past) -> Option<(JobName, JobState)> {
    JobState::new(&past.saved, &past.health).ok().map(|state| (name.clone(), state))
}
