//! Windows of the week, `Mon-Fri 09:00-19:00`, and whether an instant lies in one.
//!
//! Before it: a text of `working_hours`, `quiet_hours` or `--working-hours`. After it: whoever asks whether it is open,
//! and when that changes. Wall time counts: a window is as long as the clock of its zone says, over a clock change too.
//!
//! The week is kept as sorted, disjoint stretches of minutes from Monday 00:00, start included, end not.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::document::{Refusal, did_you_mean};

pub(super) const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;

/// How far ahead a change is searched: a window comes every week, but for one that a clock change swallows.
const FARTHEST: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) const HELP: &str = "write windows as `9:30-19:00`, `9:00-12:00,13:00-18:00` or `Mon-Fri 22:00-06:00`";

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Windows of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    open: Arc<[(u16, u16)]>,
    text: Arc<str>,
}

impl Hours {
    /// Whether `at` lies in a window, by the wall clock of `zone`.
    pub fn contains(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.has(minute_of_week(zone.to_datetime(at)))
    }

    /// The first instant at or after `at` that lies in a window. `None` when none comes within a month, which only a
    /// window does that falls into every clock change.
    pub fn next_open(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.next(at, zone, true)
    }

    /// The first instant at or after `at` that lies in no window; `None` when it is always open.
    pub fn next_close(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.next(at, zone, false)
    }

    /// The window in which `at` lies, from edge to edge: `22:00–07:00`.
    pub fn window(&self, at: Timestamp, zone: &TimeZone) -> Option<String> {
        let minute = minute_of_week(zone.to_datetime(at));
        let (mut start, mut end) = *self.open.iter().find(|(start, end)| (*start..*end).contains(&minute))?;
        // One over the end of the week is in two parts.
        let other = |wanted: &dyn Fn(&(u16, u16)) -> bool| self.open.iter().find(|window| wanted(window)).copied();
        if start == 0 {
            start = other(&|window| window.1 == WEEK).map_or(start, |window| window.0);
        }
        if end == WEEK {
            end = other(&|window| window.0 == 0).map_or(end, |window| window.1);
        }
        let time = |minute: u16| format!("{:02}:{:02}", minute % DAY / 60, minute % 60);
        Some(format!("{}–{}", time(start), time(end)))
    }

    /// The windows of both.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        let open = self.open.iter().chain(other.open.iter()).copied().collect();
        Self { open: merge(open), text: format!("{}; {}", self.text, other.text).into() }
    }

    fn has(&self, minute: u16) -> bool {
        let after = self.open.partition_point(|(start, _)| *start <= minute);
        after > 0 && minute < self.open[after - 1].1
    }

    /// The first instant at or after `at` at which being open is `wanted`.
    fn next(&self, at: Timestamp, zone: &TimeZone, wanted: bool) -> Option<Timestamp> {
        let end = at.saturating_add(FARTHEST).ok()?;
        let mut at = at;
        while at <= end {
            let offset = zone.to_offset(at);
            let wall = offset.to_datetime(at);
            let minute = minute_of_week(wall);
            if self.has(minute) == wanted {
                return Some(at);
            }
            // Until the clock of the zone changes, walls and instants keep step: the next edge is so many minutes off.
            let begun = SignedDuration::new(wall.second().into(), wall.subsec_nanosecond());
            let edge = self.next_edge(minute, wanted).and_then(|minutes| {
                at.checked_add(SignedDuration::from_mins(minutes.into())).ok()?.checked_sub(begun).ok()
            });
            let change = zone.following(at).next().map(|change| change.timestamp());
            at = match (edge, change) {
                (Some(edge), Some(change)) => edge.min(change),
                (Some(next), None) | (None, Some(next)) => next,
                (None, None) => return None,
            };
        }
        None
    }

    /// In how many minutes after `minute` a window begins (or ends, when `begin` is false).
    fn next_edge(&self, minute: u16, begin: bool) -> Option<u16> {
        let ahead = |&(start, end): &(u16, u16)| {
            let edge = if begin { start } else { end };
            if edge > minute { edge - minute } else { edge + WEEK - minute }
        };
        self.open.iter().map(ahead).min()
    }
}

/// As it was written.
impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn minute_of_week(wall: DateTime) -> u16 {
    let part = |number: i8| u16::from(number.unsigned_abs());
    part(wall.date().weekday().to_monday_zero_offset()) * DAY + part(wall.hour()) * 60 + part(wall.minute())
}

/// Sorted and disjoint; stretches that touch become one.
fn merge(mut open: Vec<(u16, u16)>) -> Arc<[(u16, u16)]> {
    open.sort();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(open.len());
    for (start, end) in open {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged.into()
}

/// Reads `[DAYS ]HH:MM-HH:MM[,HH:MM-HH:MM…]`.
pub fn parse_hours(text: &str) -> Result<Hours, Refusal> {
    let refuse = |span: Range<usize>, message: &str| Err(refusal(message, span, HELP));
    if text.trim().is_empty() {
        return refuse(0..text.len(), "hours are missing");
    }
    let Some(digit) = text.find(|c: char| c.is_ascii_digit()) else {
        return refuse(trimmed(text, 0..text.len()), "there is no time of day in these hours");
    };
    let days = trimmed(text, 0..digit);
    let days = if days.is_empty() { 0b111_1111 } else { parse_days(text, days)? };
    let mut open = Vec::new();
    for window in pieces(text, digit..text.len(), ',') {
        let (start, end) = parse_window(text, window)?;
        for day in (0..7).filter(|day| days >> day & 1 == 1) {
            let (start, end) = (day * DAY + start, day * DAY + end);
            open.push((start, end.min(WEEK)));
            if end > WEEK {
                open.push((0, end - WEEK));
            }
        }
    }
    Ok(Hours { open: merge(open), text: text.trim().into() })
}

/// A bit for each day, Monday the lowest.
pub(super) fn parse_days(text: &str, at: Range<usize>) -> Result<u8, Refusal> {
    let mut days = 0;
    for piece in pieces(text, at, ',') {
        let ends: Vec<Range<usize>> = pieces(text, piece.clone(), '-').collect();
        let (first, last) = match &ends[..] {
            [day] => (parse_day(text, day.clone())?, parse_day(text, day.clone())?),
            [first, last] => (parse_day(text, first.clone())?, parse_day(text, last.clone())?),
            _ => return Err(refusal(format!("`{}` is no range of days", &text[piece.clone()]), piece, HELP)),
        };
        // Past Sunday the week begins again: `Fri-Mon`.
        let length = (last + 7 - first) % 7;
        days |= (0..=length).fold(0, |set, step| set | 1 << ((first + step) % 7));
    }
    Ok(days)
}

fn parse_day(text: &str, at: Range<usize>) -> Result<u8, Refusal> {
    let word = text[at.clone()].to_lowercase();
    if word.is_empty() {
        return Err(refusal("a day is missing here", at, HELP));
    }
    match DAYS.iter().position(|day| *day == word || day[..3] == word) {
        Some(index) => Ok(u8::try_from(index).expect("there are seven days")),
        None => {
            let names = DAYS.iter().flat_map(|day| [*day, &day[..3]]);
            let help = did_you_mean(&word, names).unwrap_or_else(|| "days are `Mon`, `Tue` … `Sun`".to_owned());
            Err(refusal(format!("`{}` is no day of the week", &text[at.clone()]), at, help))
        }
    }
}

/// Start and end in minutes from the midnight on which the window's day begins; the end may lie on the next day.
fn parse_window(text: &str, at: Range<usize>) -> Result<(u16, u16), Refusal> {
    let shown = &text[at.clone()];
    if shown.is_empty() {
        return Err(refusal("a window is missing here", at, HELP));
    }
    let ends: Vec<Range<usize>> = pieces(text, at.clone(), '-').collect();
    let [first, last] = &ends[..] else {
        return Err(refusal(format!("`{shown}` is no window of time"), at, HELP));
    };
    let (start, end) = (parse_time(text, first.clone())?, parse_time(text, last.clone())?);
    if start == DAY {
        let help = "a window may end at `24:00`, and starts at `00:00` at the earliest";
        return Err(refusal("a window cannot start at 24:00", first.clone(), help));
    }
    if start == end {
        let help = "for the whole day write `00:00-24:00`";
        return Err(refusal(format!("the window `{shown}` is empty"), at, help));
    }
    Ok((start, if end > start { end } else { end + DAY }))
}

/// Minutes from midnight.
pub(super) fn parse_time(text: &str, at: Range<usize>) -> Result<u16, Refusal> {
    let shown = &text[at.clone()];
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u16>().ok())?;
    let parts = shown.split_once(':').filter(|(hour, minute)| matches!(hour.len(), 1 | 2) && minute.len() == 2);
    match parts.and_then(|(hour, minute)| Some((number(hour)?, number(minute)?))) {
        Some((hour, minute)) if minute < 60 && (hour < 24 || (hour == 24 && minute == 0)) => Ok(hour * 60 + minute),
        _ if shown.is_empty() => Err(refusal("a time of day is missing here", at, HELP)),
        _ => {
            let help = "write hours and minutes, from `00:00` to `24:00`";
            Err(refusal(format!("`{shown}` is no time of day"), at, help))
        }
    }
}

/// The stretches of `text` within `at` between each `mark`, without blanks around them.
pub(super) fn pieces(text: &str, at: Range<usize>, mark: char) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = at.start;
    text[at].split(mark).map(move |piece| {
        let span = start..start + piece.len();
        start = span.end + mark.len_utf8();
        trimmed(text, span)
    })
}

pub(super) fn trimmed(text: &str, at: Range<usize>) -> Range<usize> {
    let piece = &text[at.clone()];
    let start = at.start + (piece.len() - piece.trim_start().len());
    start..(at.start + piece.trim_end().len()).max(start)
}

pub(super) fn refusal(message: impl Into<String>, span: Range<usize>, help: impl Into<String>) -> Refusal {
    Refusal { message: message.into(), span, help: help.into() }
}

#[cfg(test)]
mod tests;
