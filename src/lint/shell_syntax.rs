//! `shell-syntax`: what `sh -n` says of a command. The door of the shells that are asked.
//!
//! Before it: every command that is a string for a shell of the POSIX kind, but those that are plain to see to be well.
//! After it: problems. Nothing of a script is ever executed, nor of what a login shell would read: a shell that reads many scripts in one process is first seen to keep `set -n` within `eval`, and a
//! shell that does not is asked script by script with `-n`.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::script::{is_plain, is_posix_shell, reads_files};
use super::view::File;
use super::{Whole, command_not_found};
use crate::diagnostic::{Code, Place, Problem, Problems};
use crate::document::Value;
use crate::exec::{Command, Programs};
use crate::plan::spread_each;

/// Parsing takes no time: what is silent for so many seconds is no shell.
const PATIENCE: i64 = 20;

/// A shell that says more than this is not heard out.
const MOST_WORDS: usize = 1 << 20;

/// So many scripts, and so many bytes of them, are given to one process.
const MOST: usize = 250;
const LARGEST: usize = 256 << 10;

/// A longer script is no argument (Linux: MAX_ARG_STRLEN is 128 KiB) and is not asked about.
const LONGEST: usize = 120_000;

/// Reads each argument as a script that is parsed and not executed; prints the numbers of those that do not parse.
const READER: &str =
    "n=0\nfor script do\n(eval \"set -n\n$script\") </dev/null >/dev/null 2>&1 || echo \"$n\"\nn=$((n + 1))\ndone";

/// Nothing of this may be printed by a shell that keeps `set -n` within `eval`.
const PROBE: &str = "(eval 'set -n\necho executed')\n(eval 'set -n\nif :; then echo executed; fi; echo executed')";

/// Asks each shell about all scripts that it would be given, as many at a time as it can take.
pub(super) fn check(whole: &Whole<'_>, found: &mut Problems) {
    let programs = Programs::default();
    let mut shells: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for (index, entry) in
        whole.jobs.iter().enumerate().filter(|(_, entry)| whole.subject(entry).has(&["command", "shell"]))
    {
        let job = entry.job;
        let mut words = job.command.words();
        let script = job.command.script().and_then(|_| words.pop());
        if script.is_some_and(|script| script.len() <= LONGEST && !is_plain(script))
            && is_posix_shell(&words)
            && !reads_files(&words)
            && job.command.locate(&programs).is_ok()
        {
            shells.entry(words).or_default().push(index);
        }
    }
    for (words, jobs) in shells {
        for index in suspects(&words, &jobs, whole) {
            let (job, file) = (whole.jobs[index].job, whole.file(whole.jobs[index].source));
            let script = job.command.script().unwrap_or_default();
            if let Some(problem) = ask(&words, &job.command, script, (&file, "command")) {
                found.push(problem);
            }
        }
    }
    // It is a string for /bin/sh, or a list of words.
    let Some((command, value)) = command_not_found::fallback(whole) else { return };
    let script = Some(&value).filter(|value| value.is_text()).and_then(Value::text);
    let script = script.filter(|script| script.value.len() <= LONGEST && !is_plain(script.value));
    let place = (&whole.config, "fallback.command");
    if let Some(problem) = script.and_then(|script| ask(&["/bin/sh", "-c"], &command, script.value, place)) {
        found.push(problem);
    }
}

/// The jobs whose scripts may not parse: those that a reading of many found, or all where the shell cannot do that.
fn suspects(words: &[&str], jobs: &[usize], whole: &Whole<'_>) -> Vec<usize> {
    let quiet = || {
        jobs.first()
            .and_then(|index| run(words, &whole.jobs[*index].job.command, &[PROBE]))
            .is_some_and(|said| said.words.is_empty())
    };
    if jobs.len() < 3 || !quiet() {
        return jobs.to_vec();
    }
    let script = |index: usize| whole.jobs[index].job.command.script().unwrap_or_default();
    let mut batches = Vec::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |index: &&usize| {
            bytes += script(**index).len();
            bytes <= LARGEST
        };
        let count = rest.iter().take(MOST).take_while(fits).count().max(1);
        let (batch, others) = rest.split_at(count);
        batches.push(batch);
        rest = others;
    }
    let all = &whole.jobs;
    let bad = spread_each(&batches, |batch| {
        let scripts = batch.iter().map(|index| all[*index].job.command.script().unwrap_or_default());
        let arguments: Vec<&str> = [READER, "sh"].into_iter().chain(scripts).collect();
        let Some(said) = run(words, &all[batch[0]].job.command, &arguments) else { return batch.to_vec() };
        let numbers = said.words.lines().filter_map(|line| line.parse::<usize>().ok());
        numbers.filter_map(|number| batch.get(number).copied()).collect()
    });
    bad.concat()
}

/// Asks about one script with `-n`.
fn ask(words: &[&str], command: &Command, script: &str, (file, key): (&File<'_>, &'static str)) -> Option<Problem> {
    // Next to `-c`, where no option after it takes it back.
    let (last, before) = words.split_last()?;
    let mut with_n = before.to_vec();
    with_n.extend(["-n", last]);
    let said = run(&with_n, command, &[script]).filter(|said| !said.well)?;
    let (line, message) = understood(&said.words)?;
    let place = match file.find(key).and_then(|value| value.text()) {
        Some(text) => inside(&text, script, line),
        None => file.start(),
    };
    let mut names = words.iter().map(|word| word.rsplit('/').next().unwrap_or_default());
    let name = names.find(|name| *name != "env").unwrap_or_default();
    let problem = Problem::new(Code::ShellSyntax, place, format!("{name}: {message}"));
    Some(problem.help(format!("`{name} -n` reads a script without running it")))
}

/// The place of a line of the script; of the whole script when it has one line, or the line is past its end.
fn inside(text: &crate::document::Text<'_>, script: &str, line: usize) -> Place {
    let mut start = 0;
    let lines: Vec<&str> = script.split_inclusive('\n').collect();
    for (number, content) in lines.iter().enumerate() {
        let trimmed = content.trim();
        // An error at the end of the script is shown at its last line.
        let last = lines[number + 1..].iter().all(|rest| rest.trim().is_empty());
        if number + 1 >= line && !trimmed.is_empty() || last {
            let from = start + content.len() - content.trim_start().len();
            return text.inside(from..from + trimmed.len());
        }
        start += content.len();
    }
    text.at
}

/// The line, and what is wrong there: `sh: 2: Syntax error: …` (dash), `bash: -c: line 2: …`, `zsh:2: …`.
fn understood(stderr: &str) -> Option<(usize, String)> {
    let said = stderr.lines().find(|line| !line.trim().is_empty())?;
    let mut line = 1;
    let mut rest = said;
    // What stands before the words: names, `-c`, and the line's number, each with a colon after it.
    while let Some((head, tail)) = rest.split_once(':') {
        let head = head.trim();
        let number = head.strip_prefix("line ").unwrap_or(head);
        match number.parse() {
            Ok(number) => line = number,
            Err(_) if head.contains(' ') || tail.is_empty() => break,
            Err(_) => {}
        }
        rest = tail;
    }
    let words = rest.trim();
    let mut words =
        words.strip_prefix("Syntax error: ").or(words.strip_prefix("syntax error: ")).unwrap_or(words).to_owned();
    // Not of a word in capitals: `EOF`.
    let is_word = words.chars().nth(1).is_none_or(|second| !second.is_uppercase());
    if let Some(first) = words.get_mut(..1).filter(|_| is_word) {
        first.make_ascii_lowercase();
    }
    (!words.is_empty()).then_some((line, words))
}

struct Said {
    well: bool,
    /// Both streams.
    words: String,
}

/// Runs the shell with its own words and these; nothing when it cannot be run or does not end.
#[expect(clippy::disallowed_methods, reason = "the door of shells: they parse scripts, and run nothing")]
fn run(words: &[&str], command: &Command, arguments: &[&str]) -> Option<Said> {
    let program = command.locate(&Programs::default()).ok()?;
    let all = words[1..].iter().chain(arguments).copied();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
    let mut shell = duct::cmd(program, all).dir(command.working_dir()).stdin_null();
    // What a shell reads at its start by itself would be executed.
    for variable in ["ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS"] {
        shell = shell.env_remove(variable);
    }
    let going = shell.env("LC_ALL", "C").stderr_to_stdout().stdout_file(writer).unchecked().start().ok()?;
    let said = read(&reader).filter(|_| has_ended(&going));
    if said.is_none() {
        let _ = going.kill();
    }
    let well = going.wait().ok()?.status.success();
    said.map(|words| Said { well, words })
}

/// Everything that is written, as long as it goes on.
fn read(reader: &OwnedFd) -> Option<String> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while said.len() < MOST_WORDS {
        wait_for(reader).then_some(())?;
        match rustix::io::read(reader, &mut buffer).ok()? {
            0 => return Some(String::from_utf8_lossy(&said).into_owned()),
            length => said.extend_from_slice(&buffer[..length]),
        }
    }
    None
}

/// Whether the process has ended, or does so soon.
fn has_ended(going: &duct::Handle) -> bool {
    let pid = going.pids().first().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(*pid).ok()?));
    let watched = pid.and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok());
    watched.is_none_or(|watched| wait_for(&watched))
}

/// Waits until something can be read, for so long.
fn wait_for(file: &OwnedFd) -> bool {
    let patience = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
    let mut files = [PollFd::new(file, PollFlags::IN)];
    matches!(rustix::io::retry_on_intr(|| rustix::event::poll(&mut files, Some(&patience))), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::understood;

    #[test]
    fn what_shells_say() {
        for (stderr, line, words) in [
            (
                "sh: 2: Syntax error: end of file unexpected (expecting \"fi\")\n",
                2,
                "end of file unexpected (expecting \"fi\")",
            ),
            ("/bin/sh: 1: Syntax error: Unterminated quoted string\n", 1, "unterminated quoted string"),
            (
                "bash: -c: line 3: syntax error near unexpected token `)'\nbash: -c: line 3: `x )'\n",
                3,
                "syntax error near unexpected token `)'",
            ),
            ("bash: line 1: syntax error: unexpected end of file\n", 1, "unexpected end of file"),
            ("zsh:2: parse error near `)'\n", 2, "parse error near `)'"),
            ("sh: 1: Syntax error: EOF in backquote substitution\n", 1, "EOF in backquote substitution"),
        ] {
            assert_eq!(understood(stderr), Some((line, words.to_owned())), "{stderr}");
        }
        assert_eq!(understood(""), None);
    }
}
