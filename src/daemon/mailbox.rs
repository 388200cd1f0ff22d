//! What the running daemon can be asked. Every request enters through one mailbox and is answered once.
//!
//! Before it: whoever asks (signals, the watcher of files, the HTTP server). After it: the daemon's loop, which takes one request at a time.
//! Invariant: at most [`WAITING`] requests wait; whoever comes then waits for room, or is refused.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::numbers::Numbers;
use crate::api;
use crate::exec::{Captured, Status};
use crate::id::{JobName, RunId};
use crate::plan::Job;
use crate::policy::{By, HoldKind, Via};
use crate::schedule::Saved;
use crate::store::spool::Report;

/// Requests that wait for the loop at one time.
const WAITING: usize = 64;

/// What is asked of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Read the configuration again.
    Reload,
    /// Files of the configuration have changed: read it again. An error is told only when it stays for a while.
    FilesChanged,
    /// Stop gracefully.
    Stop,
    /// Stop at once.
    StopNow,
    /// Run a job now.
    Trigger(NewRun),
    /// Hold jobs.
    Hold(NewHold),
    /// End a hold before its time.
    EndHold(HoldId, Asker),
    /// End the holds of a kind that a pattern covers.
    EndHolds(HoldKind, String, Asker),
    /// How everything is.
    Status,
    /// How jobs are.
    Jobs(JobQuery),
    /// What is broken.
    Incidents,
    /// What people have asked for.
    Holds,
    /// When jobs are due, within so long from now; at most so many due times.
    Next {
        /// Of the jobs that a pattern covers; of all, where there is none.
        pattern: Option<String>,
        /// How far to look.
        within: Duration,
        /// Only what comes behind this one.
        behind: Option<api::Next>,
        /// At most so many.
        limit: usize,
    },
    /// A run in progress.
    Running(RunId),
    /// The runs in progress.
    AllRunning,
    /// What a job's file says.
    Declared(JobName),
    /// The names of all jobs, those that are not loaded among them.
    Names,
    /// What was counted since the daemon started.
    Numbers,
    /// Where jobs stand in their schedules: one, or all.
    Cadences(Option<JobName>),
    /// Something else reports a run.
    Ping(Box<Ping>),
    /// A run that something else started goes on; with the process that reports it, where it is one of this machine.
    RunBegun(Box<Report>, Option<u32>),
    /// It has ended.
    RunEnded(Box<Report>),
    /// Whoever reported it is no longer connected, and has not said how it ended.
    RunUnfollowed(RunId),
    /// Runs are told in files.
    TakeUpRecords,
}

impl Request {
    /// Whether it is about runs that `wrap` reports.
    pub(super) fn is_about_wrapped_runs(&self) -> bool {
        matches!(self, Self::RunBegun(..) | Self::RunEnded(_) | Self::RunUnfollowed(_) | Self::TakeUpRecords)
    }
}

/// A report of a run that something else starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// What its path may mean; the first name that there is counts.
    pub names: Vec<(JobName, Pinged)>,
    /// Which run it is: its ID, as whoever reports it says.
    pub key: Option<Box<str>>,
    /// What it wrote.
    pub output: Captured,
}

/// What a ping says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinged {
    /// It begins.
    Start,
    /// It has ended: well, or not.
    End {
        /// Well.
        ok: bool,
    },
    /// It has ended with this exit code.
    Exit(u8),
    /// A word about it.
    Log,
}

/// The number of a hold.
type HoldId = u64;

/// Who asks for something, and which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Who.
    pub by: By,
    /// Which way.
    pub via: Via,
}

/// A run that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Of which job.
    pub job: JobName,
    /// Why.
    pub note: Option<String>,
    /// Who asks.
    pub asker: Asker,
}

/// A hold that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// What is asked for.
    pub kind: HoldKind,
    /// Which jobs.
    pub pattern: String,
    /// For how long.
    pub length: Option<Duration>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// It ends as soon as the jobs, having failed, are ok.
    pub until_ok: bool,
    /// Why.
    pub note: Option<String>,
    /// Who asks.
    pub asker: Asker,
}

/// Which jobs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// This one alone.
    pub name: Option<JobName>,
    /// Those that a pattern covers: a name with `*`, or `tag:NAME`.
    pub pattern: Option<String>,
    /// Those in one of these states; all, where none is named.
    pub states: Vec<api::JobState>,
    /// Those that are not well, run now, or are held; and these besides. All, where nothing is said.
    pub notable: Option<Vec<JobName>>,
    /// How they are ordered.
    pub order: JobOrder,
    /// Those after this one in that order: the next page.
    pub after: Option<JobName>,
    /// At most so many.
    pub limit: usize,
}

/// How jobs are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobOrder {
    /// By name.
    #[default]
    Name,
    /// The worst first, then by name.
    WorstFirst,
}

impl JobOrder {
    /// What comes before the name.
    pub fn rank(self, state: api::JobState) -> u8 {
        match self {
            Self::Name => 0,
            Self::WorstFirst => state as u8,
        }
    }
}

/// What the daemon answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The configuration was read again and is in effect.
    Reloaded(api::ReloadAnswer),
    /// The configuration was read again and nothing changed, because of this error.
    NotReloaded {
        /// The first error, in one line with its place.
        error: String,
        /// Every problem that was found.
        problems: Vec<api::Problem>,
    },
    /// No new runs start; so many are in progress.
    Stopping {
        /// Runs in progress.
        running: usize,
    },
    /// The run has this number, and runs now; or why it waits.
    Triggered(RunId, Option<api::Waits>),
    /// The jobs are held.
    Held(api::HoldAnswer),
    /// These holds are over.
    HoldsEnded(api::HoldsEnded),
    /// It cannot be done, and nothing has changed.
    Refused(Box<api::Failure>),
    /// The report of a run was taken.
    Pinged,
    /// How everything is.
    Status(Box<api::Status>),
    /// How jobs are, and whether there are more.
    Jobs(Vec<api::Job>, bool),
    /// What is broken, the newest first.
    Incidents(Vec<api::Incident>),
    /// What people have asked for, the newest first.
    Holds(Vec<api::Hold>, Vec<api::ScriptSilence>),
    /// When jobs are due, the soonest first.
    Next(Vec<api::Next>),
    /// A run in progress, or one that a person asked for and that waits; none where it is neither.
    Running(Option<Box<api::Run>>),
    /// The runs in progress, and those that a person asked for and that wait.
    AllRunning(Vec<api::Run>),
    /// What a job's file says; none of a job that is not loaded.
    Declared(Option<Arc<Job>>),
    /// The names of all jobs.
    Names(Vec<JobName>),
    /// What was counted since the daemon started.
    Numbers(Box<Numbers>),
    /// Where jobs stand in their schedules.
    Cadences(Vec<(Arc<Job>, Saved)>),
    /// A run that something else started is known under this number; at its end, what it came to.
    Reported {
        /// Its number.
        run: RunId,
        /// What it came to; none while it goes on, and where it was told before.
        status: Option<Status>,
    },
    /// What was told in files is taken up.
    TakenUp,
}

/// A request on its way to the loop.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    reply: oneshot::Sender<Reply>,
}

impl Asked {
    /// A request of the daemon's own: nobody waits for the answer.
    pub(super) fn by_nobody(request: Request) -> Self {
        Self { request, reply: oneshot::channel().0 }
    }

    /// Whether whoever asked has stopped waiting.
    pub fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Answers. Whoever asked may have stopped waiting.
    pub fn answer(self, reply: Reply) {
        let _ = self.reply.send(reply);
    }
}

/// Why a request was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Too many wait.
    Full,
    /// Nobody takes any.
    Closed,
}

/// The way in: one for each client.
#[derive(Clone, Debug)]
pub struct Mailbox(mpsc::Sender<Asked>);

/// The loop's end of the mailbox.
pub type Inbox = mpsc::Receiver<Asked>;

/// A new mailbox and the loop's end of it.
pub fn mailbox() -> (Mailbox, Inbox) {
    let (sender, inbox) = mpsc::channel(WAITING);
    (Mailbox(sender), inbox)
}

impl Mailbox {
    /// Hands a request over. The answer comes through the receiver, which closes without one when the daemon is gone.
    pub async fn send(&self, request: Request) -> oneshot::Receiver<Reply> {
        let (reply, answer) = oneshot::channel();
        // When the loop is gone, `reply` is dropped with what could not be sent.
        let _ = self.0.send(Asked { request, reply }).await;
        answer
    }

    /// Hands a request over unless too many wait. The answer comes through the receiver.
    ///
    /// # Errors
    /// Too many wait already, or the daemon is gone.
    pub fn try_send(&self, request: Request) -> Result<oneshot::Receiver<Reply>, NotTaken> {
        let (reply, answer) = oneshot::channel();
        match self.0.try_send(Asked { request, reply }) {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => Err(NotTaken::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NotTaken::Closed),
        }
    }

    /// Asks and waits for the answer; `None` when the daemon is gone.
    pub async fn ask(&self, request: Request) -> Option<Reply> {
        self.send(request).await.await.ok()
    }

    /// Whether nobody takes requests any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
