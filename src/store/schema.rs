//! \[db\] Opening: the connection's settings, the schema and its history.
//!
//! Before it: the path of `state.db`. After it: a connection whose schema is [`KNOWN`].
//!
//! Each migration leads from one version to the next and is never changed once released; `user_version` says how many
//! were made. A file with a greater number is left alone.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::folder::OpenError;
use super::types::StoreError;

/// Migrations in their order; each is made in one transaction.
const MIGRATIONS: &[&str] = &[include_str!("schema-1.sql")];

/// The schema that this program writes.
#[expect(clippy::cast_possible_wrap, reason = "there are a handful of migrations")]
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// How long a statement waits for another process that writes (`slack-alert outbox retry`): its transactions are short.
const PATIENCE: Duration = Duration::from_secs(5);

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

    /// Whether the file is damaged.
    pub(super) fn corrupt(&self) -> bool {
        matches!(self, Self::Error(StoreError::Database { corrupt: true, .. }))
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(error.into())
    }
}

/// Opens the writer's connection and brings the schema up to date.
pub(super) fn open(path: &Path) -> Result<Connection, Refusal> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    settle(&mut db)?;
    check(&db)?;
    Ok(db)
}

/// Opens a database that lives in memory alone.
pub(super) fn open_in_memory() -> Result<Connection, Refusal> {
    let mut db = Connection::open_in_memory()?;
    settle(&mut db)?;
    Ok(db)
}

/// Opens the connection of another process. One that may not write can still read.
pub(super) fn open_beside(path: &Path) -> Result<Connection, Refusal> {
    let writing = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reading = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, writing).or_else(|_| Connection::open_with_flags(path, reading))?;
    db.busy_timeout(PATIENCE)?;
    match version(&db)? {
        found if found > KNOWN => Err(Refusal::Newer(found)),
        KNOWN => Ok(db),
        _ => Err(Refusal::Error(StoreError::Database {
            why: "an older slack-alert wrote it: start the daemon once, which brings it up to date".to_owned(),
            corrupt: false,
        })),
    }
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn settle(db: &mut Connection) -> Result<(), Refusal> {
    db.busy_timeout(PATIENCE)?;
    let found = version(db)?;
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
    for (version, migration) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        let tx = db.transaction()?;
        tx.execute_batch(migration)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

/// Looks at every page of the tables without which the daemon cannot start. History is larger: damage there shows when
/// it is met, and then the database is replaced in use.
fn check(db: &Connection) -> Result<(), Refusal> {
    for table in ["meta", "job", "running", "message", "thread", "lane"] {
        let answer: String = db.query_row(&format!("PRAGMA quick_check('{table}')"), (), |row| row.get(0))?;
        if answer != "ok" {
            return Err(Refusal::Error(StoreError::Database {
                why: format!("the database is damaged: {answer}"),
                corrupt: true,
            }));
        }
    }
    Ok(())
}
