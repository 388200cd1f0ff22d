//! What there is to report without a run having ended: quiet hours that end, a job that is steady again, a silence that is
//! over, due times that pass because a run hangs. Pure.
//!
//! Before it: the daemon, which asks [`due`] when to look again. After it: the same notifications as of a run. Invariant:
//! after [`wake`] at the time that [`due`] named, `due` names a later one or none.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flap;
use super::health::{Health, Stuck};
use super::incident::{HANGS, OpenIncident};
use super::judge::repeat_due;
use super::notify::{Draft, FlapChange, Moment};
use super::quiet;
use super::settings::On;
use super::{Event, Hang, Incident, Notification, Settings, Suppressed, Threading, Update};
use crate::exec::Status;

/// When [`wake`] has something to do, if no run comes before; none when nothing waits for the clock.
pub fn due(settings: &Settings, health: &Health) -> Option<Timestamp> {
    let steady = flap::steady_at(settings, health);
    let digest = health.waiting.until.filter(|_| !health.waiting.is_empty());
    // Nothing is sent before a silence ends.
    let silenced = health.silenced().unwrap_or(Timestamp::MIN);
    let recovery = health.silenced().filter(|_| recovery_is_due(health));
    let owed = is_owed(health).then_some(silenced);
    [steady, digest, recovery, owed].into_iter().flatten().map(|at| at.max(silenced)).min()
}

/// A recovery that only a silence has suppressed.
fn recovery_is_due(health: &Health) -> bool {
    let mut all = health.open.as_deref().into_iter().chain(&health.others);
    !health.is_flapping() && all.any(|open| open.resolved_at.is_some() && !open.retracted)
}

/// Something about an open incident was not told because of a silence, and is to be told when that ends; or others than those who
/// were told of it are to know.
fn is_owed(health: &Health) -> bool {
    health.open.as_deref().into_iter().chain(&health.others).any(|open| open.silenced.is_some() || open.untold)
}

/// The notifications that the time has come for. `hang` is the run that goes on, where the job hangs.
pub fn wake(
    settings: &Settings,
    health: &mut Health,
    hang: Option<&Hang>,
    zone: &TimeZone,
    now: Timestamp,
) -> Vec<Notification> {
    health.clamp_to_now(now);
    if health.silenced().is_some() {
        return Vec::new();
    }
    let fails = |open: &mut OpenIncident| open.silenced.take().filter(|_| open.resolved_at.is_none());
    let owed = health.open.as_deref_mut().and_then(fails);
    let others: Vec<(u64, String)> =
        health.others.iter_mut().filter_map(|open| Some((open.id, fails(open)?))).collect();
    let untold = health.take_untold();
    let moment = Moment { settings, zone, now, at: now, slot: now };
    let mut all = Vec::new();
    let status = health.status().unwrap_or_default();
    let hang = hang.filter(|hang| health.hangs_now().is_some_and(|(run, _)| run == hang.run));
    let steady = flap::steady_at(settings, health).is_some_and(|at| at <= now);
    if let Some(hang) = hang.filter(|_| steady) {
        // It does not change any more since it hangs.
        let draft = Draft { flap: FlapChange::Ends, ..health.hanging(hang.clone(), true) };
        all.extend(health.notify(&moment, draft));
    } else if steady {
        let update = flap::ends(settings, health, status, now);
        let told = |health: &mut Health| health.of_clock(&moment, Event::Flapping, FlapChange::Ends, status, update);
        all.extend(of_ended(health, status == Status::Ok, told));
    }
    if !health.waiting.is_empty() {
        match quiet::is_quiet(settings, zone, now) {
            true => health.waiting.until = quiet::end(settings, zone, now),
            false => all.extend(digest(&moment, health, hang, status)),
        }
    }
    if recovery_is_due(health) {
        all.extend(of_ended(health, true, |health| {
            let update = health.open.as_deref()?.recovered(now);
            health.of_clock(&moment, Event::Recovery, FlapChange::None, Status::Ok, update)
        }));
    }
    if let Some(by) = owed
        && !all.iter().any(tells_of_a_failure)
    {
        all.extend(still_failing(&moment, health, by));
    }
    for (id, by) in others {
        all.extend(of_one(health, id, |health| still_failing(&moment, health, by)));
    }
    let present = health.open.as_deref().map(|open| open.id);
    for id in untold {
        all.extend(match present == Some(id) {
            true => told_anew(&moment, health, hang),
            false => of_one(health, id, |health| told_anew(&moment, health, None)),
        });
    }
    all
}

/// A message about one of the incidents that are not the last run's.
fn of_one(
    health: &mut Health,
    id: u64,
    tell: impl FnOnce(&mut Health) -> Option<Notification>,
) -> Option<Notification> {
    let taken_out = health.take_out(|open| open.id == id);
    if health.open.is_none() {
        health.open = health.others.pop().map(Box::new);
    }
    let mut told = tell(health);
    if let Some(notification) = &mut told {
        notification.beside(&taken_out);
        notification.run = None;
    }
    let own = health.open.take();
    health.others.extend(own.map(|own| *own));
    health.put_back(taken_out);
    told
}

/// A message about the incidents that have ended, where it is `only` about these.
fn of_ended(
    health: &mut Health,
    only: bool,
    tell: impl FnOnce(&mut Health) -> Option<Notification>,
) -> Option<Notification> {
    let taken_out = health.take_out(|open| !only || open.resolved_at.is_some());
    if only {
        health.turn_to_reported();
    }
    let mut told = tell(health);
    if let Some(notification) = &mut told {
        notification.beside(&taken_out);
    }
    health.put_back(taken_out);
    told
}

/// Whether it says that the job fails: what else is owed of that would say the same again.
fn tells_of_a_failure(told: &Notification) -> bool {
    told.status != Status::Ok && (told.event.is_of_an_incident() || told.event == Event::Flapping)
}

/// A silence is over, and the job fails still.
fn still_failing(moment: &Moment<'_>, health: &mut Health, by: String) -> Option<Notification> {
    let open = health.open.clone().filter(|open| open.resolved_at.is_none())?;
    let is_worth_it = open.reported.is_some() || !health.is_below_after(moment.settings, &open);
    let asks = moment.settings.on.asks(On::Failure) && is_worth_it;
    if !asks || health.is_flapping() || health.waiting.has(open.id) || health.acknowledged(&open).is_some() {
        return None;
    }
    let event = if open.reported.is_some() { Event::Repeat } else { Event::Failure };
    let line = open.line.to_string();
    let told = open.reported.as_ref();
    let was = told.map(|told| told.status);
    let differs = was == Some(open.status) && told.is_some_and(|told| !told.kinds.contains(&open.kind));
    let again = open.fails_again();
    let update = Update::SilenceEnds { by, since: open.since, failures: open.failures, line, was, differs, again };
    health.of_clock(moment, event, FlapChange::None, open.status, update)
}

/// Others than those who were told of it are to know that the job fails.
fn told_anew(moment: &Moment<'_>, health: &mut Health, hang: Option<&Hang>) -> Option<Notification> {
    let open = health.open.as_deref().filter(|open| open.resolved_at.is_none() && open.reported.is_none())?;
    let is_kept_back = health.waiting.has(open.id) || health.acknowledged(open).is_some();
    if is_kept_back || !moment.settings.on.asks(On::Failure) {
        return None;
    }
    if let Some(hang) = hang.filter(|hang| open.hung == Some(hang.run)) {
        health.stuck = Stuck { told: true, at: Some(moment.now), ..*health.stuck }.into();
        let draft = health.hanging(hang.clone(), true);
        return health.notify(moment, draft).ok();
    }
    let event = if health.did_not_come() { Event::Missing } else { Event::Failure };
    let (status, update) = (open.status, Update::First { since: open.since, failures: open.failures });
    health.of_clock(moment, event, FlapChange::None, status, update)
}

/// One message of what waited: about what fails still, if anything does, else about the last that is over, else about
/// the last good news. Of a run that hangs still it says so, and no fact of the run before.
fn digest(moment: &Moment<'_>, health: &mut Health, hang: Option<&Hang>, status: Status) -> Option<Notification> {
    if let Some(hang) = hang {
        let draft = health.hanging(hang.clone(), true);
        return health.notify(moment, draft).ok();
    }
    health.turn_to_waiting();
    let update = Update::QuietHoursEnd { alerts: health.waiting.count() };
    let open = health.open.as_deref().filter(|open| open.reported.is_some() || health.waiting.has(open.id));
    let over = health.waiting.ended().cloned();
    let (event, status) = match (open, &over, health.waiting.last()) {
        _ if health.is_flapping() => (Event::Flapping, status),
        (Some(open), ..) if open.resolved_at.is_some() => (Event::Recovery, Status::Ok),
        (Some(open), ..) if open.reported.is_some() => (Event::Repeat, open.status),
        (Some(open), ..) => (Event::Failure, open.status),
        (_, Some(_), _) => (Event::Recovery, Status::Ok),
        (_, _, Some(deferred)) => (deferred.event, deferred.status),
        (_, _, None) => (Event::Output, Status::Ok),
    };
    let mut notification = of_ended(health, event == Event::Recovery, |health| {
        health.of_clock(moment, event, FlapChange::None, status, update)
    })?;
    if let (Event::Recovery, None, Some(over)) = (event, notification.incident, over) {
        if health.tell_in_conversation(&mut notification, &over) {
            return Some(notification);
        }
        notification.incident = over.incident.map(|id| Incident {
            id,
            started: over.at,
            failures: over.times,
            in_a_row: true,
            ended: over.ended,
        });
        notification.thread = Threading::None;
    }
    Some(notification)
}

/// A due time passed because the last run is still going, or took its place. At `stuck_after` of them in a row the job fails: an incident
/// like any other, which is repeated while the run goes on. Where one run after another hangs and none of them is ok, the
/// next is reported only when a repetition would be.
pub fn skipped(
    settings: &Settings,
    health: &mut Health,
    hang: Hang,
    zone: &TimeZone,
    now: Timestamp,
) -> Option<Notification> {
    health.clamp_to_now(now);
    health.skips = health.skips.saturating_add(1);
    if hang.replaced && health.skips == 1 {
        health.stuck.since = now.checked_sub(hang.age).ok();
    }
    if settings.stuck_after == 0 || health.skips < settings.stuck_after {
        return None;
    }
    let before = (*health.stuck, health.suppressed, health.open.clone());
    health.stuck.replaced = hang.replaced;
    // The job fails whether or not anything is said of it. Of runs that take each other's place, those before it failed too.
    let runs = if hang.replaced && !before.0.replaced { health.skips } else { 1 };
    health.hangs(&hang, runs, now);
    if let Some(open) = health.open.as_deref() {
        health.waiting.reopen(open);
    }
    if !settings.on.asks(On::Failure) || health.silenced().is_some() {
        return None;
    }
    let moment = Moment { settings, zone, now, at: now, slot: now };
    // What was told of a hang that is over, and of an incident that is over, is no reason to keep this one back.
    let told = health.stuck.told || health.stuck.at.is_some();
    if let Some(open) = health.open.as_deref() {
        if (told || open.reported.is_none()) && health.acknowledged(open).is_some() {
            return None;
        }
        match &open.reported {
            // One that follows a failure that was told is news once.
            Some(reported) if told && !reported.is_back(HANGS) => repeat_due(&moment, reported, false).ok()?,
            // It waits for the end of quiet hours, or version 0.1 has told it.
            None if health.stuck.told => return None,
            None if open.waits_until(settings.repeat).is_some_and(|until| until > now) => return None,
            _ => {}
        }
    }
    health.stuck = Stuck { told: true, at: Some(now), ..*health.stuck }.into();
    let first = health.open.as_deref().is_some_and(|open| open.reported.is_none());
    let draft = Draft { hangs_still: before.0.told, ..health.hanging(hang, first) };
    match health.notify(&moment, draft) {
        Ok(mut notification) => {
            (notification.undo.stuck, notification.undo.open) = (before.0.into(), before.2);
            Some(notification)
        }
        Err((Suppressed::RateLimited, _)) => {
            // It is tried again at the next due time, and counts as one.
            health.stuck = Stuck { replaced: health.stuck.replaced, ..before.0 }.into();
            if health.skips > settings.stuck_after {
                health.suppressed = before.1;
            }
            None
        }
        Err(_) => None,
    }
}

impl Health {
    /// The incidents that are to be told anew, which they are once.
    fn take_untold(&mut self) -> Vec<u64> {
        let all = self.open.as_deref_mut().into_iter().chain(&mut self.others);
        all.filter_map(|open| std::mem::take(&mut open.untold).then_some(open.id)).collect()
    }

    /// That a run does not end.
    fn hanging(&self, hang: Hang, exempt: bool) -> Draft {
        Draft {
            event: Event::Stuck,
            flap: FlapChange::None,
            status: Status::Critical,
            run: Some(hang.run),
            line: hang.line.clone(),
            update: Update::Hangs(Hang { skipped: self.skips, ..hang }),
            exempt,
            hangs_still: false,
        }
    }

    /// A run does not end, the last of so many `runs` in a row: it opens an incident, or goes on with the one that is open.
    fn hangs(&mut self, hang: &Hang, runs: u32, now: Timestamp) {
        let began = now.saturating_sub(hang.age).unwrap_or(now);
        let since = self.stuck.since.filter(|since| hang.replaced && runs > 1 && *since < began).unwrap_or(began);
        if self.open.as_deref().is_some_and(|open| open.hung == Some(hang.run)) {
            return;
        }
        // A job that was ok is that no more; the end of the run is the next change.
        if self.status() == Some(Status::Ok) {
            self.note_change(now);
        }
        self.turn_to_own(None);
        match &mut self.open {
            // Also one whose end is still to be told: that would never be.
            Some(open) => open.hangs((hang.run, runs), now),
            none => *none = Some(Box::new(OpenIncident::hanging((hang.run, runs), since, now))),
        }
    }

    /// A notification about the last run, which no limit suppresses.
    fn of_clock(
        &mut self,
        moment: &Moment<'_>,
        event: Event,
        flap: FlapChange,
        status: Status,
        update: Update,
    ) -> Option<Notification> {
        let run = self.last.as_ref().map(|last| last.run);
        // What it says of the incident stays what was said of it; at first that is what the last run came to.
        let line = self.open.as_deref().and_then(|open| open.reported.as_ref()).map(|known| known.line.clone());
        let last = self.last.as_ref().filter(|last| last.status != Status::Ok).map(|last| last.line.clone());
        let line = line.or(last);
        let draft = Draft {
            event,
            flap,
            status,
            run,
            update,
            line: line.unwrap_or_default(),
            exempt: true,
            hangs_still: false,
        };
        self.notify(moment, draft).ok()
    }
}
