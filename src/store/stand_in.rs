//! \[db\] A database in memory for as long as the one on disk cannot be used: it is read, and never written. What changes
//! meanwhile is kept beside it, as it is whenever the disk fails.
//!
//! Before it: a state directory that is full, read-only, gone or of another owner. After it: what could be read of it.

use std::io::ErrorKind;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;

use super::folder::{self, DATABASE};
use super::types::StoreError;
use super::{salvage, schema};

/// A database in memory with what can be read of the one on disk, but for its history.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) db: Connection,
    /// Nothing of the disk's could be read, so that its numbers are not known either.
    pub(super) blind: bool,
}

/// Reads what can be read.
#[expect(clippy::disallowed_methods, reason = "the door of the state directory: what is there")]
pub(super) fn snapshot(dir: &Path, now: Timestamp) -> Result<Snapshot, StoreError> {
    let mut db = schema::open_in_memory().map_err(schema::Refusal::error)?;
    let path = dir.join(DATABASE);
    match path.metadata() {
        // A pipe, say: whoever opens it would wait for ever.
        Ok(_) if folder::refuse_other_kinds(&path).is_err() => return Ok(Snapshot { db, blind: true }),
        Ok(found) if found.len() == 0 => return Ok(Snapshot { db, blind: false }),
        // In a directory that can be looked into there is nothing yet.
        Err(error) if error.kind() == ErrorKind::NotFound && dir.is_dir() => return Ok(Snapshot { db, blind: false }),
        _ => {}
    }
    // SQLite needs to write beside what it reads: a copy is read, or, where there is room for none, the file as it is.
    let copy = folder::copy(dir);
    let source = copy.as_ref().map_or(path, folder::Copy::database);
    if copy.is_some() {
        folder::pad(&source).map_err(folder::OpenError::trouble)?;
    }
    let tx = db.transaction()?;
    let read = salvage::copy(&source, &tx, now)?;
    tx.commit()?;
    Ok(Snapshot { db, blind: read.is_none() })
}
