//! The lines of a storm: its jobs by cause, how many of which status, who has which, and the message that they make. Pure.
//!
//! Before it: the members of a storm. After it: the message, which keeps Slack's limits.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Member;
use super::alike::in_common;
use super::state::State;
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::message::{Message, Route, Thread};
use crate::slack::limits::SECTION;
use crate::slack::{blocks, escape, unformatted, units};

/// With more jobs than this an emoji at each name of a job that is well would not fit: it is struck out instead.
const MARKED: usize = 50;

/// Members by cause, in the order of their first.
pub(super) fn groups(members: &[Member]) -> Vec<(String, Vec<&Member>)> {
    let mut groups: Vec<(String, Vec<&Member>)> = Vec::new();
    for member in members {
        let key = member.key();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(member),
            None => groups.push((key, vec![member])),
        }
    }
    let causes = |group: &[&Member]| in_common(&group.iter().map(|member| member.cause.as_str()).collect::<Vec<_>>());
    groups.into_iter().map(|(_, group)| (causes(&group), group)).collect()
}

/// A job among alerts: it may have several, one for each of its incidents.
pub(super) struct Job<'m> {
    pub(super) name: &'m JobName,
    /// All of its incidents are over.
    pub(super) well: bool,
    /// One of them is not, and nobody watches it any more.
    pub(super) gone: bool,
    /// The worst of those that are not over.
    pub(super) status: Status,
}

impl Job<'_> {
    pub(super) fn fails(&self) -> bool {
        !self.well && !self.gone
    }
}

/// "3 of 5 are well again, 1 is no longer watched".
pub(super) fn no_longer_fail(all: usize, well: usize, gone: usize) -> String {
    let are = |count: usize| if count == 1 { "is" } else { "are" };
    let mut parts = Vec::new();
    if well > 0 {
        parts.push(format!("{well} of {all} {} well again", are(well)));
    }
    if gone > 0 {
        let of = if well > 0 { String::new() } else { format!(" of {all}") };
        parts.push(format!("{gone}{of} {} no longer watched", are(gone)));
    }
    parts.join(", ")
}

/// The jobs of alerts, each once, in the order of their first.
pub(super) fn jobs<'m>(members: impl IntoIterator<Item = &'m Member>) -> Vec<Job<'m>> {
    let mut jobs: Vec<Job<'m>> = Vec::new();
    let mut known: BTreeMap<&JobName, usize> = BTreeMap::new();
    for member in members {
        let at = *known.entry(&member.job).or_insert_with(|| {
            jobs.push(Job { name: &member.job, well: true, gone: false, status: Status::Ok });
            jobs.len() - 1
        });
        let job = &mut jobs[at];
        job.well &= member.state.is_over();
        job.gone |= member.state == State::Gone;
        if member.fails() && member.status.badness() > job.status.badness() {
            job.status = member.status;
        }
    }
    jobs
}

/// A line for each cause; the jobs with the same share a line, which names each.
pub(super) fn lines(members: &[Member]) -> Vec<String> {
    let name = |job: &Job<'_>| {
        let name = unformatted(&job.name.to_string());
        match job.well {
            true if members.len() > MARKED => format!("~{name}~"),
            true => format!(":white_check_mark: {name}"),
            false if job.gone => format!(":black_circle: {name}"),
            false => format!("*{name}*"),
        }
    };
    let line = |(cause, group): (String, Vec<&Member>)| match jobs(group).as_slice() {
        [job] => format!("• {} {cause}", name(job)),
        jobs => {
            let names = jobs.iter().map(name).collect::<Vec<_>>().join(", ");
            format!("• {} jobs: {cause}\n{names}", jobs.len())
        }
    };
    groups(members).into_iter().map(line).collect()
}

/// Who has which of the jobs that fail, a line each, as far as there is room: what fails comes first.
pub(super) fn notes(members: &[Member], room: usize) -> Vec<String> {
    let noted = members.iter().filter(|member| !member.state.is_over());
    let line = |(member, note): (&Member, &String)| {
        format!("{} · _{}_", unformatted(&member.job.to_string()), escape(note).replace('_', "-"))
    };
    let all: Vec<String> = noted.filter_map(|member| Some((member, member.note.as_ref()?))).map(line).collect();
    let mut left = room;
    let fits = |line: &String| {
        left = left.saturating_sub(units(line) + 1);
        left > 0
    };
    all.into_iter().take_while(fits).collect()
}

/// `2 critical, 1 warning`.
pub(super) fn counts(members: &[Member]) -> String {
    let jobs = jobs(members);
    let of = |status| jobs.iter().filter(|job| job.status == status && job.fails()).count();
    let all = [Status::Critical, Status::Unknown, Status::Warning].map(|status| (of(status), status));
    let all = all.into_iter().filter(|(count, _)| *count > 0);
    all.map(|(count, status)| format!("{count} {}", status.as_str())).collect::<Vec<_>>().join(", ")
}

pub(super) fn emoji(status: Status) -> &'static str {
    match status {
        Status::Ok => ":large_green_circle:",
        Status::Warning => ":large_yellow_circle:",
        Status::Unknown => ":white_circle:",
        Status::Critical => ":red_circle:",
    }
}

/// The head and the lines in as few sections as hold them.
pub(super) fn laid_out(head: &str, lines: &[String], status: Status, channel: Channel, now: Timestamp) -> Message {
    let mut sections = vec![head.to_owned()];
    // Names of many jobs are one long line: it is parted between two of them.
    let parts = lines.iter().flat_map(|line| line.split_inclusive(", ").map(move |part| (part, line)));
    let mut current: Option<&String> = None;
    for (part, line) in parts {
        let fresh = current.is_none_or(|known| !std::ptr::eq(known, line));
        current = Some(line);
        match sections.last_mut() {
            Some(text) if units(text) + units(part) + 1 < SECTION => {
                if fresh {
                    text.push('\n');
                }
                text.push_str(part);
            }
            _ => sections.push(part.to_owned()),
        }
    }
    Message {
        job: None,
        run: None,
        event: None,
        status,
        channel,
        text: format!("{head}\n{}", lines.join("\n")).trim_end().to_owned(),
        blocks: sections.iter().map(|text| blocks::section(text, SECTION)).collect(),
        color: None,
        incident: None,
        thread: Thread::None,
        attachment: None,
        created: now,
        route: Route::default(),
    }
}
