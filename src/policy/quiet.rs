//! `quiet_hours`: alerts that wait, and the digest that they become when the hours end. Pure.
//!
//! Before it: `judge`, which puts in what is worth a word and must wait. After it: `wake`, which says it. Invariants: at
//! most [`MOST`] lines wait, of an incident one; what does not fit is counted, and good news makes room for bad.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::health::{Trouble, is_default, kept};
use super::same::normal;
use super::words::{clock, count};
use super::{Event, Settings};
use crate::exec::Status;
use crate::order;

/// So many alerts wait with their words; of more only the number is kept.
const MOST: usize = 20;

/// A line of output in a digest takes at most this many bytes.
const LONGEST_LINE: usize = 160;

/// What waits for the end of the quiet hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    #[serde(rename = "l", skip_serializing_if = "is_default")]
    list: Vec<Alert>,
    /// Alerts that did not fit.
    #[serde(rename = "m", skip_serializing_if = "is_default")]
    more: u32,
    /// When the hours end; none when they never do.
    #[serde(rename = "u", skip_serializing_if = "is_default")]
    pub(super) until: Option<Timestamp>,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alert {
    #[serde(rename = "t")]
    pub(super) at: Timestamp,
    #[serde(rename = "e")]
    pub(super) event: Event,
    #[serde(rename = "s")]
    pub(super) status: Status,
    /// The incident that it is about.
    #[serde(rename = "i", default, skip_serializing_if = "is_default")]
    pub(super) incident: Option<u64>,
    /// Failures of the incident; of anything else, how often it was the same.
    #[serde(rename = "n", default, skip_serializing_if = "is_default")]
    pub(super) times: u32,
    /// When that was over.
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    pub(super) ended: Option<Timestamp>,
    /// A line of what was written.
    #[serde(rename = "l", default, skip_serializing_if = "is_default")]
    pub(super) line: String,
}

/// Whether `at` lies in the quiet hours.
pub(super) fn is_quiet(settings: &Settings, zone: &TimeZone, at: Timestamp) -> bool {
    settings.quiet_hours.as_ref().is_some_and(|hours| hours.contains(at, zone))
}

/// When the quiet hours around `now` end; none when they never do.
pub(super) fn end(settings: &Settings, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    settings.quiet_hours.as_ref()?.next_close(now, zone)
}

/// The line of a text that tells most: the first of good news, the last of bad.
pub(super) fn telling_line(text: &str, status: Status) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = if status == Status::Ok { lines.next() } else { lines.next_back() };
    kept(line.unwrap_or_default(), LONGEST_LINE).to_owned()
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    /// Alerts that wait, those without words included.
    pub(super) fn count(&self) -> u32 {
        let times = |alert: &Alert| if alert.incident.is_some() { 1 } else { alert.times };
        self.list.iter().map(times).fold(self.more, u32::saturating_add)
    }

    pub(super) fn last(&self) -> Option<&Alert> {
        self.list.last()
    }

    /// The last incident that is over and was never told.
    pub(super) fn ended(&self) -> Option<&Alert> {
        self.list.iter().rev().find(|alert| alert.ended.is_some())
    }

    pub(super) fn has(&self, incident: u64) -> bool {
        self.list.iter().any(|alert| alert.incident == Some(incident))
    }

    /// Takes one in; of an incident that waits already, what has become of it; of what was said before, that it was said
    /// again.
    pub(super) fn put(&mut self, alert: Alert) {
        let again = |known: &&mut Alert| {
            let what = |alert: &Alert| (alert.event, alert.status, alert.incident);
            known.incident.is_none() && what(known) == what(&alert) && normal(&known.line) == normal(&alert.line)
        };
        if let Some(known) = self.list.iter_mut().find(again) {
            known.times = known.times.saturating_add(1);
            return;
        }
        let known = self.list.iter_mut().find(|known| known.incident.is_some() && known.incident == alert.incident);
        if let Some(known) = known {
            if alert.event != Event::Recovery {
                if alert.status.badness() > known.status.badness() {
                    known.status = alert.status;
                }
                (known.event, known.line) = (alert.event, alert.line);
            }
            known.times = alert.times;
            known.ended = alert.ended.map(|ended| known.ended.unwrap_or(ended));
            return;
        }
        if self.list.len() >= MOST {
            self.more = self.more.saturating_add(1);
            let good = |alert: &Alert| matches!(alert.event, Event::Output | Event::Success | Event::Change);
            match self.list.iter().position(good) {
                Some(first) if !good(&alert) => self.list.remove(first),
                _ => return,
            };
        }
        self.list.push(alert);
    }

    /// An incident is over.
    pub(super) fn mend(&mut self, incident: u64, failures: u32, now: Timestamp) {
        for alert in self.list.iter_mut().filter(|alert| alert.incident == Some(incident)) {
            alert.ended.get_or_insert(now);
            alert.times = failures;
        }
    }

    /// An incident that was over is not.
    pub(super) fn reopen(&mut self, incident: u64, status: Status, failures: u32) {
        for alert in self.list.iter_mut().filter(|alert| alert.incident == Some(incident)) {
            if alert.event == Event::Recovery {
                (alert.event, alert.status) = (Event::Repeat, status);
                alert.line.clear();
            }
            (alert.ended, alert.times) = (None, failures);
        }
    }

    /// An incident was told, and waits no more.
    pub(super) fn forget(&mut self, incident: u64) {
        self.list.retain(|alert| alert.incident != Some(incident));
    }

    pub(super) fn heed(&mut self, now: Timestamp) {
        for alert in &mut self.list {
            alert.at = alert.at.min(now);
            alert.ended = alert.ended.map(|at| at.min(now));
        }
    }

    /// The digest: what still fails first, then the rest in its order, then how many are left out.
    pub(super) fn lines(&self, trouble: Option<&Trouble>, zone: &TimeZone, now: Timestamp) -> Vec<String> {
        let mut list = self.list.iter().collect::<Vec<_>>();
        order::by_key(&mut list, |alert| (alert.incident.is_none() || alert.ended.is_some(), alert.at));
        let mut lines = list.into_iter().map(|alert| alert.words(trouble, zone, now)).collect::<Vec<_>>();
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        lines
    }
}

impl Alert {
    fn words(&self, trouble: Option<&Trouble>, zone: &TimeZone, now: Timestamp) -> String {
        let open = trouble.filter(|trouble| self.incident == Some(trouble.id) && trouble.mended.is_none());
        let at = clock(open.map_or(self.at, |trouble| trouble.since), zone, now);
        let failures = count(open.map_or(self.times, |trouble| trouble.failures), "failure");
        let what = match (self.incident, self.event, self.ended) {
            (Some(_), Event::Recovery, _) => format!("ok since {at} after {failures}"),
            (Some(_), _, Some(ended)) => {
                format!("{} from {at} to {}, {failures}", self.status.as_str(), clock(ended, zone, now))
            }
            (Some(_), ..) => format!("{} since {at}, {failures}, failing still", self.status.as_str()),
            (None, event, _) if self.times > 1 => format!("{at} {event}, {} times", self.times),
            (None, event, _) => format!("{at} {event}"),
        };
        if self.line.is_empty() { what } else { format!("{what}: {}", self.line) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{Alert, MOST, Waiting, telling_line};
    use crate::exec::Status;
    use crate::policy::Event;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-23T{time}:00Z").parse().expect("a time")
    }

    fn alert(time: &str, event: Event, line: &str) -> Alert {
        let status = if event == Event::Failure { Status::Critical } else { Status::Ok };
        let incident = (event == Event::Failure).then_some(7);
        Alert { at: at(time), event, status, incident, times: 1, ended: None, line: line.to_owned() }
    }

    #[test]
    fn the_digest_tells_first_what_still_fails() {
        let mut waiting = Waiting::default();
        waiting.put(alert("01:00", Event::Output, "three files"));
        waiting.put(Alert {
            incident: Some(6),
            ended: Some(at("02:00")),
            ..alert("01:30", Event::Failure, "no route")
        });
        waiting.put(alert("03:14", Event::Failure, "disk full"));
        waiting.put(Alert { times: 12, ..alert("04:00", Event::Failure, "disk full") });
        assert_eq!(
            waiting.lines(None, &TimeZone::UTC, at("07:00")),
            [
                "critical since 03:14, 12 failures, failing still: disk full",
                "01:00 output: three files",
                "critical from 01:30 to 02:00, 1 failure: no route",
            ]
        );
    }

    #[test]
    fn what_was_said_again_is_one_line() {
        let mut waiting = Waiting::default();
        for line in ["done in 3s", "done in 12s", "nothing to do", "done in 1m 3s"] {
            waiting.put(alert("01:00", Event::Output, line));
        }
        let lines = waiting.lines(None, &TimeZone::UTC, at("07:00"));
        assert_eq!(lines, ["01:00 output, 3 times: done in 3s", "01:00 output: nothing to do"]);
        assert_eq!(waiting.count(), 4);
    }

    #[test]
    fn good_news_makes_room_for_bad_and_what_is_left_out_is_counted() {
        let mut waiting = Waiting::default();
        for letter in ('a'..='z').take(MOST + 5) {
            waiting.put(alert("01:00", Event::Output, &letter.to_string()));
        }
        waiting.put(alert("03:14", Event::Failure, "disk full"));
        let lines = waiting.lines(None, &TimeZone::UTC, at("07:00"));
        assert_eq!((lines.len(), waiting.count()), (MOST + 1, 26));
        assert_eq!(
            lines.first().map(String::as_str),
            Some("critical since 03:14, 1 failure, failing still: disk full")
        );
        assert_eq!(lines.last().map(String::as_str), Some("and 6 more"));
    }

    #[test]
    fn the_line_that_tells_most() {
        assert_eq!(telling_line("\n  first \nsecond\n", Status::Ok), "first");
        assert_eq!(telling_line("Traceback\n  x\nValueError: 7\n\n", Status::Critical), "ValueError: 7");
        assert_eq!(telling_line(" \n", Status::Critical), "");
    }
}
