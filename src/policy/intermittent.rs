//! A job that fails now and then: its incidents are one conversation. Pure.
//!
//! Before it: an incident that is reported for the first time. After it: `notify`, which sends its messages into the
//! conversation's thread. The conversation ends when the job did not fail for as long as the setting says.

use std::time::Duration;

use jiff::Timestamp;

use super::health::Health;
use super::incident::{LASTS, OpenIncident};
use super::notify::Moment;
use super::patterns::{Begun, Conversation};
use super::quiet::Deferred;
use super::rare::Rare;
use super::settings::{MOST_INCIDENTS, Settings, Statuses};
use super::{Audience, Event, Facts, Incident, Notification, Threading, Update};
use crate::clock::{between, shift};
use crate::exec::Status;

impl Health {
    /// Failed runs, and all runs, since the first incident of the conversation began.
    pub(super) fn counts(&self, conversation: &Conversation) -> (u64, u64) {
        let (first, hangs) = (conversation.first, self.hanging_runs());
        ((self.failed + hangs).saturating_sub(first.failed), (self.runs + hangs).saturating_sub(first.runs))
    }

    /// Runs that hang now: how they come out is not known, and they count as failed.
    fn hanging_runs(&self) -> u64 {
        u64::from(self.hangs_now().is_some())
    }

    /// The conversation as its first message says it.
    pub(super) fn counted(&self, conversation: &Conversation, opens: bool) -> Update {
        let (failed, runs) = self.counts(conversation);
        let line = conversation.line.to_string();
        Update::Intermittent { failed, runs, since: conversation.since(), opens, line }
    }

    /// The same where a run of the incident hung and the job is well: with how that run ended, where it is this one.
    pub(super) fn counted_after_hang(
        &self,
        open: &OpenIncident,
        facts: &Facts<'_>,
        moment: &Moment<'_>,
    ) -> Option<Update> {
        let conversation = self.conversation.as_deref().filter(|known| open.conversation == Some(known.id))?;
        let hung = open.hung?;
        let mut counted = self.counted(conversation, false);
        if let Update::Intermittent { line, .. } = &mut counted
            && hung == facts.run
        {
            let end = Update::HangEnds { took: facts.took, ending: facts.ending.clone() };
            let gap = if line.is_empty() { "" } else { "; " };
            line.push_str(&format!("{gap}the last {}", end.sentence(moment.zone, moment.now)));
        }
        Some(counted)
    }

    /// An incident is reported for the first time: whether it belongs to a conversation, or opens one.
    pub(super) fn join_conversation(&mut self, settings: &Settings, now: Timestamp) {
        let Some(setting) = settings.intermittent else { return };
        let (runs, failed, hangs) = (self.runs, self.failed, self.hanging_runs());
        let Some(open) = self.open.as_deref_mut().filter(|open| open.key.is_none()) else { return };
        if let Some(conversation) = &self.conversation {
            open.conversation = Some(conversation.id);
            return;
        }
        // What hangs is not among the runs yet.
        let failures = u64::from(open.failures).saturating_sub(hangs);
        let (runs, failed) = (runs.saturating_sub(failures), failed.saturating_sub(failures));
        let begun = Begun { at: open.since, runs, failed };
        self.begun.retain(|known| between(known.at, now) < setting.within);
        // It was reported before, and no channel took that: it is one incident all the same.
        self.begun.retain(|known| known.at != begun.at);
        self.begun.push_back(begun);
        while self.begun.len() > MOST_INCIDENTS as usize {
            self.begun.pop_front();
        }
        if self.begun.len() < setting.incidents as usize {
            return;
        }
        let first = self.begun.front().copied().unwrap_or(begun);
        open.conversation = Some(open.id);
        self.conversation = Some(Box::new(Conversation {
            id: open.id,
            line: open.line.clone(),
            first,
            last_failure: now,
            visible_at: now,
            statuses: Statuses::default(),
            channels: Vec::new(),
            flat: !settings.thread,
        }));
        self.begun = Rare::default();
    }

    /// From when on the next run ends the conversation, at once where nobody asks for such any more; never while an incident is
    /// open. The clock alone ends none: that the job no longer fails is known by a run.
    pub(super) fn conversation_ends(&self, settings: &Settings) -> Option<Timestamp> {
        let conversation = self.conversation.as_deref()?;
        let within = settings.intermittent.map_or_else(Duration::default, |setting| setting.within);
        let calm = self.open.is_none() && self.others.is_empty() && !self.is_flapping();
        calm.then(|| shift(conversation.last_failure, within))
    }

    /// What waited for the end of quiet hours and is over by then belongs to the conversation, where there is one: its first
    /// message counts it. Whether there is one.
    pub(super) fn tell_in_conversation(&self, told: &mut Notification, over: &Deferred) -> bool {
        let Some(conversation) = self.conversation.as_deref().filter(|known| !known.flat) else { return false };
        let incidents = told.digest.len() == 1;
        let worse = over.status.badness() > conversation.worst().badness();
        let shown = !incidents || worse || over.times >= LASTS;
        told.thread = if shown { Threading::Broadcast } else { Threading::Reply };
        told.incident = Some(self.incident_of(conversation));
        told.headline = Some(self.counted(conversation, false));
        told.audience.statuses = conversation.statuses;
        told.audience.channels.clone_from(&conversation.channels);
        true
    }

    /// As people and threads know a conversation.
    fn incident_of(&self, conversation: &Conversation) -> Incident {
        let (failed, _) = self.counts(conversation);
        Incident {
            id: conversation.id,
            started: conversation.since(),
            failures: u32::try_from(failed).unwrap_or(u32::MAX),
            in_a_row: false,
            ended: Some(conversation.last_failure),
        }
    }

    /// The conversation is over with a run of this status: its first message says so, whatever is asked for.
    pub(super) fn end_conversation(&mut self, moment: &Moment<'_>, next: Status) -> Option<Box<Notification>> {
        let conversation = self.conversation.take().filter(|known| !known.flat)?;
        let (failed, runs) = self.counts(&conversation);
        // Of a run that fails it is only known that all was well until the run before.
        let last = self.last.as_ref().filter(|_| next != Status::Ok);
        let steady = between(conversation.last_failure, last.map_or(moment.now, |last| last.at));
        let incident = self.incident_of(&conversation);
        Some(Box::new(Notification {
            event: Event::Recovery,
            status: Status::Ok,
            run: self.last.as_ref().map(|last| last.run),
            incident: Some(incident),
            thread: Threading::CloseByEdit,
            opens_conversation: false,
            also: Vec::new(),
            keys: Vec::new(),
            keys_open: Vec::new(),
            keys_ended: Vec::new(),
            audience: Audience {
                statuses: conversation.statuses,
                channels: conversation.channels,
                ..Audience::default()
            },
            in_thread_only: false,
            pings: false,
            suppressed: 0,
            update: Update::IntermittentEnds { failed, runs, steady },
            headline: None,
            next: None,
            diff: String::new(),
            changed: false,
            good_news: None,
            previous: None,
            digest: Vec::new(),
            overnight: None,
            undo: self.undo(),
        }))
    }
}

/// Whether an incident of a conversation lasts: it was replied in the thread, and is now to be shown.
pub(super) fn lasts(open: &OpenIncident) -> bool {
    open.conversation.is_some() && !open.shown && open.lasts()
}
