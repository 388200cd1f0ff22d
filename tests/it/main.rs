//! One binary for all integration tests: `cli` is the built program as a black box, `sim` the daemon under paused time,
//! `os` real processes and sockets.

#![expect(clippy::disallowed_methods, reason = "tests stand outside the doors: they make files, processes and servers")]
mod cli;
mod os;
mod sim;
mod support;
