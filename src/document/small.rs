//! \[fs\] A small file that a configuration names beside itself: variables, a secret, certificates.
//!
//! Before it: a path. After it: what is there. Invariants: no more than so many bytes are read, and nothing is waited for,
//! whatever the path leads to: a pipe, a device, a file that the kernel makes up without an end (`/proc`).

use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// The bytes of a regular file; `None` of one that is longer than this.
#[expect(clippy::disallowed_methods, reason = "the door of small files that a configuration names")]
pub fn read_small(path: &Path, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let no_file = || io::Error::other("it is not a regular file");
    // Before it is opened: opening a device may do something by itself.
    let meta = std::fs::metadata(path)?;
    if meta.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !meta.is_file() {
        return Err(no_file());
    }
    if meta.len() > longest {
        return Ok(None);
    }
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) fits its type");
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    // The kernel's log is a regular file whose readers wait.
    let read = file.take(longest.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| if error.kind() == io::ErrorKind::WouldBlock { no_file() } else { error })?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= longest))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes the files it reads")]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::read_small;

    #[test]
    fn whatever_a_path_leads_to_is_read_within_its_bound() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "A=1").expect("it is ours");
        std::fs::File::create(at("long")).and_then(|file| file.set_len(10 << 30)).expect("it is ours");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), kind, mode, 0).expect("it is free");
        let links = [("zero", "/dev/zero"), ("pages", "/proc/self/pagemap"), ("log", "/proc/kmsg"), ("loop", "loop")];
        for (name, target) in links {
            symlink(Path::new(target), at(name)).expect("it is free");
        }
        let read = |name: &str| read_small(&at(name), 1 << 20).map_err(|error| error.to_string());
        assert_eq!(read("file"), Ok(Some(b"A=1".to_vec())));
        assert_eq!(read_small(&at("file"), 2).expect("it is there"), None);
        assert_eq!(read("long"), Ok(None));
        for name in ["pipe", "zero"] {
            assert_eq!(read(name), Err("it is not a regular file".to_owned()), "{name}");
        }
        for name in ["loop", "missing", "."] {
            read(name).expect_err(name);
        }
        // What of these may be read, and how much there is, is the kernel's affair: it ends, within the bound.
        for name in ["log", "pages"] {
            let found = read(name).unwrap_or_default().unwrap_or_default();
            assert!(found.len() <= 1 << 20, "{name}");
        }
    }
}
