//! What a job may say about running, one theme a file: its keys, their defaults, its type, its reader. Together they make a
//! [`Command`].
//!
//! Before it: a job's table, `[defaults]` below it. After it: `process` (how it starts, how long it may take), `assess` (what its
//! end means). What is wrong with the machine and not with the file (a missing folder, an unknown user) is a problem too, and
//! the command is built all the same.

pub(super) mod command;
pub(super) mod environment;
pub(super) mod exit_codes;
pub(super) mod limits;
pub(super) mod output;
pub(super) mod retries;
pub(super) mod start;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

use self::command::Words;
use self::environment::{Environment, Variables};
use self::exit_codes::ExitCodes;
use self::limits::Limits;
use self::output::{OutputRules, Parse};
use self::retries::Retries;
use self::start::Start;
use super::capture::redact::Redactor;
use super::program::{self, Program, Programs};
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Shared, Table, Text};

/// The keys that [`read`] takes, for the manual and the schema.
pub fn keys() -> Vec<Key> {
    [command::KEYS, limits::KEYS, retries::KEYS, exit_codes::KEYS, output::KEYS, environment::KEYS, start::KEYS]
        .concat()
}

/// How a command is run.
#[derive(Clone)]
pub struct Command {
    pub(super) words: Words,
    /// As people see it, masked.
    source: Arc<str>,
    pub(super) program: Arc<Program>,
    pub(super) limits: Limits,
    pub(super) retries: Arc<Retries>,
    pub(super) exit_codes: ExitCodes,
    pub(super) output: Arc<OutputRules>,
    pub(super) variables: Variables,
    pub(super) start: Arc<Start>,
}

/// What [`read`] must know besides the table.
#[derive(Debug)]
pub struct Context<'a> {
    /// The folder of the configuration file: the default `working_dir`, and what relative paths start from.
    config_dir: &'a Path,
    /// The daemon's own variables, secrets and plumbing already taken out.
    environment: &'a Arc<Environment>,
    /// The same for every job that names no `working_dir`.
    working_dir: Arc<Path>,
    /// A pattern of `[defaults]` is compiled once, not once a job.
    patterns: RefCell<HashMap<(String, output::LineEnds), Regex>>,
    /// Few programs are behind many jobs.
    programs: Programs,
    /// What is wrong with a user's name, if anything: few users are behind many jobs, and each look reads many files.
    users: RefCell<HashMap<String, Option<String>>>,
    /// What most jobs say alike is kept once.
    retries: Shared<Retries>,
    rules: Shared<OutputRules>,
    starts: Shared<Start>,
}

impl<'a> Context<'a> {
    /// For the jobs of one configuration. `config_dir` must be absolute.
    pub fn new(config_dir: &'a Path, environment: &'a Arc<Environment>) -> Self {
        Self {
            config_dir,
            environment,
            working_dir: config_dir.into(),
            patterns: RefCell::default(),
            programs: Programs::default(),
            users: RefCell::default(),
            retries: Shared::default(),
            rules: Shared::default(),
            starts: Shared::default(),
        }
    }

    /// For those of them that one thread reads: its caches are its own, the folder is that of all.
    pub fn sharing(config_dir: &'a Arc<Path>, environment: &'a Arc<Environment>) -> Self {
        Self { working_dir: Arc::clone(config_dir), ..Self::new(config_dir, environment) }
    }
}

/// Reads the exec keys of a job; `None` when no command can be made of them. A job that something else runs has none, and its
/// keys about output count all the same.
pub fn read(table: &mut Table<'_>, context: &Context<'_>, runs_elsewhere: bool) -> Option<Command> {
    let words = command::read(table, runs_elsewhere);
    let limits = limits::read(table);
    let retries = retries::read(table);
    let exit_codes = ExitCodes::read(table);
    let mut output = output::read(table, context);
    let start = start::read(table, context);
    let variables = environment::read(table, context, &start.working_dir);
    if output.redact_env {
        // Those of the file as it is now: a run reads it anew.
        let file = variables.env_file.as_ref().and_then(|path| environment::read_file(path).ok()).unwrap_or_default();
        let values = environment::secret_values(&file).chain(variables.secrets());
        output.redactor = output.redactor.with_values(values);
    }

    let words = words?;
    let name = words.all().first().copied().unwrap_or_default();
    let program = match words {
        Words::Elsewhere => Program { name: name.into(), found: Err("something else runs this job".to_owned()) }.into(),
        _ => context.programs.find(name, path_of(&variables), &start.working_dir),
    };
    let written = words.written();
    let source = output.redactor.mask_str(&written).into();
    let (retries, output) = (context.retries.once(retries), context.rules.once(output));
    let start = context.starts.once(start);
    Some(Command { words, source, program, limits, retries, exit_codes, output, variables, start })
}

/// The text, unless it holds what no argument and no variable of a process can hold.
fn free_of_nul<'d>(table: &Table<'_>, key: &str, text: Text<'d>) -> Option<&'d str> {
    let Some(at) = text.value.find('\0') else { return Some(text.value) };
    let message = format!("`{key}` holds a NUL character");
    table.push(Problem::new(Code::InvalidValue, text.inside(at..at + 1), message).help("take it out"));
    None
}

/// PATH of the job's own environment, without its `env_file`.
fn path_of(variables: &Variables) -> &OsStr {
    let own = variables.env.iter().find(|(name, _)| name.as_ref() == "PATH");
    own.map_or_else(|| variables.inherited.path(), |(_, value)| OsStr::new(value.as_ref()))
}

/// What it runs, and nothing that may be a secret.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("source", &self.source())
            .field("timeout", &self.limits.timeout)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// A command of the daemon's own and not of a job: these words, this text on its standard input, this long at most.
    pub fn plain(words: &[String], stdin: &str, dir: &Path, environment: Arc<Environment>, timeout: Duration) -> Self {
        let words = Words::Direct(words.iter().map(|word| word.as_str().into()).collect());
        let name: Box<str> = words.all().first().copied().unwrap_or_default().into();
        let found = program::find(&name, environment.path(), dir);
        Self {
            source: words.written().into(),
            program: Program { name, found }.into(),
            words,
            limits: Limits { timeout: Some(timeout), kill_after: Duration::from_secs(5) },
            retries: Retries::default().into(),
            exit_codes: ExitCodes::default(),
            output: OutputRules { max_output: 64 << 10, ..OutputRules::default() }.into(),
            variables: Variables { inherited: environment, ..Variables::default() },
            start: Start { stdin: Some(stdin.into()), ..Start::plain(dir.into()) }.into(),
        }
    }

    /// The command as written, `redact` applied; the words of an array are joined by spaces, quoted as for a shell.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The same, not copied.
    pub fn shared_source(&self) -> Arc<str> {
        Arc::clone(&self.source)
    }

    /// The script that a shell is given, unmasked; `None` for an array. For `check` only.
    pub fn script(&self) -> Option<&str> {
        self.words.script()
    }

    /// Every word that is executed, program first, unmasked. For `check` and for starting it only.
    pub fn words(&self) -> Vec<&str> {
        self.words.all()
    }

    /// What it is given on its standard input.
    pub fn stdin(&self) -> &str {
        self.start.stdin.as_deref().unwrap_or_default()
    }

    /// Nothing is started here: something else runs the job.
    pub fn runs_elsewhere(&self) -> bool {
        matches!(self.words, Words::Elsewhere)
    }

    /// The program: the shell, or the first word of an array.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where programs are looked for: PATH of the job's own environment, without its `env_file`.
    pub fn path(&self) -> &OsStr {
        path_of(&self.variables)
    }

    /// The program as a run would find it now: `env_file` is read anew, since it may set PATH. For `check` only.
    pub fn locate(&self, programs: &Programs) -> Result<PathBuf, String> {
        if self.variables.env_file.is_none() {
            self.program.found.clone()
        } else {
            self.look_up(&self.program.name, programs)
        }
    }

    /// Any other program, as the command would find it. For `check` only.
    pub fn look_up(&self, name: &str, programs: &Programs) -> Result<PathBuf, String> {
        programs.find(name, &self.path_now(), &self.start.working_dir).found.clone()
    }

    /// Every program of this name in PATH: the user may not reach the first. For `check` only.
    pub fn look_up_all(&self, name: &str) -> Vec<PathBuf> {
        program::all(name, &self.path_now(), &self.start.working_dir)
    }

    /// PATH, with `env_file` as it is now.
    fn path_now(&self) -> OsString {
        let own = self.variables.env.iter().any(|(name, _)| name.as_ref() == "PATH");
        let file = self.variables.env_file.as_ref().filter(|_| !own).and_then(|path| environment::read_file(path).ok());
        let path = file.into_iter().flatten().rev().find(|(name, _)| name == "PATH");
        path.map_or_else(|| self.path().to_owned(), |(_, value)| value.into())
    }

    /// Whether two commands of the same words do the same: folder, variables, input and user. For `check` only.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let place = |command: &Self| (command.start.working_dir.clone(), command.start.stdin.clone());
        let account = |command: &Self| (command.start.user.clone(), command.start.group.clone());
        self.words == other.words
            && self.variables.env == other.variables.env
            && self.variables.env_file == other.variables.env_file
            && place(self) == place(other)
            && account(self) == account(other)
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Option<Duration> {
        self.limits.timeout
    }

    /// The file of variables that it names.
    pub fn env_file(&self) -> Option<&Path> {
        self.variables.env_file.as_deref()
    }

    /// What the file of variables sets now, without those that are secret by their names. For `check` only.
    pub fn open_env_file(&self) -> Vec<(String, String)> {
        let mut found = self.read_env_file();
        found.retain(|(name, _)| !environment::is_secret(name));
        found
    }

    /// The names of all that the file of variables sets now. For `check` only.
    pub fn env_file_names(&self) -> impl Iterator<Item = String> {
        self.read_env_file().into_iter().map(|(name, _)| name)
    }

    fn read_env_file(&self) -> Vec<(String, String)> {
        self.env_file().and_then(|path| environment::read_file(path).ok()).unwrap_or_default()
    }

    /// How long the group has between SIGTERM and SIGKILL.
    pub fn kill_after(&self) -> Duration {
        self.limits.kill_after
    }

    /// How often a failed attempt is made again.
    pub fn retries(&self) -> Retries {
        *self.retries
    }

    /// What exit codes and signals mean.
    pub fn exit_codes(&self) -> &ExitCodes {
        &self.exit_codes
    }

    /// The same for a job with conditions: they are about what came, and see it before it is masked.
    #[must_use]
    pub fn with_conditions(mut self) -> Self {
        Arc::make_mut(&mut self.output).conditions = true;
        self
    }

    /// The same for a job that tells of changes: all of stdout is compared, also what is not kept.
    #[must_use]
    pub fn comparing(mut self) -> Self {
        Arc::make_mut(&mut self.output).compares = true;
        self
    }

    /// What stdout is taken for.
    pub fn parse(&self) -> Option<Parse> {
        self.output.parse
    }

    /// Whether lines of its stdout may be directives.
    pub fn directives(&self) -> bool {
        self.output.directives
    }

    /// Where it runs, absolute.
    pub fn working_dir(&self) -> &Path {
        &self.start.working_dir
    }

    /// The user that it runs as, when it is not the daemon's.
    pub fn user(&self) -> Option<&str> {
        self.start.user.as_deref()
    }

    /// The group that it runs as, when it is not the daemon's.
    pub fn group(&self) -> Option<&str> {
        self.start.group.as_deref()
    }

    /// What is added to the daemon's niceness.
    pub fn nice(&self) -> Option<i8> {
        self.start.nice
    }

    /// Bytes kept of each stream.
    pub fn max_output(&self) -> usize {
        self.output.max_output
    }

    /// What masks everything of this job that leaves the process.
    pub fn redactor(&self) -> &Redactor {
        &self.output.redactor
    }
}

#[cfg(test)]
pub(super) mod tests;
