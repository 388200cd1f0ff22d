//! \[time\] The loop that carries messages from the store to Slack: asks the queue what is next, sends it, writes what came
//! of it, and tells the daemon. It has no rule of its own.
//!
//! Before it: `store`, and the daemon, which runs this as one task and replaces its settings at a reload. After it: the
//! notifier.
//!
//! Invariants: a lane's next message is taken only after what came of the last one is written (or held in memory, while the
//! disk fails); at most [`MOST_IN_FLIGHT`] messages are in flight; nothing here grows with what waits.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::batch::{self, Ask, Batch, Lane, Turn};
use super::outage::{self, Outage, Watch};
use super::places::{self, Places};
use super::queue::{MOST_REMEMBERED, PATIENCE, Queue};
use super::quota::{Quota, spacing};
use super::report::{DeliveryResult, Report};
use super::settling::{self, Known};
use super::standing::Standings;
use super::storm;
use super::wakeup::Wakeup;
use crate::clock::{self, Alarm, Mono, SharedClock};
use crate::document::{Rate, format_duration};
use crate::id::Channel;
use crate::notify::{Looked, Lookup, Notifier, Receipt, SendError, Sent};
use crate::store::{Depth, Disposition, MessageId, OutboxFilter, Settlement, Store, StoreError, Stored};

/// Messages in flight at one time, each of another channel.
pub const MOST_IN_FLIGHT: usize = 32;

/// What is sent within this long after the order to stop is sent; the rest waits on disk.
pub const DRAIN: Duration = Duration::from_secs(10);

/// What is on its way when it is told to stop at once has this long to be answered: it would come twice otherwise.
pub const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The notifier bounds its own time; this is the bound should it not.
pub const LONGEST_SEND: Duration = Duration::from_secs(300);

/// After so many answers that did not come in time, Slack is asked whether it answers at all before the message is sent
/// again: a message is not used up against a server that is away.
const ASKS_FIRST: u32 = 2;

/// An edit whose message is still on its way is looked at again after this long, should its arrival have been missed.
const BLOCKED_EDIT: Duration = Duration::from_secs(300);

/// Under which name the store keeps how long Slack asked to wait.
pub const WAITS: &str = "outbox_waits";

/// How far two readings of two clocks may lie apart, in milliseconds.
const CLOCKS_DIFFER: i64 = 20;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way out. Another one than before (another token) tries again what was refused.
    pub notifier: Arc<dyn Notifier>,
    /// `slack.channel`: told of what none of its own channels takes.
    pub channel: Option<Channel>,
    /// This host's name, for messages of several jobs.
    pub host: Arc<str>,
    /// `slack.rate`.
    pub rate: Rate,
    /// `limits.outbox_max_age`.
    pub max_age: Duration,
    /// `fallback.after`.
    pub fallback_after: Option<Duration>,
}

/// What an earlier process left behind, as notes of the store.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// An outage that was told of and not ended.
    pub outage: Option<Outage>,
    /// [`storm::NOTE`].
    pub storms: Option<String>,
    /// [`WAITS`].
    pub waits: Option<String>,
    /// [`outage::FAILING`].
    pub failing: Option<Timestamp>,
    /// [`places::NOTE`].
    pub places: Places,
}

impl Remembered {
    /// From all notes of the store.
    pub fn from_notes(notes: &std::collections::HashMap<String, String>) -> Self {
        Self {
            outage: Outage::from_note(notes.get(outage::NOTE)),
            storms: notes.get(storm::NOTE).cloned(),
            waits: notes.get(WAITS).cloned(),
            failing: notes.get(outage::FAILING).and_then(|note| note.parse().ok()),
            places: Places::from_note(notes.get(places::NOTE)),
        }
    }
}

/// What the loop needs.
#[derive(Debug)]
pub struct Worker {
    /// The queue on disk.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Replaced at a reload.
    pub settings: watch::Receiver<Settings>,
    /// Delivery status.
    pub status: watch::Sender<Status>,
    /// Is told what came of each message of a job.
    pub reports: mpsc::UnboundedSender<Report>,
    /// How the jobs are, as the daemon says it.
    pub standings: watch::Receiver<Standings>,
    /// Another process changed the outbox.
    pub wakeup: Wakeup,
    /// Where chance begins.
    pub seed: u64,
    /// What an earlier process left behind.
    pub remembered: Remembered,
}

/// Delivery status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Messages that wait; late ones among them.
    pub waiting: u64,
    /// Nothing goes out at all.
    pub held: Option<Held>,
    /// What went wrong last; `None` when the last try went well.
    pub last_error: Option<String>,
    /// Messages that Slack has taken since the start, each member of a digest counted.
    pub delivered: u64,
    /// Those of them that went out in digests.
    pub merged: u64,
    /// When Slack took a message last, since the start.
    pub last_delivered: Option<Timestamp>,
    /// Tries that failed since the start.
    pub failed: u64,
    /// Those of them that Slack refused: the same again cannot help.
    pub refused: u64,
    /// Dead letters since the start.
    pub dead: u64,
    /// Slack has taken nothing for `fallback.after`. From none to some: run the fallback; from some to none: again. What
    /// it is at the start was told by an earlier process.
    pub outage: Option<Outage>,
    /// Which names and IDs are the same channel.
    pub places: Places,
    /// Since when nothing had gone out although something waits, by what an earlier process left; none once Slack took
    /// something.
    pub rests_since: Option<Timestamp>,
}

/// Why nothing goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What Slack said.
    pub why: String,
    /// The credentials were refused: a probe every five minutes, or a reload, ends it.
    pub credentials: bool,
}

/// What comes of a task.
enum Done {
    /// Slack answered; when it was sent, where that is known.
    Answered(Box<Batch>, Result<Receipt, SendError>, Option<Mono>),
    /// There is nothing to send; when there will be.
    Nothing(Channel, Lane, Option<Timestamp>),
    /// It waits to hear whether the channel is the one of a name that is being written to, until then.
    WaitsForName(Channel, Timestamp),
    /// An edit is to be sent.
    Edit(Box<Batch>),
    /// A storm tells these.
    Absorb(Channel, Lane, Vec<Stored>),
    /// What came of it is written; what the daemon is told besides.
    Settled(Channel, Lane, Vec<Report>),
    /// The channel of this ID has this name, as far as the token may know it.
    Named(Channel, Option<Channel>),
    /// How jobs are now is said.
    Said(Result<(), StoreError>),
    /// The store failed.
    Unreadable(Channel, Lane, StoreError),
}

type Task = Pin<Box<dyn Future<Output = Done> + Send>>;

struct Loop {
    store: Store,
    clock: SharedClock,
    settings: Settings,
    queue: Queue,
    /// One for each lane: Slack's methods have limits of their own.
    quotas: [Quota; 3],
    watch: Watch,
    status: Status,
    reports: mpsc::UnboundedSender<Report>,
    standings: watch::Receiver<Standings>,
    chance: fastrand::Rng,
    next_poll: Mono,
    /// The waits that are noted on disk.
    noted_waits: Option<String>,
    /// Since when Slack takes nothing, as it is noted on disk.
    noted_failing: Option<Timestamp>,
    /// There may be dead letters, which another process may set waiting again.
    dead_letters: bool,
    /// Why the last file was refused for good, until one is taken: the next one for the same reason is no news.
    refused_files: Option<String>,
    /// The IDs of channels whose names were asked for.
    asked_names: BTreeSet<Channel>,
    /// What is known of names and IDs is to be noted on disk.
    new_places: bool,
    /// Somebody dropped these while they may have been on their way: whether they arrived is not known yet.
    dropped: Vec<Stored>,
    sending: Vec<Task>,
    settling: Vec<Task>,
}

/// Runs until `shutdown`, and then for [`DRAIN`] at most; from `at_once` on it begins nothing more, and goes on for
/// [`LAST_ANSWERS`] at most.
pub async fn run(worker: Worker, shutdown: impl Future<Output = ()>, at_once: impl Future<Output = ()>) {
    let Worker { store, clock, settings: mut changes, status, reports, standings, mut wakeup, seed, remembered } =
        worker;
    let mut jobs = standings.clone();
    let settings = changes.borrow_and_update().clone();
    let Remembered { outage, storms, waits, failing, places } = remembered;
    let rests_since = status.borrow().rests_since;
    let quota = || Quota::new(clock.clone(), settings.rate);
    let mut this = Loop {
        quotas: [quota(), quota(), quota()],
        watch: Watch::new(settings.fallback_after, outage.clone(), failing),
        status: Status { outage, rests_since, places, ..Status::default() },
        store,
        clock,
        settings,
        queue: Queue::new(storm::from_note(storms.as_ref())),
        reports,
        standings,
        chance: fastrand::Rng::with_seed(seed),
        next_poll: Mono::default(),
        noted_waits: waits,
        noted_failing: failing,
        dead_letters: true,
        refused_files: None,
        asked_names: BTreeSet::new(),
        new_places: false,
        dropped: Vec::new(),
        sending: Vec::new(),
        settling: Vec::new(),
    };
    this.begin().await;
    let (mut shutdown, mut at_once) = (pin!(shutdown), pin!(at_once));
    let (mut stop_at, mut begins, mut reloads) = (None, true, true);
    let mut alarm = Alarm::new(Arc::clone(&this.clock));
    loop {
        this.poll().await;
        if begins {
            this.launch();
        }
        this.publish(&status).await;
        let now = this.clock.now().mono;
        if let Some(stop_at) = stop_at
            && this.is_drained(now, stop_at, begins)
        {
            break;
        }
        let wake = this.wake_at(stop_at);
        tokio::select! {
            biased;
            done = any(&mut this.sending, &mut this.settling) => this.done(done),
            () = &mut shutdown, if stop_at.is_none() => stop_at = Some(this.clock.now().mono + DRAIN),
            () = &mut at_once, if begins => {
                begins = false;
                let end = this.clock.now().mono + LAST_ANSWERS;
                stop_at = Some(stop_at.map_or(end, |known: Mono| known.min(end)));
            }
            changed = changes.changed(), if reloads => match changed {
                Ok(()) => this.reload(changes.borrow_and_update().clone()),
                Err(_) => reloads = false,
            },
            Ok(()) = jobs.changed(), if this.queue.waits_for_jobs() => this.look_at_jobs(),
            () = this.store.arrived() => {}
            () = wakeup.changed() => this.look_again(),
            () = alarm.towards(wake) => {}
        }
    }
    // What is in flight may have arrived and may come again after the next start; what was answered is written.
    this.sending.clear();
    while !this.settling.is_empty() {
        any(&mut this.sending, &mut this.settling).await;
    }
    this.publish(&status).await;
}

/// The first task to end. Never, when there is none.
async fn any(sending: &mut Vec<Task>, settling: &mut Vec<Task>) -> Done {
    std::future::poll_fn(|context| {
        for tasks in [&mut *settling, &mut *sending] {
            for index in 0..tasks.len() {
                if let Poll::Ready(done) = tasks[index].as_mut().poll(context) {
                    drop(tasks.swap_remove(index));
                    return Poll::Ready(done);
                }
            }
        }
        Poll::Pending
    })
    .await
}

/// Takes what is next in a lane out of the store, and sends it.
async fn send_next(
    store: Store,
    notifier: Arc<dyn Notifier>,
    clock: SharedClock,
    standings: watch::Receiver<Standings>,
    mut ask: Ask,
) -> Done {
    let mut later: Option<Timestamp> = None;
    let mut classes = ask.classes.clone().into_iter();
    let passed_over: Vec<MessageId> = ask.passed_over.iter().map(|(id, _)| *id).collect();
    let Some(mut class) = classes.next() else { return Done::Nothing(ask.channel, ask.lane, None) };
    loop {
        let now = clock.now().wall;
        let heads = match store.heads(ask.channel.clone(), class, ask.limit, passed_over.clone(), now).await {
            Ok(heads) => heads,
            Err(error) => return Done::Unreadable(ask.channel, ask.lane, error),
        };
        let heads = batch::by_now(heads, &standings.borrow());
        match batch::turn(heads, &ask, now) {
            Turn::Nothing(then) => {
                later = [later, then].into_iter().flatten().min();
                match classes.next() {
                    Some(next) => (class, ask.limit) = (next, 1),
                    None => return Done::Nothing(ask.channel, ask.lane, later),
                }
            }
            Turn::Settle(settlement) => {
                if let Err(error) = store.settle(*settlement).await {
                    return Done::Unreadable(ask.channel, ask.lane, error);
                }
            }
            Turn::Absorb(rows) => return Done::Absorb(ask.channel, ask.lane, rows),
            Turn::Alone => ask.limit = 1,
            Turn::Send(batch) => {
                if let Some(until) = batch.waits_for(&ask.names).filter(|until| *until > now) {
                    return Done::WaitsForName(ask.channel, until);
                }
                return match batch.lane {
                    Lane::Edits => Done::Edit(batch),
                    Lane::Posts | Lane::Uploads => send_batch(notifier, clock, batch).await,
                };
            }
        }
    }
}

async fn send_batch(notifier: Arc<dyn Notifier>, clock: SharedClock, batch: Box<Batch>) -> Done {
    let sent = Sent::by(clock.clone());
    let answer = send(&*notifier, &*clock, &batch, &sent).await;
    Done::Answered(batch, answer, sent.at())
}

/// Sends once, bounded in time.
async fn send(
    notifier: &dyn Notifier,
    clock: &dyn clock::Clock,
    batch: &Batch,
    sent: &Sent,
) -> Result<Receipt, SendError> {
    if batch.timeouts() >= ASKS_FIRST {
        // The answer to a question costs no message: trouble of the way stays trouble of the way.
        if let Err(SendError::Uncertain { why } | SendError::Doubtful { why } | SendError::Transient { why, .. }) =
            notifier.auth_test().await
        {
            return Err(SendError::Transient { why, retry_after: None });
        }
    }
    let too_long = clock.now().mono + LONGEST_SEND;
    tokio::select! {
        biased;
        answer = notifier.send(batch.delivery(sent.clone())) => answer,
        () = clock::sleep_until(clock, too_long) => {
            Err(SendError::Uncertain { why: format!("no answer within {}", format_duration(LONGEST_SEND)) })
        }
    }
}

impl Loop {
    /// Takes up what an earlier process left: its channels keep their rate across the restart, and the waits that Slack
    /// asked for.
    async fn begin(&mut self) {
        let now = self.clock.now();
        self.queue.set_default(self.settings.channel.clone());
        self.queue.set_host(Arc::clone(&self.settings.host));
        let spacing = spacing(self.settings.rate);
        let depths = self.store.depths(true).await.unwrap_or_default();
        for (channel, _) in &depths {
            // It may have been sent something in the moment before it ended, of which there is no record.
            for lane in [Lane::Posts, Lane::Edits] {
                self.queue.delay(channel, lane, now.mono + spacing);
            }
        }
        for (channel, sent) in self.store.last_sent().await.unwrap_or_default() {
            let left = spacing.saturating_sub(clock::between(sent, now.wall));
            if !left.is_zero() {
                self.queue.delay(&channel, Lane::Posts, now.mono + left);
            }
        }
        for (channel, lane, until) in waits_from(self.noted_waits.as_deref()) {
            let left = clock::between(now.wall, until).min(super::retry::LONGEST_RETRY_AFTER);
            self.queue.delay(&channel, lane, now.mono + left);
        }
        // The newest come first: an older one that was told in the place of another is told once more.
        let told = OutboxFilter {
            dead: true,
            with_dropped: true,
            newest_first: true,
            limit: MOST_REMEMBERED,
            ..OutboxFilter::default()
        };
        self.queue.remember(&self.store.outbox_list(told).await.unwrap_or_default());
        self.queue.update(depths, now.mono);
        if self.queue.depth().is_empty() {
            self.watch.forget_earlier();
        }
    }

    /// Another process changed the outbox: what it set waiting is tried at once, whatever was refused before.
    fn look_again(&mut self) {
        self.next_poll = Mono::default();
        self.queue.anew(self.clock.now().mono);
    }

    /// A storm tells how its jobs are now.
    fn learn_jobs(&mut self) {
        self.queue.learn_jobs(&self.standings.borrow());
    }

    /// A storm tells these.
    fn absorb(&mut self, channel: &Channel, lane: Lane, rows: &[Stored]) {
        self.learn_jobs();
        let settlement = self.queue.absorbed(channel, rows, self.clock.now().wall);
        self.settling.push(Box::pin(settle(self.store.clone(), settlement, lane, Known::default())));
    }

    /// A job is otherwise than it was, of which no message tells.
    fn look_at_jobs(&mut self) {
        self.learn_jobs();
        if let Some(settlement) = self.queue.look_at_jobs(self.clock.now().wall) {
            let store = self.store.clone();
            self.settling.push(Box::pin(async move { Done::Said(store.settle(settlement).await) }));
        }
    }

    /// Learns what waits.
    async fn poll(&mut self) {
        let now = self.clock.now();
        let (watchful, due) = (self.is_watchful(), now.mono >= self.next_poll);
        if due || !watchful {
            self.next_poll = clock::next_look(&*self.clock, now.mono);
        }
        let depths = if due && watchful { self.poll_all(now.wall).await } else { self.store.depths(false).await };
        match depths {
            Ok(depths) => self.queue.update(depths, now.mono),
            // That is told once, for everything.
            Err(error) if error.is_hang() => {}
            Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
        }
    }

    /// Whether there is something that grows too old, or that another process may change: then it is looked through every
    /// 20 s. An outbox without a message costs nothing.
    fn is_watchful(&self) -> bool {
        self.dead_letters || !self.queue.depth().is_empty()
    }

    async fn poll_all(&mut self, now: Timestamp) -> Result<Vec<(Channel, Depth)>, StoreError> {
        let max_age = self.settings.max_age;
        let cutoff = now.saturating_sub(max_age).unwrap_or(Timestamp::MIN);
        let age = format_duration(max_age);
        let poll = self.store.poll(cutoff, format!("not delivered within {age}")).await?;
        match poll.expired {
            Ok(0) => {}
            Ok(count) => {
                self.status.dead += count as u64;
                tracing::error!(count, "alerts could not be delivered within {age}: they are dead letters now");
            }
            Err(error) => tracing::warn!(%error, "the outbox cannot be looked through for alerts that are too old"),
        }
        self.quotas.iter_mut().for_each(Quota::forget_idle);
        self.dead_letters = poll.dead_letters;
        self.dropped.extend(poll.dropped);
        self.tell_dropped();
        poll.depths
    }

    /// Tells what was dropped. Of a channel that is sent something it is told when that is answered: what arrives was not dropped.
    fn tell_dropped(&mut self) {
        let queue = &self.queue;
        for stored in self.dropped.extract_if(.., |stored| !queue.is_sending_to(&stored.message.channel)) {
            let report = Report::of(&stored.message, DeliveryResult::Dropped(stored.dropped));
            // Without a daemon nobody listens.
            report.into_iter().for_each(|report| drop(self.reports.send(report)));
        }
    }

    fn report(&self, reports: Vec<Report>) {
        // Without a daemon nobody listens.
        reports.into_iter().for_each(|report| drop(self.reports.send(report)));
    }

    /// Sends off whatever can go.
    fn launch(&mut self) {
        while self.sending.len() < MOST_IN_FLIGHT {
            let now = self.clock.now();
            let Some((channel, lane)) = self.queue.next(now.mono) else { break };
            let quota = &mut self.quotas[lane as usize];
            if let Err(wait) = quota.check(&channel) {
                self.queue.delay(&channel, lane, now.mono + wait);
                continue;
            }
            let expires = now.wall.saturating_sub(self.settings.max_age).unwrap_or(Timestamp::MIN);
            let mut ask = self.queue.ask(&channel, lane, quota.capacity(PATIENCE), expires, now);
            if lane == Lane::Posts && self.status.places.may_have_a_name(&channel) {
                ask.names = self.queue.unknown_names(&self.status.places);
            }
            let notifier = Arc::clone(&self.settings.notifier);
            let standings = self.standings.clone();
            self.sending.push(Box::pin(send_next(self.store.clone(), notifier, self.clock.clone(), standings, ask)));
        }
    }

    fn done(&mut self, done: Done) {
        let now = self.clock.now();
        // Whatever came of it may be one; the next poll tells.
        self.dead_letters = true;
        match done {
            Done::Answered(batch, answer, sent) => {
                if let Some(sent) = sent {
                    // Until the connection stood Slack saw nothing: its rate counts from then.
                    self.queue.delay(&batch.channel, batch.lane, sent + spacing(self.settings.rate));
                }
                self.answered(&batch, &answer);
            }
            Done::Named(id, name) => {
                self.new_places |= name.is_some_and(|name| self.status.places.learn(&name, &id));
            }
            Done::Said(Ok(())) => {}
            // That the disk fails is told for all that is written.
            Done::Said(Err(error)) => tracing::debug!(%error, "what a storm says of its jobs could not be written"),
            Done::Settled(channel, lane, reports) => {
                self.report(reports);
                self.queue.finished(&channel, lane, now.mono, None);
                self.tell_dropped();
            }
            // While it was looked up a storm may have been told, whose message is no job's own.
            Done::Edit(batch) if self.queue.tells_edit(&batch) => {
                self.absorb(&batch.channel, batch.lane, &batch.members);
            }
            Done::Edit(batch) => {
                let notifier = Arc::clone(&self.settings.notifier);
                self.sending.push(Box::pin(send_batch(notifier, self.clock.clone(), batch)));
            }
            Done::Absorb(channel, lane, rows) => self.absorb(&channel, lane, &rows),
            Done::WaitsForName(channel, until) => {
                let until = now.mono + clock::between(now.wall, until).max(Duration::from_millis(1));
                self.queue.waits_for_name(&channel, until, now.mono);
            }
            Done::Nothing(channel, lane, Some(later)) => {
                let later = now.mono + clock::between(now.wall, later).max(Duration::from_millis(1));
                self.queue.finished(&channel, lane, now.mono, Some(later));
            }
            Done::Nothing(channel, lane, None) => {
                // Somebody else took it away: count anew, and not at once again should the count be wrong. An edit may wait
                // for the message that it changes, whose arrival ends the wait.
                let later = match lane {
                    Lane::Edits => BLOCKED_EDIT,
                    Lane::Posts | Lane::Uploads => Duration::from_secs(1),
                };
                self.next_poll = now.mono;
                self.queue.finished(&channel, lane, now.mono, Some(now.mono + later));
            }
            Done::Unreadable(channel, lane, error) => {
                if !error.is_hang() {
                    tracing::warn!(%channel, %error, "the outbox cannot be read");
                }
                self.queue.finished(&channel, lane, now.mono + Duration::from_secs(1), None);
            }
        }
    }

    fn answered(&mut self, batch: &Batch, answer: &Result<Receipt, SendError>) {
        let now = self.clock.now();
        let chance = self.chance.f64();
        let held = self.queue.held().is_some_and(|hold| hold.credentials);
        self.learn_jobs();
        let answered = self.queue.answered(batch, answer, now, chance);
        let (channel, count) = (&batch.channel, batch.members.len() as u64);
        let default = self.settings.channel.as_ref().is_none_or(|default| default == channel);
        match answer {
            Ok(receipt) => {
                self.dropped.retain(|dropped| batch.members.iter().all(|member| member.id != dropped.id));
                self.status.last_error = None;
                self.status.delivered += count;
                self.status.last_delivered = Some(now.wall);
                self.status.rests_since = None;
                self.status.merged += if batch.is_merged() { count } else { 0 };
                self.watch.delivered(default);
                if batch.lane == Lane::Uploads {
                    self.refused_files = None;
                }
                self.learn_place(channel, receipt);
                for warning in &receipt.warnings {
                    tracing::warn!(%channel, "Slack took the message with a remark: {warning}");
                }
            }
            Err(error) => {
                let why = error.why();
                self.status.failed += 1;
                self.status.refused += u64::from(matches!(error, SendError::Permanent { .. }));
                self.status.last_error = Some(why.to_owned());
                if batch.lane == Lane::Posts {
                    self.watch.failed(now, why);
                }
                let what = match batch.lane {
                    Lane::Posts => "a message",
                    Lane::Edits => "an edit",
                    Lane::Uploads => "a file",
                };
                let is_known = batch.lane == Lane::Uploads && self.refused_files.as_deref() == Some(why);
                if let Disposition::Dead { .. } = answered.settlement.disposition {
                    self.status.dead += count;
                    if batch.lane == Lane::Uploads {
                        self.refused_files = Some(why.to_owned());
                    }
                }
                if is_known {
                    tracing::debug!(%channel, count, "{what} is not delivered, for the same reason as the last");
                } else if let Disposition::Dead { .. } = answered.settlement.disposition {
                    tracing::error!(%channel, count, "{what} is not delivered, and is a dead letter now: {why}");
                } else if answered.settlement.disposition == Disposition::Superseded {
                    let instead = if answered.settlement.follow.is_empty() { "" } else { ", and a reply says it" };
                    tracing::warn!(%channel, "{what} is given up{instead}: {why}");
                } else {
                    tracing::warn!(%channel, attempt = batch.attempt, "{what} is not delivered yet: {why}");
                }
            }
        }
        if let Some(why) = &answered.nowhere {
            tracing::error!(%channel, "an alert could be posted nowhere: {why}");
            self.watch.nowhere(now, count, why);
        }
        self.report(answered.reports);
        match self.queue.held() {
            Some(hold) if hold.credentials && !held => tracing::error!(
                "Slack refuses the credentials ({}): every message waits; correct them and reload, or wait for a probe",
                hold.why
            ),
            None if held => tracing::info!("Slack takes the credentials again"),
            _ => {}
        }
        let known = Known {
            unheard: batch.unheard(&answered.settlement.disposition),
            overtaking: if answer.is_ok() { self.queue.overtaking(batch) } else { Vec::new() },
            told_elsewhere: self.queue.told_elsewhere(batch).filter(|_| answer.is_ok()),
            twins: if answer.is_ok() { settling::twins(batch, &self.status.places) } else { Vec::new() },
        };
        self.settling.push(Box::pin(settle(self.store.clone(), answered.settlement, batch.lane, known)));
        if batch.storm.is_some() {
            // One of its jobs may be well again, of which nothing is told.
            self.look_at_jobs();
        }
    }

    /// Slack's answer has the ID of a channel that is configured by its name. The name of one that is configured by its ID is asked
    /// for, once: an incident goes on there when the configuration names it.
    fn learn_place(&mut self, channel: &Channel, receipt: &Receipt) {
        let Some(id) = receipt.posted.as_ref().map(|posted| Channel::new(&posted.channel)) else { return };
        self.new_places |= self.status.places.learn(channel, &id);
        if *channel == id && self.status.places.may_have_a_name(&id) && self.asked_names.insert(id.clone()) {
            let asked = self.settings.notifier.look_up(Lookup::Channel(id.as_str().to_owned()));
            self.sending.push(Box::pin(async move {
                let name = match asked.await {
                    Ok(Some(Looked::Found(target))) if !target.name.is_empty() => Some(Channel::new(&target.name)),
                    _ => None,
                };
                Done::Named(id, name)
            }));
        }
    }

    /// Which names and IDs are the same channel is remembered.
    async fn note_places(&mut self) {
        if self.new_places && self.store.remember(places::NOTE, self.status.places.note()).await.is_ok() {
            self.new_places = false;
        }
    }

    fn reload(&mut self, settings: Settings) {
        for quota in &mut self.quotas {
            quota.set_rate(settings.rate);
        }
        self.queue.set_default(settings.channel.clone());
        self.queue.set_host(Arc::clone(&settings.host));
        self.watch.set_after(settings.fallback_after);
        let now = self.clock.now().mono;
        if settings.notifier.secret() != self.settings.notifier.secret() {
            self.queue.anew(now);
        } else if !Arc::ptr_eq(&settings.notifier, &self.settings.notifier) {
            self.queue.read_again(now);
        }
        self.settings = settings;
        self.next_poll = Mono::default();
    }

    /// Tells how it goes; an outage is remembered before it is told.
    async fn publish(&mut self, status: &watch::Sender<Status>) {
        let depth = self.queue.depth();
        self.status.waiting = total(depth);
        self.status.held = self.queue.held().map(|hold| Held { why: hold.why.clone(), credentials: hold.credentials });
        self.watch.look(self.clock.now().mono, self.status.waiting);
        if self.status.outage.as_ref() != self.watch.current() {
            self.status.outage = self.watch.current().cloned();
            let note = self.status.outage.as_ref().and_then(|outage| serde_json::to_string(outage).ok());
            if let Err(error) = self.store.remember(outage::NOTE, note).await {
                tracing::warn!(%error, "it cannot be noted whether Slack is away: a restart may tell of it again");
            }
        }
        self.note_failing().await;
        self.note_waits().await;
        self.note_places().await;
        status.send_if_modified(|told| {
            let changed = *told != self.status;
            told.clone_from(&self.status);
            changed
        });
    }

    /// Since when Slack takes nothing is remembered: a restart does not begin to count anew.
    async fn note_failing(&mut self) {
        let since = self.watch.failing_since(self.clock.now().mono);
        let note = since.map(|since| since.to_string());
        if since != self.noted_failing && self.store.remember(outage::FAILING, note).await.is_ok() {
            self.noted_failing = since;
        }
    }

    /// How long Slack asked to wait is remembered: a restart does not ask again sooner.
    async fn note_waits(&mut self) {
        let waits = self.queue.waits(self.clock.now());
        // The rate alone is kept by the time of the last message.
        let long = waits.into_iter().map(|(channel, lane, until)| (channel, lane as u8, whole_seconds(until)));
        let long: Vec<(Channel, u8, i64)> = long.collect();
        let note = if long.is_empty() { None } else { serde_json::to_string(&long).ok() };
        if note != self.noted_waits && self.store.remember(WAITS, note.clone()).await.is_ok() {
            self.noted_waits = note;
        }
    }

    /// When there is something to do again though nothing happens.
    fn wake_at(&self, stop_at: Option<Mono>) -> Option<Mono> {
        let full = self.sending.len() >= MOST_IN_FLIGHT;
        let due = self.queue.due().filter(|_| !full);
        let outage = self.watch.due().filter(|_| self.status.waiting > 0);
        let look = self.is_watchful().then_some(self.next_poll);
        [due, outage, stop_at, look].into_iter().flatten().min()
    }

    /// Whether nothing more can be done before the stop.
    fn is_drained(&self, now: Mono, stop_at: Mono, begins: bool) -> bool {
        let in_flight = !self.sending.is_empty() || !self.settling.is_empty();
        now >= stop_at || (!in_flight && (!begins || self.queue.due().is_none_or(|due| due >= stop_at)))
    }
}

/// How much waits in all.
fn total(depth: Depth) -> u64 {
    depth.alerts + depth.details + depth.edits + depth.uploads + depth.late
}

/// The second at which a wait is over: not before it, however often a restart reads and notes it again. A whole second that
/// comes back by way of two clocks is a little more or less than it was.
fn whole_seconds(until: Timestamp) -> i64 {
    (until.as_millisecond() - CLOCKS_DIFFER + 999).div_euclid(1_000)
}

/// The waits that an earlier process noted.
fn waits_from(note: Option<&str>) -> Vec<(Channel, Lane, Timestamp)> {
    let known: Vec<(Channel, u8, i64)> = note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
    let wait = |(channel, lane, until)| {
        let lane = [Lane::Posts, Lane::Edits, Lane::Uploads].into_iter().find(|known| *known as u8 == lane)?;
        Some((channel, lane, Timestamp::from_second(until).ok()?))
    };
    known.into_iter().filter_map(wait).collect()
}

/// Writes what came of a batch.
async fn settle(store: Store, settlement: Settlement, lane: Lane, known: Known) -> Done {
    let channel = settlement.channel.clone();
    match settling::write(&store, settlement, known).await {
        Ok(reports) => Done::Settled(channel, lane, reports),
        Err(error) => Done::Unreadable(channel, lane, error),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{CLOCKS_DIFFER, whole_seconds};

    #[test]
    fn a_wait_that_is_noted_anew_by_each_of_many_restarts_ends_neither_sooner_nor_ever_later() {
        for ends in [20_000, 20_001, 20_019, 20_500, 20_999] {
            let mut until = Timestamp::from_millisecond(ends).expect("a time");
            for restart in 0..20 {
                let drift = if restart % 2 == 0 { 3 } else { -3 };
                let read = Timestamp::from_second(whole_seconds(until)).expect("a time");
                until = Timestamp::from_millisecond(read.as_millisecond() + drift).expect("a time");
            }
            let late = until.as_millisecond() - ends;
            assert!((-CLOCKS_DIFFER - 3..1_000).contains(&late), "{ends}: {late} ms");
        }
    }
}
