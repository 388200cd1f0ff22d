//! The places of `limits.max_running`: a run that waits for another attempt leaves its own to others. Pure.
//!
//! Before it: what such a run says. After it: runs that start, and attempts that begin. Invariant: no more than `max_running`
//! runs have a place; of runs and attempts that wait for one, the one whose due time is oldest comes first.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::{Dispatcher, Running, Turn};
use crate::clock::{self, Mono, Now};
use crate::exec::Place;
use crate::id::RunId;

/// Runs between two attempts: they have no place.
#[derive(Debug, Default)]
pub(super) struct Placeless {
    runs: HashSet<RunId>,
    /// Those whose next attempt is due, oldest due time of their run first.
    wanting: BTreeSet<(Mono, RunId)>,
}

impl Placeless {
    /// The run has ended, or has a place again.
    pub(super) fn forget(&mut self, run: RunId) {
        if self.runs.remove(&run) {
            self.wanting.retain(|(_, other)| *other != run);
        }
    }
}

impl Dispatcher {
    /// A run waits for another attempt, or no longer.
    pub fn place(&mut self, place: Place, now: Now) -> Turn {
        let mut turn = Turn::default();
        match place {
            Place::Left(id) if self.running.contains_key(&id) => drop(self.placeless.runs.insert(id)),
            Place::Wanted(id) if self.placeless.runs.contains(&id) => {
                let scheduled = self.running[&id].run.scheduled;
                let due = Mono(now.mono.0.saturating_sub(clock::between(scheduled, now.wall)));
                self.placeless.wanting.insert((due, id));
            }
            // It has ended meanwhile.
            Place::Left(_) | Place::Wanted(_) => return turn,
        }
        self.fill(now, &mut turn);
        turn
    }

    /// Whether a place is free.
    pub(super) fn has_room(&self) -> bool {
        self.running.len() - self.elsewhere - self.placeless.runs.len() < self.limits.max_running
    }

    /// Whether a run in progress takes a place.
    pub(super) fn has_place(&self, running: &Running) -> bool {
        running.elsewhere.is_none() && !self.placeless.runs.contains(&running.run.id)
    }

    /// A place is free: an attempt begins, unless a run that is due longer is to start. Whether one does.
    pub(super) fn lets_another_attempt_begin(&mut self, next_run: Option<Mono>) -> bool {
        let Some(&(due, id)) = self.placeless.wanting.first() else { return false };
        if next_run.is_some_and(|next| next < due) {
            return false;
        }
        self.placeless.forget(id);
        let run = Arc::clone(&self.running[&id].run);
        run.stop.give_place();
        true
    }
}
