//! What time it is: the only place that asks the system. Before it: nothing; after it: everybody who waits.
//!
//! Two times, never mixed. **Wall** time is the calendar's: it can be set, and steps. **Mono** counts from an arbitrary
//! origin, never steps, and goes on through suspend (CLOCK_BOOTTIME, see clock_gettime(2)), so that an interval that
//! passed while the machine slept is known to have passed.

use std::fmt;
use std::ops::{Add, Sub};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

    /// A timer of the kernel's that goes by this clock's mono, where there is one.
    fn timer(&self) -> Option<OwnedFd> {
        None
    }
}

/// A clock that is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

/// What wakes the daemon when something is due: to the microsecond where the clock has a timer of the kernel's, since
/// tokio's own are up to two milliseconds late (whole milliseconds, rounded up, for its wheel and for epoll_wait(2)).
#[derive(Debug)]
pub struct Alarm {
    clock: SharedClock,
    timer: Option<AsyncFd<OwnedFd>>,
    /// What the timer is set to.
    set: Option<Mono>,
}

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

    fn timer(&self) -> Option<OwnedFd> {
        rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).ok()
    }
}

impl Alarm {
    /// One of the current runtime. Without a timer of the kernel's (no more open files) tokio's will do.
    pub fn new(clock: SharedClock) -> Self {
        // Deprecated since a type could hand out a descriptor that it does not keep (tokio#8587); an OwnedFd keeps its own.
        // The replacement would be unsafe, which nothing here is.
        #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
        let timer = clock.timer().and_then(|timer| AsyncFd::with_interest(timer, Interest::READABLE).ok());
        Self { clock, timer, set: None }
    }

    /// Sleeps towards `deadline`, or for ever, at most the clock's longest sleep: the caller looks again, so that neither
    /// suspend nor a set clock makes it late by more than that.
    pub async fn towards(&mut self, deadline: Option<Mono>) {
        let now = self.clock.now().mono;
        let end = next_look(self.clock.as_ref(), now).min(deadline.unwrap_or(Mono(Duration::MAX)));
        match &self.timer {
            Some(timer) if now < end => {
                if self.set != Some(end) {
                    set(timer, end);
                    self.set = Some(end);
                }
                // An error can only be that the runtime shuts down. What was reported is settled by setting it anew.
                if let Ok(mut rung) = timer.readable().await {
                    rung.clear_ready();
                }
                self.set = None;
            }
            // It has passed; a loop that only ever finds this lets others have a turn.
            Some(_) => tokio::task::coop::consume_budget().await,
            None => sleep_towards(self.clock.as_ref(), end).await,
        }
    }
}

/// When to look again though nothing is known to be due: within the clock's longest sleep, and everybody at the same time,
/// since an idle machine pays for each time that it is woken.
pub fn next_look(clock: &dyn Clock, now: Mono) -> Mono {
    let step = clock.longest_sleep();
    let steps = now.0.as_nanos().checked_div(step.as_nanos()).unwrap_or(0) + 1;
    Mono(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))).max(now)
}

/// Sets a timer to ring once, which cannot fail for one that is open: what it rang for before is forgotten.
fn set(timer: &AsyncFd<OwnedFd>, end: Mono) {
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let end = Timespec::try_from(end.0).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    let once = Itimerspec { it_interval: never, it_value: end };
    let _ = rustix::time::timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &once);
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
async fn sleep_towards(clock: &dyn Clock, deadline: Mono) {
    let left = clock.now().mono.until(deadline);
    tokio::time::sleep(left.min(clock.longest_sleep())).await;
}

/// Sleeps until `deadline` has passed, however often that needs another look.
pub async fn sleep_until(clock: &dyn Clock, deadline: Mono) {
    while clock.now().mono < deadline {
        sleep_towards(clock, deadline).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Alarm, Clock, LONGEST_SLEEP, Mono, System, next_look};

    #[test]
    fn all_look_again_together_later_and_within_the_longest_sleep() {
        let step = LONGEST_SLEEP;
        let nanosecond = Duration::from_nanos(1);
        for (now, looks) in [
            (Duration::ZERO, step),
            (nanosecond, step),
            (step - nanosecond, step),
            (step, 2 * step),
            (7 * step + nanosecond, 8 * step),
        ] {
            assert_eq!(next_look(&System, Mono(now)), Mono(looks), "{now:?}");
        }
    }

    #[tokio::test]
    async fn an_alarm_never_rings_early_and_rings_again() {
        let clock = Arc::new(System);
        let mut alarm = Alarm::new(clock.clone());
        assert!(alarm.timer.is_some(), "the kernel has timers");
        for after in [Duration::ZERO, Duration::from_millis(3), Duration::from_micros(200), Duration::from_millis(1)] {
            // Given up, as a loop does that has something else to do first: what comes next is not confused by it.
            let early = clock.now().mono + after / 2;
            tokio::select! {
                biased;
                () = alarm.towards(Some(early)) => {}
                () = tokio::task::yield_now() => {}
            }
            let end = clock.now().mono + after;
            while clock.now().mono < end {
                tokio::time::timeout(Duration::from_secs(30), alarm.towards(Some(end))).await.expect("it rings");
            }
        }
        // What has passed is not waited for.
        alarm.towards(Some(Mono::default())).await;
    }
}
