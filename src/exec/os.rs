//! Small questions to the operating system, and its errors in words. Before it: nothing. After it: every part of `exec`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;

/// An error of the system in a sentence: lower case, without its number.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// Whether this user may not look at what is there.
#[expect(clippy::disallowed_methods, reason = "the door of programs and folders: whether they are there")]
pub(super) fn is_hidden(path: &Path) -> bool {
    rustix::fs::stat(path).is_err_and(|error| error == Errno::ACCESS)
}

/// Whether there is a folder of this name.
#[expect(clippy::disallowed_methods, reason = "the door of programs and folders: whether they are there")]
pub(super) fn is_dir(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir())
}

/// What people are told when descriptors have run out.
pub(super) const OUT_OF_FILES: &str = "no more open files are allowed (see `ulimit -n`, LimitNOFILE=)";

/// Whether that is why something could not be opened.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// What the start of a process needs: two pipes, its standard input, and what stands for the process; and some for others.
const FILES_OF_A_START: usize = 12;

/// Whether there are enough descriptors to start a process; `any` is an open one.
pub(super) fn may_open_files(any: &OwnedFd) -> bool {
    let opened: Result<Vec<OwnedFd>, _> =
        (0..FILES_OF_A_START).map(|_| rustix::io::fcntl_dupfd_cloexec(any, 0)).collect();
    !matches!(opened, Err(Errno::MFILE | Errno::NFILE))
}
