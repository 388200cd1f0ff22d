//! `noisy-job`: a job that outruns its own rate limit.

use super::often::runs_in;
use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;
use crate::policy::{On, Repeat};

/// A job that is to send a message after every run (`success`, `always`; or `repeat = "always"` for failures), and runs
/// more often than its `rate_limit` lets it. What is above is held back, so the channel does not see every run.
/// `output` and `change` do not count: a command that has nothing to say prints nothing.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let (job, file) = (subject.job, &subject.file);
    let every_run = job.notify.on.asks(On::Success) || job.notify.on.asks_always();
    let every_failure = job.notify.on.asks(On::Failure) && job.notify.repeat == Repeat::Always;
    if !job.timing.enabled || !(every_run || every_failure) {
        return;
    }
    let limit = job.notify.rate_limit;
    let Some(wanted) = runs_in(subject.plan, job, limit.per, scope.now) else { return };
    if wanted <= f64::from(limit.count.get()) * 1.000_001 {
        return;
    }
    let per = format_duration(limit.per);
    let when = if every_run { "after every run" } else { "after every run while it fails" };
    let message = format!(
        "the job sends a message {when}, {wanted:.0} times in {per}, and `rate_limit` lets {} through",
        limit.count
    );
    let key = subject.schedule();
    let mut problem = Problem::new(Code::NoisyJob, file.value(key), message);
    let path = if every_run { "notify.on" } else { "notify.repeat" };
    if let Some(value) = subject.find(path) {
        problem = problem.also(value.at, "asks for a message each time");
    }
    found.push(problem.help("run it less often, raise `notify.rate_limit`, or ask for `change` only"));
}
