//! Times and lengths of time as the page shows them. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::clock::between;

/// A time with what the page shows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Time {
    /// For programs: RFC 3339.
    pub iso: String,
    /// The time of day; with the date where that is not today's.
    pub at: String,
    /// `3 min ago`, `in 40 s`.
    pub away: String,
    /// Date, time and zone, for whoever points at it.
    pub full: String,
}

/// What times are told against.
#[derive(Clone, Debug)]
pub struct Present {
    /// Now.
    pub now: Timestamp,
    /// Where.
    pub zone: TimeZone,
}

impl Present {
    /// A time.
    pub fn time(&self, at: Timestamp) -> Time {
        let (local, today) = (at.to_zoned(self.zone.clone()), self.now.to_zoned(self.zone.clone()));
        let days = (today.date() - local.date()).get_days().abs();
        let form = match days {
            0 => "%H:%M",
            1..=6 => "%a %H:%M",
            _ if local.year() == today.year() => "%-d %b %H:%M",
            _ => "%-d %b %Y",
        };
        let away = match at <= self.now {
            true => ago(between(at, self.now)),
            false if between(self.now, at) < Duration::from_secs(1) => "now".to_owned(),
            false => format!("in {}", rough(between(self.now, at))),
        };
        Time {
            iso: at.to_string(),
            at: local.strftime(form).to_string(),
            away,
            full: local.strftime("%A %-d %B %Y, %H:%M:%S %Z").to_string(),
        }
    }

    /// The time of day with its seconds.
    pub fn clock(&self) -> String {
        self.now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string()
    }
}

fn ago(length: Duration) -> String {
    if length < Duration::from_secs(1) { "now".to_owned() } else { format!("{} ago", rough(length)) }
}

/// The largest unit alone: `40 s`, `3 min`, `2 h`, `12 d`.
pub(super) fn rough(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Two units at most: `320 ms`, `4.1 s`, `41 s`, `3 min 12 s`, `1 h 5 min`, `3 d 4 h`.
pub(super) fn length(length: Duration) -> String {
    let (seconds, milliseconds) = (length.as_secs(), length.as_millis());
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {part}"),
    };
    match seconds {
        0 if milliseconds == 0 => "0 s".to_owned(),
        0 => format!("{milliseconds} ms"),
        1..10 => format!("{:.1} s", length.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Bytes that were dropped: `812 bytes`, `12 MB`.
pub(super) fn bytes(number: u64) -> String {
    match number {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{number} bytes"),
        10_000..10_000_000 => format!("{} kB", number / 1_000),
        _ => format!("{} MB", number / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::{Present, bytes, length};

    #[test]
    fn lengths_have_two_units_at_most() {
        for (milliseconds, shown) in [
            (0, "0 s"),
            (320, "320 ms"),
            (4_120, "4.1 s"),
            (41_000, "41 s"),
            (192_000, "3 min 12 s"),
            (180_000, "3 min"),
            (3_900_000, "1 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(length(Duration::from_millis(milliseconds)), shown);
        }
        assert_eq!((bytes(1), bytes(812), bytes(12_345_678)), ("1 byte".into(), "812 bytes".into(), "12 MB".into()));
    }

    #[test]
    fn a_time_is_told_by_the_clock_and_by_how_far_it_is() {
        let time = |text: &str| text.parse().expect("a time");
        let present = Present { now: time("2026-11-23T08:00:00Z"), zone: TimeZone::UTC };
        for (at, shown, away) in [
            ("2026-11-23T07:57:00Z", "07:57", "3 min ago"),
            ("2026-11-23T08:00:40Z", "08:00", "in 40 s"),
            ("2026-11-23T07:59:59.5Z", "07:59", "now"),
            ("2026-11-22T23:00:00Z", "Sun 23:00", "9 h ago"),
            ("2026-10-01T08:00:00Z", "1 Oct 08:00", "53 d ago"),
            ("2025-11-23T08:00:00Z", "23 Nov 2025", "365 d ago"),
        ] {
            let told = present.time(time(at));
            assert_eq!((told.at.as_str(), told.away.as_str()), (shown, away), "{at}");
        }
    }
}
