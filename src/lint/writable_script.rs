//! `writable-script`: a program that runs as root and that others can change.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::script::{Simple, assigns, first_program, is_plain, is_posix_shell, is_program, simple_commands};
use super::{Scope, Subject};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::exec::Programs;
use crate::plan::Job;

/// Programs whose first argument that is no option is the script.
const INTERPRETERS: &[&str] = &["sh", "bash", "dash", "ksh", "zsh", "python", "python3", "perl", "ruby", "node", "php"];

/// Others may write.
pub(super) const OTHERS: u32 = 0o002;
/// The group may write.
const GROUP: u32 = 0o020;
/// In a folder with this bit one may rename and remove only what is one's own.
pub(super) const STICKY: u32 = 0o1000;

/// The job runs as root, and its program, the script that its interpreter is given, or the folder that holds it can be
/// written to by others: whoever does that is root with the next run.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let job = subject.job;
    if !runs_as_root(job) {
        return;
    }
    for (program, at) in programs(job, subject.programs) {
        let Some((path, who)) = writable_at(&program) else { continue };
        let message =
            format!("this runs as root, and `{}` can be changed by {who}", below_folder(&path, subject).display());
        let problem = Problem::new(Code::WritableScript, place(subject, at), message);
        return found.push(problem.help("chmod go-w, and let root own it; or let the job run as another `user`"));
    }
}

/// Which part of a command names a program.
enum At {
    /// A range of the script.
    Script(Range<usize>),
    /// A word of the array.
    Word(usize),
}

fn place(subject: &Subject<'_, '_>, at: At) -> Place {
    let command = subject.file.find("command");
    let place = command.and_then(|value| match at {
        At::Script(range) => Some(value.text()?.inside(range)),
        At::Word(index) => Some(value.items()?.get(index)?.at),
    });
    place.unwrap_or_else(|| subject.file.start())
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

/// The files that a run executes or has interpreted, and where they are named.
fn programs(job: &Job, known: &Programs) -> Vec<(PathBuf, At)> {
    let command = &job.command;
    let mut files = Vec::new();
    let mut words = command.words();
    if let Some(script) = command.script() {
        words.pop();
        let found =
            |range: Range<usize>| Some((command.look_up(&script[range.clone()], known).ok()?, At::Script(range)));
        match is_posix_shell(&words) {
            true if is_plain(script) => {
                for (range, is_read) in named_files(script) {
                    match is_read {
                        true => files.push((command.working_dir().join(&script[range.clone()]), At::Script(range))),
                        false => files.extend(found(range)),
                    }
                }
            }
            true => files.extend(first_program(script).and_then(found)),
            false => {}
        }
        return files;
    }
    // A job whose runs come from elsewhere has no command.
    let Some(first) = words.first() else { return files };
    files.extend(command.locate(known).map(|path| (path, At::Word(0))));
    let name = first.rsplit('/').next().unwrap_or(first);
    if INTERPRETERS.contains(&name) {
        let script = words.iter().enumerate().skip(1).find(|(_, word)| !word.starts_with('-'));
        // A script as text, or a module: there is no file to look at.
        let is_text = words.iter().any(|word| is_text(name, word));
        if let Some((index, word)) = script.filter(|_| !is_text) {
            files.push((command.working_dir().join(word), At::Word(index)));
        }
    }
    files
}

/// Whether an interpreter is given the script as text by this option, or a module.
fn is_text(name: &str, option: &str) -> bool {
    match option {
        "-c" | "-m" => true,
        "-e" | "-r" => matches!(name, "perl" | "ruby" | "node" | "php"),
        _ => false,
    }
}

/// Words of a plain script that name a file which is executed, or which an interpreter reads (true): all that stand where a
/// command does. Relative ones are left out once the script has gone to another folder.
fn named_files(script: &str) -> Vec<(Range<usize>, bool)> {
    let (mut files, mut moved) = (Vec::new(), false);
    for Simple { words, .. } in simple_commands(script) {
        let mut words = words.into_iter().skip_while(|range| assigns(&script[range.clone()]));
        let Some(mut first) = words.next() else { continue };
        while script[first.clone()] == *"exec" {
            let Some(next) = words.next() else { break };
            first = next;
        }
        let word = &script[first.clone()];
        moved |= word == "cd";
        let is_there = |range: &Range<usize>| !moved || script[range.clone()].starts_with('/');
        let is_word = |range: &Range<usize>| is_program(&script[range.clone()]);
        let name = word.rsplit('/').next().unwrap_or(word);
        let operand = match word {
            "." | "source" => words.next(),
            _ if INTERPRETERS.contains(&name) => {
                let rest: Vec<_> = words.collect();
                let is_text = rest.iter().any(|range| is_text(name, &script[range.clone()]));
                rest.into_iter().find(|range| !script[range.clone()].starts_with('-')).filter(|_| !is_text)
            }
            _ => None,
        };
        files.extend(
            Some((first, false)).filter(|(range, _)| is_word(range) && (is_there(range) || !word.contains('/'))),
        );
        files.extend(operand.filter(|range| is_word(range) && is_there(range)).map(|range| (range, true)));
    }
    files
}

/// The file, or its folder, that others may write to, and who they are.
fn writable_at(file: &Path) -> Option<(PathBuf, &'static str)> {
    if let Some(who) = writable(file) {
        return Some((file.to_owned(), who));
    }
    let folder = file.parent()?;
    let above = mode(folder)?;
    (above & OTHERS != 0 && above & STICKY == 0).then(|| (folder.to_owned(), "everybody"))
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
