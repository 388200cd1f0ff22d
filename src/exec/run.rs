//! One execution that is due, and what can be seen of it while it goes on. Before it: the dispatcher. After it: `duct`.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::Command;
use super::os::OUT_OF_FILES;
use super::outcome::{Outcome, Reason, Status};
use super::stop::Stopper;
use crate::id::{JobName, RunId};

/// One execution that is due.
#[derive(Debug)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// The job that it belongs to.
    pub job: JobName,
    /// What to run and how.
    pub command: Arc<Command>,
    /// The due time that it answers.
    pub scheduled: Timestamp,
    /// What made it start.
    pub trigger: Trigger,
    /// What can be seen of it while it runs.
    pub progress: Progress,
    /// Asks it to end.
    pub stop: Stopper,
    /// What else makes an attempt one that is made again.
    pub(super) fault: Option<Fault>,
}

/// Whether an attempt that went well by its end and its output failed by what the job asks besides.
pub(super) struct Fault(pub(super) Box<dyn Fn(&Outcome) -> bool + Send + Sync>);

/// What it asks is not for a reader of a log.
impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault").finish_non_exhaustive()
    }
}

/// What made a run start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// Its schedule.
    Schedule,
    /// A due time that was missed while the daemon was down (`catch_up`).
    CatchUp,
    /// A person (`once`, `trigger`).
    Manual,
    /// Something else, which reports it: `wrap`, or a ping.
    Reported,
}

/// Which process runs: on this boot no other has had this number since then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number, which is that of its group.
    pub pid: u32,
    /// When it was about to begin, in clock ticks since the boot.
    pub birth: u64,
    /// Which boot (random/boot_id of proc_sys_kernel(5)).
    pub boot: Arc<str>,
}

/// Takes a process that has been started, of this run. It is called on the thread that has started it, and does not wait.
pub struct TellStarted(pub Box<dyn Fn(RunId, ProcessId) + Send + Sync>);

/// Whom it tells says nothing to a reader of a log.
impl fmt::Debug for TellStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TellStarted").finish_non_exhaustive()
    }
}

/// What can be seen of a run while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// The process, once started; 0 before.
    pub pid: AtomicU32,
    /// When its first process began.
    pub began: OnceLock<Timestamp>,
    /// The end of its output so far, a few hundred bytes at most.
    pub last_output: Mutex<Vec<u8>>,
    /// It waits for another attempt, and no process runs.
    pub retry: Mutex<Option<Retry>>,
    /// It is in progress, and something keeps its process from being started.
    pub held_back: Mutex<Option<HeldBack>>,
}

/// What keeps the process of a run in progress from being started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBack {
    /// `limits.start_rate`.
    StartRate,
    /// No more files can be open.
    OpenFiles,
}

impl HeldBack {
    /// What the run waits for, and why.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::StartRate => {
                ("its start", "other runs come first, and no more may start in this time (limits.start_rate)")
            }
            Self::OpenFiles => ("open files", OUT_OF_FILES),
        }
    }
}

/// A run between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts that have failed.
    pub failed: u32,
    /// When the next one begins.
    pub at: Timestamp,
    /// That time has come, and it waits for a place of `limits.max_running`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits_for_place: bool,
}

/// What a run says of its place of `limits.max_running` between two attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It needs none until its next attempt.
    Left(RunId),
    /// Its next attempt is due.
    Wanted(RunId),
}

impl Progress {
    /// It waits for another attempt, or does no more.
    pub(super) fn set_retry(&self, retry: Option<Retry>) {
        *self.retry.lock().unwrap_or_else(PoisonError::into_inner) = retry;
    }

    /// Its start is held back, or is not any more.
    pub(super) fn set_held_back(&self, held_back: Option<HeldBack>) {
        *self.held_back.lock().unwrap_or_else(PoisonError::into_inner) = held_back;
    }

    /// What keeps its process from being started.
    pub fn held_back(&self) -> Option<HeldBack> {
        *self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it waits for between two attempts.
    pub fn retry(&self) -> Option<Retry> {
        *self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// A run that has not begun, and that nobody has asked to end.
    pub fn new(id: RunId, job: JobName, command: Arc<Command>, scheduled: Timestamp, trigger: Trigger) -> Self {
        let (progress, stop) = (Progress::default(), Stopper::default());
        Self { id, job, command, scheduled, trigger, progress, stop, fault: None }
    }

    /// The same, of which an attempt is made again also where this says so of what it came to.
    #[must_use]
    pub fn failing_when(self, fault: impl Fn(&Outcome) -> bool + Send + Sync + 'static) -> Self {
        Self { fault: Some(Fault(Box::new(fault))), ..self }
    }

    /// Whether another attempt could make this better.
    pub fn failed(&self, outcome: &Outcome) -> bool {
        if outcome.skipped || outcome.reason == Reason::Interrupted {
            return false;
        }
        outcome.status != Status::Ok || self.fault.as_ref().is_some_and(|fault| fault.0(outcome))
    }
}
