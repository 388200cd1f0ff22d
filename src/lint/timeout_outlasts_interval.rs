//! `timeout-outlasts-interval`: a timeout that lets a run last beyond the next one.

use std::time::Duration;

use super::{Scope, Subject};
use crate::clock::between;
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;
use crate::schedule::{EveryFrom, Overlap, Schedule};

/// So many due times of a calendar are looked at for the shortest time between two.
const LOOKED_AT: usize = 24;

/// The job's own `timeout` is longer than the time to its next run, so that a slow run makes due times pass (or pile
/// up, under `overlap = "queue"`). A timeout from `[defaults]` is a net below all jobs and says nothing about one.
/// `overlap = "allow"` and `"replace"`, and `every_from = "finish"`, know what to do.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let timing = &subject.job.timing;
    let Some(timeout) = subject.job.command.timeout() else { return };
    // Calendars are slow to walk: the text is looked at first.
    let own = subject.file.text().contains("timeout");
    if !own || !timing.enabled || matches!(timing.overlap, Overlap::Allow | Overlap::Replace) {
        return;
    }
    let interval = match &timing.schedule {
        Schedule::Every(every) if every.from == EveryFrom::Finish => return,
        // No calendar is finer than a minute.
        Schedule::Cron(_) if timeout <= Duration::from_secs(60) => return,
        Schedule::Cron(_) => shortest(subject, scope),
        Schedule::Every(_) | Schedule::Burst(_) => timing.every(),
    };
    let Some(interval) = interval.filter(|interval| timeout > *interval) else { return };
    let Some(value) = subject.file.find("timeout") else { return };
    let (timeout, interval) = (format_duration(timeout), format_duration(interval));
    let what = if timing.overlap == Overlap::Queue { "wait" } else { "pass" };
    let message =
        format!("a run may last {timeout}, and due times {what} meanwhile: the next one comes after {interval}");
    let key = subject.schedule();
    let every = subject.file.find(&format!("{key}.every")).map_or_else(|| subject.file.value(key), |value| value.at);
    let problem = Problem::new(Code::TimeoutOutlastsInterval, value.at, message).also(every, "the schedule");
    found.push(problem.help("shorten `timeout`, run it less often, or say with `overlap` what is to happen"));
}

/// The shortest time between two runs of a calendar that come soon.
fn shortest(subject: &Subject<'_, '_>, scope: &Scope) -> Option<Duration> {
    let times = subject.job.timing.upcoming(subject.job.name.as_str(), None, scope.now);
    let times: Vec<_> = times.take(LOOKED_AT).collect();
    times.windows(2).map(|pair| between(pair[0], pair[1])).min()
}
