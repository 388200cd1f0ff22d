//! \[db\] How long history is kept, and how much of it. Small steps: each deletes a few hundred rows or gives back some
//! pages, so that a message that comes meanwhile waits for one step at most.
//!
//! Before it: rows that were written. After it: room.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::core::Core;
use super::types::StoreError;
use super::{mail, runs};

/// How long history is kept where `limits.history` says nothing.
pub const KEEP_HISTORY: Duration = Duration::from_secs(30 * 86_400);

/// Bytes that the database may take; beyond it the oldest history goes, however young.
pub const MOST_BYTES: u64 = 256 << 20;

/// Dead letters that are kept at most; beyond it the oldest are given up, counted in [`super::Trouble`].
pub const MOST_DEAD_LETTERS: u32 = 100_000;

/// Rows deleted in one step.
const STEP_ROWS: u32 = 200;

/// Pages given back in one step (4 KiB each).
const STEP_PAGES: i64 = 256;

/// Dead letters are looked through this often.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// What is kept.
#[derive(Debug)]
pub(super) struct Retention {
    pub(super) keep: Duration,
    pub(super) most_bytes: u64,
    pruned: Option<Timestamp>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { keep: KEEP_HISTORY, most_bytes: MOST_BYTES, pruned: None }
    }
}

/// One step. The answer is whether there is more to do. Age is measured from the latest time that the store has seen.
pub(super) fn step(core: &mut Core) -> Result<bool, StoreError> {
    let now = core.newest();
    let before = now.saturating_sub(core.retention.keep).unwrap_or(Timestamp::MIN);
    let due = core.retention.pruned.is_none_or(|last| crate::clock::between(last, now) >= PRUNE_EVERY);
    if due {
        core.retention.pruned = Some(now);
        let gone = mail::prune(core.db()?, before, MOST_DEAD_LETTERS)?;
        core.gave_up_letters(gone);
    }
    let most = core.retention.most_bytes;
    let db = core.db()?;
    if runs::delete_oldest(db, STEP_ROWS, Some(before))? > 0 {
        return Ok(true);
    }
    let (pages, free, size) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?, pragma(db, "page_size")?);
    if runs::uint((pages - free) * size) > most {
        return Ok(runs::delete_oldest(db, STEP_ROWS, None)? > 0);
    }
    if free > STEP_PAGES.max(pages / 8) {
        // The pragma works as its rows are stepped through.
        let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
        let mut rows = statement.query(())?;
        while rows.next()?.is_some() {}
        return Ok(true);
    }
    Ok(false)
}

fn pragma(db: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(db.pragma_query_value(None, name, |row| row.get(0))?)
}
