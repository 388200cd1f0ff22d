//! The part of a cadence that is `cron`: slots on the wall clock, and what a set clock does to them.

use jiff::{SignedDuration, Timestamp};

use super::super::slots::Passed;
use super::super::{CatchUp, Cron, Timing};
use super::{Cadence, Due, Saved, Slot};
use crate::clock::{Now, shift};

/// A clock that is set by this much or more was wrong before, and nothing is made up for, as cron(8) has it.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

/// A clock that is set by less than this is being kept right, and changes no cadence: no slot is lost, and none runs
/// twice because a minute began twice.
const NUDGE: SignedDuration = SignedDuration::from_mins(1);

impl Cadence {
    pub(super) fn begin_calendar(&mut self, timing: &Timing, past: Option<&Saved>, now: Now) {
        let Some(calendar) = timing.calendar(self.jitter) else { return };
        // Another jitter moves what is planned, and what ran: each stands for the same time of the calendar as before.
        let (before, jitter) = (past.map_or(self.jitter, |past| past.jitter), self.jitter);
        let moved = |at: Timestamp| at.saturating_sub(before).map_or(at, |at| shift(at, jitter));
        let planned = past.and_then(|past| past.next);
        let missed = planned.map(moved).filter(|next| *next <= now.wall);
        // It lay ahead, and with less jitter it would have been by now.
        let lay_ahead = planned.is_some_and(|next| next > now.wall) && missed.is_some_and(|first| calendar.has(first));
        if (timing.catch_up == CatchUp::Once || lay_ahead)
            && let Some(first) = missed
            && let Some(passed) = calendar.passed(first, now.wall)
            && let Some(open) = timing.open().next_open(now.wall)
        {
            self.owe(first, passed, open);
        }
        self.last = self.last.map(moved);
        // What ran does not run again: neither with more jitter, nor where the clock was set back a little since.
        let began = |last: Timestamp| last.saturating_sub(self.jitter).is_ok_and(|time| time <= now.wall);
        let ran = self.last.filter(|last| {
            let ahead = now.wall.duration_until(*last);
            ahead.is_positive() && (began(*last) || is_made_up_for(calendar.cron, ahead))
        });
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
