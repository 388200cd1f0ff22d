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

/// So many job files have errors, and what becomes of their jobs; none where there is none.
pub fn bad_files(bad: usize, going_on: usize) -> Option<String> {
    let files = if bad == 1 { "1 job file has errors".to_owned() } else { format!("{bad} job files have errors") };
    let then = match (bad, going_on) {
        (0, _) => return None,
        (1, 0) => " and is not loaded".to_owned(),
        (_, 0) => " and are not loaded".to_owned(),
        (1, _) => ", and its last good version goes on".to_owned(),
        (bad, kept) if kept >= bad => ", and their last good versions go on".to_owned(),
        (_, 1) => ", and the last good version of 1 goes on".to_owned(),
        (_, kept) => format!(", and the last good versions of {kept} go on"),
    };
    Some(files + &then)
}
