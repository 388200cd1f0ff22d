//! Pings of runs that something else starts. Pure.
//!
//! Before it: the route of pings. After it: the same reports as of `wrap`.

use super::super::mailbox::{Ping, Pinged};
use super::{Dispatcher, ReportRefused, RunReport, Turn};
use crate::api::{Code, Failure};
use crate::clock::Now;
use crate::document::did_you_mean;
use crate::exec::{Captured, Ending, Output};
use crate::id::JobName;

/// Of a text that is only logged, so much.
const LOGGED: usize = 400;

impl Dispatcher {
    /// Takes a ping: the beginning of a run, its end, or a word about it.
    pub fn ping(&mut self, ping: &Ping, now: Now) -> (Result<(), Box<Failure>>, Turn) {
        let known = ping.names.iter().find(|(name, _)| self.has(name));
        let Some((job, what)) = known else {
            let name = ping.names.first().map_or("", |(name, _)| name.as_str());
            let help = did_you_mean(name, self.jobs().map(|job| job.name.as_str()));
            let failure = Failure::new(Code::NoSuchJob, format!("there is no job `{}`", crate::id::in_one_line(name)));
            return (Err(Box::new(failure.maybe_help(help))), Turn::default());
        };
        match self.pinged(job, *what, ping, now) {
            Ok(turn) => (Ok(()), turn),
            Err(refused) => (Err(Box::new(failure(job, &refused))), Turn::default()),
        }
    }

    fn pinged(&mut self, job: &JobName, what: Pinged, ping: &Ping, now: Now) -> Result<Turn, ReportRefused> {
        let key = ping.key.as_deref();
        let ending = match what {
            Pinged::Start => {
                let report = RunReport { key: ping.key.clone(), ..RunReport::default() };
                return self.report_begin(job, report, now.wall, now).map(|(_, turn)| turn);
            }
            Pinged::Log => return self.logged(job, key, &ping.output),
            Pinged::End { ok } => Ending::Reported { ok },
            Pinged::Exit(code) => Ending::Exited { code: i32::from(code) },
        };
        let run = self.reported_run(job, key).or_else(|| self.given_up_run(job, key, now));
        let started = run.and_then(|run| self.reported_start(run)).unwrap_or(now.wall);
        let output = Output { stdout: ping.output.clone(), both: ping.output.clone(), ..Output::default() };
        let outcome = self.assess(job, ending, output, started, now.wall)?;
        let (run, turn) = self.report_end(job, run, outcome, now)?;
        if let Some(key) = key {
            self.ended_under(run, job, key, now);
        }
        Ok(turn)
    }

    /// A word about a run changes nothing; where one is in progress, it is the last that was heard of it.
    fn logged(&self, job: &JobName, key: Option<&str>, text: &Captured) -> Result<Turn, ReportRefused> {
        let text = self.masked(job, text)?;
        if let Some(run) = self.reported_run(job, key).and_then(|id| self.runs().find(|run| run.id == id))
            && let Ok(mut last) = run.progress.last_output.lock()
        {
            *last = text.as_bytes()[text.len().saturating_sub(LOGGED)..].to_vec();
        }
        let line: String = text.lines().next().unwrap_or_default().chars().take(LOGGED).collect();
        tracing::info!(%job, "reported: {line}");
        Ok(Turn::default())
    }
}

/// Why a ping is not taken, for its sender.
fn failure(job: &JobName, refused: &ReportRefused) -> Failure {
    match refused {
        ReportRefused::NoSuchJob => Failure::new(Code::NoSuchJob, format!("there is no job `{job}`")),
        ReportRefused::RunsHere => Failure::new(Code::RunsHere, format!("the daemon runs `{job}` itself"))
            .help("only a job with `expect` is run by something else, and takes reports"),
        ReportRefused::Stopping => Failure::new(Code::Stopping, "the daemon is stopping"),
    }
}
