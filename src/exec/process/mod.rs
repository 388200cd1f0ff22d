//! One attempt: a process is started, its output is read, its end is waited for or brought about.
//!
//! ```text
//! starter (a thread starts it) ─▶ child ─▶ slot (where it is delivered) ─▶ follow (this file, acts) ─▶ Ended
//!   launch (what exactly)                                            lifecycle (decides)
//! ```
//!
//! Before it: `duct`, which carries a run through its attempts. After it: `assess`.

mod child;
mod drain;
mod launch;
mod lifecycle;
mod slot;
mod starter;

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;

pub(in crate::exec) use self::child::Child;
pub(super) use self::drain::{Drain, leave_to_cat};
pub(super) use self::slot::Slot;
pub(super) use self::starter::{PATIENCE, Starter};

use self::launch::complaint;
use self::lifecycle::{Cause, Event, LEAK, Lifecycle, Step};
use self::slot::Urgency;
use super::capture::output::{Capture, Stream};
use super::capture::redact::Redactor;
use super::outcome::{Ending, Output};
use super::pulse::Followed;
use super::run::Run;
use super::stop::Stop;
use crate::clock::{self, Mono, Now, SharedClock};
use crate::document::format_duration;

/// How a process ended, and what it wrote: unmasked.
#[derive(Debug)]
pub(super) struct Ended {
    /// When its process was started; `None` where there was none.
    pub(super) began: Option<Now>,
    /// When that process exited: what it left in the background may have been waited for after that.
    pub(super) exited: Option<Now>,
    /// It was seen some time after that: this process was held up.
    pub(super) seen_late: bool,
    pub(super) ending: Ending,
    pub(super) output: Output,
    pub(super) leaked: bool,
    /// What it left in the background cannot write any more.
    pub(super) unread: bool,
    /// What masks this run's output; that of its command where there was no process.
    pub(super) redactor: Option<Redactor>,
}

impl Ended {
    /// There was none.
    pub(super) fn without_process(ending: Ending) -> Self {
        Self {
            began: None,
            exited: None,
            seen_late: false,
            ending,
            output: Output::default(),
            leaked: false,
            unread: false,
            redactor: None,
        }
    }
}

/// Follows one attempt from its start to its end. What childs across a wait is kept small, and is boxed where few come to:
/// a thousand processes that are silent may run at one time.
pub(super) struct Follower<'r> {
    pub(super) slot: Slot<Box<Child>>,
    pub(super) run: &'r Run,
    pub(super) clock: &'r SharedClock,
    pub(super) drain: &'r Drain,
    pub(super) starter: &'r Starter,
    pub(super) followed: Followed<'r>,
}

/// Why a start is waited for no longer as it was.
enum Waited {
    /// It cannot be made until there are descriptors for it, which is no fault of the run.
    ForFiles,
    /// It is needed no more, or takes too long.
    InVain(Ending),
}

/// A time limit that is met so much later than it was due was met by a process that was held up: stopped, suspended, on a machine
/// without time for it.
const HELD_UP: Duration = Duration::from_secs(1);

/// A start that waits for descriptors is looked at no more often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Follower<'_> {
    /// How it ended, and what it wrote; its start has been asked for.
    pub(super) async fn follow(&self) -> Ended {
        // Not awaited within the `match`, which would keep what it looks at for as long.
        let attending = match self.started().await {
            Ok(child) => Box::pin(self.attend(child)),
            Err(ending) => return Ended::without_process(ending),
        };
        attending.await
    }

    /// Waits until the process has something to tell, which is when it is needed; or says how the run ended without one.
    async fn started(&self) -> Result<Box<Child>, Ending> {
        let timeout = self.run.command.limits.timeout;
        let mut timer = timeout.map(|timeout| self.until(self.clock.now().mono + timeout));
        let given_up = loop {
            match poll_fn(|cx| self.first(cx, &mut timer)).await {
                ControlFlow::Break(started) => return started,
                // The starter ends this wait, after its own time.
                ControlFlow::Continue(Waited::ForFiles) => {
                    timer = timeout.map(|timeout| self.until(self.clock.now().mono + timeout.max(LOOK_AGAIN)));
                }
                ControlFlow::Continue(Waited::InVain(ending)) => break ending,
            }
        };
        // Boxed: few runs come here, and all would carry the room for it.
        let insisting = Box::pin(self.insist(given_up));
        insisting.await
    }

    /// What comes first: the process, or a reason to wait for it no longer. No `select!`, which would keep the three side by side:
    /// this is where a silent run waits.
    fn first(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Option<Sleep<'_>>,
    ) -> Poll<ControlFlow<Result<Box<Child>, Ending>, Waited>> {
        if let Poll::Ready(started) = self.brought(cx, Urgency::None) {
            return Poll::Ready(ControlFlow::Break(started));
        }
        if self.run.stop.poll(cx, Stop::No).is_ready() {
            return Poll::Ready(ControlFlow::Continue(Waited::InVain(Ending::Interrupted)));
        }
        let Some(timer) = timer else { return Poll::Pending };
        timer.as_mut().poll(cx).map(|()| {
            if self.slot.waits_for_files() {
                return ControlFlow::Continue(Waited::ForFiles);
            }
            let error = late(self.run.command.limits.timeout.unwrap_or_default());
            ControlFlow::Continue(Waited::InVain(Ending::NotStarted { error }))
        })
    }

    /// The process is needed though it has told nothing: it is silent, most likely. If it is still being started, it gets as
    /// long as one that should end.
    async fn insist(&self, given_up: Ending) -> Result<Box<Child>, Ending> {
        // What waits for descriptors is not being started; it may just have been.
        let is_held_back = self.run.progress.held_back().is_some();
        let patience = if is_held_back { LEAK } else { self.run.command.limits.kill_after };
        tokio::select! {
            biased;
            started = poll_fn(|cx| self.brought(cx, Urgency::AtOnce)) => started,
            () = self.until(self.clock.now().mono + patience) => Err(given_up),
        }
    }

    fn brought(&self, cx: &Context<'_>, urgency: Urgency) -> Poll<Result<Box<Child>, Ending>> {
        self.slot.started(cx, urgency).map_err(|error| Ending::NotStarted { error })
    }

    /// Attends to a process that has been started.
    async fn attend(&self, mut child: Box<Child>) -> Ended {
        let (command, progress) = (self.run.command.as_ref(), &self.run.progress);
        let redactor = std::mem::take(&mut child.redactor);
        let rules = &command.output;
        let mut capture = Capture::new(rules.max_output, &redactor)
            .with_directives(rules.directives)
            .watching(Stream::Stdout, rules.fail_on_stdout.as_ref(), rules.compares)
            .watching(Stream::Stderr, rules.fail_on_stderr.as_ref(), false);
        let mut lifecycle = Lifecycle::new(command.limits.kill_after);
        let mut seen = Stop::No;
        let mut due = command.limits.timeout.map(|timeout| child.began.mono + timeout);
        let mut timer = due.map(|due| self.until(due));
        let (mut look, mut exited, mut seen_late, mut excused) = (None, None, false, false);
        'run: loop {
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| child.poll(cx, &lifecycle, &mut capture, progress)) => event,
                level = self.run.stop.rises(seen) => {
                    seen = level;
                    Event::Stop(level)
                }
                () = reached(&mut timer) => Event::Deadline,
                () = reached(&mut look) => {
                    look = Some(self.until(self.clock.now().mono + LEAK));
                    match child.is_alone() {
                        true => Event::Alone,
                        false => continue,
                    }
                }
            };
            let now = self.clock.now().mono;
            let late = due.map_or(Duration::ZERO, |due| now - due);
            if event == Event::Deadline && late > HELD_UP && lifecycle.is_running() && !excused {
                // This process was held up and has read nothing meanwhile: the command, which may have waited for that, gets
                // the time back.
                excused = true;
                due = Some(now + late.min(command.limits.timeout.unwrap_or_default()));
                timer = due.map(|due| self.until(due));
                continue;
            }
            let unreported = match event {
                Event::Deadline | Event::Stop(_) => child.unreported(&lifecycle, &mut capture, progress),
                Event::Exited | Event::Closed | Event::Alone => [None; 2],
            };
            let mut renewed = false;
            for event in unreported.into_iter().flatten().chain([event]) {
                // Nothing is left that a signal could reach: it is over, and nothing was killed.
                let over = matches!(event, Event::Deadline | Event::Stop(_)) && lifecycle.waits_for_group();
                let event = if over && child.is_alone() { Event::Alone } else { event };
                // It exited in time, but this process was held up itself and saw it only now.
                if event == Event::Deadline && renewed {
                    break;
                }
                if event == Event::Exited {
                    exited = Some(self.clock.now());
                    seen_late = self.followed.was_held_up();
                }
                let patience = match lifecycle.on(event) {
                    // A deadline that has passed is not met twice.
                    Step::Wait if event == Event::Deadline => None,
                    Step::Wait => continue,
                    Step::Look => {
                        look = Some(self.until(self.clock.now().mono + LEAK));
                        continue;
                    }
                    Step::WaitFor(patience) => Some(patience),
                    Step::Signal(signal, patience) => {
                        child.signal(signal);
                        Some(patience)
                    }
                    Step::KillAndFinish => {
                        child.signal(Signal::KILL);
                        break 'run;
                    }
                    Step::Finish => break 'run,
                };
                renewed = true;
                due = patience.map(|patience| self.clock.now().mono + patience);
                timer = due.map(|due| self.until(due));
            }
        }
        progress.pid.store(0, Ordering::Relaxed);
        // A start that hangs holds them, and nothing that this process has left.
        let leaked = lifecycle.leaked() && !self.starter.is_going_on(&child.started_beside);
        let kept = !lifecycle.leaked() || self.drain.keep(child.open_ends(), self.clock);
        let status = child.reap();
        let output = capture.finish();
        let ending = ending(&lifecycle, status, command.limits.timeout);
        let ending = match complaint(command, &ending, &output) {
            Some(error) => Ending::NotStarted { error },
            None => ending,
        };
        let (began, unread) = (Some(child.began), leaked && !kept);
        Ended { began, exited, seen_late, ending, output, leaked, unread, redactor: Some(redactor) }
    }

    fn until(&self, end: Mono) -> Sleep<'_> {
        Box::pin(clock::sleep_until(self.clock.as_ref(), end))
    }
}

/// Why a program that has not begun did not take too long itself.
fn late(after: Duration) -> String {
    format!("it was not started within {}: the disk that it is on hangs, or that of others", format_duration(after))
}

/// What the lifecycle and the status say together.
fn ending(lifecycle: &Lifecycle, status: Option<ExitStatus>, timeout: Option<Duration>) -> Ending {
    match (lifecycle.cause, status) {
        (Some(Cause::Stop), _) => Ending::Interrupted,
        (Some(Cause::Timeout), _) => Ending::TimedOut { after: timeout.unwrap_or_default(), killed: lifecycle.killed },
        (None, Some(status)) => match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited { code },
            (None, Some(signal)) => Ending::Signaled { signal },
            (None, None) => Ending::Interrupted,
        },
        // Somebody else has reaped it; how it ended cannot be known.
        (None, None) => Ending::Interrupted,
    }
}

/// What ends a wait. Boxed, since most runs wait for their end alone.
type Sleep<'c> = Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// Until the timer is up; for ever without one.
async fn reached(timer: &mut Option<Sleep<'_>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}
