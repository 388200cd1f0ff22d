//! `timeout` and `kill_after`: how long an attempt may take, and how it is ended. After it: `process::lifecycle`.

use std::time::Duration;

use crate::diagnostic::Code;
use crate::document::{Key, Kind, Table, default_of};

/// The keys of this file.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "timeout",
        kind: Kind::Duration,
        default: "",
        about: "How long an attempt may take; then SIGTERM to its whole process group. No limit without it.",
    },
    Key {
        name: "kill_after",
        kind: Kind::Duration,
        default: "10s",
        about: "How long after SIGTERM the process group gets SIGKILL.",
    },
];

/// How long an attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec) struct Limits {
    /// `timeout`: no limit without it.
    pub(in crate::exec) timeout: Option<Duration>,
    /// `kill_after`: from SIGTERM to SIGKILL.
    pub(in crate::exec) kill_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: None, kill_after: default_of(KEYS, "kill_after").duration() }
    }
}

pub(super) fn read(table: &mut Table<'_>) -> Limits {
    let timeout = table.value("timeout").and_then(|value| {
        let length = value.duration()?;
        if !length.is_zero() {
            return Some(length);
        }
        let help = "leave it out for no limit; where `[defaults]` has one, write one that is never reached: `timeout = \"365d\"`";
        value.refuse(Code::InvalidDuration, "`timeout` cannot be zero", help)
    });
    Limits { timeout, kill_after: table.duration("kill_after").unwrap_or(Limits::default().kill_after) }
}
