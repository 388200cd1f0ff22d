//! Runs that take longer than `notify.slow` allows: one message while such a run goes on. Pure.
//!
//! Before it: the daemon, which looks when a run has taken that long. After it: a notification that belongs to no incident:
//! how the run ends is another matter. Invariant: a run is told of once, also over a restart of the daemon.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::health::Health;
use super::quiet::{self, Deferred};
use super::{Audience, Event, Hang, Notification, Settings, Threading, Update};
use crate::document::format_duration;
use crate::exec::Status;
use crate::id::RunId;

/// So many runs of one job that were told of are remembered while they go on (`overlap = "allow"`).
const MOST: usize = 64;

/// What is to be done about a run that has taken as long as `notify.slow` says.
#[derive(Clone, Debug, PartialEq)]
pub enum Slow {
    /// Nothing, now or later: it was told of, or nobody asks, or `rate_limit` suppresses it.
    Never,
    /// Nothing before this time: quiet hours, or a silence.
    Until(Timestamp),
    /// It is told.
    Tell(Box<Notification>),
}

/// How long a run may take before it is told of; `None` when nobody asks. `on = []` is silence.
pub fn slow_after(settings: &Settings) -> Option<Duration> {
    settings.slow.filter(|_| !settings.on.is_empty())
}

/// A run has taken longer than `over`, and goes on.
pub fn slow(settings: &Settings, health: &mut Health, run: Hang, zone: &TimeZone, now: Timestamp) -> Slow {
    health.clamp_to_now(now);
    let Some(over) = slow_after(settings).filter(|_| !health.slow.contains(&run.run)) else { return Slow::Never };
    if let Some(until) = health.silenced() {
        return Slow::Until(until);
    }
    if !settings.quiet_except.contains(Status::Warning)
        && quiet::is_quiet(settings, zone, now)
        && let Some(until) = quiet::end(settings, zone, now)
    {
        // Should it end before, that is told at the end of the hours.
        if !health.slow_at_night.contains(&run.run) {
            health.slow_at_night.truncate(MOST - 1);
            health.slow_at_night.push(run.run);
        }
        return Slow::Until(until);
    }
    health.slow_at_night.retain(|known| *known != run.run);
    let undo = health.undo();
    if health.slow.len() >= MOST {
        health.slow.remove(0);
    }
    health.slow.push(run.run);
    if health.budget.take(settings.rate_limit, now).is_err() {
        health.suppressed = health.suppressed.saturating_add(1);
        return Slow::Never;
    }
    Slow::Tell(Box::new(Notification {
        event: Event::Slow,
        status: Status::Warning,
        run: Some(run.run),
        incident: None,
        thread: Threading::None,
        opens_conversation: false,
        also: Vec::new(),
        keys: Vec::new(),
        keys_open: Vec::new(),
        keys_ended: Vec::new(),
        audience: Audience::default(),
        in_thread_only: false,
        pings: false,
        suppressed: std::mem::take(&mut health.suppressed),
        update: Update::Slow { over, run },
        headline: None,
        next: None,
        diff: String::new(),
        changed: false,
        good_news: None,
        previous: None,
        digest: Vec::new(),
        overnight: None,
        undo,
    }))
}

impl Health {
    /// Whether it was told that this run takes long.
    pub fn told_slow(&self, run: RunId) -> bool {
        self.slow.contains(&run)
    }

    /// A run is over that took so long, where that is known. One of which quiet hours kept back that it takes long is told at
    /// their end.
    pub fn is_over(
        &mut self,
        run: RunId,
        took: Option<Duration>,
        settings: &Settings,
        zone: &TimeZone,
        now: Timestamp,
    ) {
        if self.slow.contains(&run) {
            self.slow.retain(|told| *told != run);
        }
        let waits = self.slow_at_night.contains(&run);
        if waits {
            self.slow_at_night.retain(|known| *known != run);
        }
        let Some(over) = slow_after(settings).filter(|_| waits && quiet::is_quiet(settings, zone, now)) else { return };
        let took = took.map(|took| format!("took {}, ", format_duration(took))).unwrap_or_default();
        let line = format!("run {run} {took}longer than {}", format_duration(over));
        self.tell_in_the_morning((Event::Slow, Status::Warning), line, (settings, zone), (now, now));
    }

    /// A run is over that quiet hours kept from telling that it waited, for what the line says. It is told at their end; at once,
    /// where that has come meanwhile.
    pub fn waited_at_night(
        &mut self,
        line: String,
        settings: &Settings,
        zone: &TimeZone,
        since: Timestamp,
        now: Timestamp,
    ) {
        self.tell_in_the_morning((Event::Starved, Status::Critical), line, (settings, zone), (since, now));
    }

    fn tell_in_the_morning(
        &mut self,
        (event, status): (Event, Status),
        line: String,
        (settings, zone): (&Settings, &TimeZone),
        (at, now): (Timestamp, Timestamp),
    ) {
        self.waiting.until =
            if quiet::is_quiet(settings, zone, now) { quiet::end(settings, zone, now) } else { Some(now) };
        self.waiting.put(Deferred {
            at,
            event,
            status,
            incident: None,
            times: 1,
            key: Box::default(),
            ended: None,
            line,
            mixed: false,
            last: None,
            worst_line: String::new(),
            ok_between: false,
            unwatched: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{Health, Settings, Slow, slow};
    use crate::clock::shift;
    use crate::document::parse_rate;
    use crate::exec::Status;
    use crate::id::RunId;
    use crate::policy::settings::Asked;
    use crate::policy::{Event, Hang, Update, wake};
    use crate::schedule::parse_hours;

    const OVER: Duration = Duration::from_secs(600);

    fn at(minute: u64) -> Timestamp {
        // 2026-03-02, 21:00 UTC.
        shift(Timestamp::from_second(1_772_485_200).expect("a time"), Duration::from_secs(60 * minute))
    }

    fn ask(settings: &Settings, health: &mut Health, run: u64, minute: u64) -> Slow {
        let run = Hang {
            run: RunId(run),
            process: Some(4121),
            retries: false,
            age: OVER,
            replaced: false,
            skipped: 0,
            line: "12 of 40".to_owned(),
        };
        slow(settings, health, run, &TimeZone::UTC, at(minute))
    }

    fn settings() -> Settings {
        Settings { slow: Some(OVER), ..Settings::default() }
    }

    #[test]
    fn a_run_that_takes_long_is_told_once_also_after_a_restart() {
        let mut health = Health::default();
        let Slow::Tell(told) = ask(&settings(), &mut health, 7, 0) else { panic!("it is told") };
        assert_eq!((told.event, told.run, told.pings), (Event::Slow, Some(RunId(7)), false));
        assert!(matches!(told.update, Update::Slow { over: OVER, .. }));
        let kept = serde_json::to_string(&health).expect("JSON");
        let mut health: Health = serde_json::from_str(&kept).expect("the same");
        assert_eq!(ask(&settings(), &mut health, 7, 30), Slow::Never);
        assert!(matches!(ask(&settings(), &mut health, 8, 30), Slow::Tell(_)), "another run is another matter");
        for run in [7, 8] {
            health.is_over(RunId(run), Some(OVER), &settings(), &TimeZone::UTC, at(40));
        }
        assert_eq!(
            serde_json::to_value(&health).expect("JSON").get("slow"),
            None,
            "nothing is kept of runs that ended"
        );
    }

    #[test]
    fn nobody_asks_without_the_key_nor_with_an_empty_on() {
        let silent = Settings { on: Asked::new(&[]), ..settings() };
        for settings in [Settings::default(), silent] {
            assert_eq!(ask(&settings, &mut Health::default(), 7, 0), Slow::Never);
        }
    }

    #[test]
    fn quiet_hours_and_a_silence_delay_it() {
        let quiet = Settings { quiet_hours: parse_hours("22:00-07:00").ok(), ..settings() };
        let mut health = Health::default();
        assert_eq!(ask(&quiet, &mut health, 7, 61), Slow::Until(at(600)));
        assert!(matches!(ask(&quiet, &mut health, 7, 600), Slow::Tell(_)));
        let mut health = Health::default();
        health.silence(Some(at(20)), at(0));
        assert_eq!(ask(&settings(), &mut health, 7, 10), Slow::Until(at(20)));
        assert!(matches!(ask(&settings(), &mut health, 7, 20), Slow::Tell(_)));
    }

    #[test]
    fn a_run_that_took_long_within_quiet_hours_waits_for_their_end() {
        let quiet = Settings { quiet_hours: parse_hours("22:00-07:00").ok(), ..settings() };
        let mut health = Health::default();
        ask(&quiet, &mut health, 7, 61);
        ask(&quiet, &mut health, 7, 62);
        let kept = serde_json::to_string(&health).expect("JSON");
        let mut health: Health = serde_json::from_str(&kept).expect("the same");
        health.is_over(RunId(7), Some(2 * OVER), &quiet, &TimeZone::UTC, at(80));
        health.is_over(RunId(8), Some(OVER / 2), &quiet, &TimeZone::UTC, at(90));
        let told = wake(&quiet, &mut health, None, &TimeZone::UTC, at(600));
        let lines: Vec<&str> = told.iter().flat_map(|told| &told.digest).map(String::as_str).collect();
        assert_eq!(lines, ["22:20 slow: run 7 took 20m, longer than 10m"]);
        assert_eq!((told[0].event, told[0].status), (Event::Slow, Status::Warning));
        // One that goes on is told as that, and not twice.
        let mut health = Health::default();
        ask(&quiet, &mut health, 9, 61);
        assert!(matches!(ask(&quiet, &mut health, 9, 600), Slow::Tell(_)));
        health.is_over(RunId(9), Some(OVER), &quiet, &TimeZone::UTC, at(601));
        assert!(wake(&quiet, &mut health, None, &TimeZone::UTC, at(602)).is_empty());
    }

    #[test]
    fn the_rate_limit_suppresses_it_and_the_next_message_counts_it() {
        let settings = Settings { rate_limit: parse_rate("2/h").expect("a rate"), ..settings() };
        let mut health = Health::default();
        let told = (0..5).filter(|run| matches!(ask(&settings, &mut health, *run, *run), Slow::Tell(_))).count();
        assert_eq!(told, 2);
        let Slow::Tell(told) = ask(&settings, &mut health, 9, 90) else { panic!("the budget has grown back") };
        assert_eq!(told.suppressed, 3);
    }
}
