//! `can-starve-others`: runs of one job that can pile up until no other job runs.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::schedule::Overlap;

/// `overlap = "allow"` without `timeout`: each run that hangs keeps one of the `max_running` places for ever, and the next
/// one takes another. When they hold all places, no job runs any more.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let job = subject.job;
    if !job.timing.enabled || job.timing.overlap != Overlap::Allow || job.command.timeout().is_some() {
        return;
    }
    // Such runs never overlap.
    if job.timing.follows_finish() {
        return;
    }
    let places = subject.plan.config.limits.max_running;
    let own = subject.file.find("overlap");
    let place = own.map_or_else(|| subject.file.key("command"), |value| value.at);
    let all = if places == 1 { "the only place".to_owned() } else { format!("all {places} places") };
    let message = format!("runs that hang pile up until they hold {all}, and no other job runs");
    let problem = Problem::new(Code::CanStarveOthers, place, message);
    found.push(problem.help("set `timeout` to what it takes at worst, or leave `overlap` at `skip`"));
}
