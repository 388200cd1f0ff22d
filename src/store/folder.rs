//! \[fs\] The state directory: made, locked, and cleared of a database that cannot be read.
//!
//! Before it: a path. After it: the path of `state.db`, which nobody else writes as long as the [`Lock`] lives.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::types::StoreError;

/// The database's file name.
pub(super) const DATABASE: &str = "state.db";

/// Held as long as the daemon lives; the kernel gives it back when the process ends, however that happens.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
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

/// Makes the directory (for its owner alone) where it is missing, and locks it.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: the lock file")]
pub(super) fn lock(dir: &Path) -> Result<Lock, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| io_error(dir, error))?;
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(|error| io_error(&path, error))?;
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
    Ok(Lock { _file: file })
}

/// Makes the database file, readable by its owner alone; SQLite gives its companions the same mode.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: the mode of the database")]
pub(super) fn prepare(dir: &Path) -> Result<PathBuf, OpenError> {
    let path = dir.join(DATABASE);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(&path).map_err(|error| io_error(&path, error))?;
    Ok(path)
}

/// Gives a database that cannot be read another name, its companions too: `state.db.corrupt-20261123T071500Z`.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: a damaged database is set aside")]
pub(super) fn set_aside(dir: &Path, now: Timestamp) -> Result<PathBuf, OpenError> {
    let path = dir.join(DATABASE);
    let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = |n: u32| match n {
        0 => dir.join(format!("{DATABASE}.corrupt-{stamp}")),
        n => dir.join(format!("{DATABASE}.corrupt-{stamp}.{n}")),
    };
    let aside = (0..1000).map(name).find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        io_error(&path, io::Error::other("a thousand damaged databases of this second are here already"))
    })?;
    for end in ["-wal", "-shm"] {
        let (from, to) = (with_end(&path, end), with_end(&aside, end));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&from, error)),
            _ => {}
        }
    }
    std::fs::rename(&path, &aside).map_err(|error| io_error(&path, error))?;
    Ok(aside)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}
