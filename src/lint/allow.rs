//! `allow`: what a job or the configuration accepts is taken out, and `unused-allow` says what was not needed.
//!
//! Before it: everything that was found. After it: what is shown. The one place where a warning is taken back.

use std::collections::{HashMap, HashSet};

use super::{Scope, Whole};
use crate::diagnostic::{Code, Problem, Problems, Severity, SourceId};
use crate::document::Value;
use crate::plan::Job;

/// A warning in a job's file is taken out by the job's own `allow`, by that of another job whose file it points at as well, by
/// that of `[defaults]`, or by `[check] allow`, in this order; one elsewhere by the last alone. Errors are never taken out. An
/// entry that took nothing out is `unused-allow`, unless only a part of the configuration was read, or errors kept rules from
/// being asked (`asked_all`).
pub(super) fn apply(whole: &Whole<'_>, scope: &Scope, asked_all: bool, found: &mut Problems) {
    let jobs: HashMap<SourceId, &Job> = whole.jobs.iter().map(|entry| (entry.source, entry.job)).collect();
    let config = &whole.plan.config.allow;
    let mut used: HashSet<(Option<SourceId>, Code)> = HashSet::new();
    found.retain(|problem| {
        if problem.severity() == Severity::Error {
            return true;
        }
        let concerned = || problem.labels.iter().map(|label| label.place.source);
        let is_about_a_job = concerned().next().is_some_and(|source| jobs.contains_key(&source));
        let allows = |source: &SourceId| jobs.get(source).is_some_and(|job| job.allow.contains(&problem.code));
        if let Some(source) = concerned().find(allows).filter(|_| is_about_a_job) {
            used.insert((Some(source), problem.code));
            return false;
        }
        let accepted = config.contains(&problem.code);
        if accepted {
            used.insert((None, problem.code));
        }
        !accepted
    });
    if !asked_all {
        return;
    }
    let mut unused = Problems::default();
    for entry in whole.loaded().iter().filter(|entry| !entry.job.allow.is_empty()) {
        let file = whole.file(entry.source);
        if let Some(value) = file.find("allow") {
            tell(&value, &|code| used.contains(&(Some(entry.source), code)), &mut unused);
        }
    }
    let complete = scope.whole && whole.plan.not_loaded.is_empty() && whole.jobs.len() == whole.loaded().len();
    if complete && let Some(value) = whole.config.find("defaults.allow") {
        tell(&value, &|code| used.iter().any(|(source, known)| source.is_some() && *known == code), &mut unused);
    }
    if complete && let Some(value) = whole.config.find("check.allow") {
        tell(&value, &|code| used.contains(&(None, code)), &mut unused);
    }
    unused.retain(|problem| {
        let source = problem.place().map(|place| place.source);
        let job = source.and_then(|source| jobs.get(&source));
        !config.contains(&Code::UnusedAllow) && !job.is_some_and(|job| job.allow.contains(&Code::UnusedAllow))
    });
    found.extend(unused);
}

/// What only `--online` finds, or what is found here: that nothing gave rise to it so far says nothing.
const FOUND_LATER: &[Code] = &[Code::UncheckedChannel, Code::UnusedAllow];

/// Notes each entry that took nothing out.
fn tell(value: &Value<'_>, used: &dyn Fn(Code) -> bool, unused: &mut Problems) {
    for item in value.items().unwrap_or_default() {
        let Some(text) = Some(&item).filter(|item| item.is_text()).and_then(Value::text) else { continue };
        let Some(code) = Code::parse(text.value) else { continue };
        let problem = |message: String, help: &str| Problem::new(Code::UnusedAllow, text.at, message).help(help);
        if code.severity() == Severity::Error {
            unused.push(problem(
                format!("`{}` is an error, which cannot be allowed", text.value),
                "correct what it points at",
            ));
        } else if !used(code) && !FOUND_LATER.contains(&code) {
            unused.push(problem(format!("nothing here gives rise to `{}`", text.value), "take it out"));
        }
    }
}
