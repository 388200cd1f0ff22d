//! When a job runs: reads the schedule's keys, and answers what comes next. Pure; time is an argument.
//!
//! Before it: `document`. After it: the dispatcher, which asks a job's [`Cadence`] when it is due and tells it what
//! happened; the [`Agenda`] is one heap for all jobs.
//!
//! Two clocks: `every` and `burst` count on the monotonic one and do not care how the wall clock is set; `cron` and
//! `working_hours` follow the wall clock of the job's zone.

mod after;
mod agenda;
mod cadence;
mod cron;
mod expect;
mod hours;
mod questions;
mod read;
mod slots;
mod times;
mod upcoming;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use after::{After, On, after_jobs};
pub use agenda::Agenda;
pub use cadence::{Absent, Ahead, Cadence, Due, NextRun, Saved, Slot, Taken};
pub use cron::{Cron, EitherDay, instants, week_of_month};
pub use expect::{Expect, Expected};
pub use hours::{Hours, parse_hours};
pub use read::{KEYS, Read, SCHEDULE_KEYS, read, read_zone, runs_elsewhere};
pub use times::{Times, parse_times};
pub use upcoming::Upcoming;

/// What happens to a slot while the last run is still going: `overlap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It passes.
    #[default]
    Skip,
    /// One waits, and runs when the last run has ended.
    Queue,
    /// Both run.
    Allow,
    /// The last run is stopped.
    Replace,
}

/// What happens to slots that passed while the daemon was down: `catch_up`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// They are gone.
    #[default]
    None,
    /// One run makes up for all of them.
    Once,
}

/// When a job runs that was never seen before: `first_run`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstRun {
    /// At once.
    #[default]
    Now,
    /// After one interval.
    Wait,
    /// At once, and at each later start of the daemon too.
    Always,
}

/// When the start of the daemon asks for a run, whatever the schedule says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtStart {
    /// Never.
    #[default]
    Never,
    /// Each time: `first_run = "always"`.
    Always,
    /// The first time after the machine was booted: `cron = "@reboot"`.
    AfterBoot,
}

/// From where an interval is measured: `every_from`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EveryFrom {
    /// From slot to slot: a grid that does not drift.
    #[default]
    Start,
    /// From the end of a run to the start of the next.
    Finish,
}

/// When a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At an interval.
    Every(Every),
    /// At an interval for a while, then a pause, then again.
    Burst(Burst),
    /// At the wall times of a calendar.
    Cron(Arc<Cron>),
    /// At no time of its own: once after each boot of the machine.
    Reboot,
    /// Something else starts it: the daemon waits for the report of a run.
    Expect(Box<Expect>),
    /// When runs of other jobs have ended.
    After(Box<After>),
}

/// A plain interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// Its length; never zero.
    pub every: Duration,
    /// When the very first run is.
    pub first_run: FirstRun,
    /// From where it is measured.
    pub from: EveryFrom,
}

/// An interval with a pause after so many runs or alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// The interval within the burst. What is said of its first run and of its origin only comes from an `every` that
    /// was turned into a burst.
    pub pulse: Every,
    /// What ends the burst.
    pub limit: Limit,
    /// From the slot of the last run to the next burst. Never shorter in effect than the interval.
    pub pause: Duration,
}

/// What ends a burst; both are one or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many runs.
    Runs(u32),
    /// So many alerts sent.
    Alerts(u32),
}

/// Everything that a job file says about when it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Timing {
    /// When it is due.
    pub schedule: Schedule,
    /// `working_hours`: due times outside pass without a run.
    pub hours: Option<Hours>,
    /// Of the calendar and of the hours.
    pub zone: TimeZone,
    /// The grid is shifted by a fixed amount below this.
    pub jitter: Duration,
    /// What happens while the last run is still going.
    pub overlap: Overlap,
    /// What happens to slots that passed while the daemon was down.
    pub catch_up: CatchUp,
    /// Whether a start of the daemon asks for a run too.
    pub at_start: AtStart,
    /// Runs that share one of these are never in progress at one time; sorted, each once.
    pub locks: Box<[Arc<str>]>,
    /// A job that is not enabled is never due.
    pub enabled: bool,
}

impl Every {
    /// An interval with everything else at its default.
    pub fn new(every: Duration) -> Self {
        Self { every, first_run: FirstRun::default(), from: EveryFrom::default() }
    }
}

impl Timing {
    /// A schedule with everything else at its default.
    pub fn new(schedule: Schedule, zone: TimeZone) -> Self {
        Self {
            schedule,
            hours: None,
            zone,
            jitter: Duration::ZERO,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            at_start: AtStart::default(),
            locks: Box::default(),
            enabled: true,
        }
    }

    /// In words, as `list` and messages show it: `every 5m`, `daily at 03:00, Mon-Fri 09:00-19:00`.
    pub fn describe(&self) -> String {
        let mut words = match &self.schedule {
            Schedule::Every(Every { every, from: EveryFrom::Start, .. }) => format!("every {}", exact(*every)),
            Schedule::Every(Every { every, from: EveryFrom::Finish, .. }) => {
                format!("{} after each finish", exact(*every))
            }
            Schedule::Burst(burst) => {
                let (count, what) = match burst.limit {
                    Limit::Runs(count) => (count, "run"),
                    Limit::Alerts(count) => (count, "alert"),
                };
                let plural = if count == 1 { "" } else { "s" };
                let (every, pause) = (exact(burst.pulse.every), exact(burst.pause));
                format!("every {every} until {count} {what}{plural}, then pause {pause}")
            }
            Schedule::Cron(cron) => cron.words(),
            Schedule::Reboot => "at each boot".to_owned(),
            Schedule::Expect(expect) => expect.describe(),
            Schedule::After(after) => after.describe(),
        };
        if self.at_start == AtStart::Always {
            words.push_str(" and at each start of the daemon");
        }
        if let Some(hours) = &self.hours {
            let _ = write!(words, ", {hours}");
        }
        words
    }

    /// The same for readers whose clocks are those of `home`: times of another zone are followed by its name.
    pub fn describe_at(&self, home: &TimeZone) -> String {
        let by_calendar = match &self.schedule {
            Schedule::Cron(_) => true,
            Schedule::Expect(expect) => matches!(expect.times, Expected::Cron(_)),
            _ => self.hours.is_some(),
        };
        let zone = self.zone.iana_name().filter(|_| by_calendar && self.zone != *home);
        zone.map_or_else(|| self.describe(), |zone| format!("{} ({zone})", self.describe()))
    }

    /// As `--max-alert` and `--pause-time` want it: a plain `every` becomes a burst that ends with so many
    /// alerts; anything else stays.
    #[must_use]
    pub fn into_burst(mut self, alerts: u32, pause: Duration) -> Self {
        if let Schedule::Every(pulse) = self.schedule {
            self.schedule = Schedule::Burst(Burst { pulse, limit: Limit::Alerts(alerts.max(1)), pause });
        }
        self
    }

    /// The interval of `every`, `burst` and `expect.every`; a calendar has none.
    pub fn every(&self) -> Option<Duration> {
        match &self.schedule {
            Schedule::Expect(expect) => expect.every(),
            _ => self.pulse().map(|pulse| pulse.every),
        }
    }

    /// What is expected of a job that something else runs.
    pub fn expect(&self) -> Option<&Expect> {
        if let Schedule::Expect(expect) = &self.schedule { Some(expect) } else { None }
    }

    /// The jobs whose runs it follows.
    pub fn after(&self) -> Option<&After> {
        if let Schedule::After(after) = &self.schedule { Some(after) } else { None }
    }

    /// Whether something else runs the job, and the daemon only waits for its reports.
    pub fn runs_elsewhere(&self) -> bool {
        self.expect().is_some()
    }

    /// Whether it is `every` or `burst`: a job never seen before is due at once.
    pub fn is_interval(&self) -> bool {
        self.pulse().is_some()
    }

    fn pulse(&self) -> Option<Every> {
        match &self.schedule {
            Schedule::Every(pulse) | Schedule::Burst(Burst { pulse, .. }) => Some(*pulse),
            Schedule::Cron(_) | Schedule::Reboot | Schedule::Expect(_) | Schedule::After(_) => None,
        }
    }

    fn burst(&self) -> Option<&Burst> {
        match &self.schedule {
            Schedule::Burst(burst) => Some(burst),
            _ => None,
        }
    }
}

/// A length of time to the last digit: what `format_duration` rounds away would make two schedules look the same.
fn exact(length: Duration) -> String {
    let units = [("d", 86_400_000_000_000_u128), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)];
    let mut left = length.as_nanos();
    let mut words = Vec::new();
    for (unit, size) in units.into_iter().chain([("ms", 1_000_000), ("us", 1_000), ("ns", 1)]) {
        if left >= size {
            words.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::{Burst, Cron, Every, EveryFrom, Limit, Schedule, Timing, exact, parse_hours};

    #[test]
    fn a_schedule_in_words() {
        let pulse = Every::new(Duration::from_secs(2));
        let burst = |limit| Schedule::Burst(Burst { pulse, limit, pause: Duration::from_secs(3_600) });
        let cron = |text| Schedule::Cron(Arc::new(Cron::parse(text).expect("a calendar")));
        for (schedule, hours, words) in [
            (Schedule::Every(Every::new(Duration::from_secs(300))), None, "every 5m"),
            (Schedule::Every(Every { from: EveryFrom::Finish, ..pulse }), None, "2s after each finish"),
            (burst(Limit::Alerts(3)), None, "every 2s until 3 alerts, then pause 1h"),
            (burst(Limit::Runs(1)), None, "every 2s until 1 run, then pause 1h"),
            (cron(" 0 3 * * * "), Some("Mon-Fri 09:00-19:00"), "daily at 03:00, Mon-Fri 09:00-19:00"),
            (cron("@daily"), None, "daily at 00:00"),
        ] {
            let mut timing = Timing::new(schedule, TimeZone::UTC);
            timing.hours = hours.map(|text| parse_hours(text).expect("hours"));
            assert_eq!(timing.describe(), words);
        }
    }

    #[test]
    fn a_calendar_of_another_zone_names_it() {
        let zone = |name| TimeZone::get(name).expect("the zone is known");
        let daily = Schedule::Cron(Arc::new(Cron::parse("0 3 * * *").expect("a calendar")));
        let timing = |schedule, hours: Option<&str>| Timing {
            hours: hours.map(|text| parse_hours(text).expect("hours")),
            ..Timing::new(schedule, zone("America/New_York"))
        };
        let every = || Schedule::Every(Every::new(Duration::from_secs(300)));
        for (timing, words) in [
            (timing(daily, None), "daily at 03:00 (America/New_York)"),
            (timing(every(), Some("09:00-19:00")), "every 5m, 09:00-19:00 (America/New_York)"),
            (timing(every(), None), "every 5m"),
        ] {
            assert_eq!(timing.describe_at(&zone("Europe/Berlin")), words);
            assert_eq!(timing.describe_at(&zone("America/New_York")), timing.describe());
        }
    }

    #[test]
    fn a_length_is_shown_to_the_last_digit() {
        for (millis, shown) in
            [(0, "0s"), (10, "10ms"), (1_500, "1s 500ms"), (5_400_000, "1h 30m"), (90_061_000, "1d 1h 1m 1s")]
        {
            assert_eq!(exact(Duration::from_millis(millis)), shown);
        }
    }

    #[test]
    fn only_a_plain_interval_becomes_a_burst() {
        let timing = Timing::new(Schedule::Every(Every::new(Duration::from_secs(2))), TimeZone::UTC);
        let burst = timing.into_burst(3, Duration::from_secs(3_600));
        assert_eq!(burst.describe(), "every 2s until 3 alerts, then pause 1h");
        assert_eq!(burst.clone().into_burst(5, Duration::from_secs(1)), burst);
    }
}
