//! Whether a message may be sent now, and what sending it changes. Pure.
//!
//! Before it: something to report, of a run (`judge`) or of the clock (`wake`). After it: a [`Notification`], or what
//! stands against it: a silence, then quiet hours, then the rate limit, which is asked last since asking uses it up.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flap;
use super::health::Health;
use super::incident::{Intervals, OpenIncident, Reported};
use super::keys::TakenOut;
use super::outlook;
use super::patterns::{Conversation, Flapping};
use super::quiet::{self, Deferred, Present};
use super::settings::On;
use super::{
    Along, Audience, Event, Expected, Facts, Hang, Notification, Overnight, Settings, Statuses, Suppressed, Threading,
    Undo, Update,
};
use crate::clock::between;
use crate::exec::Status;
use crate::id::{Channel, RunId};

/// A repetition is shown in the channel when nothing of the incident was visible there for this long.
const OUT_OF_SIGHT: Duration = Duration::from_secs(12 * 3_600);

/// The settings and the time of a decision.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) settings: &'a Settings,
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
    /// When what is told happened: the end of the run, which may be told late; the present where there is no run.
    pub(super) at: Timestamp,
    /// The slot of the schedule that the run filled; the present where there is no run.
    pub(super) slot: Timestamp,
}

/// What a message says of flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlapChange {
    /// Nothing.
    None,
    Begins,
    Continues,
    Ends,
}

/// Something to report.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) event: Event,
    pub(super) flap: FlapChange,
    pub(super) status: Status,
    pub(super) run: Option<RunId>,
    pub(super) update: Update,
    /// A line of what was written, for the digest and for the next message.
    pub(super) line: String,
    /// No rate limit suppresses it.
    pub(super) exempt: bool,
    /// That this run hangs was told before.
    pub(super) hangs_still: bool,
}

impl Draft {
    /// What becomes of the intervals of `repeat`.
    fn intervals(&self) -> Intervals {
        use Update::{Better, Different, First, HangEnds, Lasts, SilenceEnds, Unknown, Worse};
        match self.update {
            First { .. } | Worse { .. } | Different { .. } | Lasts { .. } => Intervals::Begin,
            // It is no repetition.
            Better { .. } | Unknown { .. } | HangEnds { .. } | SilenceEnds { .. } => Intervals::GoOn,
            _ => Intervals::Grow,
        }
    }
}

/// Whether a run of a job that fails now and then still hangs, though that was told in the thread before.
fn hang_lasts(draft: &Draft, open: &OpenIncident) -> bool {
    draft.hangs_still && open.reported.is_some() && !open.shown
}

/// Takes back a notification that could not be sent: it rendered to blanks, or a pause of `burst` suppressed it. Nothing
/// was reported and nothing used up. A recovery that was taken back is tried once more, after the next ok run.
pub fn retract(health: &mut Health, notification: &Notification) {
    let undo = notification.undo.clone();
    let ok = health.status() == Some(Status::Ok);
    // Of an ok run only a recovery is due, and that once.
    health.open = undo.open.filter(|open| !ok || (open.resolved_at.is_some() && !open.retracted));
    health.others = if health.open.is_some() { undo.others } else { Vec::new() };
    for open in health.open.as_deref_mut().into_iter().chain(&mut health.others) {
        open.retracted = notification.event == Event::Recovery;
    }
    health.put_back(undo.taken_out);
    health.budget = undo.budget;
    health.suppressed = undo.suppressed;
    health.stuck = undo.stuck;
    health.conversation = undo.conversation;
    health.begun = undo.begun;
    health.nights = undo.nights;
    let goes_on = matches!(notification.update, Update::FlappingContinues { .. } | Update::HangEnds { .. });
    if notification.event == Event::Flapping && !goes_on {
        health.flapping = None;
    }
    // What waited goes along with the next message: with a time of its own it would come again at once.
    health.waiting = undo.waiting;
    health.waiting.until = None;
}

impl Health {
    /// The notification; or what stands against it, and when it will not any more.
    pub(super) fn notify(
        &mut self,
        moment: &Moment<'_>,
        draft: Draft,
    ) -> Result<Notification, (Suppressed, Option<Timestamp>)> {
        let Moment { settings, zone, now, .. } = *moment;
        if let Some(until) = self.silenced() {
            let waits = self.open.as_deref().is_some_and(|open| self.waiting.has(open.id));
            if waits && draft.event.is_of_an_incident() && draft.flap == FlapChange::None {
                // What waits for the end of quiet hours says the last that is known.
                self.defer(moment, draft);
            }
            return Err((Suppressed::Silenced, Some(until)));
        }
        let quiet = quiet::is_quiet(settings, zone, now);
        if quiet && !self.is_excepted(settings, &draft) {
            self.waiting.until = quiet::end(settings, zone, now);
            self.defer(moment, draft);
            return Err((Suppressed::QuietHours, self.waiting.until));
        }
        let undo = self.undo();
        if let Err(next) = self.budget.take(settings.rate_limit, now)
            && !draft.exempt
        {
            let failing = self.open.as_deref_mut().filter(|_| draft.status != Status::Ok);
            let is_one_more = failing.is_none_or(|open| open.limit(settings.repeat, now));
            self.suppressed = self.suppressed.saturating_add(u32::from(is_one_more));
            return Err((Suppressed::RateLimited, Some(next)));
        }
        Ok(self.report(moment, draft, undo, quiet))
    }

    pub(super) fn undo(&self) -> Undo {
        Undo {
            open: self.open.clone(),
            others: self.others.clone(),
            budget: self.budget,
            suppressed: self.suppressed,
            waiting: self.waiting.clone(),
            stuck: self.stuck.clone(),
            conversation: self.conversation.clone(),
            begun: self.begun.clone(),
            nights: self.nights.clone(),
            taken_out: TakenOut::default(),
        }
    }

    fn reported(&self) -> Option<&Reported> {
        self.open.as_deref()?.reported.as_ref()
    }

    /// Whether it is sent in quiet hours: its status is excepted, or it ends what was reported as an exception. A recovery
    /// of what was not reported waits with it.
    fn is_excepted(&self, settings: &Settings, draft: &Draft) -> bool {
        let excepted = settings.quiet_except.contains(draft.status);
        match draft.event {
            Event::Recovery => self.reported().is_some_and(|reported| reported.in_quiet_hours || excepted),
            _ => excepted,
        }
    }

    /// It waits for the end of the quiet hours.
    pub(super) fn defer(&mut self, moment: &Moment<'_>, draft: Draft) {
        let (now, at) = (moment.now, moment.at);
        let of_incident = draft.event.is_of_an_incident();
        let line = match draft.event {
            // The process may be gone, and more due times have passed, by the time at which that is read.
            Event::Stuck => match draft.update {
                Update::Hangs(Hang { replaced: false, line, .. }) if line.trim().is_empty() => "a run hung".to_owned(),
                Update::Hangs(Hang { replaced: false, line, .. }) => format!("a run hung: {}", line.trim()),
                update => update.sentence(moment.zone, now),
            },
            Event::Flapping => draft.update.sentence(moment.zone, now),
            _ => draft.line,
        };
        let recovered = draft.event == Event::Recovery;
        self.set_flapping(moment, draft.flap, draft.status);
        let open = self.open.as_deref().filter(|_| of_incident);
        // That a job is steady again is known later than it was ok.
        let ended = open.and_then(|open| open.resolved_at).unwrap_or(at);
        let reported = open.and_then(|open| open.reported.as_ref());
        let other = |known: &Reported| known.statuses.iter().any(|status| status != draft.status);
        let mixed = !recovered && reported.is_some_and(other);
        // Of one that had several, the worst is told, also where that was told at once.
        let before = reported.filter(|_| mixed).map(Reported::worst).unwrap_or_default();
        let status = if before.badness() > draft.status.badness() { before } else { draft.status };
        self.waiting.goes_to(moment.settings.channels_for(status, None));
        self.waiting.put(Deferred {
            at: open.filter(|_| !recovered).map_or(ended, |open| open.since),
            event: draft.event,
            status,
            incident: open.map(|open| open.id),
            times: open.map_or(1, |open| open.failures),
            key: open.map(|open| open.key_text.clone()).unwrap_or_default(),
            ended: recovered.then_some(ended),
            line,
            mixed,
            last: (status != draft.status && !recovered).then_some(draft.status),
            worst_line: String::new(),
            unwatched: false,
            ok_between: !recovered && open.is_some_and(|open| open.before_ok.is_some()),
        });
    }

    fn set_flapping(&mut self, moment: &Moment<'_>, change: FlapChange, status: Status) {
        let reported = self.reported().map(Reported::worst).unwrap_or_default();
        let deferred = self.waiting.worst();
        let now = moment.now;
        match change {
            FlapChange::None => {
                // A status that was worse than what was reported broke through.
                if let Some(flapping) = self.flapping.as_mut().filter(|known| status.badness() > known.worst.badness())
                {
                    flapping.worst = status;
                }
            }
            FlapChange::Begins => {
                let worst = [reported, deferred]
                    .into_iter()
                    .fold(status, |worst, other| if other.badness() > worst.badness() { other } else { worst });
                let changes = flap::setting(moment.settings).map_or(0, |flap| flap.changes);
                let first = self.changes.iter().rev().nth((changes as usize).saturating_sub(1)).copied();
                let (since, key) = (first.or(Some(now)), self.open.as_deref().and_then(|open| open.key));
                let flapping = Flapping { since, changes, reported_at: Some(now), repeats: 0, worst, key };
                self.flapping = Some(flapping.into());
            }
            FlapChange::Continues => {
                if let Some(flapping) = &mut self.flapping {
                    flapping.reported_at = Some(now);
                    flapping.repeats = flapping.repeats.saturating_add(1);
                }
            }
            FlapChange::Ends => self.flapping = None,
        }
    }

    /// It is sent: people know from now on.
    pub(super) fn report(&mut self, moment: &Moment<'_>, draft: Draft, undo: Undo, quiet: bool) -> Notification {
        let Moment { settings, now, at, .. } = *moment;
        let before = self.reported().cloned();
        let of_incident = draft.event.is_of_an_incident() || draft.event == Event::Flapping;
        let failing = draft.status != Status::Ok && of_incident && self.open.is_some();
        if failing && before.is_none() && draft.flap == FlapChange::None {
            self.join_conversation(settings, now);
        }
        let ends = draft.event == Event::Recovery || (draft.flap == FlapChange::Ends && !failing);
        if let Some(open) = self.open.as_deref().filter(|_| ends && of_incident) {
            let (id, failures) = (open.id, open.failures);
            self.waiting.resolve(id, failures, at);
        }
        let keys = self.keys();
        let (also, ended, mut statuses) = if ends { self.end_others(at) } else { Default::default() };
        before.iter().flat_map(|reported| reported.statuses.iter()).for_each(|status| statuses.insert(status));
        let mut waited = Statuses::default();
        if !quiet {
            self.waiting.statuses().for_each(|status| waited.insert(status));
        }
        let waited_open = if quiet { Vec::new() } else { self.waiting.open() };
        if quiet && failing {
            self.nights.tells(now, |at| quiet::end(settings, moment.zone, at).unwrap_or(at));
        }
        let (digest, overnight) = self.digest(moment, quiet);
        let open = self.open.as_deref().filter(|_| of_incident);
        let incident = open.map(OpenIncident::incident);
        let worse = before.as_ref().is_none_or(|known| draft.status.badness() > known.worst().badness());
        // Another failure after one that was told and is over: nobody heard of its end, and this is no repetition. That a job
        // changes is what is said of one that flaps.
        let flaps = draft.event == Event::Flapping || self.is_flapping();
        let is_news = |open: &OpenIncident| open.fails_again().is_some() && !self.is_below_after(settings, open);
        let again = failing && !flaps && open.is_some_and(is_news);
        // What ends along with it has its own thread, and is told there.
        let more = !digest.is_empty();
        let thread = self.threading(&draft, open, before.as_ref(), failing, ends, worse || again, more, now);
        // Whoever has it hears in the thread that it got better; nobody else needs to.
        let better = matches!(draft.update, Update::Better { .. } | Update::Unknown { .. });
        let in_thread_only = failing && better && !more && open.is_some_and(|open| self.acknowledged(open).is_some());
        let thread = if in_thread_only && thread == Threading::Broadcast { Threading::Reply } else { thread };
        let threads = self.has_thread(settings, open, before.as_ref());
        let in_conversation = open.is_some_and(|open| open.conversation.is_some());
        let opens_conversation = failing && before.is_none() && open.is_some_and(OpenIncident::opens_conversation);
        let (update, headline) = self.of_conversation(&draft, open, before.is_none() && failing, ends);
        // A status worse than any that was reported is the new headline of the first message.
        let worsens = failing && worse && before.is_some() && draft.event != Event::Flapping;
        let hangs = matches!(draft.update, Update::Hangs(_));
        let worst = if hangs { draft.update.clone() } else { Update::None };
        let headline = (worsens && thread == Threading::Broadcast).then_some(worst).or(headline);
        // That it stays critical is news for whoever heard that it changes.
        let hangs_steadily = draft.flap == FlapChange::Ends && hangs;
        let stays = (hangs_steadily || matches!(draft.update, Update::FlappingEnds { lasted: Some(_), .. }))
            && open.is_some_and(|open| self.acknowledged(open).is_none());
        // At the end of quiet hours somebody may have it already.
        let is_taken = matches!(draft.update, Update::QuietHoursEnd { .. })
            && open.is_some_and(|open| self.acknowledged(open).is_some());
        let asks = stays || self.pings(&draft, open, worse || again);
        let pings = failing && draft.status == Status::Critical && asks && !is_taken;
        let told_in = self.reported_in(open, before.as_ref());
        let waits = before.as_ref().filter(|_| open.is_some());
        let (pending, substitutes, refused) = waits
            .map(|known| (known.pending.clone(), known.substitutes.clone(), known.refused.clone()))
            .unwrap_or_default();
        self.set_flapping(moment, draft.flap, draft.status);
        let next = self.note(moment, &draft, failing, ends, thread, quiet);
        if let Some(reported) = self.open.as_deref_mut().filter(|_| failing).and_then(|open| open.reported.as_mut()) {
            reported.flat = !threads;
        }
        let also = if threads { also } else { Vec::new() };
        let in_thread = |id: u64| also.iter().any(|along| along.incident.id == id);
        let keys_ended = ended.into_iter().filter(|(id, key)| !key.is_empty() && !in_thread(*id));
        let keys_ended: Vec<String> = keys_ended.map(|(_, key)| key).collect();
        if let Some(incident) = incident {
            self.tell_along(&waited_open, incident.id, moment);
        }
        Notification {
            event: draft.event,
            status: draft.status,
            run: draft.run,
            incident,
            thread: if threads { thread } else { Threading::None },
            opens_conversation,
            also,
            keys,
            keys_open: Vec::new(),
            keys_ended,
            audience: Audience { statuses, channels: told_in, pending, substitutes, refused, waited, in_conversation },
            in_thread_only,
            pings,
            suppressed: std::mem::take(&mut self.suppressed),
            update,
            headline,
            next,
            diff: String::new(),
            changed: false,
            good_news: None,
            previous: None,
            digest,
            overnight,
            undo,
        }
    }

    /// Whether the incident, or its conversation, has a thread: what follows stays in it, whatever the setting is by then.
    pub(super) fn has_thread(
        &self,
        settings: &Settings,
        open: Option<&OpenIncident>,
        before: Option<&Reported>,
    ) -> bool {
        let conversation = self.conversation.as_deref();
        let conversation = conversation.filter(|known| open.is_some_and(|open| open.conversation == Some(known.id)));
        let own = before.filter(|known| known.opened).map(|known| known.flat);
        conversation.map(|known| known.flat).or(own).map_or(settings.thread, |flat| !flat)
    }

    /// How the message stands to the thread of its incident.
    #[expect(clippy::too_many_arguments, reason = "all that is known of the message at this point, and used only here")]
    fn threading(
        &self,
        draft: &Draft,
        open: Option<&OpenIncident>,
        before: Option<&Reported>,
        failing: bool,
        ends: bool,
        worse: bool,
        more: bool,
        now: Timestamp,
    ) -> Threading {
        let Some(open) = open else { return Threading::None };
        let out_of_sight = |at: Timestamp| between(at, now) >= OUT_OF_SIGHT;
        // What is not only about this incident is not hidden in its thread.
        let wide = more || matches!(draft.flap, FlapChange::Begins | FlapChange::Ends);
        if let Some(conversation) = self.conversation.as_deref().filter(|known| open.conversation == Some(known.id)) {
            let opens = open.has_own_thread() && before.is_none();
            let worse = (open.shown && worse) || draft.status.badness() > conversation.worst().badness();
            let lasts = matches!(draft.update, Update::Lasts { .. }) || hang_lasts(draft, open);
            return match failing {
                true if opens => Threading::Open,
                true if wide || worse || lasts || out_of_sight(conversation.visible_at) => Threading::Broadcast,
                false if wide || open.shown => Threading::Broadcast,
                _ => Threading::Reply,
            };
        }
        let Some(before) = before.filter(|known| known.opened) else {
            return if failing { Threading::Open } else { Threading::None };
        };
        let single = open.is_single() && draft.event == Event::Recovery && !more;
        match ends {
            true if single => Threading::CloseInThread,
            true => Threading::Close,
            false if wide || worse || out_of_sight(before.visible_at()) => Threading::Broadcast,
            false => Threading::Reply,
        }
    }

    /// Whether a critical failure pings: the first time, and when it is worse than what was reported.
    fn pings(&self, draft: &Draft, open: Option<&OpenIncident>, worse: bool) -> bool {
        let conversation = self
            .conversation
            .as_deref()
            .filter(|known| open.is_some_and(|open| open.conversation == Some(known.id) && !known.statuses.is_empty()));
        match conversation {
            Some(known) => {
                let shown = open.is_some_and(|open| open.shown);
                let lasts =
                    matches!(draft.update, Update::Lasts { .. }) || open.is_some_and(|open| hang_lasts(draft, open));
                lasts || (shown && worse) || draft.status.badness() > known.worst().badness()
            }
            None => worse,
        }
    }

    /// What has changed, where a conversation counts incidents: the message that opens it says so, and the next ones edit
    /// that one.
    fn of_conversation(
        &self,
        draft: &Draft,
        open: Option<&OpenIncident>,
        first: bool,
        ends: bool,
    ) -> (Update, Option<Update>) {
        let of = |known: &&Conversation| open.is_some_and(|open| open.conversation == Some(known.id));
        match self.conversation.as_deref().filter(of) {
            // How a run hangs is said first.
            Some(conversation) if first && draft.event == Event::Stuck => {
                let opens = open.is_some_and(OpenIncident::has_own_thread);
                let counts = !opens || conversation.flat;
                (draft.update.clone(), counts.then(|| self.counted(conversation, false)))
            }
            Some(conversation) if first => {
                let opens = open.is_some_and(OpenIncident::has_own_thread);
                let counted = self.counted(conversation, opens);
                if opens { (counted, None) } else { (draft.update.clone(), Some(counted)) }
            }
            // Its first message may say something worse than how often it fails, or that a run hangs; while it flaps nobody counts.
            Some(conversation)
                if ends
                    && open.is_some_and(|open| {
                        open.shown
                            || draft.event == Event::Flapping
                            || (open.hung.is_some() && open.opens_conversation())
                    }) =>
            {
                (draft.update.clone(), Some(self.counted(conversation, false)))
            }
            // More of its runs have failed than the first message counts.
            Some(conversation) if draft.event != Event::Flapping && open.is_some_and(|open| open.failures > 1) => {
                (draft.update.clone(), Some(self.counted(conversation, false)))
            }
            _ => (draft.update.clone(), None),
        }
    }

    /// Where the incident, or its conversation, was reported.
    fn reported_in(&self, open: Option<&OpenIncident>, before: Option<&Reported>) -> Vec<Channel> {
        let own = before.filter(|_| open.is_some()).map(|known| known.channels.clone()).unwrap_or_default();
        let conversation =
            self.conversation.as_deref().filter(|known| open.is_some_and(|open| open.conversation == Some(known.id)));
        match conversation {
            Some(known) if own.is_empty() => known.channels.clone(),
            _ => own,
        }
    }

    /// Notes what people know now. The answer is when the next message comes, unless something changes.
    fn note(
        &mut self,
        moment: &Moment<'_>,
        draft: &Draft,
        failing: bool,
        ends: bool,
        thread: Threading,
        quiet: bool,
    ) -> Option<Expected> {
        let Moment { settings, zone, slot, now, .. } = *moment;
        let visible = thread.is_visible();
        match &mut self.open {
            Some(open) if failing => {
                let known = self.conversation.as_deref().filter(|known| open.conversation == Some(known.id));
                let known = known.filter(|known| !known.statuses.is_empty());
                let worse = known.is_some_and(|known| draft.status.badness() > known.worst().badness());
                // Whatever shows in the channel that it lasts: that is not told a second time.
                open.shown |= worse || (visible && (open.lasts() || hang_lasts(draft, open)));
                open.silenced = None;
                let reported = open.report(slot, now, visible, draft.intervals());
                (reported.opened, reported.in_quiet_hours) = (true, reported.in_quiet_hours || quiet);
                if !draft.line.is_empty() || draft.event != Event::Flapping {
                    reported.line.clone_from(&draft.line);
                }
                if let Some(conversation) =
                    self.conversation.as_deref_mut().filter(|known| open.conversation == Some(known.id))
                {
                    conversation.statuses.insert(draft.status);
                    if visible {
                        conversation.visible_at = now;
                    }
                }
            }
            open if ends => *open = None,
            _ => {}
        }
        let flaps = || {
            let at = flap::steady_at(settings, self)?;
            Some(Expected { why: Suppressed::Flapping, at: Some(at) })
        };
        match self.open.as_deref() {
            Some(open) if failing => {
                // News ends the acknowledgement, unless it is good.
                let better = matches!(draft.update, Update::Better { .. } | Update::Unknown { .. });
                let acknowledged = self.acknowledged(open).filter(|_| better);
                outlook::expected((settings, self, zone), open, acknowledged, now, true)
            }
            _ if matches!(draft.flap, FlapChange::Begins | FlapChange::Continues) => flaps(),
            _ => None,
        }
    }

    /// The incidents of other keys that waited for the end of quiet hours, and fail still, are told in the message of one.
    fn tell_along(&mut self, waited: &[u64], with: u64, moment: &Moment<'_>) {
        let untold = |other: &&mut OpenIncident| other.reported.is_none() && other.resolved_at.is_none();
        for other in self.others.iter_mut().filter(|other| waited.contains(&other.id)).filter(untold) {
            let line = other.line.to_string();
            let reported = other.report(moment.slot, moment.now, true, Intervals::Begin);
            (reported.line, reported.told_with) = (line, Some(with));
        }
    }

    /// All is well: the incidents of other keys end with the present one. Those that have threads, and all under which
    /// statuses they were reported.
    fn end_others(&mut self, at: Timestamp) -> (Vec<Along>, Vec<(u64, String)>, Statuses) {
        let (mut threads, mut ended, mut statuses) = (Vec::new(), Vec::new(), Statuses::default());
        for other in std::mem::take(&mut self.others) {
            self.waiting.resolve(other.id, other.failures, other.resolved_at.unwrap_or(at));
            if let Some(reported) = &other.reported {
                reported.statuses.iter().for_each(|status| statuses.insert(status));
                ended.push((other.thread(), other.key_text.to_string()));
                // The thread of a conversation goes on.
                let own = reported.opened && !reported.flat && other.conversation.is_none();
                threads.extend(own.then(|| Along::of(&other)));
            }
        }
        (threads, ended, statuses)
    }

    /// What waited goes along with the first message after the quiet hours; within them, only the incident that is
    /// reported now waits no more.
    fn digest(&mut self, moment: &Moment<'_>, quiet: bool) -> (Vec<String>, Option<Box<Overnight>>) {
        if quiet {
            if let Some(open) = &self.open {
                self.waiting.forget(open.id);
            }
            return Default::default();
        }
        if self.waiting.is_empty() {
            return Default::default();
        }
        if self.waiting.has_failures() {
            let ended = self.waiting.until.filter(|until| *until <= moment.now).unwrap_or(moment.now);
            self.nights.count(ended, |at| quiet::end(moment.settings, moment.zone, at).unwrap_or(at));
        }
        let (waiting, open) = (std::mem::take(&mut self.waiting), self.open.as_deref());
        let present = Present { open, nights: *self.nights, zone: moment.zone, now: moment.now };
        (waiting.lines(present), Some(Box::new(waiting.overnight(moment.settings, present))))
    }

    /// The end of an incident of which no message is asked for: its first message is edited all the same, and nothing
    /// else comes. That of a conversation counts failures and needs no edit, unless a run hung or something ends along.
    pub(super) fn close_by_edit(&self, moment: &Moment<'_>, facts: &Facts<'_>) -> Option<Box<Notification>> {
        let settings = moment.settings;
        let open = self.open.as_deref().filter(|open| !settings.on.asks(On::Recovery) && open.resolved_at.is_none())?;
        let has_thread = |reported: &&Reported| reported.opened && !reported.flat;
        let reported = open.reported.as_ref().filter(has_thread)?;
        let own = |other: &&OpenIncident| {
            other.reported.as_ref().filter(has_thread).is_some() && other.conversation.is_none()
        };
        let also: Vec<Along> = self.others.iter().filter(own).map(Along::of).collect();
        let headline = match open.conversation {
            None => None,
            Some(_) => Some(self.counted_after_hang(open, facts, moment).or_else(|| {
                let conversation = self.conversation.as_deref().filter(|_| !also.is_empty())?;
                Some(self.counted(conversation, false))
            })?),
        };
        Some(Box::new(Notification {
            event: Event::Recovery,
            status: Status::Ok,
            run: Some(facts.run),
            incident: Some(open.incident()),
            thread: Threading::CloseByEdit,
            opens_conversation: false,
            also,
            keys: Vec::new(),
            keys_open: Vec::new(),
            keys_ended: Vec::new(),
            audience: Audience {
                statuses: reported.statuses,
                channels: reported.channels.clone(),
                pending: reported.pending.clone(),
                substitutes: reported.substitutes.clone(),
                refused: reported.refused.clone(),
                waited: Statuses::default(),
                in_conversation: open.conversation.is_some(),
            },
            in_thread_only: false,
            pings: false,
            suppressed: 0,
            update: open.ends(facts, moment.at),
            headline,
            next: None,
            diff: String::new(),
            changed: false,
            good_news: None,
            previous: None,
            digest: Vec::new(),
            overnight: None,
            undo: self.undo(),
        }))
    }
}
