//! `quiet_hours`: alerts that wait, and the digest that they become when the hours end. Pure.
//!
//! Before it: `judge`, which puts in what must wait. After it: `wake`, which sends it. Invariants: at
//! most [`MOST`] lines wait, of an incident one; what does not fit is counted, and good news makes room for bad.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::incident::{OpenIncident, is_default, kept_ends};
use super::rare::Nothing;
use super::same::normal;
use super::telling::telling;
use super::words::{clock, count, ordinal};
use super::{Event, Settings};
use crate::clock::between;
use crate::document::format_duration;
use crate::exec::{Status, shows_nothing};
use crate::id::Channel;

/// So many alerts wait with what they say; of more only the number is kept.
const MOST: usize = 20;

/// A line of output in a digest takes at most this many bytes; of a longer one the middle is left out.
const LONGEST_LINE: usize = 240;

/// What waits for the end of the quiet hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    #[serde(alias = "l", skip_serializing_if = "is_default")]
    list: Vec<Deferred>,
    /// Alerts that did not fit.
    #[serde(alias = "m", skip_serializing_if = "is_default")]
    pub(super) more: u32,
    /// When the hours end; none when they never do.
    #[serde(alias = "u", skip_serializing_if = "is_default")]
    pub(super) until: Option<Timestamp>,
    /// Where the job's own settings sent it when it came in; none: to the default channel. For a job whose settings are gone by
    /// then.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) channels: Vec<Channel>,
    /// The job is paused now: it does not fail on.
    #[serde(skip)]
    pub(super) paused: bool,
}

impl Nothing for Waiting {
    const NOTHING: &'static Self =
        &Self { list: Vec::new(), more: 0, until: None, channels: Vec::new(), paused: false };
}

/// What is known when it is told what waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present<'a> {
    /// The incident that is open.
    pub(super) open: Option<&'a OpenIncident>,
    pub(super) nights: Nights,
    pub(super) zone: &'a TimeZone,
    pub(super) now: Timestamp,
}

/// An alert that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Deferred {
    #[serde(alias = "t")]
    pub(super) at: Timestamp,
    #[serde(alias = "e")]
    pub(super) event: Event,
    #[serde(alias = "s")]
    pub(super) status: Status,
    /// The incident that it is about.
    #[serde(alias = "i", default, skip_serializing_if = "is_default")]
    pub(super) incident: Option<u64>,
    /// Failures of the incident; of anything else, how often it was the same.
    #[serde(alias = "n", default, skip_serializing_if = "is_default")]
    pub(super) times: u32,
    /// The key that the script gave the incident.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) key: Box<str>,
    /// When that was over.
    #[serde(alias = "r", default, skip_serializing_if = "is_default")]
    pub(super) ended: Option<Timestamp>,
    /// A line of what was written.
    #[serde(alias = "l", default, skip_serializing_if = "is_default")]
    pub(super) line: String,
    /// The incident had another status at times: `status` is the worst.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) mixed: bool,
    /// The status of whatever wrote the line, where that was not the worst.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) last: Option<Status>,
    /// Then this was written when it was worst, if that is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) worst_line: String,
    /// The job was ok for a time within it, of which nobody heard.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) ok_between: bool,
    /// Nobody watches the job any more: how it went on is not known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) unwatched: bool,
}

/// Whether `at` lies in the quiet hours.
pub(super) fn is_quiet(settings: &Settings, zone: &TimeZone, at: Timestamp) -> bool {
    settings.quiet_hours.as_ref().is_some_and(|hours| hours.contains(at, zone))
}

/// When the quiet hours around `now` end; none when they never do.
pub(super) fn end(settings: &Settings, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    settings.quiet_hours.as_ref()?.next_close(now, zone)
}

/// The line of a text that tells most: the first of good news, of bad news mostly the last.
pub(super) fn telling_line(text: &str, status: Status) -> String {
    let line = match status {
        Status::Ok => text.lines().find(|line| !shows_nothing(line)),
        _ => telling(text),
    };
    // Where nothing was kept of what a command wrote, it has said nothing.
    let line = line.map(str::trim).filter(|line| !crate::exec::is_marker(line));
    kept_ends(line.unwrap_or_default(), LONGEST_LINE).into_owned()
}

/// Nights in a row in whose quiet hours the job failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Nights {
    count: u32,
    /// When the last of them ended.
    pub(super) ended: Option<Timestamp>,
    /// When a failure was told at once in quiet hours that are not counted yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) told: Option<Timestamp>,
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Quiet hours that end within this time of the last ones are those of the next night.
const NEXT_NIGHT: Duration = Duration::from_secs(36 * 3_600);

impl Nothing for Nights {
    const NOTHING: &'static Self = &Self { count: 0, ended: None, told: None };
}

impl Nights {
    /// How many.
    pub(super) fn in_a_row(self) -> u32 {
        self.count
    }

    /// One more night ended, with failures in it that waited. `end_of` has when the quiet hours around a time end.
    pub(super) fn count(&mut self, ended: Timestamp, end_of: impl Fn(Timestamp) -> Timestamp) {
        // What was told at once in the same night is no night of its own.
        let before = self.told.take().map(end_of).filter(|before| *before < ended);
        before.into_iter().chain([ended]).for_each(|ended| self.one_more(ended));
    }

    /// A failure is told at once, though the hours are quiet: nothing of it may be left to be told at their end.
    pub(super) fn tells(&mut self, now: Timestamp, end_of: impl Fn(Timestamp) -> Timestamp) {
        let before = self.told.replace(now).map(end_of).filter(|before| *before <= now);
        before.into_iter().for_each(|ended| self.one_more(ended));
    }

    fn one_more(&mut self, ended: Timestamp) {
        let next = self.ended.is_some_and(|last| between(last, ended) < NEXT_NIGHT);
        self.count = if next { self.count.saturating_add(1) } else { 1 };
        self.ended = Some(ended);
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    /// Alerts that wait, those that did not fit included.
    pub(super) fn count(&self) -> u32 {
        let times = |alert: &Deferred| if alert.incident.is_some() { 1 } else { alert.times };
        self.list.iter().map(times).fold(self.more, u32::saturating_add)
    }

    pub(super) fn last(&self) -> Option<&Deferred> {
        self.list.last()
    }

    /// The last incident that is over and was never reported.
    pub(super) fn ended(&self) -> Option<&Deferred> {
        self.list.iter().rev().find(|alert| alert.ended.is_some())
    }

    /// The incidents that wait and are not over.
    pub(super) fn open(&self) -> Vec<u64> {
        self.list.iter().filter(|alert| alert.ended.is_none()).filter_map(|alert| alert.incident).collect()
    }

    /// The worst status that waits.
    pub(super) fn worst(&self) -> Status {
        self.list.iter().map(|deferred| deferred.status).max_by_key(|status| status.badness()).unwrap_or_default()
    }

    /// Whether the job failed in these hours, and was not only well again.
    pub(super) fn has_failures(&self) -> bool {
        self.list.iter().any(|deferred| deferred.incident.is_some() && deferred.event != Event::Recovery)
    }

    pub(super) fn has(&self, incident: u64) -> bool {
        self.list.iter().any(|alert| alert.incident == Some(incident))
    }

    /// Takes one in; of an incident that waits already, what has become of it; of what was said before, that it was said
    /// again.
    pub(super) fn put(&mut self, alert: Deferred) {
        let alert = Deferred { line: kept_ends(&alert.line, LONGEST_LINE).into_owned(), ..alert };
        let again = |known: &&mut Deferred| {
            let what = |alert: &Deferred| (alert.event, alert.status, alert.incident);
            known.incident.is_none() && what(known) == what(&alert) && normal(&known.line) == normal(&alert.line)
        };
        if let Some(known) = self.list.iter_mut().find(again) {
            known.times = known.times.saturating_add(1);
            return;
        }
        let known = self.list.iter_mut().find(|known| known.incident.is_some() && known.incident == alert.incident);
        if let Some(known) = known {
            if alert.event != Event::Recovery {
                known.ok_between |= alert.ok_between;
                known.mixed |= alert.mixed || alert.status != known.status;
                let (was, is) = (known.status.badness(), alert.status.badness());
                match is.cmp(&was) {
                    Ordering::Greater => (known.status, known.last) = (alert.status, alert.last),
                    Ordering::Equal if alert.last.is_none() => known.last = None,
                    _ => {
                        if known.last.is_none() {
                            known.worst_line = std::mem::take(&mut known.line);
                        }
                        known.last = alert.last.or(Some(alert.status));
                    }
                }
                (known.event, known.line) = (alert.event, alert.line);
            }
            known.times = alert.times;
            known.ended = alert.ended.map(|ended| known.ended.unwrap_or(ended));
            return;
        }
        if self.list.len() >= MOST {
            self.more = self.more.saturating_add(1);
            let good = |alert: &Deferred| matches!(alert.event, Event::Output | Event::Success | Event::Change);
            match self.list.iter().position(good) {
                Some(first) if !good(&alert) => self.list.remove(first),
                _ => return,
            };
        }
        self.list.push(alert);
    }

    /// What comes in goes to these channels.
    pub(super) fn goes_to(&mut self, channels: Vec<Channel>) {
        if self.is_empty() {
            self.channels.clear();
        }
        let new = channels.into_iter().filter(|channel| !self.channels.contains(channel)).collect::<Vec<_>>();
        self.channels.extend(new);
    }

    /// An incident is over.
    pub(super) fn resolve(&mut self, incident: u64, failures: u32, now: Timestamp) {
        for alert in self.list.iter_mut().filter(|alert| alert.incident == Some(incident)) {
            alert.ended.get_or_insert(now);
            alert.times = failures;
        }
    }

    /// An incident that was over is not.
    pub(super) fn reopen(&mut self, open: &OpenIncident) {
        for alert in self.list.iter_mut().filter(|alert| alert.incident == Some(open.id)) {
            if alert.event == Event::Recovery {
                (alert.event, alert.status, alert.at) = (Event::Repeat, open.status, open.since);
                alert.line.clear();
            }
            alert.ok_between |= alert.ended.take().is_some();
            alert.times = open.failures;
        }
    }

    /// The statuses of the incidents that wait: the digest is for whoever hears of these.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        self.list.iter().filter(|alert| alert.incident.is_some()).map(|alert| alert.status)
    }

    /// Nobody watches the job any more.
    pub(super) fn abandon(&mut self) {
        for alert in self.list.iter_mut().filter(|alert| alert.incident.is_some()) {
            alert.unwatched |= alert.ended.is_none();
        }
    }

    /// An incident was reported, and waits no more.
    pub(super) fn forget(&mut self, incident: u64) {
        self.list.retain(|alert| alert.incident != Some(incident));
    }

    /// When each of them happened, and ended.
    pub(super) fn times(&mut self) -> impl Iterator<Item = &mut Timestamp> {
        self.list.iter_mut().flat_map(|alert| [Some(&mut alert.at), alert.ended.as_mut()].into_iter().flatten())
    }

    /// The digest: what still fails first, then the rest in its order, then how many are left out.
    pub(super) fn lines(&self, present: Present<'_>) -> Vec<String> {
        let mut lines: Vec<String> = self.sorted().map(|alert| alert.line(present, self.paused)).collect();
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        lines
    }

    /// What still fails first, then the rest in its order.
    pub(super) fn sorted(&self) -> impl Iterator<Item = &Deferred> {
        let mut list = self.list.iter().collect::<Vec<_>>();
        list.sort_by_key(|alert| (alert.incident.is_none() || alert.ended.is_some(), alert.at));
        list.into_iter()
    }
}

/// When it ended, with the date where it began a day earlier or more.
pub(super) fn ended_at((began, ended): (Timestamp, Timestamp), zone: &TimeZone, now: Timestamp) -> String {
    match between(began, ended) >= DAY {
        true => ended.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        false => clock(ended, zone, now),
    }
}

impl Deferred {
    /// The end of an incident that was told before, with what is remembered of the incident: as if it had waited as a whole.
    pub(super) fn whole(&self, open: Option<&OpenIncident>) -> Option<Self> {
        let is_its_end = |open: &&OpenIncident| self.incident == Some(open.id) && open.resolved_at.is_some();
        let open = open.filter(|open| self.event == Event::Recovery && is_its_end(open))?;
        Some(Self {
            at: open.since,
            ended: Some(self.at),
            event: Event::Failure,
            status: open.status,
            line: open.reported.as_ref().map(|reported| reported.line.clone()).unwrap_or_default(),
            ..self.clone()
        })
    }

    fn line(&self, present: Present<'_>, paused: bool) -> String {
        if let Some(whole) = self.whole(present.open) {
            // It did not fail in this night.
            return whole.line(Present { nights: Nights::default(), ..present }, paused);
        }
        let Present { open, nights, zone, now } = present;
        let open = open.filter(|open| self.incident == Some(open.id) && open.resolved_at.is_none());
        let at = clock(open.map_or(self.at, |open| open.since), zone, now);
        let failures = count(open.map_or(self.times, |open| open.failures), "failure");
        let nights = match nights.count {
            0..=1 => String::new(),
            nights => format!(", {} night in a row", ordinal(nights.into())),
        };
        let gap = if self.ok_between { ", ok in between" } else { "" };
        let status = self.status.as_str();
        let (fails, worst) = match (self.mixed, self.last) {
            (true, None) => ("failing", format!(", {status} at worst")),
            (true, Some(last)) if self.worst_line.is_empty() => {
                ("failing", format!(", {status} at worst, {} at last", last.as_str()))
            }
            (true, Some(last)) => {
                ("failing", format!(", {status} at worst ({}), {} at last", self.worst_line, last.as_str()))
            }
            (false, _) => (status, String::new()),
        };
        // What does not run does not fail on.
        let (paused, still) = if paused { (", paused now", ", paused now") } else { ("", ", failing still") };
        let what = match (self.incident, self.event, self.ended) {
            (Some(_), Event::Recovery, _) => format!("ok since {at} after {failures}"),
            (Some(_), _, Some(ended)) => {
                let to = ended_at((self.at, ended), zone, now);
                let lasted = format_duration(between(self.at, ended));
                format!("{fails} from {at} to {to} ({lasted}), {failures}{gap}{nights}{worst}")
            }
            (Some(_), ..) if self.unwatched => format!("{fails} since {at}, {failures}{gap}{worst}, no longer watched"),
            (Some(_), ..) if self.mixed => format!("failing since {at}, {failures}{gap}{nights}{paused}{worst}"),
            (Some(_), ..) => format!("{status} since {at}, {failures}{gap}{nights}{still}"),
            (None, event, _) if self.times > 1 => format!("{at} {event}, {} times", self.times),
            (None, event, _) => format!("{at} {event}"),
        };
        let what = format!("{}{what}", self.key_words());
        match self.said(open) {
            "" => what,
            line => format!("{what}: {line}"),
        }
    }

    /// What the last that waits says; of an incident that goes on and says nothing, what its last failure said.
    pub(super) fn said<'t>(&'t self, open: Option<&'t OpenIncident>) -> &'t str {
        let of_key = open.filter(|_| self.line.is_empty() && !self.key.is_empty());
        of_key.map_or(&self.line, |open| &open.line)
    }

    /// Which of the job's incidents it is, where the script tells them apart.
    pub(super) fn key_words(&self) -> String {
        if self.key.is_empty() { String::new() } else { format!("key {}: ", self.key) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{Deferred, MOST, Nights, Present, Waiting, telling_line};
    use crate::exec::Status;
    use crate::policy::Event;

    fn at(time: &str) -> Timestamp {
        format!("2026-11-23T{time}:00Z").parse().expect("a time")
    }

    fn alert(time: &str, event: Event, line: &str) -> Deferred {
        let status = if event == Event::Failure { Status::Critical } else { Status::Ok };
        let incident = (event == Event::Failure).then_some(7);
        Deferred {
            at: at(time),
            event,
            status,
            incident,
            times: 1,
            key: Box::default(),
            ended: None,
            line: line.to_owned(),
            mixed: false,
            last: None,
            worst_line: String::new(),
            ok_between: false,
            unwatched: false,
        }
    }

    fn lines(waiting: &Waiting) -> Vec<String> {
        waiting.lines(Present { open: None, nights: Nights::default(), zone: &TimeZone::UTC, now: at("07:00") })
    }

    #[test]
    fn the_digest_tells_first_what_still_fails() {
        let mut waiting = Waiting::default();
        waiting.put(alert("01:00", Event::Output, "three files"));
        waiting.put(Deferred {
            incident: Some(6),
            ended: Some(at("02:00")),
            ..alert("01:30", Event::Failure, "no route")
        });
        waiting.put(alert("03:14", Event::Failure, "disk full"));
        waiting.put(Deferred { times: 12, ..alert("04:00", Event::Failure, "disk full") });
        assert_eq!(
            lines(&waiting),
            [
                "critical since 03:14, 12 failures, failing still: disk full",
                "01:00 output: three files",
                "critical from 01:30 to 02:00 (30m), 1 failure: no route",
            ]
        );
    }

    #[test]
    fn an_incident_whose_status_changed_is_not_told_as_if_it_had_been_the_worst_all_the_time() {
        let mut waiting = Waiting::default();
        let warning = |time| Deferred { status: Status::Warning, ..alert(time, Event::Failure, "80 %") };
        waiting.put(warning("01:00"));
        waiting.put(Deferred { times: 2, ..alert("02:00", Event::Failure, "95 %") });
        waiting.put(Deferred { times: 3, ..warning("03:00") });
        assert_eq!(
            lines(&waiting),
            ["failing since 01:00, 3 failures, critical at worst (95 %), warning at last: 80 %"]
        );
        waiting.put(Deferred { times: 4, ..alert("03:30", Event::Failure, "97 %") });
        assert_eq!(lines(&waiting), ["failing since 01:00, 4 failures, critical at worst: 97 %"]);
        waiting.put(Deferred { times: 5, ..warning("03:40") });
        waiting.resolve(7, 5, at("04:00"));
        assert_eq!(
            lines(&waiting),
            ["failing from 01:00 to 04:00 (3h), 5 failures, critical at worst (97 %), warning at last: 80 %"]
        );
    }

    #[test]
    fn of_a_paused_job_it_is_not_said_that_it_fails_still() {
        let mut waiting = Waiting { paused: true, ..Waiting::default() };
        waiting.put(alert("03:14", Event::Failure, "disk full"));
        assert_eq!(lines(&waiting), ["critical since 03:14, 1 failure, paused now: disk full"]);
    }

    #[test]
    fn what_was_said_again_is_one_line() {
        let mut waiting = Waiting::default();
        for line in ["done in 3s", "done in 12s", "nothing to do", "done in 1m 3s"] {
            waiting.put(alert("01:00", Event::Output, line));
        }
        let lines = lines(&waiting);
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
        let lines = lines(&waiting);
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
        assert_eq!(telling_line("\n[… 8 bytes dropped …]\n", Status::Critical), "");
    }
}
