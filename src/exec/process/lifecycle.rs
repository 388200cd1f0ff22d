//! The lifecycle of one process, from its start to its end: what is done when it exits, is late, or is told to stop.
//!
//! Before it: events, as `process` sees them. After it: signals to its group, and how it ended. Pure.
//!
//! ```text
//! Running ──exit──▶ Draining ──pipes closed, or 500 ms──▶ done
//!    │ timeout, stop: SIGTERM
//!    ▼
//! Terminating ──exit, and pipes closed or nobody else of its group alive: SIGKILL to what is left──▶ done
//!    │ kill_after, second stop: SIGKILL
//!    ▼
//! Killing ──exit, and pipes closed or 500 ms──▶ done
//! ```
//!
//! What has left the group holds nothing up: no signal for the group reaches it.
//!
//! The process is not reaped before it is done: until then its number cannot be given to another group, so that no signal
//! goes astray.

use std::time::Duration;

use rustix::process::Signal;

use crate::exec::stop::Stop;

/// How long after the exit the pipes may stay open (a grandchild holds them) before they are no longer waited for.
pub(super) const LEAK: Duration = Duration::from_millis(500);

/// How long a process may take to die of SIGKILL: longer only when the kernel holds it (a dead network disk). It is then
/// left behind, since nothing can end it.
const DEATH: Duration = Duration::from_secs(5);

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It has exited.
    Exited,
    /// Both of its pipes are closed.
    Closed,
    /// Nobody else of its group lives: whoever holds a pipe has left the group.
    Alone,
    /// The time that was last set is up.
    Deadline,
    /// It is told to stop, or to stop faster.
    Stop(Stop),
}

/// Why a process was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It took too long.
    Timeout,
    /// The daemon stops, or a newer run takes its place.
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Draining,
    Terminating,
    Killing,
}

/// Where a process is between its start and its end.
#[derive(Clone, Debug)]
pub(super) struct Lifecycle {
    phase: Phase,
    kill_after: Duration,
    /// Whether it has exited.
    pub(super) exited: bool,
    /// Whether its pipes are closed.
    pub(super) closed: bool,
    /// Why it was ended, if it was.
    pub(super) cause: Option<Cause>,
    /// Whether SIGTERM was not enough.
    pub(super) killed: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Wait this long at most.
    WaitFor(Duration),
    /// Look at the group after [`LEAK`], and again each time somebody else of it lives; the time that was set stays.
    Look,
    /// Send the group a signal, then wait this long at most.
    Signal(Signal, Duration),
    /// It is over; kill what is left of the group first.
    KillAndFinish,
    /// It is over.
    Finish,
}

impl Lifecycle {
    /// Of a process that was just started.
    pub(super) fn new(kill_after: Duration) -> Self {
        Self { phase: Phase::Running, kill_after, exited: false, closed: false, cause: None, killed: false }
    }

    /// Whether it goes on, and nobody has asked it to end.
    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Whether a grandchild still holds a pipe.
    pub(super) fn leaked(&self) -> bool {
        !self.closed
    }

    /// Whether it is over as soon as nobody else of its group lives.
    pub(super) fn waits_for_group(&self) -> bool {
        self.phase == Phase::Terminating && self.exited && !self.closed
    }

    /// Takes an event in.
    pub(super) fn on(&mut self, event: Event) -> Step {
        self.exited |= event == Event::Exited;
        self.closed |= event == Event::Closed;
        let over = self.exited && self.closed;
        match (self.phase, event) {
            (Phase::Running | Phase::Draining, Event::Exited | Event::Closed) if over => Step::Finish,
            (Phase::Running, Event::Exited) => self.enter(Phase::Draining, Step::WaitFor(LEAK)),
            (Phase::Running, Event::Deadline) => self.terminate(Cause::Timeout),
            (Phase::Running, Event::Stop(Stop::Terminate)) => self.terminate(Cause::Stop),
            (Phase::Running, Event::Stop(Stop::Kill)) => {
                self.cause = Some(Cause::Stop);
                self.kill()
            }
            // It ended by itself: a stop need not wait for its grandchildren.
            (Phase::Draining, Event::Deadline | Event::Stop(Stop::Terminate | Stop::Kill)) => Step::Finish,
            (Phase::Terminating, Event::Exited | Event::Closed) if over => Step::KillAndFinish,
            (Phase::Terminating, Event::Exited) => Step::Look,
            (Phase::Terminating, Event::Alone) if self.exited => Step::KillAndFinish,
            (Phase::Terminating, Event::Deadline | Event::Stop(Stop::Kill)) => self.kill(),
            (Phase::Killing, Event::Exited | Event::Closed) if over => Step::Finish,
            (Phase::Killing, Event::Exited) => Step::WaitFor(LEAK),
            (Phase::Killing, Event::Deadline) => Step::Finish,
            _ => Step::Wait,
        }
    }

    fn enter(&mut self, phase: Phase, step: Step) -> Step {
        self.phase = phase;
        step
    }

    fn terminate(&mut self, cause: Cause) -> Step {
        self.cause = Some(cause);
        self.enter(Phase::Terminating, Step::Signal(Signal::TERM, self.kill_after))
    }

    fn kill(&mut self) -> Step {
        self.killed = true;
        let patience = if self.exited { LEAK } else { DEATH };
        self.enter(Phase::Killing, Step::Signal(Signal::KILL, patience))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rustix::process::Signal;

    use super::{Cause, DEATH, Event, LEAK, Lifecycle, Step};
    use crate::exec::stop::Stop;

    const GRACE: Duration = Duration::from_secs(10);
    const TERM: Step = Step::Signal(Signal::TERM, GRACE);

    /// The steps that the events lead to, and then cause, killed, leaked.
    fn told(events: &[Event]) -> (Vec<Step>, Option<Cause>, bool, bool) {
        let mut lifecycle = Lifecycle::new(GRACE);
        let steps = events.iter().map(|event| lifecycle.on(*event)).collect();
        (steps, lifecycle.cause, lifecycle.killed, lifecycle.leaked())
    }

    #[test]
    fn every_lifecycle() {
        use Event::{Alone, Closed, Deadline, Exited};
        let stop = Event::Stop(Stop::Terminate);
        let kill = Event::Stop(Stop::Kill);
        for (story, events, steps, cause, killed, leaked) in [
            ("it ends", &[Closed, Exited][..], &[Step::Wait, Step::Finish][..], None, false, false),
            ("the pipes close last", &[Exited, Closed], &[Step::WaitFor(LEAK), Step::Finish], None, false, false),
            ("a grandchild holds a pipe", &[Exited, Deadline], &[Step::WaitFor(LEAK), Step::Finish], None, false, true),
            ("a stop does not wait for it", &[Exited, stop], &[Step::WaitFor(LEAK), Step::Finish], None, false, true),
            (
                "late, and it obeys",
                &[Deadline, Exited, Closed],
                &[TERM, Step::Look, Step::KillAndFinish],
                Some(Cause::Timeout),
                false,
                false,
            ),
            (
                "late, it obeys, and what has left the group holds a pipe",
                &[Deadline, Exited, Alone],
                &[TERM, Step::Look, Step::KillAndFinish],
                Some(Cause::Timeout),
                false,
                true,
            ),
            (
                "late, and it does not",
                &[Deadline, Deadline, Closed, Exited],
                &[TERM, Step::Signal(Signal::KILL, DEATH), Step::Wait, Step::Finish],
                Some(Cause::Timeout),
                true,
                false,
            ),
            (
                "it obeys, a child does not",
                &[Deadline, Exited, Deadline, Closed],
                &[TERM, Step::Look, Step::Signal(Signal::KILL, LEAK), Step::Finish],
                Some(Cause::Timeout),
                true,
                false,
            ),
            (
                "the kernel holds it",
                &[kill, Deadline],
                &[Step::Signal(Signal::KILL, DEATH), Step::Finish],
                Some(Cause::Stop),
                true,
                true,
            ),
            (
                "stopped, then stopped faster",
                &[stop, kill, Exited, Deadline],
                &[TERM, Step::Signal(Signal::KILL, DEATH), Step::WaitFor(LEAK), Step::Finish],
                Some(Cause::Stop),
                true,
                true,
            ),
            (
                "late, then stopped: it was late",
                &[Deadline, stop, Exited, Closed],
                &[TERM, Step::Wait, Step::Look, Step::KillAndFinish],
                Some(Cause::Timeout),
                false,
                false,
            ),
        ] {
            assert_eq!(told(events), (steps.to_vec(), cause, killed, leaked), "{story}");
        }
    }

    proptest! {
        /// However events come, a few deadlines in a row end it, and only an ended process is left unreaped by force.
        #[test]
        fn it_always_ends(events in prop::collection::vec(0_u8..6, 0..12)) {
            let mut lifecycle = Lifecycle::new(GRACE);
            for event in events {
                let event = match event {
                    0 => Event::Exited,
                    1 => Event::Closed,
                    2 => Event::Deadline,
                    3 => Event::Stop(Stop::Terminate),
                    4 => Event::Alone,
                    _ => Event::Stop(Stop::Kill),
                };
                if (event == Event::Exited && lifecycle.exited) || (event == Event::Closed && lifecycle.closed) {
                    continue;
                }
                if matches!(lifecycle.on(event), Step::Finish | Step::KillAndFinish) {
                    prop_assert!(lifecycle.exited || lifecycle.killed);
                    return Ok(());
                }
            }
            let steps: Vec<Step> = (0..3).map(|_| lifecycle.on(Event::Deadline)).collect();
            prop_assert!(steps.contains(&Step::Finish), "{steps:?} {lifecycle:?}");
        }
    }
}
