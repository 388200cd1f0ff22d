//! Times as people type them on the command line.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned, civil};

use super::Failure;
use crate::id::in_one_line;

/// A time of day: `08:00`, `8:00`, `08:00:30`; nothing when it is something else.
pub(super) fn of_day(text: &str) -> Option<civil::Time> {
    let text = text.trim();
    if !text.contains(':') || text.contains('-') {
        return None;
    }
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    padded.parse().ok()
}

/// A time that is to come: a time of day is the next one, also `tomorrow 08:00`; or whatever [`parse_time`] takes.
pub(super) fn coming(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let today = now.to_zoned(zone.clone()).date();
    let (day, time) = match text.split_once(' ') {
        Some(("tomorrow", time)) => (today.checked_add(1.day()).ok(), time.trim()),
        Some(("today", time)) => (Some(today), time.trim()),
        _ if text == "tomorrow" => (today.checked_add(1.day()).ok(), "00:00"),
        _ => (None, text),
    };
    let on = |day: civil::Date, time| zone.to_zoned(day.to_datetime(time)).ok().map(|at| at.timestamp());
    let found = match (day, of_day(time)) {
        (Some(day), Some(time)) => on(day, time),
        (None, Some(time)) => {
            on(today, time).filter(|at| *at > now).or_else(|| on(today.checked_add(1.day()).ok()?, time))
        }
        (Some(_), None) => None,
        (None, None) => parse_time(text, zone).ok(),
    };
    found.ok_or_else(|| {
        Failure::usage(format!(
            "`{}` is not a time\n  help: write `16:00`, `tomorrow 08:00`, `2026-11-30` or `2026-11-30T08:00`",
            in_one_line(text)
        ))
    })
}

/// A time as people type it: RFC 3339, or a date with or without a time in the configuration's zone.
pub(super) fn parse_time(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Ok(at.timestamp());
    }
    let at = text.trim().replacen(' ', "T", 1).parse::<civil::DateTime>().ok();
    let at = at.and_then(|at| zone.to_zoned(at).ok()).map(|at| at.timestamp());
    at.ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` is not a time\n  help: write `2026-03-29`, `2026-03-29T01:30` or `2026-03-29T01:30:00Z`"
        ))
    })
}
