//! Real processes, real sockets, real tools; see `main.rs`.

mod calendar;
mod crash;
mod daemon;
mod directives;
mod end_to_end;
mod exec;
mod init;
mod outbox;
mod payload_sdk;
mod plugins;
mod sd_notify;
mod slack;
mod slack_emulator;
mod store;
mod storm;
mod summary;
mod threads;
