//! What is kept of a job that fails again and again: flapping, and the conversation about intermittent failures.
//!
//! Before it: the store. After it: `flap` and `intermittent`, which decide by it.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::incident::is_default;
use super::settings::Statuses;
use crate::exec::Status;
use crate::id::Channel;

/// A job that flaps, and what was reported of that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Flapping {
    /// Since when; unknown of what version 0.1 kept.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) since: Option<Timestamp>,
    /// Changes since then, those that began it included.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) changes: u32,
    /// When it was reported the last time.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) reported_at: Option<Timestamp>,
    /// How often a reminder came.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) repeats: u32,
    /// The worst status that was reported before or in it.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) worst: Status,
    /// The key under which it began.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) key: Option<u64>,
}

/// From what is kept; version 0.1 kept only whether it flaps.
pub(super) fn read_flapping<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<Flapping>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        Flag(bool),
        Flapping(Box<Flapping>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None | Some(Kept::Flag(false)) => None,
        Some(Kept::Flag(true)) => Some(Flapping { worst: Status::Critical, ..Flapping::default() }.into()),
        Some(Kept::Flapping(flapping)) => Some(flapping),
    })
}

/// When an incident that was reported began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) at: Timestamp,
    /// Runs of the job before its first failure.
    pub(super) runs: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
}

/// The incidents of a job that fails intermittently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// The incident whose first message opened it.
    pub(super) id: u64,
    /// What the failure said that opened it; not known of one that an earlier version kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) line: Box<str>,
    /// What is counted from.
    pub(super) first: Begun,
    /// When the last run that failed ended.
    pub(super) last_failure: Timestamp,
    /// When one of its messages was last visible in the channel.
    pub(super) visible_at: Timestamp,
    /// The statuses that were reported in it.
    pub(super) statuses: Statuses,
    /// Where it was reported.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) channels: Vec<Channel>,
    /// Its messages stand alone (`thread = false`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) flat: bool,
}

impl Conversation {
    /// When its first incident began.
    pub(super) fn since(&self) -> Timestamp {
        self.first.at
    }

    /// The worst status that was reported in it.
    pub(super) fn worst(&self) -> Status {
        self.statuses.iter().next().unwrap_or_default()
    }
}
