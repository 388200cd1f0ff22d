//! \[fs\] The state directory: made, locked, its files closed to others, and one database put in the place of another.
//!
//! Before it: a path. After it: the path of `state.db`, which nobody else writes as long as the [`Lock`] lives.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};

use super::types::StoreError;
use super::{leaves, wal};

/// How often a lock is tried that nobody else can have.
const LOCK_TRIES: u32 = 50;

/// Between two of these tries.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The database's file name.
pub(super) const DATABASE: &str = "state.db";

/// What a new database is called until it takes the place of a damaged one.
const SUCCESSOR: &str = "state.db.new";

/// A database is not larger than this, whatever its damaged header says.
const MOST_LENGTH: u64 = 4 << 30;

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// The file at a path; `None` where there is none.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn file_id(path: &Path) -> Option<FileId> {
    let found = path.symlink_metadata().ok()?;
    Some(FileId { device: found.dev(), inode: found.ino() })
}

/// Held as long as the daemon lives; the kernel gives it back when the process ends, however that happens.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
    /// A name of the kernel's that says the same, and that no removal of files takes away. `None` where somebody else has
    /// it who is no daemon with this directory.
    _name: Option<UnixListener>,
    path: PathBuf,
    id: FileId,
}

impl Lock {
    /// Whether the file that is locked is the one that another daemon would try to lock.
    pub(super) fn is_in_place(&self) -> bool {
        file_id(&self.path) == Some(self.id)
    }
}

/// Why a state directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another daemon uses it.
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The holder's process, where it wrote it.
        pid: Option<u32>,
    },
    /// A later version of the program wrote it.
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The last schema that this program knows.
        known: i64,
    },
    /// There is no database yet: no daemon ran here.
    Missing(PathBuf),
    /// The file system says no.
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// The database says no.
    Database {
        /// The file.
        path: PathBuf,
        /// What it says.
        error: StoreError,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { dir, pid: Some(pid) } => {
                write!(f, "another slack-alert (pid {pid}) uses {}", dir.display())
            }
            Self::Locked { dir, pid: None } => write!(f, "another slack-alert uses {}", dir.display()),
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer slack-alert (schema {found}; this one knows {known}): \
                 install that version again, or give this one another state_dir",
                path.display()
            ),
            Self::Missing(path) => write!(f, "there is no {}: no daemon has run with this state_dir", path.display()),
            Self::Io { path, error } => write!(f, "cannot use {}: {error}", path.display()),
            Self::Database { path, error } => write!(f, "cannot use {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

fn io_error(path: &Path, error: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), error }
}

impl OpenError {
    /// As trouble that the daemon can live with: its state is kept in memory meanwhile.
    pub(super) fn trouble(self) -> StoreError {
        match self {
            Self::Io { path, error } if error.kind() == io::ErrorKind::IsADirectory => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                StoreError::other(format!("{name} is a directory and no file: remove it, or set another state_dir"))
            }
            Self::Io { error, .. } => error.into(),
            Self::Database { error, .. } => error,
            other => StoreError::other(other.to_string()),
        }
    }

    /// Whether the file is damaged.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Database { error, .. } if error.is_damage())
    }
}

/// Refuses a database of which a file is no regular one: whoever opens a pipe waits for its other end, for ever.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn refuse_other_kinds(database: &Path) -> Result<(), OpenError> {
    for end in ["", "-wal", "-shm"] {
        let path = with_end(database, end);
        let Ok(found) = path.metadata() else { continue };
        let kind = found.file_type();
        let what = match () {
            () if kind.is_file() => continue,
            () if kind.is_fifo() => "a pipe",
            () if kind.is_socket() => "a socket",
            () if kind.is_dir() => "a directory",
            () => "a device",
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let words = format!("{name} is {what} and no file: remove it, or set another state_dir");
        return Err(io_error(&path, io::Error::other(words)));
    }
    Ok(())
}

/// Opens a file to read and write, and makes it for its owner alone where it is missing. A symbolic link is refused: what
/// it points to is not ours.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: its files")]
fn open(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_LINK);
    options.open(path).map_err(|error| {
        if path.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            return io_error(
                path,
                io::Error::other("it is a symbolic link: put a file in its place, or set state_dir"),
            );
        }
        io_error(path, error)
    })
}

#[expect(clippy::cast_possible_wrap, reason = "the kernel's flags are an int")]
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Takes away from a file what others may do with it. Not opened: that would give SQLite's locks back.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
fn close_to_others(path: &Path) {
    let Ok(found) = path.symlink_metadata() else { return };
    if found.is_file() && found.mode() & 0o077 != 0 {
        // A file of somebody else stays as it is: whoever owns it decides.
        let _theirs = std::fs::set_permissions(path, Permissions::from_mode(0o600));
    }
}

/// Makes the directory (for its owner alone) where it is missing, and locks it. A process that is just being started holds the
/// lock of whoever starts it, dead or alive, until it executes its program: that is waited for.
#[expect(clippy::disallowed_methods, reason = "a lock of nobody who lives is free within milliseconds")]
pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    for _ in 0..LOCK_TRIES {
        match try_lock(dir) {
            Err(OpenError::Locked { pid: Some(pid), .. }) if !is_another(pid) => std::thread::sleep(LOCK_PAUSE),
            done => return done,
        }
    }
    try_lock(dir)
}

/// Whether this is the number of a process that lives, and not of this one.
fn is_another(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let lives = |pid| !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH));
    pid.is_none_or(|pid| pid != rustix::process::getpid() && lives(pid))
}

/// Makes a state directory, for its owner alone, where it is missing.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn try_lock(dir: &Path) -> Result<Lock, OpenError> {
    make_dir(dir).map_err(|error| io_error(dir, error))?;
    let path = dir.join("lock");
    let mut file = open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _unreadable = file.take(20).read_to_string(&mut pid);
            return Err(OpenError::Locked { dir: dir.to_owned(), pid: pid.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(io_error(&path, error)),
    }
    // The number is for people: a full disk must not keep the daemon from starting.
    let _unwritten = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    close_to_others(&path);
    let name = take_name(dir)?;
    let found = file.metadata().map_err(|error| io_error(&path, error))?;
    Ok(Lock { _file: file, _name: name, path, id: FileId { device: found.dev(), inode: found.ino() } })
}

/// Takes the kernel's name for the directory. A daemon whose directory was removed still has it, where the new directory's
/// lock is free.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
fn take_name(dir: &Path) -> Result<Option<UnixListener>, OpenError> {
    let Ok(canonical) = dir.canonicalize() else { return Ok(None) };
    let mut hasher = DefaultHasher::new();
    canonical.hash(&mut hasher);
    let name = format!("slack-alert-state-{:016x}", hasher.finish());
    let Ok(address) = SocketAddr::from_abstract_name(&name) else { return Ok(None) };
    match UnixListener::bind_addr(&address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder(&name) {
            Some(pid) if sees(pid, &canonical) => Err(OpenError::Locked { dir: dir.to_owned(), pid: Some(pid) }),
            _ => Ok(None),
        },
        // Where there are no such names the lock has to do.
        Err(_) => Ok(None),
    }
}

/// The process that has a name, where it is one of ours: of this user or of root, and in sight of this one.
fn holder(name: &str) -> Option<u32> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
    socket::connect(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes()).ok()?).ok()?;
    let peer = socket::getsockopt(&socket, PeerCredentials).ok()?;
    let ours = peer.uid() == 0 || peer.uid() == rustix::process::geteuid().as_raw();
    u32::try_from(peer.pid()).ok().filter(|pid| ours && *pid > 0)
}

/// Whether a process means the same directory by this path: one in a container of its own does not.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
fn sees(pid: u32, dir: &Path) -> bool {
    let theirs = PathBuf::from(format!("/proc/{pid}/root{}", dir.display()));
    match theirs.metadata() {
        Ok(theirs) => dir.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// Who else may write in the directory, in words; such a user can put another database in the place of this one.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn others_may_write(dir: &Path) -> Option<String> {
    let found = dir.metadata().ok()?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us && found.uid() != 0 {
        return Some(format!("{} belongs to user {}, who can replace the state", dir.display(), found.uid()));
    }
    let others = found.mode() & 0o022 != 0;
    others.then(|| format!("{} can be written by others (mode {:04o})", dir.display(), found.mode() & 0o7777))
}

/// Makes the database file, readable by its owner alone; SQLite gives its companions the same mode. Must not be called
/// while the database is open.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join(DATABASE);
    refuse_other_kinds(&path)?;
    open(&path)?;
    for path in [path.clone(), with_end(&path, "-wal"), with_end(&path, "-shm")] {
        close_to_others(&path);
    }
    Ok(path)
}

/// The name under which a database is kept whose place another one takes: `state.db.corrupt-20261123T071500Z`.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn free_name(dir: &Path, why: &str, now: Timestamp) -> Result<PathBuf, OpenError> {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = |n: u32| match n {
        0 => dir.join(format!("{DATABASE}.{why}-{stamp}")),
        n => dir.join(format!("{DATABASE}.{why}-{stamp}.{n}")),
    };
    (0..1000).map(name).find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        io_error(&dir.join(DATABASE), io::Error::other("a thousand old databases of this second are here already"))
    })
}

/// An empty file for a new database. What an earlier try left of one goes.
pub(super) fn begin_successor(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join(SUCCESSOR);
    for end in ["", "-journal", "-wal", "-shm"] {
        remove(&with_end(&path, end))?;
    }
    open(&path)?;
    Ok(path)
}

/// The new database that an earlier process has begun, where there is one.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn successor(dir: &Path) -> Option<PathBuf> {
    let path = dir.join(SUCCESSOR);
    path.symlink_metadata().is_ok_and(|found| found.is_file()).then_some(path)
}

/// Puts the new database in the place of the old one, which is kept as `kept_as`. Every step may be the last one of a
/// process that is killed: the next process does the rest (see [`successor`]).
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn switch(dir: &Path, kept_as: &Path) -> Result<(), OpenError> {
    let (path, new) = (dir.join(DATABASE), dir.join(SUCCESSOR));
    sync(&new)?;
    for end in ["", "-wal"] {
        let (from, to) = (with_end(&path, end), with_end(kept_as, end));
        if from.symlink_metadata().is_ok() && to.symlink_metadata().is_err() {
            rename(&from, &to)?;
        }
    }
    // Whatever is left beside the old database must not be taken for the new one's.
    for end in ["-wal", "-shm", "-journal"] {
        remove(&with_end(&path, end))?;
    }
    rename(&new, &path)?;
    // Where a directory cannot be synced the file system does as it can.
    let _unsynced = sync(dir);
    Ok(())
}

/// Gives a file that was cut off the length that its header tells of: SQLite refuses pages that are not there, and reads
/// around those that hold nothing.
pub(super) fn pad(path: &Path) -> Result<(), OpenError> {
    let mut file = open(path)?;
    let mut header = [0; 100];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Ok(());
    }
    let page = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        page => page,
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    let length = file.metadata().map_err(|error| io_error(path, error))?.len();
    let expected = page * pages;
    if expected > length && expected <= MOST_LENGTH {
        file.set_len(expected).map_err(|error| io_error(path, error))?;
    }
    Ok(())
}

/// What a database's log holds: whether all of it can be used, and its pages, the last of each.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn read_log(path: &Path) -> io::Result<wal::Log> {
    let log = with_end(path, "-wal");
    match log.symlink_metadata() {
        Ok(found) if found.len() <= MOST_LENGTH => {
            let mut bytes = Vec::new();
            open(&log).map_err(|error| io::Error::other(error.to_string()))?.read_to_end(&mut bytes)?;
            Ok(wal::read(&bytes))
        }
        _ => Ok(wal::Log::default()),
    }
}

/// A database and its log, page by page, whatever they look like.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    log: wal::Log,
    size: usize,
    count: u32,
}

/// Opens a database to read its pages.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: the pages of a damaged database")]
pub(super) fn pages(path: &Path) -> io::Result<Pages> {
    let (file, log) = (File::open(path)?, read_log(path).unwrap_or_default());
    let length = file.metadata()?.len().min(MOST_LENGTH);
    // As every version of the program makes them, whatever the header says.
    let size = log.pages.values().next().map_or(4096, Vec::len);
    let last = log.pages.keys().next_back().copied().unwrap_or(0);
    let count = u32::try_from(length / size as u64).unwrap_or(u32::MAX).max(last);
    Ok(Pages { file, log, size, count })
}

impl leaves::Pages for Pages {
    fn size(&self) -> usize {
        self.size
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn page(&mut self, number: u32) -> Option<Vec<u8>> {
        if let Some(page) = self.log.pages.get(&number) {
            return Some(page.clone());
        }
        let mut page = vec![0; self.size];
        self.file.read_exact_at(&mut page, u64::from(number.checked_sub(1)?) * self.size as u64).ok()?;
        Some(page)
    }
}

/// Writes something as large as SQLite's own first files, and removes it: what the file system says to that.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: is there room?")]
pub(super) fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join("probe");
    let written = File::create(&path).and_then(|mut file| file.write_all(&[0; 64 * 1024]));
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}

/// Copies the database and its log to where there is room, in a folder that is ours alone.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn copy(dir: &Path) -> Option<Copy> {
    let places = [std::env::temp_dir(), PathBuf::from("/dev/shm"), PathBuf::from("/run")];
    places.iter().find_map(|place| {
        let folder = place.join(format!("slack-alert-state-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).ok()?;
        let copy = Copy { folder };
        for end in ["", "-wal"] {
            let from = with_end(&dir.join(DATABASE), end);
            if from.symlink_metadata().is_ok() {
                std::fs::copy(&from, with_end(&copy.database(), end)).ok()?;
            }
        }
        Some(copy)
    })
}

/// A copy of a database with the pages of a log written into it; in a name of its own, which the caller removes.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: a damaged log is written back by hand")]
pub(super) fn copy_with_log(path: &Path, log: &wal::Log) -> io::Result<PathBuf> {
    let copy = with_end(path, ".repair");
    std::fs::copy(path, &copy)?;
    let mut file = OpenOptions::new().write(true).open(&copy)?;
    for (number, page) in &log.pages {
        file.seek(io::SeekFrom::Start(u64::from(number - 1) * page.len() as u64))?;
        file.write_all(page)?;
    }
    Ok(copy)
}

/// A copy of a database whose first page is another one's; in a name of its own, which the caller removes.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: a damaged database gets a first page")]
pub(super) fn copy_with_first_page(path: &Path, page: &[u8]) -> io::Result<PathBuf> {
    let copy = with_end(path, ".repair");
    std::fs::copy(path, &copy)?;
    let mut file = OpenOptions::new().write(true).open(&copy)?;
    let pages = u32::try_from(file.metadata()?.len() / page.len() as u64).unwrap_or(u32::MAX);
    file.write_all(page)?;
    file.seek(io::SeekFrom::Start(28))?;
    file.write_all(&pages.to_be_bytes())?;
    Ok(copy)
}

/// The first page of a database.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: the first page of a sound database")]
pub(super) fn first_page(path: &Path) -> io::Result<Vec<u8>> {
    let mut page = vec![0; 4096];
    File::open(path)?.read_exact(&mut page)?;
    Ok(page)
}

/// A copy of the database; it goes when this does.
#[derive(Debug)]
pub(super) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Its path.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join(DATABASE)
    }
}

impl Drop for Copy {
    #[expect(clippy::disallowed_methods, reason = "the door of the state directory: a copy is removed")]
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _gone = std::fs::remove_file(with_end(&self.database(), end));
        }
        let _gone = std::fs::remove_dir(&self.folder);
    }
}

#[expect(clippy::disallowed_methods, reason = "the door of the state directory: an old database gets another name")]
fn rename(from: &Path, to: &Path) -> Result<(), OpenError> {
    std::fs::rename(from, to).map_err(|error| io_error(from, error))
}

#[expect(clippy::disallowed_methods, reason = "the door of the state directory: leftovers are removed")]
pub(super) fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "the door of the state directory: a new database must be on disk")]
fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io_error(path, error))
}

/// The name of a database's companion.
pub(super) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::is_another;

    #[test]
    fn only_another_process_that_lives_can_have_a_lock_for_long() {
        // Greater than any number that the kernel gives out.
        let dead = 1 << 22;
        assert!(is_another(1) && !is_another(std::process::id()) && !is_another(dead));
        assert!(is_another(u32::MAX), "a number that is none says nothing");
    }
}
