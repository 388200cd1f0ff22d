//! How late it surely is, for deciding what is old enough to be deleted. Pure.
//!
//! Before it: both clocks. After it: [`Retention`](super::retention::Retention). A wall clock that is ahead (a machine that
//! booted with a wrong date, a mistake by hand) must not delete the history: time passes here as the stop-watch says, and
//! a wall clock that is ahead of that is believed when it has been steady for [`PROOF`]. One that is behind is believed at
//! once: deleting too late does no harm.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Mono, Now, shift};

/// A wall clock that was not set for this long is right: by then time synchronization has found the machine.
const PROOF: Duration = Duration::from_secs(3600);

/// The wall clock moves against the stop-watch by its discipline; a difference above this is a step.
const STEP: Duration = Duration::from_secs(2);

/// The time as far as it can be trusted.
#[derive(Debug)]
pub(super) struct TrustedTime {
    time: Timestamp,
    seen: Option<Now>,
    steady_since: Mono,
}

impl TrustedTime {
    /// Begins with the latest time that is known to have passed: when the last run ended.
    pub(super) fn new(last: Timestamp) -> Self {
        Self { time: last, seen: None, steady_since: Mono::default() }
    }

    /// What was believed last.
    pub(super) fn last(&self) -> Timestamp {
        self.time
    }

    /// Both clocks were read.
    pub(super) fn advance(&mut self, now: Now) -> Timestamp {
        let Some(before) = self.seen.replace(now) else {
            self.steady_since = now.mono;
            self.time = self.time.min(now.wall);
            return self.time;
        };
        let passed = now.mono - before.mono;
        if now.wall.duration_since(shift(before.wall, passed)).unsigned_abs() > STEP {
            self.steady_since = now.mono;
        }
        let surely = shift(self.time, passed);
        let believed = now.wall <= surely || now.mono - self.steady_since >= PROOF;
        self.time = if believed { now.wall } else { surely };
        self.time
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::TrustedTime;
    use crate::clock::{Mono, Now};

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn now(mono: u64, wall: i64) -> Now {
        Now { mono: Mono(Duration::from_secs(mono)), wall: at(wall) }
    }

    #[test]
    fn a_clock_that_is_ahead_for_a_while_ages_nothing() {
        let mut time = TrustedTime::new(at(1_000));
        assert_eq!(time.advance(now(0, 1_000)), at(1_000));
        assert_eq!(time.advance(now(10, 1_010 + 60 * DAY)), at(1_010), "60 days ahead");
        assert_eq!(time.advance(now(15, 1_015 + 60 * DAY)), at(1_015));
        assert_eq!(time.advance(now(20, 1_020)), at(1_020), "and back");
        assert_eq!(time.advance(now(30, 1_030)), at(1_030));
    }

    #[test]
    fn a_boot_with_a_date_in_the_future_ages_nothing_before_the_clock_has_proved_itself() {
        let mut time = TrustedTime::new(at(1_000));
        assert_eq!(time.advance(now(0, 60 * DAY)), at(1_000));
        assert_eq!(time.advance(now(3_599, 60 * DAY + 3_599)), at(4_599));
        assert_eq!(time.advance(now(3_600, 60 * DAY + 3_600)), at(60 * DAY + 3_600), "an hour without a step");
        // Each step begins the proof anew.
        assert_eq!(time.advance(now(3_700, 90 * DAY)), at(60 * DAY + 3_700));
        assert_eq!(time.advance(now(7_200, 90 * DAY + 3_500)), at(60 * DAY + 7_200));
        assert_eq!(time.advance(now(7_300, 90 * DAY + 3_600)), at(90 * DAY + 3_600));
    }

    #[test]
    fn a_clock_that_falls_back_is_believed_at_once_and_so_is_one_behind_the_last_run() {
        let mut time = TrustedTime::new(at(90 * DAY));
        assert_eq!(time.advance(now(0, DAY)), at(DAY), "the last run carries a time to come");
        assert_eq!(time.advance(now(5, 10)), at(10));
        assert_eq!(time.advance(now(6, 11)), at(11));
    }
}
