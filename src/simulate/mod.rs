//! The daemon under a false clock: the real dispatcher, policy and renderer, no process run, told as a transcript. Also
//! the cases that a job file holds of itself (`[[test]]`).
//!
//! Before it: a plan, and what the runs are assumed to come to. After it: `slack-alert simulate` and `check`. Pure: the
//! same plan and scenario give the same transcript, daylight-saving nights included. Every job begins as one that was
//! never seen before.

pub mod assume;
pub mod cases;
mod scenario;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{self, Mono, Now};
use crate::daemon::dispatcher::{Dispatcher, Entry, Past, RunReport, Turn};
use crate::daemon::{Asker, NewHold, NewRun, Reply, Request};
use crate::exec::{self, Ending, Outcome, Output, Run, Status};
use crate::id::{Channel, JobName, RunId};
use crate::message::{Conditions, Message, Thread, first_line};
use crate::outbox::{DeliveryResult, Report, storm};
use crate::plan::{Job, Plan};
use crate::policy::{By, Decision, Event, Via};
use crate::store::{MessageId, Stored};

pub use scenario::{Asked, Assumed, Assumption, Printed, Scenario, What};

/// Who asks for something in a simulation.
const SOMEBODY: &str = "somebody";

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
        /// Whether it was told, and why not.
        decision: Decision,
        /// When the next message is possible.
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
        /// How it stands to the thread of its incident.
        thread: Thread,
        /// Its plain text.
        text: String,
    },
    /// A person asked for something.
    Asked {
        /// When.
        at: Timestamp,
        /// What.
        what: What,
        /// Of which jobs.
        pattern: String,
        /// Until when.
        until: Option<Timestamp>,
        /// Why it is refused.
        refused: Option<String>,
    },
}

impl Happening {
    /// When.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Run { at, .. } | Self::Message { at, .. } | Self::Asked { at, .. } => *at,
        }
    }
}

/// Runs the plan's jobs (all, or those named in the scenario) through a stretch of time; each happening is given to
/// `tell` in the order of time. The answer is how many due times of each job passed because of a pause.
pub fn run(plan: &Plan, scenario: &Scenario, tell: impl FnMut(Happening)) -> BTreeMap<JobName, u64> {
    Simulation::new(plan, scenario, tell).run()
}

/// What goes on between two looks at the clock.
struct Simulation<'a, T> {
    plan: &'a Plan,
    scenario: &'a Scenario,
    tell: T,
    dispatcher: Dispatcher,
    /// Ends of the runs in progress.
    going: BinaryHeap<Reverse<(Mono, RunId)>>,
    runs: HashMap<RunId, Going>,
    /// The due times of expected runs about which it is settled whether one comes.
    settled: HashMap<JobName, Timestamp>,
    /// Whether there is any job that something else runs.
    expects: bool,
    /// What is not told yet: a run is told when it ends, under the time at which it started.
    untold: BTreeMap<(Timestamp, u64), Happening>,
    number: u64,
    /// Incidents, and the channels in which they were told.
    told: HashSet<(u64, Channel)>,
    /// What jobs have to say at the end of their quiet hours, at one time: it is told together.
    nights: Vec<Message>,
    /// What people ask for; the last is the first.
    requests: Vec<Pending>,
    /// The rows of due times that have passed, each with its job and its count.
    passed: HashMap<RunId, (JobName, u64)>,
}

/// A run in progress.
struct Going {
    run: Arc<Run>,
    started: Timestamp,
    /// What ends it, when it is not its command.
    ended_by: Option<Ending>,
    /// How often it is tried.
    attempts: u32,
}

/// Something that a person will ask for.
struct Pending {
    at: Timestamp,
    until: Option<Timestamp>,
    what: What,
    pattern: String,
}

fn requests(plan: &Plan, scenario: &Scenario) -> Vec<Pending> {
    let of = |asked: &Asked| {
        let zone = plan.job(&asked.pattern).map_or(&plan.config.zone, |job| &job.timing.zone);
        let times = asked.times(scenario.from, scenario.end(), zone);
        let (what, pattern) = (asked.what, asked.pattern.clone());
        times.into_iter().map(move |(at, until)| Pending { at, until, what, pattern: pattern.clone() })
    };
    let mut all: Vec<Pending> = scenario.requests.iter().flat_map(of).collect();
    all.sort_by_key(|pending| Reverse(pending.at));
    all
}

/// The job, without its conditions where the scenario does not say what it prints: nothing would be there to judge, and each
/// run would fail for it.
fn judged_by_what_is_known(job: &Arc<Job>, scenario: &Scenario) -> Arc<Job> {
    if job.conditions.is_empty() || scenario.printed(&job.name).is_some() {
        return Arc::clone(job);
    }
    Arc::new(Job { conditions: Conditions::default(), ..job.as_ref().clone() })
}

impl<'a, T: FnMut(Happening)> Simulation<'a, T> {
    fn new(plan: &'a Plan, scenario: &'a Scenario, tell: T) -> Self {
        let now = Now { wall: scenario.from, mono: Mono::default() };
        let mut dispatcher = Dispatcher::new(plan.config.limits, crate::report::sender(plan), 1, now);
        for job in plan.jobs.iter().filter(|job| scenario.covers(&job.name)) {
            // A time of the calendar at which the stretch begins belongs to it.
            let before = scenario.from.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(scenario.from);
            let begun = if job.timing.follows_wall_clock() { Now { wall: before, ..now } } else { now };
            dispatcher.add(judged_by_what_is_known(job, scenario), Past::default(), begun);
        }
        drop(dispatcher.daemon_started("simulated", now));
        let (going, runs, untold) = (BinaryHeap::new(), HashMap::new(), BTreeMap::new());
        let expects = plan.jobs.iter().any(|job| job.timing.runs_elsewhere());
        Self {
            plan,
            scenario,
            tell,
            dispatcher,
            going,
            runs,
            settled: HashMap::new(),
            expects,
            untold,
            number: 0,
            told: HashSet::new(),
            nights: Vec::new(),
            requests: requests(plan, scenario),
            passed: HashMap::new(),
        }
    }

    /// The time of the calendar at a time of the stop-watch: in here neither is ever set.
    fn now_at(&self, mono: Mono) -> Now {
        Now { wall: clock::shift(self.scenario.from, mono.0), mono }
    }

    fn run(mut self) -> BTreeMap<JobName, u64> {
        let end = Mono(self.scenario.length);
        let mut now = self.now_at(Mono::default());
        let mut rounds = 0;
        loop {
            let asked = self.ask(now);
            let turn = self.dispatcher.tick(now);
            self.take(turn, now);
            while let Some(Reverse((at, id))) = self.going.peek().copied().filter(|Reverse((at, _))| *at <= now.mono) {
                self.going.pop();
                // A run that was stopped has an end that does not come any more.
                let Some(going) = self.runs.remove(&id) else { continue };
                let outcome = self.outcome(&going, self.now_at(at).wall);
                let turn = self.dispatcher.finished(id, outcome, now);
                self.take(turn, now);
            }
            let expected = self.expected(now);
            self.tell_nights(now);
            self.tell_until(self.runs.values().map(|going| going.started).min());
            let ends = self.going.peek().map(|Reverse((at, _))| *at);
            let Some(next) = self
                .dispatcher
                .next()
                .into_iter()
                .chain(ends)
                .chain(expected)
                .chain(asked)
                .min()
                .filter(|next| *next < end)
            else {
                break;
            };
            rounds = if next > now.mono { 0 } else { rounds + 1 };
            if rounds > MOST_ROUNDS {
                break;
            }
            now = self.now_at(next.max(now.mono));
        }
        // Due times that have passed in a pause that goes on are written when the daemon stops.
        let (_, turn) = self.dispatcher.apply(&Request::Stop, now);
        turn.entries.into_iter().for_each(|entry| self.note_passed(&entry));
        self.tell_nights(now);
        self.tell_until(None);
        let mut passed = BTreeMap::new();
        for (job, count) in self.passed.into_values() {
            *passed.entry(job).or_default() += count;
        }
        passed
    }

    /// People ask for what the scenario says by now. The answer is when they ask next.
    fn ask(&mut self, now: Now) -> Option<Mono> {
        while let Some(Pending { at, until, what, pattern }) = self.requests.pop_if(|next| next.at <= now.wall) {
            let asker = Asker { by: By { uid: None, name: SOMEBODY.to_owned() }, via: Via::Socket };
            let request = match what {
                What::Trigger => Request::Trigger(NewRun { job: JobName::new(pattern.as_str()), note: None, asker }),
                What::Hold(kind) => Request::Hold(NewHold {
                    kind,
                    pattern: pattern.clone(),
                    length: None,
                    until,
                    until_ok: false,
                    note: None,
                    asker,
                }),
            };
            let (reply, turn) = self.dispatcher.apply(&request, now);
            let (until, refused) = match reply {
                Some(Reply::Refused(failure)) => (until, Some(failure.error.message)),
                Some(Reply::Held(answer)) => (Some(answer.until), None),
                _ => (until, None),
            };
            self.note(Happening::Asked { at, what, pattern, until, refused });
            self.take(turn, now);
        }
        self.requests.last().map(|next| now.mono + clock::between(now.wall, next.at))
    }

    fn note_passed(&mut self, entry: &Entry) {
        if let Entry::Passed(row) = entry
            && let Some((count, _)) = row.details.passed
        {
            self.passed.insert(row.id, (row.job.clone(), count));
        }
    }

    /// Runs that something else starts come when they are due, unless they are assumed to be missing. The answer is when the
    /// next one is due.
    fn expected(&mut self, now: Now) -> Option<Mono> {
        if !self.expects {
            return None;
        }
        loop {
            // While the grace of a run that does not come goes on, the next ones come.
            let unsettled = |(job, due): (&JobName, Timestamp)| {
                let due = match self.settled.get(job).filter(|settled| **settled >= due) {
                    Some(settled) => self.plan.job(job.as_str())?.timing.due_after(*settled)?,
                    None => due,
                };
                Some((job.clone(), due))
            };
            let (job, due) = self.dispatcher.expected().filter_map(unsettled).min_by_key(|(_, due)| *due)?;
            if due > now.wall {
                return Some(now.mono + clock::between(now.wall, due));
            }
            self.settled.insert(job.clone(), due);
            let zone = self.plan.job(job.as_str()).map_or(&self.plan.config.zone, |job| &job.timing.zone);
            if self.scenario.is_missing(&job, due, zone) {
                continue;
            }
            if let Ok((_, turn)) = self.dispatcher.report_begin(&job, RunReport::default(), now.wall, now) {
                self.take(turn, now);
            }
        }
    }

    /// Takes what a turn starts, and notes what it tells.
    fn take(&mut self, turn: Turn, now: Now) {
        for (run, _) in turn.reported {
            self.begin(run, now);
        }
        for run in turn.start {
            self.begin(run, now);
        }
        for (run, _) in turn.stop {
            if let Some(going) = self.runs.get_mut(&run.id) {
                going.ended_by = Some(Ending::Interrupted);
                self.going.push(Reverse((now.mono, run.id)));
            }
        }
        for entry in turn.entries {
            self.note_passed(&entry);
            if let Some(ended) = entry.ended() {
                self.note(Happening::Run {
                    at: ended.outcome.started,
                    job: ended.run.job.clone(),
                    run: ended.run.id,
                    status: ended.outcome.status,
                    decision: ended.decision,
                    until: ended.decision.until(),
                });
            }
            for mut message in entry.into_messages() {
                if !self.delivered(&mut message, now) {
                    continue;
                }
                match message.route.overnight {
                    Some(_) => self.nights.push(message),
                    None => self.tell_message(message, now),
                }
            }
        }
    }

    /// A failed attempt fails again until there is none left: what runs come to is assumed by the time at which they start.
    fn begin(&mut self, run: Arc<Run>, now: Now) {
        let timeout =
            run.command.timeout().filter(|timeout| !run.command.runs_elsewhere() && *timeout < self.scenario.took);
        let ended_by = timeout.map(|after| Ending::TimedOut { after, killed: false });
        let (retries, mut length) = (run.command.retries(), timeout.unwrap_or(self.scenario.took));
        let mut going = Going { run, started: now.wall, ended_by, attempts: 1 };
        if retries.times > 0 && going.run.failed(&self.outcome(&going, clock::shift(now.wall, length))) {
            (going.attempts, length) = (retries.times + 1, retries.longest(length));
        }
        self.going.push(Reverse((now.mono + length, going.run.id)));
        self.runs.insert(going.run.id, going);
    }

    fn tell_message(&mut self, message: Message, now: Now) {
        let edit = (message.thread == Thread::Edit).then(|| first_line(&message).into_owned());
        let Message { job, channel, event, thread, text, .. } = message;
        let text = edit.unwrap_or(text);
        self.note(Happening::Message { at: now.wall, job, channel, event, thread, text });
    }

    /// Quiet hours that end for several jobs are one message of their channel, as the outbox makes it.
    fn tell_nights(&mut self, now: Now) {
        let mut by_channel: BTreeMap<Channel, Vec<Stored>> = BTreeMap::new();
        for (id, message) in (0..).zip(std::mem::take(&mut self.nights)) {
            by_channel.entry(message.channel.clone()).or_default().push(Stored::waiting(MessageId(id), message));
        }
        for mut waiting in by_channel.into_values() {
            while let Some((kind, taken)) = storm::gather(&waiting) {
                let merged = storm::message(kind, &taken, (waiting.len() - taken.len()) as u64, None, now.wall);
                let told: Vec<MessageId> = taken.iter().map(|stored| stored.id).collect();
                waiting.retain(|stored| !told.contains(&stored.id));
                merged.into_iter().for_each(|merged| self.tell_message(merged, now));
            }
            waiting.into_iter().for_each(|alone| self.tell_message(alone.message, now));
        }
    }

    /// Slack takes every message, and what follows in an incident goes where it was told; in a channel without a thread of it
    /// there is nothing to reply to. The answer is whether there is anything to see: an edit of what was never posted is none.
    fn delivered(&mut self, message: &mut Message, now: Now) -> bool {
        let (Some(job), Some(incident)) = (&message.job, message.incident) else { return true };
        let place = (incident, message.channel.clone());
        if message.thread == Thread::Edit {
            return self.told.contains(&place);
        }
        if self.told.insert(place) && message.thread != Thread::Open {
            message.thread = Thread::None;
        }
        let (run, event, channel) = (message.run, message.event, message.channel.clone());
        let result = DeliveryResult::Delivered;
        let report = Report { job: job.clone(), run, incident: Some(incident), event, channel, result };
        drop(self.dispatcher.reported(&report, now));
        true
    }

    fn note(&mut self, happening: Happening) {
        self.number += 1;
        self.untold.insert((happening.at(), self.number), happening);
    }

    /// Tells what nothing earlier can come before any more: runs in progress are told under the time of their start.
    fn tell_until(&mut self, started: Option<Timestamp>) {
        let Some(started) = started else {
            std::mem::take(&mut self.untold).into_values().for_each(&mut self.tell);
            return;
        };
        while let Some(first) = self.untold.first_entry().filter(|first| first.key().0 < started) {
            (self.tell)(first.remove());
        }
    }

    /// What a run is assumed to come to: ok and silent, unless something ends it before or the scenario says otherwise.
    fn outcome(&self, going: &Going, finished: Timestamp) -> Outcome {
        let (Going { run, started, ended_by, attempts }, scenario) = (going, self.scenario);
        let (started, took) = (*started, clock::between(*started, finished));
        if let Some(ending) = ended_by {
            let ended = exec::assumed(&run.command, ending.clone(), Output::default(), started, took);
            return Outcome { attempts: *attempts, ..ended };
        }
        let zone = || self.plan.job(run.job.as_str()).map_or(&self.plan.config.zone, |job| &job.timing.zone);
        let status =
            if scenario.assumptions.is_empty() { Status::Ok } else { scenario.status(&run.job, started, zone()) };
        let printed = scenario.printed(&run.job).map(|text| format!("{text}\n")).unwrap_or_default();
        Outcome { attempts: *attempts, ..assume::outcome(&run.command, status, &printed, started, took) }
    }
}
