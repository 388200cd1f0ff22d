//! A job with errors, for the rules of `check`: what of it can be relied on. Nobody runs it.
//!
//! Before it: the job's file, as far as it could be read. After it: `lint`, whose rules each say which keys they need.

use super::Job;
use crate::diagnostic::{Place, Problems, SourceId};

/// A job of which a part could be read; the other parts are those of the least of jobs.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The job.
    pub job: Job,
    /// Its file.
    pub source: SourceId,
    /// What cannot be relied on.
    pub bad: BadKeys,
}

/// Top-level keys of a job whose values cannot be relied on.
#[derive(Clone, Debug)]
pub struct BadKeys {
    keys: Vec<String>,
    /// Whether everything else can be: not when a syntax error, or a bad `[defaults]`, may have left keys out.
    certain: bool,
}

/// What says all by itself, whatever else of the file was lost.
const STANDS_ALONE: &[&str] = &["command", "shell"];

impl BadKeys {
    /// From the places of the top-level keys, the keys that were found to be missing, and the file's problems.
    pub(super) fn new(written: &[(&str, Place)], missing: &[&str], found: &Problems, certain: bool) -> Self {
        let under = |place: Place| {
            let before = written.iter().filter(|(_, key)| key.source == place.source && key.start <= place.start);
            before.max_by_key(|(_, key)| key.start).map(|(name, _)| (*name).to_owned())
        };
        let stops = found.iter().filter(|problem| problem.stops_a_job());
        let mut keys: Vec<String> = stops.filter_map(|problem| under(problem.place()?)).collect();
        keys.extend(missing.iter().map(|key| (*key).to_owned()));
        keys.sort_unstable();
        keys.dedup();
        Self { keys, certain }
    }

    /// Whether these keys can be relied on.
    pub fn spare(&self, needed: &[&str]) -> bool {
        let is_good = |key: &&str| {
            let bad = self.keys.binary_search_by(|known| known.as_str().cmp(key)).is_ok();
            !bad && (self.certain || STANDS_ALONE.contains(key))
        };
        needed.iter().all(is_good)
    }
}
