//! What time it is: the only place that asks the system. Before it: nothing; after it: everybody who waits.
//!
//! Two times, never mixed. **Wall** time is the calendar's: it can be set, and steps. **Mono** counts from an arbitrary
//! origin, never steps, and goes on through suspend (CLOCK_BOOTTIME, see clock_gettime(2)), so that an interval that
//! passed while the machine slept is known to have passed.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// The longest single sleep. The kernel's timers do not count suspend and cannot see the wall clock being set: after
/// this long at most the daemon looks at both clocks again.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(20);

/// A point on the monotonic clock, as the time since its origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mono(pub Duration);

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The calendar's time.
    pub wall: Timestamp,
    /// The stop-watch's.
    pub mono: Mono,
}

/// A source of both times; the system's is [`System`], a simulation brings its own.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Both clocks, now.
    fn now(&self) -> Now;

    /// The longest single sleep; a simulation may look less often than once in [`LONGEST_SLEEP`].
    fn longest_sleep(&self) -> Duration {
        LONGEST_SLEEP
    }
}

/// A clock that is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

/// Our monotonic clock as governor wants it, so that rate limits follow suspend and simulated time.
#[derive(Clone, Debug)]
pub struct GovernorClock(pub SharedClock);

/// A limiter of one rate on our clock.
pub type Limiter = governor::RateLimiter<
    governor::state::NotKeyed,
    governor::state::InMemoryState,
    GovernorClock,
    governor::middleware::NoOpMiddleware<Duration>,
>;

impl governor::clock::Clock for GovernorClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.now().mono.0
    }
}

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the door of time: the one place that reads the wall clock")]
    fn now(&self) -> Now {
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let mono = Duration::new(boot.tv_sec.unsigned_abs(), u32::try_from(boot.tv_nsec).unwrap_or(0));
        Now { wall: Timestamp::now(), mono: Mono(mono) }
    }
}

impl Mono {
    /// How long until `later`; zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Sub<Mono> for Mono {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// `at` moved by a span of time, held within what a time stamp can express.
pub fn shift(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// The time from `earlier` to `later`; zero when it would be negative.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// Sleeps towards `deadline`, at most the clock's longest sleep: the caller looks again, so that neither suspend nor a set clock
/// makes it late by more than that.
#[expect(clippy::disallowed_methods, reason = "the door of time: the one place that sleeps")]
pub async fn sleep_towards(clock: &dyn Clock, deadline: Mono) {
    let left = clock.now().mono.until(deadline);
    tokio::time::sleep(left.min(clock.longest_sleep())).await;
}

/// Sleeps until `deadline` has passed, however often that needs another look.
pub async fn sleep_until(clock: &dyn Clock, deadline: Mono) {
    while clock.now().mono < deadline {
        sleep_towards(clock, deadline).await;
    }
}
