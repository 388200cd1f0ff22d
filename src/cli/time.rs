//! Times as people type them on the command line.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned, civil};

use super::Failure;
use crate::id::in_one_line;
use crate::schedule::instants;

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
    let on = |day: civil::Date, time| instants(day.to_datetime(time), zone);
    let found = match (day, of_day(time)) {
        (Some(day), Some(time)) => on(day, time).map(|(first, _)| first),
        (None, Some(time)) => {
            let today_still = on(today, time).and_then(|(first, last)| [first, last].into_iter().find(|at| *at > now));
            today_still.or_else(|| Some(on(today.checked_add(1.day()).ok()?, time)?.0))
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

/// A time as people type it: RFC 3339, or a date with or without a time in the configuration's zone. Of two that the clock shows
/// alike it is the first; one that the clock skips is the first after the gap.
pub(super) fn parse_time(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    parse_times(text, zone).map(|(first, _)| first)
}

/// The first and the last instant that such a text may mean.
pub(super) fn parse_times(text: &str, zone: &TimeZone) -> Result<(Timestamp, Timestamp), Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok((at, at));
    }
    if let Ok(at) = text.parse::<Zoned>() {
        return Ok((at.timestamp(), at.timestamp()));
    }
    let at = text.trim().replacen(' ', "T", 1).parse::<civil::DateTime>().ok();
    at.and_then(|at| instants(at, zone)).ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` is not a time\n  help: write `2026-03-29`, `2026-03-29T01:30` or `2026-03-29T01:30:00Z`"
        ))
    })
}
