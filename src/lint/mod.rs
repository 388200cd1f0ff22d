//! Rules about a whole plan, for `check` alone: one rule a file, its doc comment its manual entry.
//!
//! Before it: `plan`. After it: the renderings of `diagnostic`. A rule pushes problems; what a job or the configuration
//! allows is taken out here, in one place. Nothing that is found here sets a job aside when the daemon runs.

mod allow;
mod burst_overlaps_pause;
mod command_not_found;
mod hang_is_silent;
mod interval_too_short;
mod never_runs;
mod noisy_job;
pub mod online;
mod pipe_hides_failure;
mod quiet_for_ever;
pub mod reach;
mod same_command;
mod script;
mod secret_in_file;
mod secret_readable;
mod shell_syntax;
mod slack_rate_exceeded;
mod timeout_outlasts_interval;
mod unescaped_output;
mod unused_key;
mod view;
mod writable_script;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::diagnostic::{Problems, SourceId, Sources};
use crate::exec::Programs;
use crate::plan::{Findings, Plan, spread};
use command_not_found::Accounts;
use view::{File, Subject};

/// What the rules need besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// The time at which "within ten years" begins.
    pub now: Timestamp,
    /// Every job of the configuration was read, and not one alone: only then is it known what nothing needs.
    pub whole: bool,
    /// Shells may be started to ask them, with `-n`, about the scripts that they would be given.
    pub shells: bool,
}

/// A rule about one job.
type JobRule = fn(&Subject<'_, '_>, &Scope, &mut Problems);

/// The rules about one job, in no order that matters: problems are sorted by their places.
const JOB_RULES: &[JobRule] = &[
    burst_overlaps_pause::check,
    command_not_found::check,
    hang_is_silent::check,
    interval_too_short::check,
    never_runs::check,
    noisy_job::check,
    pipe_hides_failure::check,
    quiet_for_ever::check,
    timeout_outlasts_interval::check,
    unescaped_output::check,
    unused_key::check,
    writable_script::check,
];

/// Everything that was read, for the rules about all of it.
#[derive(Debug)]
struct Whole<'a> {
    plan: &'a Plan,
    sources: &'a Sources,
    /// `slack_alert.toml`.
    config: File<'a>,
    /// Where each job of the plan was read from, in the plan's order.
    files: Arc<[SourceId]>,
    /// Programs that were looked for already.
    programs: Programs,
    /// Users that were looked up already.
    accounts: Accounts,
}

impl<'a> Whole<'a> {
    fn new(plan: &'a Plan, sources: &'a Sources) -> Self {
        let mut known = HashMap::with_capacity(sources.len());
        let mut first = None;
        for (id, source) in sources.iter() {
            first = first.or(Some(id));
            known.entry(source.path.to_string_lossy()).or_insert(id);
        }
        let first = first.expect("the configuration is the first source, be it empty");
        let file = |name: &str| known.get(name).copied().unwrap_or(first);
        let files = plan.jobs.iter().map(|job| file(&job.facts.file)).collect();
        Self::of(plan, sources, first, files)
    }

    fn of(plan: &'a Plan, sources: &'a Sources, config: SourceId, files: Arc<[SourceId]>) -> Self {
        let config = File::new(config, &sources.get(config).text);
        Self { plan, sources, config, files, programs: Programs::default(), accounts: Accounts::default() }
    }

    fn file(&self, id: SourceId) -> File<'a> {
        File::new(id, &self.sources.get(id).text)
    }

    /// A job of the plan with its file.
    fn subject(&self, index: usize) -> Subject<'_, 'a> {
        Subject {
            plan: self.plan,
            job: &self.plan.jobs[index],
            file: self.file(self.files[index]),
            config: &self.config,
            programs: &self.programs,
            accounts: &self.accounts,
        }
    }

    /// The jobs of the plan, each with its file.
    fn subjects(&self) -> impl Iterator<Item = Subject<'_, 'a>> {
        (0..self.plan.jobs.len()).map(|index| self.subject(index))
    }
}

/// Adds what the rules find to what the readers found, and takes out what is allowed.
pub fn check(plan: &Plan, scope: &Scope, findings: &mut Findings) {
    let whole = Whole::new(plan, &findings.sources);
    let mut found = Problems::default();
    for problems in by_job(&whole, scope) {
        found.extend(problems);
    }
    if scope.shells {
        shell_syntax::check(&whole, &mut found);
    }
    same_command::check(&whole, &mut found);
    slack_rate_exceeded::check(&whole, scope, &mut found);
    secret_readable::check(&whole, &mut found);
    unescaped_output::check_named(&whole, &mut found);
    unused_key::check_config(&whole, &mut found);
    found.extend(std::mem::take(&mut findings.problems));
    check_sources(&findings.sources, &mut found);
    allow::apply(&whole, scope, &mut found);
    findings.problems = found;
}

/// What the rules about one job find, job by job.
fn by_job(whole: &Whole<'_>, scope: &Scope) -> Vec<Problems> {
    let (plan, sources, config, files) = (whole.plan, whole.sources, whole.config.source(), &whole.files);
    let begin = || Whole::of(plan, sources, config, Arc::clone(files));
    spread(&plan.jobs, begin, |whole, index, _| {
        let (subject, mut found) = (whole.subject(index), Problems::default());
        JOB_RULES.iter().for_each(|rule| rule(&subject, scope, &mut found));
        found
    })
}

/// What can be said of files that make no plan: secrets are looked for in every one of them.
pub fn check_sources(sources: &Sources, found: &mut Problems) {
    secret_in_file::check(sources, found);
}
