//! Incidents of one job that its script tells apart by keys: which of them a run is about, and how messages name them. Pure.
//!
//! Before it: `judge` and `wake`, which decide without the incidents that they are not about. After it: `message`, which finds
//! the words.

use super::health::Health;
use super::incident::OpenIncident;
use super::{Event, Notification};
use crate::exec::Status;
use crate::id::RunId;

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

/// So many incidents of one job, told apart by the keys of its directives, are open beside the present one; a failure
/// under yet another key belongs to that.
const MOST_OTHERS: usize = 8;

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
    /// The incidents that a run is about stay; the others are taken out. A failure may be about any of them: which it is, is seen
    /// when it is taken in.
    pub(super) fn take_out_for(&mut self, status: Status, key: Option<u64>) -> TakenOut {
        let flaps = self.flapping_key();
        let is_about =
            |open: &OpenIncident| open.is_ended_by(key) && (flaps.is_none() || key.is_none() || open.key == key);
        self.take_out(|open| status != Status::Ok || is_about(open))
    }

    /// The incident that a failure is about is the present one from here on; none where it begins one.
    pub(super) fn turn_to_failure(&mut self, run: RunId, (key, text): (Option<u64>, &str)) {
        let hung = |open: &OpenIncident| open.hung == Some(run) && open.key.is_none();
        let hangs = self.open.as_deref().is_some_and(hung);
        let has_own = self.others.iter().any(|other| other.key == key);
        match &mut self.open {
            // The end of a hang is told where the hang was, whatever the run was about.
            Some(_) if hangs && has_own => {}
            // The key of a run that was reported while it hung is the key of its incident.
            Some(open) if hangs => (open.key, open.key_text) = (key, text.into()),
            _ => self.turn_to(key),
        }
    }

    /// A failure under a key that is not the present incident's: that one stays open beside it, and the key's own
    /// takes its place, if there is one. A failure without a key belongs to the incident without one, else to whatever is open.
    fn turn_to(&mut self, key: Option<u64>) {
        if key.is_some() || self.others.iter().any(|other| other.key.is_none()) {
            self.turn_to_own(key);
        }
    }

    /// The same of a run that hangs: what it is about is not known.
    pub(super) fn turn_to_own(&mut self, key: Option<u64>) {
        let Some(open) = self.open.as_deref().filter(|open| open.key != key) else { return };
        let known = self.others.iter().position(|others| others.key == key);
        // What was not reported needs no place: it is over, as far as anybody knows.
        let is_known = |open: &OpenIncident| open.reported.is_some() || open.owed.is_some();
        // One whose failures are counted makes room for one that was reported.
        let is_counted = open.key.is_some() && self.others.len() < MOST_OTHERS;
        let keep = is_known(open) || is_counted || self.waiting.has(open.id);
        if known.is_none() && keep && self.others.len() >= MOST_OTHERS {
            let waiting = &self.waiting;
            let Some(at) = self.others.iter().position(|other| !is_known(other) && !waiting.has(other.id)) else {
                return;
            };
            self.others.remove(at);
        }
        let known = self.others.iter().position(|others| others.key == key);
        let own = known.map(|at| Box::new(self.others.remove(at)));
        if let Some(open) = std::mem::replace(&mut self.open, own).filter(|_| keep) {
            self.others.push(*open);
        }
    }

    /// Whether the job fails under this key.
    pub(super) fn fails_under(&self, key: Option<u64>) -> bool {
        let mut all = self.open.as_deref().into_iter().chain(&self.others);
        all.any(|open| open.key == key && open.resolved_at.is_none())
    }

    /// Where the present incident is over, one that fails still and waits is what the end of quiet hours is about.
    pub(super) fn turn_to_waiting(&mut self) {
        let waits = |open: &OpenIncident| open.resolved_at.is_none() && self.waiting.has(open.id);
        if self.open.as_deref().is_none_or(|open| open.resolved_at.is_some())
            && let Some(at) = self.others.iter().rposition(waits)
        {
            self.make_present(at);
        }
    }

    /// It is ok: where the present incident was not reported, one that was is what the recovery is about.
    pub(super) fn turn_to_reported(&mut self) {
        let told = |open: &OpenIncident| open.reported.is_some();
        if !self.open.as_deref().is_some_and(told)
            && let Some(at) = self.others.iter().rposition(told)
        {
            self.make_present(at);
        }
        if self.open.is_none() {
            self.open = self.others.pop().map(Box::new);
        }
    }

    /// This one of the others is the present incident, and the present one is one of the others.
    fn make_present(&mut self, at: usize) {
        let own = Box::new(self.others.remove(at));
        self.others.extend(self.open.replace(own).map(|open| *open));
    }

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
