//! The daemon and the outbox under paused time; see `main.rs`.

mod daemon;
mod laws;
mod outbox;
mod outbox_laws;
