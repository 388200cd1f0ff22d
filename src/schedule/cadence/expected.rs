//! The part of a cadence that is `expect`: the due time for which a run is waited for, and what a report changes about it.
//!
//! The next slot is due when its grace is over; its `scheduled` is the due time itself. A run answers the due time that
//! came last before it, or the next one when it begins a little early: two hosts' clocks differ.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::slots::{Calendar, Grid, Passed};
use super::super::{Expect, Expected, Timing};
use super::{Absent, Cadence, Due, Saved, Slot, Taken, to_mono};
use crate::clock::{Now, between, shift};

/// A run that begins this long before its due time answers it.
const EARLY: Duration = Duration::from_secs(60);

/// What fell due while nobody could report has its grace anew, but no longer than this.
const AFTER_A_PAUSE: Duration = Duration::from_secs(600);

/// A grace whose end is seen so much later ended while the daemon was held up (stopped, suspended): nobody could report either.
const HELD_UP: Duration = Duration::from_secs(5);

/// A time that went from one clock to the other and back is no more exact.
const NOISE: Duration = Duration::from_millis(100);

/// A clock that is set back by this much or more was wrong before: due times that lie beyond the next one are forgotten.
const CORRECTION: SignedDuration = SignedDuration::from_hours(3);

/// The due times of expected runs, working hours respected.
enum DueTimes<'a> {
    Every(Grid<'a>),
    Cron(Calendar<'a>),
}

impl DueTimes<'_> {
    /// The first due time after a run that began then.
    fn after_run(&self, began: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(grid) => grid.first_open(shift(began, grid.every)),
            Self::Cron(calendar) => calendar.next(began),
        }
    }

    /// The due time that follows a due time without a run.
    fn after_due(&self, due: Timestamp) -> Option<Timestamp> {
        self.after_run(due)
    }

    /// The due times from `first` on whose grace is over.
    fn passed(&self, first: Timestamp, at: Timestamp) -> Option<Passed> {
        match self {
            Self::Every(grid) => grid.passed(first, at),
            Self::Cron(calendar) => calendar.passed(first, at),
        }
    }
}

impl Timing {
    /// How many due times of an expected run have come since one began: that which it answers is not among them.
    pub fn due_times_since(&self, began: Timestamp, now: Timestamp) -> u32 {
        let Some(times) = self.expect().and_then(|expect| self.due_times(expect)) else { return 0 };
        let began = if let DueTimes::Cron(_) = times { shift(began, EARLY) } else { began };
        let first = times.after_run(began).filter(|first| *first <= now);
        first.and_then(|first| times.passed(first, now)).map_or(0, |passed| passed.count)
    }

    /// The due time of an expected run that follows another, where no run comes.
    pub fn due_after(&self, due: Timestamp) -> Option<Timestamp> {
        self.due_times(self.expect()?)?.after_due(due)
    }

    fn due_times<'a>(&'a self, expect: &'a Expect) -> Option<DueTimes<'a>> {
        match &expect.times {
            Expected::Every(every) => Some(DueTimes::Every(Grid { every: *every, open: self.open() })),
            Expected::Cron(cron) => Some(DueTimes::Cron(Calendar { cron, jitter: Duration::ZERO, open: self.open() })),
            Expected::AnyTime => None,
        }
    }
}

impl Cadence {
    pub(super) fn begin_expected(&mut self, timing: &Timing, expect: &Expect, past: Option<&Saved>, now: Now) {
        let Some(times) = timing.due_times(expect) else { return };
        self.last = self.last.filter(|last| *last <= now.wall);
        let saved = past.and_then(Saved::next);
        let due = match (&expect.times, self.last, saved) {
            (_, None, None) => times.after_run(now.wall),
            (Expected::Every(every), Some(last), Some(saved))
                if is_step(last, saved, *every) && (saved <= shift(now.wall, *every) || timing.hours.is_some()) =>
            {
                Some(saved)
            }
            (Expected::Every(every), None, Some(saved)) => Some(saved.min(shift(now.wall, *every))),
            (Expected::Cron(_), _, Some(saved)) if is_due_time(&times, saved, now.wall) => Some(saved),
            // The times are others than those that were waited for: what passed before they were known is not missing.
            (Expected::Every(every), Some(last), _) => {
                let grid = Grid { every: *every, open: timing.open() };
                grid.first_open(grid.after(shift(last, *every), now.wall))
            }
            _ => times.after_run(now.wall),
        };
        self.wait_for(expect, due, now);
        self.give_grace_anew(expect, now);
    }

    /// The grace of the due time is over.
    pub(super) fn take_expected(&mut self, timing: &Timing, expect: &Expect, now: Now) -> Taken {
        let (Some(slot), Some(times)) = (self.next.filter(|slot| slot.is_due(now)), timing.due_times(expect)) else {
            return Taken::NotYet;
        };
        if slot.late(now) > HELD_UP && !self.has_grace_anew(expect, now) {
            self.give_grace_anew(expect, now);
            return Taken::NotYet;
        }
        let over = now.wall.saturating_sub(expect.grace).unwrap_or(now.wall);
        let first = slot.scheduled;
        let passed = times.passed(first, over).unwrap_or(Passed { latest: first, count: 1 });
        self.wait_for(expect, times.after_due(passed.latest), now);
        Taken::Absent(Absent { due: passed.latest, grace: expect.grace, missed: passed.count - 1, seen: self.last })
    }

    /// A run that something else started began then. Reports may come late and in any order.
    pub fn came(&mut self, timing: &Timing, began: Timestamp, now: Now) {
        let Some(expect) = timing.expect() else { return };
        let began = began.min(now.wall);
        if self.last.is_none_or(|last| last < began) {
            self.last = Some(began);
        }
        let (Some(slot), Some(times)) = (self.next, timing.due_times(expect)) else { return };
        let mut due = times.after_run(began);
        // A little before the due time that is waited for: it answers that one.
        if let Expected::Cron(_) = expect.times
            && due == Some(slot.scheduled)
            && let Some(following) = times.after_due(slot.scheduled)
            && between(began, slot.scheduled) <= EARLY.min(between(slot.scheduled, following) / 4)
        {
            due = Some(following);
        }
        if due.is_none_or(|due| due > slot.scheduled) {
            self.wait_for(expect, due, now);
        }
    }

    /// No run is waited for any more at the due times from `since` on that have come: the latest of them, and how many they are.
    pub fn wait_no_more(&mut self, timing: &Timing, since: Timestamp, now: Now) -> Option<(Timestamp, u32)> {
        let expect = timing.expect()?;
        let times = timing.due_times(expect)?;
        let first = self.next.map(|slot| slot.scheduled).filter(|first| (since..=now.wall).contains(first))?;
        let passed = times.passed(first, now.wall)?;
        self.wait_for(expect, times.after_due(passed.latest), now);
        Some((passed.latest, passed.count))
    }

    /// The due time for which a run is waited for, and when it is missing.
    pub fn expected(&self, timing: &Timing) -> Option<(Timestamp, Timestamp)> {
        let expect = timing.expect()?;
        self.next.map(|slot| (slot.scheduled, shift(slot.scheduled, expect.grace)))
    }

    /// When the grace of a due time is over, at or after `from`, where no run comes; due times up to the end of a pause pass.
    pub(super) fn first_missing(
        &self,
        timing: &Timing,
        expect: &Expect,
        (from, paused): (Timestamp, Option<Timestamp>),
        now: Now,
    ) -> Option<Timestamp> {
        let (slot, times) = (self.next?, timing.due_times(expect)?);
        let passed = |at: Timestamp| paused.is_some_and(|until| at <= until);
        let over = slot.wall(now);
        if over >= from && !passed(slot.scheduled) {
            return Some(over);
        }
        let too_early = from.saturating_sub(expect.grace + Duration::from_nanos(1)).unwrap_or(from);
        let too_early = paused.map_or(too_early, |until| too_early.max(until));
        let due = match times.passed(slot.scheduled, too_early) {
            Some(passed) => times.after_due(passed.latest)?,
            None => slot.scheduled,
        };
        Some(shift(due, expect.grace))
    }

    /// The wall clock was set. What is due in the time that it left out has its grace anew.
    pub(super) fn step_expected(&mut self, timing: &Timing, expect: &Expect, before: Timestamp, now: Now) {
        let Some(times) = timing.due_times(expect) else { return };
        let step = now.wall.duration_since(before);
        match &expect.times {
            Expected::Every(_) => {
                let move_along = |at: Timestamp| at.saturating_add(step).unwrap_or(at);
                self.last = self.last.map(move_along);
                if let Some(slot) = &mut self.next {
                    slot.scheduled = move_along(slot.scheduled);
                }
            }
            Expected::Cron(_) | Expected::AnyTime => {
                self.last = self.last.map(|last| last.min(now.wall));
                if step <= -CORRECTION {
                    self.wait_for(expect, times.after_run(now.wall), now);
                }
                self.give_grace_anew(expect, now);
            }
        }
    }

    fn wait_for(&mut self, expect: &Expect, due: Option<Timestamp>, now: Now) {
        self.next = due.map(|scheduled| Slot { due: over(expect, shift(scheduled, expect.grace), now), scheduled });
    }

    /// Whether the grace was given anew already, for the due time that is waited for.
    fn has_grace_anew(&self, expect: &Expect, now: Now) -> bool {
        let usual = |slot: &Slot| over(expect, shift(slot.scheduled, expect.grace), now);
        self.next.is_some_and(|slot| match (usual(&slot), slot.due) {
            (Due::Mono(usual), Due::Mono(due)) => due - usual > NOISE,
            (Due::Wall(usual), Due::Wall(due)) => between(usual, due) > NOISE,
            _ => false,
        })
    }

    /// Where the grace is over already, nobody could report in the meantime.
    fn give_grace_anew(&mut self, expect: &Expect, now: Now) {
        if let Some(slot) = &mut self.next
            && slot.is_due(now)
        {
            slot.due = over(expect, shift(now.wall, expect.grace.min(AFTER_A_PAUSE)), now);
        }
    }
}

/// When a grace is over, on the clock that its due times follow.
fn over(expect: &Expect, at: Timestamp, now: Now) -> Due {
    match expect.times {
        Expected::Every(_) => Due::Mono(to_mono(at, now)),
        Expected::Cron(_) | Expected::AnyTime => Due::Wall(at),
    }
}

/// Whether `due` lies whole intervals after the last run, as far as two clocks can tell.
fn is_step(last: Timestamp, due: Timestamp, every: Duration) -> bool {
    const CLOSE: u128 = 1_000_000_000;
    let (every, past) = (every.as_nanos().max(1), between(last, due).as_nanos());
    let off = past % every;
    past > 0 && (off < CLOSE.min(every / 4).max(1) || every - off < CLOSE.min(every / 4))
}

/// Whether a calendar has this due time, and it is no later than the one that comes after the next: the next may be answered.
fn is_due_time(times: &DueTimes<'_>, due: Timestamp, now: Timestamp) -> bool {
    let before = due.checked_sub(super::super::cron::TICK).unwrap_or(due);
    let farthest = times.after_run(now).and_then(|next| times.after_due(next));
    times.after_due(before) == Some(due) && farthest.is_none_or(|farthest| due <= farthest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::super::{Cron, Expect, Expected, Schedule, Taken, Timing, parse_hours};
    use super::super::Cadence;
    use crate::clock::{Mono, Now, between};

    const START: &str = "2026-11-23T12:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap_or_else(|_| format!("2026-11-{text}Z").parse().expect("a time"))
    }

    fn now(text: &str) -> Now {
        Now { wall: at(text), mono: Mono(between(at(START), at(text)) + Duration::from_secs(1_000_000)) }
    }

    fn timing(times: Expected, grace: u64) -> Timing {
        let expect = Expect { times, grace: Duration::from_secs(grace) };
        Timing::new(Schedule::Expect(Box::new(expect)), TimeZone::get("Europe/Berlin").expect("the zone is known"))
    }

    fn cron(text: &str, grace: u64) -> Timing {
        timing(Expected::Cron(Arc::new(Cron::parse(text).expect("a calendar"))), grace)
    }

    fn every(seconds: u64, grace: u64) -> Timing {
        timing(Expected::Every(Duration::from_secs(seconds)), grace)
    }

    /// The due time that is waited for.
    fn due(cadence: &Cadence, timing: &Timing) -> Timestamp {
        cadence.expected(timing).expect("a run is expected").0
    }

    /// When the due time that did not come was, once its grace is over.
    fn absent(cadence: &mut Cadence, timing: &Timing, when: &str) -> Option<(Timestamp, u32)> {
        match cadence.take(timing, now(when)) {
            Taken::Absent(absent) => Some((absent.due, absent.missed)),
            Taken::NotYet => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_run_that_comes_in_time_is_no_news_and_the_next_is_waited_for() {
        let timing = cron("0 3 * * *", 1_800);
        let mut cadence = timing.begin("job@host", None, now(START));
        assert_eq!(due(&cadence, &timing), at("24T02:00:00"));
        for (came, next) in [
            ("24T02:00:01", "25T02:00:00"),
            ("24T02:40:00", "25T02:00:00"),
            // A minute early, as another host's clock has it: it answers the due time, and one after it is another run.
            ("25T01:59:20", "26T02:00:00"),
            ("25T02:10:00", "26T02:00:00"),
            // Hours early: the due time is still waited for.
            ("25T20:00:00", "26T02:00:00"),
        ] {
            cadence.came(&timing, at(came), now(came));
            assert_eq!(due(&cadence, &timing), at(next), "{came}");
            assert_eq!(absent(&mut cadence, &timing, came), None, "{came}");
        }
    }

    #[test]
    fn a_run_that_does_not_come_is_missing_once_for_each_due_time() {
        let timing = cron("0 3 * * *", 1_800);
        let mut cadence = timing.begin("job@host", None, now(START));
        assert_eq!(absent(&mut cadence, &timing, "24T02:29:59"), None);
        assert_eq!(absent(&mut cadence, &timing, "24T02:30:00"), Some((at("24T02:00:00"), 0)));
        assert_eq!(absent(&mut cadence, &timing, "24T09:00:00"), None);
        // Nobody looked for days, and so nobody could report: what waits to be heard has some of its grace anew, once.
        assert_eq!(absent(&mut cadence, &timing, "27T02:30:00"), None);
        assert_eq!(absent(&mut cadence, &timing, "27T02:39:59"), None);
        assert_eq!(absent(&mut cadence, &timing, "27T02:40:10"), Some((at("27T02:00:00"), 2)));
        cadence.came(&timing, at("27T05:00:00"), now("27T05:00:00"));
        assert_eq!(due(&cadence, &timing), at("28T02:00:00"));
    }

    #[test]
    fn a_report_that_is_heard_only_after_the_program_was_held_up_came_in_time() {
        for timing in [every(3_600, 120), cron("0 * * * *", 120)] {
            let mut cadence = timing.begin("job@host", None, now(START));
            assert_eq!(due(&cadence, &timing), at("23T13:00:00"));
            // Stopped from 12:59 to 13:30. The run began at 13:00, and nobody took its report.
            assert_eq!(absent(&mut cadence, &timing, "23T13:30:00"), None);
            cadence.came(&timing, at("23T13:00:01"), now("23T13:30:00.2"));
            assert_eq!(absent(&mut cadence, &timing, "23T13:59:00"), None);
            // The next time it does not come, though the program is held up once more, and once more just then.
            assert_eq!(absent(&mut cadence, &timing, "23T14:20:00"), None);
            assert_eq!(absent(&mut cadence, &timing, "23T14:30:00").map(|(_, missed)| missed), Some(0));
        }
    }

    #[test]
    fn an_interval_counts_from_the_run_that_came_and_without_one_from_the_due_time() {
        let timing = every(3_600, 60);
        let mut cadence = timing.begin("job@host", None, now(START));
        assert_eq!(due(&cadence, &timing), at("23T13:00:00"));
        cadence.came(&timing, at("23T12:20:00"), now("23T12:25:00"));
        assert_eq!(due(&cadence, &timing), at("23T13:20:00"));
        assert_eq!(absent(&mut cadence, &timing, "23T13:21:00"), Some((at("23T13:20:00"), 0)));
        assert_eq!(due(&cadence, &timing), at("23T14:20:00"));
        // A report that comes late moves nothing back.
        cadence.came(&timing, at("23T11:00:00"), now("23T13:30:00"));
        assert_eq!(due(&cadence, &timing), at("23T14:20:00"));
    }

    #[test]
    fn the_age_of_a_run_in_due_times() {
        let hourly = every(3_600, 60);
        let nightly = cron("0 3 * * *", 1_800);
        for (timing, began, until, count) in [
            (&hourly, "23T12:00:00", "23T12:59:59", 0),
            (&hourly, "23T12:00:00", "23T15:00:00", 3),
            // It is the run of 02:00 UTC, and begins a little early.
            (&nightly, "24T01:59:30", "24T23:00:00", 0),
            (&nightly, "24T01:59:30", "26T02:00:00", 2),
            (&nightly, "24T02:10:00", "26T02:00:00", 2),
            (&timing(Expected::AnyTime, 0), "23T12:00:00", "26T02:00:00", 0),
        ] {
            assert_eq!(timing.due_times_since(at(began), at(until)), count, "{} {began}", timing.describe());
        }
    }

    #[test]
    fn outside_working_hours_nothing_is_expected() {
        let mut timing = every(3_600, 60);
        timing.hours = Some(parse_hours("Mon-Fri 09:00-18:00").expect("hours"));
        let mut cadence = timing.begin("job@host", None, now(START));
        cadence.came(&timing, at("23T16:40:00"), now("23T16:40:00"));
        // 17:40 in Berlin is open, 18:40 is not.
        assert_eq!(due(&cadence, &timing), at("24T08:40:00"));
        let mut timing = cron("0 * * * *", 60);
        timing.hours = Some(parse_hours("09:00-18:00").expect("hours"));
        let mut cadence = timing.begin("job@host", None, now(START));
        cadence.came(&timing, at("23T16:00:00"), now("23T16:00:00"));
        assert_eq!(due(&cadence, &timing), at("24T08:00:00"));
    }

    #[test]
    fn a_restart_forgets_nothing_and_gives_who_could_not_report_its_grace_again() {
        for (timing, came) in [(cron("0 3 * * *", 7_200), "24T02:00:00"), (every(86_400, 7_200), "24T02:00:00")] {
            let mut before = timing.begin("job@host", None, now(START));
            before.came(&timing, at(came), now(came));
            let saved = before.save(now("24T12:00:00"));
            let after = timing.begin("job@host", Some(&saved), now("24T13:00:00"));
            assert_eq!(due(&after, &timing), at("25T02:00:00"), "{}", timing.describe());
            // The daemon was down when the grace was over.
            let mut after = timing.begin("job@host", Some(&saved), now("25T08:00:00"));
            assert_eq!(absent(&mut after, &timing, "25T08:09:59"), None, "{}", timing.describe());
            assert_eq!(
                absent(&mut after, &timing, "25T08:10:00"),
                Some((at("25T02:00:00"), 0)),
                "{}",
                timing.describe()
            );
            // What was told is not told again.
            let saved = after.save(now("25T08:11:00"));
            let mut again = timing.begin("job@host", Some(&saved), now("25T08:12:00"));
            assert_eq!(absent(&mut again, &timing, "25T20:00:00"), None, "{}", timing.describe());
            // A run that is found in the spool came while nobody looked.
            let mut found = timing.begin("job@host", Some(&after.save(now("25T08:11:00"))), now("26T08:00:00"));
            found.came(&timing, at("26T02:00:05"), now("26T08:00:01"));
            assert_eq!(absent(&mut found, &timing, "26T20:00:00"), None, "{}", timing.describe());
        }
    }

    #[test]
    fn another_schedule_does_not_make_the_past_missing() {
        let mut before = cron("0 3 * * *", 60).begin("job@host", None, now(START));
        before.came(&cron("0 3 * * *", 60), at("23T12:00:00"), now(START));
        let saved = before.save(now("23T20:00:00"));
        for timing in [cron("*/5 * * * *", 60), every(60, 10), every(3_600, 10)] {
            let mut after = timing.begin("job@host", Some(&saved), now("23T20:00:30"));
            assert_eq!(absent(&mut after, &timing, "23T20:00:31"), None, "{}", timing.describe());
            let next = due(&after, &timing);
            assert!(next > at("23T20:00:30") && next <= at("23T21:00:30"), "{}: {next}", timing.describe());
        }
    }

    #[test]
    fn both_daylight_saving_nights() {
        // The clock skips 02:30: the run is due right after the gap. It shows 02:30 twice: the run is due the first time.
        for (night, expected) in
            [("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"), ("2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z")]
        {
            let timing = cron("30 2 * * *", 600);
            let begin = Now { wall: at(night), mono: Mono::default() };
            let mut cadence = timing.begin("job@host", None, begin);
            assert_eq!(due(&cadence, &timing), at(expected));
            let later = |wall: Timestamp| Now { wall, mono: Mono(between(begin.wall, wall)) };
            cadence.came(&timing, at(expected), later(at(expected)));
            let next = due(&cadence, &timing);
            let hours = between(at(expected), next).as_secs() / 3_600;
            assert!((22..=25).contains(&hours), "{expected}: {next}");
        }
    }

    #[test]
    fn a_clock_that_is_set_makes_nothing_missing_that_could_not_come() {
        let timing = cron("0 * * * *", 300);
        let mut cadence = timing.begin("job@host", None, now("23T12:30:00"));
        // The machine slept for four hours, and its runs come now.
        let woken = Now { wall: at("23T16:31:00"), mono: now("23T12:31:00").mono };
        cadence.clock_stepped(&timing, at("23T12:31:00"), woken);
        assert_eq!(cadence.take(&timing, woken), Taken::NotYet);
        cadence.came(&timing, at("23T16:32:00"), Now { wall: at("23T16:32:00"), ..woken });
        assert_eq!(due(&cadence, &timing), at("23T17:00:00"));
        // Set back by a day: what lies a day ahead is not waited for.
        let back = Now { wall: at("22T16:40:00"), mono: now("23T12:41:00").mono };
        cadence.clock_stepped(&timing, at("23T16:41:00"), back);
        assert_eq!(due(&cadence, &timing), at("22T17:00:00"));
    }

    #[test]
    fn the_coming_due_times_are_shown_and_not_the_end_of_their_grace() {
        let timing = cron("0 3 * * *", 7_200);
        let times: Vec<Timestamp> = timing.upcoming("job@host", None, at(START)).take(2).collect();
        assert_eq!(times, [at("24T02:00:00"), at("25T02:00:00")]);
        let times: Vec<Timestamp> = every(60, 7_200).upcoming("job@host", None, at(START)).take(2).collect();
        assert_eq!(times, [at("23T12:01:00"), at("23T12:02:00")]);
    }
}
