//! Jobs whose runs wait because other runs hold every place, or because their processes may not be started yet: told once, and
//! once more when that is over. Pure.
//!
//! Before it: due times that pass while a run of the same job waits. After it: a message, a warning in the log, and a note
//! that `why` reads. Invariant: a job that gets a place now and then is not told of each time; one that waits on is told of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::jobs::DISABLED;
use super::{Dispatcher, Entry, Turn};
use crate::api;
use crate::clock::{Mono, Now, between};
use crate::document::format_duration;
use crate::exec::{HeldBack, Status};
use crate::id::{Channel, JobName, RunId};
use crate::message::Message;
use crate::policy::{On, time_of_day};
use crate::report;

/// The name of the note, which holds every job that waits and was told of or asked for: [`Starved`] by job name, as JSON.
pub const NOTE: &str = "starved";

/// After so many due times it is told.
const DUE_TIMES: u32 = 3;

/// A wait that follows within this time on one that was told is told when it has lasted twice as long as that one: a job that
/// gets a place now and then is no news each time, and one that gets none any more is.
const AGAIN: Duration = Duration::from_secs(3600);

/// A run that has waited for so long is shown to who asks.
const SHOWN: Duration = Duration::from_secs(5);

/// Why a run that is due does not come.
pub(super) const PAUSED: &str = "the job is paused";

/// Jobs that are named as those that hold the places.
const HOLDERS: usize = 3;

/// What `why` says of a job that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starved {
    /// The due time of the run that waits.
    pub since: Timestamp,
    /// `limits.max_running`.
    pub places: usize,
    /// The jobs that hold the most of them, and how many each.
    pub holders: Vec<(JobName, usize)>,
    /// The lock that it waits for, where it waits for one and not for a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockHeld>,
    /// It has a place, and this keeps its process from being started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<HeldBack>,
    /// A message has told it: its end is owed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// The channels of that message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<Channel>,
}

/// The lock that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHeld {
    /// Its name.
    pub lock: String,
    /// The job whose run holds it, or waits for it longer.
    pub job: JobName,
    /// That run; none of one that waits.
    pub run: Option<RunId>,
}

/// A job whose run waits, or did lately.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// Due times so far, that of the run which waits among them; 0 when none waits.
    due_times: u32,
    /// When the second of them passed.
    began: Option<Mono>,
    /// Known to the log, to `status` and to `why`, and told where it says so.
    known: Option<Starved>,
    /// When a message told of a wait the last time, and how long that wait had lasted in the end.
    last_told: Option<(Mono, Duration)>,
    /// As it was when quiet hours or a silence kept it back for the first time.
    kept_back: Option<Starved>,
    /// A person has asked for the run that waits: `why` and `status` show it at once, and no message tells it.
    asked: Option<(RunId, Starved)>,
}

impl Wait {
    /// What `why` shows of it.
    fn shown(&self) -> Option<&Starved> {
        self.known.as_ref().or(self.asked.as_ref().map(|(_, starved)| starved))
    }

    /// A wait as long as this one is no news after the last that was told.
    fn is_as_before(&self, waited: Duration, now: Mono) -> bool {
        self.last_told.is_some_and(|(at, lasted)| now - at < AGAIN && waited < lasted.saturating_mul(2).max(SHOWN))
    }
}

impl Starved {
    /// As `status` tells it, of a run of this job.
    pub fn of(self, job: JobName) -> api::Starved {
        let api::Waits { what, why } = self.waits();
        api::Starved { job, since: self.since, what, why, run: None }
    }

    /// As the API tells it.
    fn waits(&self) -> api::Waits {
        api::Waits { what: self.what(), why: self.places() }
    }

    /// What it waits for: `a free place`, `the lock db`.
    pub fn what(&self) -> String {
        match (self.held_back, &self.lock) {
            (Some(held_back), _) => held_back.words().0.to_owned(),
            (None, Some(held)) => format!("the lock {}", held.lock),
            (None, None) => "a free place".to_owned(),
        }
    }

    /// `64 of 64 places are taken: 61 by pile, 3 by etl (limits.max_running)`.
    pub fn places(&self) -> String {
        if let Some(held_back) = self.held_back {
            return held_back.words().1.to_owned();
        }
        if let Some(LockHeld { lock, job, run }) = &self.lock {
            return match run {
                Some(run) => format!("run {run} of {job} holds the lock {lock}"),
                None => format!("a run of {job} waits for the lock {lock} longer"),
            };
        }
        let list: Vec<String> = self.holders.iter().map(|(job, number)| format!("{number} by {job}")).collect();
        let places = self.places;
        format!("{places} of {places} places are taken: {} (limits.max_running)", list.join(", "))
    }
}

impl Dispatcher {
    /// Another due time passed while a run of this job waits for a place.
    pub(super) fn waits(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let wait = self.starved.entry(index).or_default();
        wait.due_times = wait.due_times.max(1).saturating_add(1);
        let is_known = wait.known.is_some();
        if wait.due_times < DUE_TIMES || wait.known.as_ref().is_some_and(|starved| starved.told) {
            wait.began.get_or_insert(now.mono);
            return;
        }
        // A job that waits a moment each time, at the limit of what can run, is not looked at each time.
        let waited = now.mono - *wait.began.get_or_insert(now.mono);
        if !is_known && waited < SHOWN && wait.is_as_before(waited, now.mono) {
            return;
        }
        let tracked = &self.jobs[index as usize];
        let notify = &tracked.job.notify;
        let is_quiet =
            notify.quiet_hours.as_ref().is_some_and(|hours| hours.contains(now.wall, &tracked.job.timing.zone));
        let is_kept =
            tracked.health.silenced().is_some() || is_quiet && !notify.quiet_except.contains(Status::Critical);
        let was_kept = self.starved[&index].kept_back.is_some();
        if is_kept && was_kept {
            return;
        }
        let starved = self.starving(index, now.wall);
        let name = &tracked.job.name;
        let (places, since) = (starved.places(), time_of_day(starved.since, &tracked.job.timing.zone, now.wall));
        let what = starved.what();
        if !was_kept && !is_known {
            tracing::warn!(job = %name, %since, "a run waits for {what}: {places}");
        }
        let is_as_before = self.starved[&index].is_as_before(between(starved.since, now.wall), now.mono);
        if is_as_before && is_known {
            return;
        }
        let wait = self.starved.get_mut(&index).expect("it was put there");
        if is_as_before || is_kept {
            if is_kept {
                wait.kept_back = Some(starved.clone());
            }
            wait.known = Some(starved);
            turn.entries.push(self.starved_note());
            return;
        }
        let mut channels = Vec::new();
        if notify.on.asks(On::Failure) {
            let messages =
                report::starved::waits(&tracked.job, &self.sender, starved.since, (&what, &places), now.wall);
            channels = messages.iter().map(|message| message.channel.clone()).collect();
            self.tell_starved(messages, turn);
        }
        let starved = Starved { told: true, channels, ..starved };
        let wait = self.starved.get_mut(&index).expect("it was put there");
        (wait.known, wait.kept_back) = (Some(starved), None);
        wait.last_told = Some((now.mono, Duration::ZERO));
        turn.entries.push(self.starved_note());
    }

    /// What the oldest run of this job that is due waits for, and since when.
    fn starving(&self, index: u32, now: Timestamp) -> Starved {
        let mine = self.waiting.values().filter(|waiting| waiting.job == index).map(|waiting| waiting.scheduled);
        let held_back = self.held_back(index);
        let since = mine.chain(held_back.map(|(_, scheduled)| scheduled)).min().unwrap_or(now);
        let lock = self.waits_for_lock(index).map(|held| LockHeld {
            lock: held.lock.to_string(),
            job: held.by.0,
            run: held.by.1,
        });
        Starved {
            since,
            places: self.limits.max_running,
            holders: self.holders(),
            lock,
            held_back: held_back.map(|(held_back, _)| held_back),
            told: false,
            channels: Vec::new(),
        }
    }

    /// What keeps the processes of a job's runs in progress from being started, and the due time of the oldest; none where one
    /// of them has a process, or had one.
    pub(super) fn held_back(&self, index: u32) -> Option<(HeldBack, Timestamp)> {
        let mut mine = self.running.values().filter(|running| running.job == index);
        let (first, mut rest) = (mine.next()?, mine);
        let held_back = first.run.progress.held_back()?;
        rest.try_fold((held_back, first.run.scheduled), |(held_back, scheduled), running| {
            running.run.progress.held_back()?;
            Some((held_back, scheduled.min(running.run.scheduled)))
        })
    }

    /// A run of this job has a process, or has ended: what was told of the wait for its start is over.
    pub(super) fn has_started(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let told = |wait: &Wait| wait.known.as_ref().is_some_and(|starved| starved.held_back.is_some());
        if self.starved.get(&index).is_some_and(told) && self.jobs[index as usize].waiting == 0 {
            self.got_a_place(index, now, turn);
        }
    }

    /// A person has asked for a run of this job: why it has not started yet, where it has not.
    pub(super) fn asked_run_waits(
        &mut self,
        index: u32,
        run: RunId,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Option<api::Waits> {
        if self.running.contains_key(&run) {
            return None;
        }
        let starved = self.starving(index, now);
        let waits = starved.waits();
        self.starved.entry(index).or_default().asked = Some((run, starved));
        turn.entries.push(self.starved_note());
        Some(waits)
    }

    /// A run has ended: a run that a person asked for may wait for another run now.
    pub(super) fn look_at_asked(&mut self, now: Timestamp, turn: &mut Turn) {
        let of_lock = |wait: &Wait| wait.asked.as_ref().is_some_and(|(_, starved)| starved.lock.is_some());
        let jobs: Vec<u32> = self.starved.iter().filter(|(_, wait)| of_lock(wait)).map(|(index, _)| *index).collect();
        let mut has_changed = false;
        for index in jobs {
            let now_waits = self.starving(index, now);
            if let Some((_, starved)) = self.starved.get_mut(&index).and_then(|wait| wait.asked.as_mut()) {
                has_changed |= *starved != now_waits;
                *starved = now_waits;
            }
        }
        if has_changed {
            turn.entries.push(self.starved_note());
        }
    }

    /// Why a run of this job waits.
    pub(super) fn waits_of(&self, index: u32, now: Timestamp) -> api::Waits {
        self.starving(index, now).waits()
    }

    /// A run of this job has got a place, and none waits any more.
    pub(super) fn got_a_place(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let Some(wait) = self.starved.get_mut(&index) else { return };
        (wait.due_times, wait.began) = (0, None);
        let was_asked_for = wait.asked.take().is_some();
        if let Some(known) = &wait.known {
            let waited = format_duration(between(known.since, now.wall));
            tracing::info!(job = %self.jobs[index as usize].job.name, waited, "the run has got a place");
        }
        if let Some(starved) = wait.kept_back.take() {
            let tracked = &mut self.jobs[index as usize];
            let (notify, zone) = (&tracked.job.notify, &tracked.job.timing.zone);
            let waited = format_duration(between(starved.since, now.wall));
            // What a silence kept back is nothing that somebody waits for.
            if notify.on.asks(On::Failure) && notify.quiet_hours.is_some() && tracked.health.silenced().is_none() {
                let line = format!("waited {waited} for {}; {}", starved.what(), starved.places());
                tracked.health.waited_at_night(line, notify, zone, starved.since, now.wall);
                turn.entries.push(tracked.changed(Vec::new(), now));
                self.arm(index, now);
            }
        }
        let Some(wait) = self.starved.get_mut(&index) else { return };
        let known = wait.known.take();
        let was_shown = was_asked_for || known.is_some();
        if let Some(starved) = known.filter(|starved| starved.told) {
            let lasted = between(starved.since, now.wall);
            wait.last_told = wait.last_told.map(|(at, _)| (at, lasted));
            let name = self.jobs[index as usize].job.name.clone();
            let words = (format_duration(lasted), starved.what());
            let messages = report::starved::runs_again(
                (&name, &self.sender.host),
                starved.channels,
                (&words.0, &words.1),
                now.wall,
            );
            self.tell_starved(messages, turn);
        } else if wait.last_told.is_none_or(|(at, _)| now.mono - at >= AGAIN) {
            self.starved.remove(&index);
        }
        if was_shown {
            turn.entries.push(self.starved_note());
        }
    }

    /// A run of this job that was told to wait will not run: what was told is over, and why.
    pub(super) fn waits_in_vain(&mut self, index: u32, why: &str, now: Now) -> Option<Entry> {
        let starved = self.starved.get_mut(&index)?.known.take()?;
        over((&self.jobs[index as usize].job.name, &self.sender.host), starved, why, now)
    }

    /// What a daemon before this one has told of jobs that wait, and not ended: nothing waits any more. A job may be gone by
    /// now.
    pub fn waited_before(&self, all: BTreeMap<JobName, Starved>, now: Now) -> Vec<Entry> {
        let told = all.into_iter().filter(|(_, starved)| starved.told);
        told.filter_map(|(name, starved)| {
            let job = self.by_name.get(&name).map(|index| &self.jobs[*index as usize]);
            let why = match job {
                None => "its file was removed",
                Some(tracked) if !tracked.job.timing.enabled => DISABLED,
                Some(tracked) if tracked.paused.is_some() => PAUSED,
                Some(_) => "the daemon was killed or crashed, or its machine went down",
            };
            over((&name, &self.sender.host), starved, why, now)
        })
        .collect()
    }

    /// The working hours of this job have ended before a place was free.
    pub(super) fn waited_past_its_hours(&mut self, index: u32, now: Now, turn: &mut Turn) {
        if self.jobs[index as usize].waiting == 0 && self.starved.contains_key(&index) {
            turn.entries.extend(self.waits_in_vain(index, "its working hours are over", now));
            self.waits_no_more(index);
            turn.entries.push(self.starved_note());
        }
    }

    /// The job is gone, or does not run any more.
    pub(super) fn waits_no_more(&mut self, index: u32) {
        self.starved.remove(&index);
    }

    /// The daemon stops: nothing waits any more.
    pub(super) fn none_waits(&mut self, now: Now, turn: &mut Turn) {
        if !self.starved.is_empty() {
            let mut all: Vec<u32> = self.starved.keys().copied().collect();
            all.sort_unstable();
            for index in all {
                turn.entries.extend(self.waits_in_vain(index, "the daemon was stopped", now));
            }
            self.starved.clear();
            turn.entries.push(self.starved_note());
        }
    }

    fn tell_starved(&mut self, messages: Vec<Message>, turn: &mut Turn) {
        self.tally.told(&messages);
        turn.entries.push(Entry::Changed { state: None, messages });
    }

    /// The jobs that wait, by name: those that are known to wait or were asked for, and those whose run was due a while ago.
    pub fn starved(&self, now: Now) -> Vec<api::Starved> {
        let view = |(index, wait): (&u32, &Wait)| {
            let (starved, run) = match (&wait.known, &wait.asked) {
                (Some(known), _) => (known.clone(), None),
                (None, Some((run, starved))) => (self.starving(*index, starved.since), Some(*run)),
                (None, None) => return None,
            };
            let job = self.jobs[*index as usize].job.name.clone();
            let api::Waits { what, why } = starved.waits();
            Some(api::Starved { job, since: starved.since, what, why, run })
        };
        let mut all: Vec<api::Starved> = self.starved.iter().filter_map(view).collect();
        // The oldest come first. Before its third due time such a run is no news, but who asks is to know of it.
        let mut known: HashSet<&JobName> = all.iter().map(|one| &one.job).collect();
        let mut more = Vec::new();
        for ((due, _), waiting) in &self.waiting {
            let job = &self.jobs[waiting.job as usize].job;
            // At the limit of what can run each may wait a moment for a place. A lock is held for as long as another run takes.
            let is_long = now.mono - *due >= SHOWN;
            let may_be_shown = waiting.asked.is_none() && (is_long || !job.timing.locks.is_empty());
            if may_be_shown && known.insert(&job.name) {
                let starved = self.starving(waiting.job, now.wall);
                let api::Waits { what, why } = starved.waits();
                let shown = api::Starved { job: job.name.clone(), since: starved.since, what, why, run: None };
                more.extend((is_long || starved.lock.is_some()).then_some(shown));
            }
        }
        drop(known);
        all.extend(more);
        all.sort_by(|a, b| a.job.cmp(&b.job));
        all
    }

    /// The jobs that hold the most places.
    fn holders(&self) -> Vec<(JobName, usize)> {
        let mut held: HashMap<u32, usize> = HashMap::new();
        for running in self.running.values().filter(|running| self.has_place(running)) {
            *held.entry(running.job).or_default() += 1;
        }
        let mut held: Vec<(JobName, usize)> =
            held.into_iter().map(|(job, number)| (self.jobs[job as usize].job.name.clone(), number)).collect();
        held.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        held.truncate(HOLDERS);
        held
    }

    /// What `why` reads of the jobs that wait.
    pub(super) fn starved_note(&self) -> Entry {
        let told: BTreeMap<&str, &Starved> = self
            .starved
            .iter()
            .filter_map(|(index, wait)| Some((self.jobs[*index as usize].job.name.as_str(), wait.shown()?)))
            .collect();
        let value = (!told.is_empty()).then(|| serde_json::to_string(&told).expect("names and numbers are JSON"));
        Entry::Noted { key: NOTE, value }
    }
}

/// The end of a wait without a run.
fn over(job: (&JobName, &str), starved: Starved, why: &str, now: Now) -> Option<Entry> {
    let what = starved.what();
    let messages = report::starved::over(job, starved.channels, (&what, why), now.wall);
    (!messages.is_empty()).then_some(Entry::Changed { state: None, messages })
}
