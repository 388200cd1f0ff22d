//! How many alerts a job may send: `rate_limit`, decided by governor on a state of ours.
//!
//! governor's own limiter keeps its state in memory and starts full after each restart; a job that restarts the daemon,
//! say, would never be limited. So the state (GCRA's one number, the "theoretical arrival time") lives in `Health`, on
//! the wall clock, and governor is given it for one decision at a time: same algorithm, durable state.

use std::cell::Cell;
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::document::Rate;

/// What is remembered of a rate: when its budget will be whole again, in nanoseconds since 1970; 0 when nothing was
/// used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Budget(u64);

/// Nanoseconds since 1970 that both u64 and governor's arithmetic carry: the year 2255.
const LATEST: u64 = 9_000_000_000 * 1_000_000_000;

impl Budget {
    /// The wall clock was set, by so much.
    pub(super) fn clock_stepped(&mut self, by: SignedDuration) {
        if self.0 > 0 {
            let moved = i128::from(self.0) + by.as_nanos();
            self.0 = u64::try_from(moved).unwrap_or_default().min(LATEST);
        }
    }

    /// From when on an alert may be sent at the earliest, where that is later than `at`. Nothing is taken.
    pub(super) fn allows(mut self, rate: Rate, at: Timestamp) -> Option<Timestamp> {
        self.take(rate, at).err()
    }

    /// Takes one alert, or says from when on one may be sent. A whole budget carries `rate.count` alerts at once, and
    /// grows back evenly.
    pub(super) fn take(&mut self, rate: Rate, now: Timestamp) -> Result<(), Timestamp> {
        let each = rate.per.checked_div(rate.count.get()).unwrap_or_default().max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).expect("the period is at least a nanosecond").allow_burst(rate.count);
        let now = nanos(now);
        let whole = u64::try_from(rate.per.as_nanos()).unwrap_or(LATEST);
        // Taking alone never gets further ahead than the whole budget. A little further: the clock was corrected, or
        // the limit changed, and the budget counts as used up. Much further: the clock was wrong, and nothing counts.
        let most = now.saturating_add(whole);
        let known = if self.0 > most.saturating_add(whole) { 0 } else { self.0.min(most) };
        let store = Store(Cell::new(known));
        let time = Fixed { now: Cell::new(0) };
        let limiter = RateLimiter::<NotKeyed, _, _, NoOpMiddleware<At>>::new(quota, &store, &time);
        time.now.set(now);
        let answer = limiter.check().map_err(|not| stamp(not.earliest_possible().0));
        self.0 = store.0.get();
        answer
    }
}

/// The state, lent to governor for one decision.
struct Store(Cell<u64>);

impl StateStore for &Store {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _: &Self::Key, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let known = Some(self.0.get()).filter(|budget| *budget > 0).map(Nanos::new);
        let (answer, budget) = f(known)?;
        self.0.set(budget.as_u64());
        Ok(answer)
    }
}

/// A clock that shows what it is set to. It shows 0 while the limiter is made, which therefore counts from 1970.
struct Fixed {
    now: Cell<u64>,
}

/// A time on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At(u64);

impl Clock for &Fixed {
    type Instant = At;

    fn now(&self) -> At {
        At(self.now.get())
    }
}

impl std::ops::Add<Nanos> for At {
    type Output = Self;

    fn add(self, by: Nanos) -> Self {
        Self(self.0.saturating_add(by.as_u64()))
    }
}

impl Reference for At {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Nanos::new(self.0.saturating_sub(earlier.0))
    }

    fn saturating_sub(&self, by: Nanos) -> Self {
        Self(self.0.saturating_sub(by.as_u64()))
    }
}

fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanosecond()).unwrap_or(0).min(LATEST)
}

fn stamp(nanos: u64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::Budget;
    use crate::clock::shift;
    use crate::document::parse_rate;

    fn at(seconds: u64) -> Timestamp {
        shift("2026-11-23T07:00:00Z".parse().expect("a time"), Duration::from_secs(seconds))
    }

    #[test]
    fn twenty_an_hour_are_twenty_at_once_and_then_one_every_three_minutes() {
        let rate = parse_rate("20/h").expect("a rate");
        let mut budget = Budget::default();
        for _ in 0..20 {
            assert_eq!(budget.take(rate, at(0)), Ok(()));
        }
        assert_eq!(budget.take(rate, at(0)), Err(at(180)));
        assert_eq!(budget.take(rate, at(179)), Err(at(180)));
        assert_eq!(budget.take(rate, at(180)), Ok(()));
        assert_eq!(budget.take(rate, at(181)), Err(at(360)));
        assert_eq!(budget.take(rate, at(360)), Ok(()));
    }

    #[test]
    fn a_clock_that_was_wrong_by_years_does_not_silence_a_job_for_years() {
        let rate = parse_rate("1/h").expect("a rate");
        let mut budget = Budget::default();
        assert_eq!(budget.take(rate, "2099-01-01T00:00:00Z".parse().expect("a time")), Ok(()));
        assert_eq!(budget.take(rate, at(0)), Ok(()));
        assert_eq!(budget.take(rate, at(1)), Err(at(3_600)));
        let day = parse_rate("1/d").expect("a rate");
        assert_eq!(budget.take(day, at(3_600)), Ok(()));
        assert_eq!(budget.take(rate, at(85_000)), Err(at(88_600)));
        for extreme in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            let _ = Budget::default().take(rate, extreme);
        }
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_the_budget_and_what_grew_back(
            count in 1u32..30, per in 1u64..5_000, gaps in prop::collection::vec(0u64..600, 1..200), window in 1u64..5_000,
        ) {
            let rate = parse_rate(&format!("{count}/{per}s")).expect("a rate");
            let (mut budget, mut now, mut sent) = (Budget::default(), 0, Vec::new());
            for gap in gaps {
                now += gap;
                match budget.take(rate, at(now)) {
                    Ok(()) => sent.push(now),
                    Err(next) => prop_assert!(next > at(now)),
                }
            }
            for from in &sent {
                let within = sent.iter().filter(|at| (*from..from + window).contains(at)).count() as u64;
                prop_assert!(within <= u64::from(count) + window * u64::from(count) / per + 1);
            }
        }
    }
}
