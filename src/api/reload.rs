//! What a reload came to.

use serde::{Deserialize, Serialize};

/// A problem, as `check --format json` has it.
pub use crate::diagnostic::json::Line as Problem;

/// What `POST /api/v1/reload` answers; numbers of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadAnswer {
    /// Jobs of the configuration that is in effect now.
    pub jobs: usize,
    /// New ones among them.
    pub added: usize,
    /// Ones that were there and are different now.
    pub changed: usize,
    /// Jobs that are gone.
    pub removed: usize,
    /// Job files with errors.
    pub not_loaded: usize,
    /// Those of them whose jobs go on as the last good version says.
    #[serde(default)]
    pub going_on: usize,
    /// What else is different, in words: `slack_alert.toml`, what a file of credentials holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Every problem that the reading found.
    pub problems: Vec<Problem>,
    /// What a running daemon does not take of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}
