//! `retries`: how often a failed attempt is made again, and after how long.
//!
//! Before it: `read`. After it: the loop over attempts in `duct`.

use std::time::Duration;

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
        Self { times, delay: Duration::from_secs(1), factor: 2.0, max_delay: Duration::from_secs(300) }
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
