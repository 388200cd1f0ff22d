//! `[summary]`: a report on schedule, from numbers to words. Pure.
//!
//! Before it: the daemon, which counts. After it: `outbox`, as any message. Invariant: it is one message within every
//! limit, however many jobs there are: of each list the first few, and how many more there are.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::blocks;
use super::fit::{PLAIN, cut};
use super::render::Rendered;
use super::text::escape;
use super::words::one_line;
use crate::clock::between;
use crate::diagnostic::{Code, Problem};
use crate::document::{Key, Kind, Refusal, Table, Text, format_duration};
use crate::exec::Status;
use crate::id::{Channel, JobName};
use crate::order;
use crate::policy::{Incident, parse_channel};
use crate::schedule::{Times, parse_times};

/// Jobs of each list.
const MOST: usize = 5;

/// The keys of `[summary]`.
pub const KEYS: &[Key] = &[
    Key {
        name: "at",
        kind: Kind::Text,
        default: "",
        about: "When the report comes, by the clock of `time_zone`: `09:00`, `Mon-Fri 09:00`, `Mon,Thu 08:30,17:00`. One \
                that fell into a time when the daemon was down comes at the next start, once.",
    },
    Key { name: "channel", kind: Kind::Text, default: "", about: "Where it goes. Default: `slack.channel`." },
];

/// What `[summary]` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `at`.
    pub at: Times,
    /// `channel`; none: the default of `[slack]`.
    pub channel: Option<Channel>,
}

/// What there is to report.
#[derive(Clone, Debug)]
pub struct Report {
    /// This host's name.
    pub host: String,
    /// From when on: the report before.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The zone of the times shown.
    pub zone: TimeZone,
    /// Every job that ran.
    pub jobs: Vec<JobReport>,
    /// Incidents that are open.
    pub open: Vec<(JobName, Incident)>,
}

/// What one job did in that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// The job.
    pub job: JobName,
    /// Its runs; those that counted as not run aside.
    pub runs: u64,
    /// Of these, not ok.
    pub failures: u64,
    /// How long the longest took.
    pub longest: std::time::Duration,
    /// Runs of which nothing was said though it was worth a word: limits, quiet hours, flapping, silences.
    pub held: u64,
    /// Runs of which something was said.
    pub told: u64,
}

/// Reads `[summary]`, the whole table; `None` where something in it is missing or wrong.
pub fn read(mut table: Table<'_>) -> Option<Settings> {
    let text = table.text("at");
    if text.is_none() {
        table.missing("at", "say when the report is to come: `at = \"Mon-Fri 09:00\"`");
    }
    let channel = table.text("channel");
    let refuse = |text: &Text<'_>, key: &str, refusal: Refusal| {
        let message = format!("`summary.{key}`: {}", refusal.message);
        table.push(Problem::new(Code::InvalidValue, text.inside(refusal.span), message).help(refusal.help));
    };
    let at = text.and_then(|text| parse_times(text.value).map_err(|refusal| refuse(&text, "at", refusal)).ok());
    let channel = match channel {
        None => Some(None),
        Some(text) => parse_channel(text.value).map_err(|refusal| refuse(&text, "channel", refusal)).ok().map(Some),
    };
    table.finish();
    Some(Settings { at: at?, channel: channel? })
}

impl Report {
    /// How it stands, for the digest that it may become part of: what fails still, or failed.
    pub fn status(&self) -> Status {
        let failed = !self.open.is_empty() || self.jobs.iter().any(|job| job.failures > 0);
        if failed { Status::Warning } else { Status::Ok }
    }
}

/// The report in words.
pub fn render(report: &Report) -> Rendered {
    let title = format!(
        ":bar_chart: *Summary of {}* since {}",
        escape(&report.host),
        report.since.to_zoned(report.zone.clone()).strftime("%a %-d %b, %H:%M")
    );
    let mut parts = vec![numbers(report)];
    let mut open: Vec<_> = report.open.iter().collect();
    order::by_key(&mut open, |(_, incident)| incident.started);
    let longest = |(job, incident): &&(JobName, Incident)| {
        let length = format_duration(whole_seconds(between(incident.started, report.until)));
        format!("• *{}* for {length}, {}", name(job), count(incident.failures.into(), "failure"))
    };
    parts.extend(list("Longest open incidents", open.len(), open.iter().map(longest)));
    let ranked = |weight: fn(&JobReport) -> u128| {
        let mut jobs: Vec<_> = report.jobs.iter().filter(|job| weight(job) > 0).collect();
        order::by(&mut jobs, |a, b| weight(b).cmp(&weight(a)).then_with(|| a.job.cmp(&b.job)));
        jobs
    };
    let failing = ranked(|job| job.failures.into());
    let words = |job: &&JobReport| format!("• *{}*: {} of {}", name(&job.job), job.failures, count(job.runs, "run"));
    parts.extend(list("Most failures", failing.len(), failing.iter().map(words)));
    let slow = ranked(|job| job.longest.as_millis());
    let words = |job: &&JobReport| format!("• *{}*: {}", name(&job.job), format_duration(job.longest));
    parts.extend(list("Slowest", slow.len().min(MOST), slow.iter().map(words)));
    let silent = ranked(|job| job.held.into());
    let words = |job: &&JobReport| format!("• *{}*: {} held back", name(&job.job), count(job.held, "alert"));
    parts.extend(list("Most silent", silent.len(), silent.iter().map(words)));

    let mut all = vec![blocks::section(&title, PLAIN)];
    all.extend(parts.iter().map(|part| blocks::section(part, PLAIN)));
    let text = cut(&format!("{title}\n{}", parts.join("\n")), PLAIN).0;
    Rendered { text, blocks: all, color: None, attachment: None }
}

/// "1204 runs of 12 jobs, 31 failed; 40 alerts, 12 held back".
fn numbers(report: &Report) -> String {
    let sum = |of: fn(&JobReport) -> u64| report.jobs.iter().map(of).sum::<u64>();
    if report.jobs.is_empty() {
        return "no job ran".to_owned();
    }
    let (runs, jobs) = (count(sum(|job| job.runs), "run"), count(report.jobs.len() as u64, "job"));
    let failed = match sum(|job| job.failures) {
        0 => "none failed".to_owned(),
        failures => format!("{failures} failed"),
    };
    let told = count(sum(|job| job.told), "alert");
    format!("{runs} of {jobs}, {failed}; {told}, {} held back", sum(|job| job.held))
}

/// A heading and the first few lines; nothing when there is none.
fn list(heading: &str, all: usize, lines: impl Iterator<Item = String>) -> Option<String> {
    let lines: Vec<String> = lines.take(MOST).collect();
    let more = all.saturating_sub(lines.len());
    let more = if more > 0 { format!("\n• and {more} more") } else { String::new() };
    (!lines.is_empty()).then(|| format!("*{heading}*\n{}{more}", lines.join("\n")))
}

fn name(job: &JobName) -> String {
    one_line(job.as_str())
}

fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn whole_seconds(length: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_secs(length.as_secs())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::{JobReport, KEYS, Report, Settings, read, render};
    use crate::diagnostic::{Code, Sources};
    use crate::document::{Reader, Table};
    use crate::id::{Channel, JobName};
    use crate::policy::Incident;

    fn settings(text: &str) -> (Option<Settings>, Vec<(Code, String)>) {
        let mut sources = Sources::default();
        let id = sources.add(Path::new("slack_alert.toml"), text);
        let parsed = toml::de::DeTable::parse(text).expect("the tests write valid TOML");
        let reader = Reader::default();
        let settings = read(Table::root(&reader, id, text, parsed.get_ref()));
        let culprit = |problem: &crate::diagnostic::Problem| {
            let place = problem.place().map(|place| text[place.span()].to_owned());
            (problem.code, place.unwrap_or_default())
        };
        (settings, reader.into_problems().iter().map(culprit).collect())
    }

    #[test]
    fn the_keys_are_read_with_exact_places() {
        let (good, problems) = settings("at = \"Mon-Fri 09:00\"\nchannel = \"#ops\"");
        let good = good.expect("good settings");
        assert_eq!((good.at.to_string().as_str(), good.channel), ("Mon-Fri 09:00", Some(Channel::new("ops"))));
        assert_eq!(problems, []);
        for (text, code, culprit) in [
            ("channel = '#ops'", Code::MissingKey, ""),
            ("at = 'Mon-Fry 09:00'", Code::InvalidValue, "Fry"),
            ("at = '09:00'\nchannel = '#Ops'", Code::InvalidValue, "O"),
            ("at = 9", Code::WrongType, "9"),
        ] {
            let (none, problems) = settings(text);
            assert!(none.is_none(), "{text}");
            assert_eq!(problems[0], (code, culprit.to_owned()), "{text}");
        }
        assert_eq!(settings("at = '09:00'\nto = 1").1[0].0, Code::UnknownKey);
        let reader = Reader::default();
        let mut table = Table::empty(&reader);
        for key in KEYS {
            table.value(key.name);
        }
        assert_eq!(table.asked(), ["at", "channel"]);
    }

    fn job(name: &str, runs: u64, failures: u64, seconds: u64, held: u64) -> JobReport {
        let job = JobName::new(name);
        JobReport {
            job,
            runs,
            failures,
            longest: Duration::from_secs(seconds),
            held,
            told: failures - held.min(failures),
        }
    }

    fn report(jobs: Vec<JobReport>, open: Vec<(JobName, Incident)>) -> Report {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let (since, until) = (at("2026-11-20T09:00:00Z"), at("2026-11-23T09:00:00Z"));
        Report { host: "web<1>".to_owned(), since, until, zone: TimeZone::UTC, jobs, open }
    }

    #[test]
    fn a_report_in_words() {
        let started = "2026-11-22T21:00:00Z".parse().expect("a time");
        let jobs = vec![job("a", 10, 0, 3, 0), job("db/backup", 3, 2, 700, 1), job("web", 99, 12, 1, 11)];
        let open = vec![(JobName::new("db/backup"), Incident { id: 7, started, failures: 2 })];
        let rendered = render(&report(jobs, open));
        assert_eq!(
            rendered.text,
            ":bar_chart: *Summary of web&lt;1&gt;* since Fri 20 Nov, 09:00\n\
             112 runs of 3 jobs, 14 failed; 2 alerts, 12 held back\n\
             *Longest open incidents*\n• *db/backup* for 12h, 2 failures\n\
             *Most failures*\n• *web*: 12 of 99 runs\n• *db/backup*: 2 of 3 runs\n\
             *Slowest*\n• *db/backup*: 11m 40s\n• *a*: 3s\n• *web*: 1s\n\
             *Most silent*\n• *web*: 11 alerts held back\n• *db/backup*: 1 alert held back"
        );
        assert_eq!(rendered.blocks.len(), 6);
        let quiet = render(&report(Vec::new(), Vec::new())).text;
        assert_eq!(quiet, ":bar_chart: *Summary of web&lt;1&gt;* since Fri 20 Nov, 09:00\nno job ran");
    }

    #[test]
    fn ten_thousand_jobs_are_one_message_too() {
        let long = "x".repeat(250);
        let jobs = (0..10_000).map(|n| job(&format!("{long}{n}<!here>"), 9, 9, n, 3)).collect();
        let rendered = render(&report(jobs, Vec::new()));
        assert!(rendered.text.contains("and 9995 more") || rendered.text.ends_with('…'));
        assert!(rendered.blocks.len() < 10 && !rendered.text.contains("<!here>"));
        let weight = super::super::fit::weight(&rendered.blocks);
        assert!(weight <= super::super::fit::ALL_BLOCKS, "{weight}");
    }
}
