//! The slots to come, for people and for checks: a cadence driven by a clock that jumps from slot to slot.

use std::time::Duration;

use jiff::Timestamp;

use super::{Cadence, Saved, Slot, Taken, Timing};
use crate::clock::{Mono, Now, between, shift};

/// Nobody looks further ahead: ten years.
const FARTHEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// The wall times at which a job would run: hours respected, jitter applied, ten years at most. Runs are taken to last
/// no time and to send no alert.
#[derive(Debug)]
pub struct Upcoming<'a> {
    timing: &'a Timing,
    cadence: Cadence,
    now: Now,
    end: Timestamp,
}

impl Timing {
    /// When the job would run from then on; `seed` and `past` as in [`begin`](Self::begin).
    pub fn upcoming(&self, seed: &str, past: Option<&Saved>, from: Timestamp) -> Upcoming<'_> {
        let now = Now { wall: from, mono: Mono::default() };
        Upcoming { timing: self, cadence: self.begin(seed, past, now), now, end: shift(from, FARTHEST) }
    }

    /// The same, where a due time before `from` is of no interest: without the one of an expected run that has passed and
    /// is still waited for.
    pub fn upcoming_after(&self, seed: &str, past: Option<&Saved>, from: Timestamp) -> Upcoming<'_> {
        let mut upcoming = self.upcoming(seed, past, from);
        let now = Now { wall: from.saturating_sub(Duration::from_nanos(1)).unwrap_or(from), ..upcoming.now };
        upcoming.cadence.wait_no_more(self, Timestamp::MIN, now);
        upcoming
    }

    /// The same from the end of a pause on: what is due in it passes, whoever runs the job.
    pub fn upcoming_after_pause(&self, seed: &str, saved: Saved, until: Timestamp) -> Upcoming<'_> {
        let passed = self.passed_until(seed, saved, Now { wall: until, mono: Mono::default() });
        self.upcoming_after(seed, Some(&passed), until)
    }

    /// A job's place in its schedule, when everything that was due until then has passed without a run.
    pub fn passed_until(&self, seed: &str, saved: Saved, then: Now) -> Saved {
        let mut cadence = self.begin(seed, Some(&saved), then);
        match cadence.pass(self, then) {
            Taken::NotYet => saved,
            _ => cadence.save(then),
        }
    }
}

impl Upcoming<'_> {
    /// A due time of a run that something else starts: runs are taken to come when they are due.
    fn expected(&mut self, slot: Slot) -> Option<Timestamp> {
        let due = slot.scheduled;
        if due > self.end {
            return None;
        }
        let ahead = between(self.now.wall, due);
        self.now = Now { wall: self.now.wall.max(due), mono: self.now.mono + ahead };
        self.cadence.came(self.timing, due, self.now);
        Some(due)
    }
}

impl Timing {
    /// Until when a burst pauses that is over: after its last alert, or from its last run to the next.
    pub fn pauses(&self, past: &Saved, now: Timestamp) -> Option<Timestamp> {
        let burst = self.burst()?;
        let after_alerts = past.pause_until();
        let between_runs = || {
            let (last, next) = (past.last()?, past.next()?);
            // The grid may be shifted by less than a millisecond.
            let paused = between(last, next) + Duration::from_millis(1) >= burst.pause;
            Some(next).filter(|_| paused && burst.pause > burst.pulse.every)
        };
        after_alerts.or_else(between_runs).filter(|until| *until > now)
    }
}

impl Iterator for Upcoming<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        loop {
            let slot = self.cadence.slot()?;
            if self.timing.runs_elsewhere() {
                return self.expected(slot);
            }
            let mono = slot.mono(self.now).max(self.now.mono);
            self.now = Now { wall: shift(self.now.wall, mono - self.now.mono), mono };
            if self.now.wall > self.end {
                return None;
            }
            match self.cadence.take(self.timing, self.now) {
                Taken::Run { .. } => {
                    self.cadence.finished(self.timing, self.now);
                    return Some(self.now.wall);
                }
                Taken::Outside => {}
                Taken::NotYet | Taken::Absent(_) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use crate::clock::{Mono, Now, shift};
    use crate::schedule::{Expect, Expected, Schedule, Timing};

    #[test]
    fn expected_runs_are_counted_once_in_whichever_quarter_of_an_hour_they_are() {
        let expect = Expect { times: Expected::Every(Duration::from_secs(60)), grace: Duration::from_secs(600) };
        let timing = Timing::new(Schedule::Expect(Box::new(expect)), TimeZone::UTC);
        let start: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let now = Now { wall: start, mono: Mono::default() };
        let saved = timing.begin("job@host", None, now).save(now);
        for hours in [0, 1, 6, 23] {
            let begin = shift(start, Duration::from_secs(3_600 * hours + 30));
            let end = shift(begin, Duration::from_secs(900));
            let times = timing.upcoming_after("job@host", Some(&saved), begin).take_while(|at| *at < end);
            let times: Vec<Timestamp> = times.collect();
            assert_eq!(times.len(), 15, "{hours}");
            assert!(times[0] >= begin, "{hours}: {times:?}");
        }
    }
}
