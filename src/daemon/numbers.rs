//! What was counted since the daemon started: runs, due times without one, messages. Pure.
//!
//! Before it: the dispatcher, which counts where it decides (`dispatcher::tally`). After it: whoever shows the numbers (`GET /metrics`). Invariants:
//! a count never falls; a job has all of its counts from the start, with zero; what a job counts is gone with the job.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::between;
use crate::exec::{Run, Status, Trigger};
use crate::id::JobName;
use crate::message::Message;
use crate::policy::{Event, Suppressed};

/// Why a due time passed without a run of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The run before was still going.
    StillRunning,
    /// A person has paused the job.
    Paused,
    /// It lay outside `working_hours`.
    WorkingHours,
    /// It was missed; another run stands for it.
    Missed,
    /// The run ended with a code of `exit_codes.skip`.
    NotRun,
}

/// Counts of a fixed set of words, in the order of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts<const N: usize>(pub [u64; N]);

/// How long something took, as a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The upper bounds of the buckets, in seconds; what is above the last is in the count alone.
    pub bounds: &'static [f64],
    /// So many fell into each bucket, those of lower buckets not among them.
    pub buckets: Vec<u64>,
    /// So many in all.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum: f64,
}

/// What is counted of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobTally {
    /// Runs that ended, by status in the order of [`Status::ALL`].
    pub runs: Counts<{ Status::ALL.len() }>,
    /// Due times without a run of their own, in the order of [`Skip::ALL`].
    pub skips: Counts<{ Skip::ALL.len() }>,
    /// How many runs took as long as `took` in all: those of which it is known.
    pub timed: u64,
    /// How long these took, together.
    pub took: Duration,
}

/// What is counted of all jobs together.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// How long runs took.
    pub durations: Histogram,
    /// How long after their due times runs began.
    pub lateness: Histogram,
    /// Alerts, in the order of [`Event::ALL`].
    pub alerts: Vec<u64>,
    /// Runs of which there was no message, by the reason, in the order of [`Suppressed::ALL`].
    pub suppressed: Vec<u64>,
}

/// How one job stands, with what was counted of it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobNumbers {
    /// The job.
    pub name: JobName,
    /// What was counted.
    pub tally: JobTally,
    /// It is enabled: alerts may go by how it is.
    pub is_watched: bool,
    /// The status of its last run, of an earlier process too.
    pub status: Option<Status>,
    /// When that ended.
    pub last: Option<Timestamp>,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
    /// When a run was ok, the last time.
    pub success: Option<Timestamp>,
    /// When it is due next, or by when an expected run has to come; after the pause, while there is one.
    pub next: Option<Timestamp>,
    /// Runs in progress.
    pub running: u32,
}

/// Everything that the dispatcher has counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// Each job, in no order.
    pub jobs: Vec<JobNumbers>,
    /// Runs that have a place, and whose process something keeps from being started.
    pub held_back: u32,
    /// All together.
    pub tally: Tally,
}

/// Buckets for the time that runs take: from a command that only looks to a backup.
const DURATIONS: &[f64] = &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

/// Buckets for the time between a due time and the start.
const LATENESS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 60.0];

impl Skip {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::StillRunning, Self::Paused, Self::WorkingHours, Self::Missed, Self::NotRun];

    /// As in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StillRunning => "still-running",
            Self::Paused => "paused",
            Self::WorkingHours => "working-hours",
            Self::Missed => "missed",
            Self::NotRun => "not-run",
        }
    }
}

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: vec![0; bounds.len()], count: 0, sum: 0.0 }
    }

    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(at) = self.bounds.iter().position(|bound| seconds <= *bound) {
            self.buckets[at] += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            durations: Histogram::new(DURATIONS),
            lateness: Histogram::new(LATENESS),
            alerts: vec![0; Event::ALL.len()],
            suppressed: vec![0; Suppressed::ALL.len()],
        }
    }
}

impl Tally {
    /// A run begins.
    pub(super) fn begins(&mut self, run: &Run, now: Timestamp) {
        // What a person asked for, or was missed while the daemon was down, has no due time to be late for.
        if run.trigger == Trigger::Schedule {
            self.lateness.observe(between(run.scheduled, now));
        }
    }

    /// Something is told that is no end of a run.
    pub(super) fn told(&mut self, messages: &[Message]) {
        if let Some(event) = messages.iter().find_map(|message| message.event) {
            self.alert(event);
        }
    }

    pub(super) fn alert(&mut self, event: Event) {
        count(&mut self.alerts, Event::ALL, event);
    }
}

pub(super) fn count<T: PartialEq>(counts: &mut [u64], all: &[T], one: T) {
    if let Some(at) = all.iter().position(|known| *known == one) {
        counts[at] += 1;
    }
}

impl JobTally {
    /// Due times passed without a run of their own.
    pub(super) fn skipped(&mut self, why: Skip, due_times: u32) {
        self.skips.0[why as usize] += u64::from(due_times);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, Skip};

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it_and_one_above_all_into_none() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        for milliseconds in [100, 101, 1_000, 1_001] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        assert_eq!((histogram.buckets, histogram.count), (vec![1, 2], 4));
        assert!((histogram.sum - 2.202).abs() < 1e-9, "{}", histogram.sum);
    }

    #[test]
    fn every_reason_has_its_place() {
        for (at, why) in Skip::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at, "{why:?}");
        }
    }
}
