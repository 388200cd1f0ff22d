//! How jobs are, for whoever looks. Pure.
//!
//! Before it: the dispatcher's state. After it: the answers of the API, which the loop completes. It changes nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::mailbox::JobQuery;
use super::{AskedFor, Dispatcher, Running, Tracked, Waiting};
use crate::api::{self, JobState};
use crate::clock::{Now, shift};
use crate::exec::{HeldBack, Status, Trigger, known};
use crate::id::{JobName, RunId};
use crate::plan::Job;
use crate::policy::{self, HoldKind, Pattern};
use crate::report::explain;
use crate::schedule::Saved;

/// Two due times of a job are farther apart than this: a due time has some nanoseconds more or less, by which clock it is told.
const APART: Duration = Duration::from_millis(1);

impl Dispatcher {
    /// When the daemon started, by the wall clock as it is now: one that was set says nothing of how long ago that was.
    pub fn born(&self) -> Timestamp {
        self.born
    }

    /// Jobs in numbers; the loop knows of those that are not loaded.
    pub fn counts(&self) -> api::JobCounts {
        // A job that was removed may still run; one whose runs are all kept from starting does not.
        let held_back = self.all_held_back();
        let of = |index: u32| held_back.get(&index).copied().unwrap_or(0);
        let running = (0..).zip(&self.jobs).filter(|(index, tracked)| tracked.running > of(*index)).count();
        let mut counts = api::JobCounts { running, ..api::JobCounts::default() };
        for tracked in self.tracked() {
            counts.total += 1;
            counts.paused += usize::from(tracked.paused.is_some());
            // Whether it is well is nobody's question any more.
            if !tracked.job.timing.enabled {
                continue;
            }
            let count = match tracked.health.standing() {
                Some(Status::Ok) => &mut counts.ok,
                Some(Status::Warning) => &mut counts.warning,
                Some(Status::Critical) => &mut counts.critical,
                Some(Status::Unknown) => &mut counts.unknown,
                None => &mut counts.never,
            };
            *count += 1;
        }
        counts
    }

    /// What is broken, the newest first.
    pub fn incidents(&self, now: Now) -> Vec<api::Incident> {
        let mut all: Vec<api::Incident> = self.tracked().flat_map(|tracked| self.incidents_of(tracked, now)).collect();
        all.sort_by_key(|incident| Reverse(incident.id));
        all
    }

    /// Runs in progress of jobs that are not configured any more, the oldest first.
    pub fn removed_running(&self) -> Vec<api::RemovedRunning> {
        let of_removed = |running: &&Running| self.jobs[running.job as usize].removed;
        let mut all: Vec<api::RemovedRunning> = (self.running.values().filter(of_removed))
            .map(|running| api::RemovedRunning {
                job: running.run.job.clone(),
                not_loaded: self.jobs[running.job as usize].away,
                run: running_run(running),
            })
            .collect();
        all.sort_by_key(|removed| removed.run.run);
        all
    }

    /// The job that is due next.
    pub fn next_due(&self, now: Now) -> Option<api::Next> {
        let due = self.tracked().filter_map(|tracked| Some((self.coming(tracked, now)?, tracked)));
        let (at, tracked) = due.min_by(|a, b| (a.0, &a.1.job.name).cmp(&(b.0, &b.1.job.name)))?;
        Some(api::Next { job: tracked.job.name.clone(), at })
    }

    /// When jobs, or those of a pattern, are due within a time, the soonest first.
    /// A page goes on behind the last due time of the one before.
    pub fn next_within(
        &self,
        of: Option<&Pattern>,
        (within, behind): (Duration, Option<&api::Next>),
        limit: usize,
        now: Now,
    ) -> Vec<api::Next> {
        let end = shift(now.wall, within);
        let mut soonest: BinaryHeap<Reverse<(Timestamp, &JobName, u32)>> = BinaryHeap::new();
        let mut coming = std::collections::HashMap::new();
        let is_wanted = |tracked: &Tracked| !tracked.removed && of.is_none_or(|pattern| covers(pattern, tracked));
        for (index, tracked) in (0_u32..).zip(&self.jobs).filter(|(_, tracked)| is_wanted(tracked)) {
            let name = &tracked.job.name;
            let is_behind = |at: &Timestamp| behind.is_none_or(|last| (*at, name) > (last.at, &last.job));
            let first = self.coming(tracked, now).and_then(|first| match behind.filter(|_| !is_behind(&first)) {
                None => Some(first),
                Some(last) => {
                    let seed = tracked.job.seed(&self.sender.host);
                    let saved = tracked.cadence.save(now);
                    let from = last.at.saturating_sub(APART).unwrap_or(last.at);
                    tracked.job.timing.upcoming_after(&seed, Some(&saved), from).find(is_behind)
                }
            });
            soonest.extend(first.filter(|at| *at <= end).map(|at| Reverse((at, name, index))));
        }
        let mut all = Vec::new();
        while all.len() < limit
            && let Some(Reverse((at, name, index))) = soonest.pop()
        {
            let tracked = &self.jobs[index as usize];
            all.push(api::Next { job: name.clone(), at });
            let upcoming = coming.entry(index).or_insert_with(|| {
                let seed = tracked.job.seed(&self.sender.host);
                tracked.job.timing.upcoming_after(&seed, Some(&tracked.cadence.save(now)), at)
            });
            let after = shift(at, APART);
            let next = upcoming.find(|next| *next > after).filter(|at| *at <= end);
            soonest.extend(next.map(|at| Reverse((at, name, index))));
        }
        all
    }

    /// How jobs are, and whether there are more.
    pub fn job_views(&self, query: &JobQuery, now: Now) -> (Vec<api::Job>, bool) {
        let pattern = query.pattern.as_deref().map(Pattern::new);
        let is_wanted = |tracked: &&Tracked| {
            let named = query.name.as_ref().is_none_or(|name| *name == tracked.job.name);
            named
                && pattern.as_ref().is_none_or(|pattern| covers(pattern, tracked))
                && (query.states.is_empty() || query.states.contains(&state(tracked)))
                && query.notable.as_ref().is_none_or(|besides| {
                    !matches!(state(tracked), JobState::Ok | JobState::Never | JobState::Disabled)
                        || tracked.running > 0
                        || tracked.health.is_flapping()
                        || self.silenced(tracked, now).is_some()
                        || besides.contains(&tracked.job.name)
                })
        };
        let mut found: Vec<&Tracked> = match &query.name {
            Some(name) => self.by_name.get(name).map(|index| &self.jobs[*index as usize]).into_iter().collect(),
            None => self.tracked().collect(),
        };
        found.retain(is_wanted);
        // Each job's key once; of ten thousand jobs only the page is put in order.
        let key = |tracked| (query.order.rank(state(tracked)), &tracked.job.name);
        let mut page: Vec<((u8, &JobName), &Tracked)> =
            found.into_iter().map(|tracked| (key(tracked), tracked)).collect();
        if let Some(after) = &query.after {
            let known = query.order.rank(self.state_of(after).unwrap_or(JobState::NotLoaded));
            page.retain(|(key, _)| *key > (known, after));
        }
        let limit = query.limit.max(1);
        let more = page.len() > limit;
        if more {
            page.select_nth_unstable_by_key(limit, |(key, _)| *key);
            page.truncate(limit);
        }
        page.sort_unstable_by_key(|(key, _)| *key);
        (page.into_iter().map(|(_, tracked)| self.job_view(tracked, now)).collect(), more)
    }

    /// A run in progress, or one that a person asked for and that waits.
    pub fn running_view(&self, id: RunId, now: Now) -> Option<api::Run> {
        if let Some(running) = self.running.get(&id) {
            let (run, asked) = (&running.run, running.asked.as_deref());
            return Some(api::Run {
                started: Some(running.started.wall),
                ..self.unfinished(id, running.job, (run.trigger, run.scheduled), asked)
            });
        }
        let of = |waiting: &Waiting| waiting.asked.as_ref().is_some_and(|(run, _)| *run == id);
        let waiting = self.waiting.values().find(|waiting| of(waiting))?;
        let asked = waiting.asked.as_ref().map(|(_, asked)| asked.as_ref());
        Some(api::Run {
            waits: Some(self.waits_of(waiting.job, now.wall)),
            ..self.unfinished(id, waiting.job, (waiting.trigger, waiting.scheduled), asked)
        })
    }

    /// Every run in progress, and every one that a person asked for and that waits.
    pub fn running_views(&self, now: Now) -> Vec<api::Run> {
        let waiting = self.waiting.values().filter_map(|waiting| waiting.asked.as_ref().map(|(run, _)| *run));
        let all = self.running.keys().copied().chain(waiting);
        all.filter_map(|run| self.running_view(run, now)).collect()
    }

    /// A run that has not ended.
    fn unfinished(
        &self,
        id: RunId,
        index: u32,
        (trigger, scheduled): (Trigger, Timestamp),
        asked: Option<&AskedFor>,
    ) -> api::Run {
        let tracked = &self.jobs[index as usize];
        api::Run {
            id,
            job: tracked.job.name.clone(),
            number: tracked.health.runs() + 1,
            trigger,
            scheduled,
            started: None,
            finished: None,
            took: None,
            attempts: None,
            status: None,
            reason: None,
            ending: None,
            exit_code: None,
            signal: None,
            line: None,
            verdict: None,
            message: None,
            until: None,
            by: asked.map(|asked| asked.by.clone()),
            note: asked.and_then(|asked| asked.note.clone()),
            passed: None,
            waits: None,
        }
    }

    /// Whether a job is loaded.
    pub fn has(&self, name: &JobName) -> bool {
        self.by_name.contains_key(name)
    }

    /// Whether a version of a job's file is loaded; none is of a job that is known from what `wrap` reports alone.
    pub fn has_version(&self, name: &JobName) -> bool {
        self.declared(name).is_some_and(|job| !job.facts.file.is_empty())
    }

    /// What a job's file says, or said when it was good last.
    pub fn declared(&self, name: &JobName) -> Option<Arc<Job>> {
        self.by_name.get(name).map(|index| Arc::clone(&self.jobs[*index as usize].job))
    }

    /// Where jobs that are enabled stand in their schedules: one, or all.
    pub fn cadences(&self, only: Option<&JobName>, now: Now) -> Vec<(Arc<Job>, Saved)> {
        let wanted = self.tracked().filter(|tracked| only.is_none_or(|only| *only == tracked.job.name));
        let enabled = wanted.filter(|tracked| tracked.job.timing.enabled);
        enabled.map(|tracked| (Arc::clone(&tracked.job), tracked.cadence.save(now))).collect()
    }

    /// How a job is, in a word; none of one that is not loaded.
    pub fn state_of(&self, name: &JobName) -> Option<JobState> {
        self.by_name.get(name).map(|index| state(&self.jobs[*index as usize]))
    }

    fn tracked(&self) -> impl Iterator<Item = &Tracked> {
        self.jobs.iter().filter(|tracked| !tracked.removed)
    }

    fn job_view(&self, tracked: &Tracked, now: Now) -> api::Job {
        let job = &tracked.job;
        let running = match tracked.running {
            0 => Vec::new(),
            _ => {
                let of_job = self.running.values().filter(|running| running.run.job == job.name);
                of_job.map(running_run).collect()
            }
        };
        api::Job {
            name: job.name.clone(),
            description: job.facts.description.clone(),
            state: state(tracked),
            status: tracked.health.standing(),
            schedule: job.facts.schedule.clone(),
            next: self.next_of(tracked, now),
            last: tracked.health.last_run().map(|run| last(run, &tracked.job.timing.zone)),
            usual_took: None,
            streak: tracked.health.streak(),
            running,
            paused: self.held_job(tracked, HoldKind::Pause, now),
            silenced: self.silenced(tracked, now),
            strip: Vec::new(),
            tags: job.facts.tags.clone(),
            file: job.facts.file.clone(),
            error: None,
            without_version: false,
        }
    }

    /// When a job is due next; none while the end of its run decides that, or when it is never. While it is paused, the first
    /// due time after that.
    pub(super) fn next_of(&self, tracked: &Tracked, now: Now) -> Option<Timestamp> {
        if let Some(until) = self.paused_until(tracked).filter(|until| *until > now.wall) {
            let seed = tracked.job.seed(&self.sender.host);
            return tracked.job.timing.upcoming_after_pause(&seed, tracked.cadence.save(now), until).next();
        }
        if let Some((due, _)) = tracked.cadence.expected(&tracked.job.timing) {
            return Some(due);
        }
        Some(tracked.cadence.slot()?.wall(now))
    }

    /// The same for lists of what comes: where a run is waited for whose due time has passed, the due time after that.
    fn coming(&self, tracked: &Tracked, now: Now) -> Option<Timestamp> {
        let next = self.next_of(tracked, now)?;
        if next >= now.wall || !tracked.job.timing.runs_elsewhere() {
            return Some(next);
        }
        let seed = tracked.job.seed(&self.sender.host);
        tracked.job.timing.upcoming_after(&seed, Some(&tracked.cadence.save(now)), now.wall).next()
    }

    /// The silence of a job: a person's, or its own script's, whichever is longer.
    fn silenced(&self, tracked: &Tracked, now: Now) -> Option<api::HeldJob> {
        let of_person = self.held_job(tracked, HoldKind::Silence, now);
        let until = tracked.health.silenced_by_script().filter(|until| *until > now.wall);
        match until.filter(|until| of_person.as_ref().is_none_or(|held| held.until < *until)) {
            Some(until) => Some(api::HeldJob { id: None, until, by: None, note: None, passed: None }),
            None => of_person,
        }
    }

    fn incidents_of(&self, tracked: &Tracked, now: Now) -> Vec<api::Incident> {
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let ack = |open: &policy::Open| self.acknowledged(tracked, open.id);
        open.into_iter().map(|open| (ack(&open), open)).map(|(ack, open)| incident(open, tracked, ack)).collect()
    }
}

/// Whether a pattern names a job.
pub(super) fn covers(pattern: &Pattern, tracked: &Tracked) -> bool {
    pattern.covers(tracked.job.name.as_str(), tracked.job.facts.tags.iter().map(String::as_str))
}

/// How a job is, in a word.
fn state(tracked: &Tracked) -> JobState {
    match tracked.health.standing() {
        _ if !tracked.job.timing.enabled => JobState::Disabled,
        _ if tracked.paused.is_some() => JobState::Paused,
        Some(Status::Critical) => JobState::Critical,
        Some(Status::Unknown) => JobState::Unknown,
        Some(Status::Warning) => JobState::Warning,
        Some(Status::Ok) => JobState::Ok,
        None => JobState::Never,
    }
}

fn running_run(running: &Running) -> api::RunningRun {
    let pid = running.run.progress.pid.load(Ordering::Relaxed);
    let run = running.run.id;
    // It may have waited for its process.
    let started = running.run.progress.began.get().copied().unwrap_or(running.started.wall);
    let (retry, held_back) = (running.run.progress.retry(), running.run.progress.held_back());
    let waits = held_back.map(HeldBack::words).map(|(what, why)| api::Waits { what: what.into(), why: why.into() });
    api::RunningRun { run, pid: (pid > 0).then_some(pid), started, retry, waits }
}

fn last(last: policy::LastRun, zone: &TimeZone) -> api::LastRun {
    let ended = last.ended.as_ref();
    let took = ended.and_then(|ended| known(ended.took));
    api::LastRun {
        run: last.run,
        status: last.status,
        reason: ended.map(|ended| ended.reason),
        ending: ended.map(|ended| explain::happened(&ended.ending, last.finished, zone)),
        started: took.map(|took| last.finished.saturating_sub(took).unwrap_or(last.finished)),
        finished: last.finished,
        took,
        line: policy::telling_line(&last),
    }
}

fn incident(open: policy::Open, tracked: &Tracked, ack: Option<api::Acknowledged>) -> api::Incident {
    api::Incident {
        id: open.id,
        job: tracked.job.name.clone(),
        key: open.key,
        thread: open.thread,
        status: open.status,
        since: open.since,
        failures: open.failures,
        same: open.same,
        line: open.line,
        told: open
            .told
            .iter()
            .map(|(channel, at)| {
                let name = if channel.is_unnamed() { String::new() } else { channel.to_string() };
                api::Told { channel: name, at: Some(*at), permalink: None }
            })
            .collect(),
        in_doubt: open.in_doubt,
        dropped: open.dropped,
        next_message: open.next.and_then(|next| next.at),
        steady_at: open.steady_at,
        suppressed: open.suppressed.map(|(why, until)| api::SuppressedBy { reason: why.as_str().to_owned(), until }),
        ack,
    }
}
