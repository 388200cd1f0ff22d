//! Times of the week, `Mon-Fri 09:00`, and which comes next.
//!
//! Before it: the text of `summary.at`. After it: whoever waits for the next of them. Wall time counts: one that the clock
//! skips comes right after the gap, one that comes twice comes the first time.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

use super::cron::instants;
use super::hours::{DAY, HELP as HOURS, parse_days, parse_time, pieces, refusal, trimmed};
use crate::document::Refusal;

const HELP: &str = "write days and times as `09:00`, `Mon-Fri 09:00` or `Mon,Thu 08:30,17:00`";

/// Times of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// A bit for each day, Monday the lowest.
    days: u8,
    /// Minutes from midnight, sorted.
    minutes: Arc<[u16]>,
    text: Arc<str>,
}

impl Times {
    /// The first of them after `after`, by the wall clock of `zone`.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // The day before too: where a zone skips a day, its clock has been there.
        let first = zone.to_datetime(after).date().yesterday().ok()?;
        let days = (0..=9).filter_map(|ahead| first.checked_add(Span::new().days(ahead)).ok());
        let days = days.filter(|day| self.days >> day.weekday().to_monday_zero_offset() & 1 == 1);
        let times = days.flat_map(|day| self.minutes.iter().filter_map(move |minute| at(day, *minute)));
        times.filter_map(|wall| instants(wall, zone).map(|(first, _)| first)).find(|at| *at > after)
    }
}

fn at(day: civil::Date, minute: u16) -> Option<civil::DateTime> {
    let part = |number: u16| i8::try_from(number).ok();
    Some(day.to_datetime(civil::Time::new(part(minute / 60)?, part(minute % 60)?, 0, 0).ok()?))
}

/// As it was written.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Reads `[DAYS ]HH:MM[,HH:MM…]`.
pub fn parse_times(text: &str) -> Result<Times, Refusal> {
    let own = |mut refused: Refusal| {
        if refused.help == HOURS {
            HELP.clone_into(&mut refused.help);
        }
        refused
    };
    let Some(digit) = text.find(|c: char| c.is_ascii_digit()) else {
        return Err(refusal("there is no time of day in this", trimmed(text, 0..text.len()), HELP));
    };
    let days = trimmed(text, 0..digit);
    let days = if days.is_empty() { 0b111_1111 } else { parse_days(text, days).map_err(own)? };
    let mut minutes = Vec::new();
    for piece in pieces(text, digit..text.len(), ',') {
        let minute = parse_time(text, piece.clone()).map_err(own)?;
        if minute == DAY {
            return Err(refusal("a day ends at 24:00", piece, "write `00:00` of the next day"));
        }
        minutes.push(minute);
    }
    minutes.sort();
    minutes.dedup();
    Ok(Times { days, minutes: minutes.into(), text: text.trim().into() })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::parse_times;

    fn zone() -> TimeZone {
        TimeZone::get("Europe/Berlin").expect("the zone is known")
    }

    fn next(text: &str, after: &str) -> String {
        let after: Timestamp = after.parse().expect("a time");
        let next = parse_times(text).expect(text).next(after, &zone()).expect("there is one");
        next.to_zoned(zone()).strftime("%a %F %H:%M %Z").to_string()
    }

    #[test]
    fn the_next_time_by_the_wall_clock() {
        for (text, after, expected) in [
            ("Mon-Fri 09:00", "2026-11-23T07:59:59Z", "Mon 2026-11-23 09:00 CET"),
            ("Mon-Fri 09:00", "2026-11-23T08:00:00Z", "Tue 2026-11-24 09:00 CET"),
            ("Mon-Fri 09:00", "2026-11-27T08:00:00Z", "Mon 2026-11-30 09:00 CET"),
            ("9:00,17:30", "2026-11-23T08:00:00Z", "Mon 2026-11-23 17:30 CET"),
            ("Sun 00:00", "2026-11-23T08:00:00Z", "Sun 2026-11-29 00:00 CET"),
            ("monday, thu 8:30", "2026-11-23T08:00:00Z", "Thu 2026-11-26 08:30 CET"),
            // The clock skips 02:30, and on another day it comes twice.
            ("02:30", "2026-03-28T20:00:00Z", "Sun 2026-03-29 03:00 CEST"),
            ("02:30,03:10", "2026-03-29T01:00:00Z", "Sun 2026-03-29 03:10 CEST"),
            ("02:30", "2026-10-24T20:00:00Z", "Sun 2026-10-25 02:30 CEST"),
            ("02:30", "2026-10-25T00:30:00Z", "Mon 2026-10-26 02:30 CET"),
        ] {
            assert_eq!(next(text, after), expected, "{text} after {after}");
        }
    }

    #[test]
    fn what_is_no_time_is_shown_where_it_is() {
        for (text, part, message) in [
            ("", "", "there is no time of day in this"),
            ("Mon-Fri", "Mon-Fri", "there is no time of day in this"),
            ("Mon-Fry 09:00", "Fry", "`Fry` is no day of the week"),
            ("09:00,25:00", "25:00", "`25:00` is no time of day"),
            ("09:00-10:00", "09:00-10:00", "`09:00-10:00` is no time of day"),
            ("24:00", "24:00", "a day ends at 24:00"),
            ("09:00,", "", "a time of day is missing here"),
        ] {
            let refusal = parse_times(text).expect_err(text);
            assert_eq!((&text[refusal.span], refusal.message.as_str()), (part, message), "{text}");
            assert!(!refusal.help.contains("windows"), "{}", refusal.help);
        }
    }

    proptest! {
        #[test]
        fn the_next_is_later_and_no_panic_whatever_the_text(text in "[a-zA-Z0-9:, -]{0,20}", second in -60_000_000_000_i64..200_000_000_000) {
            let after = Timestamp::from_second(second).expect("in range");
            if let Ok(times) = parse_times(&text) {
                prop_assert!(times.next(after, &zone()).is_none_or(|next| next > after));
            }
        }
    }
}
