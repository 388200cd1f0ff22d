//! What is assumed: from when, for how long, and what runs come to.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

use crate::clock::shift;
use crate::exec::Status;
use crate::id::JobName;
use crate::policy::HoldKind;

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
    /// What people ask for.
    pub requests: Vec<Asked>,
}

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A run.
    Trigger,
    /// A pause, a silence, an acknowledgement.
    Hold(HoldKind),
}

impl What {
    /// As in the names of the commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Hold(kind) => kind.as_str(),
        }
    }
}

/// `PATTERN@FROM-TO` or `JOB@TIME`: a person asks for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub what: What,
    /// Of which jobs.
    pub pattern: String,
    /// When.
    when: When,
}

/// When a person asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// From then until then.
    Window(Window),
    /// Every day at this time.
    Daily(Time),
    /// Once.
    Once(DateTime),
}

/// `JOB=TEXT`: what every run of a job prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The job; `*` is all.
    pub job: String,
    /// Its standard output.
    pub text: String,
}

/// What a run is assumed to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assumed {
    /// It ends with this status.
    Status(Status),
    /// Something else is to start it, and it does not come.
    Missing,
}

/// `JOB=STATUS@FROM-TO`: what the runs of a job come to in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// The job; `*` is all.
    pub job: String,
    /// What its runs come to.
    pub assumed: Assumed,
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
        let status = |assumption: &Assumption| match assumption.assumed {
            Assumed::Status(status) => Some(status),
            Assumed::Missing => None,
        };
        let fits = |assumption: &&Assumption| assumption.fits(job, at, zone) && status(assumption).is_some();
        self.assumptions.iter().rev().find(fits).and_then(status).unwrap_or(Status::Ok)
    }

    /// Whether the expected run of `job` that is due at `at` does not come.
    pub fn is_missing(&self, job: &JobName, at: Timestamp, zone: &TimeZone) -> bool {
        let fits = |assumption: &&Assumption| assumption.fits(job, at, zone);
        self.assumptions.iter().rev().find(fits).is_some_and(|assumption| assumption.assumed == Assumed::Missing)
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

impl Asked {
    /// Reads `PATTERN@FROM-TO`, or `JOB@TIME` of what needs no end; the error says what is wrong.
    pub fn parse(what: What, text: &str) -> Result<Self, String> {
        let form = match what {
            What::Trigger => "write JOB@TIME, such as `disk@03:10`",
            What::Hold(HoldKind::Ack) => "write JOB@TIME or JOB@FROM-TO, such as `disk@03:10`",
            What::Hold(_) => "write PATTERN@FROM-TO, such as `db/*@03:00-04:00`",
        };
        let (pattern, when) = text.rsplit_once('@').ok_or_else(|| format!("`{text}` names no time; {form}"))?;
        let instant = || time(when).map(When::Daily).or_else(|| date(when).map(When::Once));
        let window = || Window::parse(when).map(When::Window);
        let read = match what {
            What::Trigger => instant(),
            What::Hold(HoldKind::Ack) => window().or_else(instant),
            What::Hold(_) => window(),
        };
        let when = read.ok_or_else(|| format!("`{when}` is no time for this; {form}"))?;
        Ok(Self { what, pattern: pattern.to_owned(), when })
    }

    /// When it is asked for between two times, each with its end where it says one. What began before is asked for at the
    /// beginning.
    pub fn times(&self, from: Timestamp, to: Timestamp, zone: &TimeZone) -> Vec<(Timestamp, Option<Timestamp>)> {
        let at = |local: DateTime| zone.to_timestamp(local).ok();
        let first = zone.to_datetime(from).date().yesterday().unwrap_or(jiff::civil::Date::MIN);
        let days = first.series(jiff::Span::new().days(1)).take_while(|day| *day <= zone.to_datetime(to).date());
        let all: Vec<(Option<Timestamp>, Option<Timestamp>)> = match self.when {
            When::Once(local) => vec![(at(local), None)],
            When::Window(Window::Once(begin, end)) => vec![(at(begin), at(end))],
            When::Daily(time) => days.map(|day| (at(day.to_datetime(time)), None)).collect(),
            When::Window(Window::Daily(begin, end)) => days
                .map(|day| {
                    let last = if begin < end { day } else { day.tomorrow().unwrap_or(day) };
                    (at(day.to_datetime(begin)), at(last.to_datetime(end)))
                })
                .collect(),
        };
        let within = |(begin, end): (Option<Timestamp>, Option<Timestamp>)| match (begin?, end) {
            (begin, Some(end)) if end > from => Some((begin.max(from), Some(end))),
            (begin, None) if begin >= from => Some((begin, None)),
            _ => None,
        };
        all.into_iter().filter_map(within).filter(|(begin, _)| *begin < to).collect()
    }
}

impl Scenario {
    /// Where the stretch of time ends.
    pub fn end(&self) -> Timestamp {
        shift(self.from, self.length)
    }
}

impl Assumption {
    /// Reads `JOB=STATUS` or `JOB=STATUS@FROM-TO`; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "write JOB=STATUS@FROM-TO, such as `disk=critical@03:00-04:00`";
        let (job, rest) = text.split_once('=').ok_or_else(|| format!("`{text}` names no status; {form}"))?;
        let (status, window) = rest.split_once('@').map_or((rest, None), |(status, window)| (status, Some(window)));
        let assumed = match status {
            "ok" => Assumed::Status(Status::Ok),
            "warning" => Assumed::Status(Status::Warning),
            "critical" | "fail" => Assumed::Status(Status::Critical),
            "unknown" => Assumed::Status(Status::Unknown),
            "missing" => Assumed::Missing,
            _ => return Err(format!("`{status}` is no status; it can be ok, warning, critical, unknown or missing")),
        };
        let window =
            window.map(|window| Window::parse(window).ok_or_else(|| format!("`{window}` is no window; {form}")));
        Ok(Self { job: job.to_owned(), assumed, window: window.transpose()? })
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
    use super::{Asked, Assumption, Scenario, What};
    use crate::exec::Status;
    use crate::id::JobName;
    use crate::policy::HoldKind;
    use jiff::tz::TimeZone;

    #[test]
    fn what_people_ask_for_has_its_times() {
        let zone = TimeZone::get("Europe/Berlin").expect("the zone is known");
        let (pause, ack) = (What::Hold(HoldKind::Pause), What::Hold(HoldKind::Ack));
        // From 02:30 of a Saturday to 02:30 of a Monday in Berlin; on the Sunday clocks go forward.
        let (from, to) = ("2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z");
        for (what, text, times) in [
            (pause, "db/*@03:00-04:00", "03-28T02:00>03-28T03:00 03-29T01:00>03-29T02:00"),
            (pause, "db/*@22:00-03:00", "03-28T01:30>03-28T02:00 03-28T21:00>03-29T01:00 03-29T20:00>03-30T01:00"),
            (pause, "a@b@2026-03-28T04:00-2026-03-28T05:30", "03-28T03:00>03-28T04:30"),
            (pause, "a@2026-03-27T04:00-2026-03-27T05:30", ""),
            (What::Trigger, "disk@12:00", "03-28T11:00 03-29T10:00"),
            (What::Trigger, "disk@2026-03-29T12:00", "03-29T10:00"),
            (ack, "disk@2026-03-29T12:00", "03-29T10:00"),
            (ack, "disk@12:00-13:00", "03-28T11:00>03-28T12:00 03-29T10:00>03-29T11:00"),
        ] {
            let asked = Asked::parse(what, text).expect(text);
            let short = |at: jiff::Timestamp| at.strftime("%m-%dT%H:%M").to_string();
            let times_of = asked.times(from.parse().expect("a time"), to.parse().expect("a time"), &zone);
            let told = times_of.iter().map(|(begin, end)| match end {
                Some(end) => format!("{}>{}", short(*begin), short(*end)),
                None => short(*begin),
            });
            assert_eq!(told.collect::<Vec<_>>().join(" "), times, "{text}");
        }
        for (what, text) in [
            (pause, "db/*"),
            (pause, "db/*@03:00"),
            (pause, "db/*@"),
            (ack, "disk@noon"),
            (What::Trigger, "disk@03:00-04:00"),
        ] {
            assert!(Asked::parse(what, text).is_err(), "{text}");
        }
    }

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
                requests: Vec::new(),
            };
            assert_eq!(scenario.status(&disk, at.parse().expect("a time"), &zone), status, "{text} at {at}");
        }
        for text in ["disk", "disk=bad", "disk=ok@3-4", "disk=ok@", "disk=ok@25:00-26:00"] {
            assert!(Assumption::parse(text).is_err(), "{text}");
        }
    }
}
