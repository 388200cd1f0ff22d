//! How everything is, for whoever asks: what the dispatcher knows, with what only the loop does.
//!
//! Before it: a request that only looks. After it: its reply. Invariant: nothing changes by it.

use super::Daemon;
use super::mailbox::{JobQuery, Reply, Request};
use crate::api::{self, JobState};
use crate::clock::Now;
use crate::document::did_you_mean;
use crate::id::JobName;
use crate::plan::NotLoaded;
use crate::policy::Pattern;
use crate::store::Trouble;

impl Daemon {
    /// The answer to a request that only looks; none to any other.
    pub(super) fn view(&self, request: &Request) -> Option<Reply> {
        let now = self.host.clock.now();
        Some(match request {
            Request::Status => Reply::Status(Box::new(self.status(now))),
            Request::Jobs(query) => {
                let (jobs, more) = self.jobs(query, now);
                Reply::Jobs(jobs, more)
            }
            Request::Incidents => Reply::Incidents(self.dispatcher.incidents(now)),
            Request::Holds => {
                Reply::Holds(self.dispatcher.hold_views(), self.dispatcher.script_silences(self.host.clock.now()))
            }
            Request::Next { pattern, within, behind, limit } => {
                let pattern = pattern.as_deref().map(Pattern::new);
                Reply::Next(self.dispatcher.next_within(pattern.as_ref(), (*within, behind.as_ref()), *limit, now))
            }
            Request::Running(id) => Reply::Running(self.dispatcher.running_view(*id, now).map(Box::new)),
            Request::AllRunning => Reply::AllRunning(self.dispatcher.running_views(now)),
            Request::Declared(name) => Reply::Declared(self.dispatcher.declared(name)),
            Request::Names => Reply::Names(self.names()),
            Request::Numbers => Reply::Numbers(Box::new(self.dispatcher.numbers(now))),
            Request::Cadences(only) => Reply::Cadences(self.dispatcher.cadences(only.as_ref(), now)),
            Request::Reload
            | Request::FilesChanged
            | Request::Stop
            | Request::StopNow
            | Request::Ping(_)
            | Request::Trigger(_)
            | Request::Hold(_)
            | Request::EndHold(..)
            | Request::EndHolds(..)
            | Request::RunBegun(..)
            | Request::RunEnded(_)
            | Request::RunUnfollowed(_)
            | Request::TakeUpRecords => return None,
        })
    }

    /// A job of which no version is loaded is not unknown: its file has errors.
    pub(super) fn about_files(&self, request: &Request, reply: Reply) -> Reply {
        let names: Vec<&str> = match request {
            Request::Trigger(run) => vec![run.job.as_str()],
            Request::Hold(hold) => vec![hold.pattern.trim()],
            Request::EndHolds(_, pattern, _) => vec![pattern.trim()],
            Request::Ping(ping) => ping.names.iter().map(|(name, _)| name.as_str()).collect(),
            _ => return reply,
        };
        let Reply::Refused(mut failure) = reply else { return reply };
        if failure.error.code == api::Code::NoSuchJob {
            let mut not_loaded = self.plan.not_loaded.iter();
            if let Some(bad) = not_loaded.find(|bad| names.iter().any(|name| bad.stands_for(name))) {
                let (what, help) = match bad.is_folder() {
                    true => (bad.what(), "`slack-alert check` shows every error"),
                    false => {
                        let what = format!("`{}` is not loaded", bad.name);
                        (what, "correct its file: `slack-alert check` shows every error")
                    }
                };
                *failure = api::Failure::new(api::Code::NotLoaded, format!("{what}: {}", bad.why)).help(help);
            } else if let Some(name) = names.first().filter(|name| Pattern::new(name).is_one_job())
                && let Some(near) = did_you_mean(name, self.names().iter().map(JobName::as_str))
            {
                failure.error.help = Some(near);
            }
        }
        Reply::Refused(failure)
    }

    /// The names of all jobs, those that are not loaded among them.
    fn names(&self) -> Vec<JobName> {
        let loaded = self.dispatcher.jobs().map(|job| job.name.clone());
        let not_loaded = self.plan.not_loaded.iter().map(|bad| bad.name.clone());
        loaded.chain(not_loaded.filter(|name| !self.dispatcher.has(name))).collect()
    }

    fn status(&self, now: Now) -> api::Status {
        let outbox = self.publisher.outbox();
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: self.plan.config.host.to_string(),
            // The server knows them, and says them to whom they concern.
            config: None,
            state_dir: None,
            options: api::Options::default(),
            started: self.dispatcher.born(),
            now: now.wall,
            reload: self.reading.clone(),
            jobs: api::JobCounts {
                not_loaded: self.plan.not_loaded.len(),
                going_on: self.plan.not_loaded.iter().filter(|bad| self.dispatcher.has_version(&bad.name)).count(),
                ..self.dispatcher.counts()
            },
            incidents: self.dispatcher.incidents(now),
            starved: self.dispatcher.starved(now),
            removed_running: self.dispatcher.removed_running(),
            outbox: api::OutboxState {
                waiting: outbox.waiting,
                late: 0,
                dead: 0,
                oldest: None,
                suspended: outbox.held.map(|held| api::Suspended { why: held.why }),
                outage: outbox.outage.map(super::health::shown),
                last_delivered: outbox.last_delivered,
                last_error: outbox.last_error,
            },
            store: store_trouble(&self.publisher.store()),
            holds: self.dispatcher.hold_views(),
            next: self.dispatcher.next_due(now),
        }
    }

    /// Jobs that are loaded, with the errors of their files; and those of which no version is.
    fn jobs(&self, query: &JobQuery, now: Now) -> (Vec<api::Job>, bool) {
        // A job that is well, whose file has errors, is worth a look.
        let bad = || self.plan.not_loaded.iter().map(|bad| bad.name.clone()).collect();
        let notable = query.notable.as_ref().map(|_| bad());
        let (mut jobs, mut more) = self.dispatcher.job_views(&JobQuery { notable, ..query.clone() }, now);
        for bad in &self.plan.not_loaded {
            if let Some(job) = jobs.iter_mut().find(|job| job.name == bad.name) {
                job.error = Some(bad.why.clone());
                job.without_version = !self.dispatcher.has_version(&bad.name);
            }
        }
        let of_query = |bad: &&NotLoaded| {
            !self.dispatcher.has(&bad.name)
                && query.name.as_ref().is_none_or(|name| *name == bad.name)
                && query.pattern.as_deref().is_none_or(|pattern| Pattern::new(pattern).covers(bad.name.as_str(), []))
                && (query.states.is_empty() || query.states.contains(&JobState::NotLoaded))
        };
        let key = |job: &api::Job| (query.order.rank(job.state), job.name.clone());
        let after = query.after.as_ref().map(|after| {
            (query.order.rank(self.dispatcher.state_of(after).unwrap_or(JobState::NotLoaded)), after.clone())
        });
        let missing = self.plan.not_loaded.iter().filter(of_query).map(not_loaded);
        jobs.extend(missing.filter(|job| after.as_ref().is_none_or(|after| key(job) > *after)));
        jobs.sort_by_key(key);
        more |= jobs.len() > query.limit.max(1);
        jobs.truncate(query.limit.max(1));
        (jobs, more)
    }
}

/// Why the state cannot be written, where it cannot.
fn store_trouble(trouble: &Trouble) -> Option<api::StoreTrouble> {
    trouble.failing.as_ref().map(|why| api::StoreTrouble {
        why: why.to_string(),
        advice: why.advice().to_owned(),
        unsaved: trouble.unsaved,
    })
}

/// A job of which no version is loaded.
pub fn not_loaded(bad: &NotLoaded) -> api::Job {
    api::Job {
        name: bad.name.clone(),
        description: String::new(),
        state: JobState::NotLoaded,
        status: None,
        schedule: String::new(),
        next: None,
        last: None,
        usual_took: None,
        streak: 0,
        running: Vec::new(),
        paused: None,
        silenced: None,
        strip: Vec::new(),
        tags: Vec::new(),
        file: bad.file.display().to_string(),
        error: Some(bad.why.clone()),
        without_version: true,
    }
}
