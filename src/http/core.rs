//! What every handler has at hand: the way to the daemon, the state, the clock.
//!
//! Before it: `cli::run`, which puts it together. After it: every route. Invariant: a question to the daemon waits a bounded
//! time, and so many wait at most.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::answer::{Refusal, busy};
use super::links::Workspace;
use crate::api::{self, Code};
use crate::clock::{self, Mono, SharedClock};
use crate::daemon::{Changes, Mailbox, NotTaken, Reply, Request, Snapshot};
use crate::outbox;
use crate::page::Pages;
use crate::store::Store;

/// A question that only looks is answered by then, or the daemon is busy.
const LOOK: Duration = Duration::from_secs(5);

/// A reading of the configuration may take so long: ten thousand files on a slow disk.
const RELOAD: Duration = Duration::from_secs(120);

/// Clients that wait for events at one time.
const LISTENERS: usize = 128;

/// What every handler has at hand.
#[derive(Clone, Debug)]
pub struct Core {
    /// The way to the daemon.
    pub mailbox: Mailbox,
    /// How the daemon is, as of its last turn.
    pub snapshot: watch::Receiver<Snapshot>,
    /// History and outbox.
    pub store: Store,
    /// Both clocks.
    pub clock: SharedClock,
    /// That something about a job has changed.
    pub changes: Changes,
    /// True when the server is to end.
    pub stop: watch::Receiver<bool>,
    /// By which whoever asks knows whose daemon this is.
    pub whose: Arc<Whose>,
    /// The page's templates.
    pub(super) pages: Arc<Pages>,
    /// Places for clients that wait for events.
    pub(super) listeners: Arc<Semaphore>,
    /// One client's due times are counted at a time.
    pub(super) counting: Arc<Semaphore>,
    /// The first page as it was rendered last: browsers that ask at one time, because something has changed, share it.
    pub(super) rendered: Arc<tokio::sync::Mutex<Option<Rendered>>>,
    /// Where Slack's messages can be seen.
    pub(super) workspace: Arc<Workspace>,
}

/// Whose daemon this is: on one machine there may be several.
#[derive(Clone, Debug, Default)]
pub struct Whose {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// Where state is kept.
    pub state_dir: Option<PathBuf>,
    /// What its command line says of every job.
    pub options: api::Options,
}

/// A page.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What was asked for, and how it is shown to whoever asks.
    pub(super) asked: String,
    /// When its rendering began.
    pub(super) begun: Mono,
    pub(super) page: String,
}

impl Core {
    /// Puts it together.
    pub fn new(
        mailbox: Mailbox,
        snapshot: watch::Receiver<Snapshot>,
        (store, clock): (Store, SharedClock),
        changes: Changes,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (listeners, whose, pages) =
            (Arc::new(Semaphore::new(LISTENERS)), Arc::default(), Arc::new(Pages::default()));
        let counting = Arc::new(Semaphore::new(1));
        Self {
            mailbox,
            snapshot,
            store,
            clock,
            changes,
            stop,
            whose,
            pages,
            listeners,
            counting,
            rendered: Arc::default(),
            workspace: Arc::default(),
        }
    }

    /// Says which way messages go out.
    #[must_use]
    pub fn with_outbox(self, settings: watch::Receiver<outbox::Settings>) -> Self {
        Self { workspace: Arc::new(Workspace::new(settings)), ..self }
    }

    /// Says whose daemon it is.
    #[must_use]
    pub fn of(self, whose: Whose) -> Self {
        Self { whose: Arc::new(whose), ..self }
    }

    /// Asks the daemon.
    ///
    /// # Errors
    /// The daemon refuses, has too much to do, does not answer in time, or is gone.
    pub async fn ask(&self, request: Request) -> Result<Reply, Refusal> {
        let patience = if request == Request::Reload { RELOAD } else { LOOK };
        let answer = self.mailbox.try_send(request).map_err(|error| match error {
            NotTaken::Full => busy("too many requests wait for the daemon"),
            NotTaken::Closed => stopping(),
        })?;
        self.answered(answer, patience).await
    }

    /// The same, but where too many wait, this one waits for its turn.
    ///
    /// # Errors
    /// The daemon refuses, does not answer in time, or is gone.
    pub async fn ask_in_turn(&self, request: Request) -> Result<Reply, Refusal> {
        self.answered(async { self.mailbox.send(request).await.await }, LOOK).await
    }

    async fn answered<E>(
        &self,
        answer: impl Future<Output = Result<Reply, E>>,
        patience: Duration,
    ) -> Result<Reply, Refusal> {
        let reply = tokio::select! {
            reply = answer => reply.map_err(|_| stopping())?,
            () = clock::sleep_until(&*self.clock, self.clock.now().mono + patience) => {
                return Err(busy(&format!("the daemon did not answer within {} s", patience.as_secs())));
            }
        };
        match reply {
            Reply::Refused(failure) => Err(Refusal(failure)),
            reply => Ok(reply),
        }
    }
}

fn stopping() -> Refusal {
    Refusal::new(Code::Stopping, "the daemon is stopping")
}
