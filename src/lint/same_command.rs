//! `same-command`: two jobs that do the same work.

use std::collections::HashMap;

use super::Whole;
use crate::diagnostic::{Code, Problem, Problems};

/// Two enabled jobs with the same command, in the same folder, with the same variables and input, as the same user. A
/// job was most likely copied and not yet changed; or one of the two schedules was forgotten.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let mut known: HashMap<Vec<&str>, Vec<usize>> = HashMap::with_capacity(whole.plan.jobs.len());
    for (index, job) in whole.plan.jobs.iter().enumerate().filter(|(_, job)| job.timing.enabled) {
        let like = known.entry(job.command.words()).or_default();
        let first = like.iter().copied().find(|&at| whole.plan.jobs[at].command.does_the_same(&job.command));
        let Some(first) = first else {
            like.push(index);
            continue;
        };
        let place = whole.file(whole.files[index]).value("command");
        let twin = &whole.plan.jobs[first];
        let message = format!("the job `{}` runs the same command", twin.name);
        let problem = Problem::new(Code::SameCommand, place, message);
        let there = whole.file(whole.files[first]).value("command");
        found.push(
            problem.also(there, "the same").help("remove one of the two, or accept it: `allow = [\"same-command\"]`"),
        );
    }
}
