//! What was decided about a run, with its reason: as the log, the history and `why` have it.
//!
//! Before it: the verdict of `judge`, once its message was rendered. After it: the store, which keeps it in columns.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Event;

/// What was decided about a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// A message about this was sent.
    Notified(Event),
    /// No message, for this reason; when the next one is possible, where that is known.
    Suppressed(Suppressed, Option<Timestamp>),
    /// The run counts as not run (`exit_codes.skip`).
    NotRun,
    /// Another run took its place (`overlap = "replace"`).
    Replaced,
    /// No run: due times that passed because a person had paused the job.
    Paused,
    /// The daemon died while it ran, and its job was gone at the next start.
    JobGone,
    /// Nothing was decided: the daemon died while it ran.
    #[default]
    Undecided,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suppressed {
    /// Fewer failures in a row than `after`.
    BelowAfter,
    /// The failure was reported, and `repeat` has not passed.
    RepeatNotDue,
    /// `rate_limit` is used up, or a burst pauses.
    RateLimited,
    /// Within `quiet_hours`.
    QuietHours,
    /// The status changes too often.
    Flapping,
    /// A person, or a directive, asked for silence.
    Silenced,
    /// A person has acknowledged the incident.
    Acknowledged,
    /// The output is the same as before.
    Unchanged,
    /// There is nothing to send: no output, or the template renders to blanks.
    Blank,
    /// `notify.on` does not ask for it.
    NotAsked,
    /// Ok again, and nobody was told that it was not.
    NeverReported,
}

/// What there is to know of a reason.
struct About {
    word: &'static str,
    sentence: &'static str,
    /// A message would have come, had nothing been in its way.
    withheld: bool,
}

impl Suppressed {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::BelowAfter,
        Self::RepeatNotDue,
        Self::RateLimited,
        Self::QuietHours,
        Self::Flapping,
        Self::Silenced,
        Self::Acknowledged,
        Self::Unchanged,
        Self::Blank,
        Self::NotAsked,
        Self::NeverReported,
    ];

    fn about(self) -> About {
        let (word, withheld, sentence) = match self {
            Self::BelowAfter => ("below-after", true, "it has not failed as often in a row as `notify.after` asks for"),
            Self::RepeatNotDue => (
                "repeat-not-due",
                true,
                "there is a message about this failure already, and `notify.repeat` has not passed since",
            ),
            Self::RateLimited => (
                "rate-limited",
                true,
                "the job has used up its `notify.rate_limit`, and the next message says how many alerts were suppressed; or its \
                 burst pauses",
            ),
            Self::QuietHours => {
                ("quiet-hours", true, "it was within `notify.quiet_hours`; the digest at their end reports it")
            }
            Self::Flapping => (
                "flapping",
                true,
                "the job's status changes too often (`notify.flap`); no message is sent until it is steady",
            ),
            Self::Silenced => ("silenced", true, "a person or a directive of the script has silenced the job"),
            Self::Acknowledged => (
                "acknowledged",
                true,
                "somebody has acknowledged the incident; no message is sent until it gets worse, fails differently or is \
                 over",
            ),
            Self::Unchanged => ("unchanged", false, "the output is the same as that of the last ok run"),
            Self::Blank => ("blank", false, "there was nothing to send: no output, or the template rendered to blanks"),
            Self::NotAsked => ("not-asked", false, "`notify.on` does not ask for messages about such a run"),
            Self::NeverReported => {
                ("never-reported", false, "the job is ok again, and its failure had not been reported")
            }
        };
        About { word, sentence, withheld }
    }

    /// As in logs, history and `why`.
    pub fn as_str(self) -> &'static str {
        self.about().word
    }

    /// Why there was no message, as a clause: "it was within `notify.quiet_hours`; …".
    pub fn sentence(self) -> &'static str {
        self.about().sentence
    }

    /// Whether it counts as suppressed: there would have been a message, had nothing been in its way.
    pub fn counts(self) -> bool {
        self.about().withheld
    }
}

/// When the next message about an open incident can be expected, unless it changes before, and what keeps it back until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What keeps it back.
    pub why: Suppressed,
    /// When it comes, where that is known; at the earliest, where a run decides that.
    pub at: Option<Timestamp>,
}

impl Expected {
    /// In words, for every place that says it: `next message at 04:00`. None where there is nothing to say of it. `time` is how
    /// the place writes a time.
    pub fn words(self, time: impl Fn(Timestamp) -> String) -> Option<String> {
        let at = self.at.map(time);
        match (self.why, at) {
            (Suppressed::Acknowledged, at) => {
                let or_at = at.map(|at| format!(", or at {at}")).unwrap_or_default();
                Some(format!("next message if it gets worse, fails differently or recovers{or_at}"))
            }
            (Suppressed::RepeatNotDue, None) => Some("no message until it changes".to_owned()),
            (Suppressed::Flapping, Some(at)) => Some(format!("next message at {at} if nothing changes before")),
            (_, Some(at)) => Some(format!("next message at {at}")),
            (_, None) => None,
        }
    }
}

impl Decision {
    /// Whether it is about a run that came to its own end, and counts as run.
    pub fn is_of_a_run(self) -> bool {
        !matches!(self, Self::NotRun | Self::Replaced | Self::Paused | Self::JobGone)
    }

    /// Whether a message was sent.
    pub fn is_notified(self) -> bool {
        matches!(self, Self::Notified(_))
    }

    /// The event that was reported.
    pub fn event(self) -> Option<Event> {
        if let Self::Notified(event) = self { Some(event) } else { None }
    }

    /// The reason for which nothing was sent.
    pub fn suppressed(self) -> Option<Suppressed> {
        if let Self::Suppressed(why, _) = self { Some(why) } else { None }
    }

    /// When the next message is possible, where that is known.
    pub fn until(self) -> Option<Timestamp> {
        if let Self::Suppressed(_, until) = self { until } else { None }
    }

    /// When the next message about the incident can be expected, where it is suppressed.
    pub fn expected(self) -> Option<Expected> {
        if let Self::Suppressed(why, at) = self { Some(Expected { why, at }) } else { None }
    }

    /// The same decision with the time at which the next message is possible.
    pub fn with_until(self, until: Option<Timestamp>) -> Self {
        match self {
            Self::Suppressed(why, _) => Self::Suppressed(why, until),
            other => other,
        }
    }
}

/// `notified: failure`, `repeat-not-due`, `not-run`; nothing where nothing was decided.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notified(event) => f.pad(&format!("notified: {event}")),
            Self::Suppressed(why, _) => f.pad(why.as_str()),
            Self::NotRun => f.pad("not-run"),
            Self::Replaced => f.pad("replaced"),
            Self::Paused => f.pad("paused"),
            Self::JobGone => f.pad("job-gone"),
            Self::Undecided => f.pad(""),
        }
    }
}

/// A word that is none of this version's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

/// What [`Display`](fmt::Display) writes; the time is not in it.
impl FromStr for Decision {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        if let Some(event) = word.strip_prefix("notified: ") {
            return event.parse().map(Self::Notified);
        }
        match word {
            "not-run" => Ok(Self::NotRun),
            "replaced" => Ok(Self::Replaced),
            "paused" => Ok(Self::Paused),
            "job-gone" => Ok(Self::JobGone),
            "" => Ok(Self::Undecided),
            reason => reason.parse().map(|why| Self::Suppressed(why, None)),
        }
    }
}

impl FromStr for Suppressed {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|why| why.as_str() == word).ok_or(UnknownWord)
    }
}

impl FromStr for Event {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|event| event.as_str() == word).ok_or(UnknownWord)
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Suppressed, UnknownWord};
    use crate::policy::Event;

    #[test]
    fn every_decision_can_be_read_from_its_word() {
        let notified = Event::ALL.iter().map(|event| Decision::Notified(*event));
        let suppressed = Suppressed::ALL.iter().map(|why| Decision::Suppressed(*why, None));
        let others = [Decision::NotRun, Decision::Replaced, Decision::Paused, Decision::JobGone, Decision::Undecided];
        for decision in notified.chain(suppressed).chain(others) {
            assert_eq!(decision.to_string().parse(), Ok(decision));
        }
        for word in ["failure", "notified: ", "notified: x", "Blank", "blank "] {
            assert_eq!(word.parse::<Decision>(), Err(UnknownWord), "{word:?}");
        }
    }

    #[test]
    fn what_counts_as_not_run_was_replaced_paused_or_has_lost_its_job_is_no_run() {
        for (decision, expected) in [
            (Decision::NotRun, false),
            (Decision::Replaced, false),
            (Decision::Paused, false),
            (Decision::JobGone, false),
            (Decision::Undecided, true),
            (Decision::Notified(Event::Failure), true),
            (Decision::Suppressed(Suppressed::Blank, None), true),
        ] {
            assert_eq!(decision.is_of_a_run(), expected, "{decision}");
        }
    }

    #[test]
    fn what_counts_as_suppressed_is_what_would_have_been_a_message() {
        let counted: Vec<&str> = Suppressed::ALL.iter().filter(|why| why.counts()).map(|why| why.as_str()).collect();
        assert_eq!(
            counted,
            ["below-after", "repeat-not-due", "rate-limited", "quiet-hours", "flapping", "silenced", "acknowledged"]
        );
    }
}
