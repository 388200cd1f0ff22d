//! Never more than `slack.rate` per channel: governor's limiter for each, on our clock.
//!
//! Before it: a channel that is ready. After it: a send, or the time when there may be one. Strict spacing, no burst:
//! Slack's own limit is one message a second, and what it tolerates beyond that it does not promise to deliver.
//!
//! governor's own waiting does not follow a simulated clock, so it is only asked (`check`), and the worker sleeps.

use std::collections::HashMap;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Allowance, RateLimiter};

use crate::clock::SharedClock;
use crate::document::Rate;
use crate::id::Channel;

/// Our clock, as governor asks for it.
#[derive(Clone, Debug)]
struct Ticks(SharedClock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.now().mono.0.into()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>;

/// The limiters of all channels that were written to of late.
#[derive(Debug)]
pub struct Quota {
    clock: SharedClock,
    rate: Rate,
    channels: HashMap<Channel, Paced>,
}

/// A limiter cannot change its rate: it is replaced when it next lets something pass.
#[derive(Debug)]
struct Paced {
    limiter: Limiter,
    rate: Rate,
    last: Duration,
}

/// The time between two messages.
pub fn spacing(rate: Rate) -> Duration {
    (rate.per / rate.count.get()).max(Duration::from_nanos(1))
}

impl Quota {
    /// Nothing was sent yet.
    pub fn new(clock: SharedClock, rate: Rate) -> Self {
        Self { clock, rate, channels: HashMap::new() }
    }

    /// The configuration changed; what a channel has used stays used.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
    }

    /// How many messages a channel can take in `within`; at least one.
    pub fn capacity(&self, within: Duration) -> u64 {
        let capacity = within.as_nanos() / spacing(self.rate).as_nanos().max(1);
        u64::try_from(capacity).unwrap_or(u64::MAX).max(1)
    }

    /// Spends one message of a channel, or says how long there may be none.
    pub fn check(&mut self, channel: &Channel) -> Result<(), Duration> {
        let now = self.clock.now().mono.0;
        let (rate, clock) = (self.rate, &self.clock);
        let new = || Paced { limiter: limiter(clock, rate), rate, last: now };
        let paced = self.channels.entry(channel.clone()).or_insert_with(new);
        paced.limiter.check().map_err(|not_until| not_until.wait_time_from(now.into()))?;
        if paced.rate != rate {
            *paced = new();
            // A new limiter lets the first one pass.
            let _passes = paced.limiter.check();
        }
        paced.last = now;
        Ok(())
    }

    /// Forgets channels whose last message was long enough ago that they are as if never written to.
    pub fn forget_idle(&mut self) {
        let now = self.clock.now().mono.0;
        self.channels.retain(|_, paced| now.saturating_sub(paced.last) < spacing(paced.rate));
    }

    /// How many channels are remembered.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }
}

fn limiter(clock: &SharedClock, rate: Rate) -> Limiter {
    let allowance = Allowance::with_period(spacing(rate)).expect("the spacing is a nanosecond at least");
    RateLimiter::direct_with_clock(allowance, Ticks(clock.clone()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use jiff::Timestamp;

    use super::Quota;
    use crate::clock::{Clock, Mono, Now};
    use crate::document::parse_rate;
    use crate::id::Channel;

    #[derive(Debug, Default)]
    struct Hand(Mutex<Duration>);

    impl Hand {
        fn turn(&self, by: Duration) {
            *self.0.lock().expect("no test panics with it") += by;
        }
    }

    impl Clock for Hand {
        fn now(&self) -> Now {
            Now { wall: Timestamp::UNIX_EPOCH, mono: Mono(*self.0.lock().expect("no test panics with it")) }
        }
    }

    #[test]
    fn a_channel_gets_its_rate_strictly_spaced_and_another_is_not_held_up() {
        for (rate, spacing) in [("1/s", 1_000), ("2/s", 500), ("60/m", 1_000), ("20/h", 180_000), ("1/5m", 300_000)] {
            let clock = Arc::new(Hand::default());
            let mut quota = Quota::new(clock.clone(), parse_rate(rate).expect(rate));
            let (a, b) = (Channel::new("a"), Channel::new("b"));
            let spacing = Duration::from_millis(spacing);
            for _ in 0..5 {
                assert_eq!(quota.check(&a), Ok(()), "{rate}");
                assert_eq!(quota.check(&b), Ok(()), "{rate}");
                assert_eq!(quota.check(&a), Err(spacing), "{rate}");
                clock.turn(spacing - Duration::from_millis(1));
                assert_eq!(quota.check(&a), Err(Duration::from_millis(1)), "{rate}");
                clock.turn(Duration::from_millis(1));
            }
            clock.turn(spacing * 100);
            assert_eq!(quota.check(&a), Ok(()), "{rate}");
            assert_eq!(quota.check(&a), Err(spacing), "{rate}: what was not used is not saved up");
        }
    }

    #[test]
    fn a_new_rate_counts_from_the_next_message_and_idle_channels_are_forgotten() {
        let clock = Arc::new(Hand::default());
        let mut quota = Quota::new(clock.clone(), parse_rate("1/s").expect("a rate"));
        let a = Channel::new("a");
        assert_eq!(quota.check(&a), Ok(()));
        quota.set_rate(parse_rate("1/10s").expect("a rate"));
        assert_eq!(quota.check(&a), Err(Duration::from_secs(1)));
        clock.turn(Duration::from_secs(1));
        assert_eq!(quota.check(&a), Ok(()));
        assert_eq!(quota.check(&a), Err(Duration::from_secs(10)));
        quota.forget_idle();
        assert_eq!(quota.len(), 1);
        clock.turn(Duration::from_secs(10));
        quota.forget_idle();
        assert!(quota.is_empty());
    }

    #[test]
    fn what_a_channel_can_take_in_half_a_minute() {
        let clock = Arc::new(Hand::default());
        for (rate, capacity) in [("1/s", 30), ("2/s", 60), ("1/m", 1), ("20/m", 10), ("1000/s", 30_000)] {
            let quota = Quota::new(clock.clone(), parse_rate(rate).expect(rate));
            assert_eq!(quota.capacity(Duration::from_secs(30)), capacity, "{rate}");
        }
    }
}
