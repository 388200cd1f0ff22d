//! Text to [`Cron`], with the exact place of what cannot be understood.
//!
//! The language is crontab(5)'s: `*`, numbers, names, ranges, steps, lists, and the `@` names; and what Quartz added:
//! `L`, `W`, `#`. A range may run past the end of its field where that has one meaning (`FRI-MON`, `22-2`).

use std::ops::Range;

use super::{Cron, Days};
use crate::document::{Refusal, did_you_mean, parse_duration};

const HELP: &str =
    "a calendar has five fields: minute, hour, day of the month, month, day of the week; as `0 9 * * MON-FRI`";

/// The names that stand for five fields; crontab(5).
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// What one of the five fields may hold.
struct Field {
    /// As people call it.
    name: &'static str,
    low: u8,
    high: u8,
    /// How many values there are before they begin again; none where a range must not run past the end.
    cycle: Option<u8>,
    /// Names for the values from `low` on; the first three letters will do.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    // Over the end of the hour is nearly the whole hour, or a slip: `5-2`.
    Field { name: "minute", low: 0, high: 59, cycle: None, names: &[] },
    Field { name: "hour", low: 0, high: 23, cycle: Some(24), names: &[] },
    // Months differ in length: from the 28th to the 3rd has no one meaning under a step.
    Field { name: "day of the month", low: 1, high: 31, cycle: None, names: &[] },
    Field { name: "month", low: 1, high: 12, cycle: Some(12), names: &MONTHS },
    Field { name: "day of the week", low: 0, high: 7, cycle: Some(7), names: &WEEKDAYS },
];

/// A piece of the text, with its offset.
#[derive(Clone, Copy)]
struct Piece<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Piece<'t> {
    fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// What comes before and after the first `mark`.
    fn cut(self, mark: char) -> Option<(Self, Self)> {
        let (head, tail) = self.text.split_once(mark)?;
        let at = self.at + head.len() + mark.len_utf8();
        Some((Self { text: head, at: self.at }, Self { text: tail, at }))
    }

    /// The pieces between each `mark`.
    fn split(self, mark: fn(char) -> bool) -> impl Iterator<Item = Self> {
        let start = self.text.as_ptr() as usize;
        self.text.split(mark).map(move |text| Self { text, at: self.at + (text.as_ptr() as usize - start) })
    }

    /// Without a last letter, in whatever case.
    fn without_end(self, letter: char) -> Option<Self> {
        let text = self.text.strip_suffix([letter, letter.to_ascii_lowercase()])?;
        Some(Self { text, at: self.at })
    }

    fn refuse<T>(self, message: impl Into<String>, help: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { message: message.into(), span: self.span(), help: help.into() })
    }
}

/// Reads five fields or one of the `@` names.
pub(super) fn parse(text: &str) -> Result<Cron, Refusal> {
    let trimmed = text.trim();
    let whole = Piece { text: trimmed, at: text.len() - text.trim_start().len() };
    if trimmed.is_empty() {
        return Err(Refusal {
            message: "the calendar is empty".to_owned(),
            span: 0..text.len(),
            help: HELP.to_owned(),
        });
    }
    if let Some((at, zone)) = zone_in_front(whole) {
        let message = "a time zone is not part of the calendar";
        return at
            .refuse(message, format!("write `time_zone = \"{zone}\"` beside `cron`, and the five fields alone here"));
    }
    let mut cron = match trimmed.strip_prefix('@') {
        Some(_) => five_fields(Piece { text: nickname(whole)?, at: 0 })?,
        None => five_fields(whole)?,
    };
    cron.text = trimmed.into();
    Ok(cron)
}

/// `CRON_TZ=Europe/Berlin 0 9 * * *`, as some programs take it: the piece, and the zone in it.
fn zone_in_front(whole: Piece<'_>) -> Option<(Piece<'_>, &str)> {
    let first = whole.text.split_whitespace().next()?;
    let (_, zone) = first.split_once('=').filter(|(name, _)| matches!(*name, "CRON_TZ" | "TZ"))?;
    Some((Piece { text: first, at: whole.at }, zone))
}

fn nickname(whole: Piece<'_>) -> Result<&'static str, Refusal> {
    let wanted = whole.text.to_ascii_lowercase();
    if let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| *name == wanted) {
        return Ok(fields);
    }
    // No calendar, but what may be meant in the place of one.
    let known: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).chain(["@reboot"]).collect();
    let help = match wanted.as_str() {
        _ if wanted.starts_with("@every") => as_interval(wanted["@every".len()..].trim()),
        _ => did_you_mean(&wanted, known.iter().copied()).unwrap_or_else(|| format!("it can be {}", known.join(", "))),
    };
    whole.refuse(format!("`{}` is no calendar", whole.text), help)
}

/// What to write for an interval; with a length that cannot be understood, an example.
fn as_interval(length: &str) -> String {
    let length = if parse_duration(length).is_ok() { length } else { "5m" };
    format!("write the interval as `every = \"{length}\"`, in the place of `cron`")
}

/// What is meant by a text that has not five fields, as other schedulers write it.
fn of_other_schedulers(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let nickname = NICKNAMES.iter().find(|(name, _)| name[1..] == *text);
    let interval = text.strip_prefix("every ").or_else(|| text.strip_prefix("rate(")?.strip_suffix(')'));
    match (nickname, interval) {
        (Some((name, _)), _) => format!("did you mean `{name}`?"),
        (None, Some(length)) => as_interval(length.trim()),
        // OnCalendar= of systemd.time(7).
        (None, None) if text.contains(':') => format!("{HELP}; what systemd calls a calendar is written otherwise"),
        (None, None) => HELP.to_owned(),
    }
}

fn five_fields(whole: Piece<'_>) -> Result<Cron, Refusal> {
    let found: Vec<Piece<'_>> = whole.split(char::is_whitespace).filter(|piece| !piece.text.is_empty()).collect();
    if let Some(sixth) = found.get(5) {
        let message = format!("there are {} fields, and a calendar has five", found.len());
        let rest = Piece { text: &whole.text[sixth.at - whole.at..], at: sixth.at };
        return rest.refuse(message, "seconds and years are not part of it; for less than a minute write `every`");
    }
    let [minute, hour, day, month, weekday] = found[..] else {
        let there =
            if let [_] = found[..] { "there is 1 field" } else { &*format!("there are {} fields", found.len()) };
        return whole.refuse(format!("{there}, and a calendar has five"), of_other_schedulers(whole.text));
    };
    let star = |piece: Piece<'_>| piece.text.starts_with('*');
    let mut days = Days { either: !star(day) && !star(weekday), ..Days::default() };
    let mut sets = [0_u64; 5];
    for ((field, piece), set) in FIELDS.iter().zip([minute, hour, day, month, weekday]).zip(&mut sets) {
        for part in piece.split(|c| c == ',') {
            if !special(field, part, &mut days)? {
                *set |= plain(field, part)?;
            }
        }
    }
    let narrow = |index: usize| u32::try_from(sets[index]).expect("these fields have values below 32");
    days.of_month = narrow(2);
    days.of_week = u8::try_from(sets[4]).expect("seven days fit eight bits");
    Ok(Cron {
        text: whole.text.into(),
        minute: sets[0],
        hour: narrow(1),
        month: u16::try_from(sets[3]).expect("twelve months fit sixteen bits"),
        days,
        fixed: !star(minute) && !star(hour),
    })
}

/// Takes what only the day fields know: `L`, `L-3`, `LW`, `15W`, `5L`, `MON#2`. Tells whether it was one of these.
fn special(field: &Field, part: Piece<'_>, days: &mut Days) -> Result<bool, Refusal> {
    let upper = part.text.to_ascii_uppercase();
    let of_week = field.high == 7;
    if field.high == 31 {
        if upper == "L" {
            days.before_last |= 1;
        } else if upper == "LW" {
            days.last_weekday = true;
        } else if let Some((_, back)) = part.cut('-').filter(|_| upper.starts_with("L-")) {
            days.before_last |= 1 << number(back, 0, 30, "number of days before the last")?;
        } else if let Some(day) = part.without_end('W') {
            days.near |= 1 << number(day, 1, 31, field.name)?;
        } else {
            return Ok(false);
        }
    } else if of_week && let Some((day, nth)) = part.cut('#') {
        let day = value(field, day)? % 7;
        days.nth[usize::from(day)] |= 1 << (number(nth, 1, 5, "week of the month")? - 1);
    } else if of_week && let Some(day) = part.without_end('L') {
        if day.text.is_empty() {
            return part.refuse("`L` alone is no day of the week", "write which: `5L` or `FRIL` is the last Friday");
        }
        let day = value(field, day)? % 7;
        days.nth[usize::from(day)] |= 1 << 7;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Takes `*`, a value or a range, each with or without a step; the answer is a bit for each value.
fn plain(field: &Field, part: Piece<'_>) -> Result<u64, Refusal> {
    let (range, step) = match part.cut('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let last = if field.high == 7 { 6 } else { field.high };
    let (from, to) = if range.text == "*" {
        (field.low, last)
    } else if range.text.starts_with('-') && field.name == "minute" {
        return range
            .refuse("a calendar does not begin with a dash", "leave it out: it keeps runs of cron out of its log");
    } else if let Some((from, to)) = range.cut('-') {
        let (from, to) = (value(field, from)?, value(field, to)?);
        match field.cycle {
            _ if from <= to => (from, to),
            Some(cycle) => (from, to + cycle),
            None => {
                let help = format!("write it as two ranges: `{from}-{last},{}-{to}`", field.low);
                return range.refuse(format!("the range `{}` runs backwards", range.text), help);
            }
        }
    } else {
        let value = value(field, range)?;
        if step.is_some() {
            let help = format!("write where it ends: `{value}-{last}{}`", &part.text[range.text.len()..]);
            return part.refuse("a step needs a range", help);
        }
        (value, value)
    };
    let size = last - field.low + 1;
    let step = match step {
        Some(step) => match step.text.parse::<u32>() {
            Ok(long) if long > size.into() => {
                let help = "for a longer interval write `every` in the place of `cron`";
                return step.refuse(format!("a step of {long} is longer than the field `{}`", field.name), help);
            }
            _ => number(step, 1, size, "step")?,
        },
        None => 1,
    };
    let wrap = |value: u8| match field.cycle {
        Some(cycle) => (value - field.low) % cycle + field.low,
        None => value,
    };
    Ok((from..=to).step_by(step.into()).fold(0, |set, value| set | 1 << wrap(value)))
}

/// One value of a field: a number, or a name.
fn value(field: &Field, piece: Piece<'_>) -> Result<u8, Refusal> {
    let lower = piece.text.to_ascii_lowercase();
    let is_name = |name: &&str| **name == lower || name[..3] == lower;
    if let Some(index) = field.names.iter().position(is_name) {
        return Ok(field.low + u8::try_from(index).expect("there are at most twelve names"));
    }
    if !field.names.is_empty() && lower.starts_with(|c: char| c.is_alphabetic()) {
        let help = did_you_mean(&lower, field.names.iter().flat_map(|name| [*name, &name[..3]]))
            .unwrap_or_else(|| format!("names are `{}`, `{}` and so on", &field.names[0][..3], &field.names[1][..3]));
        return piece.refuse(format!("`{}` is no {}", piece.text, field.name), help);
    }
    if piece.text == "?" {
        return piece.refuse("`?` is not known here", "write `*`");
    }
    // What other schedulers write: what it is here.
    let elsewhere = match piece.text {
        text if text.contains('~') || lower.starts_with('h') => {
            "a time that is drawn is `jitter` here, beside `cron` with a fixed time"
        }
        text if text.contains(['"', '\'']) => "leave the quotation marks out",
        _ => return number(piece, field.low, field.high, field.name),
    };
    piece.refuse(format!("`{}` is no {}", piece.text, field.name), elsewhere)
}

/// A number within bounds.
fn number(piece: Piece<'_>, low: u8, high: u8, what: &str) -> Result<u8, Refusal> {
    let help = format!("it must be from {low} to {high}");
    if piece.text.is_empty() {
        return piece.refuse("a value is missing here", help);
    }
    match piece.text.parse::<u8>() {
        Ok(number) if (low..=high).contains(&number) && !piece.text.starts_with('+') => Ok(number),
        _ => piece.refuse(format!("`{}` is no {what}", piece.text), help),
    }
}
