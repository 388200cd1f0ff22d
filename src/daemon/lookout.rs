//! What the daemon watches besides its jobs: whether Slack takes messages, and whether the disk takes the state.
//!
//! Before it: the outbox's status and the store's trouble. After it: `[fallback]`'s command, once when an outage begins and
//! once when it ends; the log; and a word to the default channel. Invariants: each change is told once; the fallback is
//! bounded by [`PATIENCE`], and nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Daemon;
use crate::clock::Mono;
use crate::exec::{Command, Outcome, Run, Status, Trigger};
use crate::id::{JobName, RunId};
use crate::outbox::{self, Outage};
use crate::store::Trouble;

/// How long the fallback may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A disk that fails now and then is told of in Slack this often at most; the log has every time.
const SELDOM: Duration = Duration::from_secs(3600);

/// Something that is worth a look.
#[derive(Debug)]
pub(super) enum Sighting {
    /// How the outbox does has changed.
    Outbox,
    /// How the disk does has changed.
    Disk,
    /// A fallback has ended.
    Fallback(Option<Box<Outcome>>),
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Lookout {
    status: watch::Receiver<outbox::Status>,
    trouble: watch::Receiver<Trouble>,
    /// The outage that was told of.
    outage: Option<Outage>,
    /// The trouble that was logged.
    logged: Trouble,
    /// When the disk's trouble was told in Slack last, and whether its end is still to be.
    said: Option<Mono>,
    owes_end: bool,
    /// In progress: each outage has two, and each ends within [`PATIENCE`].
    fallbacks: JoinSet<Outcome>,
}

impl Lookout {
    /// What the outbox says now was told before.
    pub(super) fn new(mut status: watch::Receiver<outbox::Status>, mut trouble: watch::Receiver<Trouble>) -> Self {
        let outage = status.borrow_and_update().outage.clone();
        // Trouble from the first moment on is news.
        trouble.mark_changed();
        Self {
            status,
            trouble,
            outage,
            logged: Trouble::default(),
            said: None,
            owes_end: false,
            fallbacks: JoinSet::new(),
        }
    }

    /// The next thing to look at; nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Sighting {
        tokio::select! {
            Ok(()) = self.status.changed() => Sighting::Outbox,
            Ok(()) = self.trouble.changed() => Sighting::Disk,
            Some(ended) = self.fallbacks.join_next() => Sighting::Fallback(ended.ok().map(Box::new)),
            else => std::future::pending().await,
        }
    }
}

impl Daemon {
    /// Acts on what was seen.
    pub(super) fn sighted(&mut self, sighting: Sighting) {
        match sighting {
            Sighting::Outbox => self.look_at_slack(),
            Sighting::Disk => self.look_at_the_disk(),
            Sighting::Fallback(None) => tracing::error!("the fallback command was not run to its end: internal error"),
            Sighting::Fallback(Some(outcome)) if outcome.status == Status::Ok => tracing::info!("the fallback was run"),
            Sighting::Fallback(Some(outcome)) => {
                let stderr = crate::message::clean(&outcome.output.stderr.bytes());
                let line = stderr.lines().next().unwrap_or_default();
                tracing::error!(how = outcome.ending.words(), stderr = line, "the fallback command failed");
            }
        }
    }

    fn look_at_slack(&mut self) {
        let current = self.lookout.status.borrow_and_update().outage.clone();
        let host = &self.plan.config.host;
        let details = match (&self.lookout.outage, &current) {
            (None, Some(outage)) => {
                tracing::error!(since = %outage.since, waiting = outage.waiting, "Slack has taken nothing for long: {}", outage.why);
                let Outage { since, waiting, why } = outage;
                format!(
                    "slack-alert on {host}: Slack has taken no message since {since}.\n\
                     Waiting when this was noticed: {waiting}\nLast error: {why}\n"
                )
            }
            (Some(outage), None) => {
                tracing::info!(since = %outage.since, "Slack takes messages again");
                format!(
                    "slack-alert on {host}: Slack takes messages again. It had taken none since {}.\n",
                    outage.since
                )
            }
            _ => return self.lookout.outage = current,
        };
        self.lookout.outage = current;
        self.fall_back(&details);
    }

    fn fall_back(&mut self, details: &str) {
        let config = &self.plan.config;
        let Some(fallback) = &config.fallback else { return };
        let environment = Arc::clone(&config.environment);
        let command = Command::plain(&fallback.command, details, &config.folder, environment, PATIENCE);
        let now = self.host.clock.now().wall;
        let run = Run::new(RunId(0), JobName::new("(fallback)"), Arc::new(command), now, Trigger::Schedule);
        self.lookout.fallbacks.spawn(self.host.spawner.run(Arc::new(run)));
    }

    fn look_at_the_disk(&mut self) {
        let trouble = self.lookout.trouble.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.lookout.logged, trouble.clone());
        if trouble.dropped_runs > before.dropped_runs {
            let dropped = trouble.dropped_runs;
            tracing::error!(dropped, "the history cannot be written fast enough: runs are left out of it");
        }
        if trouble.dropped_letters > before.dropped_letters {
            let dropped = trouble.dropped_letters;
            tracing::error!(dropped, "there are more dead letters than are kept: the oldest are given up");
        }
        if let Some(path) = trouble.set_aside.as_ref().filter(|path| before.set_aside.as_ref() != Some(path)) {
            let path = path.display().to_string();
            tracing::error!(kept_as = path, "the state was found damaged: it is set aside, and a new one begun");
            self.say(
                Status::Warning,
                "the state was damaged: a new one was begun",
                &format!("the old one is kept as {path}"),
            );
        }
        match (&before.failing, &trouble.failing) {
            (None, Some(why)) => {
                tracing::error!(%why, "the state cannot be written; alerts are held in memory and sent from there");
                let now = self.host.clock.now().mono;
                if self.lookout.said.is_none_or(|said| said + SELDOM <= now) {
                    (self.lookout.said, self.lookout.owes_end) = (Some(now), true);
                    let body = format!("{why}; alerts are held in memory and sent from there");
                    self.say(Status::Warning, "the state cannot be written", &body);
                }
            }
            (Some(was), Some(why)) if was != why => tracing::error!(%why, "the state still cannot be written"),
            (Some(_), None) => {
                tracing::info!("the state can be written again");
                if std::mem::take(&mut self.lookout.owes_end) {
                    self.say(Status::Ok, "the state can be written again", "");
                }
            }
            _ => {}
        }
    }
}
