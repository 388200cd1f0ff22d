//! Whether the daemon's own means work: does Slack take messages, does the disk take the state.
//!
//! Before it: the [`Snapshot`]. After it: `[fallback]`'s command, once when an outage begins and once when it ends; the log;
//! and a message to the default channel. Invariants: each change is told once; the fallback ends within [`PATIENCE`], and
//! nothing waits for it.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Daemon, Snapshot};
use crate::api;
use crate::clock::Mono;
use crate::exec::{Command, Outcome, Run, Status, Trigger};
use crate::id::{JobName, RunId};
use crate::notify::view::plain;
use crate::outbox::{self, Outage};
use crate::plan::Config;
use crate::policy::{Event, count};
use crate::slack;
use crate::store::{CarriedOver, Cause, MessageState, OutboxFilter, Store, StoreError, Stored, Trouble};

/// How long the fallback may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages that the fallback is told of, each in a line of so many characters, and how many are looked at for that.
const MOST_LISTED: usize = 50;
const LINE: usize = 300;
const MOST_LOOKED_AT: u32 = 500;

/// What was refused within this time before an outage is a part of it.
const RECENT: Duration = Duration::from_secs(3600);

/// Trouble with the disk is told in Slack this often at most.
const SELDOM: Duration = Duration::from_secs(3600);

/// It is logged this often at most: a disk on which small rows fit and large ones do not fails with every other alert, and
/// the log is often on the same disk.
const LOG_SPACING: Duration = Duration::from_secs(60);

/// A change that somebody should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// Slack has taken nothing for long.
    OutageBegan(Outage),
    /// Slack takes messages again.
    OutageEnded(Outage),
    /// So many runs are missing from the history.
    RunsDropped(u64),
    /// So many dead letters were given up.
    DeadLettersDropped(u64),
    /// So many messages of good news were given up.
    GoodNewsDropped(u64),
    /// A database took the place of another one.
    StoreReplaced(CarriedOver),
    /// The state cannot be written.
    StoreFails {
        /// What the disk says.
        why: StoreError,
        /// Whether a message says so too.
        notify: bool,
    },
    /// The state cannot be written, now for another reason.
    StoreStillFails(StoreError),
    /// The state can be written again.
    StoreWorks {
        /// Whether a message says so too.
        notify: bool,
    },
}

/// What was seen last. Pure.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The outage that was told.
    outage: Option<Outage>,
    trouble: Trouble,
    /// When the disk's trouble was told in Slack last, and whether its end is still to be told.
    notified: Option<Mono>,
    end_due: bool,
    /// When the disk's trouble was logged last, and whether the end of it is to be logged.
    logged: Option<Mono>,
    log_end: bool,
}

impl Seen {
    /// What the snapshot says of an outage was told before.
    pub(super) fn new(snapshot: &Snapshot) -> Self {
        Self { outage: snapshot.outbox.outage.clone(), ..Self::default() }
    }

    /// What has changed.
    pub(super) fn compare(&mut self, snapshot: &Snapshot, now: Mono) -> Vec<HealthChange> {
        let mut changes = Vec::new();
        self.compare_outage(snapshot.outbox.outage.as_ref(), &mut changes);
        if self.trouble != snapshot.store {
            let before = std::mem::replace(&mut self.trouble, snapshot.store.clone());
            self.compare_trouble(&before, now, &mut changes);
        }
        changes
    }

    fn compare_outage(&mut self, current: Option<&Outage>, changes: &mut Vec<HealthChange>) {
        match (&self.outage, current) {
            (None, Some(outage)) => changes.push(HealthChange::OutageBegan(outage.clone())),
            (Some(outage), None) => changes.push(HealthChange::OutageEnded(outage.clone())),
            _ => return,
        }
        self.outage = current.cloned();
    }

    fn compare_trouble(&mut self, before: &Trouble, now: Mono, changes: &mut Vec<HealthChange>) {
        let trouble = &self.trouble;
        if trouble.dropped_runs > before.dropped_runs {
            changes.push(HealthChange::RunsDropped(trouble.dropped_runs));
        }
        if trouble.dropped_letters > before.dropped_letters {
            changes.push(HealthChange::DeadLettersDropped(trouble.dropped_letters));
        }
        if trouble.dropped_messages > before.dropped_messages {
            changes.push(HealthChange::GoodNewsDropped(trouble.dropped_messages));
        }
        if let Some(carried) = trouble.carried.as_ref().filter(|carried| before.carried.as_ref() != Some(carried)) {
            changes.push(HealthChange::StoreReplaced(carried.clone()));
        }
        let may_log = self.logged.is_none_or(|logged| logged + LOG_SPACING <= now);
        match (&before.failing, &trouble.failing) {
            (None, Some(why)) => {
                let notify = self.notified.is_none_or(|notified| notified + SELDOM <= now);
                if notify {
                    (self.notified, self.end_due) = (Some(now), true);
                }
                if notify || may_log {
                    (self.logged, self.log_end) = (Some(now), true);
                    changes.push(HealthChange::StoreFails { why: why.clone(), notify });
                }
            }
            (Some(was), Some(why)) if was != why && may_log => {
                (self.logged, self.log_end) = (Some(now), true);
                changes.push(HealthChange::StoreStillFails(why.clone()));
            }
            (Some(_), None) if std::mem::take(&mut self.log_end) => {
                changes.push(HealthChange::StoreWorks { notify: std::mem::take(&mut self.end_due) });
            }
            _ => {}
        }
    }
}

/// Compares each snapshot with the one before, and runs the fallback.
#[derive(Debug)]
pub(super) struct HealthMonitor {
    snapshot: watch::Receiver<Snapshot>,
    seen: Seen,
    /// In progress: each outage has two, and each ends within [`PATIENCE`].
    fallbacks: JoinSet<Outcome>,
}

impl HealthMonitor {
    pub(super) fn new(mut snapshot: watch::Receiver<Snapshot>) -> Self {
        let seen = Seen::new(&snapshot.borrow_and_update());
        Self { snapshot, seen, fallbacks: JoinSet::new() }
    }

    /// Returns when a fallback has ended; never when none is in progress.
    pub(super) async fn fallback_ended(&mut self) -> Option<Outcome> {
        match self.fallbacks.join_next().await {
            Some(ended) => ended.ok(),
            None => std::future::pending().await,
        }
    }
}

impl Daemon {
    /// Tells what has changed since the last turn.
    pub(super) fn check_health(&mut self, now: Mono) {
        let monitor = &mut self.health;
        if !monitor.snapshot.has_changed().unwrap_or_default() {
            return;
        }
        let changes = monitor.seen.compare(&monitor.snapshot.borrow_and_update(), now);
        for change in changes {
            self.tell_of_health(change);
        }
    }

    fn tell_of_health(&mut self, change: HealthChange) {
        match change {
            HealthChange::OutageBegan(outage) => {
                let Outage { since, waiting, why, refused } = &outage;
                let what = if *refused { "alerts can be posted nowhere" } else { "Slack has taken nothing for long" };
                tracing::error!(%since, waiting, "{what}: {why}");
                self.fall_back(outage, false);
            }
            HealthChange::OutageEnded(outage) => {
                let by_whom = if outage.refused { "slack.channel" } else { "Slack" };
                tracing::info!(since = %outage.since, "{by_whom} takes messages again");
                self.fall_back(outage, true);
            }
            HealthChange::RunsDropped(dropped) => {
                tracing::error!(dropped, "the history cannot be written fast enough: runs are left out of it");
            }
            HealthChange::DeadLettersDropped(dropped) => {
                tracing::error!(dropped, "there are more dead letters than are kept: the oldest are given up");
            }
            HealthChange::GoodNewsDropped(dropped) => {
                tracing::error!(
                    dropped,
                    "memory is full of messages that the disk does not take: good news is given up"
                );
                let messages = count(dropped, "message");
                let body = format!("good news was given up so that alerts have room: {messages} so far");
                self.say(Status::Warning, "messages were given up: memory is full", &body);
            }
            HealthChange::StoreReplaced(carried) => {
                let (title, body) = told(&carried);
                let CarriedOver { kept_as, messages, jobs, unreadable, .. } = &carried;
                let kept_as = kept_as.display();
                tracing::error!(%kept_as, messages, jobs, unreadable, "{title}. {body}");
                self.say(Status::Warning, title, &body);
                self.host.store.told_of_carried();
            }
            HealthChange::StoreFails { why, notify } => {
                let dir = self.host.store.dir().map(|dir| dir.display().to_string()).unwrap_or_default();
                let advice = why.advice();
                let alerts = match why.is_hang() {
                    true => "alerts wait until it does",
                    false => "alerts are kept in memory and sent from there",
                };
                tracing::error!(%why, dir, "the state cannot be written; {alerts}; {advice}");
                if notify {
                    let alerts = alerts.replacen('a', "A", 1);
                    let body = format!(
                        "{dir}: {why}. {alerts}; a stop would lose what Slack has not taken by then. What to do: {advice}."
                    );
                    self.say(Status::Warning, "the state cannot be written", &body);
                }
            }
            HealthChange::StoreStillFails(why) => tracing::error!(%why, "the state still cannot be written"),
            HealthChange::StoreWorks { notify } => {
                tracing::info!("the state can be written again");
                if notify {
                    self.say(Status::Ok, "the state can be written again", "");
                }
            }
        }
    }

    /// Runs the fallback.
    #[expect(clippy::disallowed_methods, reason = "the daemon owns the fallback while it runs")]
    fn fall_back(&mut self, outage: Outage, is_over: bool) {
        let now = self.host.clock.now().wall;
        let Some(run) = fallback(&self.plan.config, &self.host.store, (outage, is_over), now) else { return };
        let spawner = Arc::clone(&self.host.spawner);
        self.health.fallbacks.spawn(async move { spawner.run(run.await).await });
    }

    /// A fallback has ended; without an outcome, by a defect of ours.
    pub(super) fn fell_back(&self, outcome: Option<Outcome>) {
        match outcome {
            None => tracing::error!("the fallback command did not run to its end: internal error"),
            Some(outcome) if outcome.status == Status::Ok => tracing::info!("the fallback command was run"),
            Some(outcome) => {
                let stderr = crate::message::clean(&outcome.output.stderr.bytes());
                let line = stderr.lines().next().unwrap_or_default();
                tracing::error!(how = outcome.ending.words(), stderr = line, "the fallback command failed");
            }
        }
    }
}

/// An outage, as commands and the page show it.
pub fn shown(outage: Outage) -> api::Outage {
    let Outage { since, waiting, why, refused } = outage;
    api::Outage { since, waiting, why, refused }
}

/// The run of the fallback that tells of an outage, or of its end; none where there is no fallback. What Slack has not taken is
/// read first.
pub fn fallback(
    config: &Config,
    store: &Store,
    (outage, is_over): (Outage, bool),
    now: Timestamp,
) -> Option<impl Future<Output = Arc<Run>> + Send + use<>> {
    let words = config.fallback.as_ref()?.command.clone();
    let (environment, folder) = (Arc::clone(&config.environment), config.folder.clone());
    let (host, zone, store) = (Arc::clone(&config.host), config.zone.clone(), store.clone());
    Some(async move {
        let outage = shown(outage);
        let api::Outage { since, waiting, .. } = outage;
        // As people read it who get a mail hours later.
        let at = since.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string();
        let text = match is_over {
            true => format!("slack-alert on {host}: {}\n", outage.words_of_end(&at)),
            false => format!(
                "slack-alert on {host}: {}.\nLast error: {}\n{}",
                outage.words(&at),
                outage.why,
                untold(&store, &zone, since, waiting).await
            ),
        };
        let command = Command::plain(&words, &text, &folder, environment, PATIENCE);
        Arc::new(Run::new(RunId(0), JobName::new("(fallback)"), Arc::new(command), now, Trigger::Schedule))
    })
}

/// What Slack has not taken, how many alerts and a line for each, with the job and the time; while the disk does not say it, how many
/// messages wait.
async fn untold(store: &Store, zone: &TimeZone, since: Timestamp, waiting: u64) -> String {
    let filter = OutboxFilter { limit: MOST_LOOKED_AT, ..OutboxFilter::default() };
    let mut all = match store.outbox_list(filter).await {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the fallback is run without the messages that wait");
            return format!("Waiting when this was noticed: {waiting}\n");
        }
    };
    // Of what no channel takes, what led here, and nothing older.
    let recent = since.saturating_sub(RECENT).unwrap_or(since);
    let is_whole = all.len() < MOST_LOOKED_AT as usize;
    all.retain(|stored| !stored.is_edit() && (stored.state != MessageState::Dead || stored.queued >= recent));
    let all = once_each(all);
    let listed = all.len() as u64;
    let waiting = if is_whole { listed } else { waiting.max(listed) };
    format!("Waiting when this was noticed: {waiting}\n{}", list(&all, zone))
}

/// Each alert once, whatever the channels that it was for. What another one was told of in their place, or in a digest, is told unless
/// the message there is among them; that a channel did not take an alert is none.
fn once_each(all: Vec<Stored>) -> Vec<Stored> {
    let mut known = HashSet::new();
    let is_new = |stored: &Stored| {
        let message = &stored.message;
        let is_told = stored.progress.forwarded || stored.progress.announced;
        if is_told || stored.is_file() || outbox::is_notice(message) {
            return false;
        }
        let Some(run) = message.run else { return true };
        known.insert((message.job.clone(), run, message.incident, message.event.map(Event::as_str)))
    };
    all.into_iter().filter(is_new).collect()
}

/// A line for each message.
fn list(all: &[Stored], zone: &TimeZone) -> String {
    let line = |stored: &Stored| {
        let message = &stored.message;
        let at = message.created.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
        let words = message.text.lines().map(|line| slack::one_line(line, LINE).0).find(|line| !line.is_empty());
        let words = plain(&words.unwrap_or_default());
        let named = message.job.as_ref().filter(|job| !words.contains(job.as_str()));
        let job = named.map(|job| format!("{}: ", crate::id::in_one_line(job.as_str()))).unwrap_or_default();
        format!("  {at}  {job}{words}\n")
    };
    let lines: String = all.iter().take(MOST_LISTED).map(line).collect();
    let more = match all.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!("  and {more} more, see `slack-alert outbox`\n"),
    };
    if lines.is_empty() { String::new() } else { format!("Not told:\n{lines}{more}") }
}

/// That a database took the place of another one, as a title and what follows it.
fn told(carried: &CarriedOver) -> (&'static str, String) {
    let CarriedOver { cause, kept_as, messages, jobs, unreadable } = carried;
    let kept_as = kept_as.display();
    let (messages, jobs) = (count(*messages, "message"), count(*jobs, "job"));
    let unreadable = count(*unreadable, "waiting message");
    match cause {
        Cause::Damaged => (
            "the state was damaged: a new one was begun",
            format!(
                "What could be read was carried over: {messages} of the outbox, and the state of {jobs}. {unreadable} could \
                 not be read, others may be lost without a trace; the history begins anew. The damaged database is kept as \
                 {kept_as}."
            ),
        ),
        Cause::Moved => (
            "the state was removed or replaced while the daemon ran",
            format!(
                "All of it was written to a new state.db, {messages} of the outbox and the state of {jobs} among it. \
                 What stood in its place, if anything, is kept as {kept_as}. Stop the daemon before you move its state."
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Fault;

    fn error(why: &str) -> StoreError {
        StoreError::Database { fault: Fault::Other(why.to_owned()), source: None }
    }

    fn failing(why: Option<&str>) -> Snapshot {
        let store = Trouble { failing: why.map(error), ..Trouble::default() };
        Snapshot { store, ..Snapshot::default() }
    }

    #[test]
    fn a_disk_that_fails_again_and_again_is_told_once_an_hour_with_its_end() {
        let mut seen = Seen::default();
        let fails = |why: &str, notify| HealthChange::StoreFails { why: error(why), notify };
        let works = |notify| HealthChange::StoreWorks { notify };
        for (minute, why, expected) in [
            (0, Some("full"), vec![fails("full", true)]),
            (1, Some("full"), vec![]),
            (2, Some("read-only"), vec![HealthChange::StoreStillFails(error("read-only"))]),
            (3, None, vec![works(true)]),
            (4, Some("full"), vec![fails("full", false)]),
            (5, None, vec![works(false)]),
            (60, Some("full"), vec![fails("full", true)]),
            (61, None, vec![works(true)]),
        ] {
            let now = Mono(Duration::from_secs(60 * minute));
            assert_eq!(seen.compare(&failing(why), now), expected, "minute {minute}");
        }
    }

    #[test]
    fn a_disk_that_fails_with_every_other_alert_is_logged_once_a_minute() {
        let mut seen = Seen::default();
        let logged: usize = (0..600)
            .map(|second| {
                let why = (second % 2 == 0).then_some(if second % 4 == 0 { "full" } else { "read-only" });
                seen.compare(&failing(why), Mono(Duration::from_secs(second))).len()
            })
            .sum();
        assert!((10..=20).contains(&logged), "{logged} lines in ten minutes");
    }

    #[test]
    fn an_outage_is_told_when_it_begins_and_when_it_ends_and_not_again_after_a_restart() {
        let outage =
            |waiting| Outage { since: Timestamp::UNIX_EPOCH, waiting, why: "reset".to_owned(), refused: false };
        let with = |outage: Option<Outage>| {
            let mut snapshot = Snapshot::default();
            snapshot.outbox.outage = outage;
            snapshot
        };
        let mut seen = Seen::default();
        let began = vec![HealthChange::OutageBegan(outage(1))];
        assert_eq!(seen.compare(&with(Some(outage(1))), Mono::default()), began);
        assert_eq!(seen.compare(&with(Some(outage(2))), Mono::default()), []);
        assert_eq!(seen.compare(&with(None), Mono::default()), [HealthChange::OutageEnded(outage(1))]);
        let mut seen = Seen::new(&with(Some(outage(1))));
        assert_eq!(seen.compare(&with(Some(outage(1))), Mono::default()), []);
    }

    #[test]
    fn what_is_lost_is_told_with_its_number() {
        let carried = CarriedOver { messages: 7, kept_as: "state.db.corrupt-1".into(), ..CarriedOver::default() };
        let lost = Trouble {
            dropped_runs: 2,
            dropped_messages: 4,
            dropped_letters: 3,
            carried: Some(carried.clone()),
            ..Trouble::default()
        };
        let mut seen = Seen::default();
        let changes = seen.compare(&Snapshot { store: lost, ..Snapshot::default() }, Mono::default());
        let text = told(&carried).1;
        assert!(text.contains("7 messages") && text.contains("state.db.corrupt-1"), "{text}");
        assert_eq!(
            changes,
            [
                HealthChange::RunsDropped(2),
                HealthChange::DeadLettersDropped(3),
                HealthChange::GoodNewsDropped(4),
                HealthChange::StoreReplaced(carried)
            ]
        );
    }
}
