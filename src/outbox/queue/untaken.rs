//! What is remembered of alerts that their channels did not take, and where each is told in their place. Pure.
//!
//! Before it: the channels that refused a batch, and what an earlier process left of that in the outbox. After it: `refused`,
//! which makes the messages for the default channel.

use std::collections::{BTreeSet, VecDeque};

use crate::id::{Channel, JobName};
use crate::message::Message;
use crate::outbox::batch::Batch;
use crate::outbox::instead::{Alert, Refusal};
use crate::store::{MessageState, Stored};

/// Alerts that were refused or told elsewhere, and incidents of which a notice was told, that are remembered at most: an older one
/// may be told again.
pub const MOST_REMEMBERED: u32 = 1_000;

/// One more is remembered, and the oldest forgotten.
fn remembered<T>(all: &mut VecDeque<T>, one: Option<T>) {
    all.extend(one);
    if all.len() > MOST_REMEMBERED as usize {
        all.pop_front();
    }
}

/// Where an alert is told that its channel does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the default channel, as it was before.
    Told,
    /// In another of its channels, which has it or may still take it.
    Another,
    /// In the default channel.
    Default,
    /// Nowhere.
    Nowhere,
}

/// Alerts that a channel did not take. Of each kind the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Untaken {
    /// Channels that refused the last message that was posted to them.
    shut: BTreeSet<Channel>,
    /// Incidents of which there was a notice that a channel does not take a message, and channels of which there was one that
    /// they take nothing.
    noticed: VecDeque<(Channel, Option<u64>)>,
    /// Alerts of several channels, and which of these did not take them, with what Slack said.
    refused: VecDeque<(Alert, Refusal)>,
    /// Alerts that were told in the default channel since none of their channels took them.
    forwarded: VecDeque<Alert>,
}

impl Untaken {
    /// Takes up what an earlier process told elsewhere, by what it left in the outbox of that: the newest first.
    pub(super) fn remember(&mut self, left: &[Stored], default: Option<&Channel>) {
        for stored in left.iter().rev().filter(|stored| !stored.is_edit() && !stored.is_file()) {
            let message = &stored.message;
            let is_default = message.channel.is_unnamed() || default == Some(&message.channel);
            let alert = Alert::of(message);
            if stored.progress.forwarded {
                remembered(&mut self.forwarded, alert.clone());
            } else if is_default && stored.state == MessageState::Dead {
                let incident = message.incident.map(|incident| (message.channel.clone(), Some(incident)));
                remembered(&mut self.noticed, incident);
            } else if !is_default && !message.route.also.is_empty() && stored.state == MessageState::Waiting {
                remembered(&mut self.noticed, Some((message.channel.clone(), None)));
            }
            if stored.state == MessageState::Waiting {
                self.shut(&message.channel);
            }
            let why = stored.why.clone().unwrap_or_default();
            let refusal = Refusal { channel: message.channel.clone(), why };
            remembered(&mut self.refused, alert.map(|alert| (alert, refusal)));
        }
    }

    /// Whether a channel refused the last message that was posted to it.
    pub(super) fn is_shut(&self, channel: &Channel) -> bool {
        self.shut.contains(channel)
    }

    /// A channel refused a message as it would any other.
    pub(super) fn shut(&mut self, channel: &Channel) {
        self.shut.insert(channel.clone());
    }

    /// A channel did not take these.
    pub(super) fn refused(&mut self, batch: &Batch, why: &str) {
        for alert in batch.members.iter().filter_map(|stored| Alert::of(&stored.message)) {
            self.refused.retain(|(known, refusal)| *known != alert || refusal.channel != batch.channel);
            remembered(&mut self.refused, Some((alert, Refusal::new(&batch.channel, why))));
        }
    }

    /// The incidents of these messages of which something was told in the default channel.
    pub(super) fn told_elsewhere(&self, batch: &Batch) -> Vec<(JobName, u64)> {
        let of = |stored: &Stored| Some((stored.message.job.clone()?, stored.message.incident?));
        let mut all: Vec<_> = batch.members.iter().filter_map(of).collect();
        all.retain(|(job, incident)| self.forwarded.iter().any(|alert| alert.is_of(job, *incident)));
        all
    }

    /// Whether a channel did not take an alert that it has not taken since.
    pub(super) fn has_refused(&self, channel: &Channel) -> bool {
        self.refused.iter().any(|(_, refusal)| refusal.channel == *channel)
    }

    /// A channel took these.
    pub(super) fn taken(&mut self, batch: &Batch) {
        self.noticed.retain(|(channel, incident)| incident.is_some() || *channel != batch.channel);
        self.shut.remove(&batch.channel);
        if self.refused.iter().any(|(_, refusal)| refusal.channel == batch.channel) {
            let alerts: Vec<_> = batch.members.iter().filter_map(|stored| Alert::of(&stored.message)).collect();
            self.refused.retain(|(known, refusal)| refusal.channel != batch.channel || !alerts.contains(known));
        }
    }

    /// The alert is told in the default channel; the answer is what its channels said.
    pub(super) fn forwarded(&mut self, message: &Message) -> Vec<Refusal> {
        let alert = Alert::of(message);
        let of_it = self.refused.iter().filter(|(known, _)| Some(known) == alert.as_ref());
        let refused = of_it.map(|(_, refusal)| refusal.clone()).collect();
        remembered(&mut self.forwarded, alert);
        refused
    }

    /// Where an alert is told that its channel has just refused.
    pub(super) fn place_of(&self, stored: &Stored, default: Option<&Channel>) -> Place {
        let message = &stored.message;
        let alert = Alert::of(message);
        if stored.progress.forwarded || alert.as_ref().is_some_and(|alert| self.forwarded.contains(alert)) {
            return Place::Told;
        }
        let refused = |other: &Channel| {
            self.refused.iter().any(|(known, refusal)| Some(known) == alert.as_ref() && refusal.channel == *other)
        };
        if !message.route.also.iter().all(refused) {
            return Place::Another;
        }
        let is_new = |default: &Channel| *default != message.channel && !message.route.also.contains(default);
        match default {
            Some(default) if is_new(default) && message.route.instead_of.is_none() => Place::Default,
            _ => Place::Nowhere,
        }
    }

    /// Whether this would be the first notice that a channel does not take a message of an incident, or that it takes nothing:
    /// there is one, however often it refuses them.
    pub(super) fn is_first_notice(&mut self, channel: &Channel, incident: Option<u64>) -> bool {
        let is_first = !self.noticed.contains(&(channel.clone(), incident));
        self.notice_told(channel, incident);
        is_first
    }

    /// It is told that a channel does not take a message of an incident, or that it takes nothing: no notice is to say it again.
    pub(super) fn notice_told(&mut self, channel: &Channel, incident: Option<u64>) {
        let of = (channel.clone(), incident);
        if !self.noticed.contains(&of) {
            remembered(&mut self.noticed, Some(of));
        }
    }
}
