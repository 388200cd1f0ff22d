//! What follows on a failed try. Pure; chance is an argument.
//!
//! Before it: a `SendError`. After it: the queue, which waits, sends otherwise, or gives up.

use std::time::Duration;

use crate::notify::{Fault, SendError};

/// The first wait; it doubles with each failure in a row.
pub const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(300);

/// With refused credentials one message is tried this often, and all others wait.
pub const PROBE: Duration = Duration::from_secs(300);

/// Slack's own word on when to come back is heard up to here.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// So many refusals for the rate in a row, whatever the channel, and everything waits, not only the channel.
pub const MANY_REFUSALS: u32 = 3;

/// How the failed try was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Try {
    /// It was `text` alone.
    pub plain: bool,
    /// It was a digest of several messages.
    pub digest: bool,
    /// It went into, or edited, a thread's first message.
    pub parent: bool,
    /// It edits, and would not itself appear.
    pub edit: bool,
    /// Failures in a row of this channel, this one included.
    pub failures: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The same again after this long.
    Again(Duration),
    /// The same again after this long, as Slack said; for everything if it keeps saying so.
    Refused(Duration),
    /// Everything waits, until the configuration changes or a probe succeeds.
    Credentials,
    /// Again as plain text.
    Plain,
    /// Again in smaller parts.
    Smaller,
    /// Again without the thread, which is gone.
    Anew,
    /// It has become needless: what it edits is gone.
    Needless,
    /// No try can help.
    Dead,
}

/// What follows on `error`. `chance` is from 0 to 1.
pub fn after(tried: Try, error: &SendError, chance: f64) -> Step {
    match error {
        SendError::Transient { retry_after: Some(wait), .. } => Step::Refused((*wait).min(LONGEST_RETRY_AFTER)),
        SendError::Transient { retry_after: None, .. } => Step::Again(backoff(tried.failures, chance)),
        SendError::Permanent { fault: Fault::Credentials, .. } => Step::Credentials,
        SendError::Permanent { fault: Fault::Channel, .. } => Step::Dead,
        SendError::Permanent { fault: Fault::Thread, .. } if tried.edit => Step::Needless,
        SendError::Permanent { fault: Fault::Thread, .. } if tried.parent => Step::Anew,
        SendError::Permanent { fault: Fault::Message | Fault::Thread, .. } => match tried {
            Try { plain: false, .. } => Step::Plain,
            Try { digest: true, .. } => Step::Smaller,
            Try { .. } => Step::Dead,
        },
    }
}

/// How long to wait after so many failures in a row: doubling, with a quarter of jitter either way so that many hosts do
/// not come back in step.
pub fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let jitter = if chance.is_finite() { 0.75 + 0.5 * chance.clamp(0.0, 1.0) } else { 1.0 };
    doubled.min(LONGEST).mul_f64(jitter).min(LONGEST)
}

/// What went wrong, for people.
pub fn why(error: &SendError) -> &str {
    match error {
        SendError::Transient { why, .. } | SendError::Permanent { why, .. } => why,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, Step, Try, after, backoff};
    use crate::notify::{Fault, SendError};

    fn passing(retry_after: Option<u64>) -> SendError {
        SendError::Transient { why: "503".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    fn lasting(fault: Fault) -> SendError {
        SendError::Permanent { why: "no".into(), fault }
    }

    #[test]
    fn what_follows_on_each_answer() {
        let plain = Try { plain: true, failures: 1, ..Try::default() };
        let first = Try { failures: 1, ..Try::default() };
        let digest = Try { digest: true, ..first };
        let reply = Try { parent: true, ..first };
        let edit = Try { edit: true, ..reply };
        let seconds = Duration::from_secs;
        for (tried, error, step) in [
            (first, passing(None), Step::Again(seconds(1))),
            (Try { failures: 4, ..first }, passing(None), Step::Again(seconds(8))),
            (Try { failures: 40, ..first }, passing(None), Step::Again(LONGEST)),
            (Try { failures: 40, ..first }, passing(Some(17)), Step::Refused(seconds(17))),
            (first, passing(Some(99_999_999)), Step::Refused(seconds(3_600))),
            (first, lasting(Fault::Credentials), Step::Credentials),
            (digest, lasting(Fault::Channel), Step::Dead),
            (first, lasting(Fault::Message), Step::Plain),
            (plain, lasting(Fault::Message), Step::Dead),
            (digest, lasting(Fault::Message), Step::Plain),
            (Try { plain: true, ..digest }, lasting(Fault::Message), Step::Smaller),
            (reply, lasting(Fault::Thread), Step::Anew),
            (edit, lasting(Fault::Thread), Step::Needless),
            (first, lasting(Fault::Thread), Step::Plain),
            (plain, lasting(Fault::Thread), Step::Dead),
        ] {
            assert_eq!(after(tried, &error, 0.5), step, "{tried:?} {error:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_wait_is_never_nothing_never_longer_than_five_minutes_and_grows(
            failures in 1_u32..100, chance in 0.0_f64..=1.0,
        ) {
            let wait = backoff(failures, chance);
            proptest::prop_assert!(wait >= Duration::from_millis(750) && wait <= LONGEST);
            proptest::prop_assert!(backoff(failures + 1, chance) >= wait);
            proptest::prop_assert!(backoff(failures, f64::NAN) <= LONGEST);
        }
    }
}
