//! The part of a cadence that is `every` and `burst`: a grid on the monotonic clock, reckoned in wall times as both
//! clocks stand now, which is exact, and turned back.

use std::time::Duration;

use jiff::Timestamp;

use super::super::slots::Passed;
use super::super::{Burst, CatchUp, Every, EveryFrom, FirstRun, Limit, Timing};
use super::{Cadence, Due, Saved, Slot, to_mono, to_wall};
use crate::clock::{Now, between, shift};

impl Cadence {
    pub(super) fn begin_interval(&mut self, timing: &Timing, pulse: Every, past: Option<&Saved>, now: Now) {
        let wait = if pulse.first_run == FirstRun::Wait { pulse.every } else { Duration::ZERO };
        let fresh = shift(now.wall, wait + self.jitter);
        let Some((past, slot)) = past.and_then(|past| Some((past, self.resume(timing, pulse, past, now)?))) else {
            return self.place(timing, pulse, fresh, now);
        };
        // Job files change: times move by the difference that another jitter makes.
        let slot = shift(slot, self.jitter.saturating_sub(past.jitter));
        let slot = slot.saturating_sub(past.jitter.saturating_sub(self.jitter)).unwrap_or(slot);
        let farthest = shift(now.wall, pulse.every.max(timing.burst().map_or(wait, |burst| burst.pause)) + self.jitter);
        let slot = if slot > farthest {
            // The clock was set back while nobody looked: the grid stays, its next slot is less than a step away.
            let steps = between(now.wall, slot).as_nanos() % pulse.every.as_nanos().max(1);
            shift(now.wall, Duration::from_nanos(u64::try_from(steps).unwrap_or(0)))
        } else {
            slot
        };
        // Nothing was planned while a run was going, or while the job was not enabled.
        let missed = past.next.map_or(pulse.from == EveryFrom::Finish, |next| next <= now.wall);
        if missed
            && timing.catch_up == CatchUp::Once
            && let Some(passed) = timing.grid(pulse).passed(slot, now.wall)
            && timing.open().contains(now.wall)
        {
            self.owe(slot, passed, now.wall);
        }
        self.set_grid(timing, pulse, slot, now);
    }

    /// The slot that follows what was saved, be it over or not; `None` when nothing is known.
    fn resume(&mut self, timing: &Timing, pulse: Every, past: &Saved, now: Now) -> Option<Timestamp> {
        let next_to_last = past.last.map(|last| shift(last, pulse.every));
        let plain = match pulse.from {
            EveryFrom::Start => next_to_last.or(past.next),
            EveryFrom::Finish => past.next.or(next_to_last),
        };
        let Some(Burst { limit, pause, .. }) = timing.burst().copied() else { return plain };
        match limit {
            Limit::Runs(limit) if past.runs > 0 && past.runs < limit => {
                self.runs = past.runs;
                plain
            }
            // Between two bursts, or at the end of one that has since become shorter.
            Limit::Runs(_) => past.last.map(|last| shift(last, pause.max(pulse.every))).or(past.next),
            Limit::Alerts(limit) => {
                self.alerts = past.alerts.min(limit.saturating_sub(1));
                let Some(until) = past.pause_until.map(|until| until.min(shift(now.wall, pause))) else { return plain };
                self.pause_until = Some(to_mono(until, now));
                plain.map(|slot| slot.max(until))
            }
        }
    }

    pub(super) fn take_interval(&mut self, timing: &Timing, pulse: Every, slot: Slot, open: bool, now: Now) -> Passed {
        let grid = timing.grid(pulse);
        let first = match slot.due {
            Due::Mono(at) => to_wall(at, now),
            Due::Wall(at) => at,
        };
        let floor = grid.floor(first, now.wall);
        let mut passed = grid.passed(first, now.wall).unwrap_or(Passed { latest: floor, count: 1 });
        if let Some(Burst { limit: Limit::Runs(limit), .. }) = timing.burst() {
            // Only so many runs of the burst were left to miss.
            passed.count = passed.count.min(limit.saturating_sub(self.runs).max(1));
        }
        self.last = Some(floor);
        self.set_grid(timing, pulse, shift(floor, pulse.every), now);
        if open {
            self.run_begins(timing, pulse, now);
        }
        passed
    }

    /// A run begins: with the last one of a burst the pause does, counted from its slot.
    pub(super) fn run_begins(&mut self, timing: &Timing, pulse: Every, now: Now) {
        if let Some(Burst { limit: Limit::Runs(limit), pause, .. }) = timing.burst() {
            self.runs += 1;
            if self.runs >= *limit {
                self.runs = 0;
                let slot = self.last.unwrap_or(now.wall);
                return self.set_grid(timing, pulse, shift(slot, pulse.every.max(*pause)), now);
            }
        }
        self.waits_for_end(pulse);
    }

    /// Measured from the finish, nothing is due before the run has ended.
    pub(super) fn waits_for_end(&mut self, pulse: Every) {
        if pulse.from == EveryFrom::Finish {
            (self.next, self.waiting) = (None, true);
        }
    }

    /// The grid goes through `slot`, and its next slot is the first one after now.
    pub(super) fn set_grid(&mut self, timing: &Timing, pulse: Every, slot: Timestamp, now: Now) {
        let slot = timing.grid(pulse).after(slot, now.wall);
        self.place(timing, pulse, slot, now);
    }

    /// The next slot is this one, or the first one after it that is open.
    fn place(&mut self, timing: &Timing, pulse: Every, slot: Timestamp, now: Now) {
        self.grid = to_mono(slot, now);
        let open = timing.grid(pulse).first_open(slot);
        self.next = open.map(|slot| Slot { due: Due::Mono(to_mono(slot, now)), scheduled: slot });
    }

    /// Slots stay where they are on the monotonic clock; which of them are open has changed.
    pub(super) fn step_interval(&mut self, timing: &Timing, pulse: Every, before: Timestamp, now: Now) {
        let move_along = |at: Timestamp| at.saturating_add(now.wall.duration_since(before)).unwrap_or(at);
        self.last = self.last.map(move_along);
        if let Some(owed) = &mut self.owed {
            owed.first = move_along(owed.first);
            owed.passed.latest = move_along(owed.passed.latest);
        }
        self.postpone(timing, now);
        match &mut self.next {
            // Due already: it is taken as it stands.
            Some(slot) if slot.is_due(now) => slot.scheduled = move_along(slot.scheduled),
            _ if self.waiting => {}
            _ if self.grid > now.mono => self.place(timing, pulse, to_wall(self.grid, now), now),
            _ => self.set_grid(timing, pulse, to_wall(self.grid, now), now),
        }
    }
}
