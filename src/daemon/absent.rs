//! Job files that were there and are not any more: believed when they have stayed away. Pure; time is an argument.
//!
//! Before it: what a reading of the configuration did not find. After it: which jobs wait for their file, and when to look
//! again. Deployments remove files and write them anew, and folders are mounted anew: a job is none the less for it.

use std::collections::HashMap;

use crate::clock::Mono;
use crate::id::JobName;

/// Files that are not there, and may come back in a moment.
#[derive(Debug, Default)]
pub(super) struct Absent {
    /// When each is taken for removed.
    awaited: HashMap<JobName, Mono>,
    /// When to look again; none once that was asked for.
    look: Option<Mono>,
}

impl Absent {
    /// A reading did not find these. One that was there before is awaited until `due`.
    pub(super) fn update(&mut self, absent: Vec<JobName>, due: Mono, now: Mono) {
        let before = std::mem::take(&mut self.awaited);
        let until = |name: &JobName| before.get(name).map_or(due, |known| (*known).min(due));
        self.awaited = absent
            .into_iter()
            .map(|name| (until(&name), name))
            .filter(|(until, _)| *until > now)
            .map(|(at, name)| (name, at))
            .collect();
        self.look = self.awaited.values().min().copied();
    }

    /// Whether this file may come back still.
    pub(super) fn is_awaited(&self, name: &JobName) -> bool {
        self.awaited.contains_key(name)
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Mono> {
        self.look
    }

    /// Whether it is time to look again. It is said once: what that look finds is an update.
    pub(super) fn is_due(&mut self, now: Mono) -> bool {
        self.look.take_if(|look| *look <= now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Absent;
    use crate::clock::Mono;
    use crate::id::JobName;

    fn at(seconds: u64) -> Mono {
        Mono(Duration::from_secs(seconds))
    }

    fn names(names: &[&str]) -> Vec<JobName> {
        names.iter().map(|name| JobName::new(*name)).collect()
    }

    #[test]
    fn a_file_is_awaited_from_the_first_reading_that_did_not_find_it_until_its_time_is_over() {
        let (mut absent, a, b) = (Absent::default(), JobName::new("a"), JobName::new("b"));
        absent.update(names(&["a"]), at(10), at(0));
        absent.update(names(&["a", "b"]), at(15), at(5));
        assert_eq!((absent.is_awaited(&a), absent.is_awaited(&b), absent.next()), (true, true, Some(at(10))));
        assert_eq!((absent.is_due(at(9)), absent.is_due(at(10)), absent.is_due(at(10))), (false, true, false), "once");
        absent.update(names(&["a", "b"]), at(20), at(10));
        assert_eq!((absent.is_awaited(&a), absent.is_awaited(&b), absent.next()), (false, true, Some(at(15))));
        absent.update(names(&[]), at(22), at(12));
        assert_eq!((absent.is_awaited(&b), absent.next()), (false, None), "it came back");
        absent.update(names(&["b"]), at(30), at(20));
        absent.update(names(&["b"]), at(21), at(21));
        assert!(!absent.is_awaited(&b), "a person has had the files read");
    }
}
