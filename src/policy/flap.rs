//! Whether the status changes too often to tell each time. Pure.
//!
//! Before it: the times of the last changes in [`Health`]. After it: `judge`, which tells that it flaps once, is silent
//! until it is steady, and tells that once. (Icinga and Nagios weigh the last 21 results by their age; here the setting
//! says how many changes in what time, so changes are counted as they are: with a weight on each, six changes would not
//! mean six, and the last 21 results of an hourly job reach back for most of a day, far past `within`.)

use jiff::Timestamp;

use super::Settings;
use super::health::Health;
use super::settings::{Flap, On};
use crate::clock::{between, shift};

/// What a run means for flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Calm,
    /// The status has now changed too often.
    Begins,
    /// It still does; it counts as steady then.
    Goes(Timestamp),
    /// It has been the same for long enough.
    Ends,
}

/// The setting, where it applies: who does not ask for failures is not told of changes either.
pub(super) fn setting(settings: &Settings) -> Option<Flap> {
    settings.flap.filter(|_| settings.on.asks(On::Failure))
}

/// When a flapping job counts as steady, if its status does not change until then.
pub(super) fn steady_at(settings: &Settings, health: &Health) -> Option<Timestamp> {
    let last = health.changes.back().filter(|_| health.flapping)?;
    Some(setting(settings).map_or(*last, |flap| shift(*last, flap.within)))
}

/// The step that a run is, after it was recorded.
pub(super) fn step(settings: &Settings, health: &Health, turned: bool, now: Timestamp) -> Step {
    let Some(flap) = setting(settings) else { return Step::Calm };
    if health.flapping {
        return match steady_at(settings, health) {
            Some(at) if at > now => Step::Goes(at),
            _ => Step::Ends,
        };
    }
    let recent = health.changes.iter().filter(|at| between(**at, now) < flap.within).count();
    if turned && recent >= flap.changes as usize { Step::Begins } else { Step::Calm }
}
