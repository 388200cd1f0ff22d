//! The address of the workspace, for links to messages.
//!
//! Before it: the way out, which Slack tells it once. After it: `read`, which puts links together. Invariant: nobody who looks
//! waits for Slack; a link is there as soon as Slack has answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Mono, SharedClock};
use crate::notify::Notifier;
use crate::outbox;

/// Slack answers within this, or is asked again later.
const PATIENCE: Duration = Duration::from_secs(30);

/// After a question without an answer, the next one is so much later.
const AGAIN: Duration = Duration::from_secs(300);

/// The address of the workspace that messages go to.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// The way out, which a reload replaces.
    settings: Option<watch::Receiver<outbox::Settings>>,
    known: Mutex<Known>,
}

/// What is known, and of which way out.
#[derive(Debug, Default)]
struct Known {
    of: Option<Arc<dyn Notifier>>,
    url: Option<String>,
    /// It is not asked for before.
    wait: Option<Mono>,
}

impl Workspace {
    pub(super) fn new(settings: watch::Receiver<outbox::Settings>) -> Self {
        Self { settings: Some(settings), known: Mutex::default() }
    }

    /// The address, if it is known by now; else Slack is asked for it, which nobody waits for.
    pub(super) fn url(self: &Arc<Self>, clock: &SharedClock) -> Option<String> {
        let notifier = Arc::clone(&self.settings.as_ref()?.borrow().notifier);
        let now = clock.now().mono;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, &notifier)) {
            *known = Known { of: Some(Arc::clone(&notifier)), ..Known::default() };
        }
        if known.url.is_some() || known.wait.is_some_and(|wait| now < wait) {
            return known.url.clone();
        }
        known.wait = Some(now + AGAIN);
        drop(known);
        self.ask(notifier, Arc::clone(clock));
        None
    }

    /// Asks Slack.
    #[expect(clippy::disallowed_methods, reason = "one question, bounded in time, for which nobody is to wait")]
    fn ask(self: &Arc<Self>, notifier: Arc<dyn Notifier>, clock: SharedClock) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let deadline = clock.now().mono + PATIENCE;
            let url = tokio::select! {
                answer = notifier.auth_test() => answer.ok().flatten().map(|info| info.url),
                () = clock::sleep_until(&*clock, deadline) => None,
            };
            let mut known = this.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &notifier)) {
                known.url = url.filter(|url| !url.is_empty());
            }
        });
    }
}
