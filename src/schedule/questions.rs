//! What others ask about a schedule: how often it runs, how close two runs come, which clock it follows.
//!
//! Before it: [`Timing`]. After it: the rules of `check`, the summary and the commands that show schedules. Nobody else
//! matches the kinds of a [`Schedule`], so that a new kind answers here and nowhere else.

use std::time::Duration;

use jiff::Timestamp;

use super::{Burst, Cron, EveryFrom, Expected, Limit, Overlap, Saved, Schedule, Timing};
use crate::clock::{between, shift};

/// So many times of a calendar are looked at for the shortest gap between two.
const TIMES: usize = 24;

/// No calendar is finer than this.
const MINUTE: Duration = Duration::from_secs(60);

impl Timing {
    /// Whether it is due at times of the wall clock, which a time zone and a change of the clock move.
    pub fn follows_wall_clock(&self) -> bool {
        match &self.schedule {
            Schedule::Cron(_) => true,
            Schedule::Expect(expect) => matches!(expect.times, Expected::Cron(_)),
            Schedule::Every(_) | Schedule::Burst(_) | Schedule::Reboot | Schedule::After(_) => false,
        }
    }

    /// The calendar that it follows, or by which something else runs it.
    pub fn cron(&self) -> Option<&Cron> {
        match &self.schedule {
            Schedule::Cron(cron) => Some(cron),
            Schedule::Expect(expect) => match &expect.times {
                Expected::Cron(cron) => Some(cron),
                Expected::Every(_) | Expected::AnyTime => None,
            },
            Schedule::Every(_) | Schedule::Burst(_) | Schedule::Reboot | Schedule::After(_) => None,
        }
    }

    /// Whether it has times of its own; without them a boot of the machine or the end of
    /// another job makes it due, or something else runs it at any time.
    pub fn has_times(&self) -> bool {
        match &self.schedule {
            Schedule::Reboot | Schedule::After(_) => false,
            Schedule::Expect(expect) => !matches!(expect.times, Expected::AnyTime),
            Schedule::Every(_) | Schedule::Burst(_) | Schedule::Cron(_) => true,
        }
    }

    /// Whether its interval is measured from the finish of the run before, so that no due time is ever skipped.
    pub fn follows_finish(&self) -> bool {
        self.interval_from_finish().is_some()
    }

    /// How long after the finish of a run the next is due, where that is what counts.
    pub fn interval_from_finish(&self) -> Option<Duration> {
        match &self.schedule {
            Schedule::Every(every) => (every.from == EveryFrom::Finish).then_some(every.every),
            Schedule::Burst(_) | Schedule::Cron(_) | Schedule::Reboot | Schedule::Expect(_) | Schedule::After(_) => {
                None
            }
        }
    }

    /// Whether the end of a run decides when the next is due, as a cadence is that a running daemon has saved.
    pub fn waits_for_end(&self, past: &Saved) -> bool {
        self.follows_finish() && past.next().is_none() && past.last().is_some()
    }

    /// Whether a due time can come while the run before still goes on, and is then skipped or kept waiting.
    pub fn can_fall_behind(&self) -> bool {
        !self.follows_finish() && !matches!(self.overlap, Overlap::Allow | Overlap::Replace)
    }

    /// Whether alerts that were sent, and not runs, end its bursts.
    pub fn counts_alerts(&self) -> bool {
        self.burst().is_some_and(|burst| matches!(burst.limit, Limit::Alerts(_)))
    }

    /// The interval of a schedule that never pauses.
    pub fn endless_interval(&self) -> Option<Duration> {
        match &self.schedule {
            Schedule::Every(every) => Some(every.every),
            Schedule::Burst(_) | Schedule::Cron(_) | Schedule::Reboot | Schedule::Expect(_) | Schedule::After(_) => {
                None
            }
        }
    }

    /// The interval and the pause of a burst whose pause is over before the next run of the burst would be due.
    pub fn ineffective_pause(&self) -> Option<(Duration, Duration)> {
        let Burst { pulse, pause, .. } = self.burst()?;
        (*pause <= pulse.every).then_some((pulse.every, *pause))
    }

    /// The shortest time between two due times that come soon. `seed` as in [`begin`](Self::begin). Nothing when there are
    /// no two.
    pub fn shortest_gap(&self, seed: &str, from: Timestamp) -> Option<Duration> {
        match self.every() {
            Some(every) => Some(every),
            None => {
                let times: Vec<_> = self.upcoming(seed, None, from).take(TIMES).collect();
                times.windows(2).map(|pair| between(pair[0], pair[1])).min()
            }
        }
    }

    /// A time that [`shortest_gap`](Self::shortest_gap) is never below, found without walking a calendar.
    pub fn gap_at_least(&self) -> Duration {
        self.every().unwrap_or(MINUTE)
    }

    /// How many runs there are in a length of time, in the long run; of a calendar, while they are closest.
    pub fn runs_in(&self, length: Duration, seed: &str, from: Timestamp) -> Option<f64> {
        let per = match self.burst() {
            Some(burst) => {
                let (Limit::Runs(count) | Limit::Alerts(count)) = burst.limit;
                let cycle = burst.pulse.every * (count.max(1) - 1) + burst.pause.max(burst.pulse.every);
                cycle.div_f64(f64::from(count.max(1)))
            }
            None => self.shortest_gap(seed, from)?,
        };
        Some(length.as_secs_f64() / per.max(Duration::from_millis(1)).as_secs_f64())
    }

    /// The due times within a length of time, hours respected.
    pub fn times_within(&self, length: Duration, seed: &str, from: Timestamp) -> impl Iterator<Item = Timestamp> {
        let end = shift(from, length);
        self.upcoming(seed, None, from).take_while(move |at| *at < end)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::{Burst, Cron, Every, EveryFrom, Limit, Overlap, Schedule, Taken, Timing};
    use crate::clock::{Mono, Now};

    const HOUR: Duration = Duration::from_secs(3_600);

    fn every(seconds: u64) -> Schedule {
        Schedule::Every(Every::new(Duration::from_secs(seconds)))
    }

    fn burst(limit: Limit, pause: u64) -> Schedule {
        let pulse = Every::new(Duration::from_secs(2));
        Schedule::Burst(Burst { pulse, limit, pause: Duration::from_secs(pause) })
    }

    fn cron(text: &str) -> Schedule {
        Schedule::Cron(Arc::new(Cron::parse(text).expect("a calendar")))
    }

    fn monday() -> Timestamp {
        "2026-11-23T12:00:30Z".parse().expect("a time")
    }

    #[test]
    fn how_often_a_schedule_runs() {
        for (schedule, gap, an_hour) in [
            (every(300), Some(300), 12.0),
            (burst(Limit::Runs(3), 3_596), Some(2), 3.0),
            (burst(Limit::Alerts(1), 1), Some(2), 1_800.0),
            (cron("*/15 * * * *"), Some(900), 4.0),
            (cron("0,10 * * * *"), Some(600), 6.0),
            (cron("@daily"), Some(86_400), 1.0 / 24.0),
        ] {
            let timing = Timing::new(schedule, TimeZone::UTC);
            assert_eq!(timing.shortest_gap("job", monday()), gap.map(Duration::from_secs), "{}", timing.describe());
            let runs = timing.runs_in(HOUR, "job", monday()).expect("it runs");
            assert!((runs - an_hour).abs() < 1e-9, "{}: {runs}", timing.describe());
            assert!(timing.gap_at_least() <= timing.shortest_gap("job", monday()).expect("it has two times"));
        }
        let never = Timing::new(cron("0 0 31 2 *"), TimeZone::UTC);
        assert_eq!((never.shortest_gap("job", monday()), never.runs_in(HOUR, "job", monday())), (None, None));
    }

    #[test]
    fn the_times_of_an_hour() {
        let times = |schedule| Timing::new(schedule, TimeZone::UTC).times_within(HOUR, "job", monday()).count();
        assert_eq!(times(every(600)), 6);
        assert_eq!(times(cron("*/30 * * * *")), 2);
        assert_eq!(times(cron("@daily")), 0);
    }

    #[test]
    fn what_a_schedule_follows() {
        let timing = |schedule| Timing::new(schedule, TimeZone::UTC);
        let finish = Every { from: EveryFrom::Finish, ..Every::new(HOUR) };
        let finish = timing(Schedule::Every(finish));
        assert!(finish.follows_finish() && !finish.can_fall_behind() && !finish.follows_wall_clock());
        let plain = timing(every(60));
        // While a run goes on, its end decides; when it has ended, the next time is known.
        let now = Now { wall: monday(), mono: Mono::default() };
        for (timing, waits) in [(&finish, true), (&plain, false)] {
            let mut cadence = timing.begin("job", None, now);
            assert!(!timing.waits_for_end(&cadence.save(now)));
            assert!(matches!(cadence.take(timing, now), Taken::Run { .. }));
            assert_eq!(timing.waits_for_end(&cadence.save(now)), waits);
            cadence.finished(timing, now);
            assert!(!timing.waits_for_end(&cadence.save(now)));
        }
        assert!(!plain.follows_finish() && plain.can_fall_behind() && !plain.counts_alerts());
        assert_eq!((plain.endless_interval(), plain.ineffective_pause()), (Some(Duration::from_secs(60)), None));
        assert!(!Timing { overlap: Overlap::Allow, ..plain }.can_fall_behind());
        let alerts = timing(burst(Limit::Alerts(3), 2));
        assert!(alerts.counts_alerts() && alerts.endless_interval().is_none());
        assert_eq!(alerts.ineffective_pause(), Some((Duration::from_secs(2), Duration::from_secs(2))));
        assert_eq!(timing(burst(Limit::Runs(3), 3)).ineffective_pause(), None);
        assert!(timing(cron("@hourly")).follows_wall_clock());
    }
}
