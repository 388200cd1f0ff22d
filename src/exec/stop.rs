//! How urgently a run is asked to end, and how it hears of it.
//!
//! Before it: the daemon, which holds the [`Stopper`]. After it: the run, which listens with the [`Stopped`]. Both
//! are one allocation of a few words: a thousand runs may wait at one time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// How urgently runs are asked to end; it only ever rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// SIGTERM to the group now, SIGKILL after `kill_after`; no further attempt.
    Terminate,
    /// SIGKILL to the group now.
    Kill,
}

#[derive(Debug, Default)]
struct Shared {
    level: AtomicU8,
    risen: Notify,
}

/// Asks a run to end.
#[derive(Debug)]
pub struct Stopper(Arc<Shared>);

/// Hears when the run is asked to end.
#[derive(Clone, Debug)]
pub struct Stopped(Arc<Shared>);

impl Stop {
    /// The two ends for one run.
    pub fn channel() -> (Stopper, Stopped) {
        let shared = Arc::new(Shared::default());
        (Stopper(Arc::clone(&shared)), Stopped(shared))
    }

    fn from_level(level: u8) -> Self {
        match level {
            0 => Self::No,
            1 => Self::Terminate,
            _ => Self::Kill,
        }
    }
}

impl Stopper {
    /// Raises the level; a lower one than before changes nothing.
    pub fn raise(&self, to: Stop) {
        self.0.level.fetch_max(to as u8, Ordering::Release);
        self.0.risen.notify_waiters();
    }
}

impl Stopped {
    /// The level at present.
    pub fn level(&self) -> Stop {
        Stop::from_level(self.0.level.load(Ordering::Acquire))
    }

    /// The next level above `seen`; waits for it, if need be for ever. Nothing is lost when the wait is given up.
    pub async fn rises(&self, seen: Stop) -> Stop {
        loop {
            let mut risen = pin!(self.0.risen.notified());
            // From here on it is heard, so that nothing is missed between the look and the wait.
            risen.as_mut().enable();
            let level = self.level();
            if level > seen {
                return level;
            }
            risen.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;

    #[tokio::test]
    async fn it_is_heard_before_and_after_it_rose_and_never_falls() {
        let (stopper, stopped) = Stop::channel();
        assert_eq!(stopped.level(), Stop::No);
        let (level, ()) = tokio::join!(stopped.rises(Stop::No), async { stopper.raise(Stop::Terminate) });
        assert_eq!(level, Stop::Terminate);
        stopper.raise(Stop::Kill);
        stopper.raise(Stop::Terminate);
        assert_eq!((stopped.rises(Stop::No).await, stopped.rises(Stop::Terminate).await), (Stop::Kill, Stop::Kill));
    }
}
