//! A calendar of five fields, as crontab(5) has it, and the instants it names in a time zone.
//!
//! Before it: [`parse`], which makes one out of text. After it: the cadence, which asks for the next instant.
//!
//! Daylight saving follows cron(8) of cronie. A **fixed** calendar (neither minute nor hour begins with `*`) runs once a
//! matching wall time: a time that the clock skips runs at the first instant after the gap, one that comes twice runs
//! the first time. A gap of three hours or more is a correction of the clock, as cron(8) has it, and nothing is made up for
//! it. Every other calendar follows the wall clock: it runs in both repeats of an hour, and not in an hour
//! that does not exist. `next_after` is strictly later than what it is given, and looks at most ten years ahead; it goes
//! from month to month and from one clock change to the next, never from minute to minute.

mod either;
mod parse;
mod words;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::document::Refusal;
pub use either::{EitherDay, week_of_month};

/// How many months are searched for a match: ten years and the month that was begun. 29 February comes within eight.
const MONTHS: usize = 121;

/// The smallest step of time there is.
pub(super) const TICK: SignedDuration = SignedDuration::from_nanos(1);

/// A gap of this length and more (Samoa left out a day in 2011) is no daylight saving.
const CORRECTION: i32 = 3 * 3_600;

/// A parsed calendar: bit sets, so that a question costs no walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: Box<str>,
    minute: u64,
    hour: u32,
    month: u16,
    days: Days,
    fixed: bool,
}

/// Which days of a month: both day fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Days {
    /// Days of the month, bits 1 to 31.
    of_month: u32,
    /// Bit n: n days before the last one (`L`, `L-3`).
    before_last: u32,
    /// Bit n: the weekday nearest to day n, within the month (`15W`).
    near: u32,
    /// The last weekday of the month (`LW`).
    last_weekday: bool,
    /// Days of the week, bit 0 is Sunday.
    of_week: u8,
    /// For each day of the week, bit 0 is its first in the month (`MON#1`), bit 7 its last (`1L`).
    nth: [u8; 7],
    /// Both fields are restricted: a day that either names will do. Else both must name it.
    either: bool,
}

impl Cron {
    /// Reads five fields or one of the `@` names.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        parse::parse(text)
    }

    /// As it was written, without blanks around it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In words where they say all of it, `daily at 03:00`; else as it was written, `cron 0 3 1,15 * *`.
    pub fn words(&self) -> String {
        self.in_words().unwrap_or_else(|| format!("cron {}", self.text))
    }

    /// The words alone; none where they would not say all of it.
    pub(super) fn in_words(&self) -> Option<String> {
        words::words(self)
    }

    /// Whether it names wall times, and not a cadence: neither minute nor hour begins with `*`. See the module.
    pub fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Whether the wall time is one that the calendar names; without its seconds.
    pub fn matches(&self, at: DateTime) -> bool {
        self.has_month(at.month())
            && self.days.of(at.date()) >> at.day() & 1 == 1
            && self.hour >> at.hour() & 1 == 1
            && self.minute >> at.minute() & 1 == 1
    }

    /// The first instant strictly later than `after`; `None` when there is none within ten years.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.fixed { self.next_fixed(after, zone) } else { self.next_following(after, zone) }
    }

    /// A fixed calendar: each matching wall time has one instant, and these come in the order of the wall times. Those
    /// that are over before `after` are passed by; at most the length of one gap or fold.
    fn next_fixed(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut from = floor_minute(zone.to_datetime(after));
        loop {
            let wall = self.next_wall(from)?;
            if !is_left_out(wall, zone) {
                let at = instant(wall, zone)?;
                if at > after {
                    return Some(at);
                }
            }
            from = wall.checked_add(SignedDuration::from_mins(1)).ok()?;
        }
    }

    /// Any other calendar: between two clock changes wall time and instant differ by a constant.
    fn next_following(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut from = after.checked_add(TICK).ok()?;
        let end = after.saturating_add(SignedDuration::from_hours(24 * 366 * 10)).ok()?;
        while from <= end {
            let offset = zone.to_offset(from);
            let wall = self.next_wall(ceil_minute(offset.to_datetime(from))?)?;
            let at = offset.to_timestamp(wall).ok()?;
            match zone.following(from).next() {
                Some(change) if change.timestamp() <= at => from = change.timestamp(),
                _ => return Some(at),
            }
        }
        None
    }

    /// The first matching wall time at or after `from`, which is a whole minute.
    fn next_wall(&self, from: DateTime) -> Option<DateTime> {
        let (mut year, mut month) = (from.year(), from.month());
        for index in 0..MONTHS {
            if self.has_month(month) {
                let first = Date::new(year, month, 1).ok()?;
                let mut days = self.days.of(first);
                if index == 0 {
                    days = days >> from.day() << from.day();
                }
                while days != 0 {
                    let day = low_bit(days.into());
                    let begun = index == 0 && day == from.day();
                    let (hour, minute) = if begun { (from.hour(), from.minute()) } else { (0, 0) };
                    if let Some((hour, minute)) = self.next_time(hour, minute) {
                        return Some(Date::new(year, month, day).ok()?.at(hour, minute, 0, 0));
                    }
                    days &= days - 1;
                }
            }
            (year, month) = if month == 12 { (year.checked_add(1)?, 1) } else { (year, month + 1) };
        }
        None
    }

    /// The first matching time of day at or after the given one.
    fn next_time(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let minutes = self.minute >> minute << minute;
        if self.hour >> hour & 1 == 1 && minutes != 0 {
            return Some((hour, low_bit(minutes)));
        }
        let hours = u64::from(self.hour) >> (hour + 1) << (hour + 1);
        (hours != 0).then(|| (low_bit(hours), low_bit(self.minute)))
    }

    fn has_month(&self, month: i8) -> bool {
        self.month >> month & 1 == 1
    }
}

impl Days {
    /// The days of the month of `date`, bits 1 to 31.
    fn of(&self, date: Date) -> u32 {
        let length = date.days_in_month();
        let first = date.first_of_month().weekday().to_sunday_zero_offset();
        let weekday = |day: i8| (first + day - 1) % 7;
        let all = (2_u32 << length).wrapping_sub(2);
        let mut month = self.of_month & all;
        for back in bits(self.before_last).take_while(|back| *back < length) {
            month |= 1 << (length - back);
        }
        for day in bits(self.near).take_while(|day| *day <= length) {
            month |= 1 << nearest_weekday(day, weekday(day), length);
        }
        if self.last_weekday {
            month |= 1 << nearest_weekday(length, weekday(length), length);
        }
        let mut week = 0;
        for day in 1..=length {
            let of_week = weekday(day).unsigned_abs() as usize;
            let nth = self.nth[of_week];
            let last = day + 7 > length;
            if self.of_week >> of_week & 1 == 1 || nth >> ((day - 1) / 7) & 1 == 1 || (last && nth >> 7 == 1) {
                week |= 1 << day;
            }
        }
        if self.either { month | week } else { month & week }
    }
}

/// The weekday nearest to a day that falls on `weekday` (0 is Sunday), without leaving the month.
fn nearest_weekday(day: i8, weekday: i8, length: i8) -> i8 {
    match weekday {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

/// Whether the clock skips this wall time by a correction: there is no instant for it.
fn is_left_out(wall: DateTime, zone: &TimeZone) -> bool {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Gap { before, after } => after.seconds() - before.seconds() >= CORRECTION,
        _ => false,
    }
}

/// The instant of a wall time: the first of two, or the first after the gap that it falls into.
fn instant(wall: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    instants(wall, zone).map(|(first, _)| first)
}

/// The first and the last instant of a wall time: one that comes twice has two; one that the clock skips is the first after the
/// gap.
pub fn instants(wall: DateTime, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    let both = |at| (at, at);
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok().map(both),
        AmbiguousOffset::Fold { before, after } => before.to_timestamp(wall).ok().zip(after.to_timestamp(wall).ok()),
        AmbiguousOffset::Gap { before, .. } => {
            // Read with the offset of before, the time lies beyond the change; the change is the last one up to there.
            let beyond = before.to_timestamp(wall).ok()?;
            let change = zone.preceding(beyond.checked_add(TICK).ok()?).next();
            Some(both(change.map_or(beyond, |change| change.timestamp())))
        }
    }
}

fn floor_minute(wall: DateTime) -> DateTime {
    wall.date().at(wall.hour(), wall.minute(), 0, 0)
}

fn ceil_minute(wall: DateTime) -> Option<DateTime> {
    let floor = floor_minute(wall);
    if floor == wall { Some(wall) } else { floor.checked_add(SignedDuration::from_mins(1)).ok() }
}

/// The number of the lowest bit that is set.
fn low_bit(set: u64) -> i8 {
    i8::try_from(set.trailing_zeros()).expect("a 64-bit number has at most 64 trailing zeros")
}

/// The numbers of the bits that are set, lowest first.
fn bits(mut set: u32) -> impl Iterator<Item = i8> {
    std::iter::from_fn(move || {
        let bit = (set != 0).then(|| low_bit(set.into()))?;
        set &= set - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests;
