//! Reading the configuration again: what stays, what changes, and what is said about it.

use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinError;

use super::speak::Voice;
use super::{Daemon, keep};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::notify::Way;
use crate::plan::{Aside, Job, Loaded, Plan};
use crate::store::StoreError;

/// What all messages of a plan have in common.
pub fn voice(plan: &Plan) -> Voice {
    let slack = &plan.config.slack;
    Voice {
        host: Arc::clone(&plan.config.host),
        zone: plan.config.zone.clone(),
        channel: slack.channel.clone(),
        threads: matches!(slack.way, Way::Token(_)),
    }
}

impl Daemon {
    /// Takes a new plan over. With an error in `slack_alert.toml` everything stays as it was.
    pub(super) async fn reload(&mut self, loaded: Result<Loaded, JoinError>) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return tracing::error!(%error, "the configuration could not be read again; nothing changed"),
        };
        let Some(plan) = loaded.plan else {
            let first = loaded.findings.first_error();
            tracing::error!(error = %first, "the configuration has errors; nothing changed");
            let body = format!("{first}\nEverything goes on as before.");
            return self.say(Status::Warning, "the new configuration has errors", &body);
        };
        let now = self.host.clock.now();
        let before = std::mem::replace(&mut self.plan, plan);
        let aside = self.plan.aside.clone();
        let bad = |job: &Job| aside.iter().any(|aside| covers(aside, job));
        // What waits to be written is as true as what is.
        if let Err(error) = self.host.store.flush().await {
            tracing::warn!(%error, "a job that comes back may have forgotten its last runs");
        }
        let past = keep::load(&self.host.store).await;
        let past = |name: &JobName| past.jobs.get(name).cloned().unwrap_or_default();
        let (limits, voice) = (self.plan.config.limits, voice(&self.plan));
        self.dispatcher.replace(&self.plan.jobs, &bad, limits, voice, past, now);
        self.host.store.keep_history(limits.history);
        match (self.host.connect)(&self.plan.config) {
            Ok(settings) => drop(self.host.outbox.send_replace(settings)),
            Err(error) => {
                tracing::error!(%error, "the new way to Slack cannot be used; the old one goes on");
                self.say(Status::Warning, "the new way to Slack cannot be used; the old one goes on", &error);
            }
        }
        self.redirect(&before).await;
        tracing::info!(jobs = self.plan.jobs.len(), aside = self.plan.aside.len(), "reloaded");
        self.announce_aside(&before.aside);
    }

    /// Messages that wait follow a channel that was changed.
    async fn redirect(&self, before: &Plan) {
        let store = &self.host.store;
        let (old, new) = (before.default_channel(), self.plan.default_channel());
        for job in &self.plan.jobs {
            let Some(was) = before.job(job.name.as_str()).filter(|was| was.fingerprint != job.fingerprint) else {
                continue;
            };
            let mut moved = Vec::new();
            for status in STATUSES {
                let (from, to) = (places(was, status, old), places(job, status, new));
                for pair in from.into_iter().zip(to).filter(|(from, to)| from != to) {
                    if !moved.contains(&pair) {
                        moved.push(pair);
                    }
                }
            }
            for (from, to) in moved {
                log_trouble(store.redirect(Some(job.name.clone()), from, to).await);
            }
        }
        // The daemon's own words, and those of jobs that are gone; unless some job means the old place by its name.
        let (from, to) = (place(old), place(new));
        if from != to && !self.plan.jobs.iter().any(|job| speaks_in(job, &from, new)) {
            log_trouble(store.redirect(None, from, to).await);
        }
    }

    /// Says which job files are bad now and were not, and which are mended.
    pub(super) fn announce_aside(&mut self, before: &[Aside]) {
        let fresh: Vec<&Aside> = self.plan.aside.iter().filter(|aside| !before.contains(aside)).collect();
        // A bad file that was taken away is not mended.
        let back = |was: &&Aside| self.plan.jobs.iter().any(|job| covers(was, job));
        let mended: Vec<&Aside> = before.iter().filter(back).collect();
        for aside in &fresh {
            tracing::error!(job = %aside.name, error = %aside.why, "set aside: the job file has errors");
        }
        let lines = |list: &[&Aside], word: fn(&Aside) -> String| {
            list.iter().map(|aside| word(aside)).collect::<Vec<_>>().join("\n")
        };
        if !fresh.is_empty() {
            let title = format!("{} set aside", files(fresh.len()));
            let body = lines(&fresh, |aside| aside.why.clone());
            self.say(Status::Warning, &title, &body);
        }
        if !mended.is_empty() {
            for aside in &mended {
                tracing::info!(job = %aside.name, "mended");
            }
            let title = format!("{} mended", files(mended.len()));
            let body = lines(&mended, |aside| aside.name.to_string());
            self.say(Status::Ok, &title, &body);
        }
    }

    pub(super) fn say(&mut self, status: Status, title: &str, body: &str) {
        let record = self.dispatcher.own_words(status, title, body, self.host.clock.now());
        self.keeping.keep(vec![record]);
    }
}

const STATUSES: [Status; 4] = [Status::Critical, Status::Unknown, Status::Warning, Status::Ok];

/// Whether what is set aside is this job's file, or a folder that it lies below.
fn covers(aside: &Aside, job: &Job) -> bool {
    aside.name == job.name || Path::new(&job.facts.file).starts_with(&aside.file)
}

/// The default channel; without one, messages go to the way out's own place, which has no name.
fn place(default: Option<&Channel>) -> Channel {
    default.cloned().unwrap_or_else(|| Channel::new(""))
}

/// Where a job's messages of a status go.
fn places(job: &Job, status: Status, default: Option<&Channel>) -> Vec<Channel> {
    let channels = job.notify.channels_for(status, default);
    if channels.is_empty() { vec![place(default)] } else { channels }
}

fn speaks_in(job: &Job, channel: &Channel, default: Option<&Channel>) -> bool {
    STATUSES.iter().any(|status| places(job, *status, default).contains(channel))
}

fn log_trouble(result: Result<(), StoreError>) {
    if let Err(error) = result {
        tracing::error!(%error, "waiting messages keep their old channel");
    }
}

fn files(number: usize) -> String {
    if number == 1 { "1 job file".to_owned() } else { format!("{number} job files") }
}
