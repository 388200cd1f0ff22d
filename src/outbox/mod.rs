//! Alerts that wait for Slack: paces, orders, merges and retries.
//!
//! Before it: `store`, where every message is before it counts as accepted. After it: a `Notifier`.
//!
//! The database is the queue: here is only what is known of each channel (how much waits, since when it fails), so that
//! the memory needed does not grow with what waits. Rules are in plain functions ([`queue`], [`batch`],
//! [`storm`], [`standing`], [`digest`], [`retry`], [`outage`], [`quota`], [`places`]); [`worker`] is the loop that acts on them,
//! and `settling` what it writes.

pub mod batch;
pub mod digest;
mod instead;
mod late;
pub mod outage;
pub mod places;
pub mod queue;
pub mod quota;
pub mod report;
mod resume;
pub mod retry;
mod settings;
mod settling;
pub mod standing;
pub mod storm;
pub mod wakeup;
pub mod worker;

pub(crate) use instead::is_notice;
pub use outage::{FAILING, Outage};
pub use places::Places;
pub use report::{DeliveryResult, Report};
pub use settings::{FALLBACK_KEYS, Fallback, LIMIT_KEYS, read_fallback, read_max_age};
pub use standing::{Standing, Standings};
pub use wakeup::Wakeup;
pub use worker::{Held, Remembered, Settings, Status, Worker, run};
