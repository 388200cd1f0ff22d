//! \[db\] Opening: the connection's settings, the schema and its history.
//!
//! Before it: the path of `state.db`. After it: a connection whose schema is [`KNOWN`].
//!
//! Each migration leads from one version to the next and is never changed once released; `user_version` says how many
//! were made. A file with a greater number is left alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::columns;
use super::folder::OpenError;
use super::types::{Fault, StoreError};

/// Migrations in their order; those that a file lacks are made in one transaction.
const MIGRATIONS: &[&str] = &[
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
    include_str!("schema-8.sql"),
    include_str!("schema-9.sql"),
    include_str!("schema-10.sql"),
];

/// The schema that this program writes.
#[expect(clippy::cast_possible_wrap, reason = "there are a handful of migrations")]
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// No version of the program will have made more migrations; a greater number is damage.
const MOST_VERSION: i64 = 9_999;

/// The size of a page of the database, in bytes: SQLite's own.
const PAGE: u64 = 4_096;

/// The log takes no more than one of so many parts of what is free on the disk.
const PARTS_FOR_THE_LOG: u64 = 32;

/// How long a statement of the daemon waits for another process that writes (`slack-alert outbox retry`): its transactions are
/// short. An alert waits no longer, and goes out from memory then.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The same while it is known that another process keeps the database locked: nothing waits for it then, it is only tried.
pub(super) const LITTLE_PATIENCE: Duration = Duration::from_millis(50);

/// How long a statement of a command waits for the daemon.
const PATIENCE_BESIDE: Duration = Duration::from_secs(5);

/// What came in the way.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The schema is later than ours: this one.
    Newer(i64),
    /// The database says no.
    Error(StoreError),
}

impl Refusal {
    /// As the error of opening `path`.
    pub(super) fn at(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::Newer(found) => OpenError::Newer { path, found, known: KNOWN },
            Self::Error(error) => OpenError::Database { path, error },
        }
    }

    /// As the error of a database without a path.
    pub(super) fn error(self) -> StoreError {
        match self {
            Self::Newer(found) => StoreError::Newer { found, known: KNOWN },
            Self::Error(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(error.into())
    }
}

/// Opens the writer's connection and brings the schema up to date.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
pub(super) fn open(path: &Path) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    settle(&mut db)?;
    if let Some(pages) = free_bytes(path).map(log_pages) {
        db.pragma_update_and_check(None, "wal_autocheckpoint", pages, |_| Ok(()))?;
    }
    check(&db)?;
    Ok(db)
}

/// What is free on the file system of a file, in bytes; none where that cannot be known.
fn free_bytes(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// After how many pages the log is written into the database: SQLite's own number, and fewer on a disk that is so small that
/// the log would fill it.
fn log_pages(free: u64) -> u32 {
    let pages = u32::try_from(free / PARTS_FOR_THE_LOG / PAGE).unwrap_or(u32::MAX);
    pages.clamp(8, 1_000)
}

/// Makes a database in a file that is empty. It waits for no disk: whoever fills it syncs it, and nobody uses it before.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
pub(super) fn create(path: &Path) -> Result<Connection, Refusal> {
    let mut db =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "OFF")?;
    migrate(&mut db, 0)?;
    Ok(db)
}

/// Makes a new database, and closes it; `None` where that cannot be done.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
pub(super) fn create_file(path: &Path) -> Option<()> {
    let mut db = Connection::open(path).ok()?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL").ok()?;
    migrate(&mut db, 0).ok()?;
    db.close().ok()
}

/// Opens a database that lives in memory alone.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
pub(super) fn open_in_memory() -> Result<Connection, Refusal> {
    let mut db = Connection::open_in_memory()?;
    settle(&mut db)?;
    Ok(db)
}

/// Opens the connection of another process. One that may not write can still read.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
pub(super) fn open_beside(path: &Path) -> Result<Connection, Refusal> {
    let writing = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reading = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, writing).or_else(|_| Connection::open_with_flags(path, reading))?;
    db.busy_timeout(PATIENCE_BESIDE)?;
    let found = version(&db);
    let (db, found) = match found {
        Ok(found) => (db, found),
        // Whoever may not write beside it can read it alone while no daemon has it open: then it has no log.
        Err(error) => match open_unchanging(path) {
            Some(alone) => {
                let found = version(&alone)?;
                (alone, found)
            }
            None => return Err(error.into()),
        },
    };
    match found {
        found if found > KNOWN => Err(Refusal::Newer(found)),
        KNOWN => Ok(db),
        _ => Err(Refusal::Error(StoreError::other(
            "an older slack-alert wrote it: start the daemon once, which brings it up to date",
        ))),
    }
}

/// Opens a database that nobody has open, for a user who may not write into its folder. `None` where it has a log, or cannot
/// be read.
#[expect(clippy::disallowed_methods, reason = "the door of the database")]
fn open_unchanging(path: &Path) -> Option<Connection> {
    let log = std::fs::metadata(path.with_extension("db-wal"));
    if log.is_ok_and(|log| log.len() > 0) {
        return None;
    }
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(uri, flags).ok()
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn settle(db: &mut Connection) -> Result<(), Refusal> {
    db.busy_timeout(PATIENCE)?;
    let found = version(db)?;
    if !(0..=MOST_VERSION).contains(&found) {
        return Err(damaged(format!("no version has the schema {found}")));
    }
    if found > KNOWN {
        return Err(Refusal::Newer(found));
    }
    // Must come before the first table: deleted history gives its pages back in small steps.
    if found == 0 {
        db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    // 2 MiB of pages, none mapped; the log is cut back after it grew.
    db.pragma_update(None, "cache_size", -2048)?;
    db.pragma(None, "mmap_size", 0, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", 4 << 20, |_| Ok(()))?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.set_prepared_statement_cache_capacity(48);
    migrate(db, found)
}

fn migrate(db: &mut Connection, found: i64) -> Result<(), Refusal> {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    if found == KNOWN {
        return Ok(());
    }
    let tx = db.transaction()?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        // What a sound database of that version takes: one that does not is not what it says it is.
        tx.execute_batch(migration).map_err(|error| match error.sqlite_error_code() {
            Some(DiskFull | SystemIoFailure | ReadOnly | DatabaseBusy | CannotOpen | PermissionDenied) => error.into(),
            _ => damaged(error.to_string()),
        })?;
    }
    tx.pragma_update(None, "user_version", KNOWN)?;
    tx.commit()?;
    Ok(())
}

fn damaged(why: String) -> Refusal {
    Refusal::Error(StoreError::Database { fault: Fault::Damaged, source: Some(Arc::from(Box::from(why))) })
}

/// Looks at every page of the tables without which the daemon cannot start, and holds the outbox against its indexes.
/// History is larger: damage there shows when it is met, and then the database is replaced in use.
fn check(db: &Connection) -> Result<(), Refusal> {
    for table in ["meta", "job", "running", "hold", "message", "attachment", "thread", "lane"] {
        let check = if table == "message" { "integrity_check" } else { "quick_check" };
        let answer = db.query_row(&format!("PRAGMA {check}('{table}')"), (), |row| columns::text(row, 0))?;
        if answer != "ok" {
            return Err(damaged(answer));
        }
    }
    Ok(())
}
