//! The part of a cadence that is `after`: the ends of other jobs' runs, gathered until all have come.
//!
//! What was gathered counts until the run that it asks for begins, or its due time passes: a daemon that dies in between knows
//! of it afterwards.

use jiff::Timestamp;

use super::super::Timing;
use super::{Cadence, Due, Saved, Slot, Taken};
use crate::clock::{Now, between};
use crate::id::JobName;

/// Ends of other jobs' runs since the job's own last run began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ends {
    pub(super) jobs: Vec<JobName>,
    /// All have come, and the run that they ask for is on its way.
    taken: bool,
}

impl Cadence {
    pub(super) fn begin_after(&mut self, timing: &Timing, past: Option<&Saved>, now: Now) {
        let Some(after) = timing.after() else { return };
        // What ended before the job was known is nothing that it follows.
        self.last.get_or_insert(now.wall);
        let known = past.map(|past| past.ended.iter().filter(|job| after.jobs.contains(job)).cloned().collect());
        self.ends = Some(Box::new(Ends { jobs: known.unwrap_or_default(), taken: false }));
        let due = past.and_then(Saved::next).filter(|due| *due <= now.wall);
        self.due_when_complete(timing, due.unwrap_or(now.wall), now);
    }

    /// A run of another job has ended. The answer is whether that changes anything.
    pub fn job_ended(&mut self, timing: &Timing, job: &JobName, ok: bool, now: Now) -> bool {
        let Some(after) = timing.after().filter(|after| after.on.takes(ok) && after.jobs.contains(job)) else {
            return false;
        };
        let Some(ends) = self.ends.as_deref_mut().filter(|ends| !ends.jobs.contains(job)) else { return false };
        debug_assert!(after.jobs.len() > ends.jobs.len(), "each job is in it once");
        ends.jobs.push(job.clone());
        self.due_when_complete(timing, now.wall, now);
        true
    }

    /// The job's own run begins, or its due time passes without one: what ends from now on counts.
    pub fn settled(&mut self, timing: &Timing, now: Now) {
        if let Some(ends) = self.ends.as_deref_mut().filter(|_| timing.after().is_some()) {
            *ends = Ends::default();
            (self.next, self.last) = (None, Some(now.wall));
        }
    }

    /// Its due time has passed, and no run is on its way.
    pub fn passed_over(&mut self, timing: &Timing, now: Now) {
        if self.ends.as_deref().is_some_and(|ends| ends.taken) {
            self.settled(timing, now);
        }
    }

    /// When its last run began, or it was first seen.
    pub fn last(&self) -> Option<Timestamp> {
        self.last
    }

    pub(super) fn take_after(&mut self, timing: &Timing, now: Now) -> Taken {
        let owed = self.owed.take_if(|owed| owed.from <= now.wall).map(|owed| owed.passed.latest);
        let due = self.next.take_if(|slot| slot.is_due(now)).map(|slot| slot.scheduled);
        let Some(scheduled) = due.or(owed) else { return Taken::NotYet };
        if let Some(ends) = self.ends.as_deref_mut().filter(|_| due.is_some()) {
            ends.taken = true;
        }
        match timing.open().contains(now.wall) {
            true => Taken::Run { scheduled, missed: 0, late: between(scheduled, now.wall) },
            false => Taken::Outside,
        }
    }

    fn due_when_complete(&mut self, timing: &Timing, scheduled: Timestamp, now: Now) {
        let (Some(after), Some(ends)) = (timing.after(), self.ends.as_deref()) else { return };
        if !ends.taken && after.jobs.iter().all(|job| ends.jobs.contains(job)) {
            self.next = Some(Slot { due: Due::Mono(now.mono), scheduled });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::super::super::{After, On, Schedule, Taken, Timing};
    use super::super::Cadence;
    use crate::clock::{Mono, Now};
    use crate::id::JobName;

    fn at(second: u64) -> Now {
        let wall =
            Timestamp::from_second(1_800_000_000 + i64::try_from(second).expect("a small number")).expect("a time");
        Now { wall, mono: Mono(Duration::from_secs(1_000 + second)) }
    }

    fn after(jobs: &[&str], on: On) -> Timing {
        let jobs = jobs.iter().map(|name| JobName::new(*name)).collect();
        Timing::new(Schedule::After(Box::new(After { jobs, on })), TimeZone::UTC)
    }

    fn is_due(cadence: &mut Cadence, timing: &Timing, second: u64) -> bool {
        matches!(cadence.take(timing, at(second)), Taken::Run { .. })
    }

    #[test]
    fn it_is_due_when_a_run_of_each_job_has_ended_as_it_should() {
        for (on, ok, counts) in [
            (On::Ok, true, true),
            (On::Ok, false, false),
            (On::Failure, false, true),
            (On::Failure, true, false),
            (On::End, true, true),
            (On::End, false, true),
        ] {
            let timing = after(&["a", "b"], on);
            let mut cadence = timing.begin("c@host", None, at(0));
            assert_eq!(cadence.job_ended(&timing, &JobName::new("a"), ok, at(1)), counts, "{on:?} {ok}");
            assert!(!is_due(&mut cadence, &timing, 1), "one is not all");
            // The same job again, and one that is none of its own.
            assert!(!cadence.job_ended(&timing, &JobName::new("a"), ok, at(2)));
            assert!(!cadence.job_ended(&timing, &JobName::new("x"), ok, at(2)));
            cadence.job_ended(&timing, &JobName::new("b"), ok, at(3));
            assert_eq!(is_due(&mut cadence, &timing, 3), counts, "{on:?} {ok}");
        }
    }

    #[test]
    fn what_ends_before_the_run_begins_asks_for_no_second_run_and_what_ends_after_does() {
        let timing = after(&["a"], On::Ok);
        let a = JobName::new("a");
        let mut cadence = timing.begin("c@host", None, at(0));
        cadence.job_ended(&timing, &a, true, at(1));
        assert!(is_due(&mut cadence, &timing, 1));
        cadence.job_ended(&timing, &a, true, at(2));
        assert!(!is_due(&mut cadence, &timing, 2), "the run waits for a place");
        cadence.settled(&timing, at(3));
        assert!(!is_due(&mut cadence, &timing, 3));
        cadence.job_ended(&timing, &a, true, at(4));
        assert!(is_due(&mut cadence, &timing, 4));
    }

    #[test]
    fn a_restart_before_the_run_begins_loses_nothing() {
        let timing = after(&["a", "b"], On::Ok);
        let mut cadence = timing.begin("c@host", None, at(0));
        cadence.job_ended(&timing, &JobName::new("a"), true, at(1));
        let mut again = timing.begin("c@host", Some(&cadence.save(at(2))), at(10));
        assert!(!is_due(&mut again, &timing, 10));
        again.job_ended(&timing, &JobName::new("b"), true, at(11));
        assert!(is_due(&mut again, &timing, 11));
        // It waits for a place, and the daemon dies.
        let mut third = timing.begin("c@host", Some(&again.save(at(12))), at(20));
        assert!(is_due(&mut third, &timing, 20));
        third.settled(&timing, at(21));
        let mut fourth = timing.begin("c@host", Some(&third.save(at(22))), at(30));
        assert!(!is_due(&mut fourth, &timing, 30), "it has begun");
    }
}
