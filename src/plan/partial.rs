//! A job with errors, for the rules of `check`: what of it can be relied on. Nobody runs it.
//!
//! Before it: the job's file, as far as it could be read. After it: `lint`, whose rules each say which keys they need.

use toml::de::{DeTable, DeValue};

use super::Job;
use crate::diagnostic::{Code, Place, Problem, Problems, SourceId};
use crate::document::nearest;

/// A job of which a part could be read; what could not is as if it were not written.
#[derive(Clone, Debug)]
pub struct Partial {
    /// The job.
    pub job: Job,
    /// Its file.
    pub source: SourceId,
    /// What cannot be relied on.
    pub bad: BadKeys,
}

/// Keys of a job whose values cannot be relied on: `timeout`, `notify.on`.
#[derive(Clone, Debug)]
pub struct BadKeys {
    keys: Vec<String>,
    /// Those that nothing knows: each may be a slip for one that is missing.
    unknown: Vec<String>,
    /// Whether everything else can be: not when a syntax error, or a bad `[defaults]`, may have left keys out.
    certain: bool,
}

/// What says all by itself, whatever else of the file was lost.
const STANDS_ALONE: &[&str] = &["command", "shell"];

impl BadKeys {
    /// From the places of the keys, the keys that were found to be missing, and the file's problems.
    pub(super) fn new(written: &[(String, Place)], missing: &[&str], found: &Problems, certain: bool) -> Self {
        let under = |problem: &Problem| {
            let place = problem.place()?;
            let before = written.iter().filter(|(_, key)| key.source == place.source && key.start <= place.start);
            before.max_by_key(|(name, key)| (key.start, name.len())).map(|(name, _)| name.clone())
        };
        let (unknown, wrong): (Vec<&Problem>, Vec<&Problem>) =
            found.iter().filter(|problem| problem.stops_a_job()).partition(|one| one.code == Code::UnknownKey);
        let mut keys: Vec<String> = wrong.into_iter().filter_map(under).collect();
        keys.extend(missing.iter().map(|key| (*key).to_owned()));
        Self { keys, unknown: unknown.into_iter().filter_map(under).collect(), certain }
    }

    /// Takes them out of a table that has them.
    pub(super) fn take_out_of(&self, table: &mut DeTable<'_>) {
        for path in self.keys.iter().chain(&self.unknown) {
            match path.split_once('.') {
                None => _ = table.remove(path.as_str()),
                Some((first, rest)) => {
                    if let Some(DeValue::Table(inner)) = table.get_mut(first).map(toml::Spanned::get_mut) {
                        inner.remove(rest);
                    }
                }
            }
        }
    }

    /// Whether these keys can be relied on, and what stands below them.
    pub fn spare(&self, needed: &[&str]) -> bool {
        let is_good = |key: &&str| {
            let bad = self.keys.iter().any(|bad| is_within(bad, key) || is_within(key, bad));
            !bad && !self.is_meant(key) && (self.certain || STANDS_ALONE.contains(key))
        };
        needed.iter().all(is_good)
    }

    /// Whether an unknown key may be a slip for this one, or for the table that it is in.
    fn is_meant(&self, key: &str) -> bool {
        let parts = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let key = parts(key);
        self.unknown.iter().map(|unknown| parts(unknown)).any(|unknown| {
            let (last, table) = unknown.split_last().expect("a split gives one part at least");
            let meant = key.strip_prefix(table).and_then(|rest| rest.first());
            meant.is_some_and(|meant| nearest(last, [meant.as_str()]).is_some())
        })
    }
}

/// Whether a key is another one, or stands in its table.
fn is_within(key: &str, other: &str) -> bool {
    key.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
