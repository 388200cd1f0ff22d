//! What may be written a little later: history, job state, runs in progress. Pure.
//!
//! Before it: the daemon's loop, which never waits for a disk. After it: one transaction a second, or sooner when much
//! has gathered. Bounded: a job's newer state takes the place of its older one, and of the runs the oldest are given up,
//! counted.

use std::collections::{BTreeMap, VecDeque};

use super::change::Accepted;
use super::types::{JobState, RunRow, RunningRow};
use crate::exec::{Captured, ProcessId};
use crate::id::{JobName, RunId};
use crate::policy::Hold;

/// History rows that wait to be written; beyond it the oldest are given up.
pub(super) const MOST_RUNS: usize = 10_000;

/// Bytes of output in rows that wait to be written; beyond it new rows go without their output.
pub(super) const MOST_OUTPUT: usize = 32 << 20;

/// A start is written together with its process where no more than these wait.
const FEW: usize = 4;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    pub(super) runs: VecDeque<RunRow>,
    pub(super) states: BTreeMap<JobName, JobState>,
    pub(super) begun: BTreeMap<RunId, RunningRow>,
    /// Of runs whose start is written.
    pub(super) processes: BTreeMap<RunId, ProcessId>,
    /// All holds, and the number of the next.
    pub(super) holds: Option<(Vec<Hold>, u64)>,
    output: usize,
    dropped: u64,
}

impl Deferred {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
            && self.states.is_empty()
            && self.begun.is_empty()
            && self.processes.is_empty()
            && self.holds.is_none()
    }

    /// How many rows wait.
    pub(super) fn len(&self) -> usize {
        self.runs.len()
            + self.states.len()
            + self.begun.len()
            + self.processes.len()
            + usize::from(self.holds.is_some())
    }

    /// Rows that were given up since the last time that this was asked.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// A run has started.
    pub(super) fn begin(&mut self, run: RunningRow) {
        self.begun.insert(run.id, run);
        // More runs in progress than rows in history would be kept: the row is only needed after a crash.
        while self.begun.len() > MOST_RUNS {
            self.begun.pop_first();
        }
    }

    /// The process of a run that has started.
    pub(super) fn has_process(&mut self, run: RunId, process: ProcessId) {
        match self.begun.get_mut(&run) {
            Some(row) => row.process = Some(process),
            None => drop(self.processes.insert(run, process)),
        }
        while self.processes.len() > MOST_RUNS {
            self.processes.pop_first();
        }
    }

    /// Whether all that waits are a few starts whose processes will be known in a moment.
    pub(super) fn awaits_processes(&self) -> bool {
        let settled = self.runs.is_empty() && self.processes.is_empty() && self.holds.is_none();
        settled && (1..=FEW).contains(&self.begun.len()) && self.begun.values().all(|run| run.process.is_none())
    }

    /// A run is over; if its start was not yet written, it need not be.
    pub(super) fn finish(&mut self, mut run: RunRow) {
        self.begun.remove(&run.id);
        self.processes.remove(&run.id);
        if self.output + run.bytes() > MOST_OUTPUT {
            for kept in [&mut run.stdout, &mut run.stderr] {
                let lost = kept.dropped + (kept.head.len() + kept.tail.len()) as u64;
                *kept = Captured { dropped: lost, ..Captured::default() };
            }
        }
        self.output += run.bytes();
        self.runs.push_back(run);
        self.trim();
    }

    /// What is remembered of a job from here on.
    pub(super) fn remember(&mut self, job: JobName, state: JobState) {
        self.states.insert(job, state);
    }

    /// All holds as they are from here on, and the number of the next.
    pub(super) fn hold(&mut self, holds: Vec<Hold>, next: u64) {
        self.holds = Some((holds, next));
    }

    /// A record is written now, ahead of the rest: what waits of the same run and job is out of date.
    pub(super) fn overtaken(&mut self, by: &Accepted) {
        if let Some(run) = &by.run {
            self.begun.remove(&run.id);
            self.processes.remove(&run.id);
        }
        for (job, _) in &by.states {
            self.states.remove(job);
        }
    }

    /// Takes out up to `count` rows of each kind, oldest first, with every start of a run.
    pub(super) fn take(&mut self, count: usize) -> Self {
        let runs: VecDeque<RunRow> = self.runs.drain(..count.min(self.runs.len())).collect();
        let states = if self.states.len() <= count {
            std::mem::take(&mut self.states)
        } else {
            let names: Vec<JobName> = self.states.keys().take(count).cloned().collect();
            names.into_iter().filter_map(|name| self.states.remove_entry(&name)).collect()
        };
        let begun = std::mem::take(&mut self.begun);
        let processes = std::mem::take(&mut self.processes);
        let output = runs.iter().map(RunRow::bytes).sum();
        self.output = self.output.saturating_sub(output);
        Self { runs, states, begun, processes, holds: self.holds.take(), output, dropped: 0 }
    }

    /// Puts back what could not be written, before everything else; what is newer wins.
    pub(super) fn put_back(&mut self, older: Self) {
        self.holds = self.holds.take().or(older.holds);
        for (job, state) in older.states {
            self.states.entry(job).or_insert(state);
        }
        let ended: std::collections::HashSet<RunId> = self.runs.iter().map(|run| run.id).collect();
        for (id, run) in older.begun {
            if !ended.contains(&id) {
                let process = self.processes.remove(&id).or_else(|| run.process.clone());
                self.begun.entry(id).or_insert(RunningRow { process, ..run });
            }
        }
        for (id, process) in older.processes {
            if !ended.contains(&id) {
                self.processes.entry(id).or_insert(process);
            }
        }
        for run in older.runs.into_iter().rev() {
            self.output += run.bytes();
            self.runs.push_front(run);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.runs.len() > MOST_RUNS {
            if let Some(run) = self.runs.pop_front() {
                self.output = self.output.saturating_sub(run.bytes());
                self.dropped += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Deferred, MOST_OUTPUT, MOST_RUNS};
    use crate::exec::{Captured, ProcessId, Trigger};
    use crate::id::{JobName, RunId};
    use crate::store::types::{JobState, KEPT_OUTPUT, RunRow, RunningRow};

    fn running(id: u64) -> RunningRow {
        RunningRow {
            id: RunId(id),
            job: JobName::new("job"),
            number: id,
            trigger: Trigger::Schedule,
            scheduled: Timestamp::UNIX_EPOCH,
            started: Timestamp::UNIX_EPOCH,
            process: None,
        }
    }

    fn process(pid: u32) -> ProcessId {
        ProcessId { pid, birth: 7, boot: "this".into() }
    }

    fn over(id: u64) -> RunRow {
        RunRow::interrupted(&running(id), Timestamp::UNIX_EPOCH)
    }

    fn state(n: u64) -> JobState {
        JobState::new(&n, &n).expect("numbers are JSON")
    }

    #[test]
    fn a_run_that_begins_and_ends_between_two_writes_is_written_once() {
        let mut deferred = Deferred::default();
        deferred.begin(running(1));
        deferred.begin(running(2));
        deferred.finish(over(1));
        let chunk = deferred.take(10);
        assert_eq!((chunk.begun.keys().copied().collect::<Vec<_>>(), chunk.runs.len()), (vec![RunId(2)], 1));
        assert!(deferred.is_empty());
    }

    #[test]
    fn a_start_is_written_with_its_process_and_a_later_process_takes_its_place() {
        let mut deferred = Deferred::default();
        deferred.begin(running(1));
        assert!(deferred.awaits_processes(), "its process is known in a moment");
        deferred.has_process(RunId(1), process(41));
        assert!(!deferred.awaits_processes());
        let chunk = deferred.take(10);
        assert_eq!((&chunk.begun[&RunId(1)].process, chunk.processes.len()), (&Some(process(41)), 0));
        // Its next attempt, while the disk does not take the first.
        deferred.has_process(RunId(1), process(42));
        assert!(!deferred.awaits_processes() && !deferred.is_empty());
        deferred.put_back(chunk);
        assert_eq!((&deferred.begun[&RunId(1)].process, deferred.processes.len()), (&Some(process(42)), 0));
        let _written = deferred.take(10);
        deferred.has_process(RunId(1), process(43));
        deferred.finish(over(1));
        assert!(deferred.processes.is_empty(), "a run that is over has none");
    }

    #[test]
    fn what_is_put_back_neither_hides_newer_state_nor_revives_a_run_that_ended() {
        let mut deferred = Deferred::default();
        let job = JobName::new("job");
        deferred.begin(running(1));
        deferred.finish(over(0));
        deferred.remember(job.clone(), state(1));
        let chunk = deferred.take(10);
        deferred.remember(job.clone(), state(2));
        deferred.finish(over(1));
        deferred.put_back(chunk);
        assert_eq!(deferred.states[&job], state(2));
        assert!(deferred.begun.is_empty());
        assert_eq!(deferred.runs.iter().map(|run| run.id.0).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn a_disk_that_is_away_for_long_costs_the_oldest_history_counted_and_never_state() {
        let mut deferred = Deferred::default();
        for id in 0..MOST_RUNS as u64 + 7 {
            deferred.finish(over(id));
            deferred.remember(JobName::new(format!("job-{}", id % 3)), state(id));
        }
        assert_eq!((deferred.runs.len(), deferred.take_dropped(), deferred.take_dropped()), (MOST_RUNS, 7, 0));
        assert_eq!((deferred.runs[0].id, deferred.states.len()), (RunId(7), 3));
    }

    #[test]
    fn output_that_waits_is_bounded_and_what_is_left_out_is_counted() {
        let mut deferred = Deferred::default();
        let big = Captured { head: vec![b'x'; KEPT_OUTPUT], tail: vec![b'x'; KEPT_OUTPUT], dropped: 1 };
        for id in 0..1_000 {
            deferred.finish(RunRow { stdout: big.clone(), ..over(id) });
        }
        let held: usize = deferred.runs.iter().map(RunRow::bytes).sum();
        assert!(held <= MOST_OUTPUT, "{held}");
        let last = &deferred.runs.back().expect("a thousand were put in").stdout;
        assert_eq!((last.head.len(), last.dropped), (0, 2 * KEPT_OUTPUT as u64 + 1));
        while !deferred.is_empty() {
            deferred.take(100);
        }
        deferred.finish(RunRow { stdout: big.clone(), ..over(0) });
        assert_eq!(deferred.runs[0].stdout, big, "there is room again");
    }
}
