//! The daemon under a false clock: the real dispatcher, policy and renderer, no process run, told as a transcript. Also
//! the cases that a job file holds of itself (`[[test]]`).
//!
//! Before it: a plan, and what the runs are assumed to come to. After it: `slack-alert simulate` and `check`. Pure: the
//! same plan and scenario give the same transcript, daylight-saving nights included. Every job begins as one that was
//! never seen before.

pub mod cases;
mod scenario;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{self, Mono, Now};
use crate::daemon::dispatcher::{Dispatcher, Past, Turn};
use crate::exec::{Captured, Outcome, Run, Status};
use crate::id::{Channel, JobName, RunId};
use crate::plan::Plan;
use crate::policy::Event;

pub use scenario::{Assumption, Printed, Scenario};

/// What is due again and again without time going by is given up after so many rounds: a fault of ours must not hang.
const MOST_ROUNDS: u32 = 100_000;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A run ended.
    Run {
        /// When it started.
        at: Timestamp,
        /// Whose.
        job: JobName,
        /// Its number.
        run: RunId,
        /// What it was assumed to come to.
        status: Status,
        /// Whether it was told, and why not: `notified: failure`, `repeat-not-due`.
        decision: String,
        /// When the next word is possible.
        until: Option<Timestamp>,
    },
    /// A message would have been sent.
    Message {
        /// When.
        at: Timestamp,
        /// Whose; `None` for the daemon's own words.
        job: Option<JobName>,
        /// Where to.
        channel: Channel,
        /// What about.
        event: Option<Event>,
        /// Its plain text.
        text: String,
    },
}

impl Happening {
    /// When.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Run { at, .. } | Self::Message { at, .. } => *at,
        }
    }
}

/// Runs the plan's jobs (all, or those named in the scenario) through a stretch of time; each happening is given to
/// `tell` in the order of time.
pub fn run(plan: &Plan, scenario: &Scenario, tell: impl FnMut(Happening)) {
    Simulation::new(plan, scenario, tell).run();
}

/// What goes on between two looks at the clock.
struct Simulation<'a, T> {
    plan: &'a Plan,
    scenario: &'a Scenario,
    tell: T,
    dispatcher: Dispatcher,
    /// Ends of the runs in progress.
    going: BinaryHeap<Reverse<(Mono, RunId)>>,
    runs: HashMap<RunId, Arc<Run>>,
    /// What is not told yet: a run is told when it ends, under the time at which it started.
    untold: BTreeMap<(Timestamp, u64), Happening>,
    number: u64,
}

impl<'a, T: FnMut(Happening)> Simulation<'a, T> {
    fn new(plan: &'a Plan, scenario: &'a Scenario, tell: T) -> Self {
        let now = Now { wall: scenario.from, mono: Mono::default() };
        let mut dispatcher = Dispatcher::new(plan.config.limits, crate::daemon::voice(plan), 1, now);
        for job in plan.jobs.iter().filter(|job| scenario.covers(&job.name)) {
            dispatcher.add(Arc::clone(job), Past::default(), now);
        }
        let (going, runs, untold) = (BinaryHeap::new(), HashMap::new(), BTreeMap::new());
        Self { plan, scenario, tell, dispatcher, going, runs, untold, number: 0 }
    }

    /// The time of the calendar at a time of the stop-watch: in here neither is ever set.
    fn now_at(&self, mono: Mono) -> Now {
        Now { wall: clock::shift(self.scenario.from, mono.0), mono }
    }

    fn run(mut self) {
        let end = Mono(self.scenario.length);
        let mut now = self.now_at(Mono::default());
        let mut rounds = 0;
        loop {
            let turn = self.dispatcher.tick(now);
            self.take(turn, now);
            while let Some(Reverse((at, id))) = self.going.peek().copied().filter(|Reverse((at, _))| *at <= now.mono) {
                self.going.pop();
                let Some(run) = self.runs.remove(&id) else { continue };
                let outcome = self.outcome(&run, self.now_at(at).wall);
                let turn = self.dispatcher.finished(id, outcome, now);
                self.take(turn, now);
            }
            self.tell_until(self.going.peek().map(|Reverse((at, _))| *at));
            let ends = self.going.peek().map(|Reverse((at, _))| *at);
            let Some(next) = self.dispatcher.next().into_iter().chain(ends).min().filter(|next| *next < end) else {
                break;
            };
            rounds = if next > now.mono { 0 } else { rounds + 1 };
            if rounds > MOST_ROUNDS {
                break;
            }
            now = self.now_at(next.max(now.mono));
        }
        self.tell_until(None);
    }

    /// Takes what a turn starts, and notes what it tells.
    fn take(&mut self, turn: Turn, now: Now) {
        for run in turn.start {
            self.going.push(Reverse((now.mono + self.scenario.took, run.id)));
            self.runs.insert(run.id, run);
        }
        for record in turn.records {
            if let Some(ended) = record.ended {
                self.note(Happening::Run {
                    at: ended.outcome.started,
                    job: ended.run.job.clone(),
                    run: ended.run.id,
                    status: ended.outcome.status,
                    decision: ended.decision.words(),
                    until: ended.decision.until(),
                });
            }
            for message in record.messages {
                let (job, channel, event, text) = (message.job, message.channel, message.event, message.text);
                self.note(Happening::Message { at: now.wall, job, channel, event, text });
            }
        }
    }

    fn note(&mut self, happening: Happening) {
        self.number += 1;
        self.untold.insert((happening.at(), self.number), happening);
    }

    /// Tells what nothing earlier can come before any more: runs in progress are told under the time of their start.
    fn tell_until(&mut self, next_end: Option<Mono>) {
        let Some(next_end) = next_end else {
            std::mem::take(&mut self.untold).into_values().for_each(&mut self.tell);
            return;
        };
        let started = self.now_at(Mono(next_end.0.saturating_sub(self.scenario.took))).wall;
        while let Some(first) = self.untold.first_entry().filter(|first| first.key().0 < started) {
            (self.tell)(first.remove());
        }
    }

    /// What a run is assumed to come to: ok and silent, unless the scenario says otherwise.
    fn outcome(&self, run: &Run, finished: Timestamp) -> Outcome {
        let scenario = self.scenario;
        let started = finished.saturating_sub(scenario.took).unwrap_or(finished);
        let zone = || self.plan.job(run.job.as_str()).map_or(&self.plan.config.zone, |job| &job.timing.zone);
        let status =
            if scenario.assumptions.is_empty() { Status::Ok } else { scenario.status(&run.job, started, zone()) };
        let mut outcome = Outcome::status_only(status, finished);
        (outcome.started, outcome.took) = (started, scenario.took);
        if let Some(text) = scenario.printed(&run.job) {
            let captured = Captured { head: format!("{text}\n").into_bytes(), ..Captured::default() };
            (outcome.output.both, outcome.output.stdout) = (captured.clone(), captured);
        }
        outcome
    }
}
