//! `noisy-job`: a job that outruns its own rate limit.

use std::time::Duration;

use jiff::Timestamp;

use super::{Scope, Subject};
use crate::clock::between;
use crate::diagnostic::{Code, Problem, Problems};
use crate::document::format_duration;
use crate::plan::Job;
use crate::policy::{On, Repeat};
use crate::schedule::{Limit, Schedule};

/// A job that is asked to speak after every run (`success`, `always`; or `repeat = "always"` for failures), and runs
/// more often than its `rate_limit` lets it speak. What is above is held back, so the channel does not see every run.
/// `output` and `change` do not count: a command that has nothing to say prints nothing.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let (job, file) = (subject.job, &subject.file);
    let every_run = job.notify.on.asks(On::Success) || job.notify.on.asks_always();
    let every_failure = job.notify.on.asks(On::Failure) && job.notify.repeat == Repeat::Always;
    let Some(runs) = runs_a_second(job, scope.now).filter(|_| job.timing.enabled && (every_run || every_failure))
    else {
        return;
    };
    let limit = job.notify.rate_limit;
    let allowed = f64::from(limit.count.get()) / limit.per.as_secs_f64();
    if runs <= allowed * 1.000_001 {
        return;
    }
    let (wanted, per) = (runs * limit.per.as_secs_f64(), format_duration(limit.per));
    let when = if every_run { "after every run" } else { "after every run while it fails" };
    let message =
        format!("the job speaks {when}, {wanted:.0} times in {per}, and `rate_limit` lets {} through", limit.count);
    let key = subject.schedule();
    let mut problem = Problem::new(Code::NoisyJob, file.value(key), message);
    let path = if every_run { "notify.on" } else { "notify.repeat" };
    if let Some(value) = subject.find(path) {
        problem = problem.also(value.at, "speaks each time");
    }
    found.push(problem.help("run it less often, raise `notify.rate_limit`, or let it speak on `change` only"));
}

/// So many runs of a calendar are looked at for the shortest time between two.
const LOOKED_AT: usize = 4;

/// How many runs a second there are in the long run; of a calendar, while they are closest. Nothing when there is none.
pub(super) fn runs_a_second(job: &Job, now: Timestamp) -> Option<f64> {
    let shortest = Duration::from_millis(1);
    let rate = |runs: f64, time: Duration| runs / time.max(shortest).as_secs_f64();
    match &job.timing.schedule {
        Schedule::Every(every) => Some(rate(1.0, every.every)),
        Schedule::Burst(burst) => {
            let (Limit::Runs(count) | Limit::Alerts(count)) = burst.limit;
            let pause = burst.pause.max(burst.pulse.every);
            Some(rate(f64::from(count), burst.pulse.every * (count.max(1) - 1) + pause))
        }
        Schedule::Cron(_) => {
            let times: Vec<_> = job.timing.upcoming(job.name.as_str(), None, now).take(LOOKED_AT).collect();
            let gap = times.windows(2).map(|pair| between(pair[0], pair[1])).min()?;
            Some(rate(1.0, gap))
        }
    }
}
