//! A clock for simulations: it goes as tokio's paused time goes, and its wall can be set.

use std::sync::Mutex;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use slack_alert::clock::{Clock, LONGEST_SLEEP, Mono, Now};
use tokio::time::Instant;

/// Wall time is `start` plus what has passed on tokio's clock, plus what the wall clock was set by.
#[derive(Debug)]
pub(crate) struct SimClock {
    start: Timestamp,
    origin: Instant,
    set_by: Mutex<SignedDuration>,
    slept: Mutex<Duration>,
    longest_sleep: Mutex<Duration>,
}

impl SimClock {
    /// Begins at `start`; must be called within the runtime whose time is paused.
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            start,
            origin: Instant::now(),
            set_by: Mutex::default(),
            slept: Mutex::default(),
            longest_sleep: Mutex::new(LONGEST_SLEEP),
        }
    }

    /// Sets the wall clock forwards, or back; the stop-watch goes on as ever.
    pub(crate) fn step(&self, by: SignedDuration) {
        let mut set_by = self.set_by.lock().expect("no test panics with it");
        *set_by = set_by.saturating_add(by);
    }

    /// Looks at the clock less often than the real program does: a long simulation spends its time elsewhere.
    pub(crate) fn look_every(&self, length: Duration) {
        *self.longest_sleep.lock().expect("no test panics with it") = length;
    }

    /// The machine sleeps: both clocks go on, and no timer does.
    pub(crate) fn suspend(&self, length: Duration) {
        *self.slept.lock().expect("no test panics with it") += length;
    }

    /// Time since the start, by the stop-watch.
    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed() + *self.slept.lock().expect("no test panics with it")
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let elapsed = self.elapsed();
        let set_by = *self.set_by.lock().expect("no test panics with it");
        let wall = slack_alert::clock::shift(self.start, elapsed).saturating_add(set_by);
        Now { wall: wall.unwrap_or(self.start), mono: Mono(elapsed) }
    }

    fn longest_sleep(&self) -> Duration {
        *self.longest_sleep.lock().expect("no test panics with it")
    }
}
