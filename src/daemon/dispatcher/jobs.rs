//! Which jobs there are: those of the plan, with what is remembered of each; a reload replaces them one by one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::numbers::JobTally;
use super::{Dispatcher, Entry, Past, Tracked, left};
use crate::clock::{self, Now};
use crate::id::JobName;
use crate::plan::{Job, Limits, short_file};
use crate::policy::{self, Health};
use crate::report::Sender;
use crate::report::gone::{Gone, no_longer_watched};

/// Why a job is not watched any more, when its file is still there.
pub(super) const DISABLED: &str = "enabled = false";

/// What a new plan changed, as numbers of jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New jobs.
    pub added: usize,
    /// Jobs that are different now.
    pub changed: usize,
    /// Jobs that are gone.
    pub removed: usize,
}

/// What becomes of a job that a new plan does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It is removed.
    No,
    /// Its file is bad: the last good version goes on.
    AsItWas,
    /// Its file may come back in a moment: nothing is forgotten, and no run begins before that.
    Away,
}

impl Dispatcher {
    /// Takes a job in, with what is remembered of it.
    pub fn add(&mut self, job: Arc<Job>, past: Past, now: Now) {
        let seed = job.seed(&self.sender.host);
        let saved = past.saved.map(|saved| self.without_paused_time(&job, saved, now));
        let mut cadence = job.timing.begin(&seed, saved.as_ref(), now);
        if let Some(boot) = &self.boot {
            cadence.appeared(&job.timing, boot, now);
        }
        let name = job.name.clone();
        self.is_back(&name);
        let tracked = Tracked {
            job,
            health: past.health,
            cadence,
            running: 0,
            waiting: 0,
            pending: None,
            paused: None,
            passed: None,
            removed: false,
            away: false,
            tally: JobTally::default(),
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.jobs[index as usize] = tracked;
                index
            }
            None => {
                self.jobs.push(tracked);
                u32::try_from(self.jobs.len() - 1).expect("fewer than 2^32 jobs fit into memory")
            }
        };
        self.by_name.insert(name, index);
        self.follow(index);
        self.hold_job(index, now);
        self.arm(index, now);
    }

    /// The daemon has started: jobs that ask for it (`first_run = "always"`, `cron = "@reboot"`) are due. `boot` names the
    /// machine's present boot.
    pub fn daemon_started(&mut self, boot: &str, now: Now) -> Vec<Entry> {
        let mut entries = self.take_up_chains(now);
        for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
            let tracked = &mut self.jobs[index as usize];
            tracked.cadence.daemon_started(&tracked.job.timing, boot, now);
            self.arm(index, now);
            if self.jobs[index as usize].job.timing.after().is_none() {
                entries.extend(self.first_seen(index, now));
            }
        }
        self.boot = Some(boot.to_owned());
        entries
    }

    /// A job that follows others, or that waits for its first run, is known from now on: were it not written down, each start
    /// of the daemon would begin that wait anew, and the run might never come.
    fn first_seen(&self, index: u32, now: Now) -> Option<Entry> {
        let tracked = &self.jobs[index as usize];
        let timing = &tracked.job.timing;
        let is_first = timing.after().is_some() || tracked.cadence.waits_for_first(timing, now);
        is_first.then(|| tracked.changed(Vec::new(), now))
    }

    /// Makes the jobs those of a new plan: unchanged ones keep everything, changed ones keep what is remembered and their
    /// place as far as it still has a meaning, removed ones finish their runs. `stays` tells what becomes of jobs that are not
    /// in the plan.
    pub fn replace(
        &mut self,
        jobs: &[Arc<Job>],
        stays: &dyn Fn(&Job) -> Stays,
        limits: Limits,
        sender: Sender,
        mut past: impl FnMut(&JobName) -> Past,
        now: Now,
    ) -> (Changes, Vec<Entry>) {
        let places = std::mem::take(&mut self.sender.places);
        (self.limits, self.sender) = (limits, Sender { places, ..sender });
        let mut changes = Changes::default();
        let mut entries = Vec::new();
        let waited = self.starved.len();
        let wanted: HashMap<&JobName, &Arc<Job>> = jobs.iter().map(|job| (&job.name, job)).collect();
        for index in 0..self.jobs.len() {
            let tracked = &self.jobs[index];
            if tracked.removed || wanted.contains_key(&tracked.job.name) {
                continue;
            }
            match stays(&tracked.job) {
                Stays::AsItWas => self.set_away(index, false, now),
                Stays::Away => self.set_away(index, true, now),
                Stays::No => {
                    let why = was_removed(&self.jobs[index].job);
                    entries.extend(self.abandon(index, &why, now));
                    entries.extend(u32::try_from(index).ok().and_then(|index| self.waits_in_vain(index, &why, now)));
                    self.remove(index, now);
                    changes.removed += 1;
                }
            }
        }
        for job in jobs {
            let known = self.by_name.get(&job.name).copied();
            // One that is back is a job that was none, whatever was kept of it.
            let revived = if known.is_none() { self.revive(&job.name, now) } else { None };
            match known.or(revived) {
                None => {
                    let past = past(&job.name);
                    self.add(Arc::clone(job), past, now);
                    entries.extend(self.by_name.get(&job.name).and_then(|index| self.first_seen(*index, now)));
                    changes.added += 1;
                }
                Some(index) => {
                    self.set_away(index as usize, false, now);
                    if !job.timing.enabled {
                        entries.extend(self.waits_in_vain(index, DISABLED, now));
                    }
                    let has_changed = self.change(index, job, now);
                    changes.added += usize::from(revived.is_some());
                    if has_changed {
                        changes.changed += usize::from(revived.is_none());
                        entries.extend(self.first_seen(index, now));
                    }
                    if !job.timing.enabled {
                        entries.extend(self.abandon(index as usize, DISABLED, now));
                    }
                }
            }
        }
        if self.starved.len() < waited {
            entries.push(self.starved_note());
        }
        self.follow_anew();
        (changes, entries)
    }

    /// Whoever was told of the jobs since then is not who is told from now on: what fails still is told anew.
    pub(in crate::daemon) fn tell_anew(&mut self, since: Timestamp, now: Now) -> Vec<Entry> {
        self.told_otherwise(|health| health.tell_anew(since), now)
    }

    /// What is remembered of the jobs changes so; the answer is what is to be kept of those of which it does.
    pub(super) fn told_otherwise(&mut self, change: impl Fn(&mut Health) -> bool, now: Now) -> Vec<Entry> {
        let mut entries = Vec::new();
        for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
            let tracked = &mut self.jobs[index as usize];
            if !tracked.removed && change(&mut tracked.health) {
                entries.push(tracked.changed(Vec::new(), now));
                self.arm(index, now);
            }
        }
        entries
    }

    /// A job that has no file is forgotten: its open incidents say why, and are over.
    pub(in crate::daemon) fn forget(&mut self, job: &JobName, why: &str, now: Now) -> Option<Entry> {
        let index = *self.by_name.get(job)? as usize;
        let entry = self.abandon(index, why, now);
        self.remove(index, now);
        entry
    }

    /// A job whose file has errors is not loaded: what runs of it goes on to its end, and its incidents stay.
    pub(in crate::daemon) fn leave(&mut self, job: &JobName, now: Now) {
        if let Some(index) = self.by_name.get(job).map(|index| *index as usize) {
            self.take_out(index, now);
            self.jobs[index].away = true;
        }
    }

    /// When the last run of a job was over; none while one goes on.
    pub(in crate::daemon) fn silent_since(&self, job: &JobName) -> Option<Timestamp> {
        let tracked = &self.jobs[*self.by_name.get(job)? as usize];
        tracked.health.last().filter(|_| tracked.running == 0).map(|last| last.finished)
    }

    /// Nobody watches a job any more: its open incidents say so, and are over.
    fn abandon(&mut self, index: usize, why: &str, now: Now) -> Option<Entry> {
        let tracked = &mut self.jobs[index];
        let abandoned = tracked.health.abandon();
        let job = &tracked.job;
        let gone = Gone { name: &job.name, why, zone: &job.timing.zone, notify: Some(&job.notify) };
        let messages = no_longer_watched(&gone, abandoned, &self.sender, now.wall);
        (!messages.is_empty()).then(|| tracked.changed(messages, now))
    }

    /// The same after the last run of a job that was removed or disabled while it went on: no other run could end what it
    /// began.
    pub(super) fn abandon_unwatched(&mut self, index: u32, now: Now) -> Option<Entry> {
        let Tracked { job, removed, away, .. } = &self.jobs[index as usize];
        let why = match (*removed, job.timing.enabled) {
            // Its file has errors, and it is watched still.
            (true, _) if *away => return None,
            (true, _) => was_removed(job),
            (false, false) => DISABLED.to_owned(),
            (false, true) => return None,
        };
        self.abandon(index as usize, &why, now)
    }

    /// Jobs of which only a memory is left: they were removed, or disabled, while no daemon ran.
    pub fn gone_meanwhile(&mut self, past: impl IntoIterator<Item = (JobName, Past)>, now: Now) -> Vec<Entry> {
        let disabled = (0..self.jobs.len()).filter(|index| !self.jobs[*index].job.timing.enabled).collect::<Vec<_>>();
        let mut entries: Vec<Entry> =
            disabled.into_iter().filter_map(|index| self.abandon(index, DISABLED, now)).collect();
        for (name, mut past) in past {
            let abandoned = past.health.abandon();
            let gone = Gone { name: &name, why: left::REMOVED, zone: &self.sender.zone, notify: None };
            let messages = no_longer_watched(&gone, abandoned, &self.sender, now.wall);
            if !messages.is_empty() {
                entries.push(Entry::Changed { state: left::state(&name, &past), messages });
            }
            if !self.leave_waiting(&name, &past, now) {
                entries.extend(self.told_left(&name, past, now));
            }
        }
        entries
    }

    /// A job's file is not there for now, or is there again: what was due meanwhile is due at once.
    fn set_away(&mut self, index: usize, away: bool, now: Now) {
        let tracked = &mut self.jobs[index];
        if std::mem::replace(&mut tracked.away, away) == away {
            return;
        }
        match away {
            true => {
                tracing::info!(job = %tracked.job.name, "the job file is not there; no run begins until it is back, and the job is removed if it stays away");
            }
            false => tracing::info!(job = %tracked.job.name, "runs of the job begin again"),
        }
        self.arm(u32::try_from(index).expect("an index of a job is a u32"), now);
    }

    /// Which files are there is not known: every job goes on as it was.
    pub(in crate::daemon) fn all_go_on(&mut self, now: Now) {
        for index in 0..self.jobs.len() {
            if !self.jobs[index].removed {
                self.set_away(index, false, now);
            }
        }
    }

    fn remove(&mut self, index: usize, now: Now) {
        let tracked = &self.jobs[index];
        if tracked.running > 0 {
            let runs = tracked.running;
            tracing::info!(job = %tracked.job.name, runs, "the job is removed; what runs of it goes on to its end, and is not tried again");
        }
        self.take_out(index, now);
    }

    /// A job is none any more.
    fn take_out(&mut self, index: usize, now: Now) {
        let tracked = &mut self.jobs[index];
        (tracked.removed, tracked.away) = (true, false);
        tracked.pending = None;
        tracked.waiting = 0;
        self.by_name.remove(&tracked.job.name);
        let index = u32::try_from(index).expect("an index of a job is a u32");
        self.leaving.insert(tracked.job.name.clone(), index);
        self.behind.remove(&index);
        self.waits_no_more(index);
        self.waiting.retain(|_, waiting| waiting.job != index);
        self.withdraw(index, true);
        self.release(index);
        self.arm(index, now);
    }

    /// Runs of a job that is gone or disabled begin no further attempt, until it is back.
    fn withdraw(&self, index: u32, withdrawn: bool) {
        if self.jobs[index as usize].running > 0 {
            let of_job = self.running.values().filter(|running| running.job == index);
            of_job.for_each(|running| running.run.stop.withdraw(withdrawn));
        }
    }

    /// A job whose file is gone is forgotten once its runs are over and what waited for the end of quiet hours is told.
    pub(super) fn release(&mut self, index: u32) {
        let tracked = &self.jobs[index as usize];
        if tracked.removed && tracked.running == 0 && !tracked.health.has_waiting() {
            self.leaving.remove(&tracked.job.name);
            self.free.push(index);
        }
    }

    /// A job whose file came back before its last run was over goes on as if nothing had been.
    fn revive(&mut self, name: &JobName, now: Now) -> Option<u32> {
        let index = self.leaving.remove(name)?;
        self.by_name.insert(name.clone(), index);
        let tracked = &mut self.jobs[index as usize];
        (tracked.removed, tracked.away) = (false, false);
        let enabled = tracked.job.timing.enabled;
        self.withdraw(index, !enabled);
        self.hold_job(index, now);
        self.arm(index, now);
        Some(index)
    }

    /// A job that is known is different now.
    pub(in crate::daemon) fn change_job(&mut self, job: &Arc<Job>, now: Now) {
        if let Some(&index) = self.by_name.get(&job.name) {
            self.change(index, job, now);
        }
    }

    /// Whether the job is different now.
    fn change(&mut self, index: u32, job: &Arc<Job>, now: Now) -> bool {
        let seed = job.seed(&self.sender.host);
        let tracked = &mut self.jobs[index as usize];
        if tracked.job.is_same(job) {
            return false;
        }
        if tracked.job.timing != job.timing {
            let saved = tracked.cadence.save(now);
            let mut cadence = job.timing.begin(&seed, Some(&saved), now);
            cadence.changed(&tracked.cadence, &job.timing, self.boot.as_deref().unwrap_or_default(), now);
            tracked.cadence = cadence;
        }
        let was_enabled = tracked.job.timing.enabled;
        tracked.job = Arc::clone(job);
        if was_enabled != job.timing.enabled {
            self.withdraw(index, was_enabled);
        }
        self.hold_job(index, now);
        let tracked = &mut self.jobs[index as usize];
        if !job.timing.enabled {
            (tracked.waiting, tracked.pending) = (0, None);
            self.waiting.retain(|_, waiting| waiting.job != index);
            self.waits_no_more(index);
        }
        self.arm(index, now);
        true
    }

    /// Puts a job's next due time into the agenda.
    pub(super) fn arm(&mut self, index: u32, now: Now) {
        let tracked = &mut self.jobs[index as usize];
        if tracked.health.is_failing() {
            tracked.look_ahead(now);
        }
        let tracked = &self.jobs[index as usize];
        let at = tracked.cadence.slot().filter(|_| !tracked.away).map(|slot| slot.mono(now));
        let wake = policy::due(&tracked.job.notify, &tracked.health);
        let wake = wake.filter(|_| !tracked.removed || tracked.health.has_waiting());
        let wake = wake.map(|wake| now.mono + clock::between(now.wall, wake));
        let at = match tracked.removed {
            true => wake,
            false => at.into_iter().chain(wake).chain(self.slow_at(index)).min(),
        };
        self.agenda.set(index, at);
    }
}

/// Why nobody watches a job whose file is gone.
fn was_removed(job: &Job) -> String {
    format!("{} was removed", short_file(&job.facts.file, &job.name))
}
