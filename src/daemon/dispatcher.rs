//! Who runs when, and what happens with what came of it: all of the daemon's state, and every decision. Pure.
//!
//! Before it: a plan, and what jobs remember. After it: a [`Turn`] of things to do for the loop. Invariants: a job runs
//! at most once at a time unless `overlap = "allow"`; never more than `max_running` runs; no run starts outside its hours;
//! every due time is a run or has a reason in the log.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::speak::{self, About, Burst, Decision, Said, Voice};
use crate::clock::{self, Mono, Now};
use crate::exec::{Outcome, Reason, Run, Stop, Trigger};
use crate::id::{JobName, RunId};
use crate::message::Message;
use crate::plan::{Job, Limits};
use crate::policy::{self, Health};
use crate::schedule::{Agenda, Cadence, CatchUp, Overlap, Saved, Taken};
use crate::store::{JobState, RunningRow};

/// The wall clock moves against the monotonic one by its discipline (adjtime(3)): a difference above this is a step.
const STEP: std::time::Duration = std::time::Duration::from_millis(900);

/// What the loop has to do now.
#[derive(Debug, Default)]
pub struct Turn {
    /// Runs to start.
    pub start: Vec<Arc<Run>>,
    /// Runs to end.
    pub stop: Vec<(Arc<Run>, Stop)>,
    /// What to keep and to send.
    pub records: Vec<Record>,
}

/// What is kept of one event: the store writes it, messages first.
#[derive(Debug)]
pub struct Record {
    /// The job.
    pub job: Option<JobName>,
    /// A run that ended.
    pub ended: Option<Ended>,
    /// What is remembered of the job, and its place in its schedule, after it.
    pub state: Option<JobState>,
    /// What is to be sent.
    pub messages: Vec<Message>,
}

/// A run that ended, and what was decided about it.
#[derive(Debug)]
pub struct Ended {
    /// The run.
    pub run: Arc<Run>,
    /// How many runs the job has had.
    pub number: u64,
    /// How it ended.
    pub outcome: Arc<Outcome>,
    /// Whether it was told, and why not.
    pub decision: Decision,
}

/// What a job brings from an earlier life of the daemon.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What is remembered of it.
    pub health: Health,
    /// Where it was in its schedule.
    pub saved: Option<Saved>,
}

/// A job whose due times pass without a run says so at once, then at most this often: ten in a second are no ten lines.
const BEHIND_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

/// Jobs that one turn looks at: between two turns whoever waits is heard, a run that ended most of all, and what a turn
/// gathers is let go of.
const AT_A_TURN: usize = 128;

/// Due times of a job that passed without a run, and were made up for by a later one.
#[derive(Debug)]
struct Behind {
    told: Option<Mono>,
    /// Since then.
    passed: u32,
}

/// One job's state.
#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    health: Health,
    cadence: Cadence,
    running: u32,
    /// Runs of it that wait for a free place.
    waiting: u32,
    /// A due time that waits for the run before (`overlap = "queue"` or `"replace"`).
    pending: Option<(Timestamp, Trigger)>,
    /// The file is gone: nothing more is due, and the entry's place is free when its last run ends.
    removed: bool,
}

/// A run in progress.
#[derive(Debug)]
struct Running {
    entry: u32,
    run: Arc<Run>,
    started: Now,
    replaced: bool,
}

/// A run that is due and waits for a free place.
#[derive(Debug)]
struct Waiting {
    entry: u32,
    scheduled: Timestamp,
    trigger: Trigger,
}

/// All of the daemon's state but what is in flight.
#[derive(Debug)]
pub struct Dispatcher {
    entries: Vec<Entry>,
    by_name: HashMap<JobName, u32>,
    /// Jobs whose file is gone and whose runs are not over: should the file come back, so do they.
    leaving: HashMap<JobName, u32>,
    /// Places in `entries` that nobody needs any more.
    free: Vec<u32>,
    agenda: Agenda,
    /// By number: it grows node by node, where a table would double.
    running: BTreeMap<RunId, Running>,
    waiting: BTreeMap<(Mono, u64), Waiting>,
    /// Jobs that lately fell behind.
    behind: HashMap<u32, Behind>,
    sequence: u64,
    next_run: u64,
    limits: Limits,
    voice: Voice,
    last: Now,
    /// Slots before this one are made up for, not met.
    born: Timestamp,
    stopping: bool,
}

impl Dispatcher {
    /// A dispatcher without jobs; `next_run` is the first free run number.
    pub fn new(limits: Limits, voice: Voice, next_run: u64, now: Now) -> Self {
        Self {
            entries: Vec::new(),
            by_name: HashMap::new(),
            leaving: HashMap::new(),
            free: Vec::new(),
            agenda: Agenda::new(),
            running: BTreeMap::new(),
            waiting: BTreeMap::new(),
            behind: HashMap::new(),
            sequence: 0,
            next_run,
            limits,
            voice,
            last: now,
            born: now.wall,
            stopping: false,
        }
    }

    /// The next number that a run will get.
    pub fn next_run(&self) -> u64 {
        self.next_run
    }

    /// How many runs are in progress.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The runs in progress, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.running.values().map(|running| &*running.run)
    }

    /// What is remembered of each job.
    pub fn healths(&self) -> impl Iterator<Item = (&JobName, &Health)> {
        self.entries.iter().filter(|entry| !entry.removed).map(|entry| (&entry.job.name, &entry.health))
    }

    /// How many runs a job has had.
    pub fn runs_of(&self, job: &JobName) -> u64 {
        self.by_name.get(job).map_or(0, |index| self.entries[*index as usize].health.runs())
    }

    /// The longest time that a run in progress has between SIGTERM and SIGKILL.
    pub fn longest_kill_after(&self) -> std::time::Duration {
        self.runs().map(|run| run.command.kill_after()).max().unwrap_or_default()
    }

    /// What all messages have in common.
    pub fn voice(&self) -> &Voice {
        &self.voice
    }

    /// When to look again: `None` when nothing is due ever.
    pub fn next(&self) -> Option<Mono> {
        if self.stopping { None } else { self.agenda.next() }
    }

    /// Takes a job in, with what it remembers.
    pub fn add(&mut self, job: Arc<Job>, past: Past, now: Now) {
        let seed = seed(&job, &self.voice);
        let cadence = job.timing.begin(&seed, past.saved.as_ref(), now);
        let name = job.name.clone();
        let entry = Entry { job, health: past.health, cadence, running: 0, waiting: 0, pending: None, removed: false };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 jobs fit into memory")
            }
        };
        self.by_name.insert(name, index);
        self.arm(index, now);
    }

    /// Makes the jobs those of a new plan: unchanged ones keep everything, changed ones keep their memory and their
    /// place as far as it still has a meaning, removed ones finish their runs. `keep` tells of jobs whose file is bad now:
    /// their last good version goes on.
    pub fn replace(
        &mut self,
        jobs: &[Arc<Job>],
        keep: &dyn Fn(&Job) -> bool,
        limits: Limits,
        voice: Voice,
        mut past: impl FnMut(&JobName) -> Past,
        now: Now,
    ) {
        (self.limits, self.voice) = (limits, voice);
        let wanted: HashMap<&JobName, &Arc<Job>> = jobs.iter().map(|job| (&job.name, job)).collect();
        for index in 0..self.entries.len() {
            let entry = &self.entries[index];
            if !wanted.contains_key(&entry.job.name) && !keep(&entry.job) && !entry.removed {
                self.remove(index);
            }
        }
        for job in jobs {
            let known = self.by_name.get(&job.name).copied();
            match known.or_else(|| self.revive(&job.name, now)) {
                None => {
                    let past = past(&job.name);
                    self.add(Arc::clone(job), past, now);
                }
                Some(index) => self.change(index, job, now),
            }
        }
    }

    fn remove(&mut self, index: usize) {
        let entry = &mut self.entries[index];
        entry.removed = true;
        entry.pending = None;
        entry.waiting = 0;
        self.by_name.remove(&entry.job.name);
        let index = u32::try_from(index).expect("an index of entries is a u32");
        match entry.running {
            0 => self.free.push(index),
            _ => drop(self.leaving.insert(entry.job.name.clone(), index)),
        }
        self.behind.remove(&index);
        self.agenda.set(index, None);
        self.waiting.retain(|_, waiting| waiting.entry != index);
    }

    /// A job whose file came back before its last run was over: it never went.
    fn revive(&mut self, name: &JobName, now: Now) -> Option<u32> {
        let index = self.leaving.remove(name)?;
        self.by_name.insert(name.clone(), index);
        self.entries[index as usize].removed = false;
        self.arm(index, now);
        Some(index)
    }

    fn change(&mut self, index: u32, job: &Arc<Job>, now: Now) {
        let seed = seed(job, &self.voice);
        let entry = &mut self.entries[index as usize];
        if entry.job.fingerprint == job.fingerprint {
            return;
        }
        if entry.job.timing != job.timing {
            let saved = entry.cadence.save(now);
            entry.cadence = job.timing.begin(&seed, Some(&saved), now);
        }
        entry.job = Arc::clone(job);
        if !job.timing.enabled {
            (entry.waiting, entry.pending) = (0, None);
            self.waiting.retain(|_, waiting| waiting.entry != index);
        }
        self.arm(index, now);
    }

    /// Puts a job's next due time into the agenda.
    fn arm(&mut self, index: u32, now: Now) {
        let entry = &self.entries[index as usize];
        let at = entry.cadence.slot().map(|slot| slot.mono(now));
        let wake = policy::due(&entry.job.notify, &entry.health);
        let wake = wake.map(|wake| now.mono + clock::between(now.wall, wake));
        let at = if entry.removed { None } else { at.into_iter().chain(wake).min() };
        self.agenda.set(index, at);
    }

    /// Looks at the clock: everything that is due by now.
    pub fn tick(&mut self, now: Now) -> Turn {
        let mut turn = Turn::default();
        self.watch_the_wall_clock(now);
        if self.stopping {
            return turn;
        }
        // Each job once, and not all of ten thousand: whatever a job's next time is, a turn has an end.
        let due: Vec<u32> = std::iter::from_fn(|| self.agenda.pop_due(now.mono)).take(AT_A_TURN).collect();
        for index in due {
            self.wake(index, now, &mut turn);
            self.due(index, now, &mut turn);
            self.arm(index, now);
        }
        self.fill(now, &mut turn);
        turn
    }

    /// A wall clock that was set: calendars follow it, intervals do not care.
    fn watch_the_wall_clock(&mut self, now: Now) {
        let expected = clock::shift(self.last.wall, now.mono - self.last.mono);
        let off = now.wall.duration_since(expected).unsigned_abs();
        self.last = now;
        if off < STEP {
            return;
        }
        tracing::warn!(before = %expected, now = %now.wall, "the wall clock was set");
        self.born = self.born.saturating_add(now.wall.duration_since(expected)).unwrap_or(self.born);
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            entry.cadence.clock_stepped(&entry.job.timing, expected, now);
            self.arm(u32::try_from(index).expect("an index of entries is a u32"), now);
        }
    }

    /// What `policy` wants to say without a run: quiet hours that ended, a job that is steady again.
    fn wake(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let entry = &mut self.entries[index as usize];
        if policy::due(&entry.job.notify, &entry.health).is_none_or(|due| due > now.wall) {
            return;
        }
        let words = policy::wake(&entry.job.notify, &mut entry.health, &entry.job.timing.zone, now.wall);
        for word in words {
            let run = speak::manual_run(word.run.unwrap_or(RunId(0)), &entry.job, now.wall);
            let outcome = Arc::new(Outcome::status_only(word.status, now.wall));
            let about = About { run: &run, outcome: &outcome, now: now.wall };
            let messages = speak::utter(&entry.job, &entry.health, &word, about, None, &self.voice);
            turn.records.push(Record::of(entry, messages, now));
        }
    }

    /// A job's due time has come.
    fn due(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let entry = &mut self.entries[index as usize];
        match entry.cadence.take(&entry.job.timing, now) {
            Taken::NotYet => {}
            Taken::Outside => tracing::debug!(job = %entry.job.name, reason = "working-hours", "due, and not run"),
            Taken::Run { scheduled, missed, late } => {
                let trigger = if scheduled < self.born { Trigger::CatchUp } else { Trigger::Schedule };
                if missed > 0 {
                    tracing::debug!(job = %entry.job.name, missed, ?late, "due times passed without a run");
                    self.fell_behind(index, missed, now);
                }
                self.overlap(index, scheduled, trigger, now, turn);
            }
        }
    }

    /// Due times passed, and one run makes up for them.
    fn fell_behind(&mut self, index: u32, passed: u32, now: Now) {
        let behind = self.behind.entry(index).or_insert(Behind { told: None, passed: 0 });
        behind.passed = behind.passed.saturating_add(passed);
        if behind.told.is_none_or(|told| now.mono - told >= BEHIND_AGAIN) {
            let name = &self.entries[index as usize].job.name;
            tracing::info!(job = %name, missed = behind.passed, "due times passed without a run; running once for all of them");
            *behind = Behind { told: Some(now.mono), passed: 0 };
        }
    }

    /// A run is due: what of the one before?
    fn overlap(&mut self, index: u32, scheduled: Timestamp, trigger: Trigger, now: Now, turn: &mut Turn) {
        let entry = &mut self.entries[index as usize];
        let overlap = entry.job.timing.overlap;
        if entry.waiting > 0 && (entry.running == 0 || overlap == Overlap::Allow) {
            // It is not its own last run that is in the way, but everybody's: what could not start in time is one run.
            tracing::debug!(job = %entry.job.name, %scheduled, reason = "waiting", "due while the run before waits for a free place; they are one");
            return self.fell_behind(index, 1, now);
        }
        if entry.running == 0 {
            return self.enqueue(index, scheduled, trigger, now);
        }
        tracing::debug!(job = %entry.job.name, %scheduled, reason = "still-running", ?overlap, "due while the last run is still going");
        match overlap {
            Overlap::Allow => self.enqueue(index, scheduled, trigger, now),
            Overlap::Queue => {
                // Only one waits; that others pass because of a hang is worth a word as it is under `skip`.
                if entry.pending.replace((scheduled, trigger)).is_some() {
                    self.skip(index, now, turn);
                }
            }
            Overlap::Replace => {
                entry.pending = Some((scheduled, trigger));
                for running in self.running.values_mut().filter(|running| running.entry == index) {
                    running.replaced = true;
                    turn.stop.push((Arc::clone(&running.run), Stop::Terminate));
                }
            }
            Overlap::Skip => self.skip(index, now, turn),
        }
    }

    /// A due time passes because the last run is still going; after several, that is worth a word.
    fn skip(&mut self, index: u32, now: Now, turn: &mut Turn) {
        let entry = &mut self.entries[index as usize];
        let oldest = self.running.values().find(|running| running.entry == index);
        let Some(running) = oldest else { return };
        let Some(word) = policy::skipped(&entry.job.notify, &mut entry.health, &entry.job.timing.zone, now.wall) else {
            return;
        };
        let took = now.mono - running.started.mono;
        let outcome = Arc::new(speak::unfinished(&running.run, running.started.wall, took, now.wall));
        let about = About { run: &running.run, outcome: &outcome, now: now.wall };
        let pid = running.run.progress.pid.load(std::sync::atomic::Ordering::Relaxed);
        let age = crate::document::format_duration(took);
        let mut word = word;
        word.remark = format!("process {pid} has been running for {age}{}", prefixed(&word.remark));
        let messages = speak::utter(&entry.job, &entry.health, &word, about, None, &self.voice);
        turn.records.push(Record::of(entry, messages, now));
    }

    fn enqueue(&mut self, index: u32, scheduled: Timestamp, trigger: Trigger, now: Now) {
        // Oldest due first: the wall slot, put on the monotonic clock.
        let due = Mono(now.mono.0.saturating_sub(clock::between(scheduled, now.wall)));
        self.sequence += 1;
        self.entries[index as usize].waiting += 1;
        self.waiting.insert((due, self.sequence), Waiting { entry: index, scheduled, trigger });
    }

    /// Starts what waits, as far as there is room.
    fn fill(&mut self, now: Now, turn: &mut Turn) {
        while !self.stopping && self.running.len() < self.limits.max_running {
            let Some((_, waiting)) = self.waiting.pop_first() else { return };
            let entry = &mut self.entries[waiting.entry as usize];
            entry.waiting -= 1;
            let timing = &entry.job.timing;
            if waiting.trigger != Trigger::Manual
                && timing.hours.as_ref().is_some_and(|hours| !hours.contains(now.wall, &timing.zone))
            {
                tracing::info!(job = %entry.job.name, scheduled = %waiting.scheduled, reason = "working-hours", "its turn came after its hours; not run");
                // With `every_from = "finish"` nothing would ever be due again, had it not ended.
                entry.cadence.finished(&entry.job.timing, now);
                self.arm(waiting.entry, now);
                continue;
            }
            let (id, command) = (RunId(self.next_run), Arc::clone(&entry.job.command));
            let run = Arc::new(Run::new(id, entry.job.name.clone(), command, waiting.scheduled, waiting.trigger));
            self.next_run += 1;
            entry.running += 1;
            tracing::debug!(job = %run.job, run = %run.id, scheduled = %run.scheduled, "start");
            if entry.health.runs() == 0 || entry.job.timing.catch_up == CatchUp::Once {
                // Should the daemon die with it, it was not missed, and its job is no new one.
                turn.records.push(Record::of(entry, Vec::new(), now));
            }
            let running = Running { entry: waiting.entry, run: Arc::clone(&run), started: now, replaced: false };
            self.running.insert(run.id, running);
            turn.start.push(run);
        }
    }

    /// A run ended.
    pub fn finished(&mut self, id: RunId, outcome: Outcome, now: Now) -> Turn {
        let mut turn = Turn::default();
        self.watch_the_wall_clock(now);
        let Some(running) = self.running.remove(&id) else { return turn };
        let entry = &mut self.entries[running.entry as usize];
        entry.running -= 1;
        // One that ended by itself before it could be stopped is like any other.
        let replaced = running.replaced && outcome.reason == Reason::Interrupted;
        turn.records.push(over(entry, running.run, outcome, replaced, &self.voice, now));
        entry.cadence.finished(&entry.job.timing, now);
        if entry.running == 0 {
            if entry.removed {
                self.leaving.remove(&entry.job.name);
                self.free.push(running.entry);
            } else if let Some((scheduled, trigger)) = entry.pending.take() {
                self.enqueue(running.entry, scheduled, trigger, now);
            }
        }
        self.arm(running.entry, now);
        self.fill(now, &mut turn);
        turn
    }

    /// A run that was in progress when the daemon before this one died: it is judged as one that was interrupted. `None`
    /// when its job is gone.
    pub fn interrupted(&mut self, left: &RunningRow, now: Now) -> Option<Record> {
        let index = *self.by_name.get(&left.job)?;
        let entry = &mut self.entries[index as usize];
        let command = Arc::clone(&entry.job.command);
        let run = Run::new(left.id, left.job.clone(), command, left.scheduled, left.trigger);
        let record = over(entry, Arc::new(run), Outcome::interrupted(left.started, now.wall), false, &self.voice, now);
        self.arm(index, now);
        Some(record)
    }

    /// No new runs from here on.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.waiting.clear();
        for entry in &mut self.entries {
            (entry.waiting, entry.pending) = (0, None);
        }
    }

    /// A message in the daemon's own words.
    pub fn own_words(&self, status: crate::exec::Status, title: &str, body: &str, now: Now) -> Record {
        let message = speak::own(status, title, body, &self.voice, now.wall);
        Record { job: None, ended: None, state: None, messages: vec![message] }
    }
}

/// What a run's end comes to.
fn over(entry: &mut Entry, run: Arc<Run>, outcome: Outcome, replaced: bool, voice: &Voice, now: Now) -> Record {
    let outcome = Arc::new(outcome);
    let said = if replaced {
        Said { messages: Vec::new(), decision: Decision::Replaced }
    } else {
        let about = About { run: &run, outcome: &outcome, now: now.wall };
        let burst = burst(&entry.cadence, &entry.job, now);
        speak::judge(&entry.job, &mut entry.health, about, burst, voice)
    };
    if matches!(said.decision, Decision::Notified(_)) && entry.cadence.alerted(&entry.job.timing, now) {
        tracing::info!(job = %entry.job.name, "its alerts are spent; the job pauses");
    }
    log_end(&run, &outcome, &said.decision);
    let mut record = Record::of(entry, said.messages, now);
    record.ended = Some(Ended { number: entry.health.runs(), run, outcome, decision: said.decision });
    record
}

impl Record {
    fn of(entry: &Entry, messages: Vec<Message>, now: Now) -> Self {
        let state = Some(JobState::new(&entry.cadence.save(now), &entry.health));
        Self { job: Some(entry.job.name.clone()), ended: None, state, messages }
    }
}

/// What makes a job's jitter its own: its name and the host's.
pub fn seed(job: &Job, voice: &Voice) -> String {
    format!("{}@{}", job.name, voice.host)
}

fn burst(cadence: &Cadence, job: &Job, now: Now) -> Burst {
    match cadence.pauses_after_next_alert(&job.timing) {
        _ if cadence.paused(now) => Burst::Paused,
        Some(pause) => Burst::PausesAfter(pause),
        None => Burst::Open,
    }
}

fn prefixed(remark: &str) -> String {
    if remark.is_empty() { String::new() } else { format!("; {remark}") }
}

fn log_end(run: &Run, outcome: &Outcome, decision: &Decision) {
    let (status, how, took) = (outcome.status.as_str(), outcome.ending.words(), outcome.took);
    let told = matches!(decision, Decision::Notified(_));
    let (decision, until) = (decision.words(), decision.until().map(tracing::field::display));
    if outcome.status == crate::exec::Status::Ok && !told {
        tracing::debug!(job = %run.job, run = %run.id, status, how, ?took, decision, until, "end");
    } else {
        tracing::info!(job = %run.job, run = %run.id, status, how, ?took, decision, until, "end");
    }
}
