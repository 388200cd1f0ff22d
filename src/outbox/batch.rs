//! What of a channel's oldest messages is sent next: one alone, or several as one. Pure; time is an argument.
//!
//! Before it: what the store says is oldest. After it: a [`Batch`] for the notifier, or a settlement of what is needless.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::retry::{MOST_REFUSALS, What};
use super::standing::{Standing, Standings};
use super::storm::{self, Storm};
use super::{digest, instead, late};
use crate::clock::shift;
use crate::exec::Status;
use crate::id::Channel;
use crate::message::{self, Edit, Message, Thread};
use crate::notify::{Delivery, Parent, Sent};
use crate::policy::Event;
use crate::slack::unformatted;
use crate::store::{Class, Disposition, FollowUp, Heads, MessageId, Settlement, Stored, ThreadChange};

/// A channel that may be one that is configured by its name, too, waits for so long to hear whether it is.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// What waits for a channel waits in one of three lanes, since each of Slack's methods has a limit of its own: trouble in
/// one makes nothing in another wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Messages that appear in the channel.
    Posts,
    /// Edits of messages that are there.
    Edits,
    /// Files.
    Uploads,
}

/// What is asked of the store for a lane's next batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The channel.
    pub channel: Channel,
    /// The lane.
    pub lane: Lane,
    /// Which of its messages, those first that come first.
    pub classes: Vec<Class>,
    /// How many at most.
    pub limit: usize,
    /// Messages that wait by themselves, until then: what is behind them goes on.
    pub passed_over: Vec<(MessageId, Timestamp)>,
    /// Alerts in one message at most; a digest has its own bound besides.
    pub lines: usize,
    /// A digest goes on where another one has ended.
    pub follows: bool,
    /// Several are merged into a digest; why.
    pub merge: Option<digest::Kind>,
    /// How many there are in all.
    pub waiting: u64,
    /// The message that Slack called malformed, and what it said: it, and a digest that begins with it, go as plain text.
    pub plain: Option<(MessageId, String)>,
    /// The message that its thread did not take.
    pub unthreaded: Option<MessageId>,
    /// Failures in a row of the lane.
    pub failures: u32,
    /// Edits and files that wait since before then are given up.
    pub expires: Timestamp,
    /// The storms of the channel.
    pub storms: Vec<Storm>,
    /// A storm goes on where another one has ended, which had not taken all: whom that pinged.
    pub pinged: Option<(storm::Kind, Vec<String>)>,
    /// The same of a digest.
    pub digest_pinged: Option<(digest::Kind, Vec<String>)>,
    /// Names of channels, each of which may be this one, as far as is known before Slack has answered to it.
    pub names: Vec<Channel>,
    /// When the way to Slack failed last.
    pub failed: Option<Timestamp>,
    /// This host's name.
    pub host: Arc<str>,
}

/// What is sent: a message, or several as one.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where to.
    pub channel: Channel,
    /// The lane.
    pub lane: Lane,
    /// The messages that it carries.
    pub members: Vec<Stored>,
    /// Which count of the channel they are in.
    pub class: Class,
    /// It is a digest; why.
    pub merged: Option<digest::Kind>,
    /// It is a storm; of what.
    pub storm: Option<storm::Kind>,
    /// So many alerts of the storm did not fit, and are told next.
    pub more: u64,
    /// It goes on where another storm had not taken all.
    pub follows: bool,
    /// What is sent.
    pub message: Arc<Message>,
    /// As plain text alone; why.
    pub plain: Option<String>,
    /// The message that it answers or edits.
    pub parent: Option<Parent>,
    /// Which try this is, from 1.
    pub attempt: u32,
}

/// What to do with a channel's oldest messages.
#[derive(Clone, Debug)]
pub enum Turn {
    /// There is nothing that may be tried; when there will be.
    Nothing(Option<Timestamp>),
    /// These are needless: settle them, and look again.
    Settle(Box<Settlement>),
    /// The storm tells these.
    Absorb(Vec<Stored>),
    /// None can be merged: the first alone, with its file.
    Alone,
    /// Send this.
    Send(Box<Batch>),
}

impl Batch {
    /// The numbers of the messages that it carries.
    pub fn ids(&self) -> Vec<MessageId> {
        self.members.iter().map(|stored| stored.id).collect()
    }

    /// Whether it tells of several messages.
    pub fn is_merged(&self) -> bool {
        self.merged.is_some() || self.storm.is_some()
    }

    /// What is sent.
    pub fn what(&self) -> What {
        match self.lane {
            Lane::Posts => What::Post,
            Lane::Edits => What::Edit,
            Lane::Uploads => What::Upload,
        }
    }

    /// How often no answer came in time for the message that has waited longest.
    pub fn timeouts(&self) -> u32 {
        self.members.iter().map(|stored| stored.progress.timeouts).max().unwrap_or(0)
    }

    /// The incident of which the channel has heard nothing, where this is its first message and is given up.
    pub fn unheard(&self, disposition: &Disposition) -> Option<u64> {
        let Disposition::Dead { .. } = disposition else { return None };
        let [stored] = self.members.as_slice() else { return None };
        let message = &stored.message;
        let is_first = message.event.is_some() && message.thread == Thread::Open && stored.parent.is_none();
        message.incident.filter(|_| is_first && self.timeouts() == 0)
    }

    /// How often Slack refused it.
    pub fn refusals(&self) -> u32 {
        self.members.iter().map(|stored| stored.progress.refusals).max().unwrap_or(0)
    }

    /// Until when it waits for the answer to the same alert in one of these channels, which may be this one by its name: then it is
    /// there already.
    pub fn waits_for(&self, names: &[Channel]) -> Option<Timestamp> {
        let waits =
            self.members.iter().filter(|stored| stored.message.route.also.iter().any(|also| names.contains(also)));
        waits.map(|stored| shift(stored.message.created, FIRST_ANSWER)).max()
    }

    /// As the notifier takes it, which says when it was `sent`.
    pub fn delivery(&self, sent: Sent) -> Delivery {
        Delivery {
            message: Arc::clone(&self.message),
            attempt: self.attempt,
            plain: self.plain.clone(),
            parent: self.parent.clone(),
            timeouts: self.timeouts(),
            sent,
        }
    }
}

/// The same messages as they are to be sent, now that jobs are so. That an alert could not be posted calls nobody to what is over by
/// then, which its end would say of any other message.
pub fn by_now(heads: Heads, standings: &Standings) -> Heads {
    let over = |message: &Message| {
        let failed = matches!(message.event, Some(Event::Failure | Event::Missing | Event::Stuck | Event::Repeat));
        let job = message.job.as_ref().filter(|_| failed && instead::is_notice(message))?;
        let name = unformatted(job.as_str());
        match standings.of(job)? {
            Standing::Fails(_) => None,
            Standing::Gone => Some(format!("it is over: *{name}* is no longer watched")),
            Standing::Well | Standing::WellUntold(_) | Standing::WellUnasked => {
                Some(format!("it is over: *{name}* is ok by now"))
            }
        }
    };
    let rows = heads.rows.into_iter().map(|stored| match over(&stored.message) {
        Some(note) => Stored { message: late::with_note(storm::pinging_nobody(&stored.message), &note), ..stored },
        None => stored,
    });
    Heads { rows: rows.collect(), later: heads.later }
}

/// What to do with the messages that the store gave. Edits of what is not there, and edits that a later one follows, are
/// needless.
pub fn turn(heads: Heads, ask: &Ask, at: Timestamp) -> Turn {
    let mut rows = heads.rows;
    // Nobody is called to what is over already.
    for stored in rows.iter_mut().filter(|stored| stored.over) {
        stored.message = storm::pinging_nobody(&stored.message);
    }
    let Some(first) = rows.first() else {
        let passed_over = ask.passed_over.iter().map(|(_, until)| *until);
        return Turn::Nothing(heads.later.into_iter().chain(passed_over).min());
    };
    match first.class() {
        Class::Edit | Class::Upload => {
            // What it changes stays changed under the one that follows, which may be about something else.
            if let Some((stored, first)) = rows.iter().find_map(built_upon) {
                let settlement = settled(ask, vec![stored.id], Class::Edit, Disposition::Superseded, at);
                let first = Some(Box::new(message::edited(first, &stored.message)));
                return Turn::Settle(Box::new(Settlement { first, ..settlement }));
            }
            if let Some(gone) = rows.iter().find(|stored| is_gone(stored)) {
                let settlement = settled(ask, vec![gone.id], Class::Edit, Disposition::Superseded, at);
                let reply = instead::reply(&gone.message, at);
                let follow = reply.map(|message| FollowUp { message, file_of: None }).into_iter().collect();
                return Turn::Settle(Box::new(Settlement { follow, ..settlement }));
            }
            let needless: Vec<MessageId> = rows
                .iter()
                .filter(|stored| stored.is_edit() && (stored.superseded || stored.parent.is_none()))
                .map(|stored| stored.id)
                .collect();
            if !needless.is_empty() {
                return Turn::Settle(Box::new(settled(ask, needless, Class::Edit, Disposition::Superseded, at)));
            }
            if first.queued < ask.expires && !is_untried_end(first) {
                let of_storm = |storm: &Storm| first.is_edit() && first.message.incident == Some(storm.id);
                if ask.storms.iter().any(of_storm) {
                    return Turn::Absorb(vec![first.clone()]);
                }
                let why = first.why.as_deref().unwrap_or("Slack did not take it in time");
                let (disposition, mut follow) = given_up(first, why, at);
                if first.is_edit() && first.progress.refusals >= MOST_REFUSALS {
                    // Its channel took nothing all the while: what is new in it was told elsewhere.
                    follow.clear();
                }
                let settlement = settled(ask, vec![first.id], first.class(), disposition, at);
                return Turn::Settle(Box::new(Settlement { follow, ..settlement }));
            }
        }
        Class::Detail if first.queued < ask.expires => {
            let why = first.why.clone().unwrap_or_else(|| "not delivered in time".to_owned());
            return Turn::Settle(Box::new(settled(
                ask,
                vec![first.id],
                Class::Detail,
                Disposition::Dead { why, forwarded: false },
                at,
            )));
        }
        Class::Alert => {
            let outdated: Vec<MessageId> = rows.iter().filter(|row| row.superseded).map(|row| row.id).collect();
            if !outdated.is_empty() {
                return Turn::Settle(Box::new(settled(ask, outdated, Class::Alert, Disposition::Superseded, at)));
            }
        }
        _ => {}
    }
    let absorbed: Vec<Stored> = rows.iter().filter(|stored| absorbs(ask, stored, at)).cloned().collect();
    if !absorbed.is_empty() {
        // One kind at a time: each is a change of its own.
        let class = absorbed[0].class();
        return Turn::Absorb(absorbed.into_iter().filter(|stored| stored.class() == class).collect());
    }
    merged(&rows, ask, at).unwrap_or_else(|| alone(rows, ask, at))
}

/// Whether a storm tells a message: an edit of a job's first message that the storm stands for, a recovery in it, or
/// another job that fails alike.
fn absorbs(ask: &Ask, stored: &Stored, now: Timestamp) -> bool {
    let message = &stored.message;
    let told = |storm: &Storm| message.route.target.is_none() && storm.tells_of(message);
    match stored.class() {
        Class::Edit => ask.storms.iter().any(|storm| tells_edit(storm, stored)),
        // In the thread, too, the failure comes first: it may still wait there.
        Class::Alert
            if message.event == Some(Event::Recovery)
                && matches!(message.thread, Thread::Broadcast | Thread::Reply | Thread::None) =>
        {
            ask.storms.iter().any(told)
        }
        Class::Alert if message.event == Some(Event::Starved) && message.status != Status::Critical => {
            ask.storms.iter().any(told)
        }
        // What was told of the hang is over, whatever the run came to.
        Class::Alert if message.route.ends_hang && matches!(message.thread, Thread::Broadcast | Thread::None) => {
            ask.storms.iter().any(told)
        }
        // It fails again in the thread of the storm: only the storm's message shows that in the channel.
        Class::Alert if message.thread == Thread::Reply && begins(message) => {
            ask.storms.iter().any(|storm| told(storm) && stored.parent.as_ref() == Some(&storm.posted))
        }
        Class::Alert => {
            matches!(message.thread, Thread::Open)
                && storm::Kind::Failures.takes(stored)
                && ask.storms.iter().any(|storm| storm.takes(message, now))
        }
        Class::Detail | Class::Upload | Class::Late => false,
    }
}

/// Whether a storm tells what an edit changes: the message that it would edit is the storm's. A job that was told before the storm
/// has a message of its own, to which the edit goes.
pub fn tells_edit(storm: &Storm, edit: &Stored) -> bool {
    let is_own = edit.message.route.target.is_none() && edit.parent.as_ref() == Some(&storm.posted);
    is_own && storm.tells_of(&edit.message)
}

/// Whether it is the first that is told of a failure.
fn begins(message: &Message) -> bool {
    message.status != Status::Ok && matches!(message.event, Some(Event::Failure | Event::Missing))
}

/// Several as one, where there are enough.
fn merged(rows: &[Stored], ask: &Ask, at: Timestamp) -> Option<Turn> {
    let first = rows.first()?;
    let plain = ask.plain.as_ref().filter(|(id, _)| *id == first.id).map(|(_, why)| why.clone());
    if first.class() == Class::Alert
        && rows.len() > 1
        && let Some((kind, mut taken)) = storm::gather(rows)
        && ask.lines >= kind.least()
    {
        taken.truncate(ask.lines.max(kind.least()));
        let more = rows.iter().filter(|stored| kind.takes(stored)).count().saturating_sub(taken.len()) as u64;
        let plain = ask.plain.as_ref().filter(|(id, _)| *id == taken[0].id).map(|(_, why)| why.clone());
        let made = taken.iter().map(|stored| stored.message.created).min()?;
        let pinged = ask.pinged.as_ref().filter(|(known, _)| *known == kind).map(|(_, pinged)| pinged.as_slice());
        let message = late::on_host(storm::message(kind, &taken, more, pinged, at)?, &ask.host);
        let message = late::sent(Message { created: made, ..message }, at, ask.failed);
        return Some(Turn::Send(Box::new(Batch {
            channel: ask.channel.clone(),
            lane: ask.lane,
            class: Class::Alert,
            merged: None,
            storm: Some(kind),
            more,
            follows: pinged.is_some(),
            message: Arc::new(message),
            plain,
            parent: None,
            attempt: ask.failures.saturating_add(1),
            members: taken.into_iter().cloned().collect(),
        })));
    }
    let kind = ask.merge.filter(|kind| match kind {
        digest::Kind::Late => first.class() == Class::Late,
        digest::Kind::Many => rows.len() > 1 && first.class() == Class::Alert,
    })?;
    let waiting = ask.waiting.max(rows.len() as u64);
    let scope = digest::Scope { kind, lines: ask.lines, waiting, follows: ask.follows };
    let before = ask.digest_pinged.as_ref().filter(|(known, _)| *known == kind).map(|(_, pinged)| pinged.as_slice());
    let (message, taken) = digest::merge(scope, rows, before.unwrap_or_default())?;
    let message = late::on_host(message, &ask.host);
    let message = match kind {
        digest::Kind::Many => late::sent(Message { created: first.message.created, ..message }, at, ask.failed),
        digest::Kind::Late => message,
    };
    Some(Turn::Send(Box::new(Batch {
        channel: ask.channel.clone(),
        lane: ask.lane,
        members: rows.iter().take(taken).cloned().collect(),
        class: first.class(),
        merged: Some(kind),
        storm: None,
        more: 0,
        follows: false,
        message: Arc::new(message),
        plain,
        parent: None,
        attempt: ask.failures.saturating_add(1),
    })))
}

/// What is sent of a message: of an edit, the first message of its thread with what the edit changes.
fn as_sent(stored: &Stored) -> Message {
    match &stored.first {
        Some(first) => message::edited(first, &stored.message),
        None => stored.message.clone(),
    }
}

/// The first alone.
fn alone(rows: Vec<Stored>, ask: &Ask, at: Timestamp) -> Turn {
    if rows.len() > 1 {
        return Turn::Alone;
    }
    let Some(stored) = rows.into_iter().next() else { return Turn::Nothing(None) };
    // An opening message has no thread yet; what a crash left behind of an earlier try is not one to answer.
    let own = matches!(stored.message.thread, Thread::None | Thread::Open) || ask.unthreaded == Some(stored.id);
    let plain = ask.plain.as_ref().filter(|(id, _)| *id == stored.id).map(|(_, why)| why.clone());
    Turn::Send(Box::new(Batch {
        channel: ask.channel.clone(),
        lane: ask.lane,
        class: stored.class(),
        merged: None,
        storm: None,
        more: 0,
        follows: false,
        parent: stored.parent.clone().filter(|_| !own),
        message: Arc::new(match stored.class() {
            Class::Alert => late::sent(as_sent(&stored), at, ask.failed),
            // A storm's message was there before what is in its thread.
            Class::Edit | Class::Upload | Class::Detail | Class::Late => as_sent(&stored),
        }),
        plain,
        attempt: stored.attempts.saturating_add(1),
        members: vec![stored],
    }))
}

/// An edit that says that nobody watches a job any more, where there is no message to edit (`thread = false`): what was told of the
/// incident would stand there as if it went on.
fn is_gone(stored: &Stored) -> bool {
    let is_gone = matches!(stored.message.route.edit, Some(Edit::Gone { .. }));
    is_gone && stored.is_edit() && !stored.superseded && stored.parent.is_none()
}

/// An edit that says that an incident is over, and that Slack has not refused: it waits for as long as Slack takes nothing, since its
/// message would be there for ever as if it went on. It ends when nothing is known of the message any more.
fn is_untried_end(stored: &Stored) -> bool {
    let is_end = matches!(stored.message.route.edit, Some(Edit::Resolved { .. } | Edit::Gone { .. }));
    is_end && stored.is_edit() && stored.progress.refusals == 0
}

/// An edit that is not sent since another follows it, and what the message says before it.
fn built_upon(stored: &Stored) -> Option<(&Stored, &Message)> {
    let first = stored.first.as_deref().filter(|_| stored.is_edit() && stored.superseded && stored.parent.is_some())?;
    Some((stored, first))
}

fn settled(ask: &Ask, ids: Vec<MessageId>, class: Class, disposition: Disposition, at: Timestamp) -> Settlement {
    let (channel, thread) = (ask.channel.clone(), ThreadChange::Keep);
    Settlement { ids, channel, class, disposition, thread, first: None, follow: Vec::new(), note: None, at }
}

/// What becomes of an edit or a file that cannot be sent, and what is told in its place.
pub fn given_up(stored: &Stored, why: &str, at: Timestamp) -> (Disposition, Vec<FollowUp>) {
    let message = &stored.message;
    match stored.class() {
        Class::Edit => {
            let reply = instead::reply(message, at);
            (Disposition::Superseded, reply.map(|message| FollowUp { message, file_of: None }).into_iter().collect())
        }
        Class::Upload => {
            let name = message.attachment.as_ref().map_or("the file", |file| file.name.as_str());
            let message = instead::without_file(message, name, why, at);
            // The message says so: should somebody set the file waiting again, that is taken back.
            (Disposition::Dead { why: why.to_owned(), forwarded: true }, vec![FollowUp { message, file_of: None }])
        }
        Class::Alert | Class::Detail | Class::Late => {
            (Disposition::Dead { why: why.to_owned(), forwarded: false }, Vec::new())
        }
    }
}
