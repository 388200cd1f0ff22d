//! What exactly is started for one attempt: program, words, variables, standard input.
//!
//! Before it: a [`Command`] and the run. After it: `process`. Invariant: nothing is done between fork and exec. Another user, a
//! umask and a niceness are set by small programs of the system (setpriv, nice, sh) that stand before the command and
//! execute it; only jobs that ask for them pay for them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::MemfdFlags;

use super::command::Command;
use super::outcome::{Ending, Output};
use super::{Run, account, environment, process, program, read};

const SETPRIV: &str = "/usr/bin/setpriv";
const NICE: &str = "/usr/bin/nice";
const SH: &str = "/bin/sh";

/// One attempt, ready to be started.
#[derive(Debug)]
pub(super) struct Launch {
    command: Arc<Command>,
    /// The file that is executed: absolute.
    program: PathBuf,
    /// Words that stand before the command's own: the small programs that set what it asked for.
    prefix: Vec<String>,
    /// What comes after the inherited variables and before the job's own.
    variables: Vec<(OsString, OsString)>,
    /// What tells the command about its run.
    about: [(&'static str, String); 4],
}

impl Launch {
    /// Makes an attempt ready, or says in a sentence why it cannot be.
    pub(super) fn new(run: &Run, attempt: u32) -> Result<Self, String> {
        let command = Arc::clone(&run.command);
        let mut variables = Vec::new();
        let mut prefix = Vec::new();
        if let Some(umask) = command.umask {
            prefix.extend([SH, "-c"].map(str::to_owned));
            prefix.extend([format!("umask {umask:03o}; exec \"$@\""), "slack-alert".to_owned()]);
        }
        if let Some(nice) = command.nice {
            account::may_nice(nice)?;
            prefix.extend([NICE.to_owned(), "-n".to_owned(), nice.to_string(), "--".to_owned()]);
        }
        if command.user.is_some() || command.group.is_some() {
            let switch = account::switch(command.user.as_deref(), command.group.as_deref())?;
            variables.extend(switch.variables.into_iter().map(|(name, value)| (name.into(), value.into())));
            setpriv(&mut prefix, switch.uid, switch.gid);
        }
        if let Some(path) = &command.env_file {
            let file = environment::read_file(path)
                .map_err(|error| format!("`env_file` {} cannot be used: {error}", path.display()))?;
            variables.extend(file.into_iter().map(|(name, value)| (name.into(), value.into())));
        }
        let about = [
            ("SLACK_ALERT_JOB", run.job.as_str().to_owned()),
            ("SLACK_ALERT_RUN_ID", run.id.to_string()),
            ("SLACK_ALERT_SCHEDULED", run.scheduled.to_string()),
            ("SLACK_ALERT_ATTEMPT", attempt.to_string()),
        ];
        let mut launch = Self { command, program: PathBuf::new(), prefix, variables, about };
        launch.program = launch.find()?;
        Ok(launch)
    }

    /// The program as it was found when the command was read, unless it was not, or PATH is another by now. Behind a
    /// prefix it is always looked for: it is not us who would be told that it is gone.
    fn find(&self) -> Result<PathBuf, String> {
        let known = &self.command.program;
        match &known.found {
            Ok(file) if self.prefix.is_empty() && self.own_path().is_none() => Ok(file.clone()),
            _ => self.search(),
        }
    }

    fn search(&self) -> Result<PathBuf, String> {
        let path = self.own_path().unwrap_or_else(|| self.command.path());
        program::find(&self.command.program.name, path, &self.command.working_dir)
    }

    /// PATH, where `env_file` sets it and `env` does not.
    fn own_path(&self) -> Option<&OsStr> {
        if self.command.env.iter().any(|(name, _)| name.as_ref() == "PATH") {
            return None;
        }
        self.variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str())
    }

    /// The file that is executed first.
    pub(super) fn file(&self) -> &Path {
        self.prefix.first().map_or(&self.program, Path::new)
    }

    /// Where it starts.
    pub(super) fn working_dir(&self) -> &Path {
        &self.command.working_dir
    }

    /// After a start that failed: the same with the program where it is by now, if that is elsewhere.
    pub(super) fn moved(&self) -> Option<Self> {
        let program = self.search().ok().filter(|found| self.prefix.is_empty() && *found != self.program)?;
        let (command, prefix) = (Arc::clone(&self.command), self.prefix.clone());
        Some(Self { command, program, prefix, variables: self.variables.clone(), about: self.about.clone() })
    }

    /// Puts everything but the files into what the standard library starts. Here and not through duct, which would copy
    /// every word and every variable twice more.
    pub(super) fn fill(&self, child: &mut std::process::Command) {
        let mut own = self.command.words().into_iter();
        if self.prefix.is_empty() {
            child.args(own.skip(1));
        } else {
            own.next();
            child.args(&self.prefix[1..]).arg(&self.program).args(own);
        }
        child.envs(self.command.inherited.iter());
        child.envs(self.variables.iter().map(|(name, value)| (name, value)));
        child.envs(self.command.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        child.envs(self.about.iter().map(|(name, value)| (name, value)));
        child.process_group(0);
    }

    /// Standard input as a file in memory: whoever reads it finds it whole, and nobody waits when nobody does.
    pub(super) fn stdin(&self) -> io::Result<Option<OwnedFd>> {
        let Some(text) = &self.command.stdin else { return Ok(None) };
        let file = rustix::fs::memfd_create(c"stdin", MemfdFlags::CLOEXEC)?;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            rest = &rest[rustix::io::write(&file, rest)?..];
        }
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
        Ok(Some(file))
    }

    /// Why it did not start, for people: the kernel says "no such file" of five different things.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        let dir = self.working_dir();
        if !read::is_dir(dir) {
            let what = if dir.exists() { "is not a folder" } else { "does not exist" };
            return format!("working directory `{}` {what}", dir.display());
        }
        if rustix::fs::access(dir, rustix::fs::Access::EXEC_OK).is_err() {
            return format!("working directory `{}` may not be entered", dir.display());
        }
        if let Err(sentence) = self.search() {
            return sentence;
        }
        let file = self.file().display();
        match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOENT) => match program::interpreter(self.file()) {
                Some(interpreter) => {
                    format!("program `{file}` cannot be run: its interpreter `{}` is not there", interpreter.display())
                }
                None => format!("program `{file}` cannot be run: it, or the loader that it needs, is not there"),
            },
            Some(rustix::io::Errno::NOEXEC) => {
                format!("program `{file}` is not executable by this machine (a script needs a `#!` line)")
            }
            Some(rustix::io::Errno::TOOBIG) => {
                "its arguments and variables are longer than the kernel takes".to_owned()
            }
            Some(rustix::io::Errno::AGAIN) => "no more processes are allowed (see `ulimit -u`, TasksMax=)".to_owned(),
            Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                "no more open files are allowed (see `ulimit -n`, LimitNOFILE=)".to_owned()
            }
            _ => format!("program `{file}`: {}", process::plain(error)),
        }
    }
}

/// Where a prefix could not do its part, no command came to be: its complaint is the reason, not its exit code an outcome.
/// Known by its name before the complaint, which no language changes.
pub(super) fn complaint(command: &Command, ending: &Ending, output: &Output) -> Option<String> {
    let prefixed =
        command.umask.is_some() || command.nice.is_some() || command.user.is_some() || command.group.is_some();
    let Ending::Exited { code } = ending else { return None };
    let names: &[&str] = match code {
        1 => &["setpriv: "],
        125..=127 => &["setpriv: ", "nice: ", "slack-alert: "],
        _ => &[],
    };
    let line = output.stderr.head.split(|b| *b == b'\n').next().filter(|_| prefixed)?;
    let line = String::from_utf8_lossy(line);
    let complains = output.stdout.head.is_empty() && names.iter().any(|name| line.starts_with(name));
    complains.then(|| match &command.user {
        Some(user) => format!("as user `{user}`: {line}"),
        None => line.into_owned(),
    })
}

/// The words of setpriv(1) that become this user and this group.
fn setpriv(prefix: &mut Vec<String>, uid: Option<u32>, gid: Option<u32>) {
    if uid.is_none() && gid.is_none() {
        return;
    }
    prefix.push(SETPRIV.to_owned());
    prefix.extend(uid.map(|uid| format!("--reuid={uid}")));
    prefix.extend(gid.map(|gid| format!("--regid={gid}")));
    prefix.push(if uid.is_some() { "--init-groups" } else { "--keep-groups" }.to_owned());
    prefix.push("--".to_owned());
}
