//! What happens when a job is due: hours, the run before, a free place.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::numbers::Skip;
use super::{Behind, Dispatcher, Entry, Running, Turn, Waiting, slow};
use crate::clock::{self, Mono, Now};
use crate::exec::{Run, Stop, Trigger};
use crate::id::RunId;
use crate::policy;
use crate::report::{self, Burst, Going};
use crate::schedule::{CatchUp, Overlap, Taken};

/// That due times of a job pass without a run is logged at once, then at most this often.
const BEHIND_AGAIN: Duration = Duration::from_secs(60);

/// A run that starts so long after its due time began late: it waited for a place, or the daemon was held up.
const LATE: Duration = Duration::from_secs(1);

/// A slot that lies no further before the start of the daemon was not missed.
const SKEW: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Messages that no run causes: quiet hours that ended, a job that is steady again.
    /// The answer is whether their time had come.
    pub(super) fn wake(&mut self, index: u32, now: Now, turn: &mut Turn) -> bool {
        let tracked = &mut self.jobs[index as usize];
        if policy::due(&tracked.job.notify, &tracked.health).is_none_or(|due| due > now.wall) {
            return false;
        }
        let hang =
            tracked.health.hang().and_then(|hung| self.running.values().find(|running| running.run.id == hung.run));
        let running = hang.map(|running| {
            let going = Going { run: &running.run, started: running.started, burst: Burst::Open };
            report::running(&tracked.job, going, now)
        });
        tracked.look_ahead(now);
        tracked.health.set_paused(tracked.paused.is_some());
        for message in report::wake(&tracked.job, &mut tracked.health, running.as_ref(), &self.sender, now.wall) {
            self.tally.told(std::slice::from_ref(&message));
            turn.entries.push(tracked.changed(vec![message], now));
        }
        tracked.health.set_paused(false);
        true
    }

    /// A job's due time has come.
    pub(super) fn due(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let tracked = &mut self.jobs[index as usize];
        let taken = match tracked.paused {
            None => tracked.cadence.take(&tracked.job.timing, now),
            Some(_) => tracked.cadence.pass(&tracked.job.timing, now),
        };
        match taken {
            Taken::NotYet => {}
            Taken::Outside => {
                tracked.tally.skipped(Skip::WorkingHours, 1);
                tracing::debug!(job = %tracked.job.name, reason = "working-hours", "due, and not run");
            }
            Taken::Absent(absent) => self.absent(index, absent, now, turn),
            Taken::Run { scheduled, missed, late } => {
                // Two readings of two clocks: a slot that is due now may lie a moment before the start.
                let is_older = clock::shift(scheduled, SKEW) < self.born;
                let trigger = if is_older { Trigger::CatchUp } else { Trigger::Schedule };
                if missed > 0 {
                    tracing::debug!(job = %tracked.job.name, missed, ?late, "due times passed without a run");
                    self.fell_behind(index, missed, now);
                }
                if self.jobs[index as usize].paused.is_some() {
                    let times = u64::from(missed) + 1;
                    return self.passes(index, times, scheduled, now, turn);
                }
                self.overlap(index, scheduled, trigger, now, turn);
            }
        }
        self.passed_over(index, now);
    }

    /// Due times passed, and one run stands for all of them.
    fn fell_behind(&mut self, index: u32, passed: u32, now: Now) {
        self.jobs[index as usize].tally.skipped(Skip::Missed, passed);
        let behind = self.behind.entry(index).or_default();
        behind.passed = behind.passed.saturating_add(passed);
        if behind.logged.is_none_or(|logged| now.mono - logged >= BEHIND_AGAIN) {
            let name = &self.jobs[index as usize].job.name;
            tracing::info!(job = %name, missed = behind.passed, "due times passed without a run of their own; one run stands for all of them");
            *behind = Behind { logged: Some(now.mono), passed: 0 };
        }
    }

    /// A run is due: `overlap` decides what becomes of it while the one before goes on.
    fn overlap(&mut self, index: u32, scheduled: Timestamp, trigger: Trigger, now: Now, turn: &mut Turn) {
        let held_back = self.jobs[index as usize].running > 0 && self.held_back(index).is_some();
        if !held_back {
            self.has_started(index, now, turn);
        }
        let tracked = &mut self.jobs[index as usize];
        let overlap = tracked.job.timing.overlap;
        let has_none = tracked.waiting > 0 && (tracked.running == 0 || overlap == Overlap::Allow);
        if has_none || held_back && overlap != Overlap::Allow {
            // Its own last run is not the reason, what keeps that from starting is: what could not start in time is one run.
            tracing::debug!(job = %tracked.job.name, %scheduled, reason = "waiting", "due while the run before waits to start; both are one run");
            tracked.cadence.not_run(&tracked.job.timing, now);
            self.fell_behind(index, 1, now);
            return self.waits(index, now, turn);
        }
        if tracked.running == 0 {
            return self.enqueue(index, scheduled, trigger, now);
        }
        tracing::debug!(job = %tracked.job.name, %scheduled, reason = "still-running", ?overlap, "due while the last run is still going");
        if matches!(overlap, Overlap::Queue | Overlap::Replace) {
            self.waits_for_start(now);
        }
        let tracked = &mut self.jobs[index as usize];
        match overlap {
            Overlap::Allow => self.enqueue(index, scheduled, trigger, now),
            Overlap::Queue => {
                // Only one waits. The due times that pass because of a hang count as they do under `skip`.
                if tracked.pending.replace((scheduled, trigger)).is_some() {
                    tracked.cadence.not_run(&tracked.job.timing, now);
                    self.skip(index, now, turn);
                }
            }
            Overlap::Replace => {
                if tracked.pending.replace((scheduled, trigger)).is_some() {
                    tracked.cadence.not_run(&tracked.job.timing, now);
                }
                let before = self.running.values().find(|running| running.job == index && !running.replaced);
                // One that is being stopped is not replaced again.
                if before.is_some() {
                    self.no_end(index, now, turn);
                }
                for running in self.running.values_mut().filter(|running| running.job == index) {
                    running.replaced = true;
                    turn.stop.push((Arc::clone(&running.run), Stop::Terminate));
                }
            }
            Overlap::Skip => {
                tracked.cadence.not_run(&tracked.job.timing, now);
                self.skip(index, now, turn);
            }
        }
    }

    /// A due time passes because the last run is still going. After several, that is notified.
    pub(super) fn skip(&mut self, index: u32, now: Now, turn: &mut Turn) {
        self.jobs[index as usize].tally.skipped(Skip::StillRunning, 1);
        self.no_end(index, now, turn);
    }

    /// A due time came before the last run had ended.
    fn no_end(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let tracked = &mut self.jobs[index as usize];
        let oldest = self.running.values_mut().find(|running| running.job == index);
        let Some(running) = oldest else { return };
        if std::mem::take(&mut running.began_late) {
            return;
        }
        let (run, started) = (&running.run, running.started);
        let known = tracked.health.hang().map(|hung| hung.run);
        let going = Going { run, started, burst: tracked.burst(now) };
        tracked.look_ahead(now);
        let messages = report::skipped(&tracked.job, &mut tracked.health, going, &self.sender, now);
        let hangs = tracked.health.hang().filter(|hung| known != Some(hung.run));
        // Each run that is replaced is another one; that they are is one fact.
        if let Some(hang) = hangs.filter(|hung| !hung.replaced || known.is_none()) {
            let running = now.mono - started.mono;
            tracing::warn!(job = %tracked.job.name, ?running, "the job hangs: {}", policy::hang_line(hang));
        }
        if !messages.is_empty() {
            tracked.alerted(now);
        }
        self.tally.told(&messages);
        // A daemon that is killed forgets none of the due times that have passed.
        turn.entries.push(tracked.changed(messages, now));
    }

    pub(super) fn enqueue(&mut self, index: u32, scheduled: Timestamp, trigger: Trigger, now: Now) {
        // Oldest due first: the wall slot, put on the monotonic clock.
        let due = Mono(now.mono.0.saturating_sub(clock::between(scheduled, now.wall)));
        self.sequence += 1;
        self.jobs[index as usize].waiting += 1;
        self.waiting.insert((due, self.sequence), Waiting { job: index, scheduled, trigger, asked: None });
    }

    /// Starts what waits, as far as there is room.
    pub(super) fn fill(&mut self, now: Now, turn: &mut Turn) {
        self.start_what_waits(now, turn);
        self.unstarted_may_have_changed(now);
    }

    fn start_what_waits(&mut self, now: Now, turn: &mut Turn) {
        while self.has_room() {
            let next = if self.stopping { None } else { self.next_to_start() };
            if self.lets_another_attempt_begin(next.map(|(due, _)| due)) {
                continue;
            }
            let Some(waiting) = next.and_then(|next| self.waiting.remove(&next)) else { return };
            let tracked = &mut self.jobs[waiting.job as usize];
            tracked.waiting -= 1;
            let timing = &tracked.job.timing;
            if waiting.trigger != Trigger::Manual
                && timing.hours.as_ref().is_some_and(|hours| !hours.contains(now.wall, &timing.zone))
            {
                tracing::info!(job = %tracked.job.name, scheduled = %waiting.scheduled, reason = "working-hours", "a place was free only after its working hours; not run");
                tracked.tally.skipped(Skip::WorkingHours, 1);
                tracked.cadence.not_run(&tracked.job.timing, now);
                // With `every_from = "finish"` nothing would ever be due again, had it not ended.
                tracked.cadence.finished(&tracked.job.timing, now);
                self.passed_over(waiting.job, now);
                self.arm(waiting.job, now);
                self.waited_past_its_hours(waiting.job, now, turn);
                continue;
            }
            if waiting.trigger != Trigger::Manual && tracked.paused.is_some() {
                tracked.cadence.not_run(&tracked.job.timing, now);
                self.passes(waiting.job, 1, waiting.scheduled, now, turn);
                continue;
            }
            let command = Arc::clone(&tracked.job.command);
            let (id, asked) = match waiting.asked {
                Some((id, asked)) => (id, Some(asked)),
                None => {
                    self.next_run += 1;
                    (RunId(self.next_run - 1), None)
                }
            };
            let run = Run::new(id, tracked.job.name.clone(), command, waiting.scheduled, waiting.trigger);
            let run = Arc::new(report::with_conditions(run, &tracked.job, &tracked.health));
            tracked.running += 1;
            self.tally.begins(&run, now.wall);
            tracing::debug!(job = %run.job, run = %run.id, scheduled = %run.scheduled, "start");
            tracked.cadence.settled(&tracked.job.timing, now);
            let follows = tracked.job.timing.after().is_some();
            if follows || tracked.health.runs() == 0 || tracked.job.timing.catch_up == CatchUp::Once {
                // Should the daemon die with it, it was not missed, and its job is no new one.
                turn.entries.push(Entry::Started { state: tracked.state(now) });
            }
            let none_waits = tracked.waiting == 0;
            let locks = self.lock(waiting.job, run.id);
            let running = Running {
                job: waiting.job,
                run: Arc::clone(&run),
                started: now,
                replaced: false,
                locks,
                asked,
                elsewhere: None,
                began_late: clock::between(waiting.scheduled, now.wall) > LATE,
                slow: slow::State::default(),
            };
            self.running.insert(run.id, running);
            turn.start.push(run);
            self.look_at_slow(waiting.job, now);
            if none_waits {
                self.got_a_place(waiting.job, now, turn);
            }
        }
    }
}
