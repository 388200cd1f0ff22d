//! \[db\] What can still be read of a damaged database is carried over into its successor: waiting messages before all,
//! dead letters, threads, job state, notes. History stays behind in the file that was set aside.
//!
//! Before it: a file that was set aside. After it: the new one. Each table is read row by row until it cannot be read
//! further; what cannot be read stays.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::types::{Salvaged, StoreError};

/// Tables in the order of their worth.
const TABLES: [&str; 6] = ["message", "attachment", "thread", "job", "meta", "lane"];

/// Copies what can be read.
pub(super) fn carry_over(aside: &Path, new: &mut Connection) -> Result<Salvaged, StoreError> {
    let mut salvaged = Salvaged::default();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(old) = Connection::open_with_flags(aside, flags) else { return Ok(salvaged) };
    for table in TABLES {
        let tx = new.transaction()?;
        let mut count = 0;
        // Forwards until it breaks, then backwards: damage in the middle costs the middle.
        for order in ["ASC", "DESC"] {
            let (copied, whole) = copy(&old, &tx, table, order)?;
            count += copied;
            if whole {
                break;
            }
        }
        tx.commit()?;
        match table {
            "message" => salvaged.messages = count,
            "job" => salvaged.jobs = count,
            _ => {}
        }
    }
    Ok(salvaged)
}

/// Copies one table; what cannot be read ends it, what cannot be written is an error. The answer is how many rows came,
/// and whether that was all.
fn copy(old: &Connection, new: &Connection, table: &str, order: &str) -> Result<(u64, bool), StoreError> {
    let Ok(mut read) = old.prepare(&format!("SELECT * FROM {table} NOT INDEXED ORDER BY 1 {order}")) else {
        return Ok((0, false));
    };
    let columns = read.column_count();
    let marks = vec!["?"; columns].join(", ");
    let mut write = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    let mut count = 0;
    let Ok(mut rows) = read.query(()) else { return Ok((0, false)) };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok((count, true)),
            Err(_) => return Ok((count, false)),
        };
        let Ok(values) = (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<Value>>>() else {
            return Ok((count, false));
        };
        match write.execute(params_from_iter(values)) {
            Ok(inserted) => count += inserted as u64,
            // A row that breaks the schema is damage too.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
