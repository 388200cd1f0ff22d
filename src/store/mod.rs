//! What survives a restart: outbox, history and job state in SQLite. The only SQL.
//!
//! Before it: the daemon's loop, which records runs, and the outbox worker, which settles messages. After it: `state.db`.
//!
//! Promises: a message whose [`Store::record`] has returned `durable` is on disk. History and job state are written in
//! batches, and never make anybody wait. While the disk fails messages are held in memory, answered and delivered as
//! ever, and [`Store::trouble`] says so. One daemon to a state directory; other processes read beside it ([`Reader`]).

mod commit;
mod core;
mod folder;
mod lazy;
mod mail;
mod overlay;
mod reader;
mod retention;
mod runs;
mod salvage;
mod schema;
mod settings;
mod thread;
mod types;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use self::commit::{Answer, Write};
use self::core::Core;
pub use self::folder::OpenError;
use self::lazy::Lazy;
pub use self::reader::Reader;
pub use self::retention::{KEEP_HISTORY, MOST_BYTES, MOST_DEAD_LETTERS};
pub use self::settings::{LIMIT_KEYS, read_history};
use self::thread::{Inbox, Op};
pub use self::types::{
    Class, Depth, Fate, HistoryFilter, JobState, KEPT_OUTPUT, Loaded, Look, MessageId, Opened, OutboxFilter, Record,
    Recorded, RunRow, RunningRow, Salvaged, Settlement, Standing, StoreError, Stored, Tally, ThreadChange, Trouble,
    Which,
};
use crate::id::{Channel, JobName, RunId};

/// The database; clones are handles to the same one. The last one to go writes what waits and closes it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    inbox: Arc<Inbox>,
    trouble: watch::Receiver<Trouble>,
    driver: Driver,
}

enum Driver {
    /// A thread of its own: nothing on disk ever holds up the daemon's loop.
    Thread(Option<JoinHandle<()>>),
    /// Driven in place by whoever calls.
    Inline(Box<Mutex<(Core, Lazy)>>),
}

impl Store {
    /// Opens the state of a daemon: makes and locks the directory, brings the schema up to date, sets a damaged database
    /// aside, and notes the runs that were in progress as interrupted.
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Opened), OpenError> {
        let (core, opened) = open_core(dir, now)?;
        let inbox = Arc::new(Inbox::default());
        let trouble = core.trouble();
        let io = |error| OpenError::Io { path: dir.to_owned(), error };
        let theirs = Arc::clone(&inbox);
        let run = move || thread::work(&theirs, core);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(run).map_err(io)?;
        let driver = Driver::Thread(Some(thread));
        Ok((Self { shared: Arc::new(Shared { inbox, trouble, driver }) }, opened))
    }

    /// The same without a thread: every call is done when it returns. For commands that make one run.
    pub fn open_inline(dir: &Path, now: Timestamp) -> Result<(Self, Opened), OpenError> {
        let (core, opened) = open_core(dir, now)?;
        Ok((Self::inline(core), opened))
    }

    /// A database in memory, driven in place: for `--dry-run` and for simulations, where nothing may take real time.
    pub fn memory(now: Timestamp) -> Result<Self, StoreError> {
        let db = schema::open_in_memory().map_err(|refusal| match refusal {
            schema::Refusal::Error(error) => error,
            schema::Refusal::Newer(_) => StoreError::Closed,
        })?;
        Ok(Self::inline(Core::new(db, None, now)?))
    }

    /// Opens the database of a state directory beside its daemon.
    pub fn open_reader(dir: &Path) -> Result<Reader, OpenError> {
        Reader::open(dir)
    }

    fn inline(core: Core) -> Self {
        let trouble = core.trouble();
        let driver = Driver::Inline(Box::new(Mutex::new((core, Lazy::default()))));
        Self { shared: Arc::new(Shared { inbox: Arc::default(), trouble, driver }) }
    }

    /// How the disk does; changes are for the log.
    pub fn trouble(&self) -> watch::Receiver<Trouble> {
        self.shared.trouble.clone()
    }

    /// Everything that a daemon begins with.
    pub async fn load(&self) -> Result<Loaded, StoreError> {
        self.call(Core::load).await
    }

    /// A run has started. Never waits.
    pub fn begin(&self, run: RunningRow) {
        self.gather(Some(run.id), |lazy| lazy.begin(run));
    }

    /// Keeps what a run leaves behind. With messages it returns when they are on disk (or held, see [`Recorded`]);
    /// without it returns at once, and the rest is on disk within a second.
    pub async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        if record.messages.is_empty() {
            self.keep(record.run, record.state);
            return Ok(Recorded { ids: Vec::new(), durable: true });
        }
        self.write(record.into()).await
    }

    /// Keeps a run that nothing is said about, and what is remembered of its job. Never waits; on disk within a second.
    pub fn keep(&self, run: Option<RunRow>, state: Option<(JobName, JobState)>) {
        self.gather(run.as_ref().map(|run| run.id), |lazy| {
            if let Some(run) = run {
                lazy.finish(run);
            }
            if let Some((job, state)) = state {
                lazy.remember(job, state);
            }
        });
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
                let (reply, answer) = oneshot::channel();
                self.shared.inbox.push(Op::Flush(reply));
                answer.await.unwrap_or(Err(StoreError::Closed))
            }
        }
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

    /// Clears away one step's worth of old history; the answer is whether there is more. The thread does this by itself;
    /// this is for whoever drives the database in place.
    pub async fn tend(&self) -> Result<bool, StoreError> {
        self.call(Core::tend).await
    }

    /// Runs, newest first, without their output.
    pub async fn history(&self, filter: HistoryFilter) -> Result<Vec<RunRow>, StoreError> {
        self.call(move |core| core.read(|db| runs::history(db, &filter))).await
    }

    /// Counts the runs that ended after `since` and not after `until`, one step from the newest on, or from below a run.
    pub async fn tally(&self, below: Option<RunId>, since: Timestamp, until: Timestamp) -> Result<Tally, StoreError> {
        self.call(move |core| core.read(|db| runs::tally(db, below, (since, until), runs::STEP))).await
    }

    /// One run with its output.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        self.call(move |core| core.read(|db| runs::run(db, id))).await
    }

    /// Waits until a message came in since the last time that this was asked.
    pub async fn arrived(&self) {
        self.shared.inbox.arrived.notified().await;
    }

    /// How much waits, by channel; counted anew when `anew`, else from what is known.
    pub async fn depths(&self, anew: bool) -> Result<Vec<(Channel, Depth)>, StoreError> {
        self.call(move |core| core.depths(anew)).await
    }

    /// A channel's oldest messages; a single one comes with its attachment.
    pub async fn heads(&self, channel: Channel, which: Which, limit: usize) -> Result<Vec<Stored>, StoreError> {
        self.call(move |core| core.heads(&channel, which, limit)).await
    }

    /// Writes what came of messages; on disk (or held) when it returns.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), StoreError> {
        self.write(Write::Settle(settlement)).await.map(drop)
    }

    /// Makes dead letters of alerts that wait since before `cutoff`, with `why`: their channels are to be told. Then looks
    /// at all that waits, counting it anew.
    pub async fn look(&self, cutoff: Timestamp, why: String) -> Result<Look, StoreError> {
        self.call(move |core| Ok(core.look(cutoff, &why))).await
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
        self.call(move |core| core.read(|db| mail::list(db, &filter))).await
    }

    /// Sets messages waiting again, from `now` on. The answer is which there were.
    pub async fn outbox_retry(&self, ids: Vec<MessageId>, now: Timestamp) -> Result<Vec<MessageId>, StoreError> {
        let found = self.call(move |core| core.retry(&ids, now)).await;
        self.shared.inbox.arrived.notify_one();
        found
    }

    /// Throws messages away. The answer is which there were.
    pub async fn outbox_drop(&self, ids: Vec<MessageId>) -> Result<Vec<MessageId>, StoreError> {
        self.call(move |core| core.discard(&ids)).await
    }

    fn gather(&self, run: Option<RunId>, put: impl FnOnce(&mut Lazy)) {
        match &self.shared.driver {
            Driver::Thread(_) => self.shared.inbox.gather(run, put),
            Driver::Inline(state) => {
                let (core, lazy) = &mut *lock(state);
                put(lazy);
                if lazy.len() >= thread::CHUNK {
                    // A failure is told by `trouble`, and what was not written waits on.
                    let _told = write_all(core, lazy);
                }
            }
        }
    }

    async fn write(&self, write: Write) -> Answer {
        match &self.shared.driver {
            Driver::Inline(_) => self.in_place(|core, lazy| {
                let (reply, mut answer) = oneshot::channel();
                // A failure is told by `trouble`; what the record says is newer than what is left then.
                let _told = write_all(core, lazy);
                if let Write::Record(record) = &write {
                    lazy.overtaken(record);
                }
                thread::perform(core, vec![Op::Write(write, reply)], lazy, &mut Vec::new(), &self.shared.inbox.arrived);
                answer.try_recv().unwrap_or(Err(StoreError::Closed))
            }),
            Driver::Thread(_) => {
                let (reply, answer) = oneshot::channel();
                self.shared.inbox.push(Op::Write(write, reply));
                answer.await.unwrap_or(Err(StoreError::Closed))
            }
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.shared.driver {
            Driver::Inline(_) => self.in_place(|core, lazy| {
                // A failure is told by `trouble`.
                let _told = write_all(core, lazy);
                work(core)
            }),
            Driver::Thread(_) => {
                let (reply, answer) = oneshot::channel();
                // The caller may have gone away; the work is done all the same.
                let call = move |core: &mut Core| drop(reply.send(work(core)));
                self.shared.inbox.push(Op::Call(Box::new(call)));
                answer.await.unwrap_or(Err(StoreError::Closed))
            }
        }
    }

    fn tell(&self, work: impl FnOnce(&mut Core) + Send + 'static) {
        match &self.shared.driver {
            Driver::Inline(state) => work(&mut lock(state).0),
            Driver::Thread(_) => self.shared.inbox.push(Op::Call(Box::new(work))),
        }
    }

    fn in_place<T>(&self, work: impl FnOnce(&mut Core, &mut Lazy) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let Driver::Inline(state) = &self.shared.driver else { return Err(StoreError::Closed) };
        let (core, lazy) = &mut *lock(state);
        work(core, lazy)
    }
}

fn lock(state: &Mutex<(Core, Lazy)>) -> MutexGuard<'_, (Core, Lazy)> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(core: &mut Core, lazy: &mut Lazy) -> Result<(), StoreError> {
    while !lazy.is_empty() || !core.is_clean() {
        let chunk = lazy.take(thread::CHUNK);
        core.write_lazy(chunk, lazy)?;
    }
    Ok(())
}

fn open_core(dir: &Path, now: Timestamp) -> Result<(Core, Opened), OpenError> {
    let lock = folder::lock(dir)?;
    let path = folder::prepare(dir)?;
    let mut opened = Opened::default();
    let at = |error: StoreError| OpenError::Database { path: path.clone(), error };
    let db = match schema::open(&path) {
        Err(refusal) if refusal.corrupt() => {
            let aside = folder::set_aside(dir, now)?;
            folder::prepare(dir)?;
            let mut db = schema::open(&path).map_err(|refusal| refusal.at(&path))?;
            opened.salvaged = salvage::carry_over(&aside, &mut db).map_err(at)?;
            opened.set_aside = Some(aside);
            db
        }
        other => other.map_err(|refusal| refusal.at(&path))?,
    };
    opened.interrupted = runs::running(&db).map_err(|error| at(error.into()))?;
    for run in &opened.interrupted {
        // They stay among the runs in progress until the daemon has told of them: it may die before that. A disk that is
        // full is no reason not to start either: the daemon records them again.
        let _unwritten = runs::put(&db, &RunRow::interrupted(run, now));
    }
    let core = Core::new(db, Some((dir.to_owned(), lock)), now).map_err(at)?;
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
                let (core, lazy) = state.get_mut().unwrap_or_else(PoisonError::into_inner);
                // Told by `close`, which comes before.
                let _told = write_all(core, lazy).and_then(|()| core.finish());
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
