//! What channels are told of a hold: its beginning and its end if it is long or wide, and who has an incident.
//!
//! Before it: a hold that begins or ends. After it: messages for the outbox.

use jiff::Timestamp;

use super::super::{Dispatcher, Entry, Turn};
use super::End;
use crate::clock::Now;
use crate::id::{Channel, listed};
use crate::policy::{self, Expected, Hold, HoldKind, Pattern, count};
use crate::report::{self, explain::told};

/// So many characters of it stand behind a headline.
const NOTE_IN_HEADLINE: usize = 120;

/// A message about a hold goes to so many channels.
const MOST_CHANNELS: usize = 10;

impl Dispatcher {
    /// The channels that hear of what its jobs do.
    fn channels_of(&self, pattern: &Pattern) -> Vec<Channel> {
        let mut channels = Vec::new();
        for index in self.covered(pattern) {
            let notify = &self.jobs[index as usize].job.notify;
            for channel in notify.all_channels(self.sender.channel.as_ref()) {
                if !channels.contains(&channel) {
                    channels.push(channel);
                }
            }
            if channels.len() >= MOST_CHANNELS {
                break;
            }
        }
        if channels.is_empty() { vec![Channel::unnamed()] } else { channels }
    }

    /// A hold that is long or wide is told at its beginning, and one that takes the place of such a hold; an acknowledgement
    /// stands in the first message of its incident.
    pub(super) fn tell_beginning(&self, hold: &Hold, before: &[Hold], now: Now, turn: &mut Turn) {
        let until = told(hold.until, &self.sender.zone, now.wall);
        if hold.kind == HoldKind::Ack {
            return self.note_incident(hold, true, now, turn);
        }
        if !hold.told {
            return;
        }
        let jobs = u32::try_from(self.covered(&hold.pattern).count()).unwrap_or(u32::MAX);
        let (what, effect) = match (hold.kind, jobs) {
            (HoldKind::Pause, 1) => ("paused", "it does not run"),
            (HoldKind::Pause, _) => ("paused", "they do not run"),
            (HoldKind::Silence | HoldKind::Ack, 1) => ("silenced", "it runs, and nothing is said"),
            (HoldKind::Silence | HoldKind::Ack, _) => ("silenced", "they run, and nothing is said"),
        };
        let until = match (hold.until_ok, jobs) {
            (false, _) => until,
            (true, 1) => format!("{until}, or until it is ok"),
            (true, _) => format!("{until}, or until all are ok"),
        };
        let jobs = count(jobs, "job");
        let in_place = before.iter().map(|before| {
            let until = told(before.until, &self.sender.zone, now.wall);
            format!(", in place of the {} by {} until {until}", hold.kind.noun(), before.by.name)
        });
        let in_place: String = in_place.collect();
        let (by, pattern) = (&hold.by.name, hold.pattern.as_str());
        let title = format!("{by} has {what} {pattern} ({jobs}) until {until}{in_place}: {effect}");
        self.tell_hold(hold, &title, hold.note.as_deref().unwrap_or_default(), now, turn);
    }

    pub(super) fn tell_end(&self, hold: &Hold, end: &End<'_>, passed: u64, now: Now, turn: &mut Turn) {
        if hold.kind == HoldKind::Ack {
            self.note_incident(hold, false, now, turn);
            return;
        }
        if !hold.told {
            return;
        }
        let (noun, pattern, by) = (hold.kind.noun(), hold.pattern.as_str(), &hold.by.name);
        let title = match end {
            End::By(asker, _) if asker.by == hold.by => format!("{by} has ended the {noun} of {pattern}"),
            End::By(asker, _) => format!("{} has ended the {noun} of {pattern} by {by}", asker.by.name),
            End::Ok => format!("the {noun} of {pattern} by {by} is over: it is ok"),
            End::Time | End::Recovered | End::Worse => format!("the {noun} of {pattern} by {by} is over"),
        };
        let passed = match passed {
            0 => None,
            1 => Some("1 due time passed without a run".to_owned()),
            times => Some(format!("{times} due times passed without a run")),
        };
        let with = if let End::By(_, ids) = end { ids } else { &[][..] };
        let still = self.still_held(hold, with, now).into_iter().map(|still| {
            let (jobs, until) = (listed(&still.jobs), told(still.until, &self.sender.zone, now.wall));
            let (stay, how) = (if still.jobs.len() == 1 { "stays" } else { "stay" }, hold.kind.held());
            format!("{jobs} {stay} {how} until {until} by the {noun} of {}", still.pattern)
        });
        let body: Vec<String> = passed.into_iter().chain(still).collect();
        self.tell_hold(hold, &title, &body.join("\n"), now, turn);
    }

    fn tell_hold(&self, hold: &Hold, title: &str, body: &str, now: Now, turn: &mut Turn) {
        for channel in report::places(self.channels_of(&hold.pattern), &self.sender) {
            let message = report::own_neutral(channel, (title, body), &self.sender, now.wall);
            turn.entries.push(Entry::Said(Box::new(message)));
        }
    }

    /// Who has an incident stands in its first message, and when the next message comes; where that cannot be edited, a message
    /// says it. `begins`: else it is taken away.
    pub(super) fn note_incident(&self, hold: &Hold, begins: bool, now: Now, turn: &mut Turn) {
        let Some(index) = self.covered(&hold.pattern).next() else { return };
        let tracked = &self.jobs[index as usize];
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let open = open.iter().find(|open| Some(open.id) == hold.incident && open.is_reported);
        // What is over is edited by its recovery; but the message of a job that fails now and then goes on.
        let goes_on = || policy::conversation(&tracked.health).filter(|_| !begins);
        let Some(first) = open.map(policy::FirstMessage::from).or_else(goes_on) else { return };
        let time = |at| told(at, &self.sender.zone, now.wall);
        let words = if begins { has_it(hold, open.and_then(|open| open.next), time) } else { String::new() };
        let messages = report::noted(&tracked.job, &first, &words, &self.sender, now.wall);
        if !messages.is_empty() {
            turn.entries.push(Entry::Changed { state: None, messages });
        }
    }
}

impl Dispatcher {
    /// The acknowledgements of which the first message of an incident tells, each with its words.
    pub(super) fn noted_acks(&self, now: Now) -> Vec<(Hold, String)> {
        let acks = self.holds.all.values().filter(|hold| hold.kind == HoldKind::Ack);
        acks.filter_map(|ack| Some((ack.clone(), self.words_of_ack(ack, now)?))).collect()
    }

    /// A pause or a silence has begun, or a person has ended one: where the next message comes at another time now, what was
    /// written of it is written anew.
    pub(super) fn note_again(&self, before: &[(Hold, String)], now: Now, turn: &mut Turn) {
        for (ack, words) in before.iter().filter(|(ack, _)| self.holds.all.contains_key(&ack.id)) {
            if self.words_of_ack(ack, now).is_some_and(|new| new != *words) {
                self.note_incident(ack, true, now, turn);
            }
        }
    }

    fn words_of_ack(&self, ack: &Hold, now: Now) -> Option<String> {
        let tracked = &self.jobs[self.covered(&ack.pattern).next()? as usize];
        let open = policy::open(&tracked.job.notify, &tracked.health, &tracked.job.timing.zone, now.wall);
        let open = open.iter().find(|open| Some(open.id) == ack.incident && open.is_reported)?;
        Some(has_it(ack, open.next, |at| told(at, &self.sender.zone, now.wall)))
    }
}

/// Who has an incident since when, what that person noted, and when the next message comes.
fn has_it(hold: &Hold, next: Option<Expected>, time: impl Fn(Timestamp) -> String) -> String {
    let note = hold.note.as_deref().map(|note| format!(": {}", crate::slack::cut_plain(note, NOTE_IN_HEADLINE).0));
    let next = next.and_then(|next| next.words(&time)).unwrap_or_else(|| format!("until {}", time(hold.until)));
    format!("{} has it since {}{} · {next}", hold.by.name, time(hold.since), note.unwrap_or_default())
}
