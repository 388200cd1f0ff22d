//! Quiet hours that end for several jobs: one message for a channel, a line for each thing that happened. What fails still goes on
//! as in a storm: the message is edited as the jobs recover. Pure.

use super::how::How;
use super::state::{End, State};
use super::{GROUP, Member, Storm, emoji};
use crate::clock;
use crate::document::format_duration;
use crate::exec::Status;
use crate::message::{Message, short};
use crate::policy::{Overnight, count};
use crate::slack::{cut_plain, unformatted, units};

/// Characters of one line, as a job's own message has them.
const LINE: usize = 300;

/// The line of something that is over when it is told ends with when; of what fails, this is how it begins.
const FAILS: &str = "fails since ";

/// The lines of a job's message.
pub(super) fn members(message: &Message) -> Vec<Member> {
    let Some(overnight) = &message.route.overnight else { return Vec::new() };
    let job = message.job.clone().unwrap_or_else(|| crate::id::JobName::new(""));
    let of_news = overnight.news.iter().map(|news| Member {
        job: job.clone(),
        // The end of the job's other incidents comes with that of the present one.
        incident: message.incident.filter(|_| news.is_open),
        how: How::default(),
        cause: unformatted(&cut_plain(&news.text, LINE).0),
        status: news.status,
        state: if news.is_open { State::Fails } else { State::Well(End::Told) },
        note: None,
        unseen: None,
        goes_on: message.route.goes_on,
        was_over: !news.is_open,
        is_news: news.incident.is_none(),
    });
    of_news.collect()
}

/// Characters that a job's lines take.
pub(super) fn length(message: &Message) -> usize {
    members(message).iter().map(|member| units(&member.cause) + member.length() + GROUP).sum()
}

/// The hours of all of these; nothing where they are not the same.
pub(super) fn hours<'m>(messages: impl Iterator<Item = &'m Message>) -> String {
    let mut all: Vec<&str> =
        messages.filter_map(|message| message.route.overnight.as_deref()).map(|one| one.hours.as_str()).collect();
    all.dedup();
    if let [hours] = all.as_slice() { (*hours).to_owned() } else { String::new() }
}

/// Alerts that did not fit into what waited.
pub(super) fn left_out<'m>(messages: impl Iterator<Item = &'m Message>) -> u32 {
    let more = |overnight: &Overnight| overnight.more;
    messages.filter_map(|message| message.route.overnight.as_deref()).map(more).fold(0, u32::saturating_add)
}

/// "while it was quiet (22:00–07:00): 2 incidents, 1 still open".
pub(super) fn head(hours: &str, members: &[Member], left_out: u32) -> String {
    let number = |wanted: &dyn Fn(&Member) -> bool| {
        u32::try_from(members.iter().filter(|member| wanted(member)).count()).unwrap_or(u32::MAX)
    };
    let incidents = number(&|member| !member.is_news);
    let (open, was_open) = (number(&Member::fails), number(&|member| !member.was_over));
    let news = number(&|member| member.is_news).saturating_add(left_out);
    let mut parts = Vec::new();
    if incidents > 0 {
        parts.push(count(incidents, "incident"));
        match (open, was_open) {
            (0, 0) => {}
            (0, _) => parts.push("none open any more".to_owned()),
            (open, _) => parts.push(format!("{open} still open")),
        }
    }
    if news > 0 {
        parts.push(count(news, if incidents > 0 { "other message" } else { "message" }));
    }
    let hours = if hours.is_empty() { String::new() } else { format!(" ({hours})") };
    format!(":crescent_moon: while it was quiet{hours}: {}", parts.join(", "))
}

/// A line for each, what fails first.
pub(super) fn lines(members: &[Member], left_out: u32) -> Vec<String> {
    let mut all: Vec<&Member> = members.iter().collect();
    all.sort_by_key(|member| member.was_over);
    let mut lines: Vec<String> = all.into_iter().map(line).collect();
    lines.extend((left_out > 0).then(|| format!("and {left_out} more")));
    lines
}

fn line(member: &Member) -> String {
    let name = unformatted(&short(member.job.as_str()));
    let icon = match member {
        member if member.state == State::Gone => ":black_circle:",
        member if member.fails() => emoji(member.status),
        member if member.is_news => emoji(member.status),
        _ => ":white_check_mark:",
    };
    // How often it had failed by then is not the whole any more.
    let has_ended = match member.state {
        State::Well(_) | State::OtherFails => !member.was_over,
        State::FailsAnew(_) => true,
        State::Fails | State::Gone => false,
    };
    let now = if member.state.is_over() { "well again" } else { "fails again" };
    let since = member.cause.strip_prefix(FAILS).filter(|_| has_ended);
    let parts = since.and_then(|since| Some((since.split_once(" (")?.0, since.split_once(')')?.1)));
    let cause = match parts {
        Some((at, line)) => format!("failed from {at}{line}; {now}"),
        None => member.cause.clone(),
    };
    format!("{icon} *{name}* {cause}")
}

/// That none of the jobs fails any more that did at the end of the hours.
pub(super) fn end(storm: &Storm, now: jiff::Timestamp) -> String {
    let mut names: Vec<&str> =
        storm.members.iter().filter(|member| !member.was_over).map(|member| member.job.as_str()).collect();
    names.dedup();
    let is_gone = storm.members.iter().any(|member| member.state == State::Gone);
    let took = format_duration(clock::between(storm.since.unwrap_or(storm.began), storm.over.unwrap_or(now)));
    let jobs = match names.as_slice() {
        [one] => format!("*{}*", unformatted(&short(one))),
        many => format!("all {} jobs that failed at the end of the quiet hours", many.len()),
    };
    match (is_gone, names.len()) {
        (true, 1) => format!(":black_circle: {jobs} is no longer watched"),
        (true, _) => format!(":black_circle: {jobs} are well again, or no longer watched, after {took}"),
        (false, 1) => format!("{} {jobs} is well again after {took}", emoji(Status::Ok)),
        (false, _) => format!("{} {jobs} are well again after {took}", emoji(Status::Ok)),
    }
}
