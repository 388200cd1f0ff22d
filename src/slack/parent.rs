//! A message by the name that Slack gives it. Pure.

use serde::{Deserialize, Serialize};

/// A message that Slack has, by which it can be answered and edited.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parent {
    /// The channel's ID.
    pub channel: String,
    /// The message's time stamp, which is its name.
    pub ts: String,
}
