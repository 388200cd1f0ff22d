//! `same-command`: two jobs that do the same work.

use std::collections::HashMap;

use super::{Entry, Whole};
use crate::diagnostic::{Code, Problem, Problems};

/// Two enabled jobs with the same command, in the same folder, with the same variables and input, as the same user. A
/// job was most likely copied and not yet changed; or one of the two schedules was forgotten.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let mut known: HashMap<Vec<&str>, Vec<&Entry<'_>>> = HashMap::with_capacity(whole.plan.jobs.len());
    for entry in whole.loaded().iter() {
        if !entry.job.timing.enabled || entry.job.timing.runs_elsewhere() {
            continue;
        }
        let job = entry.job;
        let like = known.entry(job.command.words()).or_default();
        let first = like.iter().copied().find(|known| known.job.command.does_the_same(&job.command));
        let Some(first) = first else {
            like.push(entry);
            continue;
        };
        let place = whole.file(entry.source).value("command");
        let message = format!("the job `{}` runs the same command", first.job.name);
        let problem = Problem::new(Code::SameCommand, place, message);
        let there = whole.file(first.source).value("command");
        found.push(
            problem
                .also(there, "the same")
                .help("remove one of the two, or accept it in either file: `allow = [\"same-command\"]`"),
        );
    }
}
