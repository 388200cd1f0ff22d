//! \[db\] The database as one thing that is driven from one place: transactions, what happens when they fail, and the
//! counts that are kept beside it.
//!
//! Before it: the store's thread, or a caller that drives it in place. After it: SQL.
//!
//! Invariants: a message that was accepted is on disk or in the overlay until it is settled; what a caller reads is the
//! disk with the overlay over it; the counts of `lanes` are those of that view.

use std::collections::HashMap;
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::folder::{self, Lock};
use super::lazy::Lazy;
use super::overlay::Overlay;
use super::types::{Depth, Loaded, Look, MessageId, Salvaged, StoreError, Stored, Trouble, Which};
use super::{mail, runs, salvage, schema};
use crate::id::{Channel, JobName};

/// Run numbers that are set apart on disk at a time: as many may be skipped after a crash.
pub(super) const BLOCK: u64 = 1_000;

/// Where the number of the next run stands among the notes.
pub(super) const NEXT_RUN: &str = "next_run";

/// The database and what is kept beside it.
#[derive(Debug)]
pub(super) struct Core {
    /// `None` after a damaged file was set aside and no new one could be begun yet.
    db: Option<Connection>,
    /// The state directory; `None` for a database in memory.
    dir: Option<PathBuf>,
    _lock: Option<Lock>,
    /// A damaged file that was set aside, and has no successor yet.
    replacing: Option<PathBuf>,
    pub(super) overlay: Overlay,
    pub(super) lanes: HashMap<Channel, Depth>,
    /// SQLite's count of commits by other connections, at the time when `lanes` was counted.
    version: i64,
    pub(super) next_message: u64,
    /// The greatest run number seen, and up to which (exclusive) numbers are set apart on disk.
    pub(super) last_run: u64,
    pub(super) reserved: u64,
    full_sync: bool,
    pub(super) trouble: watch::Sender<Trouble>,
    /// The latest time that came by: the store has no clock.
    newest: Timestamp,
    pub(super) retention: super::retention::Retention,
}

impl Core {
    /// Takes an opened database over. Sets the first block of run numbers apart.
    pub(super) fn new(db: Connection, dir: Option<(PathBuf, Lock)>, now: Timestamp) -> Result<Self, StoreError> {
        let notes = runs::notes(&db)?;
        let noted = notes.get(NEXT_RUN).and_then(|next| next.parse().ok()).unwrap_or(1);
        let next_run: u64 = (runs::last_run(&db)? + 1).max(noted);
        let next_message = mail::next_id(&db)?;
        let (dir, lock) = dir.unzip();
        let mut core = Self {
            db: Some(db),
            dir,
            _lock: lock,
            replacing: None,
            overlay: Overlay::default(),
            lanes: HashMap::new(),
            version: 0,
            next_message,
            last_run: next_run - 1,
            reserved: next_run,
            full_sync: true,
            trouble: watch::Sender::new(Trouble::default()),
            newest: now,
            retention: super::retention::Retention::default(),
        };
        core.recount()?;
        Ok(core)
    }

    /// How the disk does.
    pub(super) fn trouble(&self) -> watch::Receiver<Trouble> {
        self.trouble.subscribe()
    }

    /// Whether the disk has everything that it was given.
    pub(super) fn is_clean(&self) -> bool {
        self.overlay.is_empty()
    }

    /// The latest time that came by.
    pub(super) fn newest(&self) -> Timestamp {
        self.newest
    }

    /// A time came by.
    pub(super) fn saw(&mut self, at: Timestamp) {
        self.newest = self.newest.max(at);
    }

    /// The connection; begins a new database where the old one was set aside.
    pub(super) fn db(&mut self) -> Result<&mut Connection, StoreError> {
        if self.db.is_none() {
            self.begin_anew()?;
        }
        self.db.as_mut().ok_or(StoreError::Closed)
    }

    /// Everything that a daemon begins with, and the first run numbers set apart.
    pub(super) fn load(&mut self) -> Result<Loaded, StoreError> {
        let next_run = self.last_run + 1;
        let block = next_run + BLOCK;
        self.synchronous(true)?;
        // A disk that is full is no reason not to start: `trouble` says so, and it is tried again with the first run.
        if self.writing(|core| Ok(runs::put_note(core.db()?, NEXT_RUN, Some(&block.to_string()))?)).is_ok() {
            self.reserved = block;
        }
        let (mut notes, jobs) = self.read(|db| Ok((runs::notes(db)?, runs::states(db)?)))?;
        notes.remove(NEXT_RUN);
        Ok(Loaded { jobs, notes, next_run })
    }

    /// Up to which number (exclusive) runs may be numbered before the disk has to hear of it.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Writes; how that went is what [`Trouble`] says.
    pub(super) fn writing<T>(&mut self, work: impl FnMut(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = self.trying(work);
        let failing = done.as_ref().err().map(ToString::to_string);
        let unsaved = self.overlay.unsaved.len();
        self.trouble.send_if_modified(|trouble| {
            let changed = trouble.failing != failing || trouble.unsaved != unsaved;
            trouble.failing = failing;
            trouble.unsaved = unsaved;
            changed
        });
        done
    }

    /// Reads or writes; a damaged file is replaced, and the work tried on the new one.
    fn trying<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = work(self);
        if matches!(done, Err(StoreError::Database { corrupt: true, .. })) && self.dir.is_some() {
            self.db = None;
            return self.begin_anew().and_then(|()| work(self));
        }
        done
    }

    /// Reads.
    pub(super) fn read<T>(
        &mut self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.trying(|core| Ok(work(core.db()?)?))
    }

    /// One step of the clearing away.
    pub(super) fn tend(&mut self) -> Result<bool, StoreError> {
        self.trying(super::retention::step)
    }

    /// How much waits, by channel.
    /// Counted anew when another process wrote, or `anew`.
    pub(super) fn depths(&mut self, anew: bool) -> Result<Vec<(Channel, Depth)>, StoreError> {
        if anew || self.external_version().is_ok_and(|version| version != self.version) {
            self.trying(Self::recount)?;
        }
        Ok(self.lanes.iter().map(|(channel, depth)| (channel.clone(), *depth)).collect())
    }

    fn external_version(&mut self) -> Result<i64, StoreError> {
        Ok(self.db()?.prepare_cached("PRAGMA data_version")?.query_row((), |row| row.get(0))?)
    }

    /// Counts anew: at the start, and when another process wrote.
    fn recount(&mut self) -> Result<(), StoreError> {
        let version = self.external_version()?;
        let mut lanes = mail::depths(self.db()?)?;
        let settled: Vec<MessageId> = self.overlay.unsettled.keys().copied().collect();
        for id in settled {
            // A row on disk that is settled in memory: which count it is in is read from the row.
            if let Some((channel, class)) = mail::class_of(self.db()?, id)?
                && let Some(depth) = lanes.get_mut(&channel)
            {
                let count = depth.of(class);
                *count = count.saturating_sub(1);
            }
        }
        self.overlay.count(&mut lanes);
        lanes.retain(|_, depth| !depth.is_empty());
        self.lanes = lanes;
        self.version = version;
        Ok(())
    }

    /// A channel's oldest messages. A single one comes with its attachment.
    pub(super) fn heads(&mut self, channel: &Channel, which: Which, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let more = limit + self.overlay.unsettled.len();
        let read = self.trying(|core| Ok(mail::heads(core.db()?, channel, which, more)?));
        // What is held in memory goes out although the disk cannot even be read.
        let rows = match read {
            Ok(rows) => rows,
            Err(error) if self.overlay.unsaved.is_empty() => return Err(error),
            Err(_) => Vec::new(),
        };
        let mut rows = self.overlay.heads(rows, channel, which, limit);
        if limit == 1
            && let Some(row) = rows.first_mut()
            && row.message.attachment.is_none()
        {
            row.message.attachment = mail::attachment(self.db()?, row.id)?;
        }
        Ok(rows)
    }

    /// Makes dead letters of alerts that wait since before `cutoff`. The answer is how many.
    pub(super) fn expire(&mut self, cutoff: Timestamp, why: &str) -> Result<usize, StoreError> {
        let mut count = self.overlay.expire(cutoff, why);
        let oldest = self.trying(|core| Ok(mail::oldest(core.db()?)?))?;
        if oldest.is_some_and(|oldest| oldest < cutoff) {
            self.synchronous(true)?;
            count += self.writing(|core| Ok(mail::expire(core.db()?, cutoff, why)?))?;
        }
        if count > 0 {
            self.trying(Self::recount)?;
        }
        Ok(count)
    }

    /// Everything that is to be known of the outbox now and then, at one go.
    pub(super) fn look(&mut self, cutoff: Timestamp, why: &str) -> Look {
        let expired = self.expire(cutoff, why);
        let depths = self.depths(true);
        let dead_letters = self.read(mail::any_dead).unwrap_or(true);
        Look { expired, depths, dead_letters }
    }

    /// Sends what waits for one channel to another.
    pub(super) fn redirect(&mut self, job: Option<&JobName>, from: &Channel, to: &Channel) -> Result<(), StoreError> {
        self.overlay.redirect(job, from, to);
        self.synchronous(true)?;
        self.writing(|core| Ok(mail::redirect(core.db()?, job, from, to)?))?;
        self.trying(Self::recount)
    }

    /// A small fact, on disk when it returns.
    pub(super) fn remember(&mut self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.synchronous(true)?;
        self.writing(|core| Ok(runs::put_note(core.db()?, key, value)?))
    }

    /// Sets messages waiting again.
    pub(super) fn retry(&mut self, ids: &[MessageId], now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::retry(db, ids, now))
    }

    /// Throws messages away.
    pub(super) fn discard(&mut self, ids: &[MessageId]) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::discard(db, ids))
    }

    fn change<T>(&mut self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.synchronous(true)?;
        let done = self.writing(|core| {
            let tx = core.db()?.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        })?;
        self.trying(Self::recount)?;
        Ok(done)
    }

    /// The end: what is held goes to disk if it can, run numbers that were set apart and not used are given back, and
    /// the log goes into the database.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.writing(|core| core.write(&[], &Lazy::default()))?;
        let next = (self.last_run + 1).to_string();
        self.remember(NEXT_RUN, Some(&next))?;
        self.reserved = self.last_run + 1;
        let db = self.db()?;
        db.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
        Ok(())
    }

    /// Counts dead letters that were given up.
    pub(super) fn gave_up_letters(&mut self, count: usize) {
        if count > 0 {
            self.trouble.send_modify(|trouble| trouble.dropped_letters += count as u64);
        }
    }

    /// Whether each commit waits for the disk. What only concerns history need not: a crash of the machine may cost
    /// its last seconds, a crash of the daemon nothing.
    pub(super) fn synchronous(&mut self, full: bool) -> Result<(), StoreError> {
        if self.full_sync != full {
            self.db()?.pragma_update(None, "synchronous", if full { "FULL" } else { "NORMAL" })?;
            self.full_sync = full;
        }
        Ok(())
    }

    /// Sets the damaged file aside and begins a new one with what can be read of it.
    fn begin_anew(&mut self) -> Result<(), StoreError> {
        let Some(dir) = self.dir.clone() else { return Err(StoreError::Closed) };
        let words = |why: String| StoreError::Database { why, corrupt: false };
        let aside = match self.replacing.take() {
            // The last try came this far.
            Some(aside) => aside,
            None => folder::set_aside(&dir, self.newest).map_err(|error| words(error.to_string()))?,
        };
        self.replacing = Some(aside.clone());
        self.trouble.send_modify(|trouble| trouble.set_aside = Some(aside.clone()));
        let path = folder::prepare(&dir).map_err(|error| words(error.to_string()))?;
        let mut db = schema::open(&path).map_err(|refusal| words(refusal.at(&path).to_string()))?;
        let _carried: Salvaged = salvage::carry_over(&aside, &mut db)?;
        self.next_message = self.next_message.max(mail::next_id(&db)?);
        runs::put_note(&db, NEXT_RUN, Some(&self.reserved.to_string()))?;
        self.db = Some(db);
        self.replacing = None;
        self.full_sync = true;
        self.recount()
    }
}
