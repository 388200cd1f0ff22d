//! A notifier that does as it is told, and keeps what it was given.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use slack_alert::clock::{Clock, Mono};
use slack_alert::message::{Message, Thread};
use slack_alert::notify::{
    Capabilities, Delivery, Doing, Fault, Looked, Lookup, Notifier, Parent, Receipt, SendError, Sort, Target,
};

/// What a send gets, and after how long.
pub(crate) type Answer = (Duration, Result<Receipt, SendError>);

type Script = Box<dyn FnMut(&Delivery, Duration) -> Answer + Send>;

/// One send, in the moment in which it reached Slack.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// When, from the start of the simulation.
    pub(crate) at: Duration,
    /// Where to.
    pub(crate) channel: String,
    /// The words.
    pub(crate) text: String,
    /// As plain text alone.
    pub(crate) plain: bool,
    /// Which try the outbox took it for.
    pub(crate) attempt: u32,
    /// How it stands to a thread.
    pub(crate) thread: Thread,
    /// It tells more about what a storm told already.
    pub(crate) detail: bool,
    /// It tells of several jobs at once, whose own messages follow.
    pub(crate) storm: bool,
    /// The thread.
    pub(crate) parent: Option<Parent>,
    /// Whether Slack took it.
    pub(crate) taken: bool,
    /// The incident that it tells of.
    pub(crate) incident: Option<u64>,
}

/// Slack, as far as the outbox can see it. What it takes it has in the moment of the call; the answer may come later.
pub(crate) struct FakeNotifier {
    clock: Arc<dyn Clock>,
    script: Mutex<Script>,
    sent: Mutex<Vec<Sent>>,
    /// Names of channels, by their IDs, which it says to whoever asks.
    names: Mutex<Vec<(&'static str, &'static str)>>,
}

impl FakeNotifier {
    /// Takes everything at once.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let script: Script = Box::new(|_, _| ok());
        Arc::new(Self { clock, script: Mutex::new(script), sent: Mutex::default(), names: Mutex::default() })
    }

    /// Answers as `script` says from here on; it is told the time since the start.
    pub(crate) fn play(&self, script: impl FnMut(&Delivery, Duration) -> Answer + Send + 'static) {
        *self.script.lock().expect("no script panics") = Box::new(script);
    }

    /// The channel of this ID has this name: messages to either are answered with the ID.
    pub(crate) fn name(&self, id: &'static str, name: &'static str) {
        self.names.lock().expect("nobody panics with it").push((id, name));
    }

    /// No channel has the name that it had.
    pub(crate) fn forget_names(&self) {
        self.names.lock().expect("nobody panics with it").clear();
    }

    fn id_of(&self, channel: &str) -> Option<&'static str> {
        let names = self.names.lock().expect("nobody panics with it");
        names.iter().find(|(id, name)| channel == *id || channel.trim_start_matches('#') == *name).map(|(id, _)| *id)
    }

    /// Everything that reached it.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().expect("no script panics")
    }

    /// Who got what and when, a line each: `1.000 #ops first`; what was not taken is in brackets.
    pub(crate) fn transcript(&self) -> Vec<String> {
        self.sent().iter().map(ToString::to_string).collect()
    }
}

impl Notifier for FakeNotifier {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn send(&self, delivery: Delivery) -> Pin<Box<dyn Future<Output = Result<Receipt, SendError>> + Send>> {
        let Mono(at) = self.clock.now().mono;
        let (takes, mut answer) = (self.script.lock().expect("no script panics"))(&delivery, at);
        let mut sent = self.lock();
        if let Ok(receipt) = &mut answer {
            let ts = sent.len().to_string();
            let channel = delivery.message.channel.to_string();
            let channel = self.id_of(&channel).map_or(channel, str::to_owned);
            receipt.posted.get_or_insert(Parent { channel, ts });
        }
        sent.push(Sent {
            at,
            channel: delivery.message.channel.to_string(),
            text: delivery.message.text.clone(),
            plain: delivery.plain.is_some(),
            attempt: delivery.attempt,
            thread: delivery.message.thread,
            detail: delivery.message.route.detail,
            storm: is_storm(&delivery.message),
            parent: delivery.parent,
            taken: answer.is_ok(),
            incident: delivery.message.incident,
        });
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            answer
        })
    }

    fn look_up(&self, lookup: Lookup) -> Doing<Option<Looked>> {
        let names = self.names.lock().expect("nobody panics with it");
        let known = names.iter().find(|(id, _)| lookup == Lookup::Channel((*id).to_owned()));
        let found = known.map(|(id, name)| {
            let (id, name) = ((*id).to_owned(), (*name).to_owned());
            Looked::Found(Target { id, name, sort: Sort::Public, closed: false, joined: Some(true) })
        });
        Box::pin(std::future::ready(Ok(found)))
    }
}

/// A storm counts jobs in its first line; a digest counts alerts.
fn is_storm(message: &Message) -> bool {
    let mut words = message.text.split_whitespace().skip_while(|word| !word.starts_with('*'));
    let count = words.next().is_some_and(|word| word[1..].parse::<u64>().is_ok());
    let jobs = words.next().is_some_and(|word| word.trim_end_matches(':') == "jobs");
    let night = message.text.starts_with(":crescent_moon: while it was quiet");
    message.job.is_none() && (night || count && jobs)
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, channel) = (self.at.as_secs_f64(), &self.channel);
        let text = self.text.lines().next().unwrap_or_default();
        let plain = if self.plain { " (plain)" } else { "" };
        let thread = self.parent.as_ref().map(|parent| format!(" [in {}]", parent.ts)).unwrap_or_default();
        match self.taken {
            true => write!(f, "{at:.3} {channel} {text}{plain}{thread}"),
            false => write!(f, "{at:.3} {channel} ({text}){plain}{thread}"),
        }
    }
}

impl fmt::Debug for FakeNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeNotifier")
    }
}

/// Taken at once.
pub(crate) fn ok() -> Answer {
    (Duration::ZERO, Ok(Receipt::default()))
}

/// Not now.
pub(crate) fn passing() -> Answer {
    (Duration::ZERO, Err(SendError::Transient { why: "503".into(), retry_after: None }))
}

/// It was read and not taken, and nobody knows whose trouble that is.
pub(crate) fn doubtful() -> Answer {
    (Duration::ZERO, Err(SendError::Doubtful { why: "internal_error".into() }))
}

/// Too fast: come back after so many seconds.
pub(crate) fn refused(seconds: u64) -> Answer {
    let retry_after = Some(Duration::from_secs(seconds));
    (Duration::ZERO, Err(SendError::Transient { why: "429".into(), retry_after }))
}

/// Not like this.
pub(crate) fn lasting(fault: Fault) -> Answer {
    (Duration::ZERO, Err(SendError::Permanent { why: format!("{fault:?}"), code: None, fault }))
}
