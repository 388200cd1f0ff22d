//! Weeks of jobs: all that is said of one, and between two messages how often nothing was, by reason.

use std::fmt::Write as _;
use std::time::Duration;

use super::stories::{Life, at, shown};
use super::{Suppressed, Verdict, due, wake};
use crate::clock::shift;

/// A week from Monday 00:00: what was said, and between two words how often nothing was, by reason.
fn week(notify: &str, every: Duration, outcome: impl Fn(u64) -> String) -> String {
    let (mut life, start) = (Life::new(notify), at("00:00"));
    let (mut told, mut held) = (String::new(), Vec::<(Suppressed, usize)>::new());
    let end = shift(start, Duration::from_secs(7 * 86_400));
    let (mut now, mut number) = (start, 0);
    while now < end {
        let mut said = Vec::new();
        while let Some(due) = due(&life.settings, &life.health).filter(|due| *due <= now) {
            said.extend(
                wake(&life.settings, &mut life.health, None, &life.zone, due)
                    .iter()
                    .map(|word| (due, shown(word, &life.zone, due))),
            );
        }
        match life.run(&outcome(number), now) {
            Verdict::Notify(word) => said.push((now, shown(&word, &life.zone, now))),
            Verdict::NotRun(_) => {}
            Verdict::Suppress(why, _) => match held.iter_mut().find(|(known, _)| *known == why) {
                Some((_, count)) => *count += 1,
                None => held.push((why, 1)),
            },
        }
        said.extend(life.closed.take().map(|closed| (now, shown(&closed, &life.zone, now))));
        for (at, said) in said {
            let at = at.to_zoned(life.zone.clone()).strftime("%a %H:%M");
            for (why, count) in held.drain(..) {
                _ = writeln!(told, "          {count} x {why}");
            }
            _ = writeln!(told, "{at} {said}");
        }
        number += 1;
        now = shift(now, every);
    }
    for (why, count) in held.drain(..) {
        _ = writeln!(told, "          {count} x {why}");
    }
    told
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

#[test]
fn a_week_of_a_healthy_job() {
    assert_eq!(week("", FIVE_MINUTES, |_| "ok".to_owned()), "          2016 x blank\n");
}

#[test]
fn a_week_of_a_job_that_slowly_gets_worse() {
    // A disk that fills: from 70 % on Monday by 4 % a day; warning from 80 %, critical from 90 %; cleared on Sunday noon.
    let told = week("repeat = \"1d\"", FIVE_MINUTES, |number| match number * 24 / 2016 + 70 {
        _ if number >= 6 * 288 + 144 => "ok".to_owned(),
        percent @ 90.. => format!("critical: disk at {percent}%"),
        percent @ 80.. => format!("warning: disk at {percent}%"),
        _ => "ok".to_owned(),
    });
    assert_eq!(
        told,
        "          840 x blank
Wed 22:00 failure warning, opens #841
          287 x repeat-not-due
Thu 22:00 repeat warning, shown in #841 (same failure, 289th time)
          287 x repeat-not-due
Fri 22:00 repeat warning, shown in #841 (same failure, 577th time)
          263 x repeat-not-due
Sat 20:00 repeat critical, shown in #841, pings (worse: was warning)
          191 x repeat-not-due
Sun 12:00 recovery ok, closes #841 (1032 failures in 3d 14h)
          143 x blank
"
    );
}

#[test]
fn a_week_of_a_noisy_job() {
    // It prints something every five minutes, and fails for half an hour each night.
    let told = week("quiet_hours = \"22:00-07:00\"\nrate_limit = \"2/12h\"", FIVE_MINUTES, |number| {
        if (36..42).contains(&(number % 288)) {
            "critical: lock held by pid 41".to_owned()
        } else {
            "ok: done".to_owned()
        }
    });
    // What it prints at night is one line of the morning's digest, beside the failure of the night.
    let day = |day: &str, held: u32, alerts: u32, first: &str, times: u32, suppressed: &str, last: u32, night: &str| {
        format!(
            "          {held} x quiet-hours
{day} 07:00 recovery ok{suppressed} ({alerts} alerts in quiet hours) | {first} output, {times} times: done | critical \
             from 03:00 to 03:30 (30m), 6 failures{night}: lock held by pid 41
{day} 07:00 output ok
          71 x rate-limited
{day} 13:00 output ok, 71 suppressed
          71 x rate-limited
{day} 19:00 output ok, 71 suppressed
          {last} x rate-limited
"
        )
    };
    let rest = [("Tue", "2nd"), ("Wed", "3rd"), ("Thu", "4th"), ("Fri", "5th"), ("Sat", "6th"), ("Sun", "7th")];
    let rest = rest
        .map(|(name, night)| {
            let night = format!(", {night} night in a row");
            day(name, 108, 103, "22:00", 102, ", 35 suppressed", 35, &night)
        })
        .concat();
    assert_eq!(told, format!("{}{rest}          24 x quiet-hours\n", day("Mon", 84, 79, "00:00", 78, "", 35, "")));
}

#[test]
fn a_week_of_a_flapping_job() {
    // It fails every other time on Tuesday from 10:00 to 11:00, on Friday for three hours, and once on Saturday.
    let told = week("", FIVE_MINUTES, |number| {
        let (day, minute) = (number / 288, number % 288 * 5);
        let bad = match day {
            1 => (600..660).contains(&minute) && number % 2 == 0,
            4 => (600..780).contains(&minute) && number % 2 == 0,
            5 => minute == 600,
            _ => false,
        };
        if bad { "critical: refused".to_owned() } else { "ok".to_owned() }
    });
    // From the third incident on they are one conversation, which goes on through Saturday's failure.
    let begins = |day: &str, first: u32| {
        format!(
            "{day} 10:00 failure critical, opens #{first}, pings
{day} 10:05 recovery ok, closes #{first} in its thread (1 failure in 5m)
{day} 10:10 failure critical, opens #{}, pings
{day} 10:15 recovery ok, closes #{} in its thread (1 failure in 5m)
{day} 10:20 failure critical, opens #{last}, pings (failed 3 of 5 runs since 10:00, intermittently)
{day} 10:25 flapping ok, shown in #{last} (6 changes of status in 25m, no more messages until it is steady for 30m)
          11 x flapping
",
            first + 2,
            first + 2,
            last = first + 4,
        )
    };
    let told_so = format!(
        "          408 x blank
{}          1 x blank
Tue 11:25 flapping ok, shown in #413 (steady again: ok for 30m) [failed 6 of 17 runs since 10:00, intermittently]
          281 x blank
Wed 10:50 recovery ok, only edits #413 (ok for 1d; 6 of 298 runs had failed)
          565 x blank
{}Fri 11:25 flapping ok, in #1277 (still changing: 18 changes of status since 10:00)
          23 x flapping
          1 x blank
Fri 13:25 flapping ok, shown in #1277 (steady again: ok for 30m) [failed 18 of 41 runs since 10:00, intermittently]
          246 x blank
Sat 10:00 failure critical, shown in #1277 [failed 19 of 289 runs since 2026-11-27 10:00, intermittently]
Sat 10:05 recovery ok, in #1277 (1 failure in 5m)
          287 x blank
Sun 10:00 recovery ok, only edits #1277 (ok for 1d; 19 of 576 runs had failed)
          167 x blank
",
        begins("Tue", 409),
        begins("Fri", 1273),
    );
    assert_eq!(told, told_so);
}
