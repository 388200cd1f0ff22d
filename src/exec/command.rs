//! How a command is run: everything that the exec keys of a job say.
//!
//! Before it: `read`. After it: `launch` (how it starts), `process` (how long it may take), `assess` (what its end means).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

use super::environment::{self, Environment};
use super::exit_codes::ExitCodes;
use super::program::{self, Program, Programs};
use super::redact::Redactor;
use super::retries::Retries;

/// The shell that takes a command that is written as one string.
pub(super) const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// What is executed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// A string for a shell; `None` is [`DEFAULT_SHELL`].
    Shell { shell: Option<Box<[Box<str>]>>, script: Box<str> },
    /// As it stands.
    Direct(Box<[Box<str>]>),
}

/// What stdout is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parse {
    /// One JSON document.
    Json,
    /// The output of a Nagios plugin.
    Perfdata,
}

/// How a command is run.
#[derive(Clone)]
pub struct Command {
    pub(super) words: Words,
    /// As people see it, masked; `None` where it is the script itself.
    pub(super) shown: Option<Box<str>>,
    pub(super) program: Program,
    pub(super) timeout: Option<Duration>,
    pub(super) kill_after: Duration,
    pub(super) retries: Retries,
    pub(super) exit_codes: ExitCodes,
    pub(super) fail_on_stdout: Option<Regex>,
    pub(super) fail_on_stderr: Option<Regex>,
    pub(super) parse: Option<Parse>,
    pub(super) directives: bool,
    pub(super) working_dir: Arc<Path>,
    pub(super) inherited: Arc<Environment>,
    pub(super) env: Box<[(Box<str>, Box<str>)]>,
    pub(super) env_file: Option<PathBuf>,
    pub(super) stdin: Option<Box<str>>,
    pub(super) umask: Option<u32>,
    pub(super) nice: Option<i8>,
    pub(super) user: Option<Box<str>>,
    pub(super) group: Option<Box<str>>,
    pub(super) max_output: usize,
    pub(super) redactor: Redactor,
}

/// What it runs, and nothing that may be a secret.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("source", &self.source())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// A command of the daemon's own and not of a job: these words, this text on its standard input, this long at most.
    pub fn plain(words: &[String], stdin: &str, dir: &Path, environment: Arc<Environment>, timeout: Duration) -> Self {
        let words: Box<[Box<str>]> = words.iter().map(|word| word.as_str().into()).collect();
        let name: Box<str> = words.first().cloned().unwrap_or_default();
        let found = program::find(&name, environment.path(), dir);
        Self {
            shown: Some(quoted(words.iter().map(AsRef::as_ref)).into()),
            program: Program { name, found },
            words: Words::Direct(words),
            timeout: Some(timeout),
            kill_after: Duration::from_secs(5),
            retries: Retries::plain(0),
            exit_codes: ExitCodes::default(),
            fail_on_stdout: None,
            fail_on_stderr: None,
            parse: None,
            working_dir: dir.into(),
            inherited: environment,
            env: Box::default(),
            env_file: None,
            stdin: Some(stdin.into()),
            umask: None,
            nice: None,
            user: None,
            group: None,
            max_output: 64 << 10,
            redactor: Redactor::default(),
            directives: false,
        }
    }

    /// The command as written, `redact` applied; the words of an array are joined by spaces, quoted as for a shell.
    pub fn source(&self) -> &str {
        match (&self.shown, &self.words) {
            (Some(shown), _) => shown,
            (None, Words::Shell { script, .. }) => script,
            (None, Words::Direct(words)) => words.first().map_or("", |word| word),
        }
    }

    /// The script that a shell is given, unmasked; `None` for an array. For `check` only.
    pub fn script(&self) -> Option<&str> {
        match &self.words {
            Words::Shell { script, .. } => Some(script),
            Words::Direct(_) => None,
        }
    }

    /// Every word that is executed, program first, unmasked. For `check` and for starting it only.
    pub fn words(&self) -> Vec<&str> {
        match &self.words {
            Words::Shell { shell: None, script } => DEFAULT_SHELL.into_iter().chain([script.as_ref()]).collect(),
            Words::Shell { shell: Some(shell), script } => {
                shell.iter().map(AsRef::as_ref).chain([script.as_ref()]).collect()
            }
            Words::Direct(words) => words.iter().map(AsRef::as_ref).collect(),
        }
    }

    /// The program: the shell, or the first word of an array.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where programs are looked for: PATH of the job's own environment, `env_file` aside.
    pub fn path(&self) -> &std::ffi::OsStr {
        let own = self.env.iter().find(|(name, _)| name.as_ref() == "PATH");
        own.map_or_else(|| self.inherited.path(), |(_, value)| std::ffi::OsStr::new(value.as_ref()))
    }

    /// The program as a run would find it now: `env_file` is read anew, since it may set PATH. For `check` only.
    pub fn locate(&self, programs: &Programs) -> Result<PathBuf, String> {
        if self.env_file.is_none() { self.program.found.clone() } else { self.look_up(&self.program.name, programs) }
    }

    /// Any other program, as the command would find it. For `check` only.
    pub fn look_up(&self, name: &str, programs: &Programs) -> Result<PathBuf, String> {
        let own = self.env.iter().any(|(name, _)| name.as_ref() == "PATH");
        let file = self.env_file.as_ref().filter(|_| !own).and_then(|path| environment::read_file(path).ok());
        let path = file.into_iter().flatten().rev().find(|(name, _)| name == "PATH");
        let path = path.as_ref().map_or_else(|| self.path(), |(_, value)| std::ffi::OsStr::new(value.as_str()));
        programs.find(name, path, &self.working_dir)
    }

    /// Whether two commands of the same words do the same: folder, variables, input and user. For `check` only.
    pub fn does_the_same(&self, other: &Self) -> bool {
        self.words == other.words
            && self.working_dir == other.working_dir
            && self.env == other.env
            && self.env_file == other.env_file
            && self.stdin == other.stdin
            && (&self.user, &self.group) == (&other.user, &other.group)
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// How long the group has between SIGTERM and SIGKILL.
    pub fn kill_after(&self) -> Duration {
        self.kill_after
    }

    /// How often a failed attempt is made again.
    pub fn retries(&self) -> Retries {
        self.retries
    }

    /// What exit codes and signals mean.
    pub fn exit_codes(&self) -> &ExitCodes {
        &self.exit_codes
    }

    /// What stdout is taken for.
    pub fn parse(&self) -> Option<Parse> {
        self.parse
    }

    /// Whether lines of its stdout may speak to the tool.
    pub fn directives(&self) -> bool {
        self.directives
    }

    /// Where it runs, absolute.
    pub fn working_dir(&self) -> &Path {
        &self.working_dir
    }

    /// The user that it runs as, when it is not the daemon's.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Bytes kept of each stream.
    pub fn max_output(&self) -> usize {
        self.max_output
    }

    /// What masks everything of this job that leaves the process.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// Words as they would be typed into a shell.
pub(super) fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    let quote = |word: &'w str| {
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_as_they_would_be_typed() {
        assert_eq!(quoted(["echo", "it's", "", "a b", "--x=/y"]), r"echo 'it'\''s' '' 'a b' --x=/y");
    }
}
