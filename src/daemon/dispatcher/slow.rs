//! Runs that take longer than their job's `notify.slow` allows: told once, while they go on. Pure.
//!
//! Before it: a run in progress. After it: a message, or another time to look. The agenda wakes the daemon for it.

use super::{Dispatcher, Turn};
use crate::clock::{self, Mono, Now};
use crate::policy;
use crate::report::{self, Going};

/// What is known of a run in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It is looked at when it has taken long enough.
    #[default]
    Watched,
    /// It has, and is looked at again then: quiet hours, or a silence.
    Later(Mono),
    /// Nothing is to be said of it any more.
    Done,
}

impl Dispatcher {
    /// When the next run of this job has taken too long.
    pub(super) fn slow_at(&self, index: u32) -> Option<Mono> {
        let tracked = &self.jobs[index as usize];
        let over = policy::slow_after(&tracked.job.notify).filter(|_| tracked.running > 0)?;
        let running = self.running.values().filter(|running| running.job == index);
        let at = running.filter_map(|running| match running.slow {
            State::Watched => Some(running.started.mono + over),
            State::Later(at) => Some(at),
            State::Done => None,
        });
        at.min()
    }

    /// A run has started: its job is looked at when it has taken too long.
    pub(super) fn look_at_slow(&mut self, index: u32, now: Now) {
        if policy::slow_after(&self.jobs[index as usize].job.notify).is_some() {
            self.arm(index, now);
        }
    }

    /// Runs of a job that have taken too long by now.
    pub(super) fn slow(&mut self, index: u32, now: Now, turn: &mut Turn) {
        if self.slow_at(index).is_none_or(|at| at > now.mono) {
            return;
        }
        let tracked = &mut self.jobs[index as usize];
        let over = policy::slow_after(&tracked.job.notify).unwrap_or_default();
        for running in self.running.values_mut().filter(|running| running.job == index) {
            let due = match running.slow {
                State::Watched => running.started.mono + over <= now.mono,
                State::Later(at) => at <= now.mono,
                State::Done => false,
            };
            if !due {
                continue;
            }
            let (run, started) = (&running.run, running.started);
            if let Some(until) = tracked.cadence.pause_ends(now) {
                // It may not add to exactly so many alerts.
                running.slow = State::Later(now.mono + clock::between(now.wall, until).max(AGAIN));
                continue;
            }
            let going = Going { run, started, burst: tracked.burst(now) };
            let said = report::slow(&tracked.job, &mut tracked.health, going, &self.sender, now);
            running.slow = match said {
                Err(Some(until)) => State::Later(now.mono + clock::between(now.wall, until).max(AGAIN)),
                Err(None) => State::Done,
                Ok(messages) => {
                    if !messages.is_empty() {
                        tracked.alerted(now);
                    }
                    turn.entries.push(tracked.changed(messages, now));
                    State::Done
                }
            };
        }
    }
}

/// The wall clock may have been set: never look again at once.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);
