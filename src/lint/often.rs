//! How often a job runs, also one that follows others (`after`): it has no times of its own.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::plan::{Job, Plan};
use crate::schedule::On;

/// A chain longer than this is not followed: how often its end runs is then not known.
const LONGEST: usize = 100;

/// How many runs of a job there are at most in a length of time, in the long run; of a calendar, while they are closest.
pub(super) fn runs_in(plan: &Plan, job: &Job, length: Duration, now: Timestamp) -> Option<f64> {
    pace(plan, job, &|job| job.timing.runs_in(length, job.name.as_str(), now))
}

/// How often a job runs, when `own` says so of a job with a schedule of its own. A job that follows others runs as often as
/// the one of them that runs least; how often another job fails is not known.
pub(super) fn pace(plan: &Plan, job: &Job, own: &dyn Fn(&Job) -> Option<f64>) -> Option<f64> {
    Paces { plan, own, known: HashMap::new() }.of(job, 0)
}

struct Paces<'p> {
    plan: &'p Plan,
    own: &'p dyn Fn(&Job) -> Option<f64>,
    /// Of jobs that several others follow.
    known: HashMap<&'p str, Option<f64>>,
}

impl<'p> Paces<'p> {
    fn of(&mut self, job: &Job, depth: usize) -> Option<f64> {
        let Some(after) = job.timing.after() else { return (self.own)(job) };
        if after.on == On::Failure || depth > LONGEST {
            return None;
        }
        let mut least: Option<f64> = None;
        for name in &after.jobs {
            let before: &'p Job = self.plan.job(name.as_str())?;
            if !before.timing.enabled {
                return None;
            }
            let pace = match self.known.get(before.name.as_str()) {
                Some(known) => *known,
                None => {
                    let pace = self.of(before, depth + 1);
                    self.known.insert(before.name.as_str(), pace);
                    pace
                }
            }?;
            least = Some(least.map_or(pace, |least| least.min(pace)));
        }
        least
    }
}
