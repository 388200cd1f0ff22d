use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::{AtStart, Burst, CatchUp, Cron, Every, EveryFrom, FirstRun, Limit, Schedule, Timing, parse_hours};
use super::{Cadence, Due, NextRun, Saved, Taken, shift_by_jitter};
use crate::clock::{Mono, Now, between, shift};

const START: &str = "2026-06-05T00:00:00Z"; // a Friday

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn every(text: &str) -> Timing {
    Timing::new(Schedule::Every(Every::new(length(text))), TimeZone::UTC)
}

fn burst(interval: &str, limit: Limit, pause: &str) -> Timing {
    let pulse = Every::new(length(interval));
    Timing::new(Schedule::Burst(Burst { pulse, limit, pause: length(pause) }), TimeZone::UTC)
}

fn cron(text: &str, zone: &str) -> Timing {
    let zone = TimeZone::get(zone).expect("tests need the time zones of the machine");
    Timing::new(Schedule::Cron(Arc::new(Cron::parse(text).expect("a calendar"))), zone)
}

fn length(text: &str) -> Duration {
    humantime::parse_duration(text).expect("a length of time")
}

impl Timing {
    fn within(mut self, hours: &str) -> Self {
        self.hours = Some(parse_hours(hours).expect("hours"));
        self
    }

    fn catching_up(mut self) -> Self {
        self.catch_up = CatchUp::Once;
        self
    }

    fn pulse_mut(&mut self) -> &mut Every {
        match &mut self.schedule {
            Schedule::Every(pulse) | Schedule::Burst(Burst { pulse, .. }) => pulse,
            _ => panic!("a calendar has no interval"),
        }
    }
}

/// A job, both clocks, and what happened so far.
struct Bench {
    timing: Timing,
    cadence: Cadence,
    now: Now,
    told: Vec<String>,
}

impl Bench {
    fn new(timing: Timing, from: &str) -> Self {
        let now = Now { wall: at(from), mono: Mono(secs(1_000)) };
        let cadence = timing.begin("job on host", None, now);
        Self { timing, cadence, now, told: Vec::new() }
    }

    fn pass(&mut self, time: Duration) {
        self.now = Now { wall: shift(self.now.wall, time), mono: self.now.mono + time };
    }

    /// Takes now, and notes it.
    fn take(&mut self) -> Taken {
        let taken = self.cadence.take(&self.timing, self.now);
        let wall = self.now.wall.to_zoned(self.timing.zone.clone()).strftime("%a %H:%M:%S").to_string();
        self.told.push(match taken {
            Taken::Run { missed: 0, late: Duration::ZERO, .. } => wall,
            Taken::Run { scheduled, missed, late } => {
                let scheduled = scheduled.to_zoned(self.timing.zone.clone()).strftime("%H:%M:%S").to_string();
                format!("{wall} for {scheduled} missed {missed} late {}s", late.as_secs_f64())
            }
            Taken::Outside => format!("{wall} outside"),
            Taken::NotYet => format!("{wall} not yet"),
            Taken::Absent(_) => format!("{wall} absent"),
        });
        taken
    }

    /// Lets time pass from slot to slot for so long; each run lasts no time.
    fn run_for(&mut self, time: Duration) -> &mut Self {
        let end = self.now.mono + time;
        while let Some(slot) = self.cadence.slot().filter(|slot| slot.mono(self.now) < end) {
            self.pass(self.now.mono.until(slot.mono(self.now)));
            self.take();
        }
        self.pass(self.now.mono.until(end));
        self
    }

    /// The daemon is down for so long; the machine boots, and the monotonic clock begins anew.
    fn restart_after(&mut self, down: Duration) -> &mut Self {
        let saved = serde_json::to_string(&self.cadence.save(self.now)).expect("it can be written");
        let saved: Saved = serde_json::from_str(&saved).expect("it can be read");
        self.now = Now { wall: shift(self.now.wall, down), mono: Mono(secs(7)) };
        self.cadence = self.timing.begin("job on host", Some(&saved), self.now);
        self.told.push("restart".to_owned());
        self
    }

    /// The wall clock is set.
    fn set_clock(&mut self, to: &str) -> &mut Self {
        let before = self.now.wall;
        self.now.wall = at(to);
        self.cadence.clock_stepped(&self.timing, before, self.now);
        self
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn an_interval_runs_at_once_and_then_on_its_grid() {
    let mut bench = Bench::new(every("5m"), START);
    assert_eq!(bench.run_for(secs(900)).told(), ["Fri 00:00:00", "Fri 00:05:00", "Fri 00:10:00"]);
}

#[test]
fn a_job_may_wait_for_its_first_interval() {
    let mut timing = every("5m");
    timing.pulse_mut().first_run = FirstRun::Wait;
    assert_eq!(Bench::new(timing, START).run_for(secs(900)).told(), ["Fri 00:05:00", "Fri 00:10:00"]);
}

#[test]
fn late_slots_become_one_run_and_the_grid_stays() {
    let mut bench = Bench::new(every("5m"), START);
    bench.take();
    bench.pass(secs(1_000));
    bench.take();
    bench.take();
    bench.run_for(secs(300));
    let late = "Fri 00:16:40 for 00:15:00 missed 2 late 100s";
    assert_eq!(bench.told(), ["Fri 00:00:00", late, "Fri 00:16:40 not yet", "Fri 00:20:00"]);
}

#[test]
fn from_the_finish_the_next_run_waits_for_the_last() {
    let mut timing = every("5m");
    timing.pulse_mut().from = EveryFrom::Finish;
    let mut bench = Bench::new(timing, START);
    bench.take();
    assert_eq!(bench.cadence.slot(), None);
    bench.pass(secs(700));
    bench.cadence.finished(&bench.timing, bench.now);
    bench.run_for(secs(301));
    assert_eq!(bench.told(), ["Fri 00:00:00", "Fri 00:16:40"]);
    // A crash while it ran: the interval counts from the last slot.
    assert_eq!(bench.restart_after(secs(100)).run_for(secs(250)).told(), ["restart", "Fri 00:21:40"]);
}

#[test]
fn the_cadence_survives_a_restart() {
    let mut bench = Bench::new(every("1h"), START);
    bench.run_for(secs(90 * 60));
    bench.restart_after(secs(10 * 60)).run_for(secs(30 * 60));
    assert_eq!(bench.told(), ["Fri 00:00:00", "Fri 01:00:00", "restart", "Fri 02:00:00"]);
    // A slot passed meanwhile.
    bench.restart_after(secs(3 * 3_600)).run_for(secs(3_600));
    assert_eq!(bench.told(), ["restart", "Fri 06:00:00"]);
    bench.timing = bench.timing.clone().catching_up();
    bench.restart_after(secs(9_000)).run_for(secs(1_801));
    assert_eq!(bench.told(), ["restart", "Fri 08:40:00 for 08:00:00 missed 1 late 2400s", "Fri 09:00:00"]);
    // None passed.
    bench.restart_after(secs(60)).run_for(secs(3_600));
    assert_eq!(bench.told(), ["restart", "Fri 10:00:00"]);
}

#[test]
fn what_is_owed_is_owed_until_it_runs() {
    for timing in [every("1h").catching_up(), cron("0 * * * *", "UTC").catching_up()] {
        let mut bench = Bench::new(timing, "2026-06-05T00:00:01Z");
        bench.run_for(secs(3_601));
        bench.told();
        bench.restart_after(secs(7_200)).restart_after(secs(60)).restart_after(secs(60));
        let run = bench.take();
        assert!(matches!(run, Taken::Run { missed: 1, .. }), "{run:?}");
        bench.restart_after(secs(60));
        assert_eq!(bench.take(), Taken::NotYet);
    }
}

#[test]
fn a_clock_set_back_between_two_runs_of_the_daemon_starves_nobody() {
    let mut bench = Bench::new(every("1h"), START);
    bench.run_for(secs(60));
    let saved = bench.cadence.save(bench.now);
    bench.now.wall = at("2016-06-05T00:20:00Z");
    bench.cadence = bench.timing.begin("job on host", Some(&saved), bench.now);
    assert_eq!(bench.run_for(secs(3_600)).told(), ["Fri 00:00:00", "Sun 01:00:00"]);
}

#[test]
fn a_changed_interval_counts_from_the_last_run() {
    let mut bench = Bench::new(every("1h"), START);
    bench.run_for(secs(33 * 60));
    bench.timing = every("5m").catching_up();
    assert_eq!(
        bench.restart_after(secs(0)).run_for(secs(480)).told(),
        ["Fri 00:00:00", "restart", "Fri 00:35:00", "Fri 00:40:00"]
    );
}

#[test]
fn jitter_shifts_the_whole_grid_by_the_same_amount_each_time() {
    let mut timing = every("1h");
    timing.jitter = secs(600);
    let own = shift_by_jitter("job on host", secs(600));
    let mut bench = Bench::new(timing.clone(), START);
    let slots: Vec<Timestamp> = timing.upcoming("job on host", None, bench.now.wall).take(3).collect();
    assert_eq!(slots, [0, 1, 2].map(|hour| shift(at(START), secs(hour * 3_600) + own)));
    bench.run_for(secs(7_000));
    // Another jitter moves the grid by the difference, at the next start.
    bench.timing.jitter = Duration::ZERO;
    bench.told();
    assert_eq!(bench.restart_after(secs(1)).run_for(secs(3_600)).told(), ["restart", "Fri 02:00:00"]);
    // A calendar too.
    let mut daily = cron("0 3 * * *", "UTC");
    daily.jitter = secs(600);
    let slot = daily.upcoming("job on host", None, at(START)).next();
    assert_eq!(slot, Some(shift(at("2026-06-05T03:00:00Z"), own)));
}

#[test]
fn another_jitter_neither_repeats_a_time_of_the_calendar_nor_loses_one() {
    let own = shift_by_jitter("job on host", secs(600));
    let change = |jitter: u64, from: &str, until_change: Duration| {
        let mut bench = Bench::new(cron("0 * * * *", "UTC"), from);
        bench.timing.jitter = secs(jitter);
        bench.cadence = bench.timing.begin("job on host", None, bench.now);
        bench.run_for(until_change);
        bench.told();
        bench
    };
    let shown = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%a %H:%M:%S%.f").to_string();
    let next = |bench: &Bench| shown(bench.cadence.slot().expect("there is one").scheduled);
    // It ran at 01:00, and then its times move on: the next run is that of 02:00, also after one more change, and a restart.
    let mut bench = change(0, "2026-06-05T00:30:00Z", secs(1_800) + secs(1));
    let ran = shown(shift(at("2026-06-05T02:00:00Z"), own));
    bench.timing.jitter = secs(600);
    bench.restart_after(secs(0));
    assert_eq!(next(&bench), ran);
    bench.restart_after(secs(0));
    assert_eq!(next(&bench), ran);
    bench.timing.jitter = secs(900);
    bench.restart_after(secs(1));
    bench.timing.jitter = secs(600);
    bench.restart_after(secs(1));
    assert_eq!(next(&bench), ran);
    // It was to run a little after 01:00: without jitter it runs at once, and once.
    let mut bench = change(600, "2026-06-05T00:30:00Z", secs(1_801));
    bench.timing.jitter = Duration::ZERO;
    bench.restart_after(secs(0)).run_for(secs(3_600));
    assert_eq!(bench.told(), ["restart", "Fri 01:00:01 for 01:00:00 missed 0 late 1s", "Fri 02:00:00"]);
    // A daemon that was down at 01:00 makes up for it where it should, and never twice.
    let mut bench = change(0, "2026-06-05T00:30:00Z", secs(60));
    bench.timing = bench.timing.catching_up();
    bench.timing.jitter = secs(600);
    bench.restart_after(secs(1_741)).run_for(secs(3_000));
    assert_eq!(bench.told().len(), 2);
}

#[test]
fn jitter_is_below_its_bound_spread_out_and_never_changes() {
    assert_eq!(shift_by_jitter("db/backup@web-1", secs(60)), Duration::from_millis(14_159));
    assert_eq!(shift_by_jitter("x", Duration::ZERO), Duration::ZERO);
    let mut quarters = [0; 4];
    for job in 0..4_000 {
        let shift = shift_by_jitter(&format!("job{job}@host"), secs(60));
        quarters[usize::try_from(shift.as_secs() / 15).expect("below a minute")] += 1;
    }
    assert!(quarters.iter().all(|count| (900..1_100).contains(count)), "{quarters:?}");
}

#[test]
fn closed_hours_are_jumped_over_on_the_grid() {
    let mut bench = Bench::new(every("1h").within("Mon-Fri 9:00-11:30"), "2026-06-05T08:20:00Z");
    assert_eq!(bench.cadence.slot().map(|slot| slot.scheduled), Some(at("2026-06-05T09:20:00Z")), "one wake-up");
    let week = bench.run_for(secs(4 * 86_400)).told();
    assert_eq!(week, ["Fri 09:20:00", "Fri 10:20:00", "Fri 11:20:00", "Mon 09:20:00", "Mon 10:20:00", "Mon 11:20:00"]);
    let mut fast = Bench::new(every("10ms").within("9:00-9:01"), "2026-06-05T09:00:59.985Z");
    assert_eq!(fast.run_for(secs(1)).told(), ["Fri 09:00:59"; 2]);
    assert_eq!(fast.cadence.slot().map(|slot| slot.scheduled), Some(at("2026-06-06T09:00:00.005Z")));
}

#[test]
fn hours_and_slots_that_never_meet_are_never() {
    let mut daily = every("24h").within("9:00-19:00");
    daily.pulse_mut().first_run = FirstRun::Wait;
    for timing in [daily, cron("0 3 * * *", "UTC").within("9:00-19:00"), cron("0 0 31 2 *", "UTC")] {
        assert_eq!(timing.begin("x", None, Now { wall: at(START), mono: Mono::default() }).slot(), None);
        assert_eq!(timing.upcoming("x", None, at(START)).next(), None);
    }
}

#[test]
fn a_slot_that_is_late_into_closed_hours_passes() {
    for timing in [every("1h").within("9:00-11:30"), cron("20 * * * *", "UTC").within("9:00-11:30")] {
        let mut bench = Bench::new(timing, "2026-06-05T08:20:00Z");
        bench.pass(secs(4 * 3_600));
        bench.take();
        bench.run_for(secs(22 * 3_600));
        assert_eq!(bench.told(), ["Fri 12:20:00 outside", "Sat 09:20:00"]);
    }
}

#[test]
fn a_late_run_stands_for_the_last_open_slot() {
    for timing in
        [every("1h").within("9:00-11:30,13:30-19:00"), cron("20 * * * *", "UTC").within("9:00-11:30,13:30-19:00")]
    {
        let mut bench = Bench::new(timing, "2026-06-05T08:20:00Z");
        bench.pass(secs(5 * 3_600 + 900));
        bench.take();
        assert_eq!(bench.told(), ["Fri 13:35:00 for 11:20:00 missed 2 late 8100s"]);
    }
}

#[test]
fn a_burst_of_runs_pauses_from_the_start_of_the_last() {
    let mut bench = Bench::new(burst("2s", Limit::Runs(3), "60m"), START);
    let two = ["Fri 00:00:00", "Fri 00:00:02", "Fri 00:00:04", "Fri 01:00:04", "Fri 01:00:06", "Fri 01:00:08"];
    assert_eq!(bench.run_for(secs(7_200)).told(), two);
    assert!(!bench.cadence.paused(bench.now), "what its last run says is sent");
}

#[test]
fn the_pause_counts_from_the_slot_though_the_run_was_late() {
    let mut bench = Bench::new(burst("2s", Limit::Runs(2), "60m"), START);
    bench.run_for(secs(1));
    bench.pass(Duration::from_millis(2_500));
    bench.run_for(secs(3_700));
    let late = "Fri 00:00:03 for 00:00:02 missed 0 late 1.5s";
    assert_eq!(bench.told(), ["Fri 00:00:00", late, "Fri 01:00:02", "Fri 01:00:04"]);
}

#[test]
fn the_place_in_a_burst_survives_a_restart() {
    let mut bench = Bench::new(burst("2s", Limit::Runs(3), "60m"), START);
    bench.run_for(secs(3));
    bench.restart_after(secs(10)).run_for(secs(4_000));
    assert_eq!(
        bench.told(),
        ["Fri 00:00:00", "Fri 00:00:02", "restart", "Fri 00:00:14", "Fri 01:00:14", "Fri 01:00:16", "Fri 01:00:18"]
    );
    // In the pause.
    bench.restart_after(secs(60)).run_for(secs(3_540));
    assert_eq!(bench.told(), ["restart", "Fri 02:00:18", "Fri 02:00:20", "Fri 02:00:22"]);
}

#[test]
fn a_burst_outside_its_hours_stands_still() {
    let mut bench = Bench::new(burst("10m", Limit::Runs(3), "1h").within("9:00-10:15"), "2026-06-05T10:00:00Z");
    bench.run_for(secs(24 * 3_600 + 5_400));
    assert_eq!(bench.told(), ["Fri 10:00:00", "Fri 10:10:00", "Sat 09:00:00", "Sat 10:00:00", "Sat 10:10:00"]);
}

#[test]
fn a_burst_that_was_suspended_goes_on_with_one_run() {
    let mut bench = Bench::new(burst("2s", Limit::Runs(3), "60m"), START);
    bench.run_for(secs(1));
    bench.pass(secs(2_000));
    bench.run_for(secs(5));
    let late = "Fri 00:33:21 for 00:33:20 missed 1 late 1s";
    assert_eq!(bench.told(), ["Fri 00:00:00", late, "Fri 00:33:22"]);
}

/// As the dispatcher does it: each run that is taken sends an alert, if it may.
fn alerts(bench: &mut Bench, time: Duration) -> Vec<String> {
    let end = bench.now.mono + time;
    let mut lines = Vec::new();
    while let Some(slot) = bench.cadence.slot().filter(|slot| slot.mono(bench.now) < end) {
        bench.pass(bench.now.mono.until(slot.mono(bench.now)));
        assert!(matches!(bench.take(), Taken::Run { .. }));
        bench.pass(Duration::from_millis(300));
        let pauses = bench.cadence.pauses_after_next_alert(&bench.timing);
        let begins = bench.cadence.alerted(&bench.timing, bench.now);
        assert_eq!(begins, pauses.is_some(), "what was foretold comes");
        assert_eq!(begins, bench.cadence.paused(bench.now));
        lines.push(format!("{}{}", bench.told().join(""), if begins { " pauses" } else { "" }));
    }
    bench.pass(bench.now.mono.until(end));
    lines
}

#[test]
fn a_burst_of_alerts_sends_exactly_so_many_over_a_day() {
    let mut bench = Bench::new(every("2s").into_burst(3, secs(3_600)), START);
    let day = alerts(&mut bench, secs(86_400));
    assert_eq!(day.len(), 3 * 24);
    assert_eq!(
        day[..5],
        ["Fri 00:00:00", "Fri 00:00:02", "Fri 00:00:04 pauses", "Fri 01:00:04", "Fri 01:00:06"].map(str::to_owned)
    );
    // Each pause counts from its message, 0.3 s after the beginning of the run.
    assert_eq!(day[71], "Fri 23:01:42 pauses");
}

#[test]
fn a_burst_of_alerts_goes_on_until_there_were_enough() {
    let mut bench = Bench::new(burst("2s", Limit::Alerts(3), "60m"), START);
    bench.run_for(secs(600));
    assert_eq!(bench.told().len(), 300, "no alert, no pause");
    alerts(&mut bench, secs(3));
    bench.restart_after(secs(10));
    bench.told();
    assert_eq!(alerts(&mut bench, secs(5)), ["Fri 00:10:14 pauses"], "two alerts came before the restart");
    bench.restart_after(secs(600));
    assert!(bench.cadence.paused(bench.now));
    assert!(!bench.cadence.alerted(&bench.timing, bench.now), "what comes in the pause does not count");
    bench.told();
    assert_eq!(alerts(&mut bench, secs(3_002)), ["Fri 01:10:14", "Fri 01:10:16", "Fri 01:10:18 pauses"]);
}

#[test]
fn a_pause_shorter_than_the_interval_never_hastens_a_run() {
    for limit in [Limit::Runs(1), Limit::Alerts(1)] {
        let mut bench = Bench::new(burst("1h", limit, "0s"), START);
        assert_eq!(alerts_or_runs(&mut bench), ["Fri 00:00:00", "Fri 01:00:00", "Fri 02:00:00"]);
    }
}

fn alerts_or_runs(bench: &mut Bench) -> Vec<String> {
    let end = bench.now.mono + secs(3 * 3_600);
    while let Some(slot) = bench.cadence.slot().filter(|slot| slot.mono(bench.now) < end) {
        bench.pass(bench.now.mono.until(slot.mono(bench.now)));
        bench.take();
        bench.cadence.alerted(&bench.timing, bench.now);
    }
    bench.told()
}

#[test]
fn a_calendar_over_both_daylight_saving_nights() {
    for (text, from, hours, expected) in [
        ("30 2 * * *", "2026-03-28T22:00Z", 30, &["Sun 03:00:00", "Mon 02:30:00"][..]),
        ("30 2 * * *", "2026-10-24T22:00Z", 30, &["Sun 02:30:00", "Mon 02:30:00"]),
        ("30 * * * *", "2026-10-24T23:00Z", 4, &["Sun 01:30:00", "Sun 02:30:00", "Sun 02:30:00", "Sun 03:30:00"]),
        ("30 * * * *", "2026-03-28T23:10Z", 3, &["Sun 00:30:00", "Sun 01:30:00", "Sun 03:30:00"]),
    ] {
        let mut bench = Bench::new(cron(text, "Europe/Berlin"), from);
        assert_eq!(bench.run_for(secs(hours * 3_600)).told(), expected, "{text} from {from}");
    }
}

#[test]
fn a_calendar_that_was_down_makes_up_only_when_asked() {
    let mut bench = Bench::new(cron("0 3 * * *", "UTC"), START);
    bench.restart_after(secs(60 * 3_600)).run_for(secs(86_400));
    assert_eq!(bench.told(), ["restart", "Mon 03:00:00"]);
    let mut bench = Bench::new(cron("0 3 * * *", "UTC").catching_up(), START);
    bench.restart_after(secs(60 * 3_600)).run_for(secs(86_400));
    assert_eq!(bench.told(), ["restart", "Sun 12:00:00 for 03:00:00 missed 2 late 32400s", "Mon 03:00:00"]);
    // Closed when it comes back: as soon as it opens.
    let mut bench = Bench::new(cron("0 10 * * *", "UTC").catching_up().within("9:00-19:00"), START);
    bench.restart_after(secs(20 * 3_600)).run_for(secs(86_400));
    assert_eq!(bench.told(), ["restart", "Sat 09:00:00 for 10:00:00 missed 0 late 82800s", "Sat 10:00:00"]);
}

#[test]
fn what_waits_for_its_hours_follows_a_set_clock() {
    let mut bench = Bench::new(cron("0 10 * * *", "UTC").catching_up().within("9:00-19:00"), START);
    bench.restart_after(secs(20 * 3_600)).set_clock("2026-06-05T18:00:00Z").run_for(secs(10));
    assert_eq!(bench.told(), ["restart", "Fri 18:00:00 for 10:00:00 missed 0 late 28800s"]);
}

#[test]
fn a_calendar_that_slept_with_the_machine_runs_once() {
    let mut bench = Bench::new(cron("*/10 * * * *", "UTC"), "2026-06-05T00:00:01Z");
    bench.pass(secs(3_600 + 120));
    bench.take();
    bench.pass(secs(30 * 86_400));
    bench.take();
    bench.run_for(secs(600));
    assert_eq!(
        bench.told(),
        [
            "Fri 01:02:01 for 01:00:00 missed 5 late 121s",
            "Sun 01:02:01 for 01:00:00 missed 99 late 121s",
            "Sun 01:10:00"
        ]
    );
}

#[test]
fn a_small_step_forward_runs_the_fixed_times_it_skipped_once_at_once() {
    let mut bench = Bench::new(cron("0,30 3 * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.set_clock("2026-06-05T05:00:00Z").run_for(secs(86_400));
    assert_eq!(bench.told(), ["Fri 05:00:00 for 03:30:00 missed 1 late 5400s", "Sat 03:00:00", "Sat 03:30:00"]);
    let mut bench = Bench::new(cron("*/30 * * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.set_clock("2026-06-05T05:10:00Z").run_for(secs(3_600));
    assert_eq!(bench.told(), ["Fri 05:30:00", "Fri 06:00:00"], "a cadence follows the new clock");
}

#[test]
fn a_small_step_back_repeats_no_fixed_time() {
    let mut bench = Bench::new(cron("0 3,4 * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.run_for(secs(1_200));
    bench.set_clock("2026-06-05T02:00:00Z").run_for(secs(600));
    bench.set_clock("2026-06-05T01:00:00Z").run_for(secs(4 * 3_600));
    assert_eq!(bench.told(), ["Fri 03:00:00", "Fri 04:00:00"]);
    let mut bench = Bench::new(cron("0 * * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.run_for(secs(1_200));
    bench.set_clock("2026-06-05T02:30:00Z").run_for(secs(3_600));
    assert_eq!(bench.told(), ["Fri 03:00:00", "Fri 03:00:00"], "a cadence follows the new clock");
    // Across a restart too.
    let mut bench = Bench::new(cron("0 3 * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.run_for(secs(1_200));
    bench.set_clock("2026-06-05T02:30:00Z").restart_after(secs(60)).run_for(secs(7_200));
    assert_eq!(bench.told(), ["Fri 03:00:00", "restart"]);
}

#[test]
fn a_large_step_is_a_correction_and_nothing_is_made_up() {
    let mut bench = Bench::new(cron("0 3 * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.run_for(secs(1_200));
    bench.set_clock("2026-06-08T12:00:00Z").run_for(secs(86_400));
    assert_eq!(bench.told(), ["Fri 03:00:00", "Tue 03:00:00"]);
    bench.set_clock("2020-01-01T00:00:00Z").run_for(secs(86_400));
    assert_eq!(bench.told(), ["Wed 03:00:00"]);
}

#[test]
fn a_nudge_of_the_clock_loses_no_slot_and_repeats_none() {
    for text in ["0 * * * *", "0 3 * * *"] {
        let mut bench = Bench::new(cron(text, "UTC"), "2026-06-05T02:59:59.9Z");
        bench.set_clock("2026-06-05T03:00:00.2Z").run_for(secs(1));
        assert_eq!(bench.told(), ["Fri 03:00:00 for 03:00:00 missed 0 late 0.2s"], "{text}");
        bench.set_clock("2026-06-05T02:59:59.7Z").run_for(secs(60));
        assert_eq!(bench.told(), [""; 0], "{text}");
        bench.set_clock("2026-06-05T02:59:59.7Z").restart_after(secs(0)).run_for(secs(50));
        assert_eq!(bench.told(), ["restart"], "{text}");
    }
}

#[test]
fn the_time_in_which_a_job_was_not_enabled_is_not_made_up_for() {
    let mut bench = Bench::new(every("1h").catching_up(), START);
    bench.run_for(secs(60));
    bench.timing.enabled = false;
    bench.restart_after(secs(60)).restart_after(secs(7_200));
    bench.timing.enabled = true;
    bench.restart_after(secs(60)).run_for(secs(3_600));
    assert_eq!(bench.told(), ["Fri 00:00:00", "restart", "restart", "restart", "Fri 03:00:00"]);
}

#[test]
fn a_slot_that_was_due_when_the_clock_was_set_still_runs() {
    let mut bench = Bench::new(cron("0 3 * * *", "UTC"), "2026-06-05T02:50:00Z");
    bench.pass(secs(601));
    bench.set_clock("2026-06-07T12:00:00Z").run_for(secs(60));
    assert_eq!(bench.told(), ["Sun 12:00:00 for 03:00:00 missed 0 late 205200s"]);
    // By the new clock its time is yet to come: it runs then, and once.
    for to in ["2026-06-05T01:00:00Z", "2026-06-04T12:00:00Z"] {
        let mut bench = Bench::new(cron("0 3 * * *", "UTC"), "2026-06-05T02:50:00Z");
        bench.pass(secs(601));
        bench.set_clock(to).run_for(secs(20 * 3_600));
        assert_eq!(bench.told(), ["Fri 03:00:00"]);
    }
}

#[test]
fn intervals_do_not_care_how_the_clock_is_set() {
    let mut bench = Bench::new(every("1h"), START);
    bench.run_for(secs(1_800));
    bench.set_clock("2020-01-01T00:00:00Z").run_for(secs(7_200));
    bench.set_clock("2030-01-01T00:00:00Z").run_for(secs(3_600));
    assert_eq!(bench.told(), ["Fri 00:00:00", "Wed 00:30:00", "Wed 01:30:00", "Tue 00:30:00"]);
    // The last slot moves along, so that a restart keeps the grid.
    bench.set_clock("2026-06-05T10:10:00Z");
    assert_eq!(bench.restart_after(secs(60)).run_for(secs(3_600)).told(), ["restart", "Fri 10:40:00"]);
}

#[test]
fn hours_follow_the_clock_and_the_grid_stays() {
    let mut bench = Bench::new(every("1h").within("9:00-19:00"), "2026-06-05T20:10:00Z");
    bench.set_clock("2026-06-05T10:40:00Z").run_for(secs(3_601));
    assert_eq!(bench.told(), ["Fri 11:40:00"]);
    bench.set_clock("2026-06-05T22:00:00Z").run_for(secs(12 * 3_600));
    assert_eq!(bench.told().first().map(String::as_str), Some("Sat 09:59:59"));
}

#[test]
fn a_job_that_is_not_enabled_is_never_due() {
    let mut timing = cron("* * * * *", "UTC");
    timing.enabled = false;
    let mut bench = Bench::new(timing, START);
    bench.set_clock("2026-06-06T00:00:00Z");
    assert_eq!((bench.cadence.slot(), bench.take()), (None, Taken::NotYet));
    let mut timing = every("1m").into_burst(1, secs(60));
    timing.enabled = false;
    let mut bench = Bench::new(timing, START);
    assert!(!bench.cadence.alerted(&bench.timing, bench.now));
    assert_eq!((bench.cadence.slot(), bench.take()), (None, Taken::NotYet));
}

#[test]
fn a_saved_cadence_is_small_and_forgiving() {
    let mut bench = Bench::new(every("1h"), START);
    bench.run_for(secs(60));
    let text = serde_json::to_string(&bench.cadence.save(bench.now)).expect("it can be written");
    assert_eq!(text, r#"{"last":"2026-06-05T00:00:00Z","next":"2026-06-05T01:00:00Z"}"#);
    assert_eq!(serde_json::from_str::<Saved>("{}").expect("it can be read"), Saved::default());
    assert!(size_of::<Cadence>() <= 192, "{} bytes a job", size_of::<Cadence>());
}

#[test]
fn a_slot_on_the_wall_clock_is_told_on_the_other() {
    let bench = Bench::new(cron("0 3 * * *", "UTC"), "2026-06-05T02:00:00Z");
    let slot = bench.cadence.slot().expect("it runs each day");
    assert_eq!((slot.due, slot.mono(bench.now)), (Due::Wall(at("2026-06-05T03:00:00Z")), Mono(secs(4_600))));
}

#[test]
fn what_comes_is_what_would_run() {
    let list = |timing: &Timing, past, count| -> Vec<String> {
        timing.upcoming("x", past, at(START)).take(count).map(|at| at.to_string()).collect()
    };
    assert_eq!(list(&every("1h"), None, 2), ["2026-06-05T00:00:00Z", "2026-06-05T01:00:00Z"]);
    let mut finish = every("1h");
    finish.pulse_mut().from = EveryFrom::Finish;
    assert_eq!(list(&finish, None, 2), ["2026-06-05T00:00:00Z", "2026-06-05T01:00:00Z"]);
    assert_eq!(list(&cron("0 3 * * *", "UTC").within("Sun 0:00-24:00"), None, 1), ["2026-06-07T03:00:00Z"]);
    let past = Saved { last: Some(at("2026-06-04T23:30:00Z")), ..Saved::default() };
    assert_eq!(list(&every("1h"), Some(&past), 1), ["2026-06-05T00:30:00Z"]);
}

/// Anything that can happen to a job.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    RunFor(u64),
    Restart(u64),
    Set(i64),
    Alert,
    Finish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u64..20_000).prop_map(Step::Pass),
        (0_u64..20_000).prop_map(Step::RunFor),
        (0_u64..200_000).prop_map(Step::Restart),
        (-400_000_i64..400_000).prop_map(Step::Set),
        Just(Step::Alert),
        Just(Step::Finish),
    ];
    prop::collection::vec(step, 1..25)
}

fn timings() -> impl Strategy<Value = Timing> {
    let schedule = prop_oneof![
        (1_u64..9_000).prop_map(|n| every(&format!("{n}s"))),
        (1_u64..900, 1_u32..5, 0_u64..9_000).prop_map(|(n, k, p)| burst(
            &format!("{n}s"),
            Limit::Runs(k),
            &format!("{p}s")
        )),
        (1_u64..900, 1_u32..5, 0_u64..9_000).prop_map(|(n, k, p)| burst(
            &format!("{n}s"),
            Limit::Alerts(k),
            &format!("{p}s")
        )),
        prop::sample::select(&["0 3 * * *", "*/17 * * * *", "30 2,3 * * 1-5", "0 */5 L * *"][..])
            .prop_map(|text| cron(text, "Europe/Berlin")),
    ];
    let hours = prop::sample::select(&["", "", "9:00-19:00", "Mon-Fri 22:00-06:00", "Sun 02:15-02:45"][..]);
    (schedule, hours, any::<bool>(), any::<bool>(), 0_u64..500).prop_map(|(timing, hours, once, finish, jitter)| {
        let mut timing = if hours.is_empty() { timing } else { timing.within(hours) };
        timing.catch_up = if once { CatchUp::Once } else { CatchUp::None };
        if finish && timing.pulse().is_some() {
            timing.pulse_mut().from = EveryFrom::Finish;
        }
        timing.jitter = timing.every().unwrap_or(secs(500)).min(secs(jitter));
        timing
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_interval_never_drifts(interval in 1_u64..100_000, delays in prop::collection::vec(0_u64..500_000, 1..50)) {
        let interval = Duration::from_millis(interval.max(10));
        let mut bench = Bench::new(Timing::new(Schedule::Every(Every::new(interval)), TimeZone::UTC), START);
        let (start, mut slots) = (bench.now.wall, 0);
        for delay in delays {
            let slot = bench.cadence.slot().expect("it always runs");
            bench.pass(bench.now.mono.until(slot.mono(bench.now)) + Duration::from_millis(delay));
            let Taken::Run { scheduled, missed, late } = bench.take() else { panic!("it was due") };
            prop_assert_eq!(between(start, scheduled).as_nanos() % interval.as_nanos(), 0, "on the grid");
            prop_assert!(late < interval);
            slots += u128::from(missed) + 1;
            prop_assert_eq!(between(start, scheduled).as_nanos() / interval.as_nanos() + 1, slots, "every slot is accounted for");
        }
    }

    #[test]
    fn the_first_run_after_a_time_is_that_to_which_all_runs_before_lead(
        timing in timings(), from in 1_767_225_600_i64..1_798_761_600, ahead in 0_u64..20_000, paused in 0_u64..20_000,
    ) {
        let from = Timestamp::from_second(from).expect("in range").to_string();
        // As far as a burst of runs is followed.
        let short = matches!(timing.schedule, Schedule::Burst(Burst { limit: Limit::Runs(_), .. }));
        let (ahead, paused) = if short { (ahead % 900, paused % 900) } else { (ahead, paused) };
        let mut bench = Bench::new(timing, &from);
        let known = bench.cadence.ahead(&bench.timing, bench.now);
        let until = shift(bench.now.wall, secs(paused));
        let wanted = shift(bench.now.wall, secs(ahead)).max(until);
        let mut first = NextRun::Never;
        for _ in 0..20_001 {
            let Some(slot) = bench.cadence.slot() else { break };
            bench.pass(bench.now.mono.until(slot.mono(bench.now)));
            if bench.now.wall >= wanted {
                first = NextRun::At(bench.now.wall);
                break;
            }
            _ = if bench.now.wall < until { bench.cadence.pass(&bench.timing, bench.now) } else { bench.take() };
            bench.cadence.finished(&bench.timing, bench.now);
        }
        prop_assert_eq!(known.first(shift(at(&from), secs(ahead)), Some(until), false), first);
    }

    /// The laws, whatever happens: only in its hours, never for the future, never twice for a slot but when the clock
    /// goes back, and after each take the next slot lies ahead.
    #[test]
    fn whatever_happens_the_laws_hold(timing in timings(), steps in steps(), from in 1_767_225_600_i64..1_798_761_600) {
        let from = Timestamp::from_second(from).expect("in range").to_string();
        let mut bench = Bench::new(timing, &from);
        let mut last: Option<Timestamp> = None;
        for step in steps {
            let set = matches!(step, Step::Set(_));
            let mut end = bench.now.mono;
            match step {
                Step::Pass(seconds) => bench.pass(secs(seconds)),
                Step::RunFor(seconds) => end = end + secs(seconds),
                Step::Restart(seconds) => { bench.restart_after(secs(seconds)); end = bench.now.mono; }
                Step::Set(seconds) => {
                    let to = bench.now.wall + jiff::SignedDuration::from_secs(seconds);
                    bench.set_clock(&to.to_string());
                    last = None;
                }
                Step::Alert => { bench.cadence.alerted(&bench.timing, bench.now); }
                Step::Finish => bench.cadence.finished(&bench.timing, bench.now),
            }
            for _ in 0..60 {
                let Some(slot) = bench.cadence.slot().filter(|slot| slot.mono(bench.now) <= end.max(bench.now.mono)) else { break };
                bench.pass(bench.now.mono.until(slot.mono(bench.now)));
                match bench.take() {
                    Taken::Run { scheduled, .. } => {
                        let ahead = if set { secs(3 * 3_600) } else { Duration::ZERO };
                        prop_assert!(scheduled <= shift(bench.now.wall, ahead));
                        prop_assert!(last.is_none_or(|last| last < scheduled), "{:?} then {}", last, scheduled);
                        prop_assert!(bench.timing.open().contains(bench.now.wall));
                        last = Some(scheduled);
                    }
                    Taken::Outside => prop_assert!(!bench.timing.open().contains(bench.now.wall)),
                    Taken::NotYet | Taken::Absent(_) => prop_assert!(false, "a slot that was due was not there"),
                }
                prop_assert_eq!(bench.cadence.take(&bench.timing, bench.now), Taken::NotYet);
                bench.cadence.finished(&bench.timing, bench.now);
            }
        }
    }
}

/// So many minutes after noon, on both clocks.
fn noon(minutes: u64) -> Now {
    Now { wall: shift(at("2026-11-23T12:00:00Z"), secs(60 * minutes)), mono: Mono(secs(60 * minutes)) }
}

#[test]
fn a_start_of_the_daemon_makes_due_what_asks_for_it() {
    let plain = every("1h");
    let always = Timing { at_start: AtStart::Always, ..plain.clone() };
    for (timing, due) in [(&always, true), (&plain, false)] {
        // It ran at noon, and the daemon is started again ten minutes later.
        let mut first = timing.begin("job", None, noon(0));
        first.daemon_started(timing, "boot", noon(0));
        assert_eq!(
            first.take(timing, noon(0)),
            Taken::Run { scheduled: noon(0).wall, missed: 0, late: Duration::ZERO }
        );
        let mut again = timing.begin("job", Some(&first.save(noon(0))), noon(10));
        again.daemon_started(timing, "boot", noon(10));
        assert_eq!(matches!(again.take(timing, noon(10)), Taken::Run { .. }), due);
        // Its cadence stays what it was.
        assert_eq!(again.slot().map(|slot| slot.scheduled), Some(noon(60).wall), "{due}");
    }
}

#[test]
fn a_job_that_runs_at_each_start_keeps_its_cadence_over_any_number_of_starts() {
    let burst = burst("10m", Limit::Runs(2), "1h");
    for (timing, slots) in [(every("1h"), [60, 60, 60, 120]), (burst, [10, 10, 10, 70])] {
        let timing = Timing { at_start: AtStart::Always, ..timing };
        let mut cadence = timing.begin("job", None, noon(0));
        assert!(matches!(cadence.take(&timing, noon(0)), Taken::Run { .. }));
        for (minute, slot) in [1, 3, 7].into_iter().zip(slots) {
            cadence = timing.begin("job", Some(&cadence.save(noon(minute))), noon(minute));
            cadence.daemon_started(&timing, "boot", noon(minute));
            assert!(matches!(cadence.take(&timing, noon(minute)), Taken::Run { .. }), "at each start");
            assert_eq!(cadence.slot().map(|slot| slot.scheduled), Some(noon(slot).wall), "{timing:?}");
        }
        assert!(matches!(cadence.take(&timing, noon(slots[2])), Taken::Run { .. }));
        assert_eq!(cadence.slot().map(|slot| slot.scheduled), Some(noon(slots[3]).wall), "{timing:?}");
    }
}

#[test]
fn a_job_that_runs_at_each_start_has_one_first_run_also_when_its_jitter_delays_it() {
    for (first_run, at_start, runs) in [
        (FirstRun::Always, AtStart::Always, 1),
        (FirstRun::Wait, AtStart::Always, 1),
        (FirstRun::Now, AtStart::Never, 1),
    ] {
        let pulse = Every { first_run, ..Every::new(secs(3600)) };
        let jitter = secs(600);
        let timing = Timing { at_start, jitter, ..Timing::new(Schedule::Every(pulse), TimeZone::UTC) };
        let mut cadence = timing.begin("job", None, noon(0));
        cadence.daemon_started(&timing, "boot", noon(0));
        let taken = (0..60).filter(|minute| matches!(cadence.take(&timing, noon(*minute)), Taken::Run { .. })).count();
        assert_eq!(taken, runs, "{first_run:?}");
    }
}

#[test]
fn at_reboot_is_once_after_each_boot() {
    let timing = Timing { at_start: AtStart::AfterBoot, ..Timing::new(Schedule::Reboot, TimeZone::UTC) };
    let mut saved: Option<Saved> = None;
    for (minute, boot, runs) in [(0, "a", true), (5, "a", false), (10, "b", true), (15, "b", false), (20, "a", true)] {
        let mut cadence = timing.begin("job", saved.as_ref(), noon(minute));
        assert_eq!(cadence.slot(), None, "nothing but a boot makes it due");
        cadence.daemon_started(&timing, boot, noon(minute));
        assert_eq!(matches!(cadence.take(&timing, noon(minute)), Taken::Run { .. }), runs, "{minute} {boot}");
        assert_eq!((cadence.take(&timing, noon(minute)), cadence.slot()), (Taken::NotYet, None));
        saved = Some(cadence.save(noon(minute)));
    }
    // Outside of its hours it waits for them.
    let hours = Some(parse_hours("13:00-14:00").expect("hours"));
    let timing = Timing { hours, ..timing };
    let mut cadence = timing.begin("job", None, noon(0));
    cadence.daemon_started(&timing, "a", noon(0));
    assert_eq!(cadence.take(&timing, noon(0)), Taken::NotYet);
    assert!(matches!(cadence.take(&timing, noon(61)), Taken::Run { .. }));
}

#[test]
fn at_reboot_waits_for_its_hours_over_a_restart_a_reload_and_a_set_clock() {
    let hours = Some(parse_hours("13:00-14:00").expect("hours"));
    let timing = Timing { at_start: AtStart::AfterBoot, hours, ..Timing::new(Schedule::Reboot, TimeZone::UTC) };
    let mut cadence = timing.begin("job", None, noon(0));
    cadence.daemon_started(&timing, "a", noon(0));
    // The daemon is started again before the hours open.
    let mut again = timing.begin("job", Some(&cadence.save(noon(10))), noon(10));
    again.daemon_started(&timing, "a", noon(10));
    // Its hours are changed meanwhile.
    let later = Timing { hours: Some(parse_hours("13:30-14:00").expect("hours")), ..timing.clone() };
    let mut changed = later.begin("job", Some(&again.save(noon(20))), noon(20));
    changed.changed(&again, &later, "a", noon(20));
    // The clock is set back by an hour, and by a day.
    for back in [60, 24 * 60] {
        let set = |minutes: u64| {
            let now = noon(minutes);
            Now { wall: now.wall.saturating_sub(Duration::from_secs(60 * back)).expect("a time"), ..now }
        };
        let mut changed = changed.clone();
        changed.clock_stepped(&later, noon(25).wall, set(25));
        assert_eq!(changed.take(&later, set(60 + back % 1440 + 29)), Taken::NotYet, "{back}");
        let Taken::Run { scheduled, .. } = changed.take(&later, set(60 + back % 1440 + 30)) else {
            panic!("it does not run: {changed:?}")
        };
        assert!(scheduled <= set(60 + back % 1440 + 30).wall);
        let mut next = timing.begin("job", Some(&changed.save(noon(100))), noon(100));
        next.daemon_started(&timing, "a", noon(100));
        assert_eq!(next.slot(), None, "once after each boot");
    }
}

#[test]
fn a_reload_is_no_start_of_the_daemon() {
    let always = Timing { at_start: AtStart::Always, ..every("1h") };
    let reboot = Timing { at_start: AtStart::AfterBoot, ..Timing::new(Schedule::Reboot, TimeZone::UTC) };
    let mut plain = every("1h").begin("job", None, noon(0));
    assert!(matches!(plain.take(&every("1h"), noon(0)), Taken::Run { .. }));
    for timing in [&always, &reboot] {
        // The schedule of a job becomes this one.
        let mut changed = timing.begin("job", Some(&plain.save(noon(10))), noon(10));
        changed.changed(&plain, timing, "a", noon(10));
        assert_eq!(changed.take(timing, noon(10)), Taken::NotYet, "{timing:?}");
        // Its file was away for a while.
        let mut back = timing.begin("job", Some(&plain.save(noon(10))), noon(10));
        back.appeared(timing, "a", noon(10));
        assert_eq!(back.take(timing, noon(10)), Taken::NotYet, "{timing:?}");
        // The next boot counts.
        let mut started = timing.begin("job", Some(&back.save(noon(20))), noon(20));
        started.daemon_started(timing, "b", noon(20));
        assert!(matches!(started.take(timing, noon(20)), Taken::Run { .. }), "{timing:?}");
    }
    // A new one has missed this boot, and so has one whose file had errors when the daemon started.
    let last_boot = Saved { boot: Some("z".to_owned()), ..Saved::default() };
    for past in [None, Some(&last_boot)] {
        let mut new = reboot.begin("job", past, noon(0));
        new.appeared(&reboot, "a", noon(0));
        assert!(matches!(new.take(&reboot, noon(0)), Taken::Run { .. }));
        let mut started = reboot.begin("job", Some(&new.save(noon(20))), noon(20));
        started.daemon_started(&reboot, "a", noon(20));
        assert_eq!(started.take(&reboot, noon(20)), Taken::NotYet);
    }
}

/// Survivors of a mutation: the pause after the last alert, when it is shorter than the interval; and what was owed counts as
/// the last slot.
#[test]
fn a_pause_shorter_than_the_interval_does_not_shorten_it() {
    let timing = burst("10m", Limit::Alerts(1), "1m");
    let mut cadence = timing.begin("job", None, noon(0));
    assert!(matches!(cadence.take(&timing, noon(0)), Taken::Run { .. }));
    assert!(cadence.alerted(&timing, noon(0)));
    assert_eq!(cadence.slot().map(|slot| slot.scheduled), Some(noon(10).wall));
}

#[test]
fn a_run_that_was_owed_is_the_last_that_was() {
    let timing = Timing { catch_up: CatchUp::Once, ..cron("0 12 * * *", "UTC") };
    let saved = timing.begin("job", None, Now { wall: at("2026-11-22T13:00:00Z"), mono: Mono::default() });
    let saved = saved.save(Now { wall: at("2026-11-22T13:00:00Z"), mono: Mono::default() });
    // Noon passed while the daemon was down.
    let mut cadence = timing.begin("job", Some(&saved), noon(30));
    assert!(matches!(cadence.take(&timing, noon(30)), Taken::Run { .. }));
    assert_eq!(cadence.save(noon(31)).last(), Some(noon(0).wall));
}

#[test]
fn a_due_time_is_the_same_from_one_look_to_the_next() {
    let begun = Now { wall: at(START), mono: Mono(secs(100)) };
    let mut cadence = every("1h").begin("job", None, begun);
    assert!(matches!(cadence.take(&every("1h"), begun), Taken::Run { .. }));
    let slot = cadence.slot().expect("the next");
    let later = |nanos: u64| Now {
        wall: shift(begun.wall, secs(60)),
        mono: begun.mono + secs(60) + Duration::from_nanos(nanos),
    };
    let shown: Vec<Timestamp> = [0, 69, 400].map(|nanos| slot.wall(later(nanos))).to_vec();
    assert_eq!(shown, [at("2026-06-05T01:00:00Z"); 3]);
    // The wall clock was set meanwhile: the grid is that of the other one.
    let set = |nanos| Now { wall: shift(later(0).wall, secs(3)), ..later(nanos) };
    assert_eq!([0, 69, 400].map(|nanos| slot.wall(set(nanos))), [at("2026-06-05T01:00:03Z"); 3]);
    // What has passed is due now.
    let late = Now { wall: at("2026-06-05T01:30:00Z"), mono: begun.mono + secs(5_400) };
    assert_eq!(slot.wall(late), late.wall);
}
