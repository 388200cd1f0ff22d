//! The slots of a schedule as a sequence of instants, those outside working hours left out. Pure arithmetic; before it:
//! `cron` and `hours`; after it: the cadence.
//!
//! Each question costs a bounded number of steps: a grid is entered by division, hours by their next opening.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::TICK;
use super::{Cron, Hours};
use crate::clock::{between, shift};

/// Openings of the hours that are tried before a schedule counts as one that never runs: ten years of days.
const OPENINGS: usize = 3_700;

/// Slots of a calendar that are counted one by one when they have passed; what is above is not counted.
const COUNTED: u32 = 100;

/// Working hours, with their zone; without hours it is always open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'a> {
    pub(super) hours: Option<&'a Hours>,
    pub(super) zone: &'a TimeZone,
}

/// Slots that have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// The last of them.
    pub(super) latest: Timestamp,
    /// How many there are, one or more.
    pub(super) count: u32,
}

/// Equal distances through a given instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid<'a> {
    pub(super) every: Duration,
    pub(super) open: Open<'a>,
}

/// A calendar's instants, each shifted by the job's jitter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar<'a> {
    pub(super) cron: &'a Cron,
    pub(super) jitter: Duration,
    pub(super) open: Open<'a>,
}

impl Open<'_> {
    pub(super) fn contains(self, at: Timestamp) -> bool {
        self.hours.is_none_or(|hours| hours.contains(at, self.zone))
    }

    pub(super) fn next_open(self, at: Timestamp) -> Option<Timestamp> {
        self.hours.map_or(Some(at), |hours| hours.next_open(at, self.zone))
    }

    fn next_close(self, at: Timestamp) -> Timestamp {
        self.hours.and_then(|hours| hours.next_close(at, self.zone)).unwrap_or(Timestamp::MAX)
    }
}

impl Grid<'_> {
    /// The first slot of the grid through `slot` that is strictly later than `now` and not before `slot`.
    pub(super) fn after(&self, slot: Timestamp, now: Timestamp) -> Timestamp {
        if slot > now { slot } else { self.step(slot, self.steps(slot, now) + 1) }
    }

    /// The last slot of the grid through `slot` at or before `now`, which is not before `slot`.
    pub(super) fn floor(&self, slot: Timestamp, now: Timestamp) -> Timestamp {
        self.step(slot, self.steps(slot, now))
    }

    /// The first slot of the grid at or after `slot` that is open; `None` when there is none in years.
    pub(super) fn first_open(&self, slot: Timestamp) -> Option<Timestamp> {
        let mut slot = slot;
        for _ in 0..OPENINGS {
            let open = self.open.next_open(slot)?;
            if open == slot {
                return Some(slot);
            }
            slot = self.after(slot, before(open));
        }
        None
    }

    /// The open slots from `first` to `now`.
    pub(super) fn passed(&self, first: Timestamp, now: Timestamp) -> Option<Passed> {
        let (mut from, mut count, mut latest) = (first, 0_u128, None);
        for _ in 0..OPENINGS {
            let Some(slot) = self.first_open(from).filter(|slot| *slot <= now) else { break };
            let steps = self.steps(slot, now.min(before(self.open.next_close(slot))));
            let last = self.step(slot, steps);
            (from, count, latest) = (self.step(last, 1), count + steps + 1, Some(last));
        }
        latest.map(|latest| Passed { latest, count: count.try_into().unwrap_or(u32::MAX) })
    }

    /// How many whole steps lie between two instants; none when the second is the earlier.
    fn steps(&self, from: Timestamp, to: Timestamp) -> u128 {
        between(from, to).as_nanos() / self.every.as_nanos().max(1)
    }

    fn step(&self, from: Timestamp, steps: u128) -> Timestamp {
        let nanos = self.every.as_nanos().saturating_mul(steps);
        shift(
            from,
            u64::try_from(nanos / 1_000_000_000).map_or(Duration::MAX, |seconds| {
                let rest = u32::try_from(nanos % 1_000_000_000).expect("a remainder by 10^9 fits 32 bits");
                Duration::new(seconds, rest)
            }),
        )
    }
}

impl Calendar<'_> {
    /// The first slot strictly later than `after` that is open; `None` when there is none in ten years.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let end = after.saturating_add(SignedDuration::from_hours(24 * 366 * 10)).ok()?;
        let mut after = after;
        while after <= end {
            let base = after.saturating_sub(self.jitter).ok()?;
            let slot = shift(self.cron.next_after(base, self.open.zone)?, self.jitter);
            let open = self.open.next_open(slot)?;
            if open == slot {
                return Some(slot);
            }
            after = before(open);
        }
        None
    }

    /// Whether this is one of its slots.
    pub(super) fn has(&self, at: Timestamp) -> bool {
        self.next(before(at)) == Some(at)
    }

    /// The slots from `first`, which is one, to `now`. The count goes no further than [`COUNTED`].
    pub(super) fn passed(&self, first: Timestamp, now: Timestamp) -> Option<Passed> {
        let mut passed = Passed { latest: Some(first).filter(|first| *first <= now)?, count: 1 };
        while let Some(slot) = self.next(passed.latest).filter(|slot| *slot <= now) {
            if passed.count == COUNTED {
                passed.latest = self.latest(slot, now);
                break;
            }
            passed = Passed { latest: slot, count: passed.count + 1 };
        }
        Some(passed)
    }

    /// The last slot at or before `now`; `known` is one. Looks back twice as far until there is one, then goes on to
    /// the last.
    fn latest(&self, known: Timestamp, now: Timestamp) -> Timestamp {
        let mut back = SignedDuration::from_mins(1);
        let mut latest = known;
        while let Ok(from) = now.checked_sub(back)
            && from > known
        {
            match self.next(from).filter(|slot| *slot <= now) {
                Some(slot) => {
                    latest = slot;
                    break;
                }
                None => back = back.saturating_mul(2),
            }
        }
        while let Some(slot) = self.next(latest).filter(|slot| *slot <= now) {
            latest = slot;
        }
        latest
    }
}

/// The instant just before.
fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(TICK).unwrap_or(Timestamp::MIN)
}
