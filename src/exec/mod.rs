//! Runs commands: the only place where processes are started. A [`Run`] goes in, an [`Outcome`] comes out; nothing that
//! a command does is an `Err`.
//!
//! Before it: the dispatcher. After it: `policy`.
//!
//! ```text
//! read ─▶ Command ─▶ starter: launch ─▶ process (course, output) ─▶ assess ─▶ Outcome
//!                      └───────────── duct: attempt by attempt ────────────┘
//! ```

mod account;
mod assess;
mod attach;
mod command;
mod course;
mod directives;
mod duct;
mod environment;
mod exit_codes;
mod launch;
pub mod outcome;
mod output;
mod perfdata;
mod process;
mod program;
mod reactor;
mod read;
mod redact;
mod retries;
mod signals;
mod starter;
mod stop;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::duct::Duct;
pub use self::signals::name as signal_name;
pub use assess::assumed;
pub use command::{Command, Parse};
pub use directives::{Directives, File};
pub use environment::{Environment, PLUMBING};
pub use exit_codes::{Exit, ExitCodes, Meaning, read_exit};
pub use outcome::{Captured, Ending, Outcome, Output, Perfdata, Reason, Status};
pub use output::{Capture, Stream};
pub use program::{Program, Programs};
pub use read::{Context, KEYS, read};
pub use redact::{MASK, Redactor};
pub use retries::Retries;
pub use stop::{Stop, Stopper};

use crate::id::{JobName, RunId};

/// One execution that is due.
#[derive(Debug)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// What to run and how.
    pub command: Arc<Command>,
    /// The slot of the schedule that it fills.
    pub scheduled: Timestamp,
    /// What made it start.
    pub trigger: Trigger,
    /// What can be seen of it while it runs.
    pub progress: Progress,
    /// Asks it to end.
    pub stop: Stopper,
}

/// What made a run start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// Its schedule.
    Schedule,
    /// A slot that was missed while the daemon was down (`catch_up`).
    CatchUp,
    /// A person (`once`, `trigger`).
    Manual,
}

impl Run {
    /// One that has not begun, and that nobody has asked to end.
    pub fn new(id: RunId, job: JobName, command: Arc<Command>, scheduled: Timestamp, trigger: Trigger) -> Self {
        Self { id, job, command, scheduled, trigger, progress: Progress::default(), stop: Stopper::default() }
    }
}

/// What can be seen of a run while it goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// The process, once started; 0 before.
    pub pid: AtomicU32,
    /// The end of its output so far, a few hundred bytes at most.
    pub last_output: Mutex<Vec<u8>>,
}

/// Runs commands. The real one is [`Duct`], a simulation brings its own.
pub trait Spawner: Send + Sync + fmt::Debug {
    /// Carries a run through all its attempts. It ends as `interrupted` soon after its `stop` is raised.
    fn run(&self, run: Arc<Run>) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;
}
