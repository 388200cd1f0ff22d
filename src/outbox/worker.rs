//! \[time\] The loop that carries messages from the store to Slack: asks the queue what is next, sends it, writes what came
//! of it. It has no rule of its own.
//!
//! Before it: `store`, and the daemon, which runs this as one task and replaces its settings at a reload. After it: the
//! notifier.
//!
//! Invariants: a channel's next message is taken only after what came of the last one is written (or held, while the
//! disk fails); at most [`MOST_IN_FLIGHT`] messages are in flight; nothing here grows with what waits.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::outage::{self, Outage, Watch};
use super::queue::{self, Ask, PATIENCE, Parcel, Queue, Turn};
use super::quota::{Quota, spacing};
use super::retry;
use crate::clock::{self, Alarm, Mono, SharedClock};
use crate::document::{Rate, format_duration};
use crate::id::Channel;
use crate::notify::{Notifier, Receipt, SendError};
use crate::store::{Depth, Fate, Settlement, Store, StoreError};

/// Messages in flight at one time, each of another channel.
pub const MOST_IN_FLIGHT: usize = 32;

/// What is sent within this long after the order to stop is sent; the rest waits on disk.
pub const DRAIN: Duration = Duration::from_secs(10);

/// The notifier bounds its own time; this is the bound should it not.
pub const LONGEST_SEND: Duration = Duration::from_secs(300);

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The way out. Another one than before (another token) tries again what was refused.
    pub notifier: Arc<dyn Notifier>,
    /// `slack.rate`.
    pub rate: Rate,
    /// `limits.outbox_max_age`.
    pub max_age: Duration,
    /// `fallback.after`.
    pub fallback_after: Option<Duration>,
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
    /// How it goes.
    pub status: watch::Sender<Status>,
    /// Where chance begins.
    pub seed: u64,
    /// An outage that was told of and not ended when the last process did (`Outage::from_note`).
    pub outage: Option<Outage>,
}

/// How it goes.
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
    /// Tries that failed since the start.
    pub failed: u64,
    /// Dead letters since the start.
    pub dead: u64,
    /// Slack has taken nothing for `fallback.after`. From none to some: run the fallback; from some to none: again. What
    /// it is at the start was told by an earlier process.
    pub outage: Option<Outage>,
}

/// Why nothing goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What Slack said.
    pub why: String,
    /// The credentials were refused: a probe every five minutes, or a reload, ends it.
    pub credentials: bool,
}

/// What comes of a flight.
enum Landed {
    /// Slack answered.
    Answered(Box<Parcel>, Result<Receipt, SendError>),
    /// There was nothing to send after all.
    Nothing(Channel),
    /// What came of it is written.
    Settled(Channel),
    /// The store failed.
    Unreadable(Channel, StoreError),
}

type Flight = Pin<Box<dyn Future<Output = Landed> + Send>>;

struct Loop {
    store: Store,
    clock: SharedClock,
    settings: Settings,
    queue: Queue,
    quota: Quota,
    watch: Watch,
    status: Status,
    chance: u64,
    next_look: Mono,
    /// There may be dead letters, which another process may set waiting again.
    dead_letters: bool,
    sending: Vec<Flight>,
    settling: Vec<Flight>,
}

/// Runs until `shutdown`, and then for [`DRAIN`] at most.
pub async fn run(worker: Worker, shutdown: impl Future<Output = ()>) {
    let Worker { store, clock, settings: mut changes, status, seed, outage } = worker;
    let settings = changes.borrow_and_update().clone();
    let mut this = Loop {
        quota: Quota::new(clock.clone(), settings.rate),
        watch: Watch::new(settings.fallback_after, outage.clone()),
        status: Status { outage, ..Status::default() },
        store,
        clock,
        settings,
        queue: Queue::default(),
        chance: seed | 1,
        next_look: Mono::default(),
        dead_letters: true,
        sending: Vec::new(),
        settling: Vec::new(),
    };
    this.begin().await;
    let mut shutdown = pin!(shutdown);
    let (mut stop_at, mut reloads) = (None, true);
    let mut alarm = Alarm::new(Arc::clone(&this.clock));
    loop {
        this.look().await;
        this.launch();
        this.publish(&status).await;
        let now = this.clock.now().mono;
        if let Some(stop_at) = stop_at
            && this.is_drained(now, stop_at)
        {
            break;
        }
        let wake = this.wake_at(stop_at);
        tokio::select! {
            biased;
            landed = any(&mut this.sending, &mut this.settling) => this.land(landed),
            () = &mut shutdown, if stop_at.is_none() => stop_at = Some(now + DRAIN),
            changed = changes.changed(), if reloads => match changed {
                Ok(()) => this.reload(changes.borrow_and_update().clone()),
                Err(_) => reloads = false,
            },
            () = this.store.arrived() => {}
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

/// The first flight to land. Never, when there is none.
async fn any(sending: &mut Vec<Flight>, settling: &mut Vec<Flight>) -> Landed {
    std::future::poll_fn(|context| {
        for flights in [&mut *settling, &mut *sending] {
            for index in 0..flights.len() {
                if let Poll::Ready(landed) = flights[index].as_mut().poll(context) {
                    drop(flights.swap_remove(index));
                    return Poll::Ready(landed);
                }
            }
        }
        Poll::Pending
    })
    .await
}

/// Takes what is next for a channel out of the store, and sends it.
async fn fly(store: Store, notifier: Arc<dyn Notifier>, clock: SharedClock, ask: Ask) -> Landed {
    loop {
        let heads = match store.heads(ask.channel.clone(), ask.which, ask.limit).await {
            Ok(heads) => heads,
            Err(error) => return Landed::Unreadable(ask.channel, error),
        };
        match queue::turn(heads, &ask, clock.now().wall) {
            Turn::Nothing => return Landed::Nothing(ask.channel),
            Turn::Settle(settlement) => {
                if let Err(error) = store.settle(settlement).await {
                    return Landed::Unreadable(ask.channel, error);
                }
            }
            Turn::Send(parcel) => {
                let too_long = clock.now().mono + LONGEST_SEND;
                let answer = tokio::select! {
                    biased;
                    answer = notifier.send(parcel.delivery()) => answer,
                    () = clock::sleep_until(&*clock, too_long) => {
                        let why = format!("no answer within {}", format_duration(LONGEST_SEND));
                        Err(SendError::Transient { why, retry_after: None })
                    }
                };
                return Landed::Answered(parcel, answer);
            }
        }
    }
}

impl Loop {
    /// Takes up what an earlier process left: its channels keep their rate across the restart.
    async fn begin(&mut self) {
        let now = self.clock.now();
        let spacing = spacing(self.settings.rate);
        let depths = self.store.depths(true).await.unwrap_or_default();
        for (channel, _) in &depths {
            // It may have been sent something in the moment before it ended, of which there is no record.
            self.queue.delay(channel, now.mono + spacing);
        }
        for (channel, sent) in self.store.last_sent().await.unwrap_or_default() {
            let left = spacing.saturating_sub(clock::between(sent, now.wall));
            if !left.is_zero() {
                self.queue.delay(&channel, now.mono + left);
            }
        }
        self.queue.update(depths, now.mono);
    }

    /// Learns what waits.
    async fn look(&mut self) {
        let now = self.clock.now();
        let (watchful, due) = (self.is_watchful(), now.mono >= self.next_look);
        if due || !watchful {
            self.next_look = clock::next_look(&*self.clock, now.mono);
        }
        let depths = if due && watchful { self.look_through(now.wall).await } else { self.store.depths(false).await };
        match depths {
            Ok(depths) => self.queue.update(depths, now.mono),
            Err(error) => tracing::warn!(%error, "the outbox cannot be read"),
        }
    }

    /// Whether there is something that grows too old, or that another process may change: then it is looked through every
    /// 20 s. An outbox without a message costs nothing.
    fn is_watchful(&self) -> bool {
        self.dead_letters || !self.queue.depth().is_empty()
    }

    async fn look_through(&mut self, now: Timestamp) -> Result<Vec<(Channel, Depth)>, StoreError> {
        let max_age = self.settings.max_age;
        let cutoff = now.saturating_sub(max_age).unwrap_or(Timestamp::MIN);
        let age = format_duration(max_age);
        let look = self.store.look(cutoff, format!("not delivered within {age}")).await?;
        match look.expired {
            Ok(0) => {}
            Ok(count) => {
                self.status.dead += count as u64;
                tracing::error!(count, "alerts could not be delivered within {age}: they are dead letters now");
            }
            Err(error) => tracing::warn!(%error, "the outbox cannot be looked through for alerts that are too old"),
        }
        self.quota.forget_idle();
        self.dead_letters = look.dead_letters;
        look.depths
    }

    /// Sends off whatever can go.
    fn launch(&mut self) {
        while self.sending.len() < MOST_IN_FLIGHT {
            let now = self.clock.now().mono;
            let Some(channel) = self.queue.next(now) else { break };
            if let Err(wait) = self.quota.check(&channel) {
                self.queue.delay(&channel, now + wait);
                continue;
            }
            let ask = self.queue.ask(&channel, self.quota.capacity(PATIENCE));
            let notifier = Arc::clone(&self.settings.notifier);
            self.sending.push(Box::pin(fly(self.store.clone(), notifier, self.clock.clone(), ask)));
        }
    }

    fn land(&mut self, landed: Landed) {
        let now = self.clock.now().mono;
        // Whatever came of it may be one; the next look tells.
        self.dead_letters = true;
        match landed {
            Landed::Answered(parcel, answer) => self.answered(&parcel, &answer),
            Landed::Settled(channel) => self.queue.landed(&channel, now),
            Landed::Nothing(channel) => {
                // Somebody else took it away: count anew, and not at once again should the count be wrong.
                self.next_look = now;
                self.queue.landed(&channel, now + Duration::from_secs(1));
            }
            Landed::Unreadable(channel, error) => {
                tracing::warn!(%channel, %error, "the outbox cannot be read");
                self.queue.landed(&channel, now + Duration::from_secs(1));
            }
        }
    }

    fn answered(&mut self, parcel: &Parcel, answer: &Result<Receipt, SendError>) {
        let now = self.clock.now();
        let chance = self.chance();
        let held = self.queue.held().is_some_and(|hold| hold.credentials);
        let settlement = self.queue.answered(parcel, answer, (now.mono, now.wall), chance);
        let (channel, count) = (&parcel.channel, parcel.ids.len() as u64);
        match answer {
            Ok(receipt) => {
                self.status.last_error = None;
                self.status.delivered += count;
                self.status.merged += if parcel.merged.is_some() { count } else { 0 };
                self.watch.delivered();
                for warning in &receipt.warnings {
                    tracing::warn!(%channel, "Slack took the message with a remark: {warning}");
                }
            }
            Err(error) => {
                let why = retry::why(error);
                self.status.failed += 1;
                self.status.last_error = Some(why.to_owned());
                self.watch.failed(now, why);
                if let Fate::Dead { .. } = settlement.fate {
                    self.status.dead += count;
                    tracing::error!(%channel, count, "not delivered, and no other try can help: {why}");
                } else {
                    tracing::warn!(%channel, attempt = parcel.attempt, "not delivered yet: {why}");
                }
            }
        }
        match self.queue.held() {
            Some(hold) if hold.credentials && !held => tracing::error!(
                "Slack refuses the credentials ({}): every message waits; correct them and reload, or wait for a probe",
                hold.why
            ),
            None if held => tracing::info!("Slack takes the credentials again"),
            _ => {}
        }
        self.settling.push(Box::pin(settle(self.store.clone(), settlement)));
    }

    fn reload(&mut self, settings: Settings) {
        self.quota.set_rate(settings.rate);
        self.watch.set_after(settings.fallback_after);
        if !Arc::ptr_eq(&settings.notifier, &self.settings.notifier) {
            self.queue.anew(self.clock.now().mono);
        }
        self.settings = settings;
        self.next_look = Mono::default();
    }

    /// Tells how it goes; an outage is remembered before it is told.
    async fn publish(&mut self, status: &watch::Sender<Status>) {
        let depth = self.queue.depth();
        self.status.waiting = depth.alerts + depth.edits + depth.late;
        self.status.held = self.queue.held().map(|hold| Held { why: hold.why.clone(), credentials: hold.credentials });
        self.watch.look(self.clock.now().mono, self.status.waiting);
        if self.status.outage.as_ref() != self.watch.current() {
            self.status.outage = self.watch.current().cloned();
            let note = self.status.outage.as_ref().and_then(|outage| serde_json::to_string(outage).ok());
            if let Err(error) = self.store.remember(outage::NOTE, note).await {
                tracing::warn!(%error, "it cannot be noted whether Slack is away: a restart may tell of it again");
            }
        }
        status.send_if_modified(|told| {
            let changed = *told != self.status;
            told.clone_from(&self.status);
            changed
        });
    }

    /// When there is something to do again though nothing happens.
    fn wake_at(&self, stop_at: Option<Mono>) -> Option<Mono> {
        let full = self.sending.len() >= MOST_IN_FLIGHT;
        let due = self.queue.due().filter(|_| !full);
        let outage = self.watch.due().filter(|_| self.status.waiting > 0);
        let look = self.is_watchful().then_some(self.next_look);
        [due, outage, stop_at, look].into_iter().flatten().min()
    }

    /// Whether nothing more can be done before the stop.
    fn is_drained(&self, now: Mono, stop_at: Mono) -> bool {
        let flying = !self.sending.is_empty() || !self.settling.is_empty();
        now >= stop_at || (!flying && self.queue.due().is_none_or(|due| due >= stop_at))
    }

    /// A number from 0 to 1 (xorshift64*).
    fn chance(&mut self) -> f64 {
        let x = &mut self.chance;
        *x ^= *x >> 12;
        *x ^= *x << 25;
        *x ^= *x >> 27;
        let high = u32::try_from(x.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }
}

/// Writes what came of a parcel. The store holds it in memory when the disk fails, so that nothing is sent twice.
async fn settle(store: Store, settlement: Settlement) -> Landed {
    let channel = settlement.channel.clone();
    match store.settle(settlement).await {
        Ok(()) => Landed::Settled(channel),
        Err(error) => Landed::Unreadable(channel, error),
    }
}
