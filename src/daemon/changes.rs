//! That something about a job has changed, for whoever shows it.
//!
//! Before it: the daemon's loop. After it: the HTTP server's events. Invariants: without anybody who listens nothing is kept,
//! and nobody is woken; who listens too slowly misses changes, and knows it.

use tokio::sync::broadcast;

use crate::api::Changed;
use crate::id::{JobName, RunId};

/// Changes that a slow listener may be behind.
const KEPT: usize = 256;

/// Where changes are told.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Changed>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Changes {
    /// Something about a job has changed.
    pub(super) fn of_job(&self, job: &JobName, run: Option<RunId>) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Changed { job: Some(job.clone()), run });
        }
    }

    /// Something about many jobs has changed, or about the daemon.
    pub(super) fn of_all(&self) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Changed::default());
        }
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.0.subscribe()
    }
}
