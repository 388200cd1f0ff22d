//! Real processes, real sockets, real tools; see `main.rs`.

mod calendar;
mod control;
pub(crate) mod crash;
mod daemon;
mod damage;
mod directives;
mod end_to_end;
mod exec;
mod http;
mod init;
mod left_behind;
mod outbox;
mod page;
mod parent;
mod payload_sdk;
mod pings;
mod plugins;
mod sd_notify;
mod slack;
mod slack_emulator;
mod store;
mod storm;
mod summary;
mod threads;
mod upgrade;
mod watch;
mod wrap;
