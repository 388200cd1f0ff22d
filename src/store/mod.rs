//! What survives a restart: outbox, history and job state in SQLite. The only SQL.
//!
//! Before it: the daemon's loop, which records runs, and the outbox worker, which settles messages. After it: `state.db`.
//!
//! Promises: a message whose [`Store::record`] has returned `durable` is on disk. History and job state are written in
//! batches, and never make anybody wait. While the disk fails messages are held in memory, answered and delivered as
//! ever, and [`Store::trouble`] says so. One daemon to a state directory; other processes read beside it ([`Reader`]).

mod change;
mod columns;
mod commit;
mod core;
mod deferred;
mod folder;
mod holds;
mod leaves;
mod mail;
mod overlay;
mod reader;
mod retention;
mod rows;
mod runs;
mod salvage;
mod schema;
mod settings;
pub mod spool;
mod stand_in;
mod thread;
mod trusted;
mod types;
mod wal;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::change::{Answer, Write};
use self::core::{Core, Footing, Home};
use self::deferred::Deferred;
pub use self::folder::{OpenError, make_dir};
pub use self::reader::Reader;
pub use self::retention::{MOST_BYTES, MOST_DEAD_LETTERS};
pub use self::settings::{LIMIT_KEYS, read_history};
use self::stand_in::Snapshot;
use self::thread::{Inbox, Op};
pub use self::types::{
    CarriedOver, Cause, Class, Depth, Details, Disposition, Fault, FollowUp, Heads, HistoryFilter, JobState,
    KEPT_OUTPUT, Loaded, MessageId, MessageState, Opened, OutboxCounts, OutboxFilter, OutboxPoll, Progress, Record,
    Recorded, RunRow, RunningRow, Settlement, StoreError, Stored, Strip, Tally, ThreadChange, Trouble, Untold,
};
use crate::exec::ProcessId;
use crate::id::{Channel, JobName, RunId};
use crate::message::Message;
use crate::notify::Parent;
use crate::policy::{Dropped, Event, Hold};

/// The database; clones are handles to the same one. The last one to go writes what waits and closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// So long the store's thread may be without an answer; then its disk counts as one that hangs, which [`Store::trouble`] says.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// So long somebody who only looks waits for an answer.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

struct Shared {
    inbox: Arc<Inbox>,
    trouble: watch::Sender<Trouble>,
    /// The state directory, where there is one.
    dir: Option<PathBuf>,
    driver: Driver,
}

enum Driver {
    /// A thread of its own: nothing on disk ever holds up the daemon's loop.
    Thread(Option<JoinHandle<()>>),
    /// Driven in place by whoever calls.
    Inline(Box<Mutex<(Core, Deferred)>>),
}

impl Store {
    /// Opens the state of a daemon: makes and locks the directory, brings the schema up to date, and puts a new database in
    /// the place of a damaged one. Where the disk cannot be used it begins in memory, and [`Store::trouble`] says why.
    #[expect(clippy::disallowed_methods, reason = "the door of threads: the one that owns the database")]
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Opened), OpenError> {
        let (core, opened) = open_core(dir, now)?;
        let inbox = Arc::new(Inbox::default());
        let trouble = core.trouble.clone();
        let io = |error| OpenError::Io { path: dir.to_owned(), error };
        let theirs = Arc::clone(&inbox);
        let run = move || thread::work(&theirs, core);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(run).map_err(io)?;
        let driver = Driver::Thread(Some(thread));
        Ok((Self { shared: Arc::new(Shared { inbox, trouble, dir: Some(dir.to_owned()), driver }) }, opened))
    }

    /// The same without a thread: every call is done when it returns. For simulations of a daemon's life, where nothing may take
    /// real time.
    pub fn open_inline(dir: &Path, now: Timestamp) -> Result<(Self, Opened), OpenError> {
        let (core, opened) = open_core(dir, now)?;
        Ok((Self::inline(core), opened))
    }

    /// A database in memory, driven in place: for `--dry-run` and for simulations, where nothing may take real time.
    pub fn memory(now: Timestamp) -> Result<Self, StoreError> {
        let db = schema::open_in_memory().map_err(schema::Refusal::error)?;
        Ok(Self::inline(Core::new(db, Footing::Sound, None, now)?))
    }

    /// Opens the database of a state directory beside its daemon.
    pub fn open_reader(dir: &Path) -> Result<Reader, OpenError> {
        Reader::open(dir)
    }

    fn inline(mut core: Core) -> Self {
        let now = core.unclocked();
        core.retention.advance(now);
        let trouble = core.trouble.clone();
        let driver = Driver::Inline(Box::new(Mutex::new((core, Deferred::default()))));
        Self { shared: Arc::new(Shared { inbox: Arc::default(), trouble, dir: None, driver }) }
    }

    /// The state directory; none for a database in memory.
    pub fn dir(&self) -> Option<&Path> {
        self.shared.dir.as_deref()
    }

    /// The health of the disk; changes are for the log.
    pub fn trouble(&self) -> watch::Receiver<Trouble> {
        self.shared.trouble.subscribe()
    }

    /// Everything that a daemon begins with.
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        self.call(Core::load).await
    }

    /// A run has started. Never waits.
    pub fn begin(&self, run: RunningRow) {
        self.gather(Some(run.id), |deferred| deferred.begin(run));
    }

    /// A run in progress has a process, its first or another. Never waits.
    pub fn has_process(&self, run: RunId, process: ProcessId) {
        self.gather(Some(run), |deferred| deferred.has_process(run, process));
    }

    /// Keeps what a run leaves behind. With messages it returns when they are on disk (or held, see [`Recorded`]);
    /// without it returns at once, and the rest is on disk within a second.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        if record.messages.is_empty() {
            let mut states = record.states.into_iter();
            self.keep(record.run, states.next());
            states.for_each(|state| self.keep(None, Some(state)));
            return Ok(Recorded { ids: Vec::new(), durable: true });
        }
        self.write(record.into()).await
    }

    /// Keeps a run that nothing is said about, and what is remembered of its job. Never waits; on disk within a second.
    pub fn keep(&self, run: Option<RunRow>, state: Option<(JobName, JobState)>) {
        self.gather(run.as_ref().map(|run| run.id), |deferred| {
            if let Some(run) = run {
                deferred.finish(run);
            }
            if let Some((job, state)) = state {
                deferred.remember(job, state);
            }
        });
    }

    /// Keeps all holds as they are from here on, and the number of the next. Never waits; on disk within a second.
    pub fn keep_holds(&self, holds: Vec<Hold>, next: u64) {
        self.gather(None, |deferred| deferred.hold(holds, next));
    }

    /// Keeps a small fact under a name, or forgets it; on disk when it returns.
    pub async fn remember(&self, key: &'static str, value: Option<String>) -> Result<(), StoreError> {
        self.call(move |core| core.remember(key, value.as_deref())).await
    }

    /// Writes everything that waits. An error says that not all of it is on disk.
    pub async fn flush(&self) -> Result<(), StoreError> {
        match &self.shared.driver {
            Driver::Inline(_) => self.in_place(write_all),
            Driver::Thread(_) => {
                let (reply, mut answer) = oneshot::channel();
                self.shared.inbox.push(Op::Flush(reply));
                self.answered(&mut answer, LONGEST_ANSWER).await
            }
        }
    }

    /// Lets what happened just now reach the disk, for whoever looks at once. What takes long is not waited for.
    pub async fn catch_up(&self) {
        if !self.hangs() {
            // Told by `trouble`.
            let _told = tokio::time::timeout(LONGEST_LOOK, self.flush()).await;
        }
    }

    /// Somebody was told that a database took the place of another one. Never waits.
    pub fn told_of_carried(&self) {
        self.tell(Core::told_of_carried);
    }

    /// Messages that are in memory alone: what a stop leaves behind when the disk does not take it.
    pub async fn unsaved(&self) -> Result<Vec<Stored>, StoreError> {
        self.call(|core| Ok(core.unsaved())).await
    }

    /// The end of a daemon: writes everything and gives back the run numbers that were set apart. The database closes
    /// when the last handle goes.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.flush().await?;
        self.call(Core::finish).await
    }

    /// How long history is kept, from now on. The clearing away is done in the background.
    pub fn keep_history(&self, keep: Duration) {
        self.tell(move |core| core.retention.keep = keep);
    }

    /// How many bytes the database may take, from now on: [`MOST_BYTES`] where nothing is said.
    pub fn keep_bytes(&self, most: u64) {
        self.tell(move |core| core.retention.most_bytes = most);
    }

    /// Runs, newest first, without their output.
    pub async fn history(&self, filter: HistoryFilter) -> Result<Vec<RunRow>, StoreError> {
        let limit = if filter.limit == 0 { runs::PAGE } else { filter.limit } as usize;
        let wanted = filter.clone();
        let mut rows = self.look(move |db| runs::history(db, &filter)).await?;
        // Looked at after the disk: what is written meanwhile is in one of the two.
        let unwritten = self.unwritten(|run| wanted.takes(run), limit);
        if !unwritten.is_empty() {
            rows.retain(|row| unwritten.iter().all(|run| run.id != row.id));
            rows.extend(unwritten.into_iter().map(RunRow::without_output));
            rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
            rows.truncate(limit);
        }
        Ok(rows)
    }

    /// Counts the runs that ended after `since` and not after `until`, one step from the newest on, or from below a run.
    pub async fn tally(&self, below: Option<RunId>, since: Timestamp, until: Timestamp) -> Result<Tally, StoreError> {
        self.call(move |core| core.read(|db| runs::tally(db, below, (since, until), runs::STEP))).await
    }

    /// The last runs of some jobs, the newest first: status, and how long each took where that is known.
    pub async fn strips(
        &self,
        jobs: Vec<JobName>,
        length: u32,
    ) -> Result<std::collections::HashMap<JobName, Strip>, StoreError> {
        self.look(move |db| runs::strips(db, &jobs, length)).await
    }

    /// The first messages of incidents, by their numbers: in each channel one.
    pub async fn threads(
        &self,
        incidents: Vec<u64>,
    ) -> Result<std::collections::HashMap<u64, Vec<(Channel, Parent)>>, StoreError> {
        if self.hangs() {
            return Err(StoreError::hangs());
        }
        self.call_for(move |core| core.threads(&incidents), LONGEST_LOOK).await
    }

    /// The outbox in numbers.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.look_at(Core::outbox_counts).await
    }

    /// One run with its output.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        match self.look(move |db| runs::run(db, id)).await {
            Ok(Some(row)) => Ok(Some(row)),
            none => self.unwritten(|run| run.id == id, 1).pop().map_or(none, |run| Ok(Some(run))),
        }
    }

    /// The newest of some runs that are over and not on disk: it is on its way, or the disk does not take it.
    fn unwritten(&self, is_wanted: impl Fn(&RunRow) -> bool, most: usize) -> Vec<RunRow> {
        let of = |deferred: &Deferred| {
            let wanted = deferred.runs.iter().rev().filter(|run| is_wanted(run));
            wanted.take(most).cloned().collect()
        };
        match &self.shared.driver {
            Driver::Inline(state) => of(&lock(state).1),
            Driver::Thread(_) => self.shared.inbox.deferred(of),
        }
    }

    /// What a run said first.
    pub async fn run_message(&self, id: RunId) -> Result<Option<Message>, StoreError> {
        self.look(move |db| mail::of_run(db, id)).await
    }

    /// Which of these runs were told of afterwards: when, and as what.
    pub async fn told_later(
        &self,
        runs: Vec<Untold>,
    ) -> Result<std::collections::HashMap<RunId, (Timestamp, Event)>, StoreError> {
        self.look(move |db| mail::told_later(db, &runs)).await
    }

    /// Waits until a message came in since the last time that this was asked.
    pub async fn arrived(&self) {
        self.shared.inbox.arrived.notified().await;
    }

    /// How much waits, by channel; counted anew when `anew`, else from what is known.
    pub async fn depths(&self, anew: bool) -> Result<Vec<(Channel, Depth)>, StoreError> {
        self.call(move |core| core.depths(anew)).await
    }

    /// A channel's oldest messages of a class that may be tried at `now`, but for some; a single one comes with its
    /// attachment.
    pub async fn heads(
        &self,
        channel: Channel,
        class: Class,
        limit: usize,
        without: Vec<MessageId>,
        now: Timestamp,
    ) -> Result<Heads, StoreError> {
        self.call(move |core| core.heads(&channel, class, limit, &without, now)).await
    }

    /// Writes what came of messages; on disk (or held) when it returns.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), StoreError> {
        self.write(settlement.into()).await.map(drop)
    }

    /// Makes dead letters of alerts that wait since before `cutoff`, with `why`: their channels are to be told. Then looks
    /// at all that waits, counting it anew.
    pub async fn poll(&self, cutoff: Timestamp, why: String) -> Result<OutboxPoll, StoreError> {
        self.call(move |core| Ok(core.poll(cutoff, &why))).await
    }

    /// When each channel was last written to.
    pub async fn last_sent(&self) -> Result<std::collections::HashMap<Channel, Timestamp>, StoreError> {
        self.call(|core| core.read(mail::sent)).await
    }

    /// Sends what waits for one channel to another: of one job, or of all. For a reload that changed a channel.
    pub async fn redirect(&self, job: Option<JobName>, from: Channel, to: Channel) -> Result<(), StoreError> {
        self.call(move |core| core.redirect(job.as_ref(), &from, &to)).await?;
        self.shared.inbox.arrived.notify_one();
        Ok(())
    }

    /// Messages in the outbox, oldest first, without their attachments. What is held while the disk fails is not listed.
    pub async fn outbox_list(&self, filter: OutboxFilter) -> Result<Vec<Stored>, StoreError> {
        self.look_at(move |core| core.outbox_list(&filter)).await
    }

    /// Sets messages waiting again, from `now` on. The answer is which there were.
    pub async fn outbox_retry(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        let found = self.call(move |core| core.retry(&ids, now)).await;
        self.shared.inbox.arrived.notify_one();
        found
    }

    /// Throws messages away. The answer is which there were.
    pub async fn outbox_drop(&self, ids: Vec<MessageId>, dropped: Dropped) -> Result<Vec<MessageId>, StoreError> {
        self.call(move |core| core.discard(&ids, &dropped)).await
    }

    fn gather(&self, run: Option<RunId>, put: impl FnOnce(&mut Deferred)) {
        match &self.shared.driver {
            Driver::Thread(_) => self.shared.inbox.gather(run, put),
            Driver::Inline(state) => {
                let (core, deferred) = &mut *lock(state);
                put(deferred);
                if deferred.len() >= thread::CHUNK {
                    // A failure is told by `trouble`, and what was not written waits on.
                    let _told = write_all(core, deferred);
                }
            }
        }
    }

    async fn write(&self, write: Write) -> Answer {
        match &self.shared.driver {
            Driver::Inline(_) => self.in_place(|core, deferred| {
                let (reply, mut answer) = oneshot::channel();
                // A failure is told by `trouble`; what the record says is newer than what is left then.
                let _told = write_all(core, deferred);
                if let Write::Record(record) = &write {
                    deferred.overtaken(record);
                }
                thread::perform(
                    core,
                    vec![Op::Write(write, reply)],
                    deferred,
                    &mut Vec::new(),
                    &self.shared.inbox.arrived,
                );
                answer.try_recv().unwrap_or(Err(StoreError::Closed))
            }),
            Driver::Thread(_) => {
                let (reply, mut answer) = oneshot::channel();
                self.shared.inbox.push(Op::Write(write, reply));
                match self.answered(&mut answer, LONGEST_ANSWER).await {
                    // It is on its way: whoever asked hears of it when the disk goes on.
                    Err(error) if error.is_hang() => answer.await.unwrap_or(Err(StoreError::Closed)),
                    answer => answer,
                }
            }
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call_for(work, LONGEST_ANSWER).await
    }

    /// Reads for somebody who waits for the answer.
    async fn look<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.hangs() {
            return Err(StoreError::hangs());
        }
        self.call_for(move |core| core.read(&mut work), LONGEST_LOOK).await
    }

    /// The same of what is laid over the disk too.
    async fn look_at<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.hangs() {
            return Err(StoreError::hangs());
        }
        self.call_for(work, LONGEST_LOOK).await
    }

    async fn call_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, StoreError> + Send + 'static,
        longest: Duration,
    ) -> Result<T, StoreError> {
        match &self.shared.driver {
            Driver::Inline(_) => self.in_place(|core, deferred| {
                // A failure is told by `trouble`.
                let _told = write_all(core, deferred);
                work(core)
            }),
            Driver::Thread(_) => {
                let (reply, mut answer) = oneshot::channel();
                // The caller may have gone away; the work is done all the same.
                let call = move |core: &mut Core| drop(reply.send(work(core)));
                self.shared.inbox.push(Op::Call(Box::new(call)));
                self.answered(&mut answer, longest).await
            }
        }
    }

    /// What the thread answers within this time; else that its disk hangs. That is trouble where it is [`LONGEST_ANSWER`]:
    /// the thread takes it back when it goes on.
    async fn answered<T>(
        &self,
        answer: &mut oneshot::Receiver<Result<T, StoreError>>,
        longest: Duration,
    ) -> Result<T, StoreError> {
        if let Ok(answered) = tokio::time::timeout(longest, answer).await {
            return answered.unwrap_or(Err(StoreError::Closed));
        }
        if longest >= LONGEST_ANSWER {
            self.shared.trouble.send_if_modified(|trouble| {
                let is_news = trouble.failing.is_none();
                if is_news {
                    trouble.failing = Some(StoreError::hangs());
                }
                is_news
            });
        }
        Err(StoreError::hangs())
    }

    fn hangs(&self) -> bool {
        self.shared.trouble.borrow().failing.as_ref().is_some_and(StoreError::is_hang)
    }

    fn tell(&self, work: impl FnOnce(&mut Core) + Send + 'static) {
        match &self.shared.driver {
            Driver::Inline(state) => work(&mut lock(state).0),
            Driver::Thread(_) => self.shared.inbox.push(Op::Call(Box::new(work))),
        }
    }

    fn in_place<T>(
        &self,
        work: impl FnOnce(&mut Core, &mut Deferred) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Driver::Inline(state) = &self.shared.driver else { return Err(StoreError::Closed) };
        let (core, deferred) = &mut *lock(state);
        work(core, deferred)
    }
}

fn lock(state: &Mutex<(Core, Deferred)>) -> MutexGuard<'_, (Core, Deferred)> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(core: &mut Core, deferred: &mut Deferred) -> Result<(), StoreError> {
    while !deferred.is_empty() || !core.is_clean() {
        let chunk = deferred.take(thread::CHUNK);
        core.write_deferred(chunk, deferred)?;
    }
    core.keep_limits_in_memory();
    Ok(())
}

/// Opens the state of a daemon. What keeps it from the disk is no reason not to start: it begins in memory then, says so,
/// and tries the disk again. Another daemon in the same directory is one, and so is a database of a later version.
fn open_core(dir: &Path, now: Timestamp) -> Result<(Core, Opened), OpenError> {
    let mut opened = Opened::default();
    let lock = match folder::lock(dir) {
        Err(error @ OpenError::Locked { .. }) => return Err(error),
        lock => lock,
    };
    opened.warnings.extend(folder::others_may_write(dir));
    let (lock, disk) = match lock {
        Ok(lock) => (Some(lock), core::open_disk(dir, now)),
        Err(error) => (None, Err(error)),
    };
    let at = |error: StoreError| OpenError::Database { path: dir.join(folder::DATABASE), error };
    let (db, footing) = match disk {
        Ok(db) => (db, Footing::Sound),
        Err(error @ OpenError::Newer { .. }) => return Err(error),
        Err(error) => {
            let Snapshot { db, blind } = stand_in::snapshot(dir, now).map_err(at)?;
            (db, Footing::Snapshot { blind, why: error.trouble() })
        }
    };
    let mut core = Core::new(db, footing, Some(Home::new(dir, lock)), now).map_err(at)?;
    opened.interrupted = core.read(runs::running).map_err(at)?;
    core.note_interrupted(&opened.interrupted, now);
    Ok((core, opened))
}

impl Drop for Shared {
    fn drop(&mut self) {
        match &mut self.driver {
            Driver::Thread(thread) => {
                self.inbox.close();
                if let Some(thread) = thread.take() {
                    // Writes what waits; that a thread panicked was printed when it did.
                    let _ended = thread.join();
                }
            }
            Driver::Inline(state) => {
                let (core, deferred) = state.get_mut().unwrap_or_else(PoisonError::into_inner);
                // Told by `close`, which comes before.
                let _told = write_all(core, deferred).and_then(|()| core.finish());
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = if matches!(self.shared.driver, Driver::Thread(_)) { "thread" } else { "inline" };
        f.debug_struct("Store").field("driver", &driver).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
