//! What it means that Slack took a batch: for the lane, for threads, and for what follows.
//!
//! Before it: the receipt. After it: the settlement that [`Queue::answered`] makes of it.

use jiff::Timestamp;

use super::{LOOK, Queue};
use crate::clock::Now;
use crate::exec::Status;
use crate::message::{Message, Route, Thread};
use crate::notify::{Parent, Receipt};
use crate::outbox::batch::{Batch, Lane};
use crate::outbox::storm::{self, Storm};
use crate::outbox::{digest, instead, late};
use crate::policy::Event;
use crate::slack::plain;
use crate::store::{FollowUp, ThreadChange};

/// Where a storm's number lies: no incident has one so great.
const STORM_IDS: u64 = 1 << 62;

impl Queue {
    /// Slack took it.
    pub(super) fn taken(&mut self, batch: &Batch, now: Now) {
        self.way_is_well(&batch.channel, batch.lane, now);
        self.credentials = None;
        self.limited.remove(&batch.lane);
        self.refusals.remove(&batch.lane);
        if batch.lane == Lane::Posts {
            self.untaken.taken(batch);
        }
        if let Some(state) = self.lanes.get_mut(&(batch.channel.clone(), batch.lane)) {
            // After a digest that Slack called too large its size grows again step by step.
            state.lines = state.lines.map(|lines| lines * 2).filter(|lines| *lines < LOOK);
            state.failures = 0;
            state.taken = Some(now.wall);
            state.plain = None;
            state.unthreaded = None;
            state.shown_well();
            let left = state.depth.alerts > batch.members.len() as u64;
            state.follows = batch.merged == Some(digest::Kind::Many) && left;
            let many = batch.members.len() as u64;
            state.pinged = pinged_by(batch, batch.storm.filter(|_| batch.more > 0), state.pinged.take());
            let goes_on = |kind: &digest::Kind| match kind {
                digest::Kind::Many => state.depth.alerts > many,
                digest::Kind::Late => state.depth.late > many,
            };
            let merged = batch.merged.filter(goes_on);
            state.digest_pinged = pinged_by(batch, merged, state.digest_pinged.take());
        }
    }

    /// What a receipt means for threads, and what follows from it.
    pub(super) fn after(&mut self, batch: &Batch, receipt: &Receipt, now: Timestamp) -> (ThreadChange, Vec<FollowUp>) {
        if let Some(kind) = batch.storm {
            return self.after_storm(batch, kind, receipt, now);
        }
        let mut follow = Vec::new();
        if batch.lane == Lane::Uploads
            && let [stored] = batch.members.as_slice()
            && stored.progress.forwarded
        {
            // It was given up, and its message says so.
            follow.push(FollowUp { message: instead::with_file(&stored.message, now), file_of: None });
        }
        if batch.lane == Lane::Posts
            && let [stored] = batch.members.as_slice()
            && let Some(posted) = &receipt.posted
            && batch.message.attachment.as_ref().is_some_and(|file| !file.content.is_empty())
        {
            let root = batch.parent.clone().filter(|_| !receipt.orphaned).unwrap_or_else(|| posted.clone());
            let route = Route { target: Some(root), posted: Some(posted.clone()), ..Route::default() };
            // Without a thread its message is not the incident's first.
            let incident = batch.message.incident.filter(|_| batch.message.thread != Thread::None);
            let upload =
                Message { thread: Thread::Upload, attachment: None, incident, route, ..(*batch.message).clone() };
            follow.push(FollowUp { message: upload, file_of: Some(stored.id) });
        }
        (thread_after(batch, receipt), follow)
    }

    /// A storm was told: its jobs are known, and their own messages follow in its thread.
    fn after_storm(
        &mut self,
        batch: &Batch,
        kind: storm::Kind,
        receipt: &Receipt,
        now: Timestamp,
    ) -> (ThreadChange, Vec<FollowUp>) {
        // Without a thread the storm's message is all.
        let Some(posted) = &receipt.posted else { return (ThreadChange::Keep, Vec::new()) };
        let follow = batch.members.iter().map(|stored| {
            // What goes on or ends goes into the thread of its own incident, where the failure was told.
            let known = kind == storm::Kind::Recoveries || stored.parent.is_some();
            let own = known && stored.message.thread == Thread::Broadcast;
            let target = (!own).then(|| posted.clone());
            FollowUp { message: storm::detail(&stored.message, target), file_of: Some(stored.id) }
        });
        let follow = follow.collect();
        if kind == storm::Kind::Recoveries {
            return (ThreadChange::Keep, follow);
        }
        let messages: Vec<&Message> = batch.members.iter().map(|stored| &stored.message).collect();
        let id = STORM_IDS | batch.members.first().map_or(0, |stored| stored.id.0);
        let late = late::note_of(&batch.message).map(str::to_owned);
        let host = self.host.as_ref().into();
        let storm = Storm::new((id, kind), batch.channel.clone(), posted.clone(), &messages, now);
        let goes_on =
            |before: &&Storm| before.channel == batch.channel && before.quiet.is_some() == storm.quiet.is_some();
        let before = self.storms.iter().rfind(goes_on).filter(|before| batch.follows && !before.ended);
        let part_of = before.map(|before| before.part_of.unwrap_or(before.id));
        // Of quiet hours there may be nothing left to follow.
        if storm.is_open() {
            self.storms.push(Storm { late, host, part_of, ..storm });
        }
        // A job whose incident has its own thread already keeps it, and what is over needs none.
        let opened = messages.iter().filter(|message| {
            message.thread != Thread::Broadcast && (kind == storm::Kind::Failures || message.status != Status::Ok)
        });
        (ThreadChange::SetAll(opened.filter_map(|message| message.incident).collect(), posted.clone()), follow)
    }
}

/// Whom a message pinged that another one goes on after (`kind`), and those before it.
fn pinged_by<K: PartialEq>(
    batch: &Batch,
    kind: Option<K>,
    before: Option<(K, Vec<String>)>,
) -> Option<(K, Vec<String>)> {
    let kind = kind?;
    let mut pinged = before.filter(|(known, _)| *known == kind).map(|(_, pinged)| pinged).unwrap_or_default();
    pinged.extend(storm::pings(batch.members.iter().map(|stored| &stored.message)));
    Some((kind, pinged))
}

/// What a receipt means for the incident's thread.
fn thread_after(batch: &Batch, receipt: &Receipt) -> ThreadChange {
    let message = &batch.message;
    let own = !batch.is_merged() && message.route.target.is_none();
    let Some(incident) = message.incident.filter(|_| own) else { return ThreadChange::Keep };
    let parent = batch.members.first().and_then(|stored| stored.parent.as_ref());
    let had_parent = parent.is_some();
    let is_apart = |posted: &Parent| parent.is_some_and(|parent| parent.channel != posted.channel);
    match (message.thread, &receipt.posted) {
        (Thread::Open, Some(posted)) => ThreadChange::Set(incident, posted.clone()),
        // A thread in another channel of the same name has no edit to come, where this is the end.
        (Thread::Reply | Thread::Broadcast, Some(posted))
            if is_apart(posted) && message.event == Some(Event::Recovery) =>
        {
            ThreadChange::Forget(incident)
        }
        // What should have been an answer stands alone: a thread that was deleted in Slack, or that is in another channel of the
        // same name, starts anew there.
        (Thread::Reply | Thread::Broadcast, Some(posted)) if receipt.orphaned || !had_parent || is_apart(posted) => {
            ThreadChange::Set(incident, posted.clone())
        }
        (Thread::Edit, _) if receipt.orphaned => ThreadChange::Forget(incident),
        _ => ThreadChange::Keep,
    }
}

/// What the first message of the incident's thread says after this was taken; `None` where that is as before.
pub(super) fn first_after(batch: &Batch, receipt: &Receipt, thread: &ThreadChange) -> Option<Box<Message>> {
    let edits = batch.lane == Lane::Edits && !receipt.orphaned && batch.message.route.target.is_none();
    if !edits && !matches!(thread, ThreadChange::Set(..)) {
        return None;
    }
    let mut first = Message { attachment: None, ..(*batch.message).clone() };
    if batch.plain.is_some() {
        // Slack refused its blocks: an edit must not bring them back. What they said stands in the text.
        first.text = plain(&first.text, &first.blocks);
        first.blocks.clear();
    }
    Some(Box::new(first))
}
