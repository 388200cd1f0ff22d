//! One job's place in its schedule: which slot is next, and what a slot, an alert or a set clock changes about it.
//!
//! Before it: [`Timing`] and what was [`Saved`]. After it: the dispatcher, which waits for [`Cadence::slot`], calls
//! [`Cadence::take`], and saves.
//!
//! Invariants. An interval's slots lie on one grid of the monotonic clock, whatever is late, closed or set. A slot that
//! was taken is never given again. `slot` skips what is closed, so that nobody wakes for it. Slots that pass unused are
//! coalesced into one run, and counted.

mod ahead;
mod calendar;
mod expected;
mod follows;
mod interval;

use std::hash::Hasher;
use std::time::Duration;

use fnv::FnvHasher;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::ahead::{Ahead, NextRun};
use super::slots::{Calendar, Grid, Open, Passed};
use super::{AtStart, Burst, CatchUp, Every, Limit, Schedule, Timing};
use crate::clock::{Mono, Now, between, shift};
use crate::id::JobName;

/// What the clocks differ by is less than this, unless one of them was set.
const SAME: Duration = Duration::from_millis(1);

/// A time at which a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When, on the clock that counts for it.
    pub due: Due,
    /// The wall time that it stands for, as told to the command and in messages.
    pub scheduled: Timestamp,
}

/// A point on one of the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// On the monotonic clock: intervals.
    Mono(Mono),
    /// On the wall clock: calendars, and what is owed.
    Wall(Timestamp),
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The job is to run, once.
    Run {
        /// The slot it runs for: the latest of those that passed.
        scheduled: Timestamp,
        /// How many slots before this one passed unused and are made up for by this run. An interval's are all counted,
        /// a calendar's up to a hundred.
        missed: u32,
        /// How long after its slot.
        late: Duration,
    },
    /// A run that something else starts did not come in time.
    Absent(Absent),
    /// It is outside working hours now; the slot has passed. Only a clock that was set, or a late wake-up, leads here.
    Outside,
    /// Nothing is due.
    NotYet,
}

/// An expected run that did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The due time that it did not come for: the latest of those that passed.
    pub due: Timestamp,
    /// How late it may be.
    pub grace: Duration,
    /// How many due times passed before this one without a run, since the last look.
    pub missed: u32,
    /// When the last run came, if one ever did.
    pub seen: Option<Timestamp>,
}

/// What is kept of a cadence on disk, in wall times, since the monotonic clock begins anew with each boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The last slot that passed, with a run or without.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Timestamp>,
    /// The slot that was next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Timestamp>,
    /// Runs of the burst so far.
    #[serde(skip_serializing_if = "is_zero")]
    runs: u32,
    /// Alerts of the burst so far.
    #[serde(skip_serializing_if = "is_zero")]
    alerts: u32,
    /// Until when the burst pauses after its last alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_until: Option<Timestamp>,
    /// The boot of the machine after which the job has run, where it runs once after each.
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    /// Jobs whose runs have ended since its own last run began, where it follows others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<JobName>,
    /// The shift by jitter that is in these times.
    #[serde(skip_serializing_if = "Duration::is_zero")]
    jitter: Duration,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// One job's place in its schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Cadence {
    /// The next slot that is open.
    next: Option<Slot>,
    /// An interval's next slot, open or not; the grid goes through it.
    grid: Mono,
    /// A slot that passed and is still to be run; boxed, since it is rare and jobs are many.
    owed: Option<Box<Owed>>,
    /// The last slot that passed.
    last: Option<Timestamp>,
    /// This job's own shift.
    jitter: Duration,
    runs: u32,
    alerts: u32,
    pause_until: Option<Mono>,
    /// `every_from = "finish"`: a run is going, and its end sets the next slot.
    waiting: bool,
    /// Ends of the runs that it follows; boxed, since few jobs follow others.
    ends: Option<Box<follows::Ends>>,
    /// Something else runs the job: the next slot is due when its grace is over.
    expects: bool,
    /// As in [`Saved`].
    boot: Option<Box<str>>,
}

/// A run that is to be made up for.
#[derive(Clone, Debug, PartialEq)]
struct Owed {
    /// The earliest slot that it makes up for.
    first: Timestamp,
    passed: Passed,
    /// Not before; the hours may be closed until then.
    from: Timestamp,
    /// The boot during which the daemon started, where that is why it is owed.
    started: Option<Box<str>>,
}

impl Slot {
    /// When it is, on the monotonic clock: at once, when it has passed.
    pub fn mono(&self, now: Now) -> Mono {
        match self.due {
            Due::Mono(at) => at,
            Due::Wall(at) => now.mono + between(now.wall, at),
        }
    }

    /// When it is, on the wall clock, and at once when it has passed: the same from one look to the next. The two clocks are read
    /// one after the other, so that they differ by some nanoseconds each time.
    pub fn wall(&self, now: Now) -> Timestamp {
        let at = to_wall(self.mono(now).max(now.mono), now);
        let apart = at.duration_since(self.scheduled).unsigned_abs();
        if apart < SAME { self.scheduled } else { at.round(jiff::Unit::Millisecond).unwrap_or(at) }
    }

    /// How long ago it was.
    fn late(&self, now: Now) -> Duration {
        match self.due {
            Due::Mono(at) => now.mono - at,
            Due::Wall(at) => between(at, now.wall),
        }
    }

    fn is_due(&self, now: Now) -> bool {
        match self.due {
            Due::Mono(at) => at <= now.mono,
            Due::Wall(at) => at <= now.wall,
        }
    }
}

impl Timing {
    /// A job's cadence from now on. `seed` (job name and host) fixes its jitter; `past` is what was saved of it, by this
    /// process or one before. A job that is not enabled is never due.
    pub fn begin(&self, seed: &str, past: Option<&Saved>, now: Now) -> Cadence {
        self.begin_shifted(shift_by_jitter(seed, self.jitter), past, now)
    }

    fn begin_shifted(&self, jitter: Duration, past: Option<&Saved>, now: Now) -> Cadence {
        let mut cadence = Cadence {
            next: None,
            grid: now.mono,
            owed: None,
            last: past.and_then(|past| past.last),
            jitter,
            runs: 0,
            alerts: 0,
            pause_until: None,
            waiting: false,
            ends: None,
            expects: self.runs_elsewhere(),
            boot: past.and_then(|past| past.boot.as_deref()).map(Into::into),
        };
        if self.enabled {
            match (self.pulse(), self.expect()) {
                _ if self.after().is_some() => cadence.begin_after(self, past, now),
                (Some(pulse), _) => cadence.begin_interval(self, pulse, past, now),
                (None, Some(expect)) => cadence.begin_expected(self, expect, past, now),
                (None, None) => cadence.begin_calendar(self, past, now),
            }
        }
        cadence
    }

    pub(super) fn open(&self) -> Open<'_> {
        Open { hours: self.hours.as_ref(), zone: &self.zone }
    }

    fn grid(&self, pulse: Every) -> Grid<'_> {
        Grid { every: pulse.every, open: self.open() }
    }

    fn calendar(&self, jitter: Duration) -> Option<Calendar<'_>> {
        match &self.schedule {
            Schedule::Cron(cron) => Some(Calendar { cron, jitter, open: self.open() }),
            _ => None,
        }
    }
}

impl Cadence {
    /// The next slot. `None`: never, or not before the run that is going has [`finished`](Self::finished).
    pub fn slot(&self) -> Option<Slot> {
        match &self.owed {
            Some(owed) => Some(Slot { due: Due::Wall(owed.from), scheduled: owed.passed.latest }),
            None => self.next,
        }
    }

    /// It has never been due, and what it waits for is reckoned from when it was seen first. A calendar needs such a memory
    /// only where missed runs are made up for: the first one may be missed, too.
    pub fn waits_for_first(&self, timing: &Timing, now: Now) -> bool {
        let makes_up = timing.catch_up == CatchUp::Once && matches!(timing.schedule, Schedule::Cron(_));
        let counts = timing.pulse().is_some() || timing.expect().is_some() || makes_up;
        counts && self.last.is_none() && self.slot().is_some_and(|slot| !slot.is_due(now))
    }

    /// Takes what is due and moves on; called at or after the slot. Everything that passed becomes one run.
    pub fn take(&mut self, timing: &Timing, now: Now) -> Taken {
        if let Some(expect) = timing.expect() {
            return self.take_expected(timing, expect, now);
        }
        if timing.after().is_some() {
            return self.take_after(timing, now);
        }
        let mut at_start = false;
        let owed = self.owed.take_if(|owed| owed.from <= now.wall).map(|owed| {
            at_start = owed.started.is_some();
            if timing.at_start == AtStart::AfterBoot {
                self.boot = owed.started.or(self.boot.take());
            }
            owed.passed
        });
        let due = self.next.filter(|slot| slot.is_due(now));
        if owed.is_none() && due.is_none() {
            return Taken::NotYet;
        }
        let open = timing.open().contains(now.wall);
        let passed = due.map(|slot| match timing.pulse() {
            Some(pulse) => self.take_interval(timing, pulse, slot, open, now),
            None => self.take_calendar(timing, slot, now),
        });
        if passed.is_none() {
            // Only what was owed: nothing has moved on the grid, and its run counts all the same.
            match timing.pulse() {
                // It is no slot of the grid, and none of the burst: a daemon that starts again goes on from the last one.
                Some(pulse) if at_start => self.waits_for_end(pulse),
                pulse => {
                    self.last = self.last.max(owed.map(|owed| owed.latest));
                    if let Some(pulse) = pulse.filter(|_| open) {
                        self.run_begins(timing, pulse, now);
                    }
                }
            }
        }
        let passed = match (owed, passed) {
            (Some(owed), Some(passed)) => Passed { count: owed.count.saturating_add(passed.count), ..passed },
            (Some(passed), None) | (None, Some(passed)) => passed,
            (None, None) => return Taken::NotYet,
        };
        if !open {
            return Taken::Outside;
        }
        Taken::Run { scheduled: passed.latest, missed: passed.count - 1, late: between(passed.latest, now.wall) }
    }

    /// The same while the job is paused: what is due passes, and a burst keeps its place.
    pub fn pass(&mut self, timing: &Timing, now: Now) -> Taken {
        let runs = self.runs;
        let taken = self.take(timing, now);
        if let (Taken::Run { .. }, Some(pulse)) = (taken, timing.pulse()) {
            (self.runs, self.waiting) = (runs, false);
            let last = self.last.unwrap_or(now.wall);
            self.set_grid(timing, pulse, shift(last, pulse.every), now);
        }
        taken
    }

    /// The due time that was taken last passes without a run after all, as its last run goes on or a place is missing: a burst,
    /// which counts runs, does not count it.
    pub fn not_run(&mut self, timing: &Timing, now: Now) {
        let Some(Burst { pulse, limit: Limit::Runs(limit), .. }) = timing.burst().copied() else { return };
        // At zero it was taken for the last of the burst, and the pause had begun.
        self.runs = if self.runs == 0 { limit.saturating_sub(1) } else { self.runs - 1 };
        if let Some(last) = self.last.filter(|_| !self.waiting) {
            self.set_grid(timing, pulse, shift(last, pulse.every), now);
        }
    }

    /// The daemon has started, on a machine whose present boot has this name: a job that asks for it is due, as soon as its hours
    /// are open. After [`Timing::begin`] at a start, and never at a reload.
    pub fn daemon_started(&mut self, timing: &Timing, boot: &str, now: Now) {
        let asks = match timing.at_start {
            AtStart::Never => false,
            AtStart::Always => true,
            AtStart::AfterBoot => self.boot.as_deref() != Some(boot),
        };
        if !timing.enabled || !asks {
            return;
        }
        // A job that was never seen before is due at once anyhow, or when its jitter is over.
        let first_by =
            if self.last.is_none() && timing.pulse().is_some() { shift(now.wall, self.jitter) } else { now.wall };
        if self.owed.is_some() || self.next.is_some_and(|slot| slot.is_due(now) || slot.scheduled <= first_by) {
            return;
        }
        if let Some(open) = timing.open().next_open(now.wall) {
            self.owe(now.wall, Passed { latest: now.wall, count: 1 }, open);
            self.owed.as_mut().expect("it was put there").started = Some(boot.into());
        }
    }

    /// The job's file has appeared while the daemon runs. One that is to run once after each boot has missed it, and runs now; one
    /// that ran by another schedule before waits for the next boot.
    pub fn appeared(&mut self, timing: &Timing, boot: &str, now: Now) {
        if timing.at_start != AtStart::AfterBoot {
            return;
        }
        match self.boot.is_none() && self.last.is_some() {
            true => self.boot = Some(boot.into()),
            false => self.daemon_started(timing, boot, now),
        }
    }

    /// The job's timing was changed while the daemon runs, which is no start of it: only a run that has waited since the start, for
    /// its hours, is still due.
    pub fn changed(&mut self, before: &Self, timing: &Timing, boot: &str, now: Now) {
        if before.owed.as_ref().is_some_and(|owed| owed.started.is_some()) {
            self.daemon_started(timing, boot, now);
        } else if timing.at_start == AtStart::AfterBoot {
            self.boot = Some(boot.into());
        }
    }

    /// A run has ended. Counts with `every_from = "finish"` only.
    pub fn finished(&mut self, timing: &Timing, now: Now) {
        if let Some(pulse) = timing.pulse().filter(|_| self.waiting) {
            self.waiting = false;
            self.set_grid(timing, pulse, shift(now.wall, pulse.every), now);
        }
    }

    /// How long the burst will pause, when the next alert is its last.
    pub fn pauses_after_next_alert(&self, timing: &Timing) -> Option<Duration> {
        match timing.burst() {
            Some(Burst { limit: Limit::Alerts(limit), pause, .. }) if self.alerts + 1 >= *limit => Some(*pause),
            _ => None,
        }
    }

    /// An alert was sent. Tells whether the burst's pause begins with it.
    pub fn alerted(&mut self, timing: &Timing, now: Now) -> bool {
        let Some(Burst { pulse, limit: Limit::Alerts(limit), pause }) = timing.burst().copied() else { return false };
        if self.paused(now) || !timing.enabled {
            return false;
        }
        self.alerts += 1;
        if self.alerts < limit {
            return false;
        }
        let slot = self.last.unwrap_or(now.wall);
        self.alerts = 0;
        self.waiting = false;
        self.pause_until = Some(now.mono + pause);
        self.set_grid(timing, pulse, shift(now.wall, pause).max(shift(slot, pulse.every)), now);
        true
    }

    /// Whether the burst has sent its last alert and pauses: what runs still in flight would say is not sent.
    pub fn paused(&self, now: Now) -> bool {
        self.pause_until.is_some_and(|until| now.mono < until)
    }

    /// When that pause ends.
    pub fn pause_ends(&self, now: Now) -> Option<Timestamp> {
        self.pause_until.filter(|until| now.mono < *until).map(|until| to_wall(until, now))
    }

    /// The wall clock was set: `before` is what it would show, had it not been; `now` is what it shows. Intervals keep
    /// their grid. A calendar follows the rules of `cadence::calendar`.
    pub fn clock_stepped(&mut self, timing: &Timing, before: Timestamp, now: Now) {
        if !timing.enabled {
            return;
        }
        match (timing.pulse(), timing.expect()) {
            (Some(pulse), _) => self.step_interval(timing, pulse, before, now),
            (None, Some(expect)) => self.step_expected(timing, expect, before, now),
            (None, None) => self.step_calendar(timing, before, now),
        }
    }

    /// What is to be kept of it.
    pub fn save(&self, now: Now) -> Saved {
        let next = self.next.map(|slot| match slot.due {
            _ if self.expects => slot.scheduled,
            Due::Mono(at) => to_wall(at, now),
            Due::Wall(at) => at,
        });
        Saved {
            last: self.last,
            next: self.owed.as_ref().map(|owed| owed.first).or(next),
            runs: self.runs,
            alerts: self.alerts,
            pause_until: self.pause_until.filter(|until| *until > now.mono).map(|until| to_wall(until, now)),
            boot: self.boot.as_deref().map(str::to_owned),
            ended: self.ends.as_deref().map(|ends| ends.jobs.clone()).unwrap_or_default(),
            jitter: self.jitter,
        }
    }

    /// After a change of the wall clock: what is owed is due as soon as it is open.
    fn postpone(&mut self, timing: &Timing, now: Now) {
        if let Some(owed) = &mut self.owed {
            if owed.started.is_some() {
                owed.passed.latest = owed.passed.latest.min(now.wall);
            }
            owed.from = timing.open().next_open(now.wall).unwrap_or(now.wall);
        }
    }

    /// A run is to be made up for, from then on; together with what is owed already.
    fn owe(&mut self, first: Timestamp, passed: Passed, from: Timestamp) {
        let (first, before, started) = match self.owed.take() {
            Some(owed) => (owed.first, owed.passed.count, owed.started),
            None => (first, 0, None),
        };
        let passed = Passed { count: passed.count.saturating_add(before), ..passed };
        self.owed = Some(Box::new(Owed { first, passed, from, started }));
    }
}

impl Saved {
    /// The last slot that passed, with a run or without.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Until when the burst pauses after its last alert.
    pub fn pause_until(&self) -> Option<Timestamp> {
        self.pause_until
    }

    /// The boot of the machine after which the job has run, where it runs once after each.
    pub fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// The slot that was next when this was saved.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }
}

/// Where a wall time lies on the monotonic clock, as both stand now.
fn to_mono(at: Timestamp, now: Now) -> Mono {
    if at >= now.wall {
        now.mono + between(now.wall, at)
    } else {
        Mono(now.mono.0.saturating_sub(between(at, now.wall)))
    }
}

/// What the wall clock shows at a point of the monotonic one, as both stand now.
fn to_wall(at: Mono, now: Now) -> Timestamp {
    if at >= now.mono {
        shift(now.wall, at - now.mono)
    } else {
        now.wall.saturating_sub(now.mono - at).unwrap_or(Timestamp::MIN)
    }
}

/// A job's own shift: a fixed pseudo-random whole number of milliseconds below `jitter`. FNV-1a, then a finalizer that
/// spreads its low bits (MurmurHash3's): both are fixed for ever, unlike the standard library's hash.
fn shift_by_jitter(seed: &str, jitter: Duration) -> Duration {
    let Some(below) = u64::try_from(jitter.as_millis()).ok().filter(|below| *below > 0) else { return Duration::ZERO };
    let mut hasher = FnvHasher::default();
    hasher.write(seed.as_bytes());
    let hash = hasher.finish();
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    Duration::from_millis((hash ^ (hash >> 33)) % below)
}

#[cfg(test)]
mod tests;
