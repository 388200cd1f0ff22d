//! What a message adds to what people know of the incident: compared with what was reported of it before.
//!
//! Before it: `judge` and `wake`, which compare. After it: `message`, which finds the words.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::words::{clock, count, ordinal};
use crate::document::format_duration;
use crate::exec::{Ending, Status, known};
use crate::id::RunId;

/// What has changed against what was reported before.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Update {
    /// Nothing to compare with: good news.
    #[default]
    None,
    /// The first message of the incident.
    First {
        /// When its first failure ended.
        since: Timestamp,
        /// Failures so far.
        failures: u32,
    },
    /// The failure that was reported the last time.
    Same {
        /// So many times in a row.
        times: u32,
        /// When the first of those ended.
        since: Timestamp,
    },
    /// A failure that was reported in this incident, though not the last time.
    AsBefore,
    /// A failure that was not reported yet.
    Different {
        /// When the first of this kind ended.
        since: Timestamp,
        /// The line that told most of the failure that was reported the last time; may be empty.
        was: String,
    },
    /// Too many different failures to tell them apart.
    DifferentEachTime,
    /// A worse status than the one reported the last time.
    Worse {
        /// That one.
        was: Status,
    },
    /// A better status than the one reported the last time, though not ok.
    Better {
        /// That one.
        was: Status,
    },
    /// A status about which nothing is known, in the place of a worse one: no improvement.
    Unknown {
        /// Since then.
        since: Timestamp,
        /// The status that was reported the last time.
        was: Status,
    },
    /// The job fails now and then: its incidents are one conversation from here on.
    Intermittent {
        /// Runs that failed.
        failed: u64,
        /// All runs.
        runs: u64,
        /// Since then.
        since: Timestamp,
        /// This is its first message, and so tells of a failure too.
        opens: bool,
        /// What the failure said that opened it.
        line: String,
    },
    /// The job did not fail for long enough: the conversation is over.
    IntermittentEnds {
        /// Runs that failed while it lasted.
        failed: u64,
        /// All runs.
        runs: u64,
        /// It did not fail for this long.
        steady: Duration,
    },
    /// A job that fails now and then fails several times in a row.
    Lasts {
        /// So many times.
        failures: u32,
        /// When the first of them ended.
        since: Timestamp,
    },
    /// It is ok again.
    Recovered {
        /// Since then.
        since: Timestamp,
        /// Failures of the incident.
        failures: u32,
        /// How long the incident lasted.
        lasted: Duration,
    },
    /// The status changes too often to report each change.
    FlappingBegins {
        /// So many changes.
        changes: u32,
        /// Within this time.
        took: Duration,
        /// Nothing is reported until the status has been the same for this long.
        steady_after: Duration,
    },
    /// It still changes too often.
    FlappingContinues {
        /// So many changes.
        changes: u32,
        /// Since then.
        since: Timestamp,
    },
    /// The status has been the same for long enough, or nobody counts its changes any more.
    FlappingEnds {
        /// This status.
        status: Status,
        /// For this long; none where its changes are no longer counted.
        lasted: Option<Duration>,
    },
    /// A silence is over, and the job fails still.
    SilenceEnds {
        /// Who asked for it; empty where it was the job's own script.
        by: String,
        /// When the first failure of the incident was.
        since: Timestamp,
        /// Failures so far.
        failures: u32,
        /// What its last failure said.
        line: String,
        /// The status that was told last; none where nobody was told of the incident.
        was: Option<Status>,
        /// It fails with the status that was told, and in a way that was not.
        differs: bool,
        /// Since when it fails again, where it was ok in between, of which nobody heard.
        again: Option<Timestamp>,
    },
    /// The quiet hours are over, and this happened in them.
    QuietHoursEnd {
        /// So many alerts.
        alerts: u32,
    },
    /// A run does not end.
    Hangs(Hang),
    /// A run takes longer than `notify.slow` allows.
    Slow {
        /// What it allows.
        over: Duration,
        /// The run.
        run: Hang,
    },
    /// A run that was reported because it did not end has ended.
    HangEnds {
        /// It took this long.
        took: Duration,
        /// How it ended.
        ending: Ending,
    },
}

/// A run that does not end.
#[derive(Clone, Debug, PartialEq)]
pub struct Hang {
    /// The run.
    pub run: RunId,
    /// Its process, where it is known.
    pub process: Option<u32>,
    /// It may have several attempts: without a process it waits for one.
    pub retries: bool,
    /// How long it has been running.
    pub age: Duration,
    /// The next due time takes its place (`overlap = "replace"`): it is being stopped.
    pub replaced: bool,
    /// Due times in a row that passed because of it, or runs in a row that were replaced.
    pub skipped: u32,
    /// The last line that it wrote; may be empty.
    pub line: String,
}

impl Hang {
    /// `still running after 3h (process 4121)`.
    pub fn words(&self) -> String {
        let age = format_duration(self.age);
        match self.process {
            _ if self.replaced => format!("not ended after {age}, and replaced by the next run"),
            Some(process) => format!("still running after {age} (process {process})"),
            None if self.retries => format!("has not ended after {age} (no process runs now)"),
            None => format!("still running after {age}"),
        }
    }
}

impl Update {
    /// The end of a silence for whoever was told nothing before it.
    pub fn as_first(&self) -> Self {
        match self.clone() {
            Self::SilenceEnds { by, since, failures, line, .. } => {
                Self::SilenceEnds { by, since, failures, line, was: None, differs: false, again: None }
            }
            other => other,
        }
    }

    /// As a clause after what happened; empty where there is nothing to add.
    pub fn sentence(&self, zone: &TimeZone, now: Timestamp) -> String {
        match self {
            Self::None | Self::First { failures: 0..=1, .. } => String::new(),
            Self::First { since, failures } => {
                format!("failing since {}, {}", clock(*since, zone, now), count(*failures, "failure"))
            }
            Self::Same { times, .. } => format!("same failure, {} time", ordinal(u64::from(*times))),
            Self::AsBefore => "failing as before".to_owned(),
            Self::Different { since, .. } => format!("failing differently since {}", clock(*since, zone, now)),
            Self::DifferentEachTime => "failing differently each time".to_owned(),
            Self::Worse { was } => format!("worse: was {}", was.as_str()),
            Self::Better { was } => format!("better: was {}", was.as_str()),
            Self::Unknown { since, was } => {
                format!("state unknown since {}, was {}", clock(*since, zone, now), was.as_str())
            }
            Self::Intermittent { failed, runs, since, .. } => {
                format!("failed {failed} of {runs} runs since {}, intermittently", clock(*since, zone, now))
            }
            Self::IntermittentEnds { failed, runs, steady } => {
                format!("ok for {}; {failed} of {runs} runs had failed", format_duration(*steady))
            }
            Self::Lasts { failures, since } => {
                format!("{} in a row since {}", count(*failures, "failure"), clock(*since, zone, now))
            }
            Self::Recovered { since, failures, lasted } => {
                let failures = format!("{} in {}", count(*failures, "failure"), format_duration(*lasted));
                match *since >= now {
                    true => failures,
                    false => format!("ok since {}, {failures}", clock(*since, zone, now)),
                }
            }
            Self::FlappingBegins { changes, took, steady_after } => format!(
                "{changes} changes of status in {}, no more messages until it is steady for {}",
                format_duration(*took),
                format_duration(*steady_after)
            ),
            Self::FlappingContinues { changes, since } => {
                format!("still changing: {changes} changes of status since {}", clock(*since, zone, now))
            }
            Self::FlappingEnds { status, lasted: Some(lasted) } => {
                format!("steady again: {} for {}", status.as_str(), format_duration(*lasted))
            }
            Self::FlappingEnds { status, lasted: None } => {
                format!("no longer watched for changes of status: {} now", status.as_str())
            }
            Self::SilenceEnds { by, since, failures, again, .. } => {
                let whose = if by.is_empty() { "the silence".to_owned() } else { format!("the silence by {by}") };
                let (how, gap) = match again {
                    Some(again) => (format!("failing again since {}", clock(*again, zone, now)), ", ok in between"),
                    None => ("still failing".to_owned(), ""),
                };
                let since = clock(*since, zone, now);
                format!("{how}, {} since {since}{gap}: {whose} ended", count(*failures, "failure"))
            }
            Self::QuietHoursEnd { alerts } => format!("{} in quiet hours", count(*alerts, "alert")),
            Self::Hangs(hang) => {
                if hang.replaced {
                    return format!("{} in a row replaced before they ended", count(hang.skipped, "run"));
                }
                let skipped = format!("{} skipped in a row", count(hang.skipped, "due time"));
                let Some(process) = hang.process else { return skipped };
                format!("process {process} has been running for {}; {skipped}", format_duration(hang.age))
            }
            Self::Slow { over, run } => {
                format!("running for {}, longer than {}", format_duration(run.age), format_duration(*over))
            }
            Self::HangEnds { took, ending } => {
                let ending = match ending {
                    Ending::Exited { code } => format!("exit code {code}"),
                    other => other.words(),
                };
                match known(*took) {
                    Some(took) => format!("ended after {}, {ending}", format_duration(took)),
                    None => ending,
                }
            }
        }
    }
}
