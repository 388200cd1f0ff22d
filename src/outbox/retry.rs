//! What follows on a failed try. Pure; chance is an argument.
//!
//! Before it: a `SendError`. After it: the queue, which waits, sends otherwise, or gives up.
//!
//! Two kinds of trouble are kept apart. Trouble of the way (the network, Slack's own failures, too many messages,
//! credentials) concerns everything that goes that way, which waits in order. Trouble of one message (a refusal) concerns
//! that message alone: it waits by itself, and what is behind it goes on.

use std::time::Duration;

use crate::notify::{Fault, SendError};

/// The first wait; it doubles with each failure in a row.
pub const FIRST: Duration = Duration::from_secs(1);

/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(300);

/// With refused credentials one message is tried this often, and all others wait.
pub const PROBE: Duration = Duration::from_secs(300);

/// A `Retry-After` of Slack's is obeyed up to here.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// So many refusals for the rate in a row, whatever the channel, and everything of that method waits.
pub const MANY_REFUSALS: u32 = 3;

/// So often a message is sent in all that Slack refuses for a reason that is not known here.
pub const MOST_REFUSALS: u32 = 3;

/// Between those tries: all of them are made within a minute.
pub const REFUSED_WAIT: Duration = Duration::from_secs(15);

/// A channel that refuses messages is tried again with each of them after this long, then twice as long each time.
pub const CHANNEL_WAIT: Duration = Duration::from_secs(60);

/// The longest of those waits.
pub const LONGEST_CHANNEL_WAIT: Duration = Duration::from_secs(3_600);

/// So often a message is sent after a time-out in which Slack may have taken it.
pub const MOST_AFTER_TIMEOUT: u32 = 3;

/// What is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// A message.
    #[default]
    Post,
    /// An edit of one.
    Edit,
    /// A file.
    Upload,
}

/// How the failed try was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Try {
    /// What was sent.
    pub what: What,
    /// It was plain text alone.
    pub plain: bool,
    /// It was a digest of several messages.
    pub digest: bool,
    /// It was a reply in a thread.
    pub reply: bool,
    /// It was an edit that can wait until its channel, which refuses messages, takes them again.
    pub patient: bool,
    /// It was such an edit, and nothing shows yet whether its channel refuses messages too.
    pub unclear: bool,
    /// Failures in a row of this lane, this one included.
    pub failures: u32,
    /// How often Slack refused the message before.
    pub refusals: u32,
    /// How often no answer came in time before.
    pub timeouts: u32,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The same again after this long; what is behind it waits too.
    Again(Duration),
    /// The same; where it was tried in vain for some time, what is behind it is tried, to learn whose trouble it is.
    AgainOrNext(Duration),
    /// The same again after this long, as Slack said; for everything if it keeps saying so.
    Limited(Duration),
    /// Everything waits, until the configuration changes or a probe succeeds.
    Credentials,
    /// Again as plain text, at once.
    Plain,
    /// Again in smaller parts.
    Smaller,
    /// Again without the thread, which is gone.
    Anew,
    /// Again without the thread, which takes no reply.
    Unthreaded,
    /// The same again after this long; what is behind it goes on.
    Later(Duration),
    /// The channel takes nothing: again after this long, and the default channel is told.
    Elsewhere(Duration),
    /// It has become needless: what it edits is gone.
    Needless,
    /// No try can help.
    Dead,
}

/// What follows on `error`. `chance` is from 0 to 1.
pub fn after(tried: Try, error: &SendError, chance: f64) -> Step {
    let fault = match error {
        SendError::Transient { retry_after: Some(wait), .. } => return Step::Limited((*wait).min(LONGEST_RETRY_AFTER)),
        SendError::Transient { retry_after: None, .. } => return Step::Again(backoff(tried.failures, chance)),
        SendError::Doubtful { .. } => return Step::AgainOrNext(backoff(tried.failures, chance)),
        SendError::Uncertain { .. } if tried.timeouts >= MOST_AFTER_TIMEOUT => return Step::Dead,
        SendError::Uncertain { .. } => return Step::Again(backoff(tried.failures, chance)),
        SendError::Permanent { fault, .. } => *fault,
    };
    match (tried.what, fault) {
        (What::Post | What::Edit, Fault::Credentials) => Step::Credentials,
        (What::Upload, Fault::Refused) if tried.refusals + 1 < MOST_REFUSALS => Step::Later(REFUSED_WAIT),
        (What::Upload, _) => Step::Dead,
        (What::Edit, Fault::Thread) => Step::Needless,
        (What::Edit, Fault::Message) if !tried.plain => Step::Plain,
        (What::Edit, Fault::Channel) if tried.patient => Step::Later(channel_wait(tried.refusals)),
        (What::Edit, Fault::Refused) if tried.refusals + 1 < MOST_REFUSALS => Step::Later(REFUSED_WAIT),
        (What::Edit, Fault::Channel) if tried.unclear && tried.refusals + 1 < MOST_REFUSALS => {
            Step::Later(REFUSED_WAIT)
        }
        (What::Edit, _) => Step::Dead,
        (What::Post, Fault::Thread) if tried.reply => Step::Anew,
        (What::Post, Fault::Target | Fault::Channel | Fault::Refused) if tried.reply => Step::Unthreaded,
        (What::Post, Fault::Channel) => Step::Elsewhere(channel_wait(tried.refusals)),
        (What::Post, Fault::Message) => match tried {
            Try { plain: false, .. } => Step::Plain,
            Try { digest: true, .. } => Step::Smaller,
            Try { .. } => Step::Dead,
        },
        // A digest has no row of its own that could wait: its members are tried alone.
        (What::Post, Fault::Refused | Fault::Target | Fault::Thread) if tried.digest => Step::Smaller,
        (What::Post, Fault::Refused | Fault::Target | Fault::Thread) if tried.refusals + 1 < MOST_REFUSALS => {
            Step::Later(REFUSED_WAIT)
        }
        (What::Post, Fault::Refused | Fault::Target | Fault::Thread) => Step::Dead,
    }
}

/// How long to wait after so many failures in a row: doubling, with a quarter of jitter either way so that many hosts do
/// not come back in step.
pub fn backoff(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let jitter = if chance.is_finite() { 0.75 + 0.5 * chance.clamp(0.0, 1.0) } else { 1.0 };
    doubled.min(LONGEST).mul_f64(jitter).min(LONGEST)
}

/// How long a message waits for a channel that refused it so often before.
fn channel_wait(refusals: u32) -> Duration {
    CHANNEL_WAIT.saturating_mul(1_u32.checked_shl(refusals).unwrap_or(u32::MAX)).min(LONGEST_CHANNEL_WAIT)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, REFUSED_WAIT, Step, Try, What, after, backoff};
    use crate::notify::{Fault, SendError};

    fn passing(retry_after: Option<u64>) -> SendError {
        SendError::Transient { why: "503".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    fn lasting(fault: Fault) -> SendError {
        SendError::Permanent { why: "no".into(), code: None, fault }
    }

    #[test]
    fn what_follows_on_each_answer() {
        let first = Try { failures: 1, ..Try::default() };
        let plain = Try { plain: true, ..first };
        let digest = Try { digest: true, ..first };
        let reply = Try { reply: true, ..first };
        let edit = Try { what: What::Edit, ..first };
        let upload = Try { what: What::Upload, ..first };
        let unsure = SendError::Uncertain { why: "no answer".into() };
        let seconds = Duration::from_secs;
        for (tried, error, step) in [
            (first, passing(None), Step::Again(seconds(1))),
            (Try { failures: 4, ..first }, passing(None), Step::Again(seconds(8))),
            (Try { failures: 40, ..first }, passing(None), Step::Again(LONGEST)),
            (Try { failures: 40, ..first }, passing(Some(17)), Step::Limited(seconds(17))),
            (first, passing(Some(99_999_999)), Step::Limited(seconds(3_600))),
            (edit, passing(None), Step::Again(seconds(1))),
            (upload, passing(Some(3)), Step::Limited(seconds(3))),
            (first, unsure.clone(), Step::Again(seconds(1))),
            (Try { timeouts: 2, ..first }, unsure.clone(), Step::Again(seconds(1))),
            (Try { timeouts: 3, ..first }, unsure, Step::Dead),
            (first, lasting(Fault::Credentials), Step::Credentials),
            (edit, lasting(Fault::Credentials), Step::Credentials),
            (upload, lasting(Fault::Credentials), Step::Dead),
            (first, lasting(Fault::Channel), Step::Elsewhere(seconds(60))),
            (Try { refusals: 2, ..first }, lasting(Fault::Channel), Step::Elsewhere(seconds(240))),
            (Try { refusals: 40, ..first }, lasting(Fault::Channel), Step::Elsewhere(seconds(3_600))),
            (reply, lasting(Fault::Channel), Step::Unthreaded),
            (edit, lasting(Fault::Channel), Step::Dead),
            (Try { patient: true, ..edit }, lasting(Fault::Channel), Step::Later(seconds(60))),
            (Try { patient: true, refusals: 40, ..edit }, lasting(Fault::Channel), Step::Later(seconds(3_600))),
            (upload, lasting(Fault::Channel), Step::Dead),
            (first, lasting(Fault::Message), Step::Plain),
            (plain, lasting(Fault::Message), Step::Dead),
            (digest, lasting(Fault::Message), Step::Plain),
            (Try { plain: true, ..digest }, lasting(Fault::Message), Step::Smaller),
            (Try { unclear: true, ..edit }, lasting(Fault::Channel), Step::Later(REFUSED_WAIT)),
            (Try { unclear: true, refusals: 2, ..edit }, lasting(Fault::Channel), Step::Dead),
            (edit, lasting(Fault::Message), Step::Plain),
            (Try { plain: true, ..edit }, lasting(Fault::Message), Step::Dead),
            (reply, lasting(Fault::Thread), Step::Anew),
            (reply, lasting(Fault::Target), Step::Unthreaded),
            (reply, lasting(Fault::Refused), Step::Unthreaded),
            (edit, lasting(Fault::Thread), Step::Needless),
            (edit, lasting(Fault::Target), Step::Dead),
            (edit, lasting(Fault::Refused), Step::Later(REFUSED_WAIT)),
            (Try { refusals: 2, ..edit }, lasting(Fault::Refused), Step::Dead),
            (upload, lasting(Fault::Refused), Step::Later(REFUSED_WAIT)),
            (Try { refusals: 2, ..upload }, lasting(Fault::Refused), Step::Dead),
            (first, lasting(Fault::Refused), Step::Later(REFUSED_WAIT)),
            (Try { refusals: 1, ..first }, lasting(Fault::Refused), Step::Later(REFUSED_WAIT)),
            (Try { refusals: 2, ..first }, lasting(Fault::Refused), Step::Dead),
            (digest, lasting(Fault::Refused), Step::Smaller),
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
