//! `burst-overlaps-pause`: a burst whose pause is over before it begins.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;

/// The pause of a burst counts from the start of its last run. When it is no longer than the interval, the next run
/// is due as if there were no pause, and the burst is a plain `every`.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let Some((interval, paused)) = subject.job.timing.ineffective_pause() else { return };
    // With `--max-alert` every job is a burst: only what the file says is the file's mistake.
    let (Some(pause), Some(every)) = (subject.file.find("burst.pause"), subject.file.find("burst.every")) else {
        return;
    };
    let (long, short) = (format_duration(interval), format_duration(paused));
    let message = format!("the pause of {short} is over before the next run is due, {long} later");
    let problem = Problem::new(Code::BurstOverlapsPause, pause.at, message);
    found.push(problem.also(every.at, "a run is due this often").help(
        "the pause counts from the start of the burst's last run: make it longer than `every`, or use a plain `every`",
    ));
}
