//! What people ask for of jobs: a run now, a pause, a silence, an acknowledgement. Pure.
//!
//! Before it: a request, or the holds that the store kept. After it: what the rest of the dispatcher asks of each job (is it
//! paused, is something said), entries for the store, and messages about a hold that is long or wide. Invariants: a hold ends
//! at its time, whatever else happens; a paused job runs only when a person asks for it; each due time that passes because of
//! a pause is counted, in one row for each job and pause.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::mailbox::{Asker, NewHold, NewRun, Reply};
use super::super::numbers::Skip;
use super::view::covers;
use super::{AskedFor, Dispatcher, Entry, Tracked, Turn, Waiting};
use crate::api::{self, Code, Failure};
use crate::clock::{Mono, Now, between};
use crate::document::did_you_mean;
use crate::exec::{Status, Trigger};
use crate::id::{Channel, JobName, RunId, in_one_line, listed};
use crate::plan::Job;
use crate::policy::{self, AckEnd, Event, Expected, Held, Hold, HoldKind, Pattern, count, time_of_day};
use crate::report::{self, explain::told};
use crate::schedule::Saved;
use crate::store::RunRow;

/// Holds at one time; one more is refused.
const MOST: usize = 200;

/// A note takes so many characters.
const LONGEST_NOTE: usize = 300;

/// So many characters of it stand behind a headline.
const NOTE_IN_HEADLINE: usize = 120;

/// A message about a hold goes to so many channels.
const MOST_CHANNELS: usize = 10;

/// Due times that pass in a pause are counted up to this number.
const COUNTED: usize = 500;

/// The row of due times that have passed is written this often, and when the pause ends.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

/// What people have asked for.
#[derive(Debug, Default)]
pub(super) struct Holds {
    all: BTreeMap<u64, Hold>,
    next: u64,
    /// When the first of them ends.
    due: Option<Mono>,
    /// They have changed by themselves since they were written.
    unwritten: bool,
}

/// Due times of a job that have passed because of a pause.
#[derive(Debug)]
pub(super) struct PassedTimes {
    /// The row that tells of them.
    row: RunId,
    /// The pause.
    hold: u64,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// When the row was written last; none when it was not since it changed.
    written: Option<Mono>,
    is_written: bool,
}

/// How a hold came to its end.
enum End<'a> {
    /// Its time was over.
    Time,
    /// The jobs are ok.
    Ok,
    /// The incident is over.
    Recovered,
    /// It got worse, or fails differently.
    Worse,
    /// This person ended it, with others of these numbers.
    By(&'a Asker, &'a [u64]),
}

impl Holds {
    /// When the first of them ends.
    pub(super) fn next(&self) -> Option<Mono> {
        self.due
    }

    /// After a change of the holds or of the clock.
    pub(super) fn look_again(&mut self, now: Now) {
        let first = self.all.values().map(|hold| hold.until).min();
        self.due = first.map(|until| now.mono + between(now.wall, until));
    }

    /// Those that a clock which was ahead has made begin now.
    pub(super) fn bring_back(&mut self, now: Now) {
        let brought = self.all.values_mut().filter_map(|hold| hold.bring_back(now.wall).then_some(hold.id)).count();
        if brought > 0 {
            tracing::warn!(holds = brought, "the clock was ahead when these began: they begin now");
            self.unwritten = true;
            self.due = Some(now.mono);
        }
    }

    fn entry(&self) -> Entry {
        Entry::Holds { holds: self.all.values().cloned().collect(), next: self.next }
    }
}

impl Dispatcher {
    /// Takes over what an earlier process kept; before the jobs are taken in.
    pub fn begin_holds(&mut self, holds: Vec<Hold>, next: u64) {
        self.holds.all = holds.into_iter().map(|hold| (hold.id, hold)).collect();
        self.holds.next = next.max(1);
        self.holds.bring_back(self.last);
        self.holds.due = (!self.holds.all.is_empty()).then_some(self.last.mono);
    }

    /// Goes on counting due times that pass, where an earlier process left off; after the jobs are taken in.
    pub fn resume_passed(&mut self, rows: Vec<RunRow>) {
        for row in rows {
            let (Some(index), Some((count, hold))) = (self.by_name.get(&row.job), row.details.passed) else { continue };
            self.jobs[*index as usize].passed = Some(Box::new(PassedTimes {
                row: row.id,
                hold,
                count,
                first: row.started,
                last: row.finished,
                written: None,
                is_written: true,
            }));
        }
    }

    /// The holds in effect.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.all.values()
    }

    /// The same as the API tells them, the newest first.
    pub fn hold_views(&self) -> Vec<api::Hold> {
        self.holds.all.values().rev().map(|hold| self.hold_view(hold)).collect()
    }

    fn hold_view(&self, hold: &Hold) -> api::Hold {
        api::Hold {
            id: hold.id,
            kind: hold.kind,
            pattern: hold.pattern.as_str().to_owned(),
            since: hold.since,
            until: hold.until,
            until_ok: hold.until_ok,
            by: hold.by.clone(),
            via: hold.via,
            note: hold.note.clone(),
            jobs: self.covered(&hold.pattern).count(),
        }
    }

    /// A person wants a job to run now.
    pub(super) fn trigger(&mut self, asked: &NewRun, now: Now) -> (Option<Reply>, Turn) {
        let mut turn = Turn::default();
        let index = match self.index_of(asked.job.as_str()) {
            Ok(index) => index,
            Err(failure) => return refused(failure),
        };
        if self.stopping {
            return refused(Failure::new(Code::Stopping, "the daemon is stopping: no new run starts"));
        }
        let tracked = &self.jobs[index as usize];
        let name = &tracked.job.name;
        if tracked.job.timing.runs_elsewhere() {
            let failure = Failure::new(Code::NotRunHere, format!("`{name}` is run by something else (`expect`)"));
            return refused(failure.help("start it where it runs"));
        }
        if let Some(running) = self.running.values().find(|running| running.job == index) {
            let pid = running.run.progress.pid.load(std::sync::atomic::Ordering::Relaxed);
            let pid = (pid > 0).then_some(pid);
            let process = pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
            let since = time_of_day(running.started.wall, &tracked.job.timing.zone, now.wall);
            let message = format!("`{name}` runs already: run {}{process}, since {since}", running.run.id);
            let help = "wait for its end, and ask again";
            let failure = Failure::new(Code::AlreadyRunning, message).help(help);
            let (run, since) = (Some(running.run.id), Some(running.started.wall));
            return refused(Failure { run, pid, since, ..failure });
        }
        if tracked.waiting > 0 {
            let (what, help) = match self.waits_for_lock(index).map(|held| (held.lock, held.by)) {
                None => ("a free place".to_owned(), "`limits.max_running` says how many there are".to_owned()),
                Some((lock, (job, Some(run)))) => (format!("the lock {lock}"), format!("run {run} of {job} holds it")),
                Some((lock, (job, None))) => {
                    (format!("the lock {lock}"), format!("{job} is due longer, and takes it first"))
                }
            };
            let message = format!("`{name}` is due already, and its run waits for {what}");
            let run =
                self.waiting.values().find(|waiting| waiting.job == index).and_then(|waiting| waiting.asked.as_ref());
            let run = run.map(|(run, _)| *run);
            return refused(Failure { run, ..Failure::new(Code::AlreadyRunning, message).help(help) });
        }
        let id = RunId(self.next_run);
        self.next_run += 1;
        self.sequence += 1;
        tracing::info!(job = %name, run = %id, by = %asked.asker.by.name, note = asked.note.as_deref(), "a run was asked for");
        let asked_for = Box::new(AskedFor { by: asked.asker.by.clone(), note: note(asked.note.as_deref()) });
        let waiting =
            Waiting { job: index, scheduled: now.wall, trigger: Trigger::Manual, asked: Some((id, asked_for)) };
        self.waiting.insert((now.mono, self.sequence), waiting);
        self.jobs[index as usize].waiting += 1;
        self.fill(now, &mut turn);
        let waits = self.asked_run_waits(index, id, now.wall, &mut turn);
        (Some(Reply::Triggered(id, waits)), turn)
    }

    /// A person wants jobs to be held.
    pub(super) fn hold(&mut self, new: &NewHold, now: Now) -> (Option<Reply>, Turn) {
        match self.new_hold(new, now) {
            Ok((answer, turn)) => (Some(Reply::Held(answer)), turn),
            Err(failure) => refused(failure),
        }
    }

    fn new_hold(&mut self, new: &NewHold, now: Now) -> Result<(api::HoldAnswer, Turn), Failure> {
        let mut turn = Turn::default();
        let pattern = Pattern::new(&new.pattern);
        let unprocessable = |message: &str, help: &str| Failure::new(Code::Unprocessable, message).help(help);
        let until = new.kind.end(new.length, new.until, now.wall).map_err(|(why, help)| unprocessable(why, help))?;
        if new.until_ok && new.kind != HoldKind::Silence {
            return Err(unprocessable("`until_ok` is for a silence", "a paused job does not run, and is never ok"));
        }
        let covered: Vec<u32> = self.covered(&pattern).collect();
        if covered.is_empty() {
            return Err(self.no_match(&pattern));
        }
        let acked = if new.kind == HoldKind::Ack { Some(self.to_acknowledge(&covered, now)?) } else { None };
        // It is of one incident, and so of one job, however that was named.
        let pattern = match (&acked, covered.as_slice()) {
            (Some(_), [index]) => Pattern::new(self.jobs[*index as usize].job.name.as_str()),
            _ => pattern,
        };
        let incident = acked.as_ref().map(|acked| acked.id);
        // The same once more takes the place of what there was.
        let is_same = |hold: &Hold| {
            let is_of_it = if incident.is_some() { hold.incident == incident } else { hold.pattern == pattern };
            hold.kind == new.kind && is_of_it
        };
        let before: Vec<u64> = self.holds.all.values().filter(|hold| is_same(hold)).map(|hold| hold.id).collect();
        if self.holds.all.len() - before.len() >= MOST {
            return Err(unprocessable("there are too many holds", "end some: `slack-alert status` lists them"));
        }
        let replaced: Vec<Hold> = before.iter().filter_map(|id| self.holds.all.remove(id)).collect();
        let told_before: Vec<Hold> = replaced.iter().filter(|hold| hold.told).cloned().collect();
        let replaced: Vec<api::Hold> = replaced.iter().map(|hold| self.hold_view(hold)).collect();
        if !replaced.is_empty() {
            covered.iter().for_each(|index| self.hold_job(*index, now));
        }
        // Counted before the pause begins: what is due of a job that is paused comes after it.
        let due_times = (new.kind == HoldKind::Pause)
            .then(|| self.next_within(Some(&pattern), between(now.wall, until), COUNTED, now).len());
        let failing =
            |index: &u32| self.jobs[*index as usize].health.status().is_some_and(|status| status != Status::Ok);
        let mut hold = Hold {
            id: self.holds.next.max(1),
            kind: new.kind,
            pattern,
            since: now.wall,
            until,
            until_ok: new.until_ok,
            by: new.asker.by.clone(),
            via: new.asker.via,
            note: note(new.note.as_deref()),
            incident,
            failed: covered.iter().any(failing),
            told: false,
        };
        // Who was told of the one before is told of this one, and of its end, however short it is.
        hold.told = hold.is_told(covered.len()) || !told_before.is_empty();
        self.holds.next = hold.id + 1;
        tracing::info!(hold = hold.id, kind = hold.kind.as_str(), pattern = hold.pattern.as_str(), %until, by = %hold.by.name, note = hold.note.as_deref(), jobs = covered.len(), "a hold begins");
        let answer = api::HoldAnswer {
            id: hold.id,
            jobs: covered.iter().map(|index| self.jobs[*index as usize].job.name.to_string()).collect(),
            until,
            watchers: if hold.kind == HoldKind::Pause { self.watchers_of(&covered) } else { Vec::new() },
            due_times,
            disabled: covered.iter().filter(|index| !self.jobs[**index as usize].job.timing.enabled).count(),
            replaced,
            incident: acked,
        };
        self.holds.all.insert(hold.id, hold.clone());
        self.holds.look_again(now);
        for index in covered {
            self.hold_job(index, now);
            self.drop_waiting(index, now, &mut turn);
            self.arm(index, now);
        }
        self.tell_beginning(&hold, &told_before, now, &mut turn);
        turn.entries.push(self.holds.entry());
        Ok((answer, turn))
    }

    /// A person ends a hold.
    pub(super) fn end_hold(&mut self, id: u64, asker: &Asker, now: Now) -> (Option<Reply>, Turn) {
        if !self.holds.all.contains_key(&id) {
            let failure = Failure::new(Code::NoSuchHold, format!("there is no hold {id}"));
            return refused(failure.help("`slack-alert status` lists those there are"));
        }
        self.ended(vec![id], asker, now)
    }

    /// A person ends every hold of a kind whose jobs a pattern names.
    pub(super) fn end_holds(
        &mut self,
        kind: HoldKind,
        pattern: &str,
        asker: &Asker,
        now: Now,
    ) -> (Option<Reply>, Turn) {
        let wanted = Pattern::new(pattern);
        let is_meant =
            |hold: &&Hold| hold.kind == kind && (hold.pattern == wanted || wanted.covers(hold.pattern.as_str(), []));
        let ids: Vec<u64> = self.holds.all.values().filter(is_meant).map(|hold| hold.id).collect();
        if !ids.is_empty() {
            return self.ended(ids, asker, now);
        }
        let covered: Vec<u32> = self.covered(&wanted).collect();
        if covered.is_empty() {
            return refused(self.no_match(&wanted));
        }
        let noun = kind.noun();
        let is_wider = |hold: &&Hold| {
            hold.kind == kind && covered.iter().any(|index| covers(&hold.pattern, &self.jobs[*index as usize]))
        };
        let message = format!("there is no {noun} of `{}`", in_one_line(wanted.as_str()));
        let wider: Vec<String> = self.holds.all.values().filter(is_wider).map(|hold| hold.id.to_string()).collect();
        let patterns = self.holds.all.values().filter(is_wider).map(|hold| format!("`{}`", hold.pattern.as_str()));
        let patterns: Vec<String> = patterns.collect();
        let help = match (wider.as_slice(), patterns.as_slice()) {
            ([], _) => "`slack-alert status` lists those there are".to_owned(),
            ([hold], [pattern]) => format!("hold {hold} covers it: the {noun} of {pattern}"),
            _ => format!("holds {} cover it: the {noun}s of {}", listed(&wider), listed(&patterns)),
        };
        refused(Failure::new(Code::NoSuchHold, message).help(help))
    }

    fn ended(&mut self, ids: Vec<u64>, asker: &Asker, now: Now) -> (Option<Reply>, Turn) {
        let mut turn = Turn::default();
        let ended: Vec<Hold> = ids.iter().filter_map(|id| self.holds.all.get(id)).cloned().collect();
        let holds = ended.iter().map(|hold| self.hold_view(hold)).collect();
        for id in &ids {
            self.finish_hold(*id, &End::By(asker, &ids), now, &mut turn);
        }
        let still = ended.iter().flat_map(|hold| self.still_held(hold, &[], now)).collect();
        (Some(Reply::HoldsEnded(api::HoldsEnded { holds, still, before: None })), turn)
    }

    /// The holds by which jobs of one that is over stay paused, or silenced; but for those that end with it.
    fn still_held(&self, ended: &Hold, with: &[u64], now: Now) -> Vec<api::StillHeld> {
        let is_alike = |hold: &&Hold| {
            hold.kind == ended.kind && hold.kind != HoldKind::Ack && hold.until > now.wall && !with.contains(&hold.id)
        };
        let of_both = |hold: &Hold| api::StillHeld {
            ended: ended.id,
            id: hold.id,
            pattern: hold.pattern.as_str().to_owned(),
            until: hold.until,
            jobs: self
                .covered(&ended.pattern)
                .map(|index| &self.jobs[index as usize])
                .filter(|tracked| covers(&hold.pattern, tracked))
                .map(|tracked| tracked.job.name.to_string())
                .collect(),
        };
        self.holds.all.values().filter(is_alike).map(of_both).filter(|still| !still.jobs.is_empty()).collect()
    }

    /// Where watchers are that some jobs ping, each once.
    fn watchers_of(&self, jobs: &[u32]) -> Vec<String> {
        let pings = jobs.iter().filter_map(|index| self.jobs[*index as usize].job.ping.as_ref());
        let mut hosts: Vec<String> = pings.map(|ping| ping.host()).collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }

    /// Ends the holds whose time is over.
    pub(super) fn end_holds_by_time(&mut self, now: Now, turn: &mut Turn) {
        if self.holds.due.is_none_or(|due| due > now.mono) {
            return;
        }
        let over = self.holds.all.values().filter(|hold| hold.until <= now.wall).map(|hold| hold.id);
        for id in over.collect::<Vec<_>>() {
            self.finish_hold(id, &End::Time, now, turn);
        }
        if std::mem::take(&mut self.holds.unwritten) {
            turn.entries.push(self.holds.entry());
        }
        self.holds.look_again(now);
    }

    /// A hold is over: its jobs are as if it had not been.
    fn finish_hold(&mut self, id: u64, end: &End<'_>, now: Now, turn: &mut Turn) {
        let Some(hold) = self.holds.all.remove(&id) else { return };
        self.holds.look_again(now);
        let covered: Vec<u32> = self.covered(&hold.pattern).collect();
        let why = match end {
            End::Time => "its time is over".to_owned(),
            End::Ok => "the jobs are ok".to_owned(),
            End::Recovered => "the incident is over".to_owned(),
            End::Worse => "it got worse, or fails differently".to_owned(),
            End::By(asker, _) => format!("ended by {}", asker.by.name),
        };
        tracing::info!(hold = id, kind = hold.kind.as_str(), pattern = hold.pattern.as_str(), why, "a hold ends");
        let mut passed = 0;
        for index in covered {
            if hold.kind == HoldKind::Pause {
                self.not_expected_since(index, &hold, now, turn);
                passed += self.write_passed(index, id, now, turn);
            }
            self.hold_job(index, now);
            self.arm(index, now);
        }
        self.tell_end(&hold, end, passed, now, turn);
        turn.entries.push(self.holds.entry());
    }

    /// A pause is over: what something else was to run in it is not missed, however long its grace.
    fn not_expected_since(&mut self, index: u32, pause: &Hold, now: Now, turn: &mut Turn) {
        let tracked = &mut self.jobs[index as usize];
        if tracked.paused == Some(pause.id)
            && let Some((due, count)) = tracked.cadence.wait_no_more(&tracked.job.timing, pause.since, now)
        {
            self.passes(index, count.into(), due, now, turn);
        }
    }

    /// Asks anew what holds a job.
    pub(super) fn hold_job(&mut self, index: u32, now: Now) {
        let tracked = &mut self.jobs[index as usize];
        let of_job = self.holds.all.values().filter(|hold| hold.until > now.wall && covers(&hold.pattern, tracked));
        let held = Held::of(of_job.clone());
        let pauses = of_job.filter(|hold| hold.kind == HoldKind::Pause).rev();
        let paused = pauses.max_by_key(|hold| hold.until).map(|hold| hold.id);
        if tracked.paused.is_some() != paused.is_some() && tracked.running > 0 {
            let of_job = self.running.values().filter(|running| running.job == index);
            // What a person asked for goes on as it would.
            of_job
                .filter(|running| running.run.trigger != Trigger::Manual)
                .for_each(|running| running.run.stop.hold(paused.is_some()));
        }
        tracked.paused = paused;
        tracked.health.hold(held);
    }

    /// A run of a job is about to be judged: a silence until it is ok may be over.
    pub(super) fn before_end(&mut self, index: u32, status: Status, now: Now, turn: &mut Turn) {
        if self.holds.all.is_empty() {
            return;
        }
        let tracked = &self.jobs[index as usize];
        let of_job: Vec<u64> = self
            .holds
            .all
            .values()
            .filter(|hold| hold.until_ok && covers(&hold.pattern, tracked))
            .map(|hold| hold.id)
            .collect();
        for id in of_job {
            let Some(hold) = self.holds.all.get_mut(&id) else { continue };
            if status != Status::Ok {
                if !std::mem::replace(&mut hold.failed, true) {
                    turn.entries.push(self.holds.entry());
                }
                continue;
            }
            let (failed, pattern) = (hold.failed, hold.pattern.clone());
            let is_failing = |other: u32| {
                let last = self.jobs[other as usize].health.status();
                other != index && last.is_some_and(|last| last != Status::Ok)
            };
            if failed && !self.covered(&pattern).any(is_failing) {
                self.finish_hold(id, &End::Ok, now, turn);
            }
        }
    }

    /// The acknowledgements of a job, and how bad what each is of was before a run is judged.
    pub(super) fn acks_before(&self, index: u32, now: Now) -> Vec<(u64, Option<Status>)> {
        let tracked = &self.jobs[index as usize];
        let is_ack = |hold: &&Hold| hold.kind == HoldKind::Ack && covers(&hold.pattern, tracked);
        let mut acks = self.holds.all.values().filter(is_ack).peekable();
        if acks.peek().is_none() {
            return Vec::new();
        }
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let status = |hold: &Hold| open.iter().find(|open| Some(open.id) == hold.incident).map(|open| open.status);
        acks.map(|hold| (hold.id, status(hold).or(tracked.health.status()))).collect()
    }

    /// A run of a job was judged: an acknowledgement may be over.
    pub(super) fn after_end(
        &mut self,
        index: u32,
        acks: &[(u64, Option<Status>)],
        event: Option<Event>,
        now: Now,
        turn: &mut Turn,
    ) {
        if acks.is_empty() {
            return;
        }
        let tracked = &self.jobs[index as usize];
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let after = tracked.health.status();
        let ends = |(id, before): &(u64, Option<Status>)| {
            let end = policy::ack_ends(self.holds.all.get(id)?.incident, &open, event, *before, after)?;
            Some((*id, end))
        };
        for (id, end) in acks.iter().filter_map(ends).collect::<Vec<_>>() {
            let end = match end {
                AckEnd::Recovered => End::Recovered,
                AckEnd::Worse => End::Worse,
            };
            self.finish_hold(id, &end, now, turn);
        }
    }

    /// Due times of a paused job pass.
    pub(super) fn passes(&mut self, index: u32, times: u64, scheduled: Timestamp, now: Now, turn: &mut Turn) {
        self.passed_over(index, now);
        let tracked = &mut self.jobs[index as usize];
        // With `every_from = "finish"` nothing would ever be due again, had it not ended.
        tracked.cadence.finished(&tracked.job.timing, now);
        let Some(hold) = tracked.paused else { return };
        tracked.tally.skipped(Skip::Paused, u32::try_from(times).unwrap_or(u32::MAX));
        if tracked.passed.as_ref().is_none_or(|passed| passed.hold != hold) {
            let row = RunId(self.next_run);
            self.next_run += 1;
            let (count, first, last) = (0, scheduled, scheduled);
            tracked.passed =
                Some(Box::new(PassedTimes { row, hold, count, first, last, written: None, is_written: false }));
        }
        let passed = tracked.passed.as_mut().expect("it was just put there");
        passed.count = passed.count.saturating_add(times);
        (passed.last, passed.is_written) = (scheduled.max(passed.last), false);
        if passed.written.is_none_or(|written| now.mono - written >= WRITTEN_EVERY) {
            self.write_passed(index, hold, now, turn);
        }
    }

    /// Writes the row of the due times that have passed because of a pause. The answer is how many.
    fn write_passed(&mut self, index: u32, hold: u64, now: Now, turn: &mut Turn) -> u64 {
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
    pub(super) fn write_all_passed(&mut self, now: Now, turn: &mut Turn) {
        for index in 0..u32::try_from(self.jobs.len()).unwrap_or(u32::MAX) {
            if let Some(hold) = self.jobs[index as usize].passed.as_ref().map(|passed| passed.hold) {
                self.write_passed(index, hold, now, turn);
            }
        }
    }

    /// A job is paused: what is due and waits, passes.
    fn drop_waiting(&mut self, index: u32, now: Now, turn: &mut Turn) {
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
        if self.jobs[index as usize].waiting == 0 {
            turn.entries.extend(self.waits_in_vain(index, super::starved::PAUSED, now));
            self.waits_no_more(index);
        }
    }

    /// What was saved of a job's place in its schedule, without the due times that a pause covered which ended while no daemon
    /// ran: nothing is owed for them.
    pub(super) fn without_paused_time(&self, job: &Job, saved: Saved, now: Now) -> Saved {
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

    /// The hold of a kind that covers a job, as the job's own view has it.
    pub(super) fn held_job(&self, tracked: &Tracked, kind: HoldKind, now: Now) -> Option<api::HeldJob> {
        let of_job = self.holds.all.values().filter(|hold| hold.kind == kind && covers(&hold.pattern, tracked));
        let hold = of_job.filter(|hold| hold.until > now.wall).max_by_key(|hold| hold.until)?;
        let passed = tracked.passed.as_ref().filter(|passed| passed.hold == hold.id).map_or(0, |passed| passed.count);
        Some(api::HeldJob {
            id: Some(hold.id),
            until: hold.until,
            by: Some(hold.by.clone()),
            note: hold.note.clone(),
            passed: (kind == HoldKind::Pause).then_some(passed),
        })
    }

    /// When the pause of a job ends.
    pub(super) fn paused_until(&self, tracked: &Tracked) -> Option<Timestamp> {
        tracked.paused.and_then(|id| self.holds.all.get(&id)).map(|hold| hold.until)
    }

    /// Who has an incident.
    pub(super) fn acknowledged(&self, tracked: &Tracked, incident: u64) -> Option<api::Acknowledged> {
        let is_it = |hold: &&Hold| {
            hold.kind == HoldKind::Ack && hold.incident == Some(incident) && covers(&hold.pattern, tracked)
        };
        let hold = self.holds.all.values().find(is_it)?;
        Some(api::Acknowledged { by: hold.by.clone(), at: hold.since, until: hold.until, note: hold.note.clone() })
    }

    fn covered(&self, pattern: &Pattern) -> impl Iterator<Item = u32> {
        let jobs = (0_u32..).zip(&self.jobs);
        jobs.filter(|(_, tracked)| !tracked.removed && covers(pattern, tracked)).map(|(index, _)| index)
    }

    /// The incident that somebody wants to acknowledge: of several, the first that nobody has.
    fn to_acknowledge(&self, covered: &[u32], now: Now) -> Result<api::AckedIncident, Failure> {
        let [index] = covered else {
            let failure = Failure::new(Code::Unprocessable, "an acknowledgement is for one job");
            return Err(failure.help("name the job; a silence takes a pattern"));
        };
        let tracked = &self.jobs[*index as usize];
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let nobody_has = |open: &&policy::Open| self.acknowledged(tracked, open.id).is_none();
        match open.iter().find(nobody_has).or(open.first()) {
            Some(chosen) => {
                let others = open.iter().filter(|open| open.id != chosen.id && nobody_has(open)).count();
                Ok(api::AckedIncident { id: chosen.id, key: chosen.key.clone(), others })
            }
            None => {
                let failure = Failure::new(Code::NoIncident, format!("`{}` has no open incident", tracked.job.name));
                Err(failure.help("`slack-alert status` shows what is open"))
            }
        }
    }

    /// The job of a name, or why there is none.
    fn index_of(&self, name: &str) -> Result<u32, Failure> {
        if let Some(index) = self.by_name.get(&JobName::new(name)) {
            return Ok(*index);
        }
        let pattern = Pattern::new(name);
        let names: Vec<&str> =
            self.covered(&pattern).map(|index| self.jobs[index as usize].job.name.as_str()).collect();
        if names.is_empty() {
            return Err(self.no_match(&pattern));
        }
        let (shown, number, names) = (in_one_line(pattern.as_str()), names.len(), listed(&names));
        let message = format!("`trigger` runs one job; `{shown}` names {number}: {names}");
        Err(Failure::new(Code::Unprocessable, message).help("name one of them"))
    }

    /// That a pattern names no job, with what may have been meant.
    fn no_match(&self, pattern: &Pattern) -> Failure {
        let text = pattern.as_str();
        let shown: String = in_one_line(text).chars().take(200).collect();
        let (message, near) = match text.strip_prefix("tag:") {
            Some(tag) => {
                let tags = self.jobs().flat_map(|job| job.facts.tags.iter().map(String::as_str));
                let near = did_you_mean(tag, tags).map(|near| near.replacen('`', "`tag:", 1));
                (format!("no job has the tag `{}`", shown.trim_start_matches("tag:")), near)
            }
            None if pattern.is_one_job() => {
                let near = did_you_mean(text, self.jobs().map(|job| job.name.as_str()));
                (format!("there is no job `{shown}`"), near)
            }
            None => (format!("no job's name matches `{shown}`"), None),
        };
        let help = near.unwrap_or_else(|| "`slack-alert list` shows all jobs".to_owned());
        Failure::new(Code::NoSuchJob, message).help(help)
    }

    /// The channels that hear of what its jobs do.
    fn channels_of(&self, pattern: &Pattern) -> Vec<Channel> {
        let mut channels = Vec::new();
        for index in self.covered(pattern) {
            let notify = &self.jobs[index as usize].job.notify;
            for channel in notify.channels_for(Status::Critical, self.sender.channel.as_ref()) {
                if !channels.contains(&channel) {
                    channels.push(channel);
                }
            }
            if channels.len() >= MOST_CHANNELS {
                break;
            }
        }
        if channels.is_empty() { vec![Channel::unnamed()] } else { channels }
    }

    /// A hold that is long or wide is told at its beginning, and one that takes the place of such a hold; an acknowledgement
    /// stands in the first message of its incident.
    fn tell_beginning(&self, hold: &Hold, before: &[Hold], now: Now, turn: &mut Turn) {
        let until = told(hold.until, &self.sender.zone, now.wall);
        if hold.kind == HoldKind::Ack {
            return self.note_incident(hold, true, now, turn);
        }
        if !hold.told {
            return;
        }
        let jobs = u32::try_from(self.covered(&hold.pattern).count()).unwrap_or(u32::MAX);
        let (what, effect) = match (hold.kind, jobs) {
            (HoldKind::Pause, 1) => ("paused", "it does not run"),
            (HoldKind::Pause, _) => ("paused", "they do not run"),
            (HoldKind::Silence | HoldKind::Ack, 1) => ("silenced", "it runs, and nothing is said"),
            (HoldKind::Silence | HoldKind::Ack, _) => ("silenced", "they run, and nothing is said"),
        };
        let until = match (hold.until_ok, jobs) {
            (false, _) => until,
            (true, 1) => format!("{until}, or until it is ok"),
            (true, _) => format!("{until}, or until all are ok"),
        };
        let jobs = count(jobs, "job");
        let in_place = before.iter().map(|before| {
            let until = told(before.until, &self.sender.zone, now.wall);
            format!(", in place of the {} by {} until {until}", hold.kind.noun(), before.by.name)
        });
        let in_place: String = in_place.collect();
        let (by, pattern) = (&hold.by.name, hold.pattern.as_str());
        let title = format!("{by} has {what} {pattern} ({jobs}) until {until}{in_place}: {effect}");
        self.tell_hold(hold, &title, hold.note.as_deref().unwrap_or_default(), now, turn);
    }

    fn tell_end(&self, hold: &Hold, end: &End<'_>, passed: u64, now: Now, turn: &mut Turn) {
        if hold.kind == HoldKind::Ack {
            // What is over is edited by its recovery.
            if !matches!(end, End::Recovered) {
                self.note_incident(hold, false, now, turn);
            }
            return;
        }
        if !hold.told {
            return;
        }
        let (noun, pattern, by) = (hold.kind.noun(), hold.pattern.as_str(), &hold.by.name);
        let title = match end {
            End::By(asker, _) if asker.by == hold.by => format!("{by} has ended the {noun} of {pattern}"),
            End::By(asker, _) => format!("{} has ended the {noun} of {pattern} by {by}", asker.by.name),
            End::Ok => format!("the {noun} of {pattern} by {by} is over: it is ok"),
            End::Time | End::Recovered | End::Worse => format!("the {noun} of {pattern} by {by} is over"),
        };
        let passed = match passed {
            0 => None,
            1 => Some("1 due time passed without a run".to_owned()),
            times => Some(format!("{times} due times passed without a run")),
        };
        let with = if let End::By(_, ids) = end { ids } else { &[][..] };
        let still = self.still_held(hold, with, now).into_iter().map(|still| {
            let (jobs, until) = (listed(&still.jobs), told(still.until, &self.sender.zone, now.wall));
            let (stay, how) = (if still.jobs.len() == 1 { "stays" } else { "stay" }, hold.kind.held());
            format!("{jobs} {stay} {how} until {until} by the {noun} of {}", still.pattern)
        });
        let body: Vec<String> = passed.into_iter().chain(still).collect();
        self.tell_hold(hold, &title, &body.join("\n"), now, turn);
    }

    fn tell_hold(&self, hold: &Hold, title: &str, body: &str, now: Now, turn: &mut Turn) {
        for channel in report::places(self.channels_of(&hold.pattern), &self.sender) {
            let message = report::own_neutral(channel, (title, body), &self.sender, now.wall);
            turn.entries.push(Entry::Said(Box::new(message)));
        }
    }

    /// Who has an incident stands in its first message, and when the next message comes; where that cannot be edited, a message
    /// says it. `begins`: else it is taken away.
    fn note_incident(&self, hold: &Hold, begins: bool, now: Now, turn: &mut Turn) {
        let Some(index) = self.covered(&hold.pattern).next() else { return };
        let tracked = &self.jobs[index as usize];
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let Some(open) = open.into_iter().find(|open| Some(open.id) == hold.incident && open.is_reported) else {
            return;
        };
        let time = |at| told(at, &self.sender.zone, now.wall);
        let words = if begins { has_it(hold, open.next, time) } else { String::new() };
        let messages = report::noted(&tracked.job, &open, &words, &self.sender, now.wall);
        if !messages.is_empty() {
            turn.entries.push(Entry::Changed { state: None, messages });
        }
    }
}

/// Who has an incident since when, what that person noted, and when the next message comes.
fn has_it(hold: &Hold, next: Option<Expected>, time: impl Fn(Timestamp) -> String) -> String {
    let note = hold.note.as_deref().map(|note| format!(": {}", crate::slack::cut_plain(note, NOTE_IN_HEADLINE).0));
    let next = next.and_then(|next| next.words(&time)).unwrap_or_else(|| format!("until {}", time(hold.until)));
    format!("{} has it since {}{} · {next}", hold.by.name, time(hold.since), note.unwrap_or_default())
}

fn refused(failure: Failure) -> (Option<Reply>, Turn) {
    (Some(Reply::Refused(Box::new(failure))), Turn::default())
}

/// A note in one line, and short.
fn note(text: Option<&str>) -> Option<String> {
    let note: String = in_one_line(text?.trim()).chars().take(LONGEST_NOTE).collect();
    (!note.is_empty()).then_some(note)
}
