//! The daemon and the outbox under paused time; see `main.rs`.

mod acked;
mod chains;
mod daemon;
mod elsewhere;
mod hangs;
mod holds;
mod laws;
mod noisy_week;
mod now_and_then;
mod outbox;
mod outbox_laws;
mod quiet;
mod recovered;
mod refused;
mod storms;
mod told;
mod unedited;
mod watchers;
mod wrapped;
