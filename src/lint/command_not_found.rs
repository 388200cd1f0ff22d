//! `command-not-found`: a program that no run would find.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::{self, Accounts};
use super::script::{first_program, is_posix_shell, reads_files};
use super::{Scope, Subject, Whole};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::document::Value;
use crate::exec;

/// The program is looked up as the run would do it: in PATH of the job's own environment, from its `working_dir`. For a
/// string that is the shell, and then the first word of the script where that is plainly a program.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let (command, file) = (&subject.job.command, &subject.file);
    let script = command.script();
    let sentence = match command.locate(subject.programs) {
        Err(sentence) => Some(sentence),
        Ok(program) => barred(command.user(), &program, subject.accounts)
            .or_else(|| unstartable(&program, command, subject.programs, false)),
    };
    if let Some(sentence) = sentence {
        let key = if script.is_some() { "shell" } else { "command" };
        let items = subject.find(key).and_then(|value| value.items());
        let first = items.and_then(|items| items.into_iter().next());
        let place = first.map_or_else(|| file.value("command"), |value| value.at);
        return found.push(problem(place, &sentence));
    }
    let Some(script) = script else { return };
    let mut words = command.words();
    words.pop();
    if !is_posix_shell(&words) || reads_files(&words) {
        return;
    }
    let Some(range) = first_program(script) else { return };
    let sentence = match command.look_up(&script[range.clone()], subject.programs) {
        Err(sentence) => sentence,
        Ok(program) => {
            let barred = barred(command.user(), &program, subject.accounts);
            match barred.or_else(|| unstartable(&program, command, subject.programs, true)) {
                Some(sentence) => sentence,
                None => return,
            }
        }
    };
    let Some(text) = file.find("command").and_then(|value| value.text()) else { return };
    found.push(problem(text.inside(range), &sentence));
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
    if by_shell && line.is_none() {
        return None;
    }
    if let Some(fault) = exec::script_fault(program) {
        return Some(format!("program `{shown}` cannot be started: {fault}"));
    }
    // env(1) looks for the interpreter in PATH.
    let (_, arguments) = line.filter(|(interpreter, _)| interpreter.ends_with("/env"))?;
    let wanted = arguments.split_whitespace().find(|word| !word.starts_with('-') && !word.contains('='))?;
    let missing = command.look_up(wanted, programs).is_err();
    missing.then(|| format!("program `{shown}` cannot be started: its interpreter `{wanted}` is not in PATH"))
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
