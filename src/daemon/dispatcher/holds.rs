//! What people ask for of jobs: a run now, a pause, a silence, an acknowledgement. Pure.
//!
//! Before it: a request, or the holds that the store kept. After it: what the rest of the dispatcher asks of each job (is it
//! paused, is something said), entries for the store, and messages about a hold that is long or wide. Invariants: a hold ends
//! at its time, whatever else happens; a paused job runs only when a person asks for it; each due time that passes because of
//! a pause is counted, in one row for each job and pause.

mod passed;
mod said;
mod trigger;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub(super) use self::passed::PassedTimes;
use super::super::mailbox::{Asker, NewHold, Reply};
use super::view::covers;
use super::{Dispatcher, Entry, Tracked, Turn};
use crate::api::{self, Code, Failure};
use crate::clock::{Mono, Now, between};
use crate::exec::{Redactor, Status, Trigger};
use crate::id::{in_one_line, listed};
use crate::policy::{self, AckEnd, Event, Held, Hold, HoldKind, Pattern};

/// Holds at one time; one more is refused.
const MOST: usize = 200;

/// A note takes so many characters.
const LONGEST_NOTE: usize = 300;

/// Due times that pass in a pause are counted up to this number.
const COUNTED: usize = 500;

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

    /// A person wants jobs to be held.
    pub(super) fn hold(&mut self, new: &NewHold, now: Now) -> (Option<Reply>, Turn) {
        match self.new_hold(new, now) {
            Ok((answer, turn)) => (Some(Reply::Held(answer)), turn),
            Err(failure) => refused(failure),
        }
    }

    /// What must not be shown of these jobs.
    fn redactors(&self, jobs: &[u32]) -> impl Iterator<Item = &Redactor> {
        jobs.iter().map(|index| self.jobs[*index as usize].job.command.redactor())
    }

    fn new_hold(&mut self, new: &NewHold, now: Now) -> Result<(api::HoldAnswer, Turn), Failure> {
        let mut turn = Turn::default();
        let noted = self.noted_acks(now);
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
        for hold in replaced.iter().filter(|hold| hold.kind == HoldKind::Pause) {
            covered.iter().for_each(|index| _ = self.write_passed(*index, hold.id, now, &mut turn));
        }
        let told_before: Vec<Hold> = replaced.iter().filter(|hold| hold.told).cloned().collect();
        let replaced: Vec<api::Hold> = replaced.iter().map(|hold| self.hold_view(hold)).collect();
        if !replaced.is_empty() {
            covered.iter().for_each(|index| self.hold_job(*index, now));
        }
        // Counted before the pause begins: what is due of a job that is paused comes after it.
        let due_times = (new.kind == HoldKind::Pause)
            .then(|| self.next_within(Some(&pattern), (between(now.wall, until), None), COUNTED, now).len());
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
            note: note(new.note.as_deref(), self.redactors(&covered)),
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
        self.note_again(&noted, now, &mut turn);
        turn.entries.push(self.holds.entry());
        Ok((answer, turn))
    }

    /// A person ends a hold.
    pub(super) fn end_hold(&mut self, id: u64, asker: &Asker, now: Now) -> (Option<Reply>, Turn) {
        if !self.holds.all.contains_key(&id) {
            let failure = Failure::new(Code::NoSuchHold, format!("there is no hold {id}"));
            return refused(failure.help("`slack-alert status` lists those there are"));
        }
        self.ended(vec![id], Vec::new(), asker, now)
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
        let by_script = if kind == HoldKind::Silence { self.script_silences_of(&wanted, now) } else { Vec::new() };
        if !ids.is_empty() || !by_script.is_empty() {
            return self.ended(ids, by_script, asker, now);
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

    fn ended(
        &mut self,
        ids: Vec<u64>,
        by_script: Vec<api::ScriptSilence>,
        asker: &Asker,
        now: Now,
    ) -> (Option<Reply>, Turn) {
        let mut turn = Turn::default();
        let noted = self.noted_acks(now);
        self.end_script_silences(&by_script, asker, now, &mut turn);
        let ended: Vec<Hold> = ids.iter().filter_map(|id| self.holds.all.get(id)).cloned().collect();
        let holds = ended.iter().map(|hold| self.hold_view(hold)).collect();
        for id in &ids {
            self.finish_hold(*id, &End::By(asker, &ids), now, &mut turn);
        }
        self.note_again(&noted, now, &mut turn);
        let still = ended.iter().flat_map(|hold| self.still_held(hold, &[], now)).collect();
        let silences = ended.iter().filter(|hold| hold.kind == HoldKind::Silence);
        let still_by_script = silences.flat_map(|hold| self.script_silences_of(&hold.pattern, now)).collect();
        let answer = api::HoldsEnded { holds, still, by_script, still_by_script, before: None };
        (Some(Reply::HoldsEnded(answer)), turn)
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
        let ends = |(id, before): &(u64, Option<Status>)| {
            let end = policy::ack_ends(self.holds.all.get(id)?.incident, &open, event, *before, &tracked.health)?;
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

    /// That a pattern names no job, with what may have been meant.
    fn no_match(&self, pattern: &Pattern) -> Failure {
        let text = pattern.as_str();
        let shown: String = in_one_line(text).chars().take(200).collect();
        let message = match text.strip_prefix("tag:") {
            Some(_) => format!("no job has the tag `{}`", shown.trim_start_matches("tag:")),
            None if pattern.is_one_job() => format!("there is no job `{shown}`"),
            None => format!("no job's name matches `{shown}`"),
        };
        let tags = self.jobs().flat_map(|job| job.facts.tags.iter().map(String::as_str));
        let near = pattern.meant(self.jobs().map(|job| job.name.as_str()), tags);
        let help = near.unwrap_or_else(|| "`slack-alert list` shows all jobs".to_owned());
        Failure::new(Code::NoSuchJob, message).help(help)
    }
}

fn refused(failure: Failure) -> (Option<Reply>, Turn) {
    (Some(Reply::Refused(Box::new(failure))), Turn::default())
}

/// A note in one line, and short, without what these jobs must not show.
fn note<'r>(text: Option<&str>, redactors: impl Iterator<Item = &'r Redactor>) -> Option<String> {
    let masked = redactors.fold(text?.to_owned(), |text, redactor| redactor.mask_str(&text).into_owned());
    let note: String = in_one_line(masked.trim()).chars().take(LONGEST_NOTE).collect();
    (!note.is_empty()).then_some(note)
}
