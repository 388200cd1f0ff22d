//! Writes what came of a batch, and what else that means for messages of the same incidents that wait. It has no rule of its own.
//!
//! Before it: the worker, with the settlement and what it knows of these incidents. After it: the store, and reports for the daemon.

use std::collections::BTreeSet;

use super::batch::{Batch, Lane};
use super::instead;
use super::places::Places;
use super::report::{DeliveryResult, Report};
use crate::id::{Channel, JobName};
use crate::message::Message;
use crate::store::{MessageId, MessageState, OutboxFilter, Settlement, Store, StoreError, Stored};

/// What is known of the incidents of a batch.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Its channel has heard nothing of this one, whose first message is given up: nothing that waits there of it is sent.
    pub(super) unheard: Option<u64>,
    /// Its channel has taken these alerts of jobs, and may have refused earlier ones.
    pub(super) overtaking: Vec<(JobName, MessageId)>,
    /// Its channel has taken a message of these, of which this other one was or is to be told in its place.
    pub(super) told_elsewhere: Option<(Channel, Vec<(JobName, u64)>)>,
    /// The channel, which is configured by this other name or ID too, has taken these.
    pub(super) twins: Vec<(Channel, Vec<Message>)>,
}

/// The other names and IDs of a channel under which the alerts of a batch were to go there too, each with what it would say.
pub(super) fn twins(batch: &Batch, places: &Places) -> Vec<(Channel, Vec<Message>)> {
    if batch.lane != Lane::Posts {
        return Vec::new();
    }
    let also = batch.members.iter().flat_map(|stored| &stored.message.route.also);
    let same: BTreeSet<&Channel> = also.filter(|other| places.are_same(other, &batch.channel)).collect();
    let told = || batch.members.iter().map(|stored| stored.message.clone()).collect();
    same.into_iter().map(|other| (other.clone(), told())).collect()
}

/// Writes it. The store holds it in memory when the disk fails, so that nothing is sent twice.
pub(super) async fn write(store: &Store, mut settlement: Settlement, known: Known) -> Result<Vec<Report>, StoreError> {
    let (channel, at) = (settlement.channel.clone(), settlement.at);
    let mut needless = Vec::new();
    if let Some(filter) = instead::behind_of(&settlement, known.unheard) {
        // Where the store cannot be read, what follows is told in the incident's own channel alone.
        let waiting = store.outbox_list(filter).await.unwrap_or_default();
        let behind = instead::behind(&settlement.follow, &waiting);
        settlement.follow.extend(behind);
        needless.extend(known.unheard.and_then(|incident| instead::needless(incident, &waiting, (&channel, at))));
    }
    store.settle(settlement).await?;
    if !known.overtaking.is_empty() {
        let waiting = waiting_for(store, &channel).await;
        needless.extend(known.overtaking.iter().flat_map(|newer| instead::overtaken(newer, &waiting, (&channel, at))));
    }
    let mut reports = Vec::new();
    if let Some((default, incidents)) = known.told_elsewhere {
        let waiting = waiting_for(store, &default).await;
        for (job, incident) in incidents {
            let Some(settlement) = instead::told_after_all(incident, (&channel, at), &waiting) else { continue };
            needless.push(settlement);
            let result = DeliveryResult::Elsewhere { why: format!("{channel} has taken it"), waits: false };
            let (incident, channel) = (Some(incident), default.clone());
            reports.push(Report { job, run: None, incident, event: None, channel, result });
        }
    }
    for (twin, told) in known.twins {
        let waiting = waiting_for(store, &twin).await;
        let (settlement, told) = instead::said_already(&told, &waiting, (&twin, at));
        needless.extend(settlement);
        reports.extend(told);
    }
    for settlement in needless {
        store.settle(settlement).await?;
    }
    Ok(reports)
}

/// What waits for a channel. Where it cannot be read, nothing of it is taken for needless.
async fn waiting_for(store: &Store, channel: &Channel) -> Vec<Stored> {
    let (channel, state) = (Some(channel.clone()), Some(MessageState::Waiting));
    let filter = OutboxFilter { channel, state, limit: instead::MOST_BEHIND, ..OutboxFilter::default() };
    store.outbox_list(filter).await.unwrap_or_default()
}
