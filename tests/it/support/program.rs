//! The built program in a folder of its own: files in, exit code and output out.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tempfile::TempDir;

/// Nothing that these tests wait for takes longer, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration, and an environment in which nothing of this machine's user shows.
pub(crate) struct Sandbox {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that goes on; killed when dropped.
pub(crate) struct Going {
    child: Child,
    lines: Receiver<(Stream, String)>,
    /// What has come and was not waited for yet, as it came.
    unread: Vec<(Stream, String)>,
    seen: Vec<String>,
}

/// Where a line was read: nothing says which of two lines was written first when they are not of the same stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

impl Sandbox {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a scratch folder"), environment: Vec::new() }
    }

    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        for (path, text) in files {
            sandbox.file(path, text);
        }
        sandbox
    }

    /// A variable for the program.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file, and its folders.
    pub(crate) fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders can be made");
        fs::write(&path, text).expect("files can be written");
        path
    }

    /// Writes a script that can be executed.
    pub(crate) fn script(&self, path: &str, text: &str) -> PathBuf {
        let path = self.file(path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("modes can be set");
        path
    }

    /// The text of a file; empty when there is none.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.dir.path().join(path)).unwrap_or_default()
    }

    /// Looks each time that something changes among the files or in the state, until there is something to see.
    pub(crate) fn wait_for<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        super::files::wait_for(&[self.path(), &self.path().join("state")], what, look)
    }

    /// The program with these arguments, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slack-alert"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", self.dir.path()).env("TZ", "UTC");
        command
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .env("STATE_DIRECTORY", self.dir.path().join("state"))
            // The control socket: daemons of other tests have theirs.
            .env("RUNTIME_DIRECTORY", self.dir.path().join("run"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        told(&self.command(arguments).output().expect("the program starts"))
    }

    /// The same, of a process that may neither become another user nor raise its priority, whoever runs these tests.
    pub(crate) fn run_without_privileges(&self, arguments: &[&str]) -> Ran {
        let plain = self.command(arguments);
        let mut command = Command::new("setpriv");
        if nix::unistd::geteuid().is_root() {
            command.args(["--bounding-set", "-setuid,-setgid,-sys_nice", "--"]);
        }
        command.arg(plain.get_program()).args(plain.get_args()).current_dir(self.dir.path()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
        told(&command.output().expect("setpriv(1) exists"))
    }

    /// The same, of a user to whom nothing here belongs. Only root can become one.
    pub(crate) fn run_as_stranger(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        self.as_stranger(65_534, &[])(&mut command);
        told(&command.output().expect("setpriv(1) exists"))
    }

    /// Makes a command one of another user, started by a program that changes what it inherits.
    pub(crate) fn as_stranger(&self, user: u32, parent: &[&str]) -> impl FnOnce(&mut Command) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).expect("modes can be set");
        // The program itself may lie where a stranger cannot go.
        let copy = self.path().join("slack-alert");
        if !copy.exists() {
            super::files::copy_program(Path::new(env!("CARGO_BIN_EXE_slack-alert")), &copy);
        }
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
        command.arg("--").args(parent).arg(&copy).current_dir(self.path()).env_clear().stdin(Stdio::null());
        move |plain| {
            command.args(plain.get_args());
            command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
            *plain = command;
        }
    }

    /// Starts the program; its output, both streams together, comes line by line.
    pub(crate) fn start(&self, arguments: &[&str]) -> Going {
        self.start_with(|command| {
            command.args(arguments);
        })
    }

    /// The same, with the command changed before it starts.
    pub(crate) fn start_with(&self, change: impl FnOnce(&mut Command)) -> Going {
        let mut command = self.command(&[]);
        change(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (sender, lines) = mpsc::channel();
        let streams: [(Stream, Box<dyn Read + Send>); 2] = [
            (Stream::Out, Box::new(child.stdout.take().expect("stdout is piped"))),
            (Stream::Err, Box::new(child.stderr.take().expect("stderr is piped"))),
        ];
        for (stream, pipe) in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if sender.send((stream, line)).is_err() {
                        return;
                    }
                }
            });
        }
        Going { child, lines, unread: Vec::new(), seen: Vec::new() }
    }
}

fn told(output: &std::process::Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Going {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with this text, and gives it; everything seen so far is shown when it never comes. The next call
    /// looks behind that line in its own stream, and at all that the other stream has said since its own last call.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.unread.iter().position(|(_, line)| line.contains(text)) {
                let (stream, line) = self.unread.remove(at);
                let mut place = 0..;
                self.unread.retain(|(of, _)| place.next() >= Some(at) || *of != stream);
                return line;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok((stream, line)) => {
                    self.seen.push(line.clone());
                    self.unread.push((stream, line));
                }
                Err(error) => panic!("`{text}` did not come ({error}); seen:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill(1) exists").success(), "the signal could not be sent");
    }

    /// Waits until it is stopped, as by SIGSTOP, or has ended.
    pub(crate) fn wait_for_stop(&self) {
        let pid = Pid::from_child(&self.child);
        let until = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), until).expect("it is ours");
    }

    /// Waits for its end; gives how it ended and everything it said.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while let Ok((_, line)) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        let status = self.child.wait().expect("it can be waited for");
        (status, self.seen.join("\n"))
    }
}

/// A process, to be told of its end; none that is gone.
pub(crate) fn watched(pid: &str) -> Option<OwnedFd> {
    let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a process");
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Waits for the end of a process, whoever its parent is.
pub(crate) fn wait_for_end(process: &OwnedFd) {
    let bound = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&bound));
    assert_eq!(ended.expect("it can be waited for"), 1, "it does not end");
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
