//! `grace-outlasts-interval`: an expected run whose absence the next one hides.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;

/// The grace goes on when the next run is due. That run ends the wait, so that one which did not come is noticed only where
/// none of those after it comes within the grace.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let timing = &subject.job.timing;
    let Some(grace) = timing.expect().map(|expect| expect.grace) else { return };
    // Calendars are slow to walk: not for a grace that no gap is shorter than.
    if !timing.enabled || grace <= timing.gap_at_least() {
        return;
    }
    let interval = timing.shortest_gap(subject.job.name.as_str(), scope.now);
    let Some(interval) = interval.filter(|interval| grace > *interval) else { return };
    let Some(value) = subject.file.find("expect.grace") else { return };
    let (grace, interval) = (format_duration(grace), format_duration(interval));
    let message = format!(
        "a single run that does not come is not noticed: the next one is due after {interval}, within the grace of {grace}"
    );
    let key = if timing.follows_wall_clock() { "expect.cron" } else { "expect.every" };
    let problem = Problem::new(Code::GraceOutlastsInterval, value.at, message);
    found.push(
        problem
            .also(subject.file.value(key), "a run is due this often")
            .help("shorten `grace` to less than that, or expect a run less often"),
    );
}
