//! Whether a job changes between ok and not ok too often to report each change. Pure.
//!
//! Before it: the times of the last changes in [`Health`]. After it: `judge`, which reports once that it flaps, is silent
//! until it is steady, and reports that once. (Icinga and Nagios weigh the last 21 results by their age; here the setting
//! says how many changes in what time, so changes are counted as they are: with a weight on each, six changes would not
//! mean six, and the last 21 results of an hourly job reach back for most of a day, far past `within`.)

use jiff::Timestamp;

use super::health::Health;
use super::settings::{Flap, On, Repeat};
use super::{Settings, Update};
use crate::clock::{between, shift};
use crate::exec::Status;

/// What a run means for flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Calm,
    /// The job has now changed too often.
    Begins,
    /// It still does; it counts as steady then.
    Continues(Timestamp),
    /// It has been the same for long enough.
    Ends,
}

/// The setting, where it applies: who does not ask for failures is not told of changes either.
pub(super) fn setting(settings: &Settings) -> Option<Flap> {
    settings.flap.filter(|_| settings.on.asks(On::Failure))
}

/// When a flapping job counts as steady, if it does not change until then.
pub(super) fn steady_at(settings: &Settings, health: &Health) -> Option<Timestamp> {
    let last = health.changes.back().filter(|_| health.is_flapping())?;
    Some(setting(settings).map_or(*last, |flap| shift(*last, flap.within)))
}

/// The step that a run is, after it was recorded.
pub(super) fn step(settings: &Settings, health: &Health, turned: bool, now: Timestamp) -> Step {
    let Some(flap) = setting(settings) else { return Step::Calm };
    if health.is_flapping() {
        return match steady_at(settings, health) {
            Some(at) if at > now => Step::Continues(at),
            _ => Step::Ends,
        };
    }
    let recent = health.changes.iter().filter(|at| between(**at, now) < flap.within).count();
    if turned && recent >= flap.changes as usize { Step::Begins } else { Step::Calm }
}

/// What is reported when flapping begins.
pub(super) fn begins(settings: &Settings, health: &Health) -> Update {
    let Some(flap) = setting(settings) else { return Update::None };
    let mut changes = health.changes.iter().rev().take(flap.changes as usize);
    let (last, first) = (changes.next(), changes.next_back());
    let took = last.zip(first).map_or(flap.within, |(last, first)| between(*first, *last));
    Update::FlappingBegins { changes: flap.changes, took, steady_after: flap.within }
}

/// What is reported when the job has been the same for long enough, or the setting is gone.
pub(super) fn ends(settings: &Settings, health: &Health, status: Status, now: Timestamp) -> Update {
    // Nobody counts its changes any more: that it is steady is not known.
    let lasted = setting(settings).and(health.changes.back()).map(|last| between(*last, now));
    Update::FlappingEnds { status, lasted }
}

/// The reminder that it still flaps, where one is due: as often as `repeat` says, hourly where that is after every run.
pub(super) fn reminder(settings: &Settings, health: &Health, now: Timestamp) -> Option<Update> {
    let flapping = health.flapping.as_ref()?;
    let interval = match settings.repeat {
        Repeat::Always => std::time::Duration::from_secs(3_600),
        repeat => repeat.interval(flapping.repeats)?,
    };
    let due = flapping.reported_at.is_some_and(|at| shift(at, interval) <= now);
    due.then(|| Update::FlappingContinues { changes: flapping.changes, since: flapping.since.unwrap_or(now) })
}
