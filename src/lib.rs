//! slack-alert: a declarative shell-command runner that reports to Slack.
//!
//! One street: data enters as files, leaves as a message in Slack, and passes each station once.
//!
//! ```text
//! document → (read() in each station) → plan → schedule → daemon → exec → policy → message → outbox → notify
//!   files        settings, problems     Plan     Due       Run    Outcome  Verdict  Message  Delivery  Receipt
//! ```
//!
//! **The rule.** A module may use only modules that stand above it in this list; `tests/it/architecture.rs` keeps it:
//!
//! ```text
//! order
//! id clock diagnostic
//! document
//! schedule exec
//! policy
//! message
//! notify
//! store
//! outbox
//! plan
//! lint
//! daemon
//! simulate
//! import
//! cli
//! ```
//!
//! **Doors.** Time, files, processes, network, database and terminal are each reached through few files, named in
//! `.clippy.toml`; a door carries one `#[expect(clippy::disallowed_methods, reason = "…")]`, so `grep` lists them all.

pub mod cli;
pub mod clock;
pub mod daemon;
pub mod diagnostic;
pub mod document;
pub mod exec;
pub mod id;
pub mod import;
pub mod lint;
pub mod message;
pub mod notify;
pub mod order;
pub mod outbox;
pub mod plan;
pub mod policy;
pub mod schedule;
pub mod simulate;
pub mod store;
