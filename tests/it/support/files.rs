//! Waiting for something about files, by what the kernel tells of their folders.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

use super::program::PATIENCE;

/// Copies a program that is executed next. Another process does it: one that is started by another test at that moment has
/// every open file of this one, and a program that somebody has open to write cannot be executed.
pub(crate) fn copy_program(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg(from).arg(to).status();
    assert!(copied.expect("cp(1) exists").success(), "{} could not be copied", from.display());
}

/// Looks each time that something changes in one of these folders, until there is something to see.
pub(crate) fn wait_for<T>(folders: &[&Path], what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, folders, what, look)
}

/// The same, for what takes longer by itself.
pub(crate) fn wait_within<T>(bound: Duration, folders: &[&Path], what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let changes = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("inotify(7) is there");
    let kinds = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::DELETE;
    let deadline = Instant::now() + bound;
    // SQLite writes first, which the kernel tells, and then shows it by shared memory, which nobody tells: after a change
    // there are more looks, each later than the one before.
    let mut pause = Duration::from_millis(50);
    loop {
        for folder in folders {
            // One that is not there yet is made in one that is.
            let _ = add_watch(&changes, *folder, kinds);
        }
        if let Some(seen) = look() {
            return seen;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "{what} did not come");
        let left = left.min(pause);
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let told = poll(&mut [PollFd::new(&changes, PollFlags::IN)], Some(&left)).expect("it can be waited for");
        pause = if told > 0 { Duration::from_millis(50) } else { pause * 2 };
        while rustix::io::read(&changes, &mut [0; 4096][..]).is_ok_and(|read| read > 0) {}
    }
}
