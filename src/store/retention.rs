//! \[db\] How long history is kept, and how much of it. Small steps: each deletes a few hundred rows or gives back some
//! pages, so that a message that comes meanwhile waits for one step at most.
//!
//! Before it: rows that were written. After it: room.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::settings::LIMIT_KEYS;
use super::trusted::TrustedTime;
use super::types::StoreError;
use super::{mail, runs};
use crate::clock::{Mono, Now};
use crate::document::default_of;

/// Bytes that the database may take; beyond it the oldest history goes, however young.
pub const MOST_BYTES: u64 = 256 << 20;

/// Dead letters that are kept at most; beyond it the oldest are given up, counted in [`super::Trouble`].
pub const MOST_DEAD_LETTERS: u32 = 100_000;

/// Rows deleted in one step.
const STEP_ROWS: u32 = 200;

/// A step is due for every so many rows written: half of what a step can delete, so that a backlog shrinks too.
const DUE_ROWS: usize = 100;

/// Pages given back in one step (4 KiB each).
const STEP_PAGES: i64 = 256;

/// Dead letters are looked through this often.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// What is kept, and how far the clearing away has come.
#[derive(Debug)]
pub(super) struct Retention {
    pub(super) keep: Duration,
    pub(super) most_bytes: u64,
    time: TrustedTime,
    pruned: Option<Mono>,
    /// Runs up to this number carry a time to come, from a clock that was ahead: they are not looked at again and again.
    above: i64,
    /// Rows that were written since the last step.
    written: usize,
}

impl Retention {
    /// Begins with the latest time that is known to have passed.
    pub(super) fn new(last: Timestamp) -> Self {
        let time = TrustedTime::new(last);
        Self {
            keep: default_of(LIMIT_KEYS, "history").duration(),
            most_bytes: MOST_BYTES,
            time,
            pruned: None,
            above: 0,
            written: 0,
        }
    }

    /// The clocks were read: what is old enough to go is measured from what they say.
    pub(super) fn advance(&mut self, now: Now) -> Timestamp {
        self.time.advance(now)
    }

    /// The time that was trusted last.
    pub(super) fn trusted(&self) -> Timestamp {
        self.time.last()
    }

    /// Rows were written. The limits hold at any rate because what is cleared away is in proportion.
    pub(super) fn wrote(&mut self, rows: usize) {
        self.written += rows;
    }

    /// So much was written that a step is due, however busy the store is.
    pub(super) fn is_due(&self) -> bool {
        self.written >= DUE_ROWS
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// There is more to do.
    pub(super) more: bool,
    /// Dead letters that were beyond [`MOST_DEAD_LETTERS`].
    pub(super) dead: usize,
    /// Dead letters, threads and channels were looked through.
    pub(super) pruned: bool,
}

/// One step.
pub(super) fn step(db: &Connection, kept: &mut Retention, now: Now) -> Result<Step, StoreError> {
    kept.written = kept.written.saturating_sub(DUE_ROWS);
    let trusted = kept.advance(now);
    let before = trusted.saturating_sub(kept.keep).unwrap_or(Timestamp::MIN);
    // One transaction, so that a step waits for the disk once at most.
    let tx = db.unchecked_transaction()?;
    let due = kept.pruned.is_none_or(|last| now.mono - last >= PRUNE_EVERY);
    let dead = if due { mail::prune(&tx, before, MOST_DEAD_LETTERS)? } else { 0 };
    if due {
        kept.pruned = Some(now.mono);
    }
    let deleted = runs::delete_old(&tx, STEP_ROWS, kept.above, (before, trusted))?;
    tx.commit()?;
    if let Some(last) = deleted.of_the_future {
        kept.above = last;
    }
    let more = deleted.runs > 0 || deleted.of_the_future.is_some() || shrink(db, kept.most_bytes)?;
    Ok(Step { more, dead, pruned: due })
}

/// Holds the size, or gives back some pages. The answer is whether there is more to do.
fn shrink(db: &Connection, most: u64) -> Result<bool, StoreError> {
    let (pages, free, size) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?, pragma(db, "page_size")?);
    if runs::uint((pages - free) * size) > most {
        return Ok(runs::delete_oldest(db, STEP_ROWS)? > 0);
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
