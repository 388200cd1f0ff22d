//! `chatty-job`: good news more often than anybody reads.

use std::time::Duration;

use jiff::Timestamp;

use super::often::pace;
use super::script::is_silent;
use super::{Scope, Subject};
use crate::clock::shift;
use crate::diagnostic::{Code, Problem, Problems};
use crate::plan::Job;
use crate::policy::On;
use crate::schedule::{Hours, Timing};

const DAY: Duration = Duration::from_secs(86_400);

const MINUTE: Duration = Duration::from_secs(60);

/// Minutes of a week.
const WEEK: u32 = 7 * 24 * 60;

/// Good news may come once an hour; what comes more often hides the bad.
const MOST: f64 = 24.0;

/// The job is to send its output, or its success, after each run, and runs more than 24 times a day; a `rate_limit` that
/// lets fewer through is enough. What plainly prints nothing is no news, and a template with a condition of its own (`{% if`)
/// is taken to know what it does.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let (job, file) = (subject.job, &subject.file);
    let success = job.notify.on.asks(On::Success) || job.notify.on.asks_always();
    if !job.timing.enabled || !(success || job.notify.on.asks(On::Output)) {
        return;
    }
    let silent = job.command.script().is_some_and(is_silent) || is_silent(&job.command.words().join(" "));
    let template = file.find("template").or_else(|| file.find("message.body")).and_then(|value| value.text());
    let conditional = template.is_some_and(|text| text.value.contains("{%"));
    if conditional || (!success && silent) {
        return;
    }
    let limit = job.notify.rate_limit;
    let let_through = f64::from(limit.count.get()) * DAY.as_secs_f64() / limit.per.as_secs_f64();
    let Some(news) = a_day(subject, scope).map(|runs| runs.min(let_through)).filter(|news| *news > MOST) else {
        return;
    };
    let (key, what) = match success {
        true => ("notify.on", "each run that is well is a message"),
        false => ("notify.on", "each run that prints something is a message"),
    };
    let message = format!("{what}: up to {news:.0} a day");
    let place = file.find(key).map_or_else(|| file.value(subject.schedule()), |value| value.at);
    let help = "say what is news: `[notify] on = [\"change\", \"failure\", \"recovery\"]`, leave `output` and `success` out \
                of `on`, set `rate_limit = \"1/h\"`, or accept it: `allow = [\"chatty-job\"]`";
    found.push(Problem::new(Code::ChattyJob, place, message).help(help));
}

/// How many runs of a job there are a day: of one that follows others, as many as of the one that runs least.
fn a_day(subject: &Subject<'_, '_>, scope: &Scope) -> Option<f64> {
    let runs = pace(subject.plan, subject.job, &|job| own_a_day(job, scope))?;
    let (timing, now) = (&subject.job.timing, scope.now);
    Some(match &timing.hours {
        Some(hours) if timing.after().is_some() && runs > MOST => runs * open_share(hours, timing, now),
        _ => runs,
    })
}

/// The part of a week that lies within a job's hours.
fn open_share(hours: &Hours, timing: &Timing, now: Timestamp) -> f64 {
    let minutes = (0..WEEK).filter(|minute| hours.contains(shift(now, *minute * MINUTE), &timing.zone)).count();
    f64::from(u32::try_from(minutes).unwrap_or(u32::MAX)) / f64::from(WEEK)
}

/// The same of a job with a schedule of its own.
fn own_a_day(job: &Job, scope: &Scope) -> Option<f64> {
    let (timing, seed) = (&job.timing, job.name.as_str());
    let at_most = timing.runs_in(DAY, seed, scope.now)?;
    // The runs of a burst end with its last alert, and no clock knows which that is.
    if let Some(hours) = timing.hours.as_ref().filter(|_| timing.counts_alerts()) {
        return Some(at_most * open_share(hours, timing, scope.now));
    }
    if at_most <= MOST || (timing.hours.is_none() && !timing.follows_wall_clock()) {
        return Some(at_most);
    }
    // Hours, and calendars with days of their own: a week is counted, as far as it matters.
    let week = timing.times_within(7 * DAY, seed, scope.now).take(WEEK as usize).count();
    Some(f64::from(u32::try_from(week).unwrap_or(u32::MAX)) / 7.0)
}
