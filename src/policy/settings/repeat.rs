//! `repeat`: how often a failure that goes on is reported again.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::document::{Value, nearest, parse_duration};

/// How often a failure that goes on is reported again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// At most so often.
    Every(Duration),
    /// After the first of these, then after twice as long each time, then each time after the second.
    Growing {
        /// Before the first repetition.
        first: Duration,
        /// Between the last ones.
        longest: Duration,
    },
    /// Not.
    Never,
    /// After every run.
    Always,
}

impl Repeat {
    /// How long after a message the next one comes, of an incident that was repeated `repeats` times. `None` when none
    /// does.
    pub(in crate::policy) fn interval(self, repeats: u32) -> Option<Duration> {
        match self {
            Self::Every(length) => Some(length),
            Self::Never => None,
            Self::Always => Some(Duration::ZERO),
            Self::Growing { first, longest } => {
                let mut length = first;
                for _ in 0..repeats {
                    length = length.saturating_mul(2);
                    // 1, 2, 4, 8, then 24 hours: what is more than half of the longest is the longest.
                    if length > longest / 2 {
                        return Some(longest);
                    }
                }
                Some(length.min(longest))
            }
        }
    }

    /// The first interval: of what is reported again without being an old failure.
    pub fn first(self) -> Option<Duration> {
        self.interval(0)
    }
}

/// Reads `repeat`.
pub(super) fn read(value: &Value<'_>) -> Option<Repeat> {
    let word = if value.is_text() { value.text()?.value } else { "" };
    if let Some((first, longest)) = word.split_once("..") {
        return range(value, first, longest);
    }
    match word {
        "never" => Some(Repeat::Never),
        "always" => Some(Repeat::Always),
        _ if word.starts_with(|c: char| c.is_alphabetic()) => {
            let help = match nearest(word, ["never", "always"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "write a length of time such as `1h`, a range such as `1h..24h`, or `never`, or `always`".to_owned()
                }
            };
            value.refuse(Code::InvalidValue, format!("`{word}` is no value for `{}`", value.path()), help)
        }
        _ => value.duration().map(Repeat::Every),
    }
}

fn range(value: &Value<'_>, first: &str, longest: &str) -> Option<Repeat> {
    let help = "write the first and the longest interval, such as `1h..24h`";
    let read = |text: &str| match parse_duration(text.trim()) {
        Ok(length) => Some(length),
        Err(refusal) => {
            let message = format!("`{}`: {}", value.path(), refusal.message);
            value.refuse(Code::InvalidDuration, message, help)
        }
    };
    let (first, longest) = (read(first)?, read(longest)?);
    if first.is_zero() || first > longest {
        let message = format!("`{}`: the first interval must be above 0 and at most the longest", value.path());
        return value.refuse(Code::InvalidDuration, message, help);
    }
    Some(if first == longest { Repeat::Every(first) } else { Repeat::Growing { first, longest } })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Repeat;

    #[test]
    fn intervals_grow_to_the_longest() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let lengths = |first, longest| {
            let repeat = Repeat::Growing { first: hours(first), longest: hours(longest) };
            (0..7).map(|repeats| repeat.interval(repeats).expect("it has one").as_secs() / 3_600).collect::<Vec<_>>()
        };
        assert_eq!(lengths(1, 24), [1, 2, 4, 8, 24, 24, 24]);
        assert_eq!(lengths(1, 4), [1, 2, 4, 4, 4, 4, 4]);
        assert_eq!(lengths(2, 3), [2, 3, 3, 3, 3, 3, 3]);
        let longest = Repeat::Growing { first: Duration::from_secs(1), longest: Duration::MAX };
        assert!(longest.interval(u32::MAX) <= Some(Duration::MAX));
    }
}
