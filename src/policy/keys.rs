//! Incidents of one job that its script tells apart by keys: which of them a run is about, and how messages name them. Pure.
//!
//! Before it: `judge` and `wake`, which decide without the incidents that they are not about. After it: `message`, which finds
//! the words.

use super::health::Health;
use super::incident::OpenIncident;
use super::{Event, Notification};

/// The keys that a message names, where the job has several incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// That of the incident that it is about; empty where that has none, or where no other is open.
    pub own: String,
    /// Those of the incidents that are open still, when this one has ended.
    pub open: Vec<String>,
    /// Those of the incidents that have ended with it, where only this message says so.
    pub ended: Vec<String>,
}

/// Incidents that a run is not about, while it is judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct TakenOut {
    /// It was the present one.
    open: Option<Box<OpenIncident>>,
    others: Vec<OpenIncident>,
}

impl OpenIncident {
    /// Whether an ok run ends it: one with a key ends the incident of that key, and one that has none; one without a key
    /// says that all is well.
    pub(super) fn is_ended_by(&self, key: Option<u64>) -> bool {
        key.is_none() || self.key.is_none() || self.key == key || self.resolved_at.is_some()
    }
}

impl Health {
    /// Takes out the incidents that what follows is not about.
    pub(super) fn take_out(&mut self, stays: impl Fn(&OpenIncident) -> bool) -> TakenOut {
        let open = self.open.take_if(|open| !stays(open));
        let (others, taken_out) = std::mem::take(&mut self.others).into_iter().partition(stays);
        self.others = others;
        TakenOut { open, others: taken_out }
    }

    /// Puts them back; the present one is again one, where no other is.
    pub(super) fn put_back(&mut self, taken_out: TakenOut) {
        let others = std::mem::take(&mut self.others);
        self.others = taken_out.others.into_iter().chain(others).collect();
        match taken_out.open {
            Some(open) if self.open.is_some() => self.others.push(*open),
            Some(open) => self.open = Some(open),
            None if self.open.is_none() => self.open = self.others.pop().map(Box::new),
            None => {}
        }
    }

    /// The keys of the incidents that are open, each with the number by which people and threads know the incident.
    pub(super) fn keys(&self) -> Vec<(u64, String)> {
        let all = self.open.as_deref().into_iter().chain(&self.others);
        all.filter(|open| !open.key_text.is_empty()).map(|open| (open.thread(), open.key_text.to_string())).collect()
    }
}

impl Notification {
    /// The incidents that it was decided without: they go on, and are put back where it is taken back.
    pub(super) fn beside(&mut self, taken_out: &TakenOut) {
        let others = taken_out.open.as_deref().into_iter().chain(&taken_out.others);
        let others = others.filter(|open| !open.key_text.is_empty());
        if self.thread.closes() || matches!(self.event, Event::Recovery | Event::Flapping) {
            self.keys_open = others.map(|open| open.key_text.to_string()).collect();
        } else {
            self.keys.extend(others.map(|open| (open.thread(), open.key_text.to_string())));
        }
        self.undo.taken_out = taken_out.clone();
    }

    /// The keys that a message about an incident of the job names.
    pub fn keys(&self, incident: Option<u64>) -> Keys {
        if self.keys.len() < 2 && self.keys_open.is_empty() {
            return Keys::default();
        }
        let own = self.keys.iter().find(|(of, _)| Some(*of) == incident);
        let (open, ended) = (self.keys_open.clone(), self.keys_ended.clone());
        Keys { own: own.map(|(_, key)| key.clone()).unwrap_or_default(), open, ended }
    }
}
