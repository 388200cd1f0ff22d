//! `writable-script` for the configuration itself: files that say what root runs.

use std::path::{Path, PathBuf};

use super::writable_script::{OTHERS, STICKY, below_folder, changed_by, runs_as_root, stat, writable};
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Place, Problem, Problems};

/// A job file of a job that runs as root, and that its group or everybody may write to, or somebody else owns: whoever does
/// that is root with the next run. cron(8) refuses such files. Its `env_file` likewise: a variable can name code that every
/// program loads.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    if !runs_as_root(subject.job) {
        return;
    }
    judge(Path::new(&subject.job.facts.file), subject.file.start(), "says what root runs", found);
    if let Some(file) = subject.job.command.env_file() {
        let (name, place) = (below_folder(file, subject), subject.file.value("env_file"));
        judge_as(file, &name, place, "is the environment of what root runs", found);
    }
}

/// The same of slack_alert.toml and of the folder of jobs, where a file that appears is a job; and of the folders above
/// these, in which whoever may write puts something else in their place.
pub(super) fn check_config(whole: &Whole<'_>, found: &mut Problems) {
    let config = &whole.plan.config;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let start = whole.config.start();
    let mut above = Vec::new();
    if let Some(file) = &config.file {
        judge(file, start, "says what root runs", found);
        above.extend(writable_above(file));
    }
    judge(&config.jobs_dir, start, "is a folder in which every file is run by root", found);
    above.extend(writable_above(&config.jobs_dir));
    above.dedup();
    for folder in above {
        let folder = shown(&folder);
        let message =
            format!("this says what root runs, and everybody can put something else in its place in `{folder}`");
        let problem = Problem::new(Code::WritableScript, start, message);
        found.push(problem.help(format!("chmod o-w {folder}")));
    }
}

fn judge(path: &Path, place: Place, what: &str, found: &mut Problems) {
    judge_as(path, path, place, what, found);
}

/// The same of a file that people write in another way.
fn judge_as(path: &Path, name: &Path, place: Place, what: &str, found: &mut Problems) {
    let Some(who) = changed_by(path) else { return };
    let help = if writable(path).is_some() { "chmod go-w" } else { "chown root" };
    let message = format!("this {what}, and `{}` can be changed by {who}", name.display());
    let problem = Problem::new(Code::WritableScript, place, message);
    found.push(problem.help(format!("{help} {}", name.display())));
}

/// A folder above a file in which everybody may rename what is there. The file itself may be a link: both ways count.
#[expect(clippy::disallowed_methods, reason = "the door of permissions: who may replace a file")]
fn writable_above(file: &Path) -> Option<PathBuf> {
    let named = std::path::absolute(file).ok()?;
    let real = file.canonicalize().ok();
    let open =
        |folder: &&Path| stat(folder).is_some_and(|stat| stat.st_mode & OTHERS != 0 && stat.st_mode & STICKY == 0);
    let found = |path: &Path| path.ancestors().skip(1).find(open).map(Path::to_owned);
    found(&named).or_else(|| real.as_deref().and_then(found))
}

/// A folder as people write it: where they are is `.`.
fn shown(folder: &Path) -> String {
    let here = std::path::absolute(".").is_ok_and(|here| here == folder);
    if here { ".".to_owned() } else { folder.display().to_string() }
}
