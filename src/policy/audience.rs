//! Who has heard of an incident, and where its next message goes. Pure.
//!
//! Before it: what is remembered of the incident. After it: `report`, which makes a message for each channel.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, Statuses};
use crate::exec::Status;
use crate::id::Channel;

/// That a person threw a message away before its channel took it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What the outbox knows of incidents, by their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The channels that took the first message.
    pub channels: HashMap<u64, Vec<Channel>>,
    /// A message was refused for good or dropped, and nothing was taken or waits.
    pub refused: HashSet<u64>,
    /// Who dropped a message last.
    pub dropped: HashMap<u64, Dropped>,
}

/// Who has heard of an incident, and who waits to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audience {
    /// Under which statuses it was reported before.
    pub statuses: Statuses,
    /// The channels that took a message of it before; not known of one that version 0.1 reported.
    pub channels: Vec<Channel>,
    /// The channels for which a message of it waits: what follows comes behind that, so that none is left with a failure that
    /// is over.
    pub pending: Vec<Channel>,
    /// The channels for which a message of it waits in the place of another one, which did not take it.
    pub substitutes: Vec<Channel>,
    /// The channels that did not take what was made for them, and have taken nothing of it since.
    pub refused: Vec<Channel>,
    /// The statuses of incidents that waited for the end of quiet hours and are told along: the message goes to whoever hears of
    /// these too.
    pub waited: Statuses,
    /// The incident is one of a conversation, which goes on after its end.
    pub in_conversation: bool,
}

impl Audience {
    /// Whether one of the channels to which it goes hears of the incident for the first time, though others have heard of it:
    /// because the configuration names it now, because of the status, or because it refused what it was to hear before. What waits
    /// for a channel that is named no more goes to the one that is, as it is.
    pub fn is_new_to(&self, channel: &Channel, all: &[Channel]) -> bool {
        let is_known = !self.channels.is_empty() || !self.pending.is_empty() || !self.substitutes.is_empty();
        let moves = self.pending.iter().any(|pending| !all.contains(pending));
        let known =
            [&self.channels, &self.pending, &self.substitutes].into_iter().flatten().any(|known| known == channel);
        let known = known && !self.refused.contains(channel);
        !self.statuses.is_empty() && is_known && !moves && !known
    }

    /// Where a message of this status goes. What follows in an incident goes wherever the incident was reported, so that nobody
    /// who heard of it misses what became of it. A failure goes to the channels of its status too; what is `better` than what
    /// was reported, and a recovery, where the channels of that status are set apart.
    pub fn channels(
        &self,
        status: Status,
        better: bool,
        settings: &Settings,
        default: Option<&Channel>,
    ) -> Vec<Channel> {
        let of = |status| settings.channels_for(status, default);
        let mut all = self.channels.clone();
        if all.is_empty() {
            // Version 0.1 kept only under which statuses the incident was reported.
            all = self.statuses.iter().flat_map(of).collect();
        }
        all.extend(self.waited.iter().flat_map(of));
        // Where the configuration names another channel by now, what waits goes there.
        let known = |channel: &&Channel| Status::ALL.into_iter().flat_map(of).any(|of| of == **channel);
        match self.pending.iter().all(|channel| known(&channel)) {
            true => all.extend(self.pending.iter().cloned()),
            false => all.extend(self.statuses.iter().flat_map(of)),
        }
        let apart = settings.channels.iter().any(|(of, _)| *of == status);
        // Where the configuration names other channels by now, the present ones hear of the end too. One that refused the failure
        // is none of those.
        let mut configured = self.statuses.iter().flat_map(of);
        let was_meant = |channel: &Channel| self.channels.contains(channel) || self.refused.contains(channel);
        let moved = !self.channels.is_empty() && !configured.any(|channel| was_meant(&channel));
        let own = match status {
            Status::Ok => apart || moved,
            _ => !better || apart,
        };
        if own || all.is_empty() {
            all.extend(of(status));
        }
        all.extend(self.substitutes.iter().cloned());
        let mut seen = Vec::new();
        all.retain(|channel| {
            !seen.contains(channel) && {
                seen.push(channel.clone());
                true
            }
        });
        all
    }
}
