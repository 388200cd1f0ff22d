//! `/api/v1/events`: server-sent events, so that a client need not ask again and again.
//!
//! Invariants: a client gets at most two events a second, whatever happens; one that is too slow misses changes, and is told
//! that many things have changed; so many clients at most.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};

use super::answer::{Refusal, busy};
use super::core::Core;
use crate::api::Changed;
use crate::clock::{self, Mono};

/// From one event to the next.
const SPACING: Duration = Duration::from_millis(500);

/// Without an event, a client hears so often that it is still heard: one that is gone is found out by it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The route of events.
pub(super) fn routes() -> Router<Core> {
    Router::new().route("/api/v1/events", get(events))
}

/// A proxy passes each event on as it comes: nginx goes by this header.
const UNBUFFERED: [(&str, &str); 1] = [("x-accel-buffering", "no")];

async fn events(State(core): State<Core>) -> Result<impl IntoResponse, Refusal> {
    let place = std::sync::Arc::clone(&core.listeners).try_acquire_owned();
    let place = place.map_err(|_| busy("too many clients wait for events"))?;
    let changes = core.changes.subscribe();
    let client = Client { core, changes, last: None, is_new: true, _place: place };
    let next = |mut client: Client| async { Some((Ok::<_, Infallible>(client.next().await?), client)) };
    Ok((UNBUFFERED, Sse::new(stream::unfold(client, next))))
}

/// A client that waits for events.
struct Client {
    core: Core,
    changes: broadcast::Receiver<Changed>,
    /// When the last event was sent.
    last: Option<Mono>,
    /// It has heard nothing yet: the first line tells it that it is connected.
    is_new: bool,
    _place: OwnedSemaphorePermit,
}

impl Client {
    /// What it is sent next; none when the daemon stops.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_new) {
            return Some(Event::default().comment("connected"));
        }
        let clock = std::sync::Arc::clone(&self.core.clock);
        let mut changed = tokio::select! {
            changed = self.changes.recv() => of(changed)?,
            _ = self.core.stop.wait_for(|stop| *stop) => return None,
            () = clock::sleep_until(&*clock, clock.now().mono + SIGN_OF_LIFE) => {
                return Some(Event::default().comment("nothing has changed"));
            }
        };
        if let Some(last) = self.last {
            clock::sleep_until(&*clock, last + SPACING).await;
        }
        loop {
            match self.changes.try_recv() {
                Ok(more) => changed = merged(changed, more),
                Err(broadcast::error::TryRecvError::Lagged(_)) => changed = Changed::default(),
                Err(_) => break,
            }
        }
        self.last = Some(clock.now().mono);
        let data = serde_json::to_string(&changed).unwrap_or_default();
        Some(Event::default().event("changed").data(data))
    }
}

fn of(changed: Result<Changed, RecvError>) -> Option<Changed> {
    match changed {
        Ok(changed) => Some(changed),
        Err(RecvError::Lagged(_)) => Some(Changed::default()),
        Err(RecvError::Closed) => None,
    }
}

/// Two changes as one.
fn merged(first: Changed, second: Changed) -> Changed {
    if first.job.is_some() && first.job == second.job {
        return Changed { run: second.run.or(first.run), ..first };
    }
    Changed::default()
}

#[cfg(test)]
mod tests {
    use super::merged;
    use crate::api::Changed;
    use crate::id::{JobName, RunId};

    #[test]
    fn changes_of_one_job_are_one_change_and_those_of_several_name_none() {
        let of = |job: &str, run: Option<u64>| Changed { job: Some(JobName::new(job)), run: run.map(RunId) };
        assert_eq!(merged(of("a", Some(1)), of("a", Some(2))), of("a", Some(2)));
        assert_eq!(merged(of("a", Some(1)), of("a", None)), of("a", Some(1)));
        assert_eq!(merged(of("a", Some(1)), of("b", Some(2))), Changed::default());
        assert_eq!(merged(Changed::default(), of("b", Some(2))), Changed::default());
    }
}
