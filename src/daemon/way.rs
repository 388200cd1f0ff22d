//! Which way messages go, and went before: an alert that was printed on a terminal is one that nobody in Slack has heard of.
//!
//! Before it: the configuration, and a note of the daemon before this one. After it: the dispatcher, which tells anew what fails
//! still.

use super::Daemon;
use super::dispatcher::Entry;
use crate::clock::Now;
use crate::plan::Plan;

/// The name of the note of the way that is in use.
pub(super) const NOTE: &str = "way";

/// What it says of a terminal; of Slack there is none.
const TERMINAL: &str = "terminal";

/// The note of a plan's way.
fn note(plan: &Plan) -> Option<String> {
    plan.config.slack.way.source().is_none().then(|| TERMINAL.to_owned())
}

impl Daemon {
    /// Messages go the plan's way from now on, and went the way of this note before.
    pub(super) fn goes_its_way(&mut self, before: Option<&str>, now: Now) {
        let value = note(&self.plan);
        if value.as_deref() == before {
            return;
        }
        let mut entries = Vec::new();
        if before == Some(TERMINAL) {
            entries = self.dispatcher.tell_anew(now);
            if !entries.is_empty() {
                tracing::info!(jobs = entries.len(), "what fails was told on the terminal alone; Slack is told anew");
            }
        }
        // Behind what is to be told: a daemon that dies in between tells it all the same.
        entries.push(Entry::Noted { key: NOTE, value });
        self.keep(entries);
    }

    /// The same after a reload.
    pub(super) fn goes_another_way(&mut self, before: &Plan, now: Now) {
        self.goes_its_way(note(before).as_deref(), now);
    }
}
