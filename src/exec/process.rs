//! One process: started through duct, followed to its end, its output read meanwhile.
//!
//! Before it: a [`Launch`]. After it: how it ended and what it wrote. Invariants: no thread, two pipes and one pidfd a
//! process; every process leads its own group; a future that is dropped kills the group.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal};

use super::course::{Cause, Course, Event, Step};
use super::launch::{Launch, complaint};
use super::outcome::{Ending, Output};
use super::output::{Capture, Stream};
use super::reactor::{Kind, Ready, Seat, Ticket, Urgency};
use super::{Progress, Run, Stop};
use crate::clock::{self, Clock, Mono, Now};
use crate::document::format_duration;

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

/// How a process ended, and what it wrote: unmasked.
#[derive(Debug)]
pub(super) struct Ended {
    /// When its process was started; `None` where there was none.
    pub(super) began: Option<Now>,
    pub(super) ending: Ending,
    pub(super) output: Output,
    pub(super) leaked: bool,
}

impl Ended {
    /// There was none.
    pub(super) fn without_process(ending: Ending) -> Self {
        Self { began: None, ending, output: Output::default(), leaked: false }
    }
}

/// A process that lives, or is not yet reaped.
#[derive(Debug)]
pub(super) struct Live {
    began: Now,
    pid: Pid,
    reaped: bool,
    /// It was reported that it has exited.
    exited: bool,
    pipes: [Pipe; 2],
    handle: duct::Handle,
    /// Keeps the exit reported.
    pidfd: OwnedFd,
}

/// The reading end of a stream; `None` once it is closed.
#[derive(Debug)]
struct Pipe {
    stream: Stream,
    end: Option<OwnedFd>,
    /// There may be something to read.
    ready: bool,
    read: u64,
}

/// Follows one attempt from its start to its end. What lives across a wait is kept small, and is boxed where few come to:
/// a thousand processes that are silent may run at one time.
pub(super) struct Follower<'r> {
    pub(super) seat: Seat,
    pub(super) run: &'r Run,
    pub(super) clock: &'r dyn Clock,
}

impl Follower<'_> {
    /// How it ended, and what it wrote; its start has been asked for.
    pub(super) async fn follow(&self) -> Ended {
        // Not awaited within the `match`, which would keep what it looks at for as long.
        let attending = match self.started().await {
            Ok(live) => Box::pin(self.attend(live)),
            Err(ending) => return Ended::without_process(ending),
        };
        attending.await
    }

    /// Waits until the process has something to tell, which is when it is needed; or says how the run ended without one.
    async fn started(&self) -> Result<Box<Live>, Ending> {
        let mut timer = self.run.command.timeout.map(|timeout| self.until(self.clock.now().mono + timeout));
        let insisting = match poll_fn(|cx| self.first(cx, &mut timer)).await {
            ControlFlow::Break(started) => return started,
            ControlFlow::Continue(given_up) => Box::pin(self.insist(given_up)),
        };
        insisting.await
    }

    /// What comes first: the process, or a reason to wait for it no longer. No `select!`, which would keep the three side by side:
    /// this is where a silent run waits.
    fn first(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Option<Sleep<'_>>,
    ) -> Poll<ControlFlow<Result<Box<Live>, Ending>, Ending>> {
        if let Poll::Ready(started) = self.brought(cx, Urgency::None) {
            return Poll::Ready(ControlFlow::Break(started));
        }
        if self.run.stop.poll(cx, Stop::No).is_ready() {
            return Poll::Ready(ControlFlow::Continue(Ending::Interrupted));
        }
        let Some(timer) = timer else { return Poll::Pending };
        timer.as_mut().poll(cx).map(|()| {
            let error = late(self.run.command.timeout.unwrap_or_default());
            ControlFlow::Continue(Ending::NotStarted { error })
        })
    }

    /// The process is needed though it has told nothing: it is silent, most likely. If it is still being started, it gets as
    /// long as one that should end.
    async fn insist(&self, given_up: Ending) -> Result<Box<Live>, Ending> {
        tokio::select! {
            biased;
            started = poll_fn(|cx| self.brought(cx, Urgency::AtOnce)) => started,
            () = self.until(self.clock.now().mono + self.run.command.kill_after) => Err(given_up),
        }
    }

    fn brought(&self, cx: &Context<'_>, urgency: Urgency) -> Poll<Result<Box<Live>, Ending>> {
        self.seat.started(cx, urgency).map_err(|error| Ending::NotStarted { error })
    }

    /// Attends to a process that has been started.
    async fn attend(&self, mut live: Box<Live>) -> Ended {
        let (command, progress) = (self.run.command.as_ref(), &self.run.progress);
        let mut capture = Capture::new(command.max_output, &command.redactor).with_directives(command.directives);
        let mut course = Course::new(command.kill_after);
        let mut seen = Stop::No;
        let mut timer = command.timeout.map(|timeout| self.until(live.began.mono + timeout));
        loop {
            let event = tokio::select! {
                biased;
                event = poll_fn(|cx| live.poll(self.seat.take(cx), cx, &course, &mut capture, progress)) => event,
                level = self.run.stop.rises(seen) => {
                    seen = level;
                    Event::Stop(level)
                }
                () = reached(&mut timer) => Event::Deadline,
            };
            let patience = match course.on(event) {
                // A deadline that has passed is not met twice.
                Step::Wait if event == Event::Deadline => None,
                Step::Wait => continue,
                Step::WaitFor(patience) => Some(patience),
                Step::Signal(signal, patience) => {
                    live.signal(signal);
                    Some(patience)
                }
                Step::KillAndFinish => {
                    live.signal(Signal::KILL);
                    break;
                }
                Step::Finish => break,
            };
            timer = patience.map(|patience| self.until(self.clock.now().mono + patience));
        }
        progress.pid.store(0, Ordering::Relaxed);
        let status = live.reap();
        let output = capture.finish();
        let ending = ending(&course, status, command.timeout);
        let ending = match complaint(command, &ending, &output) {
            Some(error) => Ending::NotStarted { error },
            None => ending,
        };
        Ended { began: Some(live.began), ending, output, leaked: course.leaked() }
    }

    fn until(&self, end: Mono) -> Sleep<'_> {
        Box::pin(clock::sleep_until(self.clock, end))
    }
}

/// Why a program that has not begun did not take too long itself.
fn late(after: Duration) -> String {
    format!("it was not started within {}: the disk that it is on hangs, or that of others", format_duration(after))
}

/// What the course and the status say together.
fn ending(course: &Course, status: Option<ExitStatus>, timeout: Option<Duration>) -> Ending {
    match (course.cause, status) {
        (Some(Cause::Stop), _) => Ending::Interrupted,
        (Some(Cause::Timeout), _) => Ending::TimedOut { after: timeout.unwrap_or_default(), killed: course.killed },
        (None, Some(status)) => match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Exited { code },
            (None, Some(signal)) => Ending::Signaled { signal },
            (None, None) => Ending::Interrupted,
        },
        // Somebody else has reaped it; how it ended cannot be known.
        (None, None) => Ending::Interrupted,
    }
}

/// What ends a wait. Boxed, since most runs wait for their end alone.
type Sleep<'c> = Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// Until the timer is up; for ever without one.
async fn reached(timer: &mut Option<Sleep<'_>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// Reads what there is from both pipes; ready when both are closed.
fn drain(pipes: &mut [Pipe; 2], cx: &mut Context<'_>, capture: &mut Capture<'_>, progress: &Progress) -> Poll<()> {
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.is_empty() {
            // Zeroed by the kernel, page by page: only as much of it is in memory as was ever filled.
            *buffer = vec![0; CHUNK];
        }
        for pipe in pipes.iter_mut() {
            pipe.drain(cx, buffer, capture, progress);
        }
    });
    if pipes.iter().all(|pipe| pipe.end.is_none()) { Poll::Ready(()) } else { Poll::Pending }
}

impl Pipe {
    fn drain(&mut self, cx: &mut Context<'_>, buffer: &mut [u8], capture: &mut Capture<'_>, progress: &Progress) {
        for _ in 0..READS {
            let Some(end) = self.end.as_ref().filter(|_| self.ready) else { return };
            match rustix::io::read(end, &mut *buffer) {
                Err(rustix::io::Errno::AGAIN) => self.ready = false,
                Err(rustix::io::Errno::INTR) => {}
                // The end; or a pipe that cannot be read, which is the same to us.
                Ok(0) | Err(_) => self.end = None,
                Ok(length) => {
                    let bytes = &buffer[..length];
                    capture.push(self.stream, bytes);
                    capture.show(self.stream, bytes, &progress.last_output);
                    let before = self.read;
                    self.read += bytes.len() as u64;
                    if before < BUSY && self.read >= BUSY {
                        // Refused when the user has too many of them already: then it stays as it is.
                        let _ = rustix::pipe::fcntl_setpipe_size(end, BUSY_PIPE);
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
    }
}

impl Live {
    /// What comes next of the process itself, its output read meanwhile. Output first: what was written before the exit
    /// is in the pipe by then.
    fn poll(
        &mut self,
        ready: Ready,
        cx: &mut Context<'_>,
        course: &Course,
        capture: &mut Capture<'_>,
        progress: &Progress,
    ) -> Poll<Event> {
        self.pipes[0].ready |= ready.has(Kind::Stdout);
        self.pipes[1].ready |= ready.has(Kind::Stderr);
        self.exited |= ready.has(Kind::Exit);
        if !course.closed && drain(&mut self.pipes, cx, capture, progress).is_ready() {
            return Poll::Ready(Event::Closed);
        }
        if !course.exited && self.exited {
            return Poll::Ready(Event::Exited);
        }
        Poll::Pending
    }

    /// Its number, for people.
    pub(super) fn number(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// What stands for the process; its exit is held back.
    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Starts the process, or says why there is none. A program that was found elsewhere by now is started there. `null` is
    /// what it reads where the job gives it nothing.
    pub(super) fn start(launch: Launch, null: &OwnedFd, ticket: &Ticket, now: Now) -> Result<Box<Self>, String> {
        let launch = Arc::new(launch);
        match Self::spawn(&launch, null, ticket, now) {
            Ok(live) => Ok(live),
            Err(error) => match launch.moved().map(Arc::new) {
                Some(moved) => Self::spawn(&moved, null, ticket, now).map_err(|error| moved.explain(&error)),
                None => Err(launch.explain(&error)),
            },
        }
    }

    fn spawn(launch: &Arc<Launch>, null: &OwnedFd, ticket: &Ticket, began: Now) -> io::Result<Box<Self>> {
        let stdin = match launch.stdin()? {
            Some(text) => text,
            None => null.try_clone()?,
        };
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let filling = Arc::clone(launch);
        // Given to the child as they are: duct would keep a second of each open until its expression is gone.
        let ends = Mutex::new(Some([stdin, stdout_end, stderr_end]));
        let handle = duct::cmd(launch.file().as_os_str(), [] as [&OsStr; 0])
            .full_env(HashMap::<String, String>::new())
            .dir(launch.working_dir())
            .unchecked()
            .before_spawn(move |child| {
                filling.fill(child);
                if let Some([stdin, stdout, stderr]) = ends.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    child.stdin(stdin).stdout(stdout).stderr(stderr);
                }
                Ok(())
            })
            .start()?;
        // Not reaped before `try_wait`, so this is still the number of our child.
        let pid = handle.pids().first().and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("the process has no number"))?;
        match watch(ticket, pid, &stdout, &stderr) {
            Ok(pidfd) => {
                let pipes = [Pipe::new(Stream::Stdout, stdout), Pipe::new(Stream::Stderr, stderr)];
                Ok(Box::new(Self { began, pid, reaped: false, exited: false, pipes, handle, pidfd }))
            }
            Err(error) => {
                // A process that cannot be followed (no more open files) is not left alone.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = handle.wait();
                Err(error)
            }
        }
    }

    /// Signals the whole group. SIGTERM reaches a stopped process only once it goes on, so it is made to.
    fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process_group(self.pid, signal);
        if signal == Signal::TERM {
            let _ = rustix::process::kill_process_group(self.pid, Signal::CONT);
        }
    }

    /// Takes the status of a process that has exited. One that the kernel holds on to is left to duct, which tries again
    /// at every later start.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.reaped = true;
        self.handle.try_wait().ok().flatten().map(|output| output.status)
    }
}

/// A run that is dropped leaves nothing behind.
impl Drop for Live {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
        }
    }
}

impl Pipe {
    fn new(stream: Stream, end: OwnedFd) -> Self {
        Self { stream, end: Some(end), ready: false, read: 0 }
    }
}

/// A pipe of which the reading end does not block.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reading, writing) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reading, true)?;
    Ok((reading, writing))
}

/// Has the pipes of a process reported, and its exit held back; gives what stands for the process.
fn watch(ticket: &Ticket, pid: Pid, stdout: &OwnedFd, stderr: &OwnedFd) -> io::Result<OwnedFd> {
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    ticket.watch(stdout.as_fd(), Kind::Stdout)?;
    ticket.watch(stderr.as_fd(), Kind::Stderr)?;
    ticket.hold(pidfd.as_fd(), Kind::Exit)?;
    Ok(pidfd)
}

/// An error of the system in a sentence: lower case, without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}
