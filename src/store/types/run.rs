//! Runs as the rest of the program sees them: in progress, over, counted.
//!
//! Before it: the daemon, which fills them in. After it: the SQL of the history, and the commands that show it.

use std::time::Duration;

use jiff::Timestamp;

use crate::exec::{Captured, Ending, Outcome, ProcessId, Reason, Status, Trigger};
use crate::id::{JobName, RunId};
use crate::message::summary::JobReport;
use crate::policy::{By, Decision};

/// Bytes kept of each end of a stream (its head, its tail) in the history.
pub const KEPT_OUTPUT: usize = 64 * 1024;

/// A run that has started and not ended. What is in this state when the daemon dies is `interrupted` at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningRow {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started it.
    pub trigger: Trigger,
    /// The slot of the schedule.
    pub scheduled: Timestamp,
    /// When it started.
    pub started: Timestamp,
    /// Its process, once that is known.
    pub process: Option<ProcessId>,
}

/// A run that is over, as history keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// Whose.
    pub job: JobName,
    /// How many runs the job has had, this one included.
    pub number: u64,
    /// What started it.
    pub trigger: Trigger,
    /// The slot of the schedule.
    pub scheduled: Timestamp,
    /// When its first attempt started.
    pub started: Timestamp,
    /// When its last attempt ended.
    pub finished: Timestamp,
    /// How long it took, by the stop-watch; zero where that is not known.
    pub took: Duration,
    /// How many attempts there were.
    pub attempts: u32,
    /// What the end means.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// How the last attempt ended.
    pub ending: Ending,
    /// Whether it was reported, or why not.
    pub decision: Decision,
    /// What only some runs have.
    pub details: Details,
    /// The ends of standard output; empty in listings.
    pub stdout: Captured,
    /// The ends of standard error; empty in listings.
    pub stderr: Captured,
}

/// What is kept of a run besides what every run has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The line of its output that tells most.
    pub line: Option<String>,
    /// Who asked for it.
    pub by: Option<By>,
    /// Why they did.
    pub note: Option<String>,
    /// It is no run: so many due times passed because of this hold.
    pub passed: Option<(u64, u64)>,
}

/// The last runs of a job, the newest first: the status of each, and how long it took where that is known.
pub type Strip = Vec<(Status, Option<Duration>)>;

/// Some of a time's runs, counted by job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// One for each job that has any.
    pub jobs: Vec<JobReport>,
    /// Where the next step goes on; none when there is no more.
    pub next: Option<RunId>,
}

/// A run that sent nothing: a message of which it was not the cause may have told of it.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The run.
    pub run: RunId,
    /// When it had ended.
    pub ended: Timestamp,
    /// Where its message waited for the end of quiet hours: of which job, and until when.
    pub waits: Option<(JobName, Timestamp)>,
}

/// Which runs are wanted, newest first.
#[derive(Clone, Debug, Default)]
pub struct HistoryFilter {
    /// Of this job alone.
    pub job: Option<JobName>,
    /// Only those that were not ok.
    pub failed: bool,
    /// Only those of this status.
    pub status: Option<Status>,
    /// Only those that began at just this time.
    pub began: Option<Timestamp>,
    /// Only those that ended at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that started at this time or earlier.
    pub until: Option<Timestamp>,
    /// Only those with a lower number: the next page.
    pub before: Option<RunId>,
    /// At most this many; 0 is 100.
    pub limit: u32,
}

impl HistoryFilter {
    /// Whether it asks for a run; see `runs::history`.
    pub(in crate::store) fn takes(&self, run: &RunRow) -> bool {
        self.job.as_ref().is_none_or(|job| run.job == *job)
            && self.began.is_none_or(|began| run.started == began)
            && self.since.is_none_or(|since| run.finished >= since)
            && self.until.is_none_or(|until| run.started <= until)
            && self.before.is_none_or(|before| run.id < before)
            && !(self.failed && run.status == Status::Ok)
            && self.status.is_none_or(|status| run.status == status && run.counts())
    }
}

impl RunRow {
    /// As a list has it.
    pub(in crate::store) fn without_output(self) -> Self {
        Self { stdout: Captured::default(), stderr: Captured::default(), ..self }
    }

    /// The row of a run that ended; copies the ends of its output, [`KEPT_OUTPUT`] bytes each.
    pub fn new(started: &RunningRow, outcome: &Outcome, decision: Decision) -> Self {
        Self {
            id: started.id,
            job: started.job.clone(),
            number: started.number,
            trigger: started.trigger,
            scheduled: started.scheduled,
            started: outcome.started,
            finished: outcome.finished,
            took: outcome.took,
            attempts: outcome.attempts,
            status: outcome.status,
            reason: outcome.reason,
            ending: outcome.ending.clone(),
            decision,
            details: Details::default(),
            stdout: ends(&outcome.output.stdout),
            stderr: ends(&outcome.output.stderr),
        }
    }

    /// Whether it is a run that counts: no due times that passed, and none that found a precondition not met.
    pub fn counts(&self) -> bool {
        self.details.passed.is_none() && self.decision != Decision::NotRun
    }

    /// The row of a run that was in progress when the daemon died, as of the next start.
    pub fn interrupted(run: &RunningRow, now: Timestamp) -> Self {
        Self {
            id: run.id,
            job: run.job.clone(),
            number: run.number,
            trigger: run.trigger,
            scheduled: run.scheduled,
            started: run.started,
            finished: now.max(run.started),
            took: Duration::ZERO,
            attempts: 1,
            status: Status::Critical,
            reason: Reason::Interrupted,
            ending: Ending::Interrupted,
            decision: Decision::Undecided,
            details: Details::default(),
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }

    /// Due times that passed because of a pause, as one row.
    pub fn passed(
        (id, job, number): (RunId, JobName, u64),
        (first, last): (Timestamp, Timestamp),
        (count, hold): (u64, u64),
    ) -> Self {
        Self {
            id,
            job,
            number,
            trigger: Trigger::Schedule,
            scheduled: first,
            started: first,
            finished: last,
            took: Duration::ZERO,
            attempts: 0,
            status: Status::Ok,
            reason: Reason::Exit,
            ending: Ending::Interrupted,
            decision: Decision::Paused,
            details: Details { passed: Some((count, hold)), ..Details::default() },
            stdout: Captured::default(),
            stderr: Captured::default(),
        }
    }

    /// How long it took, where that is known.
    pub fn lasted(&self) -> Option<Duration> {
        crate::exec::known(self.took)
    }

    /// When it began: a run that did not come never did, and of one whose end alone was reported it is not known. Due times that
    /// passed have a first one.
    pub fn began(&self) -> Option<Timestamp> {
        let is_known = self.details.passed.is_some() || self.lasted().is_some() || self.started < self.finished;
        is_known.then_some(self.started)
    }

    /// Bytes of output that it holds.
    pub(in crate::store) fn bytes(&self) -> usize {
        [&self.stdout, &self.stderr].iter().map(|kept| kept.head.len() + kept.tail.len()).sum()
    }
}

/// The ends of a stream, within what history keeps; what is left out counts as dropped.
fn ends(captured: &Captured) -> Captured {
    let (head, tail) = (&captured.head, &captured.tail);
    if head.len() <= KEPT_OUTPUT && tail.len() <= KEPT_OUTPUT {
        return captured.clone();
    }
    // What does not fit in the head may be the end of everything, when there is no tail.
    let (first, rest) = head.split_at(head.len().min(KEPT_OUTPUT));
    let last = if tail.is_empty() { rest } else { tail };
    let last = &last[last.len().saturating_sub(KEPT_OUTPUT)..];
    let lost = head.len() + tail.len() - first.len() - last.len();
    Captured { head: first.to_vec(), tail: last.to_vec(), dropped: captured.dropped + lost as u64 }
}

#[cfg(test)]
mod tests {
    use super::{KEPT_OUTPUT, ends};
    use crate::exec::Captured;

    #[test]
    fn history_keeps_both_ends_of_an_output_and_counts_the_rest() {
        let big = |n: usize, byte: u8| vec![byte; n];
        for (head, tail, dropped, kept) in [
            (10, 0, 0, (10, 0, 0)),
            (KEPT_OUTPUT, KEPT_OUTPUT, 5, (KEPT_OUTPUT, KEPT_OUTPUT, 5)),
            (KEPT_OUTPUT + 7, 0, 0, (KEPT_OUTPUT, 7, 0)),
            (3 * KEPT_OUTPUT, 0, 1, (KEPT_OUTPUT, KEPT_OUTPUT, KEPT_OUTPUT as u64 + 1)),
            (KEPT_OUTPUT + 1, KEPT_OUTPUT + 2, 0, (KEPT_OUTPUT, KEPT_OUTPUT, 3)),
        ] {
            let mut captured = Captured { head: big(head, b'a'), tail: big(tail, b'b'), dropped };
            if let Some(last) = captured.tail.last_mut().or(captured.head.last_mut()) {
                *last = b'z';
            }
            let got = ends(&captured);
            assert_eq!((got.head.len(), got.tail.len(), got.dropped), kept, "{head} {tail} {dropped}");
            assert_eq!(got.bytes().last(), Some(&b'z'), "the last byte written is always kept");
        }
    }
}
