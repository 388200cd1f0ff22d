//! `writable-script` for the configuration itself: files that say what root runs.

use std::path::Path;

use super::view::File;
use super::writable_script::{runs_as_root, writable};
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Problem, Problems};

/// A job file of a job that runs as root, and that its group or everybody may write to: whoever does that is root with the
/// next run. cron(8) refuses such files.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if runs_as_root(subject.job) {
        judge(Path::new(&subject.job.facts.file), &subject.file, "says what root runs", found);
    }
}

/// The same of slack_alert.toml and of the folder of jobs, where a file that appears is a job.
pub(super) fn check_config(whole: &Whole<'_>, found: &mut Problems) {
    let config = &whole.plan.config;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Some(file) = &config.file {
        judge(file, &whole.config, "says what root runs", found);
    }
    judge(&config.jobs_dir, &whole.config, "is a folder in which every file is run by root", found);
}

fn judge(path: &Path, file: &File<'_>, what: &str, found: &mut Problems) {
    let Some(who) = writable(path) else { return };
    let message = format!("this {what}, and `{}` can be changed by {who}", path.display());
    let problem = Problem::new(Code::WritableScript, file.start(), message);
    found.push(problem.help(format!("chmod go-w {}", path.display())));
}
