//! Runs that something else starts (`expect`): their reports, and those that do not come. Pure.
//!
//! Before it: `wrap` and pings, which report a beginning, an end, or both at once; the due times of expected runs. After it: the
//! same judgement as of a run of the daemon's own. Invariants: such a run takes none of the `max_running` places; one whose
//! end is not reported within `timeout`, or before the next one begins, is missing, where nobody puts an end to it; an end that
//! is reported after the `timeout` is that of the same run.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Dispatcher, Entry, Running, Tracked, Turn};
use crate::clock::{Mono, Now, between};
use crate::exec::{Captured, Ending, Outcome, Output, Run, Trigger, assumed, clean};
use crate::id::{JobName, RunId};
use crate::schedule::Absent;
use crate::store::RunningRow;

/// The name of the note that holds the keys of the runs in progress: by number, as JSON.
pub const NOTE: &str = "reported-runs";

/// A `wrap` ends its command at its timeout by itself, and then reports that: it has this much longer, beside `kill_after`.
const WRAPPER_IS_LATE: Duration = Duration::from_secs(60);

/// So many runs whose end was not reported in time are known again when it is.
const MOST_GIVEN_UP: usize = 1_000;

/// Whoever gets no answer tells it again (`curl --retry`): a beginning that is told once more within so long is the same one.
const TOLD_AGAIN: Duration = Duration::from_secs(120);

/// So many runs that ended are known by their keys, should their beginning be told after their end.
const MOST_ENDED: usize = 1_000;

/// How a run is known that was begun by something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What tells this run from others of its job, as whoever reports it says; a ping's `rid`.
    pub key: Option<Box<str>>,
    /// Its process, on this host.
    pub pid: Option<u32>,
    /// The `wrap` that follows it.
    pub wrapper: Option<Wrapper>,
}

/// A `wrap` that follows a run and ends it when its time is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrapper {
    /// Its `--timeout`; without one the job's `timeout` counts.
    pub timeout: Option<Duration>,
}

/// Why a report is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportRefused {
    /// There is no such job.
    NoSuchJob,
    /// The daemon runs this job itself.
    RunsHere,
    /// The daemon stops.
    Stopping,
}

/// A run in progress that something else started.
#[derive(Debug)]
pub(super) struct Elsewhere {
    key: Option<Box<str>>,
    /// When its end must have been reported, and how long after its beginning that is.
    deadline: Option<(Mono, Duration)>,
}

/// A run whose end was not reported in time.
#[derive(Debug)]
struct GivenUp {
    run: Arc<Run>,
    started: Timestamp,
    key: Option<Box<str>>,
}

/// The runs whose end was not reported in time, the oldest first.
#[derive(Debug, Default)]
pub(super) struct AllGivenUp(VecDeque<GivenUp>);

impl AllGivenUp {
    fn add(&mut self, run: GivenUp) {
        self.0.push_back(run);
        if self.0.len() > MOST_GIVEN_UP {
            self.0.pop_front();
        }
    }

    fn get(&self, run: RunId) -> Option<&GivenUp> {
        self.0.iter().rev().find(|given_up| given_up.run.id == run)
    }

    fn take(&mut self, run: RunId) -> Option<GivenUp> {
        let at = self.0.iter().rposition(|given_up| given_up.run.id == run)?;
        self.0.remove(at)
    }

    fn find(&self, job: &JobName, key: Option<&str>) -> Option<RunId> {
        let mut same = self.0.iter().rev().filter(|run| run.run.job == *job && run.key.as_deref() == key);
        same.next().map(|given_up| given_up.run.id)
    }
}

/// The keys of runs that ended, and when: the oldest first.
#[derive(Debug, Default)]
pub(super) struct AllEnded(VecDeque<(RunId, JobName, Box<str>, Timestamp)>);

impl AllEnded {
    fn add(&mut self, run: RunId, job: &JobName, key: &str, at: Timestamp) {
        self.0.push_back((run, job.clone(), key.into(), at));
        if self.0.len() > MOST_ENDED {
            self.0.pop_front();
        }
    }

    fn find(&self, job: &JobName, key: &str) -> Option<(RunId, Timestamp)> {
        let same = self.0.iter().rev().find(|(_, of, known, _)| of == job && **known == *key);
        same.map(|(run, .., at)| (*run, *at))
    }
}

impl Dispatcher {
    /// A run has begun. One of the same key that is in progress has been begun anew, and its end will not come; unless the
    /// same beginning is told once more, which changes nothing.
    pub fn report_begin(
        &mut self,
        job: &JobName,
        report: Report,
        started: Timestamp,
        now: Now,
    ) -> Result<(RunId, Turn), ReportRefused> {
        let index = self.reported_job(job)?;
        let mut turn = Turn::default();
        self.watch_the_wall_clock(now);
        if let Some(known) = self.told_before(index, &report, now) {
            return Ok((known, turn));
        }
        if let Some(before) = self.reported_run(job, report.key.as_deref()) {
            self.give_up(before, now, &mut turn);
        }
        self.give_up_stuck(index, now, &mut turn);
        let started = started.min(now.wall);
        let run = self.new_reported(index, started, now);
        run.progress.pid.store(report.pid.unwrap_or_default(), std::sync::atomic::Ordering::Relaxed);
        let id = run.id;
        turn.reported.push((Arc::clone(&run), started));
        turn.entries.push(Entry::Started { state: self.jobs[index as usize].state(now) });
        let has_key = report.key.is_some();
        self.goes_on(index, run, started, (report.key, report.wrapper), now);
        if has_key {
            turn.entries.push(self.reported_note());
        }
        Ok((id, turn))
    }

    /// The run whose beginning this is, where that was told before, or its end was: a start that is sent in the background, or
    /// again, may come after the end. A `wrap` never has the key of another.
    fn told_before(&self, index: u32, report: &Report, now: Now) -> Option<RunId> {
        let tracked = &self.jobs[index as usize];
        let due = tracked.cadence.expected(&tracked.job.timing).map(|(due, _)| due);
        // A quarter of the way to the next run: that one's beginning is another.
        let is_recent = |at: Timestamp| {
            let within = due.map_or(TOLD_AGAIN, |due| TOLD_AGAIN.min(between(at, due) / 4));
            between(at, now.wall) < within
        };
        let (job, key) = (&tracked.job.name, report.key.as_deref());
        let begun = self.reported_run(job, key).filter(|run| {
            report.wrapper.is_some() || self.running.get(run).is_some_and(|running| is_recent(running.started.wall))
        });
        let ended = || self.ended.find(job, key?).filter(|(_, at)| is_recent(*at)).map(|(run, _)| run);
        begun.or_else(ended)
    }

    /// The end of a run was reported under this key.
    pub(super) fn ended_under(&mut self, run: RunId, job: &JobName, key: &str, now: Now) {
        self.ended.add(run, job, key, now.wall);
    }

    /// A run of this job that is in progress, by its key; without one, the run that was begun without one.
    pub fn reported_run(&self, job: &JobName, key: Option<&str>) -> Option<RunId> {
        let index = self.by_name.get(job)?;
        let mine = self.running.iter().filter(|(_, running)| running.job == *index);
        let mut same =
            mine.filter(|(_, running)| running.elsewhere.as_ref().is_some_and(|run| run.key.as_deref() == key));
        same.next_back().map(|(id, _)| *id)
    }

    /// A run of this job that is in progress, and began then.
    pub fn reported_since(&self, job: &JobName, started: Timestamp) -> Option<RunId> {
        let index = self.by_name.get(job)?;
        let mine = self.running.iter().filter(|(_, running)| running.job == *index && running.elsewhere.is_some());
        mine.filter(|(_, running)| running.started.wall == started).map(|(id, _)| *id).next()
    }

    /// A run of this job whose end was not reported in time, by its key; without one, only while no other run is due: the end may
    /// be that of the next one.
    pub fn given_up_run(&self, job: &JobName, key: Option<&str>, now: Now) -> Option<RunId> {
        let tracked = &self.jobs[*self.by_name.get(job)? as usize];
        let due = tracked.cadence.expected(&tracked.job.timing);
        let may_be = key.is_some() || due.is_some_and(|(due, _)| now.wall < due);
        self.given_up.find(job, key).filter(|_| may_be)
    }

    /// When a run that something else started began.
    pub fn reported_start(&self, run: RunId) -> Option<Timestamp> {
        let running = self.running.get(&run).filter(|running| running.elsewhere.is_some());
        running.map(|running| running.started.wall).or_else(|| Some(self.given_up.get(run)?.started))
    }

    /// A run has ended: the one in progress of this number, or that was in progress for too long; without one, a run of which
    /// nothing was known before. What it came to is made by `outcome` from the job.
    pub fn report_end(
        &mut self,
        job: &JobName,
        run: Option<RunId>,
        outcome: Outcome,
        now: Now,
    ) -> Result<(RunId, Turn), ReportRefused> {
        let index = self.reported_job(job)?;
        if let Some(id) = run
            && self.running.get(&id).is_some_and(|running| running.job == index && running.elsewhere.is_some())
        {
            return Ok((id, self.finished(id, outcome, now)));
        }
        self.watch_the_wall_clock(now);
        let mut turn = Turn::default();
        let given_up = run.and_then(|id| self.given_up.take(id)).filter(|given_up| given_up.run.job == *job);
        let run = match given_up {
            // The same run, which was counted when its end did not come.
            Some(given_up) => {
                self.jobs[index as usize].health.counts_again(given_up.run.id, outcome.status);
                given_up.run
            }
            None => {
                self.give_up_stuck(index, now, &mut turn);
                self.new_reported(index, outcome.started, now)
            }
        };
        let id = run.id;
        self.conclude(index, (run, None), outcome, false, now, &mut turn);
        self.arm(index, now);
        Ok((id, turn))
    }

    /// What a run of this job came to that ended so and wrote this, by the job's own rules. A conclusion only: nothing is kept.
    pub fn assess(
        &self,
        job: &JobName,
        ending: Ending,
        output: Output,
        started: Timestamp,
        finished: Timestamp,
    ) -> Result<Outcome, ReportRefused> {
        let index = self.reported_job(job)?;
        let command = &self.jobs[index as usize].job.command;
        Ok(assumed(command, ending, output, started, between(started, finished)))
    }

    /// A text about a run of this job, without what must not be shown.
    pub(super) fn masked(&self, job: &JobName, text: &Captured) -> Result<String, ReportRefused> {
        let index = self.reported_job(job)?;
        let redactor = self.jobs[index as usize].job.command.redactor();
        Ok(redactor.mask_str(&clean(&text.bytes())).into_owned())
    }

    /// A run that something else started, and that was in progress when the daemon before this one died, may still be.
    pub fn report_goes_on(
        &mut self,
        run: Arc<Run>,
        left: &RunningRow,
        known: (Option<Box<str>>, Option<Wrapper>),
        now: Now,
    ) {
        let Some(&index) = self.by_name.get(&left.job) else { return };
        self.goes_on(index, run, left.started, known, now);
        self.arm(index, now);
    }

    /// The jobs that something else runs, and the due times for which a run is waited for.
    pub fn expected(&self) -> impl Iterator<Item = (&JobName, Timestamp)> {
        let jobs = self.jobs.iter().filter(|tracked| !tracked.removed && tracked.job.timing.runs_elsewhere());
        jobs.filter_map(|tracked| Some((&tracked.job.name, tracked.cadence.expected(&tracked.job.timing)?.0)))
    }

    /// The earliest time at which an end must have been reported.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Ends that were not reported in time.
    pub(super) fn pass_deadlines(&mut self, now: Now, turn: &mut Turn) {
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now.mono
        {
            self.deadlines.pop_first();
            self.end_unseen(id, now, turn);
        }
    }

    /// Its end was not reported in time. Should it be later, it is that of this run.
    fn end_unseen(&mut self, id: RunId, now: Now, turn: &mut Turn) {
        let Some(running) = self.running.get(&id) else { return };
        let Some(elsewhere) = &running.elsewhere else { return };
        let (run, started, key) = (Arc::clone(&running.run), running.started.wall, elsewhere.key.clone());
        let after = elsewhere.deadline.map_or_else(|| between(started, now.wall), |(_, after)| after);
        self.given_up.add(GivenUp { run, started, key });
        turn.merge(self.finished(id, Outcome::unfinished(started, after, now.wall), now));
    }

    /// Another run of the job comes: those that have no time limit, and have gone on for `notify.stuck_after` due times, are
    /// missing. While others come no due time passes because of such a run, and nothing else would tell of it.
    fn give_up_stuck(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let Tracked { job, running, .. } = &self.jobs[index as usize];
        let (timing, most) = (&job.timing, job.notify.stuck_after);
        if most == 0 || *running == 0 {
            return;
        }
        let endless = |running: &Running| running.elsewhere.as_ref().is_some_and(|run| run.deadline.is_none());
        let mine = self.running.iter().filter(|(_, running)| running.job == index && endless(running));
        let stuck = mine.filter(|(_, run)| timing.due_times_since(run.started.wall, now.wall) >= most);
        for id in stuck.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end_unseen(id, now, turn);
        }
    }

    /// A due time and its grace passed, and no run came.
    pub(super) fn absent(&mut self, index: u32, absent: Absent, now: Now, turn: &mut Turn) {
        if self.jobs[index as usize].running > 0 {
            // The run before goes on: that is a hang, and no absence.
            return self.skip(index, now, turn);
        }
        let Absent { due, grace, missed, seen } = absent;
        if self.jobs[index as usize].paused.is_some() {
            return self.passes(index, u64::from(missed) + 1, due, now, turn);
        }
        let id = self.new_id();
        let tracked = &self.jobs[index as usize];
        tracing::debug!(job = %tracked.job.name, %due, missed, "an expected run did not come");
        let command = Arc::clone(&tracked.job.command);
        let run = Arc::new(Run::new(id, tracked.job.name.clone(), command, due, Trigger::Schedule));
        self.conclude(index, (run, None), Outcome::missing(due, grace, seen, now.wall), false, now, turn);
    }

    fn reported_job(&self, job: &JobName) -> Result<u32, ReportRefused> {
        let index = *self.by_name.get(job).ok_or(ReportRefused::NoSuchJob)?;
        match self.jobs[index as usize].job.timing.runs_elsewhere() {
            _ if self.stopping => Err(ReportRefused::Stopping),
            true => Ok(index),
            false => Err(ReportRefused::RunsHere),
        }
    }

    pub(super) fn new_id(&mut self) -> RunId {
        let id = RunId(self.next_run);
        self.next_run += 1;
        id
    }

    /// A run that came: it answers the due time that was waited for, if one was.
    fn new_reported(&mut self, index: u32, started: Timestamp, now: Now) -> Arc<Run> {
        let id = self.new_id();
        let tracked = &mut self.jobs[index as usize];
        let due = tracked.cadence.expected(&tracked.job.timing).map(|(due, _)| due).filter(|due| *due <= started);
        tracked.cadence.came(&tracked.job.timing, started, now);
        self.arm(index, now);
        let tracked = &self.jobs[index as usize];
        let (name, command) = (tracked.job.name.clone(), Arc::clone(&tracked.job.command));
        Arc::new(Run::new(id, name, command, due.unwrap_or(started), Trigger::Reported))
    }

    fn goes_on(
        &mut self,
        index: u32,
        run: Arc<Run>,
        started: Timestamp,
        (key, wrapper): (Option<Box<str>>, Option<Wrapper>),
        now: Now,
    ) {
        let age = between(started, now.wall);
        let begun = Now { wall: started, mono: Mono(now.mono.0.saturating_sub(age)) };
        let timeout = wrapper.and_then(|wrapper| wrapper.timeout).or(run.command.timeout());
        let later = wrapper.map_or(Duration::ZERO, |_| run.command.kill_after().saturating_add(WRAPPER_IS_LATE));
        let within = timeout.map(|timeout| timeout.saturating_add(later));
        let deadline = within.map(|within| (now.mono + within.saturating_sub(age), within));
        if let Some((deadline, _)) = deadline {
            self.deadlines.insert((deadline, run.id));
        }
        self.jobs[index as usize].running += 1;
        self.elsewhere += 1;
        let elsewhere = Some(Elsewhere { key, deadline });
        let told = self.jobs[index as usize].health.told_slow(run.id);
        let slow = if told { super::slow::State::Done } else { super::slow::State::default() };
        let (replaced, asked, locks) = (false, None, Box::default());
        self.running.insert(
            run.id,
            Running { job: index, run, started: begun, replaced, locks, asked, elsewhere, began_late: false, slow },
        );
    }

    /// Its end will not come, since its next run has begun: a failure, as where a time limit passes.
    fn give_up(&mut self, id: RunId, now: Now, turn: &mut Turn) {
        let Some(running) = self.running.get(&id) else { return };
        let outcome = Outcome::overtaken(running.started.wall, now.wall);
        turn.merge(self.finished(id, outcome, now));
    }

    /// The keys of the runs in progress: the next daemon is to know them again.
    fn reported_note(&self) -> Entry {
        let keys: BTreeMap<u64, &str> = self
            .running
            .iter()
            .filter_map(|(id, running)| Some((id.0, running.elsewhere.as_ref()?.key.as_deref()?)))
            .collect();
        let value = (!keys.is_empty()).then(|| serde_json::to_string(&keys).expect("numbers and texts are JSON"));
        Entry::Noted { key: NOTE, value }
    }

    /// A run is over that something else started.
    pub(super) fn no_longer_elsewhere(&mut self, id: RunId, elsewhere: &Elsewhere, turn: &mut Turn) {
        if elsewhere.key.is_some() {
            turn.entries.push(self.reported_note());
        }
        self.elsewhere -= 1;
        if let Some((deadline, _)) = elsewhere.deadline {
            self.deadlines.remove(&(deadline, id));
        }
    }
}
