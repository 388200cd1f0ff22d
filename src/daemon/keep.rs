//! Between the dispatcher and the store: what is kept, and what a new daemon begins with.
//!
//! A record with messages is on disk before the outbox hears of it; one without costs the loop nothing.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::dispatcher::{Ended, Past, Record};
use crate::exec::Run;
use crate::id::JobName;
use crate::store::{self, JobState, Recorded, RunRow, RunningRow, Store, StoreError};

/// What earlier lives of the daemon left behind.
pub(super) struct Earlier {
    pub(super) jobs: HashMap<JobName, Past>,
    pub(super) next_run: u64,
    /// Small facts by name.
    pub(super) notes: HashMap<String, String>,
}

/// Reads what is remembered. What a later version wrote and this one cannot read is as if it were not there.
pub(super) async fn load(store: &Store) -> Earlier {
    let loaded = store.load().await.unwrap_or_else(|error| {
        tracing::error!(%error, "what earlier runs left behind cannot be read; every job starts anew");
        store::Loaded::default()
    });
    let past = |(name, state): (JobName, JobState)| {
        let past = Past {
            health: understood(&state.health, &name).unwrap_or_default(),
            saved: understood(&state.cadence, &name),
        };
        (name, past)
    };
    Earlier { jobs: loaded.jobs.into_iter().map(past).collect(), next_run: loaded.next_run, notes: loaded.notes }
}

fn understood<T: DeserializeOwned>(json: &str, job: &JobName) -> Option<T> {
    // An earlier version wrote `null` where there was nothing.
    if json.is_empty() || json == "null" {
        return None;
    }
    serde_json::from_str(json)
        .inspect_err(
            |error| tracing::warn!(%job, %error, "what was remembered of this job cannot be read; it starts anew"),
        )
        .ok()
}

/// Hands records to the store, in their order.
pub(super) struct Keeper {
    store: Store,
    /// Records with messages, on their way to the disk.
    flying: JoinSet<()>,
}

impl Keeper {
    pub(super) fn new(store: Store) -> Self {
        Self { store, flying: JoinSet::new() }
    }

    /// A run starts: if the daemon dies before it ends, the next one knows.
    pub(super) fn begin(&self, run: &Run, number: u64, now: Timestamp) {
        self.store.begin(running_row(run, number, now));
    }

    /// Keeps records, in their order.
    pub(super) fn keep(&mut self, records: Vec<Record>) {
        for record in records {
            let run = record.ended.as_ref().map(row);
            let state = record.job.zip(record.state);
            if record.messages.is_empty() {
                self.store.keep(run, state);
            } else {
                self.send(store::Record { run, state, messages: record.messages });
            }
        }
    }

    /// A record with messages. It is handed over before this returns, so that order is kept; the wait for the disk is a
    /// task of its own.
    fn send(&mut self, record: store::Record) {
        let store = self.store.clone();
        let mut kept = Box::pin(async move { store.record(record).await });
        let handed_over = kept.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match handed_over {
            Poll::Ready(result) => log_kept(&result),
            Poll::Pending => drop(self.flying.spawn(async move { log_kept(&kept.await) })),
        }
    }

    /// A run of which nobody is told any more, its job being gone, is over all the same.
    pub(super) fn forget(&self, left: &RunningRow, now: Timestamp) {
        let row = RunRow { verdict: "job-gone".to_owned(), ..RunRow::interrupted(left, now) };
        self.store.keep(Some(row), None);
    }

    /// Until a record with messages has reached the disk; for ever when none is on its way.
    pub(super) async fn settled(&mut self) {
        if self.flying.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Until everything is on disk.
    pub(super) async fn flush(&mut self) {
        while self.flying.join_next().await.is_some() {}
        if let Err(error) = self.store.flush().await {
            tracing::error!(%error, "not everything could be written");
        }
    }
}

fn log_kept(result: &Result<Recorded, StoreError>) {
    match result {
        Ok(recorded) if recorded.durable => {}
        Ok(_) => tracing::error!("the disk does not take alerts; they are sent from memory"),
        Err(error) => tracing::error!(%error, "alerts could not be kept"),
    }
}

fn running_row(run: &Run, number: u64, started: Timestamp) -> RunningRow {
    RunningRow { id: run.id, job: run.job.clone(), number, trigger: run.trigger, scheduled: run.scheduled, started }
}

fn row(ended: &Ended) -> RunRow {
    let running = running_row(&ended.run, ended.number, ended.outcome.started);
    RunRow::new(&running, &ended.outcome, ended.decision.words(), ended.decision.until())
}
