//! Decides who runs when and what a run's end means. It holds all of the daemon's state but what is in flight. Pure.
//!
//! Before it: a plan, and what is remembered of each job. After it: a [`Turn`], which the loop carries out. Invariants: a job
//! runs at most once at a time unless `overlap = "allow"`; never more than `max_running` runs; no run starts outside its
//! hours; every due time is a run or has a reason in the log.

mod due;
mod end;
mod follow;
mod holds;
mod jobs;
mod left;
mod locks;
mod ping;
mod places;
mod reported;
mod silences;
mod slow;
mod starved;
mod tally;
mod turn;
mod unstarted;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::mailbox::{Reply, Request};
use super::numbers::{JobTally, Tally};
use crate::clock::{self, Mono, Now};
use crate::exec::{Run, Status, Stop, Trigger};
use crate::id::{JobName, RunId, listed};
use crate::message::Message;
use crate::outbox::{DeliveryResult, Places, Report, Standing};
use crate::plan::{Job, Limits};
use crate::policy::{Health, On};
use crate::report::{self, Burst, Sender};
use crate::schedule::{Agenda, Cadence, Saved};
use crate::store::JobState;

pub use jobs::{Changes, Stays};
pub use reported::{NOTE as REPORTED_NOTE, Report as RunReport, ReportRefused, Wrapper};
pub use starved::{NOTE as STARVED_NOTE, Starved};
pub use turn::{AskedFor, Ended, Entry, Turn};
pub use unstarted::{NOTE as UNSTARTED_NOTE, Unstarted};

/// The wall clock moves against the monotonic one by its discipline (adjtime(3)): a difference above this is a step.
const STEP: Duration = Duration::from_millis(900);

/// Jobs that one turn looks at. A turn stays short, so that a run that ended is not left waiting.
const AT_A_TURN: usize = 128;

/// What is remembered of a job from an earlier process.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// What was notified and what is due.
    pub health: Health,
    /// Its place in its schedule.
    pub saved: Option<Saved>,
}

/// One job and its state.
#[derive(Debug)]
struct Tracked {
    job: Arc<Job>,
    health: Health,
    cadence: Cadence,
    /// Runs in progress.
    running: u32,
    /// Runs that wait for a free place.
    waiting: u32,
    /// A due time that waits for the end of the run before (`overlap = "queue"` or `"replace"`).
    pending: Option<(Timestamp, Trigger)>,
    /// The pause that covers it.
    paused: Option<u64>,
    /// Due times that have passed because of a pause: the present one, or the last.
    passed: Option<Box<holds::PassedTimes>>,
    /// The file is gone: nothing is due any more, and the index is free when the last run has ended and all is told.
    removed: bool,
    /// The file is not there for a moment, or has had errors since the start: no run begins until it is there and good, and
    /// nothing of the job is forgotten.
    away: bool,
    /// What was counted of it since the daemon started.
    tally: JobTally,
}

/// A run in progress.
#[derive(Debug)]
struct Running {
    /// Index of its job.
    job: u32,
    run: Arc<Run>,
    started: Now,
    /// A newer due time takes its place (`overlap = "replace"`).
    replaced: bool,
    /// The locks that it holds.
    locks: Box<[Arc<str>]>,
    /// Something else started it.
    elsewhere: Option<reported::Elsewhere>,
    /// It began late, for its own due time: the first one that passes beside it comes soon, and says nothing about it.
    began_late: bool,
    /// Whether it was told that it takes long.
    slow: slow::State,
    /// Who asked for it, where a person did.
    asked: Option<Box<AskedFor>>,
}

/// A run that is due and waits for a free place.
#[derive(Debug)]
struct Waiting {
    /// Index of its job.
    job: u32,
    scheduled: Timestamp,
    trigger: Trigger,
    /// The number that it was promised, and who asked for it, where a person did.
    asked: Option<(RunId, Box<AskedFor>)>,
}

/// Due times of a job that passed without a run of their own.
#[derive(Debug, Default)]
struct Behind {
    /// When the log said so last.
    logged: Option<Mono>,
    /// How many since then.
    passed: u32,
}

/// All of the daemon's state but what is in flight.
#[derive(Debug)]
pub struct Dispatcher {
    jobs: Vec<Tracked>,
    by_name: HashMap<JobName, u32>,
    /// Jobs whose file is gone and whose runs are not over, or of which something is still to be told: should the file come
    /// back, so does the job.
    leaving: HashMap<JobName, u32>,
    /// Indices of `jobs` that are free.
    free: Vec<u32>,
    agenda: Agenda,
    /// By number. A tree grows node by node, where a hash table would double.
    running: BTreeMap<RunId, Running>,
    /// How many of these something else started: they take no place.
    elsewhere: usize,
    /// When the ends of such runs must have been reported.
    deadlines: BTreeSet<(Mono, RunId)>,
    /// Runs whose end was not reported in time.
    given_up: reported::AllGivenUp,
    /// The keys of such runs that ended.
    ended: reported::AllEnded,
    /// Runs between two attempts.
    placeless: places::Placeless,
    /// Oldest due first.
    waiting: BTreeMap<(Mono, u64), Waiting>,
    /// What the disk knows of runs that wait.
    noted: unstarted::Noted,
    behind: HashMap<u32, Behind>,
    /// The jobs that follow each job.
    followers: HashMap<JobName, Vec<u32>>,
    /// The runs that hold each lock; more than one only where a run of an earlier daemon lives on.
    locks: HashMap<Arc<str>, Vec<RunId>>,
    /// Jobs whose runs wait for a free place.
    starved: HashMap<u32, starved::Wait>,
    holds: holds::Holds,
    /// Jobs that are gone, of which something waits for the end of quiet hours.
    left: Vec<left::Left>,
    /// What was counted since the daemon started.
    tally: Tally,
    sequence: u64,
    next_run: u64,
    limits: Limits,
    sender: Sender,
    last: Now,
    /// Due times before this one were missed, and are made up for.
    born: Timestamp,
    /// The machine's present boot, once the daemon has started.
    boot: Option<String>,
    stopping: bool,
}

impl Dispatcher {
    /// A dispatcher without jobs; `next_run` is the first free run number.
    pub fn new(limits: Limits, sender: Sender, next_run: u64, now: Now) -> Self {
        Self {
            jobs: Vec::new(),
            by_name: HashMap::new(),
            leaving: HashMap::new(),
            free: Vec::new(),
            agenda: Agenda::new(),
            running: BTreeMap::new(),
            elsewhere: 0,
            placeless: places::Placeless::default(),
            deadlines: BTreeSet::new(),
            given_up: reported::AllGivenUp::default(),
            ended: reported::AllEnded::default(),
            waiting: BTreeMap::new(),
            noted: unstarted::Noted::default(),
            behind: HashMap::new(),
            followers: HashMap::new(),
            locks: HashMap::new(),
            starved: HashMap::new(),
            holds: holds::Holds::default(),
            left: Vec::new(),
            tally: Tally::default(),
            sequence: 0,
            next_run,
            limits,
            sender,
            last: now,
            born: now.wall,
            boot: None,
            stopping: false,
        }
    }

    /// How many jobs there are.
    pub fn job_count(&self) -> usize {
        self.by_name.len()
    }

    /// How many of them are enabled: the others do not run.
    pub fn enabled_count(&self) -> usize {
        self.jobs().filter(|job| job.timing.enabled).count()
    }

    /// The jobs, those whose file has errors and whose last good version goes on among them.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> + Clone {
        self.jobs.iter().filter(|tracked| !tracked.removed).map(|tracked| &tracked.job)
    }

    /// Whether no new run starts any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// How many runs are in progress.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many runs are due and wait for a free place.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The run that waits longest for a place, and how long: what waits for a lock waits for the run that holds it.
    pub fn latest(&self, now: Mono) -> Option<(JobName, Duration)> {
        let waiting = self.waiting.iter().map(|((due, _), waiting)| (*due, waiting.job));
        let (due, job) = waiting.into_iter().find(|(_, job)| self.waits_for_lock(*job).is_none())?;
        Some((self.jobs[job as usize].job.name.clone(), now - due))
    }

    /// The runs in progress, oldest first.
    pub fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        self.running.values().map(|running| &running.run)
    }

    /// The jobs with a run in progress, and since when.
    pub fn in_progress(&self) -> impl Iterator<Item = (&JobName, Timestamp)> {
        self.running.values().map(|running| (&running.run.job, running.started.wall))
    }

    /// What is remembered of each job.
    pub fn healths(&self) -> impl Iterator<Item = (&JobName, &Health)> {
        self.jobs.iter().filter(|tracked| !tracked.removed).map(|tracked| (&tracked.job.name, &tracked.health))
    }

    /// How a job is; none where nobody watches it.
    pub fn standing(&self, job: &JobName) -> Option<Standing> {
        let tracked = &self.jobs[*self.by_name.get(job)? as usize];
        let health = &tracked.health;
        let is_asked = tracked.job.notify.on.asks(On::Recovery);
        tracked.job.timing.enabled.then(|| match (health.standing(), health.resolved_untold()) {
            (Some(status), _) if status != Status::Ok => Standing::Fails(status),
            (_, Some(since)) => Standing::WellUntold(since),
            (_, None) if is_asked => Standing::Well,
            (_, None) => Standing::WellUnasked,
        })
    }

    /// The same of all jobs that are watched.
    pub fn standings(&self) -> impl Iterator<Item = (JobName, Standing)> {
        self.by_name.keys().filter_map(|job| Some((job.clone(), self.standing(job)?)))
    }

    /// How many runs a job has had.
    pub fn runs_of(&self, job: &JobName) -> u64 {
        self.by_name.get(job).map_or(0, |index| self.jobs[*index as usize].health.runs())
    }

    /// The longest time that a run in progress has between SIGTERM and SIGKILL.
    pub fn longest_kill_after(&self) -> Duration {
        self.runs().map(|run| run.command.kill_after()).max().unwrap_or_default()
    }

    /// What all messages have in common.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// When to look again: `None` when nothing is due ever.
    pub fn next(&self) -> Option<Mono> {
        let deadline = self.next_deadline();
        let holds = self.holds.next().into_iter().chain(self.next_left());
        if self.stopping {
            None
        } else {
            self.agenda.next().into_iter().chain(deadline).chain(holds).chain(self.next_look_at_unstarted()).min()
        }
    }

    /// Carries a request out. Without a reply, the reply comes when the loop has read the configuration again.
    pub fn apply(&mut self, request: &Request, now: Now) -> (Option<Reply>, Turn) {
        let mut turn = Turn::default();
        match request {
            Request::Reload | Request::FilesChanged => {
                turn.reload = true;
                return (None, turn);
            }
            Request::Ping(ping) => {
                let (taken, turn) = self.ping(ping, now);
                return (Some(taken.map_or_else(Reply::Refused, |()| Reply::Pinged)), turn);
            }
            Request::Stop => {
                self.write_all_passed(now, &mut turn);
                self.stop_unstarted(now, &mut turn);
                self.stop();
                self.none_waits(now, &mut turn);
            }
            Request::StopNow => {
                self.stop_unstarted(now, &mut turn);
                self.stop();
                turn.stop = self.runs().map(|run| (Arc::clone(run), Stop::Kill)).collect();
            }
            Request::Trigger(trigger) => return self.trigger(trigger, now),
            Request::Hold(hold) => return self.hold(hold, now),
            Request::EndHold(id, asker) => return self.end_hold(*id, asker, now),
            Request::EndHolds(kind, pattern, asker) => return self.end_holds(*kind, pattern, asker, now),
            // What only looks is answered by the loop, which knows more.
            Request::Status
            | Request::Jobs(_)
            | Request::Incidents
            | Request::Holds
            | Request::Next { .. }
            | Request::Running(_)
            | Request::AllRunning
            | Request::Declared(_)
            | Request::Names
            | Request::Numbers
            | Request::Cadences(_)
            // What `wrap` reports is taken by the loop.
            | Request::RunBegun(..)
            | Request::RunEnded(_)
            | Request::RunUnfollowed(_)
            | Request::TakeUpRecords => return (None, turn),
        }
        (Some(Reply::Stopping { running: self.running.len() }), turn)
    }

    /// No new run starts from here on.
    fn stop(&mut self) {
        self.stopping = true;
        self.waiting.clear();
        for tracked in &mut self.jobs {
            (tracked.waiting, tracked.pending) = (0, None);
        }
    }

    /// Looks at the clock: everything that is due by now.
    pub fn tick(&mut self, now: Now) -> Turn {
        let mut turn = Turn::default();
        self.watch_the_wall_clock(now);
        if self.stopping {
            return turn;
        }
        self.pass_deadlines(now, &mut turn);
        self.tell_left(now, &mut turn);
        // Each job once, and at most so many: whatever a job's next time is, a turn ends.
        self.end_holds_by_time(now, &mut turn);
        let due: Vec<u32> = std::iter::from_fn(|| self.agenda.pop_due(now.mono)).take(AT_A_TURN).collect();
        // What the clock brings comes first, so that what several jobs have to say at the end of quiet hours stands together.
        let mut woken = false;
        for index in &due {
            woken |= self.wake(*index, now, &mut turn);
        }
        // Nor does it matter how many jobs there are.
        if woken && due.len() == AT_A_TURN {
            for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
                self.wake(index, now, &mut turn);
            }
        }
        for index in due {
            if self.jobs[index as usize].removed {
                self.release(index);
                self.arm(index, now);
                continue;
            }
            self.slow(index, now, &mut turn);
            if !self.jobs[index as usize].away {
                self.due(index, now, &mut turn);
            }
            self.arm(index, now);
        }
        self.fill(now, &mut turn);
        self.note_unstarted(now, &mut turn);
        turn
    }

    /// When the wall clock was set, calendars follow it; intervals go on as they were.
    fn watch_the_wall_clock(&mut self, now: Now) {
        let expected = clock::shift(self.last.wall, now.mono - self.last.mono);
        let off = now.wall.duration_since(expected).unsigned_abs();
        self.last = now;
        if off < STEP {
            return;
        }
        tracing::warn!(before = %expected, now = %now.wall, "the wall clock was set");
        self.holds.look_again(now);
        self.holds.bring_back(now);
        self.born = self.born.saturating_add(now.wall.duration_since(expected)).unwrap_or(self.born);
        let by = now.wall.duration_since(expected);
        for index in 0..self.jobs.len() {
            let tracked = &mut self.jobs[index];
            tracked.health.clock_stepped(by);
            tracked.cadence.clock_stepped(&tracked.job.timing, expected, now);
            self.hold_job(u32::try_from(index).expect("an index of a job is a u32"), now);
            self.arm(u32::try_from(index).expect("an index of a job is a u32"), now);
        }
    }

    /// Which names and IDs are the same channel; nothing is known before the outbox has begun. What was told in a channel whose name
    /// is that of another one by now is told there anew.
    pub fn know_places(&mut self, places: &Places, now: Now) -> Vec<Entry> {
        if self.sender.places == *places || *places == Places::default() {
            return Vec::new();
        }
        let moved = places.moved_since(&self.sender.places);
        self.sender.places = places.clone();
        if moved.is_empty() {
            return Vec::new();
        }
        tracing::info!(
            channels = listed(&moved.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "these are other channels than before: what fails is told there anew"
        );
        self.told_otherwise(|health| health.tell_anew_in(&moved), now)
    }

    /// What came of a message of a job: an incident that a channel took is told there from then on, and one that no
    /// channel took does not count as told. What changed of the job, if anything.
    pub fn reported(&mut self, report: &Report, now: Now) -> Option<Entry> {
        let index = *self.by_name.get(&report.job)?;
        let tracked = &mut self.jobs[index as usize];
        let incident = report.incident?;
        let changed = match &report.result {
            DeliveryResult::Delivered => tracked.health.delivered(incident, &report.channel, Some(now.wall)),
            DeliveryResult::Elsewhere { waits, .. } => tracked.health.told_elsewhere(incident, &report.channel, *waits),
            DeliveryResult::InDoubt { why } => {
                tracing::error!(job = %report.job, incident, channel = %report.channel, "it is not known whether anybody was told of this failure: {why}");
                tracked.health.in_doubt(incident)
            }
            DeliveryResult::Substituted => tracked.health.substituted(incident, &report.channel),
            DeliveryResult::Dropped(dropped) => {
                tracing::info!(job = %report.job, incident, by = dropped.as_ref().map(|dropped| dropped.by.as_str()), "a message was dropped");
                tracked.health.dropped(incident, &report.channel, dropped.as_ref())
            }
            DeliveryResult::Refused { why, waits } => {
                let undelivered = tracked.health.undelivered(incident, *waits);
                if undelivered {
                    tracing::error!(job = %report.job, incident, "nobody was told of this failure: {why}");
                }
                undelivered
            }
        };
        changed.then(|| Entry::Changed { state: tracked.state(now), messages: Vec::new() })
    }

    /// A message of the daemon about itself. It names the host: a channel hears from many.
    pub fn own_words(&self, status: Status, title: &str, body: &str, now: Now) -> Entry {
        Entry::Said(Box::new(report::own(status, title, body, &self.sender, now.wall)))
    }
}

impl Tracked {
    /// The runs that lie ahead by its schedule, for what is said of the next message.
    fn look_ahead(&mut self, now: Now) {
        self.health.look_ahead(Some(self.cadence.ahead(&self.job.timing, now)));
    }

    /// What is to be remembered of it from now on. Without any, the store keeps what it has: an old state is better than none.
    fn state(&self, now: Now) -> Option<(JobName, JobState)> {
        let name = &self.job.name;
        JobState::new(&self.cadence.save(now), &self.health)
            .inspect_err(|error| tracing::error!(job = %name, %error, "the job's state cannot be written as JSON; the last one is kept"))
            .ok()
            .map(|state| (name.clone(), state))
    }

    /// An alert of the job is sent: with the last one of a burst its pause begins.
    fn alerted(&mut self, now: Now) {
        if self.cadence.alerted(&self.job.timing, now) {
            tracing::info!(job = %self.job.name, "the burst has sent its last alert; the job pauses");
        }
    }

    /// Where the job is in its burst.
    fn burst(&self, now: Now) -> Burst {
        match self.cadence.pauses_after_next_alert(&self.job.timing) {
            _ if self.cadence.paused(now) => Burst::Paused,
            Some(pause) => Burst::PausesAfter(pause),
            None => Burst::Open,
        }
    }

    /// Something about the job that is no end of a run.
    fn changed(&self, messages: Vec<Message>, now: Now) -> Entry {
        Entry::Changed { state: self.state(now), messages }
    }
}
