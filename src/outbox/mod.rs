//! Alerts that wait for Slack: paces, orders, merges and retries.
//!
//! Before it: `store`, where every message is before it counts as accepted. After it: a `Notifier`.
//!
//! The database is the queue: here is only what is known of each channel (how much waits, since when it fails), so that
//! the memory needed does not grow with what waits. Rules are in plain functions ([`queue`], [`digest`], [`retry`],
//! [`outage`], [`quota`]); [`worker`] is the loop that acts on them.

pub mod digest;
pub mod outage;
pub mod queue;
pub mod quota;
pub mod retry;
mod settings;
pub mod worker;

pub use outage::Outage;
pub use settings::{FALLBACK_KEYS, Fallback, LIMIT_KEYS, MAX_AGE, read_fallback, read_max_age};
pub use worker::{Held, Settings, Status, Worker, run};
