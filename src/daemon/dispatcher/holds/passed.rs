//! Due times that pass because of a pause: they are counted, and written in one row for each job and pause.
//!
//! Before it: a job that is paused and due. After it: the row, and the place in the schedule of a job whose pause is over.

use std::time::Duration;

use jiff::Timestamp;

use super::super::{Dispatcher, Entry, Turn, Waiting, starved};
use crate::clock::{Mono, Now, between};
use crate::daemon::numbers::Skip;
use crate::exec::Trigger;
use crate::id::RunId;
use crate::plan::Job;
use crate::policy::{Hold, HoldKind};
use crate::schedule::Saved;
use crate::store::RunRow;

/// The row of due times that have passed is written this often, and when the pause ends.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// So many due times that passed since the row was written are counted at a start: more than a day's of a job each other second.
const MOST_MISSED: usize = 50_000;

/// Due times of a job that have passed because of a pause.
#[derive(Debug)]
pub(in crate::daemon::dispatcher) struct PassedTimes {
    /// The row that tells of them.
    row: RunId,
    /// The pause.
    pub(super) hold: u64,
    pub(super) count: u64,
    first: Timestamp,
    last: Timestamp,
    /// When the row was written last; none when it was not since it changed.
    written: Option<Mono>,
    is_written: bool,
}

impl Dispatcher {
    /// Goes on counting due times that pass, where an earlier process left off; after the jobs are taken in. Each row comes with
    /// what was saved of the job's place in its schedule: what passed since the row was written is counted by that, since a
    /// process that was killed knew more than it had written, and none counted while none ran.
    pub fn resume_passed(&mut self, rows: Vec<(RunRow, Option<Saved>)>, now: Now) {
        for (row, saved) in rows {
            let (Some(index), Some((count, hold))) = (self.by_name.get(&row.job), row.details.passed) else { continue };
            let tracked = &mut self.jobs[*index as usize];
            let seed = tracked.job.seed(&self.sender.host);
            let until = self.holds.all.get(&hold).map_or(row.finished, |hold| hold.until.min(now.wall));
            let since = tracked.job.timing.upcoming_after(&seed, saved.as_ref(), row.finished);
            // The row knows of no nanoseconds.
            let last = row.finished.as_microsecond();
            let since =
                since.skip_while(|at| at.as_microsecond() <= last).take_while(|at| *at < until).take(MOST_MISSED);
            let (unwritten, last) = since.fold((0, row.finished), |(count, _), at| (count + 1, at));
            tracked.passed = Some(Box::new(PassedTimes {
                row: row.id,
                hold,
                count: count + unwritten,
                first: row.started,
                last,
                written: None,
                is_written: unwritten == 0,
            }));
        }
    }

    /// Due times of a paused job pass.
    pub(in crate::daemon::dispatcher) fn passes(
        &mut self,
        index: u32,
        times: u64,
        scheduled: Timestamp,
        now: Now,
        turn: &mut Turn,
    ) {
        self.passed_over(index, now);
        let tracked = &mut self.jobs[index as usize];
        // With `every_from = "finish"` nothing would ever be due again, had it not ended.
        tracked.cadence.finished(&tracked.job.timing, now);
        let Some(hold) = tracked.paused else { return };
        tracked.tally.skipped(Skip::Paused, u32::try_from(times).unwrap_or(u32::MAX));
        if let Some(other) = tracked.passed.as_ref().map(|passed| passed.hold).filter(|other| *other != hold) {
            self.write_passed(index, other, now, turn);
        }
        let tracked = &mut self.jobs[index as usize];
        if tracked.passed.as_ref().is_none_or(|passed| passed.hold != hold) {
            let row = RunId(self.next_run);
            self.next_run += 1;
            let (count, first, last) = (0, scheduled, scheduled);
            tracked.passed =
                Some(Box::new(PassedTimes { row, hold, count, first, last, written: None, is_written: false }));
        }
        let passed = tracked.passed.as_mut().expect("it was just put there");
        if passed.count > 0 && scheduled.as_microsecond() <= passed.last.as_microsecond() {
            // One that is made up for was counted at the start.
            return;
        }
        passed.count = passed.count.saturating_add(times);
        (passed.last, passed.is_written) = (scheduled.max(passed.last), false);
        if passed.written.is_none_or(|written| now.mono - written >= WRITTEN_EVERY) {
            self.write_passed(index, hold, now, turn);
        }
    }

    /// Writes the row of the due times that have passed because of a pause. The answer is how many.
    pub(super) fn write_passed(&mut self, index: u32, hold: u64, now: Now, turn: &mut Turn) -> u64 {
        let tracked = &mut self.jobs[index as usize];
        let (name, number) = (tracked.job.name.clone(), tracked.health.runs());
        let Some(passed) = tracked.passed.as_mut().filter(|passed| passed.hold == hold) else { return 0 };
        if !std::mem::replace(&mut passed.is_written, true) {
            passed.written = Some(now.mono);
            let times = (passed.first, passed.last);
            let row = RunRow::passed((passed.row, name, number), times, (passed.count, hold));
            turn.entries.push(Entry::Passed(Box::new(row)));
        }
        passed.count
    }

    /// Writes every such row that has changed: the daemon stops.
    pub(in crate::daemon::dispatcher) fn write_all_passed(&mut self, now: Now, turn: &mut Turn) {
        for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
            if let Some(hold) = self.jobs[index as usize].passed.as_ref().map(|passed| passed.hold) {
                self.write_passed(index, hold, now, turn);
            }
        }
    }

    /// A job is paused: what is due and waits, passes.
    pub(super) fn drop_waiting(&mut self, index: u32, now: Now, turn: &mut Turn) {
        if self.jobs[index as usize].paused.is_none() {
            return;
        }
        let is_dropped = |waiting: &Waiting| waiting.job == index && waiting.trigger != Trigger::Manual;
        let keys: Vec<(Mono, u64)> =
            self.waiting.iter().filter(|(_, waiting)| is_dropped(waiting)).map(|(key, _)| *key).collect();
        let dropped: Vec<Timestamp> =
            keys.iter().filter_map(|key| self.waiting.remove(key)).map(|waiting| waiting.scheduled).collect();
        let tracked = &mut self.jobs[index as usize];
        tracked.waiting -= u32::try_from(dropped.len()).unwrap_or(tracked.waiting);
        let pending = tracked.pending.take_if(|(_, trigger)| *trigger != Trigger::Manual);
        for scheduled in dropped.into_iter().chain(pending.map(|(scheduled, _)| scheduled)) {
            self.passes(index, 1, scheduled, now, turn);
        }
        if self.jobs[index as usize].waiting == 0 && self.starved.contains_key(&index) {
            turn.entries.extend(self.waits_in_vain(index, starved::PAUSED, now));
            self.waits_no_more(index);
            turn.entries.push(self.starved_note());
        }
    }

    /// What was saved of a job's place in its schedule, without the due times that a pause covered which ended while no daemon
    /// ran: nothing is owed for them.
    pub(in crate::daemon::dispatcher) fn without_paused_time(&self, job: &Job, saved: Saved, now: Now) -> Saved {
        let tags = || job.facts.tags.iter().map(String::as_str);
        let ended = self.holds.all.values().filter(|hold| {
            hold.kind == HoldKind::Pause && hold.until <= now.wall && hold.pattern.covers(job.name.as_str(), tags())
        });
        let Some(last) = ended.max_by_key(|hold| hold.until) else { return saved };
        let then = Now { wall: last.until, mono: Mono(now.mono.0.saturating_sub(between(last.until, now.wall))) };
        let seed = job.seed(&self.sender.host);
        let saved = job.timing.passed_until(&seed, saved, then);
        let mut cadence = job.timing.begin(&seed, Some(&saved), then);
        match cadence.wait_no_more(&job.timing, last.since, then) {
            Some(_) => cadence.save(then),
            None => saved,
        }
    }

    /// A pause is over: what something else was to run in it is not missed, however long its grace.
    pub(super) fn not_expected_since(&mut self, index: u32, pause: &Hold, now: Now, turn: &mut Turn) {
        let tracked = &mut self.jobs[index as usize];
        if tracked.paused == Some(pause.id)
            && let Some((due, count)) = tracked.cadence.wait_no_more(&tracked.job.timing, pause.since, now)
        {
            self.passes(index, count.into(), due, now, turn);
        }
    }
}
