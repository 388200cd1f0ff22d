//! Whether this process was awake while runs were in progress. One that was stopped (SIGSTOP) or suspended sees the end of a run
//! later than it was, and nobody else tells when that was.
//!
//! Before it: `duct`, which follows runs. After it: `process`, which asks when a process has exited. Invariant: nothing wakes
//! this process while no run is in progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Mono, SharedClock};

/// While runs are in progress the clock is looked at so often.
const BEAT: Duration = Duration::from_secs(1);

/// A look that comes so much later than it was due comes from a process that was held up.
const HELD_UP: Duration = Duration::from_secs(1);

/// Looks at the clock at every [`BEAT`] while it follows runs.
#[derive(Debug)]
pub(super) struct Pulse {
    clock: SharedClock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Attempts in progress.
    runs: usize,
    /// Somebody looks.
    beats: bool,
    /// When the next look is due.
    due: Mono,
    /// When it was seen last that this process had been held up.
    resumed: Option<Mono>,
}

/// An attempt in progress.
#[derive(Debug)]
pub(super) struct Followed<'p>(&'p Pulse);

impl Pulse {
    pub(super) fn new(clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// An attempt begins.
    #[expect(clippy::disallowed_methods, reason = "one task for all runs, which ends when none is in progress")]
    pub(super) fn follow(self: &Arc<Self>) -> Followed<'_> {
        let mut state = self.state();
        state.runs += 1;
        if !std::mem::replace(&mut state.beats, true) {
            state.due = self.clock.now().mono + BEAT;
            tokio::spawn(Arc::clone(self).beat());
        }
        Followed(self)
    }

    async fn beat(self: Arc<Self>) {
        loop {
            clock::sleep_until(self.clock.as_ref(), self.clock.now().mono + BEAT).await;
            let mut state = self.state();
            state.look(self.clock.now().mono);
            if state.runs == 0 {
                state.beats = false;
                return;
            }
        }
    }

    fn was_held_up(&self) -> bool {
        let now = self.clock.now().mono;
        let mut state = self.state();
        state.look(now);
        state.resumed.is_some_and(|resumed| now - resumed < BEAT)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self, now: Mono) {
        if now - self.due > HELD_UP {
            self.resumed = Some(now);
        }
        self.due = now + BEAT;
    }
}

impl Followed<'_> {
    /// Whether what is seen of it now may have happened long before. What waited for this process is all seen within a beat.
    pub(super) fn was_held_up(&self) -> bool {
        self.0.was_held_up()
    }
}

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        self.0.state().runs -= 1;
    }
}
