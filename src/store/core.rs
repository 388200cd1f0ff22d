//! \[db\] The database as one thing that is driven from one place: transactions, what happens when they fail, and the
//! counts that are kept beside it.
//!
//! Before it: the store's thread, or a caller that drives it in place. After it: SQL.
//!
//! Invariants: a message that was accepted is on disk or in the overlay until it is settled; what a caller reads is the
//! disk with the overlay over it; the counts of `lanes` are those of that view.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::watch;

use super::columns::MOST;
use super::deferred::Deferred;
use super::folder::{self, DATABASE, FileId, Lock, OpenError, file_id};
use super::overlay::{Known, Overlay};
use super::runs::uint;
use super::stand_in::{self, Snapshot};
use super::types::{
    CarriedOver, Cause, Class, Depth, Fault, Heads, Loaded, MessageId, MessageState, OutboxCounts, OutboxFilter,
    OutboxPoll, RunRow, RunningRow, StoreError, Stored, Trouble,
};
use super::{holds, mail, retention, runs, salvage, schema};
use crate::clock::{Mono, Now};
use crate::exec::Trigger;
use crate::id::{Channel, JobName};
use crate::notify::Parent;
use crate::policy::Dropped;

/// Run numbers that are set apart on disk at a time: as many may be skipped after a crash.
pub(super) const BLOCK: u64 = 1_000;

/// Where the number of the next run stands among the notes.
pub(super) const NEXT_RUN: &str = "next_run";

/// The note that holds the number of the next hold.
pub(super) const NEXT_HOLD: &str = "next_hold";

/// Where the time that can be trusted stands among the notes.
const TRUSTED: &str = "trusted_time";

/// The database and what is kept beside it.
#[derive(Debug)]
pub(super) struct Core {
    /// `None` only while one takes the place of another.
    db: Option<Connection>,
    footing: Footing,
    /// `None` for a database that lives in memory by intention.
    home: Option<Home>,
    pub(super) overlay: Overlay,
    pub(super) lanes: HashMap<Channel, Depth>,
    /// SQLite's count of commits by other connections, at the time when `lanes` was counted.
    version: i64,
    pub(super) next_message: u64,
    /// The greatest run number seen, and up to which (exclusive) numbers are set apart on disk.
    pub(super) last_run: u64,
    pub(super) reserved: u64,
    full_sync: bool,
    /// Another process keeps the database locked.
    locked: bool,
    pub(super) trouble: watch::Sender<Trouble>,
    /// The time that came by last, for stamps: only its thread has a clock.
    newest: Timestamp,
    pub(super) retention: retention::Retention,
}

/// What the connection leads to.
#[derive(Debug)]
pub(super) enum Footing {
    /// Where it should be.
    Sound,
    /// What could be read of the disk, in memory: the disk cannot be used.
    Snapshot {
        /// Nothing could be read, so that the disk's numbers are not known.
        blind: bool,
        /// Why.
        why: StoreError,
    },
    /// The file that was removed, which lives on as long as it is open: no new one can be written.
    Orphan(StoreError),
}

/// Where the state of a daemon lives.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    lock: Option<Lock>,
    /// The database and its log, as they were opened.
    files: Vec<(PathBuf, FileId)>,
}

impl Home {
    /// A state directory; without a lock where it cannot be written.
    pub(super) fn new(dir: &Path, lock: Option<Lock>) -> Self {
        Self { dir: dir.to_owned(), lock, files: Vec::new() }
    }

    /// Notes which files were opened.
    fn opened(&mut self) {
        let path = self.dir.join(DATABASE);
        let files = [path.clone(), folder::with_end(&path, "-wal")];
        self.files = files.into_iter().filter_map(|path| file_id(&path).map(|id| (path, id))).collect();
    }

    /// Whether another process would open the same files.
    fn is_in_place(&self) -> bool {
        self.files.iter().all(|(path, id)| file_id(path) == Some(*id))
            && self.lock.as_ref().is_none_or(Lock::is_in_place)
    }

    /// Makes sure that no other daemon uses the directory.
    fn lock(&mut self) -> Result<(), StoreError> {
        if !self.lock.as_ref().is_some_and(Lock::is_in_place) {
            self.lock = None;
            self.lock = Some(folder::lock(&self.dir).map_err(OpenError::trouble)?);
        }
        Ok(())
    }
}

/// Opens the database of a state directory: finishes what an earlier process began, and puts a new one in the place of a
/// damaged one.
pub(super) fn open_disk(dir: &Path, now: Timestamp) -> Result<Connection, OpenError> {
    salvage::finish(dir)?;
    let opened = open_sound(dir, now);
    match opened {
        Err(error) if error.is_damage() => {
            salvage::replace(dir, now)?;
            open_sound(dir, now)
        }
        Err(OpenError::Database { path, error: error @ StoreError::Database { fault: Fault::Other(_), .. } }) => {
            // The library's "I/O error" has many causes; the file system names its own.
            let error = folder::probe(dir).err().map_or(error, StoreError::from);
            Err(OpenError::Database { path, error })
        }
        other => other,
    }
}

fn open_sound(dir: &Path, now: Timestamp) -> Result<Connection, OpenError> {
    let path = folder::prepare(dir)?;
    if salvage::log_is_broken(&path) {
        let error = StoreError::Database { fault: Fault::Damaged, source: None };
        return Err(OpenError::Database { path, error });
    }
    let db = schema::open(&path).map_err(|refusal| refusal.at(&path))?;
    let looked = || {
        // What a start reads of tables that were not looked through, or by an index of theirs.
        mail::next_id(&db)?;
        mail::depths(&db)?;
        runs::states(&db)?;
        runs::running(&db)?;
        runs::last_run(&db)?;
        runs::last_end(&db)?;
        mail::repair(&db, now)
    };
    match looked().map_err(StoreError::from) {
        Err(error) if error.is_damage() => Err(OpenError::Database { path, error }),
        // A disk that is full can still be read.
        _ => Ok(db),
    }
}

impl Core {
    /// Takes an opened database over. Sets the first block of run numbers apart.
    pub(super) fn new(
        db: Connection,
        footing: Footing,
        home: Option<Home>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let notes = runs::notes(&db)?;
        let noted = notes.get(NEXT_RUN).and_then(|next| next.parse().ok()).filter(|next| *next <= uint(MOST));
        let mut next_run: u64 = (runs::last_run(&db)? + 1).max(noted.unwrap_or(1));
        let mut next_message = mail::next_id(&db)?;
        if matches!(footing, Footing::Snapshot { blind: true, .. }) {
            // Numbers that the disk cannot have given out: milliseconds since 1970.
            let unused = uint(now.as_millisecond()).max(1 << 40);
            (next_run, next_message) = (unused, unused);
        }
        // What an earlier daemon trusted in; without it, when the last run ended.
        let trusted = notes.get(TRUSTED).and_then(|at| at.parse().ok());
        let last = trusted.and_then(|at| Timestamp::from_microsecond(at).ok()).or(runs::last_end(&db)?);
        let mut core = Self {
            db: Some(db),
            footing,
            home,
            overlay: Overlay::default(),
            lanes: HashMap::new(),
            version: 0,
            next_message,
            last_run: next_run - 1,
            reserved: next_run,
            full_sync: true,
            locked: false,
            trouble: watch::Sender::new(Trouble::default()),
            newest: now,
            retention: retention::Retention::new(last.unwrap_or(now)),
        };
        core.settle_in()?;
        Ok(core)
    }

    /// After a connection was taken: which files it has open, what is to be told, what waits.
    fn settle_in(&mut self) -> Result<(), StoreError> {
        let mut carried = None;
        let failing = match &self.footing {
            Footing::Sound => {
                carried = salvage::noted(self.db()?)?;
                if let Some(home) = &mut self.home {
                    home.opened();
                }
                self.still_failing()
            }
            Footing::Snapshot { why, .. } | Footing::Orphan(why) => Some(why.clone()),
        };
        let unsaved = self.overlay.unsaved.len();
        self.trouble.send_modify(|trouble| {
            (trouble.failing, trouble.unsaved) = (failing, unsaved);
            trouble.carried = carried.or(trouble.carried.take());
        });
        self.recount()
    }

    /// Whether the disk has everything that it was given.
    pub(super) fn is_clean(&self) -> bool {
        self.overlay.is_empty()
    }

    /// A time came by.
    pub(super) fn saw(&mut self, at: Timestamp) {
        self.newest = at;
    }

    /// The connection, to read.
    pub(super) fn db(&mut self) -> Result<&mut Connection, StoreError> {
        self.db.as_mut().ok_or(StoreError::Closed)
    }

    /// The connection, to write: an error where it does not lead to the disk.
    pub(super) fn disk(&mut self) -> Result<&mut Connection, StoreError> {
        if let Footing::Snapshot { why, .. } | Footing::Orphan(why) = &self.footing {
            return Err(why.clone());
        }
        if self.home.as_ref().is_some_and(|home| !home.is_in_place()) {
            self.write_anew()?;
        }
        self.db()
    }

    /// Runs that were in progress when the daemon died stand in the history. They stay among the runs in progress until
    /// the daemon has told of them: it may die before that, and records them again. What something else started may go on.
    pub(super) fn note_interrupted(&mut self, runs: &[RunningRow], now: Timestamp) {
        for run in runs.iter().filter(|run| run.trigger != Trigger::Reported) {
            let _told_by_trouble = self.writing(|core| Ok(runs::put(core.disk()?, &RunRow::interrupted(run, now))?));
        }
    }

    /// Why the connection does not lead to the disk, where it does not.
    pub(super) fn footing(&self) -> Result<(), StoreError> {
        match &self.footing {
            Footing::Sound => Ok(()),
            Footing::Snapshot { why, .. } | Footing::Orphan(why) => Err(why.clone()),
        }
    }

    /// Tries the disk again, where it could not be used.
    pub(super) fn reopen(&mut self) -> Result<bool, StoreError> {
        match &self.footing {
            Footing::Sound => return Ok(false),
            Footing::Orphan(_) => self.write_anew()?,
            Footing::Snapshot { blind, .. } => {
                let blind = *blind;
                let Some(home) = &mut self.home else { return Ok(false) };
                home.lock()?;
                let db = open_disk(&home.dir, self.newest).map_err(OpenError::trouble)?;
                if blind {
                    self.interrupt_strangers(&db)?;
                }
                self.take(db)?;
            }
        }
        Ok(true)
    }

    /// Takes a database over that has what the connection led to until now.
    fn take(&mut self, db: Connection) -> Result<(), StoreError> {
        self.next_message = self.next_message.max(mail::next_id(&db)?);
        self.last_run = self.last_run.max(runs::last_run(&db)?);
        // Whatever was set apart is to be set apart in this one.
        self.reserved = self.last_run + 1;
        self.db = Some(db);
        (self.footing, self.full_sync, self.locked) = (Footing::Sound, true, false);
        self.settle_in()
    }

    /// Runs that were in progress when an earlier daemon died, and that this one could not know of at its start.
    fn interrupt_strangers(&self, db: &Connection) -> Result<(), StoreError> {
        for run in runs::running(db)? {
            runs::finish(db, &RunRow::interrupted(&run, self.newest))?;
        }
        Ok(())
    }

    /// The database or its lock was removed or replaced: everything is written to a new file in its place. What stands
    /// there by now is kept under another name.
    fn write_anew(&mut self) -> Result<(), StoreError> {
        match self.copy_anew() {
            Ok(kept_as) => {
                let dir = self.home.as_ref().map(|home| home.dir.clone()).ok_or(StoreError::Closed)?;
                self.db = None;
                folder::switch(&dir, &kept_as).map_err(OpenError::trouble)?;
                let db = open_disk(&dir, self.newest).map_err(OpenError::trouble)?;
                self.take(db)
            }
            Err(why) => {
                self.footing = Footing::Orphan(why.clone());
                Err(why)
            }
        }
    }

    /// Writes everything to a new file. The answer is under which name that is kept which stands in its place.
    fn copy_anew(&mut self) -> Result<PathBuf, StoreError> {
        let home = self.home.as_mut().ok_or(StoreError::Closed)?;
        home.lock()?;
        let kept_as = folder::free_name(&home.dir, "found", self.newest).map_err(OpenError::trouble)?;
        let new = folder::begin_successor(&home.dir).map_err(OpenError::trouble)?;
        let db = self.db.as_ref().ok_or(StoreError::Closed)?;
        let count = |table: &str| db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0));
        let (messages, jobs) = (uint(count("message")?), uint(count("job")?));
        let carried = CarriedOver { cause: Cause::Moved, kept_as, messages, jobs, unreadable: 0 };
        let note = serde_json::to_string(&carried).map_err(|error| StoreError::other(error.to_string()))?;
        runs::put_note(db, salvage::NOTE, Some(&note))?;
        db.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
        Ok(carried.kept_as)
    }

    /// The database was found damaged: a new one takes its place, or, where there is no room for one, what can be read of
    /// it is kept in memory until there is.
    fn replace_damaged(&mut self) -> Result<(), StoreError> {
        let Some(home) = &self.home else { return Err(StoreError::Closed) };
        let dir = home.dir.clone();
        self.db = None;
        let replaced = salvage::replace(&dir, self.newest).and_then(|_| open_disk(&dir, self.newest));
        match replaced {
            Ok(db) => self.take(db),
            Err(error) => {
                let Snapshot { db, blind } = stand_in::snapshot(&dir, self.newest)?;
                self.db = Some(db);
                self.footing = Footing::Snapshot { blind, why: error.trouble() };
                self.settle_in()
            }
        }
    }

    /// Everything that a daemon begins with, and the first run numbers set apart.
    pub(super) fn load(&mut self) -> Result<Loaded, StoreError> {
        let next_run = self.last_run + 1;
        let block = next_run + BLOCK;
        self.synchronous(true)?;
        // A disk that is full is no reason not to start: `trouble` says so, and it is tried again with the first run.
        if self.writing(|core| Ok(runs::put_note(core.disk()?, NEXT_RUN, Some(&block.to_string()))?)).is_ok() {
            self.reserved = block;
        }
        let (mut notes, jobs) = self.read(|db| Ok((runs::notes(db)?, runs::states(db)?)))?;
        let told = self.read(mail::all_told)?;
        let (holds, passed) = self.read(|db| Ok((holds::all(db)?, runs::passed(db)?)))?;
        let known = notes.get(NEXT_HOLD).and_then(|next| next.parse().ok()).unwrap_or(1);
        let next_hold = holds.iter().map(|hold| hold.id + 1).max().unwrap_or(1).max(known);
        for ours in [NEXT_RUN, NEXT_HOLD, TRUSTED, salvage::NOTE] {
            notes.remove(ours);
        }
        Ok(Loaded { jobs, notes, holds, next_hold, passed, next_run, told })
    }

    /// Up to which number (exclusive) runs may be numbered before the disk has to hear of it.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Writes; how that went is what [`Trouble`] says.
    pub(super) fn writing<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut done = self.trying(&mut work);
        if done.as_ref().is_err_and(StoreError::is_full_disk) && self.shorten_log() {
            done = self.trying(work);
        }
        let failing = match &done {
            Ok(_) => self.still_failing(),
            Err(error) => Some(error.clone()),
        };
        self.wait_for_others(failing.as_ref().is_some_and(StoreError::is_locked));
        let unsaved = self.overlay.unsaved.len();
        self.trouble.send_if_modified(|trouble| {
            let changed = trouble.failing != failing || trouble.unsaved != unsaved;
            trouble.failing = failing;
            trouble.unsaved = unsaved;
            changed
        });
        done
    }

    /// Sets how long statements wait for another process. What is known to be locked is not waited for again and again: each
    /// alert would wait as often as something is written for it.
    fn wait_for_others(&mut self, locked: bool) {
        if self.locked != locked
            && let Some(db) = &self.db
        {
            let patience = if locked { schema::LITTLE_PATIENCE } else { schema::PATIENCE };
            self.locked = locked && db.busy_timeout(patience).is_ok();
        }
    }

    /// On a small disk it may be the log that fills it, which is not needed once its pages are in the database. The answer is
    /// whether there is none any more.
    fn shorten_log(&mut self) -> bool {
        let Ok(db) = self.db() else { return false };
        match db.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |row| row.get::<_, i64>(0)) {
            Ok(busy) => busy == 0,
            Err(error) => {
                tracing::debug!(%error, "the log of the database could not be written into it");
                false
            }
        }
    }

    /// Why the trouble is not over although something could be written: on a full disk a small row may fit where a message
    /// does not.
    fn still_failing(&self) -> Option<StoreError> {
        let failing = self.trouble.borrow().failing.clone()?;
        let Some(home) = &self.home else { return None };
        match self.overlay.is_empty() {
            // That there was nothing to write does not say that it could be written.
            true if failing.is_locked() => {
                self.db.as_ref()?.execute_batch("BEGIN IMMEDIATE; ROLLBACK").err().map(StoreError::from)
            }
            true => folder::probe(&home.dir).err().map(StoreError::from),
            false => Some(failing),
        }
    }

    /// Looks whether the disk is well again; nothing else was to be written.
    pub(super) fn look_again(&mut self) -> Result<(), StoreError> {
        self.footing()?;
        if self.trouble.borrow().failing.is_some() {
            self.writing(|core| core.disk().map(drop))?;
        }
        match &self.trouble.borrow().failing {
            Some(failing) => Err(failing.clone()),
            None => Ok(()),
        }
    }

    /// Reads or writes; a damaged file is replaced, and the work tried on the new one.
    fn trying<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = work(self);
        if done.as_ref().is_err_and(StoreError::is_damage) && self.home.is_some() {
            return self.replace_damaged().and_then(|()| work(self));
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

    /// The outbox in numbers.
    pub(super) fn outbox_counts(&mut self) -> Result<OutboxCounts, StoreError> {
        if self.overlay.is_empty() {
            return self.read(mail::counts);
        }
        let on_disk = self.read(mail::states)?;
        let left = on_disk.into_iter().filter_map(|(id, state, queued)| Some((self.overlay.state(id, state)?, queued)));
        let all = left.chain(self.overlay.unsaved.values().map(|stored| (stored.state, stored.queued)));
        let mut counts = OutboxCounts::default();
        for (state, queued) in all {
            match state {
                MessageState::Waiting => {
                    counts.waiting += 1;
                    counts.oldest = Some(counts.oldest.map_or(queued, |oldest| oldest.min(queued)));
                }
                MessageState::Late => counts.late += 1,
                MessageState::Dead => counts.dead += 1,
                MessageState::Dropped => {}
            }
        }
        Ok(counts)
    }

    /// Messages of the outbox.
    pub(super) fn outbox_list(&mut self, filter: &OutboxFilter) -> Result<Vec<Stored>, StoreError> {
        let mut rows = self.read(|db| mail::list(db, filter))?;
        if self.overlay.is_empty() {
            return Ok(rows);
        }
        rows.retain_mut(|row| match self.overlay.state(row.id, row.state) {
            Some(state) => {
                row.state = state;
                true
            }
            None => false,
        });
        rows.extend(self.overlay.unsaved.values().filter(|stored| filter.takes(stored)).cloned());
        rows.sort_by_key(|row| row.id);
        if filter.newest_first {
            rows.reverse();
        }
        rows.truncate(if filter.limit == 0 { runs::PAGE } else { filter.limit } as usize);
        Ok(rows)
    }

    /// The time for whoever drives the store in place, where only the times of what is written are known.
    pub(super) fn unclocked(&self) -> Now {
        let since = crate::clock::between(Timestamp::UNIX_EPOCH, self.newest);
        Now { wall: self.newest, mono: Mono(since) }
    }

    /// Clears away in proportion to what was written. The answer is whether there may be more to do.
    pub(super) fn keep_limits(&mut self, now: Now) -> bool {
        while self.retention.is_due() {
            if self.clear_away(now).is_err() {
                return false;
            }
        }
        true
    }

    /// The same for a database that lives in memory, which no thread looks after.
    pub(super) fn keep_limits_in_memory(&mut self) {
        if self.home.is_none() {
            self.keep_limits(self.unclocked());
        }
    }

    /// One step of the clearing away.
    pub(super) fn clear_away(&mut self, now: Now) -> Result<bool, StoreError> {
        if !matches!(self.footing, Footing::Sound) {
            return Ok(false);
        }
        // A crash of the machine that brings old history back costs nothing.
        self.synchronous(false)?;
        let step = self.trying(|core| {
            core.db()?;
            let db = core.db.as_ref().ok_or(StoreError::Closed)?;
            retention::step(db, &mut core.retention, now)
        })?;
        self.gave_up_letters(step.dead);
        if step.pruned {
            self.remember_trusted_time()?;
        }
        Ok(step.more)
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
    pub(super) fn recount(&mut self) -> Result<(), StoreError> {
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

    /// A channel's oldest messages of a class that may be tried at `now`, but for some. A single one comes with its
    /// attachment.
    pub(super) fn heads(
        &mut self,
        channel: &Channel,
        class: Class,
        limit: usize,
        without: &[MessageId],
        now: Timestamp,
    ) -> Result<Heads, StoreError> {
        let limit = limit + without.len();
        let more = limit + self.overlay.unsettled.len() + self.overlay.retries.len();
        // Which of them wait for one that is settled in memory, only the overlay knows.
        let held = !self.overlay.is_empty();
        let read = self.trying(|core| Ok(mail::heads(core.db()?, (channel, class), more, now, held)?));
        // What is held in memory goes out although the disk cannot even be read.
        let disk = match read {
            Ok(heads) => heads,
            Err(error) if self.overlay.unsaved.is_empty() => return Err(error),
            Err(_) => Heads::default(),
        };
        let known = if held { self.known(channel).unwrap_or_default() } else { Known::default() };
        let mut heads = self.overlay.heads((disk, &known), channel, class, limit, now);
        let limit = limit - without.len();
        heads.rows.retain(|stored| !without.contains(&stored.id));
        heads.rows.truncate(limit);
        if limit == 1
            && let Some(row) = heads.rows.first_mut()
            && row.message.attachment.is_none()
        {
            row.message.attachment = mail::attachment(self.db()?, row.id)?;
        }
        Ok(heads)
    }

    /// What the disk knows of the incidents of messages that it does not have.
    fn known(&mut self, channel: &Channel) -> Result<Known, StoreError> {
        let incidents = self.overlay.incidents(channel);
        self.read(|db| {
            let mut roots = HashMap::new();
            for incident in &incidents {
                if let Some(root) = mail::root(db, channel, *incident)? {
                    roots.insert(*incident, root);
                }
            }
            Ok(Known { peers: mail::peers(db, channel)?, roots })
        })
    }

    /// The first messages of incidents, by their numbers: in each channel one.
    pub(super) fn threads(&mut self, incidents: &[u64]) -> Result<HashMap<u64, Vec<(Channel, Parent)>>, StoreError> {
        let mut threads = self.read(|db| mail::threads(db, incidents))?;
        self.overlay.threads(&mut threads);
        Ok(threads)
    }

    /// Makes dead letters of alerts that wait since before `cutoff`. The answer is how many.
    pub(super) fn expire(&mut self, cutoff: Timestamp, why: &str) -> Result<usize, StoreError> {
        let mut count = self.overlay.expire(cutoff, why);
        let oldest = self.trying(|core| Ok(mail::oldest(core.db()?)?))?;
        if oldest.is_some_and(|oldest| oldest < cutoff) {
            self.synchronous(true)?;
            // While the disk fails, which `trouble` tells, what is on it does not grow too old.
            count += self.writing(|core| Ok(mail::expire(core.disk()?, cutoff, why)?)).unwrap_or(0);
        }
        if count > 0 {
            self.trying(Self::recount)?;
        }
        Ok(count)
    }

    /// Everything that is to be known of the outbox now and then, at one go.
    pub(super) fn poll(&mut self, cutoff: Timestamp, why: &str) -> OutboxPoll {
        // Somebody may have removed the database since; an idle daemon looks no more often than this.
        let _told = self.writing(|core| core.disk().map(drop));
        let expired = self.expire(cutoff, why);
        let depths = self.depths(true);
        let dead_letters = self.read(mail::any_dead).unwrap_or(true);
        let dropped = self.take_dropped().unwrap_or_default();
        OutboxPoll { expired, depths, dropped, dead_letters }
    }

    /// The alerts that somebody dropped since they were asked for last. What cannot be read now is there at the next look.
    fn take_dropped(&mut self) -> Result<Vec<Stored>, StoreError> {
        if !self.read(mail::any_dropped)? {
            return Ok(Vec::new());
        }
        self.change(mail::take_dropped)
    }

    /// Sends what waits for one channel to another.
    pub(super) fn redirect(&mut self, job: Option<&JobName>, from: &Channel, to: &Channel) -> Result<(), StoreError> {
        self.overlay.redirect(job, from, to);
        self.synchronous(true)?;
        self.writing(|core| Ok(mail::redirect(core.disk()?, job, from, to)?))?;
        self.trying(Self::recount)
    }

    /// A small fact, on disk when it returns.
    pub(super) fn remember(&mut self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.synchronous(true)?;
        self.writing(|core| Ok(runs::put_note(core.disk()?, key, value)?))?;
        // What is held of it is older.
        self.overlay.notes.remove(key);
        Ok(())
    }

    /// Sets messages waiting again.
    pub(super) fn retry(&mut self, ids: &[MessageId], now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::retry(db, ids, now))
    }

    /// Throws messages away.
    pub(super) fn discard(&mut self, ids: &[MessageId], dropped: &Dropped) -> Result<Vec<MessageId>, StoreError> {
        self.change(|db| mail::discard(db, ids, dropped))
    }

    fn change<T>(&mut self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.synchronous(true)?;
        let done = self.writing(|core| {
            let tx = core.disk()?.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
        self.writing(|core| core.write(&[], &Deferred::default()))?;
        let next = (self.last_run + 1).to_string();
        self.remember(NEXT_RUN, Some(&next))?;
        self.reserved = self.last_run + 1;
        self.remember_trusted_time()?;
        // What stays in the log is on disk all the same.
        self.shorten_log();
        Ok(())
    }

    /// The next daemon goes on from here, should the clock be ahead by then.
    fn remember_trusted_time(&mut self) -> Result<(), StoreError> {
        let trusted = self.retention.trusted().as_microsecond().to_string();
        Ok(runs::put_note(self.disk()?, TRUSTED, Some(&trusted))?)
    }

    /// Counts dead letters that were given up.
    fn gave_up_letters(&mut self, count: usize) {
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

    /// Somebody was told that a database took the place of another one.
    pub(super) fn told_of_carried(&mut self) {
        self.trouble.send_if_modified(|trouble| {
            trouble.carried = None;
            false
        });
        // Should it fail it is told once more after the next start.
        let _told = self.remember(salvage::NOTE, None);
    }

    /// Messages that are not on disk.
    pub(super) fn unsaved(&self) -> Vec<Stored> {
        self.overlay.unsaved.values().cloned().collect()
    }
}
