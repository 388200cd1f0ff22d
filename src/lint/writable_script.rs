//! `writable-script`: a program that runs as root and that others can change.

use std::path::{Path, PathBuf};

use super::{Scope, Subject, named_files};
use crate::diagnostic::{Code, Problem, Problems};
use crate::exec;
use crate::plan::Job;

/// Others may write.
pub(super) const OTHERS: u32 = 0o002;
/// The group may write.
const GROUP: u32 = 0o020;
/// In a folder with this bit one may rename and remove only what is one's own.
pub(super) const STICKY: u32 = 0o1000;

/// The job runs as root, and its program, the script that its interpreter is given, or the folder that holds it can be
/// written to by others, or belongs to somebody else: whoever changes it is root with the next run.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let job = subject.job;
    if !runs_as_root(job) {
        return;
    }
    for file in named_files::of(&job.command, subject.programs).into_iter().filter(|file| file.missing.is_none()) {
        // A link, and what it leads to: either can be replaced.
        let real = exec::real_path(&file.path).filter(|real| *real != file.path);
        let Some((path, who)) =
            [Some(file.path.clone()), real].into_iter().flatten().find_map(|path| writable_at(&path))
        else {
            continue;
        };
        let message =
            format!("this runs as root, and `{}` can be changed by {who}", below_folder(&path, subject).display());
        let problem = Problem::new(Code::WritableScript, file.place(subject), message);
        return found.push(problem.help("chmod go-w, and let root own it; or let the job run as another `user`"));
    }
}

pub(super) fn runs_as_root(job: &Job) -> bool {
    match job.command.user() {
        Some(user) => matches!(user, "root" | "0"),
        None => rustix::process::geteuid().is_root(),
    }
}

/// Below the folder of the configuration as people write it.
pub(super) fn below_folder(path: &Path, subject: &Subject<'_, '_>) -> PathBuf {
    let folder = std::path::absolute(&subject.plan.config.folder).unwrap_or_default();
    path.strip_prefix(&folder).unwrap_or(path).to_owned()
}

/// The file, or its folder, that others may write to, and who they are.
fn writable_at(file: &Path) -> Option<(PathBuf, String)> {
    if let Some(who) = changed_by(file) {
        return Some((file.to_owned(), who));
    }
    let folder = file.parent()?;
    let above = mode(folder)?;
    let open = writable(folder).filter(|_| above & STICKY == 0).map(str::to_owned);
    let who = open.or_else(|| owner(folder).map(in_words))?;
    Some((folder.to_owned(), who))
}

/// Who else than root may change a file or folder.
pub(super) fn changed_by(file: &Path) -> Option<String> {
    writable(file).map(str::to_owned).or_else(|| owner(file).map(in_words))
}

fn in_words(owner: u32) -> String {
    format!("user {owner}, who owns it")
}

/// The number of the user who owns a file, where that is not root.
fn owner(path: &Path) -> Option<u32> {
    stat(path).map(|stat| stat.st_uid).filter(|owner| *owner != 0)
}

/// Who else than its owner may write to a file or folder.
pub(super) fn writable(file: &Path) -> Option<&'static str> {
    match mode(file)? {
        own if own & OTHERS != 0 => Some("everybody"),
        own if own & GROUP != 0 => Some("its group"),
        _ => None,
    }
}

fn mode(path: &Path) -> Option<u32> {
    stat(path).map(|stat| stat.st_mode)
}

#[expect(clippy::disallowed_methods, reason = "the door of permissions: who may write a script")]
pub(super) fn stat(path: &Path) -> Option<rustix::fs::Stat> {
    rustix::fs::stat(path).ok()
}
