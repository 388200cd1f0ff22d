//! `retries`: how often a failed attempt is made again, and after how long.
//!
//! Before it: a job's table. After it: the loop over attempts in `duct`.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::document::{Key, Kind, Table, Value, default_of};

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[Key {
    name: "retries",
    kind: Kind::OneOf(&[Kind::Integer(0, 100), Kind::Table(TABLE)]),
    default: "0",
    about: "More attempts before the run counts as failed. Each attempt has the whole `timeout`.",
}];

const TABLE: &[Key] = &[
    Key { name: "times", kind: Kind::Integer(0, 100), default: "", about: "How many attempts after the first." },
    Key { name: "delay", kind: Kind::Duration, default: "1s", about: "The wait before the second attempt." },
    Key { name: "factor", kind: Kind::Number, default: "2", about: "Each wait is this many times the one before." },
    Key { name: "max_delay", kind: Kind::Duration, default: "5m", about: "No wait is longer." },
];

/// More attempts before a run counts as failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// How many attempts there may be after the first.
    pub times: u32,
    /// The wait before the first of them.
    pub delay: Duration,
    /// What each wait is multiplied by to make the next.
    pub factor: f64,
    /// No wait is longer.
    pub max_delay: Duration,
}

impl Retries {
    /// As `retries = N` has it.
    pub fn plain(times: u32) -> Self {
        let usual = |name| default_of(TABLE, name);
        let (delay, factor, max_delay) =
            (usual("delay").duration(), usual("factor").value(), usual("max_delay").duration());
        Self { times, delay, factor, max_delay }
    }

    /// How long a run lasts at most of which each attempt may take `timeout`.
    pub fn longest(&self, timeout: Duration) -> Duration {
        let waits: Duration = (1..=self.times).filter_map(|attempt| self.delay_after(attempt)).sum();
        timeout.saturating_mul(self.times.saturating_add(1)).saturating_add(waits)
    }

    /// The wait after the failed attempt of this number (from 1), or `None` when it was the last.
    pub fn delay_after(&self, attempt: u32) -> Option<Duration> {
        if attempt > self.times {
            return None;
        }
        let power = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.delay.as_secs_f64() * self.factor.powi(power);
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(self.max_delay).min(self.max_delay))
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::plain(default_of(KEYS, "retries").value())
    }
}

pub(super) fn read(table: &mut Table<'_>) -> Retries {
    table.value("retries").and_then(|value| read_value(&value)).unwrap_or_default()
}

fn read_value(value: &Value<'_>) -> Option<Retries> {
    if value.is_integer() {
        let times = value.integer(0..=100)?;
        return Some(Retries::plain(u32::try_from(times).unwrap_or(0)));
    }
    if !value.is_table() {
        return value.wrong_type("a whole number or a table such as `{ times = 3, delay = \"5s\" }`");
    }
    let mut table = value.table()?;
    let times = table.value("times");
    let plain = Retries::plain(0);
    let retries = Retries {
        times: times.as_ref().and_then(|value| value.integer(0..=100)).and_then(|n| n.try_into().ok()).unwrap_or(0),
        delay: table.duration("delay").unwrap_or(plain.delay),
        factor: table.value("factor").and_then(|value| read_factor(&value)).unwrap_or(plain.factor),
        max_delay: table.duration("max_delay").unwrap_or(plain.max_delay),
    };
    if times.is_none() {
        table.missing("times", "write how many attempts there may be after the first: `times = 3`");
    }
    table.finish();
    Some(retries)
}

fn read_factor(value: &Value<'_>) -> Option<f64> {
    let Some(factor) = value.as_float() else { return value.wrong_type("a number such as `2` or `1.5`") };
    if (1.0..=100.0).contains(&factor) {
        return Some(factor);
    }
    let message = format!("`{}` is out of range", value.path());
    value.refuse(Code::InvalidValue, message, "it must be from 1 to 100")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Retries;

    #[test]
    fn waits_grow_to_their_limit_and_end() {
        let retries = Retries::plain(12);
        let waits: Vec<_> = (1..=13).map(|attempt| retries.delay_after(attempt).map(|wait| wait.as_secs())).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300].map(Some);
        assert_eq!(waits[..12], expected);
        assert_eq!(waits[12], None);
        assert_eq!(Retries::plain(0).delay_after(1), None);
    }

    #[test]
    fn no_numbers_make_it_panic() {
        for factor in [0.0, 1.0, 1e300, f64::INFINITY] {
            let retries = Retries { times: u32::MAX, delay: Duration::MAX, factor, max_delay: Duration::from_secs(7) };
            assert!(retries.delay_after(u32::MAX).is_some_and(|wait| wait <= Duration::from_secs(7)));
        }
    }
}
