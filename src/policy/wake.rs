//! What is worth a word without a run having ended: quiet hours that end, a job that is steady again, a silence that is
//! over, due times that pass because a run hangs. Pure.
//!
//! Before it: the daemon, which asks [`due`] when to look again. After it: the same words as of a run. Invariant: after
//! [`wake`] at the time that [`due`] named, `due` names a later one or none.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::flap;
use super::health::{Health, Stuck};
use super::judge::{mended, steady};
use super::quiet;
use super::settings::On;
use super::speak::{Say, Scene};
use super::words::count;
use super::{Event, Hold, Incident, Repeat, Settings, Threading, Word};
use crate::clock::shift;
use crate::exec::Status;

/// When [`wake`] has something to do, if no run comes before; none when nothing waits for the clock.
pub fn due(settings: &Settings, health: &Health) -> Option<Timestamp> {
    let steady = flap::steady_at(settings, health);
    let digest = health.waiting.until.filter(|_| !health.waiting.is_empty());
    let owed = health.silenced.filter(|_| is_owed(health));
    // Nothing is said before a silence ends.
    let silenced = health.silenced.unwrap_or(Timestamp::MIN);
    [steady, digest, owed].into_iter().flatten().map(|at| at.max(silenced)).min()
}

/// A recovery that only a silence has held.
fn is_owed(health: &Health) -> bool {
    !health.flapping && health.trouble.as_deref().is_some_and(|trouble| trouble.mended.is_some() && !trouble.unsaid)
}

/// Says what the time has come for.
pub fn wake(settings: &Settings, health: &mut Health, zone: &TimeZone, now: Timestamp) -> Vec<Word> {
    health.heed(now);
    if health.silenced.is_some() {
        return Vec::new();
    }
    let scene = Scene { settings, zone, now, slot: now };
    let mut words = Vec::new();
    let status = health.status().unwrap_or_default();
    if flap::steady_at(settings, health).is_some_and(|at| at <= now) {
        let remark = steady(health, status, now);
        words.extend(health.say(&scene, Event::Flapping, Some(false), status, remark));
    }
    if !health.waiting.is_empty() {
        match quiet::is_quiet(settings, zone, now) {
            true => health.waiting.until = quiet::end(settings, zone, now),
            false => words.extend(digest(&scene, health, status)),
        }
    }
    if is_owed(health)
        && let Some(trouble) = health.trouble.clone()
    {
        words.extend(health.say(&scene, Event::Recovery, None, status, mended(&trouble, &scene)));
    }
    words
}

/// One message of what waited: about what fails still, if anything does, else about the last that is over, else about
/// the last good news.
fn digest(scene: &Scene<'_>, health: &mut Health, status: Status) -> Option<Word> {
    let remark = format!("{} in quiet hours", count(health.waiting.count(), "alert"));
    let open = health.trouble.as_deref().filter(|trouble| trouble.told.is_some() || health.waiting.has(trouble.id));
    let over = health.waiting.ended().cloned();
    let (event, status) = match (open, &over, health.waiting.last()) {
        _ if health.flapping => (Event::Flapping, status),
        (Some(trouble), ..) if trouble.mended.is_some() => (Event::Recovery, Status::Ok),
        (Some(trouble), ..) if trouble.told.is_some() => (Event::Repeat, trouble.status),
        (Some(trouble), ..) => (Event::Failure, trouble.status),
        (_, Some(_), _) => (Event::Recovery, Status::Ok),
        (_, _, Some(alert)) => (alert.event, alert.status),
        (_, _, None) => (Event::Output, Status::Ok),
    };
    let mut word = health.say(scene, event, None, status, remark)?;
    if let (Event::Recovery, None, Some(over)) = (event, word.incident, over) {
        word.incident = over.incident.map(|id| Incident { id, started: over.at, failures: over.times });
        word.thread = Threading::None;
    }
    Some(word)
}

/// A due time passed because the last run is still going. At `stuck_after` of them in a row that is worth a word, once
/// for each hang; while one run after another hangs, as often as a failure would be repeated.
pub fn skipped(settings: &Settings, health: &mut Health, zone: &TimeZone, now: Timestamp) -> Option<Word> {
    health.heed(now);
    health.skips = health.skips.saturating_add(1);
    let wanted = settings.stuck_after > 0 && settings.on.asks(On::Failure);
    if !wanted || health.skips < settings.stuck_after || health.stuck.told || health.silenced.is_some() {
        return None;
    }
    let again = match (health.stuck.at, settings.repeat) {
        (None, _) | (_, Repeat::Always) => true,
        (Some(_), Repeat::Never) => false,
        (Some(at), Repeat::Every(length)) => now >= shift(at, length),
    };
    if !again {
        return None;
    }
    let scene = Scene { settings, zone, now, slot: now };
    let before = (health.stuck, health.suppressed);
    health.stuck = Stuck { told: true, at: Some(now) };
    let say = Say {
        event: Event::Stuck,
        flap: None,
        status: Status::Unknown,
        run: None,
        remark: format!("{} skipped in a row", count(health.skips, "due time")),
        line: String::new(),
        must: false,
    };
    match health.speak(&scene, say) {
        Ok(mut word) => {
            word.undo.stuck = before.0;
            Some(word)
        }
        Err((Hold::RateLimited, _)) => {
            // It is tried again at the next due time, and counts as one.
            health.stuck = before.0;
            if health.skips > settings.stuck_after {
                health.suppressed = before.1;
            }
            None
        }
        Err(_) => None,
    }
}

impl Health {
    /// Says something of the last run that no limit holds.
    fn say(
        &mut self,
        scene: &Scene<'_>,
        event: Event,
        flap: Option<bool>,
        status: Status,
        remark: String,
    ) -> Option<Word> {
        let run = self.last.as_ref().map(|last| last.run);
        self.speak(scene, Say { event, flap, status, run, remark, line: String::new(), must: true }).ok()
    }
}
