//! What exactly is started for one attempt: program, words, variables, standard input.
//!
//! Before it: a [`Command`] and the run. After it: `process`. Invariant: nothing is done between fork and exec. Another user, a
//! umask, a niceness and a limit of open files are set by small programs of the system (setpriv, nice, sh) that stand before
//! the command and execute it; only a job that needs them pays for them. So it is where this process has a terminal: setsid(1)
//! takes it from the command, which would be stopped for ever at its first question on /dev/tty.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, Uid};

use crate::exec::capture::redact::Redactor;
use crate::exec::keys::{Command, environment};
use crate::exec::outcome::{Ending, Output};
use crate::exec::run::Run;
use crate::exec::{account, foreign, host, os, program};

const NICE: &str = "/usr/bin/nice";
const SH: &str = "/bin/sh";
const ENV: &str = "/usr/bin/env";
const SETSID: &str = "/usr/bin/setsid";

/// One attempt, ready to be started.
#[derive(Debug)]
pub(super) struct Launch {
    command: Arc<Command>,
    /// The file that is executed: absolute.
    program: PathBuf,
    /// Words that stand before the command's own: the small programs that set what it asked for.
    prefix: Vec<String>,
    /// It becomes the leader of a session by itself, and so of a group.
    leads: bool,
    /// The user that it becomes, if that is another.
    user: Option<Uid>,
    /// What comes after the inherited variables and before the job's own.
    variables: Vec<(OsString, OsString)>,
    /// What masks this run's output, where the file of its variables has a say in that.
    redactor: Option<Redactor>,
    /// What tells the command about its run.
    about: [(&'static str, String); 4],
}

impl Launch {
    /// Makes an attempt ready, or says in a sentence why it cannot be.
    pub(super) fn new(run: &Run, attempt: u32) -> Result<Self, String> {
        let command = Arc::clone(&run.command);
        let mut variables = Vec::new();
        let mut prefix = Vec::new();
        let (mut redacted, mut user) = (None, None);
        let leads = host::has_terminal() && is_there(SETSID);
        if leads {
            prefix.extend([SETSID.to_owned(), "--".to_owned()]);
        }
        if let Some(script) = script(command.start.umask, open_files()) {
            prefix.extend([SH.to_owned(), "-c".to_owned(), script, "slack-alert".to_owned()]);
        }
        if let Some(nice) = command.start.nice {
            account::may_nice(nice)?;
            prefix.extend([NICE.to_owned(), "-n".to_owned(), nice.to_string(), "--".to_owned()]);
        }
        if command.start.user.is_some() || command.start.group.is_some() {
            let switch = account::switch(command.start.user.as_deref(), command.start.group.as_deref())?;
            setpriv(&mut prefix, &switch);
            user = switch.uid.map(Uid::from_raw);
            variables.extend(switch.variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        if let Some(path) = &command.variables.env_file {
            let file = environment::read_file(path)
                .map_err(|error| format!("`env_file` {} cannot be used: {error}", path.display()))?;
            if command.output.redact_env {
                let redactor = &command.output.redactor;
                redacted = Some(redactor.with_values(environment::secret_values(&file)));
            }
            variables.extend(file.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        let about = [
            ("SLACK_ALERT_JOB", run.job.as_str().to_owned()),
            ("SLACK_ALERT_RUN_ID", run.id.to_string()),
            ("SLACK_ALERT_SCHEDULED", run.scheduled.to_string()),
            ("SLACK_ALERT_ATTEMPT", attempt.to_string()),
        ];
        let mut launch =
            Self { command, program: PathBuf::new(), prefix, leads, user, variables, redactor: redacted, about };
        launch.program = launch.find()?;
        Ok(launch)
    }

    /// The program as it was found when the command was read, unless it was not, or PATH is another by now. Behind a
    /// prefix it is always looked for and looked at: the error of the kernel would go to the prefix, which may take a file that
    /// cannot be executed for a script of the shell.
    fn find(&self) -> Result<PathBuf, String> {
        let known = &self.command.program;
        match &known.found {
            Ok(file) if self.prefix.is_empty() && self.own_path().is_none() => return Ok(file.clone()),
            _ => {}
        }
        let file = self.search()?;
        match program::script_fault(&file).filter(|_| !self.prefix.is_empty()) {
            Some(fault) => Err(cannot_be_run(&file, &fault)),
            None => Ok(file),
        }
    }

    fn search(&self) -> Result<PathBuf, String> {
        let path = self.own_path().unwrap_or_else(|| self.command.path());
        program::find(&self.command.program.name, path, &self.command.start.working_dir)
    }

    /// PATH, where `env_file` sets it and `env` does not.
    fn own_path(&self) -> Option<&OsStr> {
        if self.command.variables.env.iter().any(|(name, _)| name.as_ref() == "PATH") {
            return None;
        }
        self.variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str())
    }

    /// The file that is executed first.
    pub(super) fn file(&self) -> &Path {
        self.prefix.first().map_or(&self.program, Path::new)
    }

    /// The user that its process becomes, if that is another than the daemon's.
    pub(super) fn user(&self) -> Option<Uid> {
        self.user
    }

    /// What masks everything of this run that leaves the process.
    pub(super) fn redactor(&self) -> Redactor {
        self.redactor.as_ref().unwrap_or(self.command.redactor()).clone()
    }

    /// Where it starts.
    pub(super) fn working_dir(&self) -> &Path {
        &self.command.start.working_dir
    }

    /// After a start that failed: the same with the program where it is by now, if that is elsewhere.
    pub(super) fn moved(&self) -> Option<Self> {
        let program = self.search().ok().filter(|found| self.prefix.is_empty() && *found != self.program)?;
        let (command, prefix) = (Arc::clone(&self.command), self.prefix.clone());
        Some(Self {
            command,
            program,
            prefix,
            leads: self.leads,
            user: self.user,
            variables: self.variables.clone(),
            redactor: self.redactor.clone(),
            about: self.about.clone(),
        })
    }

    /// Puts everything but the files into what the standard library starts. Here and not through duct, which would copy
    /// every word and every variable twice more.
    pub(super) fn fill(&self, child: &mut std::process::Command) {
        let mut own = self.command.words().into_iter();
        if self.prefix.is_empty() {
            child.args(own.skip(1));
        } else {
            own.next();
            child.args(&self.prefix[1..]);
            match self.user.is_some() && is_found_by_user(&self.command) {
                true => child.args([ENV, &self.command.program.name]),
                false => child.arg(&self.program),
            };
            child.args(own);
        }
        child.envs(self.command.variables.inherited.iter());
        child.envs(self.variables.iter().map(|(name, value)| (name, value)));
        child.envs(self.command.variables.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        child.envs(self.about.iter().map(|(name, value)| (name, value)));
        // setsid(1) leaves one that leads a group already as it is, and makes another process for the command.
        if !self.leads {
            child.process_group(0);
        }
    }

    /// Standard input as a file in memory: whoever reads it finds it whole, and nobody waits when nobody does.
    pub(super) fn stdin(&self) -> io::Result<Option<OwnedFd>> {
        let Some(text) = &self.command.start.stdin else { return Ok(None) };
        let file = rustix::fs::memfd_create(c"stdin", MemfdFlags::CLOEXEC)?;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&file, rest)?..];
        }
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        Ok(Some(file))
    }

    /// Why it did not start.
    pub(super) fn explain(&self, error: &io::Error) -> NotStarted {
        let errno = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
        match (self.hindrance(), errno) {
            (Some(sentence), _) => NotStarted::Because(sentence),
            (None, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE)) => NotStarted::OutOfFiles,
            (None, errno) => NotStarted::Because(self.refusal(errno, error)),
        }
    }

    /// What is wrong with the job itself, as far as that can be seen.
    #[expect(clippy::disallowed_methods, reason = "the door of processes: why one could not be started")]
    fn hindrance(&self) -> Option<String> {
        let dir = self.working_dir();
        if !os::is_dir(dir) {
            let what = if dir.exists() { "is not a folder" } else { "does not exist" };
            return Some(format!("working directory `{}` {what}", dir.display()));
        }
        if rustix::fs::access(dir, rustix::fs::Access::EXEC_OK).is_err() {
            return Some(format!("working directory `{}` may not be entered", dir.display()));
        }
        self.search().err()
    }

    /// What the kernel has said, for people: it says "no such file" of five different things.
    fn refusal(&self, errno: Option<rustix::io::Errno>, error: &io::Error) -> String {
        let file = self.file();
        match errno {
            Some(rustix::io::Errno::NOENT) => {
                let fault = program::script_fault(file).or_else(|| foreign(file));
                let fault = fault.unwrap_or_else(|| "it, or the loader that it needs, is not there".to_owned());
                cannot_be_run(file, &fault)
            }
            Some(rustix::io::Errno::NOEXEC) => {
                let fault = program::script_fault(file).or_else(|| foreign(file));
                let fault = fault.unwrap_or_else(|| "it is not for this machine".to_owned());
                cannot_be_run(file, &fault)
            }
            Some(rustix::io::Errno::TOOBIG) => {
                "its arguments and variables are longer than the kernel takes".to_owned()
            }
            Some(rustix::io::Errno::AGAIN) => "no more processes are allowed (see `ulimit -u`, TasksMax=)".to_owned(),
            _ => format!("program `{}`: {}", file.display(), os::plain(error)),
        }
    }
}

/// Why no process came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotStarted {
    /// There were no descriptors for it.
    OutOfFiles,
    /// Anything else, as a sentence.
    Because(String),
}

impl From<String> for NotStarted {
    fn from(sentence: String) -> Self {
        Self::Because(sentence)
    }
}

impl NotStarted {
    /// For people.
    pub(super) fn into_words(self) -> String {
        match self {
            Self::OutOfFiles => os::OUT_OF_FILES.to_owned(),
            Self::Because(sentence) => sentence,
        }
    }
}

/// Where a prefix could not do its part, no command came to be: its complaint is the reason, not its exit code an outcome.
/// Known by its name before the complaint, which no language changes.
pub(super) fn complaint(command: &Command, ending: &Ending, output: &Output) -> Option<String> {
    let start = &command.start;
    let asks = start.umask.is_some() || start.nice.is_some() || start.user.is_some() || start.group.is_some();
    let prefixed = asks || open_files().is_some() || host::has_terminal();
    let Ending::Exited { code } = ending else { return None };
    let names: &[&str] = match code {
        1 => &["setpriv: "],
        // coreutils say the whole path by which they were called.
        125..=127 if is_found_by_user(command) => {
            &["setpriv: ", "nice: ", "/usr/bin/nice: ", "setsid: ", "slack-alert: ", "/usr/bin/env: "]
        }
        125..=127 => &["setpriv: ", "nice: ", "/usr/bin/nice: ", "setsid: ", "slack-alert: "],
        _ => &[],
    };
    let line = output.stderr.head.split(|b| *b == b'\n').next().filter(|_| prefixed)?;
    let line = String::from_utf8_lossy(line);
    let complains = output.stdout.head.is_empty() && names.iter().any(|name| line.starts_with(name));
    complains.then(|| match &command.start.user {
        Some(user) => format!("as user `{user}`: {line}"),
        None => line.into_owned(),
    })
}

/// Whether another user's command has env(1) look for its program in PATH: it passes over folders that the user may not enter.
/// setpriv(1) itself has root's permissions still when it executes what follows.
fn is_found_by_user(command: &Command) -> bool {
    let is_plain = |name: &str| !name.contains(['/', '=']) && !name.starts_with('-');
    command.start.user.is_some() && is_plain(&command.program.name) && is_there(ENV)
}

fn cannot_be_run(file: &Path, fault: &str) -> String {
    format!("program `{}` cannot be run: {fault}", file.display())
}

/// The limit that sh(1) has to set. Where there is no sh(1), a command that needs none runs all the same, with our limit.
fn open_files() -> Option<u64> {
    host::open_files_of_commands().filter(|_| is_there(SH))
}

fn is_there(program: &str) -> bool {
    program::find(program, OsStr::new(""), Path::new("/")).is_ok()
}

/// What sh(1) does before it executes its arguments, where there is something to do.
fn script(umask: Option<u32>, open_files: Option<u64>) -> Option<String> {
    let umask = umask.map(|umask| format!("umask {umask:03o}; "));
    let open_files = open_files.map(|limit| format!("ulimit -Sn {limit}; "));
    let settings = [umask, open_files].into_iter().flatten().collect::<String>();
    (!settings.is_empty()).then(|| settings + "exec \"$@\"")
}

/// The words of setpriv(1) that become this user and this group.
fn setpriv(prefix: &mut Vec<String>, switch: &account::Switch) {
    if switch.uid.is_none() && switch.gid.is_none() {
        return;
    }
    prefix.push(account::SETPRIV.to_owned());
    prefix.extend(switch.uid.map(|uid| format!("--reuid={uid}")));
    prefix.extend(switch.gid.map(|gid| format!("--regid={gid}")));
    let groups = match switch.groups {
        account::Groups::Kept => "--keep-groups",
        account::Groups::OfUser => "--init-groups",
        account::Groups::None => "--clear-groups",
    };
    prefix.extend([groups.to_owned(), "--".to_owned()]);
}
