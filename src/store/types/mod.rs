//! What goes into the store and what comes out, by subject.

mod error;
mod mail;
mod run;
mod state;

pub use self::error::{Fault, StoreError};
pub(super) use self::mail::Part;
pub use self::mail::{
    Class, Depth, Disposition, FollowUp, Heads, MessageId, MessageState, OutboxCounts, OutboxFilter, OutboxPoll,
    Progress, Settlement, Stored, ThreadChange,
};
pub use self::run::{Details, HistoryFilter, KEPT_OUTPUT, RunRow, RunningRow, Strip, Tally, Untold};
pub use self::state::{CarriedOver, Cause, JobState, Loaded, Opened, Record, Recorded, Trouble};
