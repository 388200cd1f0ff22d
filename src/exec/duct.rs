//! The real spawner: carries a run through its attempts with processes that duct starts.
//!
//! Before it: the dispatcher's [`Run`]. After it: its [`Outcome`]. Invariants: no wait without an ear for `stop`; starts
//! keep `limits.start_rate`, first come first served.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use governor::clock::Clock as _;
use tokio::sync::{Mutex, watch};

use super::assess::{Assessment, assess};
use super::attach;
use super::directives::Directives;
use super::launch::Launch;
use super::outcome::{Ending, Outcome, Output};
use super::process::{self, Ended, Live, rises};
use super::{Run, Spawner, Stop};
use crate::clock::{self, GovernorClock, Limiter, Now, SharedClock};
use crate::document::Rate;

/// Runs commands as processes of this machine.
#[derive(Clone, Debug)]
pub struct Duct {
    clock: SharedClock,
    gate: Option<Arc<Gate>>,
}

/// Keeps the rate at which processes start.
#[derive(Debug)]
struct Gate {
    limiter: Limiter,
    /// Held by the one whose turn is next: the others wait in a queue and not each for the same instant.
    turn: Mutex<()>,
}

impl Duct {
    /// One that starts processes no faster than `start_rate`, a whole `count` at once at most.
    pub fn new(clock: SharedClock, start_rate: Option<Rate>) -> Self {
        let gate = start_rate.and_then(|rate| {
            // A rate that is finer than a nanosecond is no limit.
            let quota = Quota::with_period(rate.per / rate.count.get())?.allow_burst(rate.count);
            let limiter = Limiter::direct_with_clock(quota, GovernorClock(Arc::clone(&clock)));
            Some(Arc::new(Gate { limiter, turn: Mutex::new(()) }))
        });
        Self { clock, gate }
    }

    /// Waits until a process may start; `false` when told to stop instead.
    async fn may_start(&self, stop: &mut watch::Receiver<Stop>) -> bool {
        if *stop.borrow() > Stop::No {
            return false;
        }
        let Some(gate) = &self.gate else { return true };
        tokio::select! {
            biased;
            _ = rises(stop, Stop::No) => false,
            () = gate.pass(&self.clock) => true,
        }
    }

    /// Waits before another attempt; `false` when told to stop instead.
    async fn pause(&self, length: Duration, stop: &mut watch::Receiver<Stop>) -> bool {
        let end = self.clock.now().mono + length;
        tokio::select! {
            biased;
            _ = rises(stop, Stop::No) => false,
            () = clock::sleep_until(self.clock.as_ref(), end) => true,
        }
    }

    async fn carry(self, run: Run, mut stop: watch::Receiver<Stop>) -> Outcome {
        let mut began: Option<Now> = None;
        let mut attempts = 0;
        let mut leaked = false;
        let mut last = Output::default();
        while self.may_start(&mut stop).await {
            began.get_or_insert_with(|| self.clock.now());
            attempts += 1;
            let started = Launch::new(&run, attempts).and_then(Live::start);
            let ended = match started {
                Ok(live) => process::follow(live, &run.command, self.clock.as_ref(), &run.progress, &mut stop).await,
                Err(error) => Ended { ending: Ending::NotStarted { error }, output: Output::default(), leaked: false },
            };
            leaked = ended.leaked;
            let assessment = assess(&run.command, ended.ending, ended.output);
            let delay = run.command.retries.delay_after(attempts).filter(|_| assessment.failed());
            let Some(delay) = delay else {
                let mut assessment = assessment;
                listen(&run, &mut assessment.directives);
                return self.outcome(began, attempts, leaked, assessment);
            };
            last = assessment.output;
            if !self.pause(delay, &mut stop).await {
                break;
            }
        }
        // Stopped before an attempt: what the one before it wrote is kept, and masked already.
        let mut assessment = assess(&run.command, Ending::Interrupted, Output::default());
        assessment.output = last;
        self.outcome(began, attempts, leaked, assessment)
    }

    fn outcome(&self, began: Option<Now>, attempts: u32, leaked: bool, assessment: Assessment) -> Outcome {
        let now = self.clock.now();
        let began = began.unwrap_or(now);
        let Assessment { status, reason, skipped, detail, ending, output, json, perfdata, directives } = assessment;
        Outcome {
            status,
            reason,
            ending,
            skipped,
            detail,
            started: began.wall,
            finished: now.wall,
            took: now.mono - began.mono,
            attempts,
            output,
            json,
            perfdata,
            directives,
            leaked,
        }
    }
}

/// What a run's directives ask of the machine, and what is wrong with them.
fn listen(run: &Run, directives: &mut Directives) {
    for why in &directives.misunderstood {
        tracing::warn!(job = %run.job, run = %run.id, "a directive is not understood: {why}");
    }
    match directives.attach.as_deref().map(|name| attach::read(&run.command, name)) {
        Some(Ok(file)) => directives.file = Some(file),
        Some(Err(why)) => {
            tracing::warn!(job = %run.job, run = %run.id, "{why}");
            directives.notes.push(why);
        }
        None => {}
    }
}

impl Gate {
    async fn pass(&self, clock: &SharedClock) {
        let _turn = self.turn.lock().await;
        while let Err(early) = self.limiter.check() {
            let wait = early.wait_time_from(GovernorClock(Arc::clone(clock)).now());
            clock::sleep_until(clock.as_ref(), clock.now().mono + wait).await;
        }
    }
}

impl Spawner for Duct {
    fn run(&self, run: Run, stop: watch::Receiver<Stop>) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
        Box::pin(self.clone().carry(run, stop))
    }
}
