//! Quantities as people write them: lengths of time, rates, sizes.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// No length of time in a configuration may be longer: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// So many in so long: `1/s`, `20/h`, `5/10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In how long; never zero.
    pub per: Duration,
}

/// Why a quantity was refused: words, the part of the text, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub message: String,
    /// Which bytes of the text.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: String,
}

const DURATION_HELP: &str = "write a number and a unit, such as `90s`, `5m`, `1h 30m` or `2d`";

/// Reads a length of time (humantime's syntax). Months and years are refused: theirs are averages, not calendars.
pub fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let all = 0..text.len();
    let refuse = |message: String, span: Range<usize>| Refusal { message, span, help: DURATION_HELP.to_owned() };
    if let Some(span) = calendar_unit(text) {
        let unit = &text[span.clone()];
        let message = format!("`{unit}` has no fixed length");
        return Err(Refusal { message, span, help: "write it in days or weeks: `30d`, `52w`".to_owned() });
    }
    let length = humantime::parse_duration(text).map_err(|error| match error {
        humantime::DurationError::InvalidCharacter(at) => {
            refuse(format!("`{text}` is not a length of time"), at..(at + 1).min(text.len()))
        }
        humantime::DurationError::NumberExpected(at) => refuse("a number is missing here".to_owned(), at..text.len()),
        humantime::DurationError::UnknownUnit { unit, .. } if unit.is_empty() => {
            refuse(format!("`{}` has no unit", text.trim()), all.clone())
        }
        humantime::DurationError::UnknownUnit { start, end, unit, .. } => {
            refuse(format!("`{unit}` is not a unit of time"), start..end)
        }
        humantime::DurationError::Empty => refuse("a length of time is missing".to_owned(), all.clone()),
        humantime::DurationError::NumberOverflow => refuse(format!("`{text}` is too long"), all.clone()),
    })?;
    if length > LONGEST {
        return Err(refuse(format!("`{text}` is longer than ten years"), all));
    }
    Ok(length)
}

/// Where a month or year unit stands in the text.
pub fn calendar_unit(text: &str) -> Option<Range<usize>> {
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if c.is_ascii_alphabetic() {
            start.get_or_insert(at);
        } else if let Some(from) = start.take()
            && matches!(&text[from..at], "M" | "month" | "months" | "y" | "year" | "years" | "yr" | "yrs")
        {
            return Some(from..at);
        }
    }
    None
}

/// Reads a rate: `N/unit` or `N/duration`.
pub fn parse_rate(text: &str) -> Result<Rate, Refusal> {
    let help = "write a count and a time, such as `1/s`, `20/h` or `5/10m`".to_owned();
    let Some((count, per)) = text.split_once('/') else {
        return Err(Refusal { message: format!("`{text}` is not a rate"), span: 0..text.len(), help });
    };
    let at = count.len() + 1;
    let count = match count.trim().parse::<NonZeroU32>() {
        Ok(count) => count,
        Err(_) => {
            let message = format!("`{}` is not a count of one or more", count.trim());
            return Err(Refusal { message, span: 0..count.len().max(1).min(text.len()), help });
        }
    };
    let spelled = per.trim();
    let spelled =
        if spelled.starts_with(|c: char| c.is_ascii_digit()) { spelled.to_owned() } else { format!("1{spelled}") };
    match parse_duration(&spelled) {
        Ok(per) if !per.is_zero() => Ok(Rate { count, per }),
        _ => {
            let message = format!("`{}` is not a length of time", per.trim());
            Err(Refusal { message, span: at.min(text.len())..text.len(), help })
        }
    }
}

/// Reads a size in bytes: a number, or one with `B`, `KiB`, `MiB`, `GiB` (1024) or `kB`, `MB`, `GB` (1000).
pub fn parse_size(text: &str) -> Result<u64, Refusal> {
    let help = "write a number and a unit, such as `64KiB`, `1MiB` or `10MB`".to_owned();
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => 0,
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    match size {
        Some(size) if factor > 0 => Ok(size),
        _ => Err(Refusal { message: format!("`{text}` is not a size"), span: 0..text.len(), help }),
    }
}

/// A length of time as people write it, to the precision they care for: at most two units.
pub fn format_duration(length: Duration) -> String {
    let millis = length.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let seconds = length.as_secs();
    if seconds < 10 {
        let tenths = (length.as_millis() + 50) / 100;
        return match tenths % 10 {
            0 => format!("{}s", tenths / 10),
            rest => format!("{}.{rest}s", tenths / 10),
        };
    }
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let largest = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(3);
    let (size, name) = units[largest];
    let rest = units.get(largest + 1).map_or(0, |(small, _)| seconds % size / small);
    match units.get(largest + 1) {
        Some((_, small)) if rest > 0 => format!("{}{name} {rest}{small}", seconds / size),
        _ => format!("{}{name}", seconds / size),
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per.as_secs_f64() {
            1.0 => write!(f, "{}/s", self.count),
            60.0 => write!(f, "{}/m", self.count),
            3600.0 => write!(f, "{}/h", self.count),
            86400.0 => write!(f, "{}/d", self.count),
            _ => write!(f, "{}/{}", self.count, humantime::format_duration(self.per)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{format_duration, parse_duration, parse_rate, parse_size};

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in
            [("90s", 90.0), ("1h 30m", 5_400.0), ("2d", 172_800.0), ("10ms", 0.01), ("0s", 0.0), ("1w", 604_800.0)]
        {
            assert_eq!(parse_duration(text).map(|d| d.as_secs_f64()), Ok(seconds), "{text}");
        }
        for text in ["5", "-5m", "", "5 parsecs", "1month", "1y", "2 years", "1M", "9999999999999h", "m", "99999d"] {
            let refusal = parse_duration(text).expect_err(text);
            assert!(refusal.span.end <= text.len() && refusal.span.start <= refusal.span.end, "{text}: {refusal:?}");
        }
    }

    #[test]
    fn rates() {
        for (text, shown) in [("1/s", "1/s"), ("20/h", "20/h"), ("5/10m", "5/10m"), ("200/1s", "200/s"), ("3/d", "3/d")]
        {
            assert_eq!(parse_rate(text).map(|rate| rate.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for (text, wrong) in [
            ("1", "1"),
            ("0/s", "0"),
            ("20/", ""),
            ("/s", "/"),
            ("x/s", "x"),
            ("20/parsec", "parsec"),
            ("20/0s", "0s"),
            ("-1/s", "-1"),
        ] {
            let refusal = parse_rate(text).expect_err(text);
            assert_eq!(text.get(refusal.span.clone()), Some(wrong), "{text}: {refusal:?}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("64KiB", 65_536), ("10MB", 10_000_000), ("1MiB", 1 << 20), ("512", 512), ("1 GiB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1.5MiB", "-1", "99999999999GiB", "10 elephants"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_are_shown_as_people_say_them() {
        for (millis, shown) in [
            (0, "0ms"),
            (41, "41ms"),
            (1_300, "1.3s"),
            (2_000, "2s"),
            (41_000, "41s"),
            (192_000, "3m 12s"),
            (3_600_000, "1h"),
            (5_430_000, "1h 30m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(format_duration(Duration::from_millis(millis)), shown);
        }
    }
}
