//! Hands what the dispatcher decided to the store, and reads what an earlier process left there.
//!
//! Before it: the dispatcher's entries. After it: the store. Invariant: an entry with messages is on disk before the outbox
//! takes them; one without messages does not make the loop wait.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::dispatcher::{Ended, Entry, Past};
use crate::exec::Run;
use crate::id::JobName;
use crate::message::Message;
use crate::policy::{Decision, Hold};
use crate::store::{self, Details, JobState, Recorded, RunRow, RunningRow, Store, StoreError};

/// What earlier processes left behind.
pub(super) struct Earlier {
    pub(super) jobs: HashMap<JobName, Past>,
    pub(super) next_run: u64,
    /// What people have asked for, and the number of the next hold.
    pub(super) holds: Vec<Hold>,
    pub(super) next_hold: u64,
    /// Due times that have passed because of them.
    pub(super) passed: Vec<RunRow>,
    /// Small facts by name.
    pub(super) notes: HashMap<String, String>,
}

/// Reads what is remembered. What this version cannot read, a later one's say, counts as not there.
pub(super) async fn load(store: &Store) -> Earlier {
    let loaded = store.load().await.unwrap_or_else(|error| {
        tracing::error!(%error, "the stored state cannot be read; every job starts anew");
        store::Loaded::default()
    });
    let past = |(name, state): (JobName, JobState)| {
        let mut past =
            Past { health: parsed(&state.health, &name).unwrap_or_default(), saved: parsed(&state.cadence, &name) };
        past.health.reconcile(&loaded.told);
        (name, past)
    };
    Earlier {
        jobs: loaded.jobs.into_iter().map(past).collect(),
        next_run: loaded.next_run,
        holds: loaded.holds,
        next_hold: loaded.next_hold,
        passed: loaded.passed,
        notes: loaded.notes,
    }
}

fn parsed<T: DeserializeOwned>(json: &str, job: &JobName) -> Option<T> {
    // An earlier version wrote `null` where there was nothing.
    if json.is_empty() || json == "null" {
        return None;
    }
    serde_json::from_str(json)
        .inspect_err(
            |error| tracing::warn!(%job, %error, "the stored state of this job cannot be read; it starts anew"),
        )
        .ok()
}

/// Hands entries to the store, in their order.
pub(super) struct Keeper {
    store: Store,
    /// Writes with messages that are not on disk yet.
    in_flight: JoinSet<()>,
}

impl Keeper {
    pub(super) fn new(store: Store) -> Self {
        Self { store, in_flight: JoinSet::new() }
    }

    /// A run starts: if the daemon dies before it ends, the next one knows.
    pub(super) fn begin(&self, run: &Run, number: u64, now: Timestamp) {
        self.store.begin(running_row(run, number, now));
    }

    /// A run of the daemon before goes on.
    pub(super) fn begin_again(&self, left: &RunningRow) {
        self.store.begin(left.clone());
    }

    /// Keeps entries, in their order.
    pub(super) fn keep(&mut self, entries: Vec<Entry>) {
        let mut entries = entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            match entry {
                // The outbox is to see all of them at once, which makes one message of them.
                Entry::Changed { state, mut messages } if tells_of_quiet_hours(&messages) => {
                    let mut states: Vec<_> = state.into_iter().collect();
                    let is_one = |next: &Entry| matches!(next, Entry::Changed { messages, .. } if tells_of_quiet_hours(messages));
                    while let Some(Entry::Changed { state, messages: more }) = entries.next_if(is_one) {
                        states.extend(state);
                        messages.extend(more);
                    }
                    self.send(store::Record { run: None, states, messages });
                }
                Entry::Started { state } => self.store.keep(None, state),
                Entry::Ended { ended, state, messages } => {
                    self.write(Some(row(&ended)), state, messages);
                }
                Entry::Changed { state, messages } => self.write(None, state, messages),
                Entry::Said(message) => self.write(None, None, vec![*message]),
                Entry::Noted { key, value } => self.note(key, value),
                Entry::Passed(row) => self.store.keep(Some(*row), None),
                Entry::Holds { holds, next } => self.store.keep_holds(holds, next),
            }
        }
    }

    fn write(&mut self, run: Option<RunRow>, state: Option<(JobName, JobState)>, messages: Vec<Message>) {
        match messages.is_empty() {
            true => self.store.keep(run, state),
            false => self.send(store::Record { run, states: state.into_iter().collect(), messages }),
        }
    }

    /// Hands the record over before it returns, so that order is kept. The wait for the disk is a task of its own.
    #[expect(clippy::disallowed_methods, reason = "the daemon owns what the store has not answered yet")]
    fn send(&mut self, record: store::Record) {
        let store = self.store.clone();
        let mut kept = Box::pin(async move { store.record(record).await });
        let handed_over = kept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match handed_over {
            Poll::Ready(result) => log_kept(&result),
            Poll::Pending => drop(self.in_flight.spawn(async move { log_kept(&kept.await) })),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon owns what the store has not answered yet")]
    fn note(&mut self, key: &'static str, value: Option<String>) {
        let store = self.store.clone();
        self.in_flight.spawn(async move {
            if let Err(error) = store.remember(key, value).await {
                // That the disk fails is told for all that is written.
                tracing::debug!(%error, key, "a note could not be written");
            }
        });
    }

    /// A run whose job is gone is over all the same; nobody is told.
    pub(super) fn forget(&self, left: &RunningRow, now: Timestamp) {
        let row = RunRow { decision: Decision::JobGone, ..RunRow::interrupted(left, now) };
        self.store.keep(Some(row), None);
    }

    /// Returns when a write with messages has reached the disk; never when none is on its way.
    pub(super) async fn settled(&mut self) {
        if self.in_flight.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when everything is on disk.
    pub(super) async fn flush(&mut self) {
        while self.in_flight.join_next().await.is_some() {}
        if let Err(error) = self.store.flush().await {
            // Whoever closes the store says what is lost in the end.
            tracing::debug!(%error, "not everything could be written");
        }
    }
}

/// What happened in quiet hours that are over.
fn tells_of_quiet_hours(messages: &[Message]) -> bool {
    messages.iter().any(|message| message.route.overnight.is_some())
}

fn log_kept(result: &Result<Recorded, StoreError>) {
    match result {
        Ok(recorded) if recorded.durable => {}
        // The health monitor tells of the disk, once.
        Ok(_) => tracing::debug!("the disk does not take alerts; they are sent from memory"),
        Err(error) => tracing::error!(%error, "alerts could not be kept"),
    }
}

fn running_row(run: &Run, number: u64, started: Timestamp) -> RunningRow {
    RunningRow {
        id: run.id,
        job: run.job.clone(),
        number,
        trigger: run.trigger,
        scheduled: run.scheduled,
        started,
        process: None,
    }
}

fn row(ended: &Ended) -> RunRow {
    let running = running_row(&ended.run, ended.number, ended.outcome.started);
    let asked = ended.asked.as_deref();
    let details = Details {
        line: Some(ended.line.clone()).filter(|line| !line.is_empty()),
        by: asked.map(|asked| asked.by.clone()),
        note: asked.and_then(|asked| asked.note.clone()),
        passed: None,
    };
    RunRow { details, ..RunRow::new(&running, &ended.outcome, ended.decision) }
}
