//! Which names and IDs are the same channel, as far as Slack has said. Pure.
//!
//! Before it: Slack's answers, which name a channel by its ID, whatever it was called in the request. After it: `report`, by
//! which an incident goes on where it was told when a configuration calls that channel otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::id::Channel;

/// Under which name the store keeps them.
pub const NOTE: &str = "channel_ids";

/// So many channels are known at most; of one more nothing is learned.
const MOST: usize = 1_000;

/// The IDs of channels that are configured by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Arc<BTreeMap<Channel, Channel>>);

impl Places {
    /// What an earlier process learned.
    pub fn from_note(note: Option<&String>) -> Self {
        Self(Arc::new(note.and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default()))
    }

    /// As the store keeps them.
    pub fn note(&self) -> Option<String> {
        serde_json::to_string(&*self.0).ok()
    }

    /// A channel of this name has this ID. The answer is whether that is new.
    pub fn learn(&mut self, name: &Channel, id: &Channel) -> bool {
        let is_known = name.is_id() || name.is_unnamed() || self.0.get(name) == Some(id);
        if is_known || !id.is_id() || (self.0.len() >= MOST && !self.0.contains_key(name)) {
            return false;
        }
        Arc::make_mut(&mut self.0).insert(name.clone(), id.clone());
        true
    }

    /// The names that are other channels by now than they were before: in another workspace, or since the channel was made anew.
    pub fn moved_since(&self, before: &Self) -> Vec<Channel> {
        let moved = before.0.iter().filter(|(name, id)| self.0.get(*name).is_some_and(|now| now != *id));
        moved.map(|(name, _)| name.clone()).collect()
    }

    /// Whether some name of this ID is known.
    pub fn names(&self, id: &Channel) -> bool {
        self.0.values().any(|known| known == id)
    }

    /// Whether it is the ID of a channel whose name is not known.
    pub fn may_have_a_name(&self, channel: &Channel) -> bool {
        channel.is_id() && channel.as_str().starts_with(['C', 'G']) && !self.names(channel)
    }

    /// Whether it is a name whose ID is not known.
    pub fn is_unknown(&self, channel: &Channel) -> bool {
        !channel.is_id() && !channel.is_unnamed() && !self.0.contains_key(channel)
    }

    /// Whether both are one channel.
    pub fn are_same(&self, one: &Channel, other: &Channel) -> bool {
        self.id(one) == self.id(other)
    }

    fn id<'a>(&'a self, channel: &'a Channel) -> &'a Channel {
        self.0.get(channel).unwrap_or(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::Places;
    use crate::id::Channel;

    #[test]
    fn a_name_and_its_id_are_one_channel_once_slack_has_said_so_and_after_a_restart() {
        let (ops, dev, id) = (Channel::new("#ops"), Channel::new("dev"), Channel::new("C05DED65D5"));
        let mut places = Places::default();
        assert!(!places.are_same(&ops, &id) && places.are_same(&ops, &Channel::new("ops")));
        assert!(places.learn(&ops, &id) && !places.learn(&ops, &id), "it is news once");
        // A direct message has a channel of its own.
        assert!(!places.learn(&Channel::new("U024BE7LH"), &Channel::new("D0123456789")));
        let places = Places::from_note(places.note().as_ref());
        assert!(places.are_same(&ops, &id) && places.are_same(&id, &ops) && !places.are_same(&dev, &id));
        assert!(places.names(&id) && !places.names(&Channel::new("C05DED65D6")));
        assert_eq!(Places::from_note(Some(&"?".to_owned())), Places::default());
    }
}
