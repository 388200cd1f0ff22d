//! How a run ended: the whole space of endings, and what was captured.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::capture::redact::Redactor;
use super::capture::visible::{clean, shows_nothing};
use super::signals;
use crate::clock::{Now, between};
use crate::document::format_duration;

/// What a run's end means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Well.
    #[default]
    Ok,
    /// Not well yet.
    Warning,
    /// Broken.
    Critical,
    /// Cannot tell.
    Unknown,
}

/// What decided the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Its exit code.
    Exit,
    /// A signal killed it.
    Signal,
    /// It took longer than `timeout`.
    Timeout,
    /// It could not be started.
    Spawn,
    /// Its output: `fail_on` matched, `parse` failed, or a directive said so.
    Output,
    /// A condition of the job: `warning_when` or `critical_when`.
    Condition,
    /// An expected run did not come, or did not end in time.
    Missing,
    /// The daemon was stopped, or died, while it ran.
    Interrupted,
}

/// Every way in which the process of the last attempt can end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited.
    Exited {
        /// With this code.
        code: i32,
    },
    /// A signal that was not ours killed it.
    Signaled {
        /// Which one, as a number (signal(7)).
        signal: i32,
    },
    /// Its time was up, and its group was ended.
    TimedOut {
        /// The `timeout` that it passed.
        after: Duration,
        /// Whether SIGTERM was not enough.
        killed: bool,
    },
    /// No process came to be.
    NotStarted {
        /// Why, for people.
        error: String,
    },
    /// The daemon ended it, or was itself ended; by what is not known.
    Interrupted,
    /// The same, and it is known by what.
    CutOff {
        /// By what.
        by: CutOff,
    },
    /// The `wrap` that followed it is gone, and did not say how it ended.
    Lost {
        /// The process of the `wrap`, where it is known.
        process: Option<u32>,
    },
    /// Something else ran it and said no more than whether it went well.
    Reported {
        /// It did.
        ok: bool,
    },
    /// An expected run that did not come.
    Missing {
        /// When it was due.
        due: Timestamp,
        /// How late it may be.
        grace: Duration,
        /// When the last run came, if one ever did.
        seen: Option<Timestamp>,
    },
    /// An expected run that came, and whose end was not reported in time.
    Unfinished {
        /// The `timeout` that it passed; the time until the next run began, where that ended the wait.
        after: Duration,
        /// The next run began, and its end had not been reported.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        next_began: bool,
    },
}

/// What ended a run before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutOff {
    /// The daemon was told to stop, and stopped it.
    Stop,
    /// The same, while it waited for what keeps its process from being started: it never ran.
    StopBeforeStart,
    /// The daemon was killed or crashed.
    Death,
    /// The same, while it waited to start: it never ran.
    DeathBeforeStart,
    /// The machine went down.
    Machine,
    /// The same, while it waited to start: it never ran.
    MachineBeforeStart,
}

impl CutOff {
    /// As a sentence: "the daemon was stopped".
    pub fn words(self) -> &'static str {
        match self {
            Self::Stop => "the daemon was stopped",
            Self::StopBeforeStart => "the daemon was stopped while it waited to start",
            Self::Death => "the daemon was killed or crashed",
            Self::DeathBeforeStart => "the daemon was killed or crashed while it waited to start",
            Self::Machine => "the machine went down",
            Self::MachineBeforeStart => "the machine went down while it waited to start",
        }
    }

    /// Whether the run never began.
    pub fn is_before_start(self) -> bool {
        matches!(self, Self::StopBeforeStart | Self::DeathBeforeStart | Self::MachineBeforeStart)
    }
}

/// What one stream wrote, its head and tail kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The beginning; all of it when nothing was dropped and it fits.
    pub head: Vec<u8>,
    /// The end; empty when `head` holds everything.
    pub tail: Vec<u8>,
    /// Bytes between the two that were read and thrown away.
    pub dropped: u64,
}

/// What a run wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Both, in the order in which they were read.
    pub both: Captured,
    /// The directives of a job that may write such, also those which are in none of these since too much was written; none
    /// where they are to be found in stdout. It is empty once they were taken out.
    pub directives: Option<Captured>,
    /// What is known of all that stdout and stderr were, where some of it was dropped.
    pub beyond: [Beyond; 2],
}

/// What is known of a stream of which not everything was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Whether `fail_on` matches it; `None` where nothing was dropped, or where nobody looked.
    pub matched: Option<bool>,
    /// All of it as a number, where it is told how output changes.
    pub digest: Option<u64>,
}

/// What a run wrote before its secrets were masked, for conditions: they are about what came. It is put into no message, log or
/// file, and [`Outcome::unmasked`] is taken out before the outcome is handed on.
#[derive(Clone)]
pub struct Unmasked {
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// Standard output as JSON, with `parse = "json"`.
    pub json: Option<serde_json::Value>,
    /// Performance data, with `parse = "perfdata"`.
    pub perfdata: Vec<Perfdata>,
    /// What masks it.
    pub redactor: Redactor,
}

/// Nothing of it is shown.
impl fmt::Debug for Unmasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmasked").finish_non_exhaustive()
    }
}

impl PartialEq for Unmasked {
    fn eq(&self, other: &Self) -> bool {
        let Self { stdout, stderr, json, perfdata, redactor: _ } = self;
        *stdout == other.stdout && *stderr == other.stderr && *json == other.json && *perfdata == other.perfdata
    }
}

/// One value of Nagios performance data (monitoring-plugins developer guidelines, "Performance data").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perfdata {
    /// Its name, quotes removed.
    pub label: String,
    /// The value, a number as it was written; `None` for `U` (could not be determined).
    pub value: Option<String>,
    /// Unit of measure: empty, `s`, `ms`, `%`, `B`, `c` …
    pub unit: String,
    /// Warning range as written.
    pub warn: Option<String>,
    /// Critical range as written.
    pub crit: Option<String>,
    /// Least possible value, as written.
    pub min: Option<String>,
    /// Greatest possible value, as written.
    pub max: Option<String>,
}

/// What a run said to the tool. Every text is as the script wrote it but for `redact`: not escaped, not trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `status=`: what the run means, where its end leaves that open.
    pub status: Option<Status>,
    /// The last `status=` is none: that all is well is not known.
    pub unclear: bool,
    /// `title=`: the message's title.
    pub title: Option<String>,
    /// `field NAME=VALUE`, in their order; of one name the last.
    pub fields: Vec<(String, String)>,
    /// `mention=`: who is to be pinged, if `notify.mention_allowed` has them.
    pub mentions: Vec<String>,
    /// `key=`: which incident of the job a failure belongs to.
    pub key: Option<String>,
    /// `silence=`: for so long nothing more is said after this run.
    pub silence: Option<Duration>,
    /// `attach=`: a file below the command's folder, as it was named.
    pub attach: Option<String>,
    /// That file, once it was read.
    pub file: Option<File>,
    /// What could not be done, in words, for the message.
    pub notes: Vec<String>,
    /// What was not understood, in words, for the log and the message.
    pub misunderstood: Vec<String>,
    /// What was not understood either, and is not in that list since it is long.
    pub more_misunderstood: u64,
}

/// A file that goes with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without folders.
    pub name: String,
    /// What is in it, `redact` applied.
    pub content: Vec<u8>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it means.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// How the process of the last attempt ended.
    pub ending: Ending,
    /// A precondition was not met (`exit_codes.skip`): counts as not run.
    pub skipped: bool,
    /// In words, what `fail_on`, `parse`, a directive or a condition found; empty otherwise.
    pub detail: String,
    /// When the first attempt started (wall).
    pub started: Timestamp,
    /// When the last attempt ended (wall).
    pub finished: Timestamp,
    /// How long the run took, all attempts and the delays between them (monotonic); zero where that is not known, see
    /// [`known`].
    pub took: Duration,
    /// How many attempts there were; 1 without retries.
    pub attempts: u32,
    /// What the last attempt wrote.
    pub output: Output,
    /// stdout as JSON, with `parse = "json"`.
    pub json: Option<serde_json::Value>,
    /// Performance data, with `parse = "perfdata"`.
    pub perfdata: Vec<Perfdata>,
    /// What its output said to the tool, with `directives`.
    pub directives: Directives,
    /// What conditions look at, where something of it is masked; nothing once they have been judged.
    pub unmasked: Option<Box<Unmasked>>,
    /// A grandchild kept a pipe open after the process was gone, and was not waited for.
    pub leaked: bool,
}

impl Status {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Unknown, Self::Warning, Self::Ok];

    /// As in files, messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }

    /// Which of two is worse: ok, then warning, then unknown, then critical.
    pub fn badness(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
        }
    }
}

impl Reason {
    /// As in files, messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::Signal => "signal",
            Self::Timeout => "timeout",
            Self::Spawn => "spawn",
            Self::Output => "output",
            Self::Condition => "condition",
            Self::Missing => "missing",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why the output of a run that goes on, or was cut off with the daemon, is not there.
pub const NOT_YET_KEPT: &str = "what a run prints is kept when it ends";

/// A clock that is set by less than this since a run began does not make the boot of the machine the later of the two.
const CORRECTION: Duration = Duration::from_secs(60);

impl Ending {
    /// Why no output of the run is there, where that does not say that it printed nothing.
    pub fn lacks_output(&self) -> Option<&'static str> {
        match self {
            Self::Interrupted | Self::CutOff { by: CutOff::Death | CutOff::Machine } => Some(NOT_YET_KEPT),
            Self::Lost { .. } | Self::Reported { .. } | Self::Missing { .. } | Self::Unfinished { .. } => {
                Some("none was reported")
            }
            Self::Exited { .. }
            | Self::Signaled { .. }
            | Self::TimedOut { .. }
            | Self::NotStarted { .. }
            | Self::CutOff { .. } => None,
        }
    }

    /// What happened, as the end of a sentence: "exited with 2", "killed by SIGKILL (9)".
    pub fn words(&self) -> String {
        match self {
            Self::Exited { code } => format!("exited with {code}"),
            Self::Signaled { signal } => format!("killed by {} ({signal})", signals::name(*signal)),
            Self::TimedOut { after, killed: false } => format!("timed out after {}", format_duration(*after)),
            Self::TimedOut { after, killed: true } => {
                format!("timed out after {}, and had to be killed", format_duration(*after))
            }
            Self::NotStarted { error } => format!("could not be started: {error}"),
            Self::Interrupted => "interrupted".to_owned(),
            Self::CutOff { by } if by.is_before_start() => format!("never ran: {}", by.words()),
            Self::CutOff { by } => format!("interrupted: {}", by.words()),
            Self::Lost { process } => {
                let process = process.map(|process| format!(" (process {process})")).unwrap_or_default();
                format!("its wrap{process} is gone: the command may still run, and how it ends is not known")
            }
            Self::Reported { ok: true } => "reported as ok".to_owned(),
            Self::Reported { ok: false } => "reported as failed".to_owned(),
            Self::Missing { grace, .. } => format!("did not run; {} of grace", format_duration(*grace)),
            Self::Unfinished { after, next_began: false } => {
                format!("began, and its end was not reported within {}", format_duration(*after))
            }
            Self::Unfinished { after, next_began: true } => {
                format!(
                    "began, and its end was not reported before the next run began, {} later",
                    format_duration(*after)
                )
            }
        }
    }
}

/// Whether a line stands where bytes were dropped: the command has not written it.
pub fn is_marker(line: &str) -> bool {
    let number = line.strip_prefix("[… ").and_then(|rest| rest.strip_suffix(" bytes dropped …]"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// How long a run took, where that is known: of one whose beginning was not reported, or whose end nobody saw, it is not. No run
/// takes no time.
pub fn known(took: Duration) -> Option<Duration> {
    (!took.is_zero()).then_some(took)
}

impl Captured {
    /// All that was kept, a marker where bytes were dropped.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.dropped > 0 {
            all.extend_from_slice(format!("\n[… {} bytes dropped …]\n", self.dropped).as_bytes());
        }
        all.extend_from_slice(&self.tail);
        all
    }

    /// Whether nothing was written of which people see anything.
    pub fn is_blank(&self) -> bool {
        let mut written = self.head.iter().chain(&self.tail).filter(|byte| !byte.is_ascii_whitespace());
        self.dropped == 0
            && match written.next() {
                None => true,
                Some(byte) => !byte.is_ascii_graphic() && shows_nothing(&clean(&self.bytes())),
            }
    }
}

impl Outcome {
    /// Whether it ended by itself at a time that nobody knows.
    pub fn was_seen_late(&self) -> bool {
        let by_itself = matches!(self.ending, Ending::Exited { .. } | Ending::Signaled { .. });
        by_itself && self.took.is_zero() && self.started < self.finished
    }

    /// The exit code, when there was one.
    pub fn exit_code(&self) -> Option<i32> {
        match self.ending {
            Ending::Exited { code } => Some(code),
            _ => None,
        }
    }

    /// An outcome of which nothing is known but what it means: of a run that is assumed, or told of long after.
    pub fn status_only(status: Status, at: Timestamp) -> Self {
        let code = match status {
            Status::Ok => 0,
            Status::Warning => 1,
            Status::Critical => 2,
            Status::Unknown => 3,
        };
        Self {
            status,
            reason: Reason::Exit,
            ending: Ending::Exited { code },
            skipped: false,
            detail: String::new(),
            started: at,
            finished: at,
            took: Duration::ZERO,
            attempts: 1,
            output: Output::default(),
            json: None,
            perfdata: Vec::new(),
            directives: Directives::default(),
            unmasked: None,
            leaked: false,
        }
    }

    /// A run that a fault of ours ended: told like a program that could not be started.
    pub fn internal_error(error: &str, at: Timestamp) -> Self {
        let ending = Ending::NotStarted { error: format!("internal error: {error}") };
        Self { reason: Reason::Spawn, ending, ..Self::status_only(Status::Critical, at) }
    }

    /// A run that was in progress when the daemon died: of its own, or with the machine, when that has booted since.
    pub fn cut_off(started: Timestamp, now: Now) -> Self {
        let booted = now.wall.saturating_sub(now.mono.0).unwrap_or(Timestamp::MIN);
        // The clock may have been set a little since.
        let down = between(started, booted) > CORRECTION;
        let by = if down { CutOff::Machine } else { CutOff::Death };
        Self { ending: Ending::CutOff { by }, ..Self::interrupted(started, now.wall) }
    }

    /// A run that waited to start when the daemon was stopped, or died.
    pub fn never_ran(scheduled: Timestamp, stopped: bool, now: Now) -> Self {
        let by = match Self::cut_off(scheduled, now).ending {
            _ if stopped => CutOff::StopBeforeStart,
            Ending::CutOff { by: CutOff::Machine } => CutOff::MachineBeforeStart,
            _ => CutOff::DeathBeforeStart,
        };
        Self { ending: Ending::CutOff { by }, ..Self::interrupted(now.wall, now.wall) }
    }

    /// A run that something else started, and whose `wrap` ended while no daemon ran: with the machine, when that has booted
    /// since. How the daemon ended is no matter, since the run was none of its processes.
    pub fn lost_without_daemon(started: Timestamp, process: Option<u32>, now: Now) -> Self {
        match Self::cut_off(started, now) {
            cut_off @ Self { ending: Ending::CutOff { by: CutOff::Machine }, .. } => cut_off,
            _ => Self::lost(started, process, now.wall),
        }
    }

    /// A run that ended before its time, by what is not known. Nobody saw when, so that how long it took is not known either.
    pub fn interrupted(started: Timestamp, now: Timestamp) -> Self {
        let outcome = Self::status_only(Status::Critical, now);
        Self { reason: Reason::Interrupted, ending: Ending::Interrupted, started, ..outcome }
    }

    /// A run whose `wrap` is gone: nobody will say how it ends, and nobody knows whether it has.
    pub fn lost(started: Timestamp, process: Option<u32>, now: Timestamp) -> Self {
        Self { ending: Ending::Lost { process }, ..Self::interrupted(started, now) }
    }

    /// An expected run that did not come.
    pub fn missing(due: Timestamp, grace: Duration, seen: Option<Timestamp>, now: Timestamp) -> Self {
        let ending = Ending::Missing { due, grace, seen };
        Self { reason: Reason::Missing, ending, ..Self::status_only(Status::Critical, now) }
    }

    /// An expected run that began, and whose end was not reported within so long.
    pub fn unfinished(started: Timestamp, after: Duration, now: Timestamp) -> Self {
        let ending = Ending::Unfinished { after, next_began: false };
        Self { reason: Reason::Missing, ending, started, ..Self::status_only(Status::Critical, now) }
    }

    /// An expected run that began, and whose end was not reported before the next one began.
    pub fn overtaken(started: Timestamp, now: Timestamp) -> Self {
        let after = between(started, now);
        let ending = Ending::Unfinished { after, next_began: true };
        Self { ending, ..Self::unfinished(started, after, now) }
    }

    /// The name of the signal that killed it ("SIGKILL"), when one did.
    pub fn signal(&self) -> Option<String> {
        match self.ending {
            Ending::Signaled { signal } => Some(signals::name(signal)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Captured, CutOff};
    use std::time::Duration;

    use super::Ending;

    #[test]
    fn endings_in_words() {
        let after = Duration::from_secs(10);
        for (ending, words) in [
            (Ending::Exited { code: 2 }, "exited with 2"),
            (Ending::Signaled { signal: 9 }, "killed by SIGKILL (9)"),
            (Ending::Signaled { signal: 34 }, "killed by SIGRTMIN (34)"),
            (Ending::TimedOut { after, killed: false }, "timed out after 10s"),
            (Ending::TimedOut { after, killed: true }, "timed out after 10s, and had to be killed"),
            (Ending::NotStarted { error: "no such thing".to_owned() }, "could not be started: no such thing"),
            (Ending::Interrupted, "interrupted"),
            (Ending::CutOff { by: CutOff::Stop }, "interrupted: the daemon was stopped"),
            (
                Ending::CutOff { by: CutOff::StopBeforeStart },
                "never ran: the daemon was stopped while it waited to start",
            ),
            (Ending::CutOff { by: CutOff::Death }, "interrupted: the daemon was killed or crashed"),
            (Ending::CutOff { by: CutOff::Machine }, "interrupted: the machine went down"),
            (
                Ending::Lost { process: Some(7) },
                "its wrap (process 7) is gone: the command may still run, and how it ends is not known",
            ),
            (Ending::Reported { ok: false }, "reported as failed"),
            (Ending::Unfinished { after, next_began: false }, "began, and its end was not reported within 10s"),
            (
                Ending::Unfinished { after, next_began: true },
                "began, and its end was not reported before the next run began, 10s later",
            ),
        ] {
            assert_eq!(ending.words(), words);
        }
    }

    #[test]
    fn output_of_which_people_see_nothing_is_none() {
        for (written, is_blank) in [
            ("", true),
            (" \n\t\n", true),
            ("\u{200b}\n\u{feff}", true),
            ("\u{a0}\u{3000}", true),
            ("\x1b[0m\n", true),
            ("\x1b[0m.\n", false),
            ("\u{200b}a", false),
            ("a", false),
        ] {
            let captured = Captured { head: written.into(), ..Captured::default() };
            assert_eq!(captured.is_blank(), is_blank, "{written:?}");
        }
        let dropped = Captured { dropped: 1, ..Captured::default() };
        assert!(!dropped.is_blank());
    }
}
