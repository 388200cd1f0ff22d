//! One binary for all integration tests: `cli` is the built program as a black box, `sim` the daemon under paused time,
//! `os` real processes and sockets.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "tests stand outside the doors: they make files, processes and servers, and say what they skip"
)]

mod architecture;
mod cli;
mod docs;
mod fuzz;
mod os;
mod sim;
mod support;
