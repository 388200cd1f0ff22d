//! `quiet-for-ever`: quiet hours that hide every run.

use jiff::{SignedDuration, Timestamp};

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::schedule::Hours;

/// Windows come every week; a second one leaves room for a clock change.
const LOOKED_AT: SignedDuration = SignedDuration::from_hours(15 * 24);

/// So many runs of a calendar are looked at.
const RUNS: usize = 500;

/// Every run of the job lies in its `quiet_hours`, and no status is excepted: nothing is ever said when it happens, and
/// all of it comes as a digest when the hours end, if they do.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let (job, timing) = (subject.job, &subject.job.timing);
    let Some(quiet) = &job.notify.quiet_hours else { return };
    if !timing.enabled || !job.notify.quiet_except.is_empty() {
        return;
    }
    let always = quiet.next_close(scope.now, &timing.zone).is_none();
    let hidden = always
        || if timing.follows_wall_clock() {
            let mut times = timing.upcoming(job.name.as_str(), None, scope.now).take(RUNS).peekable();
            times.peek().is_some() && times.all(|at| quiet.contains(at, &timing.zone))
        } else {
            timing.hours.as_ref().is_some_and(|hours| !speaks_at_times(hours, quiet, subject, scope.now))
        };
    if !hidden {
        return;
    }
    let Some(value) = subject.find("notify.quiet_hours") else { return };
    let message = match always {
        true => "these quiet hours never end: no message of the job is ever sent",
        false => "every run of the job falls into its quiet hours",
    };
    let place = if value.inherited || subject.file.find("notify.quiet_hours").is_none() {
        subject.file.value(subject.schedule())
    } else {
        value.at
    };
    let mut problem = Problem::new(Code::QuietForEver, place, message);
    if place != value.at {
        problem = problem.also(value.at, "the quiet hours");
    } else if let Some(hours) = subject.find("working_hours").filter(|_| !always) {
        problem = problem.also(hours.at, "the job runs only then");
    }
    found.push(problem.help("change the hours, or let the worst through: `quiet_except = [\"critical\"]`"));
}

/// Whether there is a time within two weeks that is open and not quiet.
fn speaks_at_times(hours: &Hours, quiet: &Hours, subject: &Subject<'_, '_>, now: Timestamp) -> bool {
    let zone = &subject.job.timing.zone;
    let end = now.saturating_add(LOOKED_AT).unwrap_or(now);
    let mut at = now;
    while at <= end {
        let Some(open) = quiet.next_close(at, zone).and_then(|loud| hours.next_open(loud, zone)) else { return false };
        if !quiet.contains(open, zone) {
            return true;
        }
        at = open;
    }
    false
}
