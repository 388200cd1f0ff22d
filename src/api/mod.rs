//! The types of every answer and request of the HTTP API: what the daemon sends, and what the commands read.
//!
//! Before it: the daemon, which fills them in. After it: JSON, through `http` and `cli`. Invariants: field names are a
//! contract; times are RFC 3339 and lengths of time are seconds; a field that is not known is `null`, never left out.

mod error;
mod hold;
mod job;
pub mod line;
mod page;
mod reload;
mod run;
pub mod seconds;
mod status;

pub use error::{Code, Error, Failure};
pub use hold::{
    AckedIncident, By, HeldJob, Hold, HoldAnswer, HoldKind, HoldRequest, HoldsEnded, Length, ScriptSilence, StillHeld,
    Via,
};
pub use job::{Job, JobState, LastRun, Next, RunningRun};
pub use page::{HoldList, IncidentList, JobList, NextList, OutboxList, Query, RunList, WhyList};
pub use reload::{Problem, ReloadAnswer, bad_files};
pub use run::{Changed, Explained, Message, Run, TriggerAnswer, TriggerRequest, Waits};
pub use status::{
    Acknowledged, Incident, JobCounts, Options, Outage, OutboxState, Reload, RemovedRunning, Starved, Status,
    StoreTrouble, SuppressedBy, Suspended, Told,
};
