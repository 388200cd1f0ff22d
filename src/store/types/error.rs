//! Why the store could not do what it was asked.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why the store could not do what it was asked.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The database or its file system refuses.
    Database {
        /// What kind of trouble it is.
        fault: Fault,
        /// What the library or the system said.
        source: Option<Arc<dyn Error + Send + Sync>>,
    },
    /// The disk fails, and no more messages can be kept in memory.
    Full,
    /// A later version of the program wrote the database.
    Newer {
        /// Its schema.
        found: i64,
        /// The last schema that this program knows.
        known: i64,
    },
    /// The store's thread is gone.
    Closed,
}

/// Kinds of trouble with a database or its file system: each is put right in another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room is left.
    DiskFull,
    /// The file system, or the file, may only be read.
    ReadOnly,
    /// This process may not use the directory or a file in it.
    Denied,
    /// The directory or the file is not there.
    Missing,
    /// Another process keeps the database locked.
    Busy,
    /// The file is damaged.
    Damaged,
    /// The disk has not answered for long.
    Hangs,
    /// Anything else, in words.
    Other(String),
}

impl StoreError {
    /// Trouble in words of this program.
    pub(in crate::store) fn other(words: impl Into<String>) -> Self {
        Self::Database { fault: Fault::Other(words.into()), source: None }
    }

    /// What a person can do about it.
    pub fn advice(&self) -> &'static str {
        let Self::Database { fault, .. } = self else { return "look into the log" };
        match fault {
            Fault::DiskFull => "make room on the file system of the state directory",
            Fault::ReadOnly => {
                "mount the file system of the state directory so that it can be written, or set another state_dir"
            }
            Fault::Denied => {
                "give the state directory and its files to the user of the daemon, or set another state_dir"
            }
            Fault::Missing => "make the state directory, or set another state_dir",
            Fault::Busy => "end the process that keeps state.db locked",
            Fault::Damaged | Fault::Hangs | Fault::Other(_) => "look at the file system of the state directory",
        }
    }

    /// The disk has not answered.
    pub(in crate::store) fn hangs() -> Self {
        Self::Database { fault: Fault::Hangs, source: None }
    }

    /// Whether the disk does not answer: what waits for it waits until it does.
    pub fn is_hang(&self) -> bool {
        matches!(self, Self::Database { fault: Fault::Hangs, .. })
    }

    /// Whether the file system has no room.
    pub(in crate::store) fn is_full_disk(&self) -> bool {
        matches!(self, Self::Database { fault: Fault::DiskFull, .. })
    }

    /// Whether another process keeps the database locked.
    pub(in crate::store) fn is_locked(&self) -> bool {
        matches!(self, Self::Database { fault: Fault::Busy, .. })
    }

    /// Whether the file is damaged.
    pub(in crate::store) fn is_damage(&self) -> bool {
        matches!(self, Self::Database { fault: Fault::Damaged, .. })
    }
}

/// The same trouble is the same error, whatever the library said about it.
impl PartialEq for StoreError {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Database { fault: one, .. }, Self::Database { fault: other, .. }) => one == other,
            (Self::Newer { found: one, .. }, Self::Newer { found: other, .. }) => one == other,
            (Self::Full, Self::Full) | (Self::Closed, Self::Closed) => true,
            _ => false,
        }
    }
}

impl Eq for StoreError {}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { fault, .. } => fault.fmt(f),
            Self::Full => f.write_str("the state cannot be written, and no more messages can be kept in memory"),
            Self::Newer { found, known } => {
                write!(f, "a newer slack-alert wrote the state (schema {found}; this one knows {known})")
            }
            Self::Closed => f.write_str("the store is closed"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DiskFull => "the disk is full",
            Self::ReadOnly => "the state directory is read-only",
            Self::Denied => "permission denied",
            Self::Missing => "no such file or directory",
            Self::Busy => "another process keeps the database locked",
            Self::Damaged => "the database is damaged",
            Self::Hangs => "the disk does not answer",
            Self::Other(words) => words,
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied,
            ReadOnly,
        };
        let fault = match error.sqlite_error_code() {
            Some(DiskFull) => Fault::DiskFull,
            Some(ReadOnly) => Fault::ReadOnly,
            Some(PermissionDenied) => Fault::Denied,
            Some(DatabaseBusy | DatabaseLocked) => Fault::Busy,
            Some(DatabaseCorrupt | NotADatabase) => Fault::Damaged,
            _ if lacks_a_table(&error) => Fault::Damaged,
            Some(CannotOpen) => Fault::Other("the database cannot be opened".to_owned()),
            _ => Fault::Other(format!("database: {error}")),
        };
        Self::Database { fault, source: Some(Arc::new(error)) }
    }
}

/// A table, or a column, that this program made is gone.
fn lacks_a_table(error: &rusqlite::Error) -> bool {
    let (rusqlite::Error::SqliteFailure(_, Some(words)) | rusqlite::Error::SqlInputError { msg: words, .. }) = error
    else {
        return false;
    };
    ["no such table", "no such column", "has no column named"].iter().any(|lack| words.contains(lack))
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        let fault = match error.kind() {
            StorageFull | QuotaExceeded => Fault::DiskFull,
            ReadOnlyFilesystem => Fault::ReadOnly,
            PermissionDenied => Fault::Denied,
            NotFound => Fault::Missing,
            _ => Fault::Other(error.to_string()),
        };
        Self::Database { fault, source: Some(Arc::new(error)) }
    }
}
