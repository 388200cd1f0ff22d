//! What is told in the place of what could not be delivered. Pure.
//!
//! Before it: a message that Slack does not take. After it: another message: the same one in the default channel, a
//! notice of it, or a reply in the place of an edit.

use jiff::Timestamp;

use super::late::LONGEST_HOST;
use super::report::{DeliveryResult, Report};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Edit, Message, Route, Thread};
use crate::policy::Event;
use crate::slack::limits::{ALL_BLOCKS, BLOCKS, SECTION};
use crate::slack::{blocks, cut_plain, escape, one_line, unformatted, weight};
use crate::store::{
    Class, Disposition, FollowUp, MessageId, MessageState, OutboxFilter, Settlement, Stored, ThreadChange,
};

/// Messages that are looked through for what follows in incidents, the oldest first.
pub(super) const MOST_BEHIND: u32 = 1_000;

/// That a channel did not take an alert, and what Slack said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) channel: Channel,
    pub(super) why: String,
}

impl Refusal {
    pub(super) fn new(channel: &Channel, why: &str) -> Self {
        Self { channel: channel.clone(), why: why.to_owned() }
    }
}

/// `:warning: could not be posted to #a, #b: is_archived; to #c: channel_not_found`.
fn refusals(all: &[Refusal]) -> String {
    let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
    for Refusal { channel, why } in all {
        let name = escape(&channel.to_string());
        match by_reason.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((why, vec![name])),
        }
    }
    let parts: Vec<String> =
        by_reason.iter().map(|(why, names)| format!("to {}: {}", names.join(", "), escape(why))).collect();
    format!("{REFUSED} {}", parts.join("; "))
}

/// What the line begins with that says why a message is in another channel than its own.
const REFUSED: &str = ":warning: could not be posted";

/// So many of these lines are in a message about several jobs.
const MOST_REFUSALS_SHOWN: usize = 3;

/// These lines of messages that are told together, each once; none where all are in a channel of their own.
pub(super) fn refusals_of<'m>(messages: impl Iterator<Item = &'m Message>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for message in messages.filter(|message| message.route.instead_of.is_some()) {
        let line = message.text.lines().rev().find(|line| line.starts_with(REFUSED));
        all.extend(line.filter(|line| !all.iter().any(|known| known == line)).map(ToOwned::to_owned));
    }
    let more = all.len().saturating_sub(MOST_REFUSALS_SHOWN);
    all.truncate(MOST_REFUSALS_SHOWN);
    let plural = if more == 1 { "reason" } else { "reasons" };
    all.extend((more > 0).then(|| format!(":warning: and {more} more {plural}: `slack-alert outbox` has them")));
    all
}

/// The same message for the default channel, which says why it is there. The thread of its incident begins there, or goes on where
/// an earlier message of it is.
pub(super) fn forwarded(message: &Message, default: &Channel, refused: &[Refusal], now: Timestamp) -> Message {
    let note = refusals(refused);
    let mut shown = message.blocks.clone();
    let note_block = blocks::context(&note);
    if !shown.is_empty()
        && shown.len() < BLOCKS
        && weight(&shown) + weight(std::slice::from_ref(&note_block)) <= ALL_BLOCKS
    {
        shown.push(note_block);
    }
    let overnight = message.route.overnight.clone();
    let route = Route { instead_of: Some(message.channel.clone()), overnight, ..Route::default() };
    Message {
        channel: default.clone(),
        text: format!("{}\n{note}", message.text),
        blocks: shown,
        attachment: None,
        created: now,
        route,
        ..message.clone()
    }
}

/// An alert of a job, whatever the channel: each channel has its own message of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alert {
    job: JobName,
    incident: Option<u64>,
    event: Option<Event>,
    created: Timestamp,
}

impl Alert {
    /// The alert that a message is of; none where it is about no job, or told in the place of another.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let (incident, event, created) = (message.incident, message.event, message.created);
        let job = message.job.clone().filter(|_| message.route.instead_of.is_none())?;
        Some(Self { job, incident, event, created })
    }

    /// Whether it tells of this incident of this job.
    pub(super) fn is_of(&self, job: &JobName, incident: u64) -> bool {
        self.job == *job && self.incident == Some(incident)
    }
}

/// That a channel did not take a message, for the default channel, without what it says: it may be just that which Slack does not
/// take.
pub(super) fn notice(message: &Message, default: &Channel, (why, host): (&str, &str), now: Timestamp) -> Message {
    let job =
        message.job.as_ref().map_or_else(|| "slack-alert".to_owned(), |job| format!("*{}*", unformatted(job.as_str())));
    // The channel of a webhook has no name here.
    let place = Some(&message.channel).filter(|channel| !channel.is_unnamed());
    let place = place.map_or_else(String::new, |channel| format!(" to {}", escape(&channel.to_string())));
    let text = format!(
        ":warning: {}a message of {job} could not be posted{place}: {}\n`slack-alert outbox` shows it",
        on(host),
        escape(why),
    );
    // It does not say what failed: it is no part of an incident, whose first message is still to come, and no message of the run.
    Message {
        run: None,
        status: if message.status == Status::Ok { Status::Warning } else { message.status },
        channel: default.clone(),
        blocks: vec![blocks::section(&text, SECTION)],
        text,
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: now,
        route: Route { instead_of: Some(message.channel.clone()), ..Route::default() },
        ..message.clone()
    }
}

/// The same notice of an alert of which nobody is told otherwise: it pings whom that would have.
pub(super) fn with_pings(notice: Message, alert: &Message) -> Message {
    let mut pings: Vec<String> = alert.text.lines().flat_map(|line| one_line(line, SECTION).1).collect();
    pings.sort();
    pings.dedup();
    if pings.is_empty() {
        return notice;
    }
    let text = format!("{} {}", pings.join(" "), notice.text);
    Message { blocks: vec![blocks::section(&text, SECTION)], text, ..notice }
}

/// It says that a channel did not take a message.
pub(crate) fn is_notice(message: &Message) -> bool {
    message.route.instead_of.is_some() && message.incident.is_none() && message.run.is_none()
}

/// On which host this is: several may share a channel.
fn on(host: &str) -> String {
    if host.is_empty() { String::new() } else { format!("{}: ", unformatted(&cut_plain(host, LONGEST_HOST).0)) }
}

/// Where what follows in an incident may wait behind a message that is told elsewhere by a settlement, or that is given up while
/// its channel heard nothing of the incident (`unheard`).
pub(super) fn behind_of(settlement: &Settlement, unheard: Option<u64>) -> Option<OutboxFilter> {
    let after = settlement.ids.iter().min().copied();
    let is_told = settlement.follow.iter().any(|follow| is_substitute(&follow.message));
    (is_told || unheard.is_some()).then(|| OutboxFilter {
        channel: Some(settlement.channel.clone()),
        state: Some(MessageState::Waiting),
        after,
        limit: MOST_BEHIND,
        ..OutboxFilter::default()
    })
}

/// What waits of an incident for a channel that has heard nothing of it and is to hear no more: its first message is given up, say.
pub(super) fn needless(incident: u64, waiting: &[Stored], (channel, at): (&Channel, Timestamp)) -> Option<Settlement> {
    let of_it = waiting.iter().filter(|stored| {
        let is_of_it = stored.message.incident == Some(incident) && stored.message.event.is_some();
        is_of_it && stored.class() == Class::Alert && stored.progress.timeouts == 0
    });
    superseded(of_it.map(|stored| stored.id).collect(), channel, at)
}

/// These alerts are not sent, where there are any.
fn superseded(ids: Vec<MessageId>, channel: &Channel, at: Timestamp) -> Option<Settlement> {
    (!ids.is_empty()).then(|| Settlement {
        ids,
        channel: channel.clone(),
        class: Class::Alert,
        disposition: Disposition::Superseded,
        thread: ThreadChange::Keep,
        first: None,
        follow: Vec::new(),
        note: None,
        at,
    })
}

/// What a channel refused of earlier incidents of a job that were told elsewhere, and are over: it has taken a newer alert of the job,
/// after which their end would say that the job is well.
pub(super) fn overtaken(
    (job, newer): &(JobName, MessageId),
    waiting: &[Stored],
    (channel, at): (&Channel, Timestamp),
) -> Vec<Settlement> {
    let is_overtaken = |stored: &&Stored| {
        let is_told = stored.progress.forwarded || !stored.message.route.also.is_empty();
        let is_earlier = stored.message.job.as_ref() == Some(job) && stored.id < *newer;
        is_earlier && is_told && stored.over && stored.progress.refusals > 0
    };
    let incidents = waiting.iter().filter(is_overtaken).filter_map(|stored| stored.message.incident);
    incidents.filter_map(|incident| needless(incident, waiting, (channel, at))).collect()
}

/// What was to be told of an incident in the default channel in the place of a `channel` that has taken it after all.
pub(super) fn told_after_all(
    incident: u64,
    (channel, at): (&Channel, Timestamp),
    waiting: &[Stored],
) -> Option<Settlement> {
    let default = waiting.iter().map(|stored| &stored.message).find(|message| {
        let in_its_place = message.route.instead_of.as_ref() == Some(channel);
        in_its_place && message.incident == Some(incident) && is_substitute(message)
    })?;
    needless(incident, waiting, (&default.channel, at))
}

/// What waits for a channel that has taken the same alerts, in the same words, under another name; and that it is told.
pub(super) fn said_already(
    told: &[Message],
    waiting: &[Stored],
    (channel, at): (&Channel, Timestamp),
) -> (Option<Settlement>, Vec<Report>) {
    let is_said = |message: &Message| {
        let alert = Alert::of(message);
        alert.is_some() && told.iter().any(|told| Alert::of(told) == alert && told.text == message.text)
    };
    let said: Vec<&Stored> =
        waiting.iter().filter(|stored| stored.class() == Class::Alert && is_said(&stored.message)).collect();
    let reports = said.iter().filter_map(|stored| Report::of(&stored.message, DeliveryResult::Delivered)).collect();
    (superseded(said.iter().map(|stored| stored.id).collect(), channel, at), reports)
}

/// What waits already behind a failure follows it to the channel that is told in the place of its own: what became of it since, and
/// its end.
pub(super) fn behind(follow: &[FollowUp], waiting: &[Stored]) -> Vec<FollowUp> {
    let of = |told: &Message| {
        let told = told.clone();
        let is_behind = move |stored: &&Stored| {
            let message = &stored.message;
            let same = message.incident == told.incident && message.route.target.is_none();
            // A file of its own has no other words.
            let says = ends_incident(message) || !message.blocks.is_empty();
            same && says && !stored.superseded && !message.route.also.contains(&told.channel)
        };
        waiting.iter().filter(is_behind)
    };
    let copies = follow.iter().filter(|follow| is_substitute(&follow.message)).flat_map(|follow| {
        of(&follow.message).map(|stored| Message {
            channel: follow.message.channel.clone(),
            attachment: None,
            ..stored.message.clone()
        })
    });
    copies.map(|message| FollowUp { message, file_of: None }).collect()
}

/// It tells of a failure in the place of another channel.
fn is_substitute(message: &Message) -> bool {
    let is_alert = message.event.is_some() && message.status != Status::Ok;
    is_alert && message.route.instead_of.is_some() && message.incident.is_some()
}

/// It tells of the end of an incident, or makes its message do so.
fn ends_incident(message: &Message) -> bool {
    let closes = matches!(message.route.edit, Some(Edit::Resolved { .. } | Edit::Gone { .. }));
    closes || message.event == Some(Event::Recovery)
}

/// What an edit that cannot be made would have said, as a reply; nothing when another message says it.
pub(super) fn reply(edit: &Message, now: Timestamp) -> Option<Message> {
    if edit.route.repeated {
        return None;
    }
    // The end of an incident is to be seen in the channel, where the failure still stands: where one run failed, the edit alone
    // would have shown it there.
    let is_end = ends_incident(edit) && edit.route.posted.is_none();
    let thread = if is_end { Thread::Broadcast } else { Thread::Reply };
    let mut reply = Message { thread, created: now, ..edit.clone() };
    if edit.route.posted.is_some() {
        // What is new in it is its last line: that a file is missing.
        reply.text = edit.text.lines().last().unwrap_or_default().to_owned();
        reply.blocks = Vec::new();
        reply.color = None;
    }
    Some(reply)
}

/// The message that a file belongs to, saying that it is missing.
pub(super) fn without_file(upload: &Message, name: &str, why: &str, now: Timestamp) -> Message {
    let note = format!("{}: {}", not_attached(name), escape(why));
    let mut shown = upload.blocks.clone();
    shown.truncate(BLOCKS - 1);
    if !shown.is_empty() {
        shown.push(blocks::context(&note));
    }
    let text = format!("{}\n{note}", upload.text);
    Message { text, blocks: shown, ..edit_of(upload, Edit::Missing { words: note }, now) }
}

/// The message that a file belongs to, which said that it is missing; it is there now.
pub(super) fn with_file(upload: &Message, now: Timestamp) -> Message {
    let name = upload.attachment.as_ref().map_or("the file", |file| file.name.as_str());
    let edit = edit_of(upload, Edit::Attached { words: not_attached(name) }, now);
    // The file itself says it where the message cannot be edited.
    Message { route: Route { repeated: true, ..edit.route.clone() }, ..edit }
}

fn not_attached(name: &str) -> String {
    format!(":paperclip: {} could not be attached", escape(name))
}

/// An edit of the message that a file belongs to. The first of an incident keeps what was changed in it meanwhile; of any
/// other only what it said at first is known.
fn edit_of(upload: &Message, change: Edit, now: Timestamp) -> Message {
    let first = upload.incident.is_some() && upload.route.target == upload.route.posted;
    let route = Route {
        target: upload.route.posted.clone().filter(|_| !first),
        edit: Some(change).filter(|_| first),
        repeated: false,
        ..upload.route.clone()
    };
    Message { thread: Thread::Edit, attachment: None, created: now, route, ..upload.clone() }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Refusal, forwarded, refusals};
    use crate::exec::Status;
    use crate::id::{Channel, JobName};
    use crate::message::{Message, Route, Thread};
    use crate::policy::Event;
    use crate::slack::blocks;
    use crate::slack::limits::BLOCKS;

    #[test]
    fn what_several_channels_did_not_take_names_each_with_its_reason() {
        let refusal = |(name, why): (&str, &str)| Refusal { channel: Channel::new(name), why: why.to_owned() };
        for (all, words) in [
            (&[("a", "is_archived")][..], ":warning: could not be posted to #a: is_archived"),
            (&[("a", "is_archived"), ("b", "is_archived")], ":warning: could not be posted to #a, #b: is_archived"),
            (
                &[("a", "is_archived"), ("b", "not_in_channel"), ("c", "is_archived")],
                ":warning: could not be posted to #a, #c: is_archived; to #b: not_in_channel",
            ),
        ] {
            assert_eq!(refusals(&all.iter().copied().map(refusal).collect::<Vec<_>>()), words);
        }
    }

    #[test]
    fn what_another_channel_did_not_take_says_so_in_its_last_block_where_there_is_room() {
        let section = |length| blocks::section(&"x".repeat(length), 3_000);
        for (blocks, has_note) in [
            (Vec::new(), false),
            (vec![section(10)], true),
            (vec![section(10); BLOCKS - 1], true),
            (vec![section(10); BLOCKS], false),
            (vec![section(2_900); 4], false),
        ] {
            let count = blocks.len();
            let message = Message {
                job: Some(JobName::new("db")),
                run: None,
                event: Some(Event::Failure),
                status: Status::Critical,
                channel: Channel::new("ops"),
                text: "db is down".to_owned(),
                blocks,
                color: None,
                incident: Some(1),
                thread: Thread::Reply,
                attachment: None,
                created: Timestamp::UNIX_EPOCH,
                route: Route::default(),
            };
            let refused = [Refusal { channel: Channel::new("ops"), why: "is_archived".to_owned() }];
            let told = forwarded(&message, &Channel::new("home"), &refused, Timestamp::UNIX_EPOCH);
            let note = ":warning: could not be posted to #ops: is_archived";
            assert_eq!((told.text.as_str(), told.thread), (format!("db is down\n{note}").as_str(), Thread::Reply));
            assert_eq!(told.blocks.len(), count + usize::from(has_note), "{count} blocks");
            let last = told.blocks.last().map(ToString::to_string).unwrap_or_default();
            assert_eq!(last.contains(note), has_note, "{last}");
        }
    }
}
