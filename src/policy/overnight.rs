//! What a job has to say when its quiet hours are over, for one message that tells of several jobs. Pure.
//!
//! Before it: what waited for the end of the hours. After it: the outbox, which puts the jobs together that have the same channel.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quiet::{Deferred, Nights, Present, Waiting, ended_at};
use super::words::{clock, count, ordinal};
use super::{Event, Settings};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::Status;

/// What happened to a job in quiet hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overnight {
    /// The hours: `22:00–07:00`; empty where the configuration has others by now.
    #[serde(default)]
    pub hours: String,
    /// What waited, what fails still first.
    pub news: Vec<News>,
    /// So many alerts did not fit.
    #[serde(default)]
    pub more: u32,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Plain text, with a line of output in it: not yet escaped.
    pub text: String,
    /// The worst status.
    pub status: Status,
    /// The incident that it is about; none of good news.
    pub incident: Option<u64>,
    /// That fails still, as far as is known.
    pub is_open: bool,
}

impl Waiting {
    /// What waited, for a message that tells of several jobs.
    pub(super) fn overnight(&self, settings: &Settings, present: Present<'_>) -> Overnight {
        let Present { zone, now, .. } = present;
        // The last moment of the hours: at their end they are over.
        let last = self.until.unwrap_or(now).saturating_sub(Duration::from_secs(1)).unwrap_or(now);
        let hours = settings.quiet_hours.as_ref().and_then(|hours| hours.window(last, zone)).unwrap_or_default();
        let news = self.sorted().map(|alert| alert.news(present, self.paused)).collect();
        Overnight { hours, news, more: self.more }
    }
}

impl Deferred {
    /// The same in the words of a message about several jobs.
    fn news(&self, present: Present<'_>, paused: bool) -> News {
        if let Some(whole) = self.whole(present.open) {
            // It did not fail in this night.
            return whole.news(Present { nights: Nights::default(), ..present }, paused);
        }
        let Present { open, nights, zone, now } = present;
        let open = open.filter(|open| self.incident == Some(open.id) && open.resolved_at.is_none());
        let at = clock(open.map_or(self.at, |open| open.since), zone, now);
        let mut facts = vec![count(open.map_or(self.times, |open| open.failures), "failure")];
        facts.extend(self.ok_between.then(|| "ok in between".to_owned()));
        facts.extend((nights.in_a_row() > 1).then(|| format!("{} night in a row", ordinal(nights.in_a_row().into()))));
        let worst = format!("{} at worst", self.status.as_str());
        let line = match self.said(open) {
            "" => String::new(),
            line => format!(": {line}"),
        };
        let line = match self.last.filter(|_| self.mixed) {
            Some(last) if !self.worst_line.is_empty() => {
                format!(": {} at last{line}; {worst}: {}", last.as_str(), self.worst_line)
            }
            Some(last) => {
                facts.extend([worst, format!("{} at last", last.as_str())]);
                line
            }
            None => {
                facts.extend(self.mixed.then_some(worst));
                line
            }
        };
        let is_open = self.incident.is_some() && self.ended.is_none() && !self.unwatched;
        facts.extend((is_open && paused).then(|| "paused now".to_owned()));
        let text = match (self.incident, self.event, self.ended) {
            (Some(_), Event::Recovery, _) => format!("is well again since {at} ({}){line}", facts[0]),
            (Some(_), _, Some(ended)) => {
                let to = ended_at((self.at, ended), zone, now);
                facts.insert(0, format_duration(between(self.at, ended)));
                format!("failed {at}–{to} ({}){line}; well since {to}", facts.join(", "))
            }
            (Some(_), ..) if self.unwatched => {
                format!("fails since {at} ({}), no longer watched{line}", facts.join(", "))
            }
            (Some(_), ..) => format!("fails since {at} ({}){line}", facts.join(", ")),
            (None, event, _) if self.times > 1 => format!("{at} {event}, {} times{line}", self.times),
            (None, event, _) => format!("{at} {event}{line}"),
        };
        let text = format!("{}{text}", self.key_words());
        News { text, status: self.status, incident: self.incident, is_open }
    }
}
