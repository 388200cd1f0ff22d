//! `command-not-found`: a program that no run would find.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::accounts::{self, Accounts};
use super::named_files::{self, NamedFile, Role, SHELLS};
use super::script::{first_program, is_posix_shell, reads_files};
use super::{PROGRAM, Scope, Subject, Whole};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::document::Value;
use crate::exec;

/// The program is looked up as the run would do it: in PATH of the job's own environment, from its `working_dir`. For a
/// string that is the shell, and then the first word of the script where that is plainly a program.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let (command, file) = (&subject.job.command, &subject.file);
    let script = command.script();
    if !subject.has(PROGRAM) {
        // Where a program would be looked for is not known; a path needs no looking for.
        let first = script.and_then(|script| Some(&script[first_program(script)?]));
        let mut named = command.words().first().copied().into_iter().chain(first);
        if !named.any(|word| word.starts_with('/') && exec::is_missing(Path::new(word))) {
            return;
        }
    }
    let sentence = match command.locate(subject.programs) {
        Err(sentence) => Some(sentence),
        Ok(program) => match reached(subject, &command.program().name, program) {
            Ok(program) => unstartable(&program, command, subject.programs, false),
            Err(barred) => Some(barred),
        },
    };
    if let Some(sentence) = sentence {
        let key = if script.is_some() { "shell" } else { "command" };
        let items = subject.find(key).and_then(|value| value.items());
        let first = items.and_then(|items| items.into_iter().next());
        let place = first.map_or_else(|| file.value("command"), |value| value.at);
        return found.push(problem(place, &sentence));
    }
    // One thing of a command is told: what comes after it is not reached.
    if let Some(problem) = first_of_script(subject).or_else(|| of_files(subject)) {
        found.push(problem);
    }
}

/// Of the first program of a script, where it is plain to see.
fn first_of_script(subject: &Subject<'_, '_>) -> Option<Problem> {
    let command = &subject.job.command;
    let script = command.script()?;
    let mut words = command.words();
    words.pop();
    if !is_posix_shell(&words) || reads_files(&words) {
        return None;
    }
    if let Some(problem) = word_of_bash(subject, script) {
        return Some(problem);
    }
    let range = first_program(script)?;
    let sentence = match command.look_up(&script[range.clone()], subject.programs) {
        Err(sentence) => sentence,
        Ok(program) => match reached(subject, &script[range.clone()], program) {
            Ok(program) => unstartable(&program, command, subject.programs, true)?,
            Err(barred) => barred,
        },
    };
    let text = subject.file.find("command").and_then(|value| value.text())?;
    Some(problem(text.inside(range), &sentence))
}

/// Words that bash knows and dash, which is /bin/sh on Debian, looks for as programs.
const WORDS_OF_BASH: &str = "[[ declare dirs let mapfile popd pushd readarray shopt source typeset";

/// Of a script for dash that begins with one of those words.
fn word_of_bash(subject: &Subject<'_, '_>, script: &str) -> Option<Problem> {
    let command = &subject.job.command;
    let start = script.len() - script.trim_start().len();
    let word = script[start..].split(|c: char| c.is_ascii_whitespace()).next()?;
    if !WORDS_OF_BASH.split(' ').any(|known| known == word) || command.look_up(word, subject.programs).is_ok() {
        return None;
    }
    let shell = command.locate(subject.programs).ok()?;
    let real = exec::real_path(&shell)?;
    if real.file_name()? != "dash" {
        return None;
    }
    let text = subject.file.find("command").and_then(|value| value.text())?;
    let sentence =
        format!("`{word}` is a word of bash, and {} is dash, which finds no program of that name", shell.display());
    let problem = Problem::new(Code::CommandNotFound, text.inside(start..start + word.len()), sentence);
    Some(problem.help("let bash read it: `shell = [\"/bin/bash\", \"-c\"]`; or write it as sh knows it"))
}

/// Of what stands behind the first program: what that one executes, and the scripts that interpreters read.
fn of_files(subject: &Subject<'_, '_>) -> Option<Problem> {
    let command = &subject.job.command;
    let mut words = command.words();
    if command.script().is_some() {
        words.pop();
        if reads_files(&words) {
            return None;
        }
    }
    named_files::of(command, subject.programs).iter().find_map(|file| {
        let sentence = match &file.role {
            Role::Executed(by_shell) => match &file.missing {
                Some(sentence) => file.is_certain.then(|| sentence.clone()),
                None => unstartable(&file.path, command, subject.programs, *by_shell),
            },
            Role::Read(reader) => unreadable(file, reader, command),
        };
        Some(problem(file.place(subject), &sentence?))
    })
}

/// Why an interpreter cannot make sense of the file that it is given.
fn unreadable(file: &NamedFile, reader: &str, command: &exec::Command) -> Option<String> {
    let (name, reads_lines) = (&file.name, SHELLS.contains(&reader));
    if reads_lines && exec::has_windows_ends(&file.path) {
        return Some(windows_ends(name, reader));
    }
    // Of a folder that is not there `working_dir` is told already.
    let has_folder = name.starts_with('/') || file.path.parent().is_some_and(|folder| !exec::is_missing(folder));
    let is_missing = file.is_certain && has_folder && exec::is_missing(&file.path);
    // A shell looks for a bare name in PATH as well.
    let elsewhere = reads_lines && !name.contains('/') && command.look_up(name, &exec::Programs::default()).is_ok();
    (is_missing && !elsewhere).then(|| match (name.starts_with('/'), file.path.parent()) {
        (false, Some(folder)) => format!("script `{name}` does not exist in {}", folder.display()),
        _ => format!("script `{name}` does not exist"),
    })
}

fn windows_ends(name: &str, reader: &str) -> String {
    let reader = if matches!(reader, "." | "source") { "the shell".to_owned() } else { format!("`{reader}`") };
    format!(
        "script `{name}` has Windows line ends (`sed -i 's/\\r$//' FILE` takes them off): {reader} takes each carriage return \
         for a part of a word"
    )
}

/// The same for the command of `[fallback]`, which nobody sees fail before Slack is away.
pub(super) fn check_fallback(whole: &Whole<'_>, found: &mut Problems) {
    let Some((command, value)) = fallback(whole) else { return };
    let judge = |name: Option<&str>, by_shell| {
        let located = match name {
            Some(name) => command.look_up(name, &whole.programs),
            None => command.locate(&whole.programs),
        };
        match located {
            Err(sentence) => Some(sentence),
            Ok(program) => unstartable(&program, &command, &whole.programs, by_shell),
        }
    };
    if let Some(sentence) = judge(None, false) {
        let first = value.items().and_then(|items| items.into_iter().next());
        return found.push(problem(first.map_or(value.at, |first| first.at), &sentence));
    }
    let Some(text) = Some(&value).filter(|value| value.is_text()).and_then(Value::text) else { return };
    let Some(range) = first_program(text.value) else { return };
    if let Some(sentence) = judge(Some(&text.value[range.clone()]), true) {
        found.push(problem(text.inside(range), &sentence));
    }
}

/// The command of `[fallback]` as the daemon runs it, and where it is written.
pub(super) fn fallback<'w>(whole: &'w Whole<'_>) -> Option<(exec::Command, Value<'w>)> {
    let config = &whole.plan.config;
    let words = &config.fallback.as_ref()?.command;
    let command =
        exec::Command::plain(words, "", &config.folder, Arc::clone(&config.environment), Duration::from_secs(60));
    Some((command, whole.config.find("fallback.command")?))
}

/// Why a file that may be executed is not: its interpreter is missing, or the kernel does not know what it is. A shell takes
/// a file without a `#!` line for a script of its own (`by_shell`).
fn unstartable(program: &Path, command: &exec::Command, programs: &exec::Programs, by_shell: bool) -> Option<String> {
    let shown = program.file_name()?.display();
    let line = exec::first_line(program);
    let script_fault = || exec::script_fault(program).filter(|_| !by_shell || line.is_some());
    if let Some(fault) = script_fault() {
        return Some(format!("program `{shown}` cannot be started: {fault}"));
    }
    if let Some(fault) = exec::foreign(program) {
        return Some(format!("program `{shown}` cannot be started here: {fault}"));
    }
    // Its first line may end as it should, and no other.
    if let Some((interpreter, _)) = &line
        && let Some(shell) = SHELLS.iter().find(|shell| interpreter.rsplit('/').next() == Some(shell))
        && exec::has_windows_ends(program)
    {
        return Some(windows_ends(&shown.to_string(), shell));
    }
    // env(1) looks for the interpreter in PATH.
    let (_, arguments) = line.as_ref().filter(|(interpreter, _)| interpreter.ends_with("/env"))?;
    let wanted = arguments.split_whitespace().find(|word| !word.starts_with('-') && !word.contains('='))?;
    let missing = command.look_up(wanted, programs).is_err();
    missing.then(|| format!("program `{shown}` cannot be started: its interpreter `{wanted}` is not in PATH"))
}

/// The program that the user of the job reaches: what it may not enter or execute in PATH is passed over. A sentence where
/// there is none.
fn reached(subject: &Subject<'_, '_>, name: &str, first: PathBuf) -> Result<PathBuf, String> {
    let command = &subject.job.command;
    let bars = |program: &Path| barred(command.user(), program, subject.accounts);
    let Some(sentence) = bars(&first) else { return Ok(first) };
    let all = if name.contains('/') { Vec::new() } else { command.look_up_all(name) };
    all.into_iter().find(|program| bars(program).is_none()).ok_or(sentence)
}

/// Why another user may not execute a program that we may: a sentence, when that is so. Access lists are not looked at.
#[expect(clippy::disallowed_methods, reason = "the door of programs: whether one is there")]
fn barred(user: Option<&str>, program: &Path, accounts: &Accounts) -> Option<String> {
    let name = user?;
    let known = accounts.borrow_mut().entry(name.to_owned()).or_insert_with_key(|name| accounts::account(name)).clone();
    let user = known?;
    let may = |path: &Path| {
        let Ok(stat) = rustix::fs::stat(path) else { return true };
        let shift = match () {
            () if stat.st_uid == user.uid => 6,
            () if user.groups.contains(&stat.st_gid) => 3,
            () => 0,
        };
        stat.st_mode >> shift & 1 == 1
    };
    let program = std::path::absolute(program).ok()?;
    let closed = program.ancestors().find(|path| !may(path))?;
    let what = if closed == program { "execute it" } else { "enter a folder above it" };
    Some(format!(
        "program `{}` is not executable for user `{name}`, who may not {what}",
        program.file_name()?.display()
    ))
}

fn problem(place: Place, sentence: &str) -> Problem {
    let help = match sentence {
        _ if sentence.contains("cannot be started here") => "install the one that is built for this machine",
        _ if sentence.contains("Windows line ends") && sentence.starts_with("script") => {
            "save the file with the line ends of Unix"
        }
        _ if sentence.contains("cannot be started") => {
            "correct the file's first line, or name the interpreter before it"
        }
        _ if sentence.contains("for user") => "change its mode or that of the folder, or let another `user` run it",
        _ if sentence.contains("not executable") => "chmod +x, or name the interpreter before it",
        _ if sentence.contains("PATH") => "install it, give its whole path, or set PATH in `env`",
        _ => "correct the path; a relative one starts from `working_dir`, else from the folder of slack_alert.toml",
    };
    // From the folder of the configuration itself, which is called `.` when it is where we are.
    let sentence = sentence.strip_suffix(" in .").unwrap_or(sentence);
    Problem::new(Code::CommandNotFound, place, sentence).help(help)
}
