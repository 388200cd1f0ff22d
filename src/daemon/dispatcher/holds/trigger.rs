//! A run that a person asks for.
//!
//! Before it: the request. After it: a run that waits for its place, or why there is none.

use super::super::{AskedFor, Dispatcher, Turn, Waiting};
use super::{note, refused};
use crate::api::{Code, Failure};
use crate::clock::Now;
use crate::daemon::mailbox::{NewRun, Reply};
use crate::exec::Trigger;
use crate::id::{JobName, RunId, in_one_line, listed};
use crate::policy::{Pattern, time_of_day};

impl Dispatcher {
    /// A person wants a job to run now.
    pub(in crate::daemon::dispatcher) fn trigger(&mut self, asked: &NewRun, now: Now) -> (Option<Reply>, Turn) {
        let mut turn = Turn::default();
        let index = match self.index_of(asked.job.as_str()) {
            Ok(index) => index,
            Err(failure) => return refused(failure),
        };
        if self.stopping {
            return refused(Failure::new(Code::Stopping, "the daemon is stopping: no new run starts"));
        }
        let tracked = &self.jobs[index as usize];
        let name = &tracked.job.name;
        if tracked.job.timing.runs_elsewhere() {
            let failure = Failure::new(Code::NotRunHere, format!("`{name}` is run by something else (`expect`)"));
            return refused(failure.help("start it where it runs"));
        }
        if let Some(held_back) = self.held_back(index).map(|(held_back, _)| held_back) {
            let (what, why) = held_back.words();
            let message = format!("`{name}` is due already, and its run waits for {what}");
            let run = self.running.values().find(|running| running.job == index).map(|running| running.run.id);
            return refused(Failure { run, ..Failure::new(Code::AlreadyRunning, message).help(why) });
        }
        if let Some(running) = self.running.values().find(|running| running.job == index) {
            let pid = running.run.progress.pid.load(std::sync::atomic::Ordering::Relaxed);
            let pid = (pid > 0).then_some(pid);
            let process = pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
            let since = time_of_day(running.started.wall, &tracked.job.timing.zone, now.wall);
            let message = format!("`{name}` runs already: run {}{process}, since {since}", running.run.id);
            let help = "wait for its end, and ask again";
            let failure = Failure::new(Code::AlreadyRunning, message).help(help);
            let (run, since) = (Some(running.run.id), Some(running.started.wall));
            return refused(Failure { run, pid, since, ..failure });
        }
        if tracked.waiting > 0 {
            let (what, help) = match self.waits_for_lock(index).map(|held| (held.lock, held.by)) {
                None => ("a free place".to_owned(), "`limits.max_running` says how many there are".to_owned()),
                Some((lock, (job, Some(run)))) => (format!("the lock {lock}"), format!("run {run} of {job} holds it")),
                Some((lock, (job, None))) => {
                    (format!("the lock {lock}"), format!("{job} is due longer, and takes it first"))
                }
            };
            let message = format!("`{name}` is due already, and its run waits for {what}");
            let run =
                self.waiting.values().find(|waiting| waiting.job == index).and_then(|waiting| waiting.asked.as_ref());
            let run = run.map(|(run, _)| *run);
            return refused(Failure { run, ..Failure::new(Code::AlreadyRunning, message).help(help) });
        }
        let id = RunId(self.next_run);
        self.next_run += 1;
        self.sequence += 1;
        let note = note(asked.note.as_deref(), [tracked.job.command.redactor()].into_iter());
        tracing::info!(job = %name, run = %id, by = %asked.asker.by.name, note = note.as_deref(), "a run was asked for");
        let asked_for = Box::new(AskedFor { by: asked.asker.by.clone(), note });
        let waiting =
            Waiting { job: index, scheduled: now.wall, trigger: Trigger::Manual, asked: Some((id, asked_for)) };
        self.waiting.insert((now.mono, self.sequence), waiting);
        self.jobs[index as usize].waiting += 1;
        self.fill(now, &mut turn);
        let waits = self.asked_run_waits(index, id, now.wall, &mut turn);
        (Some(Reply::Triggered(id, waits)), turn)
    }

    /// The job of a name, or why there is none.
    fn index_of(&self, name: &str) -> Result<u32, Failure> {
        if let Some(index) = self.by_name.get(&JobName::new(name)) {
            return Ok(*index);
        }
        let pattern = Pattern::new(name);
        let names: Vec<&str> =
            self.covered(&pattern).map(|index| self.jobs[index as usize].job.name.as_str()).collect();
        if names.is_empty() {
            return Err(self.no_match(&pattern));
        }
        let (shown, number, names) = (in_one_line(pattern.as_str()), names.len(), listed(&names));
        let message = format!("`trigger` runs one job; `{shown}` names {number}: {names}");
        Err(Failure::new(Code::Unprocessable, message).help("name one of them"))
    }
}
