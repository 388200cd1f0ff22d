//! The part of a cadence that is `cron`: slots on the wall clock, and what a set clock does to them.

use jiff::{SignedDuration, Timestamp};

use super::super::slots::Passed;
use super::super::{CatchUp, Cron, Timing};
use super::{Cadence, Due, Saved, Slot};
use crate::clock::Now;

/// A clock that is set by this much or more was wrong before, and nothing is made up for, as cron(8) has it.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

/// A clock that is set by less than this is being kept right, and changes no cadence: no slot is lost, and none runs
/// twice because a minute began twice.
const NUDGE: SignedDuration = SignedDuration::from_mins(1);

impl Cadence {
    pub(super) fn begin_calendar(&mut self, timing: &Timing, past: Option<&Saved>, now: Now) {
        let Some(calendar) = timing.calendar(self.jitter) else { return };
        let missed = past.and_then(|past| past.next).filter(|next| *next <= now.wall);
        if timing.catch_up == CatchUp::Once
            && let Some(first) = missed
            && let Some(passed) = calendar.passed(first, now.wall)
            && let Some(open) = timing.open().next_open(now.wall)
        {
            self.owe(first, passed, open);
        }
        // The clock was set back a little since: what ran does not run again.
        let ran =
            self.last.filter(|last| *last > now.wall && is_made_up_for(calendar.cron, now.wall.duration_until(*last)));
        self.next = wall_slot(calendar.next(ran.unwrap_or(now.wall)));
    }

    pub(super) fn take_calendar(&mut self, timing: &Timing, slot: Slot, now: Now) -> Passed {
        let first = slot.scheduled;
        let Some(calendar) = timing.calendar(self.jitter) else { return Passed { latest: first, count: 1 } };
        let passed = calendar.passed(first, now.wall).unwrap_or(Passed { latest: first, count: 1 });
        self.last = Some(passed.latest);
        self.next = wall_slot(calendar.next(passed.latest));
        passed
    }

    /// Set by a little, the next slot stays where it is: fixed times that were skipped lie in the past now, and
    /// become one run; those that ran do not run again. Else everything goes by the new clock, and nothing is made up for.
    pub(super) fn step_calendar(&mut self, timing: &Timing, before: Timestamp, now: Now) {
        let Some(calendar) = timing.calendar(self.jitter) else { return self.postpone(timing, now) };
        if !is_made_up_for(calendar.cron, now.wall.duration_since(before)) {
            if let Some(first) = self.next.map(|slot| slot.scheduled)
                && let Some(passed) = calendar.passed(first, before)
            {
                // It fell due before the clock was set, and nobody came to take it yet.
                self.owe(first, passed, now.wall);
            }
            // What lies ahead by the new clock was not missed.
            self.owed.take_if(|owed| owed.passed.latest > now.wall && owed.started.is_none());
            self.next = wall_slot(calendar.next(now.wall));
        }
        self.postpone(timing, now);
    }
}

/// Whether a calendar keeps its slots over a clock that is set by so much.
fn is_made_up_for(cron: &Cron, step: SignedDuration) -> bool {
    step.abs() < if cron.is_fixed() { CORRECTION } else { NUDGE }
}

fn wall_slot(at: Option<Timestamp>) -> Option<Slot> {
    at.map(|at| Slot { due: Due::Wall(at), scheduled: at })
}
