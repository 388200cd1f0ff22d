//! `[heartbeat]` and the pings of jobs: when a watcher elsewhere is told that the daemon is well, or what is wrong.
//!
//! Before it: the snapshot, the dispatcher, the queue of pings. After it: `notify`, which sends. Invariants: the daemon is well only
//! while its loop turns, its runs start within [`LATE`], its state can be written and its outbox moves; at most one heartbeat is on
//! its way, and nothing waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::pings::{self, News, Part, PingCounts};
use super::{Daemon, Dispatcher, dispatcher};
use crate::clock::{self, Mono, Now};
use crate::document::format_duration;
use crate::exec::{Run, Status, clean};
use crate::id::JobName;
use crate::notify::secret::Source;
use crate::notify::{HeartbeatSettings, Signal, SignalError, Watcher};
use crate::plan::Plan;

/// A run that is due waits no longer for a place, where the daemon is well.
const LATE: Duration = Duration::from_secs(60);

/// Without `[fallback]`, the outbox moves within this while something waits in it.
const MOVES_WITHIN: Duration = Duration::from_secs(900);

/// An orderly stop waits no longer for the watcher.
const FAREWELL: Duration = Duration::from_secs(5);

/// Of a run's output, so much is sent along, of its end.
const BODY: usize = 10_000;

/// The name of the note that holds the number of this state: run IDs of watchers are made of it.
pub(super) const NOTE: &str = "state-number";

/// Heartbeats, counted since the daemon started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatCounts {
    /// The watcher was told that all is well.
    pub ok: u64,
    /// It was told what is wrong.
    pub fail: u64,
    /// It could not be told.
    pub error: u64,
}

impl HeartbeatCounts {
    /// Each with its word.
    pub fn words(&self) -> [(&'static str, u64); 3] {
        [("ok", self.ok), ("fail", self.fail), ("error", self.error)]
    }
}

/// What counts for whether the daemon is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The run that waits longest for a place, and for how long.
    pub(super) late: Option<(JobName, Duration)>,
    /// The state cannot be written, for this reason.
    pub(super) store: Option<String>,
    /// Nothing goes out at all, for this reason.
    pub(super) held: Option<String>,
    /// Messages wait, and none went out for so long; what went wrong last.
    pub(super) rests: Option<(Duration, String)>,
}

/// What is wrong; nothing while the daemon is well.
pub(super) fn wrong(facts: &Facts, within: Duration) -> Option<String> {
    let mut all = Vec::new();
    if let Some(why) = &facts.store {
        all.push(format!("the state cannot be written: {why}"));
    }
    if let Some(why) = &facts.held {
        all.push(format!("Slack takes no messages: {why}"));
    } else if let Some((length, why)) = facts.rests.as_ref().filter(|(length, _)| *length >= within) {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        all.push(format!("messages wait, and none went out for {}{why}", format_duration(whole(*length))));
    }
    if let Some((job, length)) = facts.late.as_ref().filter(|(_, length)| *length >= LATE) {
        all.push(format!("a run of {job} has waited for a free place for {}", format_duration(whole(*length))));
    }
    (!all.is_empty()).then(|| all.join("\n"))
}

fn whole(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}

/// What has been sent.
pub(super) enum Sent {
    /// A heartbeat, and whether it said that all is well.
    Heartbeat(bool, Result<(), SignalError>),
    /// A ping of a job.
    Ping(JobName, Part, u64, Result<(), SignalError>),
}

/// Since when nothing has gone out of the outbox although something waits.
#[derive(Clone, Copy, Debug)]
struct Rests {
    /// Since then, as far as this process has seen.
    since: Mono,
    /// For how long before that, by what an earlier process left.
    already: Duration,
    /// How much had gone out by then.
    out: u64,
}

/// What the loop knows of watchers.
pub(super) struct Watchers {
    watcher: Arc<dyn Watcher>,
    pings: pings::Queue,
    on_their_way: JoinSet<Sent>,
    /// When the next heartbeat is due.
    next: Option<Mono>,
    beating: bool,
    counts: HeartbeatCounts,
    /// Nothing has gone out of the outbox although something waits.
    rests: Option<Rests>,
    /// What was told in Slack: each watcher that does not know its URL, once for each URL.
    gone: HashMap<Option<JobName>, Source>,
    /// What is wrong, as it was logged last.
    logged: Option<String>,
    /// Of this state.
    number: u64,
}

impl Watchers {
    pub(super) fn new(watcher: Arc<dyn Watcher>, number: u64) -> Self {
        Self {
            watcher,
            pings: pings::Queue::default(),
            on_their_way: JoinSet::new(),
            next: None,
            beating: false,
            counts: HeartbeatCounts::default(),
            rests: None,
            gone: HashMap::new(),
            logged: None,
            number,
        }
    }

    pub(super) fn counts(&self) -> (HeartbeatCounts, PingCounts) {
        (self.counts, self.pings.counts)
    }

    /// Returns when something was sent, or could not be; never while nothing is on its way.
    pub(super) async fn sent(&mut self) -> Option<Sent> {
        match self.on_their_way.join_next().await {
            Some(sent) => sent.ok(),
            None => std::future::pending().await,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the daemon owns what is on its way to a watcher")]
    fn send(&mut self, signal: Signal, name: impl FnOnce(Result<(), SignalError>) -> Sent + Send + 'static) {
        let sending = self.watcher.signal(signal);
        self.on_their_way.spawn(async move { name(sending.await) });
    }
}

impl Daemon {
    /// When a watcher is to be told next.
    pub(super) fn watchers_due(&self) -> Option<Mono> {
        let heartbeat = self.plan.config.heartbeat.as_ref().and(self.watchers.next);
        heartbeat.into_iter().chain(self.watchers.pings.next()).min()
    }

    /// A run begins.
    pub(super) fn ping_begin(&mut self, run: &Run, now: Mono) {
        let Some(job) = self.dispatcher.declared(&run.job) else { return };
        let id = pings::run_id(self.watchers.number, run.id);
        if let Some(signal) = job.ping.as_ref().and_then(|ping| ping.begins(&id, job.command.exit_codes().may_skip())) {
            self.watchers.pings.put(run.job.clone(), Part::Begins, signal, now);
        }
    }

    /// Runs have ended.
    pub(super) fn ping_ends(&mut self, entries: &[dispatcher::Entry], now: Mono) {
        for ended in entries.iter().filter_map(dispatcher::Entry::ended) {
            if let Some(signal) = ping_of(&self.dispatcher, ended, self.watchers.number) {
                self.watchers.pings.put(ended.run.job.clone(), Part::Ends, signal, now);
            }
        }
    }

    /// Sends what is due.
    pub(super) fn tell_watchers(&mut self, now: Now) {
        let Now { mono: now, wall } = now;
        self.publisher.publish_watchers(self.watchers.counts());
        for pings::Sending { job, part, number, signal } in self.watchers.pings.due(now) {
            self.watchers.send(signal, move |result| Sent::Ping(job, part, number, result));
        }
        let Some(heartbeat) = self.plan.config.heartbeat.clone() else {
            self.watchers.next = None;
            return;
        };
        self.watchers.note_movement(&self.publisher.outbox(), now, wall);
        if self.watchers.next.is_some_and(|next| next > now) {
            return;
        }
        // The grid is kept, and what passed is not made up for.
        self.watchers.next = Some(now + heartbeat.every);
        if !self.watchers.beating {
            self.beat(&heartbeat, now);
        }
    }

    fn beat(&mut self, heartbeat: &HeartbeatSettings, now: Mono) {
        let within = self.plan.config.fallback.as_ref().map_or(MOVES_WITHIN, |fallback| fallback.after);
        let wrong = wrong(&self.facts(now), within);
        if wrong != self.watchers.logged {
            match &wrong {
                Some(why) => tracing::warn!("the watcher of [heartbeat] is told that something is wrong: {why}"),
                None => tracing::info!("the watcher of [heartbeat] is told that all is well"),
            }
            self.watchers.logged.clone_from(&wrong);
        }
        if let Some(signal) = heartbeat.beat(wrong.as_deref()) {
            self.watchers.beating = true;
            self.watchers.send(signal, move |result| Sent::Heartbeat(wrong.is_none(), result));
        }
    }

    fn facts(&self, now: Mono) -> Facts {
        let (outbox, store) = (self.publisher.outbox(), self.publisher.store());
        Facts {
            late: self.dispatcher.latest(now),
            store: store.failing.as_ref().map(ToString::to_string),
            held: outbox.held.as_ref().filter(|held| held.credentials).map(|held| held.why.clone()),
            rests: self.watchers.rests.map(|rests| {
                let length = rests.already.saturating_add(rests.since.until(now));
                (length, outbox.last_error.clone().unwrap_or_default())
            }),
        }
    }

    /// Something was sent, or could not be.
    pub(super) fn watcher_told(&mut self, sent: Option<Sent>) {
        let now = self.host.clock.now().mono;
        match sent {
            Some(Sent::Heartbeat(well, result)) => {
                self.watchers.beating = false;
                let counts = &mut self.watchers.counts;
                match &result {
                    Ok(()) if well => counts.ok += 1,
                    Ok(()) => counts.fail += 1,
                    Err(_) => counts.error += 1,
                }
                match result {
                    Ok(()) => _ = self.watchers.gone.remove(&None),
                    Err(error) if error.gone => self.watcher_is_gone(None, &error.why),
                    Err(error) => tracing::warn!(why = %error.why, "the watcher of [heartbeat] could not be told"),
                }
            }
            Some(Sent::Ping(job, part, number, result)) => {
                if result.is_ok() {
                    self.watchers.gone.remove(&Some(job.clone()));
                }
                match self.watchers.pings.sent(&job, part, number, result, now) {
                    Some(News::Gone(why)) => self.watcher_is_gone(Some(job), &why),
                    Some(News::GaveUp(why)) => {
                        tracing::warn!(%job, why, "the ping of this job could not be sent, and is given up");
                    }
                    None => {}
                }
            }
            None => self.watchers.beating = false,
        }
    }

    /// A watcher does not know its URL: that is told once, and again after it was well in between.
    fn watcher_is_gone(&mut self, job: Option<JobName>, why: &str) {
        let Some(url) = url_of(&self.dispatcher, &self.plan, job.as_ref()) else { return };
        if self.watchers.gone.insert(job.clone(), url.clone()) == Some(url) {
            return;
        }
        let (what, key) = match &job {
            Some(job) => (format!("the ping of {job}"), "`ping` of the job"),
            None => ("the heartbeat".to_owned(), "`[heartbeat]`"),
        };
        tracing::error!(why, "{what} reaches nobody: its watcher does not know the URL");
        let body = format!("{why}. The check was most likely deleted, or its URL has changed; correct {key}.");
        self.say(Status::Warning, &format!("{what} reaches nobody"), &body);
    }

    /// The configuration is another one.
    pub(super) fn watchers_configured(&mut self) {
        let (dispatcher, plan) = (&self.dispatcher, &self.plan);
        // What was told of a URL that is as it was is told.
        self.watchers.gone.retain(|job, url| url_of(dispatcher, plan, job.as_ref()).as_ref() == Some(url));
        self.watchers.pings.retain(|job| dispatcher.declared(job).is_some_and(|job| job.ping.is_some()));
    }

    /// An orderly stop: what watchers were to be told of runs is sent once more, and that this was no crash.
    pub(super) async fn farewell(&mut self) {
        let now = self.host.clock.now().mono;
        for pings::Sending { job, part, number, signal } in self.watchers.pings.due(now) {
            self.watchers.send(signal, move |result| Sent::Ping(job, part, number, result));
        }
        if let Some(signal) = self.plan.config.heartbeat.as_ref().and_then(HeartbeatSettings::stops) {
            self.watchers.send(signal, |result| Sent::Heartbeat(true, result));
        }
        let (clock, deadline) = (Arc::clone(&self.host.clock), now + FAREWELL);
        while !self.watchers.on_their_way.is_empty() {
            tokio::select! {
                _ = self.watchers.on_their_way.join_next() => {}
                () = clock::sleep_until(&*clock, deadline) => return,
            }
        }
    }
}

impl Watchers {
    /// Whether the outbox moves: something goes out of it, or nothing waits.
    fn note_movement(&mut self, outbox: &crate::outbox::Status, now: Mono, wall: Timestamp) {
        let already = outbox.rests_since.map_or(Duration::ZERO, |since| clock::between(since, wall));
        let out = outbox.delivered + outbox.dead;
        self.rests = match self.rests {
            _ if outbox.waiting == 0 => None,
            Some(rests) if rests.out == out => Some(rests),
            Some(_) => Some(Rests { since: now, already: Duration::ZERO, out }),
            None => Some(Rests { since: now, already, out }),
        };
    }
}

/// Where the URL of a job's watcher comes from; without a job, that of the heartbeat's.
fn url_of(dispatcher: &Dispatcher, plan: &Plan, job: Option<&JobName>) -> Option<Source> {
    match job {
        Some(job) => dispatcher.declared(job)?.ping.as_ref().map(|ping| ping.url.clone()),
        None => plan.config.heartbeat.as_ref().map(|heartbeat| heartbeat.url.clone()),
    }
}

/// What the watcher of a job is told of a run's end.
pub(super) fn ping_of(dispatcher: &Dispatcher, ended: &dispatcher::Ended, number: u64) -> Option<Signal> {
    let job = dispatcher.declared(&ended.run.job)?;
    let ping = job.ping.as_ref()?;
    let id = pings::run_id(number, ended.run.id);
    let output = if ping.output { last_of(&clean(&ended.outcome.output.both.bytes())) } else { String::new() };
    ping.ends(pings::end(&ended.outcome)?, &id, &output)
}

/// The number of this state, and what is to be noted of it where it is new.
pub(super) fn state_number(note: Option<&String>) -> (u64, Option<String>) {
    match note.and_then(|note| note.parse().ok()) {
        Some(number) => (number, None),
        None => {
            let number = fastrand::u64(..);
            (number, Some(number.to_string()))
        }
    }
}

/// The end of a text, in whole characters.
fn last_of(text: &str) -> String {
    let mut from = text.len().saturating_sub(BODY);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Facts, MOVES_WITHIN, wrong};
    use crate::id::JobName;

    #[test]
    fn what_is_wrong_is_said_and_nothing_while_all_is_well() {
        let seconds = Duration::from_secs;
        for (facts, said) in [
            (Facts::default(), None),
            (Facts { late: Some((JobName::new("a"), seconds(59))), ..Facts::default() }, None),
            (
                Facts { late: Some((JobName::new("a"), seconds(60))), ..Facts::default() },
                Some("a run of a has waited for a free place for 1m"),
            ),
            (
                Facts { store: Some("disk full".to_owned()), ..Facts::default() },
                Some("the state cannot be written: disk full"),
            ),
            (
                Facts { held: Some("invalid_auth".to_owned()), ..Facts::default() },
                Some("Slack takes no messages: invalid_auth"),
            ),
            (Facts { rests: Some((seconds(899), String::new())), ..Facts::default() }, None),
            (
                Facts { rests: Some((seconds(900), "no answer from slack.com".to_owned())), ..Facts::default() },
                Some("messages wait, and none went out for 15m: no answer from slack.com"),
            ),
        ] {
            assert_eq!(wrong(&facts, MOVES_WITHIN).as_deref(), said, "{facts:?}");
        }
    }
}
