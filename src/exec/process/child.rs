//! One process and the reading ends of its pipes: how it is started through duct, read, signalled and reaped.
//!
//! Before it: a [`Launch`]. After it: `follow`, which decides. Invariants: no thread, two pipes and one pidfd a process; every
//! process leads its own group; one that is dropped before it was reaped takes its group with it.
//!
//! Design note: why duct. The expression names the program, the folder and the empty environment; duct starts it, keeps the
//! handle from which the status is taken once and without blocking (`try_wait`), and takes over what nobody waits for any more:
//! a child that the kernel holds on to is put on duct's list and reaped at a later start, so that it never stays a zombie.
//! Words and variables are put in by `before_spawn` and not by the expression, which would copy each of them twice more for
//! each run; standard streams likewise, since an expression keeps a second end of each open. Pipes and pidfd are our own:
//! duct's capture takes a thread a stream and has no limit.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::unix::AsyncFd;

use super::launch::{Launch, NotStarted};
use super::lifecycle::{Event, Lifecycle};
use super::slot::{Arrival, SlotHandle};
use crate::clock::Now;
use crate::exec::alive;
use crate::exec::capture::output::{Capture, Stream};
use crate::exec::capture::redact::Redactor;
use crate::exec::run::Progress;

/// What one read takes at most. The buffer is the thread's, not the run's: it is used between two waits, never across one.
const CHUNK: usize = 256 << 10;

/// How many reads of one run may follow each other before others get their turn.
const READS: usize = 8;

/// A stream that has brought more than this gets a larger pipe, so that its writer and we change turns less often.
const BUSY: u64 = 256 << 10;

/// That larger pipe: what an unprivileged process may have (pipe(7), pipe-max-size).
const BUSY_PIPE: usize = 1 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A process that lives, or is not yet reaped.
#[derive(Debug)]
pub(in crate::exec) struct Child {
    pub(super) began: Now,
    pid: Pid,
    reaped: bool,
    /// It was reported that it has exited.
    exited: bool,
    pipes: [Pipe; 2],
    /// What masks everything of this run that leaves the process.
    pub(super) redactor: Redactor,
    /// Starts that were going on when this one was made: each may hold its pipes open until it is done.
    pub(super) started_beside: Vec<u64>,
    handle: duct::Handle,
    /// Readable once it has exited.
    pidfd: AsyncFd<OwnedFd>,
}

/// The reading end of a stream; `None` once it is closed.
#[derive(Debug)]
struct Pipe {
    stream: Stream,
    end: Option<AsyncFd<OwnedFd>>,
    read: u64,
}

/// What one read of a pipe found.
enum Read<'b> {
    Bytes(&'b [u8]),
    /// It is open, and empty.
    Nothing,
    /// The end; or it cannot be read, which is the same to us.
    End,
}

fn read<'b>(end: &OwnedFd, buffer: &'b mut [u8]) -> Read<'b> {
    loop {
        match rustix::io::read(end, &mut *buffer) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Read::Nothing,
            Ok(0) | Err(_) => return Read::End,
            Ok(length) => return Read::Bytes(&buffer[..length]),
        }
    }
}

/// Gives each pipe to `drain`, with the thread's buffer; whether both are closed then.
fn drain(pipes: &mut [Pipe; 2], mut drain: impl FnMut(&mut Pipe, &mut [u8])) -> bool {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.is_empty() {
            // Zeroed by the kernel, page by page: only as much of it is in memory as was ever filled.
            *buffer = vec![0; CHUNK];
        }
        for pipe in pipes.iter_mut() {
            drain(pipe, buffer);
        }
    });
    pipes.iter().all(|pipe| pipe.end.is_none())
}

impl Pipe {
    /// Reads what there is; the task of `cx` is woken when there is more.
    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8], capture: &mut Capture<'_>, progress: &Progress) {
        for _ in 0..READS {
            let Some(end) = &self.end else { return };
            let mut guard = match end.poll_read_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(guard)) => guard,
                // The runtime shuts down.
                Poll::Ready(Err(_)) => return self.end = None,
            };
            match read(end.get_ref(), buffer) {
                Read::Bytes(bytes) => self.keep(bytes, capture, progress),
                // The next look has the task woken.
                Read::Nothing => guard.clear_ready(),
                Read::End => return self.end = None,
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Reads what there is now, whether tokio knows of it or not; nobody is woken.
    fn read_now(&mut self, buffer: &mut [u8], capture: &mut Capture<'_>, progress: &Progress) {
        for _ in 0..READS {
            let Some(end) = &self.end else { return };
            match read(end.get_ref(), buffer) {
                Read::Bytes(bytes) => self.keep(bytes, capture, progress),
                Read::Nothing => return,
                Read::End => return self.end = None,
            }
        }
    }

    fn keep(&mut self, bytes: &[u8], capture: &mut Capture<'_>, progress: &Progress) {
        capture.push(self.stream, bytes);
        capture.show(self.stream, bytes, &progress.last_output);
        let before = self.read;
        self.read += bytes.len() as u64;
        if let Some(end) = &self.end
            && before < BUSY
            && self.read >= BUSY
        {
            // Refused when the user has too many of them already: then it stays as it is.
            let _ = rustix::pipe::fcntl_setpipe_size(end, BUSY_PIPE);
        }
    }
}

impl Child {
    /// What comes next of the process itself, its output read meanwhile. Output first: what was written before the exit
    /// is in the pipe by then.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lifecycle: &Lifecycle,
        capture: &mut Capture<'_>,
        progress: &Progress,
    ) -> Poll<Event> {
        if !lifecycle.closed && drain(&mut self.pipes, |pipe, buffer| pipe.poll(cx, buffer, capture, progress)) {
            return Poll::Ready(Event::Closed);
        }
        if !lifecycle.exited && self.poll_exit(cx) {
            return Poll::Ready(Event::Exited);
        }
        Poll::Pending
    }

    /// Whether it has exited; the task of `cx` is woken when it does. What tokio says of a descriptor is a hint.
    fn poll_exit(&mut self, cx: &mut Context<'_>) -> bool {
        while !self.exited {
            match self.pidfd.poll_read_ready(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(mut guard)) if !alive::has_exited(self.pidfd.get_ref()) => guard.clear_ready(),
                // Or the runtime shuts down.
                Poll::Ready(_) => self.exited = true,
            }
        }
        true
    }

    /// What has happened and was not reported: the kernel is asked, which costs more than a report.
    pub(super) fn unreported(
        &mut self,
        lifecycle: &Lifecycle,
        capture: &mut Capture<'_>,
        progress: &Progress,
    ) -> [Option<Event>; 2] {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.exited |= matches!(rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), how), Ok(Some(_)));
        let closed =
            !lifecycle.closed && drain(&mut self.pipes, |pipe, buffer| pipe.read_now(buffer, capture, progress));
        let exited = self.exited && !lifecycle.exited;
        [closed.then_some(Event::Closed), exited.then_some(Event::Exited)]
    }

    /// The ends of its pipes that something still holds open, no longer watched.
    pub(super) fn open_ends(&mut self) -> Vec<OwnedFd> {
        self.pipes.iter_mut().filter_map(|pipe| pipe.end.take()).map(AsyncFd::into_inner).collect()
    }

    /// PID for people: `progress`, log lines.
    pub(super) fn number(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Starts the process, or says why there is none. A program that was found elsewhere by now is started there. `null` is
    /// what it reads where the job gives it nothing.
    pub(super) fn start(launch: Launch, null: &OwnedFd, slot: &ChildSlot, now: Now) -> Result<Box<Self>, NotStarted> {
        let launch = Arc::new(launch);
        match Self::spawn(&launch, null, slot, now) {
            Ok(live) => Ok(live),
            Err(error) => match launch.moved().map(Arc::new) {
                Some(moved) => Self::spawn(&moved, null, slot, now).map_err(|error| moved.explain(&error)),
                None => Err(launch.explain(&error)),
            },
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of processes")]
    fn spawn(launch: &Arc<Launch>, null: &OwnedFd, slot: &ChildSlot, began: Now) -> io::Result<Box<Self>> {
        let stdin = match launch.stdin()? {
            Some(text) => text,
            None => null.try_clone()?,
        };
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        if launch.user().is_some() {
            // For a command that opens /dev/stdout: a pipe may be opened by its owner alone. Without CAP_CHOWN it cannot.
            for end in [&stdout_end, &stderr_end] {
                let _ = rustix::fs::fchown(end, launch.user(), None);
            }
        }
        let filling = Arc::clone(launch);
        // Given to the child as they are: duct would keep a second of each open until its expression is gone.
        let ends = Mutex::new(Some([stdin, stdout_end, stderr_end]));
        let expression = duct::cmd(launch.file().as_os_str(), [] as [&OsStr; 0])
            .full_env(HashMap::<String, String>::new())
            .dir(launch.working_dir())
            .unchecked()
            .before_spawn(move |child| {
                filling.fill(child);
                if let Some([stdin, stdout, stderr]) = ends.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    child.stdin(stdin).stdout(stdout).stderr(stderr);
                }
                Ok(())
            });
        let handle = expression.start()?;
        let pid = leader(&handle).ok_or_else(|| io::Error::other("the process has no number"))?;
        match watch(slot, pid, stdout, stderr) {
            Ok([stdout, stderr, pidfd]) => {
                let pipes = [Pipe::new(Stream::Stdout, stdout), Pipe::new(Stream::Stderr, stderr)];
                Ok(Box::new(Self {
                    began,
                    pid,
                    reaped: false,
                    exited: false,
                    pipes,
                    redactor: launch.redactor(),
                    started_beside: Vec::new(),
                    handle,
                    pidfd,
                }))
            }
            Err(error) => {
                // A process that cannot be followed (no more open files) is not left alone.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = handle.wait();
                Err(error)
            }
        }
    }

    /// Signals the whole group. SIGTERM reaches a stopped process only once it goes on, so it is made to.
    pub(super) fn signal(&self, signal: Signal) {
        if rustix::process::kill_process_group(self.pid, signal) == Err(Errno::SRCH) {
            // setsid(1) has yet to make the group.
            let _ = rustix::process::kill_process(self.pid, signal);
        }
        if signal == Signal::TERM {
            let _ = rustix::process::kill_process_group(self.pid, Signal::CONT);
        }
    }

    /// Whether no other process of its group lives: the process itself, not yet reaped, keeps the group's number. All processes
    /// are looked at, which is done only where a group is late and one of its pipes is held open.
    pub(super) fn is_alone(&self) -> bool {
        !alive::group_lives(self.number())
    }

    /// Takes the status of a process that has exited. One that the kernel holds on to is left to duct, which tries again
    /// at every later start.
    pub(super) fn reap(&mut self) -> Option<ExitStatus> {
        self.reaped = true;
        self.handle.try_wait().ok().flatten().map(|output| output.status)
    }
}

/// Where a process is delivered to.
pub(super) type ChildSlot = SlotHandle<Box<Child>>;

impl Arrival for Box<Child> {
    fn listen(&self, cx: &mut Context<'_>) -> bool {
        let ready = |descriptor: &AsyncFd<OwnedFd>| descriptor.poll_read_ready(cx).is_ready();
        let ends = self.pipes.iter().filter_map(|pipe| pipe.end.as_ref());
        // Where one has something to tell, the run looks at the others itself.
        ends.chain([&self.pidfd]).any(ready)
    }
}

/// A run that is dropped leaves nothing behind.
impl Drop for Child {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
        }
    }
}

impl Pipe {
    fn new(stream: Stream, end: AsyncFd<OwnedFd>) -> Self {
        Self { stream, end: Some(end), read: 0 }
    }
}

/// The child's PID. It is not reaped before `try_wait`, so the number is still its own.
fn leader(handle: &duct::Handle) -> Option<Pid> {
    handle.pids().first().and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?))
}

/// A pipe of which the reading end does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reading, true)?;
    Ok((reading, writing))
}

/// Its pipes and what stands for the process, watched.
fn watch(slot: &ChildSlot, pid: Pid, stdout: OwnedFd, stderr: OwnedFd) -> io::Result<[AsyncFd<OwnedFd>; 3]> {
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    slot.watch([stdout, stderr, pidfd])
}
