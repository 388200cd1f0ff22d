//! `hang-is-silent` and `no-timeout`: what happens to a command that hangs.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::policy;
use crate::schedule::Overlap;

/// What to do about it.
const SET: &str = "set `timeout` to what it takes at worst, here or for all jobs in `[defaults]`";

/// Without `timeout` nothing ends a command that hangs: `no-timeout`. When nothing tells of it either, it is
/// `hang-is-silent` in its place: `stuck_after = 0`, or an interval that is measured from the finish, where no due time
/// is ever skipped; and no `slow`, which tells of a run that takes long. Under `overlap = "replace"` the next run ends the last one, which is as good as a timeout; but with
/// `stuck_after = 0` nobody hears of that.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let (job, file) = (subject.job, &subject.file);
    let replaces = job.timing.overlap == Overlap::Replace;
    // Of a run that takes so long it is told, if the next one does not end it before.
    let over = policy::slow_after(&job.notify);
    let is_told = over.is_some_and(|over| !replaces || over < job.timing.gap_at_least());
    let is_ended = replaces && (job.notify.stuck_after > 0 || is_told);
    if !job.timing.enabled || job.command.timeout().is_some() || is_ended {
        return;
    }
    if job.notify.stuck_after == 0 && !is_told {
        let what = if replaces { "is ended by the next one and not told of" } else { "is neither ended nor told of" };
        let message = format!("a run that hangs {what}: there is no `timeout`, and `stuck_after` is 0");
        let place = subject.find("notify.stuck_after").map(|value| value.at);
        let problem = Problem::new(Code::HangIsSilent, file.key("command"), message);
        found.push(
            match place {
                Some(place) => problem.also(place, "no due time that is skipped is told of"),
                None => problem,
            }
            .help(SET),
        );
    } else if job.timing.follows_finish() && !is_told {
        let message = "a run that hangs is neither ended nor told of: the next one waits for its finish";
        let problem = Problem::new(Code::HangIsSilent, file.key("command"), message);
        let place = subject.find("every_from").map(|value| value.at);
        found.push(
            match place {
                Some(place) => problem.also(place, "measured from a finish that never comes"),
                None => problem,
            }
            .help(SET),
        );
    } else {
        let problem = Problem::new(Code::NoTimeout, file.key("command"), "nothing ends this command when it hangs");
        found.push(problem.help(format!("{SET}; or accept it: `allow = [\"no-timeout\"]`")));
    }
}

/// Of a job that something else runs, an end that is missing is told when due times have passed (`stuck_after`), or when the next
/// run begins. With `stuck_after = 0` and without a `timeout` or `slow` it may never be.
pub(super) fn check_expected(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let job = subject.job;
    let is_slow_told = policy::slow_after(&job.notify).is_some();
    let told = job.command.timeout().is_some() || job.notify.stuck_after > 0 || is_slow_told;
    if !job.timing.runs_elsewhere() || !job.timing.enabled || told {
        return;
    }
    let message = "a run that begins and does not end is told when the next one begins, or never: there is no `timeout`, and \
                   `stuck_after` is 0";
    let problem = Problem::new(Code::HangIsSilent, subject.file.key("expect"), message);
    let skips = subject.find("notify.stuck_after").map(|value| value.at);
    found.push(
        match skips {
            Some(skips) => problem.also(skips, "no due time that is skipped is told of"),
            None => problem,
        }
        .help(SET),
    );
}
