//! `timeout-outlasts-interval`: a timeout that lets a run last beyond the next one.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;
use crate::schedule::Overlap;

/// The job's own `timeout`, for each attempt, with its own `kill_after` and with the waits between them, is longer than the time to its next run, so that a slow run makes due times pass (or pile
/// up, under `overlap = "queue"`). A timeout from `[defaults]` is a net below all jobs and says nothing about one.
/// `overlap = "allow"` and `"replace"`, and `every_from = "finish"`, know what to do.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let timing = &subject.job.timing;
    let Some(timeout) = subject.job.command.timeout() else { return };
    let retries = subject.job.command.retries();
    // What is killed late is rare: it counts where the job itself says how late.
    let kill_after = subject.file.find("kill_after").map(|_| subject.job.command.kill_after());
    let timeout = retries.longest(timeout.saturating_add(kill_after.unwrap_or_default()));
    let own = subject.file.text().contains("timeout");
    // Calendars are slow to walk: not for a timeout that no gap is shorter than.
    if !own || !timing.enabled || !timing.can_fall_behind() || timeout <= timing.gap_at_least() {
        return;
    }
    // An interval is the same in all hours; a calendar is not.
    if timing.follows_wall_clock() && !subject.has(&["working_hours"]) {
        return;
    }
    let interval = timing.shortest_gap(subject.job.name.as_str(), scope.now);
    let Some(interval) = interval.filter(|interval| timeout > *interval) else { return };
    let Some(value) = subject.file.find("timeout") else { return };
    let (timeout, interval) = (format_duration(timeout), format_duration(interval));
    let what = if timing.overlap == Overlap::Queue { "wait" } else { "pass" };
    let with = match (retries.times, kill_after) {
        (0, None) => String::new(),
        (0, Some(_)) => " with `kill_after`".to_owned(),
        (1, None) => " with its retry".to_owned(),
        (times, None) => format!(" with its {times} retries"),
        (1, Some(_)) => " with its retry and `kill_after`".to_owned(),
        (times, Some(_)) => format!(" with its {times} retries and `kill_after`"),
    };
    let message =
        format!("a run may last {timeout}{with}, and due times {what} meanwhile: the next one comes after {interval}");
    let key = subject.schedule();
    let every = subject.file.find(&format!("{key}.every")).map_or_else(|| subject.file.value(key), |value| value.at);
    let problem = Problem::new(Code::TimeoutOutlastsInterval, value.at, message).also(every, "the schedule");
    // `overlap` says nothing of runs that something else starts, and is refused.
    found.push(problem.help(match timing.runs_elsewhere() {
        true => "shorten `timeout`, or expect a run less often",
        false => {
            "shorten `timeout`, run it less often, or set `overlap`: \"allow\" lets both run, \"replace\" stops the first"
        }
    }));
}
