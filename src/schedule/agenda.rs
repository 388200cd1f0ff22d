//! Who is due next: one heap for all jobs. Before it: each job's next slot; after it: the daemon's one sleep.
//!
//! A job that is set anew leaves its old entry in the heap; entries that no longer count are dropped when they come to
//! the top, and all of them when they outnumber the rest. So memory follows the number of jobs, not of calls; and the
//! top, whenever somebody looks, counts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::clock::Mono;

/// Old entries up to this many are not worth a clean-up.
const SLACK: usize = 64;

/// When each job is due, the earliest at hand.
#[derive(Debug, Default)]
pub struct Agenda {
    heap: BinaryHeap<Reverse<(Mono, u32)>>,
    /// What counts.
    set: HashMap<u32, Mono>,
}

impl Agenda {
    /// Nobody is due.
    pub fn new() -> Self {
        Self::default()
    }

    /// The job is due then, in the place of what was said before; `None`: it is not due.
    pub fn set(&mut self, job: u32, at: Option<Mono>) {
        let before = match at {
            Some(at) => self.set.insert(job, at),
            None => self.set.remove(&job),
        };
        if let Some(at) = at
            && before != Some(at)
        {
            self.heap.push(Reverse((at, job)));
        }
        self.clean();
    }

    /// When the first job is due.
    pub fn next(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the job that has been due longest; `None` when none is due yet.
    pub fn pop_due(&mut self, now: Mono) -> Option<u32> {
        let Reverse((_, job)) = *self.heap.peek().filter(|Reverse((at, _))| *at <= now)?;
        self.heap.pop();
        self.set.remove(&job);
        self.clean();
        Some(job)
    }

    /// How many jobs are due at some time.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether no job is ever due.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    fn clean(&mut self) {
        if self.heap.len() > 2 * self.set.len() + SLACK {
            self.heap = self.set.iter().map(|(job, at)| Reverse((*at, *job))).collect();
        }
        while self.heap.peek().is_some_and(|Reverse((at, job))| self.set.get(job) != Some(at)) {
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Agenda, SLACK};
    use crate::clock::Mono;

    fn at(second: u64) -> Mono {
        Mono(Duration::from_secs(second))
    }

    #[test]
    fn the_oldest_due_comes_first_and_the_rest_waits() {
        let mut agenda = Agenda::new();
        for (job, second) in [(1, 30), (2, 10), (3, 20), (4, 99)] {
            agenda.set(job, Some(at(second)));
        }
        agenda.set(3, Some(at(5)));
        agenda.set(1, None);
        assert_eq!((agenda.next(), agenda.len()), (Some(at(5)), 3));
        let due: Vec<u32> = std::iter::from_fn(|| agenda.pop_due(at(50))).collect();
        assert_eq!(due, [3, 2]);
        assert_eq!((agenda.next(), agenda.len()), (Some(at(99)), 1));
    }

    #[test]
    fn setting_a_job_over_and_over_takes_no_more_room() {
        let mut agenda = Agenda::new();
        for round in 0..100_000_u64 {
            agenda.set((round % 10) as u32, Some(at(round * 7919 % 100_003)));
        }
        assert!(agenda.heap.len() <= 2 * 10 + SLACK && agenda.len() == 10);
    }

    proptest! {
        #[test]
        fn it_does_what_a_sorted_map_does(
            steps in prop::collection::vec((0_u32..20, prop::option::weighted(0.8, 0_u64..50), 0_u64..50), 0..300)
        ) {
            let (mut agenda, mut model) = (Agenda::new(), BTreeMap::new());
            for (job, when, now) in steps {
                agenda.set(job, when.map(at));
                match when {
                    Some(when) => model.insert(job, at(when)),
                    None => model.remove(&job),
                };
                prop_assert_eq!(agenda.next(), model.values().min().copied());
                let due = model.iter().map(|(job, when)| (*when, *job)).min().filter(|(when, _)| *when <= at(now));
                prop_assert_eq!(agenda.pop_due(at(now)), due.map(|(_, job)| job));
                if let Some((_, job)) = due {
                    model.remove(&job);
                }
                prop_assert_eq!(agenda.len(), model.len());
            }
        }
    }
}
