//! \[os\] What process 1 of a container must do: reap every orphan, pass signals on, end as its child does.
//!
//! Before it: `run`, when it finds itself to be process 1. After it: the same program again, as a child in a process group of
//! its own, which is the daemon. Two processes and not one, since only the child's own runs may be waited for by number:
//! a `waitpid(-1)` beside them would take their exit codes away.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use tokio::signal::unix::{SignalKind, signal};

/// What is passed on: all that ask a daemon for something, and those that people use by habit.
const PASSED_ON: [Signal; 6] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];

/// A program that a signal ended: this plus the signal's number, as in sh(1).
const SIGNALED: i32 = 128;

/// Starts `program` as a child and looks after it and every orphan until the child ends; the answer is how that was.
///
/// # Errors
/// The program cannot be started, or the system refuses a signal handler.
#[expect(clippy::disallowed_methods, reason = "the door of process 1: it starts the daemon as its child")]
pub async fn look_after(program: &Path, arguments: Vec<OsString>) -> io::Result<ExitCode> {
    // Before the child is there, so that no signal is missed.
    let mut ended = signal(SignalKind::child())?;
    let mut passed_on = PASSED_ON.map(|kind| (kind, signal(SignalKind::from_raw(kind.as_raw()))));
    // A group of its own: what the terminal sends to ours comes to it once, from us, and not twice.
    let child = duct::cmd(program, arguments).unchecked().before_spawn(|command| {
        command.process_group(0);
        Ok(())
    });
    let handle = child.start()?;
    let pid = handle.pids().first().and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?));
    let pid = pid.ok_or_else(|| io::Error::other("the child has no number"))?;
    loop {
        let any = std::future::poll_fn(|context| {
            for (kind, stream) in &mut passed_on {
                if let Ok(stream) = stream
                    && stream.poll_recv(context).is_ready()
                {
                    return std::task::Poll::Ready(*kind);
                }
            }
            std::task::Poll::Pending
        });
        tokio::select! {
            kind = any => drop(kill_process(pid, kind)),
            _ = ended.recv() => if let Some(code) = reap(pid) {
                return Ok(ExitCode::from(code));
            },
        }
    }
}

/// Reaps whoever has ended; the child's exit code, when it is among them.
fn reap(child: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == child {
            let signaled = status.terminating_signal().map(|signal| SIGNALED + signal);
            code = status.exit_status().or(signaled).and_then(|code| u8::try_from(code).ok()).or(Some(1));
        }
    }
    code
}
