//! What a run's end means: for its job, for the runs that wait, for the history.

use std::sync::Arc;

use super::{AskedFor, Dispatcher, Ended, Entry, Running, Tracked, Turn, slow};
use crate::clock::{Mono, Now};
use crate::exec::{CutOff, Ending, Outcome, Reason, Run, Status, known};
use crate::id::RunId;
use crate::policy::Decision;
use crate::report::{self, RunEnd, Said, Sender};
use crate::store::RunningRow;

impl Dispatcher {
    /// A run ended.
    pub fn finished(&mut self, id: RunId, mut outcome: Outcome, now: Now) -> Turn {
        let mut turn = Turn::default();
        self.watch_the_wall_clock(now);
        let Some(running) = self.running.remove(&id) else { return turn };
        self.was_noted(&running.run, &mut turn);
        self.unlock(id, &running.locks);
        self.placeless.forget(id);
        if let Some(elsewhere) = &running.elsewhere {
            self.no_longer_elsewhere(id, elsewhere, &mut turn);
        }
        let index = running.job;
        let tracked = &mut self.jobs[index as usize];
        tracked.running -= 1;
        let (settings, zone) = (&tracked.job.notify, &tracked.job.timing.zone);
        tracked.health.is_over(id, known(outcome.took), settings, zone, now.wall);
        // One that ended by itself before it could be stopped is like any other.
        let replaced = running.replaced && outcome.reason == Reason::Interrupted;
        if self.stopping && !replaced && outcome.ending == Ending::Interrupted {
            let started = outcome.attempts > 1 || running.run.progress.held_back().is_none();
            let by = if started { CutOff::Stop } else { CutOff::StopBeforeStart };
            outcome.ending = Ending::CutOff { by };
        }
        self.conclude(index, (running.run, running.asked), outcome, replaced, now, &mut turn);
        let tracked = &mut self.jobs[index as usize];
        tracked.cadence.finished(&tracked.job.timing, now);
        if tracked.running == 0 {
            turn.entries.extend(self.abandon_unwatched(index, now));
            let tracked = &mut self.jobs[index as usize];
            if tracked.removed {
                self.release(index);
            } else if let Some((scheduled, trigger)) = tracked.pending.take() {
                self.enqueue(index, scheduled, trigger, now);
            }
        }
        self.arm(index, now);
        self.fill(now, &mut turn);
        self.look_at_asked(now.wall, &mut turn);
        turn
    }

    /// A run that was in progress when the daemon before this one died, of a job that there still is.
    pub fn left(&self, left: &RunningRow) -> Option<Arc<Run>> {
        let tracked = &self.jobs[*self.by_name.get(&left.job)? as usize];
        let command = Arc::clone(&tracked.job.command);
        Some(Arc::new(Run::new(left.id, left.job.clone(), command, left.scheduled, left.trigger)))
    }

    /// Its process lives on: it is in progress, and `overlap` has its say as with any other.
    pub fn take_over(&mut self, run: Arc<Run>, left: &RunningRow, now: Now) {
        let Some(&job) = self.by_name.get(&left.job) else { return };
        self.jobs[job as usize].running += 1;
        let age = crate::clock::between(left.started, now.wall);
        let started = Now { wall: left.started, mono: Mono(now.mono.0.saturating_sub(age)) };
        let told = self.jobs[job as usize].health.told_slow(run.id);
        let slow = if told { slow::State::Done } else { slow::State::default() };
        let locks = self.lock(job, run.id);
        let (replaced, asked, elsewhere) = (false, None, None);
        self.running
            .insert(run.id, Running { job, run, started, replaced, locks, asked, elsewhere, began_late: false, slow });
        self.arm(job, now);
    }

    /// It has no process any more, or nobody will say how it ends (`outcome`): it is judged as one that was interrupted.
    pub fn interrupted(&mut self, run: Arc<Run>, left: &RunningRow, outcome: Outcome, now: Now) -> Turn {
        let mut turn = Turn::default();
        let Some(&index) = self.by_name.get(&left.job) else { return turn };
        let tracked = &mut self.jobs[index as usize];
        let (settings, zone) = (&tracked.job.notify, &tracked.job.timing.zone);
        tracked.health.is_over(left.id, None, settings, zone, now.wall);
        self.conclude(index, (run, None), outcome, false, now, &mut turn);
        self.arm(index, now);
        turn
    }

    /// A run is over: it is judged, counted and kept.
    pub(super) fn conclude(
        &mut self,
        index: u32,
        run: (Arc<Run>, Option<Box<AskedFor>>),
        outcome: Outcome,
        replaced: bool,
        now: Now,
        turn: &mut Turn,
    ) {
        self.before_end(index, outcome.status, now, turn);
        self.has_started(index, now, turn);
        let acks = self.acks_before(index, now);
        let tracked = &mut self.jobs[index as usize];
        let entry = over(tracked, run, outcome, replaced, &self.sender, now);
        Self::count_end(tracked, &mut self.tally, &entry);
        let ended = entry.ended().filter(|ended| ended.decision.is_of_a_run());
        let ok = ended.map(|ended| ended.outcome.status == Status::Ok);
        let event = entry.ended().and_then(|ended| ended.decision.event());
        turn.entries.push(entry);
        self.after_end(index, &acks, event, now, turn);
        if let Some(ok) = ok {
            self.followed(index, ok, now, turn);
        }
    }
}

/// Judges a run's end and gathers what is to be kept.
fn over(
    tracked: &mut Tracked,
    (run, asked): (Arc<Run>, Option<Box<AskedFor>>),
    outcome: Outcome,
    replaced: bool,
    sender: &Sender,
    now: Now,
) -> Entry {
    let outcome = Arc::new(report::conditioned(&tracked.job, &tracked.health, outcome));
    let end = RunEnd { run: &run, outcome: &outcome, now: now.wall };
    tracked.look_ahead(now);
    let said = if replaced {
        Said { line: report::line(&tracked.job, end, &sender.host), ..Said::nothing(Decision::Replaced) }
    } else {
        let burst = tracked.burst(now);
        report::judge(&tracked.job, &mut tracked.health, end, burst, sender)
    };
    if said.decision.is_notified() {
        tracked.alerted(now);
    }
    if !tracked.health.is_failing() {
        tracked.health.look_ahead(None);
    }
    log_end(&run, &outcome, said.decision);
    let ended = Ended { number: tracked.health.runs(), run, outcome, decision: said.decision, line: said.line, asked };
    Entry::Ended { ended: Box::new(ended), state: tracked.state(now), messages: said.messages }
}

fn log_end(run: &Run, outcome: &Outcome, decision: Decision) {
    let (status, how, took) = (outcome.status.as_str(), outcome.ending.words(), known(outcome.took));
    let (told, until) = (decision.is_notified(), decision.until().map(tracing::field::display));
    let decision = tracing::field::display(decision);
    if outcome.status == Status::Ok && !told {
        tracing::debug!(job = %run.job, run = %run.id, status, how, took = took.map(tracing::field::debug), decision, until, "end");
    } else {
        tracing::info!(job = %run.job, run = %run.id, status, how, took = took.map(tracing::field::debug), decision, until, "end");
    }
}
