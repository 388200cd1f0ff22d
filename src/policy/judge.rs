//! The verdict on a run: whether there is something to report. Pure.
//!
//! Before it: [`Health::record`], which takes the run in. After it: `notify`, which asks whether a message may be sent.
//!
//! Of an ok run the first that is asked for and true is reported: recovery, change, output, success. Of any other, the
//! first message of an incident, or a repetition. Flapping comes before both: it replaces the message that begins it, then
//! suppresses the others until it ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flap::{self, Step};
use super::health::{Health, LONGEST_CAUSE, LONGEST_GOOD, Seen, Stuck};
use super::incident::{HANGS, Intervals, MOST_KINDS, MOST_OF_A_CHANGE, OpenIncident, Reported, kept, number_of};
use super::keys::TakenOut;
use super::not_run::not_run;
use super::notify::{Draft, FlapChange, Moment};
use super::settings::On;
use super::{
    Event, Facts, Judgement, Notification, Settings, Suppressed, Update, Verdict, diff, intermittent, outlook,
};
use crate::clock::shift;
use crate::exec::{Reason, Status, shows_nothing};

/// Whether there is something to report, and what has changed.
enum Candidate {
    Report(Event, Update),
    Flap(FlapChange, Update),
    Suppress(Suppressed, Option<Timestamp>),
}

/// Decides about a run that ended, and remembers what later decisions need.
pub fn judge(
    settings: &Settings,
    health: &mut Health,
    facts: &Facts<'_>,
    zone: &TimeZone,
    now: Timestamp,
) -> Judgement {
    let at = facts.ended.min(now);
    let moment = Moment { settings, zone, now, at, slot: facts.scheduled };
    health.clamp_to_now(now);
    if facts.skipped {
        return not_run(&moment, health, facts);
    }
    let over = health.settle(&moment, facts.status);
    let key = number_of(facts.key);
    let taken_out = health.take_out_for(facts.status, key);
    let mut judgement = decide(&moment, health, facts, over);
    if let Verdict::Notify(notification) = &mut judgement.verdict {
        notification.beside(&taken_out);
        // A failure without a key may go on with an incident that has one, and says nothing of that.
        if key.is_none() && facts.status != Status::Ok && !matches!(notification.update, Update::HangEnds { .. }) {
            let own = notification.incident.map(|incident| incident.id);
            notification.keys.retain(|(of, _)| Some(*of) != own);
        }
    }
    health.put_back(taken_out);
    judgement
}

/// The verdict on a run, of the incidents that it is about. `over` has what ended before it.
fn decide(moment: &Moment<'_>, health: &mut Health, facts: &Facts<'_>, over: Option<Box<Notification>>) -> Judgement {
    let Moment { settings, now, at, .. } = *moment;
    let seen = health.record(settings, facts, at);
    health.end_hang(settings);
    let ok = facts.status == Status::Ok;
    let step = flap::step(settings, health, seen.turned, now);
    if ok {
        health.mark_recovery_due(settings, at, !matches!(step, Step::Calm));
    }
    let candidate = match step {
        Step::Begins => Candidate::Flap(FlapChange::Begins, flap::begins(settings, health)),
        Step::Ends => Candidate::Flap(FlapChange::Ends, flap::ends(settings, health, facts.status, now)),
        Step::Continues(until) => while_flapping(moment, health, facts, &seen, until),
        Step::Calm => candidate(moment, health, facts, &seen),
    };
    let close = if ok { health.close_by_edit(moment, facts) } else { None }.or(over);
    let (event, flap, update) = match candidate {
        Candidate::Report(event, update) => (event, FlapChange::None, update),
        Candidate::Flap(change, update) => (Event::Flapping, change, update),
        Candidate::Suppress(why, next) => {
            if !ok {
                health.note_silence();
            }
            let next = health.next_message(moment, (why, next));
            health.close_if_nothing_due(facts.status, at);
            return Judgement { verdict: Verdict::Suppress(why, next), close };
        }
    };
    let line = kept(facts.line, LONGEST_CAUSE).to_owned();
    let event = if event == Event::Failure && facts.reason == Reason::Missing { Event::Missing } else { event };
    let reported = health.open.as_deref().and_then(|open| open.reported.as_ref());
    let worsens = !ok && reported.is_some_and(|known| facts.status.badness() > known.worst().badness());
    let exempt = worsens || matches!(event, Event::Failure | Event::Missing | Event::Recovery | Event::Flapping);
    let news = !ok && flap == FlapChange::None && ends_acknowledgement(&update, facts.status);
    let draft =
        Draft { event, flap, status: facts.status, run: Some(facts.run), update, line, exempt, hangs_still: false };
    let sent = health.notify(moment, draft);
    let sent = sent.map_err(|(why, next)| {
        health.note_silence();
        if news {
            health.end_acknowledgement();
        }
        if why == Suppressed::QuietHours && event == Event::Recovery {
            health.defer_good_news(moment, facts, &seen);
        }
        (why, health.next_message(moment, (why, next)))
    });
    health.close_if_nothing_due(facts.status, at);
    let verdict = match sent {
        Ok(notification) => {
            let old = seen.last_ok.as_deref();
            let diff = old.map_or_else(String::new, |old| changes(old, facts.stdout, settings.normalize.changes()));
            // The next run has nothing to compare with but this one: what changed is told now or never.
            let changed = event == Event::Recovery && settings.on.asks(On::Change) && seen.changed;
            let good_news = if event == Event::Recovery { good_news(settings, facts, changed) } else { None };
            Verdict::Notify(Box::new(Notification { previous: seen.before, diff, changed, good_news, ..notification }))
        }
        Err((why, next)) => Verdict::Suppress(why, next),
    };
    Judgement { verdict, close }
}

/// What changed, as far as the beginning of the output that is kept tells.
fn changes(old: &str, stdout: &str, normalized: bool) -> String {
    let new = kept(stdout, LONGEST_GOOD);
    let mut diff = diff::unified(old, new, normalized);
    if new.len() < stdout.len() && !diff.is_empty() {
        diff.push_str("\n[… only the first 16 KiB were compared]");
    }
    diff
}

/// Whether what is reported of a failure that somebody has is what ends that: all but that it got better.
fn ends_acknowledgement(update: &Update, status: Status) -> bool {
    match update {
        Update::Better { .. } | Update::Unknown { .. } => false,
        Update::HangEnds { .. } => status == Status::Critical,
        _ => true,
    }
}

/// What a run is worth, apart from flapping.
fn candidate(moment: &Moment<'_>, health: &Health, facts: &Facts<'_>, seen: &Seen) -> Candidate {
    match &health.open {
        Some(open) if facts.status != Status::Ok => failing(moment, health, facts, open),
        _ => well(moment, health, facts, seen),
    }
}

fn failing(moment: &Moment<'_>, health: &Health, facts: &Facts<'_>, open: &OpenIncident) -> Candidate {
    if !moment.settings.on.asks(On::Failure) {
        return Candidate::Suppress(Suppressed::NotAsked, None);
    }
    let acknowledged = health.acknowledged(open);
    if let Some(reported) = &open.reported {
        return continuing(moment, facts, open, (reported, acknowledged));
    }
    if health.is_below_after(moment.settings, open) {
        return Candidate::Suppress(Suppressed::BelowAfter, None);
    }
    if acknowledged.is_some() && !open.is_news_to_whoever_has_it() {
        return Candidate::Suppress(Suppressed::Acknowledged, acknowledged);
    }
    if let Some(until) = open.waits_until(moment.settings.repeat).filter(|until| *until > moment.now) {
        return Candidate::Suppress(Suppressed::RepeatNotDue, Some(until));
    }
    Candidate::Report(Event::Failure, Update::First { since: open.since, failures: open.failures })
}

/// A failure that was reported goes on. What is news is reported at once, anything else when a repetition is due.
fn continuing(
    moment: &Moment<'_>,
    facts: &Facts<'_>,
    open: &OpenIncident,
    (reported, acknowledged): (&Reported, Option<Timestamp>),
) -> Candidate {
    let known = reported.kinds.contains(&open.kind);
    // After so many kinds a new one is no news any more.
    let endless = reported.kinds.len() >= MOST_KINDS;
    let worse = open.status.badness() > reported.worst().badness();
    let changed = open.status != reported.status;
    // Who was told last that it is better is told that it is not. Whoever has the incident hears once that it got better.
    let most = if acknowledged.is_some() { 1 } else { MOST_OF_A_CHANGE };
    let back = open.status.badness() > reported.status.badness() && acknowledged.is_none();
    let new_status = changed && (back || reported.told_of((reported.status, open.status)) < most);
    let is_back = !changed && acknowledged.is_none() && reported.is_back(open.kind);
    // Of a hang that was not told the end is none.
    let hang_ends = open.hung == Some(facts.run) && reported.kind.is_none_or(|kind| kind == HANGS);
    let lasts = intermittent::lasts(open);
    let update = if hang_ends {
        Update::HangEnds { took: facts.took, ending: facts.ending.clone() }
    } else if open.status.badness() > reported.status.badness() {
        Update::Worse { was: reported.status }
    } else if changed && open.status == Status::Unknown {
        Update::Unknown { since: moment.at, was: reported.status }
    } else if changed {
        Update::Better { was: reported.status }
    } else if lasts {
        let (failures, since) = open.row();
        Update::Lasts { failures, since }
    } else if is_back {
        Update::Different { since: open.same_since, was: reported.line.clone() }
    } else if known && open.same > 1 {
        Update::Same { times: open.same, since: open.same_since }
    } else if known {
        Update::AsBefore
    } else if endless {
        Update::DifferentEachTime
    } else {
        Update::Different { since: open.same_since, was: reported.line.clone() }
    };
    let lasts = lasts && acknowledged.is_none();
    if hang_ends || worse || new_status || lasts || is_back || !(known || endless) {
        return Candidate::Report(Event::Repeat, update);
    }
    if acknowledged.is_some() {
        return Candidate::Suppress(Suppressed::Acknowledged, acknowledged);
    }
    match repeat_due(moment, reported, changed) {
        Ok(()) => Candidate::Report(Event::Repeat, update),
        Err(next) => Candidate::Suppress(Suppressed::RepeatNotDue, next),
    }
}

/// Whether a repetition is due; else when it is, if ever. A status that is not the one reported the last time does not
/// wait for more than the first interval.
pub(super) fn repeat_due(moment: &Moment<'_>, reported: &Reported, changed: bool) -> Result<(), Option<Timestamp>> {
    let repeat = moment.settings.repeat;
    let interval = if changed { repeat.first() } else { repeat.interval(reported.repeats) };
    let interval = interval.ok_or(None)?;
    let (slot, clock) = (shift(reported.slot, interval), shift(reported.at, interval));
    if moment.slot >= slot || moment.now >= clock {
        return Ok(());
    }
    Err(Some(if slot > moment.now { slot } else { clock }))
}

/// What an ok run is worth that printed something and has recovered, apart from that; nothing where its recovery says what has
/// `changed`. That it is ok, its recovery says.
fn good_news(settings: &Settings, facts: &Facts<'_>, changed: bool) -> Option<Event> {
    let asks = |on| settings.on.asks(on);
    let told = changed || shows_nothing(facts.stdout);
    let event = if asks(On::Output) { Some(Event::Output) } else { asks(On::Success).then_some(Event::Success) };
    event.filter(|_| !told)
}

fn well(moment: &Moment<'_>, health: &Health, facts: &Facts<'_>, seen: &Seen) -> Candidate {
    let asks = |on| moment.settings.on.asks(on);
    let blank = shows_nothing(facts.stdout);
    let open = health.open.as_deref();
    let reported = open.filter(|open| open.reported.is_some() || health.waiting.has(open.id));
    match reported {
        Some(open) if asks(On::Recovery) => {
            return Candidate::Report(Event::Recovery, open.ends(facts, moment.at));
        }
        _ if asks(On::Change) && seen.changed => return Candidate::Report(Event::Change, Update::None),
        _ if asks(On::Output) && !blank => return Candidate::Report(Event::Output, Update::None),
        _ if asks(On::Success) => return Candidate::Report(Event::Success, Update::None),
        _ => {}
    }
    let why = match open {
        Some(_) if asks(On::Recovery) => Suppressed::NeverReported,
        // Before the first ok run there is none whose output could be the same.
        _ if asks(On::Change) && seen.last_ok.is_some() => Suppressed::Unchanged,
        _ if asks(On::Output) => Suppressed::Blank,
        _ => Suppressed::NotAsked,
    };
    Candidate::Suppress(why, None)
}

/// While the job flaps, what there is to report of its status is suppressed; but for a status that is worse than what was
/// reported, for the end of a run that was reported to hang, and for a reminder where nobody has the incident.
fn while_flapping(moment: &Moment<'_>, health: &Health, facts: &Facts<'_>, seen: &Seen, until: Timestamp) -> Candidate {
    let worst = health.flapping.as_ref().map(|flapping| flapping.worst).unwrap_or_default();
    let failing = facts.status != Status::Ok;
    let flaps = health.flapping_key();
    let is_other = |open: &OpenIncident| open.key.is_some() && open.key != flaps && open.key == number_of(facts.key);
    // What fails under another key twice in a row does not flap.
    let lasts = |open: &OpenIncident| open.reported.is_some() || open.row().0 > 1;
    if health.open.as_deref().is_some_and(|open| is_other(open) && lasts(open)) {
        return candidate(moment, health, facts, seen);
    }
    match candidate(moment, health, facts, seen) {
        Candidate::Report(event, _) if failing && facts.status.badness() > worst.badness() => {
            Candidate::Report(event, Update::Worse { was: worst })
        }
        // That the run is over is known; that the job is well, when it is steady.
        _ if seen.hung && health.is_reported() => {
            let event = if failing { Event::Repeat } else { Event::Flapping };
            Candidate::Report(event, Update::HangEnds { took: facts.took, ending: facts.ending.clone() })
        }
        Candidate::Report(..) | Candidate::Suppress(Suppressed::NeverReported | Suppressed::RepeatNotDue, _) => {
            let acknowledged = health.open.as_deref().and_then(|open| health.acknowledged(open));
            match flap::reminder(moment.settings, health, moment.now) {
                Some(_) if acknowledged.is_some() => Candidate::Suppress(Suppressed::Acknowledged, acknowledged),
                Some(update) => Candidate::Flap(FlapChange::Continues, update),
                None => Candidate::Suppress(Suppressed::Flapping, Some(until)),
            }
        }
        other => other,
    }
}

impl Health {
    /// When the next message about the open incident can be expected, where a failure was suppressed for this reason.
    fn next_message(&self, moment: &Moment<'_>, (why, next): (Suppressed, Option<Timestamp>)) -> Option<Timestamp> {
        use Suppressed::{Acknowledged, QuietHours, RateLimited, RepeatNotDue, Silenced};
        let asked = matches!(why, Acknowledged | QuietHours | RepeatNotDue | Silenced);
        let open = self.open.as_deref().filter(|open| asked && open.resolved_at.is_none());
        let expected = open.and_then(|open| {
            outlook::expected((moment.settings, self, moment.zone), open, self.acknowledged(open), moment.now, false)
        });
        match expected {
            Some(expected) if expected.at.is_none_or(|at| at > moment.now) => expected.at,
            // What was counted is told by the first run that may.
            _ if why == RateLimited => next.and_then(|at| outlook::run_at(self, at, None, false)),
            _ => next,
        }
    }

    /// A run has recovered in quiet hours: what else it is worth waits too.
    fn defer_good_news(&mut self, moment: &Moment<'_>, facts: &Facts<'_>, seen: &Seen) {
        let changed = moment.settings.on.asks(On::Change) && seen.changed;
        let event = if changed { Some(Event::Change) } else { good_news(moment.settings, facts, false) };
        if let Some(event) = event {
            let (run, line) = (Some(facts.run), kept(facts.line, LONGEST_CAUSE).to_owned());
            let (flap, update) = (FlapChange::None, Update::None);
            self.defer(
                moment,
                Draft { event, flap, status: facts.status, run, update, line, exempt: false, hangs_still: false },
            );
        }
    }

    /// A run ended, so it no longer hangs. That one hung for long enough to be reported is remembered until one does not:
    /// a job that is always too slow is not reported anew each time.
    pub(super) fn end_hang(&mut self, settings: &Settings) {
        if self.skips < settings.stuck_after.max(1) {
            self.stuck = Stuck { at: None, ..*self.stuck }.into();
        }
        (self.skips, self.stuck) = (0, Stuck { at: self.stuck.at, ..Stuck::default() }.into());
    }

    /// What is over with this run; of a conversation, that its first message is to say so.
    fn settle(&mut self, moment: &Moment<'_>, next: Status) -> Option<Box<Notification>> {
        self.settle_flapping(moment, next);
        let over = self.conversation_ends(moment.settings).is_some_and(|at| at <= moment.now);
        if over { self.end_conversation(moment, next) } else { None }
    }

    /// Flapping was over before this run changed the status again: what people know is what they would have been told
    /// then.
    fn settle_flapping(&mut self, moment: &Moment<'_>, next: Status) {
        let over = flap::steady_at(moment.settings, self).is_none_or(|at| at <= moment.now);
        let turns = |last: &Status| (*last == Status::Ok) != (next == Status::Ok);
        let Some(last) = self.status().filter(|last| self.is_flapping() && over && turns(last)) else { return };
        self.flapping = None;
        match &mut self.open {
            Some(open) if last != Status::Ok => _ = open.report(moment.now, moment.now, false, Intervals::Grow),
            open => {
                let goes_on = |open: &OpenIncident| open.resolved_at.is_none();
                open.take_if(|open| !goes_on(open));
                self.others.retain(goes_on);
                self.put_back(TakenOut::default());
            }
        }
    }

    /// It is ok: a recovery is due to who was told that it is not, if such are asked for, or if the job flaps: that it is over
    /// is not known before it is steady.
    pub(super) fn mark_recovery_due(&mut self, settings: &Settings, at: Timestamp, flaps: bool) {
        let asks = flaps || settings.on.asks(On::Recovery);
        let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        all.filter(|open| asks && open.reported.is_some()).for_each(|open| _ = open.resolved_at.get_or_insert(at));
        // Nobody was told of these.
        for over in self.others.extract_if(.., |other| other.reported.is_none()) {
            self.waiting.resolve(over.id, over.failures, at);
        }
    }

    /// Fewer failures in a row than are asked for before the first message: of the job, and of the incident.
    pub(super) fn is_below_after(&self, settings: &Settings, open: &OpenIncident) -> bool {
        self.streak.max(open.row().0) < settings.after
    }

    /// It is ok, and no recovery is due: the incident is closed.
    pub(super) fn close_if_nothing_due(&mut self, status: Status, at: Timestamp) {
        let over = |open: &mut Box<OpenIncident>| status == Status::Ok && open.resolved_at.is_none();
        let Some(open) = self.open.take_if(over) else { return };
        for other in std::mem::take(&mut self.others) {
            self.waiting.resolve(other.id, other.failures, at);
        }
        self.waiting.resolve(open.id, open.failures, at);
    }
}
