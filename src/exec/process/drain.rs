//! What a command left in the background may go on writing: its pipes stay open, and what comes is thrown away. Closed, they would
//! end it by SIGPIPE at its next output.
//!
//! Before it: the ends of an attempt that is over. After it: nobody. Invariants: no more than [`MOST`] pipes; one that writes
//! without end is slowed down to [`AT_ONCE`] bytes each [`PAUSE`]; all are closed when the spawner is dropped, but for those of
//! a program that ends with its run: cat(1) reads them in its place.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinSet;

use crate::clock::{self, SharedClock};

/// Pipes that are kept open at one time.
const MOST: usize = 128;

/// So much is taken before a pause: what a pipe holds.
const AT_ONCE: usize = 64 << 10;

/// How long a writer waits after that.
const PAUSE: Duration = Duration::from_millis(100);

/// The pipes that are kept open.
#[derive(Debug, Default)]
pub(in crate::exec) struct Drain {
    open: Mutex<JoinSet<()>>,
    /// This process ends before what is left.
    ends_first: bool,
}

impl Drain {
    /// Of a process that ends with the run.
    pub(in crate::exec) fn of_one_run() -> Self {
        Self { ends_first: true, ..Self::default() }
    }

    /// Takes these ends over; `false` when there are too many already, and they were closed.
    #[expect(clippy::disallowed_methods, reason = "the run owns the tasks that read what is left")]
    pub(super) fn keep(&self, ends: Vec<OwnedFd>, clock: &SharedClock) -> bool {
        if self.ends_first {
            return ends.into_iter().all(|end| leave_to_cat(end, Stdio::null()).is_ok());
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while open.try_join_next().is_some() {}
        if open.len() + ends.len() > MOST {
            return false;
        }
        ends.into_iter().all(|end| match Receiver::from_owned_fd(end) {
            Ok(end) => {
                open.spawn(drain(end, SharedClock::clone(clock)));
                true
            }
            Err(_) => false,
        })
    }
}

/// Has cat(1) read a pipe to its end when this process is gone.
#[expect(clippy::disallowed_methods, reason = "the door of processes: a reader for what a command left behind")]
pub(in crate::exec) fn leave_to_cat(end: OwnedFd, to: Stdio) -> std::io::Result<()> {
    // It does not know what to do about a pipe that does not block.
    rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::empty())?;
    let mut cat = Command::new("/bin/cat");
    cat.stdin(end).stdout(to).stderr(Stdio::null()).process_group(0).env_clear();
    cat.spawn().map(drop)
}

async fn drain(end: Receiver, clock: SharedClock) {
    while end.readable().await.is_ok() {
        match take(&end) {
            Taken::End => return,
            Taken::All => {}
            Taken::Some => clock::sleep_until(clock.as_ref(), clock.now().mono + PAUSE).await,
        }
    }
}

enum Taken {
    /// The pipe is closed.
    End,
    /// All that there was.
    All,
    /// As much as is taken at once.
    Some,
}

/// Reads what there is, and keeps nothing of it. No buffer lives across a wait.
fn take(end: &Receiver) -> Taken {
    let mut buffer = [0; 4 << 10];
    for _ in 0..AT_ONCE / buffer.len() {
        match end.try_read(&mut buffer) {
            Ok(0) => return Taken::End,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Taken::All,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Taken::End,
        }
    }
    Taken::Some
}
