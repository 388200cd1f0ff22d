//! Which way messages go, and went before: an alert that was printed on a terminal is one that nobody in Slack has heard of.
//!
//! Before it: the configuration, and a note of the daemon before this one. After it: the dispatcher, which tells anew what fails
//! still.

use jiff::Timestamp;

use super::Daemon;
use super::dispatcher::Entry;
use crate::clock::Now;

/// The name of the note that says since when the terminal is the way; of Slack there is none.
pub(super) const NOTE: &str = "terminal_since";

/// What the note says.
pub(super) fn terminal_since(note: Option<&String>) -> Option<Timestamp> {
    note?.parse().ok()
}

impl Daemon {
    /// Messages go the plan's way from now on.
    pub(super) fn goes_its_way(&mut self, now: Now) {
        let is_terminal = self.plan.config.slack.way.source().is_none();
        let mut entries = match self.terminal_since {
            // What began before was told in Slack, as far as anybody knows.
            Some(since) if !is_terminal => self.dispatcher.tell_anew(since, now),
            None if is_terminal => Vec::new(),
            _ => return,
        };
        if !entries.is_empty() {
            tracing::info!(jobs = entries.len(), "what fails was told on the terminal alone; Slack is told anew");
        }
        self.terminal_since = is_terminal.then_some(now.wall);
        // Behind what is to be told: a daemon that dies in between tells it all the same.
        entries.push(Entry::Noted { key: NOTE, value: self.terminal_since.map(|since| since.to_string()) });
        self.keep(entries);
    }
}
