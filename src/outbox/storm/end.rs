//! How a storm ends: what is said of it, and whether the channel sees it. Pure.
//!
//! Before it: how its jobs are. After it: the storm's last words.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::lines::{emoji, jobs, laid_out, no_longer_fail};
use super::state::{End, State};
use super::{Member, Storm, night};
use crate::clock;
use crate::document::format_duration;
use crate::exec::Status;
use crate::id::JobName;
use crate::message::{Message, Route, Thread};
use crate::outbox::late;

impl Storm {
    /// No job fails any more, as far as is known, which was not told yet.
    pub fn is_over(&self) -> bool {
        !self.ended && !self.members.iter().any(Member::fails)
    }

    /// Whether another one is of the same storm, which had no room in one message.
    pub fn is_part_with(&self, other: &Self) -> bool {
        let first = |storm: &Self| storm.part_of.unwrap_or(storm.id);
        self.channel == other.channel && first(self) == first(other)
    }

    /// The parts of a storm as one; the first is in front.
    pub fn whole(mut parts: impl Iterator<Item = Self>) -> Option<Self> {
        let mut whole = parts.next()?;
        for part in parts {
            let began = |storm: &Self| storm.since.unwrap_or(storm.began);
            whole.since = Some(began(&whole).min(began(&part)));
            whole.over = whole.over.max(part.over);
            whole.members.extend(part.members);
        }
        Some(whole)
    }

    /// Whether the channel is to see that it is over: not where none of its jobs asks for that. Its message says it.
    pub fn tells_end(&self) -> bool {
        let watched = self.members.iter().filter(|member| !member.was_over && member.state != State::Gone);
        let mut watched = watched.peekable();
        watched.peek().is_none() || watched.any(|member| member.state != State::Well(End::Unasked))
    }

    /// That it is over, for the channel to see.
    pub fn told_end(&self, now: Timestamp) -> Message {
        let message = laid_out(&self.end(now), &[], Status::Ok, self.channel.clone(), now);
        let message = late::on_host(message, &self.host);
        let route = Route { target: Some(self.posted.clone()), ..Route::default() };
        Message { thread: Thread::Broadcast, route, ..message }
    }

    pub(super) fn end(&self, now: Timestamp) -> String {
        if self.quiet.is_some() {
            return night::end(self, now);
        }
        // By when it happened, not by when a channel took it.
        let took = format_duration(clock::between(self.since.unwrap_or(self.began), self.over.unwrap_or(now)));
        let jobs = jobs(&self.members);
        let (all, gone) = (jobs.len(), jobs.iter().filter(|job| job.gone).count());
        let still: BTreeSet<&JobName> =
            self.members.iter().filter(|member| member.state == State::OtherFails).map(|member| &member.job).collect();
        match gone {
            _ if !still.is_empty() => {
                let fail =
                    if still.len() == 1 { "1 job fails".to_owned() } else { format!("{} jobs fail", still.len()) };
                let mark = emoji(Status::Warning);
                format!("{mark} *these failures of {all} jobs are over* after {took}; {fail} still under another key")
            }
            0 => format!("{} *all {all} jobs are well again* after {took}", emoji(Status::Ok)),
            gone => format!(":black_circle: *{}* after {took}", no_longer_fail(all, all - gone, gone)),
        }
    }
}
