//! What joined a storm by an edit of its message that Slack does not take: the channel sees nothing of that, and nobody was
//! pinged. A message of its own tells it. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Member, Storm, add_pings, failing, laid_out, lines, pinged_once, worst};
use crate::message::{Message, Route, Thread};
use crate::outbox::late;

/// A job joined, and the channel does not see it yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// When it joined.
    pub since: Timestamp,
    /// Whom its alert pings.
    pub pings: Vec<String>,
}

impl Storm {
    /// Slack took an edit of the message that was made at that time: the channel sees what had joined by then. The answer is
    /// whether there was any.
    pub fn shown(&mut self, made: Timestamp) -> bool {
        let mut any = false;
        for member in &mut self.members {
            any |= member.unseen.take_if(|unseen| unseen.since <= made).is_some();
        }
        any
    }

    /// Slack does not take an edit of the message: nothing joins it any more. What joined unseen, as far as it fails still, is
    /// told by a new message that the channel sees.
    pub fn told_instead(&mut self, now: Timestamp) -> Option<Message> {
        self.fixed = true;
        let fails = |member: &&mut Member| member.unseen.is_some() && member.fails();
        let (mut unseen, mut pings) = (Vec::new(), Vec::new());
        for member in self.members.iter_mut().filter(fails) {
            pings.extend(member.unseen.take().map(|unseen| unseen.pings).unwrap_or_default());
            unseen.push(member.clone());
        }
        if unseen.is_empty() {
            return None;
        }
        let mut head = failing(&unseen, " more", "");
        add_pings(&mut head, &pinged_once(pings));
        let message = laid_out(&head, &lines(&unseen), worst(&unseen), self.channel.clone(), now);
        let route = Route { target: Some(self.posted.clone()), ..Route::default() };
        Some(Message { thread: Thread::Broadcast, route, ..late::on_host(message, &self.host) })
    }
}
