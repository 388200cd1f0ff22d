//! What the daemon knows of its outbox before the worker has looked: a restart is no news to whoever watches.

use super::outage::Outage;
use super::worker::Status;
use crate::store::Store;

impl Status {
    /// As an earlier process left it: what waits, and since when nothing has gone out although something waits.
    pub async fn at_start(store: &Store, outage: Option<Outage>) -> Self {
        let counts = store.outbox_counts().await.unwrap_or_default();
        let sent = store.last_sent().await.unwrap_or_default();
        let rests_since = counts.oldest.map(|oldest| sent.into_values().fold(oldest, Ord::max));
        Self { waiting: counts.waiting, rests_since, outage, ..Self::default() }
    }
}
