//! \[files\] How another process tells the daemon that it changed the outbox: it writes a small file beside the database,
//! which the kernel watches (inotify(7)). Nobody is woken for anything else.
//!
//! Before it: `slack-alert outbox`. After it: the worker. Where the kernel cannot watch, the worker's own look every 20 s
//! finds the change.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The file's name in the state directory.
const NAME: &str = "outbox.changed";

/// Waits for a change of the outbox by another process.
#[derive(Debug, Default)]
pub struct Wakeup(Option<AsyncFd<OwnedFd>>);

impl Wakeup {
    /// For a state that no other process can reach.
    pub fn none() -> Self {
        Self(None)
    }

    /// Watches a state directory.
    #[expect(deprecated, reason = "sound for an OwnedFd, and the replacement is unsafe")]
    pub fn watch(dir: &Path) -> io::Result<Self> {
        let path = touch(dir)?;
        let watcher = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watcher, path, WatchFlags::CLOSE_WRITE)?;
        Ok(Self(Some(AsyncFd::with_interest(watcher, Interest::READABLE)?)))
    }

    /// Until somebody changed the outbox since this was last asked; for ever where nobody can.
    pub async fn changed(&mut self) {
        let Some(watcher) = &self.0 else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = watcher.readable().await else { return std::future::pending().await };
            let mut events = [0_u8; 4096];
            // What was written is of no interest, only that it was; all of it is taken off.
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut events)?));
            match read {
                Ok(Ok(_)) => return,
                Ok(Err(_)) => return std::future::pending().await,
                Err(_would_block) => {}
            }
        }
    }
}

/// Tells the daemon of a state directory that the outbox was changed.
pub fn tell(dir: &Path) -> io::Result<()> {
    touch(dir).map(drop)
}

#[expect(clippy::disallowed_methods, reason = "the door of the outbox: its one small file")]
fn touch(dir: &Path) -> io::Result<PathBuf> {
    let path = dir.join(NAME);
    // Neither what a link points to is emptied, nor a reader of a pipe waited for.
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("flags of open(2) fit their type");
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).custom_flags(flags).open(&path)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::{NAME, tell};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has files of its own")]
    fn neither_a_link_nor_a_pipe_in_the_place_of_the_file_is_written_to() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (mark, other) = (dir.path().join(NAME), dir.path().join("other"));
        std::fs::write(&other, "precious").expect("it is ours");
        symlink(&other, &mark).expect("it is free");
        tell(dir.path()).expect_err("it is a link");
        assert_eq!(std::fs::read_to_string(&other).expect("it is there"), "precious");
        std::fs::remove_file(&mark).expect("it is ours");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, &mark, kind, mode, 0).expect("it is free");
        tell(dir.path()).expect_err("nobody reads the pipe");
        std::fs::remove_file(&mark).expect("it is ours");
        tell(dir.path()).expect("it is made");
    }
}
