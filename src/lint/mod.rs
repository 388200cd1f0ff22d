//! Rules about a whole plan, for `check` alone: one rule a file, its doc comment its manual entry.
//!
//! Before it: `plan`. After it: the renderings of `diagnostic`. A rule pushes problems; what a job or the configuration
//! allows is taken out here, in one place. A job that a rule objects to is loaded by the daemon all the same.

mod accounts;
mod allow;
mod burst_overlaps_pause;
mod can_starve_others;
mod cannot_switch_user;
mod chatty_job;
mod command_not_found;
mod day_or_weekday;
mod grace_outlasts_interval;
mod hang_is_silent;
mod interval_too_short;
mod invalid_blocks;
mod invalid_token;
mod literal_variable;
mod may_be_missing;
mod named_files;
mod never_ok;
mod never_runs;
mod no_certificates;
mod noisy_job;
mod often;
pub mod online;
mod page_open;
mod pipe_hides_failure;
mod pipes;
mod quiet_for_ever;
pub mod reach;
mod same_command;
mod script;
mod secret_in_file;
mod secret_readable;
mod service;
mod shell_syntax;
mod slack_rate_exceeded;
mod timeout_outlasts_interval;
mod unencrypted_token;
mod unescaped_output;
mod unknown_time_zone_environment;
mod unusable_secret;
mod unused_key;
mod user_token;
mod view;
mod writable_configuration;
mod writable_script;

use std::sync::Arc;

use jiff::Timestamp;

use crate::diagnostic::{Problems, SourceId, Sources};
use crate::exec::Programs;
use crate::plan::{BadKeys, Findings, Job, Loaded, Plan, spread};
use accounts::Accounts;
use service::Service;
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

/// A rule about one job, and the keys that it looks at: it is left out where one of them has an error, or where an unknown
/// key may be a slip for one. A rule about several keys that have nothing to do with each other asks for each by itself.
struct JobRule {
    check: fn(&Subject<'_, '_>, &Scope, &mut Problems),
    needs: &'static [&'static [&'static str]],
}

/// The keys that say how often a job runs within its hours.
const SCHEDULE: &[&str] = &["every", "burst", "cron", "expect", "after", "first_run", "every_from", "enabled"];

/// The keys that say which program is started.
const PROGRAM: &[&str] = &["command", "shell", "working_dir", "inherit_env", "env", "env_file", "user", "group"];

/// The rules about one job, in no order that matters: problems are sorted by their places.
const JOB_RULES: &[JobRule] = &[
    JobRule { check: burst_overlaps_pause::check, needs: &[&["burst"]] },
    JobRule { check: can_starve_others::check, needs: &[&["enabled", "overlap", "command", "timeout"]] },
    JobRule { check: cannot_switch_user::check, needs: &[&["user", "group"]] },
    JobRule { check: cannot_switch_user::check_nice, needs: &[&["nice"]] },
    JobRule {
        check: chatty_job::check,
        needs: &[SCHEDULE, &["working_hours", "command", "notify.on", "notify.rate_limit"]],
    },
    JobRule { check: command_not_found::check, needs: &[&["command", "shell"]] },
    JobRule { check: day_or_weekday::check, needs: &[SCHEDULE] },
    JobRule {
        check: hang_is_silent::check,
        needs: &[&["enabled", "overlap", "every_from", "command", "timeout", "notify.stuck_after"]],
    },
    JobRule {
        check: hang_is_silent::check_expected,
        needs: &[&["enabled", "expect", "timeout", "notify.stuck_after"]],
    },
    JobRule { check: grace_outlasts_interval::check, needs: &[SCHEDULE, &["working_hours"]] },
    JobRule { check: interval_too_short::check, needs: &[SCHEDULE] },
    JobRule { check: invalid_blocks::check, needs: &[] },
    JobRule { check: invalid_blocks::check_parts, needs: &[] },
    JobRule { check: literal_variable::check, needs: &[&["command", "shell", "env", "env_file"]] },
    JobRule { check: may_be_missing::check, needs: &[] },
    JobRule { check: never_ok::check, needs: &[&["exit_codes", "directives"]] },
    JobRule { check: never_runs::check, needs: &[SCHEDULE] },
    JobRule { check: noisy_job::check, needs: &[SCHEDULE, &["notify.on", "notify.repeat", "notify.rate_limit"]] },
    JobRule { check: pipe_hides_failure::check, needs: &[&["command", "shell"]] },
    JobRule {
        check: quiet_for_ever::check,
        needs: &[SCHEDULE, &["time_zone", "working_hours", "notify.quiet_hours", "notify.quiet_except"]],
    },
    JobRule { check: secret_in_file::check_env, needs: &[&["env"]] },
    JobRule { check: secret_readable::check_env_file, needs: &[&["env_file"]] },
    JobRule { check: secret_readable::check_ping, needs: &[&["ping"]] },
    JobRule { check: timeout_outlasts_interval::check, needs: &[SCHEDULE, &["overlap", "timeout"]] },
    JobRule { check: unescaped_output::check, needs: &[] },
    JobRule { check: unusable_secret::check_ping, needs: &[&["ping"]] },
    JobRule { check: unused_key::check, needs: &[] },
    JobRule { check: writable_configuration::check, needs: &[&["user"]] },
    JobRule { check: writable_script::check, needs: &[PROGRAM] },
];

/// Everything that was read, for the rules about all of it.
#[derive(Debug)]
struct Whole<'a> {
    plan: &'a Plan,
    sources: &'a Sources,
    /// `slack_alert.toml`.
    config: File<'a>,
    /// Every job with its file: those of the plan in its order, then those with errors, as far as they could be read.
    jobs: Arc<[Entry<'a>]>,
    /// Programs that were looked for already.
    programs: Programs,
    /// Users that were looked up already.
    accounts: Accounts,
    /// The installed service, when it is this configuration's.
    service: Option<Arc<Service>>,
}

/// A job and its file.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    job: &'a Job,
    source: SourceId,
    /// What cannot be relied on; nothing for a job without an error.
    bad: Option<&'a BadKeys>,
    /// The same of `[defaults]`.
    bad_defaults: Option<&'a BadKeys>,
}

impl<'a> Whole<'a> {
    fn new(plan: &'a Plan, findings: &'a Findings) -> Self {
        let files = plan.jobs.iter().zip(&findings.files);
        let bad_defaults = findings.bad_defaults.as_ref();
        let loaded = files.map(|(job, source)| Entry { job: job.as_ref(), source: *source, bad: None, bad_defaults });
        let partial = findings.partial.iter();
        let partial =
            partial.map(|part| Entry { job: &part.job, source: part.source, bad: Some(&part.bad), bad_defaults });
        let service = Service::of(plan.config.file.as_deref()).map(Arc::new);
        Self::of(plan, &findings.sources, findings.config, loaded.chain(partial).collect(), service)
    }

    fn of(
        plan: &'a Plan,
        sources: &'a Sources,
        config: SourceId,
        jobs: Arc<[Entry<'a>]>,
        service: Option<Arc<Service>>,
    ) -> Self {
        let config = File::new(config, &sources.get(config).text);
        Self { plan, sources, config, jobs, programs: Programs::default(), accounts: Accounts::default(), service }
    }

    fn file(&self, id: SourceId) -> File<'a> {
        File::new(id, &self.sources.get(id).text)
    }

    /// The jobs without an error.
    fn loaded(&self) -> &[Entry<'a>] {
        &self.jobs[..self.plan.jobs.len()]
    }

    /// A job with its file.
    fn subject(&self, entry: &Entry<'a>) -> Subject<'_, 'a> {
        Subject {
            plan: self.plan,
            job: entry.job,
            file: self.file(entry.source),
            bad: entry.bad,
            bad_defaults: entry.bad_defaults,
            config: &self.config,
            programs: &self.programs,
            accounts: &self.accounts,
            service: self.service.as_deref(),
        }
    }

    /// The jobs without an error, each with its file.
    fn subjects(&self) -> impl Iterator<Item = Subject<'_, 'a>> {
        self.loaded().iter().map(|entry| self.subject(entry))
    }
}

/// Adds what the rules find to what the readers found, and takes out what is allowed.
pub fn check(loaded: &mut Loaded, scope: &Scope) {
    let mut found = Problems::default();
    if let Some(plan) = loaded.plan_or_draft() {
        let whole = Whole::new(plan, &loaded.findings);
        for problems in by_job(&whole, scope) {
            found.extend(problems);
        }
        if scope.shells {
            shell_syntax::check(&whole, &mut found);
        }
        same_command::check(&whole, &mut found);
        unescaped_output::check_config(&whole, &mut found);
        command_not_found::check_fallback(&whole, &mut found);
        // What these look at is there or is not, whatever else of the file is wrong.
        secret_readable::check(&whole, &mut found);
        unusable_secret::check(&whole, &mut found);
        invalid_token::check(&whole, &mut found);
        user_token::check(&whole, &mut found);
        unencrypted_token::check(&whole, &mut found);
        unknown_time_zone_environment::check(&whole, &mut found);
        literal_variable::check_defaults(&whole, &mut found);
        secret_in_file::check_env_of_defaults(&whole, &mut found);
        writable_configuration::check_config(&whole, &mut found);
        // And these would take a key that is wrong for one that is not there.
        if loaded.plan.is_some() {
            slack_rate_exceeded::check(&whole, scope, &mut found);
            unused_key::check_config(&whole, &mut found);
            page_open::check(&whole, &mut found);
            no_certificates::check(&whole, &mut found);
        }
    }
    found.extend(std::mem::take(&mut loaded.findings.problems));
    secret_in_file::check(&loaded.findings.sources, &mut found);
    if let Some(plan) = loaded.plan_or_draft() {
        allow::apply(&Whole::new(plan, &loaded.findings), scope, loaded.plan.is_some(), &mut found);
    }
    loaded.findings.problems = found;
}

/// What the rules about one job find, job by job.
fn by_job(whole: &Whole<'_>, scope: &Scope) -> Vec<Problems> {
    let (plan, sources, config, jobs) = (whole.plan, whole.sources, whole.config.source(), &whole.jobs);
    let service = whole.service.clone();
    let begin = || Whole::of(plan, sources, config, Arc::clone(jobs), service.clone());
    spread(jobs, begin, |whole, _, entry| {
        let (subject, mut found) = (whole.subject(entry), Problems::default());
        // What is wrong with a command is nothing to a job that something else runs.
        let about_it = |rule: &&JobRule| {
            !(entry.job.command.runs_elsewhere() && rule.needs.iter().any(|keys| keys.contains(&"command")))
        };
        let asked = JOB_RULES.iter().filter(|rule| rule.needs.iter().all(|keys| subject.has(keys))).filter(about_it);
        asked.for_each(|rule| (rule.check)(&subject, scope, &mut found));
        found
    })
}
