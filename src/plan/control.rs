//! `[control]`: who may use the control socket, and how far.
//!
//! Before it: `slack_alert.toml`. After it: `http::unix`, which gives the socket its group and mode.

use serde::Deserialize;

use crate::document::{Key, Kind, Table};
use crate::exec;

/// What `read` may say.
const READS: &[&str] = &["group", "all"];

/// Who may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Those who may change something.
    #[default]
    Group,
    /// Everybody on the host; they may change nothing.
    All,
}

/// `[control]`, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// The group whose members may use the socket; none: the daemon's own.
    pub group: Option<String>,
    /// Who may look.
    pub read: Reads,
}

/// The keys of `[control]`.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "group",
        kind: exec::ACCOUNT,
        default: "the daemon's group",
        about: "The group whose members may use the control socket, beside root and the daemon's user.",
    },
    Key {
        name: "read",
        kind: Kind::Choice(READS),
        default: "\"group\"",
        about: "Who may look: the members of the group, or everybody on the host, who may then change nothing.",
    },
];

/// Reads `[control]`.
pub(super) fn read(mut table: Table<'_>) -> Control {
    let control =
        Control { group: exec::read_group(&mut table), read: table.choice("read", READS).unwrap_or_default() };
    table.finish();
    control
}
