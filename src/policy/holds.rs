//! What a person has asked for of some jobs: which jobs a pattern names, and when a hold ends. Pure.
//!
//! Before it: a request, or what the store kept. After it: the dispatcher, which asks of each job what holds it. Invariants: a
//! hold always ends by itself; it covers what its pattern names, and nothing else; what it covers is asked anew for each job,
//! so that a job which is added later is covered too.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{between, shift};
use crate::document::{did_you_mean, nearest};

/// A pause for which no length is said.
const PAUSE: Duration = Duration::from_secs(3_600);

/// An acknowledgement for which no length is said.
const ACK: Duration = Duration::from_secs(86_400);

/// A pause is no longer: what is not to run for longer has `enabled = false`.
const LONGEST_PAUSE: Duration = Duration::from_secs(30 * 86_400);

/// No hold is longer.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A hold of one job that is no longer than this is told to nobody.
const SHORT: Duration = Duration::from_secs(3_600);

/// What a person has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldKind {
    /// The job does not run.
    Pause,
    /// The job runs, and nothing is said.
    Silence,
    /// The open incident has somebody.
    Ack,
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The user's number, as the kernel says it; none of somebody who came over the network.
    pub uid: Option<u32>,
    /// The user's name: `dana`; `root (dana)` of somebody who became root with sudo.
    pub name: String,
}

/// Which way a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The control socket.
    Socket,
    /// The status page.
    Page,
}

/// A hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub kind: HoldKind,
    /// The jobs that it names.
    pub pattern: Pattern,
    /// When it began.
    pub since: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// It ends as soon as the jobs, having failed, are ok.
    pub until_ok: bool,
    /// Who asked for it.
    pub by: By,
    /// Which way.
    pub via: Via,
    /// Why.
    pub note: Option<String>,
    /// Of an acknowledgement: which incident.
    pub incident: Option<u64>,
    /// One of its jobs has failed since it began, or failed then.
    pub failed: bool,
    /// Its beginning was told in the channels that it concerns: so is its end.
    pub told: bool,
}

impl Hold {
    /// Lets a hold that a clock which was ahead made begin now, and last as long as it was to last: nobody asked for a year.
    /// Whether it was one.
    pub fn bring_back(&mut self, now: Timestamp) -> bool {
        let ahead = self.since > now;
        if ahead {
            (self.since, self.until) = (now, shift(now, between(self.since, self.until)));
        }
        ahead
    }

    /// What it does, until when, by whom and why: `paused until 16:00 by dana: "migration"`.
    pub fn in_words(&self, until: &str) -> String {
        let what = self.kind.held();
        let or_ok = if self.until_ok { " or ok" } else { "" };
        let note = self.note.as_ref().map(|note| format!(": \"{note}\"")).unwrap_or_default();
        format!("{what} until {until}{or_ok} by {}{note}", self.by.name)
    }
}

/// What holds a job, as far as messages go. Not kept with the job: it follows from the holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Held {
    /// Until when nothing is sent, and who has asked for that.
    pub silence: Option<(Timestamp, String)>,
    /// The incidents that somebody has, and until when.
    pub acks: Vec<(u64, Timestamp)>,
    /// Until when it does not run.
    pub paused: Option<Timestamp>,
}

impl Held {
    /// What these holds, which cover the job, ask for. Of several of a kind the one that ends last counts.
    pub fn of<'h>(holds: impl IntoIterator<Item = &'h Hold>) -> Self {
        let mut held = Self::default();
        for hold in holds {
            match hold.kind {
                HoldKind::Pause => held.paused = held.paused.max(Some(hold.until)),
                HoldKind::Silence if held.silence.as_ref().is_none_or(|(until, _)| *until < hold.until) => {
                    held.silence = Some((hold.until, hold.by.name.clone()));
                }
                HoldKind::Silence => {}
                HoldKind::Ack => held.acks.extend(hold.incident.map(|incident| (incident, hold.until))),
            }
        }
        held
    }
}

impl HoldKind {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Pause, Self::Silence, Self::Ack];

    /// As in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Silence => "silence",
            Self::Ack => "ack",
        }
    }

    /// In words.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Silence => "silence",
            Self::Ack => "acknowledgement",
        }
    }

    /// What it makes of a job.
    pub fn held(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Silence => "silenced",
            Self::Ack => "acknowledged",
        }
    }

    /// No hold of this kind is longer.
    pub fn longest(self) -> Duration {
        if self == Self::Pause { LONGEST_PAUSE } else { LONGEST }
    }

    /// When a hold ends that is asked for now; the error is a sentence, and what to do about it.
    pub fn end(
        self,
        length: Option<Duration>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Timestamp, (&'static str, &'static str)> {
        let end = match (self, until, length) {
            (_, Some(_), Some(_)) => return Err(("both `for` and `until` are given", "give one of them")),
            (_, Some(until), None) => until,
            (_, None, Some(length)) => shift(now, length),
            (Self::Pause, None, None) => shift(now, PAUSE),
            (Self::Ack, None, None) => shift(now, ACK),
            (Self::Silence, None, None) => {
                return Err(("a silence needs an end", "say for how long, such as 2h, or until when"));
            }
        };
        if end <= now {
            return Err(("the end is not in the future", "say for how long, such as 2h, or until when"));
        }
        match self {
            Self::Pause if end > shift(now, self.longest()) => {
                Err(("a pause is 30 days at most", "a job that is not to run for longer has `enabled = false`"))
            }
            _ if end > shift(now, self.longest()) => Err(("a hold is a year at most", "say for how long, such as 2h")),
            _ => Ok(end),
        }
    }
}

impl Via {
    /// As in JSON and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Page => "page",
        }
    }
}

impl Hold {
    /// Whether its beginning and its end are told in the channels that it concerns: it is long, or wide.
    pub fn is_told(&self, jobs: usize) -> bool {
        let is_long = self.until > shift(self.since, SHORT);
        self.kind != HoldKind::Ack && (is_long || jobs > 1 || !self.pattern.is_one_job())
    }
}

/// Which jobs are meant: a name in which `*` stands for anything, or `tag:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A pattern of tags begins so.
const TAG: &str = "tag:";

impl Pattern {
    /// As a person wrote it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can only ever be one job.
    pub fn is_one_job(&self) -> bool {
        !self.0.contains('*') && !self.0.starts_with(TAG)
    }

    /// Whether it names a job with these tags.
    pub fn covers<'a>(&self, name: &str, tags: impl IntoIterator<Item = &'a str>) -> bool {
        match self.0.strip_prefix(TAG) {
            // A job may have such a name all the same.
            Some(tag) => self.0 == name || tags.into_iter().any(|known| matches(tag, known)),
            None => matches(&self.0, name),
        }
    }

    /// What may have been meant where it names no job, in a line of help.
    pub fn meant<'a>(
        &self,
        names: impl Iterator<Item = &'a str> + Clone,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        if self.is_one_job() {
            return did_you_mean(&self.0, names);
        }
        if let Some(tag) = self.0.strip_prefix(TAG) {
            return nearest(tag, tags).map(|near| format!("did you mean `{TAG}{near}`?"));
        }
        // What stands before the first `*` may be a folder with a slip in it, or a name.
        let stem = self.0.split('*').next().filter(|stem| !stem.is_empty())?;
        let folders = names.clone().filter_map(|name| name.rsplit_once('/').map(|(folder, _)| folder));
        match nearest(stem.trim_end_matches('/'), folders) {
            Some(folder) => Some(format!("did you mean `{folder}/*`?")),
            None => did_you_mean(stem, names),
        }
    }
}

/// Whether a text is what a pattern says, in which `*` stands for any text. Takes no longer than both lengths multiplied.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and how much of the text it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, t) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{By, Hold, HoldKind, Pattern, Via};
    use crate::clock::shift;

    #[test]
    fn a_hold_always_ends_and_within_its_bounds() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let hours = |hours: u64| Some(Duration::from_secs(hours * 3_600));
        for (kind, length, until, end) in [
            (HoldKind::Pause, None, None, Ok("2026-11-28T13:00:00Z")),
            (HoldKind::Ack, None, None, Ok("2026-11-29T12:00:00Z")),
            (HoldKind::Silence, None, None, Err("a silence needs an end")),
            (HoldKind::Silence, hours(2), None, Ok("2026-11-28T14:00:00Z")),
            (HoldKind::Pause, hours(720), None, Ok("2026-12-28T12:00:00Z")),
            (HoldKind::Pause, hours(721), None, Err("a pause is 30 days at most")),
            (HoldKind::Silence, hours(721), None, Ok("2026-12-28T13:00:00Z")),
            (HoldKind::Silence, hours(10_000), None, Err("a hold is a year at most")),
            (HoldKind::Pause, Some(Duration::ZERO), None, Err("the end is not in the future")),
            (HoldKind::Pause, None, Some("2026-11-28T12:00:00Z"), Err("the end is not in the future")),
            (HoldKind::Ack, None, Some("2026-11-28T12:00:01Z"), Ok("2026-11-28T12:00:01Z")),
            (HoldKind::Ack, hours(1), Some("2026-11-28T12:00:01Z"), Err("both `for` and `until` are given")),
            (HoldKind::Silence, Some(Duration::MAX), None, Err("a hold is a year at most")),
        ] {
            let until = until.map(|text| text.parse().expect("a time"));
            let came = kind.end(length, until, now).map_err(|(why, _)| why);
            assert_eq!(came, end.map(|text| text.parse().expect("a time")), "{kind:?} {length:?} {until:?}");
        }
    }

    #[test]
    fn a_hold_is_told_where_it_is_long_or_wide_and_an_acknowledgement_never() {
        let since: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        for (kind, seconds, pattern, jobs, expected) in [
            (HoldKind::Pause, 3_600, "db/backup", 1, false),
            (HoldKind::Pause, 3_601, "db/backup", 1, true),
            (HoldKind::Silence, 60, "db/*", 1, true),
            (HoldKind::Silence, 60, "tag:db", 1, true),
            (HoldKind::Silence, 60, "db/backup", 2, true),
            (HoldKind::Ack, 86_400, "db/backup", 1, false),
            (HoldKind::Ack, 86_400, "db/*", 9, false),
        ] {
            let hold = Hold {
                id: 1,
                kind,
                pattern: Pattern::new(pattern),
                since,
                until: shift(since, Duration::from_secs(seconds)),
                until_ok: false,
                by: By { uid: Some(1000), name: "dana".to_owned() },
                via: Via::Socket,
                note: None,
                incident: None,
                failed: false,
                told: false,
            };
            assert_eq!(hold.is_told(jobs), expected, "{kind:?} of {pattern}, {jobs} jobs, {seconds} s");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_names_and_nothing_else() {
        let tags = ["nightly", "db"];
        for (pattern, name, covers) in [
            ("db/backup", "db/backup", true),
            ("db/backup", "db/backup2", false),
            ("db/backup", "a/db/backup", false),
            ("db/*", "db/backup", true),
            ("db/*", "db/a/b", true),
            ("db/*", "db", false),
            ("db/*", "edb/backup", false),
            ("*", "anything", true),
            ("*/backup", "db/backup", true),
            ("*/backup", "backup", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyyd", false),
            ("a*b*c", "abc", true),
            ("**", "x", true),
            ("", "x", false),
            ("DB/*", "db/backup", false),
            ("tag:nightly", "x", true),
            ("tag:night", "x", false),
            ("tag:night*", "x", true),
            ("tag:*", "x", true),
            ("tag:weekly", "x", false),
            ("tag:weekly", "tag:weekly", true),
            ("nightly", "x", false),
            ("größe*", "größer", true),
        ] {
            assert_eq!(Pattern::new(pattern).covers(name, tags), covers, "{pattern} {name}");
        }
        assert!(!Pattern::new("tag:*").covers("x", []), "a job without tags");
        assert!(Pattern::new("db/backup").is_one_job());
        assert!(!Pattern::new("db/*").is_one_job() && !Pattern::new("tag:db").is_one_job());
    }
}
