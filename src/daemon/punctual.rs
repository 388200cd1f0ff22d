//! Whether the loop wakes when it wants to. Pure.
//!
//! Before it: the time at which the loop wants to wake, and the time at which it does. After it: the loop, which hears first and
//! looks at the clock afterwards. Where the whole process was held up (stopped, suspended, a busy machine), what has happened
//! meanwhile is known only once it was heard: a run that has ended is not slow, and one that was reported is not missing.

use std::time::Duration;

use crate::clock::Mono;

/// A loop that wakes so late was held up.
const HELD_UP: Duration = Duration::from_secs(1);

/// How long it only listens then.
const LISTENS: Duration = Duration::from_millis(200);

/// A machine that is always behind gets that time once in so long.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known of the last wake.
#[derive(Debug, Default)]
pub(super) struct Punctual {
    /// When the loop wants to wake.
    wake: Option<Mono>,
    /// Until when it listens, or did the last time.
    until: Option<Mono>,
}

impl Punctual {
    /// The loop has looked at the clock, and wants to do so again then.
    pub(super) fn sleeps_until(&mut self, wake: Option<Mono>) {
        self.wake = wake;
    }

    /// Until when the loop is to listen before it looks at the clock, where it is.
    pub(super) fn listens_until(&mut self, now: Mono) -> Option<Mono> {
        let late = self.wake.is_some_and(|wake| now - wake > HELD_UP);
        if late && self.until.is_none_or(|last| now - last > AGAIN) {
            self.until = Some(now + LISTENS);
        }
        self.until.filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono(Duration::from_millis(millis))
    }

    #[test]
    fn who_was_held_up_listens_for_a_moment_and_not_again_and_again() {
        let mut punctual = Punctual::default();
        assert_eq!(punctual.listens_until(at(0)), None);
        punctual.sleeps_until(Some(at(60_000)));
        for (now, until) in [
            (60_000, None),
            (61_000, None),
            (65_000, Some(at(65_200))),
            (65_199, Some(at(65_200))),
            (65_200, None),
            // Late once more, and it has listened just now.
            (70_000, None),
            (75_201, Some(at(75_401))),
        ] {
            assert_eq!(punctual.listens_until(at(now)), until, "{now}");
        }
        punctual.sleeps_until(None);
        assert_eq!(punctual.listens_until(at(1_000_000)), None, "it was woken by something else");
    }
}
