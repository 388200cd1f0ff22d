//! `pipe-hides-failure`: `a | b` where nobody hears that `a` failed.

use super::pipes::deciding_pipes;
use super::script::{ends_at_failure, has_pipefail, is_posix_shell};
use super::{Scope, Subject};
use crate::diagnostic::{Code, Problem, Problems};

/// Commands that are not expected to fail.
const HARMLESS: &[&str] = &["echo", "printf", "true", ":", "yes"];

/// The exit code of a pipe is that of its last command (POSIX, "Pipelines"), so that the run is ok although the first
/// one failed, unless the shell has `pipefail`. Only pipes whose exit code counts: the last one of the script, or any
/// under `set -e`. Quotes, comments and here-documents are known. A command of words that are a shell and its script is read as that
/// script.
pub(super) fn check(subject: &Subject<'_, '_>, _: &Scope, found: &mut Problems) {
    let command = &subject.job.command;
    let words = command.words();
    let is_script = |at: &usize| is_posix_shell(&words[..*at]);
    let at = match command.script() {
        Some(_) => words.len().checked_sub(1).filter(is_script),
        None => (2..words.len()).find(is_script),
    };
    let Some((words, script)) = at.map(|at| (&words[..at], words[at])) else { return };
    if !script.contains('|') || has_pipefail(words, script) {
        return;
    }
    let pipes = deciding_pipes(script, ends_at_failure(words, script));
    let Some(pipe) = pipes.iter().find(|pipe| !HARMLESS.contains(&pipe.first.as_str())) else { return };
    let Some(value) = subject.file.find("command") else { return };
    let text = if value.is_list() { value.list().and_then(|words| words.get(at?).copied()) } else { value.text() };
    let Some(text) = text else { return };
    let message = match pipe.first.as_str() {
        "" => "a failure before this pipe is not noticed".to_owned(),
        first => format!("when `{first}` fails, this pipe hides it"),
    };
    let problem = Problem::new(Code::PipeHidesFailure, text.inside(pipe.at..pipe.at + 1), message);
    found.push(problem.help(match command.script() {
        Some(_) => "use `shell = [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]`, or do it without the pipe",
        None => "begin it with `\"bash\", \"-o\", \"pipefail\", \"-c\"`, or do it without the pipe",
    }));
}
