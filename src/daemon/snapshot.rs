//! How the daemon is, as of its last turn. The one place from which this is read.
//!
//! Before it: the dispatcher, the outbox worker and the store, each of which counts what it does. After it: the health
//! monitor, and whoever wants to show it. Invariants: it is put together once a turn, from numbers that are at hand, and
//! published only when it differs: an idle daemon is not woken by it, and the number of jobs does not matter.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::{Dispatcher, HeartbeatCounts, PingCounts};
use crate::document::watch::Watched;
use crate::outbox;
use crate::plan::{Control, HttpSettings, Plan, ReloadMode};
use crate::store::Trouble;

/// The configuration that is in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// When it was read.
    pub read: Timestamp,
    /// When it was read without an error in any file, the last time; none where it never was in this process.
    pub read_whole: Option<Timestamp>,
    /// Its files, where they are to be watched.
    pub watched: Option<Watched>,
    /// `[control]`.
    pub control: Control,
    /// `[http]`; nothing where it has no `listen`.
    pub http: Option<HttpSettings>,
    /// The host's name in messages.
    pub host: Arc<str>,
    /// The zone in which times are told; none before there is a configuration.
    pub zone: Option<TimeZone>,
}

/// How the daemon is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The configuration that is in effect.
    pub configuration: Arc<Configuration>,
    /// Jobs of the configuration in effect, those whose last good version goes on among them.
    pub jobs: usize,
    /// Job files with errors.
    pub not_loaded: usize,
    /// No new run starts: the daemon waits for those in progress.
    pub is_stopping: bool,
    /// Runs in progress.
    pub running: usize,
    /// Runs that are due and wait for a free place.
    pub waiting: usize,
    /// Delivery to Slack.
    pub outbox: outbox::Status,
    /// Trouble with the state directory.
    pub store: Trouble,
    /// What came of heartbeats.
    pub heartbeats: HeartbeatCounts,
    /// What came of pings of jobs.
    pub pings: PingCounts,
}

/// Puts the snapshot together and publishes it.
#[derive(Debug)]
pub(super) struct Publisher {
    snapshot: watch::Sender<Snapshot>,
    outbox: watch::Receiver<outbox::Status>,
    store: watch::Receiver<Trouble>,
}

impl Publisher {
    /// Publishes on `snapshot`, beginning with what the outbox says now.
    pub(super) fn new(
        snapshot: watch::Sender<Snapshot>,
        outbox: watch::Receiver<outbox::Status>,
        mut store: watch::Receiver<Trouble>,
    ) -> Self {
        // Trouble from the first moment on is news.
        store.mark_changed();
        snapshot.send_modify(|snapshot| snapshot.outbox = outbox.borrow().clone());
        Self { snapshot, outbox, store }
    }

    /// Another configuration is in effect.
    pub(super) fn configured(&self, plan: &Plan, read: Timestamp) {
        let config = &plan.config;
        let before = self.snapshot.borrow().configuration.read_whole;
        let configuration = Arc::new(Configuration {
            read,
            read_whole: if plan.not_loaded.is_empty() { Some(read) } else { before },
            watched: watched(plan),
            control: config.control.clone(),
            http: config.http.clone(),
            host: Arc::clone(&config.host),
            zone: Some(config.zone.clone()),
        });
        self.snapshot.send_modify(|snapshot| snapshot.configuration = configuration);
    }

    /// What the outbox says now.
    pub(super) fn outbox(&self) -> outbox::Status {
        self.outbox.borrow().clone()
    }

    /// Trouble with the state directory now.
    pub(super) fn store(&self) -> Trouble {
        self.store.borrow().clone()
    }

    /// What watchers were told, if that differs from what was published last.
    pub(super) fn publish_watchers(&self, (heartbeats, pings): (HeartbeatCounts, PingCounts)) {
        self.snapshot.send_if_modified(|known| set(&mut known.heartbeats, heartbeats) | set(&mut known.pings, pings));
    }

    /// A reader.
    pub(super) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Returns when the outbox or the store has news. Nothing is lost when this is dropped.
    pub(super) async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.outbox.changed() => self.outbox.mark_changed(),
            Ok(()) = self.store.changed() => self.store.mark_changed(),
            else => std::future::pending().await,
        }
    }

    /// Publishes how things are, if that differs from what was published last.
    pub(super) fn publish(&mut self, dispatcher: &Dispatcher, plan: &Plan) {
        let Self { snapshot, outbox, store } = self;
        snapshot.send_if_modified(|known| {
            let mut modified = set(&mut known.jobs, dispatcher.job_count())
                | set(&mut known.not_loaded, plan.not_loaded.len())
                | set(&mut known.is_stopping, dispatcher.is_stopping())
                | set(&mut known.running, dispatcher.running())
                | set(&mut known.waiting, dispatcher.waiting());
            // A watch whose sender is gone says nothing new.
            if outbox.has_changed().unwrap_or_default() {
                modified |= set(&mut known.outbox, outbox.borrow_and_update().clone());
            }
            if store.has_changed().unwrap_or_default() {
                modified |= set(&mut known.store, store.borrow_and_update().clone());
            }
            modified
        });
    }
}

/// The file that says what the zone of the machine is (localtime(5)).
const SYSTEM_ZONE: &str = "/etc/localtime";

/// The files of a plan; `None` when it does not want them watched.
fn watched(plan: &Plan) -> Option<Watched> {
    // Calendars follow the zone of the machine: another one is another configuration.
    let zone = plan.config.follows_system_zone.then(|| PathBuf::from(SYSTEM_ZONE));
    (plan.config.reload == ReloadMode::Auto).then(|| Watched {
        config: plan.config.file.clone(),
        jobs_dir: plan.config.jobs_dir.clone(),
        named: plan.named_files.iter().cloned().chain(plan.config.named_files()).chain(zone).collect(),
    })
}

fn set<T: PartialEq>(known: &mut T, now: T) -> bool {
    let differs = *known != now;
    *known = now;
    differs
}
