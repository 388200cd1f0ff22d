//! The real spawner: carries a run through its attempts with processes that duct starts.
//!
//! Before it: the dispatcher's [`Run`]. After it: its [`Outcome`]. Invariants: no wait without an ear for `stop`; starts
//! keep `limits.start_rate`, first come first served.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock as _;
use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc};

use super::Spawner;
use super::assess::{Assessment, Times, assess};
use super::capture::attach;
use super::capture::redact::Redactor;
use super::leftover::Leftover;
use super::os::{OUT_OF_FILES, is_out_of_files, plain};
use super::outcome::{Directives, Ending, Outcome, Output};
use super::process::{Child, Drain, Ended, Follower, PATIENCE, Slot, Starter};
use super::pulse::Pulse;
use super::run::{HeldBack, Place, ProcessId, Retry, Run, TellStarted};
use super::stop::{Stop, Stopper};
use crate::clock::{self, GovernorClock, Limiter, Now, SharedClock};
use crate::document::Rate;

/// Runs commands as processes of this machine.
#[derive(Clone)]
pub struct Duct {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    gate: Option<Gate>,
    starter: Starter,
    drain: Drain,
    pulse: Arc<Pulse>,
    /// Who gives the places of `limits.max_running`; without one there is no limit.
    places: Option<mpsc::UnboundedSender<Place>>,
}

/// Whom runs tell of themselves.
#[derive(Debug, Default)]
pub struct Ties {
    /// A run that waits for another attempt says so here, and waits until it is given a place again.
    pub places: Option<mpsc::UnboundedSender<Place>>,
    /// Told of each process.
    pub started: Option<TellStarted>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
struct SoFar {
    /// When its first attempt started.
    began: Option<Now>,
    /// When the process of its last attempt exited.
    exited: Option<Now>,
    /// When that was is not known: it was seen late.
    seen_late: bool,
    attempts: u32,
    /// The last attempt left a process behind that keeps its output open.
    leaked: bool,
}

/// What is said when the pipes of what a command left behind could not be kept open.
const UNREAD: &str = "what it left in the background ends at its next output: too many others are left already";

/// A start for which there are no descriptors at all is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Keeps the rate at which processes start.
struct Gate {
    limiter: Limiter,
    /// Held by the one whose turn is next: the others wait in a queue and not each for the same instant.
    turn: Mutex<()>,
}

/// Its name alone: what it holds says nothing to a reader of a log.
impl fmt::Debug for Duct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duct").finish_non_exhaustive()
    }
}

impl Duct {
    /// One that starts processes no faster than `start_rate`, a whole `count` at once at most.
    pub fn new(clock: SharedClock, start_rate: Option<Rate>) -> Self {
        Self::tied(clock, start_rate, Ties::default())
    }

    /// The same, which tells whoever keeps what it does.
    pub fn tied(clock: SharedClock, start_rate: Option<Rate>, ties: Ties) -> Self {
        let gate = start_rate.and_then(|rate| {
            // A rate that is finer than a nanosecond is no limit.
            let quota = Quota::with_period(rate.per / rate.count.get())?.allow_burst(rate.count);
            let limiter = Limiter::direct_with_clock(quota, GovernorClock(Arc::clone(&clock)));
            Some(Gate { limiter, turn: Mutex::new(()) })
        });
        Self::draining(clock, gate, Drain::default(), ties)
    }

    /// One for a process that ends with the run.
    pub fn of_one_run(clock: SharedClock) -> Self {
        Self::draining(clock, None, Drain::of_one_run(), Ties::default())
    }

    fn draining(clock: SharedClock, gate: Option<Gate>, drain: Drain, ties: Ties) -> Self {
        let Ties { places, started } = ties;
        let starter = Starter::new(Arc::clone(&clock), started);
        let pulse = Pulse::new(Arc::clone(&clock));
        Self { shared: Arc::new(Shared { clock, gate, starter, drain, pulse, places }) }
    }
}

impl Shared {
    /// Asks for an attempt's process; gives where it will be delivered to.
    fn start(&self, run: &Arc<Run>, attempt: u32) -> io::Result<Slot<Box<Child>>> {
        let slot = Slot::new();
        self.starter.start(run, attempt, &slot)?;
        Ok(slot)
    }

    /// The same where descriptors have run out before the first start: it is asked for until there are some.
    async fn start_later(&self, run: &Arc<Run>, attempt: u32, error: io::Error) -> Result<Slot<Box<Child>>, Ending> {
        let (mut last, given_up) = (error, self.clock.now().mono + PATIENCE);
        run.progress.set_held_back(Some(HeldBack::OpenFiles));
        while is_out_of_files(&last) && self.clock.now().mono < given_up {
            self.starter.say_scarce();
            if !self.pause(ASK_AGAIN, &run.stop).await {
                return Err(Ending::Interrupted);
            }
            match self.start(run, attempt) {
                Ok(slot) => {
                    run.progress.set_held_back(None);
                    return Ok(slot);
                }
                Err(error) => last = error,
            }
        }
        let error = match is_out_of_files(&last) {
            true => OUT_OF_FILES.to_owned(),
            false => plain(&last),
        };
        Err(Ending::NotStarted { error: format!("no process can be started: {error}") })
    }

    /// Waits until a process may start; `false` when told to stop instead.
    async fn may_start(&self, run: &Run) -> bool {
        let stop = &run.stop;
        if stop.level() > Stop::No {
            return false;
        }
        let Some(gate) = &self.gate else { return true };
        if gate.is_open() {
            return true;
        }
        // Boxed: few runs wait here, and all would carry the room for it.
        let pass = Box::pin(gate.pass(&self.clock));
        run.progress.set_held_back(Some(HeldBack::StartRate));
        let may = tokio::select! {
            biased;
            _ = stop.rises(Stop::No) => false,
            () = pass => true,
        };
        // One that is stopped meanwhile never ran, and this is why.
        if may {
            run.progress.set_held_back(None);
        }
        may
    }

    /// Waits before another attempt; `false` when told to stop instead.
    async fn pause(&self, length: Duration, stop: &Stopper) -> bool {
        let end = self.clock.now().mono + length;
        let over = Box::pin(clock::sleep_until(self.clock.as_ref(), end));
        tokio::select! {
            biased;
            _ = stop.rises(Stop::No) => false,
            () = stop.is_too_late(end) => false,
            () = over => true,
        }
    }

    /// Between two attempts: other runs may have its place meanwhile. `false` when told to stop instead.
    async fn between(&self, run: &Run, mut retry: Retry, delay: Duration) -> bool {
        run.progress.set_retry(Some(retry));
        if self.places.is_some() {
            run.stop.leave_place();
            self.say(Place::Left(run.id));
        }
        // A person may have paused the job meanwhile.
        if !self.pause(delay, &run.stop).await || !run.stop.released().await {
            return false;
        }
        retry.waits_for_place = self.places.is_some();
        run.progress.set_retry(Some(retry));
        self.say(Place::Wanted(run.id));
        run.stop.has_place().await
    }

    /// Where nobody listens any more, no place is given any more: the daemon has given the run up.
    fn say(&self, place: Place) {
        if let Some(places) = &self.places {
            let _ = places.send(place);
        }
    }

    /// What an attempt came to: the run's outcome, or the attempt's and how long to wait before the next.
    fn conclude(&self, run: &Run, ended: Ended, so_far: SoFar) -> Result<Outcome, (Box<Outcome>, Duration)> {
        let redactor = ended.redactor.as_ref().unwrap_or(run.command.redactor());
        let mut assessment = assess(&run.command, redactor, ended.ending, ended.output);
        if ended.unread {
            tracing::warn!(job = %run.job, run = %run.id, "{UNREAD}");
            assessment.directives.notes.push(UNREAD.to_owned());
        }
        let mut outcome = self.outcome(so_far, assessment);
        match run.command.retries.delay_after(so_far.attempts).filter(|_| run.failed(&outcome)) {
            Some(delay) => Err((Box::new(outcome), delay)),
            None => {
                listen(run, redactor, &mut outcome.directives);
                Ok(outcome)
            }
        }
    }

    /// Stopped before an attempt: what the one before it wrote is kept, and masked already. That one was not interrupted, and
    /// how it ended is said.
    fn cut_short(&self, run: &Run, last: Option<Box<Outcome>>, so_far: SoFar) -> Outcome {
        let mut assessment = assess(&run.command, run.command.redactor(), Ending::Interrupted, Output::default());
        // The wait for the next attempt is a part of it.
        let so_far = SoFar { exited: None, seen_late: false, ..so_far };
        if let Some(last) = last {
            assessment.detail = format!("stopped before its next attempt; the last one {}", last.ending.words());
            assessment.output = last.output;
        }
        self.outcome(so_far, assessment)
    }

    fn outcome(&self, so_far: SoFar, assessment: Assessment) -> Outcome {
        let SoFar { began, exited, seen_late, attempts, leaked } = so_far;
        let over = exited.unwrap_or_else(|| self.clock.now());
        let began = began.unwrap_or(over);
        assessment.into_outcome(Times {
            started: began.wall,
            finished: over.wall,
            took: if seen_late { Duration::ZERO } else { over.mono - began.mono },
            attempts,
            leaked,
        })
    }
}

/// Carries a run through its attempts. What lives across a wait is kept small: a thousand runs may wait at one time.
#[expect(clippy::manual_async_fn, reason = "an async fn holds its arguments twice")]
fn carry(shared: Arc<Shared>, run: Arc<Run>) -> impl Future<Output = Outcome> + Send {
    async move {
        let mut so_far = SoFar { began: None, exited: None, seen_late: false, attempts: 0, leaked: false };
        let mut last = None;
        while shared.may_start(&run).await {
            so_far.attempts += 1;
            so_far.began.get_or_insert_with(|| shared.clock.now());
            let Shared { clock, drain, starter, pulse, .. } = &*shared;
            let follower = |slot| Follower { slot, run: &run, clock, drain, starter, followed: pulse.follow() };
            // By reference: what is moved out of it would be kept twice.
            let slot = match shared.start(&run, so_far.attempts) {
                Ok(slot) => Ok(slot),
                // Boxed: few runs wait here, and all would carry the room for it.
                Err(error) => Box::pin(shared.start_later(&run, so_far.attempts, error)).await,
            };
            let ended = match &slot.map(follower) {
                Ok(follower) => follower.follow().await,
                Err(ending) => Ended::without_process(ending.clone()),
            };
            if so_far.attempts == 1 {
                // Its turn may have come later than it asked for it.
                so_far.began = ended.began.or(so_far.began);
            }
            (so_far.leaked, so_far.exited, so_far.seen_late) = (ended.leaked, ended.exited, ended.seen_late);
            let (attempt, delay) = match shared.conclude(&run, ended, so_far) {
                Ok(outcome) => return outcome,
                Err(again) => again,
            };
            last = Some(attempt);
            let at = clock::shift(shared.clock.now().wall, delay);
            let retry = Retry { failed: so_far.attempts, at, waits_for_place: false };
            // Boxed: all would carry the room for it.
            if !Box::pin(shared.between(&run, retry, delay)).await {
                break;
            }
            run.progress.set_retry(None);
        }
        shared.cut_short(&run, last, so_far)
    }
}

/// What a run's directives ask of the machine, and what is wrong with them.
fn listen(run: &Run, redactor: &Redactor, directives: &mut Directives) {
    for why in &directives.misunderstood {
        tracing::warn!(job = %run.job, run = %run.id, "a directive is not understood: {why}");
    }
    if directives.more_misunderstood > 0 {
        let more = directives.more_misunderstood;
        tracing::warn!(job = %run.job, run = %run.id, more, "more directives are not understood");
    }
    let place = attach::Place { folder: run.command.working_dir(), user: run.command.user() };
    match directives.attach.as_deref().map(|name| attach::read(place, redactor, name)) {
        Some(Ok(file)) => directives.file = Some(file),
        Some(Err(why)) => {
            tracing::warn!(job = %run.job, run = %run.id, "{why}");
            directives.notes.push(why);
        }
        None => {}
    }
}

impl Gate {
    /// Whether a process may start now, nobody else being before it.
    fn is_open(&self) -> bool {
        self.turn.try_lock().is_ok_and(|_turn| self.limiter.check().is_ok())
    }

    async fn pass(&self, clock: &SharedClock) {
        let _turn = self.turn.lock().await;
        while let Err(early) = self.limiter.check() {
            let wait = early.wait_time_from(GovernorClock(Arc::clone(clock)).now());
            clock::sleep_until(clock.as_ref(), clock.now().mono + wait).await;
        }
    }
}

impl Spawner for Duct {
    fn run(&self, run: Arc<Run>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        Box::pin(carry(Arc::clone(&self.shared), run))
    }

    fn take_over(
        &self,
        run: &Arc<Run>,
        started: Timestamp,
        process: Option<&ProcessId>,
    ) -> Option<Pin<Box<dyn Future<Output = Outcome> + Send>>> {
        let clock = &self.shared.clock;
        let leftover = process
            .and_then(|process| Leftover::noted(process, &clock.boot()))
            .or_else(|| Leftover::find(run, started, clock.now().wall))?;
        Some(Box::pin(leftover.carry(Arc::clone(run), started, Arc::clone(clock))))
    }
}
