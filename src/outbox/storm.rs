//! A storm: the alerts of several jobs as one message, which is edited as jobs follow and recover, and whose end is told
//! once. Pure.
//!
//! Before it: alerts that wait for a channel at the moment when its rate lets the next message out. After it: one message
//! that names each alert with its cause, those with the same cause together.

mod alike;
mod end;
mod how;
mod lines;
mod night;
mod state;
mod unseen;
mod untold;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::how::How;
use self::lines::{counts, emoji, groups, jobs, laid_out, lines, no_longer_fail, notes};
use self::state::{End, FAILS_UNTOLD, State};
use self::unseen::Unseen;
use super::{instead, late};
use crate::clock;
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Edit, Message, NO_OUTPUT, Route, Thread, short};
use crate::policy::{Event, normal};
use crate::slack::limits::ALL_BLOCKS;
use crate::slack::{Parent, one_line, unescape, unformatted, units, without_pings};
use crate::store::Stored;

/// Alerts of so many jobs are merged.
pub const LEAST: usize = 3;

/// What quiet hours kept back is one message for so many jobs.
const LEAST_NIGHT: usize = 2;

/// A job that fails alike this long after the last that did joins the storm; later it is news.
const JOINS_WITHIN: std::time::Duration = std::time::Duration::from_secs(600);

/// So long after its beginning nothing joins a storm any more, however often something did: whoever looks at the channel
/// by then sees nothing of it.
const JOINS_UNTIL: std::time::Duration = std::time::Duration::from_secs(3_600);

/// A time that lies further back is shown with its date.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// Storms that are remembered at most: each is a message that may still be edited.
const MOST: usize = 50;

/// Characters of a storm's message, names and causes; what the blocks' own frames take besides is within [`ALL_BLOCKS`].
const CHARACTERS: usize = ALL_BLOCKS - 1_500;

/// What the markup of a name takes.
const NAME: usize = 6;

/// What the words and the markup around a cause take.
const GROUP: usize = 36 + RANGES;

/// What numbers that vary may add to a cause.
const RANGES: usize = 14;

/// What a storm of recoveries says of all of its jobs.
const WELL: &str = "is well again ";

/// Characters of one cause.
const CAUSE: usize = 240;

/// Who is pinged at most.
const PINGS: usize = 10;

/// Under which name the store keeps the storms.
pub const NOTE: &str = "storms";

/// A storm that was told in a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// Stands for it where other messages have an incident: a later edit makes an earlier one needless.
    pub id: u64,
    /// Where it was told.
    pub channel: Channel,
    /// Its message.
    pub posted: Parent,
    /// When it was told.
    pub began: Timestamp,
    /// When the last of its jobs so far was well again, or was watched no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Timestamp>,
    /// When a job joined or recovered last.
    pub changed: Timestamp,
    /// When a job joined last, if any did.
    #[serde(default)]
    pub joined: Option<Timestamp>,
    /// When the first failure in it began, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The host that its message names.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub host: Box<str>,
    /// It goes on where another storm's message had no room left: the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<u64>,
    /// The line of its message that says that it was delivered late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<String>,
    /// The lines of its message that say which channels took none of its alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// Whom its message has pinged.
    #[serde(default)]
    pub pinged: Vec<String>,
    /// Its message cannot be edited: nothing joins it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// All jobs are well again, and that was told.
    pub ended: bool,
    /// It told what happened in quiet hours: in these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// Alerts of these hours that are not among the lines.
    #[serde(default, skip_serializing_if = "is_none_left")]
    pub left_out: u32,
    /// The jobs.
    pub members: Vec<Member>,
}

/// A job in a storm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Whose alert.
    pub job: JobName,
    /// The incident that it belongs to.
    pub incident: Option<u64>,
    /// Why, in a line.
    pub cause: String,
    /// What the job does.
    #[serde(default, skip_serializing_if = "How::is_usual")]
    pub how: How,
    /// The job's status.
    pub status: Status,
    /// How it is now.
    #[serde(default)]
    pub state: State,
    /// Who has it, or since when nobody watches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// It joined by an edit that Slack has not taken yet: the channel does not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// Its incident is part of a conversation: it may fail again in the same thread.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// It was over when it was told: the line says so by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub was_over: bool,
    /// It is about no incident.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_news: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_none_left(left_out: &u32) -> bool {
    *left_out == 0
}

/// What alerts are merged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Quiet hours are over.
    Night,
    /// Jobs fail.
    Failures,
    /// Jobs are well again.
    Recoveries,
}

impl Kind {
    /// Of so many jobs they are merged.
    pub fn least(self) -> usize {
        if self == Self::Night { LEAST_NIGHT } else { LEAST }
    }

    /// Whether a waiting message is an alert of this kind that can be merged with those of other jobs.
    pub fn takes(self, stored: &Stored) -> bool {
        let message = &stored.message;
        let alert = match message.event {
            _ if self == Self::Night => message.route.overnight.is_some(),
            Some(Event::Output | Event::Success | Event::Change) | None => false,
            Some(Event::Recovery) => self == Self::Recoveries,
            Some(_) => self == Self::Failures && message.status != Status::Ok,
        };
        alert
            && message.job.is_some()
            && message.route.target.is_none()
            && matches!(message.thread, Thread::None | Thread::Open | Thread::Broadcast)
    }
}

/// What can be merged of what waits: alerts of one kind of at least [`LEAST`] jobs, as many as one message takes.
pub fn gather(waiting: &[Stored]) -> Option<(Kind, Vec<&Stored>)> {
    [Kind::Night, Kind::Failures, Kind::Recoveries].into_iter().find_map(|kind| {
        let mut taken: Vec<&Stored> = Vec::new();
        let (mut length, mut causes) = (0, Vec::new());
        // Of a job that waits with something else, nothing later is told first.
        let mut behind: Vec<&JobName> = Vec::new();
        for stored in waiting {
            let job = stored.message.job.as_ref();
            if !kind.takes(stored) || job.is_some_and(|job| behind.contains(&job)) {
                behind.extend(job);
                continue;
            }
            if kind == Kind::Night {
                length += night::length(&stored.message);
            } else {
                let member = Member::of(&stored.message);
                let key = member.key();
                length += member.length();
                if !causes.contains(&key) {
                    length += units(&member.cause) + GROUP;
                    causes.push(key);
                }
            }
            if length > CHARACTERS && !taken.is_empty() {
                break;
            }
            taken.push(stored);
        }
        let mut jobs: Vec<_> = taken.iter().filter_map(|stored| stored.message.job.as_ref()).collect();
        jobs.sort();
        jobs.dedup();
        (jobs.len() >= kind.least()).then_some((kind, taken))
    })
}

/// The message that tells of all of them. `more` wait and are told next. It goes on where another one has ended, if it is known
/// whom that `pinged`: nobody is pinged by both.
pub fn message(kind: Kind, taken: &[&Stored], more: u64, pinged: Option<&[String]>, now: Timestamp) -> Option<Message> {
    let first = &taken.first()?.message;
    if kind == Kind::Night {
        return Some(at_night(taken, more, pinged, now));
    }
    let members = members(taken.iter().map(|stored| &stored.message));
    let status = worst(&members);
    let also = if pinged.is_some() { " more" } else { "" };
    let since =
        since(taken.iter().map(|stored| &stored.message)).map(|since| clock_words(since, now)).unwrap_or_default();
    let mut head = match kind {
        Kind::Recoveries => format!("{} *{}{also} jobs are well again*", emoji(Status::Ok), jobs(&members).len()),
        Kind::Failures | Kind::Night => failing(&members, also, &since),
    };
    if more > 0 {
        head.push_str(&format!(" (and {more} more, which follow)"));
    }
    ping(&mut head, taken, pinged);
    let mut lines = lines(&members);
    lines.extend(instead::refusals_of(taken.iter().map(|stored| &stored.message)));
    Some(laid_out(&head, &lines, status, first.channel.clone(), now))
}

/// Whom these ping is pinged by the message of all, but for those whom the one before it pinged.
fn ping(head: &mut String, taken: &[&Stored], pinged: Option<&[String]>) {
    let all = pings(taken.iter().map(|stored| &stored.message));
    add_pings(head, all.iter().filter(|ping| !pinged.is_some_and(|pinged| pinged.contains(ping))));
}

fn add_pings<'p>(head: &mut String, pings: impl IntoIterator<Item = &'p String>) {
    for ping in pings {
        head.push(' ');
        head.push_str(ping);
    }
}

/// What happened in quiet hours that are over.
fn at_night(taken: &[&Stored], more: u64, pinged: Option<&[String]>, now: Timestamp) -> Message {
    let messages = || taken.iter().map(|stored| &stored.message);
    let members: Vec<Member> = messages().flat_map(night::members).collect();
    let left_out = night::left_out(messages());
    let mut head = night::head(&night::hours(messages()), &members, left_out);
    if more > 0 {
        head.push_str(&format!(" (and {more} more, which follow)"));
    }
    ping(&mut head, taken, pinged);
    let status = members.iter().filter(|member| member.fails()).map(|member| member.status);
    let status = status.max_by_key(|status| status.badness()).unwrap_or_default();
    let channel = taken.first().map_or_else(Channel::unnamed, |stored| stored.message.channel.clone());
    laid_out(&head, &night::lines(&members, left_out), status, channel, now)
}

/// What stands above the lines of jobs that fail: how many, since when and why.
fn failing(members: &[Member], also: &str, since: &str) -> String {
    let (groups, count, emoji) = (groups(members), jobs(members).len(), emoji(worst(members)));
    let fail = how::words(count, members);
    match groups.as_slice() {
        [(cause, _)] => format!("{emoji} *{count}{also} {fail}{since}: {cause}*"),
        groups => format!("{emoji} *{count}{also} {fail}{since}*: {}{}", counts(members), most_alike(groups)),
    }
}

/// What alerts tell: of several about one incident the last, which says how it is.
fn members<'m>(alerts: impl Iterator<Item = &'m Message>) -> Vec<Member> {
    let mut all: Vec<Member> = Vec::new();
    for alert in alerts {
        let member = Member::of(alert);
        match all.iter_mut().find(|known| known.incident.is_some() && known.is_of(alert)) {
            Some(known) => *known = member,
            None => all.push(member),
        }
    }
    all
}

/// The worst status of alerts.
fn worst(members: &[Member]) -> Status {
    members.iter().map(|member| member.status).max_by_key(|status| status.badness()).unwrap_or_default()
}

/// The cause that most jobs have in common, where more than one has it: what a locked phone shows says what is wrong.
fn most_alike(groups: &[(String, Vec<&Member>)]) -> String {
    let sizes = groups.iter().map(|(cause, group)| (jobs(group.iter().copied()).len(), cause));
    let most = sizes.max_by_key(|(size, _)| *size).filter(|(size, _)| *size > 1);
    most.map(|(size, cause)| format!("; {size} of them: {cause}")).unwrap_or_default()
}

/// When the first failure of which these tell began, where that is known of all.
fn since<'m>(messages: impl Iterator<Item = &'m Message>) -> Option<Timestamp> {
    messages.map(|message| message.route.since).collect::<Option<Vec<_>>>()?.into_iter().min()
}

/// ` since 03:00`, as the clock of whoever reads it has it.
fn clock_words(at: Timestamp, now: Timestamp) -> String {
    let (form, plain) = match clock::between(at, now) < DAY {
        true => ("{time}", "%H:%M UTC"),
        false => ("{date_short_pretty} {time}", "%Y-%m-%d %H:%M UTC"),
    };
    format!(" since <!date^{}^{form}|{}>", at.as_second(), at.strftime(plain))
}

/// Whom messages ping, each once.
pub(super) fn pings<'m>(messages: impl Iterator<Item = &'m Message>) -> Vec<String> {
    pinged_once(messages.flat_map(|message| message.text.lines()).flat_map(|line| one_line(line, CAUSE).1))
}

fn pinged_once(pings: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for ping in pings {
        if !all.contains(&ping) && all.len() < PINGS {
            all.push(ping);
        }
    }
    all
}

impl Member {
    /// The job of an alert, and why it was sent.
    pub fn of(message: &Message) -> Self {
        let job = message.job.clone().unwrap_or_else(|| JobName::new(""));
        // As a message has it: on its line.
        let name = unformatted(&short(job.as_str()));
        let mut cause = String::new();
        for line in message.text.lines() {
            // The name takes no room of the cause.
            let (line, _) = one_line(line, CAUSE + units(&name));
            let line = line.replace(&format!("*{name}*"), "");
            let line = without_emoji(&line);
            let apart = |rest: &&str| !rest.starts_with(|c: char| c.is_alphanumeric());
            let line = line.strip_prefix(&name).filter(apart).map_or(line, without_emoji);
            let line = without_punctuation(line);
            let line = line.strip_prefix(WELL).unwrap_or(line);
            if !line.is_empty() {
                cause = one_line(line, CAUSE).0;
                break;
            }
        }
        if let Some(line) = &message.route.cause {
            cause = one_line(line, CAUSE).0;
        }
        if cause.is_empty() {
            message.status.as_str().clone_into(&mut cause);
        }
        Self {
            job,
            incident: message.incident,
            cause,
            how: How::of(message),
            status: message.status,
            state: State::Fails,
            note: None,
            unseen: None,
            goes_on: message.route.goes_on,
            was_over: false,
            is_news: false,
        }
    }

    /// Whether a message is about the same: about its incident, or its job's wait, which is none.
    fn is_of(&self, message: &Message) -> bool {
        match message.event {
            Some(Event::Starved) => self.how == How::Waits && self.fails() && message.job.as_ref() == Some(&self.job),
            _ => message.incident.is_some() && self.incident == message.incident,
        }
    }

    /// It is known to fail still.
    fn fails(&self) -> bool {
        self.state.fails()
    }

    /// Characters of its name in a storm.
    fn length(&self) -> usize {
        units(&unformatted(&self.job.to_string())) + NAME
    }

    /// What is the same for alerts that are told together. An exit code is no number that varies with the cause.
    fn key(&self) -> String {
        if self.is_silent() { self.cause.clone() } else { normal(&self.cause) }
    }

    /// The command has said nothing: that another one has not either is no sign of a common cause.
    fn is_silent(&self) -> bool {
        self.cause.ends_with(NO_OUTPUT)
    }
}

impl Storm {
    /// A storm that was just told.
    pub fn new((id, kind): (u64, Kind), channel: Channel, posted: Parent, taken: &[&Message], now: Timestamp) -> Self {
        let members: Vec<Member> = match kind {
            Kind::Night => taken.iter().flat_map(|message| night::members(message)).collect(),
            Kind::Failures | Kind::Recoveries => members(taken.iter().copied()),
        };
        let pinged = pings(taken.iter().copied());
        Self {
            id,
            channel,
            posted,
            began: now,
            changed: now,
            joined: None,
            since: match kind {
                // Of what is over it is not known, and does not matter.
                Kind::Night => taken.iter().filter_map(|message| message.route.since).min(),
                Kind::Failures | Kind::Recoveries => since(taken.iter().copied()),
            },
            quiet: (kind == Kind::Night).then(|| night::hours(taken.iter().copied())),
            left_out: night::left_out(taken.iter().copied().filter(|_| kind == Kind::Night)),
            over: None,
            host: Box::default(),
            part_of: None,
            late: None,
            refusals: instead::refusals_of(taken.iter().copied()),
            pinged,
            fixed: false,
            ended: false,
            members,
        }
    }

    /// Whether what a message is about is told in this storm.
    pub fn tells_of(&self, message: &Message) -> bool {
        self.members.iter().any(|member| member.is_of(message))
    }

    /// Whether an alert belongs to the storm: another job that says the same, soon after. An edit pings nobody: whoever
    /// is to be pinged by the alert has been by the storm.
    pub fn takes(&self, message: &Message, now: Timestamp) -> bool {
        let last = self.joined.unwrap_or(self.began);
        let soon = clock::between(last, now) <= JOINS_WITHIN && clock::between(self.began, now) <= JOINS_UNTIL;
        let member = Member::of(message);
        let alike = || !member.is_silent() && self.members.iter().any(|other| other.key() == member.key());
        let pinged = || pings(std::iter::once(message)).iter().all(|ping| self.pinged.contains(ping));
        // Of one that nobody watched for a while, that it fails is news.
        let is_back =
            self.members.iter().any(|member| member.state == State::Gone && message.job.as_ref() == Some(&member.job));
        !self.ended
            && !is_back
            && !self.fixed
            && self.quiet.is_none()
            && soon
            && alike()
            && pinged()
            && self.length() + member.length() <= CHARACTERS
    }

    /// Characters of all names and causes.
    fn length(&self) -> usize {
        let names: usize = self.members.iter().map(Member::length).sum();
        let of = |cause: &str| units(cause) + GROUP;
        let each: BTreeSet<&str> = self.members.iter().map(|member| member.cause.as_str()).collect();
        let most = names + each.into_iter().map(of).sum::<usize>();
        // To group causes takes long: only where it matters.
        if most <= CHARACTERS {
            most
        } else {
            names + groups(&self.members).iter().map(|(cause, _)| of(cause)).sum::<usize>()
        }
    }

    /// Another job fails.
    pub fn join(&mut self, message: &Message, now: Timestamp) {
        (self.changed, self.joined) = (now, Some(now));
        let unseen = Some(Unseen { since: now, pings: pings(std::iter::once(message)) });
        // One that nobody watched for a while is watched again.
        self.members.retain(|member| member.state != State::Gone || message.job.as_ref() != Some(&member.job));
        self.members.push(Member { unseen, ..Member::of(message) });
    }

    /// A job got worse, is well again, fails again, or somebody has it: whoever says so first, its message or the edit of its
    /// first one. How often it fails now and then changes nothing about how it is. The answer is whether the storm says
    /// something else.
    pub fn update(&mut self, message: &Message, now: Timestamp) -> bool {
        if matches!(message.route.edit, Some(Edit::Headline)) {
            return false;
        }
        // Of a storm that is over it is no news that its message may say so now.
        let ended = self.ended;
        let known = |member: &Member| match member.state {
            State::Well(End::Later) if ended => Member { state: State::Well(End::Told), ..member.clone() },
            _ => member.clone(),
        };
        let (was_open, before) = (self.is_open(), self.of(message).map(known).collect::<Vec<_>>());
        // Why a run does not wait any more and was not started either, its own message says.
        let ends_wait = message.event == Some(Event::Starved);
        let noted = match &message.route.edit {
            Some(Edit::Noted { words }) => Some(Some(words.clone()).filter(|words| !words.is_empty())),
            _ => None,
        };
        // Who has a job changes nothing about how it is.
        if noted.is_none() {
            self.changed = now;
        }
        let ends = message.status == Status::Ok || ends_wait || matches!(message.route.edit, Some(Edit::Gone { .. }));
        // One that is known to be well was so before.
        if ends && before.iter().any(Member::fails) {
            self.over = self.over.max(Some(message.created));
        }
        let job = message.job.as_ref().filter(|_| self.quiet.is_some() && message.status == Status::Ok);
        // All of a job's incidents end at once, those of other keys too.
        let is_of_it =
            |member: &&mut Member| member.is_of(message) || job.is_some_and(|job| member.job == *job && member.fails());
        for member in self.members.iter_mut().filter(is_of_it) {
            if let Some(note) = &noted {
                member.note.clone_from(note);
                continue;
            }
            if let Some(Edit::Gone { words }) = &message.route.edit {
                (member.state, member.note) = (member.state.after_leaving(), Some(unescape(words)));
                continue;
            }
            let before = member.state;
            member.state = match message.status {
                Status::Ok => before.after_end(message.incident, message.route.fails_still),
                _ if ends_wait => State::Gone,
                // One that nobody watched for a while fails again.
                _ if before != State::Gone || message.route.edit.is_none() => before.after_failure(),
                _ => before,
            };
            if message.status != Status::Ok {
                member.status = message.status;
                if before != member.state && matches!(before, State::Gone | FAILS_UNTOLD) {
                    member.note = None;
                }
            }
        }
        let fails_again = message.route.edit.is_none() && message.status != Status::Ok && !ends_wait;
        if fails_again || matches!(message.route.edit, Some(Edit::Worse)) {
            self.tell_anew(message);
        }
        if !was_open && self.is_open() {
            // All were well in between.
            (self.since, self.over) = (message.route.since.or(Some(message.created)), None);
        }
        let says_else = self.quiet.is_some() || !self.of(message).eq(&before);
        if matches!(message.route.edit, Some(Edit::Resolved { .. } | Edit::Gone { .. })) {
            let ended = self.members.iter_mut().filter(|member| member.is_of(message));
            ended.for_each(|member| member.goes_on = false);
        }
        says_else
    }

    /// A channel took a message about a later incident of one of its jobs: the job fails anew, or that is over. What is told
    /// late in a thread is no news. The answer is whether the storm says something else.
    pub fn update_by_other(&mut self, message: &Message, now: Timestamp) -> bool {
        let Some((job, incident)) = message.job.as_ref().zip(message.incident) else { return false };
        let is_gone = matches!(message.route.edit, Some(Edit::Gone { .. }));
        let is_over = message.status == Status::Ok || is_gone;
        let tells_of_failure = |event: Event| event.is_of_an_incident() || event == Event::Flapping;
        // That all were well was true when it was told.
        let is_news = message.route.edit.is_none() && !message.route.detail && !self.ended;
        let fails = is_news && message.event.is_some_and(tells_of_failure) && !is_over;
        let of_job = |member: &&mut Member| member.job == *job && member.incident.is_some_and(|known| known < incident);
        let mut changed = false;
        for member in self.members.iter_mut().filter(of_job) {
            let anew = State::FailsAnew(Some(incident));
            let changes = member.state == anew && member.status != message.status;
            if fails && (changes || !member.fails() || member.state == FAILS_UNTOLD) {
                (member.state, member.status, member.note) = (anew, message.status, None);
                if self.quiet.is_none() {
                    member.cause = Member::of(message).cause;
                }
            } else if is_over && member.state == anew {
                member.state = if is_gone { State::Gone } else { State::Well(End::Told) };
                self.over = self.over.max(Some(message.created));
            } else {
                continue;
            }
            (self.changed, changed) = (now, true);
        }
        changed
    }

    /// What it says of what a message is about.
    fn of(&self, message: &Message) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.is_of(message))
    }

    /// Some job may fail again in its thread.
    pub fn goes_on(&self) -> bool {
        self.members.iter().any(|member| member.goes_on)
    }

    /// What the job says now takes the place of what it said; where there is no room for it, that stays.
    fn tell_anew(&mut self, message: &Message) {
        let Some(at) = self.members.iter().position(|member| member.is_of(message)) else { return };
        let before = std::mem::replace(&mut self.members[at].cause, Member::of(message).cause);
        if self.length() > CHARACTERS {
            self.members[at].cause = before;
        }
    }

    /// Whether all that it tells of is told by another storm too.
    pub fn is_within(&self, other: &Self) -> bool {
        let known =
            |member: &Member| other.members.iter().any(|one| one.job == member.job && one.incident == member.incident);
        self.channel == other.channel && self.members.iter().all(known)
    }

    /// Some job fails still.
    pub fn is_open(&self) -> bool {
        self.members.iter().any(Member::fails)
    }

    /// The storm's message as it is to be now.
    pub fn edit(&self, now: Timestamp) -> Message {
        let jobs = jobs(&self.members);
        let (all, well) = (jobs.len(), jobs.iter().filter(|job| job.well).count());
        let (gone, left) = (jobs.iter().filter(|job| job.gone).count(), jobs.iter().filter(|job| job.fails()).count());
        let bad = self.members.iter().filter(|member| member.fails()).map(|member| member.status);
        let status = bad.max_by_key(|status| status.badness()).unwrap_or_default();
        let head = match left {
            _ if self.quiet.is_some() => {
                night::head(self.quiet.as_deref().unwrap_or_default(), &self.members, self.left_out)
            }
            0 => self.end(now),
            _ if left == all => {
                let since = self.since.map(|since| clock_words(since, now)).unwrap_or_default();
                let open: Vec<Member> = self.members.iter().filter(|member| member.fails()).cloned().collect();
                failing(&open, "", &since)
            }
            _ => {
                format!("{} *{}*, {}", emoji(status), no_longer_fail(all, well, gone), self.words_of_left(left))
            }
        };
        let mut lines = match self.quiet {
            Some(_) => night::lines(&self.members, self.left_out),
            None => lines(&self.members),
        };
        lines.extend(notes(&self.members, CHARACTERS.saturating_sub(self.length())));
        lines.extend(self.refusals.iter().cloned());
        let message = laid_out(&head, &lines, status, self.channel.clone(), now);
        let message = late::on_host(message, &self.host);
        let route = Route { target: Some(self.posted.clone()), repeated: true, ..Route::default() };
        // It was late, and stays so.
        let message = match &self.late {
            Some(note) => late::with_note(message, note),
            None => message,
        };
        Message { thread: Thread::Edit, incident: Some(self.id), route, ..message }
    }
}

/// A job's own message, in the thread of the storm or of its incident: it pings nobody a second time.
pub fn detail(message: &Message, target: Option<Parent>) -> Message {
    let route = Route { target, detail: true, also: Vec::new(), ..message.route.clone() };
    Message { thread: Thread::Reply, attachment: None, route, ..pinging_nobody(message) }
}

/// The same message, which pings nobody.
pub fn pinging_nobody(message: &Message) -> Message {
    let mut blocks = message.blocks.clone();
    blocks.iter_mut().for_each(without_pings);
    if let Some(serde_json::Value::String(text)) = blocks.first_mut().and_then(|block| block.pointer_mut("/text/text"))
    {
        *text = text.trim_start().to_owned();
    }
    let mut text = serde_json::Value::from(message.text.as_str());
    without_pings(&mut text);
    let text = text.as_str().unwrap_or_default().trim_start().to_owned();
    Message { text, blocks, ..message.clone() }
}

/// As the store keeps them; the oldest are forgotten.
pub fn note(storms: &[Storm]) -> String {
    serde_json::to_string(&storms[storms.len().saturating_sub(MOST)..]).unwrap_or_default()
}

/// From what the store kept.
pub fn from_note(note: Option<&String>) -> Vec<Storm> {
    note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default()
}

/// A line without the emoji that it begins with.
fn without_emoji(line: &str) -> &str {
    let mut rest = line.trim();
    while let Some(inner) = rest.strip_prefix(':')
        && let Some((name, after)) = inner.split_once(':')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    {
        rest = after.trim_start();
    }
    rest
}

/// A line without the punctuation that it begins with.
fn without_punctuation(line: &str) -> &str {
    line.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '<' | '&' | '`' | '"' | '\'' | '(' | '/'))
}

#[cfg(test)]
mod tests;
