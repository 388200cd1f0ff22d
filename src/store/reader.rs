//! Another process at the same database, while the daemon writes or when there is none: history, the outbox, job state;
//! and the few changes that a person may make there.
//!
//! Before it: a command. After it: SQL. It takes no lock that the daemon would wait for longer than a moment.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::folder::{DATABASE, OpenError, refuse_other_kinds};
use super::types::{
    Depth, HistoryFilter, JobState, MessageId, OutboxFilter, RunRow, RunningRow, StoreError, Stored, Untold,
};
use super::{holds, mail, runs, schema};
use crate::id::{Channel, JobName, RunId};
use crate::message::Attachment;
use crate::policy::{Dropped, Event, Hold, Told};

/// An open database beside the daemon.
#[derive(Debug)]
pub struct Reader {
    db: Connection,
}

impl Reader {
    /// Opens the database of a state directory.
    #[expect(clippy::disallowed_methods, reason = "the door of the database: whether there is one")]
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(DATABASE);
        if let Err(error) = path.symlink_metadata() {
            return Err(match error.kind() {
                std::io::ErrorKind::NotFound => OpenError::Missing(path),
                _ => OpenError::Io { path, error },
            });
        }
        refuse_other_kinds(&path)?;
        // The database itself would only say that it cannot be opened.
        if let Err(error) = std::fs::File::open(&path)
            && error.kind() == std::io::ErrorKind::PermissionDenied
        {
            return Err(OpenError::Io { path, error });
        }
        let db = schema::open_beside(&path).map_err(|refusal| refusal.at(&path))?;
        Ok(Self { db })
    }

    /// Runs, newest first, without their output.
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<RunRow>, StoreError> {
        Ok(runs::history(&self.db, filter)?)
    }

    /// One run with its output.
    pub fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(runs::run(&self.db, id)?)
    }

    /// Runs in progress, as far as they are on disk.
    pub fn running(&self) -> Result<Vec<RunningRow>, StoreError> {
        Ok(runs::running(&self.db)?)
    }

    /// What people have asked for.
    pub fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        Ok(holds::all(&self.db)?)
    }

    /// What the outbox knows of incidents, should a daemon have died before it wrote that down.
    pub fn told(&self) -> Result<Told, StoreError> {
        Ok(mail::all_told(&self.db)?)
    }

    /// What is remembered of each job.
    pub fn jobs(&self) -> Result<std::collections::HashMap<JobName, JobState>, StoreError> {
        Ok(runs::states(&self.db)?)
    }

    /// Small facts by name, as [`Store::remember`](super::Store::remember) was told them.
    pub fn notes(&self) -> Result<std::collections::HashMap<String, String>, StoreError> {
        Ok(runs::notes(&self.db)?)
    }

    /// Messages in the outbox, oldest first, without their attachments.
    pub fn outbox_list(&self, filter: &OutboxFilter) -> Result<Vec<Stored>, StoreError> {
        Ok(mail::list(&self.db, filter)?)
    }

    /// Which of these runs were told of afterwards: when, and as what.
    pub fn told_later(
        &self,
        runs: &[Untold],
    ) -> Result<std::collections::HashMap<RunId, (Timestamp, Event)>, StoreError> {
        Ok(mail::told_later(&self.db, runs)?)
    }

    /// The file that goes with a message.
    pub fn attachment(&self, id: MessageId) -> Result<Option<Attachment>, StoreError> {
        Ok(mail::attachment(&self.db, id)?)
    }

    /// How much waits, by channel.
    pub fn depths(&self) -> Result<std::collections::HashMap<Channel, Depth>, StoreError> {
        Ok(mail::depths(&self.db)?)
    }

    /// Sets messages waiting again, from `now` on; the daemon sees it within seconds. The answer is which there were.
    pub fn outbox_retry(&mut self, ids: &[MessageId], now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::retry(db, ids, now))
    }

    /// Throws messages away. The answer is which there were.
    pub fn outbox_drop(&mut self, ids: &[MessageId], dropped: &Dropped) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::discard(db, ids, dropped))
    }

    fn change<T>(&mut self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }
}
