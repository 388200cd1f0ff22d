//! slack-alert: a declarative shell-command runner that reports to Slack.
//!
//! Data enters as files, leaves as a message in Slack, and passes each folder of this list once.
//!
//! ```text
//! document → (read() in each station) → plan → schedule → daemon → exec → policy → message → outbox → notify
//!   files        settings, problems     Plan     Due       Run    Outcome  Decision Message  Delivery  Receipt
//! ```
//!
//! **The rule.** A module may use only modules that stand above it in this list, and files of one folder do not import each
//! other in a circle; `tests/it/architecture.rs` holds both. Modules on one line may not use each other.
//!
//! ```text
//! id clock
//! diagnostic
//! document
//! schedule exec
//! policy
//! slack
//! message
//! notify
//! picture
//! store
//! outbox
//! plan
//! report
//! api
//! lint
//! daemon
//! metrics page
//! http
//! simulate
//! import
//! cli
//! ```
//!
//! **Doors.** Time, files, processes, network, database and terminal are each reached through few files, named in
//! `.clippy.toml`; a door carries one `#[expect(clippy::disallowed_methods, reason = "…")]`, so `grep` lists them all.

pub mod api;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod diagnostic;
pub mod document;
pub mod exec;
pub mod http;
pub mod id;
pub mod import;
pub mod lint;
pub mod message;
pub mod metrics;
pub mod notify;
pub mod outbox;
pub mod page;
pub mod picture;
pub mod plan;
pub mod policy;
pub mod report;
pub mod schedule;
pub mod simulate;
pub mod slack;
pub mod store;
