//! The runs that lie ahead of a cadence, for whoever says when something can come of one. Pure.

use jiff::Timestamp;

use super::super::{Burst, Limit, Schedule, Timing};
use super::{Cadence, Saved, to_wall};
use crate::clock::{Mono, Now, between, shift};

/// A burst of runs is followed run by run; one with more until then is not followed to its end.
const STEPS: usize = 1_000;

/// The runs of a job, as far as its schedule has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Ahead {
    timing: Timing,
    cadence: Cadence,
    now: Now,
}

/// The first run at or after a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRun {
    /// Then.
    At(Timestamp),
    /// At no time of its own.
    Never,
    /// It may come at any time: something else starts it.
    AnyTime,
}

impl Cadence {
    /// What lies ahead of it now.
    pub fn ahead(&self, timing: &Timing, now: Now) -> Ahead {
        Ahead { timing: timing.clone(), cadence: self.clone(), now }
    }
}

impl Timing {
    /// What lies ahead of what was saved of a cadence.
    pub fn ahead(&self, saved: &Saved, wall: Timestamp) -> Ahead {
        let now = Now { wall, mono: Mono::default() };
        self.begin_shifted(saved.jitter, Some(saved), now).ahead(self, now)
    }
}

impl Ahead {
    /// The first run at or after `from`. While the job is `paused` its due times pass; where an alert is `told` now, that counts
    /// in a burst of alerts.
    pub fn first(&self, from: Timestamp, paused: Option<Timestamp>, told: bool) -> NextRun {
        let Self { timing, now, .. } = self;
        let mut cadence = self.cadence.clone();
        if told {
            cadence.alerted(timing, *now);
        }
        let from = paused.map_or(from, |until| from.max(until));
        let follows = timing.runs_elsewhere() || timing.after().is_some() || cadence.waiting;
        let Some(slot) = cadence.slot() else { return if follows { NextRun::AnyTime } else { NextRun::Never } };
        if follows {
            return NextRun::AnyTime;
        }
        let slot = slot.wall(*now);
        if slot >= from {
            return NextRun::At(slot);
        }
        let just_before = from.saturating_sub(std::time::Duration::from_nanos(1)).unwrap_or(from);
        let at = match &timing.schedule {
            // A burst of alerts goes on until one is sent.
            Schedule::Every(pulse) | Schedule::Burst(Burst { pulse, limit: Limit::Alerts(_), .. }) => {
                let grid = timing.grid(*pulse);
                grid.first_open(grid.after(to_wall(cadence.grid, *now), just_before))
            }
            Schedule::Cron(_) => timing.calendar(cadence.jitter).and_then(|calendar| calendar.next(just_before)),
            Schedule::Burst(Burst { limit: Limit::Runs(_), .. }) => cadence.first_of_burst(timing, from, paused, *now),
            Schedule::Reboot | Schedule::Expect(_) | Schedule::After(_) => None,
        };
        at.map_or(NextRun::Never, NextRun::At)
    }

    /// The first time at or after `from` at which an expected run that goes on not to come is missing. While the job is `paused`
    /// its due times pass.
    pub fn first_missing(&self, from: Timestamp, paused: Option<Timestamp>) -> NextRun {
        let Self { timing, cadence, now } = self;
        let at = timing.expect().and_then(|expect| cadence.first_missing(timing, expect, (from, paused), *now));
        at.map_or(NextRun::AnyTime, NextRun::At)
    }
}

impl Cadence {
    fn first_of_burst(
        &mut self,
        timing: &Timing,
        from: Timestamp,
        paused: Option<Timestamp>,
        mut now: Now,
    ) -> Option<Timestamp> {
        for _ in 0..STEPS {
            let slot = self.slot()?;
            let at = slot.wall(now);
            if at >= from {
                return Some(at);
            }
            let mono = slot.mono(now).max(now.mono);
            now = Now { wall: shift(now.wall, mono - now.mono), mono };
            match paused.is_some_and(|until| between(at, until) > std::time::Duration::ZERO) {
                true => _ = self.pass(timing, now),
                false => _ = self.take(timing, now),
            }
            self.finished(timing, now);
        }
        Some(from)
    }
}
