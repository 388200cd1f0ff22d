//! Runs commands: the only place where processes are started. A [`Run`] goes in, an [`Outcome`] comes out; nothing that
//! a command does is an `Err`.
//!
//! Before it: the dispatcher. After it: `policy`.
//!
//! ```text
//! keys ─▶ Command ─▶ process: start, wait, stop ─▶ capture: keep, redact ─▶ assess ─▶ Outcome
//!                    └──────────────── duct: attempt by attempt ────────────────┘
//! ```
//!
//! Three folders: `keys/` (what a job file may say about running, one theme a file), `process/` (one process from its start
//! to its end), `capture/` (what it wrote, and what of it may be shown).

mod account;
mod alive;
mod assess;
mod capture;
mod duct;
mod foreign;
mod host;
mod keys;
mod leftover;
mod os;
pub mod outcome;
mod pass_through;
mod process;
mod program;
mod pulse;
mod run;
mod signals;
mod stop;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

pub use account::{group, lacks_switch, may_nice, may_switch, same_user};
pub use alive::{birth, gone};
pub use assess::{Parsed, assumed, read_again};
pub use capture::output::{Capture, LAST_OUTPUT, Stream};
pub use capture::redact::{MASK, Redactor};
pub use capture::visible::{clean, clean_str, shows_nothing, writes_over};
pub use duct::{Duct, Ties};
pub use foreign::foreign;
pub use host::{prepare, prepare_to_pass_through, raise_open_files};
pub use keys::environment::{Environment, PLUMBING};
pub use keys::exit_codes::{Exit, ExitCodes, Meaning, read_exit};
pub use keys::output::Parse;
pub use keys::retries::Retries;
pub use keys::start::{ACCOUNT, read_group};
pub use keys::{Command, Context, keys, read};
pub(crate) use os::plain as plain_error;
pub use outcome::{
    Captured, CutOff, Directives, Ending, File, NOT_YET_KEPT, Outcome, Output, Perfdata, Reason, Status, Unmasked,
    is_marker, known,
};
pub use pass_through::{Going, PassThrough, Passed, TimeLimit, instead};
pub use program::{Program, Programs, first_line, has_windows_ends, is_missing, real_path, script_fault};
pub use run::{HeldBack, Place, ProcessId, Progress, Retry, Run, TellStarted, Trigger};
pub use signals::{name as signal_name, of_shell as signal_of_shell};
pub use stop::{Stop, Stopper};

/// Runs commands. The real one is [`Duct`], a simulation brings its own.
pub trait Spawner: Send + Sync + fmt::Debug {
    /// Carries a run through all its attempts. It ends as `interrupted` soon after its `stop` is raised.
    fn run(&self, run: Arc<Run>) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

    /// Takes a run over that began under a daemon that died, if its process lives on; ends with it. The process is known by
    /// what was noted of it, or else by its environment.
    fn take_over(
        &self,
        run: &Arc<Run>,
        started: Timestamp,
        process: Option<&ProcessId>,
    ) -> Option<Pin<Box<dyn Future<Output = Outcome> + Send>>> {
        let _ = (run, started, process);
        None
    }
}
