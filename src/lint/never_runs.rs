//! `never-runs`: a calendar, or a calendar and the hours, that never meet within ten years; or a job that follows one that is not
//! enabled.

use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};
use crate::id::JobName;
use crate::plan::{Job, Plan};
use crate::schedule::{After, AtStart, Timing};

/// A job that is enabled and has no run in the next ten years: 31 February, or hours that no due time falls into. The
/// schedule itself is asked, so that this knows of clock changes, `L`, `W` and `#` what the daemon knows.
pub(super) fn check(subject: &Subject<'_, '_>, scope: &Scope, found: &mut Problems) {
    let (job, file) = (subject.job, &subject.file);
    follows_nothing(subject, found);
    if !job.timing.enabled
        || !job.timing.has_times()
        || !(job.timing.follows_wall_clock() || job.timing.hours.is_some())
        // Its due times follow the runs that are reported, which may come at any time of day.
        || job.timing.runs_elsewhere() && !job.timing.follows_wall_clock()
    {
        return;
    }
    let never = |timing: &Timing| timing.upcoming(job.name.as_str(), None, scope.now).next().is_none();
    if !never(&job.timing) {
        return;
    }
    let by_itself = job.timing.hours.is_none() || never(&Timing { hours: None, ..job.timing.clone() });
    let key = subject.schedule();
    let message = match (job.timing.runs_elsewhere(), job.timing.at_start) {
        (true, _) => "no run of the job is expected within the next ten years: none is ever missed",
        (false, AtStart::Always) => {
            "the job runs at starts of the daemon alone: its schedule has no time within ten years"
        }
        (false, _) => "the job has no run within the next ten years",
    };
    let problem = Problem::new(Code::NeverRuns, file.value(key), message);
    found.push(match subject.find("working_hours") {
        Some(hours) if !by_itself => {
            problem.label("these times …").also(hours.at, "… never fall into these hours").help("change one of the two")
        }
        _ if by_itself => problem.help("the calendar names no day that comes"),
        _ => problem.help("these times never fall into the hours of `--working-hours`"),
    });
}

/// A job that is due when others have ended, of which one, or one that it follows in turn, is not enabled.
fn follows_nothing(subject: &Subject<'_, '_>, found: &mut Problems) {
    let enabled = subject.job.timing.enabled;
    let Some(stopped) =
        subject.job.timing.after().filter(|_| enabled).and_then(|after| not_enabled(after, subject.plan))
    else {
        return;
    };
    let name = &stopped.name;
    let message = format!("the job never runs by itself: it follows `{name}`, which is not enabled");
    let problem = Problem::new(Code::NeverRuns, subject.file.value("after"), message);
    found.push(problem.help(format!("enable `{name}`, follow another job, or set `enabled = false` here too")));
}

/// The job for whose end nobody has to wait, since it does not run: one of these, or one that they follow.
fn not_enabled<'p>(after: &After, plan: &'p Plan) -> Option<&'p Job> {
    let mut todo: Vec<&JobName> = after.jobs.iter().collect();
    let mut seen: Vec<&JobName> = Vec::new();
    while let Some(name) = todo.pop() {
        let Some(job) = plan.job(name.as_str()).filter(|_| !seen.contains(&name)) else { continue };
        if !job.timing.enabled {
            return Some(job);
        }
        seen.push(name);
        todo.extend(job.timing.after().iter().flat_map(|after| after.jobs.iter()));
    }
    None
}
