//! \[os\] A command in the place of this process: what it writes goes where it would go without us, and both ends of it are kept.
//!
//! Before it: `wrap`. After it: how the command ended, and what it wrote. Invariants: no byte is changed, and of two streams
//! that go to one place the order is that of the writes; the command's standard input, folder, variables and ignored signals
//! are those of this process; nothing here waits for anybody but the command and whoever reads its output.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::signal::unix::SignalKind;
use tokio::sync::{mpsc, oneshot};

use super::capture::output::{Capture, Stream};
use super::capture::redact::Redactor;
use super::host;
use super::os::plain;
use super::outcome::{Ending, Output};
use super::process::leave_to_cat;
use super::pulse::Pulse;
use crate::clock::{self, Mono, Now, SharedClock};

/// What one read takes at most: a writer that waits for a slow reader waits as without us.
const CHUNK: usize = 64 << 10;

/// After the command's end its output is waited for no longer; what it left in the background writes on, see [`hand_over`].
const LEFTOVER: Duration = Duration::from_millis(500);

/// With `hold`, so much is held back; what is longer goes out as it comes.
const MOST_HELD: usize = 16 << 20;

/// A program that could not be executed, and one that is not there (as in sh(1) and env(1)).
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// A command that ended well, and whose output could not be written (as most programs have it that notice).
const CANNOT_WRITE: u8 = 1;
/// A command whose time was up (as in timeout(1)).
const TIMED_OUT: u8 = 124;
/// A command that a signal ended: this plus the signal's number (as in sh(1)).
const SIGNALED: i32 = 128;

/// Signals that are passed on: each would end this process, and leave the command alone. An alarm is set by whoever wants the
/// command to end in time. With a terminal the kernel gives INT and QUIT to the command by itself.
const PASSED_ON: [Signal; 13] = [
    Signal::TERM,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
    Signal::STKFLT,
    Signal::XCPU,
];

static NOTHING_MASKED: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// What is started.
#[derive(Clone, Debug)]
pub struct PassThrough {
    /// Program and words.
    pub argv: Vec<OsString>,
    /// Variables that are added to those of this process.
    pub added: Vec<(&'static str, String)>,
    /// Hold the output back until it is known whether it is wanted.
    pub hold: bool,
    /// So much is kept of each stream.
    pub keep: usize,
}

/// After how long a command is ended, and how much later it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// SIGTERM.
    pub timeout: Duration,
    /// SIGKILL, so much later.
    pub kill_after: Duration,
}

/// A command that is over.
#[derive(Debug)]
pub struct Passed {
    /// How it ended.
    pub ending: Ending,
    /// When its process exited: what it left in the background was waited for after that.
    pub exited: Now,
    /// It was seen some time after that: this process was held up.
    pub seen_late: bool,
    /// The exit code that stands for that.
    pub code: u8,
    /// Both ends of what it wrote.
    pub output: Output,
    /// What it wrote to standard output did not all get where that leads, in words. The command could not notice, and would have
    /// without us: where it had ended well, its end counts as a failure.
    pub lost: Option<String>,
    /// What was held back and is not written yet.
    held: Held,
}

/// Output that is held back, in its order.
#[derive(Debug, Default)]
struct Held {
    chunks: Vec<(Stream, Vec<u8>)>,
    bytes: usize,
    /// It became too much: it goes out as it comes.
    over: bool,
}

/// Where a stream of the command leads.
struct Way {
    stream: Stream,
    reading: OwnedFd,
}

/// What the threads that copy have in common.
struct Shared {
    capture: Mutex<Option<Capture<'static>>>,
    held: Mutex<Held>,
    hold: bool,
    /// Why standard output could not be written.
    lost: Mutex<Option<rustix::io::Errno>>,
}

/// A command that goes on.
pub struct Going {
    child: Child,
    pid: Pid,
    /// The command leads a group of its own; with a terminal it stays in ours, as job control wants it.
    own_group: bool,
    began: Now,
    shared: Arc<Shared>,
    /// The threads that copy; each gives its end back when it is told to stop before the end.
    copies: Vec<JoinHandle<Option<OwnedFd>>>,
    wake: OwnedFd,
    /// Both streams go to one place.
    joined: bool,
    hold: bool,
    signals: mpsc::UnboundedReceiver<Signal>,
    ended: oneshot::Receiver<()>,
    timed_out: Option<TimedOut>,
}

#[derive(Clone, Copy)]
struct TimedOut {
    after: Duration,
    kill_at: Mono,
    killed: bool,
}

impl std::fmt::Debug for Going {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Going").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl PassThrough {
    /// Starts the command; the error is how the run ended, then.
    pub fn start(&self, clock: &SharedClock) -> Result<Going, Box<Passed>> {
        self.spawn(clock).map_err(|error| {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE };
            let program = self.argv[0].to_string_lossy();
            let error = match error.kind() {
                io::ErrorKind::NotFound => format!("program `{program}` does not exist"),
                _ => format!("program `{program}`: {}", plain(&error)),
            };
            let ending = Ending::NotStarted { error };
            let exited = clock.now();
            Box::new(Passed {
                ending,
                exited,
                seen_late: false,
                code,
                output: Output::default(),
                lost: None,
                held: Held::default(),
            })
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the door of a wrapped command: one process, and a thread for its end"
    )]
    fn spawn(&self, clock: &SharedClock) -> io::Result<Going> {
        let signals = listen()?;
        let own_group = !io::stdin().is_terminal();
        let mut command = Command::new(&self.argv[0]);
        command.args(&self.argv[1..]).envs(self.added.iter().map(|(name, value)| (name, value)));
        if own_group {
            command.process_group(0);
        }
        let mut ways = Vec::new();
        let joined = one_place();
        if self.captures(Stream::Stdout) {
            let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            if joined {
                command.stderr(writing.try_clone()?);
            }
            command.stdout(Stdio::from(writing));
            ways.push(Way { stream: Stream::Stdout, reading });
        }
        if !joined && self.captures(Stream::Stderr) {
            let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
            command.stderr(Stdio::from(writing));
            ways.push(Way { stream: Stream::Stderr, reading });
        }
        let began = clock.now();
        let child = command.spawn()?;
        // Closes our copies of the writing ends: the readers are to see the end.
        drop(command);
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no number"))?;
        let capture = Capture::new(self.keep, &NOTHING_MASKED);
        let capture = Mutex::new(Some(capture));
        let shared = Arc::new(Shared { capture, held: Mutex::default(), hold: self.hold, lost: Mutex::default() });
        let (stop, wake) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let mut copies = Vec::new();
        for way in ways {
            let (shared, stop) = (Arc::clone(&shared), stop.try_clone()?);
            copies.push(std::thread::Builder::new().name("copy".to_owned()).spawn(move || copy(way, &shared, &stop))?);
        }
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new().name("wait".to_owned()).spawn(move || {
            // Not reaped yet: until it is, its number is its own.
            let how = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), how) {}
            let _gone = tell.send(());
        })?;
        let hold = self.hold;
        Ok(Going { child, pid, own_group, began, shared, copies, wake, joined, hold, signals, ended, timed_out: None })
    }

    /// A terminal stays the command's own; anything else is copied. What is held back is.
    fn captures(&self, stream: Stream) -> bool {
        self.hold || !target(stream).is_terminal()
    }
}

/// Our own end of a stream.
fn target(stream: Stream) -> BorrowedFd<'static> {
    match stream {
        Stream::Stdout => rustix::stdio::stdout(),
        Stream::Stderr => rustix::stdio::stderr(),
    }
}

/// Whether both streams lead to the same file, pipe or socket: then only one pipe keeps the order in which the command wrote.
fn one_place() -> bool {
    let stat = |stream| rustix::fs::fstat(target(stream)).ok();
    let (Some(out), Some(err)) = (stat(Stream::Stdout), stat(Stream::Stderr)) else { return false };
    let is_device = rustix::fs::FileType::from_raw_mode(out.st_mode) == rustix::fs::FileType::CharacterDevice;
    !is_device && (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino)
}

/// The signals that are passed on, but those that this process was started to ignore: its command ignores them too.
#[expect(clippy::disallowed_methods, reason = "a task for each signal, as long as the command goes on")]
fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (tell, signals) = mpsc::unbounded_channel();
    let ignored = host::ignored_signals();
    for signal in PASSED_ON.into_iter().filter(|signal| ignored >> (signal.as_raw() - 1) & 1 == 0) {
        let mut heard = tokio::signal::unix::signal(SignalKind::from_raw(signal.as_raw()))?;
        let tell = tell.clone();
        tokio::spawn(async move { while heard.recv().await.is_some() && tell.send(signal).is_ok() {} });
    }
    Ok(signals)
}

impl Going {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub fn began(&self) -> Now {
        self.began
    }

    /// Follows it to its end. The limit may become known later: it counts from the start all the same.
    pub async fn follow(mut self, limit: impl Future<Output = Option<TimeLimit>>, clock: &SharedClock) -> Passed {
        tokio::pin!(limit);
        let pulse = Pulse::new(SharedClock::clone(clock));
        let followed = pulse.follow();
        let mut known: Option<Option<TimeLimit>> = None;
        loop {
            let due = match (&self.timed_out, known.flatten()) {
                (Some(out), _) if !out.killed => Some(out.kill_at),
                (None, Some(limit)) => Some(self.began.mono + limit.timeout),
                _ => None,
            };
            let timer = async {
                match due {
                    Some(due) => clock::sleep_until(&**clock, due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = &mut self.ended => break,
                Some(signal) = self.signals.recv() => self.pass_on(signal),
                limit = &mut limit, if known.is_none() => known = Some(limit),
                () = timer => self.time_is_up(known.flatten(), clock.now().mono),
            }
        }
        let seen_late = followed.was_held_up();
        Passed { seen_late, ..self.finish(clock).await }
    }

    fn pass_on(&self, signal: Signal) {
        if !self.own_group && matches!(signal, Signal::INT | Signal::QUIT) {
            return;
        }
        self.signal(signal);
    }

    fn signal(&self, signal: Signal) {
        let send = |signal| match self.own_group {
            true => rustix::process::kill_process_group(self.pid, signal),
            false => rustix::process::kill_process(self.pid, signal),
        };
        let _ = send(signal);
        if signal == Signal::TERM {
            // A stopped process hears it only once it goes on.
            let _ = send(Signal::CONT);
        }
    }

    fn time_is_up(&mut self, limit: Option<TimeLimit>, now: Mono) {
        if let Some(out) = &mut self.timed_out {
            out.killed = true;
            self.signal(Signal::KILL);
        } else if let Some(TimeLimit { timeout, kill_after }) = limit {
            self.timed_out = Some(TimedOut { after: timeout, kill_at: now + kill_after, killed: false });
            self.signal(Signal::TERM);
        }
    }

    /// It has ended: what it wrote is read to the end, or for half a second.
    async fn finish(mut self, clock: &SharedClock) -> Passed {
        let status = self.child.wait();
        let exited = clock.now();
        if self.timed_out.is_some() && self.own_group {
            // Nothing of a group outlives its timeout.
            let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        }
        let end = clock.now().mono + LEFTOVER;
        while self.copies.iter().any(|copy| !copy.is_finished()) && clock.now().mono < end {
            clock::sleep_until(&**clock, clock.now().mono + Duration::from_millis(2)).await;
        }
        // Those that still read are woken, and give their ends back.
        drop(self.wake);
        for (copy, stream) in self.copies.into_iter().zip([Stream::Stdout, Stream::Stderr]) {
            let stream = if self.joined { Stream::Stdout } else { stream };
            if let Ok(Some(end)) = copy.join() {
                hand_over(end, stream, self.hold);
            }
        }
        let (ending, code) = match (self.timed_out, status) {
            (Some(out), _) => (Ending::TimedOut { after: out.after, killed: out.killed }, TIMED_OUT),
            (None, Ok(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => (Ending::Exited { code }, u8::try_from(code).unwrap_or(1)),
                (None, Some(signal)) => (Ending::Signaled { signal }, u8::try_from(SIGNALED + signal).unwrap_or(1)),
                (None, None) => (Ending::Interrupted, 1),
            },
            (None, Err(_)) => (Ending::Interrupted, 1),
        };
        let mut capture = lock(&self.shared.capture).take();
        let lost = lock(&self.shared.lost).take().map(|errno| {
            let why = plain(&io::Error::from(errno));
            format!("standard output could not be written: {why}; the command: {}", ending.words())
        });
        let (ending, code) = match &lost {
            Some(lost) if code == 0 => {
                if let Some(capture) = &mut capture {
                    capture.push(Stream::Stderr, format!("slack-alert: {lost}\n").as_bytes());
                }
                (Ending::Exited { code: CANNOT_WRITE.into() }, CANNOT_WRITE)
            }
            _ => (ending, code),
        };
        let output = capture.map(Capture::finish).unwrap_or_default();
        let held = std::mem::take(&mut *lock(&self.shared.held));
        Passed { ending, exited, seen_late: false, code, output, lost, held }
    }
}

impl Passed {
    /// Writes what was held back: it is wanted.
    pub fn release(&mut self) {
        for (stream, bytes) in std::mem::take(&mut self.held.chunks) {
            let _full = write_all(stream, &bytes);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies a stream to its end. Told to stop, it gives the reading end back with whatever is in it. When nobody reads what we
/// write, the pipe is closed, and the command gets SIGPIPE as it would without us.
fn copy(way: Way, shared: &Shared, stop: &OwnedFd) -> Option<OwnedFd> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let mut polled = [PollFd::new(&way.reading, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match rustix::event::poll(&mut polled, None::<&Timespec>) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
            Ok(_) => {}
        }
        let (readable, stopped) = (!polled[0].revents().is_empty(), !polled[1].revents().is_empty());
        if !readable && stopped {
            return Some(way.reading);
        }
        if !readable {
            continue;
        }
        match rustix::io::read(&way.reading, &mut buffer[..]) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Ok(0) | Err(_) => return None,
            Ok(length) => {
                if !take(way.stream, &buffer[..length], shared) {
                    return None;
                }
            }
        }
        if stopped {
            // Something in the background writes without end.
            return Some(way.reading);
        }
    }
}

/// Keeps what was read and passes it on; `false` when nobody reads any more.
fn take(stream: Stream, bytes: &[u8], shared: &Shared) -> bool {
    if let Some(capture) = &mut *lock(&shared.capture) {
        capture.push(stream, bytes);
    }
    if !shared.hold {
        return shared.wrote(stream, write_all(stream, bytes));
    }
    let mut held = lock(&shared.held);
    if !held.over && held.bytes + bytes.len() <= MOST_HELD {
        held.bytes += bytes.len();
        held.chunks.push((stream, bytes.to_vec()));
        return true;
    }
    held.over = true;
    let before = std::mem::take(&mut held.chunks);
    before.iter().all(|(stream, bytes)| shared.wrote(*stream, write_all(*stream, bytes)))
        && shared.wrote(stream, write_all(stream, bytes))
}

impl Shared {
    /// What came of writing; `false` when nobody reads any more. What a full disk does not take is lost, as it would be without
    /// us, and is remembered, since the command is not told.
    fn wrote(&self, stream: Stream, result: Result<(), rustix::io::Errno>) -> bool {
        match result {
            Err(rustix::io::Errno::PIPE) => return false,
            Err(errno) if stream == Stream::Stdout => _ = lock(&self.lost).get_or_insert(errno),
            _ => {}
        }
        true
    }
}

/// Writes as the command would: it waits for a slow reader.
fn write_all(stream: Stream, mut bytes: &[u8]) -> Result<(), rustix::io::Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(target(stream), bytes) {
            Ok(0) => return Ok(()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                // Somebody made it so for all who have it.
                let mut polled = [PollFd::from_borrowed_fd(target(stream), PollFlags::OUT)];
                let _ = rustix::event::poll(&mut polled, None::<&Timespec>);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// What the command left in the background may write on when we are gone: cat(1) copies in our place, to where it went before.
fn hand_over(end: OwnedFd, stream: Stream, quiet: bool) {
    let own = target(stream).as_fd().try_clone_to_owned();
    let to = own.ok().filter(|_| !quiet).map_or_else(Stdio::null, Stdio::from);
    // Without it the next write of what was left behind ends that by SIGPIPE: there is nobody to tell.
    let _ = leave_to_cat(end, to);
}

/// Executes a command in the place of this process, with nothing between: what is left where there is no room for more. Returns
/// the exit code of a program that cannot be executed.
#[expect(clippy::disallowed_methods, reason = "the door of a wrapped command")]
pub fn instead(argv: &[OsString]) -> u8 {
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE }
}
