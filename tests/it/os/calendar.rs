//! Shows that calendars name the same instants as systemd's `OnCalendar=`, by asking the real `systemd-analyze
//! calendar`; where it is not installed the test says so and is skipped. Only where both languages mean the same:
//! not in the nights of a clock change, and not with both day fields restricted.

use std::process::Command;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use slack_alert::schedule::Cron;

use crate::support::skip::skip;

/// Of each calendar this many instants are compared.
const INSTANTS: usize = 40;

/// A cron calendar, the same in systemd's words, the time zone, and from when.
const CALENDARS: [(&str, &str, &str, &str); 18] = [
    ("* * * * *", "*-*-* *:*:00", "UTC", "2026-01-01 00:00:30"),
    ("*/15 * * * *", "*-*-* *:00/15:00", "Europe/Berlin", "2026-04-01 00:00:00"),
    ("0 3 * * *", "*-*-* 03:00:00", "Asia/Kolkata", "2026-01-01 00:00:00"),
    ("0 12 * * *", "*-*-* 12:00:00", "Europe/Berlin", "2026-03-10 00:00:00"),
    ("0 12 * * *", "*-*-* 12:00:00", "Australia/Lord_Howe", "2026-03-20 00:00:00"),
    ("5,35 8-18 * * MON-FRI", "Mon..Fri *-*-* 08..18:05,35:00", "America/New_York", "2026-06-03 10:00:00"),
    ("30 22 * * FRI-MON", "Fri,Sat,Sun,Mon *-*-* 22:30:00", "Europe/Berlin", "2026-05-01 00:00:00"),
    ("0 0 1 * *", "*-*-01 00:00:00", "UTC", "2026-01-01 00:00:00"),
    ("0 0 1,15 */3 *", "*-01/3-01,15 00:00:00", "UTC", "2026-01-31 12:00:00"),
    ("0 6 31 * *", "*-*-31 06:00:00", "Asia/Kolkata", "2026-01-01 00:00:00"),
    ("0 0 29 2 *", "*-02-29 00:00:00", "UTC", "2024-01-01 00:00:00"),
    ("0 9 L * *", "*-*~01 09:00:00", "UTC", "2026-01-01 00:00:00"),
    ("0 9 L-3 * *", "*-*~04 09:00:00", "UTC", "2026-01-01 00:00:00"),
    ("0 9 * * 5L", "Fri *-*~07/1 09:00:00", "UTC", "2026-01-01 00:00:00"),
    ("0 9 * * MON#2", "Mon *-*-08..14 09:00:00", "UTC", "2026-01-01 00:00:00"),
    ("0 9 */2 * SUN", "Sun *-*-01/2 09:00:00", "UTC", "2026-01-01 00:00:00"),
    ("@hourly", "hourly", "UTC", "2026-01-01 00:00:00"),
    ("@weekly", "Sun *-*-* 00:00:00", "UTC", "2026-01-01 00:00:00"),
];

#[test]
fn calendars_agree_with_systemd() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        skip("systemd-analyze is not installed; apt-get install systemd");
        return;
    }
    for (cron, systemd, zone, from) in CALENDARS {
        let theirs = ask_systemd(systemd, zone, from);
        let ours = ask_us(cron, zone, from, theirs.len());
        assert!(theirs.len() >= 5, "`{systemd}` has instants to compare with");
        assert_eq!(ours, theirs, "`{cron}` against `{systemd}` in {zone}");
    }
}

fn ask_us(cron: &str, zone: &str, from: &str, count: usize) -> Vec<Timestamp> {
    let cron = Cron::parse(cron).expect("a calendar");
    let zone = TimeZone::get(zone).expect("a time zone of this machine");
    let from = instant(from);
    std::iter::successors(Some(from), |at| cron.next_after(*at, &zone)).skip(1).take(count).collect()
}

fn ask_systemd(calendar: &str, zone: &str, from: &str) -> Vec<Timestamp> {
    let calendar = match (calendar, zone) {
        (name, "UTC") if !name.contains(' ') => name.to_owned(),
        _ => format!("{calendar} {zone}"),
    };
    let output = Command::new("systemd-analyze")
        .args(["calendar", &format!("--iterations={INSTANTS}"), &format!("--base-time={from} UTC"), &calendar])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .output()
        .expect("systemd-analyze starts");
    assert!(output.status.success(), "{calendar}: {}", String::from_utf8_lossy(&output.stderr));
    // `Next elapse: Mon 2026-01-05 02:00:00 UTC`, then `Iter. #2: …` (`Iteration #2: …` in newer versions).
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.trim() == "Next elapse" || name.trim().starts_with("Iter"))
        .map(|(_, time)| {
            let words: Vec<&str> = time.split_whitespace().collect();
            instant(&format!("{} {}", words[1], words[2]))
        })
        .collect()
}

/// A UTC time such as `2026-01-05 02:00:00`.
fn instant(text: &str) -> Timestamp {
    format!("{text}Z").parse().expect("a time")
}
