//! The few words that policy adds to a message: pure, short, lower case.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::between;

/// `1st`, `2nd`, `3rd`, `11th` …
pub(crate) fn ordinal(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// `1 failure`, `2 failures`.
pub(crate) fn count(number: impl Into<u64>, one: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A time as people say it: `03:14`; with the date when that was more than a day ago.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone, now: Timestamp) -> String {
    let recent = between(at, now).as_secs() < 86_400;
    at.to_zoned(zone.clone()).strftime(if recent { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{clock, count, ordinal};

    #[test]
    fn numbers_as_people_say_them() {
        for (number, said) in [
            (1, "1st"),
            (2, "2nd"),
            (3, "3rd"),
            (4, "4th"),
            (11, "11th"),
            (12, "12th"),
            (13, "13th"),
            (22, "22nd"),
            (111, "111th"),
        ] {
            assert_eq!(ordinal(number), said);
        }
        assert_eq!(
            (count(1_u32, "failure"), count(14_u32, "failure")),
            ("1 failure".to_owned(), "14 failures".to_owned())
        );
    }

    #[test]
    fn times_as_people_say_them() {
        let at: Timestamp = "2026-11-23T03:14:09Z".parse().expect("a time");
        let later: Timestamp = "2026-11-24T03:15:00Z".parse().expect("a time");
        assert_eq!(clock(at, &TimeZone::UTC, at), "03:14");
        assert_eq!(clock(at, &TimeZone::UTC, later), "2026-11-23 03:14");
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            let _ = clock(extreme, &TimeZone::UTC, at);
        }
    }
}
