//! What time it is: the only place that asks the system. Before it: nothing; after it: everybody who waits.
//!
//! Two times, never mixed. **Wall** time is the calendar's: it can be set, and steps. **Mono** counts from an arbitrary
//! origin, never steps, and goes on through suspend (CLOCK_BOOTTIME, see clock_gettime(2)), so that an interval that
//! passed while the machine slept is known to have passed.

use std::fmt;
use std::ops::{Add, Sub};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The longest single sleep on a timer that neither counts suspend nor sees the wall clock being set, as tokio's: after this
/// long at most both clocks are looked at again.
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

    /// A name for the machine's present boot: another one after each. Empty where nobody tells.
    fn boot(&self) -> String {
        String::new()
    }

    /// A timer of the kernel's that goes by this clock's mono, where there is one.
    fn timer(&self) -> Option<OwnedFd> {
        None
    }

    /// What can be read when the wall clock was set, where the kernel tells of it.
    fn steps(&self) -> Option<OwnedFd> {
        None
    }
}

/// A clock that is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

/// What wakes the daemon when something is due, or when the wall clock was set: by the kernel's timers where the clock has
/// them. Tokio's own are up to two milliseconds late (whole milliseconds, rounded up, for its wheel and for epoll_wait(2)),
/// and know of neither suspend nor steps: with them the daemon would have to look at the clocks every now and then.
#[derive(Debug)]
pub struct Alarm {
    clock: SharedClock,
    timers: Option<Timers>,
}

#[derive(Debug)]
struct Timers {
    /// Rings when something is due.
    due: AsyncFd<OwnedFd>,
    /// What it is set to.
    set: Option<Mono>,
    /// Rings when the wall clock was set.
    steps: AsyncFd<OwnedFd>,
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
    #[expect(clippy::disallowed_methods, reason = "the door of time: the kernel names its boot in /proc only")]
    fn boot(&self) -> String {
        // proc_sys_kernel(5): "random/boot_id".
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "the door of time: the one place that reads the wall clock")]
    fn now(&self) -> Now {
        let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let mono = Duration::new(boot.tv_sec.unsigned_abs(), u32::try_from(boot.tv_nsec).unwrap_or(0));
        Now { wall: Timestamp::now(), mono: Mono(mono) }
    }

    fn timer(&self) -> Option<OwnedFd> {
        rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).ok()
    }

    /// A timer that never ends, and is cancelled by a step (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
    fn steps(&self) -> Option<OwnedFd> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Realtime, flags).ok()?;
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        rustix::time::timerfd_settime(&timer, flags, &once(Duration::MAX)).ok()?;
        Some(timer)
    }
}

impl Alarm {
    /// One of the current runtime. Without timers of the kernel's (no more open files) tokio's will do.
    pub fn new(clock: SharedClock) -> Self {
        let timers = clock
            .timer()
            .zip(clock.steps())
            .and_then(|(due, steps)| Some(Timers { due: readable(due)?, set: None, steps: readable(steps)? }));
        Self { clock, timers }
    }

    /// Sleeps until `deadline`, or for ever, or until the wall clock is set. Without timers of the kernel's it wakes sooner, and
    /// the caller looks again, so that neither suspend nor a set clock makes it late by more than [`LONGEST_SLEEP`].
    pub async fn towards(&mut self, deadline: Option<Mono>) {
        let now = self.clock.now().mono;
        match &mut self.timers {
            // It has passed; a loop that only ever finds this lets others have a turn.
            Some(_) if deadline.is_some_and(|deadline| deadline <= now) => tokio::task::coop::consume_budget().await,
            Some(timers) => timers.ring(deadline).await,
            None => {
                let look = next_look(self.clock.as_ref(), now);
                sleep_towards(self.clock.as_ref(), deadline.map_or(look, |deadline| deadline.min(look))).await;
            }
        }
    }
}

impl Timers {
    async fn ring(&mut self, deadline: Option<Mono>) {
        if self.set != deadline {
            // It cannot fail for one that is open. What it rang for before is forgotten; zero stops it (timerfd_settime(2)).
            let end = deadline.map_or(Duration::ZERO, |deadline| deadline.0);
            let _ = rustix::time::timerfd_settime(&self.due, TimerfdTimerFlags::ABSTIME, &once(end));
            self.set = deadline;
        }
        // An error can only be that the runtime shuts down.
        tokio::select! {
            biased;
            Ok(mut rung) = self.due.readable() => {
                // What was reported is settled by setting it anew.
                rung.clear_ready();
                self.set = None;
            }
            Ok(mut stepped) = self.steps.readable() => {
                // ECANCELED, which is read once for each step.
                let _ = rustix::io::read(stepped.get_inner(), &mut [0; 8]);
                stepped.clear_ready();
            }
            else => {}
        }
    }
}

/// A timer as a file of the current runtime.
///
/// Deprecated since a type could hand out a descriptor that it does not keep (tokio#8587); an OwnedFd keeps its own.
/// The replacement would be unsafe, which nothing here is.
#[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
fn readable(timer: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(timer, Interest::READABLE).ok()
}

/// When to look again though nothing is known to be due: within the clock's longest sleep, and everybody at the same time,
/// since an idle machine pays for each time that it is woken.
pub fn next_look(clock: &dyn Clock, now: Mono) -> Mono {
    let step = clock.longest_sleep();
    let steps = now.0.as_nanos().checked_div(step.as_nanos()).unwrap_or(0) + 1;
    Mono(step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))).max(now)
}

/// What sets a timer to ring once.
fn once(end: Duration) -> Itimerspec {
    let never = Timespec { tv_sec: 0, tv_nsec: 0 };
    let end = Timespec::try_from(end).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
    Itimerspec { it_interval: never, it_value: end }
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

/// Names of UTC (IANA's links to Etc/UTC, and those to Etc/GMT, which is the same time).
const NAMES_OF_UTC: [&str; 13] = [
    "UTC",
    "Etc/UTC",
    "Etc/UCT",
    "UCT",
    "Etc/Universal",
    "Universal",
    "Etc/Zulu",
    "Zulu",
    "GMT",
    "Etc/GMT",
    "Etc/GMT0",
    "Etc/Greenwich",
    "Greenwich",
];

/// The time zone of an IANA name, as this machine knows it; UTC is known without any file of zones.
pub fn zone(name: &str) -> Option<TimeZone> {
    if is_utc(name) { Some(TimeZone::UTC) } else { TimeZone::get(name).ok() }
}

fn is_utc(name: &str) -> bool {
    NAMES_OF_UTC.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// What is logged where [`system_zone`] cannot be known.
pub const UNKNOWN_ZONE: &str =
    "the time zone of this machine is not known, so all times are UTC: `slack-alert check` says why";

/// The system's time zone as it is now, by `TZ` where the environment has it. Where it cannot be known it is UTC, and says so
/// ([`TimeZone::is_unknown`]).
pub fn system_zone(variable: Option<&str>) -> TimeZone {
    // What was read of the zones is read anew; at first there is nothing of it, and asking for it would read it all.
    static READ: AtomicBool = AtomicBool::new(false);
    if READ.swap(true, Ordering::Relaxed) {
        jiff::tz::reset_system_time_zone_cache();
        jiff::tz::db().reset();
    }
    if variable.is_some_and(|name| names_no_zone_file(name) || name.contains(char::REPLACEMENT_CHARACTER)) {
        return TimeZone::unknown();
    }
    if variable.is_none()
        && let Some(linked) = linked_zone()
    {
        return linked;
    }
    let system = TimeZone::system();
    if !system.is_unknown() {
        return system;
    }
    let known = match variable {
        Some(name) => {
            let name = name.strip_prefix(':').unwrap_or(name);
            // The same zones, in a folder of their own beside those that count leap seconds.
            zone(name.strip_prefix("posix/").unwrap_or(name))
        }
        // Where there is no such file, it is UTC that is meant (localtime(5)).
        None => matches!(rustix::fs::lstat("/etc/localtime"), Err(rustix::io::Errno::NOENT)).then_some(TimeZone::UTC),
    };
    known.unwrap_or(system)
}

/// Whether `TZ` is a path to what can be no file of a zone. Jiff reads it to its end, and a device has none.
#[expect(clippy::disallowed_methods, reason = "the door of time: the system's zone is a file")]
fn names_no_zone_file(variable: &str) -> bool {
    const LONGEST: u64 = 1 << 20;
    let path = variable.strip_prefix(':').unwrap_or(variable);
    path.starts_with('/')
        && std::fs::metadata(path).is_ok_and(|found| !found.is_file() || !(1..=LONGEST).contains(&found.len()))
}

/// The zone of the usual link. Jiff finds it too, but lists the names of all zones for that, which takes longer than
/// everything else that a short command does.
#[expect(clippy::disallowed_methods, reason = "the door of time: the system's zone is a file")]
fn linked_zone() -> Option<TimeZone> {
    const LINK: &str = "/etc/localtime";
    let target = std::fs::read_link(LINK).ok()?;
    let name = target.to_str()?.split_once("/zoneinfo/")?.1;
    if is_utc(name) {
        return Some(TimeZone::UTC);
    }
    TimeZone::tzif(name, &std::fs::read(LINK).ok()?).ok()
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
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::tz::TimeZone;
    use rustix::event::{EventfdFlags, eventfd};

    use super::{Alarm, Clock, LONGEST_SLEEP, Mono, Now, System, next_look, zone};

    #[test]
    fn a_variable_that_leads_to_no_file_of_a_zone_is_no_zone_and_is_not_read() {
        for path in ["/dev/zero", ":/dev/zero", "/proc/kmsg", "/proc/self/pagemap", "/"] {
            assert!(super::names_no_zone_file(path), "{path}");
            assert!(super::system_zone(Some(path)).is_unknown(), "{path}");
        }
        assert!(super::system_zone(Some("\u{fffd}")).is_unknown(), "what is no text");
        assert_eq!(super::system_zone(Some("posix/Europe/Berlin")), super::system_zone(Some("Europe/Berlin")));
        for other in ["Europe/Berlin", "UTC", "/nowhere/at/all", "/etc/passwd"] {
            assert!(!super::names_no_zone_file(other), "{other}");
        }
    }

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

    #[test]
    fn utc_is_known_by_all_its_names() {
        for name in ["UTC", "utc", "Etc/UTC", "Zulu", "GMT", "Etc/GMT0"] {
            assert_eq!(zone(name), Some(TimeZone::UTC), "{name}");
        }
        assert_eq!((zone("Amerika/New_York"), zone("")), (None, None));
        assert!(zone("Europe/Berlin").is_some_and(|zone| zone != TimeZone::UTC));
    }

    /// The system's, but that a step of the wall clock is said by hand.
    #[derive(Debug)]
    struct Told(OwnedFd);

    impl Clock for Told {
        fn now(&self) -> Now {
            System.now()
        }

        fn timer(&self) -> Option<OwnedFd> {
            System.timer()
        }

        fn steps(&self) -> Option<OwnedFd> {
            self.0.try_clone().ok()
        }
    }

    #[tokio::test]
    async fn an_alarm_rings_once_for_each_step_of_the_wall_clock() {
        let told = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).expect("an eventfd");
        let clock = Arc::new(Told(told.try_clone().expect("a second one")));
        let mut alarm = Alarm::new(clock.clone());
        for _ in 0..3 {
            let hour = Some(clock.now().mono + Duration::from_secs(3_600));
            for deadline in [hour, None] {
                rustix::io::write(&told, &1_u64.to_ne_bytes()).expect("written");
                tokio::time::timeout(Duration::from_secs(30), alarm.towards(deadline)).await.expect("it rings");
                let again = tokio::time::timeout(Duration::from_millis(20), alarm.towards(deadline)).await;
                assert!(again.is_err(), "nothing happened since");
            }
        }
    }

    #[tokio::test]
    async fn an_alarm_never_rings_early_and_rings_again() {
        let clock = Arc::new(System);
        let mut alarm = Alarm::new(clock.clone());
        assert!(alarm.timers.is_some(), "the kernel has timers");
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
