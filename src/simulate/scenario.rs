//! What is assumed: from when, for how long, and what runs come to.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::exec::Status;
use crate::id::JobName;

/// A stretch of time and what happens in it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its beginning.
    pub from: Timestamp,
    /// Its length.
    pub length: Duration,
    /// How long each run takes.
    pub took: Duration,
    /// The jobs that take part; empty is all.
    pub jobs: Vec<JobName>,
    /// What runs come to; the last one that fits counts, and without any they are ok.
    pub assumptions: Vec<Assumption>,
    /// What runs print; the last one that fits counts, and without any they print nothing.
    pub printed: Vec<Printed>,
}

/// `JOB=TEXT`: what every run of a job prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The job; `*` is all.
    pub job: String,
    /// Its standard output.
    pub text: String,
}

/// `JOB=STATUS@FROM-TO`: what the runs of a job come to in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The job; `*` is all.
    pub job: String,
    /// What its runs come to.
    pub status: Status,
    /// When; `None` is always.
    pub window: Option<Window>,
}

/// When an assumption holds, in the job's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Every day between two times; past midnight when the second is the earlier one.
    Daily(Time, Time),
    /// Once, between two dates with times.
    Once(DateTime, DateTime),
}

impl Scenario {
    /// What a run of `job` prints.
    pub fn printed(&self, job: &JobName) -> Option<&str> {
        let fits = |printed: &&Printed| printed.job == "*" || printed.job == job.as_str();
        self.printed.iter().rev().find(fits).map(|printed| printed.text.as_str())
    }

    /// Whether a job takes part.
    pub fn covers(&self, job: &JobName) -> bool {
        self.jobs.is_empty() || self.jobs.contains(job)
    }

    /// What a run of `job` that starts at `at` comes to.
    pub fn status(&self, job: &JobName, at: Timestamp, zone: &TimeZone) -> Status {
        let fits = |assumption: &&Assumption| assumption.fits(job, at, zone);
        self.assumptions.iter().rev().find(fits).map_or(Status::Ok, |assumption| assumption.status)
    }
}

impl Printed {
    /// Reads `JOB=TEXT`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write JOB=TEXT, such as `disk=91%`";
        let (job, text) = text.split_once('=').ok_or_else(|| format!("`{text}` names no text; {form}"))?;
        Ok(Self { job: job.to_owned(), text: text.to_owned() })
    }
}

impl Assumption {
    /// Reads `JOB=STATUS` or `JOB=STATUS@FROM-TO`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write JOB=STATUS@FROM-TO, such as `disk=critical@03:00-04:00`";
        let (job, rest) = text.split_once('=').ok_or_else(|| format!("`{text}` names no status; {form}"))?;
        let (status, window) = rest.split_once('@').map_or((rest, None), |(status, window)| (status, Some(window)));
        let status = match status {
            "ok" => Status::Ok,
            "warning" => Status::Warning,
            "critical" | "fail" => Status::Critical,
            "unknown" => Status::Unknown,
            _ => return Err(format!("`{status}` is no status; it can be ok, warning, critical or unknown")),
        };
        let window =
            window.map(|window| Window::parse(window).ok_or_else(|| format!("`{window}` is no window; {form}")));
        Ok(Self { job: job.to_owned(), status, window: window.transpose()? })
    }

    fn fits(&self, job: &JobName, at: Timestamp, zone: &TimeZone) -> bool {
        if self.job != "*" && self.job != job.as_str() {
            return false;
        }
        let local = zone.to_datetime(at);
        match self.window {
            None => true,
            Some(Window::Daily(from, to)) if from <= to => (from..to).contains(&local.time()),
            Some(Window::Daily(from, to)) => local.time() >= from || local.time() < to,
            Some(Window::Once(from, to)) => (from..to).contains(&local),
        }
    }
}

impl Window {
    /// Dates have dashes of their own: the right one is where both sides can be read.
    fn parse(text: &str) -> Option<Self> {
        let sides = || text.match_indices('-').map(|(at, _)| (text[..at].trim(), text[at + 1..].trim()));
        let daily = sides().find_map(|(from, to)| Some(Self::Daily(time(from)?, time(to)?)));
        daily.or_else(|| sides().find_map(|(from, to)| Some(Self::Once(date(from)?, date(to)?))))
    }
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    if text == "24:00" {
        return Some(Time::MAX);
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn date(text: &str) -> Option<DateTime> {
    if text.len() < 8 { None } else { text.replacen(' ', "T", 1).parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::{Assumption, Scenario};
    use crate::exec::Status;
    use crate::id::JobName;
    use jiff::tz::TimeZone;

    #[test]
    fn assumptions_hold_in_their_windows() {
        let zone = TimeZone::get("Europe/Berlin").expect("the zone is known");
        let disk = JobName::new("disk");
        for (text, at, status) in [
            ("disk=critical", "2026-03-29T12:00:00Z", Status::Critical),
            ("*=warning", "2026-03-29T12:00:00Z", Status::Warning),
            ("other=critical", "2026-03-29T12:00:00Z", Status::Ok),
            ("disk=critical@03:00-04:00", "2026-03-28T02:30:00Z", Status::Critical),
            ("disk=critical@03:00-04:00", "2026-03-28T03:00:00Z", Status::Ok),
            ("disk=critical@22:00-06:00", "2026-03-28T23:30:00Z", Status::Critical),
            ("disk=unknown@2026-03-28T01:00-2026-03-28T02:00", "2026-03-28T00:30:00Z", Status::Unknown),
            ("disk=unknown@2026-03-28T01:00-2026-03-28T02:00", "2026-03-29T00:30:00Z", Status::Ok),
        ] {
            let scenario = Scenario {
                from: jiff::Timestamp::UNIX_EPOCH,
                length: std::time::Duration::ZERO,
                took: std::time::Duration::ZERO,
                jobs: Vec::new(),
                assumptions: vec![Assumption::parse(text).expect(text)],
                printed: Vec::new(),
            };
            assert_eq!(scenario.status(&disk, at.parse().expect("a time"), &zone), status, "{text} at {at}");
        }
        for text in ["disk", "disk=bad", "disk=ok@3-4", "disk=ok@", "disk=ok@25:00-26:00"] {
            assert!(Assumption::parse(text).is_err(), "{text}");
        }
    }
}
